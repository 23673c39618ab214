package moving

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// lease holds a reservation until the target has confirmed.
	lease = 10 * time.Second
	// askWithin is how long an edge may take to answer, with some time in which its terminal is told.
	askWithin = 3 * time.Second
	// promoteTries is how often a target is told that it has the task, promoteAgain the pause between; without its link it hears
	// of it when it registers.
	promoteTries = 10
	promoteAgain = time.Second
)

// place is a reservation on a target, and the handover to it.
type place struct {
	task    signaling.Task // as it was
	held    signaling.Reservation
	shadow  *signaling.Attempt // that made room for it
	cancel  context.CancelFunc // of the handover; nil where it has not begun
	over    chan struct{}      // closed when nothing more is sent for it
	ready   chan struct{}      // closed when the target has taken it, or not
	leaving atomic.Bool        // the edge that the task leaves may have told its terminal to go
}

// reserver holds room on targets.
type reserver Mover

func (r *reserver) Reserve(ctx context.Context, h migrator.Hold, t migrator.Task) error {
	m := (*Mover)(r)
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	held, shadow, err := m.Pool.ClaimMove(ctx, h.Task, pool.MoveID(h.Owner, h.Move), t.Node, h.To, t.Has.Resources(), lease)
	switch {
	case errors.Is(err, pool.ErrNoneFits):
		return fmt.Errorf("%s: %w", h.To, migrator.ErrNoRoom)
	case errors.Is(err, pool.ErrClosed):
		return fmt.Errorf("%w: %w", migrator.ErrLost, err)
	case errors.Is(err, pool.ErrMoving), errors.Is(err, pool.ErrElsewhere):
		return fmt.Errorf("%w: %w", migrator.ErrMoving, err)
	case errors.Is(err, pool.ErrEnded), errors.Is(err, pool.ErrNotFound):
		return migrator.ErrEnded
	case err != nil:
		return err
	}
	m.places[h.Task] = &place{task: m.tasks[h.Task], held: held, shadow: shadow, ready: make(chan struct{})}
	return nil
}

func (r *reserver) Commit(ctx context.Context, h migrator.Hold) error {
	m := (*Mover)(r)
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	a, _, err := m.Pool.PromoteMove(ctx, h.Task, pool.MoveID(h.Owner, h.Move))
	switch {
	case errors.Is(err, pool.ErrEnded):
		return migrator.ErrEnded
	case errors.Is(err, pool.ErrNotFound):
		return fmt.Errorf("the reservation on %s is gone: %w", h.To, migrator.ErrLost)
	case err != nil:
		return err
	}
	if p := m.places[h.Task]; p != nil {
		m.settle(p.task, a)
	}
	return nil
}

func (r *reserver) Release(ctx context.Context, h migrator.Hold, why string) error {
	m := (*Mover)(r)
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	p, id := m.places[h.Task], pool.MoveID(h.Owner, h.Move)
	a, err := m.Pool.DropMove(ctx, h.Task, id, why)
	switch {
	case errors.Is(err, pool.ErrElsewhere):
		if a, _, err := m.Pool.PromoteMove(ctx, h.Task, id); err == nil && p != nil {
			m.settle(p.task, a)
		}
		return migrator.ErrCommitted
	case errors.Is(err, pool.ErrNotFound):
		if p == nil {
			return nil
		}
		a = p.held.Attempt // its task has ended, or its lease; the edge may have it all the same
	case err != nil:
		return err
	}
	m.tell(p, a.Node, signaling.Release{Task: h.Task, Attempt: a.ID, Fencing: a.Fencing + 1, Reason: why})
	return nil
}

// tell has an edge let go of something, after all that was sent for the place, if one is given.
func (m *Mover) tell(p *place, node signaling.NodeID, r signaling.Release) {
	m.work.Go(func() {
		if p != nil && p.over != nil {
			<-p.over
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), askWithin)
		defer cancel()
		if err := m.Edges.Release(ctx, node, r); err != nil {
			m.Log.Info("an edge could not be told to let go of a task", "task", r.Task, "node", node, "reason", err)
		}
	})
}

// settle tells both edges that a task has moved.
func (m *Mover) settle(t signaling.Task, a signaling.Attempt) {
	if left := t.Attempt; left != nil && left.ID != a.ID {
		m.tell(nil, left.Node, signaling.Release{Task: t.ID, Attempt: left.ID, Fencing: a.Fencing, Reason: "it moved to node " + string(a.Node),
			Problem: &signaling.Problem{Code: signaling.ProblemMoved, Title: "The task goes on at another renderer.",
				Detail: "Ask the broker for it again."}})
	}
	m.work.Go(func() {
		again := time.NewTicker(promoteAgain)
		defer again.Stop()
		ran := m.ran(t.ID)
		for range promoteTries {
			ctx, cancel := context.WithTimeout(m.ctx, askWithin)
			err := m.Edges.Promote(ctx, a.Node, signaling.Promote{Task: t.ID, Attempt: a, Ran: ran})
			cancel()
			var refusal *signaling.Problem
			if err == nil || m.ctx.Err() != nil {
				return
			}
			m.Log.Warn("an edge could not be told that a task is its own now", "task", t.ID, "node", a.Node, "reason", err)
			if errors.As(err, &refusal) {
				return
			}
			select {
			case <-again.C:
			case <-m.ctx.Done():
				return
			}
		}
	})
}

// ran is what the edge that a task has left has told of its use when its terminal went; nil where it has told nothing.
func (m *Mover) ran(id signaling.TaskID) *signaling.Ran {
	ctx, cancel := m.within()
	defer cancel()
	t, err := m.Pool.Task(ctx, id)
	if err != nil || t.Usage == nil {
		return nil
	}
	return &signaling.Ran{RunMs: t.Usage.RunMs, Usage: *t.Usage}
}

