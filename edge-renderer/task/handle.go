package task

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// progressEvery is how often a task reports.
const progressEvery = 100 * time.Millisecond

// Choices are what a user who is asked may choose from.
var Choices = []signaling.Handling{signaling.HandlingResident, signaling.HandlingAllocate, signaling.HandlingDefer}

// Order is a compute task whose data has arrived.
type Order struct {
	ID        signaling.TaskID
	Request   *signaling.TaskRequest
	Operation Operation
	// Volume or Data is what the operation works on; they belong to the caller.
	Volume *volume.Volume
	Data   []byte
	// Allowance is what its workers may use, and is told what they do; nil: one worker. Tasks may share one.
	Allowance *Allowance
	// Choice brings the user's choice, after the event "choose".
	Choice <-chan signaling.Handling
	// Tell is told that the task waits (and why), that the user is asked, that it has started, and its progress. Calls do not
	// overlap; none comes after Do has returned.
	Tell func(signaling.Event)
	// Pause and Resume are those of operation.Work: a task that moves to another node (B8).
	Pause  <-chan struct{}
	Resume []byte
}

// Do handles a task as its type is handled at this moment (A9), and returns its result and the processor time that its
// workers spent. A cancelled context ends it between two parts of its work.
func (w *Workers) Do(ctx context.Context, o Order) (operation.Result, time.Duration, error) {
	tell := func(e signaling.Event) {
		e.TaskID = o.ID
		o.Tell(e)
	}
	mode, err := w.mode(ctx, o, tell)
	if err != nil {
		return operation.Result{}, 0, err
	}
	if o.Allowance == nil {
		o.Allowance = NewAllowance(0)
	}
	crew := w.resident
	switch mode {
	case signaling.HandlingAllocate:
		crew = o.Allowance.allocate()
		defer o.Allowance.dismiss(crew)
	case signaling.HandlingDefer:
		if err := w.postpone(ctx, tell); err != nil {
			return operation.Result{}, 0, err
		}
		fallthrough
	default:
		if err := w.turn(ctx, tell); err != nil {
			return operation.Result{}, 0, err
		}
		defer func() { <-w.turns }()
	}
	tell(signaling.Event{Type: signaling.EventTaskStarted, Handling: mode})
	var spent atomic.Int64
	progress := reporter{tell: tell}
	defer progress.close()
	result, err := o.Operation.Run(ctx, operation.Work{
		Volume: o.Volume, Data: o.Data, Parameters: o.Request.Parameters, Progress: progress.report,
		Pause: o.Pause, Resume: o.Resume,
		Parallel: func(n int, part func(i int)) error { return crew.parallel(ctx, o.Allowance, &spent, n, part) },
	})
	return result, time.Duration(spent.Load()), err
}

// allocated is the number of workers for an amount of processor time: at least one, and no more than there are processors.
func allocated(cpuMilli int64) int {
	return int(min(max((cpuMilli+999)/1000, 1), int64(runtime.GOMAXPROCS(0))))
}

// mode is how the task is handled. Where its type asks, that is the user's choice: the one that came with the request, or
// the one that is made now; without any, the type's default.
func (w *Workers) mode(ctx context.Context, o Order, tell func(signaling.Event)) (signaling.Handling, error) {
	mode := w.cfg.Handling(o.Request.Type)
	if !mode.Valid() { // nothing is configured for the type
		mode = signaling.DefaultHandling(o.Request.Type)
	}
	if mode != signaling.HandlingAsk {
		return mode, nil
	}
	if o.Request.Handling != "" {
		return o.Request.Handling, nil
	}
	tell(signaling.Event{Type: signaling.EventChoose, Choices: Choices})
	late := time.NewTimer(w.cfg.ChooseWithin)
	defer late.Stop()
	select {
	case mode = <-o.Choice:
		return mode, nil
	case <-late.C:
		return signaling.DefaultHandling(o.Request.Type), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// postpone waits until no session is in use, but not for ever.
func (w *Workers) postpone(ctx context.Context, tell func(signaling.Event)) error {
	if w.quiet.left(time.Now()) <= 0 {
		return nil
	}
	tell(signaling.Event{Type: signaling.EventTaskWaiting, Handling: signaling.HandlingDefer,
		Reason: fmt.Sprintf("It runs when the edge's pictures are not in use, in %v at the latest", w.cfg.DeferAtMost)})
	bounded, cancel := context.WithTimeout(ctx, w.cfg.DeferAtMost)
	defer cancel()
	if err := w.quiet.wait(bounded); err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	return nil
}

// turn waits for the resident workers.
func (w *Workers) turn(ctx context.Context, tell func(signaling.Event)) error {
	select {
	case w.turns <- struct{}{}:
		return nil
	default:
	}
	tell(signaling.Event{Type: signaling.EventTaskWaiting, Handling: signaling.HandlingResident,
		Reason: fmt.Sprintf("%d other tasks are being computed: it runs when one of them has ended", atATime)})
	select {
	case w.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reporter tells progress, now and then, one report at a time.
type reporter struct {
	tell func(signaling.Event)

	mu   sync.Mutex
	last time.Time
	over bool
}

func (r *reporter) report(share float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !r.over && now.Sub(r.last) >= progressEvery {
		r.last = now
		r.tell(signaling.Event{Type: signaling.EventTaskProgress, Progress: min(max(share, 0), 1)})
	}
}

// close ends the reports, also of parts that outlive their operation.
func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}
