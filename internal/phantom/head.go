// Package phantom makes the study that Tomocast opens when it has no other: a stylised head as CT with contrast
// medium would show it. It is computed from closed forms, so every value has a known truth.
//
// The head is asymmetric, so that a mirror image is noticed: on the patient's left an enhancing lesion in the
// brain and a metal L on the scalp, on the right a burr hole in the skull.
package phantom

import "math"

// Values in Hounsfield units.
const (
	air      = -1000
	fat      = -90
	muscle   = 45
	csf      = 6
	white    = 30
	grey     = 38
	cortex   = 1250 // compact bone
	diploe   = 650  // spongy bone
	teeth    = 1700
	blood    = 320 // with contrast medium
	enhanced = 130 // rim of the lesion
	necrosis = 18  // its core
	metal    = 2600
)

// The lesion: its centre, and the radii of its rim and its core in millimetres.
var (
	Lesion       = [3]float64{30, 8, 42}
	LesionRadius = 12.0
	lesionCore   = 7.0
)

// vessels hold contrast medium. Those of the carotid side are mirrored.
var vessels = func() []path {
	carotid := path{{vec{30, 22, -130}, 3.6}, {vec{28, 12, -95}, 3.4}, {vec{24, 14, -60}, 3.0}, {vec{20, 2, -30}, 2.8},
		{vec{14, -8, -16}, 2.8}, {vec{12, -16, -8}, 2.7}, {vec{14, -12, 0}, 2.6}}
	middle := path{{vec{14, -12, 0}, 2.4}, {vec{30, -14, 4}, 2.1}, {vec{44, -8, 12}, 1.8}, {vec{52, 2, 28}, 1.5}, {vec{54, 14, 46}, 1.2}}
	branch := path{{vec{44, -8, 12}, 1.6}, {vec{50, -22, 26}, 1.3}, {vec{48, -30, 44}, 1.1}}
	anterior := path{{vec{14, -12, 0}, 2.1}, {vec{4, -24, 6}, 1.9}, {vec{3, -40, 22}, 1.7}, {vec{3, -42, 44}, 1.5}, {vec{3, -24, 62}, 1.2}}
	external := path{{vec{30, 22, -100}, 2.2}, {vec{46, 16, -70}, 2.0}, {vec{64, 6, -30}, 1.7}, {vec{73, -4, 6}, 1.4}}
	jugular := path{{vec{44, 34, -130}, 5.0}, {vec{42, 28, -90}, 4.6}, {vec{40, 24, -50}, 4.2}, {vec{48, 40, -26}, 3.8},
		{vec{34, 72, -12}, 3.6}, {vec{2, 88, -2}, 3.4}}
	vertebral := path{{vec{18, 40, -130}, 2.0}, {vec{17, 38, -70}, 2.0}, {vec{8, 30, -44}, 2.0}, {vec{0, 10, -34}, 2.0}}
	all := []path{carotid, middle, branch, anterior, external, jugular, vertebral}
	for _, v := range []path{carotid, middle, branch, anterior, external, jugular, vertebral} {
		all = append(all, v.mirrored())
	}
	basilar := path{{vec{0, 10, -34}, 2.2}, {vec{0, 4, -16}, 2.2}, {vec{0, 2, -4}, 2.2}}
	posteriorLeft := path{{vec{0, 2, -4}, 2.0}, {vec{14, 10, -2}, 1.7}, {vec{24, 34, 4}, 1.5}, {vec{18, 62, 14}, 1.2}}
	sagittal := path{{vec{0, -66, 56}, 1.8}, {vec{0, -44, 84}, 2.4}, {vec{0, -8, 98}, 3.0}, {vec{0, 36, 92}, 3.4}, {vec{0, 72, 60}, 3.6}, {vec{0, 88, 18}, 3.8}, {vec{2, 88, -2}, 3.8}}
	return append(all, basilar, posteriorLeft, posteriorLeft.mirrored(), sagittal)
}()

