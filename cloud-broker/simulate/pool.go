package simulate

import (
	"fmt"
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/fit"
)

// Hook takes part in a simulation: scaling and defragmentation do. It is called every so many seconds of the virtual clock.
type Hook interface {
	Tick(p *Pool) error
	// Sum adds to the result, when all is over, what only the hook knows.
	Sum(r *Result)
}

// Pool is what a Hook sees of a simulation and can change of it, at one moment.
type Pool struct{ w *world }

// Now is the virtual clock, seconds.
func (p *Pool) Now() float64 { return p.w.now }

// Nodes are all nodes as they are now; open says which of them are there. They are not to be changed.
func (p *Pool) Nodes() (nodes []fit.Candidate, open []bool) { return p.w.nodes, p.w.open }

// Running are the tasks that run on a node. They are not to be changed.
func (p *Pool) Running(node int) []*Job { return slices.Clone(p.w.running[node]) }

// Waiting are the tasks that wait, the next one first. They are not to be changed.
func (p *Pool) Waiting() []*Job { return slices.Clone(p.w.queue) }

// Remaining is for how long a task is expected to run yet, seconds: t1 less what it has run, predicted again where that is
// not positive (B6.1).
func (p *Pool) Remaining(j *Job) float64 {
	if j.Want.Run == nil {
		return 0
	}
	ran := j.Ran(p.w.now)
	if left := j.Want.Run.Value() - ran; left > 0 {
		return left
	}
	again := j.made.After(ran)
	return max(again.Value()-ran, 0)
}

// Ran is for how long a task has run by now, seconds.
func (j *Job) Ran(now float64) float64 {
	if j.Node < 0 {
		return j.Done
	}
	return j.Done + max(now-j.Started, 0)
}

// Resize changes what a running task has of its node, on the same GPUs. It is an error where that is not free, and then
// nothing is changed.
func (p *Pool) Resize(j *Job, to fit.Amounts, gpuMilli int64) error {
	if j.Node < 0 {
		return fmt.Errorf("resize task %.40q: it does not run", j.Task.Name)
	}
	node, had, gpus := p.w.nodes[j.Node].Node, j.Want, j.GPUs
	want := had
	want.Amounts = to
	if want.GPUs > 0 {
		want.GPUMilli = gpuMilli
	}
	if err := node.Release(&had, gpus); err != nil {
		return err
	}
	if err := node.Place(&want, gpus); err != nil {
		if again := node.Place(&had, gpus); again != nil {
			panic(again) // it was there a moment ago
		}
		return fmt.Errorf("resize task %.40q: %w", j.Task.Name, err)
	}
	p.w.free += had.GPUTotal() - want.GPUTotal()
	p.w.stir = p.w.stir || want.GPUTotal() < had.GPUTotal() || to.CPUMilli < had.CPUMilli || to.MemoryMiB < had.MemoryMiB
	j.Want = want
	return nil
}

// Move takes a running task to another node: room is taken there first, then it pauses for so many seconds and goes on where
// it stopped (B8). Where there is no room it goes on where it is.
func (p *Pool) Move(j *Job, to int, pause float64) error {
	w := p.w
	if j.Node < 0 || to < 0 || to >= len(w.nodes) || to == j.Node || !w.open[to] || !(pause >= 0) {
		return fmt.Errorf("move task %.40q to node %d: it has to run, and the target to be there and another one", j.Task.Name, to)
	}
	target := w.nodes[to].Node
	if why := target.Filter(&j.Want); why != fit.Fits {
		return fmt.Errorf("move task %.40q to node %.40q: %s", j.Task.Name, target.Name, why)
	}
	gpus := target.Tightest(&j.Want)
	done := j.Ran(w.now)
	w.release(j)
	j.Done = done
	w.run(j, to, gpus, w.now+pause)
	w.tally.moves++
	return nil
}
