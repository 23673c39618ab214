package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tomocast/tomocast/signaling"
)

// Desk answers what edges ask and hears what they tell. Errors that are meant for an edge are *signaling.Problem.
type Desk interface {
	// Accepted has a task that node has taken itself recorded, and returns the instruction by which it goes on (A2).
	Accepted(ctx context.Context, node signaling.NodeID, a signaling.Accept) (signaling.Instruction, error)
	// Forwarded takes over a request that node was too busy for (A4).
	Forwarded(ctx context.Context, node signaling.NodeID, f signaling.Forward) (signaling.Pending, error)
	// Viewed hears of the view state of a session on node.
	Viewed(ctx context.Context, node signaling.NodeID, v signaling.ViewReport)
	// Ended hears that an attempt on node has ended, after the pool has been told, which has released the task's standby with
	// it; nil where it had none.
	Ended(ctx context.Context, node signaling.NodeID, u signaling.Update, standby *signaling.Attempt)
	// Moved hears from node how the handover of a task went (B8).
	Moved(ctx context.Context, node signaling.NodeID, r signaling.MoveReport)
	// LinkEnded hears that a link to node has ended that nothing has taken the place of, LinkBegan that it has one again.
	// They must not block.
	LinkEnded(node signaling.NodeID)
	LinkBegan(node signaling.NodeID)
	// Measured hears what the attempts on node use, from a heartbeat over a link that this broker has. It must not block.
	Measured(ctx context.Context, node signaling.NodeID, rates map[signaling.AttemptID]signaling.Rates)
}

const (
	// questionsAtOnce is how many questions of one edge are answered at a time; more are refused.
	questionsAtOnce = 32
	// questionWithin bounds one answer: the edge's terminal waits for it.
	questionWithin = 5 * time.Second
	// viewsPerSecond bounds the view states that one edge has kept, viewsWaiting of how many sessions they wait.
	viewsPerSecond = 100
	viewsWaiting   = 1024
)

// Attach gives the hub the desk that answers edges. It is called once, before the hub serves.
func (h *Hub) Attach(d Desk) { h.desk = d }

// ask has the desk answer an edge's question, beside the link's other messages.
func (l *link) ask(id string, answer func(ctx context.Context) (signaling.Control, error)) {
	select {
	case l.questions <- struct{}{}:
	default:
		l.refuse(id, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "The broker is still busy with this edge's requests.",
			Detail: "Try again in a moment."})
		return
	}
	l.asking.Go(func() {
		defer func() { <-l.questions }()
		ctx, cancel := context.WithTimeout(l.hub.ctx, questionWithin)
		defer cancel()
		c, err := answer(ctx)
		if err != nil {
			l.refuse(id, problemOf(err))
			return
		}
		c.ID = id
		_ = l.conn.Send(c) // read tells when the link has ended
	})
}

func (l *link) refuse(id string, p *signaling.Problem) {
	_ = l.conn.Send(signaling.Control{Type: signaling.ControlRefuse, ID: id, Problem: p})
}

func problemOf(err error) *signaling.Problem {
	var p *signaling.Problem
	if errors.As(err, &p) {
		return p
	}
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker could not answer in time.", Detail: "Try again in a few seconds."}
}

// accepted answers an edge that has taken a task itself.
func (l *link) accepted(id string, a signaling.Accept) {
	l.ask(id, func(ctx context.Context) (signaling.Control, error) {
		i, err := l.hub.desk.Accepted(ctx, l.node, a)
		return signaling.Control{Type: signaling.ControlInstruct, Instruction: &i}, err
	})
}

// forwarded answers an edge that was too busy for a request.
func (l *link) forwarded(id string, f signaling.Forward) {
	l.ask(id, func(ctx context.Context) (signaling.Control, error) {
		p, err := l.hub.desk.Forwarded(ctx, l.node, f)
		return signaling.Control{Type: signaling.ControlForwarded, Pending: &p}, err
	})
}

// views are the newest view states that an edge has told and that are not kept yet, one for each task.
type views struct {
	wake chan struct{}

	mu     sync.Mutex
	newest map[signaling.TaskID]signaling.ViewReport
}

func newViews() views {
	return views{wake: make(chan struct{}, 1), newest: map[signaling.TaskID]signaling.ViewReport{}}
}

// put keeps v in the place of an older one of its task. Where too many wait it is dropped: another follows soon.
func (v *views) put(r signaling.ViewReport) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, known := v.newest[r.Task]
	if !known && len(v.newest) >= viewsWaiting || known && old.Attempt == r.Attempt && old.Revision > r.Revision {
		return
	}
	v.newest[r.Task] = r
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// take removes one.
func (v *views) take() (signaling.ViewReport, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for task, r := range v.newest {
		delete(v.newest, task)
		return r, true
	}
	return signaling.ViewReport{}, false
}

// keepViews hands the desk the view states of the edge's sessions until the link has ended.
func (l *link) keepViews() {
	pace := rate.NewLimiter(viewsPerSecond, viewsPerSecond)
	for {
		select {
		case <-l.views.wake:
		case <-l.conn.Done():
			return
		}
		for r, ok := l.views.take(); ok; r, ok = l.views.take() {
			if pace.Wait(l.hub.ctx) != nil {
				return
			}
			l.view(r)
		}
	}
}

func (l *link) view(r signaling.ViewReport) {
	ctx, cancel := context.WithTimeout(l.hub.ctx, poolWithin)
	defer cancel()
	l.hub.desk.Viewed(ctx, l.node, r)
}
