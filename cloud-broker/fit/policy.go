package fit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Term names a part of a node's cost.
type Term string

// The terms; the package comment says what each is.
const (
	Fragment Term = "fragment" // thousandths of a GPU
	FGD      Term = "fgd"      // -100 to 0
	Gradient Term = "gradient" // thousandths of a GPU
	Best     Term = "best"     // 0 to 2
	Least    Term = "least"    // 0 to 1
	Most     Term = "most"     // 0 to 1
	LeftOver Term = "time"     // 0 to 1
	Longest  Term = "window"   // -seconds
	Risk     Term = "risk"     // 0 to 1
	Align    Term = "align"    // hours
	Match    Term = "match"    // logarithm of a factor
	Wake     Term = "wake"     // 0 or 1
	Uneven   Term = "uneven"   // 0 to 1
	Random   Term = "random"   // 0 to 1
	Distance Term = "distance" // ms
)

// Weight is how much a term counts.
type Weight struct {
	Term   Term    `json:"term"`
	Weight float64 `json:"weight"`
	// While is the largest measured error of predictions, see Scorer.Error, at which the term counts; 0: always.
	While float64 `json:"while,omitempty"`
}

// TimeRule says which nodes stay long enough for a task (B4.2): those with t > t1.
type TimeRule struct {
	// Quantile of the predicted run time that t1 is, between 0 and 1; 0: time rules no node out.
	Quantile float64 `json:"quantile"`
	// Growth is what t1 is multiplied by for each time that a node went away before the task had ended; 0 and 1: it stays.
	Growth float64 `json:"growth,omitempty"`
	// Cap is the share of the nodes that stay longer than t1 at least, busy ones too: t1 is never above what they stay for, so
	// that no task waits for ever. 0: no cap.
	Cap float64 `json:"cap,omitempty"`
	// Patience is for how many times t1 a task waits for a node that stays so long: while it waits t1 becomes less, and is 0
	// when it has waited so long. 0: t1 stays.
	Patience float64 `json:"patience,omitempty"`
}

// Policy is how nodes are chosen, as data.
type Policy struct {
	Name    string   `json:"name"`
	Summary string   `json:"summary"`
	Time    TimeRule `json:"time"`
	// Score is the cost, of which the lowest is taken; Ties that of those whose costs are equal. Where these are equal, too,
	// the node that comes first is taken.
	Score []Weight `json:"score"`
	Ties  []Weight `json:"ties,omitempty"`
	// Lag puts a waiting task behind those that came up to so many times its expected run time later: short ones do not wait
	// for long ones, and nothing waits for ever. 0: tasks are tried in the order in which they came.
	Lag float64 `json:"lag,omitempty"`
	// Baseline: it is there to be compared with.
	Baseline bool `json:"baseline,omitempty"`
}

// Policies are those that have a name, ours first.
func Policies() []Policy { return slices.Clone(policies) }

// ErrUnknown: there is no policy of this name.
var ErrUnknown = errors.New("no such policy")

