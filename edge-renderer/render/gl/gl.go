//go:build egl

package gl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/shaders"
)

const (
	jobTime = 4 * time.Millisecond // aimed at for one job
	rowStep = 8                    // rows of a group of the shaders
)

// Renderer implements render.Renderer.
type Renderer struct {
	device   *gpu.Device
	info     gpu.Info
	threads  int  // processors that share the groups of a shader; 1 on a GPU
	filtered bool // the driver interpolates int16 voxels, as GPUs do best
	keepAll  bool // for tests: no empty space is passed over

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup

	// On the device's thread alone:
	programs map[variant]uint32
	picture  buffers
	perRow   time.Duration // of the latest job, for a row of 1024 pixels
}

type variant struct {
	program string
	shaders.Definitions
}

// buffers hold the rows of one job; they grow and stay.
type buffers struct {
	pixels, readback, reaches uint32
	size                      int // bytes of pixels and readback
}

var _ render.Renderer = (*Renderer)(nil)

// Open makes a renderer on a device of its own, with all its shaders compiled. The error wraps gpu.ErrNone
// where there is no OpenGL that can be used.
func Open() (render.Renderer, error) { return made(gpu.Open()) }

// OpenDevice is Open on a device by its place in gpu.List.
func OpenDevice(n int) (render.Renderer, error) { return made(gpu.OpenDevice(n)) }

func open() (*Renderer, error) { return on(gpu.Open()) }

// made keeps a nil pointer out of the interface.
func made(d *gpu.Device, err error) (render.Renderer, error) {
	r, err := on(d, err)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// on makes a renderer on a device, unless that could not be opened.
func on(d *gpu.Device, err error) (*Renderer, error) {
	if err != nil {
		return nil, err
	}
	r := &Renderer{device: d, info: d.Info(), threads: 1, filtered: !d.Info().Software, programs: map[variant]uint32{}, perRow: time.Millisecond}
	if r.info.Software {
		r.threads = runtime.NumCPU()
	}
	for _, program := range shaders.Programs() {
		for _, def := range shaders.All(program) {
			v := variant{program, def}
			if def.Pairs == r.filtered {
				continue
			}
			err := d.Do(context.Background(), gpu.Interactive, func() (err error) {
				r.programs[v], err = compile(v)
				return err
			})
			if err != nil {
				_ = d.Close()
				return nil, fmt.Errorf("%w: %s on %s: %w", gpu.ErrNone, r.info.Renderer, r.info.Platform, err)
			}
		}
	}
	return r, nil
}

// Name says what renders.
func (r *Renderer) Name() string {
	return fmt.Sprintf("OpenGL %s, %s", r.info.Version, r.info.Renderer)
}

// Busy is for how long the GPU's thread has worked in all.
func (r *Renderer) Busy() time.Duration { return r.device.Busy() }

// Software says that OpenGL itself is emulated on the processor here.
func (r *Renderer) Software() bool { return r.info.Software }

// Close waits for what runs and frees everything, loaded volumes included.
func (r *Renderer) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.calls.Wait()
	return r.device.Close()
}

func (r *Renderer) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the renderer has been closed")
	}
	r.calls.Add(1)
	return nil
}

// Render renders a scene whose volume this renderer has loaded.
func (r *Renderer) Render(ctx context.Context, s *render.Scene, img *render.Image) error {
	if err := r.begin(); err != nil {
		return err
	}
	defer r.calls.Done()
	if err := s.Check(); err != nil {
		return err
	}
	l, ok := s.Volume.(*loaded)
	if !ok || l.owner != r {
		return errors.New("the scene's volume was not loaded by this renderer")
	}
	l.use.RLock()
	defer l.use.RUnlock()
	if l.released {
		return errors.New("the scene's volume has been released")
	}
	priority := gpu.Interactive
	if s.Refinement {
		priority = gpu.Background
	}
	img.Resize(s.Width, s.Height)
	p := l.prepare(s)
	y := 0
	err := r.device.Steps(ctx, s.Client, priority, func() (more bool, err error) {
		rows := min(r.rows(s.Width), s.Height-y)
		if err := r.band(p, y, rows, img.Pix[4*s.Width*y:]); err != nil {
			return false, fmt.Errorf("rows %d to %d: %w", y, y+rows, err)
		}
		y += rows
		return y < s.Height, nil
	})
	if err != nil {
		return fmt.Errorf("render on %s: %w", r.info.Renderer, err)
	}
	return nil
}

