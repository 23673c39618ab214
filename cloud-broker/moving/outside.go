package moving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// targets is how many nodes a move chooses from.
	targets = 16
	// waitingLooked is how many tasks that wait for a place are looked at for one that fragments keep from it.
	waitingLooked = 256
)

// tasks answers what is known of a running task.
type tasks Mover

func (ts *tasks) Task(ctx context.Context, id signaling.TaskID) (migrator.Task, error) {
	m := (*Mover)(ts)
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	t, err := m.Pool.Task(ctx, id)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return migrator.Task{}, migrator.ErrEnded
	case err != nil:
		return migrator.Task{}, err
	}
	m.tasks[id] = t
	switch {
	case t.State.Ended():
		return migrator.Task{}, migrator.ErrEnded
	case t.Attempt == nil:
		return migrator.Task{}, fmt.Errorf("its terminal looks for another place for it: %w", migrator.ErrEnded)
	case t.State == signaling.TaskPlacing:
		return migrator.Task{}, errors.New("it is being placed")
	}
	if err := m.Place.MayGo(t, ""); err != nil {
		return migrator.Task{}, fmt.Errorf("%w: %w", migrator.ErrFixed, err)
	}
	held, err := m.Pool.Holds(ctx, t.Attempt.ID)
	if err != nil && !errors.Is(err, pool.ErrNotFound) {
		return migrator.Task{}, err
	}
	if err != nil {
		held = t.Request.Needs()
	}
	t.Resources = &held
	m.tasks[id] = t
	has := migrator.Task{ID: id, Node: t.Attempt.Node, Has: nodetime.Of(held), Started: t.CreatedAt}
	if t.StartedAt != nil {
		has.Started = *t.StartedAt
	}
	if t.Forecast != nil && t.Forecast.Known {
		has.Predicted = time.Duration(t.Forecast.ExpectedMs) * time.Millisecond
	}
	if s := t.Shadow; s != nil {
		if kept, err := m.Pool.Holds(ctx, s.ID); err == nil {
			has.Shadow, has.Kept = s.Node, nodetime.Of(kept)
		}
	}
	ran := max(time.Since(has.Started), 0).Seconds()
	for k := range has.Past { // what has not been measured is taken to be used
		has.Past[k] = float64(has.Has[k]) * ran
	}
	if u := t.Usage; u != nil && u.GPUMs > 0 {
		has.Past[nodetime.GPUTime] = u.GPUMs // thousandths times seconds
	}
	if u := t.Usage; u != nil && u.CPUMs > 0 {
		has.Past[nodetime.CPU] = u.CPUMs
	}
	return has, nil
}

// nodes answers what is known of nodes.
type nodes Mover

func (ns *nodes) Node(_ context.Context, id signaling.NodeID) (migrator.Node, error) {
	m := (*Mover)(ns)
	n, known := m.Nodes.Get(id)
	if !known || n.State == signaling.NodeLost {
		return migrator.Node{}, fmt.Errorf("%s: %w", id, migrator.ErrLost)
	}
	return nodeOf(&n, spanOf(m.spans(), id)), nil
}

// Tasks are those that could leave a node: they have their place there, and are not on their way to another one.
func (ns *nodes) Tasks(ctx context.Context, id signaling.NodeID) ([]signaling.TaskID, error) {
	m := (*Mover)(ns)
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	all, err := m.Pool.OnNode(ctx, id, onNode)
	if errors.Is(err, pool.ErrUnknownNode) {
		return nil, fmt.Errorf("%s: %w", id, migrator.ErrLost)
	}
	if err != nil {
		return nil, err
	}
	var ids []signaling.TaskID
	for _, t := range all {
		if _, fixed := m.fixed[t.ID]; !fixed && runsAt(&t, id) {
			ids = append(ids, t.ID)
		}
	}
	return ids, nil
}

// nodeOf is a node as a move sees it.
func nodeOf(n *signaling.Node, s fit.Span) migrator.Node {
	free := nodetime.Of(n.Free)
	total := nodetime.Of(n.Capacity)
	out := migrator.Node{ID: n.ID, Takes: n.State == signaling.NodeReady, Lasts: s.Free, Period: time.Duration(s.Period * float64(time.Second))}
	for k := range free {
		free[k] = min(max(free[k], 0), total[k]) // an override may have taken away what is held
		if free[k] > 0 {
			out.Room[k] = float64(free[k]) * s.Free
		}
	}
	out.Free = free
	return out
}

func (m *Mover) spans() map[signaling.NodeID]fit.Span {
	if m.Times == nil {
		return nil
	}
	return m.Times.Spans()
}

func spanOf(spans map[signaling.NodeID]fit.Span, id signaling.NodeID) fit.Span {
	if s, ends := spans[id]; ends {
		return s
	}
	return fit.Always
}

// Targets names the nodes that a task could move to, by the rules of its request.
func (m *Mover) Targets(ctx context.Context, t migrator.Task, _ [nodetime.Kinds]float64, _ migrator.Reason) ([]signaling.NodeID, error) {
	return m.Place.Targets(ctx, m.tasks[t.ID], targets)
}

// Waiting are the requests of the tasks that wait for a place.
func (m *Mover) Waiting(ctx context.Context) ([]nodetime.Amounts, error) {
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	queued, err := m.Pool.Waiting(ctx, waitingLooked)
	if err != nil {
		return nil, err
	}
	out := make([]nodetime.Amounts, len(queued))
	for i := range queued {
		out[i] = nodetime.Of(queued[i].Needs)
	}
	return out, nil
}

// foresight is what is predicted, if anything.
type foresight Mover

func (f *foresight) Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool) {
	if f.Foresee == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	return f.Foresee.Left(ctx, task, ran)
}
