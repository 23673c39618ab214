// Package scheduler is the resource scheduler of vertical scaling (B6.2, B9.1): it passes shrinks straight on to the node
// resource manager; for an expansion it looks at what the node has free, waits, gives up, or takes the amount and marks the
// order executable. When the node manager reports success it brings the node's free amount up to date and tells the scaler.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

// Config is how long expansions wait.
type Config struct {
	Wait   time.Duration // W-c: until the free amount is looked at again
	GiveUp time.Duration // W-d: in all
	Retry  time.Duration // until an account that could not be put right is tried again
}

// Default are waits for sessions, whose users do not wait for hours.
var Default = Config{Wait: time.Minute, GiveUp: 30 * time.Minute, Retry: 5 * time.Second}

// Validate refuses waits in the wrong order, by name.
func (c Config) Validate() error {
	switch {
	case c.Wait <= 0:
		return fmt.Errorf("expand-wait (W-c) is %v: more than 0", c.Wait)
	case c.GiveUp <= c.Wait:
		return fmt.Errorf("expand-give-up (W-d) is %v: it must be longer than expand-wait (W-c), %v", c.GiveUp, c.Wait)
	case c.Retry <= 0:
		return fmt.Errorf("retry is %v: more than 0", c.Retry)
	}
	return nil
}

// Nodes are the nodes' accounts, which other brokers change too.
type Nodes interface {
	// Free is what a node has free, as its resource monitor knows it.
	Free(ctx context.Context, node signaling.NodeID) (nodetime.Amounts, error)
	// Resize makes a task's amount of a kind to, and the node's free amount smaller or larger by the difference, in one step.
	// Where it is so already nothing changes. order.ErrNoRoom: not enough is free; order.ErrGone: the task is not there. An
	// error leaves all as it was, or is made good by calling again.
	Resize(ctx context.Context, task signaling.TaskID, node signaling.NodeID, k nodetime.Kind, to int64) error
}

// Scaler gets the reports and works amounts out again.
type Scaler interface {
	Again(o order.Order, now time.Time) int64
	Report(order.Report)
}

// Manager is the node resource manager.
type Manager interface {
	Take(ctx context.Context, o order.Order, now time.Time)
}

// Scheduler schedules orders. One goroutine owns it.
type Scheduler struct {
	config  Config
	nodes   Nodes
	scaler  Scaler
	manager Manager
	waiting order.Waits[waiting]
}

// waiting is an order that has not ended here.
type waiting struct {
	order.Wait
	unsure bool // the answer of an account was lost: its amount may have been taken
	// settle is the report that is due once the account is what it says; nil for an expansion that waits for room.
	settle *order.Report
	amount int64 // that the account is brought to
}

// New is a scheduler without orders. Use connects it to the manager.
func New(c Config, n Nodes, s Scaler) *Scheduler { return &Scheduler{config: c, nodes: n, scaler: s} }

// Use names the node resource manager.
func (s *Scheduler) Use(m Manager) { s.manager = m }

// Submit takes an order of the scaler.
func (s *Scheduler) Submit(ctx context.Context, o order.Order, now time.Time) {
	if o.Direction == order.Shrink {
		s.manager.Take(ctx, o, now)
		return
	}
	w := waiting{Wait: order.Wait{Order: o, End: now.Add(s.config.GiveUp)}}
	s.expand(ctx, w, now)
}

// expand takes an expansion's amount from what the node has free, or lets it wait.
func (s *Scheduler) expand(ctx context.Context, w waiting, now time.Time) {
	err := s.room(ctx, &w)
	if err == nil {
		if err = s.nodes.Resize(ctx, w.Task, w.Node, w.Kind, w.To()); err != nil {
			w.unsure = !errors.Is(err, order.ErrNoRoom) || w.unsure
		}
	}
	switch {
	case err == nil:
		w.Executable = true
		s.manager.Take(ctx, w.Order, now)
	case errors.Is(err, order.ErrGone):
		s.report(w.Order, order.Void, err.Error(), now)
	case !now.Before(w.End):
		s.drop(ctx, w, order.GivenUp, err.Error(), now)
	default:
		w.Why = err.Error()
		w.Due = earlier(now.Add(s.config.Wait), w.End)
		s.waiting = append(s.waiting, w)
	}
}

