package control

import (
	"context"
	"errors"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// maxPending bounds the updates of one edge that wait for Redis to come back.
const maxPending = 1024

// reports are what an edge has told and the pool has not been told yet: every update, and the newest heartbeat.
type reports struct {
	wake chan struct{}

	mu      sync.Mutex
	updates []signaling.Update
	newest  *signaling.Heartbeat
}

func newReports() reports { return reports{wake: make(chan struct{}, 1)} }

func (r *reports) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reports) beat(h *signaling.Heartbeat) {
	r.mu.Lock()
	r.newest = h
	r.mu.Unlock()
	r.ring()
}

// update adds an update; it says false where too many wait already.
func (r *reports) update(u signaling.Update) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.updates) >= maxPending {
		return false
	}
	r.updates = append(r.updates, u)
	r.ring()
	return true
}

// first is the oldest update, if there is one; the newest heartbeat is taken only behind all updates.
func (r *reports) first() (u signaling.Update, ok bool, h *signaling.Heartbeat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.updates) > 0 {
		return r.updates[0], true, nil
	}
	h, r.newest = r.newest, nil
	return u, false, h
}

func (r *reports) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.updates = r.updates[1:]
}

// keepReports tells the pool what the edge reports, in order, until the link has ended and all is told. Where Redis is
// away it tries again with the next report.
func (l *link) keepReports() {
	for {
		select {
		case <-l.reports.wake:
			l.flush()
		case <-l.conn.Done():
			l.flush() // what an edge that stops has told last
			return
		}
	}
}

func (l *link) flush() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.hub.ctx), poolWithin)
	defer cancel()
	for {
		u, ok, h := l.reports.first()
		switch {
		case ok:
			if !l.update(ctx, u) {
				return
			}
			l.reports.done()
		case h != nil:
			l.heartbeat(ctx, h)
		default:
			return
		}
	}
}

// update says whether an update is done with: kept by the pool, or of no use to it.
func (l *link) update(ctx context.Context, u signaling.Update) bool {
	var standby *signaling.Attempt
	away, err := l.hub.settle(ctx, func() error {
		var err error
		standby, err = l.hub.Pool.Report(ctx, l.node, u)
		return err
	})
	switch {
	case away:
		l.hub.Log.Warn("update waits for Redis", "node", l.node, "task", u.Task, "error", err)
		return false
	case err != nil:
		l.hub.Log.Info("update ignored", "node", l.node, "task", u.Task, "state", u.State, "reason", err)
	default:
		l.hub.Log.Debug("update", "node", l.node, "task", u.Task, "state", u.State)
		if u.State.Ended() {
			l.hub.desk.Ended(ctx, l.node, u, standby)
		}
	}
	return true
}

// heartbeat renews the node. Where the pool has forgotten it or an attempt of it (Redis came back empty), the link is
// ended so that the edge registers again with its ledger as it is then; while Redis is away the link goes on.
func (l *link) heartbeat(ctx context.Context, h *signaling.Heartbeat) {
	err := l.hub.Pool.Heartbeat(ctx, l.node, *h)
	l.hub.desk.Measured(ctx, l.node, h.Rates)
	strayed := l.strayed
	l.strayed = false
	switch {
	case err == nil:
		return
	case !errors.Is(err, pool.ErrUnknownNode):
		l.hub.Log.Warn("heartbeat not kept", "node", l.node, "error", err)
		return
	case !strayed && l.hub.Pool.Heartbeat(ctx, l.node, withoutAttempts(*h)) == nil:
		// The node is known, one of its attempts is not. Most often the attempt was released while the heartbeat was
		// under way; only one that is still there next time has to be made clear.
		l.strayed = true
		return
	}
	l.hub.Log.Info("an edge has to register again", "node", l.node, "reason", err)
	l.comeBack(websocket.CloseServiceRestart, "register again")
}

func withoutAttempts(h signaling.Heartbeat) signaling.Heartbeat {
	h.Attempts = nil
	return h
}

// settle does something in the pool and says, where that fails, whether Redis is away (so that it may succeed later) or
// has refused it.
func (h *Hub) settle(ctx context.Context, do func() error) (away bool, err error) {
	for range 2 { // Redis may have come back between the failure and the question whether it is there
		if err = do(); err == nil || errors.Is(err, pool.ErrNotFound) {
			return false, err
		}
		if h.Pool.Ping(ctx) != nil {
			return true, err
		}
	}
	return false, err
}
