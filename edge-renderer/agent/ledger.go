package agent

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// endWithin is how long works may take to end when the edge does.
const endWithin = 6 * time.Second

// errLetGo is why an instruction is not carried out that was taken back while it waited for room.
var errLetGo = &signaling.Problem{Code: signaling.ProblemCancelled, Title: "The edge does not take the task",
	Detail: "It was taken back while it waited for room"}

// ledger is what runs on this edge. It decides; Redis is only its index. Its methods may be called from
// several goroutines.
type ledger struct {
	mu       sync.Mutex
	node     signaling.Node // as an operator has it
	entries  map[signaling.AttemptID]*entry
	awaiting map[signaling.AttemptID]signaling.Resources // instructions that wait for room
	freed    chan struct{}                               // closed when something is let go, and made anew
	epoch    int64                                       // highest fencing token seen
	stopping bool                                        // by this program's order, not an operator's
	closed   bool
	moved    []signaling.AttemptID // whose tasks went on elsewhere, the oldest first
	late     time.Time             // until when works may end, once closed
	running  sync.WaitGroup        // works that hold something
}

// entry is an attempt that this edge holds.
type entry struct {
	signaling.LedgerEntry
	work   Work // nil while it is only held for a task whose fencing token the broker has not given yet
	ending bool // what it holds is free in a moment
	moves  bool // a shadow that its terminal comes to
	moved  bool // it ends because the task goes on elsewhere
}

func newLedger(node signaling.Node) *ledger {
	return &ledger{node: node, entries: map[signaling.AttemptID]*entry{}, awaiting: map[signaling.AttemptID]signaling.Resources{},
		freed: make(chan struct{})}
}

// refuse says why a task is not taken.
func refuse(format string, args ...any) *signaling.Problem {
	return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "The edge does not take the task", Detail: fmt.Sprintf(format, args...)}
}

// admit holds the resources of an instruction, or says why not. Admitting the same attempt again changes
// nothing but its fencing token. begin starts the work; it is called under the ledger's lock, once. Where there is room
// once works that end have ended, the instruction is noted and freed is closed when it should be tried again.
func (l *ledger) admit(i *signaling.Instruction, begin func() Work) (freed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.awaiting, i.Attempt.ID)
	if e, ok := l.entries[i.Attempt.ID]; ok {
		e.Attempt.Fencing = max(e.Attempt.Fencing, i.Attempt.Fencing)
		l.epoch = max(l.epoch, i.Attempt.Fencing)
		return nil, nil
	}
	if p := l.takes(i.Request.Type); p != nil {
		return nil, p
	}
	for _, e := range l.entries {
		if e.Task == i.Task && e.Attempt.Fencing >= i.Attempt.Fencing {
			return nil, refuse("a newer attempt of the same task runs here")
		}
	}
	if err := l.room(i.Resources, i.Attempt.GPU, false); err != nil {
		if l.room(i.Resources, i.Attempt.GPU, true) == nil {
			l.awaiting[i.Attempt.ID] = i.Resources
			return l.freed, err
		}
		return nil, err
	}
	e := &entry{}
	l.entries[i.Attempt.ID] = e
	l.begin(e, i, begin)
	return nil, nil
}

// raise gives an attempt that runs here a higher fencing token, and says whether it does.
func (l *ledger) raise(a signaling.Attempt) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = max(l.epoch, a.Fencing)
	e := l.entries[a.ID]
	if e == nil || e.work == nil {
		return false
	}
	e.Attempt.Fencing = max(e.Attempt.Fencing, a.Fencing)
	return true
}

// awaits says whether an instruction still waits for room, and nobody has taken it back.
func (l *ledger) awaits(id signaling.AttemptID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.awaiting[id]
	return ok
}

// giveUp ends the waiting of an instruction.
func (l *ledger) giveUp(id signaling.AttemptID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.awaiting, id)
}

// begin starts the work of an entry. The caller has the lock.
func (l *ledger) begin(e *entry, i *signaling.Instruction, begin func() Work) {
	l.epoch = max(l.epoch, i.Attempt.Fencing)
	e.LedgerEntry = signaling.LedgerEntry{Task: i.Task, Attempt: i.Attempt, Type: i.Request.Type, Resources: i.Resources,
		State: signaling.TaskReserved, Creator: i.Creator, Request: kept(i.Request), Shadow: i.Shadow}
	e.moves = i.Shadow && i.Moves
	if i.Ran != nil {
		since := time.Now().Add(-time.Duration(i.Ran.RunMs) * time.Millisecond).UTC()
		e.StartedAt = &since
	}
	e.work = begin()
	l.running.Go(func() { <-e.work.Done() })
}

// kept is a request as a ledger has it.
func kept(r signaling.TaskRequest) *signaling.TaskRequest {
	if len(r.Parameters) > signaling.MaxLedgerParameters {
		r.Parameters = nil
	}
	r.Pings, r.Local = nil, nil
	return &r
}

