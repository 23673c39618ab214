package dicom_test

import (
	"bytes"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
)

// Where a frame begins in a file, however it is stored.
func TestStoredFrame(t *testing.T) {
	file := func(bits int, px dicom.Element) *dicom.Dataset {
		d := &dicom.Dataset{}
		d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.2.1")
		d.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3")
		for tag, n := range map[dicom.Tag]int{dicom.Rows: 3, dicom.Columns: 4, dicom.BitsAllocated: bits, dicom.BitsStored: bits,
			dicom.HighBit: bits - 1, dicom.SamplesPerPixel: 1, dicom.PixelRepresentation: 0} {
			d.SetInts(tag, dicom.US, n)
		}
		d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME2")
		d.SetInts(dicom.NumberOfFrames, dicom.IS, 2)
		if px.Fragments != nil {
			d.TransferSyntax = "1.2.840.10008.1.2.4.90"
		}
		d.Set(px)
		return d
	}
	fragment := func(mark, n int) []byte {
		return append([]byte{0xFF, 0x4F, 0xFF, 0x51}, bytes.Repeat([]byte{byte(mark)}, n)...)
	}
	for name, c := range map[string]struct {
		d      *dicom.Dataset
		starts [2]int // of the frames, from the first one's beginning; -1 where nothing is known
	}{
		"16 bits":      {file(16, dicom.Element{Tag: dicom.PixelData, VR: dicom.OW, Value: samples(48)}), [2]int{0, 24}},
		"1 bit":        {file(1, dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Value: samples(4)}), [2]int{0, 1}},
		"cut":          {file(16, dicom.Element{Tag: dicom.PixelData, VR: dicom.OW, Value: samples(40)}), [2]int{0, -1}},
		"encapsulated": {file(16, dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, fragment(1, 6), fragment(2, 6)}}), [2]int{0, 18}},
		"in several fragments": {file(16, dicom.Element{Tag: dicom.PixelData, VR: dicom.OB,
			Fragments: [][]byte{nil, fragment(1, 6), {1, 2}, fragment(2, 6)}}), [2]int{0, 28}},
	} {
		var b bytes.Buffer
		if err := dicom.Write(&b, c.d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := dicom.Parse(b.Bytes(), dicom.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		first := pages.Within(b.Bytes(), d.StoredFrame(0))
		for n, want := range c.starts {
			at := pages.Within(b.Bytes(), d.StoredFrame(n))
			if at >= 0 {
				at -= first
			}
			if at != want || first < 0 {
				t.Errorf("%s: frame %d begins at %d, want %d", name, n, at, want)
			}
		}
		if d.StoredFrame(-1) != nil || d.StoredFrame(2) != nil {
			t.Errorf("%s: frames that are not there", name)
		}
	}
}

func samples(n int) []byte { return bytes.Repeat([]byte{7, 8}, n/2) }
