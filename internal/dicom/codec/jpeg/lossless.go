package jpeg

import "encoding/binary"

// decodeLossless decodes the scans of a lossless frame (T.81 annex H).
func decodeLossless(d *decoder) ([]byte, error) {
	size := (d.bits + 7) / 8
	pix := make([]byte, d.width*d.height*len(d.comps)*size)
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
		if err := d.losslessScan(s, pix, size); err != nil {
			return nil, err
		}
	}
	return pix, d.complete()
}

// losslessScan decodes one scan. Its rows hold the samples of its components interleaved by pixel, one MCU each.
func (d *decoder) losslessScan(s scan, pix []byte, size int) error {
	n := len(s.comps)
	if s.first < 1 || s.first > 7 || s.low >= byte(d.bits) {
		return corrupt("a scan has selection value %d and point transform %d", s.first, s.low)
	}
	if d.restart%d.width != 0 {
		return corrupt("its restart interval of %d pixels is no multiple of the %d in a line", d.restart, d.width)
	}
	tables := make([]*table, n)
	for i := range tables {
		if tables[i] = d.dc[s.dc[i]]; tables[i] == nil {
			return corrupt("Huffman table %d is missing", s.dc[i])
		}
	}
	// Rows begin with one pixel more, which stands for the one before the first, so that no predictor has to ask.
	row, above := make([]uint16, (d.width+1)*n), make([]uint16, (d.width+1)*n)
	start := uint16(1) << (d.bits - int(s.low) - 1)
	rs := d.begin()
	for y := range d.height {
		fresh, err := rs.before(d.width)
		if err != nil {
			return err
		}
		if n == 1 {
			err = d.r.differences(row[1:], tables[0])
		} else {
			err = d.r.interleaved(row[n:], tables)
		}
		if err == nil && d.r.over() || err != nil && d.r.spent() {
			err = truncated("its data ends in line %d of %d", y+1, d.height)
		}
		if err != nil {
			return err
		}
		// The first line of an interval takes the pixel before, its first pixel half the range; other lines begin with
		// the pixel above (T.81 H.1.2.1).
		if fresh || y == 0 {
			for i := range n {
				row[i] = start
			}
			predict(row, above, n, 1)
		} else {
			copy(row[:n], above[n:])
			copy(above[:n], above[n:]) // so that every selection value gives the first pixel the one above
			predict(row, above, n, s.first)
		}
		d.store(pix, row[n:], s, y, size)
		row, above = above, row
	}
	return nil
}

// store writes a row of samples, interleaved by pixel as far as the scan has components, where they belong in pix.
func (d *decoder) store(pix []byte, row []uint16, s scan, y, size int) {
	all, n := len(d.comps), len(s.comps)
	line := pix[y*d.width*all*size:][:d.width*all*size]
	shift := s.low & 15
	switch {
	case n == all && size == 2:
		line = line[:2*len(row)]
		for i, v := range row {
			binary.LittleEndian.PutUint16(line[2*i:], v<<shift)
		}
	case n == all:
		line = line[:len(row)]
		for i, v := range row {
			line[i] = byte(v << shift)
		}
	default:
		for i, c := range s.comps {
			for x := range d.width {
				v, at := row[x*n+i]<<shift, (x*all+c)*size
				if line[at] = byte(v); size == 2 {
					line[at+1] = byte(v >> 8)
				}
			}
		}
	}
}

// differences decodes a row of differences of one component.
func (r *reader) differences(row []uint16, t *table) error {
	buf, pos, acc, n := r.buf, r.pos, r.acc, r.n
	for i := range row {
		if n < 32 {
			if pos <= len(buf)-8 {
				acc |= binary.BigEndian.Uint64(buf[pos:]) >> n
			}
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e := t.fast[acc>>(64-lutBits)]
		l := uint(e & 63)
		row[i] = uint16(e >> 16)
		if l == 0 {
			v, _, k := t.long(acc, e, true)
			if k == 0 {
				r.pos, r.acc, r.n = pos, acc, n
				return corrupt("bits in its data are no Huffman code")
			}
			row[i], l = uint16(v), uint(k)
		}
		acc <<= l & 63
		n -= l
	}
	r.pos, r.acc, r.n = pos, acc, n
	return nil
}

// interleaved decodes a row of differences of several components.
func (r *reader) interleaved(row []uint16, tables []*table) error {
	for len(row) >= len(tables) {
		for i, t := range tables {
			if r.n < 32 {
				r.fill()
			}
			e := t.fast[r.acc>>(64-lutBits)]
			l := uint(e & 63)
			row[i] = uint16(e >> 16)
			if l == 0 {
				v, _, k := t.long(r.acc, e, true)
				if k == 0 {
					return corrupt("bits in its data are no Huffman code")
				}
				row[i], l = uint16(v), uint(k)
			}
			r.acc <<= l & 63
			r.n -= l
		}
		row = row[len(tables):]
	}
	return nil
}

// predict turns the differences in row, behind its first n samples, into samples (T.81 table H.1): each is added to what
// the selection value makes of its neighbours, modulo 65536. n is how many samples a pixel has.
func predict(row, above []uint16, n int, selection byte) {
	out := row[n:]
	left, up, corner := row[:len(out)], above[n:][:len(out)], above[:len(out)]
	if n == 1 {
		predictOne(out, up, left[0], corner[0], selection)
		return
	}
	switch selection {
	case 1:
		for i := range out {
			out[i] += left[i]
		}
	case 2:
		for i := range out {
			out[i] += up[i]
		}
	case 3:
		for i := range out {
			out[i] += corner[i]
		}
	case 4:
		for i := range out {
			out[i] += left[i] + up[i] - corner[i]
		}
	case 5:
		for i := range out {
			out[i] += left[i] + half(up[i], corner[i])
		}
	case 6:
		for i := range out {
			out[i] += up[i] + half(left[i], corner[i])
		}
	case 7:
		for i := range out {
			out[i] += mean(left[i], up[i])
		}
	}
}

// predictOne is predict for pixels of one sample: the neighbours to the left stay in registers.
func predictOne(out, up []uint16, left, corner uint16, selection byte) {
	up = up[:len(out)]
	switch selection {
	case 1:
		for i, d := range out {
			left += d
			out[i] = left
		}
	case 2:
		for i, b := range up {
			out[i] += b
		}
	case 3:
		for i, b := range up {
			out[i] += corner
			corner = b
		}
	case 4:
		for i, b := range up {
			left += out[i] + b - corner
			out[i], corner = left, b
		}
	case 5:
		for i, b := range up {
			left += out[i] + half(b, corner)
			out[i], corner = left, b
		}
	case 6:
		for i, b := range up {
			left = out[i] + b + half(left, corner)
			out[i], corner = left, b
		}
	case 7:
		for i, b := range up {
			left = out[i] + mean(left, b)
			out[i] = left
		}
	}
}

// half is half the difference of two samples, rounded down.
func half(a, b uint16) uint16 { return uint16((int32(a) - int32(b)) >> 1) }

// mean is the mean of two samples, rounded down.
func mean(a, b uint16) uint16 { return uint16((uint32(a) + uint32(b)) >> 1) }
