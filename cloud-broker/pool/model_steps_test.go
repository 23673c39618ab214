package pool_test

import (
	"errors"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// candidates picks some nodes, without some.
func (s *steps) candidates(without func(signaling.NodeID) bool) (ids []signaling.NodeID) {
	for range 1 + s.r.IntN(4) {
		if id, _ := s.node(); !without(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// first is the first of some nodes that has room and will do.
func (s *steps) first(ids []signaling.NodeID, wanted signaling.Resources, not func(signaling.NodeID) bool) signaling.NodeID {
	for _, id := range ids {
		if s.nodes[id].takes() && !s.full(id, wanted) && !not(id) {
			return id
		}
	}
	return ""
}

// reserve notes a new reservation, whose token is above all before.
func (s *steps) reserve(got signaling.Reservation, confirmed bool) {
	if got.Attempt.Fencing <= s.top {
		s.fail("token %d after %d", got.Attempt.Fencing, s.top)
	}
	s.top = got.Attempt.Fencing
	s.held[got.Attempt.ID] = &modelAttempt{r: got, confirmed: confirmed}
}

func (s *steps) claim() {
	task, known := s.task()
	ids := s.candidates(func(signaling.NodeID) bool { return false })
	want := s.first(ids, needs, func(id signaling.NodeID) bool { return known != nil && s.at(known.standby) == id })
	c := claim(string(task))
	c.Candidates, c.Lease = ids, modelLease
	got, err := s.Claim(s.ctx, c)
	s.say("claim %s among %v: %s %s, %v", task, ids, got.Attempt.Node, got.Attempt.ID, err)
	switch {
	case known != nil && known.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("claim for the ended task %s: %v", task, err)
		}
	case known != nil && s.held[known.attempt] != nil: // it has its place, which another broker may have found
		if err != nil || got.Attempt != s.held[known.attempt].r.Attempt || got.LeaseMs == 0 {
			s.fail("claim for %s, which has %s: %+v, %v", task, known.attempt, got, err)
		}
	case want == "":
		if !errors.Is(err, pool.ErrNoneFits) {
			s.fail("claim for %s: %v, want none to fit", task, err)
		}
	case err != nil || got.Attempt.Node != want:
		s.fail("claim for %s: %+v, %v, want %s", task, got, err, want)
	default:
		s.reserve(got, false)
		if known == nil {
			known = &modelTask{state: signaling.TaskPlacing}
			s.tasks[task] = known
		}
		known.attempt, known.fence, known.queued = got.Attempt.ID, got.Attempt.Fencing, false
	}
}

func (s *steps) adopt() {
	task, known := s.task()
	id, n := s.node()
	if n.knows(task) {
		return
	}
	a := adoption(string(task), signaling.NewID("a"), string(id))
	got, err := s.Adopt(s.ctx, a)
	s.say("adopt %s at %s: %s, %v", task, id, got.Attempt.ID, err)
	switch {
	case known != nil && known.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("adopted the ended task %s: %v", task, err)
		}
	case known != nil && known.attempt != "":
		if !errors.Is(err, pool.ErrElsewhere) || got.Attempt.ID != known.attempt {
			s.fail("adopted task %s, which is elsewhere: %+v, %v", task, got, err)
		}
	case !n.takes() || s.full(id, needs) || known != nil && s.at(known.standby) == id:
		if !errors.Is(err, pool.ErrNoneFits) {
			s.fail("adopted task %s at %s, which is full: %v", task, id, err)
		}
	case err != nil:
		s.fail("adopt %s at %s: %v", task, id, err)
	default:
		s.reserve(got, true)
		if known == nil {
			known = &modelTask{}
			s.tasks[task] = known
		}
		known.state, known.attempt, known.fence, known.queued = signaling.TaskReserved, got.Attempt.ID, got.Attempt.Fencing, false
		n.ledger[got.Attempt.ID] = entry(got, signaling.TaskRunning)
	}
}

// inLedger is what the edge's ledger has of an attempt from now on.
func (s *steps) inLedger(a *modelAttempt) {
	a.confirmed, a.age = true, 0
	e := entry(a.r, signaling.TaskRunning)
	e.Shadow = s.tasks[a.r.Task].standby == a.r.Attempt.ID
	s.nodes[a.r.Attempt.Node].ledger[a.r.Attempt.ID] = e
}

func (s *steps) confirm() {
	a := s.attempt()
	if a == nil {
		return
	}
	s.say("confirm %s of %s", a.r.Attempt.ID, a.r.Task)
	s.must(s.Confirm(s.ctx, a.r.Attempt.ID))
	if t := s.tasks[a.r.Task]; t.attempt == a.r.Attempt.ID && t.state == signaling.TaskPlacing {
		t.state = signaling.TaskReserved
	}
	s.inLedger(a)
}

func (s *steps) update() {
	a := s.attempt()
	if a == nil {
		return
	}
	state := []signaling.TaskState{signaling.TaskRunning, signaling.TaskFinished, signaling.TaskFailed}[s.r.IntN(3)]
	standby, err := s.Report(s.ctx, a.r.Attempt.Node, signaling.Update{Task: a.r.Task, Attempt: a.r.Attempt.ID, State: state})
	s.say("update %s of %s to %s: %+v", a.r.Attempt.ID, a.r.Task, state, standby)
	s.must(err)
	t := s.tasks[a.r.Task]
	if state.Ended() {
		s.drop(a)
		released := t.standby != "" && t.attempt == a.r.Attempt.ID && !t.state.Ended()
		if released != (standby != nil) || released && standby.ID != t.standby {
			s.fail("the end of %s released %+v, want %t", a.r.Task, standby, released)
		}
		s.finish(a, state)
		delete(s.nodes[a.r.Attempt.Node].ledger, a.r.Attempt.ID)
		return
	}
	s.inLedger(a)
	if t.attempt == a.r.Attempt.ID {
		t.state = state
	}
}

// release does not tell the edge, as if the message were lost: its ledger keeps the attempt.
func (s *steps) release() {
	a := s.attempt()
	if a == nil {
		return
	}
	state := []signaling.TaskState{signaling.TaskPlacing, signaling.TaskFinished, signaling.TaskExpired}[s.r.IntN(3)]
	t := s.tasks[a.r.Task]
	ended := t.state.Ended()
	token, err := s.Release(s.ctx, a.r.Task, a.r.Attempt.ID, state, "", nil)
	s.say("release %s of %s to %s: %d, %v", a.r.Attempt.ID, a.r.Task, state, token, err)
	s.must(err)
	s.drop(a)
	if ended {
		return
	}
	if token <= s.top {
		s.fail("release gave token %d after %d", token, s.top)
	}
	s.top = token
	if t.attempt == a.r.Attempt.ID {
		t.fence = token
		if state == signaling.TaskPlacing {
			t.state, t.attempt = state, ""
		} else {
			s.finish(a, state)
		}
	}
}

func (s *steps) claimShadow() {
	task, t := s.live()
	ids := s.candidates(func(id signaling.NodeID) bool { return s.nodes[id].knows(task) })
	wanted := needs
	if asked, err := s.Task(s.ctx, task); err == nil { // what a ledger told after a loss of Redis is what the task had then
		wanted = asked.Request.Needs()
	}
	want := s.first(ids, wanted, func(id signaling.NodeID) bool { return t != nil && s.at(t.attempt) == id })
	got, err := s.ClaimShadow(s.ctx, task, ids, signaling.Resources{}, modelLease)
	s.say("standby of %s among %v: %s %s, %v", task, ids, got.Attempt.Node, got.Attempt.ID, err)
	switch {
	case t == nil:
		if !errors.Is(err, pool.ErrNotFound) {
			s.fail("standby of an unknown task: %v", err)
		}
	case t.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("standby of the ended task %s: %v", task, err)
		}
	case pool.IsMove(t.standby):
		if !errors.Is(err, pool.ErrMoving) {
			s.fail("a standby of %s, which moves: %+v, %v", task, got, err)
		}
	case t.standby != "":
		if err != nil || got.Attempt.ID != t.standby {
			s.fail("another standby of task %s: %+v, %v", task, got, err)
		}
	case want == "":
		if !errors.Is(err, pool.ErrNoneFits) {
			s.fail("standby of %s: %v, want none to fit", task, err)
		}
	case err != nil || got.Attempt.Node != want:
		s.fail("standby of %s: %+v, %v, want %s", task, got, err, want)
	default:
		s.reserve(got, false)
		t.standby = got.Attempt.ID
		if a := s.held[t.standby]; s.r.IntN(4) > 0 {
			s.must(s.Confirm(s.ctx, t.standby))
			s.inLedger(a)
		}
	}
}

func (s *steps) promote() {
	task, t := s.standing()
	got, err := s.Promote(s.ctx, task)
	s.say("promote the standby of %s: %+v, %v", task, got, err)
	switch {
	case t != nil && t.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("promoted the standby of the ended task %s: %v", task, err)
		}
	case t == nil || s.held[t.standby] == nil || !s.held[t.standby].confirmed:
		if !errors.Is(err, pool.ErrNotFound) {
			s.fail("promoted a standby of %s that there is not: %v", task, err)
		}
	case err != nil || got.ID != t.standby || got.Fencing <= s.top:
		s.fail("promote the standby of %s: %+v, %v", task, got, err)
	default:
		s.promoted(task, t, got)
	}
}

