// Package codectest has images that were encoded by the libraries' own encoders, and what the tests of decoders share.
package codectest

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Image is an encoded image whose samples [Value] gives.
type Image struct {
	Name                            string
	Width, Height, Components, Bits int
	Signed, Transformed             bool
	Loss                            int // by how much a sample may differ
	Stream                          []byte
}

// Want is what a data set says of the image.
func (m Image) Want() codec.Want {
	return codec.Want{Width: m.Width, Height: m.Height, Components: m.Components}
}

// Value is a sample of the images: of all sizes, so that every bit of it matters.
func (m Image) Value(x, y, c int) int64 {
	v := uint64(x*x*3 + y*17 + c*71 + x*y*5)
	if m.Bits > 8 {
		v = v<<(m.Bits-8) | uint64(x^y)
	}
	v &= 1<<m.Bits - 1
	if m.Signed {
		return int64(v) - 1<<(m.Bits-1)
	}
	return int64(v)
}

// Images reads the testdata/images.json of the package under test.
func Images(t testing.TB) []Image { return ImagesOf(t, ".") }

// ImagesOf reads the testdata/images.json of the package in a folder.
func ImagesOf(t testing.TB, folder string) []Image {
	t.Helper()
	path := filepath.Join(folder, "testdata", "images.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Image
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

// Find is the image of a name.
func Find(t testing.TB, name string) Image {
	t.Helper()
	for _, m := range Images(t) {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("testdata/images.json has no image %s", name)
	return Image{}
}

// Check compares a decoded image with what it should be.
func (m Image) Check(t testing.TB, got codec.Image) {
	t.Helper()
	if got.Width != m.Width || got.Height != m.Height || got.Components != m.Components || got.Bits != m.Bits || got.Signed != m.Signed || got.Transformed != m.Transformed {
		t.Errorf("it is %dx%dx%d of %d bits, signed %v, transformed %v", got.Width, got.Height, got.Components, got.Bits, got.Signed, got.Transformed)
		return
	}
	size := got.SampleBytes()
	if want := m.Width * m.Height * m.Components * size; len(got.Pix) != want {
		t.Errorf("it has %d bytes, not %d", len(got.Pix), want)
		return
	}
	for y := range m.Height {
		for x := range m.Width {
			for c := range m.Components {
				have, want := sample(got, ((y*m.Width+x)*m.Components+c)*size), m.Value(x, y, c)
				if d := have - want; d > int64(m.Loss) || -d > int64(m.Loss) {
					t.Errorf("component %d of pixel %d,%d is %d, not %d", c, x, y, have, want)
					return
				}
			}
		}
	}
}

// sample reads a sample in the whole of its bytes.
func sample(m codec.Image, at int) int64 {
	var v uint64
	size := m.SampleBytes()
	switch size {
	case 1:
		v = uint64(m.Pix[at])
	case 2:
		v = uint64(binary.LittleEndian.Uint16(m.Pix[at:]))
	default:
		v = uint64(binary.LittleEndian.Uint32(m.Pix[at:]))
	}
	if m.Signed {
		up := 64 - 8*size
		return int64(v<<up) >> up
	}
	return int64(v)
}
