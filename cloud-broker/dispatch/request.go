package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Request finds a place for a new task and grants it to who asks, or has it wait where nothing is free and the request
// or the site says so. With a key that was used before it answers with that task again. Errors are *signaling.Problem.
func (d *Dispatcher) Request(ctx context.Context, who Terminal, key string, r signaling.TaskRequest) (Answer, error) {
	start := time.Now()
	a, err := d.request(ctx, who, key, r)
	d.metrics.answered(r.Type, a, err, time.Since(start))
	return a, err
}

func (d *Dispatcher) request(ctx context.Context, who Terminal, key string, r signaling.TaskRequest) (Answer, error) {
	if err := d.admit(ctx, who, r); err != nil {
		return Answer{}, err
	}
	j := d.newJob(who, key, r)
	d.notePings(j.zone, r.Pings)
	j.behind, j.taken = d.queue.before(&j)
	g, err := d.place(ctx, &j)
	if p, over := isQuota(err); over && j.whenFull(&r) == signaling.WhenFullQueue { // it waits until he holds less
		return d.enqueueBecause(ctx, &j, p.Title)
	}
	if !errors.Is(err, errFull) {
		return granted(g, err)
	}
	if r.Urgent {
		g, err := d.preempt(ctx, &j)
		if !errors.Is(err, errFull) {
			return granted(g, err)
		}
	}
	if beyond := d.Snapshot.Beyond(d.search(&r, &j.where, nil)); beyond != "" {
		return Answer{}, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node is large enough for this task.",
			Detail: "Of its resources " + beyond + ". Ask for less, or add a larger node."}
	}
	if j.whenFull(&r) == signaling.WhenFullQueue {
		return d.enqueue(ctx, &j)
	}
	return Answer{}, d.noFreeNode(&j)
}

func granted(g signaling.Grant, err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	return Answer{Grant: &g}, nil
}

// admit refuses requests that cannot be served, or not to who asks.
func (d *Dispatcher) admit(ctx context.Context, who Terminal, r signaling.TaskRequest) error {
	if err := r.Validate(); err != nil {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be served as it is.", Detail: err.Error()}
	}
	if r.Type != signaling.Rendering && r.Operation == "" {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be served as it is.",
			Detail: fmt.Sprintf("operation is missing: a task of type %s names what to do", r.Type)}
	}
	if r.Urgent && !who.Urgent {
		return &signaling.Problem{Code: signaling.ProblemForbidden, Title: "You may not ask urgently.",
			Detail: "urgent is a right of its own. Ask without it, or ask the operator, who can name you with --oidc-urgent."}
	}
	select {
	case <-d.Pool.Synced():
	default:
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker is still reading the pool.",
			Detail: "Try again in a few seconds."}
	}
	if r.Series != nil {
		return d.CheckSeries(ctx, *r.Series)
	}
	return nil
}

// newJob is a request on its way to a place.
func (d *Dispatcher) newJob(who Terminal, key string, r signaling.TaskRequest) job {
	j := job{id: signaling.TaskID(signaling.NewID("t")), key: key, creator: who.Subject, request: r, where: d.locate(who, &r), since: time.Now()}
	j.said = d.foretold(&j.where, &j.request)
	return j
}

// enqueue has a task wait for a place.
func (d *Dispatcher) enqueue(ctx context.Context, j *job) (Answer, error) {
	return d.enqueueBecause(ctx, j, d.lacking(j))
}

func (d *Dispatcher) enqueueBecause(ctx context.Context, j *job, reason string) (Answer, error) {
	p, err := d.wait(ctx, j, reason)
	if err != nil {
		return Answer{}, err
	}
	if p.Task != j.id { // a repeated request, whose task may have got its place meanwhile
		t, err := d.Pool.Task(ctx, p.Task)
		switch {
		case err != nil:
			return Answer{}, d.unavailable("read task", err)
		case t.State.Ended():
			return Answer{}, d.over(t)
		case t.Attempt != nil && t.State != signaling.TaskPlacing:
			return granted(d.regrant(t))
		}
	}
	return Answer{Pending: &p}, nil
}

// wait records a task in the queue and says where it stands.
func (d *Dispatcher) wait(ctx context.Context, j *job, reason string) (signaling.Pending, error) {
	id, err := d.Pool.EnqueueSaid(ctx, j.key, signaling.Task{
		ID: j.id, State: signaling.TaskPlacing, Reason: reason, Request: j.request, Creator: j.creator,
	}, j.request.Urgent, j.said)
	switch {
	case errors.Is(err, pool.ErrFull):
		return signaling.Pending{}, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "Nothing is free, and the queue is full.",
			Detail: "Try again in a minute."}
	case errors.Is(err, pool.ErrShare):
		return signaling.Pending{}, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many of your requests wait already.",
			Detail: "Nothing is free. Finish what you do not need, or try again when some of them have a place."}
	case errors.Is(err, pool.ErrHeld): // placed by another broker meanwhile
		id = j.id
	case err != nil:
		return signaling.Pending{}, d.claimProblem(err)
	}
	d.queue.changed()
	p := signaling.Pending{Task: id, State: signaling.TaskPlacing, Events: EventsPath(id), Reason: reason}
	q, err := d.Pool.Await(ctx, id)
	switch {
	case err == nil:
		p.Queue = &q
	case !errors.Is(err, pool.ErrNotFound):
		return p, d.unavailable("wait in the queue", err)
	}
	return p, nil
}

// over is the problem of a task that has ended.
func (d *Dispatcher) over(t signaling.Task) *signaling.Problem {
	if t.Attempt == nil && t.State == signaling.TaskFailed {
		return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node is free for this task.", Detail: sentence(t.Reason)}
	}
	return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task has ended.", Detail: endedBecause(t) + " Start a new one."}
}

func endedBecause(t signaling.Task) string {
	if t.Reason == "" {
		return "It is " + string(t.State) + "."
	}
	return fmt.Sprintf("It is %s: %s.", t.State, strings.TrimSuffix(t.Reason, "."))
}

// sentence makes a sentence of a text that has neither a capital nor a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
