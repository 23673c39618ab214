// Package agent is an edge's side of the pool: it keeps the link to the broker, admits tasks into the ledger,
// and passes signalling between terminals and sessions.
package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// linkPath is where the broker takes edges' links.
	linkPath = "/api/v1/edges/link"
	// maxEndings bounds the ends of tasks that the broker may not know of.
	maxEndings = 1024
	// toldFor is how long an end that was told over a link is kept to be told again over the next one: longer than a
	// link may be dead before that is noticed.
	toldFor    = time.Minute
	firstRetry = 250 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// Errors that end a session.
var (
	errRevoked  = errors.New("the broker ended it")
	errStopping = &signaling.Problem{Code: signaling.ProblemEdgeLost, Title: "The edge is being stopped",
		Detail: "The page opens the study again on another edge, if one is free"}
)

// Config is what an agent needs.
type Config struct {
	Broker *url.URL
	Secret string // the edge's own credential
	Node   signaling.Node
	TLS    *tls.Config
	// Begin starts the work of an attempt whose resources are held. The work tells every change of state, in order; the last
	// one is an end, after which Done is closed. Begin is called under the ledger's lock and does not block.
	Begin func(i signaling.Instruction, changed func(signaling.Update)) Work
	// Studies are the series that the edge has; nil where it reads none.
	Studies Studies
	// Load measures the node; it is called from one goroutine.
	Load   func() signaling.Load
	Logger *slog.Logger
}

// Agent is an edge's membership in a pool.
type Agent struct {
	cfg        Config
	ledger     *ledger
	linked     atomic.Bool
	prefetches limited
	thumbnails limited

	mu      sync.Mutex
	link    *signaling.Conn // nil while there is none
	keys    []ed25519.PublicKey
	endings []lastWord      // what the broker may not know of, the oldest first
	relays  map[string]Work // by terminal connection
}

// lastWord is the end of an attempt that the broker may not know of. Until it surely does, the attempt is in the
// registration as it was, so that the pool does not take it for lost.
type lastWord struct {
	update signaling.Update
	entry  signaling.LedgerEntry
	told   time.Time // zero: not yet
}

// New returns an agent, which Run starts.
func New(cfg Config) *Agent {
	if cfg.Studies == nil {
		cfg.Studies = noStudies{}
	}
	return &Agent{cfg: cfg, ledger: newLedger(cfg.Node.Capacity, cfg.Node.Types), relays: map[string]Work{},
		prefetches: newLimited(maxPrefetches, 1), thumbnails: newLimited(maxThumbnails, thumbnailsAtOnce)}
}

// Linked says whether the broker knows this edge now, with the reason where it does not.
func (a *Agent) Linked() error {
	if !a.linked.Load() {
		return fmt.Errorf("no link to the broker at %s", a.cfg.Broker.Host)
	}
	return nil
}

// Drain takes no new tasks from now on; the sessions that run go on.
func (a *Agent) Drain() { a.ledger.drain() }

// ErrStuck says that sessions did not end when the agent did. What they use must not be taken from them.
var ErrStuck = errors.New("sessions did not end in time")

