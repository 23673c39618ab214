package picture

import (
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom"
)

// colour makes RGB of three samples per pixel; a fourth (retired ARGB and CMYK) is refused.
func (m *Image) colour(f dicom.PixelFormat, raw []byte) error {
	if f.SamplesPerPixel != 3 || f.BitsAllocated != 8 && f.BitsAllocated != 16 {
		return fmt.Errorf("%w: colours of %d samples of %d bits (%.16s)", ErrUnsupported, f.SamplesPerPixel, f.BitsAllocated, f.Photometric)
	}
	n := f.Rows * f.Columns
	m.RGB = make([]byte, 3*n)
	interleaved(m.RGB, f, raw, n)
	switch f.Photometric {
	case "RGB", "YBR_ICT", "YBR_RCT", "":
		// A codestream that undoes its own transform gives RGB, so what is left under the names of such transforms is
		// RGB as well.
	case "YBR_FULL", "YBR_FULL_422":
		fromYBR(m.RGB, false)
	case "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_PARTIAL":
		fromYBR(m.RGB, true)
	default:
		return fmt.Errorf("%w: colours of photometric interpretation %.16q", ErrUnsupported, f.Photometric)
	}
	return nil
}

// interleaved brings samples into bytes, pixel by pixel.
func interleaved(dst []byte, f dicom.PixelFormat, raw []byte, n int) {
	size, down := f.BitsAllocated/8, max(0, f.HighBit-7)
	at := func(i int) byte {
		if size == 1 {
			v := raw[i]
			if f.BitsStored < 8 {
				v = byte(int(v>>(f.HighBit+1-f.BitsStored)) & (1<<f.BitsStored - 1) * 255 / (1<<f.BitsStored - 1))
			}
			return v
		}
		return byte((uint(raw[2*i]) | uint(raw[2*i+1])<<8) >> down)
	}
	if f.Planar {
		for i := range n {
			dst[3*i], dst[3*i+1], dst[3*i+2] = at(i), at(n+i), at(2*n+i)
		}
		return
	}
	if size == 1 && f.BitsStored == 8 {
		copy(dst, raw)
		return
	}
	for i := range dst {
		dst[i] = at(i)
	}
}

// fromYBR turns luminance and colour differences into RGB in place (PS3.3 C.7.6.3.1.2): the full range of ITU-R
// BT.601, or the part of it from 16 to 235.
func fromYBR(p []byte, partial bool) {
	for ; len(p) >= 3; p = p[3:] {
		y, cb, cr := float32(p[0]), float32(p[1])-128, float32(p[2])-128
		if partial {
			y, cb, cr = (y-16)*(255.0/219), cb*(255.0/224), cr*(255.0/224)
		}
		p[0] = clamp(y + 1.402*cr)
		p[1] = clamp(y - 0.344136*cb - 0.714136*cr)
		p[2] = clamp(y + 1.772*cb)
	}
}

func clamp(v float32) byte { return byte(min(max(v+0.5, 0), 255)) }

// palette makes RGB of indices (PS3.3 C.7.6.3.1.5).
func (m *Image) palette(d *dicom.Dataset, f dicom.PixelFormat, raw []byte) error {
	if f.Float {
		return fmt.Errorf("%w: palette indices that are no whole numbers", ErrUnsupported)
	}
	tables, err := d.Palette()
	if err != nil {
		return err
	}
	m.RGB = make([]byte, 3*f.Rows*f.Columns)
	return samples(f, raw, func(at int, index []float64) {
		for i, v := range index {
			for c, t := range tables {
				m.RGB[3*(at+i)+c] = byte(t.At(int(v)) >> (t.Bits - 8))
			}
		}
	})
}
