package jpeg

import (
	"encoding/binary"
	"math/bits"
)

// code is a Huffman code.
type code struct{ bits, length int }

// coding tables of the test's encoder: symbols have codes of several lengths, some longer than what is looked up at once.
var (
	testDC = testTable(17, map[int]int{4: 6, 6: 4, 13: 7})
	testAC = testTable(256, map[int]int{5: 10, 8: 86, 9: 80, 12: 16, 16: 64})
)

type testCodes struct {
	counts  [16]byte
	symbols []byte
	codes   []code
}

func testTable(n int, counts map[int]int) testCodes {
	var t testCodes
	next := 0
	for l := 1; l <= 16; l++ {
		t.counts[l-1] = byte(counts[l])
		for range counts[l] {
			t.codes = append(t.codes, code{next, l})
			t.symbols = append(t.symbols, byte(len(t.symbols)))
			next++
		}
		next <<= 1
	}
	if len(t.codes) != n {
		panic("the counts do not add up")
	}
	return t
}

// bitWriter writes entropy-coded segments.
type bitWriter struct {
	out []byte
	acc uint64
	n   int
}

func (w *bitWriter) put(v, n int) {
	w.acc = w.acc<<n | uint64(v)&(1<<n-1)
	for w.n += n; w.n >= 8; w.n -= 8 {
		b := byte(w.acc >> (w.n - 8))
		if w.out = append(w.out, b); b == 0xFF {
			w.out = append(w.out, 0)
		}
	}
}

func (w *bitWriter) flush() {
	if w.n > 0 {
		w.put(0xFF, 8-w.n)
	}
}

// size is the number of bits of a value (T.81 F.1.2.1).
func size(v int) int { return bits.Len(uint(max(v, -v))) }

// value writes a code and the bits of a value behind it.
func (w *bitWriter) value(c code, v, n int) {
	w.put(c.bits, c.length)
	if v < 0 {
		v--
	}
	w.put(v, n)
}

func (w *bitWriter) difference(d int) {
	d = int(int16(d))
	if d == -32768 {
		w.put(testDC.codes[16].bits, testDC.codes[16].length)
		return
	}
	w.value(testDC.codes[size(d)], d, size(d))
}

func (w *bitWriter) block(b *[64]int, pred int) {
	w.difference(b[0] - pred)
	run := 0
	for _, v := range b[1:] {
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			w.put(testAC.codes[0xF0].bits, testAC.codes[0xF0].length)
		}
		w.value(testAC.codes[run<<4|size(v)], v, size(v))
		run = 0
	}
	if run > 0 {
		w.put(testAC.codes[0].bits, testAC.codes[0].length)
	}
}

func segment(m byte, body ...byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xFF, m}, uint16(len(body)+2))
	return append(out, body...)
}

// testFrame is what the test's encoder writes.
type testFrame struct {
	process       byte
	bits          int
	width, height int
	sampling      [][2]int // horizontal and vertical factor of each component
	restart       int
	split         bool // every component in a scan of its own
	paired        bool // the second of three components in a scan of its own, the others in one
	dnl           bool // the number of lines stands behind the first scan
	// of lossless frames
	selection, low int
	samples        []uint16 // interleaved by pixel
	// of DCT frames: blocks of each component, whole MCUs, coefficients in zigzag order, quantized by quant
	blocks [][][64]int
	quant  [64]byte
}