// promoted makes a task's standby its attempt.
func (s *steps) promoted(task signaling.TaskID, t *modelTask, got signaling.Attempt) {
	if old := s.held[t.attempt]; old != nil {
		s.drop(old)
	}
	a := s.held[t.standby]
	a.r.Attempt, a.confirmed, s.top = got, true, got.Fencing
	t.attempt, t.standby, t.fence, t.queued = got.ID, "", got.Fencing, false
	if t.state == signaling.TaskPlacing {
		t.state = signaling.TaskReserved
	}
	if s.r.IntN(2) == 0 { // its edge hears of it
		e := s.nodes[got.Node].ledger[got.ID]
		e.Shadow, e.Attempt, e.State, e.Task, e.Type, e.Resources = false, got, signaling.TaskRunning, task, signaling.Rendering, a.r.Resources
		s.nodes[got.Node].ledger[got.ID] = e
	}
}

func (s *steps) dropShadow() {
	task, t := s.standing()
	err := s.DropShadow(s.ctx, task, "not wanted any more")
	s.say("drop the standby of %s: %v", task, err)
	if t == nil || t.standby == "" || pool.IsMove(t.standby) {
		if !errors.Is(err, pool.ErrNotFound) {
			s.fail("dropped a standby of %s that there is not: %v", task, err)
		}
		return
	}
	s.must(err)
	a := s.held[t.standby]
	t.dropped = a.r.Attempt.Fencing
	s.drop(a)
}

