package control

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// contestsAtOnce bounds the inquiries of other brokers that are answered at a time.
const contestsAtOnce = 64

// contest asks the broker that holds a node's link, or answers it, whether that link lives: another edge wants it.
type contest struct {
	ID       string `json:"id"` // begins with the broker that asks
	Instance string `json:"instance,omitempty"`
	// Lives is the answer; nil in a question.
	Lives *bool `json:"lives,omitempty"`
}

// yields says whether old makes room for a link of the same node: it is of the same run of the edge, which has come
// back, or it does not show that it lives. Then it is closed, and has ended when yields returns.
func (h *Hub) yields(old *link, instance string) bool {
	if same := instance != "" && old.instance == instance; !same && old.conn.Probe(probeWithin) {
		return false
	}
	h.Log.Info("a link is replaced by a new one of the same node", "node", old.node)
	old.comeBack(websocket.CloseGoingAway, "replaced")
	<-old.ended
	return true
}

// livesElsewhere says whether another broker has a link to the node that lives, and is not of the same run of the edge. One
// that is dead, or of the same run, is closed there. A broker that does not answer is taken to be gone.
func (h *Hub) livesElsewhere(ctx context.Context, node signaling.NodeID, instance string) bool {
	broker, err := h.Pool.Linked(ctx, node)
	if err != nil || broker == h.name {
		return false
	}
	c := contest{ID: h.newName("q"), Instance: instance}
	answer := make(chan bool, 1)
	h.mu.Lock()
	h.contests[c.ID] = answer
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.contests, c.ID)
		h.mu.Unlock()
	}()
	b, err := json.Marshal(letter{Contest: &c})
	if err != nil || h.Pool.PublishTo(ctx, node, b) != nil {
		return false
	}
	late := time.NewTimer(probeWithin + time.Second)
	defer late.Stop()
	select {
	case lives := <-answer:
		return lives
	case <-late.C:
	case <-ctx.Done():
	}
	return false
}

// contested takes another broker's question or answer about node's link.
func (h *Hub) contested(node signaling.NodeID, c contest) {
	if c.Lives != nil {
		h.mu.Lock()
		answer := h.contests[c.ID]
		h.mu.Unlock()
		if answer != nil {
			select {
			case answer <- *c.Lives:
			default: // a second answer
			}
		}
		return
	}
	broker, _, ok := strings.Cut(c.ID, "/")
	if !ok || !h.enter() {
		return
	}
	select {
	case h.answering <- struct{}{}:
	default: // the one who asks takes no answer for a no
		h.wait.Done()
		return
	}
	go func() {
		defer h.wait.Done()
		defer func() { <-h.answering }()
		h.mu.Lock()
		old := h.links[node]
		h.mu.Unlock()
		lives := old != nil && !h.yields(old, c.Instance)
		c.Lives = &lives
		h.answerContest(broker, node, c)
	}()
}

func (h *Hub) answerContest(broker string, node signaling.NodeID, c contest) {
	b, err := json.Marshal(letter{From: node, Contest: &c})
	if err == nil {
		ctx, cancel := context.WithTimeout(h.ctx, poolWithin)
		defer cancel()
		err = h.Pool.Publish(ctx, broker, b)
	}
	if err != nil {
		h.Log.Warn("another broker's question could not be answered", "node", node, "error", err)
	}
}
