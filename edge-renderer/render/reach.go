package render

import (
	"math"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// ReachSide is the side, in pixels, of the squares for which Reach is meant.
const ReachSide = 16

// Reach finds how far all rays of the pixels from (x0,y0) up to but without (x1,y1) go through empty bricks
// together: no sample at a t, millimetres, below the result lies in a brick that is not empty. It is +Inf
// where none of the rays meets one. Renderers begin there, which spares each ray the way.
//
// Around a point of the middle ray whose brick has the Chebyshev distance d, everything within d-1 bricks is
// empty. The other rays are within some radius of that point and none is faster than the fastest, so what is
// left of the empty box is how far all of them may go.
func (r *Rays) Reach(x0, y0, x1, y1 int, size, bricks [3]int, distance []uint8) float64 {
	const apart = 0.5 // voxels by which rays between the corners and rounded positions are beside a straight line
	o, d := r.At(float64(x0+x1-1)/2, float64(y0+y1-1)/2)
	var origins, dirs [4]geom.Vec // of the rays at the corners
	speed := largest(d)           // voxels per millimetre along the fastest axis
	for n := range origins {
		x, y := x0, y0
		if n&1 != 0 {
			x = x1 - 1
		}
		if n&2 != 0 {
			y = y1 - 1
		}
		origins[n], dirs[n] = r.At(float64(x), float64(y))
		speed = max(speed, largest(dirs[n]))
	}
	speed *= 1.01 // rays between the corners of a perspective picture

	// Beyond this the ray has left the volume for good, and before it an orthographic one is not there yet.
	full := geom.Vec{float64(size[0]), float64(size[1]), float64(size[2])}
	end := 2 * (o.Sub(full.Scale(0.5)).Norm() + full.Norm()) / d.Norm()
	for t := max(r.Near, -end); t < end; {
		p := o.Add(d.Scale(t))
		outside, at, stride := 0.0, 0, 1 // voxels from p to the grid, the brick of the grid next to p
		for a := range 3 {
			last := float64(size[a] - 1)
			outside = max(outside, -p[a], p[a]-last)
			at += min(int(min(max(p[a], 0), last))/volume.BrickSide, bricks[a]-1) * stride
			stride *= bricks[a]
		}
		radius := apart
		for n := range origins {
			radius = max(radius, apart+largest(origins[n].Add(dirs[n].Scale(t)).Sub(p)))
		}
		free := max(float64(distance[at])-1, 0) * volume.BrickSide
		// Either the empty box is measured from the grid, or no ray is in the grid yet.
		free = max(free-outside, outside-1) - radius
		if free < 1 {
			return t
		}
		t += free / speed
	}
	return math.Inf(1)
}

func largest(v geom.Vec) float64 { return max(math.Abs(v[0]), math.Abs(v[1]), math.Abs(v[2])) }

// At is the ray of a pixel: its origin in voxel space and its direction in voxels per millimetre.
func (r *Rays) At(x, y float64) (o, d geom.Vec) {
	length := 0.0
	for a := range 3 {
		o[a] = r.Origin[a] + x*r.OriginX[a] + y*r.OriginY[a]
		d[a] = r.Dir[a] + x*r.DirX[a] + y*r.DirY[a]
		aim := r.Aim[a] + x*r.AimX[a] + y*r.AimY[a]
		length += aim * aim
	}
	length = 1 / math.Sqrt(length)
	for a := range 3 {
		d[a] *= length
	}
	return o, d
}
