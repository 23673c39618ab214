package pool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// model is what the pool should be, as simply as it can be said: edges with ledgers, and what is reserved where.
type model struct {
	nodes map[signaling.NodeID]*modelNode
	tasks map[signaling.TaskID]*modelTask
	held  map[signaling.AttemptID]*modelAttempt
	top   int64 // highest fencing token
}

type modelNode struct {
	known  bool
	state  signaling.NodeState
	ledger map[signaling.AttemptID]signaling.LedgerEntry // the edge's own
}

type modelTask struct {
	state   signaling.TaskState
	attempt signaling.AttemptID // present, or empty
	fence   int64
}

type modelAttempt struct {
	r         signaling.Reservation
	confirmed bool
	age       time.Duration // since the lease was last renewed
}

// modelLease is the lease of claims and, in these tests, of confirmed reservations.
const modelLease = 10 * time.Second

// After any sequence of operations, what is free on a node is its capacity less what the model says is reserved
// there, tasks are in the state that the model says, and tokens only rise.
func TestAgainstModel(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				p := open(t, rdb, pool.Options{Lease: modelLease, HeartbeatTTL: 1000 * time.Hour, PlacingTTL: 1000 * time.Hour})
				p.must(rdb.FlushAll(p.ctx).Err())
				s := &steps{fixture: p, r: rand.New(rand.NewPCG(seed, 1)), model: model{map[signaling.NodeID]*modelNode{},
					map[signaling.TaskID]*modelTask{}, map[signaling.AttemptID]*modelAttempt{}, 0}}
				for i := range 5 {
					s.nodes[signaling.NodeID(name("n", i))] = &modelNode{ledger: map[signaling.AttemptID]signaling.LedgerEntry{}}
				}
				for range 250 {
					s.step()
					s.check()
				}
			})
		}
	})
}

// steps does random operations on pool and model alike.
type steps struct {
	fixture
	model
	r    *rand.Rand
	log  []string
	next int
}

func (s *steps) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *steps) fail(format string, args ...any) {
	s.t.Helper()
	for _, l := range s.log[max(0, len(s.log)-25):] {
		s.t.Log(l)
	}
	s.t.Fatalf(format, args...)
}

func (s *steps) node() (signaling.NodeID, *modelNode) {
	id := signaling.NodeID(name("n", s.r.IntN(len(s.nodes))))
	return id, s.nodes[id]
}

// attempt picks a held attempt, in an order that does not depend on the map's.
func (s *steps) attempt() *modelAttempt {
	var oldest *modelAttempt
	skip := s.r.IntN(max(1, len(s.held)))
	for token := int64(0); token <= s.top; token++ {
		for _, a := range s.held {
			if a.r.Attempt.Fencing == token {
				if oldest = a; skip == 0 {
					return a
				}
				skip--
			}
		}
	}
	return oldest
}

func (s *steps) step() {
	switch s.r.IntN(12) {
	case 0, 1, 2:
		s.claim()
	case 3, 4:
		s.confirm()
	case 5:
		s.update()
	case 6, 7:
		s.release()
	case 8:
		s.register()
	case 9:
		s.heartbeat()
	case 10:
		s.sweep()
	default:
		if s.r.IntN(8) == 0 {
			s.remove()
		} else if s.r.IntN(10) == 0 {
			s.loseRedis()
		}
	}
}

func (s *steps) drop(a *modelAttempt) { delete(s.held, a.r.Attempt.ID) }

// end ends an attempt's task, where it is the present one.
func (s *steps) end(a *modelAttempt, state signaling.TaskState) {
	if t := s.tasks[a.r.Task]; t != nil && t.attempt == a.r.Attempt.ID && !t.state.Ended() {
		t.state = state
	}
}

func (s *steps) full(id signaling.NodeID) bool {
	n := 0
	for _, a := range s.held {
		if a.r.Attempt.Node == id {
			n++
		}
	}
	return n >= 4 // capacity is four times needs
}

