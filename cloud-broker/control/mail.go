package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// letter is a control message between brokers: for a node that the other one has the link of, or from a node for
// whoever waits at the other one.
type letter struct {
	From    signaling.NodeID  `json:"from,omitempty"`
	Control signaling.Control `json:"control"`
	// Contest is set where it is about the link itself.
	Contest *contest `json:"contest,omitempty"`
}

// post sends a message to whichever broker has node's link.
func (h *Hub) post(ctx context.Context, node signaling.NodeID, c signaling.Control) error {
	b, err := json.Marshal(letter{Control: c})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	err = h.Pool.PublishTo(ctx, node, b)
	if errors.Is(err, pool.ErrNoLink) {
		return fmt.Errorf("%w of node %s", ErrNoLink, node)
	}
	return err
}

// forward sends what node answered to the broker that waits for it.
func (h *Hub) forward(broker string, node signaling.NodeID, c signaling.Control) {
	b, err := json.Marshal(letter{From: node, Control: c})
	if err == nil {
		ctx, cancel := context.WithTimeout(h.ctx, poolWithin)
		defer cancel()
		err = h.Pool.Publish(ctx, broker, b)
	}
	if err != nil {
		h.Log.Warn("a message to another broker was lost", "node", node, "type", c.Type, "error", err)
	}
}

// receive takes what other brokers send until the hub is closed.
func (h *Hub) receive(mail *pool.Subscription) {
	defer mail.Close()
	for {
		select {
		case <-h.ctx.Done():
			return
		case m, ok := <-mail.Messages():
			if !ok {
				return
			}
			var l letter
			if err := json.Unmarshal(m.Payload, &l); err != nil {
				h.Log.Warn("a message of another broker could not be read", "error", err)
				continue
			}
			switch {
			case l.Contest != nil && m.Node == "":
				h.contested(l.From, *l.Contest)
			case l.Contest != nil:
				h.contested(m.Node, *l.Contest)
			case m.Node == "":
				h.deliver(l.From, l.Control)
			default:
				h.pass(m.Node, l.Control)
			}
		}
	}
}

// pass hands another broker's message to a node that is linked here. Where the link has just ended, the sender's
// time limit tells it.
func (h *Hub) pass(node signaling.NodeID, c signaling.Control) {
	h.mu.Lock()
	l := h.links[node]
	h.mu.Unlock()
	if l != nil {
		l.pass(c)
	}
}
