package render

import (
	"errors"
	"fmt"
	"math"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Limits of one picture.
const (
	MaxSide    = 8192    // pixels of width or height
	MaxClips   = 8       // clip planes
	MaxSamples = 1 << 16 // samples along the longest ray
)

// The picture that every renderer makes, ray by ray:
//
// The volume fills the box from half a voxel before the first voxel centres to half a voxel behind the last
// ones, so that a single slice has its thickness; between the outermost centres and the box the nearest
// value is continued. A perspective ray starts at the camera, an orthographic one infinitely far before it.
// What the box and the clip planes leave of a ray runs from t0 to t1 millimetres; samples are taken at
// t0+(k+u)*step for k = 0, 1, ... while they lie before t1, where u is 1/2 or, with jitter, Jitter. Sample
// positions are rounded to 1/256 voxel along each axis, which is the precision of texture filtering in
// hardware, and values there are interpolated trilinearly.
//
// A composite ray ends at an accumulated opacity of Opaque, and the colour is then divided by the
// opacity. Its normals are central differences at one voxel's distance, and the light stands at the camera
// and lights both sides; where the difference vanishes only the ambient part remains.
//
// Where the transfer function is steep for the volume, Scene.Steep, a sample's colour would depend on how far
// behind a surface it happens to lie, and rings would cover the surface, or noise where rays are jittered.
// There a sample whose opacity is above Surface, with a sample before it on the ray that has less than half of
// its opacity, keeps that opacity but takes its normal and its colour from places of their own. Bisecting the
// step between the two six times finds the first position, in 64ths of the step, with at least half of the
// sample's opacity. The normal is that of this position. The colour is that of a voxel's length further along
// the ray, since values closer to a surface are mixtures of what lies on its two sides, and at the position
// itself are all the same, at the foot of the ramp; where the opacity there is less than half of the
// sample's, half a voxel further is taken, a quarter, or the position itself. The first sample of a ray,
// which begins in a cut or at the volume's face, is left as it is.

// Opaque is the accumulated opacity at which a ray ends.
const Opaque = 0.995

// Rays are the rays of a picture in the voxel space of its volume: the ray of the pixel in column x and row
// y starts at Origin + x*OriginX + y*OriginY and points to Dir + x*DirX + y*DirY, which is divided by the
// length of Aim + x*AimX + y*AimY to get voxels per millimetre.
type Rays struct {
	Origin, OriginX, OriginY geom.Vec // voxel indices
	Dir, DirX, DirY          geom.Vec // voxel indices
	Aim, AimX, AimY          geom.Vec // the same as Dir in patient space
	Near                     float64  // the least t, millimetres; -Inf for orthographic cameras
	Clips                    []Half   // clip planes in voxel space
}

// Half is the half space Normal·p >= Offset in voxel space.
type Half struct {
	Normal geom.Vec
	Offset float64
}

// Basis returns the camera's axes: the image's right and upward directions and the line of sight, all of
// length one. Right is forward x up. It is false where the camera has no direction.
func (c *Camera) Basis() (right, up, forward geom.Vec, ok bool) {
	forward = c.LookAt.Sub(c.Position).Unit()
	right = forward.Cross(c.Up).Unit()
	up = right.Cross(forward)
	ok = right.Finite() && forward.Finite() && right.Norm() > 0.5
	return right, up, forward, ok
}

// Check says what is wrong with a scene.
func (s *Scene) Check() error {
	c := &s.Camera
	switch {
	case s.Volume == nil:
		return errors.New("scene without a volume")
	case s.Transfer == nil:
		return errors.New("scene without a transfer function")
	case s.Mode != Composite && s.Mode != MaximumIntensity:
		return fmt.Errorf("unknown rendering mode %d", s.Mode)
	case s.Width < 1 || s.Height < 1 || s.Width > MaxSide || s.Height > MaxSide:
		return fmt.Errorf("picture of %dx%d pixels: each side must be 1 to %d", s.Width, s.Height, MaxSide)
	case !(s.Quality.Step > 0) || !finite(s.Quality.Step):
		return fmt.Errorf("sampling step of %g mm: it must be above 0", s.Quality.Step)
	case len(s.Clips) > MaxClips:
		return fmt.Errorf("%d clip planes: at most %d can be rendered", len(s.Clips), MaxClips)
	case !c.Position.Finite() || !c.LookAt.Finite() || !c.Up.Finite():
		return errors.New("camera with a coordinate that is not finite")
	case c.Perspective && !(c.FovY > 0 && c.FovY < 180):
		return fmt.Errorf("field of view of %g degrees: it must be above 0 and below 180", c.FovY)
	case !c.Perspective && (!(c.Height > 0) || !finite(c.Height)):
		return fmt.Errorf("camera that sees %g mm: it must be above 0", c.Height)
	}
	if _, _, _, ok := c.Basis(); !ok {
		return errors.New("camera without a direction: position and look-at must differ, and up not lie along the line of sight")
	}
	for _, p := range s.Clips {
		if !p.Normal.Finite() || !finite(p.Offset) || p.Normal.Norm() == 0 {
			return errors.New("clip plane whose normal is zero or not finite")
		}
	}
	g := s.Volume.Source().Geometry
	corners := g.Corners()
	if n := corners[7].Sub(corners[0]).Norm() / s.Quality.Step; n > MaxSamples {
		return fmt.Errorf("sampling step of %g mm: it gives %.0f samples on a ray, more than %d", s.Quality.Step, n, MaxSamples)
	}
	return nil
}

// Rays computes the rays of a scene that Check accepts.
func (s *Scene) Rays() Rays {
	g := s.Volume.Source().Geometry
	inv, _ := g.Inverse()
	toVoxel := func(d geom.Vec) geom.Vec { return geom.Vec{inv[0].Dot(d), inv[1].Dot(d), inv[2].Dot(d)} }

	c := &s.Camera
	right, up, forward, _ := c.Basis()
	pixel := c.Height / float64(s.Height) // millimetres, or the tangent of an angle
	if c.Perspective {
		pixel = 2 * math.Tan(c.FovY*math.Pi/360) / float64(s.Height)
	}
	dx, dy := right.Scale(pixel), up.Scale(-pixel)
	corner := dx.Scale(0.5 * float64(1-s.Width)).Add(dy.Scale(0.5 * float64(1-s.Height)))

	var r Rays
	origin := c.Position.Sub(g.Origin)
	if c.Perspective {
		r.Aim, r.AimX, r.AimY = forward.Add(corner), dx, dy
		r.Dir, r.DirX, r.DirY = toVoxel(r.Aim), toVoxel(dx), toVoxel(dy)
		r.Origin = toVoxel(origin)
	} else {
		// The ray begins beside the volume's centre, so that single precision is enough further on.
		origin = origin.Add(forward.Scale(g.Center().Sub(c.Position).Dot(forward)))
		r.Aim, r.Dir = forward, toVoxel(forward)
		r.Origin, r.OriginX, r.OriginY = toVoxel(origin.Add(corner)), toVoxel(dx), toVoxel(dy)
		r.Near = math.Inf(-1)
	}
	for _, p := range s.Clips {
		h := Half{Offset: p.Offset - p.Normal.Dot(g.Origin)}
		for a := range 3 {
			h.Normal[a] = p.Normal.Dot(g.Axes[a])
		}
		r.Clips = append(r.Clips, h)
	}
	return r
}

// Gram is the symmetric matrix G, as xx, yy, zz, xy, xz, yz, for which the length in patient space of a
// gradient g along the voxel axes is sqrt(gᵀGg), in value per millimetre.
func Gram(g volume.Geometry) [6]float64 {
	m, _ := g.Inverse()
	return [6]float64{m[0].Dot(m[0]), m[1].Dot(m[1]), m[2].Dot(m[2]), m[0].Dot(m[1]), m[0].Dot(m[2]), m[1].Dot(m[2])}
}

// Jitter is the share of a step, 0 to below 1, by which the ray of a pixel is shifted; it depends on nothing
// else, so that a picture stays the same and every renderer shifts alike. The hash is PCG-RXS-M-XS, see
// Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
func Jitter(x, y int) float64 {
	h := hash(uint32(x) + hash(uint32(y)))
	return float64(h>>8) / (1 << 24)
}

func hash(v uint32) uint32 {
	s := v*747796405 + 2891336453
	w := ((s >> ((s >> 28) + 4)) ^ s) * 277803737
	return w>>22 ^ w
}
