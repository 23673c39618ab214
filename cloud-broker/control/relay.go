package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/tomocast/tomocast/signaling"
)

// What one terminal may send to its edge: offers and candidates come in bursts, and seldom.
const (
	relayPerSecond = 30
	relayBurst     = 200
)

// terminal is a terminal's signalling connection on its way to an edge.
type terminal struct {
	node signaling.NodeID
	conn *signaling.Conn

	once sync.Once
	over chan struct{} // closed when the connection shall be closed
	code int
	last *signaling.Problem // sent before; nil where nothing is wrong
}

// finish has the connection closed, after p where it is not nil. It does not wait.
func (t *terminal) finish(code int, p *signaling.Problem) {
	t.once.Do(func() {
		t.code, t.last = code, p
		close(t.over)
	})
}

// closeWhenOver closes the connection after finish, or when it has ended by itself.
func (t *terminal) closeWhenOver() {
	select {
	case <-t.conn.Done():
		return
	case <-t.over:
	}
	reason := ""
	if t.last != nil {
		reason = t.last.Title
		_ = t.conn.Send(signaling.Signal{Type: signaling.SignalError, Problem: t.last})
	}
	t.conn.Close(t.code, reason)
}

// Relay joins a terminal's connection to the edge that runs attempt, starting with its first message, until either
// side ends. It closes conn, and returns why it ended.
func (h *Hub) Relay(ctx context.Context, node signaling.NodeID, attempt signaling.AttemptID, conn *signaling.Conn, first json.RawMessage) error {
	if !h.enter() {
		conn.Close(websocket.CloseServiceRestart, "the broker shuts down")
		return errors.New("the broker shuts down")
	}
	defer h.wait.Done()

	name := h.newName("c")
	t := &terminal{node: node, conn: conn, over: make(chan struct{})}
	stop := context.AfterFunc(h.ctx, func() { t.finish(websocket.CloseServiceRestart, nil) })
	defer stop()
	h.mu.Lock()
	h.terminals[name] = t
	h.mu.Unlock()
	var closer sync.WaitGroup
	closer.Go(t.closeWhenOver)
	defer func() {
		h.mu.Lock()
		delete(h.terminals, name)
		h.mu.Unlock()
		t.finish(websocket.CloseNormalClosure, nil)
		closer.Wait()
		conn.Close(websocket.CloseNormalClosure, "")
	}()

	send := func(r signaling.Relay) error {
		_, err := h.send(ctx, node, signaling.Control{Type: signaling.ControlRelay, Relay: &r})
		return err
	}
	if err := send(signaling.Relay{Connection: name, Attempt: attempt, Signal: first}); err != nil {
		h.unreached(t)
		return err
	}
	err := h.pump(ctx, t, func(signal json.RawMessage) error {
		return send(signaling.Relay{Connection: name, Signal: signal})
	})
	_ = send(signaling.Relay{Connection: name, Closed: true}) // an edge that is gone needs no telling
	return err
}

var edgeLost = &signaling.Problem{
	Code: signaling.ProblemEdgeLost, Title: "The edge that ran the session is gone.",
	Detail: "Ask for a new place for the task.",
}

// unreached closes a terminal's connection whose edge has no link.
func (h *Hub) unreached(t *terminal) {
	if h.Lost(t.node) {
		t.finish(websocket.CloseTryAgainLater, edgeLost)
		return
	}
	t.finish(websocket.CloseTryAgainLater, nil)
}

// pump takes the terminal's messages to the edge until its connection ends.
func (h *Hub) pump(ctx context.Context, t *terminal, send func(json.RawMessage) error) error {
	limit := rate.NewLimiter(relayPerSecond, relayBurst)
	for {
		var signal json.RawMessage
		err := t.conn.Receive(&signal)
		var malformed *signaling.MessageError
		if errors.As(err, &malformed) {
			t.finish(websocket.CloseInvalidFramePayloadData, &signaling.Problem{
				Code: signaling.ProblemBadRequest, Title: "A signalling message could not be read.", Detail: err.Error(),
			})
			return err
		}
		if err != nil {
			return err
		}
		if err := limit.Wait(ctx); err != nil {
			return err
		}
		if err := send(signal); err != nil {
			h.unreached(t)
			return fmt.Errorf("relay to edge: %w", err)
		}
	}
}

// fromEdge passes an edge's message on, or its wish to close.
func (t *terminal) fromEdge(r *signaling.Relay) {
	if len(r.Signal) > 0 {
		_ = t.conn.SendRaw(r.Signal) // its pump tells when it has ended
	}
	if r.Closed {
		t.finish(websocket.CloseNormalClosure, nil)
	}
}

// linkLost ends the terminal connections that went over l: those here, and those at other brokers. No error is
// told, since their sessions may well go on.
func (h *Hub) linkLost(l *link) {
	h.mu.Lock()
	for _, t := range h.terminals {
		if t.node == l.node {
			t.finish(websocket.CloseTryAgainLater, nil)
		}
	}
	h.mu.Unlock()
	l.mu.Lock()
	foreign := l.foreign
	l.foreign = map[string]bool{}
	l.mu.Unlock()
	for name := range foreign {
		h.answered(l.node, signaling.Control{Type: signaling.ControlRelay, Relay: &signaling.Relay{Connection: name, Closed: true}})
	}
}
