package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// job is a task on its way to a place.
type job struct {
	id      signaling.TaskID
	key     string
	creator string
	request signaling.TaskRequest
	exclude []signaling.NodeID // they refused, or are gone
	taken   []signaling.NodeID // they were full, though the snapshot did not know it yet
	refused []string           // why nodes did not take it, in words
}

// Submit finds a place for a new task and grants it to its creator. With a key that was used before it answers
// with that task again. Errors are *signaling.Problem.
func (d *Dispatcher) Submit(ctx context.Context, p identity.Principal, key string, r signaling.TaskRequest) (signaling.Grant, error) {
	start := time.Now()
	g, err := d.submit(ctx, p, key, r)
	d.count(g, err, start)
	return g, err
}

func (d *Dispatcher) submit(ctx context.Context, p identity.Principal, key string, r signaling.TaskRequest) (signaling.Grant, error) {
	if err := r.Validate(); err != nil {
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be served as it is.", Detail: err.Error()}
	}
	if r.Series != nil {
		if err := d.CheckSeries(ctx, *r.Series); err != nil {
			return signaling.Grant{}, err
		}
	}
	return d.place(ctx, job{id: signaling.TaskID(signaling.NewID("t")), key: key, creator: p.Subject, request: r})
}

func (d *Dispatcher) count(g signaling.Grant, err error, start time.Time) {
	var problem *signaling.Problem
	switch {
	case err == nil:
		d.granted.WithLabelValues(string(g.Answer)).Inc()
		d.took.Observe(time.Since(start).Seconds())
	case errors.As(err, &problem):
		d.refused.WithLabelValues(string(problem.Code)).Inc()
	}
}

// place claims, instructs and grants, going on to the next candidates where a node refuses or does not answer.
func (d *Dispatcher) place(ctx context.Context, j job) (signaling.Grant, error) {
	select {
	case <-d.Pool.Synced():
	default:
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker is still reading the pool.",
			Detail: "Try again in a few seconds."}
	}
	for range maxTries {
		fit, _ := d.Snapshot.Candidates(d.search(&j, slices.Concat(j.exclude, j.taken)), candidatesAtOnce)
		ids := make([]signaling.NodeID, len(fit))
		for i, c := range fit {
			ids[i] = c.Node
		}
		// Also without candidates: a repeated request has its place already.
		r, err := d.Pool.Claim(ctx, pool.Claim{Key: j.key, Task: j.id, Request: j.request, Creator: j.creator, Candidates: ids, Lease: claimLease})
		if errors.Is(err, pool.ErrNoneFits) {
			if len(fit) == 0 {
				break
			}
			j.taken = append(j.taken, ids...)
			continue
		}
		if err != nil {
			return signaling.Grant{}, d.claimProblem(err)
		}
		g, err := d.settle(ctx, &j, r, fit)
		if err == nil || !errors.Is(err, errNext) {
			return g, err
		}
	}
	return signaling.Grant{}, d.noFreeNode(j)
}

func (d *Dispatcher) search(j *job, exclude []signaling.NodeID) placement.Request {
	r := placement.Request{Type: j.request.Type, Needs: j.request.Needs(), MaxDistanceMs: j.request.MaxDistanceMs, Exclude: exclude}
	if j.request.Series != nil {
		r.Volume = d.volumeKey(*j.request.Series)
	}
	return r
}

func (d *Dispatcher) claimProblem(err error) error {
	switch {
	case errors.Is(err, pool.ErrKeyReused):
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The Idempotency-Key was used for another request.",
			Detail: "Use a new key for a new request."}
	case errors.Is(err, pool.ErrEnded):
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task has ended.", Detail: "Start a new one, with a new Idempotency-Key."}
	}
	return d.unavailable("claim", err)
}

// errNext says that a node did not take the task and the next is to be asked.
var errNext = errors.New("ask the next node")

