package compute

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/seat"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// farewell is how long a task lives on so that its terminal hears why it ends.
	farewell = 200 * time.Millisecond
	// collectWithin is how long a terminal that is connected may take to say that it has its result, where the instruction
	// sets no idle time.
	collectWithin = time.Minute
)

// errDone ends a task whose result its terminal has.
var errDone = fmt.Errorf("%w: it has the result", ending.ErrFinished)

// loop owns everything of a task. All of its methods run on its goroutine.
type loop struct {
	job     *Job
	helpers sync.WaitGroup // goroutines that the loop started and waits for

	seat      seat.Seat
	conn      *conn // of the present connection
	connected bool

	operation task.Operation
	input     *input        // nil for a task on a series of a source
	whole     bool          // the input has come
	series    *cache.Series // once it is open
	ready     bool          // what the operation works on is there
	begun     bool          // it is being computed, or was
	cancelled bool          // by the terminal
	cancel    context.CancelFunc
	choice    chan signaling.Handling
	news      *signaling.Event // what the terminal was told last of the task
	outcome   *outcome         // nil until it has been computed
	sending   bool             // the result is on its way
	delivered *conn            // that the result went over, nil before
	moving

	// Instants on the task's clock.
	touched, lost, endAt, started time.Duration
	ending                        error // why the task ends at endAt
	failed                        *signaling.Problem
	state                         signaling.TaskState
	usage                         signaling.Usage
}

func newLoop(j *Job) *loop {
	i := &j.cfg.Instruction
	return &loop{job: j, state: signaling.TaskReserved, choice: make(chan signaling.Handling, 1), cancel: func() {},
		moving: moving{arriving: i.Shadow && i.Moves, ran: i.Ran, room: func() {}}}
}

func (l *loop) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := l.prepare(ctx); err != nil {
		l.fail(ending.Problem(err))
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.proceed(ctx)
		l.keepAccounts()
		wait, err := l.expires(l.job.clock())
		if err != nil {
			cancel(err)
			break
		}
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
		case e := <-l.job.events:
			l.take(ctx, e)
		case <-timer.C:
		}
	}
	l.end(context.Cause(ctx))
}

// prepare finds the operation and makes ready what it works on, before the terminal is there (A6).
func (l *loop) prepare(ctx context.Context) error {
	r := &l.job.cfg.Instruction.Request
	var err error
	if l.operation, err = task.Lookup(r.Type, r.Operation); err != nil {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here", Detail: err.Error()}
	}
	switch {
	case r.Input != nil:
		l.input, err = newInput(ctx, l.job.cfg.Volumes, l.job.cfg.Instruction.Task, *r.Input)
		return err
	case l.operation.Data:
		return refuse("input is missing: %s works on data that the terminal sends", r.Operation)
	case r.Series == nil || l.job.cfg.Instruction.Source == nil:
		return refuse("series is missing: %s works on one, or on a file that the terminal sends as its input", r.Operation)
	}
	return l.open(ctx)
}

// arrive takes the input that has come whole: an operation on a series has its volume made of it.
func (l *loop) arrive(ctx context.Context, took time.Duration) {
	l.whole, l.touched = true, l.job.clock()
	l.moved(l.input.announced.Bytes, took)
	if l.operation.Data {
		l.ready = true
		return
	}
	data, most := l.input.data, l.job.cfg.Instruction.Resources.MemoryMB<<20
	l.helpers.Go(func() {
		r, err := read(ctx, data, most)
		if err != nil {
			l.tell(ctx, eventOpened{err: err})
			return
		}
		series := cache.NewSeries(r.Volume, nil, signaling.SeriesInfo{}, r.Free)
		select {
		case l.job.events <- eventOpened{series: series}:
		case <-ctx.Done():
			series.Release()
		}
	})
}

// moved notes how much data came and how long it took.
func (l *loop) moved(bytes int64, took time.Duration) {
	l.usage.DataMB, l.usage.TransferMs = float64(bytes)/(1<<20), float64(took)/float64(time.Millisecond)
}

