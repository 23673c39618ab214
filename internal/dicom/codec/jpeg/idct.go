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
		v := T(min(max((b[0]+4)>>3+centre, 0), top))
		for range 8 {
			row := dst[:8]
			for i := range row {
				row[i] = v
			}
			if len(dst) < stride {
				return
			}
			dst = dst[stride:]
		}
		return
	}
	width := int(columns[n])
	for c := range width {
		if b[8+c]|b[16+c]|b[24+c]|b[32+c]|b[40+c]|b[48+c]|b[56+c] == 0 {
			v := b[c] << pass
			for i := c; i < 64; i += 8 {
				b[i] = v
			}
			continue
		}
		t10, t11, t12, t13, t0, t1, t2, t3 := butterfly(b[c], b[8+c], b[16+c], b[24+c], b[32+c], b[40+c], b[48+c], b[56+c])
		round := int32(1) << (constBits - pass - 1)
		b[c], b[56+c] = (t10+t3+round)>>(constBits-pass), (t10-t3+round)>>(constBits-pass)
		b[8+c], b[48+c] = (t11+t2+round)>>(constBits-pass), (t11-t2+round)>>(constBits-pass)
		b[16+c], b[40+c] = (t12+t1+round)>>(constBits-pass), (t12-t1+round)>>(constBits-pass)
		b[24+c], b[32+c] = (t13+t0+round)>>(constBits-pass), (t13-t0+round)>>(constBits-pass)
	}
	for y := range 8 {
		w := b[8*y : 8*y+8 : 8*y+8]
		out := dst[y*stride:][:8]
		if w[1]|w[2]|w[3]|w[4]|w[5]|w[6]|w[7] == 0 {
			v := T(min(max((w[0]+1<<(pass+2))>>(pass+3)+centre, 0), top))
			for i := range out {
				out[i] = v
			}
			continue
		}
		t10, t11, t12, t13, t0, t1, t2, t3 := butterfly(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7])
		// The level shift joins the rounding, for it is a whole number of units.
		round := int32(1)<<(constBits+pass+2) + centre<<(constBits+pass+3)
		out[0] = T(min(max((t10+t3+round)>>(constBits+pass+3), 0), top))
		out[7] = T(min(max((t10-t3+round)>>(constBits+pass+3), 0), top))
		out[1] = T(min(max((t11+t2+round)>>(constBits+pass+3), 0), top))
		out[6] = T(min(max((t11-t2+round)>>(constBits+pass+3), 0), top))
		out[2] = T(min(max((t12+t1+round)>>(constBits+pass+3), 0), top))
		out[5] = T(min(max((t12-t1+round)>>(constBits+pass+3), 0), top))
		out[3] = T(min(max((t13+t0+round)>>(constBits+pass+3), 0), top))
		out[4] = T(min(max((t13-t0+round)>>(constBits+pass+3), 0), top))
	}
}

// butterfly is the one-dimensional inverse DCT, scaled by the square root of 8 and 2^13: its results are the sums and the
// differences of the first four values with the last four, the last one's partner first.
func butterfly(i0, i1, i2, i3, i4, i5, i6, i7 int32) (t10, t11, t12, t13, t0, t1, t2, t3 int32) {
	z1 := (i2 + i6) * f0541
	e2, e3 := z1-i6*f1847, z1+i2*f0765
	e0, e1 := (i0+i4)<<constBits, (i0-i4)<<constBits
	t10, t13, t11, t12 = e0+e3, e0-e3, e1+e2, e1-e2

	z1, z2, z3, z4 := i7+i1, i5+i3, i7+i3, i5+i1
	z5 := (z3 + z4) * f1175
	z1, z2, z3, z4 = -z1*f0899, -z2*f2562, z5-z3*f1961, z5-z4*f0390
	return t10, t11, t12, t13, i7*f0298 + z1 + z3, i5*f2053 + z2 + z4, i3*f3072 + z2 + z3, i1*f1501 + z1 + z4
}
