package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// job is a task on its way to a place.
type job struct {
	id      signaling.TaskID
	key     string
	creator string
	request signaling.TaskRequest
	where
	since   time.Time             // when it was asked for, or when it lost its place
	misses  int                   // how often a node went away under it
	said    pool.Said             // what was predicted of it
	behind  bool                  // others wait that have what is free: it may have only what it has already
	exclude []signaling.NodeID    // they refused, or are gone
	taken   []signaling.NodeID    // they were full, though the snapshot did not know it yet, or are others' turn
	refused []string              // why nodes did not take it, in words
	why     placement.Explanation // of the last look for candidates
}

// errFull says that nothing that a task could have is free.
var errFull = errors.New("nothing is free")

// place claims, instructs and grants, going on to the next candidates where a node refuses or does not answer. It is
// errFull where nothing is free.
func (d *Dispatcher) place(ctx context.Context, j *job) (signaling.Grant, error) {
	for range maxTries {
		var fit []placement.Candidate
		if !j.behind {
			fit, j.why = d.Snapshot.Candidates(d.ask(j, slices.Concat(j.exclude, j.taken)), candidatesAtOnce)
		}
		if len(fit) == 0 && j.key == "" {
			return signaling.Grant{}, errFull
		}
		g, err := d.claim(ctx, j, fit)
		if errors.Is(err, pool.ErrNoneFits) {
			if len(fit) == 0 {
				return g, errFull
			}
			for _, c := range fit {
				j.taken = append(j.taken, c.Node)
			}
			continue
		}
		if !errors.Is(err, errNext) {
			return g, err
		}
	}
	return signaling.Grant{}, errFull
}

// claim takes the first of the candidates that still has room and brings that to a grant. Also without candidates a
// repeated request gets the place that it has already. It is pool.ErrNoneFits where none has room, and errNext where the
// one that was claimed did not take the task.
func (d *Dispatcher) claim(ctx context.Context, j *job, fit []placement.Candidate) (signaling.Grant, error) {
	ids := make([]signaling.NodeID, len(fit))
	for i, c := range fit {
		ids[i] = c.Node
	}
	start := time.Now()
	r, err := d.Pool.Claim(ctx, pool.Claim{Key: j.key, Task: j.id, Request: j.request, Creator: j.creator, Candidates: ids, Lease: claimLease,
		Said: j.said, Quota: d.Sites.Quota(j.creator)})
	d.metrics.claims.Observe(time.Since(start).Seconds())
	switch {
	case errors.Is(err, pool.ErrNoneFits):
		return signaling.Grant{}, err
	case errors.Is(err, pool.ErrQuota):
		return signaling.Grant{}, overQuota(d.Sites.Quota(j.creator), j.request.Needs())
	case err != nil:
		return signaling.Grant{}, d.claimProblem(err)
	}
	return d.settle(ctx, j, r, fit)
}

func (d *Dispatcher) claimProblem(err error) error {
	switch {
	case errors.Is(err, pool.ErrKeyReused):
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The Idempotency-Key was used for another request.",
			Detail: "Use a new key for a new request."}
	case errors.Is(err, pool.ErrQuota):
		return overQuota(signaling.Resources{}, signaling.Resources{}) // not known here
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
	why := placement.Candidate{Reasons: []string{"it was asked for before and has this place already"}}
	for _, c := range fit {
		if c.Node == r.Attempt.Node && !r.Confirmed {
			why = c
		}
	}
	if r.Confirmed {
		return d.grant(&j.request, j.creator, r.Task, r.Attempt, why)
	}
	if err := d.confirmed(ctx, j, r); err != nil {
		if err = d.giveUp(ctx, j, r, err); !errors.Is(err, pool.ErrConfirmed) {
			return signaling.Grant{}, err
		}
		// Another broker may have granted it to the terminal already, which has asked there too.
		d.Log.Info("a node has taken a task, though it has not answered", "task", r.Task, "node", r.Attempt.Node)
	}
	if why.Tier == signaling.TierCloud && len(fit) > 0 && fit[0].Tier == signaling.TierCloud {
		why.Reasons = append([]string{noEdge(j.why)}, why.Reasons...)
	}
	why.Reasons = slices.Concat(why.Reasons, j.refused)
	g, err := d.grant(&j.request, j.creator, r.Task, r.Attempt, why)
	if err == nil {
		d.metrics.waited.Observe(time.Since(j.since).Seconds())
		d.Log.Info("task placed", "task", r.Task, "type", j.request.Type, "node", r.Attempt.Node, "answer", g.Answer, "tries", len(j.refused)+1)
		if j.shadows(&j.request) {
			d.shadows.want(r.Task, j.within)
		}
	}
	return g, err
}

