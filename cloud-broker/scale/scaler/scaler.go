// Package scaler is the vertical scaler (B5, B9.1): it asks the task resource monitor how much of what they have tasks use,
// works out what is to be taken from them or given to them, creates an order and hands it to the resource scheduler. Every
// order ends in one report to it.
package scaler

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

// Rule is how much a task is shrunk by.
type Rule string

// The rules.
const (
	Leftover Rule = "leftover" // what would be left over: allocation x (1 - r1)
	Unused   Rule = "unused"   // allocation x (1 - R1)
	Share    Rule = "share"    // a share of the request
)

// Kind is how one kind of resource is scaled.
type Kind struct {
	// Step is what amounts are multiples of: a worker, a thread.
	Step int64
	// Held is what cannot be used by turns, like memory: a task is never taken below the most that it used in the window.
	Held bool
}

// Config is when tasks are scaled, and by how much.
type Config struct {
	Shrink float64 // r1: an average use below it shrinks
	Expand float64 // r2: one above it expands
	Amount Rule
	Share  float64 // of the request, for the rule share
	// Least and Most are what a task is expanded by, as shares of its request: the least where its use is just above r2,
	// the most where it uses all that it has.
	Least, Most float64
	Settle      time.Duration // how long a task runs before it is scaled
	// RestShrink is how long an amount stays as it is after an order has ended before it is shrunk, RestExpand before it is
	// expanded.
	RestShrink, RestExpand time.Duration
	Every                  time.Duration // how often use is looked at
	Kinds                  map[nodetime.Kind]Kind
}

// Default are the document's figures. GPU memory and the number of encoders are not scaled, since a session has its volume
// and its stream or has not.
var Default = Config{
	Shrink: 0.5, Expand: 0.9, Amount: Leftover, Share: 0.2, Least: 0.1, Most: 0.3,
	Settle: time.Minute, RestShrink: 10 * time.Minute, RestExpand: time.Minute, Every: 15 * time.Second,
	Kinds: map[nodetime.Kind]Kind{
		nodetime.GPUTime:        {Step: 10},
		nodetime.CPU:            {Step: 100},
		nodetime.Memory:         {Step: 64, Held: true},
		nodetime.EncoderThreads: {Step: 1},
		nodetime.EncoderPixels:  {Step: 100},
	},
}

// Validate refuses thresholds in the wrong order and shares that cannot be, by name.
func (c *Config) Validate() error {
	switch {
	case !(c.Shrink > 0 && c.Shrink < 1):
		return fmt.Errorf("shrink-below (r1) is %g: more than 0, less than 1", c.Shrink)
	case !(c.Expand > 0 && c.Expand <= 1):
		return fmt.Errorf("expand-above (r2) is %g: more than 0, at most 1", c.Expand)
	case c.Shrink >= c.Expand:
		return fmt.Errorf("shrink-below (r1) is %g: it must be below expand-above (r2), %g", c.Shrink, c.Expand)
	case c.Amount != Leftover && c.Amount != Unused && c.Amount != Share:
		return fmt.Errorf("shrink-by %.20q: %s, %s or %s", string(c.Amount), Leftover, Unused, Share)
	case c.Amount == Share && !(c.Share > 0 && c.Share < 1):
		return fmt.Errorf("shrink-share is %g: more than 0, less than 1", c.Share)
	case !(c.Least > 0 && c.Least <= c.Most && c.Most <= 1):
		return fmt.Errorf("expand-least is %g and expand-most %g of the request: more than 0, at most 1, the least first", c.Least, c.Most)
	case c.Settle < 0 || c.RestShrink < 0 || c.RestExpand < 0 || c.Every <= 0:
		return fmt.Errorf("settle %v, rest-shrink %v, rest-expand %v, every %v: not negative, and every more than 0", c.Settle, c.RestShrink, c.RestExpand, c.Every)
	}
	for k, rule := range c.Kinds {
		if k < 0 || k >= nodetime.Kinds || rule.Step < 1 {
			return fmt.Errorf("%v in steps of %d: a kind of resource, and steps of at least 1", k, rule.Step)
		}
	}
	return nil
}

// Monitor is the task resource monitor.
type Monitor interface {
	Average(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool)
	Peak(task signaling.TaskID, k nodetime.Kind, now time.Time) (float64, bool)
	Restart(task signaling.TaskID, k nodetime.Kind, at time.Time)
}

// Scheduler is the resource scheduler.
type Scheduler interface {
	Submit(ctx context.Context, o order.Order, now time.Time)
}

// Scaler scales tasks. One goroutine owns it.
type Scaler struct {
	config    Config
	kinds     []nodetime.Kind
	monitor   Monitor
	scheduler Scheduler
	told      func(order.Report)
	tasks     map[signaling.TaskID]*task
	last      int64     // order that was created last
	looked    time.Time // when use was looked at last
}

type task struct {
	order.Task
	open  [nodetime.Kinds]int64     // the order that has not ended; 0: none
	ended [nodetime.Kinds]time.Time // when the last one has; zero: there was none
}

// New is a scaler without tasks. told hears every report, behind the scaler itself. Use connects it to the scheduler.
func New(c Config, m Monitor, told func(order.Report)) *Scaler {
	return &Scaler{config: c, kinds: slices.Sorted(maps.Keys(c.Kinds)), monitor: m, told: told, tasks: map[signaling.TaskID]*task{}}
}

// Use names the scheduler that orders go to.
func (s *Scaler) Use(to Scheduler) { s.scheduler = to }

// Begin scales a task from now on.
func (s *Scaler) Begin(t order.Task) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if _, there := s.tasks[t.ID]; there {
		return fmt.Errorf("task %s: it is scaled already", t.ID)
	}
	s.tasks[t.ID] = &task{Task: t}
	return nil
}

