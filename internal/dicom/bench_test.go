package dicom_test

import (
	"bytes"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// BenchmarkSlice parses and decodes a CT slice of 512x512 voxels.
func BenchmarkSlice(b *testing.B) {
	data := write(b, image(512, 512, 0, make([]byte, 512*512*2)))
	out := make([]int16, 512*512)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		d, err := dicom.Parse(data, dicom.Options{})
		if err != nil {
			b.Fatal(err)
		}
		f, err := d.PixelFormat()
		if err != nil {
			b.Fatal(err)
		}
		frame, err := d.Frame(0)
		if err != nil || !f.Int16s(out, frame) {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeader reads the header of such a slice alone.
func BenchmarkHeader(b *testing.B) {
	data := write(b, image(512, 512, 0, make([]byte, 512*512*2)))
	for b.Loop() {
		if _, err := dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true}); err != nil {
			b.Fatal(err)
		}
	}
}
