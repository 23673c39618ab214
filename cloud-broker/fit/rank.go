package fit

import (
	"cmp"
	"math"
	"slices"
)

// Ranked is a candidate in the order of a policy.
type Ranked struct {
	At        int     // which of the candidates
	Cost, Tie float64 // the sums of what it is ordered by

	view view
}

// Rank orders those candidates that come into question, the best first, and says what t had to be above. It appends to the
// given slice. The candidates are those that have what the task asks for free: amounts are not looked at again. t1 is what a
// node's time has to be above. Equal costs stay in the order in which the candidates were given.
func (s *Scorer) Rank(to []Ranked, t *Task, t1 float64, nodes []Candidate) []Ranked {
	s.prepare()
	f := s.Fragments
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := 0
	if s.fgd {
		kind = f.kind(t)
	}
	from := len(to)
	v := view{task: t, t1: s.expected(t)}
	for i := range nodes {
		c := &nodes[i]
		if c.Span.Bounded() && !(c.Span.Free > t1) {
			continue
		}
		v.Candidate, v.chance = c, s.random.Float64()
		options := unchanged[:]
		if s.fgd && enough(c.Node.GPUs, t.GPUs, t.milli()) {
			options = f.outcomes(c.Node, t, kind, s.deep)
		}
		r := Ranked{At: i, Cost: math.Inf(1), Tie: math.Inf(1)}
		for o := range options {
			v.outcome = &options[o]
			x := v.sum(s.score)
			if x > r.Cost+even {
				continue
			}
			if y := v.sum(s.ties); x < r.Cost-even || y < r.Tie-even {
				r.Cost, r.Tie, r.view = x, y, v
			}
		}
		to = append(to, r)
	}
	slices.SortStableFunc(to[from:], func(a, b Ranked) int {
		if a.Cost < b.Cost-even || a.Cost > b.Cost+even {
			return cmp.Compare(a.Cost, b.Cost)
		}
		return cmp.Compare(a.Tie, b.Tie)
	})
	return to
}

// unchanged is the outcome of a placement of which fragments do not matter.
var unchanged [1]outcome

// Parts are what a ranked candidate's cost is made of. They are to be asked for before the scorer's policy changes.
func (s *Scorer) Parts(r *Ranked) []Part {
	return append(r.view.parts(s.score, false), r.view.parts(s.ties, true)...)
}