// hold keeps resources for a task that a terminal has asked this edge for itself, and says which GPU it gets. What
// instructions wait for is not given away.
func (l *ledger) hold(id signaling.AttemptID, r *signaling.TaskRequest) (gpu int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.takes(r.Type); p != nil {
		return 0, p
	}
	if l.node.State == signaling.NodeCordoned {
		return 0, refuse("an operator keeps new tasks away from it")
	}
	needs := r.Needs()
	if gpu, err = l.pick(needs); err != nil {
		return 0, err
	}
	l.entries[id] = &entry{LedgerEntry: signaling.LedgerEntry{Attempt: signaling.Attempt{ID: id, Node: l.node.ID, GPU: gpu}, Type: r.Type, Resources: needs}}
	return gpu, nil
}

// confirm begins what was held.
func (l *ledger) confirm(i *signaling.Instruction, begin func() Work) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[i.Attempt.ID]
	switch {
	case e == nil || e.work != nil:
		return errors.New("the broker's answer is for an attempt that was not held")
	case l.closed || l.stopping:
		l.remove(i.Attempt.ID)
		return refuse("it is about to stop")
	}
	l.begin(e, i, begin)
	return nil
}

// drop lets go of what was held, where it has not begun.
func (l *ledger) drop(id signaling.AttemptID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.work == nil {
		l.remove(id)
	}
}

// takes says why this edge takes no task of a type, nil where it may. The caller has the lock.
func (l *ledger) takes(t signaling.TaskType) *signaling.Problem {
	switch {
	case l.stopping || l.closed:
		return refuse("it takes nothing new, because it is about to stop")
	case l.node.State == signaling.NodeDraining:
		return refuse("it takes nothing new: an operator drains it")
	case !slices.Contains(l.node.Types, t):
		return refuse("it does not do tasks of type %.40q", string(t))
	}
	return nil
}

// pick is the GPU with the most memory free of those where needs fit. The caller has the lock.
func (l *ledger) pick(needs signaling.Resources) (gpu int, err error) {
	for _, r := range l.awaiting {
		needs = needs.Add(r)
	}
	if err = l.room(needs, 0, false); err == nil && len(l.node.GPUs) == 0 {
		return 0, nil
	}
	most := int64(-1)
	for g := range l.node.GPUs {
		if e := l.room(needs, g, false); e != nil {
			if err == nil {
				err = e
			}
			continue
		}
		if free := l.freeGPUs(false)[g].MemoryMB; free > most {
			gpu, most = g, free
		}
	}
	if most >= 0 {
		return gpu, nil
	}
	return 0, err
}

// room says why needs do not fit on a GPU, beside all that is held, or beside what does not end anyway. The caller has the
// lock.
func (l *ledger) room(needs signaling.Resources, gpu int, ended bool) error {
	free := l.node.Capacity
	for _, e := range l.entries {
		if !ended || !e.ending {
			free = free.Sub(e.Resources)
		}
	}
	if lacks := shortage(needs, free); lacks != "" {
		return refuse("%s", lacks)
	}
	if len(l.node.GPUs) == 0 {
		return nil
	}
	gpus := l.freeGPUs(ended)
	if gpu < 0 || gpu >= len(gpus) {
		return refuse("it has %d GPUs, and the task is for number %d, counted from 0", len(gpus), gpu)
	}
	if lacks := shortage(signaling.Resources{GPUMemoryMB: needs.GPUMemoryMB, GPUMilli: needs.GPUMilli},
		signaling.Resources{GPUMemoryMB: gpus[gpu].MemoryMB, GPUMilli: gpus[gpu].Milli}); lacks != "" {
		return refuse("on its GPU %d %s", gpu, lacks)
	}
	return nil
}

// shortage says what is missing first where needs do not fit into what is free; empty where they do.
func shortage(needs, free signaling.Resources) string {
	for _, r := range []struct {
		need, free int64
		unit       string
	}{
		{needs.EncoderSessions, free.EncoderSessions, "encoder sessions"}, {needs.GPUMemoryMB, free.GPUMemoryMB, "MiB of GPU memory"},
		{needs.GPUMilli, free.GPUMilli, "thousandths of a GPU"}, {needs.CPUMilli, free.CPUMilli, "thousandths of a processor core"},
		{needs.MemoryMB, free.MemoryMB, "MiB of memory"},
	} {
		if r.need > r.free {
			return fmt.Sprintf("it has %d %s left and the task takes %d", max(r.free, 0), r.unit, r.need)
		}
	}
	return ""
}

// freeGPUs is what is left of each GPU. The caller has the lock.
func (l *ledger) freeGPUs(ended bool) []signaling.GPU {
	free := slices.Clone(l.node.GPUs)
	for _, e := range l.entries {
		if g := e.Attempt.GPU; (!ended || !e.ending) && g >= 0 && g < len(free) {
			free[g].MemoryMB -= e.Resources.GPUMemoryMB
			free[g].Milli -= e.Resources.GPUMilli
		}
	}
	return free
}

