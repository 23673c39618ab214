package fit_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
)

// Rank orders all candidates by what Decide decides by: its first is Decide's choice, and no cost before another is higher.
func TestB4RankBeginsWithTheDecision(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h fit.History
	for i := range 100 {
		h.Learn(&fit.Task{Amounts: fit.Amounts{CPUMilli: 500}, GPUs: 1, GPUMilli: int64(100 * (1 + i%5))})
	}
	f := fit.NewFragments(h.Typical())
	for _, p := range fit.Policies() {
		if p.Name == "random" {
			continue
		}
		s, err := fit.NewScorer(p, f, 1)
		if err != nil {
			t.Fatal(err)
		}
		s.Error = 0.05
		for range 50 {
			task := &fit.Task{Amounts: fit.Amounts{CPUMilli: 100}, GPUs: 1, GPUMilli: 100, Run: fit.Exactly(500 * r.Float64())}
			var all []fit.Candidate
			for range 1 + r.IntN(12) {
				n := node(t, "n", 8000, int64(100+50*r.IntN(19)), int64(100+50*r.IntN(19)))
				span := fit.Always
				if r.IntN(3) > 0 {
					span = fit.Span{Total: 1000, Free: float64(1 + r.IntN(999))}
				}
				all = append(all, fit.Candidate{Node: n, Span: span, DistanceMs: float64(r.IntN(10)), Ends: float64(r.IntN(3) * 100)})
			}
			d := s.Decide(task, all)
			ranked := s.Rank(nil, task, d.T1, all)
			if d.At < 0 {
				if p.Time.Quantile > 0 && len(ranked) > 0 {
					t.Fatalf("%s: nothing was chosen of %d", p.Name, len(ranked))
				}
				continue
			}
			if p.Time.Quantile == 0 && len(ranked) > 0 && ranked[0].At != d.At && math.Abs(ranked[0].Cost-d.Cost) > 1e-9 {
				t.Fatalf("%s: the first costs %v, the chosen one %v", p.Name, ranked[0].Cost, d.Cost)
			}
			for i := 1; i < len(ranked); i++ {
				if ranked[i].Cost < ranked[i-1].Cost-1e-6 {
					t.Fatalf("%s: %v comes before %v", p.Name, ranked[i-1].Cost, ranked[i].Cost)
				}
			}
			for i := range ranked {
				sum := 0.0
				for _, part := range s.Parts(&ranked[i]) {
					if part.Reason == "" {
						t.Fatalf("%s: %s has no reason", p.Name, part.Term)
					}
					if !part.Tie {
						sum += part.Value * part.Weight
					}
				}
				if math.Abs(sum-ranked[i].Cost) > 1e-9 {
					t.Fatalf("%s: the parts have the sum %v, the cost is %v", p.Name, sum, ranked[i].Cost)
				}
			}
		}
	}
}

// As a broker follows it a policy has patience where it rules nodes out, and resources that stay free unevenly cost a little; the
// document's rule stays exactly what it is.
func TestB4LivePolicies(t *testing.T) {
	for _, p := range fit.Policies() {
		live := p.Live()
		if err := live.Check(); err != nil {
			t.Error(err)
		}
		uneven := false
		for _, w := range live.Score {
			uneven = uneven || w.Term == fit.Uneven && w.Weight > 0
			if w.Term == fit.Align || w.Term == fit.Match {
				t.Errorf("%s counts ends that nobody tells", p.Name)
			}
		}
		switch {
		case p.Name == "patent":
			if uneven || live.Time != p.Time || len(live.Score) != 1 {
				t.Errorf("%+v", live)
			}
		case len(p.Score) > 0 && !uneven:
			t.Errorf("%s: %+v", p.Name, live)
		case p.Name == "risk" && live.Time.Patience == 0:
			t.Errorf("%+v", live)
		}
	}
}

// Amounts of all kinds are filtered by, taken and given back (B4.1, B4.3).
func TestB41EveryKindOfResource(t *testing.T) {
	n, err := fit.NewNode("n", fit.Amounts{CPUMilli: 1000, MemoryMiB: 1000, GPUMemoryMiB: 1000, Encoders: 1}, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	for want, a := range map[fit.Reason]fit.Amounts{fit.NoGPUMemory: {GPUMemoryMiB: 1001}, fit.NoEncoder: {Encoders: 2}, fit.Fits: {GPUMemoryMiB: 1000, Encoders: 1}} {
		if got := n.Filter(&fit.Task{Amounts: a}); got != want || got.String() == "" {
			t.Errorf("%+v: %s", a, got)
		}
	}
	task := &fit.Task{Amounts: fit.Amounts{GPUMemoryMiB: 600, Encoders: 1}}
	if err := n.Place(task, nil); err != nil {
		t.Fatal(err)
	}
	if n.Filter(task) == fit.Fits || n.Place(task, nil) == nil {
		t.Error("it fits twice")
	}
	if err := n.Release(task, nil); err != nil || n.Free != n.Total {
		t.Errorf("%v, %+v", err, n.Free)
	}
	if n.Release(task, nil) == nil {
		t.Error("it was given back twice")
	}
	if (&fit.Task{Amounts: fit.Amounts{Encoders: -1}}).Check() == nil {
		t.Error("a negative amount was taken")
	}
}
