package phantom

import "math"

// vec is a position or size in patient space, LPS millimetres.
type vec [3]float64

func (a vec) sub(b vec) vec              { return vec{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }
func (a vec) dot(b vec) float64          { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }
func (a vec) norm() float64              { return math.Sqrt(a.dot(a)) }
func (a vec) along(d vec, t float64) vec { return vec{a[0] + d[0]*t, a[1] + d[1]*t, a[2] + d[2]*t} }

// The functions below are distances to a surface in millimetres, negative inside. They are exact for spheres and
// capsules and good near the surface for the others, which is where partial volume needs them.

func sphere(p, c vec, r float64) float64 { return p.sub(c).norm() - r }

// ellipsoid is to first order exact at the surface.
func ellipsoid(p, c, r vec) float64 {
	d := p.sub(c)
	q := vec{d[0] / r[0], d[1] / r[1], d[2] / r[2]}
	n := q.norm()
	if n < 1e-6 {
		return -min(r[0], r[1], r[2])
	}
	g := vec{q[0] / r[0], q[1] / r[1], q[2] / r[2]}.norm() / n
	return (n - 1) / g
}

// capsule is a rod from a to b whose radius goes from ra to rb.
func capsule(p, a, b vec, ra, rb float64) float64 {
	d, e := p.sub(a), b.sub(a)
	t := min(max(d.dot(e)/e.dot(e), 0), 1)
	return p.sub(a.along(e, t)).norm() - (ra + (rb-ra)*t)
}

// torus lies in the plane across axis (0, 1 or 2); its ring is an ellipse-like circle of radius r about c.
func torus(p, c vec, axis int, r, thick float64) float64 {
	d := p.sub(c)
	u, v := d[(axis+1)%3], d[(axis+2)%3]
	return math.Hypot(math.Hypot(u, v)-r, d[axis]) - thick
}

// joined is the union of two shapes with a fillet of k millimetres where they meet.
func joined(a, b, k float64) float64 {
	h := max(k-math.Abs(a-b), 0) / k
	return min(a, b) - h*h*k/4
}

// without is shape a with b taken away, with a fillet of k millimetres.
func without(a, b, k float64) float64 { return -joined(-a, b, k) }

// path is a tube along points, with a radius at each.
type path []struct {
	at vec
	r  float64
}

func (t path) distance(p vec) float64 {
	d := math.Inf(1)
	for i := 1; i < len(t); i++ {
		d = min(d, capsule(p, t[i-1].at, t[i].at, t[i-1].r, t[i].r))
	}
	return d
}

// mirrored is the same tube on the other side of the midline.
func (t path) mirrored() path {
	m := append(path(nil), t...)
	for i := range m {
		m[i].at[0] = -m[i].at[0]
	}
	return m
}
