package jpeg

import "unsafe"

// sample is how the samples of a DCT frame are held: byte for 8 bits, uint16 for 12.
type sample interface{ byte | uint16 }

// block is 64 coefficients, rows of growing horizontal frequency.
type block [64]int32

// zigzag is the place of the k-th coefficient of a codestream (T.81 figure 5). Behind the 64 there are places for runs
// that lead out of the block, which the decoder then refuses.
var zigzag = [128]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// columns[k] is how many columns of a block the first k coefficients of a codestream touch.
var columns = func() (c [65]uint8) {
	for k := range 64 {
		c[k+1] = max(c[k], zigzag[k]&7+1)
	}
	return c
}()

// The constants of the inverse DCT, in units of 2^-13: sums of cosines after Loeffler, Ligtenberg and Moschytz (1989),
// as the Independent JPEG Group's jidctint has them.
const (
	constBits = 13
	f0298     = 2446
	f0390     = 3196
	f0541     = 4433
	f0765     = 6270
	f0899     = 7373
	f1175     = 9633
	f1501     = 12299
	f1847     = 15137
	f1961     = 16069
	f2053     = 16819
	f2562     = 20995
	f3072     = 25172
)

// inverse writes the samples of a block to dst, whose rows are stride apart. Only the first n coefficients of the
// codestream's order are other than 0, at least 1.
func inverse[T sample](b *block, n int, dst []T, stride int) {
	// Between the passes there are 2 more bits, or 1 where samples have 12 bits, so that 32 bits suffice.
	var pass, centre, top int32 = 2, 128, 255
	if unsafe.Sizeof(dst[0]) == 2 {
		pass, centre, top = 1, 2048, 4095
	}
	if n == 1 {
		v := clamp[T]((b[0]+4)>>3+centre, top)
		for y := range 8 {
			out := (*[8]T)(dst[y*stride:])
			out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = v, v, v, v, v, v, v, v
		}
		return
	}
	for c := range columns[n] {
		w := (*[57]int32)(b[c&7:])
		if w[8]|w[16]|w[24]|w[32]|w[40]|w[48]|w[56] == 0 {
			v := w[0] << pass
			w[0], w[8], w[16], w[24], w[32], w[40], w[48], w[56] = v, v, v, v, v, v, v, v
			continue
		}
		z1 := (w[16] + w[48]) * f0541
		e2, e3 := z1-w[48]*f1847, z1+w[16]*f0765
		e0, e1 := (w[0]+w[32])<<constBits, (w[0]-w[32])<<constBits
		round := int32(1) << (constBits - pass - 1)
		t10, t13, t11, t12 := e0+e3+round, e0-e3+round, e1+e2+round, e1-e2+round

		i1, i3, i5, i7 := w[8], w[24], w[40], w[56]
		z1, z2, z3, z4 := i7+i1, i5+i3, i7+i3, i5+i1
		z5 := (z3 + z4) * f1175
		z1, z2, z3, z4 = z1*f0899, z2*f2562, z5-z3*f1961, z5-z4*f0390
		t0, t1, t2, t3 := i7*f0298-z1+z3, i5*f2053-z2+z4, i3*f3072-z2+z3, i1*f1501-z1+z4

		w[0], w[56] = (t10+t3)>>(constBits-pass), (t10-t3)>>(constBits-pass)
		w[8], w[48] = (t11+t2)>>(constBits-pass), (t11-t2)>>(constBits-pass)
		w[16], w[40] = (t12+t1)>>(constBits-pass), (t12-t1)>>(constBits-pass)
		w[24], w[32] = (t13+t0)>>(constBits-pass), (t13-t0)>>(constBits-pass)
	}
	for y := range 8 {
		w := (*[8]int32)(b[8*y:])
		out := (*[8]T)(dst[y*stride:])
		if w[1]|w[2]|w[3]|w[4]|w[5]|w[6]|w[7] == 0 {
			v := clamp[T]((w[0]+1<<(pass+2))>>(pass+3)+centre, top)
			out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = v, v, v, v, v, v, v, v
			continue
		}
		z1 := (w[2] + w[6]) * f0541
		e2, e3 := z1-w[6]*f1847, z1+w[2]*f0765
		e0, e1 := (w[0]+w[4])<<constBits, (w[0]-w[4])<<constBits
		// The level shift joins the rounding, for it is a whole number of units.
		round := int32(1)<<(constBits+pass+2) + centre<<(constBits+pass+3)
		t10, t13, t11, t12 := e0+e3+round, e0-e3+round, e1+e2+round, e1-e2+round

		i1, i3, i5, i7 := w[1], w[3], w[5], w[7]
		z1, z2, z3, z4 := i7+i1, i5+i3, i7+i3, i5+i1
		z5 := (z3 + z4) * f1175
		z1, z2, z3, z4 = z1*f0899, z2*f2562, z5-z3*f1961, z5-z4*f0390
		t0, t1, t2, t3 := i7*f0298-z1+z3, i5*f2053-z2+z4, i3*f3072-z2+z3, i1*f1501-z1+z4

		out[0] = clamp[T]((t10+t3)>>(constBits+pass+3), top)
		out[7] = clamp[T]((t10-t3)>>(constBits+pass+3), top)
		out[1] = clamp[T]((t11+t2)>>(constBits+pass+3), top)
		out[6] = clamp[T]((t11-t2)>>(constBits+pass+3), top)
		out[2] = clamp[T]((t12+t1)>>(constBits+pass+3), top)
		out[5] = clamp[T]((t12-t1)>>(constBits+pass+3), top)
		out[3] = clamp[T]((t13+t0)>>(constBits+pass+3), top)
		out[4] = clamp[T]((t13-t0)>>(constBits+pass+3), top)
	}
}

// clamp brings a sample into its range, 0 to top.
func clamp[T sample](v, top int32) T { return T(min(max(v, 0), top)) }
