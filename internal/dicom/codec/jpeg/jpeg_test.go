package jpeg

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

func (f *testFrame) want() codec.Want {
	return codec.Want{Width: f.width, Height: f.height, Components: len(f.sampling)}
}

// full are n components without subsampling.
func full(n int) [][2]int {
	s := make([][2]int, n)
	for i := range s {
		s[i] = [2]int{1, 1}
	}
	return s
}

// testLossless is a lossless frame of a slope with noise and the extremes.
func testLossless(r *rand.Rand, bits, selection, components int) *testFrame {
	f := &testFrame{process: markerSOF3, bits: bits, width: 37, height: 23, sampling: full(components), selection: selection}
	f.samples = make([]uint16, f.width*f.height*components)
	top := 1<<bits - 1
	for i := range f.samples {
		v := i*top/len(f.samples) + int(r.NormFloat64()*float64(top)/50)
		if r.IntN(20) == 0 {
			v = r.IntN(2) * top
		}
		f.samples[i] = uint16(min(max(v, 0), top))
	}
	return f
}

// samples are what Decode gave, as numbers.
func samples(m codec.Image) []uint16 {
	if m.SampleBytes() == 1 {
		out := make([]uint16, len(m.Pix))
		for i, v := range m.Pix {
			out[i] = uint16(v)
		}
		return out
	}
	out := make([]uint16, len(m.Pix)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(m.Pix[2*i:])
	}
	return out
}

// Every selection value and precision, with restart markers, several components in one scan or in several, and a point
// transform.
func TestLossless(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	check := func(name string, f *testFrame) {
		t.Helper()
		m, err := Decode(f.lossless(), f.want())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if m.Bits != f.bits || m.Transformed || m.Signed {
			t.Errorf("%s: %d bits, transformed %v", name, m.Bits, m.Transformed)
		}
		for i, v := range samples(m) {
			if want := f.samples[i] >> f.low << f.low; v != want {
				t.Errorf("%s: sample %d is %d, not %d", name, i, v, want)
				return
			}
		}
	}
	for selection := 1; selection <= 7; selection++ {
		for bits := 2; bits <= 16; bits++ {
			f := testLossless(r, bits, selection, 1)
			check(fmt.Sprintf("selection %d, %d bits", selection, bits), f)
			f.low = bits / 3
			check(fmt.Sprintf("selection %d, %d bits, point transform", selection, bits), f)
		}
		for _, n := range []int{2, 3, 4} {
			f := testLossless(r, 8, selection, n)
			name := fmt.Sprintf("selection %d, %d components", selection, n)
			check(name, f)
			f.restart = f.width * 4
			check(name+", restarts", f)
			f.split = true
			check(name+", a scan each", f)
			if f.paired = n == 3; f.paired {
				check(name+", two scans", f)
			}
			g := testLossless(r, 16, selection, n)
			g.split = true
			check(name+", a scan each, 16 bits", g)
		}
		f := testLossless(r, 16, selection, 1)
		f.restart = f.width
		check(fmt.Sprintf("selection %d, restarts", selection), f)
		f.restart = 0
		f.dnl = true
		check(fmt.Sprintf("selection %d, lines told at the end", selection), f)
	}
}

// testDCT is a frame of random coefficients, as pictures have them: fewer of the high ones.
func testDCT(r *rand.Rand, bits int, sampling [][2]int) *testFrame {
	f := &testFrame{process: markerSOF1, bits: bits, width: 61, height: 45, sampling: sampling}
	for i := range f.quant {
		f.quant[i] = byte(3 + i/2)
	}
	maxH, maxV := f.factors()
	for _, s := range sampling {
		n := ceil(f.width, 8*maxH) * s[0] * ceil(f.height, 8*maxV) * s[1]
		blocks := make([][64]int, n)
		for i := range blocks {
			b := &blocks[i]
			b[0] = int(r.NormFloat64() * float64(int(40)<<(bits-8)))
			for k := 1 + r.IntN(64); k < 64; k++ {
				b[64-k] = int(r.NormFloat64() * float64(int(1)<<(bits-8)) * 40 / float64(64-k))
			}
		}
		f.blocks = append(f.blocks, blocks)
	}
	return f
}

// cosines are those of multiples of pi/16.
var cosines = func() (c [32]float64) {
	for i := range c {
		c[i] = math.Cos(float64(i) * math.Pi / 16)
	}
	return c
}()

