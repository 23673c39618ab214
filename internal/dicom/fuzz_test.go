package dicom_test

import (
	"bytes"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// FuzzRead: whatever the bytes are, reading them neither panics nor reserves much, the same bytes read at once and
// in parts give the same, and what was read can be written and read again.
func FuzzRead(f *testing.F) {
	for _, syntax := range []string{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.DeflatedExplicitVRLittleEndian} {
		d := rich()
		d.SetString(0x00080119, dicom.UC, "short")
		d.TransferSyntax = syntax
		f.Add(write(f, d))
	}
	id := ex(dicom.PatientID, "LO", []byte("A1"))
	const seq dicom.Tag = 0x00081140
	f.Add(file(dicom.ExplicitVRLittleEndian, openSequence(seq, "SQ", openItem(id), item(id))))
	f.Add(file(dicom.ExplicitVRLittleEndian, openSequence(seq, "UN", openItem(im(dicom.PatientID, []byte("A1"))))))
	f.Add(file(dicom.ExplicitVRBigEndian, []byte("\x00\x08\x00\x60CS\x00\x02CT\x00\x28\x00\x10US\x00\x02\x00\x04")))
	f.Add(cat(im(dicom.Modality, []byte("CT")), im(dicom.Rows, le16(4))))
	compressed := image(4, 4, 0, nil)
	compressed.TransferSyntax = dicom.RLELossless
	compressed.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, rle(make([]byte, 16), make([]byte, 16))}})
	f.Add(write(f, compressed))
	japanese := &dicom.Dataset{}
	japanese.SetString(dicom.SOPClassUID, dicom.UI, "1.2")
	japanese.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3")
	japanese.SetString(dicom.SpecificCharacterSet, dicom.CS, `\ISO 2022 IR 87`)
	japanese.SetString(dicom.PatientName, dicom.PN, "Yamada=\x1b$B;3ED\x1b(B")
	f.Add(write(f, japanese))
	f.Fuzz(func(t *testing.T, data []byte) {
		lim := dicom.Limits{MaxBytes: 1 << 20, MaxElements: 10_000}
		d, err := dicom.Parse(data, dicom.Options{Limits: lim})
		use(t, "fuzzed", d)
		if err != nil {
			return
		}
		head, err := dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true, Limits: lim})
		if err != nil || d.String(dicom.SOPInstanceUID) != head.String(dicom.SOPInstanceUID) {
			t.Fatalf("the header alone: %v", err)
		}
		var b bytes.Buffer
		if dicom.Write(&b, d) != nil {
			return
		}
		again, err := dicom.Parse(b.Bytes(), dicom.Options{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(again.Elements) != len(d.Elements) || again.String(dicom.PatientName) != d.String(dicom.PatientName) {
			t.Fatalf("%d elements became %d", len(d.Elements), len(again.Elements))
		}
	})
}