func (s *steps) enqueue() {
	task, t := s.task()
	_, err := s.Enqueue(s.ctx, "", signaling.Task{ID: task, Request: rendering(), Creator: name("creator", s.r.IntN(3))}, s.r.IntN(4) == 0)
	s.say("enqueue %s: %v", task, err)
	switch {
	case t != nil && t.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("enqueued the ended task %s: %v", task, err)
		}
	case t != nil && t.attempt != "":
		if !errors.Is(err, pool.ErrHeld) {
			s.fail("enqueued task %s, which has a place: %v", task, err)
		}
	case err != nil:
		s.fail("enqueue %s: %v", task, err)
	default:
		if t == nil {
			t = &modelTask{}
			s.tasks[task] = t
		}
		t.state, t.queued = signaling.TaskPlacing, true
	}
}

// operate cordons, drains or opens a node.
func (s *steps) operate() {
	id, n := s.node()
	var err error
	what := s.r.IntN(4)
	switch what {
	case 0:
		err = s.Cordon(s.ctx, id, true)
	case 1:
		n.drain = time.Duration(s.r.IntN(2)) * modelLease / 2
		err = s.Drain(s.ctx, id, n.drain)
	default:
		err = s.Cordon(s.ctx, id, false)
	}
	s.say("operate %d on %s: %v", what, id, err)
	if n.known == errors.Is(err, pool.ErrUnknownNode) || n.known && err != nil {
		s.fail("operate on %s: %v", id, err)
	}
	switch {
	case !n.known:
		n.drain = 0
	case what == 0 && n.op == "":
		n.op = signaling.NodeCordoned
	case what == 1:
		n.op = signaling.NodeDraining
	case what > 1:
		n.op, n.drain = "", 0
	}
}

