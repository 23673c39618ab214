package defrag_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

var (
	begin   = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	ctx     = context.Background()
	errDown = errors.New("it does not answer")
)

type (
	nodeID = signaling.NodeID
	taskID = signaling.TaskID
)

func gpu(v int64) nodetime.Amounts { return nodetime.Amounts{nodetime.GPUTime: v} }

// running is a task as the pool has it.
type running struct {
	node      nodeID // "": its node is lost
	was       nodeID
	has       nodetime.Amounts
	started   time.Time
	predicted time.Duration
	past      float64 // of GPU time, thousandths times seconds; negative: all that it has, since it began
	hold      *migrator.Hold
	committed migrator.Hold
}

// pool is nodes with their tasks, as several brokers share them. Its faults strike before or behind what is done.
type pool struct {
	nodes   map[nodeID]*nodetime.Node
	cordon  map[nodeID]bool
	tasks   map[taskID]*running
	waiting []nodetime.Amounts
	budgets map[taskID]nodetime.Amounts
	now     func() time.Time
	left    time.Duration
	fault   func() (before, behind error)
}

func newPool(now func() time.Time) *pool {
	return &pool{nodes: map[nodeID]*nodetime.Node{}, cordon: map[nodeID]bool{}, tasks: map[taskID]*running{}, budgets: map[taskID]nodetime.Amounts{},
		now: now, fault: func() (error, error) { return nil, nil }}
}

// faulty does what do does, with the pool's faults around it.
func (p *pool) faulty(do func() error) error {
	before, behind := p.fault()
	if before != nil {
		return before
	}
	if err := do(); err != nil {
		return err
	}
	return behind
}

func (p *pool) Task(_ context.Context, id taskID) (t migrator.Task, err error) {
	err = p.faulty(func() error {
		r := p.tasks[id]
		if r == nil {
			return migrator.ErrEnded
		}
		t = migrator.Task{ID: id, Node: r.was, Has: r.has, Started: r.started, Predicted: r.predicted}
		if t.Past[nodetime.GPUTime] = r.past; r.past < 0 {
			t.Past[nodetime.GPUTime] = float64(r.has[nodetime.GPUTime]) * p.now().Sub(r.started).Seconds()
		}
		return nil
	})
	return t, err
}

func (p *pool) Reserve(_ context.Context, h migrator.Hold, t migrator.Task) error {
	return p.faulty(func() error {
		r, n := p.tasks[h.Task], p.nodes[h.To]
		switch {
		case r == nil:
			return migrator.ErrEnded
		case r.hold != nil && *r.hold == h:
			return nil
		case r.hold != nil || r.was != t.Node:
			return migrator.ErrMoving
		case n == nil:
			return migrator.ErrLost
		case n.Place(h.Task, t.Has, time.Hour, p.now()) != nil:
			return migrator.ErrNoRoom
		}
		r.hold = &h
		return nil
	})
}

func (p *pool) Commit(_ context.Context, h migrator.Hold) error {
	return p.faulty(func() error {
		r := p.tasks[h.Task]
		switch {
		case r == nil:
			return migrator.ErrEnded
		case r.committed == h:
			return nil
		case r.hold == nil || *r.hold != h || p.nodes[h.To] == nil:
			return migrator.ErrLost
		}
		if n := p.nodes[r.node]; n != nil {
			n.End(h.Task)
		}
		r.node, r.was, r.hold, r.committed = h.To, h.To, nil, h
		r.has, _ = p.nodes[h.To].Holds(h.Task)
		p.budgets[h.Task] = r.has
		return nil
	})
}

func (p *pool) Release(_ context.Context, h migrator.Hold, _ string) error {
	return p.faulty(func() error {
		r := p.tasks[h.Task]
		switch {
		case r == nil:
			return nil
		case r.committed == h:
			return migrator.ErrCommitted
		case r.hold != nil && *r.hold == h:
			if n := p.nodes[h.To]; n != nil {
				n.End(h.Task)
			}
			r.hold = nil
		}
		return nil
	})
}

func (p *pool) Left(context.Context, taskID, time.Duration) (time.Duration, bool) {
	return p.left, p.left > 0
}

