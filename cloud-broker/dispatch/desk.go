package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

var _ control.Desk = (*Dispatcher)(nil)

// Accepted records a task that an edge has taken from a terminal itself, and instructs the edge (A2). A task whose data the
// edge may not have, or that has another place by its key, is refused, and the edge lets go.
func (d *Dispatcher) Accepted(ctx context.Context, node signaling.NodeID, a signaling.Accept) (signaling.Instruction, error) {
	start := time.Now()
	i, err := d.accepted(ctx, node, a)
	if err != nil {
		d.metrics.answered(a.Request.Type, Answer{}, err, 0)
		return i, err
	}
	d.metrics.answered(a.Request.Type, Answer{Grant: &signaling.Grant{Answer: signaling.EdgeAccepts}}, nil, time.Since(start))
	return i, nil
}

func (d *Dispatcher) accepted(ctx context.Context, node signaling.NodeID, a signaling.Accept) (i signaling.Instruction, err error) {
	who := Terminal{Principal: identity.Principal{Subject: a.Creator, Urgent: a.Urgent, Zone: a.Zone}, Zone: a.Zone}
	if err := d.admit(ctx, who, a.Request); err != nil {
		return i, err
	}
	j := d.newJob(who, a.Key, a.Request)
	j.id = a.Task
	d.notePings(j.zone, a.Request.Pings)
	if n, known := d.Snapshot.Get(node); j.within != nil && (!known || !j.mayHave(n)) {
		return i, &signaling.Problem{Code: signaling.ProblemStays, Title: "The data must not leave its site.",
			Detail: fmt.Sprintf("The data of the site %s stays in it, and this edge is not there.", j.keeper)}
	}
	if d.queue.keeps(&j, node) {
		return i, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "Others wait for what is free here.",
			Detail: "Their requests came before this one."}
	}
	if q := d.peek(&j, nil); !d.Snapshot.Lasts(node, q.Order) {
		return i, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "This edge goes away before the task is expected to end."}
	}
	r, err := d.Pool.Adopt(ctx, pool.Adoption{
		Key: a.Key, Task: a.Task, Attempt: a.Attempt, Node: node, GPU: a.GPU, Request: a.Request, Creator: a.Creator, Needs: a.Request.Needs(),
		Said: j.said, Quota: d.Sites.Quota(a.Creator),
	})
	switch {
	case errors.Is(err, pool.ErrNoneFits):
		return i, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "By what the broker knows this edge has no room for the task."}
	case errors.Is(err, pool.ErrElsewhere):
		return i, &signaling.Problem{Code: signaling.ProblemSessionTaken, Title: "The task has another place already.",
			Detail: fmt.Sprintf("It is %s on node %s. Follow it at the broker.", r.Task, r.Attempt.Node)}
	case err != nil:
		return i, d.claimProblem(err)
	}
	d.Log.Info("an edge took a task itself", "task", r.Task, "type", a.Request.Type, "node", node)
	if i, err = d.instruction(&a.Request, a.Creator, r); err != nil {
		if _, err := d.Pool.Release(ctx, r.Task, r.Attempt.ID, signaling.TaskFailed, "its study cannot be reached", nil); err != nil {
			d.Log.Warn("what an edge took could not be released", "task", r.Task, "error", err)
		}
		return i, err
	}
	if j.shadows(&j.request) {
		i.ViewMs = shadowedViewMs
		d.shadows.want(r.Task, j.within)
	}
	return i, nil
}

// Forwarded takes over a request that an edge was too busy for (A4). The task is recorded before the edge hears of it, so
// that the terminal can follow it even if that edge dies now; it is placed, on another edge, when the terminal does so.
func (d *Dispatcher) Forwarded(ctx context.Context, node signaling.NodeID, f signaling.Forward) (signaling.Pending, error) {
	who := Terminal{Principal: identity.Principal{Subject: f.Creator, Urgent: f.Urgent, Zone: f.Zone}, Zone: f.Zone}
	who.Address, _ = netip.ParseAddr(f.Address) // the zero Addr where it is none
	if err := d.admit(ctx, who, f.Request); err != nil {
		return signaling.Pending{}, err
	}
	j := d.newJob(who, f.Key, f.Request)
	j.id = f.Task
	d.notePings(j.zone, f.Request.Pings)
	reason := "node " + string(node) + " sent it on"
	if f.Reason != "" {
		reason += ": " + f.Reason
	}
	p, err := d.wait(ctx, &j, reason)
	if err != nil {
		return p, err
	}
	d.forwards.put(p.Task, node, time.Now())
	d.metrics.forwarded.Inc()
	d.Log.Info("an edge sent a task on", "task", p.Task, "type", f.Request.Type, "node", node)
	return p, nil
}

// Ended notes what an ended task has shown of its node (A10), lets go of its shadow, and gets a session that has lost its
// shadow another one.
func (d *Dispatcher) Ended(ctx context.Context, node signaling.NodeID, u signaling.Update, standby *signaling.Attempt) {
	if standby != nil {
		d.tell(ctx, standby.Node, signaling.Release{
			Task: u.Task, Attempt: standby.ID, Fencing: standby.Fencing, State: u.State, Reason: "the session that it stood by for has ended",
		})
	}
	t, err := d.Pool.Task(ctx, u.Task)
	if err != nil {
		return // it is forgotten already
	}
	if d.Mover != nil {
		d.Mover.Changed(u.Task)
	}
	if !t.State.Ended() {
		d.wantShadow(t)
		return
	}
	if d.Scaler != nil {
		d.Scaler.Left(u.Task)
	}
	s := pool.Sample{Node: node, Type: t.Request.Type, Failed: u.State == signaling.TaskFailed}
	if u.Usage != nil {
		s.DataMB, s.RunMs, s.TransferMs, s.GPUMs = u.Usage.DataMB, float64(u.Usage.RunMs), u.Usage.TransferMs, u.Usage.GPUMs
	}
	if err := d.Pool.Note(ctx, s); err != nil {
		d.Log.Warn("what a task has shown of its node could not be noted", "task", u.Task, "node", node, "error", err)
	}
}

const (
	// forwardKept is how long it is known which edge sent a task on, forwardsKept of how many tasks.
	forwardKept  = time.Minute
	forwardsKept = 4096
)

// forwards remembers which edges sent tasks on, so that they are not asked again.
type forwards struct {
	mu sync.Mutex
	by map[signaling.TaskID]forward
}

type forward struct {
	node signaling.NodeID
	at   time.Time
}

func (f *forwards) put(id signaling.TaskID, node signaling.NodeID, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[signaling.TaskID]forward{}
	}
	if len(f.by) >= forwardsKept {
		maps.DeleteFunc(f.by, func(_ signaling.TaskID, e forward) bool { return now.Sub(e.at) > forwardKept })
	}
	if len(f.by) < forwardsKept {
		f.by[id] = forward{node, now}
	}
}

func (f *forwards) of(id signaling.TaskID, now time.Time) (signaling.NodeID, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, known := f.by[id]
	return e.node, known && now.Sub(e.at) <= forwardKept
}
