package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// maxDrain bounds a drain's deadline.
const maxDrain = 7 * 24 * time.Hour

// caughtUpWithin bounds how long an operator waits until this broker places by what he has said.
const caughtUpWithin = 2 * time.Second

// Cordon keeps new tasks away from a node, or lets them come again, also after a drain; what runs there goes on. The node
// need not be connected: the pool keeps it so until it is uncordoned.
func (d *Dispatcher) Cordon(ctx context.Context, id signaling.NodeID, on bool) error {
	if err := d.Pool.Cordon(ctx, id, on); err != nil {
		return d.nodeProblem("cordon node", id, err)
	}
	d.Log.Info("a node is cordoned, or not any more", "node", id, "cordoned", on)
	return d.configure(ctx, id)
}

// Drain has a node take nothing new; what runs there moves away, and what cannot goes on, or, where within is not 0, ends
// after that time.
func (d *Dispatcher) Drain(ctx context.Context, id signaling.NodeID, within time.Duration) error {
	if within < 0 || within > maxDrain {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The deadline of the drain cannot be.",
			Detail: fmt.Sprintf("within is %s: 0 (no deadline) to %s.", within, maxDrain)}
	}
	if err := d.Pool.Drain(ctx, id, within); err != nil {
		return d.nodeProblem("drain node", id, err)
	}
	d.Log.Info("a node drains", "node", id, "within", within)
	if err := d.configure(ctx, id); err != nil {
		return err
	}
	if d.Mover == nil {
		return nil
	}
	if err := d.Mover.Drain(ctx, id); err != nil { // it drains; another broker looks after what is there
		d.Log.Warn("what runs on a node that drains could not be moved", "node", id, "error", err)
	}
	return nil
}

// Forget takes a node out of the pool; what runs there fails. A node that lives registers again.
func (d *Dispatcher) Forget(ctx context.Context, id signaling.NodeID) error {
	if err := d.Pool.Remove(ctx, id); err != nil {
		return d.nodeProblem("forget node", id, err)
	}
	d.Log.Info("a node is forgotten", "node", id)
	d.catchUp(ctx)
	return nil
}

// Override says what a node offers in place of what it registers with; nil takes that back.
func (d *Dispatcher) Override(ctx context.Context, id signaling.NodeID, o *signaling.Override) error {
	if o != nil {
		if err := o.Validate(); err != nil {
			return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The override cannot be.", Detail: err.Error()}
		}
	}
	if o != nil && o.Capacity != nil {
		n, err := d.Pool.Node(ctx, id)
		if err != nil && !errors.Is(err, pool.ErrUnknownNode) { // an override may be there before its node
			return d.unavailable("read node", err)
		}
		if err == nil {
			if more := control.Exceeds(*o.Capacity, n.Registered); more != "" {
				return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The override offers more than the node has.", Detail: more}
			}
		}
	}
	if err := d.Pool.SetOverride(ctx, id, o); err != nil {
		return d.nodeProblem("override node", id, err)
	}
	d.Log.Info("a node is overridden, or not any more", "node", id, "overridden", o != nil)
	return d.configure(ctx, id)
}

// outOfService is what the terminal of a released attempt is told where its node drains; nil for what else is released.
func (d *Dispatcher) outOfService(r pool.Released) *signaling.Problem {
	n, known := d.Snapshot.Get(r.Attempt.Node)
	if !known || n.State != signaling.NodeDraining || r.State == "" { // a standby has no terminal
		return nil
	}
	return &signaling.Problem{Code: signaling.ProblemEdgeLost, Title: "The renderer of this session is taken out of service.",
		Detail: "The session opens again on another renderer, with the same view."}
}

// configure tells a node how an operator has it. One without a link is told when it registers.
func (d *Dispatcher) configure(ctx context.Context, id signaling.NodeID) error {
	n, err := d.Pool.Node(ctx, id)
	if errors.Is(err, pool.ErrUnknownNode) {
		return nil // an override may be there before its node
	}
	if err != nil {
		return d.unavailable("read node", err)
	}
	if err := d.Edges.Configure(ctx, n.Node); err != nil {
		d.Log.Info("a node could not be told how it is configured", "node", id, "reason", err)
	}
	d.catchUp(ctx)
	return nil
}

