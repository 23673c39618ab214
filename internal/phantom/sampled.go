package phantom

import (
	"math"
	"runtime"
	"sync"
)

// field is a distance sampled on a grid of the left half of the head, which the right half mirrors, and read with
// trilinear interpolation. Distances are so smooth that on a grid of three voxels the error stays within a quarter
// of a voxel.
type field struct {
	origin vec
	step   float64
	n      [3]int
	values []float32
}

// sampled reads the large surfaces, which are costly, from grids that cover the series.
func sampled(o Options) shapes {
	step := 3 * o.Spacing
	first, last := o.origin(0), o.origin(o.Slices-1)
	last[0] += float64(o.Columns-1) * o.Spacing
	last[1] += float64(o.Rows-1) * o.Spacing
	grid := func(f func(vec) float64) func(vec) float64 {
		g := &field{step: step}
		for a := range 3 {
			g.origin[a] = first[a] - brick*o.Spacing // regions are asked a little beyond
			g.n[a] = int(math.Ceil((last[a]-first[a]+2*brick*o.Spacing)/step)) + 2
		}
		g.origin[0] = 0
		g.n[0] = int(math.Ceil((max(-first[0], last[0])+brick*o.Spacing)/step)) + 2
		g.values = make([]float32, g.n[0]*g.n[1]*g.n[2])
		var planes sync.WaitGroup
		threads := runtime.GOMAXPROCS(0)
		for t := range threads {
			planes.Go(func() {
				for k := t; k < g.n[2]; k += threads {
					g.plane(f, k)
				}
			})
		}
		planes.Wait()
		return g.at
	}
	return shapes{grid(skin), grid(bone), grid(cavity)}
}

func (g *field) plane(f func(vec) float64, k int) {
	for j := range g.n[1] {
		for i := range g.n[0] {
			p := vec{g.origin[0] + float64(i)*g.step, g.origin[1] + float64(j)*g.step, g.origin[2] + float64(k)*g.step}
			g.values[i+g.n[0]*(j+g.n[1]*k)] = float32(f(p))
		}
	}
}

func (g *field) at(p vec) float64 {
	p[0] = math.Abs(p[0])
	var i [3]int
	var u [3]float64
	for a := range 3 {
		x := (p[a] - g.origin[a]) / g.step
		i[a] = min(max(int(x), 0), g.n[a]-2)
		u[a] = x - float64(i[a])
	}
	v, dy, dz := g.values[i[0]+g.n[0]*(i[1]+g.n[1]*i[2]):], g.n[0], g.n[0]*g.n[1]
	row := func(n int) float64 { return float64(v[n])*(1-u[0]) + float64(v[n+1])*u[0] }
	return (row(0)*(1-u[1])+row(dy)*u[1])*(1-u[2]) + (row(dz)*(1-u[1])+row(dz+dy)*u[1])*u[2]
}
