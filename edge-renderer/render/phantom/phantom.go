// Package phantom makes volumes with a known content, for tests and measurements of renderers.
package phantom

import (
	"math"
	"runtime"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Fill makes a volume of int16 Hounsfield units, or of float32, from a function of the patient position in
// LPS millimetres. The caller frees it.
func Fill(g volume.Geometry, format volume.Format, value func(p geom.Vec) float64) (*volume.Volume, error) {
	v, err := volume.New(g, format, 1, 0)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	threads := runtime.GOMAXPROCS(0)
	for t := range threads {
		wg.Go(func() {
			for k := t; k < g.Size[2]; k += threads {
				fillSlice(v, k, value)
			}
		})
	}
	wg.Wait()
	v.UpdateRange()
	return v, nil
}

func fillSlice(v *volume.Volume, k int, value func(p geom.Vec) float64) {
	int16s, float32s := v.Int16s(), v.Float32s()
	n := v.Size[0] * v.Size[1] * k
	for j := range v.Size[1] {
		for i := range v.Size[0] {
			x := value(v.Patient(geom.Vec{float64(i), float64(j), float64(k)}))
			if int16s != nil {
				int16s[n] = int16(math.Round(min(max(x, math.MinInt16), math.MaxInt16)))
			} else {
				float32s[n] = float32(x)
			}
			n++
		}
	}
}

// Grid is a cube of n^3 voxels at the given spacing, centred in patient space, its axes along LPS.
func Grid(n int, spacing float64) volume.Geometry {
	c := -float64(n-1) / 2 * spacing
	return volume.Geometry{
		Size: [3]int{n, n, n}, Origin: geom.Vec{c, c, c},
		Axes: [3]geom.Vec{{spacing, 0, 0}, {0, spacing, 0}, {0, 0, spacing}},
	}
}

// ellipsoid is a tissue of the head; positions and radii are shares of half the volume's side.
type ellipsoid struct {
	center, radii geom.Vec
	value         float64 // Hounsfield units
}

// head lists its tissues from the outside in; later ones replace earlier ones.
var head = []ellipsoid{
	{geom.Vec{0, 0, 0}, geom.Vec{0.72, 0.88, 0.92}, 30},            // scalp
	{geom.Vec{0, -0.86, -0.15}, geom.Vec{0.10, 0.14, 0.16}, 40},    // nose
	{geom.Vec{0.73, 0.02, -0.1}, geom.Vec{0.06, 0.13, 0.2}, 60},    // ears
	{geom.Vec{-0.73, 0.02, -0.1}, geom.Vec{0.06, 0.13, 0.2}, 60},   //
	{geom.Vec{0, 0, 0.02}, geom.Vec{0.66, 0.82, 0.85}, 1200},       // skull, outer table
	{geom.Vec{0, 0, 0.02}, geom.Vec{0.635, 0.795, 0.825}, 600},     // marrow
	{geom.Vec{0, 0, 0.02}, geom.Vec{0.615, 0.775, 0.805}, 1100},    // skull, inner table
	{geom.Vec{0, 0, 0.02}, geom.Vec{0.59, 0.75, 0.78}, 10},         // fluid
	{geom.Vec{0, 0.01, 0.04}, geom.Vec{0.56, 0.71, 0.73}, 38},      // cortex
	{geom.Vec{0, 0.01, 0.05}, geom.Vec{0.47, 0.60, 0.58}, 28},      // white matter
	{geom.Vec{0.12, 0.05, 0.1}, geom.Vec{0.08, 0.30, 0.12}, 6},     // ventricles
	{geom.Vec{-0.12, 0.05, 0.1}, geom.Vec{0.08, 0.30, 0.12}, 6},    //
	{geom.Vec{0.30, 0.25, 0.25}, geom.Vec{0.09, 0.08, 0.10}, 75},   // lesion, left only
	{geom.Vec{0.26, -0.78, -0.02}, geom.Vec{0.15, 0.17, 0.14}, 15}, // orbits
	{geom.Vec{-0.26, -0.78, -0.02}, geom.Vec{0.15, 0.17, 0.14}, 15},
	{geom.Vec{0, -0.74, -0.22}, geom.Vec{0.09, 0.16, 0.18}, -950}, // nasal cavity
	{geom.Vec{0, 0.02, -0.88}, geom.Vec{0.16, 0.18, 0.20}, 20},    // foramen magnum
}

// Head is the head-like CT phantom in a grid: skull, brain and soft tissue in air, bounded by ellipsoids with
// edges one voxel wide, and with a lesion on the patient's left. It is what the renderers are measured with.
func Head(g volume.Geometry) (*volume.Volume, error) {
	center, spacing := g.Center(), g.Spacing()
	half := 0.5 * spacing[0] * float64(min(g.Size[0], g.Size[1], g.Size[2]))
	return Fill(g, volume.Int16, func(p geom.Vec) float64 {
		q := p.Sub(center).Scale(1 / half)
		x := -1000.0
		for i := range head {
			x += (head[i].value - x) * head[i].share(q, spacing[0]/half)
		}
		return x
	})
}

// share is how much of a voxel of the given width lies in the ellipsoid, from its approximate distance to
// the surface.
func (e *ellipsoid) share(q geom.Vec, width float64) float64 {
	var f, slope float64
	for a := range 3 {
		u := (q[a] - e.center[a]) / e.radii[a]
		f += u * u
		slope += u * u / (e.radii[a] * e.radii[a])
	}
	if f > 4 {
		return 0
	}
	if slope == 0 {
		return 1
	}
	// (1-f)/|grad f| is the distance to first order.
	return min(max(0.5+(1-f)/(2*math.Sqrt(slope))/width, 0), 1)
}
