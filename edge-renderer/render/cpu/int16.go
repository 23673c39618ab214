package cpu

import (
	"math"
	"unsafe"

	"github.com/tomocast/tomocast/edge-renderer/render"
)

// Two neighbouring voxels are read by one load, made unsigned, and spread to the two halves of a 64 bit
// word. Four such words, weighted by products of two 8 bit weights that sum to 65536, make the bilinear
// mean of two columns at once: 16 bits of value and 16 of weight fill a half exactly. The third weight
// joins the columns, which gives the value times 2^24.

const (
	bias  = 0x80008000
	lanes = 0x0000ffff0000ffff
	lower = 1<<32 - 1
)

// pair reads the voxel at an index and the one behind it as two unsigned halves.
func pair(voxels unsafe.Pointer, at int) uint64 {
	v := uint64(*(*uint32)(unsafe.Add(voxels, at*2)) ^ bias)
	return (v | v<<16) & lanes
}

// entryShift is the binary digits of scaleInt and offsetInt behind the point, less those of a value.
const entryShift = 36

// setEntry prepares entry, or leaves the integers where a narrow window would make them overflow.
func (f *frame) setEntry() {
	if !f.fast || math.Abs(f.scale) > 512 || math.Abs(f.offset) > 1<<24 {
		f.fast = false
		return
	}
	f.scaleInt = int64(math.Round(f.scale * (1 << (entryShift - 16))))
	f.offsetInt = int64(math.Round((f.offset - 32768*f.scale + 0.5) * (1 << entryShift)))
}

// entry is the table entry of a value times 2^24.
func (f *frame) entry(v uint64) int {
	e := (int64(v>>8)*f.scaleInt + f.offsetInt) >> entryShift
	if uint64(e) >= render.TableSize {
		if e < 0 {
			return 0
		}
		return render.TableSize - 1
	}
	return int(e)
}

// place is the cell of a fixed-point position along one axis and the weight of the voxel behind it, 0 to
// 256. Positions beyond the outermost voxel centres are brought to them.
func place(p, last int64) (cell int, weight uint64) {
	if uint64(p) < uint64(last) {
		return int(p >> 32), uint64(p>>24) & 255
	}
	if p < 0 {
		return 0, 0
	}
	return int(last>>32) - 1, 256
}

// composite16 renders a composite ray through int16 voxels.
func (f *frame) composite16(r *ray, pix *[4]byte) {
	var red, green, blue, alpha float32
	px, py, pz := r.base[0], r.base[1], r.base[2]
	k := r.k
	px, py, pz = px+int64(k)*r.delta[0], py+int64(k)*r.delta[1], pz+int64(k)*r.delta[2]
	for k < r.n {
		ix, fx := place(px, f.last[0])
		iy, fy := place(py, f.last[1])
		iz, fz := place(pz, f.last[2])
		if d := int(f.distance[ix>>2+f.by*(iy>>2)+f.bz*(iz>>2)]); d != 0 {
			bx, by, bz := ix>>2, iy>>2, iz>>2
			next := r.leave(k, bx-d+1, by-d+1, bz-d+1, 2*d-1)
			n := int64(next - k)
			px, py, pz, k = px+n*r.delta[0], py+n*r.delta[1], pz+n*r.delta[2], next
			continue
		}
		k++
		px, py, pz = px+r.delta[0], py+r.delta[1], pz+r.delta[2]

		at := ix + f.sy*iy + f.sz*iz
		e := &f.table[f.entry(f.value16(at, fx, fy, fz))]
		if e[3] == 0 {
			continue
		}
		w := e[3] * (1 - alpha)
		if f.steep && e[3] > render.Surface {
			normal, color := r.surface(k-1, e[3], f.opacity16)
			ix, fx = place(normal[0], f.last[0])
			iy, fy = place(normal[1], f.last[1])
			iz, fz = place(normal[2], f.last[2])
			at = ix + f.sy*iy + f.sz*iz
			e = f.entry16(color)
		}
		diffuse, specular := f.ambient, float32(0)
		if f.shaded {
			var gx, gy, gz float32
			if uint(ix-1) < uint(f.size[0]-3) && uint(iy-1) < uint(f.size[1]-3) && uint(iz-1) < uint(f.size[2]-3) {
				gx, gy, gz = f.gradient16(at, fx, fy, fz)
			} else {
				gx, gy, gz = f.edgeGradient(ix, iy, iz, fx, fy, fz)
			}
			diffuse, specular = f.shade(r, gx, gy, gz)
		}
		red += w * (e[0]*diffuse + specular)
		green += w * (e[1]*diffuse + specular)
		blue += w * (e[2]*diffuse + specular)
		alpha += w
		if alpha >= render.Opaque {
			break
		}
	}
	f.finish(red, green, blue, alpha, pix)
}

// entry16 is the entry of the transfer function at a position.
func (f *frame) entry16(p [3]int64) *[4]float32 {
	ix, fx := place(p[0], f.last[0])
	iy, fy := place(p[1], f.last[1])
	iz, fz := place(p[2], f.last[2])
	return &f.table[f.entry(f.value16(ix+f.sy*iy+f.sz*iz, fx, fy, fz))]
}

func (f *frame) opacity16(p [3]int64) float32 { return f.entry16(p)[3] }

// value16 interpolates in the cell at a voxel and returns the unsigned value times 2^24.
func (f *frame) value16(at int, fx, fy, fz uint64) uint64 {
	w11 := fy * fz
	w10 := fy<<8 - w11
	w01 := fz<<8 - w11
	w00 := 65536 - fy<<8 - w01
	c := pair(f.voxels, at)*w00 + pair(f.voxels, at+f.sy)*w10 +
		pair(f.voxels, at+f.sz)*w01 + pair(f.voxels, at+f.sy+f.sz)*w11
	return (c&lower)*(256-fx) + (c>>32)*fx
}

