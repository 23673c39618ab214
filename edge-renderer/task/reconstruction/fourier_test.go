package reconstruction

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// The fast transform is the one of the definition, and is undone.
func TestFourier(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{2, 4, 8, 64, 256} {
		x := make([]complex128, n)
		for i := range x {
			x[i] = complex(r.NormFloat64(), r.NormFloat64())
		}
		got := append([]complex128(nil), x...)
		f := newFourier(n)
		f.forward(got)
		for k := range got {
			want := complex(0, 0)
			for i := range x {
				want += x[i] * cmplx.Rect(1, -2*math.Pi*float64(i*k%n)/float64(n))
			}
			if cmplx.Abs(got[k]-want) > 1e-9*float64(n) {
				t.Fatalf("%d of %d is %v, want %v", k, n, got[k], want)
			}
		}
		f.inverse(got)
		for i := range x {
			if cmplx.Abs(got[i]-x[i]) > 1e-12*float64(n) {
				t.Fatalf("%d of %d is not undone", i, n)
			}
		}
	}
}
