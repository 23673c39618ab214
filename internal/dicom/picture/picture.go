package picture

import (
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom"
)

// What errors of Decode wrap beside those of package dicom.
var (
	// ErrTooLarge: the picture has more pixels than MaxPixels.
	ErrTooLarge = errors.New("picture is too large")
	// ErrUnsupported: the samples mean colours or numbers that are not shown.
	ErrUnsupported = errors.New("picture is of a kind that cannot be shown")
)

// MaxPixels is the largest picture that is decoded, rows times columns. Greyscale takes 4 bytes of memory for each
// pixel, 5 where there is padding, colour 3, and while it is decoded the samples of the file beside it.
const MaxPixels = 128 << 20

// Image is one DICOM frame as a picture, rows from top to bottom.
type Image struct {
	// Width and Height are columns and rows.
	Width, Height int
	// Gray is the values after the modality transform, one per pixel; nil for colour.
	Gray []float32
	// RGB is the colours, three bytes per pixel; nil for greyscale.
	RGB []byte
	// Windows are the windows and tables that the file offers, the one to begin with first; empty for colour and where
	// the file has none.
	Windows []Window
	// Window is the one to begin with: the file's first, else one over the range of the values; nil for colour.
	Window *Window
	// Min and Max are the range of the values without padding; 0 for colour.
	Min, Max float32
	// Units is what the values are in (HU, BQML, OD), as the file has it; empty where it does not say, and for
	// colour.
	Units string
	// Inverted: small values are shown bright (MONOCHROME1). RGBA does it; Gray is not changed.
	Inverted bool
	// Spacing is the distance between columns and between rows in millimetres, 0 where the file does not say it.
	// SpacingOf says where it was measured.
	Spacing   [2]float64
	SpacingOf SpacingPlace
	// Aspect is the height of a pixel divided by its width; 1 where the file does not say otherwise.
	Aspect float64
	// Padding says, for each pixel, whether it lies outside the image (PixelPaddingValue); nil where none does.
	Padding []bool
	// Lossy: the pixels were compressed with loss at some time.
	Lossy bool
}

// SpacingPlace says where a distance between pixels was measured.
type SpacingPlace string

const (
	// InPatient: distances in the patient, or calibrated to be (PixelSpacing).
	InPatient SpacingPlace = "patient"
	// AtDetector: distances on the detector; magnification makes those in the patient smaller (ImagerPixelSpacing).
	AtDetector SpacingPlace = "detector"
	// OnFilm: distances on the scanned film (NominalScannedPixelSpacing).
	OnFilm SpacingPlace = "film"
)

// Decode makes the picture of DICOM frame n, counted from 0. Errors are those of dicom.DecodeFrame, which name what is
// wrong with the file, ErrTooLarge and ErrUnsupported.
func Decode(d *dicom.Dataset, n int) (*Image, error) {
	d, err := d.FrameDataset(n)
	if err != nil {
		return nil, err
	}
	f, err := d.PixelFormat()
	if err != nil {
		return nil, err
	}
	if f.Rows > MaxPixels/f.Columns {
		return nil, fmt.Errorf("%w: %dx%d pixels, at most %d can be shown", ErrTooLarge, f.Columns, f.Rows, MaxPixels)
	}
	raw, f, err := d.DecodeFrame(0)
	if err != nil {
		return nil, err
	}
	m := &Image{Width: f.Columns, Height: f.Rows, Aspect: 1, Lossy: d.String(dicom.LossyImageCompression) == "01"}
	m.size(d)
	switch {
	case f.SamplesPerPixel == 1 && f.Photometric == "PALETTE COLOR":
		err = m.palette(d, f, raw)
	case f.SamplesPerPixel == 1:
		err = m.grey(d, f, raw)
	case f.SamplesPerPixel > 2:
		err = m.colour(f, raw)
	default:
		err = fmt.Errorf("%w: %d samples per pixel (%.16s)", ErrUnsupported, f.SamplesPerPixel, f.Photometric)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// size reads how far pixels are apart (PS3.3 10.7, C.7.6.3.1.7, C.8.11.4): in the patient before at the detector
// before on film.
func (m *Image) size(d *dicom.Dataset) {
	for _, s := range []struct {
		tag   dicom.Tag
		place SpacingPlace
	}{{dicom.PixelSpacing, InPatient}, {dicom.ImagerPixelSpacing, AtDetector}, {dicom.NominalScannedPixelSpacing, OnFilm}} {
		v, ok := d.Floats(s.tag)
		if !ok || len(v) != 2 || !possible(v[0]) || !possible(v[1]) {
			continue
		}
		m.Spacing, m.SpacingOf = [2]float64{v[1], v[0]}, s.place // rows first in the file
		m.Aspect = v[0] / v[1]
		return
	}
	if v, ok := d.Floats(dicom.PixelAspectRatio); ok && len(v) == 2 && possible(v[0]) && possible(v[1]) {
		m.Aspect = v[0] / v[1]
	}
}

// possible says whether a distance in millimetres, or a part of a ratio, can be meant.
func possible(v float64) bool { return v > 1e-6 && v < 1e6 }

// RGBA draws the picture through a window into dst, which is used when it is large enough: 4 bytes per pixel, rows
// from top to bottom, opaque. A nil window is the picture's own; colour has none. Padding is black.
func (m *Image) RGBA(w *Window, dst []byte) []byte {
	n := m.Width * m.Height
	if cap(dst) < 4*n {
		dst = make([]byte, 4*n)
	}
	dst = dst[:4*n]
	if m.RGB != nil {
		for i := range n {
			p, q := m.RGB[3*i:3*i+3:3*i+3], dst[4*i:4*i+4:4*i+4]
			q[0], q[1], q[2], q[3] = p[0], p[1], p[2], 255
		}
		return dst
	}
	if w == nil {
		w = m.Window
	}
	show := w.curve()
	turn := byte(0)
	if m.Inverted {
		turn = 255
	}
	for i, v := range m.Gray {
		b := show(v) ^ turn
		if m.Padding != nil && m.Padding[i] {
			b = 0
		}
		q := dst[4*i : 4*i+4 : 4*i+4]
		q[0], q[1], q[2], q[3] = b, b, b, 255
	}
	return dst
}
