package dicom

import (
	"encoding/binary"
	"errors"
)

// Limits bounds what a file may ask for. A zero field means its default.
type Limits struct {
	// MaxBytes is the longest file, and the longest inflated data set of a deflated one. Default 1 GiB, and
	// 256 MiB inflated.
	MaxBytes int64
	// MaxElements is the most elements and items together. Default 1,048,576.
	MaxElements int
	// MaxDepth is how deep sequences may nest. Default 32.
	MaxDepth int
	// MaxValue is the longest single value other than pixel data. Default 256 MiB.
	MaxValue int64
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 1 << 30
	}
	if l.MaxElements <= 0 {
		l.MaxElements = 1 << 20
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = 32
	}
	if l.MaxValue <= 0 {
		l.MaxValue = 256 << 20
	}
	return l
}

const undefined = 0xFFFFFFFF

// errMore: the parser has only the beginning of the input and needs more of it.
var errMore = errors.New("more bytes are needed")

// errPixels: the parser met the pixel data that it was told to stop at.
var errPixels = errors.New("pixel data reached")

// parser walks one block of bytes. It holds no state but its place and its counts.
type parser struct {
	data  []byte
	pos   int
	more  bool  // data is only the beginning of the input
	size  int64 // length of the whole input; -1 where that is unknown
	base  int64 // where data begins in the file
	big   bool
	stop  bool
	count int
	solid int // no zeros alone up to here: padding has looked
	lim   Limits
}

func (p *parser) fail(err error, at int, t Tag, format string, args ...any) error {
	e := fault(err, t, format, args...)
	e.Offset = p.base + int64(at)
	return e
}

// need makes sure that n bytes follow.
func (p *parser) need(n int64, t Tag) error {
	have := int64(len(p.data) - p.pos)
	if n <= have {
		return nil
	}
	if p.more && (p.size < 0 || int64(p.pos)+n <= p.size) {
		return errMore
	}
	if p.size >= 0 {
		have = p.size - int64(p.pos)
	}
	return p.fail(ErrTruncated, p.pos, t, "the file is truncated: %d bytes should follow, %d do; fetch or export the file again", n, have)
}

func (p *parser) u16(at int) uint16 {
	if p.big {
		return binary.BigEndian.Uint16(p.data[at:])
	}
	return binary.LittleEndian.Uint16(p.data[at:])
}

func (p *parser) u32(at int) uint32 {
	if p.big {
		return binary.BigEndian.Uint32(p.data[at:])
	}
	return binary.LittleEndian.Uint32(p.data[at:])
}

func (p *parser) tag(at int) Tag { return Tag(p.u16(at))<<16 | Tag(p.u16(at+2)) }

// explicitAt says whether the element at a place carries its VR. As an implicit length, the letters of a VR
// would mean 16 KiB and more for the first element of a data set, which is never so long.
func (p *parser) explicitAt(at int) bool {
	return at+6 <= len(p.data) && (VR(p.data[at+4])<<8 | VR(p.data[at+5])).known()
}

// header is what stands before a value.
type header struct {
	tag    Tag
	vr     VR
	length uint32
}

// readHeader reads tag, VR and length and steps over them.
func (p *parser) readHeader(explicit bool) (header, error) {
	if err := p.need(8, 0); err != nil {
		return header{}, err
	}
	h := header{tag: p.tag(p.pos)}
	if h.tag.Group() == 0xFFFE { // items and delimiters never have a VR (PS3.5 7.5)
		h.length = p.u32(p.pos + 4)
		p.pos += 8
		return h, nil
	}
	if !explicit {
		h.vr, h.length = VROf(h.tag), p.u32(p.pos+4)
		p.pos += 8
		return h, nil
	}
	h.vr = VR(p.data[p.pos+4])<<8 | VR(p.data[p.pos+5])
	switch {
	case h.vr.long():
		return h, p.longLength(&h)
	case h.vr.known():
		h.length = uint32(p.u16(p.pos + 6))
		p.pos += 8
	case h.vr.letters() && p.u16(p.pos+6) == 0 && p.need(12, h.tag) == nil:
		// A VR that the standard has got since has the long form (PS3.5 7.1.2).
		err := p.longLength(&h)
		h.vr = UN
		return h, err
	case printable(p.data[p.pos+4]) && printable(p.data[p.pos+5]):
		// "??" and the like, written by old software in the short form.
		h.vr, h.length = VROf(h.tag), uint32(p.u16(p.pos+6))
		p.pos += 8
	default:
		// No VR at all: an implicit element among explicit ones.
		h.vr, h.length = VROf(h.tag), p.u32(p.pos+4)
		p.pos += 8
	}
	return h, nil
}

func (p *parser) longLength(h *header) error {
	if err := p.need(12, h.tag); err != nil {
		return err
	}
	h.length = p.u32(p.pos + 8)
	p.pos += 12
	return nil
}

