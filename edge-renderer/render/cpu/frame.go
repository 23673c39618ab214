package cpu

import (
	"math"
	"unsafe"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	one      = 1 << 32 // a voxel in fixed point
	half     = 1 << 23 // half of the 1/256 voxel to which positions are rounded
	maxDelta = 1 << 20 // voxels between samples; more is one sample per ray in any volume
)

// frame is what all rays of one picture share.
type frame struct {
	mode       render.Mode
	rays       render.Rays
	step       float64 // millimetres
	jitter     bool
	background [3]float32
	upper      geom.Vec // the volume's box is -0.5 to upper

	int16s   []int16
	float32s []float32
	voxels   unsafe.Pointer // of int16s
	size     [3]int
	sy, sz   int      // voxels from one row and one slice to the next
	last     [3]int64 // centre of the last voxel, fixed point
	fast     bool     // integer arithmetic on int16 applies
	keepAll  bool     // no empty space is skipped

	distance []uint8
	bricks   *volume.Bricks
	coarse   *coarse
	by, bz   int // bricks from one row and one layer to the next

	table         [][4]float32 // transfer function for the step
	scale, offset float64      // from stored value to its entry
	scaleInt      int64        // the same for integers, see entry
	offsetInt     int64
	steep         bool // rays look for surfaces
	shaded        bool
	ambient       float32 // times 255, as all three
	diffuse       float32
	specular      [specularSize + 1]float32 // by the cosine
	gram          [6]float32                // see render.Gram, its last three doubled

	slope, intercept float64
	low, high        float64 // window of a maximum projection, values
}

const specularSize = 1024

func newFrame(s *render.Scene, l *loaded, r *Renderer) *frame {
	v, t := l.volume, s.Transfer
	f := &frame{
		mode: s.Mode, rays: s.Rays(), step: s.Quality.Step, jitter: s.Quality.Jitter,
		int16s: v.Int16s(), float32s: v.Float32s(), size: v.Size, keepAll: r.keepAll,
		bricks: l.space.Bricks, coarse: &l.coarse, by: l.space.Bricks.Size[0], bz: l.space.Bricks.Size[0] * l.space.Bricks.Size[1],
		slope: v.Slope, intercept: v.Intercept,
	}
	for a := range 3 {
		f.background[a] = float32(s.Background[a])
		f.upper[a] = float64(v.Size[a]) - 0.5
		f.last[a] = int64(v.Size[a]-1) * one
	}
	f.sy, f.sz = v.Size[0], v.Size[0]*v.Size[1]
	f.fast = !r.noIntegers && f.int16s != nil && v.Slope > 0 && min(v.Size[0], v.Size[1], v.Size[2]) >= 2
	if f.int16s != nil {
		f.voxels = unsafe.Pointer(&f.int16s[0])
	}
	f.low, f.high = t.Window.Range()
	if s.Mode == render.MaximumIntensity {
		return f
	}
	f.distance = l.space.Distances(t)
	if f.keepAll {
		f.distance = make([]uint8, len(f.distance))
	}
	table := t.Table(s.Quality.Step)
	f.table = unsafe.Slice((*[4]float32)(unsafe.Pointer(&table[0])), render.TableSize)
	scale, offset := t.Index()
	f.scale, f.offset = scale*v.Slope, scale*v.Intercept+offset
	f.setEntry()
	f.steep = s.Steep()
	for i, g := range render.Gram(v.Geometry) {
		f.gram[i] = float32(g)
		if i >= 3 {
			f.gram[i] *= 2
		}
	}
	light := t.Lighting
	f.shaded, f.ambient, f.diffuse = light.Shade, 255*light.Ambient, 255*light.Diffuse
	for i := range f.specular {
		f.specular[i] = 255 * light.Specular * float32(math.Pow(float64(i)/specularSize, float64(light.SpecularPower)))
	}
	return f
}

