package placement

import (
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// windowSize is how many of the nearest nodes of a tier a policy chooses among, and tolerance how much farther they may be than the
	// nearest: what a terminal does not notice much.
	windowSize = 64
	tolerance  = 20 * millisecond
)

// Order is a policy by which candidates are ordered beyond their distance, and what it needs to know of the task (B4).
type Order struct {
	Policy    fit.Policy
	Fragments *fit.Fragments // by the tasks that are typical; nil knows none
	Run       fit.Forecast   // the task's run time, seconds; nil where nobody knows
	Waited    float64        // s, for how long it has waited
	Misses    int            // how often a node went away under it
	Error     float64        // the measured error of predictions, see fit.Scorer
	// TimeOnly has nodes ruled out by their time, and the others ordered by distance.
	TimeOnly bool
}

// t1 is what the time of a node must be above.
func (o *Order) t1(s *Snapshot) float64 {
	rule := o.Policy.Time
	if rule.Quantile == 0 || o.Run == nil || len(s.spans) == 0 {
		return 0
	}
	return rule.T1(&fit.Task{Run: o.Run, Waited: o.Waited, Misses: o.Misses}, s.stays(rule.Cap))
}

// ranks says that the order is not only that of distance.
func (r *Request) ranks() bool {
	return r.Order != nil && !r.Order.TimeOnly && len(r.Order.Policy.Score) > 0
}

// window is how many nodes are looked for, of which limit are asked for.
func (r *Request) window(limit int) int {
	if r.ranks() {
		return max(limit, windowSize)
	}
	return limit
}

// ranking is what ordering by a policy needs, used again from search to search.
type ranking struct {
	scorer *fit.Scorer
	nodes  []fit.Candidate
	ranked []fit.Ranked
	parts  [][]fit.Part // by rank - 1, of both tiers one after the other
	of     map[*item]int
	out    []choice
	task   fit.Task
}

func (r *ranking) reset() {
	clear(r.nodes)
	clear(r.ranked)
	clear(r.parts)
	clear(r.out)
	clear(r.of)
	r.nodes, r.ranked, r.parts, r.out, r.task = r.nodes[:0], r.ranked[:0], r.parts[:0], r.out[:0], fit.Task{}
}

// order puts the choices of each tier that are about as near as the nearest in the order of the policy.
func (s *search) order() {
	if !s.q.ranks() || len(s.out) == 0 {
		return
	}
	o, r := s.q.Order, &s.rank
	if r.scorer == nil {
		r.of = map[*item]int{}
		r.scorer, _ = fit.NewScorer(fit.Policy{}, noFragments, 0) // an empty policy can be followed
	}
	r.scorer.Policy, r.scorer.Error, r.scorer.Fragments = o.Policy, o.Error, o.Fragments
	if o.Fragments == nil {
		r.scorer.Fragments = noFragments
	}
	r.task = *taskOf(&s.q.needs)
	r.task.Run, r.task.Waited, r.task.Misses = o.Run, o.Waited, o.Misses
	for from := 0; from < len(s.out); {
		to := from
		for to < len(s.out) && s.out[to].it.tier == s.out[from].it.tier {
			to++
		}
		s.orderTier(s.out[from:to])
		from = to
	}
}

var noFragments = fit.NewFragments(nil)

// orderTier is order for the choices of one tier.
func (s *search) orderTier(all []choice) {
	r := &s.rank
	near := 0
	for near < min(len(all), windowSize) && all[near].cost <= all[0].cost+tolerance {
		near++
	}
	clear(r.nodes)
	r.nodes = r.nodes[:0]
	for i := range all[:near] {
		c := &all[i]
		r.nodes = append(r.nodes, fit.Candidate{Node: c.it.fit(r.scorer.Fragments), Span: c.it.span, DistanceMs: c.cost.ms()})
	}
	r.ranked = r.scorer.Rank(r.ranked[:0], &r.task, s.q.t1, r.nodes)
	r.out = append(r.out[:0], all[:near]...)
	for i := range r.ranked {
		all[i] = r.out[r.ranked[i].At]
		all[i].rank = i + 1
		if i < partsOf {
			r.of[all[i].it] = len(r.parts)
			r.parts = append(r.parts, r.scorer.Parts(&r.ranked[i]))
		}
	}
}

// partsOf is how many candidates of a tier are told what the policy made of them.
const partsOf = 16

// terms puts what the policy made of a node behind the terms of its distance, in milliseconds of distance, and says their sum. Where
// distance is no part of the policy its terms weigh nothing, and only decide between equals.
func (r *ranking) terms(to []signaling.Term, c *choice) ([]signaling.Term, float64) {
	at, some := r.of[c.it]
	if !some {
		return to, c.cost.ms()
	}
	unit := r.scorer.Policy.Unit()
	sum, byDistance := 0.0, false
	own := len(to)
	for _, p := range r.parts[at] {
		v := p.Value * p.Weight / unit
		switch {
		case p.Term == fit.Distance:
			byDistance = byDistance || !p.Tie
			continue
		case p.Tie:
			v = 0
		}
		to = append(to, signaling.Term{Name: string(p.Term), Ms: v, Reason: p.Reason})
		sum += v
	}
	if byDistance {
		return to, sum + c.cost.ms()
	}
	for i := own - 1; i >= 0; i-- {
		to[i].Ms = 0
		if to[i].Name == string(fit.Distance) { // the first of its terms
			break
		}
	}
	return to, sum
}

// fitted is a node as policies see it. What Fragments know of it is kept in it, under their lock.
type fitted struct {
	*fit.Node
	by *fit.Fragments
}

// fit is the node as policies see it. What is free is rounded down, so that few states are to be told apart.
func (it *item) fit(by *fit.Fragments) *fit.Node {
	if n := it.fits.Load(); n != nil && n.by == by {
		return n.Node
	}
	n := &fit.Node{Name: string(it.ID), Total: amountsFit(it.Capacity), Free: amountsFit(it.Free)}
	n.Free.CPUMilli -= n.Free.CPUMilli % stepCPU
	switch gpus := freeGPUs(&it.Node); {
	case len(it.GPUs) > 0:
		n.GPUs = make([]int64, len(gpus))
		for i, g := range gpus {
			n.GPUs[i] = thousandths(g.Milli)
		}
	case it.Capacity.GPUMilli > 0:
		n.GPUs = []int64{thousandths(it.Free.GPUMilli)}
	}
	it.fits.Store(&fitted{n, by})
	return n
}

// What a policy tells apart: milli-cores, and thousandths of a GPU.
const (
	stepCPU = 500
	stepGPU = 10
)

func thousandths(free int64) int64 {
	free = min(max(free, 0), fit.GPU)
	return free - free%stepGPU
}

func amountsFit(r signaling.Resources) fit.Amounts {
	return fit.Amounts{CPUMilli: max(r.CPUMilli, 0), MemoryMiB: max(r.MemoryMB, 0), GPUMemoryMiB: max(r.GPUMemoryMB, 0), Encoders: max(r.EncoderSessions, 0)}
}

// taskOf is a task as policies see it. It takes one GPU, or none.
func taskOf(needs *amounts) *fit.Task {
	t := &fit.Task{Amounts: fit.Amounts{CPUMilli: needs[3], MemoryMiB: needs[4], GPUMemoryMiB: needs[gpuMemory], Encoders: needs[2]}}
	if needs[gpuMilli] > 0 {
		t.GPUs, t.GPUMilli = 1, min(needs[gpuMilli], fit.GPU)
	}
	return t
}