// open begins to load the series.
func (l *loop) open(ctx context.Context) error {
	i := &l.job.cfg.Instruction
	from, err := l.job.cfg.Sources(*i.Source)
	if err != nil {
		return err
	}
	request := cache.Request{Ref: *i.Request.Series, From: from, Name: i.Source.Name}
	began := time.Now()
	l.helpers.Go(func() {
		series, err := l.job.cfg.Volumes.Open(ctx, request, cache.Watch{Progress: func(p signaling.Loading) {
			select {
			case l.job.events <- eventLoading{p}:
			default: // the next one says more
			}
		}})
		select {
		case l.job.events <- eventOpened{series, err, time.Since(began)}:
		case <-ctx.Done():
			if series != nil {
				series.Release()
			}
		}
	})
	return nil
}

// proceed does what is due: computing once the terminal has come and the data is there, sending once there is a result.
func (l *loop) proceed(ctx context.Context) {
	l.land()
	if l.paused && l.job.clock()-l.since >= pausedAtMost {
		l.job.log.Warn("nobody says what becomes of a paused task: it goes on")
		l.goOn()
	}
	if l.ready && !l.begun && l.goes() && l.failed == nil {
		l.begun = true
		l.compute(ctx)
	}
	if l.outcome != nil && l.connected && !l.sending && l.delivered != l.conn {
		l.deliver(ctx)
	}
}

// compute hands the task to the workers.
func (l *loop) compute(ctx context.Context) {
	i := &l.job.cfg.Instruction
	request := i.Request
	if l.handling != "" { // the user is not asked twice
		request.Handling = l.handling
	}
	pause := make(chan struct{})
	l.pause, l.runs = pause, false
	order := task.Order{ID: i.Task, Request: &request, Operation: l.operation, Allowance: l.job.account.workers, Choice: l.choice,
		Pause: pause, Resume: l.resume,
		Tell: func(e signaling.Event) { l.tell(ctx, eventTask{e}) }}
	if l.operation.Data {
		order.Data = l.input.data
	} else {
		order.Volume = l.series.Volume
	}
	running, cancel := context.WithCancel(ctx)
	l.cancel = cancel
	l.helpers.Go(func() {
		defer cancel()
		result, spent, err := l.job.cfg.Workers.Do(running, order)
		l.tell(ctx, eventComputed{outcome{result, err}, spent})
	})
}

// tell passes an event to the loop, which may have ended.
func (l *loop) tell(ctx context.Context, e event) {
	select {
	case l.job.events <- e:
	case <-ctx.Done():
	}
}

// outcome is what became of the operation.
type outcome struct {
	result operation.Result
	err    error
}

// deliver sends the terminal its result, or says why there is none.
func (l *loop) deliver(ctx context.Context) {
	id, to := l.job.cfg.Instruction.Task, l.conn
	if l.outcome.err != nil {
		p := ending.Problem(l.outcome.err)
		l.delivered = to
		l.event(signaling.Event{Type: signaling.EventTaskDone, TaskID: id, Problem: p})
		l.endSoon(l.outcome.err)
		return
	}
	l.sending = true
	rtc, result := l.seat.RTC, l.outcome.result
	l.helpers.Go(func() {
		err := rtc.SendBulk(ctx, signaling.BulkHeader{Transfer: resultTransfer, Task: id, Format: result.Format}, result.Data)
		l.tell(ctx, eventDelivered{to, err})
	})
}

// resultTransfer is the number of the one transfer that the edge sends.
const resultTransfer = 1

