package cpu

import (
	"math"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// number is how voxels are stored.
type number interface{ int16 | float32 }

// cell is where a sample lies: the voxel before it along each axis, the offsets to the next one, and how
// far towards that it lies.
type cell struct {
	i    [3]int
	next [3]int // voxels, 0 at the last one
	w    [3]float64
}

// locate finds the cell of a position.
func (f *frame) locate(at [3]int64) (c cell) {
	stride := [3]int{1, f.sy, f.sz}
	for a := range 3 {
		p := min(max(at[a], 0), f.last[a])
		c.i[a] = int(p >> 32)
		c.w[a] = float64(p>>24&255) / 256
		if c.i[a] < f.size[a]-1 {
			c.next[a] = stride[a]
		}
	}
	return c
}

// shift moves a cell by n voxels along an axis, within the volume.
func (f *frame) shift(c cell, axis, n int) cell {
	stride := [3]int{1, f.sy, f.sz}
	p := float64(c.i[axis]+n) + c.w[axis]
	p = min(max(p, 0), float64(f.size[axis]-1))
	c.i[axis] = int(p)
	c.w[axis] = p - float64(c.i[axis])
	c.next[axis] = 0
	if c.i[axis] < f.size[axis]-1 {
		c.next[axis] = stride[axis]
	}
	return c
}

// value interpolates the stored values trilinearly.
func value[T number](f *frame, voxels []T, c cell) float64 {
	at := c.i[0] + f.sy*c.i[1] + f.sz*c.i[2]
	line := func(at int) float64 {
		a := float64(voxels[at])
		return a + (float64(voxels[at+c.next[0]])-a)*c.w[0]
	}
	face := func(at int) float64 {
		a := line(at)
		return a + (line(at+c.next[1])-a)*c.w[1]
	}
	a := face(at)
	return a + (face(at+c.next[2])-a)*c.w[2]
}

// brick is the brick of a cell. Where a sample lies on the very last voxel its cell begins there, which is
// beyond the last brick when that is the brick's face.
func (f *frame) brick(c cell) (at int, b [3]int) {
	for a := range 3 {
		b[a] = min(c.i[a]/volume.BrickSide, f.bricks.Size[a]-1)
	}
	return b[0] + f.by*b[1] + f.bz*b[2], b
}

// nothing is how a value that is no number looks.
var nothing [4]float32

// classify is the entry of the transfer function for the value in a cell.
func classify[T number](f *frame, voxels []T, c cell) *[4]float32 {
	// max passes a NaN on, whose conversion is undefined; so compare.
	x := value(f, voxels, c)*f.scale + f.offset + 0.5
	switch {
	case x > 0:
		return &f.table[int(min(x, render.TableSize-1))]
	case x != x:
		return &nothing
	}
	return &f.table[0]
}

// composite renders a composite ray through voxels of any format.
func composite[T number](f *frame, voxels []T, r *ray, pix *[4]byte) {
	var red, green, blue, alpha float32
	opacity := func(p [3]int64) float32 { return classify(f, voxels, f.locate(p))[3] }
	for k := r.k; k < r.n; {
		c := f.locate(r.position(k))
		at, b := f.brick(c)
		if d := int(f.distance[at]); d > 0 {
			k = r.leave(k, b[0]-d+1, b[1]-d+1, b[2]-d+1, 2*d-1)
			continue
		}
		k++
		e := classify(f, voxels, c)
		if e[3] == 0 {
			continue
		}
		w := e[3] * (1 - alpha)
		if f.steep && e[3] > render.Surface {
			normal, color := r.surface(k-1, e[3], opacity)
			c, e = f.locate(normal), classify(f, voxels, f.locate(color))
		}
		diffuse, specular := f.ambient, float32(0)
		if f.shaded {
			var g [3]float32
			for a := range 3 {
				g[a] = float32(value(f, voxels, f.shift(c, a, 1)) - value(f, voxels, f.shift(c, a, -1)))
			}
			diffuse, specular = f.shade(r, g[0], g[1], g[2])
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

// shade returns the factor of the colour and the white part, both times 255, for a central difference
// along the voxel axes in any unit.
func (f *frame) shade(r *ray, gx, gy, gz float32) (diffuse, specular float32) {
	m := &f.gram
	square := gx*(gx*m[0]+gy*m[3]+gz*m[4]) + gy*(gy*m[1]+gz*m[5]) + gz*gz*m[2]
	if !(square > 0) {
		return f.ambient, 0
	}
	// The gradient in patient space times the direction of the ray is the same product along the voxel axes.
	along := gx*r.unit[0] + gy*r.unit[1] + gz*r.unit[2]
	cosine := float32(math.Sqrt(float64(along * along / square)))
	if !(cosine <= 1) {
		cosine = 1
	}
	return f.ambient + f.diffuse*cosine, f.specular[int(cosine*specularSize+0.5)]
}

// maximum renders a ray of a maximum projection through voxels of any format.
func maximum[T number](f *frame, voxels []T, r *ray, pix *[4]byte) {
	// Values below the window are as black as its lower end, those above as white as its upper end.
	top := f.low
	for k := 0; k < r.n && top < f.high; {
		c := f.locate(r.position(k))
		at, b := f.brick(c)
		lo, hi := float64(f.bricks.Min[at])*f.slope+f.intercept, float64(f.bricks.Max[at])*f.slope+f.intercept
		if max(lo, hi) <= top && !f.keepAll {
			k = r.leave(k, b[0], b[1], b[2], 1)
			continue
		}
		k++
		if v := value(f, voxels, c)*f.slope + f.intercept; v > top {
			top = v
		}
	}
	f.grey(top, pix)
}
