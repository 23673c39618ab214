// Package cache keeps the volumes of an edge: a series is fetched once and shared by the sessions that show
// it, and stays until its memory is needed, least recently used first. Where a folder is given, volumes stay there too,
// and are read from it instead of from their source.
//
// What is kept is known by the source, the series, the part of it, and a fingerprint of the source's listing: a series
// that has changed is loaded anew, and who may not list a series at its source does not get it from here.
package cache

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/signaling"
)

// Config is what a cache needs.
type Config struct {
	// Renderer loads the volumes and must outlive the cache.
	Renderer render.Renderer
	// MaxBytes bounds the voxels in main memory. A series that does not fit beside those in use is refused.
	MaxBytes int64
	// Dir is where volumes stay that were loaded, at most MaxDiskBytes of them; empty for none. The folder is made, for
	// this process's user alone, and belongs to one cache at a time.
	Dir          string
	MaxDiskBytes int64
	// PreviewAfter is how long a series may take before coarse volumes of it are handed out.
	PreviewAfter time.Duration
	Logger       *slog.Logger
}

// Cache is the volumes of an edge. Its methods may be called from several goroutines.
type Cache struct {
	cfg  Config
	log  *slog.Logger
	stop context.CancelFunc
	ctx  context.Context // ends every loading when the cache is closed
	disk *disk           // nil where there is none

	mu      sync.Mutex
	entries map[string]*entry // by their names
	unused  *list.List        // of *entry, least recently used first
	leaving map[*entry]bool   // still loading, though everyone has left
	bytes   int64             // of all volumes that are loaded or for which room was made
	loading sync.WaitGroup
}

// entry is a series in the cache. Its fields belong to the cache's lock, but for what never changes once
// ready is closed.
type entry struct {
	names  []string // by which it is found, see listing
	source string   // Request.Name
	owner  string   // Request.Owner
	users  int
	held   int64         // bytes of the cache's that it takes
	place  *list.Element // in unused, where nobody uses it
	cancel context.CancelFunc
	watch  map[int]Watch
	nextID int
	last   signaling.Loading
	coarse *coarse // what those who wait are shown meanwhile

	previewing sync.Mutex // previews are handed out in order; taken before the cache's lock

	ready  chan struct{} // closed when the loading has ended
	took   time.Duration // to come from its source; 0 from the disk
	err    error
	phases *phases
	info   signaling.SeriesInfo
}

// Watch follows a loading. Neither function may block, nor call the cache but to release a preview.
type Watch struct {
	Progress func(signaling.Loading)
	// Preview, where it is set, is given coarse volumes of the whole extent while the rest arrives, each finer than the
	// one before. Whoever is given one releases it. None comes after Open has returned.
	Preview func(*Series)
}

