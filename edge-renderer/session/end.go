package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// fault takes a job that failed. One that gave way to a newer view is no fault.
func (l *loop) fault(ctx context.Context, o outcome) {
	if errors.Is(o.err, context.Canceled) {
		return
	}
	l.faults++
	l.s.log.Error("picture failed", "kind", o.job.kind, "err", o.err)
	revision := o.job.view.Revision
	l.sent, l.refined, l.stilled = revision, revision, revision // not again until something changes
	l.keyWanted, l.repeatAt = false, 0
	l.event(signaling.Event{Type: signaling.EventNotice, Problem: &signaling.Problem{Code: signaling.ProblemInternal,
		Title: "A picture could not be made", Detail: "The picture on the screen may be out of date: change the view, or open the study again"}})
	if l.faults >= maxFaults {
		l.fail(&signaling.Problem{Code: signaling.ProblemInternal, Title: "The edge cannot render this study any more",
			Detail: "Open it again; another edge may serve it"})
	}
}

// fail ends the session after the page has had time to hear why.
func (l *loop) fail(p *signaling.Problem) {
	if l.failed == nil {
		l.failed = p
	}
	l.tellFailure()
}

func (l *loop) tellFailure() {
	if l.failed == nil || !l.peer.connected || l.endAt > 0 {
		return
	}
	l.event(signaling.Event{Type: signaling.EventEnding, Problem: l.failed})
	l.endSoon(l.failed)
}

// endSoon ends the session when what was just sent has had time to arrive.
// One whose page finishes it where it has just arrived waits for the broker, which must not hear of the end of a place that
// it does not know yet.
func (l *loop) endSoon(cause error) {
	after := farewell
	if l.arriving && errors.Is(cause, ending.ErrFinished) {
		after = promoteWithin
	}
	l.ending, l.endAt = cause, l.s.clock()+after
}

// expired says whether the session ends because nobody came, nobody is there, or nobody does anything.
func (l *loop) expired(now time.Duration) error {
	i := l.s.cfg.Instruction
	over := func(since time.Duration, limitMs int64) bool {
		return limitMs > 0 && now-since > time.Duration(limitMs)*time.Millisecond
	}
	switch {
	case l.endAt > 0 && now >= l.endAt:
		return l.ending
	case l.shadow:
		if l.failed != nil {
			return l.failed
		}
	case l.state == signaling.TaskReserved && over(l.awaited, l.patience()):
		if l.failed != nil {
			return l.failed
		}
		return fmt.Errorf("%w: the terminal did not come within %s", ending.ErrExpired, span(l.patience()))
	case l.state == signaling.TaskRunning && !l.peer.connected && over(l.lost, i.GraceMs):
		return fmt.Errorf("%w: the terminal was gone for %s", ending.ErrExpired, span(i.GraceMs))
	case l.state == signaling.TaskRunning && over(l.touched, i.IdleMs):
		return fmt.Errorf("%w: no input for %s", ending.ErrExpired, span(i.IdleMs))
	}
	return nil
}

// patience is how long the terminal may take to come, milliseconds: one that was away while its session moved has its time of
// grace.
func (l *loop) patience() int64 {
	i := &l.s.cfg.Instruction
	if i.Moves && i.WaitMs > 0 {
		return max(i.WaitMs, i.GraceMs)
	}
	return i.WaitMs
}

// span is a length of time in words.
func span(ms int64) string {
	if ms%60_000 == 0 {
		return fmt.Sprintf("%d min", ms/60_000)
	}
	return fmt.Sprintf("%g s", float64(ms)/1000)
}

// end releases everything, and says what became of the session.
func (l *loop) end(cause error) {
	state, reason := ending.Outcome(cause)
	if l.running != nil {
		l.running.cancel()
		l.letJob((<-l.outcomes).job)
	}
	close(l.orders)
	if l.opening != nil {
		l.opening.cancel()
	}
	for _, t := range l.tasks {
		t.cancel()
	}
	if l.stillFlight != nil {
		l.stillFlight()
	}
	if l.peer.connected && l.endAt == 0 { // it has not been told why
		why := ending.Problem(cause)
		if l.arriving && l.failed == nil {
			why = ending.NotMoved
		}
		l.event(signaling.Event{Type: signaling.EventEnding, Problem: why})
		<-time.After(farewell)
	}
	l.Leave(cause)
	l.helpers.Wait()
	for len(l.s.events) > 0 { // what came while the session ended
		switch e := (<-l.s.events).(type) {
		case eventMove:
			e.told(errLeft)
		case eventLoaded:
			if e.series != nil {
				e.series.Release()
			}
		case eventPreview:
			e.series.Release()
		}
	}
	for _, t := range l.tasks {
		l.letGo(t.works)
	}
	if l.opening != nil {
		l.opening.leave()
		l.letKept(l.opening)
	}
	l.view = nil
	l.prune()
	if l.uploads != nil {
		l.uploads.close()
		l.s.cfg.Volumes.Forget(l.uploads.owner)
	}
	l.s.log.Info("session ended", "state", state, "reason", reason, "pictures", l.usage.Pictures)
	l.report(state, reason)
}

func (l *loop) report(state signaling.TaskState, reason string) {
	l.state = state
	u := signaling.Update{Task: l.s.cfg.Instruction.Task, Attempt: l.s.cfg.Instruction.Attempt.ID, State: state, Reason: reason}
	if state.Ended() {
		used := l.used()
		u.Usage = &used
	}
	l.s.cfg.Changed(u)
}
