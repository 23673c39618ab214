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

// layout is how voxels are kept on the device.
type layout uint8

const (
	pairs  layout = iota // a buffer of R32UI, two int16 voxels in each texel: see voxels.glsl
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
	voxels         texture
	maxima, blocks texture

	use      sync.RWMutex // held for reading while a picture is rendered
	released bool

	tables []tables // most recently used first; on the device's thread alone
}

// tables are the textures of a transfer function.
type tables struct {
	transfer  *render.Transfer
	step      float64
	table     texture
	distances texture
}

// Load uploads a volume. The error names what is too large for the driver. The voxels are copied, but the
// volume must stay until the result has been released, since it is the result's Source.
func (r *Renderer) Load(ctx context.Context, v *volume.Volume) (render.Volume, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	defer r.calls.Done()
	l := &loaded{owner: r, volume: v, layout: r.layout(v)}
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

// layout is how a volume is best kept.
func (r *Renderer) layout(v *volume.Volume) layout {
	switch {
	case v.Format != volume.Int16:
		return floats
	case r.filtered || (v.Size[0]+1)*v.Size[1]*v.Size[2] > r.info.MaxTexels:
		return unorm
	}
	return pairs
}

// fits says whether the device can hold the volume.
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
	if n := v.Voxels() / (volume.BrickSide * volume.BrickSide * volume.BrickSide); n > r.info.MaxTexels {
		return fmt.Errorf("volume of %dx%dx%d voxels: it has %d bricks, and %s holds at most %d", v.Size[0], v.Size[1], v.Size[2],
			n, r.info.Renderer, r.info.MaxTexels)
	}
	return nil
}

// upload copies everything to the device, slab by slab.
func (l *loaded) upload(ctx context.Context) error {
	do := func(work func() error) error { return l.owner.device.Do(ctx, gpu.Background, work) }
	if err := do(l.reserve); err != nil {
		return err
	}
	size := l.volume.Size
	slice := size[0] * size[1]
	depth := max(1, slabBytes/(slice*l.layout.bytes()))
	var slab []byte
	for k := 0; k < size[2]; k += depth {
		n := min(depth, size[2]-k)
		slab = l.slab(slab, k*slice, n*slice)
		if err := do(func() error {
			data := unsafe.Pointer(&slab[0])
			switch l.layout {
			case pairs:
				l.voxels.write(len(slab)/n*k, len(slab), data)
			case unorm:
				l.voxels.fill(size[0], size[1], k, n, gl.RED, gl.UNSIGNED_SHORT, data)
			default:
				l.voxels.fill(size[0], size[1], k, n, gl.RED, gl.FLOAT, data)
			}
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
		l.maxima.fill(l.space.Bricks.Size[0], l.space.Bricks.Size[1], 0, l.space.Bricks.Size[2], gl.RED, gl.FLOAT, unsafe.Pointer(&maxima[0]))
		if l.blocks, err = texture3D(gl.R32F, blockSize, gl.NEAREST); err != nil {
			return err
		}
		l.blocks.fill(blockSize[0], blockSize[1], 0, blockSize[2], gl.RED, gl.FLOAT, unsafe.Pointer(&blocks[0]))
		return nil
	})
}

// reserve makes the texture of the voxels.
func (l *loaded) reserve() (err error) {
	size := l.volume.Size
	switch l.layout {
	case pairs:
		l.voxels, err = textureBuffer(gl.R32UI, 4*(size[0]+1)*size[1]*size[2], nil)
	case unorm:
		l.voxels, err = texture3D(gl.R16, size, gl.LINEAR)
	default:
		l.voxels, err = texture3D(gl.R32F, size, gl.LINEAR)
	}
	return err
}

// slab is n voxels from the first one on as the texture takes them; buf is reused.
func (l *loaded) slab(buf []byte, first, n int) []byte {
	if l.layout == floats {
		return l.volume.Raw()[4*first : 4*(first+n)]
	}
	size := n * l.layout.bytes()
	if l.layout == pairs { // a texel more in each row
		size += n / l.volume.Size[0] * 4
	}
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
		for _, t := range []texture{l.voxels, l.maxima, l.blocks} {
			t.delete()
		}
		for _, t := range l.tables {
			t.table.delete()
			t.distances.delete()
		}
		l.tables = nil
		return nil
	})
	if err != nil && !errors.Is(err, gpu.ErrClosed) && !errors.Is(err, gpu.ErrLost) {
		panic(err) // deleting textures, zero included, has no errors
	}
}