func (s *steps) claim() {
	task := signaling.TaskID(name("t", s.next))
	if s.r.IntN(3) == 0 && s.next > 0 { // one that has been there before
		task = signaling.TaskID(name("t", s.r.IntN(s.next)))
	}
	s.next++
	var candidates []string
	var want signaling.NodeID
	for range 1 + s.r.IntN(4) {
		id, n := s.node()
		candidates = append(candidates, string(id))
		if want == "" && n.known && n.state == signaling.NodeReady && !s.full(id) {
			want = id
		}
	}
	c := claim(string(task), candidates...)
	c.Lease = modelLease
	got, err := s.Claim(s.ctx, c)
	s.say("claim %s among %v: %s, %v", task, candidates, got.Attempt.Node, err)
	known := s.tasks[task]
	switch {
	case known != nil && known.state.Ended():
		if !errors.Is(err, pool.ErrEnded) {
			s.fail("claim for the ended task %s: %v", task, err)
		}
	case want == "":
		if !errors.Is(err, pool.ErrNoneFits) {
			s.fail("claim for %s: %v, want none to fit", task, err)
		}
	case err != nil || got.Attempt.Node != want || got.Attempt.Fencing <= s.top:
		s.fail("claim for %s: %+v, %v, want %s and a token above %d", task, got, err, want, s.top)
	default:
		s.top = got.Attempt.Fencing
		s.held[got.Attempt.ID] = &modelAttempt{r: got}
		if known == nil {
			known = &modelTask{state: signaling.TaskPlacing}
			s.tasks[task] = known
		}
		known.attempt, known.fence = got.Attempt.ID, got.Attempt.Fencing
	}
}

func (s *steps) confirm() {
	a := s.attempt()
	if a == nil {
		return
	}
	s.say("confirm %s of %s", a.r.Attempt.ID, a.r.Task)
	s.must(s.Confirm(s.ctx, a.r.Attempt.ID))
	a.confirmed, a.age = true, 0
	if t := s.tasks[a.r.Task]; t.attempt == a.r.Attempt.ID && t.state == signaling.TaskPlacing {
		t.state = signaling.TaskReserved
	}
	s.nodes[a.r.Attempt.Node].ledger[a.r.Attempt.ID] = entry(a.r, signaling.TaskRunning)
}

func (s *steps) update() {
	a := s.attempt()
	if a == nil {
		return
	}
	state := []signaling.TaskState{signaling.TaskRunning, signaling.TaskFinished, signaling.TaskFailed}[s.r.IntN(3)]
	s.say("update %s of %s to %s", a.r.Attempt.ID, a.r.Task, state)
	s.must(s.UpdateFrom(s.ctx, a.r.Attempt.Node, signaling.Update{Task: a.r.Task, Attempt: a.r.Attempt.ID, State: state}))
	if state.Ended() {
		s.drop(a)
		s.end(a, state)
		delete(s.nodes[a.r.Attempt.Node].ledger, a.r.Attempt.ID)
		return
	}
	a.confirmed, a.age = true, 0
	s.nodes[a.r.Attempt.Node].ledger[a.r.Attempt.ID] = entry(a.r, signaling.TaskRunning)
	if t := s.tasks[a.r.Task]; t.attempt == a.r.Attempt.ID {
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
		t.state, t.fence = state, token
		if state == signaling.TaskPlacing {
			t.attempt = ""
		}
	}
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
	var ledger []signaling.LedgerEntry
	for token := int64(0); token <= s.top; token++ { // in order of age
		for _, e := range n.ledger {
			if e.Attempt.Fencing == token {
				ledger = append(ledger, e)
			}
		}
	}
	overruled := s.registerAll(node, ledger)
	s.say("register %s (%s) with %d attempts: %d overruled", id, node.State, len(ledger), len(overruled))
	n.known, n.state = true, node.State
	want := map[signaling.AttemptID]bool{}
	for _, e := range ledger {
		held, t := s.held[e.Attempt.ID], s.tasks[e.Task]
		if held == nil && t != nil && t.fence > e.Attempt.Fencing {
			want[e.Attempt.ID] = true
			delete(n.ledger, e.Attempt.ID)
			continue
		}
		if held == nil {
			if t == nil {
				t = &modelTask{}
				s.tasks[e.Task] = t
			}
			if old := s.held[t.attempt]; old != nil {
				s.drop(old)
			}
			held = &modelAttempt{r: signaling.Reservation{Attempt: e.Attempt, Task: e.Task, Resources: e.Resources}}
			s.held[e.Attempt.ID] = held
			t.attempt, t.fence = e.Attempt.ID, e.Attempt.Fencing
		}
		held.confirmed, held.age = true, 0
		if t.attempt == e.Attempt.ID {
			t.state = e.State
		}
	}
	for _, a := range s.held {
		if _, has := n.ledger[a.r.Attempt.ID]; a.r.Attempt.Node == id && a.confirmed && !has {
			s.drop(a)
			s.end(a, signaling.TaskFailed)
		}
	}
	if len(overruled) != len(want) {
		s.fail("overruled %v, want %v", overruled, want)
	}
	for _, o := range overruled {
		if !want[o] {
			s.fail("overruled %v, want %v", overruled, want)
		}
	}
}

