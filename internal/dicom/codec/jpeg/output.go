package jpeg

import (
	"encoding/binary"
	"unsafe"
)

// pixels brings the planes to the size of the picture and interleaves them.
func pixels[T sample](d *decoder, p *planes[T]) []byte {
	n := len(d.comps)
	size := 1
	if d.bits > 8 {
		size = 2
	}
	if n == 1 && d.comps[0].blocksX*8 == d.width && (size == 1 || binary.NativeEndian.Uint16([]byte{1, 0}) == 1) {
		// The plane is the picture already, but for the lines that fill up the last blocks.
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(p[0]))), d.width*d.height*size)
	}
	out := make([]byte, d.width*d.height*n*size)
	line := make([]T, d.width+2*d.maxH) // an odd width is interpolated one further
	for i := range d.comps {
		up := upsampler(d, i, p[i])
		for y := range d.height {
			row := up(y, line)
			to := out[(y*d.width*n+i)*size:]
			switch {
			case n == 1 && size == 1:
				to = to[:len(row)]
				for x, v := range row {
					to[x] = byte(v)
				}
			case n == 1:
				to = to[:2*len(row)]
				for x, v := range row {
					binary.LittleEndian.PutUint16(to[2*x:], uint16(v))
				}
			case size == 1:
				for x, v := range row {
					to[x*n] = byte(v)
				}
			default:
				for x, v := range row {
					binary.LittleEndian.PutUint16(to[2*x*n:], uint16(v))
				}
			}
		}
	}
	return out
}

// upsampler returns what gives line y of a component in the picture's width; it may write to line. Components of half
// the width, or half of both, are interpolated with a triangle filter, others by repetition, as the Independent JPEG
// Group's library does.
func upsampler[T sample](d *decoder, i int, plane []T) func(y int, line []T) []T {
	c := &d.comps[i]
	stride := c.blocksX * 8
	row := func(y int) []T { return plane[y*stride:][:c.width] }
	h, v := int(c.h), int(c.v)
	half := 2*h == d.maxH && c.width > 2
	switch {
	case h == d.maxH && v == d.maxV:
		return func(y int, _ []T) []T { return row(y) }
	case half && v == d.maxV:
		return func(y int, line []T) []T {
			widen(line, row(y))
			return line[:d.width]
		}
	case half && 2*v == d.maxV:
		sums := make([]int32, c.width)
		return func(y int, line []T) []T {
			near := y / 2
			far := near - 1 + y&1*2
			a, b := row(near), row(min(max(far, 0), c.height-1))
			for x := range sums {
				sums[x] = 3*int32(a[x]) + int32(b[x])
			}
			widenSums(line, sums)
			return line[:d.width]
		}
	}
	return func(y int, line []T) []T {
		from := row(min(y*v/d.maxV, c.height-1))
		for x := range d.width {
			line[x] = from[min(x*h/d.maxH, c.width-1)]
		}
		return line[:d.width]
	}
}

// widen doubles a row: samples lie at a quarter and at three quarters of their pixels.
func widen[T sample](out, in []T) {
	n := len(in)
	out = out[:2*n]
	out[0] = in[0]
	out[1] = T((3*int32(in[0]) + int32(in[1]) + 2) >> 2)
	for x := 1; x < n-1; x++ {
		v := 3 * int32(in[x])
		out[2*x] = T((v + int32(in[x-1]) + 1) >> 2)
		out[2*x+1] = T((v + int32(in[x+1]) + 2) >> 2)
	}
	out[2*n-2] = T((3*int32(in[n-1]) + int32(in[n-2]) + 1) >> 2)
	out[2*n-1] = in[n-1]
}

// widenSums is widen for sums of two rows, in quarters.
func widenSums[T sample](out []T, sums []int32) {
	n := len(sums)
	out = out[:2*n]
	out[0] = T((4*sums[0] + 8) >> 4)
	out[1] = T((3*sums[0] + sums[1] + 7) >> 4)
	for x := 1; x < n-1; x++ {
		v := 3 * sums[x]
		out[2*x] = T((v + sums[x-1] + 8) >> 4)
		out[2*x+1] = T((v + sums[x+1] + 7) >> 4)
	}
	out[2*n-2] = T((3*sums[n-1] + sums[n-2] + 8) >> 4)
	out[2*n-1] = T((4*sums[n-1] + 7) >> 4)
}