func printable(b byte) bool { return b >= 0x20 && b < 0x7F }

// elements reads the elements of d up to end, or up to the delimiter of an item of undefined length.
func (p *parser) elements(d *Dataset, end int, delimited, explicit bool, depth int) error {
	defer func() {
		if d.sortElements() {
			d.root().warn("elements out of order or doubled")
		}
	}()
	if p.pos+8 <= len(p.data) && p.tag(p.pos).Group() != 0xFFFE {
		explicit = p.explicitAt(p.pos)
	}
	for {
		if !delimited && p.pos >= end && !p.more {
			return nil
		}
		if depth == 0 && p.padding() {
			return nil
		}
		start := p.pos
		h, err := p.readHeader(explicit)
		if err != nil {
			return err
		}
		if p.count++; p.count > p.lim.MaxElements {
			return p.fail(ErrLimit, start, h.tag, "more than %d elements; raise the limit if that is meant", p.lim.MaxElements)
		}
		switch {
		case h.tag == tagItemDelimitation:
			if delimited {
				return nil
			}
			d.root().warn("stray item delimiters")
			continue
		case h.tag == tagSequenceDelimitation && h.length == 0:
			d.root().warn("stray sequence delimiters")
			continue
		case h.tag.Group() == 0xFFFE:
			return p.fail(ErrCorrupt, start, h.tag, "an item stands outside any sequence")
		}
		if err := p.value(d, h, start, end, explicit, depth); err != nil {
			return err
		}
	}
}

// padding says whether nothing but zeros follows, or too little for another element, and steps over it.
func (p *parser) padding() bool {
	rest := p.data[p.pos:]
	if p.more || p.pos < p.solid || len(rest) >= 8 && binary.LittleEndian.Uint64(rest) != 0 {
		return false
	}
	for i, b := range rest {
		if b != 0 {
			p.solid = p.pos + i + 1 // long runs of zeros are looked at once, not once for each element in them
			return false
		}
	}
	p.pos = len(p.data)
	return true
}

// value reads the value of an element and adds the element to d.
func (p *parser) value(d *Dataset, h header, start, end int, explicit bool, depth int) error {
	e := Element{Tag: h.tag, VR: h.vr, Offset: p.base + int64(start)}
	pixels := h.tag == PixelData || h.tag == FloatPixelData || h.tag == DoubleFloatPixelData
	if p.stop && depth == 0 && pixels {
		d.Elements = append(d.Elements, e)
		if p.size >= 0 && h.length != undefined && int64(p.pos)+int64(h.length) > p.size {
			return p.need(int64(h.length), h.tag)
		}
		return errPixels
	}
	if h.length == undefined {
		var err error
		switch {
		case pixels || h.vr == OB || h.vr == OW:
			e.Fragments, err = p.fragments(h.tag)
		case h.vr == UN:
			// UN of undefined length is a sequence in implicit little endian (PS3.5 6.2.2, note 4).
			err = p.unknownSequence(d, &e, end, true, depth)
		default:
			e.VR = SQ
			err = p.sequence(d, &e, end, true, explicit, depth)
		}
		d.Elements = append(d.Elements, e)
		return err
	}
	stop := p.pos + int(h.length)
	if depth > 0 && stop > end && (end < len(p.data) || !p.more && int64(end) < p.size) {
		return p.fail(ErrCorrupt, start, h.tag, "%d bytes long, but the item around it ends %d bytes earlier", h.length, stop-end)
	}
	if err := p.need(int64(h.length), h.tag); err != nil {
		return err
	}
	if !pixels && h.vr != SQ && int64(h.length) > p.lim.MaxValue {
		return p.fail(ErrLimit, start, h.tag, "%d bytes long, more than the %d allowed; raise the limit if that is meant", h.length, p.lim.MaxValue)
	}
	switch {
	case h.vr == SQ:
		err := p.sequence(d, &e, stop, false, explicit, depth)
		d.Elements = append(d.Elements, e)
		if err != nil {
			return err
		}
	case h.vr == UN && VROf(h.tag) == SQ:
		// Somebody on the way did not know the tag. If it does not read as a sequence it stays bytes.
		at, count := p.pos, p.count
		if err := p.unknownSequence(d, &e, stop, false, depth); err != nil {
			if errors.Is(err, errMore) || errors.Is(err, ErrLimit) {
				return err
			}
			p.pos, p.count = at, count
			e.VR, e.Items, e.Value = UN, nil, p.data[p.pos:stop:stop]
		}
		d.Elements = append(d.Elements, e)
	default:
		e.Value = p.data[p.pos:stop:stop]
		if h.vr == UN {
			e.VR = VROf(h.tag) // the value is in implicit little endian
		} else if p.big {
			e.Value = swapped(e.Value, swapUnit(d, h))
		}
		d.Elements = append(d.Elements, e)
	}
	p.pos = stop
	return nil
}