// marker is the L of metal on the left temple: beads, seen from the left as the letter.
var marker = func() (beads []vec) {
	for i := range 5 {
		beads = append(beads, vec{0, -30, 48 - 7*float64(i)})
	}
	for i := 1; i <= 2; i++ {
		beads = append(beads, vec{0, -30 + 7*float64(i), 20})
	}
	for i := range beads { // onto the scalp
		for beads[i][0] = 100; skin(beads[i]) > 1; beads[i][0] -= 0.5 {
		}
	}
	return beads
}()

// burr is the hole in the right side of the skull.
var burr = struct {
	from, to vec
	radius   float64
}{vec{-100, -2, 62}, vec{-30, 4, 44}, 9}

var (
	cranium      = vec{0, 6, 28}
	craniumRadii = vec{76, 96, 84}
)

// skin is the distance to the surface of the head.
func skin(p vec) float64 {
	x := vec{math.Abs(p[0]), p[1], p[2]}
	d := ellipsoid(x, cranium, craniumRadii)
	d = joined(d, ellipsoid(x, vec{0, -24, -38}, vec{60, 66, 62}), 22)       // face
	d = joined(d, ellipsoid(x, vec{0, -70, -88}, vec{30, 26, 22}), 24)       // chin
	d = joined(d, ellipsoid(x, vec{44, -36, -72}, vec{22, 38, 28}), 24)      // jaw
	d = joined(d, capsule(x, vec{0, -88, -4}, vec{0, -104, -36}, 5, 9), 14)  // nose
	d = joined(d, ellipsoid(x, vec{9, -98, -40}, vec{7, 9, 6}), 8)           // wings of the nose
	d = joined(d, ellipsoid(x, vec{0, -86, -64}, vec{30, 12, 14}), 12)       // lips
	d = joined(d, ellipsoid(x, vec{26, -84, 14}, vec{26, 10, 6}), 12)        // brow
	d = without(d, ellipsoid(x, vec{31, -96, -4}, vec{15, 10, 9}), 12)       // sockets
	d = joined(d, sphere(x, vec{31, -74, -6}, 13.5), 4)                      // eyes
	d = joined(d, capsule(x, vec{0, 22, -60}, vec{0, 26, -170}, 52, 56), 34) // neck
	ear := without(ellipsoid(x, vec{80, 12, -12}, vec{7, 19, 30}), ellipsoid(x, vec{86, 4, -10}, vec{6, 11, 17}), 6)
	return joined(d, ear, 7)
}

// bone is the distance to the outer surface of skull, jaw and spine.
func bone(p vec) float64 {
	x := vec{math.Abs(p[0]), p[1], p[2]}
	d := ellipsoid(x, cranium, vec{70, 90, 78})
	d = joined(d, ellipsoid(x, vec{0, -40, -34}, vec{40, 42, 34}), 14)         // face
	d = joined(d, ellipsoid(x, vec{0, -68, -56}, vec{27, 22, 16}), 12)         // upper jaw
	d = joined(d, ellipsoid(x, vec{25, -76, 12}, vec{25, 9, 6}), 18)           // brow
	d = joined(d, capsule(x, vec{0, -80, 0}, vec{0, -90, -16}, 5, 6), 8)       // bridge of the nose
	d = joined(d, capsule(x, vec{38, -66, -26}, vec{61, -32, -22}, 7, 4.5), 7) // cheek
	d = joined(d, capsule(x, vec{61, -32, -22}, vec{61, 0, -20}, 4.5, 4.5), 7)
	d = joined(d, ellipsoid(x, vec{62, 20, -38}, vec{11, 13, 20}), 10)   // mastoid
	d = without(d, ellipsoid(x, vec{30, -82, -6}, vec{18, 26, 15.5}), 5) // eye sockets
	d = without(d, ellipsoid(x, vec{6, -88, -34}, vec{7, 22, 13}), 5)    // nasal opening
	d = without(d, ellipsoid(x, vec{26, -58, -36}, vec{11, 15, 13}), 4)  // sinuses
	jaw := mandible(x)
	d = min(d, jaw)
	for i := range 5 { // cervical vertebrae
		z := -58 - 19*float64(i)
		body := ellipsoid(x, vec{0, 34, z}, vec{13, 10, 7.5})
		arch := torus(x, vec{0, 48, z - 2}, 2, 12, 4.2)
		d = min(d, joined(body, arch, 5), capsule(x, vec{12, 40, z}, vec{26, 42, z - 3}, 4.5, 3.5),
			capsule(x, vec{0, 58, z - 4}, vec{0, 67, z - 9}, 4, 3))
	}
	return d
}

