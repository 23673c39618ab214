package moving

import (
	"context"
	"errors"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// watchEvery is how often the pool is asked what has become of tasks that are being handed over.
	watchEvery = time.Second
	// poolWithin bounds one question to the pool.
	poolWithin = 2 * time.Second
	// gatherWithin bounds how long the loads of all nodes are read.
	gatherWithin = 10 * time.Second
	// duty names what one broker at a time does, and dutyLooks after how many looks without it another one does.
	duty      = "moving"
	dutyLooks = 4
	// onNode bounds the tasks of a node that are looked at.
	onNode = 4096
	// retryFixed is when a task that could not leave a draining node is tried again.
	retryFixed = time.Minute
)

// Run moves tasks until ctx ends. Moves under way are left as they are then: another broker hears how they end, and a
// reservation whose terminal does not come ends by itself.
func (m *Mover) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, m.cancel)
	defer stop()
	defer m.work.Wait()
	defer close(m.done)
	m.work.Go(func() { _ = m.board.Run(m.ctx) }) // it ends with it
	watch, look := time.NewTicker(watchEvery), time.NewTicker(m.Look)
	defer watch.Stop()
	defer look.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			m.resign()
			return nil
		case f := <-m.commands:
			f(time.Now())
		case <-m.wake:
			m.lookAtLinks(time.Now())
		case <-watch.C:
			m.watchAll(time.Now())
		case <-look.C:
			m.lookAround(time.Now())
		case <-next.C:
		}
		m.step(time.Now())
		next.Reset(m.pause(time.Now()))
	}
}

// step does what is due.
func (m *Mover) step(now time.Time) {
	m.defrag.Migrator.Step(m.ctx, now)
	m.show()
}

// pause is until something is due that no event tells of.
func (m *Mover) pause(now time.Time) time.Duration {
	if at, some := m.defrag.Migrator.Next(); some {
		return max(at.Sub(now), time.Millisecond)
	}
	return m.Look
}

// within bounds a question to the pool.
func (m *Mover) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(m.ctx, poolWithin)
}

// lookAround takes on the duty, where no other broker has it, and does it: draining nodes, and fragments.
func (m *Mover) lookAround(now time.Time) {
	ctx, cancel := m.within()
	defer cancel()
	has, err := m.Pool.Lease(ctx, duty, m.Edges.Name(), dutyLooks*m.Look)
	if err != nil || !has {
		m.onDuty = time.Time{}
		return
	}
	m.onDuty = now.Add(dutyLooks * m.Look)
	m.empty(m.Nodes.In(signaling.NodeDraining), migrator.Drain, now)
	if m.Times != nil && m.Closing > 0 {
		m.empty(m.Times.Closing(m.Closing), migrator.Closing, now)
	}
	if m.Defragment && !m.gathers && !now.Before(m.defrag.Defragmenter.Next()) {
		m.gathers = true
		m.work.Go(m.gather)
	}
}

// empty moves away what runs on nodes that are to be empty.
func (m *Mover) empty(nodes []signaling.NodeID, why migrator.Reason, now time.Time) {
	for _, id := range nodes {
		if err := m.drain(id, why, now); err != nil && m.ctx.Err() == nil {
			m.Log.Warn("what runs on a node that is to be empty cannot be moved now", "node", id, "reason", why, "error", err)
		}
	}
}

// resign lets another broker take the duty on at once.
func (m *Mover) resign() {
	if m.onDuty.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), poolWithin)
	defer cancel()
	_, _ = m.Pool.Lease(ctx, duty, m.Edges.Name(), 0) // else it ends by itself
}

// gather reads the nodes as they are, beside the loop, which then looks for fragments.
func (m *Mover) gather() {
	all := m.Nodes.Nodes()
	var used []signaling.NodeID // of which the share that is held says little about the use
	for i := range all {
		if n := &all[i]; n.State == signaling.NodeReady && n.Free != n.Capacity {
			used = append(used, n.ID)
		}
	}
	ctx, cancel := context.WithTimeout(m.ctx, gatherWithin)
	defer cancel()
	loads, err := m.Pool.Loads(ctx, used)
	if err != nil && m.ctx.Err() == nil {
		m.Log.Warn("the loads of nodes could not be read", "error", err)
	}
	_, moves := m.board.All(ctx)
	_ = m.do(m.ctx, func(now time.Time) { // else this broker stops
		m.gathers = false
		for _, mv := range moves { // those that other brokers have made, too
			if mv.Reason == signaling.MoveByHand && mv.State == string(migrator.Moved) && mv.EndedAt != nil {
				m.defrag.Defragmenter.ByHand(mv.Task, *mv.EndedAt)
			}
		}
		m.feed(all, loads, now)
		m.defrag.Defragmenter.Step(m.ctx, now)
	})
}

