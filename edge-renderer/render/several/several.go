// Package several makes one renderer of those of several GPUs. A volume is loaded where it is first rendered: its voxels are
// in main memory once, and its textures on each GPU that shows it.
package several

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Renderers are those of some GPUs. They load volumes for all of them; On says who renders.
type Renderers struct {
	all []render.Renderer
}

var _ render.Renderer = (*Renderers)(nil)

// New takes renderers over, at least one.
func New(all ...render.Renderer) *Renderers { return &Renderers{all: all} }

// Name says what renders.
func (r *Renderers) Name() string {
	names := make([]string, len(r.all))
	for i := range r.all {
		names[i] = r.all[i].Name()
	}
	return strings.Join(names, "; ")
}

// On is the renderer of one GPU, counted from 0, for volumes that r has loaded. It is not closed.
func (r *Renderers) On(gpu int) render.Renderer { return one{r, gpu} }

// Load makes a volume ready; it reaches a GPU when that first needs it.
func (r *Renderers) Load(_ context.Context, v *volume.Volume) (render.Volume, error) {
	return &shared{of: r, source: v, on: make([]place, len(r.all))}, nil
}

// Render renders on the first GPU.
func (r *Renderers) Render(ctx context.Context, s *render.Scene, img *render.Image) error {
	return r.On(0).Render(ctx, s, img)
}

// Busy is for how long the GPUs have worked in all.
func (r *Renderers) Busy() time.Duration {
	var sum time.Duration
	for _, one := range r.all {
		if b, ok := one.(interface{ Busy() time.Duration }); ok {
			sum += b.Busy()
		}
	}
	return sum
}

// Close closes all renderers.
func (r *Renderers) Close() error {
	var err error
	for _, one := range r.all {
		err = errors.Join(err, one.Close())
	}
	return err
}

// shared is a volume that each GPU loads when it needs it.
type shared struct {
	of     *Renderers
	source *volume.Volume
	on     []place
}

// place is a volume on one GPU.
type place struct {
	mu       sync.Mutex // one loads at a time
	loaded   render.Volume
	released bool
}

func (v *shared) Source() *volume.Volume { return v.source }

// Release lets go of the volume on every GPU.
func (v *shared) Release() {
	for i := range v.on {
		p := &v.on[i]
		p.mu.Lock()
		if p.loaded != nil {
			p.loaded.Release()
			p.loaded = nil
		}
		p.released = true
		p.mu.Unlock()
	}
}

func (v *shared) load(ctx context.Context, gpu int) (render.Volume, error) {
	p := &v.on[gpu]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return nil, errors.New("the volume has been released")
	}
	if p.loaded == nil {
		loaded, err := v.of.all[gpu].Load(ctx, v.source)
		if err != nil {
			return nil, err
		}
		p.loaded = loaded
	}
	return p.loaded, nil
}

// one renders on one GPU.
type one struct {
	of  *Renderers
	gpu int
}

var _ render.Preparer = one{}

func (o one) Name() string { return o.of.all[o.gpu].Name() }

// Load loads a volume for all, and brings it to this GPU.
func (o one) Load(ctx context.Context, v *volume.Volume) (render.Volume, error) {
	loaded, err := o.of.Load(ctx, v)
	if err != nil {
		return nil, err
	}
	if err := o.Prepare(ctx, loaded); err != nil {
		return nil, err
	}
	return loaded, nil
}

// Prepare brings a volume to the GPU.
func (o one) Prepare(ctx context.Context, v render.Volume) error {
	s, err := o.mine(v)
	if err == nil {
		_, err = s.load(ctx, o.gpu)
	}
	return err
}

func (o one) Render(ctx context.Context, s *render.Scene, img *render.Image) error {
	v, err := o.mine(s.Volume)
	if err != nil {
		return err
	}
	scene := *s
	if scene.Volume, err = v.load(ctx, o.gpu); err != nil {
		return err
	}
	return o.of.all[o.gpu].Render(ctx, &scene, img)
}

func (o one) mine(v render.Volume) (*shared, error) {
	s, ok := v.(*shared)
	if !ok || s.of != o.of {
		return nil, fmt.Errorf("the volume was not loaded by this renderer, which is for GPU %d of %d", o.gpu, len(o.of.all))
	}
	return s, nil
}

// Close does nothing: the GPU belongs to all.
func (o one) Close() error { return nil }
