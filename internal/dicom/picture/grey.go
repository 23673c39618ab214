package picture

import (
	"fmt"
	"math"

	"github.com/tomocast/tomocast/internal/dicom"
)

// grey makes values of stored samples: modality transform, padding, range and windows.
func (m *Image) grey(d *dicom.Dataset, f dicom.PixelFormat, raw []byte) error {
	lut, err := d.ModalityLUT()
	if err != nil {
		return err
	}
	slope, intercept := rescale(d)
	from, to := padding(d, f)
	m.Gray = make([]float32, f.Rows*f.Columns)
	lo, hi := math.Inf(1), math.Inf(-1)
	err = samples(f, raw, func(at int, stored []float64) {
		for i, v := range stored {
			pad := v >= from && v <= to
			if lut != nil {
				v = float64(lut.At(int(v)))
			} else {
				v = v*slope + intercept
			}
			none := math.IsNaN(v) || math.Abs(v) > math.MaxFloat32
			if !none {
				m.Gray[at+i] = float32(v)
			}
			if pad || none {
				m.mark(at + i)
				continue
			}
			lo, hi = min(lo, v), max(hi, v)
		}
	})
	if err != nil {
		return err
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

// samples calls each with the samples of a frame in turn, some thousands at a time, so that a large picture is not there
// twice.
func samples(f dicom.PixelFormat, raw []byte, each func(at int, v []float64)) error {
	const block = 1 << 13 // whole bytes of 1 bit samples too
	n := f.FrameSamples()
	v := make([]float64, min(n, block))
	for at := 0; at < n; at += block {
		v = v[:min(block, n-at)]
		from := at * f.BitsAllocated / 8
		to := min(len(raw), from+(len(v)*f.BitsAllocated+7)/8)
		if from > to || !f.Float64s(v, raw[from:to]) {
			return fmt.Errorf("%w: %d samples of %d bits in %d bytes", ErrUnsupported, n, f.BitsAllocated, len(raw))
		}
		each(at, v)
	}
	return nil
}

// padding is the range of stored values that mark pixels outside the image (PS3.3 C.7.5.1.1.2); from is above to where
// none do.
func padding(d *dicom.Dataset, f dicom.PixelFormat) (from, to float64) {
	at := func(t dicom.Tag) (float64, bool) {
		v, ok := d.Float(t)
		const all = 1 << 16
		switch { // US or SS is left to the reader in files without VRs
		case ok && f.Signed && v >= all/2:
			v -= all
		case ok && !f.Signed && !f.Float && v < 0:
			v += all
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
	from, ok := at(value)
	if !ok {
		return math.Inf(1), math.Inf(-1)
	}
	to = from
	if v, ok := at(limit); ok {
		from, to = min(from, v), max(to, v)
	}
	return from, to
}

// mark makes a pixel padding.
func (m *Image) mark(i int) {
	if m.Padding == nil {
		m.Padding = make([]bool, m.Width*m.Height)
	}
	m.Padding[i] = true
}
