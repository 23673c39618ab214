package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// registerWithin is how long an edge may take to say who it is.
	registerWithin = 10 * time.Second
	// probeWithin is how long an old link may take to show that it lives, when its node opens another one.
	probeWithin = 2 * time.Second
	// poolWithin bounds what one message does in the pool.
	poolWithin = 3 * time.Second
	// forgetGone is how long the end of a link is remembered.
	forgetGone = time.Hour
)

// link is the connection of one edge.
type link struct {
	hub      *Hub
	node     signaling.NodeID
	instance string // of the edge's program; empty where it names none
	conn     *signaling.Conn
	// registered is closed when the edge has been told so; nothing else is sent before.
	registered chan struct{}
	// ended is closed when the link has ended and nothing of it changes the pool any more.
	ended chan struct{}

	mu      sync.Mutex
	foreign map[string]bool     // connections of terminals at other brokers
	told    bool                // the edge has been told that it is registered
	early   []signaling.Control // what other brokers have sent before
	again   bool                // it is to end, and its edge to come back at once

	reports reports
	strayed bool // the last heartbeat named an attempt that the pool does not hold; owned by keepReports

	views     views
	questions chan struct{} // one for each question that is being answered
	asking    sync.WaitGroup
}

// ServeHTTP takes an edge's link: its credential, then its registration, then messages until it ends.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	credential, err := h.Edges.Present(r)
	from := addressOf(r)
	if err != nil {
		if h.refused.first("stranger "+from, time.Now()) {
			h.Log.Warn("edge refused", "address", from, "code", signaling.ProblemUnauthorized, "reason", err)
		}
		h.Refuse(w, r, &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "The edge is not known here.", Detail: err.Error()})
		return
	}
	if !h.enter() {
		h.Refuse(w, r, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "This broker is shutting down."})
		return
	}
	defer h.wait.Done()
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	conn := signaling.NewConn(ws, signaling.MaxControl)
	defer conn.Close(websocket.CloseNormalClosure, "")
	ended := context.AfterFunc(h.ctx, func() { conn.Close(websocket.CloseServiceRestart, "the broker shuts down") })
	defer ended()
	l, no := h.register(conn, credential)
	if no != nil {
		if h.refused.first(string(no.node)+" "+from+" "+no.Title, time.Now()) { // it tries again and again
			h.Log.Warn("edge refused", "node", no.node, "address", from, "code", no.Problem.Code, "reason", no.Title)
		}
		_ = conn.Send(signaling.Control{Type: signaling.ControlError, Problem: no.Problem})
		conn.Close(no.code, no.Title)
		return
	}
	h.Log.Info("edge connected", "node", l.node)
	h.desk.LinkBegan(l.node)
	var keeper sync.WaitGroup
	keeper.Go(l.keepReports)
	keeper.Go(l.keepViews)
	err = l.read()
	h.Log.Info("edge disconnected", "node", l.node, "reason", err)
	conn.Close(websocket.CloseNormalClosure, "")
	keeper.Wait()
	l.asking.Wait()
	if l.end() && l.missed() {
		h.desk.LinkEnded(l.node)
	}
}

// refusal is why an edge is not taken, and the close code that goes with it.
type refusal struct {
	*signaling.Problem
	code int
	node signaling.NodeID // that it says it is; empty where it names none that could be
}

// addressOf is where a connection comes from: the edge, or a proxy before it.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func refuse(close int, code signaling.ProblemCode, title string) *refusal {
	return &refusal{Problem: &signaling.Problem{Code: code, Title: title}, code: close}
}