// mandible is the lower jaw.
func mandible(x vec) float64 {
	d := capsule(x, vec{0, -80, -90}, vec{14, -76, -90}, 8.5, 8)
	d = joined(d, capsule(x, vec{14, -76, -90}, vec{38, -50, -82}, 8, 7), 5)
	d = joined(d, capsule(x, vec{38, -50, -82}, vec{50, -18, -70}, 7, 7), 5)
	d = joined(d, capsule(x, vec{50, -18, -70}, vec{55, -6, -30}, 7, 4.5), 6)
	return joined(d, capsule(x, vec{47, -30, -66}, vec{53, -24, -34}, 4.5, 3), 6)
}

// tooth is the distance to the nearest tooth of either jaw.
func tooth(p vec) float64 {
	x := vec{math.Abs(p[0]), p[1], p[2]}
	d := math.Inf(1)
	for i := range 7 {
		a := (float64(i) + 0.5) * 0.205
		at := vec{33 * math.Sin(a), -58 - 27*math.Cos(a), 0}
		r := 3.1 + 0.25*float64(i)
		d = min(d, capsule(x, vec{at[0], at[1], -66}, vec{at[0], at[1], -72.5}, r, r*0.9),
			capsule(x, vec{at[0], at[1], -76.5}, vec{at[0], at[1], -83}, r*0.9, r))
	}
	return d
}

// cavity is the distance to the inside of the skull, where the brain is.
func cavity(p vec) float64 {
	d := ellipsoid(p, cranium, vec{63.5, 83.5, 71.5})
	return -joined(-d, -(-22 - p[2] + 0.25*p[1]), 10) // the base of the skull rises to the front
}

// cover is the least thickness of the tissue over bones, teeth and vessels, millimetres.
const cover = 3.5

// far stands for a distance that makes no difference any more.
const far = 100.0

// shapes are the three large surfaces, as they are or read from a grid (see sampled).
type shapes struct{ skin, bone, cavity func(vec) float64 }

var exact = shapes{skin, bone, cavity}

// region is what of the head can be met within some distance of a point. It spares most of the work for
// neighbouring voxels, and changes no value.
type region struct {
	shapes
	surface, bones, hollow, cavities, teeth, lesion, marker bool
	depth, core                                             float64 // where the surfaces are far
	vessels                                                 []path
}

// around is the region of radius r about a point.
func (s shapes) around(p vec, r float64) *region {
	r = 1.6*r + 3 // the distances to joined and flat shapes are not exact
	g := &region{shapes: s, surface: true}
	if d := s.skin(p); math.Abs(d) > r+10 {
		g.surface, g.depth = false, math.Copysign(far, d)
		if d > 0 {
			g.marker = false
			return g
		}
	}
	g.marker = p[0] > 30
	g.hollow = true
	if c := s.cavity(p); math.Abs(c) > r+12 {
		g.hollow, g.core = false, math.Copysign(far, c)
	}
	deep := !g.hollow && g.core < 0
	g.bones = !deep && s.bone(p) < r
	g.cavities = !deep && airways(p) < r
	g.teeth = !deep && tooth(p) < r
	g.lesion = sphere(p, vec(Lesion), LesionRadius) < r
	for _, v := range vessels {
		if v.distance(p) < r {
			g.vessels = append(g.vessels, v)
		}
	}
	return g
}

// HU is the value at a patient position, LPS millimetres with the origin between the ears. blur is the distance
// over which neighbouring tissues are averaged, as a voxel of that size would.
func HU(x, y, z, blur float64) float64 {
	p := vec{x, y, z}
	return exact.around(p, blur).value(p, blur)
}

// mix puts a share of a tissue over what is there.
func mix(under, over, share float64) float64 { return under + (over-under)*share }

