package jpeg

import (
	"bytes"
	"encoding/binary"
)

// reader gives the bits of one entropy-coded segment: a scan, or what lies between two restart markers. Behind its end
// it gives zeros, and over says so; so whoever reads has to ask only now and then.
type reader struct {
	buf []byte // without stuffed bytes, with slack zeros at its end
	pos int    // of the next byte to load; may lie behind the end
	acc uint64 // bits, the next one topmost; below the n counted ones there may be more, right ones
	n   uint   // 0 to 63
}

// slack is how many zeros stand behind the segment in buf, so that 8 bytes can be loaded at its last one.
const slack = 8

// fill makes 56 bits or more available.
func (r *reader) fill() {
	if r.pos <= len(r.buf)-8 {
		r.acc |= binary.BigEndian.Uint64(r.buf[r.pos:]) >> (r.n & 63)
	}
	r.pos += int((63 - r.n) >> 3)
	r.n |= 56
}

// take gives the next k bits, 0 to 16.
func (r *reader) take(k uint) uint32 {
	if r.n < 16 {
		r.fill()
	}
	v := uint32(r.acc >> 1 >> ((63 - k) & 63))
	r.acc <<= k & 63
	r.n -= k
	return v
}

// symbol decodes a Huffman symbol. It returns -1 where the bits are none.
func (r *reader) symbol(t *table) int {
	if r.n < 16 {
		r.fill()
	}
	symbol, length := t.lookup(r.acc)
	r.acc <<= length & 63
	r.n -= length
	return symbol
}

// over says whether more bits were taken than the segment has.
func (r *reader) over() bool {
	return r.pos*8-int(r.n) > (len(r.buf)-slack)*8
}

// spent says whether less is left than a code and its value may take, so that what was just found wrong may be the zeros
// behind the end.
func (r *reader) spent() bool {
	return r.pos*8-int(r.n)+32 > (len(r.buf)-slack)*8
}

// segment prepares the reader for the entropy-coded bytes from d.pos on, up to a marker, and sets d.pos to that.
func (d *decoder) segment() {
	if d.r.buf == nil {
		d.r.buf = make([]byte, 0, len(d.data)-d.pos+slack)
	}
	buf, data, i := d.r.buf[:0], d.data, d.pos
	for i < len(data) {
		n := bytes.IndexByte(data[i:], 0xFF)
		if n < 0 {
			n = len(data) - i
		}
		buf = append(buf, data[i:i+n]...)
		i += n
		k := i + 1
		for k < len(data) && data[k] == 0xFF { // fill bytes (T.81 B.1.1.2)
			k++
		}
		if k >= len(data) {
			i = len(data)
			break
		}
		if data[k] != 0 {
			i = k - 1
			break
		}
		buf = append(buf, 0xFF)
		i = k + 1
	}
	buf = append(buf, make([]byte, slack)...)
	d.pos = i
	d.r = reader{buf: buf}
}

// restarts counts the MCUs of a scan and reads the restart markers between them (T.81 E.2.4).
type restarts struct {
	d    *decoder
	left int // MCUs until the next marker
	next byte
}

func (d *decoder) begin() restarts {
	d.segment()
	return restarts{d: d, left: d.restart, next: markerRST0}
}

// before is called before n MCUs that lie in one interval; it says whether a new interval begins with them. more is
// false at the start of the scan.
func (s *restarts) before(n int) (bool, error) {
	if s.d.restart == 0 {
		return false, nil
	}
	if s.left > 0 {
		s.left -= n
		return false, nil
	}
	d := s.d
	if d.r.over() {
		return false, truncated("its data ends before restart marker FF%02X", s.next)
	}
	if d.pos+1 >= len(d.data) {
		return false, truncated("it ends before restart marker FF%02X", s.next)
	}
	if m := d.data[d.pos+1]; m != s.next {
		return false, corrupt("marker FF%02X stands where restart marker FF%02X belongs", m, s.next)
	}
	d.pos += 2
	d.segment()
	s.next = markerRST0 + (s.next-markerRST0+1)&7
	s.left = d.restart - n
	return true, nil
}