// ledgerOf is a node's ledger in the order of age.
func (n *modelNode) ledgerOf() []signaling.LedgerEntry {
	ledger := make([]signaling.LedgerEntry, 0, len(n.ledger))
	for _, e := range n.ledger {
		ledger = append(ledger, e)
	}
	slices.SortFunc(ledger, func(a, b signaling.LedgerEntry) int { return int(a.Attempt.Fencing - b.Attempt.Fencing) })
	return ledger
}

func (s *steps) register() {
	id, n := s.node()
	if s.r.IntN(4) == 0 { // restarted, and has forgotten all
		clear(n.ledger)
	}
	node := edge(string(id))
	if s.r.IntN(4) == 0 {
		node.State = signaling.NodeDraining
	}
	ledger := n.ledgerOf()
	in, err := s.Register(s.ctx, node, s.top, ledger)
	s.must(err)
	s.say("register %s (%s) with %d attempts: overruled %v", id, node.State, len(ledger), in.Ended)
	n.known, n.said = true, node.State
	var want []signaling.AttemptID
	for _, e := range ledger {
		if !s.keeps(e) {
			want = append(want, e.Attempt.ID)
			delete(n.ledger, e.Attempt.ID)
		}
	}
	if !slices.Equal(in.Ended, want) {
		s.fail("overruled %v, want %v", in.Ended, want)
	}
	for _, a := range s.held {
		if _, has := n.ledger[a.r.Attempt.ID]; a.r.Attempt.Node == id && a.confirmed && !has {
			s.drop(a)
			s.lose(a)
		}
	}
}

// keeps takes an entry of a ledger into the model, unless a newer token has overruled it.
func (s *steps) keeps(e signaling.LedgerEntry) bool {
	held, t := s.held[e.Attempt.ID], s.tasks[e.Task]
	if t == nil {
		t = &modelTask{state: signaling.TaskPlacing}
	}
	state := e.State
	if e.Shadow && held != nil && t.attempt == e.Attempt.ID { // promoted, and has not heard of it
		if state = signaling.TaskReserved; t.state == signaling.TaskRunning {
			state = t.state
		}
	} else if e.Shadow {
		other := s.held[t.standby]
		switch {
		case held != nil:
		case t.state.Ended(), t.attempt == e.Attempt.ID, t.dropped >= e.Attempt.Fencing:
			return false
		case other != nil && other.r.Attempt.Fencing > e.Attempt.Fencing:
			return false
		case other != nil:
			s.drop(other)
		}
		s.hold(e, t)
		t.standby = e.Attempt.ID
		return true
	}
	if held == nil {
		if t.fence > e.Attempt.Fencing {
			return false
		}
		if old := s.held[t.attempt]; old != nil {
			s.drop(old)
		}
		t.attempt, t.fence = e.Attempt.ID, e.Attempt.Fencing
	}
	s.hold(e, t)
	if t.attempt == e.Attempt.ID {
		t.state, t.queued = state, false
	}
	return true
}