// plane is the component's own samples by the definition of the inverse DCT (T.81 A.3.3), in floating point, clipped.
func (f *testFrame) plane(c int) (pix []float64, width, height int) {
	maxH, maxV := f.factors()
	h, v := f.sampling[c][0], f.sampling[c][1]
	width, height = ceil(f.width*h, maxH), ceil(f.height*v, maxV)
	stride := ceil(f.width, 8*maxH) * h
	pix = make([]float64, width*height)
	for y := range height {
		for x := range width {
			b := &f.blocks[c][y/8*stride+x/8]
			sum := 0.0
			for k, q := range b {
				if q == 0 {
					continue
				}
				u, w := int(zigzag[k]&7), int(zigzag[k]>>3)
				term := float64(q*int(f.quant[k])) / 4
				if u == 0 {
					term /= math.Sqrt2
				}
				if w == 0 {
					term /= math.Sqrt2
				}
				sum += term * cosines[(2*(x%8)+1)*u%32] * cosines[(2*(y%8)+1)*w%32]
			}
			pix[y*width+x] = min(max(math.Round(sum+float64(int(1)<<(f.bits-1))), 0), float64(int(1)<<f.bits-1))
		}
	}
	return pix, width, height
}

// expected is the sample of component c at a place of the picture: from the triangle filter where both directions are
// halved or one is and the other is not, else the nearest one.
func (f *testFrame) expected(pix []float64, width, height, c, x, y int) float64 {
	maxH, maxV := f.factors()
	h, v := f.sampling[c][0], f.sampling[c][1]
	if 2*h != maxH || v != maxV && 2*v != maxV {
		return pix[min(y*v/maxV, height-1)*width+min(x*h/maxH, width-1)]
	}
	at := func(x, y int) float64 { return pix[min(max(y, 0), height-1)*width+min(max(x, 0), width-1)] }
	dx, dy := 2*(x&1)-1, 2*(y&1)-1
	row := func(y int) float64 { return 0.75*at(x/2, y) + 0.25*at(x/2+dx, y) }
	if v == maxV {
		return row(y)
	}
	return 0.75*row(y/2) + 0.25*row(y/2+dy)
}

// All sampling factors of common encoders and odd ones, 8 and 12 bits, restart markers, one scan or several.
func TestSequential(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, sampling := range [][][2]int{
		full(1), {{2, 2}}, {{4, 1}}, full(2), full(3), full(4),
		{{2, 1}, {1, 1}, {1, 1}}, {{2, 2}, {1, 1}, {1, 1}}, {{1, 2}, {1, 1}, {1, 1}}, {{4, 1}, {1, 1}, {1, 1}},
		{{2, 2}, {2, 1}, {1, 2}}, {{3, 1}, {1, 1}, {2, 1}}, {{2, 2}, {1, 1}, {1, 1}, {2, 2}}, {{1, 1}, {2, 2}},
	} {
		for _, bits := range []int{8, 12} {
			f := testDCT(r, bits, sampling)
			if len(sampling) == 1 {
				f.width = 64 // whole blocks, whose samples are not moved again
			}
			type plane struct {
				pix           []float64
				width, height int
			}
			var planes []plane
			for c := range sampling {
				pix, width, height := f.plane(c)
				planes = append(planes, plane{pix, width, height})
			}
			for variant := range 5 {
				f.restart, f.split, f.dnl, f.paired = variant&1*5, variant&2 != 0, variant == 3, variant == 4
				if f.paired && len(sampling) != 3 {
					continue
				}
				name := fmt.Sprintf("%v, %d bits, restart %d, split %v, paired %v", sampling, bits, f.restart, f.split, f.paired)
				m, err := Decode(f.dct(), f.want())
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				n := len(sampling)
				got := samples(m)
				if m.Bits != bits || len(got) != f.width*f.height*n {
					t.Fatalf("%s: %d samples of %d bits", name, len(got), m.Bits)
				}
				for c, p := range planes {
					worst := 0.0
					for i := range f.width * f.height {
						worst = max(worst, math.Abs(float64(got[i*n+c])-f.expected(p.pix, p.width, p.height, c, i%f.width, i/f.width)))
					}
					if worst > 1.5 {
						t.Errorf("%s: component %d differs by %g", name, c, worst)
					}
				}
			}
		}
	}
}

