package encode_test

import (
	"errors"
	"math"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

// Flat colours have the values of BT.601 (Rec. ITU-R BT.601-7, 2.5.1), each within one step.
func TestConvertIsBT601Limited(t *testing.T) {
	for _, c := range [][3]uint8{{0, 0, 0}, {255, 255, 255}, {255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {128, 128, 128}, {200, 120, 40}} {
		const width, height = 32, 16
		rgba := make([]byte, width*height*4)
		for i := 0; i < len(rgba); i += 4 {
			rgba[i], rgba[i+1], rgba[i+2], rgba[i+3] = c[0], c[1], c[2], 255
		}
		p := picture(t, rgba, width, height)
		r, g, b := float64(c[0])/255, float64(c[1])/255, float64(c[2])/255
		luma := 0.299*r + 0.587*g + 0.114*b
		want := [3]float64{16 + 219*luma, 128 + 224*(b-luma)/1.772, 128 + 224*(r-luma)/1.402}
		y, u, v := p.Planes()
		for i, plane := range [][]byte{y, u, v} {
			for _, got := range plane {
				if math.Abs(float64(got)-want[i]) > 1.01 {
					t.Fatalf("colour %v, plane %d: got %d, want %.1f", c, i, got, want[i])
				}
			}
		}
		back, err := p.RGBA(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range back {
			if d := int(back[i]) - int(rgba[i]); d < -4 || d > 4 {
				t.Fatalf("colour %v came back as %v", c, back[:4])
			}
		}
	}
}

// The first row of the image is the first of the picture, and a stride is followed.
func TestConvertFollowsRows(t *testing.T) {
	const width, height, stride = 32, 16, 32*4 + 12
	rgba := make([]byte, stride*height-12)
	for y := range height {
		for x := range width {
			for c := range 3 {
				rgba[y*stride+x*4+c] = uint8(y * 16)
			}
		}
	}
	var p encode.Picture
	if err := p.Convert(rgba, stride, width, height); err != nil {
		t.Fatal(err)
	}
	luma, _, _ := p.Planes()
	for y := range height {
		want := 16 + 219*float64(y*16)/255
		for x := range width {
			if got := float64(luma[y*width+x]); math.Abs(got-want) > 1.01 {
				t.Fatalf("row %d, column %d: got %g, want %.1f", y, x, got, want)
			}
		}
	}
}

func TestConvertUsesMemoryAgain(t *testing.T) {
	var p encode.Picture
	rgba := rendering(640, 480, 0)
	if err := p.Convert(rgba, 640*4, 640, 480); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { p.Convert(rgba, 640*4, 640, 480) }); n != 0 {
		t.Errorf("converting again allocates %g times", n)
	}
	if err := p.Convert(rgba[:320*240*4], 320*4, 320, 240); err != nil || len(p.Pix) != 320*240*3/2 {
		t.Errorf("smaller: %v, %d bytes", err, len(p.Pix))
	}
}

func TestConvertRefuses(t *testing.T) {
	good := make([]byte, 64*64*4)
	for name, c := range map[string]struct {
		rgba                  []byte
		stride, width, height int
	}{
		"odd width":    {good, 63 * 4, 63, 64},
		"odd height":   {good, 64 * 4, 64, 63},
		"nothing":      {nil, 64 * 4, 64, 64},
		"one row less": {good[:63*64*4], 64 * 4, 64, 64},
		"one byte":     {good[:len(good)-1], 64 * 4, 64, 64},
		"short stride": {good, 64*4 - 1, 64, 64},
		"huge stride":  {good, 1 << 60, 64, 64},
		"negative":     {good, 64 * 4, -64, 64},
		"overflow":     {good, 64 * 4, 64, 1 << 62},
		"zero":         {good, 0, 0, 0},
	} {
		var p encode.Picture
		if err := p.Convert(c.rgba, c.stride, c.width, c.height); !errors.Is(err, encode.ErrSize) {
			t.Errorf("%s: got %v, want ErrSize", name, err)
		}
	}
}

func TestScale(t *testing.T) {
	// A ramp stays a ramp in both directions of scaling.
	ramp := func(width, height int) []byte {
		pix := make([]byte, width*height*4)
		for i := range width * height {
			x, y := (float64(i%width)+0.5)/float64(width), (float64(i/width)+0.5)/float64(height)
			pix[i*4], pix[i*4+1], pix[i*4+2], pix[i*4+3] = uint8(255*x), uint8(255*y), 77, 255
		}
		return pix
	}
	for _, c := range [][4]int{{512, 384, 1024, 768}, {1024, 768, 512, 384}, {341, 257, 1024, 768}, {64, 48, 64, 48}} {
		dst := make([]byte, c[2]*c[3]*4)
		if err := encode.Scale(dst, c[2], c[3], ramp(c[0], c[1]), c[0], c[1]); err != nil {
			t.Fatal(err)
		}
		if db := psnr(dst, ramp(c[2], c[3])); db < 40 {
			t.Errorf("%v: %.1f dB to the ramp", c, db)
		}
		if dst[2] < 75 || dst[2] > 77 || dst[3] < 253 {
			t.Errorf("%v: flat channels 77 and 255 became %d and %d", c, dst[2], dst[3])
		}
	}
	for name, err := range map[string]error{
		"short source":      encode.Scale(make([]byte, 64), 4, 4, make([]byte, 60), 4, 4),
		"short destination": encode.Scale(make([]byte, 60), 4, 4, make([]byte, 64), 4, 4),
		"zero":              encode.Scale(nil, 0, 0, make([]byte, 64), 4, 4),
		"huge":              encode.Scale(make([]byte, 64), 1<<20, 1, make([]byte, 64), 4, 4),
	} {
		if !errors.Is(err, encode.ErrSize) {
			t.Errorf("%s: got %v, want ErrSize", name, err)
		}
	}
}
