package simulate

import (
	"time"

	"github.com/tomocast/tomocast/internal/bench"
)

// Result is what came of a simulation. Times are seconds.
type Result struct {
	Policy      string  `json:"policy"`
	Seed        uint64  `json:"seed"`
	Tasks       int     `json:"tasks"`
	Ended       int     `json:"ended"`
	Running     int     `json:"running"` // when it was over
	Waiting     int     `json:"waiting"` // when it was over
	Elapsed     float64 `json:"elapsedS"`
	Use         float64 `json:"use"`         // share of the GPU time of open nodes that was taken
	Unallocated float64 `json:"unallocated"` // GPUs free at the end
	Stranded    float64 `json:"stranded"`    // of these, GPUs that typical tasks could not use
	MeanWait    float64 `json:"meanWaitS"`   // of all tasks, until the run that ended began; one that has not ended has waited until the end
	P95Wait     float64 `json:"p95WaitS"`
	MeanQueued  float64 `json:"meanQueuedS"` // of tasks that ended: in the queue, without the runs that came to nothing
	Lost        int     `json:"lost"`        // times that a task's node went away
	LostGPUh    float64 `json:"lostGPUh"`    // GPU hours that came to nothing
	DoneGPUh    float64 `json:"doneGPUh"`    // GPU hours of tasks that ended
	Moves       int     `json:"moves"`
	Scaled      int     `json:"scaled"`    // amounts of running tasks that were made smaller or larger
	Short       float64 `json:"short"`     // share of the GPU and processor time that tasks would have used, and did not have
	NodeHours   float64 `json:"nodeHours"` // hours in which nodes had a task
	DecisionUs  float64 `json:"decisionUs"`
	Curve       []Point `json:"curve,omitempty"`
}

// Point is a moment of a simulation, for plots.
type Point struct {
	At      float64 `json:"at"`
	Used    float64 `json:"used"` // GPUs
	Have    float64 `json:"have"` // GPUs of open nodes
	Waiting int     `json:"waiting"`
	Asked   float64 `json:"asked"` // GPUs that were asked for so far
}

// tally counts along.
type tally struct {
	used, have   float64 // GPU seconds
	lost         int
	lostS, doneS float64 // GPU seconds
	ended, moves int
	onS          float64 // node seconds
	decisions    int
	deciding     time.Duration
	waits        []float64
	queued       float64 // s, of tasks that ended
	asked        float64 // GPUs
	curve        []Point
	stride, seen int
}

// points is how many a curve has at most.
const points = 1024

// point keeps each stride-th point, so that a curve of any length has enough.
func (t *tally) point(p Point) {
	if t.seen++; t.seen%max(t.stride, 1) != 0 {
		return
	}
	if t.curve = append(t.curve, p); len(t.curve) == points {
		for i := range points / 2 {
			t.curve[i] = t.curve[2*i+1]
		}
		t.curve, t.stride = t.curve[:points/2], max(t.stride, 1)*2
	}
}

func (t *tally) pass(seconds, used, have float64) {
	t.used += seconds * used
	t.have += seconds * have
}

func (t *tally) lose(seconds, gpus float64) {
	t.lost++
	t.lostS += seconds * gpus
}

func (t *tally) decide(took time.Duration) {
	t.decisions++
	t.deciding += took
}

func (t *tally) on(seconds float64) { t.onS += seconds }

func (t *tally) end(j *Job) {
	t.ended++
	t.doneS += j.Task.Duration * GPUs(j.Task)
	t.waits = append(t.waits, max(j.Started-j.Done-j.Arrived, 0))
	t.queued += j.waited
}

// result sums a world up.
func (w *world) result() Result {
	c, t := w.config, &w.tally
	r := Result{Policy: c.Policy.Name, Seed: c.Seed, Tasks: len(c.Tasks), Ended: t.ended, Waiting: len(w.queue), Elapsed: w.now,
		Lost: t.lost, LostGPUh: t.lostS / hour, DoneGPUh: t.doneS / hour, Moves: t.moves, Unallocated: float64(w.free) / 1000}
	waits := t.waits
	r.Curve = t.curve
	for i, jobs := range w.running {
		r.Running += len(jobs)
		for _, j := range jobs {
			waits = append(waits, max(j.Started-j.Arrived, 0))
		}
		if len(jobs) > 0 {
			t.on(w.now - w.since[i])
		}
		if w.open[i] && c.Fragments != nil {
			r.Stranded += c.Fragments.Stranded(w.nodes[i].Node) / 1000
		}
	}
	for _, j := range w.queue {
		waits = append(waits, w.now-j.Arrived)
	}
	r.MeanQueued = t.queued / float64(max(t.ended, 1))
	r.NodeHours = t.onS / hour
	if t.have > 0 {
		r.Use = t.used / t.have
	}
	for _, v := range waits {
		r.MeanWait += v / float64(len(waits))
	}
	if len(waits) > 0 {
		r.P95Wait = bench.Quantile(waits, 0.95)
	}
	if t.decisions > 0 {
		r.DecisionUs = float64(t.deciding.Microseconds()) / float64(t.decisions)
	}
	return r
}

const hour = 3600.0
