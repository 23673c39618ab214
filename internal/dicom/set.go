package dicom

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// SetString puts a text element: several values are joined by backslashes. Text beyond ASCII is UTF-8 and needs
// SpecificCharacterSet ISO_IR 192 in the data set.
func (d *Dataset) SetString(t Tag, vr VR, values ...string) {
	d.Set(Element{Tag: t, VR: vr, Value: []byte(strings.Join(values, `\`))})
}

// SetInts puts whole numbers under a binary VR of integers or under IS. Numbers beyond the VR's range are cut
// to its bits.
func (d *Dataset) SetInts(t Tag, vr VR, values ...int) {
	var out []byte
	for i, n := range values {
		switch vr {
		case US, SS, OW:
			out = binary.LittleEndian.AppendUint16(out, uint16(n))
		case UL, SL, OL:
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		case UV, SV, OV:
			out = binary.LittleEndian.AppendUint64(out, uint64(n))
		default:
			if i > 0 {
				out = append(out, '\\')
			}
			out = strconv.AppendInt(out, int64(n), 10)
		}
	}
	d.Set(Element{Tag: t, VR: vr, Value: out})
}

// SetFloats puts numbers under FL, FD or as decimal strings under DS (at most 16 characters each, PS3.5 6.2).
func (d *Dataset) SetFloats(t Tag, vr VR, values ...float64) {
	var out []byte
	for i, f := range values {
		switch vr {
		case FL, OF:
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(f)))
		case FD, OD:
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(f))
		default:
			if i > 0 {
				out = append(out, '\\')
			}
			out = append(out, decimalString(f)...)
		}
	}
	d.Set(Element{Tag: t, VR: vr, Value: out})
}

// SetBytes puts a value as it is.
func (d *Dataset) SetBytes(t Tag, vr VR, value []byte) { d.Set(Element{Tag: t, VR: vr, Value: value}) }

// SetSequence puts a sequence.
func (d *Dataset) SetSequence(t Tag, items ...*Dataset) {
	d.Set(Element{Tag: t, VR: SQ, Items: items})
}

// decimalString is the most exact decimal string of at most 16 characters.
func decimalString(f float64) string {
	if f == 0 {
		return "0" // and not -0
	}
	for digits := 17; digits > 0; digits-- {
		if s := strconv.FormatFloat(f, 'g', digits, 64); len(s) <= 16 {
			if short := strconv.FormatFloat(f, 'g', -1, 64); len(short) <= 16 {
				return short
			}
			return s
		}
	}
	return "0"
}
