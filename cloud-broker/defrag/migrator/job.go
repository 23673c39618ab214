package migrator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// Stage is how far a move has come.
type Stage int

// The stages.
const (
	Waiting    Stage = iota // for room, or its turn; nothing is reserved
	Handing                 // the target is reserved, and gets the task
	Committing              // the task goes on there; the reservation is not known to be its place yet
	Unwinding               // the reservation is being given up
)

func (s Stage) String() string {
	return [...]string{"waits for room", "is handed over", "goes on at the target", "is given up"}[s]
}

// job is a move.
type job struct {
	task   Task // as it was when the target was looked at last
	reason Reason
	fixed  signaling.NodeID // the target of one's choice
	target signaling.NodeID
	tried  []signaling.NodeID // targets that were given up
	failed int                // handovers that did not succeed
	state  Stage
	why    string    // it waits
	due    time.Time // Step has something to do
	end    time.Time // of the commit's patience
	began  time.Time
	ended  bool

	move int64 // number of its reservation
	held bool  // something is reserved, or may be
	told bool  // the monitor knows of it
	stop bool  // the mover is to be stopped once it is known that the task has not moved
	// What follows once nothing is held: a report, or, where out is empty, another target after a pause.
	out   Outcome
	then  string
	pause time.Duration
}

// try looks for a target, tests its room, reserves, and begins the handover.
func (m *Migrator) try(ctx context.Context, j *job, now time.Time) {
	from := j.task.Node
	t, err := m.out.Tasks.Task(ctx, j.task.ID)
	switch {
	case errors.Is(err, ErrEnded):
		m.end(j, Ended, err.Error(), now)
		return
	case errors.Is(err, ErrFixed):
		m.end(j, Stays, err.Error(), now)
		return
	case err != nil:
		m.later(j, m.config.Retry, err.Error(), now)
		return
	case from != "" && t.Node != from:
		m.end(j, Other, fmt.Sprintf("it is on %s already", t.Node), now)
		return
	}
	j.task = t
	info := m.info(ctx, t, now)
	if j.target == "" && !m.choose(ctx, j, info, now) {
		return
	}
	n, err := m.out.Nodes.Node(ctx, j.target)
	if err == nil && !n.Takes {
		err = fmt.Errorf("%s takes no tasks", j.target)
	}
	if err != nil {
		m.next(ctx, j, err.Error(), now)
		return
	}
	if why := short(t, info, n); why != "" {
		m.noRoom(ctx, j, n, why, now)
		return
	}
	m.reserve(ctx, j, n, info, now)
}

// info is a task's run information. A task that has outrun its prediction is predicted again, and where nothing is known it is
// taken to go on for as long as it has run; a lost one counts as having run until now.
func (m *Migrator) info(ctx context.Context, t Task, now time.Time) Info {
	i := Info{Ran: max(0, now.Sub(t.Started)), Past: t.Past}
	if i.Left = t.Predicted - i.Ran; i.Left <= 0 {
		var known bool
		if i.Left, known = m.out.Predictor.Left(ctx, t.ID, i.Ran); !known || i.Left <= 0 {
			i.Left = i.Ran
		}
	}
	for k := range i.Rate {
		if i.Ran > 0 {
			i.Rate[k] = t.Past[k] / i.Ran.Seconds()
		}
		if !(i.Rate[k] >= 0) || math.IsInf(i.Rate[k], 1) { // a past that cannot be counts as all that the task has
			i.Rate[k] = float64(t.Has[k])
		}
		i.Need[k] = i.Rate[k] * i.Left.Seconds()
	}
	return i
}

// short says why a target has no room for a task; empty where it has: what the task holds is free there, and the target's free
// total is not below its need.
func short(t Task, i Info, n Node) string {
	if t.Shadow == n.ID {
		n.Free = n.Free.Add(t.Kept)
		for k, kept := range t.Kept {
			if kept > 0 {
				n.Room[k] += float64(kept) * n.Lasts
			}
		}
	}
	for k := range nodetime.Kinds {
		if t.Has[k] > n.Free[k] {
			return fmt.Sprintf("%s has %d of %v free, the task has %d", n.ID, n.Free[k], k, t.Has[k])
		}
		if i.Need[k] > n.Room[k] {
			return fmt.Sprintf("%s has %.4g of %v free in all, the task needs %.4g for the %v that are left (amount times seconds)",
				n.ID, n.Room[k], k, i.Need[k], i.Left)
		}
	}
	return ""
}

// choose gives a move its target; false where there is none now.
func (m *Migrator) choose(ctx context.Context, j *job, info Info, now time.Time) bool {
	if j.fixed != "" {
		if j.fixed == j.task.Node {
			m.end(j, Stays, "it is there already", now)
			return false
		}
		j.target = j.fixed
		return true
	}
	all, err := m.out.Chooser.Targets(ctx, j.task, info.Need, j.reason)
	if errors.Is(err, ErrFixed) {
		m.end(j, Stays, err.Error(), now)
		return false
	}
	if err != nil {
		m.later(j, m.config.Retry, err.Error(), now)
		return false
	}
	for _, n := range all {
		if n != j.task.Node && !slices.Contains(j.tried, n) {
			j.target = n
			return true
		}
	}
	why := "no other node can take it"
	if len(j.tried) > 0 && j.why != "" {
		why = fmt.Sprintf("no other node can take it; last: %s", j.why)
	}
	if j.reason.urgent() {
		j.tried = nil // all of them again, a little later
		m.later(j, m.again(j), why, now)
		return false
	}
	m.end(j, Stays, why, now)
	return false
}

