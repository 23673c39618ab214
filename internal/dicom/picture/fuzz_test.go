package picture_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/picture"
)

// FuzzDecode: whatever a file says, its pictures are whole or refused by name.
func FuzzDecode(f *testing.F) {
	add := func(d *dicom.Dataset) {
		var b bytes.Buffer
		if err := dicom.Write(&b, d); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	d := grey(true, -100, 0, 100, 200)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 2)
	d.SetFloats(dicom.WindowCenter, dicom.DS, 40)
	d.SetFloats(dicom.WindowWidth, dicom.DS, 400)
	d.SetInts(dicom.PixelPaddingValue, dicom.SS, -100)
	add(d)
	d.SetSequence(dicom.VOILUTSequence, lut(3, 0xFFF6, 8, []byte{0, 100, 200, 0}, "CURVE"))
	d.SetSequence(dicom.ModalityLUTSequence, lut(3, 0, 16, le(1, 2, 3), ""))
	add(d)
	add(indexed(8, 0, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}, 2, 0, 1, 9))
	shared := base("YBR_FULL_422", 1, 2, 3, 8)
	shared.SetBytes(dicom.PixelData, dicom.OB, []byte{10, 20, 128, 128})
	add(shared)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := dicom.Parse(data, dicom.Options{Limits: dicom.Limits{MaxBytes: 1 << 20, MaxElements: 10_000}})
		if err != nil {
			return
		}
		m, err := picture.Decode(d, 0)
		if err != nil {
			var fault *dicom.Error
			if !errors.As(err, &fault) && !errors.Is(err, picture.ErrTooLarge) && !errors.Is(err, picture.ErrUnsupported) {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		n := m.Width * m.Height
		if m.RGB == nil && (len(m.Gray) != n || m.Window == nil) || m.RGB != nil && len(m.RGB) != 3*n {
			t.Fatalf("a picture that is not whole: %dx%d", m.Width, m.Height)
		}
		for i := range m.Windows {
			if len(m.RGBA(&m.Windows[i], nil)) != 4*n {
				t.Fatal("it is not shown whole")
			}
		}
		_ = m.RGBA(nil, nil)
	})
}
