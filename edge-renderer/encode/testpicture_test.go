package encode_test

import (
	"math"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

// rendering draws something like a shaded head that turns: an ellipsoid with soft stripes on its surface,
// lit from the left, on black. phase is in radians.
func rendering(width, height int, phase float64) []byte {
	pix := make([]byte, width*height*4)
	cx, cy := float64(width)/2, float64(height)/2
	radius := 0.45 * float64(height)
	for y := range height {
		for x := range width {
			o := (y*width + x) * 4
			pix[o+3] = 255
			dx, dy := (float64(x)-cx)/radius, (float64(y)-cy)/radius
			d := dx*dx + dy*dy
			if d >= 1 {
				continue
			}
			dz := math.Sqrt(1 - d)
			longitude := math.Atan2(dx, dz) + phase
			light := 0.2 + 0.8*math.Max(0, 0.6*dz-0.5*dx-0.4*dy)
			stripe := 0.75 + 0.25*math.Sin(12*longitude)*math.Cos(9*dy)
			pix[o] = uint8(255 * light * stripe)
			pix[o+1] = uint8(225 * light * stripe)
			pix[o+2] = uint8(190 * light)
		}
	}
	return pix
}

// noise fills a picture with values that cannot be predicted, which takes as many bits as there are.
func noise(width, height int, seed uint32) []byte {
	pix := make([]byte, width*height*4)
	for i := range pix {
		seed = seed*1664525 + 1013904223
		pix[i] = uint8(seed >> 24)
	}
	return pix
}

// picture converts an RGBA image without padding.
func picture(t testing.TB, rgba []byte, width, height int) *encode.Picture {
	t.Helper()
	var p encode.Picture
	if err := p.Convert(rgba, width*4, width, height); err != nil {
		t.Fatal(err)
	}
	return &p
}

// psnrY is the peak signal-to-noise ratio of the luma planes in decibels.
func psnrY(a, b *encode.Picture) float64 {
	ya, _, _ := a.Planes()
	yb, _, _ := b.Planes()
	return psnr(ya, yb)
}

func psnr(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255/(sum/float64(len(a))+1e-9))
}