func (s *steps) registerAll(node signaling.Node, ledger []signaling.LedgerEntry) []signaling.AttemptID {
	in, err := s.Register(s.ctx, node, s.top, ledger)
	s.must(err)
	return in.Ended
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
	n.state = signaling.NodeReady
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
	n := 0
	for _, a := range s.held {
		if a.age += d; a.age >= modelLease {
			s.drop(a)
			s.end(a, signaling.TaskFailed)
			n++
		}
	}
	s.say("%s later: swept %d", d, len(released))
	if len(released) != n {
		s.fail("swept %+v, want %d", released, n)
	}
}

func (s *steps) remove() {
	id, n := s.node()
	err := s.Remove(s.ctx, id)
	s.say("remove %s: %v", id, err)
	if n.known == errors.Is(err, pool.ErrUnknownNode) || n.known && err != nil {
		s.fail("remove %s: %v", id, err)
	}
	n.known = false
	for _, a := range s.held {
		if a.r.Attempt.Node == id {
			s.drop(a)
			s.end(a, signaling.TaskFailed)
		}
	}
}

func (s *steps) loseRedis() {
	s.say("Redis loses everything")
	s.must(s.rdb.FlushAll(s.ctx).Err())
	clear(s.tasks)
	clear(s.held)
	for _, n := range s.nodes {
		n.known = false
	}
}

// check compares the pool with the model.
func (s *steps) check() {
	s.t.Helper()
	nodes, err := s.Nodes(s.ctx, "", 100)
	s.must(err)
	known := 0
	for _, n := range s.nodes {
		if n.known {
			known++
		}
	}
	if len(nodes) != known {
		s.fail("%d nodes, want %d", len(nodes), known)
	}
	for _, n := range nodes {
		want := capacity
		for _, a := range s.held {
			if a.r.Attempt.Node == n.ID {
				want = want.Sub(a.r.Resources)
			}
		}
		if n.Free != want || n.State != s.nodes[n.ID].state {
			s.fail("node %s is %s with %+v free, want %s with %+v", n.ID, n.State, n.Free, s.nodes[n.ID].state, want)
		}
	}
	for id, want := range s.tasks {
		got, err := s.Task(s.ctx, id)
		if err != nil || got.State != want.state {
			s.fail("task %s is %s, %v, want %s", id, got.State, err, want.state)
		}
		if want.attempt != "" && (got.Attempt == nil || got.Attempt.ID != want.attempt) {
			s.fail("task %s has attempt %+v, want %s", id, got.Attempt, want.attempt)
		}
	}
	if n := s.rdb.ZCard(s.ctx, prefix+":leases").Val(); int(n) != len(s.held) {
		s.fail("%d leases, want %d", n, len(s.held))
	}
	if keys := s.rdb.Keys(s.ctx, prefix+":attempt:*").Val(); len(keys) != len(s.held) {
		s.fail("attempts %v, want %d", keys, len(s.held))
	}
}
