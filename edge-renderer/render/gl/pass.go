//go:build egl

package gl

import (
	"math"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/shaders"
)

// pass is one picture with what its jobs set.
type pass struct {
	scene     *render.Scene
	loaded    *loaded
	variant   variant
	rays      render.Rays
	reaches   []float32 // see render.Space; nil in a maximum projection, as the rest
	step      []float32 // table for the step
	distances []uint8
}

// prepare does what needs no OpenGL.
func (l *loaded) prepare(s *render.Scene) *pass {
	p := &pass{scene: s, loaded: l, rays: s.Rays()}
	p.variant = variant{"maximum", shaders.Definitions{Pairs: l.layout == pairs}}
	if s.Mode == render.Composite {
		p.variant.program, p.variant.Shade, p.variant.Steep = "composite", s.Transfer.Lighting.Shade, s.Steep()
		p.step = s.Transfer.Table(s.Quality.Step)
		p.distances = l.space.Distances(s.Transfer)
		p.reaches = l.space.Reaches(&p.rays, s.Width, s.Height, s.Transfer)
		if l.owner.keepAll {
			p.distances = make([]uint8, len(p.distances))
			for i := range p.reaches {
				p.reaches[i] = -math.MaxFloat32
			}
		}
	}
	return p
}

// gain turns a voxel as the shader reads it into a stored value: stored = voxel*scale + offset.
func (l *loaded) gain() (scale, offset float64) {
	switch l.layout {
	case pairs:
		return 1, -32768
	case unorm:
		return 65535, -32768
	}
	return 1, 0
}

// bind sets the program, its textures and its uniforms.
func (p *pass) bind(r *Renderer) error {
	s, l, v := p.scene, p.loaded, p.loaded.volume
	program, err := r.program(p.variant)
	if err != nil {
		return err
	}
	var t tables
	if s.Mode == render.Composite {
		// Making textures binds them, so this comes before those of the picture are bound.
		if t, err = l.tablesFor(p); err != nil {
			return err
		}
	}
	gl.UseProgram(program)
	vectors(locOrigin, p.rays.Origin, p.rays.OriginX, p.rays.OriginY)
	vectors(locDir, p.rays.Dir, p.rays.DirX, p.rays.DirY)
	vectors(locAim, p.rays.Aim, p.rays.AimX, p.rays.AimY)
	jitter := float32(0)
	if s.Quality.Jitter {
		jitter = 1
	}
	gl.Uniform4f(locRange, float32(max(p.rays.Near, -1e30)), float32(s.Quality.Step), jitter, float32(len(p.rays.Clips)))
	for i, h := range p.rays.Clips {
		gl.Uniform4f(locClips+int32(i), float32(h.Normal[0]), float32(h.Normal[1]), float32(h.Normal[2]), float32(h.Offset))
	}
	gl.Uniform3i(locSize, int32(v.Size[0]), int32(v.Size[1]), int32(v.Size[2]))
	gl.Uniform3f(locBackground, float32(s.Background[0])/255, float32(s.Background[1])/255, float32(s.Background[2])/255)

	l.voxels.bind(unitVoxels)
	scale, offset := l.gain()
	offset = offset*v.Slope + v.Intercept
	scale *= v.Slope
	if s.Mode == render.MaximumIntensity {
		l.maxima.bind(unitMaxima)
		l.blocks.bind(unitBlocks)
		low, high := s.Transfer.Window.Range()
		gl.Uniform2f(locRescale, float32(scale), float32(offset))
		gl.Uniform2f(locWindow, float32(low), float32(high))
		return nil
	}
	r.picture.send(p.reaches)
	t.distances.bind(unitDistances)
	t.table.bind(unitTable)
	tableScale, tableOffset := s.Transfer.Index()
	gl.Uniform2f(locEntry, float32(scale*tableScale), float32(offset*tableScale+tableOffset))
	light := s.Transfer.Lighting
	gl.Uniform4f(locLight, light.Ambient, light.Diffuse, light.Specular, light.SpecularPower)
	if light.Shade {
		g := render.Gram(v.Geometry)
		vectors(locGramDiagonal, geom.Vec{g[0], g[1], g[2]})
		vectors(locGramRest, geom.Vec{g[3], g[4], g[5]})
	}
	return nil
}

func (r *Renderer) program(v variant) (uint32, error) {
	if p, ok := r.programs[v]; ok {
		return p, nil
	}
	p, err := compile(v)
	if err == nil {
		r.programs[v] = p
	}
	return p, err
}

// tablesFor finds or makes the textures of the transfer function.
func (l *loaded) tablesFor(p *pass) (tables, error) {
	transfer, step := p.scene.Transfer, p.scene.Quality.Step
	for i, t := range l.tables {
		if t.transfer == transfer {
			copy(l.tables[1:i+1], l.tables[:i])
			if t.step != step {
				t.table.write(0, 4*len(p.step), unsafe.Pointer(&p.step[0]))
				t.step = step
			}
			l.tables[0] = t
			return t, nil
		}
	}
	t := tables{transfer: transfer, step: step}
	var err error
	if t.distances, err = l.uploadDistances(p.distances); err != nil {
		return tables{}, err
	}
	if t.table, err = textureBuffer(gl.RGBA32F, 4*len(p.step), unsafe.Pointer(&p.step[0])); err != nil {
		t.distances.delete()
		return tables{}, err
	}
	l.tables = append([]tables{t}, l.tables...)
	if n := len(l.tables); n > maxTables {
		l.tables[n-1].table.delete()
		l.tables[n-1].distances.delete()
		l.tables = l.tables[:n-1]
	}
	return t, nil
}

// uploadDistances makes the texture of a distance map. Drivers that render in software fetch whole words
// faster than bytes.
func (l *loaded) uploadDistances(distances []uint8) (texture, error) {
	if !l.owner.info.Software {
		return textureBuffer(gl.R8UI, len(distances), unsafe.Pointer(&distances[0]))
	}
	words := make([]uint32, len(distances))
	for i, d := range distances {
		words[i] = uint32(d)
	}
	return textureBuffer(gl.R32UI, 4*len(words), unsafe.Pointer(&words[0]))
}

// vectors sets an array of vec3.
func vectors(location int32, v ...geom.Vec) {
	f := make([]float32, 0, 9)
	for _, p := range v {
		for _, x := range p {
			f = append(f, float32(math.Max(math.Min(x, math.MaxFloat32), -math.MaxFloat32)))
		}
	}
	gl.Uniform3fv(location, int32(len(v)), &f[0])
}
