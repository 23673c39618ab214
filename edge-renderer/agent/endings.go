package agent

import (
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// lastWord is the end of an attempt that the broker may not know of. Until it surely does, the attempt is in the
// registration as it was, so that the pool does not take it for lost.
type lastWord struct {
	update signaling.Update
	entry  signaling.LedgerEntry
	told   time.Time // zero: not yet
}

// changed keeps the ledger and the broker informed of a session.
func (a *Agent) changed(u signaling.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ordered := a.ledger.find(u.Attempt).ordered
	entry, ok := a.ledger.update(u)
	if !u.State.Ended() {
		if a.link != nil {
			_ = a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &u}) // the next registration says it too
		}
		return
	}
	// The broker has taken a task that moved off this edge itself. Told again to a pool that has lost all, this end would be the
	// task's, which goes on.
	if !ok || a.ledger.find(u.Attempt).moved {
		return
	}
	if ordered { // The broker has ended it, and only hears what it used. In a registration it would come back.
		if a.link != nil {
			_ = a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &u})
		}
		return
	}
	now := time.Now()
	a.forget(now)
	if len(a.endings) == maxEndings {
		a.endings = a.endings[1:]
	}
	a.endings = append(a.endings, lastWord{update: u, entry: entry})
	a.tell(&a.endings[len(a.endings)-1])
}

// tell tells the broker an end, where there is a link. The caller has the lock.
func (a *Agent) tell(e *lastWord) {
	if a.link != nil && a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &e.update}) == nil {
		e.told = time.Now()
	}
}

// forget drops the ends that the broker knows by now. The caller has the lock.
func (a *Agent) forget(now time.Time) {
	a.endings = slices.DeleteFunc(a.endings, func(e lastWord) bool { return !e.told.IsZero() && now.Sub(e.told) > toldFor })
}
