// Package replay lets vertical scaling and defragmentation take part in a simulation: the code that scales and moves the
// sessions of a broker scales and moves the tasks of a trace, so that an operator sees what they would bring, and what they
// would cost, before they are switched on.
package replay

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/signaling"
)

// tasks are those that run in a simulation, by the names that the broker's code gives them.
type tasks struct {
	pool *simulate.Pool // of the tick that runs
	now  time.Time
	ids  map[*simulate.Job]signaling.TaskID
	jobs map[signaling.TaskID]*simulate.Job
	last int
}

// at begins a tick: it names the tasks that have begun to run, and forgets those that run no longer.
func (t *tasks) at(p *simulate.Pool) {
	t.pool, t.now = p, time.Unix(0, 0).UTC().Add(seconds(p.Now()))
	ids := make(map[*simulate.Job]signaling.TaskID, len(t.ids))
	t.jobs = make(map[signaling.TaskID]*simulate.Job, len(t.ids))
	nodes, open := p.Nodes()
	for i := range nodes {
		if !open[i] {
			continue
		}
		for _, j := range p.Running(i) {
			id, known := t.ids[j]
			if !known {
				t.last++
				id = signaling.TaskID(strconv.Itoa(t.last))
			}
			ids[j], t.jobs[id] = id, j
		}
	}
	t.ids = ids
}

// Left is what the simulation predicts.
func (t *tasks) Left(_ context.Context, id signaling.TaskID, _ time.Duration) (time.Duration, bool) {
	j := t.jobs[id]
	if j == nil {
		return 0, false
	}
	left := seconds(t.pool.Remaining(j))
	return left, left > 0
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

func free(n *fit.Node) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: n.FreeGPU(), nodetime.CPU: n.Free.CPUMilli, nodetime.Memory: n.Free.MemoryMiB}
}

func total(n *fit.Node) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: int64(len(n.GPUs)) * fit.GPU, nodetime.CPU: n.Total.CPUMilli, nodetime.Memory: n.Total.MemoryMiB}
}

func wants(t *fit.Task) nodetime.Amounts {
	return nodetime.Amounts{nodetime.GPUTime: t.GPUTotal(), nodetime.CPU: t.CPUMilli, nodetime.Memory: t.MemoryMiB}
}
