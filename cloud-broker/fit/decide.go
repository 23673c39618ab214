package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Candidate is a node that may be chosen.
type Candidate struct {
	Node *Node
	Span Span // its time, B3; Always where it stays
	// Ends is in how many seconds what runs on it is expected to have ended; 0 where nothing runs.
	Ends float64
	// DistanceMs is what placement found: the sum of its terms.
	DistanceMs float64
}

// Part is what one term contributed to a cost.
type Part struct {
	Term   Term    `json:"term"`
	Value  float64 `json:"value"` // in the term's unit
	Weight float64 `json:"weight"`
	Reason string  `json:"reason"`
	Tie    bool    `json:"tie,omitempty"` // it only decides between equal costs
}

// Decision is where a task goes, and why.
type Decision struct {
	At    int     `json:"at"`             // which of the candidates; -1: none, the task waits
	GPUs  []int   `json:"gpus,omitempty"` // which of its GPUs
	Cost  float64 `json:"cost"`
	T1    float64 `json:"t1,omitempty"` // s, what t had to be above; 0 where time did not matter
	Parts []Part  `json:"parts,omitempty"`
	// Rejected counts the candidates that did not come into question by Reason.
	Rejected [NoTime + 1]int `json:"-"`
}

// Why says in a sentence, without a full stop, why no node was taken.
func (d *Decision) Why() string {
	var why []string
	for r, n := range d.Rejected {
		if n > 0 && Reason(r) != Fits {
			nodes := "nodes"
			if n == 1 {
				nodes = "node"
			}
			why = append(why, fmt.Sprintf("%d %s: %s", n, nodes, Reason(r)))
		}
	}
	if len(why) == 0 {
		return "there is no node"
	}
	return strings.Join(why, ", ")
}

// Scorer decides by a policy. It is for one goroutine; several may share Fragments.
type Scorer struct {
	Policy    Policy
	Fragments *Fragments
	// Error is the measured error of predictions of run times: |ln(predicted/real)| of tasks that make up nine tenths of the
	// run time is not above it. Infinite where it is not known.
	Error float64

	random *rand.Rand
	score  []counted // that count now
	ties   []counted
	deep   bool // rollouts are needed
	fgd    bool // gradients are needed, and the GPU is chosen by score
}

// NewScorer makes one. seed is for policies that are random.
func NewScorer(p Policy, f *Fragments, seed uint64) (*Scorer, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if f == nil {
		f = NewFragments(nil)
	}
	s := &Scorer{Policy: p, Fragments: f, Error: math.Inf(1), random: rand.New(rand.NewPCG(seed, 3))}
	return s, nil
}

// counted is a weight with its term.
type counted struct {
	Weight
	*term
}

// prepare finds which terms count now.
func (s *Scorer) prepare() {
	counts := func(to []counted, all []Weight) []counted {
		for _, w := range all {
			if w.While == 0 || s.Error <= w.While {
				to = append(to, counted{w, terms[w.Term]})
				s.deep = s.deep || w.Term == Fragment
				s.fgd = s.fgd || w.Term == FGD || w.Term == Gradient || w.Term == Fragment
			}
		}
		return to
	}
	s.deep, s.fgd = false, false
	s.score, s.ties = counts(s.score[:0], s.Policy.Score), counts(s.ties[:0], s.Policy.Ties)
}

// Limit is what t1 is capped at: what the share Cap of the nodes stay for, whether they have room or not.
func (r TimeRule) Limit(nodes []Candidate) float64 {
	if r.Cap == 0 || len(nodes) == 0 {
		return math.Inf(1)
	}
	t := make([]float64, len(nodes))
	for i := range nodes {
		t[i] = nodes[i].Span.Free
	}
	slices.Sort(t)
	return t[min(int((1-r.Cap)*float64(len(t))), len(t)-1)]
}

// even is how far costs may differ and count as equal.
const even = 1e-9

// T1 is what a node's time has to be above for the task, seconds; 0 where any time will do. limit is what it is never
// above, see Limit.
func (r TimeRule) T1(t *Task, limit float64) float64 {
	if r.Quantile == 0 || t.Run == nil {
		return 0
	}
	t1 := t.Run.Quantile(r.Quantile)
	if r.Quantile == 0.5 {
		t1 = t.Run.Value()
	}
	if r.Growth > 0 {
		t1 *= math.Pow(r.Growth, float64(min(t.Misses, 100)))
	}
	if r.Patience > 0 && t1 > 0 {
		t1 *= max(1-t.Waited/(r.Patience*t1), 0)
	}
	return min(t1, limit)
}

// Decide chooses a node for a task. What it says is worth nothing when something was placed meanwhile: place it at once.
func (s *Scorer) Decide(t *Task, nodes []Candidate) Decision {
	s.prepare()
	f := s.Fragments
	f.mu.Lock()
	defer f.mu.Unlock()
	d := Decision{At: -1}
	if s.Policy.Time.Quantile > 0 {
		d.T1 = s.Policy.Time.T1(t, s.Policy.Time.Limit(nodes))
	}
	v := view{task: t, t1: s.expected(t)}
	kind := 0
	if s.fgd {
		kind = f.kind(t)
	}
	plain := [1]outcome{}
	cost, tie := math.Inf(1), math.Inf(1)
	var at view
	for i := range nodes {
		c := &nodes[i]
		if why := c.Node.Filter(t); why != Fits {
			d.Rejected[why]++
			continue
		}
		if d.T1 > 0 && !(c.Span.Free > d.T1) {
			d.Rejected[NoTime]++
			continue
		}
		v.Candidate, v.chance = c, s.random.Float64()
		options := plain[:]
		if s.fgd {
			options = f.outcomes(c.Node, t, kind, s.deep)
		}
		for o := range options {
			v.outcome = &options[o]
			x := v.sum(s.score)
			if x > cost+even {
				continue
			}
			y := v.sum(s.ties)
			if x < cost-even || y < tie-even {
				cost, tie, d.At, at = x, y, i, v
			}
		}
	}
	if d.At < 0 {
		return d
	}
	d.Cost = cost
	d.GPUs = at.gpus(s.fgd)
	d.Parts = append(at.parts(s.score, false), at.parts(s.ties, true)...)
	return d
}

// expected is the run time that terms other than risk go by.
func (s *Scorer) expected(t *Task) float64 {
	if t.Run == nil {
		return 0
	}
	return t.Run.Value()
}

// gpus are those of the node that the outcome takes.
func (v *view) gpus(chosen bool) []int {
	if chosen && v.task.GPUs == 1 {
		return []int{slices.Index(v.Node.GPUs, v.outcome.free)}
	}
	return v.Node.Tightest(v.task)
}
