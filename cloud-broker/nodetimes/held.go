package nodetimes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// periodsFrom is when circulation periods are counted from: all brokers count from the same moment.
var periodsFrom = time.Unix(0, 0).UTC()

// running is a task on a node with what is expected of it.
type running struct {
	task     signaling.Task
	attempt  signaling.Attempt // the one that is there
	shadow   bool              // it runs elsewhere, and is kept ready here
	moves    bool              // it runs elsewhere, and is on its way here
	since    time.Time
	forecast signaling.Forecast
	known    bool
}

// on reads what runs on a node.
func (t *Times) on(ctx context.Context, id signaling.NodeID) ([]running, error) {
	tasks, err := t.config.Pool.OnNode(ctx, id, maxTasks)
	if errors.Is(err, pool.ErrUnknownNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]running, len(tasks))
	for i, task := range tasks {
		r := running{task: task, since: task.CreatedAt}
		if task.StartedAt != nil {
			r.since = *task.StartedAt
		}
		for _, a := range []*signaling.Attempt{task.Attempt, task.Shadow, task.Moves} {
			if a != nil && a.Node == id {
				r.attempt, r.shadow, r.moves = *a, a == task.Shadow, a == task.Moves
				break
			}
		}
		if t.config.Forecast != nil {
			r.forecast, r.known = t.config.Forecast.Of(ctx, task)
			r.known = r.known && r.forecast.Known
		}
		out[i] = r
	}
	return out, nil
}

// left is for how long a task is expected to go on; false where nobody knows.
func (r *running) left(now time.Time) (time.Duration, bool) {
	switch {
	case !r.known:
		return 0, false
	case r.forecast.LeftMs > 0:
		return time.Duration(r.forecast.LeftMs) * time.Millisecond, true
	case r.forecast.ExpectedMs > 0:
		end := r.since.Add(time.Duration(r.forecast.ExpectedMs) * time.Millisecond)
		return max(0, end.Sub(now)), end.After(now)
	}
	return 0, false
}

// place makes a node of what runs there. A task of which nobody knows how long it runs is promised unknown.
func place(c nodetime.Config, all []running, now time.Time, unknown time.Duration) (*nodetime.Node, error) {
	var held nodetime.Amounts
	for i := range all {
		held = held.Add(nodetime.Of(*all[i].task.Resources))
	}
	for k := range c.Total { // a node that was made smaller holds more than it has
		c.Total[k] = max(c.Total[k], held[k])
	}
	n, err := nodetime.New(c, periodsFrom)
	if err != nil {
		return nil, err
	}
	for i := range all {
		r := &all[i]
		run := unknown
		if left, known := r.left(now); known {
			run = now.Sub(r.since) + left
		}
		if err := n.Place(signaling.TaskID(r.attempt.ID), nodetime.Of(*r.task.Resources), run, r.since); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// settings are what a node is by its registration and its schedule.
func (e *entry) settings(n signaling.Node) nodetime.Config {
	c := nodetime.Config{Total: nodetime.Of(n.Capacity)}
	if e != nil {
		c.Windows, c.Time, c.Period = e.windows, e.plan.Time, e.plan.Period
	}
	return c
}

// holdAll reads what the nodes hold whose time circulates, where that may be another than before.
func (t *Times) holdAll(ctx context.Context, nodes map[signaling.NodeID]*entry, now time.Time) error {
	left := heldAtOnce
	for id, e := range nodes {
		if e.plan.Time == 0 {
			continue
		}
		n, known := t.config.Nodes.Get(id)
		fresh := e.node != nil && e.free == n.Free && now.Sub(e.readAt) < heldEvery && !now.Before(e.readAt)
		if !known || fresh {
			continue
		}
		if left--; left < 0 {
			return nil
		}
		all, err := t.on(ctx, id)
		if err != nil {
			return err
		}
		node, err := e.place(n, all, now)
		if err != nil {
			return fmt.Errorf("the time of node %s: %w", id, err)
		}
		e.node, e.free, e.readAt = node, n.Free, now
	}
	return nil
}

// place is the node with what it promises. Where nobody knows how long a task runs, what it has counts as promised for a
// period: that comes back each period.
func (e *entry) place(n signaling.Node, all []running, now time.Time) (*nodetime.Node, error) {
	return place(e.settings(n), all, now, e.plan.Period)
}