// rows is how many rows of a picture make a job.
func (r *Renderer) rows(width int) int {
	n := int(float64(jobTime) / float64(max(r.perRow, 1)) * 1024 / float64(width))
	return min(max(n/rowStep, 1)*rowStep, render.MaxSide)
}

// band renders rows of a picture into pix.
func (r *Renderer) band(p *pass, first, rows int, pix []byte) error {
	started := time.Now()
	s := p.scene
	n := 4 * s.Width * rows
	if err := r.picture.grow(n); err != nil {
		return err
	}
	if err := p.bind(r); err != nil {
		return err
	}
	across, down := (s.Width+7)/8, (rows+rowStep-1)/rowStep
	gl.Uniform4i(0, int32(s.Width), int32(first), int32(rows), int32(across))
	gl.Uniform2i(1, int32(r.threads), int32(across*down/r.threads))
	gl.BindBufferBase(gl.SHADER_STORAGE_BUFFER, 0, r.picture.pixels)
	gl.DispatchCompute(uint32(across*down), 1, 1)
	gl.MemoryBarrier(gl.BUFFER_UPDATE_BARRIER_BIT)
	if err := r.picture.read(pix[:n]); err != nil {
		return err
	}
	r.perRow = max(time.Since(started)*1024/time.Duration(rows*s.Width), 1)
	return nil
}

// grow makes room for n bytes.
func (b *buffers) grow(n int) error {
	if n <= b.size {
		return nil
	}
	if b.size == 0 {
		gl.GenBuffers(1, &b.pixels)
		gl.GenBuffers(1, &b.readback)
		gl.GenBuffers(1, &b.reaches)
	}
	n = (n + 1<<20 - 1) >> 20 << 20
	gl.BindBuffer(gl.SHADER_STORAGE_BUFFER, b.pixels)
	gl.BufferData(gl.SHADER_STORAGE_BUFFER, n, nil, gl.STREAM_COPY)
	gl.BindBuffer(gl.COPY_WRITE_BUFFER, b.readback)
	gl.BufferData(gl.COPY_WRITE_BUFFER, n, nil, gl.STREAM_READ)
	if e := gl.GetError(); e != gl.NO_ERROR {
		return fmt.Errorf("reserve %d MiB for pictures: OpenGL error 0x%04x", n>>20, e)
	}
	b.size = n
	return nil
}

// send gives the reaches of a picture to the shader.
func (b *buffers) send(reaches []float32) {
	gl.BindBuffer(gl.SHADER_STORAGE_BUFFER, b.reaches)
	gl.BufferData(gl.SHADER_STORAGE_BUFFER, 4*len(reaches), unsafe.Pointer(&reaches[0]), gl.STREAM_DRAW)
	gl.BindBufferBase(gl.SHADER_STORAGE_BUFFER, 1, b.reaches)
}

// read copies what a shader has written; mapping waits for it.
func (b *buffers) read(pix []byte) error {
	gl.BindBuffer(gl.COPY_READ_BUFFER, b.pixels)
	gl.BindBuffer(gl.COPY_WRITE_BUFFER, b.readback)
	gl.CopyBufferSubData(gl.COPY_READ_BUFFER, gl.COPY_WRITE_BUFFER, 0, 0, len(pix))
	at := gl.MapBufferRange(gl.COPY_WRITE_BUFFER, 0, len(pix), gl.MAP_READ_BIT)
	if at == nil {
		return errors.New("the picture cannot be read back")
	}
	copy(pix, bytesAt(at, len(pix)))
	if !gl.UnmapBuffer(gl.COPY_WRITE_BUFFER) {
		return errors.New("the driver lost the picture while it was read back")
	}
	return nil
}