// What a codestream may be refused for, and by which name.
func TestRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	lossless, dct := testLossless(r, 12, 1, 1), testDCT(r, 8, full(3))
	good, goodDCT := lossless.lossless(), dct.dct()
	sof := bytes.Index(good, []byte{0xFF, markerSOF3})
	change := func(data []byte, at int, to ...byte) []byte {
		out := bytes.Clone(data)
		copy(out[at:], to)
		return out
	}
	dht := bytes.Index(good, []byte{0xFF, markerDHT})
	sos := bytes.Index(good, []byte{0xFF, markerSOS})
	huge := change(good, sof+5, 0xFF, 0xFF, 0xFF, 0xFF)
	dri := append(append(bytes.Clone(good[:sos]), segment(markerDRI, 0, 5)...), good[sos:]...)
	for _, c := range []struct {
		name string
		data []byte
		want codec.Want
		err  error
		text string
	}{
		{"nothing", nil, lossless.want(), codec.ErrCorrupt, "FFD8"},
		{"no JPEG", []byte("GIF89a"), lossless.want(), codec.ErrCorrupt, "FFD8"},
		{"only a start", good[:2], lossless.want(), codec.ErrTruncated, "frame header"},
		{"in the header", good[:sof+8], lossless.want(), codec.ErrTruncated, "segment"},
		{"before the scan", good[:sos], lossless.want(), codec.ErrTruncated, "component 1"},
		{"in the scan", good[:len(good)/2], lossless.want(), codec.ErrTruncated, ""},
		{"in a scan of blocks", goodDCT[:len(goodDCT)-200], dct.want(), codec.ErrTruncated, "row"},
		{"another size", good, codec.Want{Width: 512, Height: 512, Components: 1}, codec.ErrMismatch, "512x512"},
		{"another number of components", good, codec.Want{Width: 37, Height: 23, Components: 3}, codec.ErrMismatch, "3"},
		{"a huge size", huge, codec.Want{Width: 65535, Height: 65535, Components: 1}, codec.ErrLimit, "65535"},
		{"a large size", change(good, sof+5, 0x20, 0, 0x20, 0), codec.Want{Width: 8192, Height: 8192, Components: 1}, codec.ErrTruncated, "8192"},
		{"a precision of 17", change(good, sof+4, 17), lossless.want(), codec.ErrCorrupt, "17 bits"},
		{"13 bits in blocks", change(goodDCT, bytes.Index(goodDCT, []byte{0xFF, markerSOF1})+4, 13), dct.want(), codec.ErrCorrupt, "13 bits"},
		{"sampling factor 0", change(good, sof+11, 0x01), lossless.want(), codec.ErrCorrupt, "sampling"},
		{"arithmetic coding", change(good, sof+1, 0xC9), lossless.want(), codec.ErrUnsupported, "arithmetic"},
		{"hierarchical", change(good, sof+1, 0xC5), lossless.want(), codec.ErrUnsupported, "hierarchical"},
		{"JPEG-LS", change(good, sof+1, 0xF7), lossless.want(), codec.ErrUnsupported, "JPEG-LS"},
		{"codes without end", change(good, dht+5, 0xFF), lossless.want(), codec.ErrCorrupt, "Huffman"},
		{"no tables", append(bytes.Clone(good[:dht]), good[sos:]...), lossless.want(), codec.ErrCorrupt, "missing"},
		{"selection value 0", change(good, sos+7, 0), lossless.want(), codec.ErrCorrupt, "selection"},
		{"selection value 8", change(good, sos+7, 8), lossless.want(), codec.ErrCorrupt, "selection"},
		{"an interval that is no line", dri, lossless.want(), codec.ErrCorrupt, "restart"},
		{"two frame headers", change(good, dht, 0xFF, markerSOF3), lossless.want(), codec.ErrCorrupt, "second"},
	} {
		_, err := Decode(c.data, c.want)
		if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.err, c.text)
		}
	}
	// Subsampled lossless components are refused; a scan that comes twice as well.
	lossless.sampling = [][2]int{{2, 1}, {1, 1}}
	if _, err := Decode(lossless.start(), lossless.want()); !errors.Is(err, codec.ErrUnsupported) {
		t.Errorf("subsampled lossless: %v", err)
	}
	again := append(bytes.Clone(good[:len(good)-2]), good[sos:]...)
	if _, err := Decode(again, codec.Want{Width: 37, Height: 23, Components: 1}); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("a scan that comes twice: %v", err)
	}
}

