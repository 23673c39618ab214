package simulate

import (
	"container/heap"
	"context"
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// Job is a task in the simulation.
type Job struct {
	Task    *trace.Task
	Want    fit.Task // what it asks for now, and what is known of its run time
	Arrived float64  // s
	// Node is where it runs, -1 while it waits; GPUs are those that it has there.
	Node    int
	GPUs    []int
	Started float64 // s, when it began there
	Done    float64 // s of its run time that a move brought along

	made    predict.Prediction
	run     int     // how often it was started; an end of an earlier run counts no more
	since   float64 // s, when it began to wait
	waited  float64 // s in all
	turn    float64 // s, by which the queue is ordered
	longest float64 // s that it ran at most before its node went away
	ends    float64 // s, when it is expected to end
}

// world is a simulation at a moment.
type world struct {
	config  *Config
	scorer  *fit.Scorer
	oracle  *oracle
	now     float64
	nodes   []fit.Candidate
	running [][]*Job // by node
	since   []float64
	open    []bool
	free    int64 // GPU, thousandths, of all open nodes
	have    int64 // GPU of all open nodes
	queue   []*Job
	pending events
	offered []fit.Candidate // reused
	which   []int
	order   int
	left    int // tasks that have not ended or been given up
	stir    bool
	failed  map[string]float64 // kinds of task that were not placed in this pass, and the least time that they asked for
	limit   float64            // of t1 in this pass
	tally   tally
	fault   error // of a hook
	aligns  bool
}

func newWorld(c *Config) (*world, error) {
	scorer, err := fit.NewScorer(c.Policy, c.Fragments, c.Seed)
	if err != nil {
		return nil, err
	}
	w := &world{config: c, scorer: scorer, oracle: newOracle(c.Knowledge), running: make([][]*Job, len(c.Nodes)), since: make([]float64, len(c.Nodes)),
		open: make([]bool, len(c.Nodes)), nodes: make([]fit.Candidate, len(c.Nodes)), left: len(c.Tasks), failed: map[string]float64{}}
	for _, t := range slices.Concat(c.Policy.Score, c.Policy.Ties) {
		w.aligns = w.aligns || t.Term == fit.Align || t.Term == fit.Match
	}
	for i, n := range c.Nodes {
		node, err := fit.NewNode(n.Name, fit.Amounts{CPUMilli: n.CPUMilli, MemoryMiB: n.MemoryMiB}, n.GPUs, n.Model)
		if err != nil {
			return nil, err
		}
		w.nodes[i] = fit.Candidate{Node: node}
		if len(n.Windows) == 0 {
			w.nodes[i].Span = fit.Always
			w.openNode(i)
			continue
		}
		for _, v := range n.Windows {
			w.at(at(v.Open), func() { w.openNode(i) })
			w.at(at(v.Close), func() { w.closeNode(i) })
		}
	}
	return w, nil
}

// at lets something happen.
func (w *world) at(when float64, do func()) {
	w.order++
	heap.Push(&w.pending, event{max(when, w.now), w.order, do})
}

// play lets everything happen, until no task is left.
func (w *world) play(ctx context.Context) {
	for w.left > 0 && ctx.Err() == nil && w.fault == nil && len(w.pending) > 0 {
		e := heap.Pop(&w.pending).(event)
		if w.config.Until > 0 && e.at > w.config.Until {
			break
		}
		w.pass(e.at)
		e.do()
		if w.stir && (len(w.pending) == 0 || w.pending[0].at > w.now) {
			w.stir = false
			w.retry()
			w.point()
		}
	}
	if w.config.Until > w.now {
		w.pass(w.config.Until)
	}
}

// pass lets time pass.
func (w *world) pass(to float64) {
	w.tally.pass(to-w.now, float64(w.have-w.free)/fit.GPU, float64(w.have)/fit.GPU)
	w.now = to
}

func (w *world) openNode(i int) {
	w.open[i], w.stir = true, true
	w.have += w.nodes[i].Node.FreeGPU()
	w.free += w.nodes[i].Node.FreeGPU()
}

// closeNode loses what runs on a node.
func (w *world) closeNode(i int) {
	for _, j := range slices.Clone(w.running[i]) {
		w.release(j)
		ran := j.Done + max(w.now-j.Started, 0)
		w.tally.lose(ran, float64(j.Want.GPUTotal())/fit.GPU)
		j.Done = 0
		j.longest = max(j.longest, ran)
		j.Want.Misses++
		w.predict(j)
		w.wait(j)
	}
	w.open[i] = false
	w.have -= w.nodes[i].Node.FreeGPU()
	w.free -= w.nodes[i].Node.FreeGPU()
}

// arrive is a new task.
func (w *world) arrive(t *trace.Task) {
	w.tally.asked += GPUs(t)
	j := &Job{Task: t, Arrived: w.now, Node: -1, Want: Want(t), since: w.now}
	w.predict(j)
	if !w.try(j) {
		w.wait(j)
	}
	w.point()
}

// point takes down a point of the curve.
func (w *world) point() {
	if w.config.Curve {
		w.tally.point(Point{At: w.now, Used: float64(w.have-w.free) / fit.GPU, Have: float64(w.have) / fit.GPU, Waiting: len(w.queue), Asked: w.tally.asked})
	}
}

// Want is what a task of a trace asks for.
func Want(t *trace.Task) fit.Task {
	return fit.Task{Amounts: fit.Amounts{CPUMilli: t.CPUMilli, MemoryMiB: t.MemoryMiB}, GPUs: t.GPUs, GPUMilli: t.GPUMilli, Models: t.Models}
}

// predict forecasts a task's run time. One whose node went away is known to run longer than it did, where the policy lets t1
// grow after a miss.
func (w *world) predict(j *Job) {
	j.made, j.Want.Run = w.oracle.forecast(j.Task)
	if j.made.Known && j.longest > 0 && w.config.Policy.Time.Growth > 0 {
		again := j.made.After(j.longest)
		j.Want.Run = &again
	}
}

// wait puts a task in the queue, by when it came and how long it is expected to run.
func (w *world) wait(j *Job) {
	j.since, j.turn = w.now, j.Arrived
	asked := Want(j.Task) // also where it was scaled while it ran
	j.Want.Amounts, j.Want.GPUMilli = asked.Amounts, asked.GPUMilli
	if lag := w.config.Policy.Lag; lag > 0 && j.Want.Run != nil {
		j.turn += lag * j.Want.Run.Value()
	}
	at, _ := slices.BinarySearchFunc(w.queue, j, func(a, b *Job) int {
		if a.turn <= b.turn {
			return -1
		}
		return 1
	})
	w.queue = slices.Insert(w.queue, at, j)
}