// unknownSequence reads a sequence that is encoded as implicit little endian whatever is around it.
func (p *parser) unknownSequence(d *Dataset, e *Element, end int, delimited bool, depth int) error {
	big := p.big
	p.big = false
	e.VR = SQ
	err := p.sequence(d, e, end, delimited, false, depth)
	p.big = big
	return err
}

// sequence reads items up to end, or up to the delimiter of a sequence of undefined length.
func (p *parser) sequence(d *Dataset, e *Element, end int, delimited, explicit bool, depth int) error {
	if depth >= p.lim.MaxDepth {
		return p.fail(ErrLimit, p.pos, e.Tag, "sequences nest more than %d deep", p.lim.MaxDepth)
	}
	for delimited || p.pos < end {
		start := p.pos
		if err := p.need(8, e.Tag); err != nil {
			return err
		}
		t, length := p.tag(p.pos), p.u32(p.pos+4)
		p.pos += 8
		if t == tagSequenceDelimitation {
			return nil
		}
		if t != tagItem {
			return p.fail(ErrCorrupt, start, e.Tag, "an item should stand in the sequence, not %v", t)
		}
		if p.count++; p.count > p.lim.MaxElements {
			return p.fail(ErrLimit, start, e.Tag, "more than %d elements; raise the limit if that is meant", p.lim.MaxElements)
		}
		item := &Dataset{parent: d, at: p.base + int64(start)}
		e.Items = append(e.Items, item)
		if length == undefined {
			if err := p.elements(item, end, true, explicit, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := p.need(int64(length), e.Tag); err != nil {
			return err
		}
		stop := p.pos + int(length)
		if stop > end {
			return p.fail(ErrCorrupt, start, e.Tag, "an item of %d bytes reaches %d bytes beyond its sequence", length, stop-end)
		}
		more := p.more
		p.more = false // the item is here in full
		err := p.elements(item, stop, false, explicit, depth+1)
		p.more = more
		if err != nil {
			return err
		}
		if p.pos > stop {
			return p.fail(ErrCorrupt, start, e.Tag, "the content of an item reaches %d bytes beyond it", p.pos-stop)
		}
	}
	return nil
}

// fragments reads encapsulated data (PS3.5 A.4) up to its delimiter.
func (p *parser) fragments(t Tag) ([][]byte, error) {
	var out [][]byte
	for {
		start := p.pos
		if err := p.need(8, t); err != nil {
			return out, err
		}
		it, length := p.tag(p.pos), p.u32(p.pos+4)
		p.pos += 8
		switch {
		case it == tagSequenceDelimitation:
			return out, nil
		case it != tagItem || length == undefined:
			return out, p.fail(ErrCorrupt, start, t, "a fragment should stand in the encapsulated pixel data, not %v", it)
		}
		if p.count++; p.count > p.lim.MaxElements {
			return out, p.fail(ErrLimit, start, t, "more than %d fragments; raise the limit if that is meant", p.lim.MaxElements)
		}
		if err := p.need(int64(length), t); err != nil {
			return out, err
		}
		stop := p.pos + int(length)
		out = append(out, p.data[p.pos:stop:stop])
		p.pos = stop
	}
}

// swapUnit is the size of the units that big endian turned round. Pixel data counts by its samples, since
// 32 bit samples under OW are written whole.
func swapUnit(d *Dataset, h header) int {
	if h.tag == PixelData {
		if bits, _ := d.Int(BitsAllocated); h.vr == OW && (bits == 32 || bits == 64) {
			return bits / 8
		}
	}
	return h.vr.swap()
}

// swapped is a copy of v with the bytes of each unit turned round.
func swapped(v []byte, unit int) []byte {
	if unit < 2 {
		return v
	}
	out := make([]byte, len(v))
	n, i := len(v)-len(v)%unit, 0
	if unit == 2 { // samples of pixel data: sixteen at a time
		const low = 0x00FF00FF00FF00FF
		for ; i+32 <= n; i += 32 {
			from, to := (*[32]byte)(v[i:]), (*[32]byte)(out[i:])
			a, b := binary.LittleEndian.Uint64(from[0:]), binary.LittleEndian.Uint64(from[8:])
			c, d := binary.LittleEndian.Uint64(from[16:]), binary.LittleEndian.Uint64(from[24:])
			binary.LittleEndian.PutUint64(to[0:], a&low<<8|a>>8&low)
			binary.LittleEndian.PutUint64(to[8:], b&low<<8|b>>8&low)
			binary.LittleEndian.PutUint64(to[16:], c&low<<8|c>>8&low)
			binary.LittleEndian.PutUint64(to[24:], d&low<<8|d>>8&low)
		}
	}
	for ; i < n; i += unit {
		for j := range unit {
			out[i+j] = v[i+unit-1-j]
		}
	}
	copy(out[n:], v[n:])
	return out
}
