package scale_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

var begin = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// world is a node with its tasks, and a clock that a test advances.
type world struct {
	t       *testing.T
	s       *scale.Scaling
	now     time.Time
	node    *nodetime.Node
	use     map[signaling.TaskID]nodetime.Amounts // what tasks would use
	budgets map[signaling.TaskID]nodetime.Amounts // what their edge lets them
	left    time.Duration                         // what the predictor says; 0: it does not know
	asked   int                                   // how often it was asked
	down    error                                 // what the account says instead of an answer
	mute    error                                 // what the account says behind what it has done
	deaf    error                                 // what the edge says instead of an answer
	sets    int
	every   time.Duration // how often use is measured
	reports []order.Report
}

func newWorld(t *testing.T, c scale.Config, total nodetime.Amounts) *world {
	t.Helper()
	n, err := nodetime.New(nodetime.Config{Total: total}, begin)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: begin, node: n, every: time.Minute, use: map[signaling.TaskID]nodetime.Amounts{}, budgets: map[signaling.TaskID]nodetime.Amounts{}}
	w.s, err = scale.New(c, scale.Outside{Nodes: w, Budgets: w, Predictor: w, Report: func(r order.Report) { w.reports = append(w.reports, r) }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) Free(context.Context, signaling.NodeID) (nodetime.Amounts, error) {
	return w.node.Free(), w.down
}

func (w *world) Resize(_ context.Context, task signaling.TaskID, _ signaling.NodeID, k nodetime.Kind, to int64) error {
	if w.down != nil {
		return w.down
	}
	a, there := w.node.Holds(task)
	if !there {
		return order.ErrGone
	}
	if a[k] = to; w.node.Resize(task, a) != nil {
		return order.ErrNoRoom
	}
	return w.mute
}

func (w *world) Set(_ context.Context, task signaling.TaskID, _ signaling.NodeID, k nodetime.Kind, amount int64) error {
	if w.deaf != nil {
		return w.deaf
	}
	b, there := w.budgets[task]
	if !there {
		return order.ErrGone
	}
	w.sets++
	b[k] = amount
	w.budgets[task] = b
	return nil
}

func (w *world) Left(context.Context, signaling.TaskID, time.Duration) (time.Duration, bool) {
	w.asked++
	return w.left, w.left > 0
}

// start begins a task that asks for an amount of GPU time, with a predicted run time.
func (w *world) start(id signaling.TaskID, gpu int64, t1 time.Duration, with ...func(*order.Task)) {
	w.t.Helper()
	a := nodetime.Amounts{nodetime.GPUTime: gpu}
	if err := w.node.Place(id, a, t1, w.now); err != nil {
		w.t.Fatal(err)
	}
	t := order.Task{ID: id, Node: "n", Request: a, Has: a, Started: w.now, Predicted: t1}
	for _, f := range with {
		f(&t)
	}
	if err := w.s.Begin(t); err != nil {
		w.t.Fatal(err)
	}
	w.budgets[id] = a
}

func (w *world) end(id signaling.TaskID) {
	w.node.End(id)
	delete(w.budgets, id)
	delete(w.use, id)
	w.s.End(id, w.now)
}

// run lets time pass: what is due is done at its time, and use is measured now and then.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	until := w.now.Add(d)
	for w.now.Before(until) {
		next := w.now.Truncate(w.every).Add(w.every)
		if at, ok := w.s.Next(); ok && at.Before(next) && at.After(w.now) {
			next = at
		}
		if next.After(until) {
			next = until
		}
		w.now = next
		if w.now.Truncate(w.every).Equal(w.now) {
			for id, u := range w.use {
				rates := monitor.Rates{}
				for k := range rates {
					rates[k] = math.NaN()
				}
				// What it has bounds what it uses.
				rates[nodetime.GPUTime] = float64(min(u[nodetime.GPUTime], w.budgets[id][nodetime.GPUTime]))
				if err := w.s.Note(id, rates, w.now); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		w.s.Step(context.Background(), w.now)
	}
}

// gpu is a task's share of GPU time: by the account, which is that of the edge and of the scaler.
func (w *world) gpu(id signaling.TaskID) int64 {
	w.t.Helper()
	a, _ := w.node.Holds(id)
	if t, ok := w.s.Task(id); !ok || t.Has[nodetime.GPUTime] != a[nodetime.GPUTime] || w.budgets[id][nodetime.GPUTime] != a[nodetime.GPUTime] {
		w.t.Errorf("%s: account %d, scaler %d, edge %d", id, a[nodetime.GPUTime], t.Has[nodetime.GPUTime], w.budgets[id][nodetime.GPUTime])
	}
	return a[nodetime.GPUTime]
}

func (w *world) told() string {
	out := ""
	for _, r := range w.reports {
		out += fmt.Sprintf("%s %d %s at %v; ", r.Order.Direction, r.Order.Amount, r.Outcome, r.At.Sub(begin))
	}
	return out
}

var errDown = errors.New("it does not answer")

func gpu(v int64) nodetime.Amounts { return nodetime.Amounts{nodetime.GPUTime: v} }

// quick looks at use every minute, over ten minutes, and lets amounts rest for ten.
func quick() scale.Config {
	c := scale.Default()
	c.Scaler.Every, c.Scaler.Settle = time.Minute, 10*time.Minute
	return c
}
