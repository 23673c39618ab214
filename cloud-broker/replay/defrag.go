package replay

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/signaling"
)

// lookAhead bounds the waiting tasks that are looked at.
const lookAhead = 64

// Defrag is a simulate.Hook that defragments one simulation.
type Defrag struct {
	tasks
	pause   time.Duration
	defrag  *defrag.Defrag
	begun   []signaling.TaskID
	reports map[migrator.Outcome]int
}

var _ simulate.Hook = (*Defrag)(nil)

// NewDefrag is the hook of a simulation. A task pauses for so long when it moves.
func NewDefrag(c defrag.Config, pause time.Duration) (*Defrag, error) {
	if pause < 0 {
		return nil, fmt.Errorf("a pause of %v: it must not be negative", pause)
	}
	h := &Defrag{pause: pause, reports: map[migrator.Outcome]int{}}
	var err error
	h.defrag, err = defrag.New(c, defrag.Outside{Owner: "simulation", Queue: h, Tasks: h, Reserver: h, Mover: h, Predictor: h,
		Report: func(r migrator.Report) { h.reports[r.Outcome]++ }})
	return h, err
}

// Ended is how many moves ended in which way.
func (h *Defrag) Ended() map[migrator.Outcome]int { return h.reports }

// Tick lets everything be done that is due.
func (h *Defrag) Tick(p *simulate.Pool) error {
	h.at(p)
	if err := h.look(); err != nil {
		return err
	}
	ctx := context.Background()
	for !h.defrag.Next().After(h.now) {
		h.defrag.Step(ctx, h.now)
		for len(h.begun) > 0 {
			begun := h.begun
			h.begun = nil
			for _, task := range begun {
				h.defrag.Migrator.Arrived(ctx, task, h.now)
			}
		}
	}
	return nil
}

// Sum tells nothing beyond the moves, which the simulation counts.
func (h *Defrag) Sum(*simulate.Result) {}

// look tells the monitor how the nodes are.
func (h *Defrag) look() error {
	nodes, open := h.pool.Nodes()
	for i := range nodes {
		if !open[i] {
			h.defrag.Monitor.Forget(name(i))
			continue
		}
		n := nodes[i].Node
		s := nodemonitor.State{Node: migrator.Node{ID: name(i), Takes: true, Free: free(n), Period: seconds(nodes[i].Span.Period)}, Total: total(n)}
		for k := range s.Room {
			s.Room[k] = float64(s.Free[k]) * math.Min(nodes[i].Span.Free, nodetime.Forever.Seconds())
		}
		s.Use = use(s.Free, s.Total)
		for _, j := range h.pool.Running(i) {
			s.Tasks = append(s.Tasks, h.ids[j])
		}
		if err := h.defrag.Monitor.Note(s, h.now); err != nil {
			return err
		}
	}
	return nil
}

// use is how much of a node is taken: of its GPUs where it has some, else of its processors.
func use(free, total nodetime.Amounts) float64 {
	for _, k := range []nodetime.Kind{nodetime.GPUTime, nodetime.CPU} {
		if total[k] > 0 {
			return 1 - float64(free[k])/float64(total[k])
		}
	}
	return 0
}

// Waiting are the requests of the tasks that wait, the next ones.
func (h *Defrag) Waiting(context.Context) ([]nodetime.Amounts, error) {
	var out []nodetime.Amounts
	for _, j := range h.pool.Waiting() {
		if len(out) == lookAhead {
			break
		}
		out = append(out, wants(&j.Want))
	}
	return out, nil
}

// Task is a task as it is: it is taken to use all that it has.
func (h *Defrag) Task(_ context.Context, id signaling.TaskID) (migrator.Task, error) {
	j := h.jobs[id]
	if j == nil || j.Node < 0 {
		return migrator.Task{}, migrator.ErrEnded
	}
	ran := seconds(j.Ran(h.pool.Now()))
	t := migrator.Task{ID: id, Node: name(j.Node), Has: wants(&j.Want), Started: h.now.Add(-ran), Predicted: ran + seconds(h.pool.Remaining(j))}
	for k := range t.Past {
		t.Past[k] = float64(t.Has[k]) * ran.Seconds()
	}
	return t, nil
}

// Reserve looks whether the target has the task's GPUs, one by one. Nothing else happens in a tick, so that nothing has to be
// held until the commit.
func (h *Defrag) Reserve(_ context.Context, to migrator.Hold, t migrator.Task) error {
	j := h.jobs[t.ID]
	nodes, open := h.pool.Nodes()
	switch i := index(to.To); {
	case j == nil || j.Node < 0:
		return migrator.ErrEnded
	case !open[i]:
		return migrator.ErrLost
	case nodes[i].Node.Filter(&j.Want) != fit.Fits:
		return fmt.Errorf("%w: its GPUs do not have it", migrator.ErrNoRoom)
	}
	return nil
}

// Commit moves the task.
func (h *Defrag) Commit(_ context.Context, to migrator.Hold) error {
	j := h.jobs[to.Task]
	if j == nil || j.Node < 0 {
		return migrator.ErrEnded
	}
	if err := h.pool.Move(j, index(to.To), h.pause.Seconds()); err != nil {
		return fmt.Errorf("%w: %w", migrator.ErrLost, err)
	}
	return nil
}

// Release has nothing to give up.
func (h *Defrag) Release(context.Context, migrator.Hold, string) error { return nil }

// Begin lets the task arrive within the tick.
func (h *Defrag) Begin(_ context.Context, m migrator.Handover) error {
	h.begun = append(h.begun, m.Task.ID)
	return nil
}

// Stop takes it back.
func (h *Defrag) Stop(_ context.Context, task signaling.TaskID, _ signaling.NodeID) {
	h.begun = slices.DeleteFunc(h.begun, func(t signaling.TaskID) bool { return t == task })
}
