package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// Renewal is what a terminal that comes back asks for.
type Renewal struct {
	// Lost says that the terminal's own connection to the edge is gone too, so that a new place is sought at once
	// where the edge has no link.
	Lost bool
	// Parameters, where given, take the place of the request's in a new attempt, so that it begins where the
	// terminal is now.
	Parameters json.RawMessage
}

// Resume grants a task again to its creator: the same attempt with a fresh token, or, where the edge is lost, its shadow or
// a new attempt on another node.
func (d *Dispatcher) Resume(ctx context.Context, who Terminal, id signaling.TaskID, n Renewal) (signaling.Grant, error) {
	start := time.Now()
	g, err := d.resume(ctx, who, id, n)
	a, err := granted(g, err)
	d.metrics.answered("", a, err, time.Since(start))
	return g, err
}

func (d *Dispatcher) resume(ctx context.Context, who Terminal, id signaling.TaskID, n Renewal) (signaling.Grant, error) {
	t, err := d.own(ctx, who.Principal, id)
	switch {
	case err != nil:
		return signaling.Grant{}, err
	case t.State.Ended():
		return signaling.Grant{}, d.over(t)
	case t.Queue != nil:
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task waits in the queue.",
			Detail: "Follow its events: the grant comes with them."}
	case t.Attempt != nil && t.State == signaling.TaskPlacing:
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task is being placed.", Detail: "Try again in a moment."}
	case t.Attempt != nil && d.Edges.Linked(ctx, t.Attempt.Node):
		return d.regrant(t)
	case t.Attempt != nil && !n.Lost && !d.Edges.Lost(t.Attempt.Node):
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The edge is out of reach for the moment.",
			Detail: "Its session goes on as long as its own connection holds. Try again in a few seconds."}
	}
	if t = d.kept(ctx, t); t.State.Ended() {
		return signaling.Grant{}, d.over(t)
	}
	if standbyOf(&t) != nil {
		if g, err := d.promote(ctx, t, n); err == nil {
			return g, nil
		}
		if t, err = d.own(ctx, who.Principal, id); err != nil {
			return signaling.Grant{}, err
		}
	}
	return d.move(ctx, who, t, n)
}

// own reads a task whose creator p is: an operator sees others' tasks, but hosts none.
func (d *Dispatcher) own(ctx context.Context, p identity.Principal, id signaling.TaskID) (signaling.Task, error) {
	return d.task(ctx, identity.Principal{Subject: p.Subject}, id)
}

// move places a task anew whose node is gone, or that has had none.
func (d *Dispatcher) move(ctx context.Context, who Terminal, t signaling.Task, n Renewal) (signaling.Grant, error) {
	// Of a task that only its edge remembered, as after a loss of Redis, the pool may know no more than what it holds.
	if err := t.Request.Validate(); err != nil {
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task cannot go on elsewhere.",
			Detail: "What it was asked for was lost with the edge that ran it. Start a new one."}
	}
	if len(n.Parameters) > 0 {
		t.Request.Parameters = n.Parameters
		if err := t.Request.Validate(); err != nil {
			return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The parameters cannot be used.", Detail: err.Error()}
		}
	} else {
		d.recall(ctx, &t)
	}
	j := job{id: t.ID, creator: t.Creator, request: t.Request, where: d.locate(who, &t.Request), since: time.Now(), misses: t.Misses}
	if t.Attempt != nil {
		node := t.Attempt.Node
		reason := "node " + string(node) + " is gone"
		if _, err := d.Pool.Release(ctx, t.ID, t.Attempt.ID, signaling.TaskPlacing, reason, nil); err != nil {
			return signaling.Grant{}, d.unavailable("release", err)
		}
		j.exclude, j.refused = []signaling.NodeID{node}, []string{reason}
	}
	g, err := d.place(ctx, &j)
	if errors.Is(err, errFull) {
		// Its terminal is there and asks again: for so long the task is kept.
		if _, err := d.Pool.Await(ctx, t.ID); err != nil {
			d.Log.Warn("a task that waits for its edge could not be kept", "task", t.ID, "error", err)
		}
		err = d.noFreeNode(&j)
	}
	return g, err
}

// recall lets a task begin elsewhere with the view that its lost edge told last, where that is known.
func (d *Dispatcher) recall(ctx context.Context, t *signaling.Task) {
	view := d.lastView(ctx, t.ID).View
	if view == nil {
		return
	}
	parameters := map[string]json.RawMessage{}
	if len(t.Request.Parameters) > 0 && json.Unmarshal(t.Request.Parameters, &parameters) != nil {
		return
	}
	parameters["view"] = view
	r := t.Request
	var err error
	if r.Parameters, err = json.Marshal(parameters); err == nil && r.Validate() == nil {
		t.Request = r
	}
}

// lastView is what a session's edge has told of its view state last; its View is nil where nothing is known.
func (d *Dispatcher) lastView(ctx context.Context, id signaling.TaskID) signaling.ViewReport {
	v, err := d.Pool.View(ctx, id)
	if err != nil {
		if !errors.Is(err, pool.ErrNotFound) {
			d.Log.Warn("the last view of a session could not be read", "task", id, "error", err)
		}
		return signaling.ViewReport{}
	}
	return v
}

// promote makes a task's standby its session, because the edge that ran it is lost: its shadow (A12), or the place that it was
// to move to.
func (d *Dispatcher) promote(ctx context.Context, t signaling.Task, n Renewal) (signaling.Grant, error) {
	view := d.lastView(ctx, t.ID).View
	if len(n.Parameters) > 0 { // what the page has seen last is the newest
		var p struct {
			View json.RawMessage `json:"view"`
		}
		if json.Unmarshal(n.Parameters, &p) == nil && len(p.View) > 0 {
			view = p.View
		}
	}
	standby := standbyOf(&t)
	if !d.Edges.Linked(ctx, standby.Node) {
		return signaling.Grant{}, fmt.Errorf("standby of task %s on node %s: it has no link", t.ID, standby.Node)
	}
	a, err := d.Pool.Promote(ctx, t.ID)
	if err != nil {
		d.Log.Warn("a standby could not take over", "task", t.ID, "node", standby.Node, "error", err)
		return signaling.Grant{}, err
	}
	asked, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	if err := d.Edges.Promote(asked, a.Node, signaling.Promote{Task: t.ID, Attempt: a, View: view}); err != nil {
		d.Log.Warn("a standby did not take over", "task", t.ID, "node", a.Node, "reason", err)
		return signaling.Grant{}, err
	}
	d.metrics.promotions.Inc()
	d.Log.Info("a standby took over", "task", t.ID, "node", a.Node)
	t.Attempt, t.Shadow, t.Moves = &a, nil, nil
	if d.Mover != nil {
		d.Mover.Changed(t.ID)
	}
	d.wantShadow(t)
	g, err := d.regrant(t)
	g.Reasons = append([]string{"the node before it is gone, and this one was kept ready"}, g.Reasons...)
	return g, err
}
