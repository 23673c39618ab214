package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
)

// retry places what it can of the queue, in order. A task of the same kind as one that was not placed, which needs as
// much time, is not tried.
func (w *world) retry() {
	clear(w.failed)
	nodes, _ := w.candidates()
	w.limit = w.config.Policy.Time.Limit(nodes)
	kept := w.queue[:0]
	for _, j := range w.queue {
		if w.free <= 0 && j.Want.GPUs > 0 || !w.again(j) {
			kept = append(kept, j)
		}
	}
	clear(w.queue[len(kept):])
	w.queue = kept
}

func (w *world) again(j *Job) bool {
	j.Want.Waited = w.now - j.since
	k := fmt.Sprint(j.Want.CPUMilli, j.Want.MemoryMiB, j.Want.GPUs, j.Want.GPUMilli, j.Want.Models)
	t1 := w.config.Policy.Time.T1(&j.Want, w.limit)
	if least, ok := w.failed[k]; ok && t1 >= least {
		return false
	}
	if w.try(j) {
		return true
	}
	w.failed[k] = t1
	return false
}

// candidates are the open nodes as they are now, and which they are.
func (w *world) candidates() ([]fit.Candidate, []int) {
	w.offered, w.which = w.offered[:0], w.which[:0]
	for i := range w.nodes {
		if !w.open[i] {
			continue
		}
		c := w.nodes[i]
		if windows := w.config.Nodes[i].Windows; len(windows) > 0 {
			now := Moment(w.now)
			if open, ok := windows.At(now); ok {
				c.Span = fit.Span{Total: open.Length().Seconds(), Free: open.Close.Sub(now).Seconds()}
			}
		}
		if w.aligns {
			c.Ends = w.ends(i)
		}
		w.offered, w.which = append(w.offered, c), append(w.which, i)
	}
	return w.offered, w.which
}

// ends is in how many seconds what runs on a node is expected to have ended. What was expected to have ended by now is
// predicted again, given how long it has run.
func (w *world) ends(i int) (last float64) {
	for _, j := range w.running[i] {
		if j.ends <= w.now {
			ran := j.Ran(w.now)
			j.ends = w.now + max(ran/10, 1)
			if again := j.made.After(ran); again.Known {
				j.ends = w.now + max(again.Value()-ran, 1)
			}
		}
		last = max(last, j.ends-w.now)
	}
	return last
}

// try places a task where the policy says.
func (w *world) try(j *Job) bool {
	nodes, which := w.candidates()
	w.scorer.Error = w.oracle.err()
	began := time.Now()
	d := w.scorer.Decide(&j.Want, nodes)
	w.tally.decide(time.Since(began))
	if d.At < 0 {
		return false
	}
	w.start(j, which[d.At], d.GPUs)
	return true
}

// start runs a waiting task on a node that has room.
func (w *world) start(j *Job, node int, gpus []int) {
	j.waited += w.now - j.since
	j.Want.Waited = 0
	w.run(j, node, gpus, w.now)
}

// run lets a task run on a node that has room, from a moment on.
func (w *world) run(j *Job, node int, gpus []int, from float64) {
	if err := w.nodes[node].Node.Place(&j.Want, gpus); err != nil {
		panic(err) // the decision was made a moment ago
	}
	if len(w.running[node]) == 0 {
		w.since[node] = w.now
	}
	w.running[node] = append(w.running[node], j)
	w.free -= j.Want.GPUTotal()
	j.Node, j.GPUs, j.Started, j.ends = node, gpus, from, from
	if j.Want.Run != nil {
		j.ends += max(j.Want.Run.Value()-j.Done, 0)
	}
	j.run++
	if math.IsInf(j.Task.Duration, 1) {
		if j.Done == 0 {
			w.left--
		}
		return
	}
	run := j.run
	w.at(from+j.Task.Duration-j.Done, func() {
		if j.run == run {
			w.end(j)
		}
	})
}

// release takes a task from its node.
func (w *world) release(j *Job) {
	i := j.Node
	if err := w.nodes[i].Node.Release(&j.Want, j.GPUs); err != nil {
		panic(err) // it was placed there
	}
	w.running[i] = slices.DeleteFunc(w.running[i], func(o *Job) bool { return o == j })
	if len(w.running[i]) == 0 {
		w.tally.on(w.now - w.since[i])
	}
	w.free += j.Want.GPUTotal()
	j.Node, j.GPUs = -1, nil
	j.run++
	w.stir = true
}

// end is a task that has run.
func (w *world) end(j *Job) {
	w.release(j)
	w.oracle.learn(j.Task, j.made)
	w.tally.end(j)
	w.left--
}
