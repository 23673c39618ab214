package moving

import (
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/signaling"
)

var (
	reasons  = []migrator.Reason{migrator.Defragment, migrator.Drain, migrator.ByHand, migrator.Lost}
	outcomes = []migrator.Outcome{migrator.Moved, migrator.Stays, migrator.Ended, migrator.Other}
)

// The states of a signaling.Moving that is under way.
const (
	stateWaiting    = "waiting"
	stateHanding    = "handing-over"
	stateCommitting = "committing"
)

// Moves are the moves under way at this broker, as they were asked for, and behind them the last ones that ended, the newest
// first.
func (m *Mover) Moves() []signaling.Moving {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.shown)
	for _, e := range slices.Backward(m.ended) {
		out = append(out, e)
	}
	return out
}

// shownOf is a task's move as it is shown, the newest; or what is given where there is none.
func (m *Mover) shownOf(task signaling.TaskID, or signaling.Moving) signaling.Moving {
	for _, mv := range m.Moves() {
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
		shown[i] = signaling.Moving{Task: mv.Task, Reason: signaling.MoveReason(mv.Reason), From: mv.From, To: mv.To, Why: mv.Why, BeganAt: mv.Began.UTC()}
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
	defer m.mu.Unlock()
	m.shown = shown
}

// report takes the end of a move.
func (m *Mover) report(r migrator.Report) {
	at := r.At.UTC()
	m.counts.WithLabelValues(string(r.Reason), string(r.Outcome)).Inc()
	m.Log.Info("a move has ended", "task", r.Task, "reason", r.Reason, "from", r.From, "to", r.To, "outcome", r.Outcome, "why", r.Why,
		"took", r.At.Sub(r.Began).Round(time.Millisecond))
	m.mu.Lock()
	m.ended = append(m.ended, signaling.Moving{Task: r.Task, Reason: signaling.MoveReason(r.Reason), From: r.From, To: r.To,
		State: string(r.Outcome), Why: r.Why, BeganAt: r.Began.UTC(), EndedAt: &at})
	if len(m.ended) > keptEnded {
		m.ended = slices.Delete(m.ended, 0, len(m.ended)-keptEnded)
	}
	m.mu.Unlock()
	m.over(r)
}
