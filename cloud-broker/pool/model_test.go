package pool_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	said   signaling.NodeState // by itself
	op     signaling.NodeState // cordoned or draining by an operator, or empty
	drain  time.Duration       // until the drain's deadline; 0 for none
	ledger map[signaling.AttemptID]signaling.LedgerEntry
}

// state is the node's state by what it and its operator say.
func (n *modelNode) state() signaling.NodeState {
	if n.said == signaling.NodeDraining || n.op == "" {
		return n.said
	}
	return n.op
}

func (n *modelNode) takes() bool { return n.known && n.state() == signaling.NodeReady }

type modelTask struct {
	state   signaling.TaskState
	attempt signaling.AttemptID // present, or empty
	standby signaling.AttemptID
	fence   int64 // attempts with older tokens are overruled
	dropped int64 // standbys with this token and older ones are overruled
	queued  bool
}

type modelAttempt struct {
	r         signaling.Reservation
	confirmed bool
	age       time.Duration // since the lease was last renewed
}

// modelLease is the lease of claims and, in these tests, of confirmed reservations.
const modelLease = 10 * time.Second

// After any sequence of operations, what is free on a node is its capacity less what the model says is reserved
// there, tasks are in the state that the model says, tokens only rise, and the pool's own audit finds nothing.
func TestAgainstModel(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		for seed := range uint64(6) {
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
	for _, l := range s.log[max(0, len(s.log)-40):] {
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
	if len(s.held) == 0 {
		return nil
	}
	all := make([]*modelAttempt, 0, len(s.held))
	for _, a := range s.held {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *modelAttempt) int { return int(a.r.Attempt.Fencing - b.r.Attempt.Fencing) })
	return all[s.r.IntN(len(all))]
}

// task names one that is new or has been there before.
func (s *steps) task() (signaling.TaskID, *modelTask) {
	id := signaling.TaskID(name("t", s.next))
	if s.r.IntN(3) == 0 && s.next > 0 {
		id = signaling.TaskID(name("t", s.r.IntN(s.next)))
	}
	s.next++
	return id, s.tasks[id]
}

// live is a task that has not ended, most often one that runs.
func (s *steps) live() (signaling.TaskID, *modelTask) {
	if a := s.attempt(); a != nil && s.r.IntN(8) > 0 {
		return a.r.Task, s.tasks[a.r.Task]
	}
	return s.task()
}

// standing is most often a task with a standby.
func (s *steps) standing() (signaling.TaskID, *modelTask) {
	for range 10 {
		if id, t := s.live(); t != nil && t.standby != "" {
			return id, t
		}
	}
	return s.live()
}

func (s *steps) step() {
	ops := []struct {
		weight int
		do     func()
	}{
		{12, s.claim}, {4, s.adopt}, {10, s.confirm}, {6, s.update}, {4, s.release}, {8, s.register}, {8, s.heartbeat}, {4, s.sweep},
		{12, s.claimShadow}, {6, s.promote}, {2, s.dropShadow}, {14, s.claimMove}, {6, s.promoteMove}, {4, s.dropMove}, {10, s.resize}, {4, s.enqueue}, {3, s.operate}, {1, s.rare},
	}
	total := 0
	for _, op := range ops {
		total += op.weight
	}
	at := s.r.IntN(total)
	for _, op := range ops {
		if at -= op.weight; at < 0 {
			op.do()
			return
		}
	}
}

func (s *steps) rare() {
	if s.r.IntN(3) > 0 {
		s.remove()
	} else {
		s.loseRedis()
	}
}

// drop ends a reservation.
func (s *steps) drop(a *modelAttempt) {
	delete(s.held, a.r.Attempt.ID)
	if t := s.tasks[a.r.Task]; t != nil && t.standby == a.r.Attempt.ID {
		t.standby = ""
	}
}

// finish ends the task of an attempt, where it is the present one, and releases its standby.
func (s *steps) finish(a *modelAttempt, state signaling.TaskState) {
	t := s.tasks[a.r.Task]
	if t == nil || t.attempt != a.r.Attempt.ID || t.state.Ended() {
		return
	}
	t.state = state
	if standby := s.held[t.standby]; standby != nil {
		s.drop(standby)
	}
}

// lose is finish for an attempt that was lost: a confirmed standby keeps the task.
func (s *steps) lose(a *modelAttempt) {
	t := s.tasks[a.r.Task]
	if t == nil || t.attempt != a.r.Attempt.ID || t.state.Ended() {
		return
	}
	if standby := s.held[t.standby]; standby == nil || !standby.confirmed {
		s.finish(a, signaling.TaskFailed)
		return
	}
	t.state, t.attempt = signaling.TaskPlacing, ""
}

// free is what a node has left of its capacity.
func (s *steps) free(id signaling.NodeID) signaling.Resources {
	free := capacity
	for _, a := range s.held {
		if a.r.Attempt.Node == id {
			free = free.Sub(a.r.Resources)
		}
	}
	return free
}

func (s *steps) full(id signaling.NodeID, wanted signaling.Resources) bool {
	return !wanted.Fits(s.free(id))
}

// at is the node of an attempt that is held, or empty.
func (s *steps) at(id signaling.AttemptID) signaling.NodeID {
	if a := s.held[id]; a != nil {
		return a.r.Attempt.Node
	}
	return ""
}

// knows says whether a node's ledger has anything of a task. A broker places a task and its standby on two nodes.
func (n *modelNode) knows(task signaling.TaskID) bool {
	for _, e := range n.ledger {
		if e.Task == task {
			return true
		}
	}
	return false
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
		want, reservations := s.free(n.ID), 0
		for _, a := range s.held {
			if a.r.Attempt.Node == n.ID {
				reservations++
			}
		}
		if n.Free != want || n.State != s.nodes[n.ID].state() || n.Reservations != reservations {
			s.fail("node %s is %s with %+v free and %d reservations, want %s with %+v and %d", n.ID, n.State, n.Free, n.Reservations,
				s.nodes[n.ID].state(), want, reservations)
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
		if a := s.held[want.attempt]; a != nil && *got.Attempt != a.r.Attempt {
			s.fail("task %s has attempt %+v, want %+v", id, got.Attempt, a.r.Attempt)
		}
		if a := s.held[want.attempt]; a != nil && !want.state.Ended() && (got.Resources == nil || *got.Resources != a.r.Resources) {
			s.fail("task %s holds %+v, want %+v", id, got.Resources, a.r.Resources)
		}
		shadow, moves := got.Shadow, got.Moves
		if pool.IsMove(want.standby) {
			shadow, moves = moves, shadow
		}
		if moves != nil || (want.standby != "") != (shadow != nil) || shadow != nil && shadow.ID != want.standby {
			s.fail("task %s has shadow %+v and moves to %+v, want %s", id, got.Shadow, got.Moves, want.standby)
		}
		if want.queued != (got.Queue != nil) {
			s.fail("task %s is in the queue at %+v, want %t", id, got.Queue, want.queued)
		}
	}
	if n := s.rdb.ZCard(s.ctx, prefix+":leases").Val(); int(n) != len(s.held) {
		s.fail("%d leases, want %d", n, len(s.held))
	}
	if keys := s.rdb.Keys(s.ctx, prefix+":attempt:*").Val(); len(keys) != len(s.held) {
		s.fail("attempts %v, want %d", keys, len(s.held))
	}
	a, err := s.Audit(s.ctx)
	s.must(err)
	if len(a.Problems) > 0 || a.Attempts+a.Shadows+a.Strays != len(s.held) {
		s.fail("the audit found %+v, want %d held and no problem", a, len(s.held))
	}
}
