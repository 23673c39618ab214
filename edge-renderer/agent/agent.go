// Package agent is an edge's side of the pool: it keeps the link to the broker, admits tasks into the ledger,
// and passes signalling between terminals and sessions.
package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
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

// Errors that end a task.
var (
	errRevoked  = errors.New("the broker ended it")
	errStopping = &signaling.Problem{Code: signaling.ProblemEdgeLost, Title: "The edge is being stopped",
		Detail: "The page opens the study again on another edge, if one is free"}
)

// Config is what an agent needs.
type Config struct {
	// Brokers are those of the pool, at least one. The edge is linked to one of them: the first that it reaches.
	Brokers []*url.URL
	// Public is where terminals reach the broker; nil where that is the one that the edge is linked to.
	Public *url.URL
	Secret string // the edge's own credential
	Node   signaling.Node
	TLS    *tls.Config
	// Begin starts the work of an attempt whose resources are held. The work tells every change of state, in order; the last
	// one is an end, after which Done is closed. Begin is called under the ledger's lock and does not block.
	Begin func(i signaling.Instruction, changed func(signaling.Update)) Work
	// Can says why this edge cannot do what a request asks for, whatever is free; nil where it can do all of its types.
	Can func(*signaling.TaskRequest) error
	// Studies are the series that the edge has; nil where it reads none.
	Studies Studies
	// Alone says whether the edge may show a series while the broker, which says who may see what, is out of reach; nil: none.
	Alone func(signaling.SeriesRef) bool
	// Load measures the node; it is called from one goroutine.
	Load    func() signaling.Load
	Metrics *Metrics // nil: nothing is counted
	Logger  *slog.Logger
}

// Agent is an edge's membership in a pool.
type Agent struct {
	cfg        Config
	instance   string             // made anew at every start
	key        ed25519.PrivateKey // signs the tokens of tasks that the edge takes itself
	ledger     *ledger
	linked     atomic.Bool
	calls      calls
	desk       *desk
	prefetches limited
	thumbnails limited
	late       limited // instructions that wait for room

	mu      sync.Mutex
	link    *signaling.Conn // nil while there is none
	broker  *url.URL        // at its other end, also once it is lost; the first one before there was any
	keys    []ed25519.PublicKey
	moves   []moveReport    // that the broker may not know of, the oldest first
	endings []lastWord      // what the broker may not know of, the oldest first
	relays  map[string]Work // by terminal connection
}

// New returns an agent, which Run starts.
func New(cfg Config) *Agent {
	if cfg.Studies == nil {
		cfg.Studies = noStudies{}
	}
	_, key, _ := ed25519.GenerateKey(nil) // never fails (crypto/rand)
	return &Agent{cfg: cfg, broker: cfg.Brokers[0], instance: signaling.NewID("run"), key: key, ledger: newLedger(cfg.Node), relays: map[string]Work{},
		calls: calls{waiting: map[string]chan signaling.Control{}}, desk: newDesk(),
		prefetches: newLimited(maxPrefetches, 1), thumbnails: newLimited(maxThumbnails, thumbnailsAtOnce), late: newLimited(maxLate, maxLate)}
}

// Linked says whether the broker knows this edge now, with the reason where it does not.
func (a *Agent) Linked() error {
	if a.linked.Load() {
		return nil
	}
	hosts := make([]string, len(a.cfg.Brokers))
	for i, b := range a.cfg.Brokers {
		hosts[i] = b.Host
	}
	return fmt.Errorf("no link to the broker at %s", strings.Join(hosts, ", nor at "))
}

// Broker is the broker that the edge is linked to, or was last.
func (a *Agent) Broker() *url.URL {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.broker
}

// Drain takes no new tasks from now on, whatever an operator says; those that run go on.
func (a *Agent) Drain() { a.ledger.stop() }

// Node is the edge as an operator has it.
func (a *Agent) Node() signaling.Node { return a.ledger.effective() }

