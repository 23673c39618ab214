// Package migrator is the task migrator (B8, B9.2): it moves running tasks to other nodes. Defragmentation, draining a node,
// a move by hand and the loss of a node are the same path.
//
// A move reserves on the target first, and the task goes on where it is until the target has it: the run information is saved
// (time run, time left, past use), the target's room is tested against the need, the target gets task and information, and
// when the task goes on there the reservation becomes its place and what it held on the source is released, in one step. A
// move that is given up leaves the task where it was. Every move ends in exactly one report.
//
//	queued ─▶ waiting for room ─▶ handing over ─▶ committing ─▶ moved
//	               │  ▲                │               │
//	               ▼  └── another ◀── unwinding ◀──────┘
//	             stays     target       │
//	                                    └─▶ stays, or ended
//
// Who moves a task is settled by the [Reserver]: of two brokers that want to, the first to reserve does.
package migrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// Reason is why a task moves.
type Reason string

// The reasons.
const (
	Defragment Reason = "defragment"
	Drain      Reason = "drain"
	Closing    Reason = "closing" // its node closes
	ByHand     Reason = "by-hand"
	Lost       Reason = "lost" // its node is gone: it goes on from what is known of it
)

// urgent are moves that do not wait for one target while another may have room.
func (r Reason) urgent() bool { return r == Drain || r == Closing || r == Lost }

// What those who act and who know say.
var (
	ErrNoRoom    = errors.New("the node has not enough room")
	ErrMoving    = errors.New("another broker moves the task")
	ErrEnded     = errors.New("the task has ended")
	ErrLost      = errors.New("the node is lost")
	ErrCommitted = errors.New("the task is there already")
	ErrFixed     = errors.New("the task cannot move")
)

// Task is what is known of a running task.
type Task struct {
	ID        signaling.TaskID
	Node      signaling.NodeID // where it runs, or ran last
	Has       nodetime.Amounts // what it holds, and will need on the target
	Started   time.Time
	Predicted time.Duration           // t1
	Past      [nodetime.Kinds]float64 // what it has used so far, amount times seconds
	// Shadow is another node that is kept ready for it, if any, and Kept what it holds there, which a move there can use.
	Shadow signaling.NodeID
	Kept   nodetime.Amounts
}

// Info is the run information that a move takes along (B8).
type Info struct {
	Ran, Left time.Duration
	Past      [nodetime.Kinds]float64 // amount times seconds
	Rate      [nodetime.Kinds]float64 // past use / time run
	Need      [nodetime.Kinds]float64 // rate x time left, amount times seconds
}

// Node is what is known of a node.
type Node struct {
	ID     signaling.NodeID
	Takes  bool // it takes tasks
	Free   nodetime.Amounts
	Room   [nodetime.Kinds]float64 // what is free times how long it is available, amount times seconds
	Lasts  float64                 // for how long what becomes free is available, seconds; of use to tasks that have a shadow there
	Period time.Duration           // circulation period
	Tasks  []signaling.TaskID
}

// Handover is a move for which the target has room.
type Handover struct {
	Task   Task
	Info   Info
	Reason Reason
	To     signaling.NodeID
}

// Tasks knows the running tasks.
type Tasks interface {
	// Task is a task as it is now. ErrEnded: it does not run any more. ErrFixed: it can run nowhere else.
	Task(ctx context.Context, id signaling.TaskID) (Task, error)
}

// Nodes knows the nodes.
type Nodes interface {
	// Node is a node as it is now. ErrLost: there is none.
	Node(ctx context.Context, id signaling.NodeID) (Node, error)
	// Tasks are those that run on a node. ErrLost: there is no such node.
	Tasks(ctx context.Context, id signaling.NodeID) ([]signaling.TaskID, error)
}

// Chooser is the task scheduler: it names the nodes that a task could move to, the best first, none of them its own.
// ErrFixed: no other node ever can.
type Chooser interface {
	Targets(ctx context.Context, t Task, need [nodetime.Kinds]float64, why Reason) ([]signaling.NodeID, error)
}

