// Package thumbnail keeps the small pictures of series that edges made, so that a list that is looked at again troubles
// no edge. They are kept in memory only, within bounds.
package thumbnail

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxBytes bounds the pictures that are kept; a usual one has about 5 KiB.
	maxBytes = 64 << 20
	// keepFor is how long a picture is shown before it is made anew: a series may grow.
	keepFor = time.Hour
	// keepRefusal is how long a series that has no picture is not asked for again.
	keepRefusal = time.Minute
	// overhead is what an entry takes beside its picture, about.
	overhead = 512
	// maxFlights bounds the pictures that are being made or wait to be.
	maxFlights = 256
	// makeWithin bounds how long one may take, with its wait for an edge.
	makeWithin = 45 * time.Second
)

// Picture is a thumbnail as it is sent.
type Picture struct {
	signaling.Thumbnail
	// Tag is an entity tag (RFC 9110 section 8.8.3) of the bytes.
	Tag string
}

// Make makes a picture. An error that is a *signaling.Problem and says something of the series itself is kept for a
// while too.
type Make func(ctx context.Context) (signaling.Thumbnail, error)

// ErrBusy says that too many pictures are being made.
var ErrBusy = errors.New("too many thumbnails are being made")

// Cache keeps pictures by key. It is safe for concurrent use.
type Cache struct {
	now  func() time.Time
	ctx  context.Context
	stop context.CancelFunc
	wait sync.WaitGroup

	mu      sync.Mutex
	bytes   int
	recent  *list.List // of *entry, the most recently used first
	entries map[string]*list.Element
	flights map[string]*flight
}

// entry is a picture, or why there is none.
type entry struct {
	key     string
	picture Picture
	err     error
	until   time.Time
}

func (e *entry) size() int { return len(e.picture.Data) + len(e.key) + overhead }

// flight is a picture that is being made for everyone who waits for it.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // guarded by the cache's lock
	picture Picture
	err     error
}

// NewCache returns an empty cache. The caller calls Close.
func NewCache() *Cache {
	c := &Cache{now: time.Now, recent: list.New(), entries: map[string]*list.Element{}, flights: map[string]*flight{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends what is being made, waits for it and forgets all pictures.
func (c *Cache) Close() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.wait.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.Init()
	clear(c.entries)
	c.bytes = 0
}

// Get is the picture of key, which is made where it is not there: once, however many ask at the same time, and only as
// long as somebody waits for it.
func (c *Cache) Get(ctx context.Context, key string, mk Make) (Picture, error) {
	c.mu.Lock()
	if e := c.find(key); e != nil {
		c.mu.Unlock()
		return e.picture, e.err
	}
	f := c.flights[key]
	if f == nil {
		if c.ctx.Err() != nil || len(c.flights) >= maxFlights {
			c.mu.Unlock()
			return Picture{}, ErrBusy
		}
		f = c.start(key, mk)
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.picture, f.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		if c.flights[key] == f { // who comes now does not get the cancelled one
			delete(c.flights, key)
		}
	}
	return Picture{}, ctx.Err()
}

// start makes a picture in the background; the lock is held.
func (c *Cache) start(key string, mk Make) *flight {
	ctx, cancel := context.WithTimeout(c.ctx, makeWithin)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[key] = f
	c.wait.Go(func() {
		defer cancel()
		made, err := mk(ctx)
		if err == nil {
			sum := sha256.Sum256(made.Data)
			f.picture = Picture{Thumbnail: made, Tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		}
		f.err = err
		c.mu.Lock()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
		c.keep(key, f)
		c.mu.Unlock()
		close(f.done)
	})
	return f
}

// find is the entry of key where it still holds; the lock is held.
func (c *Cache) find(key string) *entry {
	at := c.entries[key]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if c.now().After(e.until) {
		c.drop(at)
		return nil
	}
	c.recent.MoveToFront(at)
	return e
}

// keep keeps what was made, and lets go of what was used least recently; the lock is held.
func (c *Cache) keep(key string, f *flight) {
	e := &entry{key: key, picture: f.picture, err: f.err, until: c.now().Add(keepFor)}
	if f.err != nil {
		if !lasting(f.err) {
			return
		}
		e.until = c.now().Add(keepRefusal)
	}
	if at := c.entries[key]; at != nil {
		c.drop(at)
	}
	c.entries[key] = c.recent.PushFront(e)
	c.bytes += e.size()
	for c.bytes > maxBytes && c.recent.Len() > 1 {
		c.drop(c.recent.Back())
	}
}

func (c *Cache) drop(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.bytes -= e.size()
}

// lasting says whether an error is about the series and not about the moment.
func lasting(err error) bool {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Code {
	case signaling.ProblemNotFound, signaling.ProblemNotAVolume, signaling.ProblemUnreadable, signaling.ProblemTooLarge:
		return true
	}
	return false
}
