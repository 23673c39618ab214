package task

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/edge-renderer/share"
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

// Allowance is what a task, or several that share it, may use of the processors, and what they have used. It may be changed
// while they run: resident workers give those who want more their shares by it, and a task with workers of its own goes on with
// as many as it allows. Its methods may be called from several goroutines.
type Allowance struct {
	client *share.Client
	spent  atomic.Int64 // nanoseconds

	mu    sync.Mutex
	milli int64
	crews map[*crew]bool // of the tasks that have workers of their own
}

// NewAllowance allows an amount of processor time, thousandths of a processor.
func NewAllowance(cpuMilli int64) *Allowance {
	return &Allowance{client: share.NewClient(cpuMilli), milli: cpuMilli, crews: map[*crew]bool{}}
}

// Set changes the amount. Parts of the tasks' work that are under way are not stopped.
func (a *Allowance) Set(cpuMilli int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.milli = cpuMilli
	a.client.SetWeight(cpuMilli)
	for c := range a.crews {
		c.resize(allocated(cpuMilli))
	}
}

// Spent is the processor time that the tasks' workers have spent.
func (a *Allowance) Spent() time.Duration { return time.Duration(a.spent.Load()) }

// allocate makes workers for one task, as many as are allowed at any time. The caller calls dismiss.
func (a *Allowance) allocate() *crew {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := newCrew(allocated(a.milli))
	a.crews[c] = true
	return c
}

func (a *Allowance) dismiss(c *crew) {
	a.mu.Lock()
	delete(a.crews, c)
	a.mu.Unlock()
	c.close()
}

// crew is some workers, each with a thread of its own.
type crew struct {
	line    *share.Line
	workers sync.WaitGroup

	mu   sync.Mutex
	made int // workers; where there are more than may work at a time, the others wait
}

func newCrew(n int) *crew {
	c := &crew{line: share.NewLine(n)}
	c.resize(n)
	return c
}

// resize changes how many work at a time, from their next parts on.
func (c *crew) resize(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; c.made < n; c.made++ {
		c.workers.Go(func() {
			runtime.LockOSThread() // so that its processor time can be measured; the thread ends with the worker
			for c.line.Work() {
			}
		})
	}
	c.line.Resize(n)
}

func (c *crew) close() {
	c.line.Close()
	c.workers.Wait()
}

// parallel calls part for every number below n on the crew, adding its processor time to spent and to the allowance's, and
// returns when all calls have returned. A cancelled context ends it between two parts.
func (c *crew) parallel(ctx context.Context, a *Allowance, spent *atomic.Int64, n int, part func(i int)) error {
	if n <= 0 {
		return ctx.Err()
	}
	var next atomic.Int64
	return c.line.Do(ctx, share.Job{Client: a.client, Width: n, Step: func() (more bool, err error) {
		i := int(next.Add(1)) - 1
		if i >= n {
			return false, nil
		}
		before := threadTime()
		part(i)
		took := int64(threadTime() - before)
		spent.Add(took)
		a.spent.Add(took)
		return i+1 < n, nil
	}})
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