// Hold is a reservation, named by who made it.
type Hold struct {
	Owner string // a broker, anew at each of its starts
	Move  int64  // a number that the owner uses once
	Task  signaling.TaskID
	To    signaling.NodeID
}

// Reserver holds room on targets. All of it can be called again where an answer was lost.
type Reserver interface {
	// Reserve holds what the task has on another node. ErrNoRoom, ErrLost: it cannot; ErrMoving: there is another
	// reservation for the task, or it is not where t says any more; ErrEnded: there is nothing to move.
	Reserve(ctx context.Context, h Hold, t Task) error
	// Commit makes the reservation the task's place, and releases what it held before, in one step. ErrEnded; ErrLost: the
	// reservation is gone.
	Commit(ctx context.Context, h Hold) error
	// Release gives the reservation up; none is none. ErrCommitted: it has become the task's place.
	Release(ctx context.Context, h Hold, why string) error
}

// Mover hands a task over while it goes on at the source (make before break). It answers at once; when the task goes on at the
// target, or cannot, Migrator.Arrived or Migrator.Failed is called.
type Mover interface {
	Begin(ctx context.Context, h Handover) error
	// Stop gives a handover up: the target lets go, the source goes on.
	Stop(ctx context.Context, task signaling.TaskID, to signaling.NodeID)
}

// Monitor is the node resource monitor, which is told what changes.
type Monitor interface {
	Reserved(to signaling.NodeID, a nodetime.Amounts)
	Released(to signaling.NodeID, a nodetime.Amounts)
	// Moved brings source and target up to date and passes the report of success on.
	Moved(r Report)
}

// Predictor predicts again.
type Predictor interface {
	// Left is how long a task that has run for ran will go on; false where nothing is known.
	Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool)
}

// Outcome is how a move ended.
type Outcome string

// The outcomes.
const (
	Moved Outcome = "moved"
	Stays Outcome = "stays" // given up; the task is where it was
	Ended Outcome = "ended" // the task ended meanwhile
	Other Outcome = "other" // another broker, or another move, moves it
)

// Report is the end of a move.
type Report struct {
	Task      signaling.TaskID
	Reason    Reason
	From, To  signaling.NodeID // To is where it was tried last
	Has       nodetime.Amounts
	Outcome   Outcome
	Why       string
	Began, At time.Time
}

// Config is how long moves wait, and how many there are at a time.
type Config struct {
	Wait   time.Duration // W-f: until the target's room is read again; at least its circulation period
	GiveUp time.Duration // W-g: in all
	// Elsewhere tries the next target where one is given up; else the move stops.
	Elsewhere bool
	Handover  time.Duration // how long a handover may take
	Retry     time.Duration // until one who did not answer, or an urgent move that found no room, is tried again
	AtOnce    int           // moves that hold a reservation at a time
	Most      int           // moves at a time in all
}

// Default are waits for a pool whose sessions last minutes to hours.
var Default = Config{Wait: 10 * time.Minute, GiveUp: 2 * time.Hour, Elsewhere: true, Handover: 2 * time.Minute, Retry: 2 * time.Second,
	AtOnce: 16, Most: 10_000}

// Validate refuses waits in the wrong order and numbers that cannot be, by name.
func (c *Config) Validate() error {
	switch {
	case c.Wait <= 0:
		return fmt.Errorf("room-wait (W-f) is %v: more than 0", c.Wait)
	case c.GiveUp <= c.Wait:
		return fmt.Errorf("room-give-up (W-g) is %v: it must be longer than room-wait (W-f), %v", c.GiveUp, c.Wait)
	case c.Handover <= 0 || c.Retry <= 0:
		return fmt.Errorf("handover is %v, retry %v: both more than 0", c.Handover, c.Retry)
	case c.AtOnce < 1 || c.Most < c.AtOnce:
		return fmt.Errorf("at-once is %d and most-moves %d: at-once at least 1, and not above most-moves", c.AtOnce, c.Most)
	}
	return nil
}
