// Package cpu renders volumes in Go alone. It is the reference that other renderers are compared with, and
// what runs where OpenGL is missing.
//
// A picture is cut into tiles that all processors share, and pictures that are made at the same time share the processors by
// their weights (package share). A ray walks in integers: its position is a 32.32
// fixed-point voxel index, so that a sample is found without rounding however empty space was passed over.
package cpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	tileSide = render.ReachSide // pixels
	// stepTime is for how long a processor stays with a picture: long against what it takes to find the next one, and short
	// against a picture.
	stepTime = time.Millisecond
)

// Renderer implements render.Renderer.
type Renderer struct {
	threads int
	// For tests: no empty space is passed over, and int16 voxels go the way of all others.
	keepAll, noIntegers bool

	line    *share.Line
	workers sync.WaitGroup
	busy    atomic.Int64 // nanoseconds of all processors

	mu      sync.Mutex
	closed  bool
	renders sync.WaitGroup
}

var _ render.Renderer = (*Renderer)(nil)

// New makes a renderer that uses all processors. The caller calls Close.
func New() *Renderer { return newRenderer(runtime.GOMAXPROCS(0)) }

func newRenderer(threads int) *Renderer {
	r := &Renderer{threads: threads, line: share.NewLine(threads)}
	for range threads {
		r.workers.Go(func() {
			for r.line.Work() {
				runtime.Gosched() // pictures are not the only work: encoders and connections must not wait for a whole time slice
			}
		})
	}
	return r
}

// Busy is for how long the renderer has worked in all, as one device: the time of its processors over their number.
func (r *Renderer) Busy() time.Duration {
	return time.Duration(r.busy.Load()) / time.Duration(r.threads)
}

// Name says what renders.
func (r *Renderer) Name() string {
	if r.threads == 1 {
		return "Go, 1 thread"
	}
	return fmt.Sprintf("Go, %d threads", r.threads)
}

// loaded is a volume with what makes it quick to render.
type loaded struct {
	owner  *Renderer
	volume *volume.Volume
	space  *render.Space
	coarse coarse

	use      sync.RWMutex // held for reading while a picture is rendered
	released bool
}

// Load computes the bricks of a volume. The voxels are read in place, so the volume must stay until the
// result has been released.
func (r *Renderer) Load(ctx context.Context, v *volume.Volume) (render.Volume, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	defer r.renders.Done()
	space, err := render.NewSpace(ctx, v)
	if err != nil {
		return nil, err
	}
	return &loaded{owner: r, volume: v, space: space, coarse: newCoarse(space.Bricks)}, nil
}

// Source is the volume that was loaded.
func (l *loaded) Source() *volume.Volume { return l.volume }

// Release waits for the pictures of the volume that are being rendered.
func (l *loaded) Release() {
	l.use.Lock()
	defer l.use.Unlock()
	l.released, l.space, l.coarse = true, nil, coarse{}
}

// Render renders a scene whose volume this renderer has loaded.
func (r *Renderer) Render(ctx context.Context, s *render.Scene, img *render.Image) error {
	if err := r.begin(); err != nil {
		return err
	}
	defer r.renders.Done()
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
	img.Resize(s.Width, s.Height)
	f := newFrame(s, l, r)

	columns, rows := (s.Width+tileSide-1)/tileSide, (s.Height+tileSide-1)/tileSide
	priority := share.Interactive
	if s.Refinement {
		priority = share.Background
	}
	var at atomic.Int64
	return r.line.Do(ctx, share.Job{Client: s.Client, Priority: priority, Width: r.threads, Step: func() (more bool, err error) {
		began := time.Now()
		defer func() { r.busy.Add(int64(time.Since(began))) }()
		for {
			n := int(at.Add(1)) - 1
			if n >= columns*rows {
				return false, nil
			}
			f.tile(img, n%columns*tileSide, n/columns*tileSide)
			if time.Since(began) >= stepTime {
				return n+1 < columns*rows, nil
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
		}
	}})
}

// Close waits for what runs; the renderer then refuses everything.
func (r *Renderer) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.renders.Wait()
	r.line.Close()
	r.workers.Wait()
	return nil
}

func (r *Renderer) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the renderer has been closed")
	}
	r.renders.Add(1)
	return nil
}
