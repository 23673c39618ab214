package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// presenceEvery is how often a followed task's place in the queue is renewed; the pool keeps it for several times that.
	presenceEvery = 4 * time.Second
	// tellEvery is how often a terminal is told its place at most, placingLook how often a task that another broker is
	// placing is looked at.
	tellEvery   = time.Second
	placingLook = 100 * time.Millisecond
	// placeWithin bounds how long one turn may take.
	placeWithin = (maxTries + 1) * confirmWithin
	// waitStep is how much an expected wait must have changed to be told.
	waitStep = 10 * time.Second
)

// Follow tells a task's creator what becomes of it while it waits: tell is called with a signaling.Pending at the
// beginning and whenever its place in the queue changes, and at last with the signaling.Grant, or with the
// signaling.Problem that says why it gets none. While it is followed, the task keeps its place in the queue, and this
// broker places it when it is its turn. It can be followed at any broker. An error is a *signaling.Problem where the task
// cannot be followed, ctx's, or tell's.
func (d *Dispatcher) Follow(ctx context.Context, who Terminal, task signaling.TaskID, tell func(signaling.TaskEvent, any) error) error {
	t, err := d.own(ctx, who.Principal, task)
	if err != nil {
		return err
	}
	j := job{id: t.ID, creator: t.Creator, request: t.Request, where: d.locate(who, &t.Request), since: t.CreatedAt, misses: t.Misses,
		said: pool.Said{Forecast: t.Forecast}}
	if t.StartedAt != nil { // it has lost its place
		j.since = time.Now()
	}
	if first, ok := d.forwards.of(task, time.Now()); ok {
		j.exclude = []signaling.NodeID{first}
	}
	f, err := d.queue.join(j)
	if err != nil {
		return err
	}
	defer d.queue.leave(f)
	d.queue.back(f, j.exclude, time.Now())
	w := watch{d: d, f: f, who: who, tell: tell}
	return w.run(ctx)
}

// watch is one terminal that follows its task.
type watch struct {
	d    *Dispatcher
	f    *follower
	who  Terminal
	tell func(signaling.TaskEvent, any) error

	told    *signaling.Pending
	renewed time.Time // when its place was renewed last
	waited  bool      // it was seen in the queue
}

// errDone says that the terminal was told the last thing.
var errDone = errors.New("done")

func (w *watch) run(ctx context.Context) error {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case exclude := <-w.f.turn:
			if err := w.take(ctx, exclude); err != nil {
				return last(err)
			}
		case <-w.f.poke:
			if since := time.Since(w.renewed); since < tellEvery && !w.f.gone.Load() {
				next.Reset(tellEvery - since)
				continue
			}
		case <-next.C:
		}
		w.f.gone.Store(false)
		again, err := w.look(ctx)
		if err != nil {
			return last(err)
		}
		next.Reset(again)
	}
}

