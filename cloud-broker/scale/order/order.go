// Package order has the words that the components of vertical scaling share (B9.1): a task as they see it, the order that
// makes one of its amounts smaller or larger, and the report that every order ends in, exactly once.
package order

import (
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// Task is a running task.
type Task struct {
	ID      signaling.TaskID
	Node    signaling.NodeID
	Request nodetime.Amounts // what was asked for
	Has     nodetime.Amounts // what it has been given
	// Floor is what it is never taken below, Ceiling what it is never given more than; a ceiling of 0 is none.
	Floor, Ceiling nodetime.Amounts
	Started        time.Time
	Predicted      time.Duration // t1, from Started
}

// Validate refuses a task that cannot be, naming the field.
func (t *Task) Validate() error {
	for _, f := range []struct {
		name string
		a    nodetime.Amounts
	}{{"request", t.Request}, {"has", t.Has}, {"floor", t.Floor}, {"ceiling", t.Ceiling}} {
		if k, bad := f.a.Negative(); bad {
			return fmt.Errorf("task %s: %s: %v is %d: it must not be negative", t.ID, f.name, k, f.a[k])
		}
	}
	switch {
	case t.ID == "" || t.Node == "":
		return errors.New("task: it has no id, or no node")
	case t.Started.IsZero():
		return fmt.Errorf("task %s: it has not started", t.ID)
	case t.Predicted < 0 || t.Predicted > nodetime.MaxTime:
		return fmt.Errorf("task %s: predicted run time %v: 0 to %v", t.ID, t.Predicted, nodetime.MaxTime)
	}
	return nil
}

// Direction is which way an order goes.
type Direction string

// The directions.
const (
	Shrink Direction = "shrink"
	Expand Direction = "expand"
)

// Order makes one amount of a task smaller or larger.
type Order struct {
	ID        int64
	Task      signaling.TaskID
	Node      signaling.NodeID
	Kind      nodetime.Kind
	Direction Direction
	Amount    int64 // by how much
	From      int64 // what the task has
	Created   time.Time
	// Started and Predicted are the task's; Predicted is put right where the task was predicted again.
	Started   time.Time
	Predicted time.Duration
	// Executable is the scheduler's mark on an expansion: its amount has been taken from what the node has free.
	Executable bool
}

// To is what the task will have.
func (o *Order) To() int64 {
	if o.Direction == Shrink {
		return o.From - o.Amount
	}
	return o.From + o.Amount
}

// String is the order in words.
func (o *Order) String() string {
	return fmt.Sprintf("%s %s of %s on %s from %d to %d", o.Direction, o.Kind, o.Task, o.Node, o.From, o.To())
}

// Outcome is how an order ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	GivenUp Outcome = "given-up" // waited as long as it may
	Failed  Outcome = "failed"   // the edge did not do it
	Void    Outcome = "void"     // not needed any more, or the task has gone
)

// Report is the end of an order.
type Report struct {
	Order   Order
	Outcome Outcome
	Reason  string
	At      time.Time
}

// What those who act say.
var (
	// ErrNoRoom is a node that has less free than an expansion takes.
	ErrNoRoom = errors.New("the node has not enough free")
	// ErrGone is a task that is not on the node any more.
	ErrGone = errors.New("the task is not there any more")
)
