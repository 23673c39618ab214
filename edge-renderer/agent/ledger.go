package agent

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// endWithin is how long sessions may take to end when the edge does.
const endWithin = 6 * time.Second

// ledger is what runs on this edge. It decides; Redis is only its index. Its methods may be called from
// several goroutines.
type ledger struct {
	capacity signaling.Resources
	types    []signaling.TaskType

	mu       sync.Mutex
	entries  map[signaling.AttemptID]*entry
	epoch    int64 // highest fencing token seen
	draining bool
	closed   bool
	late     time.Time      // until when sessions may end, once closed
	running  sync.WaitGroup // sessions that hold something
}

// entry is an attempt that this edge holds.
type entry struct {
	signaling.LedgerEntry
	work Work
}

func newLedger(capacity signaling.Resources, types []signaling.TaskType) *ledger {
	return &ledger{capacity: capacity, types: types, entries: map[signaling.AttemptID]*entry{}}
}

// admit holds the resources of an instruction, or says why not. Admitting the same attempt again changes
// nothing. begin starts the session; it is called under the ledger's lock, once.
func (l *ledger) admit(i *signaling.Instruction, begin func() Work) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.entries[i.Attempt.ID]; ok {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "The edge does not take the task", Detail: fmt.Sprintf(format, args...)}
	}
	if l.draining || l.closed {
		return refuse("it takes nothing new, because it is about to stop")
	}
	if !slices.Contains(l.types, i.Request.Type) {
		return refuse("it does not do tasks of type %.40q", string(i.Request.Type))
	}
	for _, e := range l.entries {
		if e.Task == i.Task && e.Attempt.Fencing >= i.Attempt.Fencing {
			return refuse("a newer attempt of the same task runs here")
		}
	}
	if free := l.free(); !i.Resources.Fits(free) {
		return refuse("it has %+v left and the task takes %+v", free, i.Resources)
	}
	l.epoch = max(l.epoch, i.Attempt.Fencing)
	e := &entry{LedgerEntry: signaling.LedgerEntry{Task: i.Task, Attempt: i.Attempt, Type: i.Request.Type,
		Resources: i.Resources, State: signaling.TaskReserved, Creator: i.Creator}}
	l.entries[i.Attempt.ID] = e
	e.work = begin()
	l.running.Go(func() { <-e.work.Done() })
	return nil
}

// free is what no attempt holds. The caller has the lock.
func (l *ledger) free() signaling.Resources {
	free := l.capacity
	for _, e := range l.entries {
		free = free.Sub(e.Resources)
	}
	return free
}

// update notes an attempt's state, and forgets it when it has ended. It returns the entry as it was, where there is one.
func (l *ledger) update(u signaling.Update) (signaling.LedgerEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[u.Attempt]
	if e == nil {
		return signaling.LedgerEntry{}, false
	}
	before := e.LedgerEntry
	if u.State.Ended() {
		delete(l.entries, u.Attempt)
	} else {
		e.State = u.State
	}
	return before, true
}

// find is the session of an attempt, nil where this edge does not hold it.
func (l *ledger) find(id signaling.AttemptID) Work {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		return e.work
	}
	return nil
}

// release ends an attempt for a reason, unless the order is older than the attempt.
func (l *ledger) release(r *signaling.Release, reason error) {
	l.mu.Lock()
	e := l.entries[r.Attempt]
	l.epoch = max(l.epoch, r.Fencing)
	l.mu.Unlock()
	if e != nil && r.Fencing >= e.Attempt.Fencing {
		e.work.End(reason)
	}
}

// revoke ends an attempt that the broker says is over, whatever its fencing token.
func (l *ledger) revoke(id signaling.AttemptID) {
	if s := l.find(id); s != nil {
		s.End(errRevoked)
	}
}

// snapshot is the ledger as it is sent to the broker.
func (l *ledger) snapshot() (entries []signaling.LedgerEntry, attempts []signaling.AttemptID, epoch int64, draining bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		entries = append(entries, e.LedgerEntry)
		attempts = append(attempts, id)
	}
	return entries, attempts, l.epoch, l.draining
}

// drain takes nothing new from now on.
func (l *ledger) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
}

// close ends every session and waits until nothing is held, but no longer than endWithin after the first call. It says
// how many sessions have not ended by then.
func (l *ledger) close(reason error) int {
	l.mu.Lock()
	if !l.closed {
		l.closed, l.late = true, time.Now().Add(endWithin)
	}
	for _, e := range l.entries {
		e.work.End(reason)
	}
	late := l.late
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with the sessions, or with the process
		l.running.Wait()
		close(ended)
	}()
	timer := time.NewTimer(time.Until(late))
	defer timer.Stop()
	select {
	case <-ended:
		return 0
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}
