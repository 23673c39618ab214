package phantom

import (
	"fmt"
	"math"

	"github.com/tomocast/tomocast/edge-renderer/render"
)

// PSNR is the peak signal to noise ratio, in dB, of the colours of two pictures; +Inf where they are equal.
func PSNR(a, b *render.Image) (float64, error) {
	if a.Width != b.Width || a.Height != b.Height {
		return 0, fmt.Errorf("pictures of %dx%d and %dx%d pixels cannot be compared", a.Width, a.Height, b.Width, b.Height)
	}
	sum := 0.0
	for i := range a.Pix {
		if i%4 != 3 {
			d := float64(a.Pix[i]) - float64(b.Pix[i])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*3*float64(a.Width*a.Height)/sum), nil
}
