package jpeg

import "encoding/binary"

// planes holds the samples of the components in whole blocks, blocksX*8 to a row.
type planes[T sample] [4][]T

func newPlanes[T sample](d *decoder) *planes[T] {
	p := new(planes[T])
	for i, c := range d.comps {
		p[i] = make([]T, c.blocksX*c.blocksY*64)
	}
	return p
}

// decodeDCT decodes the scans of a sequential or progressive frame (T.81 annexes F and G).
func decodeDCT[T sample](d *decoder) ([]byte, error) {
	if d.process == markerSOF2 {
		return decodeProgressive[T](d)
	}
	p := newPlanes[T](d)
	for {
		s, ok, err := d.nextScan()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if err := d.once(s); err != nil {
			return nil, err
		}
		if err := sequentialScan(d, s, p); err != nil {
			return nil, err
		}
	}
	if err := d.complete(); err != nil {
		return nil, err
	}
	return pixels(d, p), nil
}

// coding is what a component needs in a scan.
type coding struct {
	comp   int
	dc, ac *table
	quant  *[64]int32
	pred   int32
}

// sequentialScan decodes a scan straight into samples. The band of coefficients in its header can only be the whole one,
// and is not always filled in.
func sequentialScan[T sample](d *decoder, s scan, p *planes[T]) error {
	codings := make([]coding, len(s.comps))
	for i, at := range s.comps {
		c := &codings[i]
		*c = coding{comp: at, dc: d.dc[s.dc[i]], ac: d.ac[s.ac[i]], quant: d.quant[d.comps[at].quant]}
		if c.dc == nil || c.ac == nil {
			return corrupt("Huffman table %d or %d is missing", s.dc[i], s.ac[i])
		}
		if c.quant == nil {
			return corrupt("quantization table %d is missing", d.comps[at].quant)
		}
	}
	var b block
	return d.walk(s, func() {
		for i := range codings {
			codings[i].pred = 0
		}
	}, func(i, x, y int) error {
		c := &codings[i]
		n, err := d.r.block(&b, c)
		if err != nil {
			return err
		}
		stride := d.comps[c.comp].blocksX * 8
		inverse(&b, n, p[c.comp][y*8*stride+x*8:], stride)
		return nil
	})
}

// walk calls fn for every block of a scan, with the component's index in the scan and the block's column and row, and
// reset at the start and after every restart marker. A scan of one component has its blocks row by row; one of several
// has in every MCU as many of each as its sampling factors say (T.81 A.2).
func (d *decoder) walk(s scan, reset func(), fn func(i, x, y int) error) error {
	single := len(s.comps) == 1
	across, down := ceil(d.width, 8*d.maxH), ceil(d.height, 8*d.maxV)
	if single {
		c := &d.comps[s.comps[0]]
		across, down = ceil(c.width, 8), ceil(c.height, 8)
	} else {
		blocks := 0
		for _, i := range s.comps {
			blocks += int(d.comps[i].h) * int(d.comps[i].v)
		}
		if blocks > 10 {
			return corrupt("a scan has %d blocks in an MCU, 10 are allowed", blocks)
		}
	}
	mcu := func(x, y int) error {
		if single {
			return fn(0, x, y)
		}
		for i, at := range s.comps {
			h, v := int(d.comps[at].h), int(d.comps[at].v)
			for k := range h * v {
				if err := fn(i, x*h+k%h, y*v+k/h); err != nil {
					return err
				}
			}
		}
		return nil
	}
	rs := d.begin()
	reset()
	for y := range down {
		for x := range across {
			fresh, err := rs.before(1)
			if err != nil {
				return err
			}
			if fresh {
				reset()
			}
			if err := mcu(x, y); err != nil {
				if d.r.spent() {
					return truncated("its data ends in row %d of %d of the blocks", y+1, down)
				}
				return err
			}
		}
		if d.r.over() {
			return truncated("its data ends in row %d of %d of the blocks", y+1, down)
		}
	}
	return nil
}

// block decodes and dequantizes a block and returns how many coefficients it has up to the last that is not 0, at
// least 1.
func (r *reader) block(b *block, c *coding) (int, error) {
	*b = block{}
	buf, pos, acc, n := r.buf, r.pos, r.acc, r.n
	if n < 32 {
		if pos <= len(buf)-8 {
			acc |= binary.BigEndian.Uint64(buf[pos:]) >> n
		}
		pos += int((63 - n) >> 3)
		n |= 56
	}
	e := c.dc.fast[acc>>(64-lutBits)]
	l, v := uint(e&63), int32(e)>>16
	if l == 0 {
		long, _, k := c.dc.long(acc, e, true)
		if k == 0 {
			r.pos, r.acc, r.n = pos, acc, n
			return 0, corrupt("bits in its data are no Huffman code")
		}
		v, l = long, uint(k)
	}
	acc <<= l & 63
	n -= l
	c.pred += v
	quant := c.quant
	b[0] = c.pred * quant[0]
	ac := c.ac
	last, k := 1, uint32(1)
	for k < 64 {
		if n < 32 {
			if pos <= len(buf)-8 {
				acc |= binary.BigEndian.Uint64(buf[pos:]) >> n
			}
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e := ac.fast[acc>>(64-lutBits)]
		l, v, run := uint(e&63), int32(e)>>16, e>>12&15
		if l == 0 {
			value, zeros, length := ac.long(acc, e, false)
			if length == 0 {
				r.pos, r.acc, r.n = pos, acc, n
				return 0, corrupt("bits in its data are no Huffman code")
			}
			v, run, l = value, zeros, uint(length)
		}
		acc <<= l & 63
		n -= l
		if v == 0 {
			if run != 15 {
				break // end of block
			}
			k += 16
			continue
		}
		k += run
		b[zigzag[k&127]&63] = v * quant[k&63]
		k++
		last = int(k)
	}
	r.pos, r.acc, r.n = pos, acc, n
	if k > 64 {
		return 0, corrupt("a run of coefficients leads out of its block")
	}
	return last, nil
}
