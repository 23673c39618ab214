// Package cache keeps the volumes of an edge: a series is fetched once and shared by the sessions that show
// it, and stays until its memory is needed, least recently used first.
package cache

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// Config is what a cache needs.
type Config struct {
	// Renderer loads the volumes and must outlive the cache.
	Renderer render.Renderer
	// MaxBytes bounds the voxels in main memory. A series that does not fit beside those in use is refused.
	MaxBytes int64
	HTTP     *http.Client
	Logger   *slog.Logger
}

// Cache is the volumes of an edge. Its methods may be called from several goroutines.
type Cache struct {
	cfg  Config
	stop context.CancelFunc
	ctx  context.Context // ends every loading when the cache is closed

	mu      sync.Mutex
	entries map[string]*entry
	unused  *list.List      // of *entry, least recently used first
	leaving map[*entry]bool // still loading, though everyone has left
	bytes   int64           // of all volumes that are loaded or for which room was made
	loading sync.WaitGroup
}

// entry is a series in the cache. Its fields belong to the cache's lock, but for what never changes once
// ready is closed.
type entry struct {
	key    string
	users  int
	held   int64         // bytes of the cache's that it takes
	place  *list.Element // in unused, where nobody uses it
	cancel context.CancelFunc
	watch  map[int]func(signaling.Loading)
	nextID int
	last   signaling.Loading

	ready  chan struct{} // closed when the loading has ended
	err    error
	volume *volume.Volume
	loaded render.Volume
	info   signaling.SeriesInfo
}

// Series is a series that is ready to be rendered. Whoever opened it releases it.
type Series struct {
	Volume *volume.Volume
	Loaded render.Volume
	Info   signaling.SeriesInfo

	release func()
}

// Release says that the series is not used any more. A second call does nothing.
func (s *Series) Release() { s.release() }

// New returns an empty cache. The caller closes it.
func New(cfg Config) *Cache {
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{cfg: cfg, ctx: ctx, stop: stop, entries: map[string]*entry{}, unused: list.New(), leaving: map[*entry]bool{}}
}

// Open returns a series, from memory or from its source, and tells progress while it loads. Its errors are
// *signaling.Problem that say what is wrong with the series and what the user can do. When ctx ends it
// returns at once; the loading ends when nobody waits for it any more.
func (c *Cache) Open(ctx context.Context, from signaling.SourceAccess, ref signaling.SeriesRef,
	progress func(signaling.Loading)) (*Series, error) {
	key := fmt.Sprintf("%s %s %s", from.Name, ref.StudyInstanceUID, ref.SeriesInstanceUID)
	e, id := c.join(key, from, ref, progress)
	select {
	case <-e.ready:
	case <-ctx.Done():
		c.leave(e, id)
		return nil, ctx.Err()
	}
	if e.err != nil {
		c.leave(e, id)
		return nil, e.err
	}
	c.mu.Lock()
	delete(e.watch, id)
	c.mu.Unlock()
	return NewSeries(e.volume, e.loaded, e.info, func() { c.leave(e, id) }), nil
}

// join finds the entry of a key, or begins to load it, and counts its caller among the users.
func (c *Cache) join(key string, from signaling.SourceAccess, ref signaling.SeriesRef, progress func(signaling.Loading)) (*entry, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		ctx, cancel := context.WithCancel(c.ctx)
		e = &entry{key: key, cancel: cancel, watch: map[int]func(signaling.Loading){}, ready: make(chan struct{}),
			last: signaling.Loading{Stage: "asking"}}
		c.entries[key] = e
		c.loading.Go(func() {
			defer cancel()
			c.load(ctx, e, from, ref)
		})
	}
	if e.place != nil {
		c.unused.Remove(e.place)
		e.place = nil
	}
	e.users++
	e.nextID++
	e.watch[e.nextID] = progress
	progress(e.last)
	return e, e.nextID
}

