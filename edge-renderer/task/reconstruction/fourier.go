package reconstruction

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// fourier transforms sequences of one length, a power of two (Cooley and Tukey, Math. Comp. 19:297, 1965).
type fourier struct {
	roots   []complex128 // exp(-2 pi i k/n) for k below n/2
	reverse []int
}

func newFourier(n int) *fourier {
	f := &fourier{roots: make([]complex128, n/2), reverse: make([]int, n)}
	for k := range f.roots {
		f.roots[k] = cmplx.Rect(1, -2*math.Pi*float64(k)/float64(n))
	}
	shift := 64 - bits.TrailingZeros(uint(n))
	for i := range f.reverse {
		f.reverse[i] = int(bits.Reverse64(uint64(i)) >> shift)
	}
	return f
}

// forward transforms x in place, without a factor.
func (f *fourier) forward(x []complex128) {
	for i, j := range f.reverse {
		if i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for half := 1; half < len(x); half *= 2 {
		stride := len(x) / (2 * half)
		for from := 0; from < len(x); from += 2 * half {
			a, b := x[from:from+half], x[from+half:from+2*half]
			for k := range a {
				t := f.roots[k*stride] * b[k]
				a[k], b[k] = a[k]+t, a[k]-t
			}
		}
	}
}

// inverse undoes forward.
func (f *fourier) inverse(x []complex128) {
	for i := range x {
		x[i] = cmplx.Conj(x[i])
	}
	f.forward(x)
	n := complex(float64(len(x)), 0)
	for i := range x {
		x[i] = cmplx.Conj(x[i]) / n
	}
}
