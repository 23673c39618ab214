package cache

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// Series is a series that is ready to be shown. Whoever opened it releases it.
type Series struct {
	// Volume is the voxels, of a 4D series those of the first time point, and Loaded the same as the renderer has it; both
	// are nil for a series of images.
	Volume *volume.Volume
	Loaded render.Volume
	// Images are those of a series that is no volume; nil for volumes.
	Images *picture.Set
	Info   signaling.SeriesInfo
	// Coarse says that it is a preview of the whole extent, with fewer voxels.
	Coarse bool
	// Bytes is what the voxels take; 0 for images.
	Bytes int64
	// Transfer is how long the series took to come from its source; 0 where it was here, in memory or on the disk.
	Transfer time.Duration

	phases  *phases
	release func()
}

// NewSeries is a volume that is kept elsewhere; release is called once.
func NewSeries(v *volume.Volume, loaded render.Volume, info signaling.SeriesInfo, release func()) *Series {
	return &Series{Volume: v, Loaded: loaded, Info: info, Bytes: int64(v.Bytes()), release: sync.OnceFunc(release)}
}

// Whole is a series made of a result of a source, which it takes over and frees when it is released, or at an error.
func Whole(ctx context.Context, renderer render.Renderer, r *study.Result, source string) (*Series, error) {
	p, info := newPhases(renderer, r), Info(r, source)
	loaded, err := p.load(ctx, 0)
	if err != nil {
		p.free()
		return nil, err
	}
	return &Series{Volume: p.list[0].volume, Loaded: loaded, Info: info, phases: p, release: sync.OnceFunc(p.free)}, nil
}

// Release says that the series is not used any more. A second call does nothing.
func (s *Series) Release() { s.release() }

// TimePoint is the volume of a time point, from 0, as the renderer has it. One that is asked for the first time is made
// ready first. A preview has one for all.
func (s *Series) TimePoint(ctx context.Context, n int) (render.Volume, error) {
	if n == 0 || s.Coarse {
		return s.Loaded, nil
	}
	if s.phases == nil || n < 0 || n >= len(s.phases.list) {
		return nil, fmt.Errorf("time point %d was asked for, the series has %d", n+1, max(len(s.Info.TimePoints), 1))
	}
	return s.phases.load(ctx, n)
}

// phases are the time points of a series, one for a series without.
type phases struct {
	renderer render.Renderer

	mu   sync.Mutex // one is made ready at a time
	list []phase
}

type phase struct {
	volume *volume.Volume
	loaded render.Volume // nil until it is asked for
	label  string
	ms     float64
}

// newPhases takes the volumes of a result over.
func newPhases(renderer render.Renderer, r *study.Result) *phases {
	p := &phases{renderer: renderer}
	for _, ph := range r.Phases {
		p.list = append(p.list, phase{volume: ph.Volume, label: ph.Label, ms: ph.Ms})
	}
	if len(p.list) == 0 {
		p.list = []phase{{volume: r.Volume}}
	}
	return p
}

// load makes a time point ready.
func (p *phases) load(ctx context.Context, n int) (render.Volume, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ph := &p.list[n]
	if ph.loaded == nil {
		loaded, err := p.renderer.Load(ctx, ph.volume)
		if err != nil {
			return nil, err
		}
		ph.loaded = loaded
	}
	return ph.loaded, nil
}

func (p *phases) bytes() int64 {
	var n int64
	for i := range p.list {
		n += int64(p.list[i].volume.Bytes())
	}
	return n
}

// free wipes all of it. Nobody may use it any more.
func (p *phases) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.list {
		if p.list[i].loaded != nil {
			p.list[i].loaded.Release()
		}
		p.list[i].volume.Free()
	}
}

// coarse is a preview that several may be shown. Its users belong to the cache's lock.
type coarse struct {
	result *study.Result
	loaded render.Volume
	info   signaling.SeriesInfo
	bytes  int64
	users  int
}

// addPreview makes a coarse result ready and hands it to everyone who waits; it owns the result.
func (c *Cache) addPreview(ctx context.Context, e *entry, r *study.Result, info signaling.SeriesInfo) {
	loaded, err := c.cfg.Renderer.Load(ctx, r.Volume)
	if err != nil { // the whole volume will say why
		r.Free()
		return
	}
	e.previewing.Lock()
	defer e.previewing.Unlock()
	c.mu.Lock()
	c.replaceCoarse(e, &coarse{result: r, loaded: loaded, info: info, bytes: int64(r.Volume.Bytes()), users: 1})
	type delivery struct {
		to func(*Series)
		s  *Series
	}
	var out []delivery
	for _, w := range e.watch {
		if w.Preview != nil {
			out = append(out, delivery{w.Preview, c.preview(e)})
		}
	}
	c.mu.Unlock()
	for _, d := range out {
		d.to(d.s)
	}
}

// replaceCoarse puts another preview, or none, in the place of an entry's. The caller has the lock.
func (c *Cache) replaceCoarse(e *entry, next *coarse) {
	if e.coarse != nil {
		c.leaveCoarse(e.coarse)
	}
	e.coarse = next
	if next != nil {
		c.bytes += next.bytes
	}
}

// preview is an entry's preview for one more user, nil where there is none. The caller has the lock.
func (c *Cache) preview(e *entry) *Series {
	p := e.coarse
	if p == nil {
		return nil
	}
	p.users++
	return &Series{Volume: p.result.Volume, Loaded: p.loaded, Info: p.info, Coarse: true, release: sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leaveCoarse(p)
	})}
}

// leaveCoarse counts a user of a preview out. The caller has the lock.
func (c *Cache) leaveCoarse(p *coarse) {
	if p.users--; p.users == 0 {
		c.bytes -= p.bytes
		p.loaded.Release()
		p.result.Free()
	}
}
