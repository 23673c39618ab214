package dicom

import "encoding/binary"

// Palette is the red, green and blue tables of a PALETTE COLOR image (PS3.3 C.7.6.3.1.5, C.7.9.2), segmented or
// not. Missing or contradictory tables are ErrCorrupt.
func (d *Dataset) Palette() ([3]*LUT, error) {
	var out [3]*LUT
	signed, _ := d.Int(PixelRepresentation)
	for i := range out {
		step := Tag(i)
		l, err := d.descriptor(RedPaletteDescriptor+step, signed == 1)
		if err != nil {
			return out, err
		}
		n := len(l.Entries)
		if t := RedPaletteData + step; d.Has(t) {
			err = l.fill(t, n, d.Bytes(t))
			if l.Bits == 16 {
				l.narrow()
			}
		} else {
			t = SegmentedRedPaletteData + step
			err = l.expand(t, d.Bytes(t))
		}
		if err != nil {
			return out, err
		}
		out[i] = l
	}
	return out, nil
}

// narrow takes entries said to have 16 bits, of which only the lower 8 are used, for 8 bit ones: so old software
// wrote them.
func (l *LUT) narrow() {
	for _, v := range l.Entries {
		if v > 255 {
			return
		}
	}
	l.Bits = 8
}

// expand reads a segmented table: runs of entries, straight lines from the entry before, and copies of earlier
// segments (PS3.3 C.7.9.2). It ends where the table is full; one that stays short is an error.
func (l *LUT) expand(t Tag, v []byte) error {
	size := 2
	if l.Bits == 8 {
		size = 1
	}
	s := segments{lut: l, data: v, size: size, tag: t, left: maxSegments}
	if err := s.run(0, len(v), -1, false); err != nil {
		return err
	}
	if s.n < len(l.Entries) {
		return fault(ErrCorrupt, t, "the segmented palette has %d of %d entries; export the file again", s.n, len(l.Entries))
	}
	return nil
}

// segments is the state of expanding a segmented table.
type segments struct {
	lut  *LUT
	data []byte
	size int // bytes of a field
	tag  Tag
	n    int // entries made so far
	left int // segments that may still come: empty ones cost time and make nothing
}

// maxSegments is more than twice as many segments as a table has entries.
const maxSegments = 1 << 18

// field is the number at a place, false beyond the end.
func (s *segments) field(at int) (int, bool) {
	switch {
	case at < 0 || at+s.size > len(s.data):
		return 0, false
	case s.size == 1:
		return int(s.data[at]), true
	}
	return int(binary.LittleEndian.Uint16(s.data[at:])), true
}

// put adds an entry; there is no more room where it returns false.
func (s *segments) put(v int) bool {
	if s.n == len(s.lut.Entries) {
		return false
	}
	s.lut.Entries[s.n] = uint16(v)
	s.n++
	return true
}

// run expands segments from a place: count of them, or all up to end where count is negative. Copied segments may not
// copy in turn.
func (s *segments) run(at, end, count int, copied bool) error {
	short := func() error { return fault(ErrCorrupt, s.tag, "the segmented palette is cut; export the file again") }
	for ; count != 0 && at+2*s.size <= end && s.n < len(s.lut.Entries); count-- {
		if s.left--; s.left < 0 {
			return fault(ErrLimit, s.tag, "the segmented palette has more than %d segments", maxSegments)
		}
		opcode, _ := s.field(at)
		length, ok := s.field(at + s.size)
		if !ok {
			return short()
		}
		at += 2 * s.size
		switch opcode {
		case 0: // discrete
			for range length {
				v, ok := s.field(at)
				if !ok {
					return short()
				}
				at += s.size
				if !s.put(v) {
					return nil
				}
			}
		case 1: // linear
			to, ok := s.field(at)
			if !ok {
				return short()
			}
			at += s.size
			if s.n == 0 {
				return fault(ErrCorrupt, s.tag, "the segmented palette begins with a line from nowhere")
			}
			from := int(s.lut.Entries[s.n-1])
			for i := 1; i <= length; i++ {
				if !s.put(from + rounded((to-from)*i, length)) {
					return nil
				}
			}
		case 2: // indirect: length segments from a place in bytes, lower half first
			if copied {
				return fault(ErrCorrupt, s.tag, "the segmented palette copies copies")
			}
			if at+4 > len(s.data) {
				return short()
			}
			from := binary.LittleEndian.Uint32(s.data[at:])
			at += 4
			if int64(from) >= int64(len(s.data)) {
				return fault(ErrCorrupt, s.tag, "the segmented palette copies from beyond its end")
			}
			if err := s.run(int(from), len(s.data), length, true); err != nil {
				return err
			}
		default:
			return fault(ErrCorrupt, s.tag, "the segmented palette has a segment of unknown kind %d", opcode)
		}
	}
	return nil
}

// rounded is a/b to the nearest whole number, b above 0.
func rounded(a, b int) int {
	if a < 0 {
		return -((-a + b/2) / b)
	}
	return (a + b/2) / b
}
