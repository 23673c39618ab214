package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/signaling"
)

// byDistance is the policy that looks at nothing but what placement's own terms are: distance, history and locality.
const byDistance = "distance"

// usual is the policy where nodes close, and none is configured.
const usual = "risk"

// exact is the policy that is the document's rule.
const exact = "patent"

// policies are those that tasks are placed by.
type policies struct {
	chosen *fit.Policy // nil where none is configured, or it is by distance
	usual  fit.Policy
	plain  bool // by distance, whatever closes
}

// policiesOf are those of a configuration. Its policy was checked when it was read.
func policiesOf(c *sites.Config) policies {
	name := ""
	if c != nil {
		name = c.Policy
	}
	p, err := newPolicies(name)
	if err != nil {
		p.plain = true
	}
	return p
}

func newPolicies(name string) (p policies, err error) {
	if p.usual, err = fit.Named(usual); err != nil {
		return p, err
	}
	p.usual = p.usual.Live()
	switch name {
	case "":
	case byDistance:
		p.plain = true
	default:
		c, err := fit.Named(name)
		if err != nil {
			return p, err
		}
		c = c.Live()
		p.chosen = &c
	}
	return p, nil
}

// policy is the one that holds now for tasks of a type; false where only distance counts. A session goes on elsewhere when its node
// closes, without the user noticing: nodes that close before it is expected to end come later by their risk, but it does not wait for
// others. By the document's rule it does.
func (d *Dispatcher) policy(t signaling.TaskType) (p fit.Policy, some bool) {
	switch {
	case d.policies.chosen != nil:
		p = *d.policies.chosen
	case !d.policies.plain && d.Snapshot.Bounded():
		p = d.policies.usual
	default:
		return p, false
	}
	if t == signaling.Rendering && p.Name != exact {
		p.Time = fit.TimeRule{}
	}
	return p, true
}

// ordered has a search look at time and order by the policy that holds (B4). since is when the task began to wait.
func (d *Dispatcher) ordered(q placement.Request, r *signaling.TaskRequest, w *where, since time.Time, misses int) placement.Request {
	p, some := d.policy(r.Type)
	if !some {
		return q
	}
	now := time.Now()
	o := &placement.Order{Policy: p, Fragments: d.Foresight.Fragments(), Waited: max(now.Sub(since), 0).Seconds(), Misses: misses, Error: d.Foresight.Error()}
	if run := d.Foresight.Expect(w.creator(), r, now); run != nil {
		o.Run = run
	}
	q.Order = o
	return q
}

// ask is the search for a job.
func (d *Dispatcher) ask(j *job, exclude []signaling.NodeID) placement.Request {
	return d.ordered(d.search(&j.request, &j.where, exclude), &j.request, &j.where, j.since, j.misses)
}

// peek is the search for a job that only asks whether there is a place, and about where: time counts, but the terms of the policy do
// not, which would cost more than they tell.
func (d *Dispatcher) peek(j *job, exclude []signaling.NodeID) placement.Request {
	q := d.ask(j, exclude)
	if q.Order != nil {
		q.Order.TimeOnly = true
	}
	return q
}

// lasting has a search for another place of a running task look for nodes that stay for what is left of it (B4.2).
func (d *Dispatcher) lasting(ctx context.Context, q placement.Request, t *signaling.Task) placement.Request {
	p, some := d.policy(t.Request.Type)
	if !some || t.StartedAt == nil {
		return q
	}
	left, known := d.Foresight.Left(ctx, t.ID, time.Since(*t.StartedAt))
	if !known {
		return q
	}
	q.Order = &placement.Order{Policy: p, Run: fit.Exactly(left.Seconds()), Misses: t.Misses, TimeOnly: true}
	return q
}

// creator is who asks, as predictions may learn it: empty where the site of the terminal does not have that.
func (w *where) creator() string {
	if w.unnamed() {
		return ""
	}
	return w.who.Subject
}

func (w *where) unnamed() bool { return w.site != nil && w.site.NoCreators }

// foretold is what is predicted of a request, to be kept with its task.
func (d *Dispatcher) foretold(w *where, r *signaling.TaskRequest) pool.Said {
	said := pool.Said{Unnamed: w.unnamed()}
	if d.Foresight != nil {
		f := d.Foresight.Forecast(w.creator(), *r, time.Now())
		said.Forecast = &f
	}
	return said
}

// Forecast is what is predicted of a request, which is not placed.
func (d *Dispatcher) Forecast(_ context.Context, who Terminal, r signaling.TaskRequest) (signaling.Forecast, error) {
	if err := r.Validate(); err != nil {
		return signaling.Forecast{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be served as it is.", Detail: err.Error()}
	}
	w := d.locate(who, &r)
	return d.Foresight.Forecast(w.creator(), r, time.Now()), nil
}

// asItRuns has a task say for how long it is expected to go on. What was predicted when it was asked for stays.
func (d *Dispatcher) asItRuns(ctx context.Context, t *signaling.Task) {
	if t.State.Ended() || t.StartedAt == nil {
		return
	}
	f, known := d.Foresight.Of(ctx, *t)
	if !known {
		return
	}
	if t.Forecast == nil || !t.Forecast.Known { // nothing was known then
		t.Forecast = &f
		return
	}
	said := *t.Forecast
	said.LeftMs = f.LeftMs
	t.Forecast = &said
}

// overQuota is the problem of a request of somebody who holds as much as he may.
func overQuota(quota, needs signaling.Resources) error {
	return &signaling.Problem{Code: signaling.ProblemQuota, Title: "You hold as much as you may.",
		Detail: "With this task you would have more resources at a time than your quota allows" + bounds(quota, needs) +
			". Finish a task that you do not need, or ask for less."}
}

// bounds names what a quota bounds, and what of it a task needs.
func bounds(quota, needs signaling.Resources) string {
	var parts []string
	for _, k := range []struct {
		name        string
		most, wants int64
	}{
		{"gpuMilli", quota.GPUMilli, needs.GPUMilli}, {"gpuMemoryMB", quota.GPUMemoryMB, needs.GPUMemoryMB},
		{"encoderSessions", quota.EncoderSessions, needs.EncoderSessions}, {"cpuMilli", quota.CPUMilli, needs.CPUMilli},
		{"memoryMB", quota.MemoryMB, needs.MemoryMB},
	} {
		if k.most > 0 && k.wants > 0 {
			parts = append(parts, fmt.Sprintf("%s %d at most in all, %d for this task", k.name, k.most, k.wants))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// isQuota says whether an error is that of a quota.
func isQuota(err error) (*signaling.Problem, bool) {
	var p *signaling.Problem
	ok := errors.As(err, &p) && p.Code == signaling.ProblemQuota
	return p, ok
}
