package moving

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/board"
	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/signaling"
)

var (
	reasons  = []migrator.Reason{migrator.Defragment, migrator.Drain, migrator.Closing, migrator.ByHand, migrator.Lost}
	outcomes = []migrator.Outcome{migrator.Moved, migrator.Stays, migrator.Ended, migrator.Other}
)

// The states of a signaling.Moving that is under way.
const (
	stateWaiting    = "waiting"
	stateHanding    = "handing-over"
	stateCommitting = "committing"
)

// Moves are the moves under way, as they began, and behind them the last ones that ended, the newest first: those of all
// brokers, or this one's where the pool does not answer.
func (m *Mover) Moves(ctx context.Context) []signaling.Moving {
	underWay, ended := m.board.All(ctx)
	return append(underWay, ended...)
}

// entry is a move as the board tells it apart.
func entry(mv signaling.Moving) board.Entry {
	e := board.Entry{Key: fmt.Sprint(mv.Task, " ", mv.BeganAt.UnixNano()), Began: mv.BeganAt}
	if mv.EndedAt != nil {
		e.Ended = *mv.EndedAt
	}
	return e
}

func (m *Mover) underWay() []signaling.Moving {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.shown)
}

// shownOf is a task's move under way at this broker as it is shown, or what is given where there is none.
func (m *Mover) shownOf(task signaling.TaskID, or signaling.Moving) signaling.Moving {
	for _, mv := range m.underWay() {
		if mv.Task == task {
			return mv
		}
	}
	return or
}

// show publishes the moves that are under way.
func (m *Mover) show() {
	all := m.defrag.Migrator.Moving()
	shown := make([]signaling.Moving, len(all))
	for i, mv := range all {
		shown[i] = signaling.Moving{Task: mv.Task, Type: m.tasks[mv.Task].Request.Type, Reason: signaling.MoveReason(mv.Reason), From: mv.From, To: mv.To,
			Why: mv.Why, BeganAt: mv.Began.UTC()}
		switch mv.Stage {
		case migrator.Handing:
			shown[i].State = stateHanding
		case migrator.Committing:
			shown[i].State = stateCommitting
		default:
			shown[i].State = stateWaiting
		}
	}
	m.mu.Lock()
	m.shown = shown
	m.mu.Unlock()
	m.board.Changed()
}

// round takes the beginning or the end of a round of defragmentation.
func (m *Mover) round(r defrag.Round) {
	switch {
	case !r.Ended:
		m.rounds.WithLabelValues(string(r.Why)).Inc()
		m.labelled.Add(float64(r.Labelled))
		m.Log.Info("a round of defragmentation begins", "why", r.Why, "labelled", r.Labelled)
	case r.Moved > 0:
		m.Log.Info("a round of defragmentation has ended", "why", r.Why, "labelled", r.Labelled, "moved", r.Moved)
	default:
		m.Log.Info("nothing could move in a round of defragmentation: it rests", "why", r.Why, "labelled", r.Labelled, "rest", r.Rests)
	}
}

// report takes the end of a move.
func (m *Mover) report(r migrator.Report) {
	at := r.At.UTC()
	m.counts.WithLabelValues(string(r.Reason), string(r.Outcome)).Inc()
	m.Log.Info("a move has ended", "task", r.Task, "reason", r.Reason, "from", r.From, "to", r.To, "outcome", r.Outcome, "why", r.Why,
		"took", r.At.Sub(r.Began).Round(time.Millisecond))
	m.board.Report(signaling.Moving{Task: r.Task, Type: m.tasks[r.Task].Request.Type, Reason: signaling.MoveReason(r.Reason), From: r.From, To: r.To,
		State: string(r.Outcome), Why: r.Why, BeganAt: r.Began.UTC(), EndedAt: &at})
	m.over(r)
}