func (p *pool) Waiting(context.Context) ([]nodetime.Amounts, error) { return p.waiting, nil }

// Targets are all nodes that take tasks, those with the most free first.
func (p *pool) Targets(_ context.Context, t migrator.Task, _ [nodetime.Kinds]float64, _ migrator.Reason) ([]nodeID, error) {
	out := slices.DeleteFunc(slices.Sorted(maps.Keys(p.nodes)), func(n nodeID) bool { return n == t.Node || p.cordon[n] })
	slices.SortStableFunc(out, func(a, b nodeID) int {
		return int(p.nodes[b].Free()[nodetime.GPUTime] - p.nodes[a].Free()[nodetime.GPUTime])
	})
	return out, nil
}

func (p *pool) Free(_ context.Context, id nodeID) (free nodetime.Amounts, err error) {
	err = p.faulty(func() error {
		if n := p.nodes[id]; n != nil {
			free = n.Free()
		}
		return nil
	})
	return free, err
}

func (p *pool) Resize(_ context.Context, id taskID, node nodeID, k nodetime.Kind, to int64) error {
	return p.faulty(func() error {
		r := p.tasks[id]
		if r == nil || r.node != node {
			return order.ErrGone
		}
		a := r.has
		a[k] = to
		if p.nodes[node].Resize(id, a) != nil {
			return order.ErrNoRoom
		}
		r.has = a
		return nil
	})
}

func (p *pool) Set(_ context.Context, id taskID, node nodeID, k nodetime.Kind, amount int64) error {
	if before, _ := p.fault(); before != nil {
		return before
	}
	if r := p.tasks[id]; r == nil || r.node != node {
		return order.ErrGone
	}
	b := p.budgets[id]
	b[k] = amount
	p.budgets[id] = b
	return nil
}

// place starts a task.
func (p *pool) place(id taskID, on nodeID, a nodetime.Amounts, t1 time.Duration) error {
	if err := p.nodes[on].Place(id, a, t1, p.now()); err != nil {
		return err
	}
	p.tasks[id] = &running{node: on, was: on, has: a, started: p.now(), predicted: t1, past: -1}
	p.budgets[id] = a
	return nil
}

// finish ends a task: its user has gone.
func (p *pool) finish(id taskID) {
	if r := p.tasks[id]; r != nil {
		for _, n := range p.nodes {
			n.End(id)
		}
		delete(p.tasks, id)
		delete(p.budgets, id)
	}
}

// lose takes a node away and tells whose it was.
func (p *pool) lose(id nodeID) []taskID {
	delete(p.nodes, id)
	var out []taskID
	for _, t := range slices.Sorted(maps.Keys(p.tasks)) {
		r := p.tasks[t]
		if r.hold != nil && r.hold.To == id {
			r.hold = nil
		}
		if r.node == id {
			r.node = ""
			out = append(out, t)
		}
	}
	return out
}

// state is a node as its monitor is told.
func (p *pool) state(id nodeID) nodemonitor.State {
	n := p.nodes[id]
	s := nodemonitor.State{Node: migrator.Node{ID: id, Takes: !p.cordon[id], Free: n.Free(), Room: n.Room(p.now()), Period: n.Period()}, Total: n.Total()}
	for _, t := range slices.Sorted(maps.Keys(p.tasks)) {
		if p.tasks[t].node == id {
			s.Tasks = append(s.Tasks, t)
		}
	}
	s.Use = 1 - float64(n.Free()[nodetime.GPUTime])/float64(n.Total()[nodetime.GPUTime])
	return s
}

