//go:build cgo

package jpegls_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/codectest"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpegls"
)

// Of 2 to 16 bits, of 1, 3 and 4 components in all interleave modes, near lossless, and with HP's colour transforms.
// CharLS has encoded them; libavcodec reads those of 8 bits in planes and lines as here.
func TestDecode(t *testing.T) {
	for _, m := range codectest.Images(t) {
		t.Run(m.Name, func(t *testing.T) {
			got, err := jpegls.Decode(m.Stream, m.Want())
			if err != nil {
				t.Fatal(err)
			}
			m.Check(t, got)
		})
	}
}

func TestAnotherSizeIsRefusedBeforeMemoryIsTaken(t *testing.T) {
	m := codectest.Find(t, "sample-3x8bit")
	for _, w := range []codec.Want{{Width: 24, Height: 17, Components: 3}, {Width: 23, Height: 16, Components: 3}, {Width: 23, Height: 17, Components: 1}, {}} {
		_, err := jpegls.DecodeTo(m.Stream, w, func(int) ([]byte, error) {
			t.Errorf("memory was asked for")
			return nil, codec.ErrLimit
		})
		if !errors.Is(err, codec.ErrMismatch) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	stop := errors.New("no memory")
	if _, err := jpegls.DecodeTo(m.Stream, m.Want(), func(int) ([]byte, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Errorf("without memory: %v", err)
	}
}

func TestCutShort(t *testing.T) {
	for _, name := range []string{"plane-3x8bit", "sample-3x8bit", "plane-1x12bit"} {
		m := codectest.Find(t, name)
		for n := range len(m.Stream) - 2 { // the last two are the mark of the end
			_, err := jpegls.Decode(m.Stream[:n], m.Want())
			if !errors.Is(err, codec.ErrTruncated) && !errors.Is(err, codec.ErrCorrupt) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(m.Stream), err)
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	m := codectest.Find(t, "plane-1x12bit")
	for _, test := range []struct {
		name string
		with func(b []byte) []byte
		want error
	}{
		{"no image", func([]byte) []byte { return []byte("a text that is no image") }, codec.ErrCorrupt},
		{"17 bits", func(b []byte) []byte { b[bytes.Index(b, []byte{0xff, 0xf7})+4] = 17; return b }, codec.ErrCorrupt},
		{"another JPEG", func(b []byte) []byte { b[bytes.Index(b, []byte{0xff, 0xf7})+1] = 0xc0; return b }, codec.ErrUnsupported},
		{"padded", func(b []byte) []byte { return append(b, 0) }, nil},
	} {
		if _, err := jpegls.Decode(test.with(bytes.Clone(m.Stream)), m.Want()); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