// confirmed has the edge take a task, and notes that it has.
func (d *Dispatcher) confirmed(ctx context.Context, j *job, r signaling.Reservation) error {
	if err := d.instruct(ctx, j, r); err != nil {
		return err
	}
	switch err := d.Pool.Confirm(ctx, r.Attempt.ID); {
	case errors.Is(err, pool.ErrNotFound): // its lease was swept while the edge took its time
		return errors.New("it confirmed too late")
	case err != nil: // the edge has it, and tells the pool with its next heartbeat: the grant holds
		d.Log.Warn("the confirmation could not be noted", "task", r.Task, "error", err)
	}
	return nil
}

func (d *Dispatcher) instruct(ctx context.Context, j *job, r signaling.Reservation) error {
	i, err := d.instruction(&j.request, j.creator, r)
	if err != nil {
		return err
	}
	if j.shadows(&j.request) {
		i.ViewMs = shadowedViewMs
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	return d.Edges.Instruct(ctx, r.Attempt.Node, i)
}

// instruction is what an edge needs to know of a task that it has a reservation for (A6).
func (d *Dispatcher) instruction(r *signaling.TaskRequest, creator string, held signaling.Reservation) (signaling.Instruction, error) {
	i := signaling.Instruction{
		Task: held.Task, Attempt: held.Attempt, Request: *r, Resources: held.Resources, Creator: creator,
		ICEServers: d.Relays.Servers("node-"+string(held.Attempt.Node), time.Now()),
		WaitMs:     d.Wait.Milliseconds(), IdleMs: d.Idle.Milliseconds(), GraceMs: d.Grace.Milliseconds(),
	}
	if r.Type == signaling.Rendering {
		i.ViewMs = viewMs
	}
	if s := r.Series; s != nil {
		access, err := d.access(*s, held.Attempt.Node)
		if err != nil {
			return i, err
		}
		i.Source = &access
	}
	return i, nil
}

// cannot is what a node says of a task that no node can do, nil for any other reason not to take it.
func cannot(cause error) *signaling.Problem {
	var p *signaling.Problem
	if errors.As(cause, &p) && (p.Code == signaling.ProblemUnsupported || p.Code == signaling.ProblemBadRequest) {
		return p
	}
	return nil
}

// giveUp releases a reservation that the edge did not confirm, and excludes the node from the next try. It is
// pool.ErrConfirmed where the edge has done so another way.
func (d *Dispatcher) giveUp(ctx context.Context, j *job, r signaling.Reservation, cause error) error {
	refused := "node " + string(r.Attempt.Node) + " " + inWords(cause)
	// Also where the one who asked has gone away meanwhile: the resources must come back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmWithin)
	defer cancel()
	state, reason, hopeless := signaling.TaskPlacing, refused, cannot(cause)
	if hopeless != nil {
		state, reason = signaling.TaskFailed, strings.TrimSuffix(hopeless.Error(), ".")
	}
	fencing, err := d.Pool.Withdraw(ctx, r.Task, r.Attempt.ID, state, reason)
	if errors.Is(err, pool.ErrConfirmed) {
		return err
	}
	d.Log.Warn("a node did not take a task", "task", r.Task, "node", r.Attempt.Node, "reason", cause)
	j.exclude = append(j.exclude, r.Attempt.Node)
	if err != nil {
		return d.unavailable("release", err) // its lease ends by itself
	}
	j.refused = append(j.refused, refused)
	if hopeless != nil {
		return hopeless
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

// noEdge says in words why no edge takes a task that fits in the cloud.
func noEdge(e placement.Explanation) string {
	if e.NotType+e.Stays+e.TooFar+e.BeyondCloud+e.NotReady+e.Cordoned+e.Closing+e.Lacking()+e.Excluded == 0 {
		return "in the cloud since there is no edge"
	}
	e.Nodes, e.Fit = e.Nodes-e.Fit, 0
	return "in the cloud since no edge takes it: " + e.String()
}

// lacking says in words why a task has no place now.
func (d *Dispatcher) lacking(j *job) string {
	fit, why := d.Snapshot.Candidates(d.peek(j, j.exclude), 1)
	detail := why.String()
	switch {
	case j.behind:
		detail = "others wait for what is free"
	case len(fit) > 0:
		detail = "those that had room were taken by others just now"
	}
	return strings.Join(append(slices.Clone(j.refused), detail), "; ")
}

// noFreeNode is the problem of a request that gets no place.
func (d *Dispatcher) noFreeNode(j *job) error {
	detail := d.lacking(j)
	if j.within != nil {
		return &signaling.Problem{Code: signaling.ProblemStays, Title: "The data must not leave its site, and nothing is free there.",
			Detail: fmt.Sprintf("The data of the site %s stays in it. %s Try again in a moment, or wait in the queue.", j.keeper, sentence(detail))}
	}
	return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node is free for this task.",
		Detail: sentence(detail) + " Try again in a moment."}
}

// grant makes a grant with a fresh token for a confirmed attempt.
func (d *Dispatcher) grant(r *signaling.TaskRequest, creator string, task signaling.TaskID, a signaling.Attempt, why placement.Candidate) (signaling.Grant, error) {
	now := time.Now()
	token, err := signaling.SignToken(d.Keys.Private(), signaling.TokenClaims{
		Task: task, Attempt: a.ID, Node: a.Node, Role: signaling.RoleHost,
	}, creator, now, tokenTTL)
	if err != nil {
		return signaling.Grant{}, err
	}
	g := signaling.Grant{
		Answer: signaling.EdgeAssigned, Task: task, Attempt: a, SignalingURL: SignalPath + string(a.ID), Token: token,
		TokenExpiresAt: now.Add(tokenTTL).UTC(), ICEServers: d.Relays.Servers(creator, now), Reasons: why.Reasons, Terms: why.Terms,
	}
	if r.Local != nil && r.Local.Reason != "" {
		g.Reasons = append(slices.Clone(g.Reasons), "asked for because: "+r.Local.Reason)
	}
	node, known := d.Snapshot.Get(a.Node)
	if known && node.Tier == signaling.TierCloud {
		g.Answer = signaling.ExecuteInCloud
	}
	if node.DirectURL != "" {
		g.SignalingURL = node.DirectURL
	}
	// The node's own mode holds; only where it asks, the request's choice is the answer.
	if g.Handling = cmp.Or(node.Handling[r.Type], signaling.DefaultHandling(r.Type)); g.Handling == signaling.HandlingAsk {
		g.Handling = cmp.Or(r.Handling, g.Handling)
	}
	return g, nil
}

// regrant grants a task again that has its place.
func (d *Dispatcher) regrant(t signaling.Task) (signaling.Grant, error) {
	g, err := d.grant(&t.Request, t.Creator, t.ID, *t.Attempt, placement.Candidate{Reasons: []string{"it has this place"}})
	if t.Shadow != nil {
		g.Shadow = t.Shadow.Node
	}
	return g, err
}

// SignalPath leads the path of the broker's signalling relay; the attempt follows.
const SignalPath = "/api/v1/signal/"
