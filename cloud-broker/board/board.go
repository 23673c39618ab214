// Package board shows what all brokers of a pool do at each of them (B9): operators reach several behind one address, and see
// the same whichever answers.
//
// Each broker tells the pool what it has under way, when that has changed and at most once a second, beside the work and never
// on its path; what it has told counts for seconds, so that it goes with a broker that dies. Of what has ended the pool keeps
// the last. Where Redis does not answer, a broker shows what it knows itself.
package board

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
)

const (
	// apart is the least time between two words to the pool, again after which what is under way is told again though it is
	// the same, and counts for how long it is believed.
	apart  = time.Second
	again  = 3 * time.Second
	counts = 8 * time.Second
	// within bounds one question to the pool, leaving the last one.
	within  = 2 * time.Second
	leaving = 500 * time.Millisecond
	// maxUnderWay is of how many things of a broker the others are told, those that began first.
	maxUnderWay = 1000
)

// Entry is what identifies a thing, and when it was.
type Entry struct {
	Key   string    // the same while it is under way and when it has ended, and no other thing's
	Began time.Time // those under way are in this order
	Ended time.Time // zero while it is under way
}

// Config is what a Board needs.
type Config[T any] struct {
	Pool     *pool.Pool
	About    string // names the kind of thing in the pool
	Broker   string // names this broker, anew at each start
	Of       func(T) Entry
	UnderWay func() []T // what this broker has under way. It is called often, and must not block
	Log      *slog.Logger
}

// Board is one broker's part in showing things of type T, which is written as JSON.
type Board[T any] struct {
	Config[T]
	wake chan struct{}

	mu     sync.Mutex
	ended  []T // at this broker, the last one last
	untold int // of them, at the end
}

// New returns a Board, which tells others while Run runs.
func New[T any](c Config[T]) *Board[T] {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Board[T]{Config: c, wake: make(chan struct{}, 1)}
}

// Report takes something that has ended. Changed has the others hear of it.
func (b *Board[T]) Report(t T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = append(b.ended, t)
	if over := len(b.ended) - pool.MaxReports; over > 0 {
		b.ended = slices.Delete(b.ended, 0, over)
	}
	b.untold = min(b.untold+1, len(b.ended))
}

// Changed says that what is under way or has ended may be another than before. It does not block.
func (b *Board[T]) Changed() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Here is what this broker knows itself: what it has under way, the first begun first, and what has ended, the last one first.
func (b *Board[T]) Here() (underWay, ended []T) {
	return b.merge(b.UnderWay(), b.endedHere())
}

// All is what all brokers have under way and what has ended lately, like Here; where the pool does not answer it is Here.
func (b *Board[T]) All(ctx context.Context) (underWay, ended []T) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	told, reports, err := b.Pool.Told(ctx, b.About)
	if err != nil {
		b.Log.Warn("what other brokers do is not known: only this one's part is shown", "error", err)
		return b.Here()
	}
	underWay, ended = b.UnderWay(), b.endedHere()
	for broker, text := range told {
		var theirs []T
		if broker != b.Broker && b.read(text, &theirs) {
			underWay = append(underWay, theirs...)
		}
	}
	for _, text := range reports {
		var t T
		if b.read(text, &t) {
			ended = append(ended, t)
		}
	}
	return b.merge(underWay, ended)
}

// read says whether this broker can read what one, perhaps of another version, has told.
func (b *Board[T]) read(text string, into any) bool {
	err := json.Unmarshal([]byte(text), into)
	if err != nil {
		b.Log.Warn("what another broker has told cannot be read", "about", b.About, "error", err)
	}
	return err == nil
}

// merge puts things in order, each once. What has ended is not under way any more, whoever has told so.
func (b *Board[T]) merge(underWay, ended []T) ([]T, []T) {
	seen := make(map[string]bool, len(underWay)+len(ended))
	once := func(t T) bool {
		key := b.Of(t).Key
		defer func() { seen[key] = true }()
		return seen[key]
	}
	ended = slices.DeleteFunc(ended, once)
	underWay = slices.DeleteFunc(slices.Clone(underWay), once)
	slices.SortFunc(underWay, func(x, y T) int {
		a, c := b.Of(x), b.Of(y)
		return cmp.Or(a.Began.Compare(c.Began), cmp.Compare(a.Key, c.Key))
	})
	slices.SortFunc(ended, func(x, y T) int {
		a, c := b.Of(x), b.Of(y)
		return cmp.Or(c.Ended.Compare(a.Ended), cmp.Compare(a.Key, c.Key))
	})
	return underWay, ended[:min(len(ended), pool.MaxReports)]
}

func (b *Board[T]) endedHere() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ended)
}

// Run tells the pool until ctx ends, and then that this broker has nothing under way any more.
func (b *Board[T]) Run(ctx context.Context) error {
	var last told
	defer func() { b.leave(ctx, last) }()
	timer := time.NewTimer(again)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
			timer.Reset(time.Until(last.tried.Add(apart)))
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		case <-timer.C:
		}
		b.tell(ctx, &last)
		timer.Reset(again)
	}
}

// told is what the pool was told last.
type told struct {
	underWay []byte // empty for nothing
	tried    time.Time
}

// tell tells the pool what is under way, where that has changed or what was told will not count for long, and what has ended.
func (b *Board[T]) tell(ctx context.Context, last *told) {
	now, _ := b.merge(b.UnderWay(), nil)
	underWay := b.text(now)
	b.mu.Lock()
	n := b.untold
	untold := slices.Clone(b.ended[len(b.ended)-n:])
	b.untold = 0
	b.mu.Unlock()
	if n == 0 && len(underWay) == 0 && len(last.underWay) == 0 {
		return
	}
	if n == 0 && bytes.Equal(underWay, last.underWay) && time.Since(last.tried) < again-apart/2 {
		return
	}
	var reports [][]byte
	for _, t := range untold {
		if text, err := json.Marshal(t); err == nil && len(text) <= pool.MaxReport { // else only this broker has it
			reports = append(reports, text)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	last.tried = time.Now()
	err := b.Pool.Tell(ctx, b.About, b.Broker, underWay, reports, counts)
	if err == nil {
		last.underWay = underWay
		return
	}
	b.Log.Debug("other brokers are not told yet", "error", err)
	last.underWay = []byte{' '} // what the pool has is not known
	b.mu.Lock()
	b.untold = min(b.untold+n, len(b.ended))
	b.mu.Unlock()
	b.Changed()
}

// text is what is under way as JSON, as much of it as others are told.
func (b *Board[T]) text(now []T) []byte {
	for n := min(len(now), maxUnderWay); n > 0; n /= 2 {
		if text, err := json.Marshal(now[:n]); err == nil && len(text) <= pool.MaxUnderWay {
			return text
		}
	}
	return nil
}

// leave takes what this broker has under way from the others' lists at once; else it goes by itself.
func (b *Board[T]) leave(ctx context.Context, last told) {
	if len(last.underWay) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	if err := b.Pool.Tell(ctx, b.About, b.Broker, nil, nil, counts); err != nil {
		b.Log.Debug("other brokers are not told that this one stops", "error", err)
	}
}
