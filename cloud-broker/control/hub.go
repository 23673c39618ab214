package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// ErrNoLink says that no broker has a link to the node.
var ErrNoLink = errors.New("no link to the edge")

// Config is what a Hub needs.
type Config struct {
	Pool     *pool.Pool
	Snapshot *placement.Snapshot
	Edges    *identity.Edges
	// Prepare is called before an edge registers; it makes sure that Keys are those of all brokers.
	Prepare func(context.Context) error
	Keys    *Keys
	// Heartbeat is how often edges report.
	Heartbeat time.Duration
	// Refuse answers a request that gets no link.
	Refuse func(http.ResponseWriter, *http.Request, *signaling.Problem)
	Log    *slog.Logger
	// Overrides are what the operator's configuration says of nodes, in place of what they register with.
	Overrides map[signaling.NodeID]signaling.Override
}

// Hub holds the links of the edges. It is an http.Handler: the endpoint that edges open.
type Hub struct {
	Config
	name     string // leads the names of this broker's instructions and terminal connections
	upgrader websocket.Upgrader
	desk     Desk
	refused  seldom

	ctx  context.Context
	stop context.CancelFunc
	wait sync.WaitGroup

	mu        sync.Mutex
	links     map[signaling.NodeID]*link
	gone      map[signaling.NodeID]time.Time // when the link ended here
	waiting   map[string]waiter
	terminals map[string]*terminal
	contests  map[string]chan bool // answers about links at other brokers
	answering chan struct{}        // one for each contest that is being answered
}

// waiter waits for the answer of node to one message.
type waiter struct {
	node   signaling.NodeID
	answer chan signaling.Control
}

// NewHub returns a Hub without links, which receives what other brokers send. The caller calls Close.
func NewHub(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{
		Config: c, name: signaling.NewID("b"), links: map[signaling.NodeID]*link{}, gone: map[signaling.NodeID]time.Time{},
		waiting: map[string]waiter{}, terminals: map[string]*terminal{}, contests: map[string]chan bool{},
		answering: make(chan struct{}, contestsAtOnce),
	}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second, ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10,
		// Edges are no browsers; a page has no business here.
		CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" },
	}
	h.ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	mail, err := c.Pool.Subscribe(h.ctx, h.name)
	if err != nil {
		h.stop()
		return nil, err
	}
	h.wait.Go(func() { h.receive(mail) })
	return h, nil
}

// Close ends every link and every terminal's connection in order, and waits for them. Sessions go on: edges
// come back to whichever broker answers.
func (h *Hub) Close() {
	h.stop()
	h.wait.Wait()
}

// enter counts a connection in, so that Close waits for it. It refuses one that comes after Close.
func (h *Hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.wait.Add(1)
	return true
}

// Links is the number of edges connected to this broker.
func (h *Hub) Links() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.links)
}

// Terminals is the number of terminal connections relayed by this broker.
func (h *Hub) Terminals() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.terminals)
}

// Linked says whether a broker, this or another, has a link to node now.
func (h *Hub) Linked(ctx context.Context, node signaling.NodeID) bool {
	h.mu.Lock()
	_, here := h.links[node]
	h.mu.Unlock()
	if here {
		return true
	}
	broker, err := h.Pool.Linked(ctx, node)
	return err == nil && broker != h.name
}

// goneFor is how long an edge's link is away before the edge counts as lost. Until then its terminals try again: an
// edge comes back within seconds where only its link was cut, and its sessions with it.
const goneFor = 5 * time.Second

// Lost says whether node, which has no link now, is not expected back soon.
func (h *Hub) Lost(node signaling.NodeID) bool {
	h.mu.Lock()
	at := h.gone[node]
	h.mu.Unlock()
	if !at.IsZero() {
		return time.Since(at) > goneFor
	}
	// A pool that was lost knows no node until the edges are back: that alone says nothing.
	n, known := h.Snapshot.Get(node)
	return known && n.State == signaling.NodeLost
}

// Instruct sends an instruction to node and waits for its confirmation (A6). A refusal is a *signaling.Problem,
// a node without a link is ErrNoLink, no answer in time is ctx's error; then the caller releases the attempt.
func (h *Hub) Instruct(ctx context.Context, node signaling.NodeID, i signaling.Instruction) error {
	_, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlInstruct, Instruction: &i}, signaling.ControlConfirm)
	return err
}

// Prefetch has node load a series ahead of a task, and waits until it has begun. Errors are as those of Instruct.
func (h *Hub) Prefetch(ctx context.Context, node signaling.NodeID, f signaling.Fetch) error {
	_, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlPrefetch, Fetch: &f}, signaling.ControlConfirm)
	return err
}

// thumbnailFormats are what browsers show.
var thumbnailFormats = []string{"image/jpeg", "image/png", "image/webp"}

// Thumbnail has node make a small picture of a series. Errors are as those of Instruct.
func (h *Hub) Thumbnail(ctx context.Context, node signaling.NodeID, f signaling.Fetch) (signaling.Thumbnail, error) {
	c, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlThumbnail, Fetch: &f}, signaling.ControlThumbnail)
	if err != nil {
		return signaling.Thumbnail{}, err
	}
	i := c.Image
	if i == nil || len(i.Data) == 0 || len(i.Data) > signaling.MaxThumbnail || !slices.Contains(thumbnailFormats, i.Format) {
		return signaling.Thumbnail{}, &signaling.Problem{Code: signaling.ProblemInternal, Title: "The edge sent no picture that can be shown.",
			Detail: fmt.Sprintf("A thumbnail is one of %s of at most %d bytes.", strings.Join(thumbnailFormats, ", "), signaling.MaxThumbnail)}
	}
	return *i, nil
}

