package scaling

import (
	"context"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
)

// What a task holds beyond its request is lent to it: while anybody waits for a place nobody is given more of that, and what
// was lent goes back, so that scaling keeps no one out.

// collect takes back what was lent, where tasks wait for a place.
func (e *edge) collect(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	waiting, err := e.Pool.QueueLength(within)
	if err != nil {
		return // nothing can be resized either
	}
	if e.wanted = waiting > 0; !e.wanted {
		return
	}
	for _, r := range e.attempts {
		to, lent := r.has, r.lent()
		for _, k := range lent {
			to[k] = min(to[k], r.request[k])
		}
		if len(lent) == 0 {
			continue
		}
		if to != r.has {
			if err := e.tell(ctx, r, to); err != nil {
				e.Log.Debug("what was lent to a task stays there", "task", r.task, "node", e.node, "error", err)
				continue
			}
		}
		e.back(ctx, r, lent)
		e.end(r.task, e.heard) // its orders are void; it is scaled anew from the next heartbeat on
	}
}

// lent are the kinds of which a task holds more than it asked for.
func (r *running) lent() (kinds []nodetime.Kind) {
	for _, k := range accounted {
		if r.account[k] > r.request[k] {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// back puts the accounts right of what an edge has let go of. Where that fails the next heartbeats show it.
func (e *edge) back(ctx context.Context, r *running, kinds []nodetime.Kind) {
	for _, k := range kinds {
		if err := e.Resize(ctx, r.task, e.node, k, r.request[k]); err != nil {
			e.Log.Debug("what was lent to a task is not back yet", "task", r.task, "node", e.node, "kind", k.String(), "error", err)
		}
	}
	e.Log.Info("what was lent to a task is taken back: others wait for a place", "task", r.task, "node", e.node)
}

// mayGrow says whether a task may be given so much of a kind now.
func (e *edge) mayGrow(r *running, k nodetime.Kind, to int64) error {
	if e.wanted && to > r.account[k] && to > r.request[k] {
		return order.ErrNoRoom
	}
	return nil
}
