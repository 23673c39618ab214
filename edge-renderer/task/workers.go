package task

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/signaling"
)

// Config is how an edge computes. A limit of zero takes its default.
type Config struct {
	// Resident is the number of resident workers; 0 stands for one less than there are processors, so that pictures go on.
	Resident int
	// Handling is how tasks of a type are handled; nil is signaling.DefaultHandling. It is asked when a task's data has
	// arrived.
	Handling func(signaling.TaskType) signaling.Handling
	// QuietFor is how long no session must have had input for a deferred task to run; 5 s.
	QuietFor time.Duration
	// DeferAtMost is when a deferred task runs in any case; 2 min.
	DeferAtMost time.Duration
	// ChooseWithin is how long a user who is asked how to handle a task may think about it; 1 min. After that the default
	// of the type is taken.
	ChooseWithin time.Duration
}

// atATime is how many tasks the resident workers compute at a time; the others wait for their turn.
const atATime = 2

// Workers compute an edge's tasks. Their methods may be called from several goroutines.
type Workers struct {
	cfg      Config
	resident *crew
	turns    chan struct{}
	quiet    quiet
}

// NewWorkers starts n resident workers; 0 stands for one less than there are processors. Everything else is the default.
func NewWorkers(n int) *Workers { return New(Config{Resident: n}) }

// New starts the resident workers. The caller calls Close.
func New(cfg Config) *Workers {
	if cfg.Resident <= 0 {
		cfg.Resident = max(runtime.GOMAXPROCS(0)-1, 1)
	}
	if cfg.Handling == nil {
		cfg.Handling = signaling.DefaultHandling
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&cfg.QuietFor, 5 * time.Second}, {&cfg.DeferAtMost, 2 * time.Minute}, {&cfg.ChooseWithin, time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return &Workers{cfg: cfg, resident: newCrew(cfg.Resident), turns: make(chan struct{}, atATime), quiet: quiet{span: cfg.QuietFor}}
}

// Touch says that a session has just had input from its user, for whose pictures deferred tasks make way.
func (w *Workers) Touch() { w.quiet.touch(time.Now()) }

// Close ends the resident workers and waits for them. No Do may be under way.
func (w *Workers) Close() { w.resident.close() }

// crew is some workers, each with a thread of its own.
type crew struct {
	parts   chan func()
	workers sync.WaitGroup
}

func newCrew(n int) *crew {
	c := &crew{parts: make(chan func())}
	for range n {
		c.workers.Go(func() {
			runtime.LockOSThread() // so that its processor time can be measured; the thread ends with the worker
			for part := range c.parts {
				part()
			}
		})
	}
	return c
}

func (c *crew) close() {
	close(c.parts)
	c.workers.Wait()
}

// parallel calls part for every number below n on the crew, adding its processor time to spent, and returns when all calls
// have returned. A cancelled context ends it between two parts.
func (c *crew) parallel(ctx context.Context, spent *atomic.Int64, n int, part func(i int)) error {
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for i := range n {
		waiting.Add(1)
		work := func() {
			defer waiting.Done()
			if ctx.Err() != nil {
				return
			}
			before := threadTime()
			part(i)
			spent.Add(int64(threadTime() - before))
		}
		select {
		case c.parts <- work:
		case <-ctx.Done():
			waiting.Done()
			return ctx.Err()
		}
	}
	waiting.Wait()
	return ctx.Err()
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
