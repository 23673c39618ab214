// Package inflate decompresses DEFLATE data (RFC 1951) that lies in memory as a whole, as deflated DICOM data sets do
// (PS3.5 A.5). It is two to three times as fast as the standard library's reader, which takes its input byte by byte.
package inflate

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

const (
	// maxMatch is the longest repetition, and slack what copying in words may write behind one.
	maxMatch = 258
	slack    = 16
	// step is the most output of one turn of the fast loop: two literals and a match.
	step = 2 + maxMatch + slack
)

type inflater struct {
	src []byte
	pos int    // of the next byte to load; may lie behind the end
	acc uint64 // bits, the next one lowest; above the n counted ones there may be more, right ones
	n   uint
	out []byte
	max int

	lit  litTable
	dist distTable
}

// Decode decompresses src up to the end of the DEFLATE stream; what follows is ignored. It returns what it has with an error
// that wraps codec.ErrTruncated where src ends before the stream does, codec.ErrCorrupt where it is no such stream, and
// codec.ErrLimit where the output has more than max bytes.
func Decode(src []byte, max int) ([]byte, error) {
	d := &inflater{src: src, max: max}
	// CT data shrinks to about half; the rest of the output, if any, grows with what is there.
	d.out = make([]byte, 0, min(3*len(src), max)+step)
	for last := false; !last; {
		d.fill()
		last = d.take(1) == 1
		var err error
		switch d.take(2) {
		case 0:
			err = d.stored()
		case 1:
			if err = d.fixed(); err == nil {
				err = d.codes()
			}
		case 2:
			if err = d.dynamic(); err == nil {
				err = d.codes()
			}
		default:
			err = corrupt("a block is of the reserved kind")
		}
		if d.over() { // whatever the zeros behind the end were taken for
			err = fmt.Errorf("%w: it ends after %d bytes", codec.ErrTruncated, len(src))
		}
		if err != nil {
			return d.out, fmt.Errorf("DEFLATE: %w", err)
		}
	}
	return d.out, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", codec.ErrCorrupt, fmt.Sprintf(format, args...))
}

// fill makes 56 bits or more available; behind the end they are 0, which over tells.
func (d *inflater) fill() {
	switch {
	case d.pos+8 <= len(d.src):
		d.acc |= binary.LittleEndian.Uint64(d.src[d.pos:]) << (d.n & 63)
	case d.pos < len(d.src):
		var tail [8]byte
		copy(tail[:], d.src[d.pos:])
		d.acc |= binary.LittleEndian.Uint64(tail[:]) << (d.n & 63)
	}
	d.pos += int((63 - d.n) >> 3)
	d.n |= 56
}

func (d *inflater) take(k uint) uint {
	v := uint(d.acc) & (1<<(k&31) - 1)
	d.acc >>= k & 63
	d.n -= k
	return v
}

// over says whether more bits were taken than there are.
func (d *inflater) over() bool { return d.pos*8-int(d.n) > len(d.src)*8 }

// room makes sure that n more bytes of output fit into memory, or says that they are too many. Some slack is allowed
// beyond max; the caller compares the length itself.
func (d *inflater) room(n int) error {
	if len(d.out) > d.max {
		return fmt.Errorf("%w: it has more than %d bytes", codec.ErrLimit, d.max)
	}
	if cap(d.out)-len(d.out) < n {
		out := make([]byte, len(d.out), max(min(2*cap(d.out), d.max+step), len(d.out)+n))
		copy(out, d.out)
		d.out = out
	}
	return nil
}

// stored copies a block that is not compressed (RFC 1951 3.2.4).
func (d *inflater) stored() error {
	d.take(d.n & 7)
	d.fill()
	n := d.take(16)
	if d.take(16)^n != 0xFFFF {
		return corrupt("the length of a stored block contradicts itself")
	}
	at := d.pos - int(d.n/8) // whole bytes that were loaded and not taken are read again
	if at > len(d.src) {
		return nil
	}
	from := d.src[at:min(at+int(n), len(d.src))]
	if err := d.room(len(from) + step); err != nil {
		return err
	}
	d.out = append(d.out, from...)
	d.pos, d.acc, d.n = at+int(n), 0, 0
	if len(d.out) > d.max {
		return d.room(0)
	}
	return nil
}