// again is when an urgent move looks at all targets anew: soon where they had no room, and ever later where handovers fail, each of
// which the terminal takes part in.
func (m *Migrator) again(j *job) time.Duration {
	if j.failed == 0 {
		return m.config.Retry
	}
	return min(m.config.Retry<<min(j.failed, 20), m.config.Wait)
}

// later lets a move wait for something else than room, in all no longer than W-g.
func (m *Migrator) later(j *job, d time.Duration, why string, now time.Time) {
	j.why = why
	if now.Sub(j.began) >= m.config.GiveUp {
		m.end(j, Stays, why, now)
		return
	}
	j.due = now.Add(d)
}

// noRoom lets a move wait W-f for its target, at least the target's circulation period, and gives it up when W-g has passed in
// all; an urgent one gives it up at once.
func (m *Migrator) noRoom(ctx context.Context, j *job, n Node, why string, now time.Time) {
	wait := max(m.config.Wait, n.Period)
	end := j.began.Add(max(m.config.GiveUp, wait))
	if j.reason.urgent() || !now.Before(end) {
		m.next(ctx, j, why, now)
		return
	}
	j.why, j.due = why, now.Add(wait)
	if j.due.After(end) {
		j.due = end
	}
}

// reserve holds room on the target and begins the handover.
func (m *Migrator) reserve(ctx context.Context, j *job, n Node, info Info, now time.Time) {
	m.last++
	j.move, j.held = m.last, true
	err := m.out.Reserver.Reserve(ctx, m.hold(j), j.task)
	for _, no := range []error{ErrNoRoom, ErrLost, ErrMoving, ErrEnded} {
		if errors.Is(err, no) {
			j.held = false
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrNoRoom):
		m.noRoom(ctx, j, n, err.Error(), now)
		return
	case errors.Is(err, ErrLost):
		m.next(ctx, j, err.Error(), now)
		return
	case errors.Is(err, ErrMoving):
		m.end(j, Other, err.Error(), now)
		return
	case errors.Is(err, ErrEnded):
		m.end(j, Ended, err.Error(), now)
		return
	case now.Sub(j.began) >= m.config.GiveUp:
		m.unwind(ctx, j, Stays, err.Error(), now)
		return
	default: // whether it is held is not known: it is given up, and tried again
		j.pause = m.config.Retry
		m.unwind(ctx, j, "", err.Error(), now)
		return
	}
	m.out.Monitor.Reserved(j.target, j.task.Has)
	j.told = true
	j.state, j.due, j.why = Handing, now.Add(m.config.Handover), ""
	if err := m.out.Mover.Begin(ctx, Handover{Task: j.task, Info: info, Reason: j.reason, To: j.target}); err != nil {
		m.next(ctx, j, err.Error(), now)
	}
}

func (m *Migrator) hold(j *job) Hold { return Hold{m.out.Owner, j.move, j.task.ID, j.target} }

// next gives a target up: for another one, or for good.
func (m *Migrator) next(ctx context.Context, j *job, why string, now time.Time) {
	if j.state == Unwinding {
		return
	}
	j.why = why
	if j.state != Waiting {
		j.failed++
	}
	if j.reason == Lost {
		j.fixed = "" // where it was wanted does not matter any more: it has no place to stay
	}
	if !j.reason.urgent() && (!m.config.Elsewhere || j.fixed != "") {
		m.unwind(ctx, j, Stays, why, now)
		return
	}
	if j.fixed == "" {
		j.tried = append(j.tried, j.target)
	}
	m.unwind(ctx, j, "", why, now)
}

// unwind gives up what is held; then it reports, or, without an outcome, looks for another target.
func (m *Migrator) unwind(ctx context.Context, j *job, out Outcome, why string, now time.Time) {
	j.out, j.then = out, why
	switch j.state {
	case Handing:
		m.out.Mover.Stop(ctx, j.task.ID, j.target)
	case Committing: // it may have moved
		j.stop = true
	}
	j.state = Unwinding
	m.release(ctx, j, now)
}

// release gives the reservation up, again and again until it is known to be.
func (m *Migrator) release(ctx context.Context, j *job, now time.Time) {
	var err error
	if j.held {
		err = m.out.Reserver.Release(ctx, m.hold(j), j.then)
	}
	switch {
	case err == nil:
		m.unwound(ctx, j, now)
	case errors.Is(err, ErrCommitted):
		m.end(j, Moved, "", now)
	default:
		j.why, j.due = err.Error(), now.Add(m.config.Retry)
	}
}

// unwound does what follows when nothing is held any more.
func (m *Migrator) unwound(ctx context.Context, j *job, now time.Time) {
	if j.told {
		m.out.Monitor.Released(j.target, j.task.Has)
	}
	if j.stop {
		m.out.Mover.Stop(ctx, j.task.ID, j.target)
	}
	j.held, j.told, j.stop = false, false, false
	if j.out != "" {
		m.end(j, j.out, j.then, now)
		return
	}
	j.state, j.target, j.why, j.due, j.pause = Waiting, "", j.then, now.Add(j.pause), 0
}

// commit makes the reservation the task's place. It is asked again where the answer was lost; when that takes too long the
// reservation is given up, by which it turns out whether it was its place already.
func (m *Migrator) commit(ctx context.Context, j *job, now time.Time) {
	switch err := m.out.Reserver.Commit(ctx, m.hold(j)); {
	case err == nil:
		m.end(j, Moved, "", now)
	case errors.Is(err, ErrEnded):
		m.unwind(ctx, j, Ended, err.Error(), now)
	case errors.Is(err, ErrLost) || !now.Before(j.end):
		m.next(ctx, j, err.Error(), now)
	default:
		j.why, j.due = err.Error(), now.Add(m.config.Retry)
	}
}
