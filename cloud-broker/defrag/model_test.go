package defrag_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
)

// model is a pool that two brokers defragment and drain and that one of them scales, with users who come and go, nodes that are
// lost and added, handovers that fail, and a Redis and edges that do not answer now and then.
type model struct {
	*pool
	t       *testing.T
	r       *rand.Rand
	clock   time.Time
	faults  bool
	brokers []*broker
	scaling *scale.Scaling
	orders  map[int64]order.Report
	next    int
	moved   int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 7)), clock: begin, faults: true, orders: map[int64]order.Report{}}
	now := func() time.Time { return m.clock }
	m.pool = newPool(now)
	m.fault = func() (error, error) {
		if m.faults && m.r.IntN(12) == 0 {
			if m.r.IntN(2) == 0 {
				return errDown, nil
			}
			return nil, errDown
		}
		return nil, nil
	}
	c := defrag.Default()
	c.Hold, c.Rest, c.Migration.AtOnce = 2*time.Minute, 5*time.Minute, 3
	c.Migration.Elsewhere = m.r.IntN(2) == 0
	for _, name := range []string{"one", "two"} {
		m.brokers = append(m.brokers, newBroker(t, m.pool, c, name, now))
	}
	config := scale.Default()
	config.Scaler.Settle = 0
	config.Scaler.Kinds = map[nodetime.Kind]scaler.Kind{nodetime.GPUTime: {Step: 10}}
	var err error
	if m.scaling, err = scale.New(config, scale.Outside{Nodes: m.pool, Budgets: m.pool, Predictor: m.pool, Report: m.ordered}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		m.grow()
	}
	return m
}

// ordered takes the end of an order: each ends once.
func (m *model) ordered(r order.Report) {
	if before, twice := m.orders[r.Order.ID]; twice {
		m.t.Errorf("%v was reported as %s, and now as %s", &r.Order, before.Outcome, r.Outcome)
	}
	m.orders[r.Order.ID] = r
}

func (m *model) grow() {
	m.next++
	n, err := nodetime.New(nodetime.Config{Total: gpu(int64(1+m.r.IntN(2)) * 1000)}, m.clock)
	if err != nil {
		m.t.Fatal(err)
	}
	m.nodes[nodeID(fmt.Sprintf("n%d", m.next))] = n
}

// some is any of the keys, in a way that a seed repeats.
func some[K ~string, V any](r *rand.Rand, from map[K]V) (K, bool) {
	if len(from) == 0 {
		return "", false
	}
	return slices.Sorted(maps.Keys(from))[r.IntN(len(from))], true
}

// act does something to a broker's moves and checks that each one that has gone has been reported, once: as many as there were
// and were begun, are there or have ended. started is how many were begun, where that is known.
func (m *model) act(b *broker, started *int, what func()) {
	m.t.Helper()
	before, told := len(b.Migrator.Moving()), len(b.reports)
	what()
	after, ended := len(b.Migrator.Moving()), len(b.reports)-told
	if begun := after + ended - before; begun < 0 || (started != nil && begun != *started) {
		m.t.Fatalf("%d moves were there, %d are, %d have ended, and %d were begun", before, after, ended, begun)
	}
	for _, r := range b.reports[told:] {
		if r.Outcome == migrator.Moved {
			m.rescale(r)
		}
	}
}

// rescale scales a task that has moved where it is now.
func (m *model) rescale(r migrator.Report) {
	m.moved++
	m.scaling.End(r.Task, m.clock)
	if t := m.tasks[r.Task]; t != nil && t.node != "" {
		m.scale(r.Task, t)
	}
}

func (m *model) scale(id taskID, t *running) {
	if err := m.scaling.Begin(order.Task{ID: id, Node: t.node, Request: gpu(300), Has: t.has, Floor: gpu(20), Started: t.started, Predicted: t.predicted}); err != nil {
		m.t.Fatal(err)
	}
}

