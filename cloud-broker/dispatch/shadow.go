package dispatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// viewMs is how often an edge tells the view of a session at most, milliseconds, so that the session can go on
	// elsewhere; shadowedViewMs the same where a shadow keeps in step.
	viewMs         = 5000
	shadowedViewMs = 500
	// shadowsWanted bounds the sessions that wait for a shadow at this broker, shadowAgain is when one that got none is
	// looked at again.
	shadowsWanted = 4096
	shadowAgain   = 10 * time.Second
	shadowLook    = time.Second
)

// shadows are the sessions that want a shadow and have none, as far as this broker knows. It gets them one beside the
// requests, and another one where one is lost (A12).
type shadows struct {
	d    *Dispatcher
	wake chan struct{}

	mu     sync.Mutex
	wanted map[signaling.TaskID]*wish
}

// wish is a session's wish for a shadow.
type wish struct {
	within []string // zones that its data must not leave
	next   time.Time
	anew   bool // noted again while it was looked at: what was found then may be gone already
}

func newShadows(d *Dispatcher) *shadows {
	return &shadows{d: d, wake: make(chan struct{}, 1), wanted: map[signaling.TaskID]*wish{}}
}

// want notes that a session may want a shadow. within are the zones that its data must not leave, where the one who says
// so knows them.
func (s *shadows) want(id signaling.TaskID, within []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.wanted[id]; w != nil {
		if w.within == nil {
			w.within = within
		}
		w.anew, w.next = true, time.Time{}
	} else if len(s.wanted) < shadowsWanted {
		s.wanted[id] = &wish{within: within}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run gets the sessions their shadows until ctx ends.
func (s *shadows) run(ctx context.Context) error {
	tick := time.NewTicker(shadowLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
		for id, w := range s.due(time.Now()) {
			if ctx.Err() != nil {
				return nil
			}
			if s.d.shadow(ctx, id, w.within) {
				s.fulfilled(id)
			}
		}
	}
}

// fulfilled forgets a wish, unless it was noted again meanwhile.
func (s *shadows) fulfilled(id signaling.TaskID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.wanted[id]; w != nil && !w.anew {
		delete(s.wanted, id)
	}
}

// due are the wishes to look at now; they are looked at again later if they stay.
func (s *shadows) due(now time.Time) map[signaling.TaskID]wish {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[signaling.TaskID]wish{}
	for id, w := range s.wanted {
		if !now.Before(w.next) {
			w.next, w.anew = now.Add(shadowAgain), false
			out[id] = *w
		}
	}
	return out
}

// shadow gets a session its shadow, or has it take over from a lost edge, and says whether that is done with: the session
// has one, or needs none any more.
func (d *Dispatcher) shadow(ctx context.Context, id signaling.TaskID, within []string) (done bool) {
	t, err := d.Pool.Task(ctx, id)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return true
	case err != nil:
		return false
	case t.State.Ended():
		return true
	case t.Attempt == nil && t.Shadow != nil: // its edge is lost
		_, err := d.promote(ctx, t, Renewal{})
		return err == nil && !t.Request.Shadow
	case t.Shadow != nil || !t.Request.Shadow:
		return true
	case t.Attempt == nil || t.State == signaling.TaskPlacing || t.Moves != nil: // which gets one when it has moved
		return false
	}
	w, err := d.leaving(&t)
	if err != nil {
		return true
	}
	if within != nil {
		w.within = within
	}
	fit, _ := d.Snapshot.Candidates(d.search(&t.Request, &w, []signaling.NodeID{t.Attempt.Node}), candidatesAtOnce)
	fit = slices.DeleteFunc(fit, func(c placement.Candidate) bool { return c.Node == t.Attempt.Node })
	if len(fit) == 0 {
		return false
	}
	ids := make([]signaling.NodeID, len(fit))
	for i, c := range fit {
		ids[i] = c.Node
	}
	r, err := d.Pool.ClaimShadow(ctx, id, ids, t.Request.Needs(), claimLease)
	if err != nil {
		if !errors.Is(err, pool.ErrNoneFits) {
			d.Log.Info("no shadow could be claimed", "task", id, "reason", err)
		}
		return errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrEnded)
	}
	if err := d.instructShadow(ctx, t, r); err != nil {
		d.Log.Warn("a node did not take a shadow", "task", id, "node", r.Attempt.Node, "reason", err)
		if err := d.Pool.DropShadow(ctx, id, "node "+string(r.Attempt.Node)+" "+inWords(err)); err != nil {
			d.Log.Warn("a shadow could not be dropped", "task", id, "error", err)
		}
		d.tell(ctx, r.Attempt.Node, signaling.Release{Task: id, Attempt: r.Attempt.ID, Fencing: r.Attempt.Fencing + 1, Reason: "not confirmed in time"})
		return false
	}
	d.Log.Info("a session has a shadow", "task", id, "node", r.Attempt.Node)
	return true
}

// instructShadow has an edge load a session's study and keep its view, and notes that it does.
func (d *Dispatcher) instructShadow(ctx context.Context, t signaling.Task, r signaling.Reservation) error {
	i, err := d.instruction(&t.Request, t.Creator, r)
	if err != nil {
		return err
	}
	i.ViewMs = shadowedViewMs
	return d.stand(ctx, t.ID, r, i)
}

// Viewed keeps the view state of a session, and passes it to its shadow.
func (d *Dispatcher) Viewed(ctx context.Context, node signaling.NodeID, v signaling.ViewReport) {
	if len(v.View) == 0 || len(v.View) > signaling.MaxViewReport {
		return
	}
	t, err := d.Pool.Task(ctx, v.Task)
	if err != nil || t.Attempt == nil || t.Attempt.Node != node || t.Attempt.ID != v.Attempt {
		return // it has ended, or is elsewhere by now
	}
	if err := d.Pool.KeepView(ctx, v); err != nil {
		d.Log.Warn("the view of a session could not be kept", "task", v.Task, "error", err)
	}
	switch s := standbyOf(&t); {
	case s != nil:
		v.Attempt = s.ID
		if err := d.Edges.View(ctx, s.Node, v); err != nil {
			d.Log.Debug("a standby could not be told the view", "task", v.Task, "reason", err)
		}
	case t.Request.Shadow:
		d.wantShadow(t)
	}
}

// wantShadow has a session that has lost its shadow get another.
func (d *Dispatcher) wantShadow(t signaling.Task) {
	w := d.locate(Terminal{Zone: t.Request.Zone}, &t.Request)
	if t.State.Ended() || t.Shadow != nil || t.Moves != nil || !w.shadows(&t.Request) {
		return
	}
	d.shadows.want(t.ID, w.within)
}