// ray is one ray through the volume.
type ray struct {
	k, n  int        // samples: the first to look at, and the one behind the last
	base  [3]int64   // voxel index of sample 0 plus half, fixed point
	delta [3]int64   // from one sample to the next
	start [3]float64 // base, in samples
	inv   [3]float64 // samples per brick along each axis
	ahead [3]int     // 1 along axes on which the ray goes forward
	unit  [3]float32 // direction, voxels per millimetre
}

// ray finds the ray of a pixel and says whether it has samples at or behind reach, millimetres.
func (f *frame) ray(x, y int, reach float64, r *ray) bool {
	c := &f.rays
	t0, t1 := c.Near, math.Inf(1)
	o, d := c.At(float64(x), float64(y))
	for a := range 3 {
		if d[a] == 0 {
			if o[a] < -0.5 || o[a] > f.upper[a] {
				return false
			}
			continue
		}
		inv := 1 / d[a]
		near, far := (-0.5-o[a])*inv, (f.upper[a]-o[a])*inv
		if near > far {
			near, far = far, near
		}
		if near > t0 {
			t0 = near
		}
		if far < t1 {
			t1 = far
		}
	}
	if !(t0 < t1) {
		return false
	}
	for _, h := range c.Clips {
		at, along := h.Normal.Dot(o)-h.Offset, h.Normal.Dot(d)
		switch {
		case along > 0:
			t0 = max(t0, -at/along)
		case along < 0:
			t1 = min(t1, -at/along)
		case at < 0:
			return false
		}
	}
	if !(t0 < t1) || reach >= t1 {
		return false
	}
	u := 0.5
	if f.jitter {
		u = render.Jitter(x, y)
	}
	r.k, r.n = 0, int(math.Ceil((t1-t0)/f.step-u))
	if reach > t0 {
		r.k = max(0, int((reach-t0)/f.step-u))
	}
	if r.k >= r.n {
		return false
	}
	first := t0 + u*f.step
	for a := range 3 {
		p, dv := o[a]+first*d[a], d[a]*f.step
		if math.Abs(dv) > maxDelta {
			dv = math.Copysign(maxDelta, dv)
		}
		r.base[a], r.delta[a] = int64(p*one)+half, int64(dv*one)
		r.unit[a] = float32(d[a])
		inv := 1e30
		r.ahead[a] = 1
		if r.delta[a] != 0 {
			inv = one / float64(r.delta[a])
			if r.delta[a] < 0 {
				r.ahead[a] = 0
			}
		}
		r.start[a], r.inv[a] = float64(r.base[a])/one*inv, inv*volume.BrickSide
	}
	return true
}

// position is where the k-th sample lies: the voxel index plus half of what it is rounded to, fixed point.
func (r *ray) position(k int) [3]int64 {
	return [3]int64{r.base[0] + int64(k)*r.delta[0], r.base[1] + int64(k)*r.delta[1], r.base[2] + int64(k)*r.delta[2]}
}

const bisections = 6

// surface is where the k-th sample, of the given opacity, takes its normal and its colour from: the surface
// between it and the sample before it, and what lies behind that. Where there is none both are its own place.
// At is the opacity at a position.
func (r *ray) surface(k int, opacity float32, at func(p [3]int64) float32) (normal, color [3]int64) {
	p, least := r.position(k), opacity/2
	if k == 0 || at(r.position(k-1)) >= least {
		return p, p
	}
	back := int64(0) // from the sample, in the smallest parts of the step
	for part := int64(1 << bisections >> 1); part > 0; part >>= 1 {
		if at(r.before(p, back+part)) >= least {
			back += part
		}
	}
	p = r.before(p, back)
	voxel := one / math.Sqrt(float64(r.unit[0]*r.unit[0]+r.unit[1]*r.unit[1]+r.unit[2]*r.unit[2]))
	for depth := voxel; depth > voxel/8; depth /= 2 {
		behind := p
		for a := range 3 {
			behind[a] += int64(float64(r.unit[a]) * depth)
		}
		if at(behind) >= least {
			return p, behind
		}
	}
	return p, p
}

