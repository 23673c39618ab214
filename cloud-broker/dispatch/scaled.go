package dispatch

import (
	"context"

	"github.com/tomocast/tomocast/signaling"
)

// Scaler gives running tasks less of what they do not use, and more of what they run short of (B5).
type Scaler interface {
	// Measured takes what the attempts on a node use. It does not block.
	Measured(ctx context.Context, node signaling.NodeID, rates map[signaling.AttemptID]signaling.Rates)
	// Left hears that a task has ended, or has gone to another node.
	Left(task signaling.TaskID)
}

// Measured hears what the attempts on a node use.
func (d *Dispatcher) Measured(ctx context.Context, node signaling.NodeID, rates map[signaling.AttemptID]signaling.Rates) {
	if d.Scaler != nil {
		d.Scaler.Measured(ctx, node, rates)
	}
}
