package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// confirmWithin is how long an edge may take to confirm an instruction; then the next candidate is asked.
	confirmWithin = 3 * time.Second
	// claimLease holds a reservation until the edge has confirmed, with some time to spare.
	claimLease = 2 * confirmWithin
	// candidatesAtOnce is how many nodes one claim may choose from, maxTries how many claims one request makes.
	candidatesAtOnce = 16
	maxTries         = 5
	// tokenTTL is how long a terminal may take to open signalling, or to come back, with one token.
	tokenTTL = 10 * time.Minute
	// studyTTL is how long an edge may read a study for one attempt: a session may turn to another series of it as
	// late as in the evening of a working day.
	studyTTL = 12 * time.Hour
	// sweepEvery and sweepLimit bound how late and how much at a time is freed that nobody renews.
	sweepEvery = time.Second
	sweepLimit = 256
)

// Config is what a Dispatcher needs.
type Config struct {
	Pool     *pool.Pool
	Snapshot *placement.Snapshot
	Edges    *control.Hub
	Keys     *control.Keys
	Library  *library.Library
	Sites    *sites.Config // nil knows none
	Buffer   capacity.Policy
	Relays   identity.Relays
	// Changed rings when nodes have changed.
	Changed *Bell
	// Wait is how long a terminal may take to arrive, Idle ends a session without input, and Grace is how long a
	// session waits for a terminal that is gone.
	Wait, Idle, Grace time.Duration
	Log               *slog.Logger
	Metrics           *prometheus.Registry
	Mover             Mover  // nil where they stay where they are
	Scaler            Scaler // nil where running tasks keep what they have
	// Foresight predicts run times and use; nil where nobody does.
	Foresight *foresight.Foresight
}

// Dispatcher places tasks.
type Dispatcher struct {
	Config
	metrics  *metrics
	queue    *queue
	shadows  *shadows
	forwards forwards
	glance   glance
	pings    chan measured // to be noted
	busy     busy          // with thumbnails
	policies policies
}

// New returns a Dispatcher. Its Run must run for it to know the nodes.
func New(c Config) *Dispatcher {
	d := &Dispatcher{Config: c, metrics: newMetrics(c.Metrics), busy: newBusy(), pings: make(chan measured, pingsWaiting)}
	d.queue, d.shadows = newQueue(d), newShadows(d)
	d.policies = policiesOf(c.Sites)
	c.Snapshot.SetDistances(c.Sites.Table())
	c.Metrics.MustRegister(newPoolGauges(d))
	return d
}

// Run follows the pool, sweeps it, and serves those who wait, until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	return service.Run(ctx,
		service.Part{Name: "follow the pool", Run: func(ctx context.Context) error { return d.Pool.Follow(ctx, d.Snapshot) }},
		service.Part{Name: "sweep the pool", Run: d.sweep},
		service.Part{Name: "queue", Run: d.queue.run},
		service.Part{Name: "shadows", Run: d.shadows.run},
		service.Part{Name: "learn", Run: d.learn})
}

func (d *Dispatcher) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		released, lost, err := d.Pool.Sweep(ctx, sweepLimit)
		if err != nil {
			if !failing && ctx.Err() == nil {
				d.Log.Warn("Redis is out of reach: running sessions go on, new ones wait", "error", err)
			}
			failing = true
			continue
		}
		if failing {
			d.Log.Info("Redis is back")
			failing = false
		}
		for _, node := range lost {
			d.Log.Warn("a node is lost: its heartbeats stopped", "node", node)
			d.LinkEnded(node)
		}
		for _, r := range released {
			d.Log.Info("task released", "task", r.Task, "node", r.Attempt.Node, "state", r.State, "reason", r.Reason)
			if r.Attempt.Node != "" { // should the edge live after all, it must not go on with what is not its own any more
				release := signaling.Release{Task: r.Task, Attempt: r.Attempt.ID, Fencing: r.Attempt.Fencing, Reason: r.Reason}
				if r.State.Ended() {
					release.State = r.State
				}
				release.Problem = d.outOfService(r)
				_ = d.Edges.Release(ctx, r.Attempt.Node, release)
			}
			if !r.State.Ended() { // it goes on with its shadow, or without the one that it had
				d.shadows.want(r.Task, nil)
			}
		}
	}
}

// CanOpenSession says whether a session of the usual size would get a place now, with the reason where not.
func (d *Dispatcher) CanOpenSession(context.Context) error {
	r := placement.Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering)}
	if fit, why := d.Snapshot.Candidates(r, 1); len(fit) == 0 {
		return fmt.Errorf("no node can open a session: %s", why)
	}
	return nil
}

// unavailable is the problem of a pool that does not answer.
func (d *Dispatcher) unavailable(what string, err error) error {
	d.Log.Warn("the pool did not answer", "what", what, "error", err)
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker cannot reach Redis.",
		Detail: "Sessions that run go on. Try again in a few seconds."}
}

func notFound(id signaling.TaskID) error {
	return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such task.",
		Detail: fmt.Sprintf("Task %.70q is not known, or it is somebody else's.", string(id))}
}

// task reads a task that p may see.
func (d *Dispatcher) task(ctx context.Context, p identity.Principal, id signaling.TaskID) (signaling.Task, error) {
	t, err := d.Pool.Task(ctx, id)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return t, notFound(id)
	case err != nil:
		return t, d.unavailable("read task", err)
	case t.Creator != p.Subject && !p.Operator:
		return t, notFound(id)
	}
	d.asItRuns(ctx, &t)
	return t, nil
}
