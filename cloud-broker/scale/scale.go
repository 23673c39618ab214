// Package scale puts vertical scaling together (B5, B6, B9.1): running tasks get less of what they do not use, and more of
// what they run short of, without being stopped.
//
// Four components, each a package of its own, report to each other as the document says:
//
//	monitor ──use──▶ scaler ──order──▶ scheduler ──▶ manager ──budget──▶ edge
//	                   ▲  ▲────────────── report ─┘ ◀─done──┘ │
//	                   └───────── a shrink that fails ────────┘
//
// The amount of an expansion is taken from the node before the task gets it, and that of a shrink is given back after the
// task has let go, so that nothing is ever held twice.
//
// A [Scaling] has no clock and no goroutine: its owner calls Step at the times that Next tells, and hears of every order's
// end. The tasks of different nodes know nothing of each other, so that a broker may have one for each edge.
package scale

import (
	"context"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/manager"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/cloud-broker/scale/scheduler"
	"github.com/tomocast/tomocast/signaling"
)

// Config is that of the components.
type Config struct {
	Monitor   monitor.Config
	Scaler    scaler.Config
	Scheduler scheduler.Config
	Manager   manager.Config
	// Ceiling is how many times its request a task is given at most, so that what never has enough leaves room for others;
	// 0 is no limit.
	Ceiling float64
}

// Default are the document's figures where it has some, for tasks of minutes to days.
func Default() Config {
	return Config{Monitor: monitor.Default, Scaler: scaler.Default, Scheduler: scheduler.Default, Manager: manager.Default, Ceiling: 4}
}

// Sessions is for tasks whose user may begin to move at any moment: what was taken from them comes back within seconds. They
// are not given more than they asked for, since their shares of a GPU are weights: what nobody else uses they have anyway, and
// the next user finds room.
func Sessions() Config {
	c := Default()
	c.Monitor.Window, c.Scaler.Settle, c.Scaler.Every = 5*time.Second, 30*time.Second, time.Second
	c.Scaler.RestShrink, c.Scaler.RestExpand = time.Minute, time.Second
	c.Scheduler.Wait, c.Scheduler.GiveUp, c.Scheduler.Retry = 2*time.Second, time.Minute, time.Second
	c.Ceiling = 1
	return c
}

// Validate refuses what cannot be, by name.
func (c *Config) Validate() error {
	for _, err := range []error{c.Monitor.Validate(), c.Scaler.Validate(), c.Scheduler.Validate(), c.Manager.Validate()} {
		if err != nil {
			return fmt.Errorf("scaling: %w", err)
		}
	}
	if c.Ceiling != 0 && !(c.Ceiling >= 1 && c.Ceiling <= 1000) {
		return fmt.Errorf("scaling: ceiling is %g times the request: 0 for none, or 1 to 1000", c.Ceiling)
	}
	return nil
}

// Most is what a task that asked for request is given at most, as order.Task has it.
func (c *Config) Most(request nodetime.Amounts) (most nodetime.Amounts) {
	for k, amount := range request {
		most[k] = int64(float64(amount) * c.Ceiling)
	}
	return most
}

// Floor is what a task of a type is never taken below: what keeps a picture moving, 640 by 360 pixels 15 times a second; for
// compute tasks a tenth of a core.
func Floor(t signaling.TaskType) nodetime.Amounts {
	if t == signaling.Rendering {
		return nodetime.Amounts{nodetime.GPUTime: 50, nodetime.CPU: 200, nodetime.Memory: 256, nodetime.EncoderThreads: 1,
			nodetime.EncoderPixels: 640 * 360 * 15 / 1000}
	}
	return nodetime.Amounts{nodetime.CPU: 100, nodetime.Memory: 64}
}

// Outside is what scaling acts on and asks.
type Outside struct {
	Nodes     scheduler.Nodes
	Budgets   manager.Budgets
	Predictor manager.Predictor
	Report    func(order.Report) // hears how every order ended; nil: nobody
}

// Scaling scales tasks. One goroutine owns it.
type Scaling struct {
	monitor   *monitor.Monitor
	scaler    *scaler.Scaler
	scheduler *scheduler.Scheduler
	manager   *manager.Manager
}

// New connects the components.
func New(c Config, o Outside) (*Scaling, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Report == nil {
		o.Report = func(order.Report) {}
	}
	s := &Scaling{monitor: monitor.New(c.Monitor)}
	s.scaler = scaler.New(c.Scaler, s.monitor, o.Report)
	s.scheduler = scheduler.New(c.Scheduler, o.Nodes, s.scaler)
	s.manager = manager.New(c.Manager, o.Budgets, s.monitor, o.Predictor, s.scheduler, s.scaler)
	s.scaler.Use(s.scheduler)
	s.scheduler.Use(s.manager)
	return s, nil
}

// Begin scales a task from now on.
func (s *Scaling) Begin(t order.Task) error {
	if err := s.scaler.Begin(t); err != nil {
		return err
	}
	s.monitor.Begin(t.ID, t.Started)
	return nil
}

// End scales a task no longer: it has ended, or moved. Its orders are void.
func (s *Scaling) End(task signaling.TaskID, now time.Time) {
	s.scheduler.Forget(task, now)
	s.manager.Forget(task, now)
	s.monitor.End(task)
	s.scaler.End(task)
}

// Note takes what a task uses.
func (s *Scaling) Note(task signaling.TaskID, rates monitor.Rates, at time.Time) error {
	return s.monitor.Note(task, rates, at)
}

// Task is a task as it is scaled: Has is what it has now.
func (s *Scaling) Task(task signaling.TaskID) (order.Task, bool) { return s.scaler.Task(task) }

// Correct notes that a task has another amount of a kind than was known, by no order of this scaling. It says false, and
// changes nothing, where an order for it is open, or the task is not scaled.
func (s *Scaling) Correct(task signaling.TaskID, k nodetime.Kind, has int64) bool {
	return s.scaler.Correct(task, k, has)
}

// Average is a task's use of a kind over W1.
func (s *Scaling) Average(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool) {
	return s.monitor.Average(task, k, now)
}

// Step does all that is due.
func (s *Scaling) Step(ctx context.Context, now time.Time) {
	s.manager.Step(ctx, now)
	s.scheduler.Step(ctx, now)
	s.scaler.Step(ctx, now)
}

// Next is when Step has something to do; false where there is nothing.
func (s *Scaling) Next() (time.Time, bool) {
	var next time.Time
	some := false
	for _, of := range []func() (time.Time, bool){s.manager.Next, s.scheduler.Next, s.scaler.Next} {
		if at, ok := of(); ok && (!some || at.Before(next)) {
			next, some = at, true
		}
	}
	return next, some
}

// Orders are the orders that wait.
func (s *Scaling) Orders() []order.Wait { return append(s.scheduler.Orders(), s.manager.Orders()...) }

// Waiting are the orders that wait, and why.
func (s *Scaling) Waiting() map[int64]string {
	out := s.scheduler.Waiting()
	for id, why := range s.manager.Waiting() {
		out[id] = why
	}
	return out
}