// leave counts a user out. A series that nobody waits for is not loaded on; one that is loaded stays as long
// as there is room.
func (c *Cache) leave(e *entry, id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(e.watch, id)
	e.users--
	if e.users > 0 {
		return
	}
	select {
	case <-e.ready:
		if e.err == nil {
			e.place = c.unused.PushBack(e)
		}
	default:
		e.cancel()
		c.leaving[e] = true
		c.forget(e) // the next one to ask begins anew
	}
}

// tell passes progress to everyone who waits.
func (c *Cache) tell(e *entry, p signaling.Loading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.last = p
	for _, progress := range e.watch {
		progress(p)
	}
}

// progress is what was told last.
func (c *Cache) progress(e *entry) signaling.Loading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.last
}

// load brings an entry to its end: loaded, or with the reason why not.
func (c *Cache) load(ctx context.Context, e *entry, from signaling.SourceAccess, ref signaling.SeriesRef) {
	v, info, err := c.fetch(ctx, e, from, ref)
	var loaded render.Volume
	if err == nil {
		last := c.progress(e)
		last.Stage = "preparing"
		c.tell(e, last)
		if loaded, err = c.cfg.Renderer.Load(ctx, v); err != nil {
			v.Free()
			err = asProblem(err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(e.ready)
	delete(c.leaving, e)
	c.bytes -= e.held
	if err != nil {
		e.err = err
		c.forget(e)
		return
	}
	e.volume, e.loaded, e.info, e.held = v, loaded, info, int64(v.Bytes())
	c.bytes += e.held
	if c.entries[e.key] != e { // everyone has left meanwhile
		c.drop(e)
		e.err = context.Canceled
	}
}

// forget takes an entry out of the index. The caller has the lock.
func (c *Cache) forget(e *entry) {
	if c.entries[e.key] == e {
		delete(c.entries, e.key)
	}
}

// drop wipes a loaded volume that nobody uses. The caller has the lock.
func (c *Cache) drop(e *entry) {
	c.forget(e)
	if e.place != nil {
		c.unused.Remove(e.place)
		e.place = nil
	}
	c.bytes -= e.held
	e.loaded.Release()
	e.volume.Free()
}

// makeRoom drops unused volumes until an entry may hold need bytes instead of what it holds, or says that it may not.
// Room that loadings take which everyone has left is waited for.
func (c *Cache) makeRoom(ctx context.Context, e *entry, need int64) error {
	for {
		leaving, err := c.tryRoom(e, need)
		if leaving == nil {
			return err
		}
		select {
		case <-leaving.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryRoom is one attempt of makeRoom; it returns an entry that is about to give room back, where there is one.
func (c *Cache) tryRoom(e *entry, need int64) (leaving *entry, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes -= e.held
	e.held = 0
	for c.bytes+need > c.cfg.MaxBytes && c.unused.Len() > 0 {
		c.drop(c.unused.Front().Value.(*entry))
	}
	if c.bytes+need > c.cfg.MaxBytes {
		for other := range c.leaving {
			if other != e && other.held > 0 {
				return other, nil
			}
		}
		return nil, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The series is too large for this edge",
			Detail: fmt.Sprintf("It takes %.1f MiB of voxels; %.1f MiB of the %.1f MiB allowed are in use. Ask the operator for more (--volume-memory), or close other studies",
				mib(need), mib(c.bytes), mib(c.cfg.MaxBytes))}
	}
	e.held = need
	c.bytes += need
	return nil, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Close ends every loading, waits for it, and wipes all volumes. All series must have been released.
func (c *Cache) Close() {
	c.stop()
	c.loading.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unused.Len() > 0 {
		c.drop(c.unused.Front().Value.(*entry))
	}
}

// NewSeries is a series that is kept elsewhere; release is called once.
func NewSeries(v *volume.Volume, loaded render.Volume, info signaling.SeriesInfo, release func()) *Series {
	var once sync.Once
	return &Series{Volume: v, Loaded: loaded, Info: info, release: func() { once.Do(release) }}
}