// codes decodes the literals and matches of a block (RFC 1951 3.2.3).
func (d *inflater) codes() error {
	lit, dist := &d.lit, &d.dist
	for {
		if err := d.room(step); err != nil {
			return err
		}
		if d.over() {
			return nil // Decode tells
		}
		src, pos, acc, n := d.src, d.pos, d.acc, d.n
		out := d.out[:cap(d.out)]
		at, end := len(d.out), min(cap(d.out)-step, d.max)
		safe := at // where the output ends that surely comes from src
		var done bool
		var wrong error
		for at <= end {
			if pos+8 <= len(src) {
				acc |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
				pos += int((63 - n) >> 3)
				n |= 56
			} else {
				d.pos, d.acc, d.n = pos, acc, n
				if d.over() {
					break
				}
				safe = at
				d.fill()
				pos, acc, n = d.pos, d.acc, d.n
			}
			e := lit.first[acc&(1<<litBits-1)]
			if e&isLiteral != 0 { // at most 11 bits of the 56
				acc >>= e & 63
				n -= uint(e & 63)
				out[at] = byte(e >> 16)
				at++
				e = lit.first[acc&(1<<litBits-1)]
				if e&isLiteral != 0 {
					acc >>= e & 63
					n -= uint(e & 63)
					out[at] = byte(e >> 16)
					at++
					e = lit.first[acc&(1<<litBits-1)]
				}
			}
			if e&isLink != 0 {
				e = lit.second[e>>16+uint32(acc>>litBits)&(1<<(e>>8&15)-1)]
			}
			if e&isLiteral != 0 {
				acc >>= e & 63
				n -= uint(e & 63)
				out[at] = byte(e >> 16)
				at++
				continue
			}
			// 22 bits were taken at most; a length takes 20, so a distance, of 28, has to be filled for.
			saved := acc
			acc >>= e & 63
			n -= uint(e & 63)
			code := e >> 8 & 15
			length := int(e>>16&0x1FF) + int(saved&(1<<(e&63)-1)>>code)
			if e&isEnd != 0 {
				done = true
				if e&63 == 0 || e>>16 != 0 {
					wrong = corrupt("bits in it are no Huffman code")
				}
				break
			}
			if n < 28 {
				d.pos, d.acc, d.n = pos, acc, n
				d.fill()
				pos, acc, n = d.pos, d.acc, d.n
			}
			e = dist.first[acc&(1<<distBits-1)]
			if e&isLink != 0 {
				e = dist.second[e>>16+uint32(acc>>distBits)&(1<<(e>>8&15)-1)]
			}
			saved = acc
			acc >>= e & 63
			n -= uint(e & 63)
			back := int(e>>16) + int(saved&(1<<(e&63)-1)>>(e>>8&15))
			if e&isEnd != 0 || back > at {
				done, wrong = true, corrupt("a match leads %d bytes back, there are %d", back, at)
				break
			}
			at = repeat(out, at, back, length)
		}
		d.pos, d.acc, d.n = pos, acc, n
		d.out = out[:at]
		if d.over() {
			d.out = out[:safe]
		}
		if done {
			if wrong == nil && len(d.out) > d.max {
				return d.room(0)
			}
			return wrong
		}
	}
}

// repeat copies length bytes from back bytes before at, which may overlap, to at, and returns where they end. It may write
// up to slack bytes more.
func repeat(out []byte, at, back, length int) int {
	end := at + length
	switch {
	case back >= 8:
		for from := at - back; at < end; at, from = at+8, from+8 {
			binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(out[from:]))
		}
	default: // a word of the pattern, again and again
		for i := range 8 {
			out[at+i] = out[at-back+i]
		}
		v, whole := binary.LittleEndian.Uint64(out[at:]), 8/back*back
		for ; at < end; at += whole {
			binary.LittleEndian.PutUint64(out[at:], v)
		}
	}
	return end
}

// An entry of a table holds
//
//	bits 0 to 5: how many bits code and extra bits take together; 0 where there is no such code
//	bits 8 to 11: the length of the code, as far as it stands in this table; in a link, the bits of the second look
//	bits 12 to 14: what it is
//	bits 16 to 31: the literal, the base of the length or distance, or in a link where the second table begins
const (
	isLiteral = 1 << 12
	isLink    = 1 << 13
	isEnd     = 1 << 14 // of the block, or no code at all

	litBits  = 11
	distBits = 9
)

type litTable struct {
	first  [1 << litBits]uint32
	second []uint32
}

type distTable struct {
	first  [1 << distBits]uint32
	second []uint32
}

// lengths and distances are the entries of the symbols, without the lengths of their codes (RFC 1951 3.2.5).
var lengths, distances = func() (l, d [288]uint32) {
	for i := range l {
		l[i], d[i] = isEnd|1<<16, isEnd|1<<16 // symbols that must not occur
	}
	l[256] = isEnd
	for i := range 256 {
		l[i] = isLiteral | uint32(i)<<16
	}
	base := uint32(3)
	for i := range 28 {
		extra := max(i/4-1, 0)
		l[257+i] = base<<16 | uint32(extra)
		base += 1 << extra
	}
	l[285] = maxMatch << 16
	base = 1
	for i := range 30 {
		extra := max(i/2-1, 0)
		d[i] = base<<16 | uint32(extra)
		base += 1 << extra
	}
	return l, d
}()

