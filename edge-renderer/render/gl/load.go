//go:build egl

package gl

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	slabBytes   = 8 << 20 // of voxels uploaded by one job
	maxTables   = 4       // transfer functions kept per volume
	mesaTexture = 1 << 30 // bytes, the most that software Mesa gives one texture
	blockSide   = 4       // bricks
)

// layout is how voxels are kept in a texture.
type layout uint8

const (
	pairs  layout = iota // R32UI, two int16 voxels in each texel: see voxels.glsl
	unorm                // R16, int16 voxels plus 32768
	floats               // R32F
)

func (l layout) bytes() int {
	if l == unorm {
		return 2
	}
	return 4
}

// loaded is a volume in textures.
type loaded struct {
	owner          *Renderer
	volume         *volume.Volume
	layout         layout
	space          *render.Space
	voxels         uint32
	maxima, blocks uint32

	use      sync.RWMutex // held for reading while a picture is rendered
	released bool

	tables []tables // most recently used first; on the device's thread alone
}

// tables are the textures of a transfer function.
type tables struct {
	transfer  *render.Transfer
	step      float64
	table     uint32
	distances uint32
}

// Load uploads a volume. The error names what is too large for the driver. The voxels are copied, but the
// volume must stay until the result has been released, since it is the result's Source.
func (r *Renderer) Load(ctx context.Context, v *volume.Volume) (render.Volume, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	defer r.calls.Done()
	l := &loaded{owner: r, volume: v, layout: floats}
	if v.Format == volume.Int16 {
		l.layout = unorm
		if !r.filtered {
			l.layout = pairs
		}
	}
	if err := r.fits(v, l.layout); err != nil {
		return nil, err
	}
	var err error
	if l.space, err = render.NewSpace(ctx, v); err != nil {
		return nil, err
	}
	if err := l.upload(ctx); err != nil {
		l.Release()
		return nil, fmt.Errorf("load a volume of %dx%dx%d voxels (%d MiB) on %s: %w", v.Size[0], v.Size[1], v.Size[2],
			v.Voxels()*l.layout.bytes()>>20, r.info.Renderer, err)
	}
	return l, nil
}

// fits says whether one texture can hold the volume.
func (r *Renderer) fits(v *volume.Volume, l layout) error {
	largest := max(v.Size[0], v.Size[1], v.Size[2])
	if largest > r.info.MaxTexture3D {
		return fmt.Errorf("volume of %dx%dx%d voxels: %s renders at most %d along a side", v.Size[0], v.Size[1], v.Size[2],
			r.info.Renderer, r.info.MaxTexture3D)
	}
	if n := v.Voxels() * l.bytes(); r.info.Software && n > mesaTexture {
		return fmt.Errorf("volume of %dx%dx%d voxels: it takes %d MiB, and %s renders at most %d", v.Size[0], v.Size[1], v.Size[2],
			n>>20, r.info.Renderer, mesaTexture>>20)
	}
	return nil
}

func (l *loaded) upload(ctx context.Context) error {
	v := l.volume
	internal := map[layout]uint32{pairs: gl.R32UI, unorm: gl.R16, floats: gl.R32F}[l.layout]
	filter := int32(gl.LINEAR)
	if l.layout == pairs {
		filter = gl.NEAREST
	}
	do := func(work func() error) error { return l.owner.device.Do(ctx, gpu.Background, work) }
	if err := do(func() (err error) {
		l.voxels, err = texture3D(internal, l.texture(), filter)
		return err
	}); err != nil {
		return err
	}
	slice := v.Size[0] * v.Size[1]
	depth := max(1, slabBytes/(slice*l.layout.bytes()))
	var slab []byte
	for k := 0; k < v.Size[2]; k += depth {
		n := min(depth, v.Size[2]-k)
		slab = l.slab(slab, k*slice, n*slice)
		if err := do(func() error {
			gl.BindTexture(gl.TEXTURE_3D, l.voxels)
			format, kind := uint32(gl.RED), uint32(gl.FLOAT)
			switch l.layout {
			case pairs:
				format, kind = gl.RED_INTEGER, gl.UNSIGNED_INT
			case unorm:
				kind = gl.UNSIGNED_SHORT
			}
			gl.PixelStorei(gl.UNPACK_ALIGNMENT, 1)
			gl.TexSubImage3D(gl.TEXTURE_3D, 0, 0, 0, int32(k), int32(l.texture()[0]), int32(v.Size[1]), int32(n), format, kind, unsafe.Pointer(&slab[0]))
			return nil
		}); err != nil {
			return err
		}
	}
	maxima, blocks, blockSize := l.tops()
	return do(func() (err error) {
		if l.maxima, err = texture3D(gl.R32F, l.space.Bricks.Size, gl.NEAREST); err != nil {
			return err
		}
		fill(l.space.Bricks.Size, gl.RED, gl.FLOAT, unsafe.Pointer(&maxima[0]))
		if l.blocks, err = texture3D(gl.R32F, blockSize, gl.NEAREST); err != nil {
			return err
		}
		fill(blockSize, gl.RED, gl.FLOAT, unsafe.Pointer(&blocks[0]))
		return nil
	})
}