// expires ends a task that nobody waits for any more, and says how long until that may be.
func (l *loop) expires(now time.Duration) (time.Duration, error) {
	i := &l.job.cfg.Instruction
	left := func(since time.Duration, limitMs int64) time.Duration {
		if limitMs <= 0 {
			return time.Minute
		}
		return since + time.Duration(limitMs)*time.Millisecond - now
	}
	switch {
	case l.ending != nil:
		if now >= l.endAt {
			return 0, l.ending
		}
		return l.endAt - now, nil
	case l.arriving: // the broker knows how long it is waited for
		if l.failed != nil {
			return 0, l.failed
		}
	case l.state == signaling.TaskReserved:
		wait := left(l.awaited, i.WaitMs)
		if wait <= 0 && l.failed != nil {
			return 0, l.failed
		} else if wait <= 0 {
			return 0, fmt.Errorf("%w: the terminal did not come within %v", ending.ErrExpired, time.Duration(i.WaitMs)*time.Millisecond)
		}
		return wait, nil
	case !l.connected:
		wait := left(l.lost, i.GraceMs)
		switch {
		case wait > 0:
			return wait, nil
		case l.failed != nil:
			return 0, l.failed
		case l.delivered != nil:
			return 0, errDone
		}
		return 0, fmt.Errorf("%w: the terminal was gone for %v", ending.ErrExpired, time.Duration(i.GraceMs)*time.Millisecond)
	case l.delivered != nil:
		wait := left(l.touched, max(i.IdleMs, collectWithin.Milliseconds()))
		if wait <= 0 {
			return 0, errDone
		}
		return wait, nil
	case l.input != nil && !l.whole:
		wait := left(l.touched, i.IdleMs)
		if wait <= 0 {
			return 0, fmt.Errorf("%w: no data came for %v", ending.ErrExpired, time.Duration(i.IdleMs)*time.Millisecond)
		}
		return wait, nil
	}
	return time.Minute, nil
}

// fail ends the task after the terminal has had time to hear why; one that is not there yet hears it when it comes.
func (l *loop) fail(p *signaling.Problem) {
	if l.failed == nil {
		l.failed = p
	}
	l.tellFailure()
}

func (l *loop) tellFailure() {
	if l.failed == nil || !l.connected || l.ending != nil {
		return
	}
	l.event(signaling.Event{Type: signaling.EventTaskDone, TaskID: l.job.cfg.Instruction.Task, Problem: l.failed})
	l.endSoon(l.failed)
}

// endSoon ends the task when what was just sent has had time to arrive.
// One that ends well where it has just arrived waits for the broker, which must not hear of the end of a place that it does
// not know yet.
func (l *loop) endSoon(cause error) {
	after := farewell
	if l.arriving && errors.Is(cause, ending.ErrFinished) {
		after = promoteWithin
	}
	l.ending, l.endAt = cause, l.job.clock()+after
}

// end releases everything, and says what became of the task.
func (l *loop) end(cause error) {
	l.cancel()
	if l.connected && l.ending == nil { // it has not been told why
		why := ending.Problem(cause)
		if l.arriving && l.failed == nil {
			why = ending.NotMoved
		}
		l.event(signaling.Event{Type: signaling.EventEnding, Problem: why})
		<-time.After(farewell)
	}
	l.Leave(cause)
	l.helpers.Wait()
	for len(l.job.events) > 0 { // what came while the task ended
		switch e := (<-l.job.events).(type) {
		case eventOpened:
			if e.series != nil {
				e.series.Release()
			}
		case eventMove:
			e.told(errLeft)
		case eventCheckpoint:
			e.release()
		}
	}
	l.room()
	if l.series != nil {
		l.series.Release()
	}
	if l.input != nil {
		l.input.close()
	}
	state, reason := ending.Outcome(cause)
	if errors.Is(cause, context.Canceled) { // as its terminal asked
		state, reason = signaling.TaskFinished, "cancelled by the terminal"
	}
	l.job.log.Info("compute task ended", "state", state, "reason", reason, "operation", l.job.cfg.Instruction.Request.Operation)
	l.report(state, reason)
}

func (l *loop) report(state signaling.TaskState, reason string) {
	l.state = state
	u := signaling.Update{Task: l.job.cfg.Instruction.Task, Attempt: l.job.cfg.Instruction.Attempt.ID, State: state, Reason: reason}
	if state.Ended() {
		used := l.used()
		u.Usage = &used
	}
	l.job.cfg.Changed(u)
}

func refuse(format string, args ...any) error {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task cannot be done", Detail: fmt.Sprintf(format, args...)}
}
