// Package replay lets defragmentation take part in a simulation: the code that moves the sessions of a broker moves the tasks of
// a trace, so that an operator sees what it would bring, and what it would cost, before it is switched on.
package replay

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
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

// Hook is a simulate.Hook for one simulation.
type Hook struct {
	pause   time.Duration
	defrag  *defrag.Defrag
	pool    *simulate.Pool // of the tick that runs
	now     time.Time
	ids     map[*simulate.Job]signaling.TaskID
	jobs    map[signaling.TaskID]*simulate.Job // that run
	last    int
	begun   []signaling.TaskID
	reports map[migrator.Outcome]int
}

var _ simulate.Hook = (*Hook)(nil)

// New is the hook of a simulation. A task pauses for so long when it moves.
func New(c defrag.Config, pause time.Duration) (*Hook, error) {
	if pause < 0 {
		return nil, fmt.Errorf("a pause of %v: it must not be negative", pause)
	}
	h := &Hook{pause: pause, ids: map[*simulate.Job]signaling.TaskID{}, reports: map[migrator.Outcome]int{}}
	var err error
	h.defrag, err = defrag.New(c, defrag.Outside{Owner: "simulation", Queue: h, Tasks: h, Reserver: h, Mover: h, Predictor: h,
		Report: func(r migrator.Report) { h.reports[r.Outcome]++ }})
	return h, err
}

// Ended is how many moves ended in which way.
func (h *Hook) Ended() map[migrator.Outcome]int { return h.reports }

// Tick lets everything be done that is due.
func (h *Hook) Tick(p *simulate.Pool) error {
	h.pool, h.now = p, time.Unix(0, 0).UTC().Add(seconds(p.Now()))
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
	h.pool = nil
	return nil
}

// seconds is a time of the simulation, bounded.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(math.Max(s, 0), nodetime.MaxTime.Seconds()) * float64(time.Second))
}

func name(node int) signaling.NodeID { return signaling.NodeID(strconv.Itoa(node)) }

func index(id signaling.NodeID) int {
	i, _ := strconv.Atoi(string(id)) // name made it
	return i
}

// look tells the monitor how the nodes are.
func (h *Hook) look() error {
	nodes, open := h.pool.Nodes()
	ids := make(map[*simulate.Job]signaling.TaskID, len(h.ids))
	h.jobs = make(map[signaling.TaskID]*simulate.Job, len(h.ids))
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
			id, known := h.ids[j]
			if !known {
				h.last++
				id = signaling.TaskID(strconv.Itoa(h.last))
			}
			ids[j], h.jobs[id] = id, j
			s.Tasks = append(s.Tasks, id)
		}
		if err := h.defrag.Monitor.Note(s, h.now); err != nil {
			return err
		}
	}
	h.ids = ids
	return nil
}

func free(n *fit.Node) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: n.FreeGPU(), nodetime.CPU: n.Free.CPUMilli, nodetime.Memory: n.Free.MemoryMiB}
}

func total(n *fit.Node) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: int64(len(n.GPUs)) * fit.GPU, nodetime.CPU: n.Total.CPUMilli, nodetime.Memory: n.Total.MemoryMiB}
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

func wants(t *fit.Task) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: t.GPUTotal(), nodetime.CPU: t.CPUMilli, nodetime.Memory: t.MemoryMiB}
}

// Waiting are the requests of the tasks that wait, the next ones.
func (h *Hook) Waiting(context.Context) ([]nodetime.Amounts, error) {
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
func (h *Hook) Task(_ context.Context, id signaling.TaskID) (migrator.Task, error) {
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

// Left is what the simulation predicts.
func (h *Hook) Left(_ context.Context, id signaling.TaskID, _ time.Duration) (time.Duration, bool) {
	j := h.jobs[id]
	if j == nil {
		return 0, false
	}
	left := seconds(h.pool.Remaining(j))
	return left, left > 0
}

// Reserve looks whether the target has the task's GPUs, one by one. Nothing else happens in a tick, so that nothing has to be
// held until the commit.
func (h *Hook) Reserve(_ context.Context, to migrator.Hold, t migrator.Task) error {
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
func (h *Hook) Commit(_ context.Context, to migrator.Hold) error {
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
func (h *Hook) Release(context.Context, migrator.Hold, string) error { return nil }

// Begin lets the task arrive within the tick.
func (h *Hook) Begin(_ context.Context, m migrator.Handover) error {
	h.begun = append(h.begun, m.Task.ID)
	return nil
}

// Stop takes it back.
func (h *Hook) Stop(_ context.Context, task signaling.TaskID, _ signaling.NodeID) {
	h.begun = slices.DeleteFunc(h.begun, func(t signaling.TaskID) bool { return t == task })
}
