package predict

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// Score is how good predictions of run times were on a trace, beside the median of the last 20 ended tasks of the same
// kind (creator, type, operation and request; of all tasks where there is none), made at the same moments.
type Score struct {
	Tasks    int     // that both predicted
	Error    float64 // median of |ln(predicted/real)|
	Within2  float64 // share within a factor of 2
	Baseline struct{ Error, Within2 float64 }
	// Covered90 is the share of tasks that took no longer than the 90 % quantile said.
	Covered90 float64
}

// baseline is how many ended tasks the baseline's median is of.
const baseline = 20

// Evaluate replays a trace: each task is predicted when it is submitted, from those that had ended by then, and taught when
// it has ended. Tasks that had not ended when the trace did are neither predicted nor taught.
func Evaluate(tasks []trace.Task) Score {
	var s Score
	var ours, theirs []float64
	covered := 0
	past := map[string][]float64{}
	var all []float64
	Replay(tasks, func(t *trace.Task, made Prediction) {
		if t.Censored || t.Duration <= 0 {
			return
		}
		same := past[kind(t)]
		if same == nil {
			same = all
		}
		if made.Known && same != nil {
			ours = append(ours, math.Abs(math.Log(made.Value()/t.Duration)))
			theirs = append(theirs, math.Abs(math.Log(middle(same)/t.Duration)))
			if t.Duration <= made.Quantile(0.9) {
				covered++
			}
		}
	}, func(t *trace.Task) {
		k := kind(t)
		past[k] = newest(append(past[k], t.Duration))
		all = newest(append(all, t.Duration))
	})
	s.Tasks = len(ours)
	if s.Tasks == 0 {
		return s
	}
	s.Error, s.Within2 = middle(ours), within2(ours)
	s.Baseline.Error, s.Baseline.Within2 = middle(theirs), within2(theirs)
	s.Covered90 = float64(covered) / float64(s.Tasks)
	return s
}

// Replay predicts each task of a trace when it was submitted, from those that had ended by then. made is told of each task in
// the order of their submission; ended, before that, of those that have ended and were learnt from meanwhile. Tasks that had
// not ended when the trace did, or have no duration, teach nothing.
func Replay(tasks []trace.Task, made func(*trace.Task, Prediction), ended func(*trace.Task)) {
	p := New()
	var running ends
	for i := range tasks {
		t := &tasks[i]
		for len(running) > 0 && running[0].at <= t.Submitted {
			e := heap.Pop(&running).(end)
			p.Learn(e.made, Of(e.task), e.task.Duration)
			ended(e.task)
		}
		m := p.Predict(Of(t))
		made(t, m)
		if !t.Censored && t.Duration > 0 {
			heap.Push(&running, end{t.Started + t.Duration, i, t, m})
		}
	}
}

// Of is what a task of a trace is predicted from: nothing that was known only after it ran.
func Of(t *trace.Task) Task {
	return Task{Type: t.Type, Operation: t.Operation, Framework: t.Framework, Modality: t.Modality, Creator: t.Creator,
		Request: fmt.Sprintf("%d %d %d", t.CPUMilli, t.GPUs, t.GPUMilli), Numbers: t.Numbers,
		At: time.UnixMilli(int64(t.Submitted * 1000)).UTC()}
}

func kind(t *trace.Task) string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%d %d %d", t.Creator, t.Type, t.Operation, t.CPUMilli, t.GPUs, t.GPUMilli)
}

func newest(v []float64) []float64 { return v[max(0, len(v)-baseline):] }

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return quantile(v, 0.5)
}

func within2(errors []float64) float64 {
	n := 0
	for _, e := range errors {
		if e <= math.Ln2 {
			n++
		}
	}
	return float64(n) / float64(len(errors))
}

// end is a task that runs, until it ends.
type end struct {
	at    float64
	order int
	task  *trace.Task
	made  Prediction
}

// ends is a heap of tasks by their ends.
type ends []end

func (h ends) Len() int { return len(h) }
func (h ends) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h ends) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *ends) Push(x any)   { *h = append(*h, x.(end)) }
func (h *ends) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