// slab is n voxels from the first one on as the texture takes them; buf is reused.
func (l *loaded) slab(buf []byte, first, n int) []byte {
	if l.layout == floats {
		return l.volume.Raw()[4*first : 4*(first+n)]
	}
	t := l.texture()
	size := n / l.volume.Size[0] * t[0] * l.layout.bytes()
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	voxels := l.volume.Int16s()[first : first+n]
	if l.layout == unorm {
		out := unsafe.Slice((*uint16)(unsafe.Pointer(&buf[0])), n)
		for i, v := range voxels {
			out[i] = uint16(v) ^ 0x8000
		}
		return buf
	}
	out := unsafe.Slice((*uint32)(unsafe.Pointer(&buf[0])), size/4)
	columns := l.volume.Size[0]
	for len(voxels) > 0 {
		before := uint32(uint16(voxels[0]) ^ 0x8000)
		for i, v := range voxels[:columns] {
			next := uint32(uint16(v) ^ 0x8000)
			out[i] = before | next<<16
			before = next
		}
		out[columns] = before | before<<16
		voxels, out = voxels[columns:], out[columns+1:]
	}
	return buf
}

// tops are the largest values of the bricks, and of blocks of them, after the modality transform.
func (l *loaded) tops() (maxima, blocks []float32, size [3]int) {
	b := l.space.Bricks
	for a := range 3 {
		size[a] = (b.Size[a] + blockSide - 1) / blockSide
	}
	maxima, blocks = make([]float32, len(b.Max)), make([]float32, size[0]*size[1]*size[2])
	for i := range blocks {
		blocks[i] = float32(math.Inf(-1))
	}
	i := 0
	for z := range b.Size[2] {
		for y := range b.Size[1] {
			for x := range b.Size[0] {
				lo, hi := float64(b.Min[i])*l.volume.Slope+l.volume.Intercept, float64(b.Max[i])*l.volume.Slope+l.volume.Intercept
				maxima[i] = float32(max(lo, hi))
				if b.Min[i] > b.Max[i] || l.owner.keepAll { // of nothing but NaN, or not to be passed over
					maxima[i] = float32(math.Inf(1))
				}
				at := x/blockSide + size[0]*(y/blockSide+size[1]*(z/blockSide))
				blocks[at] = max(blocks[at], maxima[i])
				i++
			}
		}
	}
	return maxima, blocks, size
}

// Source is the volume that was loaded.
func (l *loaded) Source() *volume.Volume { return l.volume }

// Release waits for the pictures of the volume that are being rendered and frees its textures.
func (l *loaded) Release() {
	l.use.Lock()
	defer l.use.Unlock()
	if l.released {
		return
	}
	l.released = true
	err := l.owner.device.Do(context.Background(), gpu.Background, func() error {
		textures := []uint32{l.voxels, l.maxima, l.blocks}
		for _, t := range l.tables {
			textures = append(textures, t.table, t.distances)
		}
		gl.DeleteTextures(int32(len(textures)), &textures[0])
		l.tables = nil
		return nil
	})
	if err != nil && !errors.Is(err, gpu.ErrClosed) && !errors.Is(err, gpu.ErrLost) {
		panic(err) // deleting textures, zero included, has no errors
	}
}

// texture3D makes a texture and leaves it bound.
func texture3D(internal uint32, size [3]int, filter int32) (uint32, error) {
	var t uint32
	gl.GenTextures(1, &t)
	gl.BindTexture(gl.TEXTURE_3D, t)
	gl.TexParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, filter)
	gl.TexParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, filter)
	for _, wrap := range []uint32{gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R} {
		gl.TexParameteri(gl.TEXTURE_3D, wrap, gl.CLAMP_TO_EDGE)
	}
	gl.TexStorage3D(gl.TEXTURE_3D, 1, internal, int32(size[0]), int32(size[1]), int32(size[2]))
	if e := gl.GetError(); e != gl.NO_ERROR {
		gl.DeleteTextures(1, &t)
		if e == gl.OUT_OF_MEMORY {
			return 0, errors.New("the driver has not enough memory")
		}
		return 0, fmt.Errorf("the driver refuses the texture: OpenGL error 0x%04x", e)
	}
	return t, nil
}

// fill uploads all of the texture that is bound.
func fill(size [3]int, format, kind uint32, data unsafe.Pointer) {
	gl.PixelStorei(gl.UNPACK_ALIGNMENT, 1)
	gl.TexSubImage3D(gl.TEXTURE_3D, 0, 0, 0, 0, int32(size[0]), int32(size[1]), int32(size[2]), format, kind, data)
}

// texture is the size of the texture of the voxels.
func (l *loaded) texture() [3]int {
	size := l.volume.Size
	if l.layout == pairs {
		size[0]++
	}
	return size
}
