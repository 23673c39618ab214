package agent

import (
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// A task moves to another edge by make before break (B8): its work here has the terminal go there (mover) and goes on
// meanwhile, and the edge where it has arrived says so. The broker then releases it here with the problem "moved".

// maxMoved bounds the attempts that are remembered as moved.
const maxMoved = 1024

// moveReport is how a handover went, as far as the broker may not know it.
type moveReport struct {
	signaling.MoveReport
	told time.Time // zero: not yet
}

// move has the terminal of an attempt go to another edge. The broker is answered once the terminal was told, or why it was
// not.
func (a *Agent) move(link answerer, m *signaling.Control) {
	answer := func(err error) {
		if err != nil {
			_ = link.Send(refusal(m.ID, err))
			return
		}
		_ = link.Send(signaling.Control{Type: signaling.ControlConfirm, ID: m.ID})
	}
	w, err := a.leaves(m.Move)
	if err != nil {
		answer(err)
		return
	}
	w.Move(*m.Move, answer)
}

// leaves is the work that a move is about.
func (a *Agent) leaves(m *signaling.Move) (mover, error) {
	e := a.ledger.find(m.Attempt)
	if e.work == nil || e.shadow || e.moved {
		return nil, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task does not run here",
			Detail: "It may have ended, or have moved already"}
	}
	if m.Grant == nil {
		return nil, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The instruction cannot be carried out", Detail: "grant: a move names the place to go to"}
	}
	w, ok := e.work.(mover)
	if !ok {
		return nil, &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "The task cannot move", Detail: "It ends where it runs"}
	}
	return w, nil
}

// stay has a work go on here whose terminal was to go elsewhere.
func (a *Agent) stay(m *signaling.Move) {
	if w, ok := a.ledger.find(m.Attempt).work.(mover); ok {
		w.Stay(*m)
	}
}

// Moved reports how a handover went to the broker, again after every loss of the link for as long as it may not know.
func (a *Agent) Moved(r signaling.MoveReport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetMoves(time.Now())
	if len(a.moves) == maxEndings {
		a.moves = a.moves[1:]
	}
	a.moves = append(a.moves, moveReport{MoveReport: r})
	a.tellMove(&a.moves[len(a.moves)-1])
}

// tellMove tells the broker a report, where there is a link. The caller has the lock.
func (a *Agent) tellMove(r *moveReport) {
	if a.link != nil && a.link.Send(signaling.Control{Type: signaling.ControlMoved, Moved: &r.MoveReport}) == nil {
		r.told = time.Now()
	}
}

// forgetMoves drops the reports that the broker knows by now. The caller has the lock.
func (a *Agent) forgetMoves(now time.Time) {
	a.moves = slices.DeleteFunc(a.moves, func(r moveReport) bool { return !r.told.IsZero() && now.Sub(r.told) > toldFor })
}

// hasMoved says whether a release ends an attempt because its task goes on elsewhere.
func hasMoved(r *signaling.Release) bool {
	return r.Problem != nil && r.Problem.Code == signaling.ProblemMoved
}