// settle brings a reservation to its grant: the edge is instructed and confirms.
func (d *Dispatcher) settle(ctx context.Context, j *job, r signaling.Reservation, fit []placement.Candidate) (signaling.Grant, error) {
	j.id = r.Task // a repeated request has an older one
	if r.LeaseMs == 0 {
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task has ended.",
			Detail: "Start a new one, with a new Idempotency-Key."}
	}
	reasons := []string{"it was asked for before and has this place already"}
	for _, c := range fit {
		if c.Node == r.Attempt.Node && !r.Confirmed {
			reasons = c.Reasons
		}
	}
	if r.Confirmed {
		return d.grant(r.Task, r.Attempt, j.creator, reasons)
	}
	if err := d.instruct(ctx, j, r); err != nil {
		return signaling.Grant{}, d.giveUp(ctx, j, r, err)
	}
	if err := d.Pool.Confirm(ctx, r.Attempt.ID); err != nil {
		if errors.Is(err, pool.ErrNotFound) { // its lease was swept while the edge took its time
			return signaling.Grant{}, d.giveUp(ctx, j, r, errors.New("it confirmed too late"))
		}
		// The edge has it, and tells the pool with its next heartbeat: the grant holds.
		d.Log.Warn("the confirmation could not be noted", "task", r.Task, "error", err)
	}
	g, err := d.grant(r.Task, r.Attempt, j.creator, append(reasons, j.refused...))
	if err == nil {
		d.Log.Info("task placed", "task", r.Task, "type", j.request.Type, "node", r.Attempt.Node, "answer", g.Answer, "tries", len(j.refused)+1)
	}
	return g, err
}

func (d *Dispatcher) instruct(ctx context.Context, j *job, r signaling.Reservation) error {
	i := signaling.Instruction{
		Task: r.Task, Attempt: r.Attempt, Request: j.request, Resources: r.Resources, Creator: j.creator,
		ICEServers: d.Relays.Servers("node-"+string(r.Attempt.Node), time.Now()),
		WaitMs:     d.Wait.Milliseconds(), IdleMs: d.Idle.Milliseconds(), GraceMs: d.Grace.Milliseconds(),
	}
	if s := j.request.Series; s != nil {
		access, err := d.access(*s, r.Attempt.Node)
		if err != nil {
			return err
		}
		i.Source = &access
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	return d.Edges.Instruct(ctx, r.Attempt.Node, i)
}

// giveUp releases a reservation that the edge did not confirm, and excludes the node from the next try.
func (d *Dispatcher) giveUp(ctx context.Context, j *job, r signaling.Reservation, cause error) error {
	reason := "node " + string(r.Attempt.Node) + " " + inWords(cause)
	d.Log.Warn("a node did not take a task", "task", r.Task, "node", r.Attempt.Node, "reason", cause)
	j.exclude = append(j.exclude, r.Attempt.Node)
	j.refused = append(j.refused, reason)
	// Also where the one who asked has gone away meanwhile: the resources must come back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmWithin)
	defer cancel()
	fencing, err := d.Pool.Release(ctx, r.Task, r.Attempt.ID, signaling.TaskPlacing, reason, nil)
	if err != nil {
		return d.unavailable("release", err) // its lease ends by itself
	}
	if !errors.Is(cause, control.ErrNoLink) { // it may have the attempt in its ledger by now
		_ = d.Edges.Release(ctx, r.Attempt.Node, signaling.Release{Task: r.Task, Attempt: r.Attempt.ID, Fencing: fencing, Reason: "not confirmed in time"})
	}
	return errNext
}

func inWords(cause error) string {
	var refusal *signaling.Problem
	switch {
	case errors.As(cause, &refusal):
		return "refused: " + strings.TrimSuffix(refusal.Error(), ".")
	case errors.Is(cause, control.ErrNoLink):
		return "has no link"
	case errors.Is(cause, context.DeadlineExceeded):
		return "did not confirm in time"
	}
	return "did not take it"
}

func (d *Dispatcher) noFreeNode(j job) error {
	_, why := d.Snapshot.Candidates(d.search(&j, j.exclude), 1)
	detail := why.String()
	if why.Fit > 0 {
		detail = "those that had room were taken by others just now"
	}
	if len(j.refused) > 0 {
		detail = strings.Join(j.refused, "; ") + "; " + detail
	}
	return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node is free for this task.",
		Detail: strings.ToUpper(detail[:1]) + detail[1:] + ". Try again in a moment."}
}

