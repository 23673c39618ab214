package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Drain tells a node to take nothing new; what runs there goes on, or, where within is not 0, ends after that time.
func (d *Dispatcher) Drain(ctx context.Context, id signaling.NodeID, within time.Duration) error {
	if err := d.Pool.SetState(ctx, id, signaling.NodeDraining); err != nil {
		return d.nodeProblem("drain node", id, err)
	}
	if err := d.Edges.Drain(ctx, id); err != nil {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The node is out of reach.", Detail: "It takes nothing new until it is back. Try again then."}
	}
	return nil
}

// Cordon keeps new tasks away from a node, or lets them come again; what runs there goes on.
func (d *Dispatcher) Cordon(ctx context.Context, id signaling.NodeID, on bool) error {
	return nil
}

// Forget takes a node out of the pool; what runs there fails. A node that lives registers again.
func (d *Dispatcher) Forget(ctx context.Context, id signaling.NodeID) error {
	if err := d.Pool.Remove(ctx, id); err != nil {
		return d.nodeProblem("forget node", id, err)
	}
	return nil
}

// Override says what a node offers in place of what it registers with; nil takes that back.
func (d *Dispatcher) Override(ctx context.Context, id signaling.NodeID, o *signaling.Override) error {
	return nil
}

func (d *Dispatcher) nodeProblem(what string, id signaling.NodeID, err error) error {
	if errors.Is(err, pool.ErrUnknownNode) {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such node.",
			Detail: fmt.Sprintf("No node %.70q is in the pool.", string(id))}
	}
	return d.unavailable(what, err)
}

// Overview is the pool at a glance.
func (d *Dispatcher) Overview(ctx context.Context) (Overview, error) {
	return Overview{}, nil
}

// Queue lists the tasks that wait for a place, the next first.
func (d *Dispatcher) Queue(ctx context.Context, limit int) ([]signaling.Task, error) {
	return nil, nil
}