// New returns an empty cache, or one that finds what an earlier one left in its folder. The caller closes it.
func New(cfg Config) (*Cache, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{cfg: cfg, log: cfg.Logger, entries: map[string]*entry{}, unused: list.New(), leaving: map[*entry]bool{}}
	if cfg.Dir != "" {
		var err error
		if c.disk, err = openDisk(cfg.Dir, cfg.MaxDiskBytes, cfg.Logger); err != nil {
			return nil, err
		}
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Open returns a series, from memory, from the cache's folder or from its source, and tells progress while it loads.
// Where the series, or the part asked for, is no volume but has images, those come instead (Series.Images). Its errors are
// *signaling.Problem that say what is wrong with the series and what the user can do, in an *Others where the request named
// no series and the study has more. When ctx ends it
// returns at once; the loading ends when nobody waits for it any more.
func (c *Cache) Open(ctx context.Context, r Request, w Watch) (*Series, error) {
	if w.Progress == nil {
		w.Progress = func(signaling.Loading) {}
	}
	w.Progress(asking)
	l, err := c.ask(ctx, r)
	if err != nil {
		return nil, l.instead(asProblem(err))
	}
	e, id := c.join(l, w)
	came := false
	select {
	case <-e.ready: // it was here
	default:
		came = true
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		c.leave(e, id)
		e.previewing.Lock() // until one that is being handed out has been taken
		defer e.previewing.Unlock()
		return nil, ctx.Err()
	}
	if e.err != nil {
		c.leave(e, id)
		s, err := images(ctx, l, e.err)
		return s, l.instead(err)
	}
	c.mu.Lock()
	delete(e.watch, id)
	c.mu.Unlock()
	first := &e.phases.list[0]
	s := &Series{Volume: first.volume, Loaded: first.loaded, Info: e.info, Bytes: e.phases.bytes(), phases: e.phases,
		release: sync.OnceFunc(func() { c.leave(e, id) })}
	if came {
		s.Transfer = e.took
	}
	return s, nil
}

// Prefetch loads a series, which then stays as long as there is room.
func (c *Cache) Prefetch(ctx context.Context, r Request) error {
	s, err := c.Open(ctx, r, Watch{})
	if err == nil {
		s.Release()
	}
	return err
}

var asking = signaling.Loading{Stage: "asking"}

// join finds the entry of a listing, or begins to load it, and counts its caller among the users.
func (c *Cache) join(l *listing, w Watch) (*entry, int) {
	c.mu.Lock()
	e := c.entries[l.name]
	if e == nil {
		ctx, cancel := context.WithCancel(c.ctx)
		e = &entry{names: []string{l.name}, source: l.Name, owner: l.Owner, cancel: cancel, watch: map[int]Watch{},
			ready: make(chan struct{}), last: asking}
		c.entries[l.name] = e
		c.loading.Go(func() {
			defer cancel()
			c.load(ctx, e, l)
		})
	}
	if e.place != nil {
		c.unused.Remove(e.place)
		e.place = nil
	}
	e.users++
	e.nextID++
	id := e.nextID
	e.watch[id] = w
	w.Progress(e.last)
	c.mu.Unlock()

	if w.Preview != nil {
		e.previewing.Lock()
		defer e.previewing.Unlock()
		c.mu.Lock()
		s := c.preview(e)
		c.mu.Unlock()
		if s != nil {
			w.Preview(s)
		}
	}
	return e, id
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
		if e.err != nil {
			return
		}
		e.place = c.unused.PushBack(e)
		if c.entries[e.names[0]] != e { // a source that was forgotten meanwhile
			c.drop(e)
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
	p.Preview = e.coarse != nil
	e.last = p
	for _, w := range e.watch {
		w.Progress(p)
	}
}

// progress is what was told last.
func (c *Cache) progress(e *entry) signaling.Loading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.last
}

// load brings an entry to its end: loaded, or with the reason why not.
func (c *Cache) load(ctx context.Context, e *entry, l *listing) {
	p, info, err := c.fetch(ctx, e, l)
	if err == nil {
		last := c.progress(e)
		last.Stage = "preparing"
		c.tell(e, last)
		if _, err = p.load(ctx, 0); err != nil {
			p.free()
		}
	}
	c.finish(e, p, info, err)
	if err == nil && c.disk != nil && l.Owner == "" {
		c.store(e, l)
	}
}

// finish is the end of a loading.
func (c *Cache) finish(e *entry, p *phases, info signaling.SeriesInfo, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(e.ready)
	c.replaceCoarse(e, nil)
	delete(c.leaving, e)
	c.bytes -= e.held
	e.held = 0
	if err != nil {
		e.err = err
		c.forget(e)
		return
	}
	e.phases, e.info, e.held = p, info, p.bytes()
	c.bytes += e.held
	if c.entries[e.names[0]] != e { // everyone has left meanwhile
		c.drop(e)
		e.err = context.Canceled
		return
	}
	// The only part is the largest one and the first; the largest of several has a number too.
	same := []int{info.Series.Part}
	if len(info.Parts) == 0 {
		same = []int{0, 1}
	}
	for _, part := range same {
		if name := named(e.names[0], part); c.entries[name] == nil {
			e.names = append(e.names, name)
			c.entries[name] = e
		}
	}
}

// store keeps a loaded series on the disk, where it is not there already. It counts as a user meanwhile.
func (c *Cache) store(e *entry, l *listing) {
	if c.disk.has(l.name) {
		return
	}
	c.mu.Lock()
	if e.err != nil || c.entries[e.names[0]] != e && e.users == 0 {
		c.mu.Unlock()
		return
	}
	if e.place != nil {
		c.unused.Remove(e.place)
		e.place = nil
	}
	e.users++
	names := append([]string(nil), e.names...)
	c.mu.Unlock()
	defer c.leave(e, 0)
	if err := c.disk.write(c.ctx, names, l.volumeKey(), e.phases, e.info); err != nil && c.ctx.Err() == nil {
		c.log.Warn("volume not kept on the disk", "err", err)
	}
}

// forget takes an entry out of the index. The caller has the lock.
func (c *Cache) forget(e *entry) {
	for _, name := range e.names {
		if c.entries[name] == e {
			delete(c.entries, name)
		}
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
	e.held = 0
	e.phases.free()
}

// Forget wipes what an owner has and nobody uses; what is in use is wiped when it is not any more.
func (c *Cache) Forget(owner string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.unique() {
		switch {
		case e.owner != owner:
		case e.place != nil:
			c.drop(e)
		default:
			c.forget(e)
		}
	}
}

// unique are the entries in the index, each once. The caller has the lock.
func (c *Cache) unique() map[string]*entry {
	out := make(map[string]*entry, len(c.entries))
	for _, e := range c.entries {
		out[e.names[0]] = e
	}
	return out
}

// Reserve makes room for memory that is kept elsewhere, as for the files of an upload, or says that there is none.
func (c *Cache) Reserve(ctx context.Context, bytes int64) (release func(), err error) {
	e := &entry{}
	if err := c.makeRoom(ctx, e, bytes, "The files"); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bytes -= e.held
	}), nil
}

// makeRoom drops unused volumes until an entry may hold need bytes instead of what it holds, or says that it may not.
// Room that loadings take which everyone has left is waited for.
func (c *Cache) makeRoom(ctx context.Context, e *entry, need int64, what string) error {
	for {
		leaving, err := c.tryRoom(e, need, what)
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
func (c *Cache) tryRoom(e *entry, need int64, what string) (leaving *entry, err error) {
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
		return nil, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: what + " are too large for this edge",
			Detail: fmt.Sprintf("They take %.1f MiB; %.1f MiB of the %.1f MiB allowed are in use. Ask the operator for more (--volume-memory), or close other studies",
				mib(need), mib(c.bytes), mib(c.cfg.MaxBytes))}
	}
	e.held = need
	c.bytes += need
	return nil, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Volumes are the series that are here, in memory or on the disk, as signaling.VolumeKey names them, most recently used
// first, at most signaling.MaxVolumes.
func (c *Cache) Volumes() []string {
	var out []string
	seen := map[string]bool{}
	add := func(key string) {
		if key != "" && !seen[key] && len(out) < signaling.MaxVolumes {
			seen[key] = true
			out = append(out, key)
		}
	}
	c.mu.Lock()
	for _, e := range c.unique() {
		if e.place == nil && e.phases != nil && e.owner == "" {
			add(volumeKey(e.source, e.info.Series))
		}
	}
	for place := c.unused.Back(); place != nil; place = place.Prev() {
		if e := place.Value.(*entry); e.owner == "" {
			add(volumeKey(e.source, e.info.Series))
		}
	}
	c.mu.Unlock()
	if c.disk != nil {
		for _, key := range c.disk.volumes() {
			add(key)
		}
	}
	return out
}

// Close ends every loading, waits for it, and wipes all volumes in memory. All series must have been released.
func (c *Cache) Close() {
	c.stop()
	c.loading.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unused.Len() > 0 {
		c.drop(c.unused.Front().Value.(*entry))
	}
	if c.disk != nil {
		c.disk.close()
	}
}
