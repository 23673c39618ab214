package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// acceptWithin is how long the broker may take to confirm a task that this edge has taken, forwardWithin how long to
	// take on one that it has not.
	acceptWithin  = 3 * time.Second
	forwardWithin = 5 * time.Second
	// grantFor is how long a grant's token is valid.
	grantFor = 10 * time.Minute
)

// What an instruction says by default, where the edge takes a task while the broker is out of reach.
const (
	aloneWait  = 30 * time.Second
	aloneIdle  = 30 * time.Minute
	aloneGrace = 2 * time.Minute
)

// ask takes a terminal's task, or sends the request on to the broker (A2, A4).
func (a *Agent) ask(ctx context.Context, q ask, r *http.Request) (status int, answer any, err error) {
	accept := &signaling.Accept{Key: q.key, Task: signaling.TaskID(signaling.NewID("t")), Attempt: signaling.AttemptID(signaling.NewID("a")),
		Request: q.request, Creator: q.claims.Subject, Zone: q.claims.Zone, Urgent: q.claims.Urgent}
	if p := a.tooFar(&q.request); p != nil {
		return a.forward(ctx, accept, r, p)
	}
	if err := a.can(&q.request); err != nil {
		return a.forward(ctx, accept, r, err)
	}
	if accept.GPU, err = a.ledger.hold(accept.Attempt, &q.request); err != nil {
		return a.forward(ctx, accept, r, err)
	}
	confirmed := false
	defer func() {
		if !confirmed {
			a.ledger.drop(accept.Attempt)
		}
	}()
	i, err := a.approve(ctx, accept)
	reason := "this edge was asked first, and it is free"
	var refused *signaling.Problem
	switch {
	case err == nil:
	case a.unreachable(err) && a.alone(&q.request):
		a.cfg.Logger.Warn("task taken without the broker", "task", accept.Task, "err", err)
		i = a.aloneInstruction(accept)
		reason += "; the broker, which was told later, could not be reached"
	case a.unreachable(err):
		return 0, nil, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker cannot be reached",
			Detail: "The edge is free, and needs the broker for this task: try again in a moment"}
	case errors.As(err, &refused) && final(refused.Code):
		return 0, nil, refused
	default:
		a.ledger.drop(accept.Attempt)
		return a.forward(ctx, accept, r, err)
	}
	if err := a.ledger.confirm(i, func() Work { return a.cfg.Begin(*i, a.changed) }); err != nil {
		a.changedUnknown(i, err)
		return a.forward(ctx, accept, r, err)
	}
	confirmed = true
	if err == nil {
		a.cfg.Metrics.count("accepted")
	} else { // the broker's pool learns of it by a registration
		a.cfg.Metrics.count("alone")
		a.relink()
	}
	g, err := a.grant(i, r, reason)
	return http.StatusCreated, g, err
}

// tooFar says why a terminal must not take this edge by its own measurement and limit (A7), nil where it may.
func (a *Agent) tooFar(r *signaling.TaskRequest) *signaling.Problem {
	for _, p := range r.Pings {
		if p.Node == a.cfg.Node.ID && r.MaxDistanceMs > 0 && p.Ms > r.MaxDistanceMs {
			return refuse("it is %.4g ms away and the limit is %.4g ms", p.Ms, r.MaxDistanceMs)
		}
	}
	return nil
}

// approve has the broker confirm a task whose resources are held here, and returns the instruction.
func (a *Agent) approve(ctx context.Context, accept *signaling.Accept) (*signaling.Instruction, error) {
	ctx, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	m, err := a.call(ctx, signaling.Control{Type: signaling.ControlAccept, Accept: accept})
	switch {
	case err != nil:
		return nil, err
	case m.Type == signaling.ControlInstruct && m.Instruction != nil && m.Instruction.Attempt.ID == accept.Attempt:
		i := m.Instruction
		if err := a.check(i); err != nil {
			a.changedUnknown(i, err)
			return nil, err
		}
		return i, nil
	case m.Problem != nil:
		return nil, m.Problem
	}
	return nil, fmt.Errorf("the broker answered %s", m.Type)
}

// unreachable says whether an error means that the broker, or its pool, is out of reach.
func (a *Agent) unreachable(err error) bool {
	var p *signaling.Problem
	return errors.Is(err, errNoAnswer) || errors.As(err, &p) && p.Code == signaling.ProblemUnavailable
}

// final says whether a refusal of the broker's holds for every edge.
func final(c signaling.ProblemCode) bool {
	switch c {
	case signaling.ProblemBadRequest, signaling.ProblemUnauthorized, signaling.ProblemForbidden, signaling.ProblemNotFound, signaling.ProblemRateLimited:
		return true
	}
	return false
}

