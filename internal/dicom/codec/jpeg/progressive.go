package jpeg

import (
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// maxScans bounds the scans of a progressive frame. Encoders write 6 to 13; a DC scan and 63 bands of one coefficient
// in several steps would be more, but each costs a walk over the picture.
const maxScans = 100

// progression is a progressive frame that is being decoded (T.81 annex G).
type progression struct {
	*decoder
	coefs [4][]int16 // coefficients of the components, 64 to a block, in zigzag order
	// have[c][k] is how many of the lowest bits of coefficient k of component c are still to come, plus 1; 0 where there
	// was no scan of it.
	have [4][64]uint8
	run  int32 // blocks that are still to be skipped (T.81 G.1.2.2)
	pred [4]int32
}

// decodeProgressive collects the coefficients of all scans, and makes samples of them at the end.
func decodeProgressive[T sample](d *decoder) ([]byte, error) {
	g := &progression{decoder: d}
	for i, c := range d.comps {
		g.coefs[i] = make([]int16, c.blocksX*c.blocksY*64)
	}
	scans := 0
	for {
		s, ok, err := d.nextScan()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if scans++; scans > maxScans {
			return nil, fmt.Errorf("%w: it has more than %d scans", codec.ErrLimit, maxScans)
		}
		if err := g.scan(s); err != nil {
			return nil, err
		}
	}
	if err := g.finished(); err != nil {
		return nil, err
	}
	p := newPlanes[T](d)
	for i := range d.comps {
		if err := render(g, i, p[i]); err != nil {
			return nil, err
		}
	}
	return pixels(d, p), nil
}

// finished says whether all that the samples need has come. A codestream with an end may leave out coefficients that are
// 0 everywhere; in one without, nobody knows.
func (g *progression) finished() error {
	for i := range g.comps {
		for k, have := range g.have[i] {
			if k == 0 && have == 0 || have > 1 && !g.ended || have == 0 && !g.ended {
				return truncated("it ends before coefficient %d of component %d is complete", k, i+1)
			}
		}
	}
	return nil
}

// render makes the samples of a component.
func render[T sample](g *progression, i int, plane []T) error {
	c := &g.comps[i]
	quant := g.quant[c.quant]
	if quant == nil {
		return corrupt("quantization table %d is missing", c.quant)
	}
	stride := c.blocksX * 8
	var b block
	for y := range c.blocksY {
		for x := range c.blocksX {
			b = block{}
			n := 1
			from := (*[64]int16)(g.coefs[i][(y*c.blocksX+x)*64:])
			for k, v := range from {
				if v != 0 {
					b[zigzag[k]] = int32(v) * quant[k]
					n = k + 1
				}
			}
			inverse(&b, n, plane[y*8*stride+x*8:], stride)
		}
	}
	return nil
}

// scan decodes one scan into the coefficients.
func (g *progression) scan(s scan) error {
	dc := s.first == 0
	switch {
	case s.first > s.last || s.last > 63 || dc && s.last != 0 || !dc && len(s.comps) != 1,
		s.low > 13 || s.high != 0 && s.high != s.low+1:
		return corrupt("a scan has coefficients %d to %d, bits %d to %d, of %d components", s.first, s.last, s.high, s.low, len(s.comps))
	}
	for _, i := range s.comps {
		for k := s.first; k <= s.last; k++ {
			if have := g.have[i][k]; s.high == 0 && have != 0 || s.high != 0 && have != s.high+1 {
				return corrupt("a scan refines coefficient %d of component %d out of turn", k, i+1)
			}
			g.have[i][k] = s.low + 1
		}
	}
	tables := make([]*table, len(s.comps))
	for i := range tables {
		switch {
		case dc && s.high == 0:
			tables[i] = g.dc[s.dc[i]]
		case !dc:
			tables[i] = g.ac[s.ac[i]]
		default:
			continue // single bits without a code
		}
		if tables[i] == nil {
			return corrupt("Huffman table %d or %d is missing", s.dc[i], s.ac[i])
		}
	}
	return g.walk(s, func() { g.run, g.pred = 0, [4]int32{} }, func(i, x, y int) error {
		at := s.comps[i]
		b := (*[64]int16)(g.coefs[at][(y*g.comps[at].blocksX+x)*64:])
		switch {
		case dc && s.high == 0:
			size := g.r.symbol(tables[i])
			if size < 0 || size > 15 {
				return corrupt("bits in its data are no Huffman code")
			}
			g.pred[i] += extend(g.r.take(uint(size)), uint(size))
			b[0] = int16(g.pred[i] << s.low)
			return nil
		case dc:
			b[0] |= int16(g.r.take(1) << s.low)
			return nil
		case s.high == 0:
			return g.band(b, s, tables[i])
		default:
			return g.refine(b, s, tables[i])
		}
	})
}

// band decodes the first bits of a band of coefficients (T.81 G.1.2.2).
func (g *progression) band(b *[64]int16, s scan, t *table) error {
	if g.run > 0 {
		g.run--
		return nil
	}
	for k := int(s.first); k <= int(s.last); k++ {
		symbol := g.r.symbol(t)
		if symbol < 0 {
			return corrupt("bits in its data are no Huffman code")
		}
		run, size := symbol>>4, uint(symbol&15)
		if size == 0 {
			if run < 15 {
				g.run = int32(1<<run+g.r.take(uint(run))) - 1
				return nil
			}
			k += 15
			continue
		}
		k += run
		if k > int(s.last) {
			return corrupt("a run of coefficients leads out of its band")
		}
		b[k] = int16(extend(g.r.take(size), size) << s.low)
	}
	return nil
}

// refine decodes one more bit of a band of coefficients (T.81 G.1.2.3).
func (g *progression) refine(b *[64]int16, s scan, t *table) error {
	k, last := int(s.first), int(s.last)
	bit := int16(1) << s.low
	if g.run == 0 {
		for ; k <= last; k++ {
			symbol := g.r.symbol(t)
			if symbol < 0 || symbol&15 > 1 {
				return corrupt("bits in its data are no Huffman code")
			}
			run, value := symbol>>4, int16(0)
			if symbol&15 == 1 {
				value = -bit
				if g.r.take(1) != 0 {
					value = bit
				}
			} else if run < 15 {
				g.run = int32(1<<run + g.r.take(uint(run)))
				break
			}
			k = g.correct(b, k, last, run, bit)
			if value != 0 {
				if k > last {
					return corrupt("a run of coefficients leads out of its band")
				}
				b[k] = value
			}
		}
	}
	if g.run > 0 {
		g.correct(b, k, last, 64, bit)
		g.run--
	}
	return nil
}

// correct reads a bit for each coefficient from k on that is other than 0, up to the one behind run that are 0, and
// returns that one's index; last+1 where there is none.
func (g *progression) correct(b *[64]int16, k, last, run int, bit int16) int {
	for ; k <= last; k++ {
		switch v := b[k]; {
		case v == 0:
			if run == 0 {
				return k
			}
			run--
		case g.r.take(1) != 0 && v&bit == 0:
			if v > 0 {
				b[k] = v + bit
			} else {
				b[k] = v - bit
			}
		}
	}
	return k
}
