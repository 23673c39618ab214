// Package geom has the few vector operations that volumes, cameras and renderers share.
// All positions are in DICOM patient space: LPS (x to the patient's left, y to posterior, z to superior),
// in millimetres (PS3.3 C.7.6.2.1.1).
package geom

import "math"

// Vec is a position or a direction in three dimensions.
type Vec [3]float64

// Add returns a + b.
func (a Vec) Add(b Vec) Vec { return Vec{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }

// Sub returns a - b.
func (a Vec) Sub(b Vec) Vec { return Vec{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }

// Scale returns a times s.
func (a Vec) Scale(s float64) Vec { return Vec{a[0] * s, a[1] * s, a[2] * s} }

// Dot returns the scalar product.
func (a Vec) Dot(b Vec) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// Cross returns the right-handed vector product.
func (a Vec) Cross(b Vec) Vec {
	return Vec{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

// Norm returns the Euclidean length.
func (a Vec) Norm() float64 { return math.Sqrt(a.Dot(a)) }

// Unit returns a scaled to length one, or the zero vector where a has no length.
func (a Vec) Unit() Vec {
	n := a.Norm()
	if n == 0 {
		return Vec{}
	}
	return a.Scale(1 / n)
}

// Finite says whether no component is NaN or infinite.
func (a Vec) Finite() bool {
	s := a[0] + a[1] + a[2]
	return !math.IsNaN(s) && !math.IsInf(s, 0)
}
