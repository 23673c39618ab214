package signaling

import "time"

// A running task moves by make before break (B8): the broker reserves on the target, whose edge loads the study and keeps the
// view in step (Instruction.Moves); the edge that the task leaves gives its terminal a grant for the target (ControlMove,
// EventMove); the terminal connects there while it goes on here. Once the first picture there is as new as the last one here,
// or a compute task has taken in its checkpoint, the target says so (ControlMoved); the broker makes it the task's place and
// releases the other one. Whatever fails before that leaves the task where it is (RequestStayed, ControlStay, EventStay).

// Move has the terminal of a running attempt go to another edge, or stay after all.
type Move struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt" jsonschema:"description=the one that the task is to leave"`
	Grant   *Grant    `json:"grant,omitempty" jsonschema:"description=of the target; absent where the task stays"`
	Reason  string    `json:"reason,omitempty" jsonschema:"description=in words"`
}

// MoveReport is how a handover went: from the target's edge when the task goes on there, from the edge that it was to leave,
// with a Problem, when the terminal could not go.
type MoveReport struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt" jsonschema:"description=the target's"`
	Problem *Problem  `json:"problem,omitempty"`
}

// Ran is what is known of a task from the places where it has run (B8).
type Ran struct {
	RunMs  int64 `json:"runMs" jsonschema:"description=for how long it has run"`
	LeftMs int64 `json:"leftMs,omitempty" jsonschema:"description=for how long it is expected to go on; 0 where nobody knows"`
	Usage  Usage `json:"usage" jsonschema:"description=what it has used there"`
	IdleMs int64 `json:"idleMs,omitempty" jsonschema:"description=for how long its terminal has done nothing; the time until it ends for that goes on"`
}

// CheckpointFormat is BulkHeader.Format of a compute task's checkpoint: from the edge that it leaves to its terminal, and from
// there to the target.
const CheckpointFormat = "application/vnd.tomocast.checkpoint"

// MaxCheckpoint bounds the bytes of a checkpoint.
const MaxCheckpoint = 256 << 20

// MoveReason is why a task moves.
type MoveReason string

// The reasons.
const (
	MoveDefragment MoveReason = "defragment"
	MoveDrain      MoveReason = "drain"
	MoveClosing    MoveReason = "closing" // its node closes by its schedule, or its machine goes
	MoveByHand     MoveReason = "by-hand"
	MoveLost       MoveReason = "lost"
)

// Moving is a move under way, or how one ended.
type Moving struct {
	Task    TaskID     `json:"task"`
	Type    TaskType   `json:"type,omitempty" doc:"of the task; absent until the broker has looked at it"`
	Reason  MoveReason `json:"reason" enum:"defragment,drain,closing,by-hand,lost"`
	From    NodeID     `json:"from"`
	To      NodeID     `json:"to,omitempty"`
	State   string     `json:"state" doc:"waiting, handing-over, committing, or how it ended: moved, stays, ended, other"`
	Why     string     `json:"why,omitempty" doc:"why it waits, or how it ended, in words"`
	BeganAt time.Time  `json:"beganAt"`
	EndedAt *time.Time `json:"endedAt,omitempty"`
}