// grant makes a grant with a fresh token for a confirmed attempt.
func (d *Dispatcher) grant(task signaling.TaskID, a signaling.Attempt, creator string, reasons []string) (signaling.Grant, error) {
	now := time.Now()
	token, err := signaling.SignToken(d.Keys.Private(), signaling.TokenClaims{
		Task: task, Attempt: a.ID, Node: a.Node, Role: signaling.RoleHost,
	}, creator, now, tokenTTL)
	if err != nil {
		return signaling.Grant{}, err
	}
	g := signaling.Grant{
		Answer: signaling.EdgeAssigned, Task: task, Attempt: a, SignalingURL: SignalPath + string(a.ID), Token: token,
		TokenExpiresAt: now.Add(tokenTTL).UTC(), ICEServers: d.Relays.Servers(creator, now), Reasons: reasons,
	}
	if node, ok := d.Snapshot.Get(a.Node); ok {
		if node.Tier == signaling.TierCloud {
			g.Answer = signaling.ExecuteInCloud
		}
		if node.DirectURL != "" {
			g.SignalingURL = node.DirectURL
		}
	}
	return g, nil
}

// SignalPath leads the path of the broker's signalling relay; the attempt follows.
const SignalPath = "/api/v1/signal/"

// Renewal is what a terminal that comes back asks for.
type Renewal struct {
	// Lost says that the terminal's own connection to the edge is gone too, so that a new place is sought at once
	// where the edge has no link.
	Lost bool
	// Parameters, where given, take the place of the request's in a new attempt, so that it begins where the
	// terminal is now.
	Parameters json.RawMessage
}

// Renew grants a task again to its creator: the same attempt with a fresh token, or a new attempt on another node
// where the edge is lost.
func (d *Dispatcher) Renew(ctx context.Context, p identity.Principal, id signaling.TaskID, n Renewal) (signaling.Grant, error) {
	start := time.Now()
	g, err := d.renew(ctx, p, id, n)
	d.count(g, err, start)
	return g, err
}

func (d *Dispatcher) renew(ctx context.Context, p identity.Principal, id signaling.TaskID, n Renewal) (signaling.Grant, error) {
	t, err := d.task(ctx, identity.Principal{Subject: p.Subject}, id) // an operator sees others' tasks, but hosts none
	if err != nil {
		return signaling.Grant{}, err
	}
	if t.State.Ended() {
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task has ended.", Detail: endedBecause(t) + " Start a new one."}
	}
	if t.Attempt != nil {
		node := t.Attempt.Node
		switch {
		case t.State == signaling.TaskPlacing:
			return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task is being placed.", Detail: "Try again in a moment."}
		case d.Edges.Linked(ctx, node):
			return d.grant(id, *t.Attempt, t.Creator, []string{"it runs there"})
		case !n.Lost && !d.Edges.Lost(node):
			return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The edge is out of reach for the moment.",
				Detail: "Its session goes on as long as its own connection holds. Try again in a few seconds."}
		}
	}
	// Of a task that only its edge remembered, as after a loss of Redis, the pool knows no more than what it holds.
	if err := t.Request.Validate(); err != nil {
		return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task cannot go on elsewhere.",
			Detail: "What it was asked for was lost with the edge that ran it. Start a new one."}
	}
	if len(n.Parameters) > 0 {
		t.Request.Parameters = n.Parameters
		if err := t.Request.Validate(); err != nil {
			return signaling.Grant{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The parameters cannot be used.", Detail: err.Error()}
		}
	}
	j := job{id: id, creator: t.Creator, request: t.Request}
	if t.Attempt == nil {
		return d.place(ctx, j)
	}
	node := t.Attempt.Node
	reason := "node " + string(node) + " is gone"
	if _, err := d.Pool.Release(ctx, id, t.Attempt.ID, signaling.TaskPlacing, reason, nil); err != nil {
		return signaling.Grant{}, d.unavailable("release", err)
	}
	j.exclude, j.refused = []signaling.NodeID{node}, []string{reason}
	return d.place(ctx, j)
}

func endedBecause(t signaling.Task) string {
	if t.Reason == "" {
		return "It is " + string(t.State) + "."
	}
	return fmt.Sprintf("It is %s: %s.", t.State, strings.TrimSuffix(t.Reason, "."))
}