// value is the value at a point of the region.
func (g *region) value(p vec, blur float64) float64 {
	in := func(d float64) float64 { return min(max(0.5-d/blur, 0), 1) }
	depth := g.depth
	if g.surface {
		depth = g.skin(p)
	}
	v := float64(air)
	if depth < blur {
		v = mix(v, g.inside(p, depth, soft(p, depth), in), in(depth))
	}
	if g.marker {
		for _, b := range marker {
			v = mix(v, metal, in(sphere(p, b, 2.6)))
		}
	}
	return v
}

// soft is what lies between skin and bone: skin, fat, muscle. The layers run into each other over two
// millimetres.
func soft(p vec, depth float64) float64 {
	ramp := func(at float64) float64 { return min(max((at-depth)/2, 0), 1) }
	thick := 4.5 + 4.5*min(max((-25-p[2])/30, 0), 1) // below the skull the fat is thicker
	return mix(mix(25, fat, ramp(-1.5)), muscle, ramp(-thick))
}

// airways is the distance to the hollows of the face: windpipe, nose, mouth, sinuses.
func airways(p vec) float64 {
	d := min(capsule(p, vec{0, -8, -54}, vec{0, -2, -175}, 8, 8.5), capsule(p, vec{0, -72, -38}, vec{0, -14, -42}, 6, 8),
		ellipsoid(p, vec{0, -42, -74}, vec{20, 26, 3}))
	return min(d, ellipsoid(vec{math.Abs(p[0]), p[1], p[2]}, vec{26, -58, -36}, vec{9.5, 13.5, 11.5}))
}

// inside puts airways, bone, brain and vessels into the head.
func (g *region) inside(p vec, depth, v float64, in func(float64) float64) float64 {
	if g.cavities {
		v = mix(v, air, in(airways(p)))
	}
	hole, b := far, far
	if g.bones {
		hole = capsule(p, burr.from, burr.to, burr.radius, burr.radius)
		b = max(g.bone(p), depth+cover)
		spongy := min(max(-1.5-b, 0), 1) * min(max((p[2]+24)/8, 0), 1)
		v = mix(v, mix(cortex, diploe, spongy), in(without(b, hole, 1.5)))
	}
	c := g.core
	if g.hollow {
		c = g.cavity(p)
	}
	inner := in(c)
	if hole < 0 && c < 6 { // through the burr hole the brain's cover is seen
		inner = 1
	}
	if inner > 0 {
		v = mix(v, brain(p, c), inner)
	}
	if g.teeth {
		v = mix(v, teeth, in(max(tooth(p), depth+cover)))
	}
	if b > -0.5 || c < 0 { // not through bone
		for _, t := range g.vessels {
			v = mix(v, blood, in(max(t.distance(p), depth+cover)))
		}
	}
	if g.lesion {
		v = mix(v, enhanced, in(sphere(p, vec(Lesion), LesionRadius)))
		v = mix(v, necrosis, in(sphere(p, vec(Lesion), lesionCore)))
	}
	eye := sphere(vec{math.Abs(p[0]), p[1], p[2]}, vec{31, -74, -6}, 12)
	return mix(v, 15, in(eye))
}

// brain is grey and white matter in folds, with ventricles and the fissure between the hemispheres.
func brain(p vec, depth float64) float64 {
	x := vec{math.Abs(p[0]), p[1], p[2]}
	if depth > -2 || x[0] < 1.1 && p[2] > 30 {
		return csf
	}
	horn := capsule(x, vec{9, -26, 34}, vec{12, 26, 40}, 5.5, 6)
	horn = min(horn, capsule(x, vec{12, 26, 40}, vec{24, 36, 18}, 6, 3.5), ellipsoid(x, vec{0, 4, 20}, vec{2.2, 14, 9}))
	if horn < 0 {
		return csf
	}
	folds := math.Sin(p[0]*0.31+1.7*math.Sin(p[2]*0.13)) * math.Sin(p[1]*0.29+1.3*math.Sin(p[0]*0.17)) * math.Sin(p[2]*0.27+1.5*math.Sin(p[1]*0.11))
	if depth > -11 && math.Abs(folds) < 0.035 {
		return csf
	}
	if depth > -8+5*folds {
		return grey
	}
	return white
}
