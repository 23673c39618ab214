package replay

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/signaling"
)

// Use is what tasks use of what they ask for, as shares, where the trace does not tell: on the average anything from Low to
// High, and at any moment half to one and a half times that, at most all.
type Use struct{ Low, High float64 }

// phase is for how long a task uses the same, seconds.
const phase = 600

// Scale is a simulate.Hook that scales the tasks of one simulation. A task runs for as long as the trace says also where it
// has less than it would use: Result.Short tells how much that was.
type Scale struct {
	tasks
	use     Use
	scaling *scale.Scaling
	scaled  map[signaling.TaskID]bool
	done    int
	last    time.Time
	// wanted and had are amounts times seconds, each kind as a share of what all tasks asked for of it.
	wanted, had float64
}

var _ simulate.Hook = (*Scale)(nil)

// NewScale is the hook of a simulation.
func NewScale(c scale.Config, u Use) (*Scale, error) {
	if !(u.Low > 0 && u.Low <= u.High && u.High <= 1) {
		return nil, fmt.Errorf("tasks use %g to %g of what they ask for: more than 0, at most 1, the least first", u.Low, u.High)
	}
	h := &Scale{use: u, scaled: map[signaling.TaskID]bool{}}
	var err error
	h.scaling, err = scale.New(c, scale.Outside{Nodes: h, Budgets: h, Predictor: h, Report: func(r order.Report) {
		if r.Outcome == order.Done {
			h.done++
		}
	}})
	return h, err
}

// Sum adds what was scaled, and what tasks were short of.
func (h *Scale) Sum(r *simulate.Result) {
	r.Scaled = h.done
	if h.wanted > 0 {
		r.Short = 1 - h.had/h.wanted
	}
}

// Tick lets everything be done that is due.
func (h *Scale) Tick(p *simulate.Pool) error {
	h.at(p)
	if h.last.IsZero() {
		h.last = h.now
	}
	for _, id := range slices.Sorted(maps.Keys(h.scaled)) {
		if h.jobs[id] == nil {
			h.scaling.End(id, h.now)
			delete(h.scaled, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(h.jobs)) { // in order, so that the same simulation gives the same sums
		if err := h.follow(id, h.jobs[id]); err != nil {
			return err
		}
	}
	h.last = h.now
	ctx := context.Background()
	for next, ok := h.scaling.Next(); ok && !next.After(h.now); next, ok = h.scaling.Next() {
		h.scaling.Step(ctx, h.now)
	}
	return nil
}

// follow tells what a task uses.
func (h *Scale) follow(id signaling.TaskID, j *simulate.Job) error {
	asked := simulate.Want(j.Task)
	request, has := scalable(&asked), scalable(&j.Want)
	now := h.now
	if t, ok := h.scaling.Task(id); ok && t.Node != name(j.Node) { // it has moved
		h.scaling.End(id, now)
		delete(h.scaled, id)
	}
	if !h.scaled[id] {
		ran := seconds(j.Ran(h.pool.Now()))
		t := order.Task{ID: id, Node: name(j.Node), Request: request, Has: has, Started: now.Add(-ran), Predicted: ran + seconds(h.pool.Remaining(j))}
		for k, amount := range request {
			t.Floor[k] = min((amount+9)/10, has[k])
		}
		if err := h.scaling.Begin(t); err != nil {
			return err
		}
		h.scaled[id] = true
	}
	shares := h.shares(j)
	var rates monitor.Rates
	for k := range rates {
		rates[k] = math.NaN()
	}
	spent := now.Sub(h.last).Seconds()
	for _, k := range []nodetime.Kind{nodetime.GPUTime, nodetime.CPU} {
		share := shares[k]
		if request[k] == 0 {
			continue
		}
		wanted := share * float64(request[k])
		rates[k] = min(wanted, float64(has[k]))
		h.wanted += share * spent
		h.had += rates[k] / float64(request[k]) * spent
	}
	return h.scaling.Note(id, rates, now)
}

// shares is what a task uses at this moment of what it asked for.
func (h *Scale) shares(j *simulate.Job) map[nodetime.Kind]float64 {
	if u := j.Task.Used; u.Known {
		return map[nodetime.Kind]float64{nodetime.GPUTime: min(u.GPU, 1), nodetime.CPU: min(u.CPU, 1)}
	}
	name := fnv.New64a()
	_, _ = name.Write([]byte(j.Task.Name)) // a hash takes everything
	base := rand.New(rand.NewPCG(name.Sum64(), 21))
	now := rand.New(rand.NewPCG(name.Sum64(), uint64(j.Ran(h.pool.Now())/phase)))
	out := map[nodetime.Kind]float64{}
	for _, k := range []nodetime.Kind{nodetime.GPUTime, nodetime.CPU} {
		out[k] = min((h.use.Low+base.Float64()*(h.use.High-h.use.Low))*(0.5+now.Float64()), 1)
	}
	return out
}

// scalable is what a task has that can be made smaller and larger: processors, and its share of a GPU, not GPUs of its own in
// several pieces.
func scalable(t *fit.Task) nodetime.Amounts {
	a := nodetime.Amounts{nodetime.CPU: t.CPUMilli}
	if t.GPUs == 1 {
		a[nodetime.GPUTime] = t.GPUMilli
	}
	return a
}

// Free is what a node has free.
func (h *Scale) Free(_ context.Context, id signaling.NodeID) (nodetime.Amounts, error) {
	nodes, _ := h.pool.Nodes()
	f := free(nodes[index(id)].Node)
	f[nodetime.GPUTime] = slices.Max(append([]int64{0}, nodes[index(id)].Node.GPUs...)) // a share is of one GPU
	return f, nil
}

// Resize changes what a task has.
func (h *Scale) Resize(_ context.Context, id signaling.TaskID, node signaling.NodeID, k nodetime.Kind, to int64) error {
	j := h.jobs[id]
	if j == nil || j.Node < 0 || name(j.Node) != node {
		return order.ErrGone
	}
	amounts, gpu := j.Want.Amounts, j.Want.GPUMilli
	switch k {
	case nodetime.CPU:
		amounts.CPUMilli = to
	case nodetime.GPUTime:
		gpu = to
	}
	if err := h.pool.Resize(j, amounts, gpu); err != nil {
		return fmt.Errorf("%w: %w", order.ErrNoRoom, err)
	}
	return nil
}

// Set has nothing to tell: a task of a trace uses what it has.
func (h *Scale) Set(context.Context, signaling.TaskID, signaling.NodeID, nodetime.Kind, int64) error {
	return nil
}
