// Package nodemonitor is the node resource monitor (B7, B9.2): what nodes have free, and their average use over a window W2.
package nodemonitor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// State is a node as it is at a moment.
type State struct {
	migrator.Node
	Total nodetime.Amounts
	Use   float64 // how much of the node is used, 0 to 1
}

// Node is a node with its average use over W2.
type Node struct {
	State
	Average float64
}

// Source knows the nodes at every moment, where they are noted only now and then, and without their tasks.
type Source interface {
	// Node is a node as it is now; migrator.ErrLost where there is none.
	Node(ctx context.Context, id signaling.NodeID) (migrator.Node, error)
	// Tasks are those that run on a node; migrator.ErrLost where there is none.
	Tasks(ctx context.Context, id signaling.NodeID) ([]signaling.TaskID, error)
}

// Monitor follows nodes. One goroutine owns it.
type Monitor struct {
	Source Source // nil: nodes are as they were noted
	window time.Duration
	nodes  map[signaling.NodeID]*followed
	told   func(migrator.Report)
}

type followed struct {
	State
	use *nodetime.Average
}

// New is a monitor without nodes, with W2. told hears of every move that has succeeded.
func New(window time.Duration, told func(migrator.Report)) (*Monitor, error) {
	if window <= 0 {
		return nil, fmt.Errorf("node monitor: window (W2) is %v: more than 0", window)
	}
	return &Monitor{window: window, nodes: map[signaling.NodeID]*followed{}, told: told}, nil
}

// Note takes a node as it is. What cannot be is refused, and the node stays as it was known.
func (m *Monitor) Note(s State, at time.Time) error {
	if !(s.Use >= 0 && s.Use <= 1) {
		return fmt.Errorf("node %s: use %g: 0 to 1", s.ID, s.Use)
	}
	for k := range nodetime.Kinds {
		if s.Free[k] < 0 || s.Free[k] > s.Total[k] {
			return fmt.Errorf("node %s: %d of %v free, in all %d", s.ID, s.Free[k], k, s.Total[k])
		}
	}
	f := m.nodes[s.ID]
	if f == nil {
		f = &followed{use: nodetime.NewAverage(m.window, at)}
		m.nodes[s.ID] = f
	} else if err := f.use.Add(s.Use, at); err != nil {
		return fmt.Errorf("node %s: %w", s.ID, err)
	}
	s.Tasks = slices.Clone(s.Tasks)
	f.State = s
	return nil
}

// Forget drops a node.
func (m *Monitor) Forget(id signaling.NodeID) { delete(m.nodes, id) }

// Node is a node as it is known; migrator.ErrLost where there is none.
func (m *Monitor) Node(ctx context.Context, id signaling.NodeID) (migrator.Node, error) {
	if m.Source != nil {
		return m.Source.Node(ctx, id)
	}
	f := m.nodes[id]
	if f == nil {
		return migrator.Node{}, fmt.Errorf("%s: %w", id, migrator.ErrLost)
	}
	n := f.State.Node
	n.Tasks = slices.Clone(n.Tasks)
	return n, nil
}

// Tasks are those that run on a node; migrator.ErrLost where there is none.
func (m *Monitor) Tasks(ctx context.Context, id signaling.NodeID) ([]signaling.TaskID, error) {
	if m.Source != nil {
		return m.Source.Tasks(ctx, id)
	}
	n, err := m.Node(ctx, id)
	return n.Tasks, err
}

// Nodes are all nodes with their average use over W2, which is that of the moment where none was measured yet; by name.
func (m *Monitor) Nodes(now time.Time) []Node {
	out := make([]Node, 0, len(m.nodes))
	for _, f := range m.nodes {
		n := Node{f.State, f.Use}
		if average, known := f.use.Over(now); known {
			n.Average = average
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Reserved takes amounts from what a node has free, until it is noted again.
func (m *Monitor) Reserved(id signaling.NodeID, a nodetime.Amounts) {
	m.change(id, nodetime.Amounts{}.Sub(a))
}

// Released gives them back.
func (m *Monitor) Released(id signaling.NodeID, a nodetime.Amounts) { m.change(id, a) }

// change adds to what a node has free, within what it has.
func (m *Monitor) change(id signaling.NodeID, a nodetime.Amounts) {
	f := m.nodes[id]
	if f == nil {
		return
	}
	for k := range f.Free {
		f.Free[k] = min(max(f.Free[k]+a[k], 0), f.Total[k])
	}
}

// Moved gives the source back what the task held there, and passes the report on.
func (m *Monitor) Moved(r migrator.Report) {
	m.change(r.From, r.Has)
	if from := m.nodes[r.From]; from != nil {
		from.Tasks = slices.DeleteFunc(from.Tasks, func(t signaling.TaskID) bool { return t == r.Task })
	}
	if to := m.nodes[r.To]; to != nil && !slices.Contains(to.Tasks, r.Task) {
		to.Tasks = append(to.Tasks, r.Task)
	}
	m.told(r)
}

// Lost are the nodes that are followed and not among those that there are: they are dropped.
func (m *Monitor) Lost(there func(signaling.NodeID) bool) []State {
	var out []State
	for _, id := range slices.Sorted(maps.Keys(m.nodes)) {
		if !there(id) {
			out = append(out, m.nodes[id].State)
			delete(m.nodes, id)
		}
	}
	return out
}
