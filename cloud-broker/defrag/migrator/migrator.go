package migrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Outside is what a migrator acts on and asks.
type Outside struct {
	Owner     string // names this broker, anew at each start
	Tasks     Tasks
	Nodes     Nodes
	Chooser   Chooser
	Reserver  Reserver
	Mover     Mover
	Monitor   Monitor
	Predictor Predictor
	Report    func(Report) // hears how every move ended but those that succeeded, of which the monitor tells
}

// Migrator moves tasks. One goroutine owns it; what it calls answers soon, and does not call it back before it has returned.
type Migrator struct {
	config Config
	out    Outside
	jobs   map[signaling.TaskID]*job
	order  []*job // as they were asked for
	last   int64  // reservation that was numbered last
}

// New is a migrator without moves.
func New(c Config, o Outside) (*Migrator, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("migration: %w", err)
	}
	return &Migrator{config: c, out: o, jobs: map[signaling.TaskID]*job{}}, nil
}

// Move moves a task, to a target of one's choice or, where it is empty, to the chooser's. It is refused where the task is being
// handed over by this broker already, or too many move; a move that only waits gives way to an urgent one, or one by hand.
func (m *Migrator) Move(ctx context.Context, id signaling.TaskID, why Reason, target signaling.NodeID, now time.Time) error {
	err := m.add(id, why, target, now)
	m.Step(ctx, now)
	return err
}

func (m *Migrator) add(id signaling.TaskID, why Reason, target signaling.NodeID, now time.Time) error {
	if old := m.jobs[id]; old != nil {
		if old.state != Waiting || (!why.urgent() && why != ByHand) {
			return fmt.Errorf("move %s: it moves already (%s)", id, old.reason)
		}
		m.end(old, Other, "it gives way to another move: "+string(why), now)
	}
	if len(m.jobs) >= m.config.Most {
		return fmt.Errorf("move %s: %d tasks move already; try again when some have", id, len(m.jobs))
	}
	j := &job{task: Task{ID: id}, reason: why, fixed: target, began: now, due: now}
	m.jobs[id] = j
	m.order = append(m.order, j)
	return nil
}

// Drain moves all tasks of a node away, because it is to be empty: Drain or Closing.
func (m *Migrator) Drain(ctx context.Context, node signaling.NodeID, why Reason, now time.Time) error {
	tasks, err := m.out.Nodes.Tasks(ctx, node)
	if err != nil {
		return fmt.Errorf("drain %s: %w", node, err)
	}
	var errs []error
	for _, task := range tasks {
		if j := m.jobs[task]; j == nil || j.state == Waiting && !j.reason.urgent() { // else it moves away already
			errs = append(errs, m.add(task, why, "", now))
		}
	}
	m.Step(ctx, now)
	return errors.Join(errs...)
}

// NodeLost moves the tasks of a node that is gone, and finds other targets for those that were on their way there.
func (m *Migrator) NodeLost(ctx context.Context, node signaling.NodeID, tasks []signaling.TaskID, now time.Time) error {
	for _, j := range slices.Clone(m.order) {
		if j.ended {
			continue
		}
		if j.task.Node == node || slices.Contains(tasks, j.task.ID) {
			j.reason = Lost // from now on it has no place to stay
			if j.state == Waiting {
				j.due = now
			}
		}
		if j.target == node {
			m.next(ctx, j, ErrLost.Error(), now)
		}
	}
	var errs []error
	for _, task := range tasks {
		if m.jobs[task] == nil {
			errs = append(errs, m.add(task, Lost, "", now))
		}
	}
	m.Step(ctx, now)
	return errors.Join(errs...)
}

// Arrived takes the word that a task goes on at its target.
func (m *Migrator) Arrived(ctx context.Context, task signaling.TaskID, now time.Time) {
	if j := m.jobs[task]; j != nil && j.state == Handing {
		j.state, j.end = Committing, now.Add(m.config.Handover)
		m.commit(ctx, j, now)
		m.Step(ctx, now)
	}
}

// Failed takes the word that a handover did not succeed: the page could not reach the target, or it did not load.
func (m *Migrator) Failed(ctx context.Context, task signaling.TaskID, why error, now time.Time) {
	if j := m.jobs[task]; j != nil && j.state == Handing {
		m.next(ctx, j, why.Error(), now)
		m.Step(ctx, now)
	}
}

// TaskEnded gives up the move of a task that has ended.
func (m *Migrator) TaskEnded(ctx context.Context, task signaling.TaskID, now time.Time) {
	if j := m.jobs[task]; j != nil {
		m.unwind(ctx, j, Ended, ErrEnded.Error(), now)
		m.Step(ctx, now)
	}
}

// Cancel gives a move up: the task stays where it is.
func (m *Migrator) Cancel(ctx context.Context, task signaling.TaskID, why string, now time.Time) {
	if j := m.jobs[task]; j != nil {
		m.unwind(ctx, j, Stays, why, now)
		m.Step(ctx, now)
	}
}

// Step does all that is due.
func (m *Migrator) Step(ctx context.Context, now time.Time) {
	holding := m.holding()
	for _, j := range slices.Clone(m.order) {
		if j.ended || now.Before(j.due) {
			continue
		}
		switch j.state {
		case Waiting:
			if holding < m.config.AtOnce || j.reason == Lost {
				for j.state == Waiting && !j.ended && !now.Before(j.due) { // one target after the other
					m.try(ctx, j, now)
				}
				if j.held {
					holding++
				}
			}
		case Handing:
			m.next(ctx, j, fmt.Sprintf("the handover took longer than %v", m.config.Handover), now)
		case Committing:
			m.commit(ctx, j, now)
		case Unwinding:
			m.release(ctx, j, now)
		}
	}
	m.order = slices.DeleteFunc(m.order, func(j *job) bool { return j.ended })
}

// holding is how many moves hold a reservation, or may.
func (m *Migrator) holding() int {
	n := 0
	for _, j := range m.jobs {
		if j.held {
			n++
		}
	}
	return n
}

// Next is when Step has something to do; false where there is nothing, or only what waits for others to end.
func (m *Migrator) Next() (time.Time, bool) {
	var next time.Time
	full := m.holding() >= m.config.AtOnce
	for _, j := range m.order {
		if j.ended || (full && j.state == Waiting && j.reason != Lost) {
			continue
		}
		if next.IsZero() || j.due.Before(next) {
			next = j.due
		}
	}
	return next, !next.IsZero()
}

// Moving is a move that has not ended.
type Moving struct {
	Task     signaling.TaskID
	Reason   Reason
	From, To signaling.NodeID
	Stage    Stage
	Why      string // it waits
	Began    time.Time
}

// Moving are the moves that have not ended, as they were asked for.
func (m *Migrator) Moving() []Moving {
	out := make([]Moving, 0, len(m.jobs))
	for _, j := range m.order {
		if !j.ended {
			out = append(out, Moving{j.task.ID, j.reason, j.task.Node, j.target, j.state, j.why, j.began})
		}
	}
	return out
}

func (m *Migrator) end(j *job, out Outcome, why string, now time.Time) {
	j.ended = true
	delete(m.jobs, j.task.ID)
	r := Report{Task: j.task.ID, Reason: j.reason, From: j.task.Node, To: j.target, Has: j.task.Has, Outcome: out, Why: why, Began: j.began, At: now}
	if out == Moved {
		m.out.Monitor.Moved(r)
		return
	}
	m.out.Report(r)
}
