package native_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// frames are the compressed frames of a file of the real studies, one to a fragment or one in all, and what the data set
// says of them.
func frames(t testing.TB, name string) ([][]byte, codec.Want) {
	t.Helper()
	d, err := dicom.ReadFile(filepath.Join(sourcetest.Studies(t, "."), name), dicom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	px, err := d.PixelData()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.PixelFormat()
	if err != nil {
		t.Fatal(err)
	}
	w := codec.Want{Width: f.Columns, Height: f.Rows, Components: f.SamplesPerPixel}
	data := px.Fragments[1:]
	switch {
	case len(data) == f.Frames:
		return data, w
	case f.Frames == 1:
		return [][]byte{slices.Concat(data...)}, w
	}
	t.Fatalf("%s: %d fragments hold %d frames", name, len(data), f.Frames)
	return nil, w
}