// End scales a task no longer. The reports of its orders still come.
func (s *Scaler) End(id signaling.TaskID) { delete(s.tasks, id) }

// Task is a task as the scaler knows it.
func (s *Scaler) Task(id signaling.TaskID) (order.Task, bool) {
	t, there := s.tasks[id]
	if !there {
		return order.Task{}, false
	}
	return t.Task, true
}

// Correct notes that a task has another amount of a kind than the scaler knew, by no order of its own. It says false, and
// changes nothing, where an order for it is open, or the task is not scaled.
func (s *Scaler) Correct(id signaling.TaskID, k nodetime.Kind, has int64) bool {
	t := s.tasks[id]
	if t == nil || t.open[k] != 0 || has < 0 {
		return false
	}
	t.Has[k] = has
	return true
}

// Next is when use is looked at again; false where there is nothing to look at.
func (s *Scaler) Next() (time.Time, bool) {
	return s.looked.Add(s.config.Every), len(s.tasks) > 0
}

// Step looks at the use of all tasks, where it is time to, and creates the orders that are due.
func (s *Scaler) Step(ctx context.Context, now time.Time) {
	if now.Before(s.looked.Add(s.config.Every)) {
		return
	}
	s.looked = now
	for _, id := range slices.Sorted(maps.Keys(s.tasks)) {
		for _, k := range s.kinds {
			// An order may end within Submit, and with it the task.
			if t := s.tasks[id]; t != nil {
				s.look(ctx, t, k, now)
			}
		}
	}
}

// look creates an order for one amount of a task, where its use says so.
func (s *Scaler) look(ctx context.Context, t *task, k nodetime.Kind, now time.Time) {
	if t.open[k] != 0 || now.Sub(t.Started) < s.config.Settle {
		return
	}
	direction, amount := s.work(t, k, now)
	rest := s.config.RestShrink
	if direction == order.Expand {
		rest = s.config.RestExpand
	}
	if amount <= 0 || now.Before(t.ended[k].Add(rest)) {
		return
	}
	s.last++
	t.open[k] = s.last
	s.scheduler.Submit(ctx, order.Order{ID: s.last, Task: t.ID, Node: t.Node, Kind: k, Direction: direction, Amount: amount,
		From: t.Has[k], Created: now, Started: t.Started, Predicted: t.Predicted}, now)
}

// work is the direction and amount that a task's use asks for; 0 where it is to stay as it is.
func (s *Scaler) work(t *task, k nodetime.Kind, now time.Time) (order.Direction, int64) {
	average, known := s.monitor.Average(t.ID, k, now)
	if !known || t.Has[k] <= 0 {
		return "", 0
	}
	switch use := average / float64(t.Has[k]); {
	case use < s.config.Shrink:
		return order.Shrink, s.less(t, k, use, now)
	case use > s.config.Expand:
		return order.Expand, s.more(t, k, use)
	}
	return "", 0
}

// less is how much a task is shrunk by at an average use: never below its floor, in whole steps.
func (s *Scaler) less(t *task, k nodetime.Kind, use float64, now time.Time) int64 {
	has := float64(t.Has[k])
	var amount float64
	switch s.config.Amount {
	case Leftover:
		amount = has * (1 - s.config.Shrink)
	case Unused:
		amount = has * (1 - use)
	case Share:
		amount = float64(t.Request[k]) * s.config.Share
	}
	rule := s.config.Kinds[k]
	floor := float64(t.Floor[k])
	if peak, known := s.monitor.Peak(t.ID, k, now); known && rule.Held {
		floor = max(floor, math.Ceil(peak))
	}
	amount = min(amount, has-floor)
	if amount <= 0 {
		return 0
	}
	return int64(amount+1e-9) / rule.Step * rule.Step
}

// more is how much a task is expanded by: 10 to 30 % of its request, by how far its average use is above r2, in whole steps,
// and never above its ceiling.
func (s *Scaler) more(t *task, k nodetime.Kind, use float64) int64 {
	how := 1.0
	if s.config.Expand < 1 {
		how = min(1, (use-s.config.Expand)/(1-s.config.Expand))
	}
	step := s.config.Kinds[k].Step
	amount := float64(t.Request[k]) * (s.config.Least + how*(s.config.Most-s.config.Least))
	whole := int64(math.Ceil(amount/float64(step)-1e-9)) * step
	if ceiling := t.Ceiling[k]; ceiling > 0 {
		whole = min(whole, (ceiling-t.Has[k])/step*step)
	}
	return whole
}

// Again works out an expansion's amount again; 0 where it is not needed any more (B6.2).
func (s *Scaler) Again(o order.Order, now time.Time) int64 {
	t := s.tasks[o.Task]
	if t == nil || t.open[o.Kind] != o.ID {
		return 0
	}
	if direction, amount := s.work(t, o.Kind, now); direction == order.Expand {
		return amount
	}
	return 0
}

// Report ends an order.
func (s *Scaler) Report(r order.Report) {
	if t := s.tasks[r.Order.Task]; t != nil && t.open[r.Order.Kind] == r.Order.ID {
		t.open[r.Order.Kind] = 0
		t.ended[r.Order.Kind] = r.At
		t.Predicted = cmp.Or(r.Order.Predicted, t.Predicted)
		if r.Outcome == order.Done {
			t.Has[r.Order.Kind] = r.Order.To()
			if r.Order.Direction == order.Expand {
				s.monitor.Restart(t.ID, r.Order.Kind, r.At)
			}
		}
	}
	s.told(r)
}
