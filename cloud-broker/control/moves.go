package control

import (
	"context"

	"github.com/tomocast/tomocast/signaling"
)

// Name names this broker among those of the pool, anew at each start.
func (h *Hub) Name() string { return h.name }

// Move has node, which a task is to leave, tell the task's terminal where to go, and waits until it has. Where no terminal is
// connected the error is a *signaling.Problem with the code not-found; others are as those of Instruct.
func (h *Hub) Move(ctx context.Context, node signaling.NodeID, m signaling.Move) error {
	_, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlMove, Move: &m}, signaling.ControlConfirm)
	return err
}

// Stay tells node that a task stays there after all.
func (h *Hub) Stay(ctx context.Context, node signaling.NodeID, m signaling.Move) error {
	_, err := h.send(ctx, node, signaling.Control{Type: signaling.ControlStay, Move: &m})
	return err
}

// moved tells the desk how a handover went, beside the link's other messages.
func (l *link) moved(r signaling.MoveReport) {
	select {
	case l.questions <- struct{}{}:
	default: // the move is given up when its time is over
		l.hub.Log.Warn("the end of a handover is lost: the broker is busy with this edge's requests", "node", l.node, "task", r.Task)
		return
	}
	l.asking.Go(func() {
		defer func() { <-l.questions }()
		ctx, cancel := context.WithTimeout(l.hub.ctx, questionWithin)
		defer cancel()
		l.hub.desk.Moved(ctx, l.node, r)
	})
}