// catchUp has this broker place by what an operator has just said, or not for long by what was before.
func (d *Dispatcher) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, caughtUpWithin)
	defer cancel()
	if err := d.Pool.CatchUp(ctx); err != nil {
		d.Log.Info("what an operator said is not in this broker's snapshot yet", "error", err)
	}
}

func (d *Dispatcher) nodeProblem(what string, id signaling.NodeID, err error) error {
	if errors.Is(err, pool.ErrUnknownNode) {
		return noSuchNode(id)
	}
	return d.unavailable(what, err)
}

func noSuchNode(id signaling.NodeID) error {
	return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such node.",
		Detail: fmt.Sprintf("No node %.70q has registered, or it was lost long ago.", string(id))}
}

// Nodes lists up to limit nodes in the order of their ids, behind the id after.
func (d *Dispatcher) Nodes(ctx context.Context, after signaling.NodeID, limit int) ([]pool.NodeStatus, error) {
	n, err := d.Pool.Nodes(ctx, after, limit)
	if err != nil {
		return nil, d.unavailable("list nodes", err)
	}
	for i := range n {
		d.asItIs(ctx, &n[i])
	}
	return n, nil
}

// Node returns one node.
func (d *Dispatcher) Node(ctx context.Context, id signaling.NodeID) (pool.NodeStatus, error) {
	if !signaling.ValidName(string(id)) {
		return pool.NodeStatus{}, noSuchNode(id)
	}
	n, err := d.Pool.Node(ctx, id)
	if err != nil {
		return n, d.nodeProblem("read node", id, err)
	}
	d.asItIs(ctx, &n)
	return n, nil
}

// asItIs has people see of a node what is true now. The pool takes one whose link has ended as starting until its
// heartbeats have been missing for long, and keeps the last load of one that is lost.
func (d *Dispatcher) asItIs(ctx context.Context, n *pool.NodeStatus) {
	if n.State == signaling.NodeStarting && !d.Edges.Linked(ctx, n.ID) {
		n.State = signaling.NodeLost
	}
	if n.State == signaling.NodeLost {
		n.Load = signaling.Load{}
	}
}

// maxQueue bounds the waiting tasks that are listed.
const maxQueue = 1000

// Queue lists the tasks that wait for a place, the next first, without what they are about.
func (d *Dispatcher) Queue(ctx context.Context, limit int) ([]signaling.Task, error) {
	waiting, err := d.Pool.Waiting(ctx, min(max(limit, 1), maxQueue))
	if err != nil {
		return nil, d.unavailable("list the queue", err)
	}
	length, err := d.Pool.QueueLength(ctx)
	if err != nil {
		return nil, d.unavailable("list the queue", err)
	}
	length = max(length, len(waiting))
	each, zones := d.waitForEach(ctx, waiting), d.queue.zones()
	tasks := make([]signaling.Task, len(waiting))
	for i, w := range waiting {
		tasks[i] = signaling.Task{
			ID: w.Task, State: signaling.TaskPlacing, Reason: w.Reason, Creator: w.Creator, CreatedAt: w.Since,
			Request: signaling.TaskRequest{Type: w.Type, Resources: &w.Needs, Urgent: w.Urgent, Zone: cmp.Or(zones[w.Task], w.Request.Zone), MaxDistanceMs: w.Request.MaxDistanceMs},
			Queue:   &signaling.Queue{Position: i + 1, Length: length, ExpectedWaitMs: wholeSeconds(float64(i+1) * each), Urgent: w.Urgent},
		}
	}
	return tasks, nil
}

// waitsTried is how many of the listed tasks are asked how long they wait, should some have left the queue meanwhile.
const waitsTried = 4

// waitForEach is how many milliseconds a waiting task is expected to wait for each position that it stands at; 0 where that
// is not known.
func (d *Dispatcher) waitForEach(ctx context.Context, waiting []pool.Queued) float64 {
	for i := len(waiting) - 1; i >= max(0, len(waiting)-waitsTried); i-- {
		t, err := d.Pool.Task(ctx, waiting[i].Task)
		if err == nil && t.Queue != nil && t.Queue.Position > 0 {
			return float64(t.Queue.ExpectedWaitMs) / float64(t.Queue.Position)
		}
	}
	return 0
}

// wholeSeconds rounds milliseconds up, so that who watches the queue is not told of every one.
func wholeSeconds(ms float64) int64 { return int64(math.Ceil(ms/1000)) * 1000 }
