package dispatch

import (
	"context"
	"fmt"

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
		if mine = append(mine, t); len(mine) == limit {
			break
		}
	}
	return mine, nil
}

// Finish ends a task as its creator, or an operator, asks: what it holds is released and the edge is told (A11). A task
// that has ended stays as it is.
func (d *Dispatcher) Finish(ctx context.Context, p identity.Principal, id signaling.TaskID) (signaling.Task, error) {
	t, err := d.task(ctx, p, id)
	if err != nil || t.State.Ended() {
		return t, err
	}
	const reason = "as its terminal asked"
	fencing, err := d.Pool.Release(ctx, id, "", signaling.TaskFinished, reason, nil)
	if err != nil {
		return t, d.unavailable("finish task", err)
	}
	d.Log.Info("task finished", "task", id)
	if t.Attempt != nil {
		release := signaling.Release{Task: id, Attempt: t.Attempt.ID, Fencing: fencing, State: signaling.TaskFinished, Reason: reason}
		// An edge without a link hears of it when it registers: its attempt is overruled.
		if err := d.Edges.Release(ctx, t.Attempt.Node, release); err != nil {
			d.Log.Info("an edge could not be told of a task's end", "task", id, "node", t.Attempt.Node, "reason", err)
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
	missing := &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such node.",
		Detail: fmt.Sprintf("No node %.70q has registered, or it was lost long ago.", string(id))}
	if !signaling.ValidName(string(id)) {
		return pool.NodeStatus{}, missing
	}
	// Nodes are listed in the order of their ids: those between the id without its last letter and the id are few.
	after := id[:len(id)-1]
	for {
		page, err := d.Nodes(ctx, after, 100)
		if err != nil {
			return pool.NodeStatus{}, err
		}
		for _, n := range page {
			if n.ID == id {
				return n, nil
			}
		}
		if len(page) == 0 || page[len(page)-1].ID > id {
			return pool.NodeStatus{}, missing
		}
		after = page[len(page)-1].ID
	}
}