// remove takes an entry out and tells those who wait for room. The caller has the lock.
func (l *ledger) remove(id signaling.AttemptID) {
	delete(l.entries, id)
	l.loosen()
}

// loosen tells those who wait for room that there may be more. The caller has the lock.
func (l *ledger) loosen() {
	close(l.freed)
	l.freed = make(chan struct{})
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
		l.remove(u.Attempt)
		return before, true
	}
	e.State = u.State
	if e.StartedAt == nil && u.State == signaling.TaskRunning {
		now := time.Now().UTC()
		e.StartedAt = &now
	}
	return before, true
}

// found is an attempt as who asks for it finds it.
type found struct {
	work    Work // nil where this edge does not hold it
	shadow  bool // it is kept ready to take over
	moves   bool // a shadow that its terminal comes to
	moved   bool // its task goes on elsewhere
	ordered bool // the broker has ended it
}

// find looks for an attempt.
func (l *ledger) find(id signaling.AttemptID) found {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		return found{e.work, e.Shadow, e.moves, e.moved, e.ending}
	}
	return found{moved: slices.Contains(l.moved, id)}
}

// shadow is the work that is the shadow of a task, nil where there is none here.
func (l *ledger) shadow(task signaling.TaskID) Work {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Task == task && e.Shadow {
			return e.work
		}
	}
	return nil
}

// promote makes a shadow the task's attempt.
func (l *ledger) promote(p *signaling.Promote) (Work, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[p.Attempt.ID]
	switch {
	case e == nil || e.work == nil || e.Task != p.Task || e.ending:
		return nil, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such shadow here", Detail: "It may have ended: place the task anew"}
	case p.Attempt.Fencing < e.Attempt.Fencing:
		return nil, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The promotion is out of date",
			Detail: fmt.Sprintf("Its fencing token is %d, the shadow has %d", p.Attempt.Fencing, e.Attempt.Fencing)}
	}
	e.Shadow = false
	e.Attempt.Fencing = p.Attempt.Fencing
	l.epoch = max(l.epoch, p.Attempt.Fencing)
	return e.work, nil
}

// release ends an attempt for a reason, unless the order is older than the attempt.
func (l *ledger) release(r *signaling.Release, reason error) {
	l.mu.Lock()
	e := l.entries[r.Attempt]
	l.epoch = max(l.epoch, r.Fencing)
	delete(l.awaiting, r.Attempt)
	if e == nil || e.work == nil || r.Fencing < e.Attempt.Fencing {
		l.mu.Unlock()
		return
	}
	e.ending = true
	if hasMoved(r) {
		e.moved = true
		if len(l.moved) == maxMoved {
			l.moved = l.moved[1:]
		}
		l.moved = append(l.moved, r.Attempt)
	}
	l.mu.Unlock()
	e.work.End(reason)
}

// revoke ends an attempt that the broker says is over, whatever its fencing token.
func (l *ledger) revoke(id signaling.AttemptID) {
	l.mu.Lock()
	e := l.entries[id]
	if e == nil || e.work == nil {
		l.mu.Unlock()
		return
	}
	e.ending = true
	l.mu.Unlock()
	e.work.End(errRevoked)
}

// standing is the ledger as the broker is told of it.
type standing struct {
	entries  []signaling.LedgerEntry
	attempts []signaling.AttemptID
	idle     map[signaling.AttemptID]int64 // ms
	epoch    int64
	state    signaling.NodeState // ready, or draining where this program is about to stop; never what an operator says
}

// snapshot is the ledger as it is sent to the broker, without what is only held.
func (l *ledger) snapshot() standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := standing{epoch: l.epoch, state: signaling.NodeReady}
	if l.stopping || l.closed {
		s.state = signaling.NodeDraining
	}
	for id, e := range l.entries {
		if e.work == nil {
			continue
		}
		s.entries = append(s.entries, e.LedgerEntry)
		s.attempts = append(s.attempts, id)
		i, ok := e.work.(idler)
		if !ok || e.Shadow {
			continue
		}
		if ms := i.Idle().Milliseconds(); ms >= signaling.IdleAfter {
			if s.idle == nil {
				s.idle = map[signaling.AttemptID]int64{}
			}
			s.idle[id] = ms
		}
	}
	return s
}

// configure takes the edge as an operator has it.
func (l *ledger) configure(n signaling.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node = n
	l.loosen()
}

// effective is the edge as an operator has it.
func (l *ledger) effective() signaling.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.node
}

// stop takes nothing new any more.
func (l *ledger) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
}

// close ends every work and waits until nothing is held, but no longer than endWithin after the first call. It says
// how many works have not ended by then.
func (l *ledger) close(reason error) int {
	l.mu.Lock()
	if !l.closed {
		l.closed, l.late = true, time.Now().Add(endWithin)
	}
	for _, e := range l.entries {
		if e.work != nil {
			e.work.End(reason)
		}
	}
	late := l.late
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with the works, or with the process
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
	stuck := 0
	for _, e := range l.entries {
		if e.work != nil {
			stuck++
		}
	}
	return stuck
}
