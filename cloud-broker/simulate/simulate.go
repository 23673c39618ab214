package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// Node is a node of a simulation. Without windows it is always there.
type Node struct {
	trace.Node
	Windows nodetime.Windows // by the virtual clock, see Moment
}

// Config is one simulation.
type Config struct {
	Nodes []Node
	// Tasks in the order in which they come. One whose Duration is infinite never leaves.
	Tasks     []trace.Task
	Policy    fit.Policy
	Knowledge Knowledge // of run times
	// Past are tasks that had ended before the first came.
	Past []trace.Task
	// Fragments measure fragments for policies that use them; nil: no task is typical.
	Fragments *fit.Fragments
	Seed      uint64
	// Hooks are called every Every seconds.
	Hooks []Hook
	Every float64
	// Curve: the result has points for plots.
	Curve bool
	// Until is when the simulation ends, seconds; 0: when all tasks have ended, or nothing happens any more.
	Until float64
}

// Run plays a simulation on a virtual clock. The same Config gives the same Result, but for the time that decisions took.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, err
	}
	w, err := newWorld(&c)
	if err != nil {
		return Result{}, err
	}
	for i := range c.Past {
		made, _ := w.oracle.forecast(&c.Past[i])
		w.oracle.learn(&c.Past[i], made)
	}
	w.feed(0)
	if len(c.Hooks) > 0 {
		w.tick()
	}
	w.play(ctx)
	if err := errors.Join(w.fault, ctx.Err()); err != nil {
		return Result{}, err
	}
	r := w.result()
	for _, h := range c.Hooks {
		h.Sum(&r)
	}
	return r, nil
}

// tick calls the hooks, again and again.
func (w *world) tick() {
	w.at(w.now+w.config.Every, func() {
		for _, h := range w.config.Hooks {
			if err := h.Tick(&Pool{w}); err != nil {
				w.fault = fmt.Errorf("at %.0f s: %w", w.now, err)
				return
			}
		}
		if len(w.pending) > 0 { // else nothing can happen any more
			w.tick()
		}
	})
}

// check refuses what cannot be simulated.
func (c *Config) check() error {
	if len(c.Nodes) == 0 || len(c.Tasks) == 0 {
		return errors.New("a simulation needs nodes and tasks")
	}
	if len(c.Hooks) > 0 && !(c.Every > 0) {
		return errors.New("hooks need a time between two calls")
	}
	for i := range c.Tasks {
		t := &c.Tasks[i]
		if i > 0 && t.Submitted < c.Tasks[i-1].Submitted {
			return fmt.Errorf("task %.40q comes before the one ahead of it", t.Name)
		}
		if !(t.Duration >= 0) || math.IsInf(t.Submitted, 0) || math.IsNaN(t.Submitted) {
			return fmt.Errorf("task %.40q comes at %v s and runs for %v s", t.Name, t.Submitted, t.Duration)
		}
		want := Want(t)
		if err := want.Check(); err != nil {
			return fmt.Errorf("task %.40q: %w", t.Name, err)
		}
	}
	return nil
}

// feed lets the tasks come, one after the other.
func (w *world) feed(i int) {
	if i == len(w.config.Tasks) {
		return
	}
	t := &w.config.Tasks[i]
	w.at(t.Submitted, func() {
		w.feed(i + 1)
		w.arrive(t)
	})
}
