package nodetimes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Status is a node's time at a glance.
type Status struct {
	Open bool `json:"open" doc:"It is open now. While it is closed nothing new comes to it."`
	// TotalS is T, FreeS is t of the scarcest kind.
	TotalS   *float64   `json:"totalS,omitempty" doc:"For how long it can be used in all, seconds. Absent where it stays."`
	FreeS    *float64   `json:"freeS,omitempty" doc:"For how long what is free can be used, seconds. Absent where it stays."`
	PeriodS  float64    `json:"periodS,omitempty" doc:"Circulation period, seconds."`
	ClosesAt *time.Time `json:"closesAt,omitempty" doc:"When it closes next, or goes."`
	OpensAt  *time.Time `json:"opensAt,omitempty" doc:"When it opens next, where it is closed."`
}

// Status is a node's time at a glance; false where it has none of its own, and stays.
func (t *Times) Status(id signaling.NodeID) (Status, bool) {
	t.mu.RLock()
	e, span := t.nodes[id], t.spans[id]
	t.mu.RUnlock()
	if e == nil {
		return Status{}, false
	}
	now := t.config.Now()
	_, open := e.windows.At(now)
	s := Status{Open: open, TotalS: finite(span.Total), FreeS: finite(span.Free), PeriodS: span.Period}
	if at, some := e.edge(now); some && open {
		s.ClosesAt = &at
	} else if some {
		s.OpensAt = &at
	}
	return s, true
}

// Closed is how many of the nodes that are ready are closed now.
func (t *Times) Closed() int {
	t.mu.RLock()
	nodes := t.nodes
	t.mu.RUnlock()
	now, count := t.config.Now(), 0
	for id, e := range nodes {
		if _, open := e.windows.At(now); open {
			continue
		}
		if n, known := t.config.Nodes.Get(id); known && n.State == signaling.NodeReady {
			count++
		}
	}
	return count
}

// finite is nil for what never ends.
func finite(s float64) *float64 {
	if math.IsInf(s, 1) {
		return nil
	}
	return &s
}

// Closing are the nodes that hold something and whose window ends within a time, or has ended: what runs there must go
// elsewhere. In the order of their ids.
func (t *Times) Closing(within time.Duration) []signaling.NodeID {
	t.mu.RLock()
	nodes := t.nodes
	t.mu.RUnlock()
	now := t.config.Now()
	var out []signaling.NodeID
	for id, e := range nodes {
		if left := e.windows.Left(now); left == nodetime.Forever || left > within {
			continue
		}
		if n, known := t.config.Nodes.Get(id); known && n.State != signaling.NodeLost && n.Free != n.Capacity {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Of is a node's time dimension with its time line, from now until until, MaxAhead at most. pool.ErrUnknownNode where there is
// no such node.
func (t *Times) Of(ctx context.Context, id signaling.NodeID, until time.Time) (signaling.NodeTime, error) {
	now := t.config.Now()
	out := signaling.NodeTime{At: now.UTC(), Line: []signaling.NodeMoment{}, Tasks: []signaling.NodeTask{}}
	n, known := t.config.Nodes.Get(id)
	if !known {
		return out, fmt.Errorf("the time of node %.70q: %w", string(id), pool.ErrUnknownNode)
	}
	if !until.After(now) || until.Sub(now) > MaxAhead {
		return out, fmt.Errorf("a time line until %v: behind now, and at most %v ahead", until, MaxAhead)
	}
	t.mu.RLock()
	e, span := t.nodes[id], t.spans[id]
	t.mu.RUnlock()
	all, err := t.on(ctx, id)
	if err != nil {
		return out, err
	}
	line, err := place(e.settings(n), all, now, nodetime.MaxTime) // what nobody knows the end of has none
	if err != nil {
		return out, fmt.Errorf("the time of node %s: %w", id, err)
	}
	_, out.Open = line.Windows().At(now)
	for _, m := range line.Line(now, until) {
		out.Line = append(out.Line, signaling.NodeMoment{At: m.At.UTC(), Open: m.Open, Free: m.Free.Resources()})
	}
	for i := range all {
		out.Tasks = append(out.Tasks, all[i].show(now))
	}
	if e == nil {
		return out, nil
	}
	out.TotalS = finite(span.Total)
	promised, err := e.place(n, all, now)
	if err != nil {
		return out, fmt.Errorf("the time of node %s: %w", id, err)
	}
	for k := range nodetime.Kinds {
		if left := promised.Available(k, now); promised.Total()[k] > 0 && left != nodetime.Forever {
			if out.FreeS == nil {
				out.FreeS = map[string]float64{}
			}
			out.FreeS[k.String()] = left.Seconds()
		}
	}
	return out, nil
}

// show is a task on a time line.
func (r *running) show(now time.Time) signaling.NodeTask {
	out := signaling.NodeTask{Task: r.task.ID, Type: r.task.Request.Type, Operation: r.task.Request.Operation, Resources: *r.task.Resources,
		StartedAt: r.since, Shadow: r.shadow, Moves: r.moves}
	left, known := r.left(now)
	if !known {
		return out
	}
	end := now.Add(left).UTC().Truncate(time.Millisecond)
	out.EndsAt = &end
	if late := r.since.Add(time.Duration(r.forecast.HighMs) * time.Millisecond).UTC(); late.After(end) {
		out.LateAt = &late
	}
	return out
}

// Schedule is the schedule that holds for a node, and whether an operator has set it or the configuration has it; ok is false
// where there is neither. When a machine goes by its own word is no part of it.
func (t *Times) Schedule(ctx context.Context, id signaling.NodeID) (s signaling.Schedule, operator, ok bool, err error) {
	s, err = t.config.Pool.Schedule(ctx, id)
	switch {
	case err == nil:
		return s, true, true, nil
	case !errors.Is(err, pool.ErrNotFound):
		return s, false, false, err
	}
	s, ok = t.config.Schedules[id]
	return s, false, ok, nil
}

// Set keeps a schedule for a node in place of the configuration's; nil gives the configuration's back. All brokers follow it
// within seconds, this one at once.
func (t *Times) Set(ctx context.Context, id signaling.NodeID, s *signaling.Schedule) error {
	if err := t.config.Pool.SetSchedule(ctx, id, s); err != nil {
		return err
	}
	_, err := t.Refresh(ctx)
	select { // when the next window ends may be another time now
	case t.kick <- struct{}{}:
	default:
	}
	return err
}
