package picture

import (
	"fmt"
	"math"

	"github.com/tomocast/tomocast/internal/dicom"
)

// grey makes values of stored samples: modality transform, padding, range and windows.
func (m *Image) grey(d *dicom.Dataset, f dicom.PixelFormat, raw []byte) error {
	n := f.Rows * f.Columns
	stored := make([]float64, n)
	if !f.Float64s(stored, raw) {
		return fmt.Errorf("%w: samples of %d bits", ErrUnsupported, f.BitsAllocated)
	}
	lut, err := d.ModalityLUT()
	if err != nil {
		return err
	}
	slope, intercept := rescale(d)
	m.pad(d, f, stored)
	m.Gray = make([]float32, n)
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, v := range stored {
		switch {
		case lut != nil:
			v = float64(lut.At(int(v)))
		default:
			v = v*slope + intercept
		}
		if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > math.MaxFloat32 {
			m.mark(i) // a value that is none
			continue
		}
		m.Gray[i] = float32(v)
		if m.Padding == nil || !m.Padding[i] {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi {
		lo, hi = 0, 0
	}
	m.Min, m.Max = float32(lo), float32(hi)
	m.Inverted = f.Photometric == "MONOCHROME1" || d.String(dicom.PresentationLUTShape) == "INVERSE"
	if m.Units = d.String(dicom.Units); m.Units == "" {
		m.Units = d.String(dicom.RescaleType)
	}
	if m.Windows, err = windows(d, lut == nil && (f.Signed || intercept < 0)); err != nil {
		return err
	}
	if len(m.Windows) > 0 {
		m.Window = &m.Windows[0]
	} else {
		m.Window = overRange(lo, hi)
	}
	return nil
}

// rescale is the linear modality transform: rescale slope and intercept, or the scaling of a dose grid
// (PS3.3 C.11.1, C.8.8.3). A slope of 0 would make every pixel the same and is not meant.
func rescale(d *dicom.Dataset) (slope, intercept float64) {
	slope = 1
	if v, ok := d.Float(dicom.RescaleSlope); ok && v != 0 {
		slope = v
	} else if v, ok := d.Float(dicom.DoseGridScaling); ok && v != 0 {
		slope = v
	}
	if v, ok := d.Float(dicom.RescaleIntercept); ok {
		intercept = v
	}
	return slope, intercept
}

// pad marks the pixels with the padding value, or within the padding range (PS3.3 C.7.5.1.1.2).
func (m *Image) pad(d *dicom.Dataset, f dicom.PixelFormat, stored []float64) {
	at := func(t dicom.Tag) (float64, bool) {
		v, ok := d.Float(t)
		switch half := math.Ldexp(1, 16); { // US or SS is left to the reader in files without VRs
		case ok && f.Signed && v >= half/2:
			v -= half
		case ok && !f.Signed && !f.Float && v < 0:
			v += half
		}
		return v, ok
	}
	value, limit := dicom.PixelPaddingValue, dicom.PixelPaddingRangeLimit
	if f.Float {
		value, limit = dicom.FloatPixelPaddingValue, dicom.FloatPixelPaddingRangeLimit
		if f.BitsAllocated == 64 {
			value, limit = dicom.DoubleFloatPixelPaddingValue, dicom.DoubleFloatPixelPaddingRangeLimit
		}
	}
	lo, ok := at(value)
	if !ok {
		return
	}
	hi := lo
	if v, ok := at(limit); ok {
		lo, hi = min(lo, v), max(hi, v)
	}
	for i, v := range stored {
		if v >= lo && v <= hi {
			m.mark(i)
		}
	}
}

// mark makes a pixel padding.
func (m *Image) mark(i int) {
	if m.Padding == nil {
		m.Padding = make([]bool, m.Width*m.Height)
	}
	m.Padding[i] = true
}
