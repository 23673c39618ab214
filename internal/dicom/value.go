package dicom

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// Bytes is an element's undecoded value; nil where there is none.
func (d *Dataset) Bytes(t Tag) []byte {
	if e := d.Get(t); e != nil {
		return e.Value
	}
	return nil
}

// Sequence is the items of a sequence; nil where there is none.
func (d *Dataset) Sequence(t Tag) []*Dataset {
	if e := d.Get(t); e != nil {
		return e.Items
	}
	return nil
}

// String is an element's value as UTF-8 text without padding; several values are joined by backslashes, binary
// numbers are written out. It is empty where the element is missing or no text.
func (d *Dataset) String(t Tag) string {
	e := d.Get(t)
	if e == nil {
		return ""
	}
	return d.text(e)
}

// Strings is the values of an element, each as String has it; nil where the element is missing or empty.
func (d *Dataset) Strings(t Tag) []string {
	e := d.Get(t)
	if e == nil {
		return nil
	}
	s := d.text(e)
	if s == "" {
		return nil
	}
	if e.VR.single() {
		return []string{s}
	}
	parts := strings.Split(s, `\`)
	for i, p := range parts {
		parts[i] = trim(p)
	}
	return parts
}

func (d *Dataset) text(e *Element) string {
	switch e.VR {
	case SQ, OB, OD, OF, OL, OV, OW:
		return ""
	case US, SS, UL, SL, UV, SV, FL, FD, AT:
		return numbersText(e)
	}
	v := bytes.TrimRight(e.Value, " \x00")
	if len(v) == 0 {
		return ""
	}
	if ascii(v) {
		return trim(string(v))
	}
	s, _ := d.charset().decode(v) // codes and numbers should be ASCII, and are read like text where they are not
	return trim(s)
}

// trim takes padding away: trailing spaces and nulls of all text, leading spaces where they mean nothing (they do
// only in free text, where nobody misses them).
func trim(s string) string { return strings.Trim(s, " \x00\r\n\t") }

// ascii says whether v needs no character set: no byte above 127 and no escape sequence.
func ascii(v []byte) bool {
	for _, b := range v {
		if b >= 0x80 || b == 0x1B {
			return false
		}
	}
	return true
}

func numbersText(e *Element) string {
	n := e.VR.swap()
	if e.VR == AT {
		n = 4
	}
	var out []byte
	for v := e.Value; len(v) >= n; v = v[n:] {
		if len(out) > 0 {
			out = append(out, '\\')
		}
		switch e.VR {
		case AT:
			tag := Tag(binary.LittleEndian.Uint16(v))<<16 | Tag(binary.LittleEndian.Uint16(v[2:]))
			out = append(out, tag.String()...)
		case FL:
			out = strconv.AppendFloat(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(v))), 'g', -1, 32)
		case FD:
			out = strconv.AppendFloat(out, math.Float64frombits(binary.LittleEndian.Uint64(v)), 'g', -1, 64)
		case UV:
			out = strconv.AppendUint(out, binary.LittleEndian.Uint64(v), 10)
		default:
			i, _ := integer(e.VR, v)
			out = strconv.AppendInt(out, i, 10)
		}
	}
	return string(out)
}

// integer decodes one binary integer; v holds at least as many bytes as the VR needs.
func integer(vr VR, v []byte) (int64, bool) {
	switch vr {
	case US:
		return int64(binary.LittleEndian.Uint16(v)), true
	case SS:
		return int64(int16(binary.LittleEndian.Uint16(v))), true
	case UL:
		return int64(binary.LittleEndian.Uint32(v)), true
	case SL:
		return int64(int32(binary.LittleEndian.Uint32(v))), true
	case SV:
		return int64(binary.LittleEndian.Uint64(v)), true
	case UV:
		u := binary.LittleEndian.Uint64(v)
		return int64(u), u <= math.MaxInt64
	}
	return 0, false
}

// Int is the first value of an element as a whole number, from a binary or a text VR; false where the element
// is missing, empty or no whole number.
func (d *Dataset) Int(t Tag) (int, bool) {
	e := d.Get(t)
	if e == nil {
		return 0, false
	}
	switch e.VR {
	case US, SS, UL, SL, UV, SV:
		if len(e.Value) < e.VR.swap() {
			return 0, false
		}
		i, ok := integer(e.VR, e.Value)
		return int(i), ok
	}
	f, ok := d.Float(t)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

// Float is the first value of an element as a finite number; false where the element is missing, empty or no
// finite number.
func (d *Dataset) Float(t Tag) (float64, bool) {
	f, ok := d.floats(t, 1)
	if !ok {
		return 0, false
	}
	return f[0], true
}

// Floats is all values of an element as finite numbers; false where the element is missing or empty or any of
// its values is no finite number.
func (d *Dataset) Floats(t Tag) ([]float64, bool) { return d.floats(t, math.MaxInt) }

func (d *Dataset) floats(t Tag, most int) ([]float64, bool) {
	e := d.Get(t)
	if e == nil {
		return nil, false
	}
	var out []float64
	switch e.VR {
	case US, SS, UL, SL, UV, SV, FL, FD, OF, OD:
		n := e.VR.swap()
		for v := e.Value; len(v) >= n && len(out) < most; v = v[n:] {
			var f float64
			switch e.VR {
			case FL, OF:
				f = float64(math.Float32frombits(binary.LittleEndian.Uint32(v)))
			case FD, OD:
				f = math.Float64frombits(binary.LittleEndian.Uint64(v))
			case UV:
				f = float64(binary.LittleEndian.Uint64(v))
			default:
				i, _ := integer(e.VR, v)
				f = float64(i)
			}
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, false
			}
			out = append(out, f)
		}
	case DS, IS, UN, LO, SH, CS, LT, ST, UT:
		for v := e.Value; len(out) < most; {
			part, rest, more := bytes.Cut(v, []byte{'\\'})
			f, ok := decimal(part)
			if !ok {
				return nil, false
			}
			out = append(out, f)
			if !more {
				break
			}
			v = rest
		}
	}
	return out, len(out) > 0
}

// decimal reads a decimal string (PS3.5 6.2, DS and IS). Go's other notations (hexadecimal, infinity,
// underscores) are not numbers here.
func decimal(b []byte) (float64, bool) {
	b = bytes.Trim(b, " \x00\t\r\n")
	if len(b) == 0 || len(b) > 64 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c == '+', c == '-', c == '.', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil && !math.IsInf(f, 0)
}