// step does something at random.
func (m *model) step() {
	b := m.brokers[m.r.IntN(2)]
	task, running := some(m.r, m.tasks)
	switch m.r.IntN(16) {
	case 0, 1, 2:
		m.next++
		id := taskID(fmt.Sprintf("t%d", m.next))
		if on, ok := some(m.r, m.nodes); ok && m.place(id, on, gpu(int64(10+m.r.IntN(60))*10), time.Duration(m.r.Int64N(int64(4*time.Hour)))) == nil {
			m.scale(id, m.tasks[id])
		}
	case 3:
		if running {
			m.finish(task)
			m.scaling.End(task, m.clock)
			if m.r.IntN(2) == 0 { // else they find out
				for _, b := range m.brokers {
					m.act(b, new(int), func() { b.Migrator.TaskEnded(ctx, task, m.clock) })
				}
			}
		}
	case 4:
		if id, ok := some(m.r, m.nodes); ok && m.r.IntN(3) == 0 {
			tasks := m.lose(id)
			for _, t := range tasks {
				m.scaling.End(t, m.clock)
			}
			for _, b := range m.brokers {
				b.look()
				m.act(b, nil, func() { _ = b.Migrator.NodeLost(ctx, id, tasks, m.clock) })
			}
		}
	case 5:
		if len(m.nodes) < 7 {
			m.grow()
		}
	case 6:
		if running {
			target, _ := some(m.r, m.nodes)
			started := 0
			m.act(b, &started, func() {
				if b.Migrator.Move(ctx, task, migrator.ByHand, target, m.clock) == nil {
					started++
				}
			})
		}
	case 7:
		if id, ok := some(m.r, m.nodes); ok {
			m.cordon[id] = !m.cordon[id]
			if m.cordon[id] {
				m.act(b, nil, func() { _ = b.Migrator.Drain(ctx, id, migrator.Drain, m.clock) })
			}
		}
	case 8, 9, 10:
		if len(b.begun) > 0 {
			i := m.r.IntN(len(b.begun))
			h := b.begun[i]
			b.begun = slices.Delete(b.begun, i, i+1)
			m.act(b, new(int), func() {
				if m.r.IntN(3) == 0 {
					b.Migrator.Failed(ctx, h.Task.ID, errDown, m.clock)
				} else {
					b.Migrator.Arrived(ctx, h.Task.ID, m.clock)
				}
			})
		}
	case 11:
		if running {
			m.act(b, new(int), func() { b.Migrator.Cancel(ctx, task, "an operator said so", m.clock) })
		}
	case 12:
		m.waiting = nil
		if m.r.IntN(2) == 0 {
			m.waiting = []nodetime.Amounts{gpu(1000)}
		}
	case 13:
		m.left = time.Duration(m.r.Int64N(int64(time.Hour)))
	default:
		m.pass(time.Duration(m.r.Int64N(int64(10 * time.Minute))))
	}
	if err := m.check(); err != nil {
		m.t.Fatal(err)
	}
}

// pass lets time go by: use is measured, and everyone does what is due.
func (m *model) pass(d time.Duration) {
	m.clock = m.clock.Add(d + time.Second)
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		rates := monitor.Rates{}
		for k := range rates {
			rates[k] = math.NaN()
		}
		rates[nodetime.GPUTime] = m.r.Float64() * float64(m.tasks[id].has[nodetime.GPUTime])
		_ = m.scaling.Note(id, rates, m.clock) // refused for one that is not scaled, its node being lost
	}
	m.scaling.Step(ctx, m.clock)
	for _, b := range m.brokers {
		b.look()
		m.act(b, nil, func() { b.Step(ctx, m.clock) })
	}
}

// Free amounts always add up and are never negative, no task is held twice or lost, and every order and every move ends in
// exactly one report, whatever happens.
func TestB5B8ModelOfScalingAndMigration(t *testing.T) {
	moved, scaled, seeds, steps := 0, 0, uint64(16), 1500
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		m := newModel(t, seed)
		for range steps {
			m.step()
		}
		m.settle(seed)
		moved += m.moved
		for _, r := range m.orders {
			if r.Outcome == order.Done {
				scaled++
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d moves and %d scalings done", moved, scaled)
	if moved == 0 || scaled == 0 {
		t.Error("nothing has happened")
	}
}

// settle lets everything come to its end and checks that nothing is left over.
func (m *model) settle(seed uint64) {
	m.faults = false
	for id := range m.nodes { // nothing new begins
		m.cordon[id] = true
	}
	for _, b := range m.brokers {
		b.begun = nil
	}
	for i := 0; i < 2000 && m.busy(); i++ {
		m.pass(time.Minute)
		for _, b := range m.brokers {
			for _, h := range b.begun {
				m.act(b, new(int), func() { b.Migrator.Failed(ctx, h.Task.ID, errDown, m.clock) })
			}
			b.begun = nil
		}
	}
	for range 5 { // what was not known of the last orders turns out
		m.pass(time.Minute)
	}
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		if s, scaled := m.scaling.Task(id); scaled && (s.Has != m.tasks[id].has || m.budgets[id] != s.Has) {
			m.t.Errorf("seed %d: %s: account %v, scaler %v, edge %v", seed, id, m.tasks[id].has, s.Has, m.budgets[id])
		}
		if m.tasks[id].hold != nil {
			m.t.Errorf("seed %d: %s still holds %v", seed, id, m.tasks[id].hold)
		}
		m.finish(id)
		m.scaling.End(id, m.clock)
	}
	for _, b := range m.brokers {
		if left := b.Migrator.Moving(); len(left) > 0 {
			m.t.Errorf("seed %d: moves are left: %+v", seed, left)
		}
	}
	for id, n := range m.nodes {
		if n.Free() != n.Total() {
			m.t.Errorf("seed %d: %s has %v free of %v with no task", seed, id, n.Free(), n.Total())
		}
	}
	if left := m.scaling.Waiting(); len(left) > 0 {
		m.t.Errorf("seed %d: orders wait: %v", seed, left)
	}
	for id := int64(1); id <= int64(len(m.orders)); id++ {
		if _, told := m.orders[id]; !told {
			m.t.Errorf("seed %d: order %d has no report", seed, id)
		}
	}
}

// busy says that a move has not ended.
func (m *model) busy() bool {
	return slices.ContainsFunc(m.brokers, func(b *broker) bool { return len(b.Migrator.Moving()) > 0 })
}