// handing hands tasks over.
type handing Mover

func (h *handing) Begin(_ context.Context, o migrator.Handover) error {
	m := (*Mover)(h)
	p := m.places[o.Task.ID]
	if p == nil {
		return errors.New("nothing is reserved for it")
	}
	ctx, cancel := context.WithCancel(m.ctx)
	p.cancel, p.over = cancel, make(chan struct{})
	ran := &signaling.Ran{RunMs: o.Info.Ran.Milliseconds(), LeftMs: o.Info.Left.Milliseconds()}
	if p.task.Usage != nil {
		ran.Usage = *p.task.Usage
	}
	m.work.Go(func() {
		defer close(p.over)
		defer cancel()
		m.hand(ctx, p, ran, o.Reason)
	})
	return nil
}

func (h *handing) Stop(_ context.Context, task signaling.TaskID, _ signaling.NodeID) {
	m := (*Mover)(h)
	p := m.places[task]
	if p == nil || p.cancel == nil {
		return
	}
	p.cancel()
	m.work.Go(func() {
		<-p.over
		if !p.leaving.Load() {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), askWithin)
		defer cancel()
		err := m.Edges.Stay(ctx, p.task.Attempt.Node, signaling.Move{Task: task, Attempt: p.task.Attempt.ID, Reason: "the move was given up"})
		if err != nil {
			m.Log.Info("an edge could not be told that a task stays", "task", task, "node", p.task.Attempt.Node, "reason", err)
		}
	})
}

// hand has the target make the task ready, and then its terminal go there. Of a task whose node is gone the terminal comes by
// itself.
func (m *Mover) hand(ctx context.Context, p *place, ran *signaling.Ran, why migrator.Reason) {
	err := m.prepare(ctx, p, ran)
	close(p.ready)
	if err == nil && why != migrator.Lost {
		err = m.send(ctx, p, why)
	}
	var refusal *signaling.Problem
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &refusal) && refusal.Code == signaling.ProblemNotFound && p.leaving.Load():
		// No terminal is connected: it finds the new place by its grant.
		m.later(p, func(now time.Time) { m.defrag.Migrator.Arrived(m.ctx, p.task.ID, now) })
	case errors.Is(err, control.ErrNoLink) && p.leaving.Load():
		// The node that it leaves is gone: the terminal comes to the target, by the grant that it has or that it asks for.
	default:
		m.later(p, func(now time.Time) { m.defrag.Migrator.Failed(m.ctx, p.task.ID, err, now) })
	}
}

// prepare has the target take the task, behind the release of the shadow that made room.
func (m *Mover) prepare(ctx context.Context, p *place, ran *signaling.Ran) error {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s := p.shadow; s != nil {
		told, cancel := context.WithTimeout(ctx, askWithin)
		err := m.Edges.Release(told, s.Node, signaling.Release{Task: p.task.ID, Attempt: s.ID, Fencing: s.Fencing + 1, Reason: "its session moves"})
		cancel()
		if err != nil {
			m.Log.Info("an edge could not be told to let go of a shadow", "task", p.task.ID, "node", s.Node, "reason", err)
		}
	}
	ran.IdleMs = m.idle(ctx, p.task.Attempt).Milliseconds()
	return m.Place.Hand(ctx, p.task, p.held, ran)
}

// maxIdle bounds the sessions that are looked through for one that has had no input for some time.
const maxIdle = 10_000

// idle is for how long an attempt has had no input, as its edge has told; 0 where that is not known.
func (m *Mover) idle(ctx context.Context, a *signaling.Attempt) time.Duration {
	if a == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	idle, err := m.Pool.Idle(ctx, signaling.IdleAfter*time.Millisecond, maxIdle)
	if err != nil {
		m.Log.Info("how long sessions have had no input is not known", "error", err)
	}
	for _, s := range idle {
		if s.Attempt.ID == a.ID {
			return s.Idle
		}
	}
	return 0
}

// send has the edge that the task leaves send its terminal to the target.
func (m *Mover) send(ctx context.Context, p *place, why migrator.Reason) error {
	g, err := m.Place.GrantAt(p.task, p.held.Attempt, []string{inWords[why]})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	p.leaving.Store(true)
	return m.Edges.Move(ctx, p.task.Attempt.Node, signaling.Move{Task: p.task.ID, Attempt: p.task.Attempt.ID, Grant: &g, Reason: inWords[why]})
}

// inWords is what a terminal is told.
var inWords = map[migrator.Reason]string{
	migrator.Defragment: "sessions are brought together so that there is room for others",
	migrator.Drain:      "the node before it is taken out of service",
	migrator.Closing:    "the node before it closes",
	migrator.ByHand:     "an operator moves it",
	migrator.Lost:       "the node before it is gone",
}

// later has the loop do something for a place, unless that is given up meanwhile.
func (m *Mover) later(p *place, f func(now time.Time)) {
	_ = m.do(m.ctx, func(now time.Time) { // else this broker stops
		if m.places[p.task.ID] == p {
			f(now)
		}
	})
}

// over forgets a move that has ended.
func (m *Mover) over(r migrator.Report) {
	t, p := m.tasks[r.Task], m.places[r.Task]
	delete(m.tasks, r.Task)
	delete(m.places, r.Task)
	if r.Outcome == migrator.Stays && (r.Reason == migrator.Drain || r.Reason == migrator.Closing) {
		m.fixed[r.Task] = r.At
	}
	if p != nil && p.shadow != nil && r.Outcome != migrator.Ended {
		t.Shadow = nil
		m.Place.WantShadow(t)
	}
}
