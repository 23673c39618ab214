package dispatch

import (
	"context"
	"errors"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// Task returns a task of p's, or any for an operator.
func (d *Dispatcher) Task(ctx context.Context, p identity.Principal, id signaling.TaskID) (signaling.Task, error) {
	return d.task(ctx, p, id)
}

// maxListed bounds how many of the newest tasks are looked through for a list.
const maxListed = 2000

// Tasks lists p's tasks, or everyone's for an operator, the newest first: limit of them behind the first offset.
func (d *Dispatcher) Tasks(ctx context.Context, p identity.Principal, offset, limit int) ([]signaling.Task, error) {
	all, err := d.Pool.Tasks(ctx, maxListed)
	if err != nil {
		return nil, d.unavailable("list tasks", err)
	}
	mine := make([]signaling.Task, 0, limit)
	for _, t := range all {
		if t.Creator != p.Subject && !p.Operator {
			continue
		}
		if offset > 0 {
			offset--
			continue
		}
		d.asItRuns(ctx, &t)
		if mine = append(mine, t); len(mine) == limit {
			break
		}
	}
	return mine, nil
}

// Finish ends a task as its creator, or an operator, asks: what it holds is released and the edge is told (A11). A task
// that has ended stays as it is, and no edge that comes back later brings it back to life.
func (d *Dispatcher) Finish(ctx context.Context, p identity.Principal, id signaling.TaskID) (signaling.Task, error) {
	t, err := d.task(ctx, p, id)
	if err != nil {
		return t, err
	}
	const reason = "as its terminal asked"
	fencing, err := d.Pool.Release(ctx, id, "", signaling.TaskFinished, reason, nil)
	switch {
	case errors.Is(err, pool.ErrNotFound): // forgotten meanwhile
		return t, notFound(id)
	case err != nil:
		return t, d.unavailable("finish task", err)
	}
	if t.State.Ended() {
		return t, nil
	}
	d.Log.Info("task finished", "task", id)
	d.queue.changed()
	for _, a := range []*signaling.Attempt{t.Attempt, standbyOf(&t)} {
		if a != nil {
			d.tell(ctx, a.Node, signaling.Release{Task: id, Attempt: a.ID, Fencing: fencing, State: signaling.TaskFinished, Reason: reason})
		}
	}
	return d.task(ctx, p, id)
}

// History lists ended tasks without their creators and studies, for an operator: what they asked for and what
// they used.
func (d *Dispatcher) History(ctx context.Context, limit int) ([]pool.HistoryEntry, error) {
	h, err := d.Pool.History(ctx, limit)
	if err != nil {
		return nil, d.unavailable("read history", err)
	}
	return h, nil
}