// gradient16 is the central difference of value16 at one voxel's distance times 2^23, in a cell that is not
// at the volume's border.
//
// A difference of pairs is a word whose halves may be negative: lower + upper<<32. What is done to it is
// linear, so the halves keep apart, and the lower one is the sign-extended low 32 bits of the word. For that
// the weights have 15 bits.
func (f *frame) gradient16(at int, fx, fy, fz uint64) (gx, gy, gz float32) {
	w11 := (fy*fz + 1) >> 1
	w10 := fy<<7 - w11
	w01 := fz<<7 - w11
	w00 := 32768 - fy<<7 - w01
	v, y, z := unsafe.Add(f.voxels, at*2), f.sy*2, f.sz*2

	// The four rows of the cell, each from the voxel before to the one behind: the halves of even are the
	// outer left and the inner right voxel, those of odd the inner left and the outer right one.
	even00, odd00 := row(v, 0)
	even10, odd10 := row(v, y)
	even01, odd01 := row(v, z)
	even11, odd11 := row(v, y+z)
	even := even00*w00 + even10*w10 + even01*w01 + even11*w11
	odd := odd00*w00 + odd10*w10 + odd01*w01 + odd11*w11
	dx := int64(even>>32-even&lower)*int64(256-fx) + int64(odd>>32-odd&lower)*int64(fx)

	p00, p10, p01, p11 := inner(even00, odd00), inner(even10, odd10), inner(even01, odd01), inner(even11, odd11)
	dy := (p10-near(v, -y))*w00 + (near(v, 2*y)-p00)*w10 + (p11-near(v, z-y))*w01 + (near(v, 2*y+z)-p01)*w11
	dz := (p01-near(v, -z))*w00 + (p11-near(v, y-z))*w10 + (near(v, 2*z)-p00)*w01 + (near(v, y+2*z)-p10)*w11
	return float32(dx), float32(join(dy, fx)), float32(join(dz, fx))
}

// row reads the voxels -1 to 2 of the row at an offset in bytes.
func row(voxels unsafe.Pointer, offset int) (even, odd uint64) {
	v := *(*uint64)(unsafe.Add(voxels, offset-2)) ^ (bias<<32 | bias)
	return v & lanes, v >> 16 & lanes
}

// near is pair with an offset in bytes.
func near(voxels unsafe.Pointer, offset int) uint64 {
	v := uint64(*(*uint32)(unsafe.Add(voxels, offset)) ^ bias)
	return (v | v<<16) & lanes
}

// inner is the pair in the middle of a row.
func inner(even, odd uint64) uint64 { return odd&lower | even&^lower }

// join is the mean of the two halves of a difference.
func join(d, fx uint64) int64 {
	low := int64(int32(d))
	return low*int64(256-fx) + (int64(d)-low)>>32*int64(fx)
}

// edgeGradient is gradient16 for any cell: samples beyond the outermost voxel centres are taken there.
func (f *frame) edgeGradient(ix, iy, iz int, fx, fy, fz uint64) (gx, gy, gz float32) {
	at := [3]int64{int64(ix)<<32 + int64(fx)<<24, int64(iy)<<32 + int64(fy)<<24, int64(iz)<<32 + int64(fz)<<24}
	var g [3]float32
	for a := range 3 {
		var v [2]uint64
		for n := range v {
			p := at
			p[a] += int64(2*n-1) * one
			x, wx := place(p[0], f.last[0])
			y, wy := place(p[1], f.last[1])
			z, wz := place(p[2], f.last[2])
			v[n] = f.value16(x+f.sy*y+f.sz*z, wx, wy, wz)
		}
		g[a] = float32(int64(v[1] - v[0]))
	}
	return g[0], g[1], g[2]
}

// maximum16 renders a ray of a maximum projection through int16 voxels.
func (f *frame) maximum16(r *ray, pix *[4]byte) {
	stored := func(value float64) float64 {
		return min(max((value-f.intercept)/f.slope+32768, -1), 65536) // beyond what a voxel can be
	}
	low, high := stored(f.low), stored(f.high)
	top, white := int64(low*(1<<24)), int64(high*(1<<24))
	block := float32(low - 32768) // top as a stored value
	px, py, pz := r.base[0], r.base[1], r.base[2]
	found := false
	for k := 0; k < r.n && top < white; {
		ix, fx := place(px, f.last[0])
		iy, fy := place(py, f.last[1])
		iz, fz := place(pz, f.last[2])
		if !f.keepAll {
			bx, by, bz := ix>>2, iy>>2, iz>>2
			next := k
			if cx, cy, cz := bx>>2, by>>2, bz>>2; f.coarse.max[cx+f.coarse.cy*cy+f.coarse.cz*cz] <= block {
				next = r.leave(k, cx<<2, cy<<2, cz<<2, coarseSide)
			} else if f.bricks.Max[bx+f.by*by+f.bz*bz] <= block {
				next = r.leave(k, bx, by, bz, 1)
			}
			if next > k {
				n := int64(next - k)
				px, py, pz, k = px+n*r.delta[0], py+n*r.delta[1], pz+n*r.delta[2], next
				continue
			}
		}
		k++
		px, py, pz = px+r.delta[0], py+r.delta[1], pz+r.delta[2]
		if v := int64(f.value16(ix+f.sy*iy+f.sz*iz, fx, fy, fz)); v > top {
			top, found = v, true
			block = float32(float64(v)/(1<<24) - 32768)
		}
	}
	if !found {
		f.grey(f.low, pix)
		return
	}
	f.grey((float64(top)/(1<<24)-32768)*f.slope+f.intercept, pix)
}
