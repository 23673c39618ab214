package moving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Moved hears from a node how the handover of a task went. Where the move is another broker's, which may be gone, it is
// ended in the pool, where that broker sees it.
func (m *Mover) Moved(ctx context.Context, node signaling.NodeID, r signaling.MoveReport) {
	err := m.ask(ctx, func(now time.Time) error {
		p := m.places[r.Task]
		if p == nil || p.held.Attempt.ID != r.Attempt {
			return m.movedElsewhere(node, r)
		}
		switch from, to := p.task.Attempt.Node, p.held.Attempt.Node; {
		case r.Problem == nil && node == to:
			m.defrag.Migrator.Arrived(m.ctx, r.Task, now)
		case r.Problem != nil && (node == from || node == to):
			m.defrag.Migrator.Failed(m.ctx, r.Task, r.Problem, now)
		}
		return nil
	})
	if err != nil {
		m.Log.Warn("the end of a handover could not be noted", "task", r.Task, "node", node, "error", err)
	}
}

// movedElsewhere ends a handover that another broker has begun.
func (m *Mover) movedElsewhere(node signaling.NodeID, r signaling.MoveReport) error {
	ctx, cancel := m.within()
	defer cancel()
	t, err := m.Pool.Task(ctx, r.Task)
	if errors.Is(err, pool.ErrNotFound) {
		return nil
	}
	if err != nil || t.Moves == nil || t.Moves.ID != r.Attempt {
		return err // it has been noted before, or given up
	}
	from := t.Attempt != nil && t.Attempt.Node == node
	switch to := t.Moves.Node == node; {
	case r.Problem == nil && to:
		a, _, err := m.Pool.PromoteMove(ctx, t.ID, r.Attempt)
		if err != nil {
			return err
		}
		m.settle(t, a)
	case r.Problem != nil && (from || to):
		why := r.Problem.Error()
		a, err := m.Pool.DropMove(ctx, t.ID, r.Attempt, why)
		if err != nil {
			return err
		}
		m.tell(nil, a.Node, signaling.Release{Task: t.ID, Attempt: a.ID, Fencing: a.Fencing + 1, Reason: why})
	}
	return nil
}

// Changed hears that a task or its standby has ended, or that its terminal has gone to the place that was kept ready for it.
func (m *Mover) Changed(task signaling.TaskID) {
	select {
	case m.commands <- func(now time.Time) {
		if p := m.places[task]; p != nil {
			m.watch(p, now)
		}
	}:
	default: // it is watched in any case
	}
}

// watchAll looks what has become of the tasks that are being handed over.
func (m *Mover) watchAll(now time.Time) {
	for _, mv := range m.defrag.Migrator.Moving() {
		if p := m.places[mv.Task]; p != nil && mv.Stage == migrator.Handing {
			switch {
			case mv.Reason == migrator.Lost && m.isBack(mv.From):
				m.defrag.Migrator.Cancel(m.ctx, mv.Task, "its node is back", now)
			case m.isGone(mv.To):
				_ = m.defrag.Migrator.NodeLost(m.ctx, mv.To, nil, now) // it has nothing to add, and so no error
			default:
				if mv.Reason != migrator.Lost && m.isGone(mv.From) {
					_ = m.defrag.Migrator.NodeLost(m.ctx, mv.From, nil, now)
				}
				m.watch(p, now)
			}
		}
	}
}

// isBack says whether a node that was gone has registered again, with whichever broker.
func (m *Mover) isBack(node signaling.NodeID) bool {
	n, known := m.Nodes.Get(node)
	if !known || n.State == signaling.NodeLost || n.State == signaling.NodeStarting {
		return false
	}
	ctx, cancel := m.within()
	defer cancel()
	return m.Edges.Linked(ctx, node)
}

// isGone says whether a node has no link any more, with whichever broker.
func (m *Mover) isGone(node signaling.NodeID) bool {
	n, known := m.Nodes.Get(node)
	if !known || n.State == signaling.NodeLost {
		return true
	}
	if n.State != signaling.NodeStarting {
		return false
	}
	ctx, cancel := m.within()
	defer cancel()
	return !m.Edges.Linked(ctx, node)
}

// watch looks what has become of a task that is being handed over.
func (m *Mover) watch(p *place, now time.Time) {
	ctx, cancel := m.within()
	defer cancel()
	id, attempt := p.task.ID, p.held.Attempt
	t, err := m.Pool.Task(ctx, id)
	switch {
	case err != nil && !errors.Is(err, pool.ErrNotFound): // the next look tells
	case err != nil || t.State.Ended():
		m.defrag.Migrator.TaskEnded(m.ctx, id, now)
	case t.Attempt != nil && t.Attempt.ID == attempt.ID:
		m.defrag.Migrator.Arrived(m.ctx, id, now)
	case t.Attempt != nil && t.Attempt.ID != p.task.Attempt.ID:
		m.defrag.Migrator.Cancel(m.ctx, id, "it has got another place", now)
	case t.Moves == nil || t.Moves.ID != attempt.ID:
		m.defrag.Migrator.Failed(m.ctx, id, fmt.Errorf("the reservation on node %s was given up", attempt.Node), now)
	}
}