// Named is the policy of this name.
func Named(name string) (Policy, error) {
	var names []string
	for _, p := range policies {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Policy{}, fmt.Errorf("%w: %.40q; there are %s", ErrUnknown, name, strings.Join(names, ", "))
}

// Check refuses a policy that cannot be followed.
func (p *Policy) Check() error {
	t := p.Time
	if !(t.Quantile >= 0 && t.Quantile < 1) || !(t.Growth >= 0 && t.Growth <= 100) || !(t.Cap >= 0 && t.Cap <= 1) {
		return fmt.Errorf("policy %.40q: a quantile from 0 to below 1, a growth from 0 to 100 and a cap from 0 to 1 are needed, not %v, %v and %v",
			p.Name, t.Quantile, t.Growth, t.Cap)
	}
	for _, w := range slices.Concat(p.Score, p.Ties) {
		if terms[w.Term] == nil {
			return fmt.Errorf("policy %.40q: there is no term %.40q", p.Name, w.Term)
		}
	}
	return nil
}

const (
	// fragmentMs is how many milliseconds of distance a thousandth of a GPU is worth that no task could use: a whole one 20 ms.
	fragmentMs = 0.02
	// trusted is the measured error up to which ends are aligned by predictions. A few that are far off cost more than many
	// good ones save: a node stays in use for the last task.
	trusted = 0.1
	// farther is what a millisecond of distance is worth beside a probability: 100 ms as much as 0.1.
	farther = 0.001
)

var policies = []Policy{
	{Name: "fragments", Summary: "what stays free can be used by typical tasks; the default where nodes stay",
		// Best keeps whole nodes for the rare tasks that need one, which rollouts of typical tasks hardly see.
		Score: []Weight{{Term: Fragment, Weight: fragmentMs}, {Term: Best, Weight: 1}, {Term: Distance, Weight: 1}}},
	{Name: "risk", Summary: "the node is unlikely to go away first, then little time is left over; the default where nodes have windows",
		Time:  TimeRule{Quantile: 0.5, Growth: 1.2, Cap: 0.6},
		Score: []Weight{{Term: Risk, Weight: 1}, {Term: Fragment, Weight: fragmentMs * farther}, {Term: Distance, Weight: farther}},
		Ties:  []Weight{{Term: LeftOver, Weight: 1}}, // as a part of the score it cost work at any weight: predictions err
		Lag:   4},
	{Name: "packed", Summary: "best fit, and ends that come together while predictions are good",
		Score: []Weight{{Term: Best, Weight: 1}, {Term: Align, Weight: 1, While: trusted}, {Term: Match, Weight: 0.2, While: trusted}}},
	{Name: "patent", Summary: "only nodes that stay longer than predicted, the tightest of them",
		Time: TimeRule{Quantile: 0.5}, Score: []Weight{{Term: LeftOver, Weight: 1}}},
	{Name: "spread", Summary: "the node with the most free", Score: []Weight{{Term: Best, Weight: -1}}},

	{Name: "random", Summary: "any node that fits", Score: []Weight{{Term: Random, Weight: 1}}, Baseline: true},
	{Name: "first-fit", Summary: "the first node that fits", Baseline: true},
	{Name: "best-fit", Summary: "the node with the least left over", Score: []Weight{{Term: Best, Weight: 1}}, Baseline: true},
	{Name: "least-allocated", Summary: "Kubernetes LeastAllocated", Score: []Weight{{Term: Least, Weight: 1}}, Baseline: true},
	{Name: "most-allocated", Summary: "Kubernetes MostAllocated", Score: []Weight{{Term: Most, Weight: 1}}, Baseline: true},
	{Name: "fgd", Summary: "fragmentation gradient descent, integer score", Score: []Weight{{Term: FGD, Weight: 1}}, Baseline: true},
	{Name: "longest-window", Summary: "the node that stays longest", Score: []Weight{{Term: Longest, Weight: 1}}, Baseline: true},
	{Name: "filter", Summary: "the first node that stays longer than predicted", Time: TimeRule{Quantile: 0.5}, Baseline: true},
}

const (
	// unevenMs is how many milliseconds of distance it is worth that what stays free of one resource can be used with what stays
	// free of the others: all of it 10 ms.
	unevenMs = 10
	// livePatience is for how many times t1 a task waits for a node that stays so long where a broker follows a policy: where all
	// nodes of a site close at the same time, a cap by what others stay for does not help.
	livePatience = 1
)

// Live is the policy as a broker follows it. What rules nodes out for their time has patience, so that nothing waits for ever.
// Terms of the ends of what runs on a node, which a broker's snapshot does not have, do not count; resources that stay free
// unevenly do, a little. A policy that is only the document's rule, by left-over time, stays as it is.
func (p Policy) Live() Policy {
	unit, exact := 0.0, true
	var score []Weight
	for _, w := range p.Score {
		exact = exact && w.Term == LeftOver
		switch w.Term {
		case Distance:
			unit = w.Weight
		case Align, Match:
			continue
		}
		score = append(score, w)
	}
	if exact {
		return p
	}
	if unit == 0 {
		unit = farther
	}
	p.Score = append(score, Weight{Term: Uneven, Weight: unevenMs * unit})
	if p.Time.Quantile > 0 && p.Time.Patience == 0 {
		p.Time.Patience = livePatience
	}
	return p
}

// Unit is what a millisecond of distance counts in the policy's score.
func (p *Policy) Unit() float64 {
	for _, w := range p.Score {
		if w.Term == Distance && w.Weight > 0 {
			return w.Weight
		}
	}
	return farther
}