// build makes a table of two levels from the lengths of the codes. Codes must fill all bits, but for a single code of one
// bit and none at all (RFC 1951 3.2.7).
func build(first []uint32, second []uint32, firstBits int, sizes []uint8, symbols *[288]uint32) ([]uint32, error) {
	var count [16]int
	longest := 0
	for _, s := range sizes {
		count[s]++
		longest = max(longest, int(s))
	}
	count[0] = 0
	var next [16]int
	code := 0
	for l := 1; l < 16; l++ {
		code = (code + count[l-1]) << 1
		next[l] = code
		if code+count[l] > 1<<l {
			return nil, corrupt("a Huffman code has more symbols than bits allow")
		}
	}
	if full := next[15] + count[15]; full != 1<<15 && longest > 1 {
		return nil, corrupt("a Huffman code is not complete")
	}
	for i := range first {
		first[i] = isEnd
	}
	second = second[:0]
	for symbol, size := range sizes {
		if size == 0 {
			continue
		}
		l := int(size)
		reversed := int(bits.Reverse16(uint16(next[l])) >> (16 - l))
		next[l]++
		e := symbols[symbol]
		if l <= firstBits {
			e = e&^63 | uint32(l)<<8 | (e&63 + uint32(l))
			for i := reversed; i < len(first); i += 1 << l {
				first[i] = e
			}
			continue
		}
		low := reversed & (len(first) - 1)
		if first[low]&isLink == 0 {
			first[low] = isLink | uint32(longest-firstBits)<<8 | uint32(len(second))<<16
			for range 1 << (longest - firstBits) {
				second = append(second, isEnd)
			}
		}
		e = e&^63 | uint32(l)<<8 | (e&63 + uint32(l))
		sub := second[first[low]>>16:][:1<<(longest-firstBits)]
		for i := reversed >> firstBits; i < len(sub); i += 1 << (l - firstBits) {
			sub[i] = e
		}
	}
	return second, nil
}

// fixed sets the tables of blocks with fixed codes (RFC 1951 3.2.6).
func (d *inflater) fixed() error {
	var sizes [288]uint8
	for i := range sizes {
		switch {
		case i < 144:
			sizes[i] = 8
		case i < 256:
			sizes[i] = 9
		case i < 280:
			sizes[i] = 7
		default:
			sizes[i] = 8
		}
	}
	var five [32]uint8
	for i := range five {
		five[i] = 5
	}
	return d.tables(sizes[:], five[:])
}

func (d *inflater) tables(lit, dist []uint8) (err error) {
	if d.lit.second, err = build(d.lit.first[:], d.lit.second, litBits, lit, &lengths); err != nil {
		return err
	}
	d.dist.second, err = build(d.dist.first[:], d.dist.second, distBits, dist, &distances)
	return err
}

// order is how the lengths of the codes for lengths are stored.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// plain are the entries of the codes for lengths: their symbols.
var plain = func() (p [288]uint32) {
	for i := range 19 {
		p[i] = isLiteral | uint32(i)<<16
	}
	return p
}()

// dynamic reads the codes of a block (RFC 1951 3.2.7).
func (d *inflater) dynamic() error {
	d.fill()
	nLit, nDist, n := int(d.take(5))+257, int(d.take(5))+1, int(d.take(4))+4
	if nLit > 286 || nDist > 30 {
		return corrupt("a block has %d literal and %d distance codes", nLit, nDist)
	}
	var meta [19]uint8
	for _, at := range order[:n] {
		if d.n < 3 {
			d.fill()
		}
		meta[at] = uint8(d.take(3))
	}
	var first [128]uint32
	if _, err := build(first[:], nil, 7, meta[:], &plain); err != nil {
		return err
	}
	var sizes [286 + 30]uint8
	for i := 0; i < nLit+nDist; {
		d.fill()
		e := first[d.acc&127]
		if e&isLiteral == 0 {
			return corrupt("bits in it are no Huffman code")
		}
		d.take(uint(e & 63))
		symbol, again, size := e>>16, 1, uint8(0)
		switch symbol {
		case 16:
			if i == 0 {
				return corrupt("a block repeats a length before the first")
			}
			size, again = sizes[i-1], 3+int(d.take(2))
		case 17:
			again = 3 + int(d.take(3))
		case 18:
			again = 11 + int(d.take(7))
		default:
			size = uint8(symbol)
		}
		if i+again > nLit+nDist {
			return corrupt("a block has too many lengths of codes")
		}
		for range again {
			sizes[i] = size
			i++
		}
	}
	if sizes[256] == 0 {
		return corrupt("a block has no code for its end")
	}
	return d.tables(sizes[:nLit], sizes[nLit:nLit+nDist])
}