func last(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// look reads the task and tells what there is to tell, and says when to look again at the latest.
func (w *watch) look(ctx context.Context) (again time.Duration, err error) {
	w.renewed = time.Now()
	t, err := w.d.own(ctx, w.who.Principal, w.f.id)
	var p *signaling.Problem
	switch {
	case errors.As(err, &p) && p.Code == signaling.ProblemNotFound && w.waited:
		return presenceEvery, w.comeBack(ctx)
	case errors.As(err, &p) && p.Code == signaling.ProblemUnavailable && w.told != nil:
		return tellEvery, nil // Redis is away: what was told stays so until it is back
	case err != nil:
		return 0, err
	case t.State.Ended():
		return 0, w.end(w.tell(signaling.TaskEventProblem, w.d.over(t)))
	case t.Attempt != nil && t.State != signaling.TaskPlacing:
		g, err := w.d.regrant(t)
		if err != nil {
			return 0, err
		}
		return 0, w.end(w.tell(signaling.TaskEventGrant, g))
	case t.Attempt != nil:
		return placingLook, w.pending(signaling.Pending{Reason: "a node is being asked"})
	case t.Shadow != nil:
		return placingLook, w.pending(signaling.Pending{Reason: "its edge is lost, and its shadow takes over"})
	case w.f.job.whenFull(&t.Request) == signaling.WhenFullRefuse:
		return tellEvery, w.now(ctx)
	}
	return presenceEvery, w.await(ctx, t.Reason)
}

// end is errDone behind the last event.
func (w *watch) end(err error) error {
	if err != nil {
		return err
	}
	return errDone
}

// await renews the task's place in the queue and tells it.
func (w *watch) await(ctx context.Context, reason string) error {
	q, err := w.d.Pool.Await(ctx, w.f.id)
	switch {
	case errors.Is(err, pool.ErrNotFound) || err == nil && q.Position == 0: // a node that was asked did not take it
		return w.comeBack(ctx)
	case err != nil:
		return nil // the next look tries again
	}
	w.waited = true
	return w.pending(signaling.Pending{Reason: reason, Queue: &q})
}

// comeBack puts the task into the queue again, which a node has refused or Redis has forgotten.
func (w *watch) comeBack(ctx context.Context) error {
	j := w.f.job
	p, err := w.d.wait(ctx, &j, "nothing is free")
	if err != nil {
		var problem *signaling.Problem
		if errors.As(err, &problem) && problem.Code == signaling.ProblemUnavailable {
			return nil
		}
		return err
	}
	w.waited = true
	return w.pending(p)
}

// pending tells the task's place, if it is not what was told last.
func (w *watch) pending(p signaling.Pending) error {
	p.Task, p.State, p.Events = w.f.id, signaling.TaskPlacing, EventsPath(w.f.id)
	if w.told != nil && alike(w.told.Queue, p.Queue) {
		return nil
	}
	w.told = &p
	return w.tell(signaling.TaskEventPending, p)
}

// alike says whether a terminal that knows a need not be told b.
func alike(a, b *signaling.Queue) bool {
	if a == nil || b == nil {
		return b == nil
	}
	step := waitStep.Milliseconds()
	return a.Position == b.Position && a.Length == b.Length && a.Urgent == b.Urgent && a.ExpectedWaitMs/step == b.ExpectedWaitMs/step
}

// take places the task, since it is its turn. The terminal may leave meanwhile: then the place is there when it comes back,
// or the edge lets go of it.
func (w *watch) take(ctx context.Context, exclude []signaling.NodeID) error {
	j := w.f.job
	j.exclude, j.taken = w.d.queue.avoiding(w.f), exclude
	g, err := w.place(ctx, &j)
	if errors.Is(err, errFull) {
		return nil
	}
	return w.granted(g, err)
}

func (w *watch) place(ctx context.Context, j *job) (signaling.Grant, error) {
	placing, cancel := context.WithTimeout(context.WithoutCancel(ctx), placeWithin)
	defer cancel()
	start := time.Now()
	g, err := w.d.place(placing, j)
	if errors.Is(err, errFull) && j.request.Urgent {
		g, err = w.d.preempt(placing, j)
	}
	if !errors.Is(err, errFull) {
		a, err := granted(g, err)
		w.d.metrics.answered(j.request.Type, a, err, time.Since(start))
	}
	w.d.queue.back(w.f, j.exclude, time.Now())
	return g, err
}

// granted tells a grant. Where the task could not be placed for another reason than that nothing is free, the next look
// says what became of it.
func (w *watch) granted(g signaling.Grant, err error) error {
	if err != nil {
		return nil
	}
	return w.end(w.tell(signaling.TaskEventGrant, g))
}

// now places a task at once that is not to wait, or ends it.
func (w *watch) now(ctx context.Context) error {
	j := w.f.job
	j.exclude = w.d.queue.avoiding(w.f)
	j.behind, j.taken = w.d.queue.before(&j)
	g, err := w.place(ctx, &j)
	p, over := isQuota(err)
	if !over && !errors.Is(err, errFull) {
		return w.granted(g, err)
	}
	if !over && !errors.As(w.d.noFreeNode(&j), &p) {
		return err
	}
	if _, err := w.d.Pool.Release(ctx, j.id, "", signaling.TaskFailed, p.Detail, nil); err != nil {
		return w.d.unavailable("refuse task", err)
	}
	w.d.metrics.answered(j.request.Type, Answer{}, p, 0)
	return w.end(w.tell(signaling.TaskEventProblem, p))
}