// What encoders write that is not quite right, and what DICOM adds, is read.
func TestTolerated(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	f, g := testLossless(r, 12, 1, 1), testDCT(r, 12, full(1))
	good, blocks := f.lossless(), g.dct()
	want, err := Decode(good, f.want())
	if err != nil {
		t.Fatal(err)
	}
	wantBlocks, err := Decode(blocks, g.want())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"12 bits called baseline": bytes.Replace(blocks, []byte{0xFF, markerSOF1}, []byte{0xFF, markerSOF0}, 1),
		"no band of coefficients": bytes.Replace(blocks, []byte{markerSOS, 0, 8, 1, 1, 0x11, 0, 63}, []byte{markerSOS, 0, 8, 1, 1, 0x11, 0, 0}, 1),
	} {
		m, err := Decode(data, g.want())
		if err != nil || bytes.Equal(data, blocks) || !bytes.Equal(m.Pix, wantBlocks.Pix) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"no end":                good[:len(good)-2],
		"half an end":           good[:len(good)-1],
		"a padded fragment":     append(bytes.Clone(good), 0),
		"much behind it":        append(bytes.Clone(good), bytes.Repeat([]byte{0xFF, 0xD8, 7}, 99)...),
		"fill bytes at the end": append(append(bytes.Clone(good[:len(good)-2]), 0xFF, 0xFF, 0xFF), good[len(good)-2:]...),
		"zeros before the end":  append(append(bytes.Clone(good[:len(good)-2]), 0, 0, 0), good[len(good)-2:]...),
		"zeros at the start":    append(append(bytes.Clone(good[:2]), 0, 0, 0), good[2:]...),
		"a table without use":   bytes.Replace(good, []byte{markerSOS, 0, 8, 1, 1, 0x11}, []byte{markerSOS, 0, 8, 1, 1, 0x1F}, 1),
	} {
		m, err := Decode(data, f.want())
		if err != nil || bytes.Equal(data, good) || !bytes.Equal(m.Pix, want.Pix) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No codestream that ends early is taken for a whole one.
func TestEveryTruncation(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	a, b := testLossless(r, 8, 4, 3), testDCT(r, 12, [][2]int{{2, 1}, {1, 1}, {1, 1}})
	a.width, a.height, a.restart = 9, 7, 9
	b.restart = 3
	for _, c := range []struct {
		f    *testFrame
		data []byte
	}{{a, a.lossless()}, {b, b.dct()}} {
		for n := range len(c.data) - 3 {
			if _, err := Decode(c.data[:n], c.f.want()); !errors.Is(err, codec.ErrTruncated) && !(n < 2 && errors.Is(err, codec.ErrCorrupt)) {
				t.Fatalf("%d of %d bytes: %v", n, len(c.data), err)
			}
		}
	}
}

// value is what libjpeg-turbo 2.1.5 makes of a file in testdata/libjpeg, with its slow integer DCT and without turning
// colours.
type value struct {
	Width, Height, Components int
	SHA256                    string
}

// fixtures are the files of testdata/libjpeg, by name, and their values.
func fixtures(t testing.TB) (map[string][]byte, map[string]value) {
	t.Helper()
	root := filepath.Join("testdata", "libjpeg")
	text, err := os.ReadFile(filepath.Join(root, "values.json"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]value
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(root, "*.jpg"))
	if err != nil || len(names) < len(values) {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files, values
}

// Samples are those of libjpeg, bit for bit; what it codes arithmetically is refused by name.
func TestLibjpeg(t *testing.T) {
	files, values := fixtures(t)
	for name, v := range values {
		m, err := Decode(files[name], codec.Want{Width: v.Width, Height: v.Height, Components: v.Components})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(m.Pix)); sum != v.SHA256 {
			t.Errorf("%s: samples have the sum %s, not %s", name, sum, v.SHA256)
		}
		for n := range len(files[name]) - 3 {
			if _, err := Decode(files[name][:n], codec.Want{Width: v.Width, Height: v.Height, Components: v.Components}); !errors.Is(err, codec.ErrTruncated) && n > 1 {
				t.Fatalf("%d bytes of %s: %v", n, name, err)
			}
		}
	}
	_, err := Decode(files["grey-arithmetic.jpg"], codec.Want{Width: 45, Height: 37, Components: 1})
	if !errors.Is(err, codec.ErrUnsupported) || !strings.Contains(err.Error(), "arithmetic") {
		t.Errorf("arithmetic coding: %v", err)
	}
}