// feed tells the monitor of the nodes.
func (m *Mover) feed(all []signaling.Node, loads map[signaling.NodeID]signaling.Load, now time.Time) {
	there, spans := make(map[signaling.NodeID]bool, len(all)), m.spans()
	for i := range all {
		n := &all[i]
		there[n.ID] = true
		if n.State == signaling.NodeLost {
			continue
		}
		s := nodemonitor.State{Node: nodeOf(n, spanOf(spans, n.ID)), Total: nodetime.Of(n.Capacity)}
		l, measured := loads[n.ID]
		s.Use = useOf(n, l, measured)
		if err := m.defrag.Monitor.Note(s, now); err != nil {
			m.Log.Debug("a node is not looked after", "error", err)
		}
	}
	m.defrag.Monitor.Lost(func(id signaling.NodeID) bool { return there[id] })
}

// useOf is how much of a node is used, 0 to 1: of its GPU's time by what it measured last, of its processors where it has none,
// and as much as is held where it has measured nothing.
func useOf(n *signaling.Node, l signaling.Load, measured bool) float64 {
	total, free, used := n.Capacity.GPUMilli, n.Free.GPUMilli, l.GPUMilli
	if total == 0 {
		total, free, used = n.Capacity.CPUMilli, n.Free.CPUMilli, l.CPUMilli
	}
	if total <= 0 {
		return 0
	}
	if !measured {
		used = total - free
	}
	return min(max(float64(used)/float64(total), 0), 1)
}

// drain moves away what runs on a node, and has shadows that are kept there kept elsewhere.
func (m *Mover) drain(node signaling.NodeID, why migrator.Reason, now time.Time) error {
	for task, at := range m.fixed {
		if now.Sub(at) > retryFixed {
			delete(m.fixed, task)
		}
	}
	ctx, cancel := m.within()
	defer cancel()
	there, err := m.Pool.OnNode(ctx, node, onNode)
	if err != nil {
		return err
	}
	for _, t := range there {
		if t.Shadow == nil || t.Shadow.Node != node || t.Moves != nil {
			continue
		}
		if err := m.Pool.DropShadow(ctx, t.ID, "its node drains"); err != nil {
			continue // it has gone by itself
		}
		m.tell(nil, node, signaling.Release{Task: t.ID, Attempt: t.Shadow.ID, Fencing: t.Shadow.Fencing + 1, Reason: "its node drains"})
		t.Shadow = nil
		m.Place.WantShadow(t)
	}
	return m.defrag.Migrator.Drain(m.ctx, node, why, now)
}

// LinkEnded hears that the link of a node has ended: for what runs there places are made ready.
func (m *Mover) LinkEnded(node signaling.NodeID) { m.linked(node, false) }

// LinkBegan hears that a node has a link again: those places are given back.
func (m *Mover) LinkBegan(node signaling.NodeID) { m.linked(node, true) }

func (m *Mover) linked(node signaling.NodeID, on bool) {
	m.mu.Lock()
	m.links[node] = on
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// lookAtLinks does what follows from links that have ended or begun.
func (m *Mover) lookAtLinks(now time.Time) {
	m.mu.Lock()
	links := m.links
	m.links = map[signaling.NodeID]bool{}
	m.mu.Unlock()
	for node, on := range links {
		if on {
			m.back(node, now)
		} else {
			m.lost(node, now)
		}
	}
}

// lost makes places ready for what ran on a node, and finds other targets for what was on its way there.
func (m *Mover) lost(node signaling.NodeID, now time.Time) {
	ctx, cancel := m.within()
	defer cancel()
	there, err := m.Pool.OnNode(ctx, node, onNode)
	if err != nil && !errors.Is(err, pool.ErrUnknownNode) {
		m.Log.Warn("what runs on a node that is gone could not be read", "node", node, "error", err)
	}
	var ids []signaling.TaskID
	for _, t := range there {
		if runsAt(&t, node) && t.Shadow == nil && m.Place.MayGo(t, "") == nil {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) > 0 {
		m.Log.Info("a node is gone: places are made ready for its tasks", "node", node, "tasks", len(ids))
	}
	if err := m.defrag.Migrator.NodeLost(m.ctx, node, ids, now); err != nil {
		m.Log.Warn("not all tasks of a node that is gone can move", "node", node, "error", err)
	}
}

// back gives the places back that were made ready for what runs on a node.
func (m *Mover) back(node signaling.NodeID, now time.Time) {
	for _, mv := range m.defrag.Migrator.Moving() {
		if mv.Reason == migrator.Lost && mv.From == node {
			m.defrag.Migrator.Cancel(m.ctx, mv.Task, "its node is back", now)
		}
	}
}

// runsAt says whether a task has its place on a node, and is not on its way to another.
func runsAt(t *signaling.Task, node signaling.NodeID) bool {
	return t.Attempt != nil && t.Attempt.Node == node && t.Moves == nil && (t.State == signaling.TaskReserved || t.State == signaling.TaskRunning)
}

// Ready waits until the place of a task whose node is gone is ready, or cannot be; false where none is being made.
func (m *Mover) Ready(ctx context.Context, task signaling.TaskID) bool {
	var ready <-chan struct{}
	if m.ask(ctx, func(now time.Time) error {
		m.lookAtLinks(now)
		if p := m.places[task]; p != nil {
			ready = p.ready
		}
		return nil
	}) != nil || ready == nil {
		return false
	}
	select {
	case <-ready:
	case <-ctx.Done():
	case <-m.done:
	}
	return true
}
