package still

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// rendering draws something like a shaded head on black; grain is how many values the noise on it spans.
func rendering(width, height, grain int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, width*height*4)
	radius := 0.45 * float64(height)
	for i := range width * height {
		p := pix[i*4 : i*4+4]
		p[3] = 255
		dx, dy := (float64(i%width)-float64(width)/2)/radius, (float64(i/width)-float64(height)/2)/radius
		d := dx*dx + dy*dy
		if d >= 1 {
			continue
		}
		dz := math.Sqrt(1 - d)
		light := 0.2 + 0.6*math.Max(0, 0.6*dz-0.5*dx-0.4*dy)
		stripe := 0.75 + 0.25*math.Sin(12*math.Atan2(dx, dz))*math.Cos(9*dy)
		noise := float64(random.IntN(grain + 1))
		p[0], p[1], p[2] = uint8(255*light*stripe+noise), uint8(225*light*stripe+noise), uint8(190*light+noise)
	}
	return pix
}

func TestPixelsSurvive(t *testing.T) {
	noise := func(width, height int) []byte {
		random := rand.New(rand.NewPCG(3, 4))
		pix := make([]byte, width*height*4)
		for i := range pix {
			pix[i] = uint8(random.Uint32())
		}
		return pix
	}
	for _, c := range []struct {
		name          string
		width, height int
		pix           func(width, height int) []byte
	}{
		{"rendering", 1024, 768, func(w, h int) []byte { return rendering(w, h, 3) }},
		{"smooth", 640, 481, func(w, h int) []byte { return rendering(w, h, 0) }},
		{"one pixel", 1, 1, noise},
		{"one row", 333, 1, noise},
		{"one column", 1, 333, noise},
		{"noise", 517, 389, noise},
		{"long rows", MaxSide, 9, noise},
		{"long columns", 5, MaxSide, noise},
		{"black", 1024, 768, func(w, h int) []byte { return make([]byte, w*h*4) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			pix := c.pix(c.width, c.height)
			s, err := Make(pix, c.width, c.height)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(s.PNG)
			if s.SHA256 != hex.EncodeToString(sum[:]) || s.Width != c.width || s.Height != c.height {
				t.Errorf("hash %s, size %dx%d", s.SHA256, s.Width, s.Height)
			}
			// Go's reader checks every CRC and the Adler-32.
			m, err := png.Decode(bytes.NewReader(s.PNG))
			if err != nil {
				t.Fatal(err)
			}
			if m.Bounds() != image.Rect(0, 0, c.width, c.height) {
				t.Fatalf("decoded as %v", m.Bounds())
			}
			got := m.(*image.RGBA)
			for i := range c.width * c.height {
				p, q := pix[i*4:i*4+3], got.Pix[i*4:i*4+4]
				if !bytes.Equal(p, q[:3]) || q[3] != 255 {
					t.Fatalf("pixel %d, %d is %v, want %v", i%c.width, i/c.width, q, p)
				}
			}
		})
	}
}

// The same picture is the same bytes, however many processors there are.
func TestSameBytesOnEveryMachine(t *testing.T) {
	pix := rendering(800, 600, 2)
	want, err := Make(pix, 800, 600)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(n)
		for range 3 {
			got, err := Make(pix, 800, 600)
			if err != nil {
				t.Fatal(err)
			}
			if got.SHA256 != want.SHA256 {
				t.Errorf("on %d processors the still is another", n)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range [][3]int{{0, 0, 0}, {-1, -1, 4}, {1, 1, 3}, {1, 1, 5}, {MaxSide + 1, 1, (MaxSide + 1) * 4}, {1 << 62, 4, 0}} {
		if _, err := Make(make([]byte, c[2]), c[0], c[1]); err == nil {
			t.Errorf("%dx%d with %d bytes was encoded", c[0], c[1], c[2])
		}
	}
}

func TestCombine(t *testing.T) {
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = uint8(255 - i%7)
	}
	want := adler32.Checksum(data)
	for _, cut := range []int{0, 1, 65520, 65521, 65522, 131042, 299_999, 300_000} {
		got := combine(adler32.Checksum(data[:cut]), adler32.Checksum(data[cut:]), len(data)-cut)
		if got != want {
			t.Errorf("cut at %d: %08x, want %08x", cut, got, want)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	for _, grain := range []int{0, 3, 12} {
		pix := rendering(1024, 768, grain)
		b.Run(fmt.Sprintf("1024x768/grain%d", grain), func(b *testing.B) {
			var s Still
			var err error
			for b.Loop() {
				if s, err = Make(pix, 1024, 768); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(s.PNG))/1024, "KiB")
		})
		b.Run(fmt.Sprintf("1024x768/grain%d/image-png", grain), func(b *testing.B) {
			m := &image.RGBA{Pix: pix, Stride: 4096, Rect: image.Rect(0, 0, 1024, 768)}
			e := png.Encoder{CompressionLevel: png.BestSpeed}
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				if err := e.Encode(&out, m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out.Len())/1024, "KiB")
		})
	}
}