// alone says whether the edge can carry out a request without the broker: one that needs no study, or one of a study that
// it may show by itself.
func (a *Agent) alone(r *signaling.TaskRequest) bool {
	if r.Series == nil {
		return r.Uploads() || r.Type != signaling.Rendering
	}
	return a.cfg.Alone != nil && a.cfg.Alone(*r.Series)
}

// aloneInstruction is what the broker would say. The fencing token is the highest that this edge has seen.
func (a *Agent) aloneInstruction(accept *signaling.Accept) *signaling.Instruction {
	i := &signaling.Instruction{Task: accept.Task, Request: accept.Request, Resources: accept.Request.Needs(), Creator: accept.Creator,
		Attempt: signaling.Attempt{ID: accept.Attempt, Node: a.cfg.Node.ID, GPU: accept.GPU, Fencing: a.ledger.snapshot().epoch},
		WaitMs:  aloneWait.Milliseconds(), IdleMs: aloneIdle.Milliseconds(), GraceMs: aloneGrace.Milliseconds()}
	if s := accept.Request.Series; s != nil {
		i.Source = &signaling.SourceAccess{Name: s.Source}
	}
	return i
}

// changedUnknown tells the broker that an attempt which it has confirmed does not run here.
func (a *Agent) changedUnknown(i *signaling.Instruction, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != nil {
		_ = a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{Task: i.Task, Attempt: i.Attempt.ID,
			State: signaling.TaskFailed, Reason: "the edge does not run it: " + title(why)}})
	}
}

// relink has the edge register anew.
func (a *Agent) relink() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != nil {
		a.link.Hangup(websocket.CloseServiceRestart, "registers anew, with a task that it took by itself")
	}
}

// grant is the answer to a terminal whose task is taken.
func (a *Agent) grant(i *signaling.Instruction, r *http.Request, reason string) (*signaling.Grant, error) {
	now := time.Now()
	token, err := signaling.SignToken(a.key, signaling.TokenClaims{Task: i.Task, Attempt: i.Attempt.ID, Node: a.cfg.Node.ID, Role: signaling.RoleHost},
		i.Creator, now, grantFor)
	if err != nil {
		return nil, err
	}
	at := a.cfg.Node.DirectURL
	if at == "" {
		u := url.URL{Scheme: "ws", Host: r.Host, Path: SignalPath}
		if r.TLS != nil {
			u.Scheme = "wss"
		}
		at = u.String()
	}
	handling := a.cfg.Node.Handling[i.Request.Type]
	if handling == "" {
		handling = signaling.DefaultHandling(i.Request.Type)
	}
	servers := i.ICEServers
	if servers == nil {
		servers = []signaling.ICEServer{}
	}
	return &signaling.Grant{Answer: signaling.EdgeAccepts, Task: i.Task, Attempt: i.Attempt, SignalingURL: at, Token: token,
		TokenExpiresAt: now.Add(grantFor).UTC(), ICEServers: servers, Reasons: []string{reason}, Handling: handling}, nil
}

// forward sends a request on that this edge does not take. The broker answers the terminal itself (A4), which follows the
// task there.
func (a *Agent) forward(ctx context.Context, accept *signaling.Accept, r *http.Request, why error) (status int, answer any, err error) {
	ctx, cancel := context.WithTimeout(ctx, forwardWithin)
	defer cancel()
	reason := why.Error()
	var told *signaling.Problem
	if errors.As(why, &told) && told.Detail != "" {
		reason = told.Detail
	}
	m, err := a.call(ctx, signaling.Control{Type: signaling.ControlForward, Forward: &signaling.Forward{Key: accept.Key, Task: accept.Task,
		Request: accept.Request, Creator: accept.Creator, Zone: accept.Zone, Address: remote(r), Urgent: accept.Urgent, Reason: reason}})
	switch {
	case err != nil:
		return 0, nil, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The edge does not take the task, and the broker cannot be reached",
			Detail: "The edge: " + reason + ". Ask another edge, or try again in a moment"}
	case m.Type == signaling.ControlForwarded && m.Pending != nil:
		p := *m.Pending
		public := a.cfg.Public
		if public == nil {
			public = a.Broker()
		}
		if events, err := public.Parse(p.Events); err == nil {
			p.Events = events.String()
		}
		a.cfg.Metrics.count("forwarded")
		return http.StatusAccepted, &p, nil
	case m.Problem != nil:
		return 0, nil, m.Problem
	}
	return 0, nil, fmt.Errorf("the broker answered %s to %s", m.Type, signaling.ControlForward)
}

// remote is the address of who asks, without a port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