// register waits for the edge's registration and puts it into the pool.
func (h *Hub) register(conn *signaling.Conn, credential identity.Credential) (*link, *refusal) {
	late := time.AfterFunc(registerWithin, func() { conn.Close(websocket.ClosePolicyViolation, "no registration came") })
	var c signaling.Control
	err := conn.Receive(&c)
	if !late.Stop() || err != nil {
		return nil, refuse(websocket.ClosePolicyViolation, signaling.ProblemBadRequest, "no registration that could be read came")
	}
	if no := h.check(c, credential); no != nil {
		if c.Register != nil && signaling.ValidName(string(c.Register.Node.ID)) {
			no.node = c.Register.Node.ID
		}
		return nil, no
	}
	r := *c.Register
	l := &link{hub: h, node: r.Node.ID, instance: r.Instance, conn: conn, registered: make(chan struct{}), ended: make(chan struct{}),
		foreign: map[string]bool{}, reports: newReports(), views: newViews(), questions: make(chan struct{}, questionsAtOnce)}
	if no := h.take(l); no != nil {
		return nil, no
	}
	ctx, cancel := context.WithTimeout(h.ctx, 2*poolWithin) // with another broker's answer in it
	defer cancel()
	if h.livesElsewhere(ctx, l.node, l.instance) {
		h.drop(l)
		return nil, conflict(l.node)
	}
	var in pool.Registration
	away, err := h.settle(ctx, func() error {
		var err error
		in, err = h.enroll(ctx, r)
		return err
	})
	if err != nil {
		h.drop(l)
		if !away {
			return nil, refuse(websocket.ClosePolicyViolation, signaling.ProblemBadRequest, err.Error())
		}
		h.Log.Warn("an edge cannot register", "node", l.node, "error", err)
		return nil, refuse(websocket.CloseTryAgainLater, signaling.ProblemUnavailable, "Redis is out of reach for the broker; try again")
	}
	keys := h.Keys.Public()
	registered := signaling.Registered{HeartbeatMs: h.Heartbeat.Milliseconds(), Ended: in.Ended}
	for _, k := range keys {
		registered.TokenKeys = append(registered.TokenKeys, k)
	}
	if differs(in.Node, r.Node) {
		registered.Node = &in.Node
	}
	if err := conn.Send(signaling.Control{Type: signaling.ControlRegistered, ID: c.ID, Registered: &registered}); err != nil {
		h.drop(l)
		return nil, refuse(websocket.CloseGoingAway, signaling.ProblemUnavailable, "the link was cut")
	}
	l.begin()
	return l, nil
}

// maxEarly bounds what waits for the end of a registration.
const maxEarly = 64

// begin ends the registration: what came meanwhile is sent, in order.
func (l *link) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.early {
		_ = l.conn.Send(c) // a link that ends is told by its own goroutine
	}
	l.early, l.told = nil, true
	close(l.registered)
}

// pass sends a message of another broker, or keeps it until the edge has been told that it is registered: the pool has the
// node, and other brokers know it, a moment before that.
func (l *link) pass(c signaling.Control) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := c.Relay; r != nil {
		if r.Closed {
			delete(l.foreign, r.Connection)
		} else {
			l.foreign[r.Connection] = true
		}
	}
	if l.told {
		_ = l.conn.Send(c)
	} else if len(l.early) < maxEarly {
		l.early = append(l.early, c)
	}
}

// comeBack ends the link because its edge is to register again, or has done so.
func (l *link) comeBack(code int, reason string) {
	l.mu.Lock()
	l.again = true
	l.mu.Unlock()
	l.conn.Close(code, reason)
}

// missed says whether the edge is gone though nobody has had it come back.
func (l *link) missed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.again && l.hub.ctx.Err() == nil
}

// check refuses a registration that cannot be.
func (h *Hub) check(c signaling.Control, credential identity.Credential) *refusal {
	const policy = websocket.ClosePolicyViolation
	if c.Type != signaling.ControlRegister || c.Register == nil {
		return refuse(policy, signaling.ProblemBadRequest, "an edge registers first")
	}
	r := c.Register
	if r.Version != signaling.ControlVersion {
		return refuse(policy, signaling.ProblemUnsupported, fmt.Sprintf(
			"control version %d: this broker speaks %d; install the same version on both", r.Version, signaling.ControlVersion))
	}
	if err := r.Node.Validate(); err != nil {
		return refuse(policy, signaling.ProblemBadRequest, "registration: "+err.Error())
	}
	if err := h.Edges.For(credential, r.Node.ID); err != nil {
		return refuse(signaling.CloseForbidden, signaling.ProblemForbidden, err.Error())
	}
	return nil
}

// take makes l the link of its node. Where the node has a link already, that one must make room.
func (h *Hub) take(l *link) *refusal {
	for {
		h.mu.Lock()
		old := h.links[l.node]
		if old == nil {
			h.links[l.node] = l
			delete(h.gone, l.node)
			h.mu.Unlock()
			return nil
		}
		h.mu.Unlock()
		if !h.yields(old, l.instance) {
			return conflict(l.node)
		}
	}
}

// conflict refuses a second edge of one name while the first has a link.
func conflict(node signaling.NodeID) *refusal {
	return refuse(signaling.CloseConflict, signaling.ProblemBadRequest,
		fmt.Sprintf("id: another edge is connected as %s; give each a node id of its own", node))
}

// drop removes l, which has ended.
func (h *Hub) drop(l *link) {
	h.mu.Lock()
	delete(h.links, l.node)
	select {
	case <-l.registered:
		h.gone[l.node] = time.Now()
	default: // it was never taken
	}
	for node, at := range h.gone { // nodes that never came back
		if time.Since(at) > forgetGone {
			delete(h.gone, node)
		}
	}
	h.mu.Unlock()
	close(l.ended)
}