// check says what is wrong with the pool's accounts.
func (p *pool) check() error {
	held := map[nodeID]nodetime.Amounts{}
	for id, r := range p.tasks {
		if r.node != "" {
			held[r.node] = held[r.node].Add(r.has)
			if a, ok := p.nodes[r.node].Holds(id); !ok || a != r.has {
				return fmt.Errorf("%s has %v, its node says %v", id, r.has, a)
			}
		}
		if r.hold != nil {
			a, ok := p.nodes[r.hold.To].Holds(id)
			if !ok {
				return fmt.Errorf("%s: its reservation on %s is not there", id, r.hold.To)
			}
			held[r.hold.To] = held[r.hold.To].Add(a)
		}
	}
	for id, n := range p.nodes {
		if k, bad := n.Free().Negative(); bad {
			return fmt.Errorf("%s has %d of %v free", id, n.Free()[k], k)
		}
		if n.Free().Add(held[id]) != n.Total() {
			return fmt.Errorf("%s: free %v and held %v are not %v", id, n.Free(), held[id], n.Total())
		}
	}
	return nil
}

// broker is one that moves tasks of a pool; its handovers end as a test wants.
type broker struct {
	*defrag.Defrag
	pool    *pool
	now     func() time.Time
	reports []migrator.Report
	rounds  []defrag.Round
	begun   []migrator.Handover
	stopped []string
	refuses error // what the mover says
}

func newBroker(t *testing.T, p *pool, c defrag.Config, name string, now func() time.Time) *broker {
	t.Helper()
	b := &broker{pool: p, now: now}
	var err error
	b.Defrag, err = defrag.New(c, defrag.Outside{Owner: name, Queue: p, Tasks: p, Chooser: p, Reserver: p, Mover: b, Predictor: p,
		Report: func(r migrator.Report) { b.reports = append(b.reports, r) }, Round: func(r defrag.Round) { b.rounds = append(b.rounds, r) }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) Begin(_ context.Context, h migrator.Handover) error {
	if b.refuses != nil {
		return b.refuses
	}
	b.begun = append(b.begun, h)
	return nil
}

func (b *broker) Stop(_ context.Context, task taskID, to nodeID) {
	b.stopped = append(b.stopped, fmt.Sprintf("%s on %s", task, to))
}

// look tells the monitor how the nodes are.
func (b *broker) look() {
	for _, id := range slices.Sorted(maps.Keys(b.pool.nodes)) {
		_ = b.Monitor.Note(b.pool.state(id), b.now()) // refused where it was told at this moment already
	}
	b.Monitor.Lost(func(id nodeID) bool { return b.pool.nodes[id] != nil })
}

func (b *broker) told() string {
	var out []string
	for _, r := range b.reports {
		out = append(out, fmt.Sprintf("%s %s: %s>%s %s", r.Reason, r.Task, r.From, r.To, r.Outcome))
	}
	return strings.Join(out, "; ")
}

// world is a pool with one broker, and a clock that a test advances.
type world struct {
	*pool
	*broker
	t     *testing.T
	clock time.Time
	lazy  bool // handovers do not end by themselves
}

func newWorld(t *testing.T, c defrag.Config) *world {
	w := &world{t: t, clock: begin}
	now := func() time.Time { return w.clock }
	w.pool = newPool(now)
	w.broker = newBroker(t, w.pool, c, "broker", now)
	return w
}

func (w *world) add(id nodeID, c nodetime.Config) {
	w.t.Helper()
	n, err := nodetime.New(c, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[id] = n
}

// run lets time pass: nodes are looked at every minute, and handovers are done within one.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	until := w.clock.Add(d)
	for {
		w.look()
		for next := w.Next(); !next.After(w.clock); next = w.Next() {
			w.Step(ctx, w.clock)
		}
		if err := w.check(); err != nil {
			w.t.Fatalf("at %v: %v", w.clock.Sub(begin), err)
		}
		if !w.clock.Before(until) {
			return
		}
		next := w.clock.Truncate(time.Minute).Add(time.Minute)
		if at := w.Next(); at.Before(next) {
			next = at
		}
		if next.After(until) {
			next = until
		}
		w.clock = next
		w.arrive()
	}
}

// arrive ends the handovers that have begun, in success.
func (w *world) arrive() {
	if w.lazy {
		return
	}
	begun := w.begun
	w.begun = nil
	for _, h := range begun {
		w.Migrator.Arrived(ctx, h.Task.ID, w.clock)
	}
}

func (w *world) at(id taskID) nodeID {
	if r := w.tasks[id]; r != nil {
		return r.node
	}
	return "gone"
}