// ErrStuck says that tasks did not end when the agent did. What they use must not be taken from them.
var ErrStuck = errors.New("tasks did not end in time")

// Run keeps a link until ctx ends, and then ends every task; its error wraps ErrStuck where one does not end within
// seconds. Tasks outlive a lost link. Where one is lost, the other brokers are tried at once, in their order, and all of
// them again and again, less and less often.
func (a *Agent) Run(ctx context.Context) error {
	defer a.late.close()
	defer a.prefetches.close()
	defer a.thumbnails.close()
	retry := firstRetry
	failed := make([]bool, len(a.cfg.Brokers)) // since the last wait, or the last link that held
	for ctx.Err() == nil {
		n := slices.Index(failed, false)
		broker := a.cfg.Brokers[n]
		held, err := a.serve(ctx, broker)
		if ctx.Err() != nil {
			break
		}
		if held > lastRetry {
			retry = firstRetry
			clear(failed)
		}
		failed[n] = true
		if next := slices.Index(failed, false); next >= 0 {
			a.cfg.Logger.Warn("no link to the broker", "broker", broker.Host, "err", err, "next", a.cfg.Brokers[next].Host)
			continue
		}
		wait := retry/2 + rand.N(retry/2) // edges that lost one broker do not all come back at once
		a.cfg.Logger.Warn("no link to the broker", "broker", broker.Host, "err", err, "retryIn", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		retry = min(2*retry, lastRetry)
		clear(failed)
	}
	if n := a.ledger.close(errStopping); n > 0 {
		return fmt.Errorf("%w: %d of them, %v after they were told", ErrStuck, n, endWithin)
	}
	return nil
}

// serve keeps one link, from dialling to its end, and says for how long it held. When ctx ends, the link stays open until
// the broker was told the sessions' ends.
func (a *Agent) serve(ctx context.Context, broker *url.URL) (held time.Duration, err error) {
	link, registered, err := a.dial(ctx, broker)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	defer func() { held = time.Since(start) }()
	keys := make([]ed25519.PublicKey, 0, len(registered.TokenKeys))
	for _, k := range registered.TokenKeys {
		if len(k) == ed25519.PublicKeySize {
			keys = append(keys, k)
		}
	}
	a.mu.Lock()
	a.link, a.broker, a.keys = link, broker, keys
	for i := range a.moves {
		a.tellMove(&a.moves[i])
	}
	for i := range a.endings {
		a.tell(&a.endings[i])
	}
	a.mu.Unlock()
	if registered.Node != nil {
		a.configure(*registered.Node)
	} else {
		a.configure(a.cfg.Node)
	}
	a.linked.Store(true)
	a.cfg.Logger.Info("registered with the broker", "broker", broker.Host, "node", a.cfg.Node.ID)

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
		return 0, err
	case <-ctx.Done():
		a.ledger.close(errStopping)
		return 0, ctx.Err()
	}
}

// dial opens the link and registers.
func (a *Agent) dial(ctx context.Context, broker *url.URL) (*signaling.Conn, *signaling.Registered, error) {
	u := *broker
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
	held := a.ledger.snapshot()
	now := time.Now()
	a.forget(now)
	a.forgetMoves(now)
	for _, e := range a.endings {
		held.entries = append(held.entries, e.entry)
	}
	a.mu.Unlock()
	node := a.cfg.Node
	node.State = held.state
	if err := link.Send(signaling.Control{Type: signaling.ControlRegister, Register: &signaling.Register{
		Version: signaling.ControlVersion, Node: node, Epoch: held.epoch, Ledger: held.entries, Instance: a.instance}}); err != nil {
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
	var uses meter
	for {
		now := a.ledger.snapshot()
		beat := &signaling.Heartbeat{State: now.state, Load: a.cfg.Load(), Attempts: now.attempts, Volumes: a.cfg.Studies.Volumes(), Idle: now.idle,
			Rates: uses.read(a.ledger.budgeters(), time.Now())}
		beat.Load.Sessions = int64(len(now.attempts))
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
