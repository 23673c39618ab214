package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// maxDrain bounds a drain's deadline.
const maxDrain = 7 * 24 * time.Hour

// Cordon keeps new tasks away from a node, or lets them come again, also after a drain; what runs there goes on. The node
// need not be connected: the pool keeps it so until it is uncordoned.
func (d *Dispatcher) Cordon(ctx context.Context, id signaling.NodeID, on bool) error {
	if err := d.Pool.Cordon(ctx, id, on); err != nil {
		return d.nodeProblem("cordon node", id, err)
	}
	d.Log.Info("a node is cordoned, or not any more", "node", id, "cordoned", on)
	return d.configure(ctx, id)
}

// Drain has a node take nothing new; what runs there goes on, or, where within is not 0, ends after that time.
func (d *Dispatcher) Drain(ctx context.Context, id signaling.NodeID, within time.Duration) error {
	if within < 0 || within > maxDrain {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The deadline of the drain cannot be.",
			Detail: fmt.Sprintf("within is %s: 0 (no deadline) to %s.", within, maxDrain)}
	}
	if err := d.Pool.Drain(ctx, id, within); err != nil {
		return d.nodeProblem("drain node", id, err)
	}
	d.Log.Info("a node drains", "node", id, "within", within)
	return d.configure(ctx, id)
}

// Forget takes a node out of the pool; what runs there fails. A node that lives registers again.
func (d *Dispatcher) Forget(ctx context.Context, id signaling.NodeID) error {
	if err := d.Pool.Remove(ctx, id); err != nil {
		return d.nodeProblem("forget node", id, err)
	}
	d.Log.Info("a node is forgotten", "node", id)
	return nil
}

// Override says what a node offers in place of what it registers with; nil takes that back.
func (d *Dispatcher) Override(ctx context.Context, id signaling.NodeID, o *signaling.Override) error {
	if o != nil {
		if err := o.Validate(); err != nil {
			return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The override cannot be.", Detail: err.Error()}
		}
	}
	if err := d.Pool.SetOverride(ctx, id, o); err != nil {
		return d.nodeProblem("override node", id, err)
	}
	d.Log.Info("a node is overridden, or not any more", "node", id, "overridden", o != nil)
	return d.configure(ctx, id)
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
	return nil
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
	return n, nil
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
	tasks := make([]signaling.Task, len(waiting))
	for i, w := range waiting {
		tasks[i] = signaling.Task{
			ID: w.Task, State: signaling.TaskPlacing, Creator: w.Creator, CreatedAt: w.Since,
			Request: signaling.TaskRequest{Type: w.Type, Resources: &w.Needs, Urgent: w.Urgent, Zone: w.Request.Zone, MaxDistanceMs: w.Request.MaxDistanceMs},
			Queue:   &signaling.Queue{Position: i + 1, Length: length, Urgent: w.Urgent},
		}
	}
	return tasks, nil
}
