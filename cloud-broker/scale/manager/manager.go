// Package manager is the node resource manager of vertical scaling (B6.1, B9.1): it tests whether a task can do with less for
// the time that is left, waits where it cannot, gives up and tells the scaler itself; and it has the edge change the budgets
// of running tasks.
package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

// Config is how long shrinks wait.
type Config struct {
	Wait   time.Duration // W-a: until the need is worked out again
	GiveUp time.Duration // W-b: in all
}

// Default are the document's figures.
var Default = Config{Wait: 2 * time.Hour, GiveUp: 12 * time.Hour}

// Validate refuses waits in the wrong order, by name.
func (c Config) Validate() error {
	switch {
	case c.Wait <= 0:
		return fmt.Errorf("shrink-wait (W-a) is %v: more than 0", c.Wait)
	case c.GiveUp <= c.Wait:
		return fmt.Errorf("shrink-give-up (W-b) is %v: it must be longer than shrink-wait (W-a), %v", c.GiveUp, c.Wait)
	}
	return nil
}

// Budgets are what running tasks may use, at their edges.
type Budgets interface {
	// Set makes a task's budget of a kind amount, without stopping it. An error says that it has what it had;
	// order.ErrGone that it does not run any more.
	Set(ctx context.Context, task signaling.TaskID, node signaling.NodeID, k nodetime.Kind, amount int64) error
}

// Monitor is the task resource monitor.
type Monitor interface {
	Average(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool)
}

// Predictor predicts again.
type Predictor interface {
	// Left is how long a task that has run for ran will go on; false where nothing is known.
	Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool)
}

// Scheduler hears of what was carried out.
type Scheduler interface {
	Done(ctx context.Context, o order.Order, err error, now time.Time)
}

// Scaler hears of shrinks that were not.
type Scaler interface {
	Report(order.Report)
}

// Manager manages the nodes' resources. One goroutine owns it.
type Manager struct {
	config    Config
	budgets   Budgets
	monitor   Monitor
	predictor Predictor
	scheduler Scheduler
	scaler    Scaler
	waiting   order.Waits[order.Wait]
}

// New is a manager without orders.
func New(c Config, b Budgets, m Monitor, p Predictor, s Scheduler, told Scaler) *Manager {
	return &Manager{config: c, budgets: b, monitor: m, predictor: p, scheduler: s, scaler: told}
}

// Take carries out an order of the scheduler: an expansion that is executable at once, a shrink when its need allows it.
func (m *Manager) Take(ctx context.Context, o order.Order, now time.Time) {
	if o.Direction == order.Shrink {
		m.shrink(ctx, order.Wait{Order: o, End: now.Add(m.config.GiveUp)}, now)
		return
	}
	err := errors.New("the order is not marked executable")
	if o.Executable {
		err = m.budgets.Set(ctx, o.Task, o.Node, o.Kind, o.To())
	}
	m.scheduler.Done(ctx, o, err, now)
}

// shrink tests the need and carries the shrink out, lets it wait, or gives it up.
func (m *Manager) shrink(ctx context.Context, w order.Wait, now time.Time) {
	why := m.test(ctx, &w.Order, now)
	switch {
	case why == "":
		err := m.budgets.Set(ctx, w.Task, w.Node, w.Kind, w.To())
		switch {
		case err == nil:
			m.scheduler.Done(ctx, w.Order, nil, now)
		case errors.Is(err, order.ErrGone):
			m.report(w.Order, order.Void, err.Error(), now)
		default:
			m.report(w.Order, order.Failed, err.Error(), now)
		}
	case !now.Before(w.End):
		m.report(w.Order, order.GivenUp, why, now)
	default:
		w.Why, w.Due = why, now.Add(m.config.Wait)
		if w.Due.After(w.End) {
			w.Due = w.End
		}
		m.waiting = append(m.waiting, w)
	}
}

// test says why a task cannot do with less; empty where it can. What it needs for the time that is left is compared with
// what it would have had, shrunk, over its whole run time, both as totals (amount times time).
func (m *Manager) test(ctx context.Context, o *order.Order, now time.Time) string {
	average, known := m.monitor.Average(o.Task, o.Kind, now)
	if !known {
		return "its use was not measured lately"
	}
	ran := now.Sub(o.Started)
	left := o.Predicted - ran
	if left <= 0 {
		if left, known = m.predictor.Left(ctx, o.Task, ran); !known || left <= 0 {
			return "it has outrun its prediction, and nothing is known of how long it will go on"
		}
		o.Predicted = ran + left
	}
	need, have := average*left.Seconds(), float64(o.To())*o.Predicted.Seconds()
	if need > have {
		return fmt.Sprintf("it needs %.4g of %v for the %v that are left, and would have %.4g (amount times seconds)", need, o.Kind, left, have)
	}
	return ""
}

func (m *Manager) report(o order.Order, out order.Outcome, why string, now time.Time) {
	m.scaler.Report(order.Report{Order: o, Outcome: out, Reason: why, At: now})
}

// Step works out again what waits and is due.
func (m *Manager) Step(ctx context.Context, now time.Time) {
	for _, w := range m.waiting.Due(now) {
		m.shrink(ctx, w, now)
	}
}

// Forget ends the waits of a task that has gone: its orders are void.
func (m *Manager) Forget(task signaling.TaskID, now time.Time) {
	for _, w := range m.waiting.Of(task) {
		m.report(w.Order, order.Void, order.ErrGone.Error(), now)
	}
}

// Next is when something is due; false where nothing waits.
func (m *Manager) Next() (time.Time, bool) { return m.waiting.Next() }

// Orders are the orders that wait here.
func (m *Manager) Orders() []order.Wait { return m.waiting.All() }

// Waiting are the orders that wait here, and why.
func (m *Manager) Waiting() map[int64]string { return m.waiting.Reasons() }