// Run keeps the link until ctx ends, and then ends every session; its error wraps ErrStuck where one does not end within
// seconds. Sessions outlive a lost link.
func (a *Agent) Run(ctx context.Context) error {
	defer a.prefetches.close()
	defer a.thumbnails.close()
	retry := firstRetry
	for ctx.Err() == nil {
		start := time.Now()
		err := a.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(start) > lastRetry {
			retry = firstRetry
		}
		wait := retry/2 + rand.N(retry/2) // edges that lost one broker do not all come back at once
		a.cfg.Logger.Warn("no link to the broker", "broker", a.cfg.Broker.Host, "err", err, "retryIn", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		retry = min(2*retry, lastRetry)
	}
	if n := a.ledger.close(errStopping); n > 0 {
		return fmt.Errorf("%w: %d of them, %v after they were told", ErrStuck, n, endWithin)
	}
	return nil
}

// serve keeps one link, from dialling to its end. When ctx ends, the link stays open until the broker was
// told the sessions' ends.
func (a *Agent) serve(ctx context.Context) error {
	link, registered, err := a.dial(ctx)
	if err != nil {
		return err
	}
	keys := make([]ed25519.PublicKey, 0, len(registered.TokenKeys))
	for _, k := range registered.TokenKeys {
		if len(k) == ed25519.PublicKeySize {
			keys = append(keys, k)
		}
	}
	a.mu.Lock()
	a.link, a.keys = link, keys
	for i := range a.endings {
		a.tell(&a.endings[i])
	}
	a.mu.Unlock()
	a.linked.Store(true)
	a.cfg.Logger.Info("registered with the broker", "broker", a.cfg.Broker.Host, "node", a.cfg.Node.ID)

	for _, id := range registered.Ended {
		a.ledger.revoke(id)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { a.heartbeats(ctx, link, time.Duration(registered.HeartbeatMs)*time.Millisecond) })
	defer func() {
		a.linked.Store(false)
		link.Close(websocket.CloseGoingAway, "edge stops or tries again")
		a.mu.Lock()
		a.link = nil
		clear(a.relays)
		a.mu.Unlock()
		helpers.Wait()
	}()

	received := make(chan error, 1)
	helpers.Go(func() { // ends with the link
		for {
			var m signaling.Control
			err := link.Receive(&m)
			var malformed *signaling.MessageError
			if errors.As(err, &malformed) {
				a.cfg.Logger.Warn("message of the broker not understood", "err", err)
				continue
			}
			if err != nil {
				received <- err
				return
			}
			a.take(link, &m)
		}
	})
	select {
	case err := <-received:
		return err
	case <-ctx.Done():
		a.ledger.close(errStopping)
		return ctx.Err()
	}
}

// dial opens the link and registers.
func (a *Agent) dial(ctx context.Context) (*signaling.Conn, *signaling.Registered, error) {
	u := *a.cfg.Broker
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.Path = strings.TrimSuffix(u.Path, "/") + linkPath
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 10 * time.Second, TLSClientConfig: a.cfg.TLS}
	ws, resp, err := d.DialContext(ctx, u.String(), http.Header{"Authorization": {"Bearer " + a.cfg.Secret}})
	if err != nil {
		if resp != nil {
			if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
				return nil, nil, fmt.Errorf("open %s: the broker answered %s: check --edge-secret on both sides", u.String(), resp.Status)
			}
			return nil, nil, fmt.Errorf("open %s: the broker answered %s", u.String(), resp.Status)
		}
		return nil, nil, fmt.Errorf("open %s: %w", u.String(), err)
	}
	link := signaling.NewConn(ws, signaling.MaxControl)
	a.mu.Lock() // so that a session that ends meanwhile is in either list
	entries, _, epoch, draining := a.ledger.snapshot()
	a.forget(time.Now())
	for _, e := range a.endings {
		entries = append(entries, e.entry)
	}
	a.mu.Unlock()
	node := a.cfg.Node
	node.State = signaling.NodeReady
	if draining {
		node.State = signaling.NodeDraining
	}
	if err := link.Send(signaling.Control{Type: signaling.ControlRegister, Register: &signaling.Register{
		Version: signaling.ControlVersion, Node: node, Epoch: epoch, Ledger: entries}}); err != nil {
		return nil, nil, err
	}
	for {
		var m signaling.Control
		if err := link.Receive(&m); err != nil {
			link.Close(websocket.CloseNormalClosure, "")
			return nil, nil, fmt.Errorf("register at %s: %w", u.Host, err)
		}
		switch {
		case m.Type == signaling.ControlRegistered && m.Registered != nil && m.Registered.HeartbeatMs > 0:
			return link, m.Registered, nil
		case m.Type == signaling.ControlError && m.Problem != nil:
			link.Close(websocket.CloseNormalClosure, "")
			return nil, nil, fmt.Errorf("register at %s: %w", u.Host, m.Problem)
		}
	}
}

func (a *Agent) heartbeats(ctx context.Context, link *signaling.Conn, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		_, attempts, _, draining := a.ledger.snapshot()
		beat := &signaling.Heartbeat{State: signaling.NodeReady, Load: a.cfg.Load(), Attempts: attempts,
			Volumes: a.cfg.Studies.Volumes()}
		beat.Load.Sessions = int64(len(attempts))
		if draining {
			beat.State = signaling.NodeDraining
		}
		if err := link.Send(signaling.Control{Type: signaling.ControlHeartbeat, Heartbeat: beat}); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-link.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// take handles a message of the broker.
func (a *Agent) take(link *signaling.Conn, m *signaling.Control) {
	switch {
	case m.Type == signaling.ControlInstruct && m.Instruction != nil:
		answer := signaling.Control{Type: signaling.ControlConfirm, ID: m.ID}
		if err := a.instruct(m.Instruction); err != nil {
			answer = refusal(m.ID, err)
		}
		_ = link.Send(answer)
	case m.Type == signaling.ControlRelease && m.Release != nil:
		reason := errRevoked
		switch {
		case m.Release.State == signaling.TaskFinished:
			reason = ending.ErrFinished
		case m.Release.Reason != "":
			reason = errors.New(m.Release.Reason)
		}
		a.ledger.release(m.Release, reason)
	case m.Type == signaling.ControlRelay && m.Relay != nil:
		a.relay(link, m.Relay)
	case m.Type == signaling.ControlPrefetch && m.Fetch != nil:
		a.prefetch(link, m)
	case m.Type == signaling.ControlThumbnail && m.Fetch != nil:
		a.thumbnail(link, m)
	case m.Type == signaling.ControlDrain:
		a.ledger.drain()
	case m.Type == signaling.ControlError && m.Problem != nil:
		a.cfg.Logger.Warn("the broker reports", "problem", m.Problem)
	default:
		_ = link.Send(signaling.Control{Type: signaling.ControlError, ID: m.ID, Problem: &signaling.Problem{
			Code: signaling.ProblemUnsupported, Title: "Message not known here", Detail: fmt.Sprintf("type %.40q", string(m.Type))}})
	}
}

// refusal says why something that the broker asked for is not done.
func refusal(id string, err error) signaling.Control {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		p = &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The instruction cannot be carried out", Detail: err.Error()}
	}
	return signaling.Control{Type: signaling.ControlRefuse, ID: id, Problem: p}
}

