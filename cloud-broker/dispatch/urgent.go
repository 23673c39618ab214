package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// idleLooked is how many idle sessions are looked at for one that can make room, reachLooked how many of the nearest
	// nodes may be theirs, and preemptions how many are ended for one task at most: others may be quicker to the room.
	idleLooked  = 64
	reachLooked = 256
	preemptions = 2
)

// preempt ends the session that has been idle for longest and whose place an urgent task fits into, and places the task
// there. It is errFull where there is none.
func (d *Dispatcher) preempt(ctx context.Context, j *job) (signaling.Grant, error) {
	idle, err := d.Pool.Idle(ctx, signaling.IdleAfter*time.Millisecond, idleLooked)
	if err != nil {
		d.Log.Warn("idle sessions could not be read", "error", err)
		return signaling.Grant{}, errFull
	}
	if len(idle) == 0 {
		return signaling.Grant{}, errFull
	}
	// What the nodes have free does not matter, but all else does.
	q := d.search(&j.request, &j.where, j.exclude)
	q.Needs = signaling.Resources{}
	near, _ := d.Snapshot.Candidates(q, reachLooked)
	reach := make(map[signaling.NodeID]placement.Candidate, len(near))
	for _, c := range near {
		reach[c.Node] = c
	}
	ended := 0
	for _, s := range idle {
		c, ok := reach[s.Node]
		if !ok || ended == preemptions || !d.makesRoom(j, s) {
			continue
		}
		t, err := d.Pool.Task(ctx, s.Task)
		if err != nil || t.Request.Urgent || t.State.Ended() || t.Attempt == nil || t.Attempt.ID != s.Attempt.ID {
			continue
		}
		if err := d.end(ctx, s, standbyOf(&t)); err != nil {
			return signaling.Grant{}, err
		}
		ended++
		c.Reasons = append([]string{fmt.Sprintf("nothing was free: a session there that had been idle for %s made room", s.Idle.Round(time.Second))}, c.Reasons...)
		j.behind = false
		g, err := d.claim(ctx, j, []placement.Candidate{c})
		if !errors.Is(err, pool.ErrNoneFits) && !errors.Is(err, errNext) {
			return g, err
		}
	}
	return signaling.Grant{}, errFull
}

// makesRoom says whether an urgent task fits where an idle session is, without it.
func (d *Dispatcher) makesRoom(j *job, s pool.IdleSession) bool {
	n, known := d.Snapshot.Get(s.Node)
	if !known || !j.request.Needs().Fits(n.Free.Add(s.Resources)) {
		return false
	}
	if len(n.GPUs) > 0 { // it must fit on the session's own GPU
		if s.Attempt.GPU >= len(n.FreeGPUs) {
			return false
		}
		g, needs := n.FreeGPUs[s.Attempt.GPU], j.request.Needs()
		if needs.GPUMemoryMB > g.MemoryMB+s.Resources.GPUMemoryMB || needs.GPUMilli > g.Milli+s.Resources.GPUMilli {
			return false
		}
	}
	return true
}

// end ends an idle session, whose terminal is told why, and its standby with it.
func (d *Dispatcher) end(ctx context.Context, s pool.IdleSession, standby *signaling.Attempt) error {
	reason := fmt.Sprintf("pre-empted: it had been idle for %s and made room for an urgent task", s.Idle.Round(time.Second))
	fencing, err := d.Pool.Release(ctx, s.Task, s.Attempt.ID, signaling.TaskExpired, reason, nil)
	if err != nil {
		return d.unavailable("end an idle session", err)
	}
	d.metrics.preemptions.Inc()
	d.Log.Info("an idle session made room for an urgent task", "task", s.Task, "node", s.Node, "idle", s.Idle)
	d.tell(ctx, s.Node, signaling.Release{
		Task: s.Task, Attempt: s.Attempt.ID, Fencing: fencing, State: signaling.TaskExpired, Reason: reason,
		Problem: &signaling.Problem{Code: signaling.ProblemPreempted, Title: "This session made room for an urgent one.",
			Detail: "It had had no input for a while. Ask for a place again when you go on."},
	})
	if standby != nil {
		d.tell(ctx, standby.Node, signaling.Release{Task: s.Task, Attempt: standby.ID, Fencing: fencing, State: signaling.TaskExpired, Reason: reason})
	}
	return nil
}

// tell has an edge let go of what it must not go on with. An edge without a link hears of it when it registers: its attempt
// is overruled.
func (d *Dispatcher) tell(ctx context.Context, node signaling.NodeID, r signaling.Release) {
	if node == "" {
		return
	}
	if err := d.Edges.Release(ctx, node, r); err != nil {
		d.Log.Info("an edge could not be told to let go of a task", "task", r.Task, "node", node, "reason", err)
	}
}
