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
		if d := int(f.distance[ix>>2+f.by*(iy>>2)+f.bz*(iz>>2)]); d != 0 && !f.keepAll {
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
		diffuse, specular := f.light.Ambient*255, float32(0)
		if f.light.Shade {
			if uint(ix-1) < uint(f.size[0]-3) && uint(iy-1) < uint(f.size[1]-3) && uint(iz-1) < uint(f.size[2]-3) {
				diffuse, specular = f.shade(r, f.gradient16(at, fx, fy, fz))
			} else {
				diffuse, specular = f.shade(r, f.edgeGradient(ix, iy, iz, fx, fy, fz))
			}
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

// gradient16 is the central difference of value16 at one voxel's distance, in a cell that is not at the
// volume's border.
func (f *frame) gradient16(at int, fx, fy, fz uint64) [3]float32 {
	w11 := fy * fz
	w10 := fy<<8 - w11
	w01 := fz<<8 - w11
	w00 := 65536 - fy<<8 - w01
	gx := 256 - fx
	v, y, z := f.voxels, f.sy, f.sz

	// Each of the four rows of the cell, and the rows around them, takes part in several differences.
	r00, r10, r01, r11 := pair(v, at), pair(v, at+y), pair(v, at+z), pair(v, at+y+z)
	ahead := pair(v, at+1)*w00 + pair(v, at+y+1)*w10 + pair(v, at+z+1)*w01 + pair(v, at+y+z+1)*w11
	behind := pair(v, at-1)*w00 + pair(v, at+y-1)*w10 + pair(v, at+z-1)*w01 + pair(v, at+y+z-1)*w11
	dx := mean(ahead, gx, fx) - mean(behind, gx, fx)

	ahead = r10*w00 + pair(v, at+2*y)*w10 + r11*w01 + pair(v, at+2*y+z)*w11
	behind = pair(v, at-y)*w00 + r00*w10 + pair(v, at-y+z)*w01 + r01*w11
	dy := mean(ahead, gx, fx) - mean(behind, gx, fx)

	ahead = r01*w00 + r11*w10 + pair(v, at+2*z)*w01 + pair(v, at+2*z+y)*w11
	behind = pair(v, at-z)*w00 + pair(v, at-z+y)*w10 + r00*w01 + r10*w11
	dz := mean(ahead, gx, fx) - mean(behind, gx, fx)

	const unit = 1.0 / (1 << 24)
	return [3]float32{float32(dx) * unit, float32(dy) * unit, float32(dz) * unit}
}

// mean joins the two columns of a bilinear mean.
func mean(c, gx, fx uint64) int64 { return int64((c&lower)*gx + (c>>32)*fx) }

// edgeGradient is gradient16 for any cell: samples beyond the outermost voxel centres are taken there.
func (f *frame) edgeGradient(ix, iy, iz int, fx, fy, fz uint64) [3]float32 {
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
		g[a] = float32(int64(v[1]-v[0])) / (1 << 24)
	}
	return g
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