// instruct admits the task of an instruction and starts its session.
func (a *Agent) instruct(i *signaling.Instruction) error {
	if err := i.Request.Validate(); err != nil {
		return err
	}
	if i.Attempt.Node != a.cfg.Node.ID {
		return fmt.Errorf("the attempt is for node %.70q, this is %q", string(i.Attempt.Node), a.cfg.Node.ID)
	}
	if i.Source != nil {
		if err := a.locate(i.Source); err != nil {
			return err
		}
	}
	return a.ledger.admit(i, func() Work { return a.cfg.Begin(*i, a.changed) })
}

// locate makes a whole address of a source's that is at the broker.
func (a *Agent) locate(s *signaling.SourceAccess) error {
	at, err := a.cfg.Broker.Parse(s.DICOMweb)
	if err != nil || (at.Scheme != "http" && at.Scheme != "https") {
		return fmt.Errorf("source %.64q has no address that this edge can use", s.Name)
	}
	s.DICOMweb = at.String()
	return nil
}

// changed keeps the ledger and the broker informed of a session.
func (a *Agent) changed(u signaling.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	entry, ok := a.ledger.update(u)
	if !u.State.Ended() {
		if a.link != nil {
			_ = a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &u}) // the next registration says it too
		}
		return
	}
	if !ok {
		return
	}
	now := time.Now()
	a.forget(now)
	if len(a.endings) == maxEndings {
		a.endings = a.endings[1:]
	}
	a.endings = append(a.endings, lastWord{update: u, entry: entry})
	a.tell(&a.endings[len(a.endings)-1])
}

// tell tells the broker an end, where there is a link. The caller has the lock.
func (a *Agent) tell(e *lastWord) {
	if a.link != nil && a.link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &e.update}) == nil {
		e.told = time.Now()
	}
}

// forget drops the ends that the broker knows by now. The caller has the lock.
func (a *Agent) forget(now time.Time) {
	a.endings = slices.DeleteFunc(a.endings, func(e lastWord) bool { return !e.told.IsZero() && now.Sub(e.told) > toldFor })
}

// relay passes a terminal's signalling message, which came through the broker, to its session.
func (a *Agent) relay(link *signaling.Conn, r *signaling.Relay) {
	a.mu.Lock()
	s := a.relays[r.Connection]
	if r.Closed {
		delete(a.relays, r.Connection)
	}
	a.mu.Unlock()
	if r.Closed {
		if s != nil {
			s.Gone(r.Connection)
		}
		return
	}
	reply := func(m signaling.Signal) {
		raw, err := json.Marshal(m)
		if err != nil {
			return
		}
		_ = link.Send(signaling.Control{Type: signaling.ControlRelay, Relay: &signaling.Relay{Connection: r.Connection,
			Signal: raw, Closed: m.Type == signaling.SignalError}})
	}
	var m signaling.Signal
	if err := json.Unmarshal(r.Signal, &m); err != nil {
		reply(signalProblem(signaling.ProblemBadRequest, "Malformed message", "A signalling message is a JSON object as the contract has it"))
		return
	}
	if s != nil {
		s.Signal(r.Connection, m)
		return
	}
	if s = a.greet(r.Connection, r.Attempt, m, reply); s != nil {
		a.mu.Lock()
		a.relays[r.Connection] = s
		a.mu.Unlock()
	}
}

// greet verifies the first message of a terminal's connection, whose token must be for attempt where one is given, and
// passes it to its session; nil where it was refused.
func (a *Agent) greet(connection string, attempt signaling.AttemptID, m signaling.Signal, reply func(signaling.Signal)) Work {
	if m.Type != signaling.SignalHello {
		reply(signalProblem(signaling.ProblemUnauthorized, "Who is there?", "The first message is a hello with the token of the grant"))
		return nil
	}
	a.mu.Lock()
	keys := a.keys
	a.mu.Unlock()
	claims, err := signaling.VerifyToken(keys, m.Token, time.Now())
	if err != nil {
		reply(signalProblem(signaling.ProblemUnauthorized, "The token is not valid", err.Error()+": ask the broker for a new grant"))
		return nil
	}
	if attempt == "" {
		attempt = claims.Attempt
	}
	if err := claims.For(a.cfg.Node.ID, attempt); err != nil {
		reply(signalProblem(signaling.ProblemForbidden, "The token is for something else", err.Error()))
		return nil
	}
	s := a.ledger.find(attempt)
	if s == nil {
		reply(signalProblem(signaling.ProblemNotFound, "The session has ended", "Open the study again"))
		return nil
	}
	s.Hello(connection, claims, m, reply)
	return s
}

func signalProblem(code signaling.ProblemCode, title, detail string) signaling.Signal {
	return signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: code, Title: title, Detail: detail}}
}