func (s *steps) hold(e signaling.LedgerEntry, t *modelTask) {
	s.tasks[e.Task] = t
	a := s.held[e.Attempt.ID]
	if a != nil { // what was taken from it is not counted again
		a.r.Resources = least(a.r.Resources, e.Resources)
	} else {
		a = &modelAttempt{r: signaling.Reservation{Attempt: e.Attempt, Task: e.Task, Resources: e.Resources}}
		s.held[e.Attempt.ID] = a
	}
	a.confirmed, a.age = true, 0
}

func (s *steps) heartbeat() {
	id, n := s.node()
	var attempts []signaling.AttemptID
	unknown := !n.known
	for a := range n.ledger {
		attempts = append(attempts, a)
		unknown = unknown || s.held[a] == nil
	}
	err := s.Heartbeat(s.ctx, id, signaling.Heartbeat{State: signaling.NodeReady, Attempts: attempts})
	s.say("heartbeat of %s with %d attempts: %v", id, len(attempts), err)
	if unknown != errors.Is(err, pool.ErrUnknownNode) || !unknown && err != nil {
		s.fail("heartbeat of %s: %v, want unknown: %v", id, err, unknown)
	}
	if !n.known {
		return
	}
	n.said = signaling.NodeReady
	for _, a := range attempts {
		if held := s.held[a]; held != nil {
			held.confirmed, held.age = true, 0
		}
	}
}

func (s *steps) sweep() {
	d := modelLease / 2
	s.age(d)
	released, _, err := s.Sweep(s.ctx, 1000)
	s.must(err)
	s.say("%s later: swept %d", d, len(released))
	drained := map[signaling.NodeID]bool{}
	for id, n := range s.nodes {
		if n.drain > 0 {
			n.drain -= d
			drained[id] = n.drain <= 0
		}
	}
	for _, a := range s.held {
		a.age += d
	}
	due := func(a *modelAttempt) bool { return a.age >= modelLease || drained[a.r.Attempt.Node] }
	for _, r := range released {
		a := s.held[r.Attempt.ID]
		if a == nil && r.Reason == "its task ended" {
			continue // by what was released before it
		}
		if a == nil || !due(a) {
			s.fail("swept %+v, which was not due", r)
		}
		t, overruled := s.tasks[r.Task], r.Attempt.Fencing > a.r.Attempt.Fencing
		if overruled {
			s.top = max(s.top, r.Attempt.Fencing)
			switch r.Attempt.ID {
			case t.attempt:
				t.fence = r.Attempt.Fencing
			case t.standby:
				t.dropped = r.Attempt.Fencing
			}
		}
		if overruled != (a.age < modelLease) { // leases are looked at first
			s.fail("swept %+v, whose token was %d", r, a.r.Attempt.Fencing)
		}
		before := t.state
		s.drop(a)
		s.lose(a)
		if want := t.state; r.State != want && !(r.State == "" && want == before) {
			s.fail("swept %+v, the task is %s", r, want)
		}
	}
	for _, a := range s.held {
		if due(a) {
			s.fail("sweep left %+v", a.r)
		}
	}
}

func (s *steps) remove() {
	id, n := s.node()
	err := s.Remove(s.ctx, id)
	s.say("remove %s: %v", id, err)
	if n.known == errors.Is(err, pool.ErrUnknownNode) || n.known && err != nil {
		s.fail("remove %s: %v", id, err)
	}
	n.known, n.op, n.drain = false, "", 0
	for _, a := range s.held {
		if a.r.Attempt.Node == id {
			s.drop(a)
			s.lose(a)
		}
	}
}

func (s *steps) loseRedis() {
	s.say("Redis loses everything")
	s.must(s.rdb.FlushAll(s.ctx).Err())
	clear(s.tasks)
	clear(s.held)
	for _, n := range s.nodes {
		n.known, n.op, n.drain = false, "", 0
	}
}