// before is a number of the smallest parts of the step before a position.
func (r *ray) before(p [3]int64, parts int64) [3]int64 {
	for a := range 3 {
		p[a] -= parts * r.delta[a] >> bisections
	}
	return p
}

// tile renders the pixels of one tile.
func (f *frame) tile(img *render.Image, x0, y0 int) {
	var r ray
	x1, y1 := min(x0+tileSide, img.Width), min(y0+tileSide, img.Height)
	reach := math.Inf(-1)
	if f.distance != nil {
		reach = f.rays.Reach(x0, y0, x1, y1, f.size, f.bricks.Size, f.distance)
	}
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			pix := (*[4]byte)(img.Pix[4*(y*img.Width+x):])
			if !f.ray(x, y, reach, &r) {
				for a := range 3 {
					pix[a] = byte(f.background[a])
				}
				pix[3] = 255
				continue
			}
			switch {
			case f.mode == render.MaximumIntensity && f.fast:
				f.maximum16(&r, pix)
			case f.mode == render.MaximumIntensity && f.int16s != nil:
				maximum(f, f.int16s, &r, pix)
			case f.mode == render.MaximumIntensity:
				maximum(f, f.float32s, &r, pix)
			case f.fast:
				f.composite16(&r, pix)
			case f.int16s != nil:
				composite(f, f.int16s, &r, pix)
			default:
				composite(f, f.float32s, &r, pix)
			}
		}
	}
}

// leave is the first sample behind the box of bricks that begins at (x,y,z) and has so many bricks along
// each side, or one that comes before it; at least k+1. It is rounded towards the box, so that no sample
// outside of it is passed over.
func (r *ray) leave(k, x, y, z, side int) int {
	tx := float64(x+side*r.ahead[0])*r.inv[0] - r.start[0]
	ty := float64(y+side*r.ahead[1])*r.inv[1] - r.start[1]
	tz := float64(z+side*r.ahead[2])*r.inv[2] - r.start[2]
	if ty < tx {
		tx = ty
	}
	if tz < tx {
		tx = tz
	}
	if tx >= float64(r.n) {
		return r.n
	}
	// Conversion cuts off; the next sample behind the box is one further unless tx is whole.
	if n := int(tx-1e-6) + 1; n > k {
		return n
	}
	return k + 1
}

// grey writes the pixel of a maximum projection.
func (f *frame) grey(value float64, pix *[4]byte) {
	g := (value - f.low) / (f.high - f.low) * 255
	b := byte(min(max(g, 0), 255) + 0.5)
	*pix = [4]byte{b, b, b, 255}
}

// finish writes the pixel of a composited ray from its colour, 0 to 255, and its opacity.
func (f *frame) finish(r, g, b, alpha float32, pix *[4]byte) {
	if alpha >= render.Opaque {
		s := 1 / alpha
		r, g, b, alpha = r*s, g*s, b*s, 1
	}
	rest := 1 - alpha
	pix[0] = channel(r + rest*f.background[0])
	pix[1] = channel(g + rest*f.background[1])
	pix[2] = channel(b + rest*f.background[2])
	pix[3] = 255
}

func channel(x float32) byte { return byte(min(x+0.5, 255)) }

// coarse has the largest stored value of blocks of coarseSide^3 bricks.
type coarse struct {
	max    []float32
	cy, cz int // blocks from one row and one layer to the next
}

const coarseSide = 4

func newCoarse(b *volume.Bricks) coarse {
	var n [3]int
	for a := range 3 {
		n[a] = (b.Size[a] + coarseSide - 1) / coarseSide
	}
	c := coarse{make([]float32, n[0]*n[1]*n[2]), n[0], n[0] * n[1]}
	for i := range c.max {
		c.max[i] = float32(math.Inf(-1))
	}
	i := 0
	for z := range b.Size[2] {
		for y := range b.Size[1] {
			for x := range b.Size[0] {
				at := x/coarseSide + c.cy*(y/coarseSide) + c.cz*(z/coarseSide)
				c.max[at] = max(c.max[at], b.Max[i])
				i++
			}
		}
	}
	return c
}
