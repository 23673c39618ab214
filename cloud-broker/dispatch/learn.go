package dispatch

import (
	"context"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// learnEvery is how often what all brokers have noted of nodes is read: it changes slowly.
	learnEvery = 10 * time.Second
	// pingsWaiting bounds the measurements that wait to be noted; more are dropped, others will come.
	pingsWaiting = 256
)

// measured are round trips that a terminal of a zone has measured.
type measured struct {
	zone  string
	pings []signaling.Ping
}

// Remember keeps the round trips that a terminal has measured, for others of its zone (A3).
func (d *Dispatcher) Remember(_ context.Context, who Terminal, pings []signaling.Ping) {
	w := d.locate(who, &signaling.TaskRequest{})
	d.notePings(w.zone, pings)
}

// notePings has round trips noted beside the request that they came with.
func (d *Dispatcher) notePings(zone string, pings []signaling.Ping) {
	if zone == "" || len(pings) == 0 {
		return
	}
	select {
	case d.pings <- measured{zone, pings}:
	default:
	}
}

// learn notes what terminals measure, and reads what is known of nodes, until ctx ends.
func (d *Dispatcher) learn(ctx context.Context) error {
	d.readKnowledge(ctx)
	tick := time.NewTicker(learnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-d.pings:
			if err := d.Pool.NotePings(ctx, m.zone, m.pings); err != nil && ctx.Err() == nil {
				d.Log.Warn("round trips could not be noted", "zone", m.zone, "error", err)
			}
		case <-tick.C:
			d.readKnowledge(ctx)
		}
	}
}

// readKnowledge gives the snapshot what has been noted of nodes. Where Redis is away, what was read last stays.
func (d *Dispatcher) readKnowledge(ctx context.Context) {
	if e, err := d.Pool.Experience(ctx); err == nil {
		d.Snapshot.SetExperience(e)
	}
	if p, err := d.Pool.Pings(ctx); err == nil {
		d.Snapshot.SetRemembered(p)
	}
}