// Promote has node make a shadow the session. Errors are as those of Instruct.
func (h *Hub) Promote(ctx context.Context, node signaling.NodeID, p signaling.Promote) error {
	_, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlPromote, Promote: &p}, signaling.ControlConfirm)
	return err
}

// SetBudget gives a running attempt on node another budget (B5). It goes over a link of this broker only, whose owner scales
// the node's tasks; without one it is ErrNoLink. Errors are as those of Instruct otherwise.
func (h *Hub) SetBudget(ctx context.Context, node signaling.NodeID, b signaling.SetBudget) error {
	h.mu.Lock()
	_, here := h.links[node]
	h.mu.Unlock()
	if !here {
		return fmt.Errorf("%w of node %s at this broker", ErrNoLink, node)
	}
	_, err := h.ask(ctx, node, signaling.Control{Type: signaling.ControlBudget, Budget: &b}, signaling.ControlConfirm)
	return err
}

// View tells the edge of a shadow the session's view state.
func (h *Hub) View(ctx context.Context, node signaling.NodeID, v signaling.ViewReport) error {
	_, err := h.send(ctx, node, signaling.Control{Type: signaling.ControlView, View: &v})
	return err
}

// Configure tells an edge how an operator has it from now on.
func (h *Hub) Configure(ctx context.Context, n signaling.Node) error {
	_, err := h.send(ctx, n.ID, signaling.Control{Type: signaling.ControlConfigure, Node: &n})
	return err
}

// ask sends a message to node over whichever broker has its link, and waits for the answer of type want. Any other
// answer is a refusal.
func (h *Hub) ask(ctx context.Context, node signaling.NodeID, c signaling.Control, want signaling.ControlType) (signaling.Control, error) {
	c.ID = h.newName("i")
	w := waiter{node: node, answer: make(chan signaling.Control, 1)}
	h.mu.Lock()
	h.waiting[c.ID] = w
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.waiting, c.ID)
		h.mu.Unlock()
	}()
	gone, err := h.send(ctx, node, c)
	if err != nil {
		return signaling.Control{}, err
	}
	select {
	case answer := <-w.answer:
		if answer.Type == want {
			return answer, nil
		}
		if answer.Problem == nil {
			return answer, &signaling.Problem{Code: signaling.ProblemInternal, Title: "The edge refused without a reason."}
		}
		return answer, answer.Problem
	case <-gone:
		return signaling.Control{}, fmt.Errorf("%w: it was cut while the %s was under way", ErrNoLink, c.Type)
	case <-ctx.Done():
		return signaling.Control{}, &unansweredError{node, ctx.Err()}
	}
}

// unansweredError says that a node did not answer as long as anybody waited.
type unansweredError struct {
	node signaling.NodeID
	err  error // of the context
}

func (e *unansweredError) Error() string {
	return fmt.Sprintf("node %s did not answer in time", e.node)
}
func (e *unansweredError) Unwrap() error { return e.err }

// Release tells node to end an attempt.
func (h *Hub) Release(ctx context.Context, node signaling.NodeID, r signaling.Release) error {
	_, err := h.send(ctx, node, signaling.Control{Type: signaling.ControlRelease, Release: &r})
	return err
}

// send takes a message to node over its link, here or at another broker. gone is closed when the link ends; it
// is nil where that cannot be known.
func (h *Hub) send(ctx context.Context, node signaling.NodeID, c signaling.Control) (gone <-chan struct{}, err error) {
	h.mu.Lock()
	l := h.links[node]
	h.mu.Unlock()
	if l != nil {
		select {
		case <-l.registered:
		case <-l.conn.Done():
		case <-ctx.Done():
			return nil, fmt.Errorf("node %s is registering: %w", node, ctx.Err())
		}
		if err := l.conn.Send(c); err != nil {
			return nil, fmt.Errorf("%w of node %s: %w", ErrNoLink, node, err)
		}
		return l.conn.Done(), nil
	}
	return nil, h.post(ctx, node, c)
}

// newName names something whose answers this broker waits for.
func (h *Hub) newName(prefix string) string { return h.name + "/" + signaling.NewID(prefix) }

// answered hands an edge's answer or signalling message to whoever waits for it, here or at another broker.
func (h *Hub) answered(node signaling.NodeID, c signaling.Control) {
	name := c.ID
	if c.Type == signaling.ControlRelay {
		name = c.Relay.Connection
	}
	broker, _, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		h.Log.Warn("an edge answers something that was never asked", "node", node, "type", c.Type)
	case broker == h.name:
		h.deliver(node, c)
	default:
		h.forward(broker, node, c)
	}
}

// deliver hands a message from node to the waiter or terminal of this broker that it names.
func (h *Hub) deliver(node signaling.NodeID, c signaling.Control) {
	if c.Type == signaling.ControlRelay {
		h.mu.Lock()
		t := h.terminals[c.Relay.Connection]
		h.mu.Unlock()
		if t != nil && t.node == node {
			t.fromEdge(c.Relay)
		}
		return
	}
	h.mu.Lock()
	w, ok := h.waiting[c.ID]
	h.mu.Unlock()
	if ok && w.node == node {
		select {
		case w.answer <- c:
		default: // a second answer
		}
	}
}
