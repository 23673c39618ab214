package session

import (
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// A session moves to another edge by make before break (B8). Where it leaves, it goes on as ever; its page is told where to
// go once the compute tasks that run in it have ended, whose results would be lost with the connection. Where it arrives, it is
// a shadow to which its page may come: it takes the page's input and sends pictures of the whole study, never of a preview,
// while the other one still is the session. Its page says when such a picture is on the screen. Files that the page has sent it
// sends there again; one that has them no more stays.

const (
	// revisionsAhead is how far the revisions at the place where a session arrives are ahead of those that it was told: more
	// than the place that it leaves can issue until it has been left. Revisions never fall in a move.
	revisionsAhead = 1 << 16
	// promoteWithin is how long a session whose page has finished it waits for the broker's word that this is its place.
	promoteWithin = 10 * time.Second
)

// leaving is a move to another edge.
type leaving struct {
	signaling.Move
	told bool // the page knows
}

// The events of a move.
type (
	eventMove struct {
		move signaling.Move
		told func(error)
	}
	eventStay struct{ move signaling.Move }
)

// Move has the page go to another edge, see the package agent. A page that is not there is a problem not-found.
func (s *Session) Move(m signaling.Move, told func(error)) {
	var once sync.Once
	answer := func(err error) { once.Do(func() { told(err) }) }
	s.tell(eventMove{m, answer})
	select {
	case <-s.done: // nobody takes it any more
		answer(errLeft)
	default: // it is taken, at the latest by refuseMoves
	}
}

// refuseMoves answers moves that came while the session ended.
func (s *Session) refuseMoves() {
	for len(s.events) > 0 {
		if e, ok := (<-s.events).(eventMove); ok {
			e.told(errLeft)
		}
	}
}

// Stay has the page remain.
func (s *Session) Stay(m signaling.Move) { s.tell(eventStay{m}) }

// errLeft is why a session that ends does not move.
var errLeft = &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The session ends", Detail: "There is nothing to move"}

// leave begins a move to another edge, in place of one before.
func (l *loop) leave(e eventMove) {
	var why *signaling.Problem
	switch {
	case l.endAt > 0 || l.failed != nil:
		why = errLeft
	case !l.peer.connected:
		why = &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No page is connected", Detail: "It finds the session by its grant"}
	}
	if why != nil {
		e.told(why)
		return
	}
	l.leaving = &leaving{Move: e.move}
	l.tellMove()
	l.tellUsage()
	e.told(nil)
}

// tellMove tells the page where to go, once nothing that it has asked for would be lost on the way.
func (l *loop) tellMove() {
	m := l.leaving
	if m == nil || m.told || !l.peer.connected || len(l.tasks) > 0 {
		return
	}
	err := l.peer.Tell(signaling.Event{Type: signaling.EventMove, Grant: m.Grant, Reason: m.Reason})
	if m.told = err == nil; err != nil {
		l.s.log.Debug("event not sent", "type", signaling.EventMove, "err", err)
	}
}

// stay gives a move up.
func (l *loop) stay(m signaling.Move) {
	if l.leaving == nil {
		return
	}
	if l.leaving.told {
		l.event(signaling.Event{Type: signaling.EventStay, Reason: m.Reason})
	}
	l.leaving = nil
}

// stayed takes the page's word that it cannot go.
func (l *loop) stayed(p *signaling.Problem) error {
	if l.leaving == nil {
		return nil // it has been given up already
	}
	i, to := l.s.cfg.Instruction, l.leaving.Grant.Attempt.ID
	l.leaving = nil
	l.s.log.Info("the page cannot go to another edge", "to", to)
	l.moved(signaling.MoveReport{Task: i.Task, Attempt: to, Problem: ending.Stayed(p)})
	return nil
}

// arrived takes the page's word that a picture of this edge is on its screen.
func (l *loop) arrived() error {
	i := l.s.cfg.Instruction
	if !i.Moves {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Nothing arrives here", Detail: "The session has been here from its beginning"}
	}
	if l.arriving && !l.landed {
		l.landed = true
		l.moved(signaling.MoveReport{Task: i.Task, Attempt: i.Attempt.ID})
	}
	return nil
}

func (l *loop) moved(r signaling.MoveReport) {
	if l.s.cfg.Moved != nil {
		l.s.cfg.Moved(r)
	}
}

// shows says whether there is something to show: where the session arrives, only all of what the other one shows.
func (l *loop) shows() bool { return l.view != nil && (!l.arriving || l.inStep()) }

// inStep says whether all of what the other one shows is here.
func (l *loop) inStep() bool {
	return l.view != nil && l.followed == nil && l.opening == nil && !l.coarse()
}

// tellUsage tells the broker what the session has used so far, which goes along.
func (l *loop) tellUsage() {
	u, i := l.used(), l.s.cfg.Instruction
	l.s.cfg.Changed(signaling.Update{Task: i.Task, Attempt: i.Attempt.ID, State: l.state, Usage: &u})
}

// used is what the session has used, here and where it ran before.
func (l *loop) used() signaling.Usage {
	own := l.usage
	own.RunMs = (l.s.clock() - l.began).Milliseconds()
	return ending.Used(l.ran, own)
}