// enroll puts the node into the pool, with this broker as the one that has its link.
func (h *Hub) enroll(ctx context.Context, r signaling.Register) (pool.Registration, error) {
	if h.Prepare != nil {
		if err := h.Prepare(ctx); err != nil {
			return pool.Registration{}, err
		}
	}
	if err := h.Pool.Link(ctx, r.Node.ID, h.name); err != nil {
		return pool.Registration{}, err
	}
	if o, ok := h.Overrides[r.Node.ID]; ok {
		if o.Capacity != nil {
			if more := Exceeds(*o.Capacity, r.Node.Capacity); more != "" && h.refused.first(string(r.Node.ID)+" "+more, time.Now()) {
				h.Log.Warn("the sites file offers more of a node than it has", "node", r.Node.ID, "reason", more)
			}
		}
		r.Node = o.Apply(r.Node)
	}
	return h.Pool.Register(ctx, r.Node, r.Epoch, r.Ledger)
}

// differs says whether an operator has a node otherwise than it says of itself.
func differs(has, says signaling.Node) bool {
	return has.ID != "" && (has.State != says.State || has.Capacity != says.Capacity || has.Zone != says.Zone || has.DistanceMs != says.DistanceMs ||
		!slices.Equal(has.Types, says.Types))
}

// read takes the edge's messages until the link ends, and returns why.
func (l *link) read() error {
	for {
		var c signaling.Control
		err := l.conn.Receive(&c)
		var malformed *signaling.MessageError
		if errors.As(err, &malformed) {
			l.complain(&signaling.Problem{Code: signaling.ProblemBadRequest, Title: "message could not be read", Detail: err.Error()})
			continue
		}
		if err != nil {
			return err
		}
		l.handle(c)
	}
}

// handle takes one message. What is for the pool is left to keepReports, so that signalling never waits for Redis.
func (l *link) handle(c signaling.Control) {
	switch {
	case c.Type == signaling.ControlHeartbeat && c.Heartbeat != nil:
		l.reports.beat(c.Heartbeat)
	case c.Type == signaling.ControlUpdate && c.Update != nil:
		if !l.reports.update(*c.Update) {
			l.hub.Log.Error("update lost: too many wait for Redis", "node", l.node, "task", c.Update.Task)
		}
	case c.Type == signaling.ControlConfirm || c.Type == signaling.ControlRefuse || c.Type == signaling.ControlThumbnail:
		l.hub.answered(l.node, c)
	case c.Type == signaling.ControlRelay && c.Relay != nil:
		l.hub.answered(l.node, c)
	case c.Type == signaling.ControlAccept && c.Accept != nil:
		l.accepted(c.ID, *c.Accept)
	case c.Type == signaling.ControlForward && c.Forward != nil:
		l.forwarded(c.ID, *c.Forward)
	case c.Type == signaling.ControlView && c.View != nil:
		l.views.put(*c.View)
	case c.Type == signaling.ControlMoved && c.Moved != nil:
		l.moved(*c.Moved)
	case c.Type == signaling.ControlError && c.Problem != nil:
		l.hub.Log.Warn("an edge reports a problem", "node", l.node, "code", c.Problem.Code, "title", c.Problem.Title)
	default:
		l.complain(&signaling.Problem{Code: signaling.ProblemUnsupported, Title: fmt.Sprintf("message of type %.40q is not understood here", string(c.Type))})
	}
}

func (l *link) complain(p *signaling.Problem) {
	_ = l.conn.Send(signaling.Control{Type: signaling.ControlError, Problem: p}) // read tells when the link has ended
}

// end tells everyone who used the link that it is gone. Until that is done the node gets no other link here, so that
// what the pool is told comes in order. It says whether the node has no link at another broker either.
func (l *link) end() bool {
	defer l.hub.drop(l)
	l.hub.linkLost(l)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.hub.ctx), poolWithin)
	defer cancel()
	broker, err := l.hub.Pool.Linked(ctx, l.node)
	if err != nil || broker != l.hub.name {
		return false // it has a link at another broker by now, or Redis is away
	}
	if err := l.hub.Pool.Unlink(ctx, l.node, l.hub.name); err != nil {
		l.hub.Log.Warn("cannot take back an edge's link", "node", l.node, "error", err)
	}
	// Nothing new goes there until it comes back; a heartbeat over another link says otherwise at once.
	if err := l.hub.Pool.SetState(ctx, l.node, signaling.NodeStarting); err != nil && !errors.Is(err, pool.ErrUnknownNode) {
		l.hub.Log.Warn("cannot note that an edge is gone", "node", l.node, "error", err)
	}
	return true
}