// room says why the node has not enough free. Where the amount may have been taken already, what is free does not tell.
func (s *Scheduler) room(ctx context.Context, w *waiting) error {
	if w.unsure {
		return nil
	}
	free, err := s.nodes.Free(ctx, w.Node)
	if err == nil && free[w.Kind] < w.Amount {
		return fmt.Errorf("%w: %d of %v, %d are wanted", order.ErrNoRoom, free[w.Kind], w.Kind, w.Amount)
	}
	return err
}

// drop ends an expansion that was not carried out. Where its amount may have been taken it is given back first, so that
// nothing is held that nobody has.
func (s *Scheduler) drop(ctx context.Context, w waiting, out order.Outcome, why string, now time.Time) {
	r := order.Report{Order: w.Order, Outcome: out, Reason: why, At: now}
	if w.unsure {
		s.settle(ctx, w.Order, w.From, r, now)
		return
	}
	s.scaler.Report(r)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Done takes the node manager's word on an order that it has carried out, or not (err).
func (s *Scheduler) Done(ctx context.Context, o order.Order, err error, now time.Time) {
	r := order.Report{Order: o, Outcome: order.Done, At: now}
	to := o.To()
	if err != nil {
		r.Outcome, r.Reason, to = order.Failed, err.Error(), o.From
		if errors.Is(err, order.ErrGone) {
			r.Outcome = order.Void
		}
	}
	s.settle(ctx, o, to, r, now)
}

// settle brings the account to an amount and reports; it is tried again until the account is right or the task has gone.
func (s *Scheduler) settle(ctx context.Context, o order.Order, to int64, r order.Report, now time.Time) {
	err := s.nodes.Resize(ctx, o.Task, o.Node, o.Kind, to)
	switch {
	case err == nil:
	case errors.Is(err, order.ErrGone):
		r.Outcome, r.Reason = order.Void, err.Error()
	default:
		s.waiting = append(s.waiting, waiting{Wait: order.Wait{Order: o, Due: now.Add(s.config.Retry), Why: err.Error()}, settle: &r, amount: to})
		return
	}
	r.At = now
	s.scaler.Report(r)
}

func (s *Scheduler) report(o order.Order, out order.Outcome, why string, now time.Time) {
	s.scaler.Report(order.Report{Order: o, Outcome: out, Reason: why, At: now})
}

// Step looks again at what waits and is due.
func (s *Scheduler) Step(ctx context.Context, now time.Time) {
	for _, w := range s.waiting.Due(now) {
		if w.settle != nil {
			s.settle(ctx, w.Order, w.amount, *w.settle, now)
		} else {
			s.again(ctx, w, now)
		}
	}
}

// again works an expansion's amount out again and looks for room.
func (s *Scheduler) again(ctx context.Context, w waiting, now time.Time) {
	amount := s.scaler.Again(w.Order, now)
	if amount <= 0 {
		s.drop(ctx, w, order.Void, "it is not needed any more", now)
		return
	}
	w.Amount = amount
	s.expand(ctx, w, now)
}

// Forget ends the waits of a task that has gone: its orders are void.
func (s *Scheduler) Forget(task signaling.TaskID, now time.Time) {
	for _, w := range s.waiting.Of(task) {
		s.report(w.Order, order.Void, order.ErrGone.Error(), now)
	}
}

// Next is when something is due; false where nothing waits.
func (s *Scheduler) Next() (time.Time, bool) { return s.waiting.Next() }

// Orders are the orders that wait here.
func (s *Scheduler) Orders() []order.Wait { return s.waiting.All() }

// Waiting are the orders that wait here, and why.
func (s *Scheduler) Waiting() map[int64]string { return s.waiting.Reasons() }