// start is everything before the scans.
func (f *testFrame) start() []byte {
	out := []byte{0xFF, markerSOI}
	out = append(out, segment(0xE0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00")...)...)
	out = append(out, segment(markerDQT, append([]byte{0}, f.quant[:]...)...)...)
	height := f.height
	if f.dnl {
		height = 0
	}
	sof := []byte{byte(f.bits), byte(height >> 8), byte(height), byte(f.width >> 8), byte(f.width), byte(len(f.sampling))}
	for i, s := range f.sampling {
		sof = append(sof, byte(i+1), byte(s[0]<<4|s[1]), 0)
	}
	out = append(out, 0xFF) // fill byte before a marker
	out = append(out, segment(f.process, sof...)...)
	dc := append(append([]byte{0x01}, testDC.counts[:]...), testDC.symbols...)
	ac := append(append([]byte{0x11}, testAC.counts[:]...), testAC.symbols...)
	out = append(out, segment(markerDHT, append(dc, ac...)...)...)
	if f.restart > 0 {
		out = append(out, segment(markerDRI, byte(f.restart>>8), byte(f.restart))...)
	}
	return out
}

// scans writes the scans with the data that data gives for each, and the end.
func (f *testFrame) scans(out []byte, params [3]byte, data func(comps []int) []byte) []byte {
	all := [][]int{{0}, {1}, {2}, {3}}[:len(f.sampling)]
	switch {
	case f.paired:
		all = [][]int{{0, 2}, {1}}
	case !f.split:
		all = [][]int{[]int{0, 1, 2, 3}[:len(f.sampling)]}
	}
	for i, comps := range all {
		sos := []byte{byte(len(comps))}
		for _, c := range comps {
			sos = append(sos, byte(c+1), 0x11)
		}
		out = append(out, segment(markerSOS, append(sos, params[:]...)...)...)
		out = append(out, data(comps)...)
		if f.dnl && i == 0 {
			out = append(out, segment(markerDNL, byte(f.height>>8), byte(f.height))...)
		}
	}
	return append(out, 0xFF, markerEOI)
}

// restarter writes a restart marker before every MCU but the first that begins an interval.
func (f *testFrame) restarter(w *bitWriter) func() bool {
	mcu := 0
	return func() bool {
		mcu++
		if f.restart == 0 || mcu == 1 || (mcu-1)%f.restart != 0 {
			return mcu == 1
		}
		w.flush()
		w.out = append(w.out, 0xFF, markerRST0+byte((mcu-1)/f.restart-1)&7)
		return true
	}
}

// dct writes a sequential frame.
func (f *testFrame) dct() []byte {
	maxH, maxV := f.factors()
	return f.scans(f.start(), [3]byte{0, 63, 0}, func(comps []int) []byte {
		w := &bitWriter{}
		restart := f.restarter(w)
		pred := make([]int, len(f.sampling))
		across, down := ceil(f.width, 8*maxH), ceil(f.height, 8*maxV)
		put := func(c, x, y int) {
			stride := ceil(f.width, 8*maxH) * f.sampling[c][0]
			b := &f.blocks[c][y*stride+x]
			w.block(b, pred[c])
			pred[c] = b[0]
		}
		if len(comps) == 1 {
			c := comps[0]
			across = ceil(ceil(f.width*f.sampling[c][0], maxH), 8)
			down = ceil(ceil(f.height*f.sampling[c][1], maxV), 8)
		}
		for y := range down {
			for x := range across {
				if restart() {
					clear(pred)
				}
				if len(comps) == 1 {
					put(comps[0], x, y)
					continue
				}
				for _, c := range comps {
					h, v := f.sampling[c][0], f.sampling[c][1]
					for i := range v {
						for k := range h {
							put(c, x*h+k, y*v+i)
						}
					}
				}
			}
		}
		w.flush()
		return w.out
	})
}

func (f *testFrame) factors() (maxH, maxV int) {
	for _, s := range f.sampling {
		maxH, maxV = max(maxH, s[0]), max(maxV, s[1])
	}
	return maxH, maxV
}

// lossless writes a lossless frame of f.samples, as T.81 H.1 defines it.
func (f *testFrame) lossless() []byte {
	n := len(f.sampling)
	at := func(x, y, c int) int { return int(f.samples[(y*f.width+x)*n+c]) >> f.low }
	return f.scans(f.start(), [3]byte{byte(f.selection), 0, byte(f.low)}, func(comps []int) []byte {
		w := &bitWriter{}
		restart := f.restarter(w)
		first := 0 // line of the interval
		for y := range f.height {
			for x := range f.width {
				fresh := restart()
				if fresh {
					first = y
				}
				for _, c := range comps {
					var p int
					switch {
					case fresh:
						p = 1 << (f.bits - f.low - 1)
					case y == first:
						p = at(x-1, y, c)
					case x == 0:
						p = at(x, y-1, c)
					default:
						ra, rb, rc := at(x-1, y, c), at(x, y-1, c), at(x-1, y-1, c)
						p = []int{0, ra, rb, rc, ra + rb - rc, ra + (rb-rc)>>1, rb + (ra-rc)>>1, (ra + rb) / 2}[f.selection]
					}
					w.difference(at(x, y, c) - p)
				}
			}
		}
		w.flush()
		return w.out
	})
}
