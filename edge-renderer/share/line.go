package share

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// ErrClosed is returned for work that a line has not begun when it is closed.
var ErrClosed = errors.New("the line is closed")

// Line is a device, or several workers that are one, and who waits for it. Its methods may be called from several goroutines.
// Who waits in it is a goroutine in Do, so that there are never more than those.
type Line struct {
	own *Client // who comes without one

	mu      sync.Mutex
	changed sync.Cond
	queue   Queue
	workers int // that may work at a time
	running int
	closed  bool
	waiting map[*Task]*order
}

// Job is work for a line.
type Job struct {
	Client   *Client // nil: the line's own
	Priority Priority
	// Width is how many of its steps may be under way at a time; 0 is 1.
	Width int
	// Step does a few milliseconds of work and says whether there is more.
	Step func() (more bool, err error)
}

// order is a job in a line. Its error is written before done is closed, under the line's lock.
type order struct {
	Task
	step func() (bool, error)
	err  error
	done chan struct{}
}

// ownWeight is that of the work that is nobody's, such as loading what several look at.
const ownWeight = 250

// NewLine is a line in which so many work at a time; they do so by Work.
func NewLine(workers int) *Line {
	l := &Line{own: NewClient(ownWeight), workers: max(workers, 1), waiting: map[*Task]*order{}}
	l.changed.L = &l.mu
	return l
}

// Do has a job done and returns the first error of its steps. When ctx ends no further step begins, and those that are under
// way are waited for.
func (l *Line) Do(ctx context.Context, j Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := &order{Task: Task{Client: j.Client, Priority: min(j.Priority, Background), Width: max(j.Width, 1)}, step: j.Step, done: make(chan struct{})}
	if o.Client == nil {
		o.Client = l.own
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.waiting[&o.Task] = o
	l.queue.Add(&o.Task)
	if o.Width > 1 {
		l.changed.Broadcast()
	} else {
		l.changed.Signal()
	}
	l.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.stop(o, ctx.Err())
	l.mu.Unlock()
	<-o.done
	return o.err
}

// stop begins no further step of an order, for a reason. The caller has the lock.
func (l *Line) stop(o *order, why error) {
	if l.waiting[&o.Task] == nil { // it has just ended
		return
	}
	if o.err == nil {
		o.err = why
	}
	if l.queue.Cancel(&o.Task) {
		l.end(o)
	}
}

func (l *Line) end(o *order) {
	delete(l.waiting, &o.Task)
	close(o.done)
}

// Work does one step, once there is one and its worker's turn, and says whether the worker should come again: not once the line
// is closed.
func (l *Line) Work() bool {
	l.mu.Lock()
	for !l.closed && (l.running >= l.workers || !l.queue.Waits()) {
		l.changed.Wait()
	}
	if l.closed {
		l.mu.Unlock()
		return false
	}
	s, _ := l.queue.Next()
	o := l.waiting[s.Task]
	l.running++
	device := time.Duration(l.workers)
	l.mu.Unlock()
	began := time.Now()
	more, err := o.step()
	took := time.Since(began) / device
	o.Client.used.Add(int64(took))
	l.mu.Lock()
	l.running--
	if err != nil && o.err == nil {
		o.err = err
	}
	ended := l.queue.Done(s, took, more && err == nil)
	if ended {
		l.end(o)
	}
	again := !l.closed
	l.mu.Unlock()
	if ended {
		runtime.Gosched() // who waited for it goes on now, and perhaps wants more, not when a busy worker is preempted
	}
	return again
}

// Resize changes how many may work at a time. Steps that are under way go on.
func (l *Line) Resize(workers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.workers = max(workers, 1)
	l.changed.Broadcast()
}

// Waiting is the number of jobs that wait or are under way.
func (l *Line) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// Close ends the line after the steps that are under way: jobs that are not done return ErrClosed, and Work false.
func (l *Line) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, o := range l.waiting {
		l.stop(o, ErrClosed)
	}
	l.changed.Broadcast()
}
