package fit_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
)

func node(t testing.TB, name string, cpu int64, gpus ...int64) *fit.Node {
	t.Helper()
	n, err := fit.NewNode(name, fit.Amounts{CPUMilli: cpu, MemoryMiB: 1000}, len(gpus), "A")
	if err != nil {
		t.Fatal(err)
	}
	copy(n.GPUs, gpus)
	return n
}

func scorer(t testing.TB, policy string, f *fit.Fragments) *fit.Scorer {
	t.Helper()
	p, err := fit.Named(policy)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fit.NewScorer(p, f, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// staying are one-GPU nodes that stay for so many seconds of so many.
func staying(t testing.TB, spans ...fit.Span) (out []fit.Candidate) {
	for _, s := range spans {
		out = append(out, fit.Candidate{Node: node(t, "n", 1000, fit.GPU), Span: s})
	}
	return out
}

func hours(free, total float64) fit.Span { return fit.Span{Total: total * 3600, Free: free * 3600} }

// 0 <= t <= T (B3).
func TestB3TimesStayWithinTheirBounds(t *testing.T) {
	for _, s := range []fit.Span{{Total: 1, Free: 2}, {Total: 1, Free: -1}, {Total: math.NaN(), Free: 1}, {Total: 2, Free: 1, Period: -1}, {Total: 2, Free: 1, Period: math.Inf(1)}} {
		if s.Check() == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}

// The first filter: affinity, device resources, volumes, amounts (B4.1). Each refusal is named.
func TestB4_1FirstFilter(t *testing.T) {
	n := node(t, "n", 4000, 1000, 300)
	n.Labels, n.Volumes = []string{"ward"}, []string{"ct-1"}
	for _, c := range []struct {
		task fit.Task
		want fit.Reason
	}{
		{fit.Task{Amounts: fit.Amounts{CPUMilli: 4000, MemoryMiB: 1000}, GPUs: 1, GPUMilli: 1000, Models: []string{"B", "A"}, Affinity: []string{"ward"}, Volumes: []string{"ct-1"}}, fit.Fits},
		{fit.Task{Affinity: []string{"theatre"}}, fit.NoLabel},
		{fit.Task{GPUs: 1, GPUMilli: 1, Models: []string{"B"}}, fit.NoModel},
		{fit.Task{Volumes: []string{"ct-2"}}, fit.NoVolume},
		{fit.Task{Amounts: fit.Amounts{CPUMilli: 4001}}, fit.NoCPU},
		{fit.Task{Amounts: fit.Amounts{MemoryMiB: 1001}}, fit.NoMemory},
		{fit.Task{GPUs: 2, GPUMilli: 301}, fit.NoGPU},
		{fit.Task{GPUs: 2, GPUMilli: 300}, fit.Fits},
		{fit.Task{GPUs: 3, GPUMilli: 1}, fit.NoGPU},
	} {
		if got := n.Filter(&c.task); got != c.want {
			t.Errorf("%+v: %v, want %v", c.task, got, c.want)
		}
	}
	d := scorer(t, "first-fit", nil).Decide(&fit.Task{Amounts: fit.Amounts{CPUMilli: 5000}}, []fit.Candidate{{Node: n, Span: fit.Always}})
	if d.At != -1 || d.Why() != "1 node: too little CPU free" {
		t.Errorf("%+v: %s", d, d.Why())
	}
}

// Only t > t1 (B4.2), and where no node has it the task waits, with the reason.
func TestB4_2OnlyNodesThatStayLonger(t *testing.T) {
	task := &fit.Task{GPUs: 1, GPUMilli: 1000, Run: fit.Exactly(3600)}
	s := scorer(t, "patent", nil)
	d := s.Decide(task, staying(t, hours(1, 4), hours(0.5, 4)))
	if d.At != -1 || d.Why() != "2 nodes: it goes away before the task is expected to end" || d.T1 != 3600 {
		t.Errorf("%+v: %s", d, d.Why())
	}
	if d := s.Decide(task, staying(t, hours(1, 4), hours(1.01, 4))); d.At != 1 {
		t.Errorf("%+v", d)
	}
}

// The closer t is to t1 the better, relative to T (B4.2): (t1 - t)/T is maximised.
func TestB4_2TheTightestByShareOfTheNodesTime(t *testing.T) {
	task := &fit.Task{GPUs: 1, GPUMilli: 1000, Run: fit.Exactly(3600)}
	s := scorer(t, "patent", nil)
	d := s.Decide(task, staying(t, hours(5, 8), hours(2, 8), hours(3, 8)))
	if d.At != 1 || math.Abs(d.Cost-1.0/8) > 1e-9 || len(d.Parts) != 1 || !strings.Contains(d.Parts[0].Reason, "3600 s of 28800 s are left") {
		t.Errorf("%+v", d)
	}
	// 2 h of 40 h left over are less than 1 h of 4 h.
	if d := s.Decide(task, staying(t, hours(2, 4), hours(3, 40))); d.At != 1 {
		t.Errorf("%+v", d)
	}
}

// toss is a forecast of a run time that is short or long with the same probability.
type toss struct{ short, long float64 }

func (f toss) Value() float64 { return f.short }
func (f toss) Quantile(q float64) float64 {
	if q <= 0.5 {
		return f.short
	}
	return f.long
}
func (f toss) Exceeds(v float64) float64 {
	switch {
	case v < f.short:
		return 1
	case v < f.long:
		return 0.5
	}
	return 0
}

// The policy risk takes the node that is not likely to go away first, where the rule of B4.2 takes the tightest.
func TestB4RiskAvoidsNodesThatMayGoAway(t *testing.T) {
	task := &fit.Task{GPUs: 1, GPUMilli: 1000, Run: toss{600, 7200}}
	nodes := staying(t, hours(0.2, 8), hours(3, 8), hours(0.5, 8))
	if d := scorer(t, "patent", nil).Decide(task, nodes); d.At != 0 {
		t.Errorf("patent: %+v", d)
	}
	d := scorer(t, "risk", nil).Decide(task, nodes)
	if d.At != 1 || d.Parts[0].Term != fit.Risk || d.Parts[0].Value > 0.05 {
		t.Errorf("risk: %+v", d)
	}
}

// t1 grows after a miss, and has a cap, so that no task waits for a node that there never is.
func TestB4GrowsAfterAMissUpToACap(t *testing.T) {
	r := fit.TimeRule{Quantile: 0.5, Growth: 1.5, Cap: 0.5}
	nodes := staying(t, hours(1, 8), hours(2, 8), hours(3, 8), hours(4, 8))
	task := &fit.Task{GPUs: 1, GPUMilli: 1000, Run: fit.Exactly(3600)}
	last := 0.0
	for misses := range 200 {
		task.Misses = misses
		t1 := r.T1(task, r.Limit(nodes))
		if t1 < last || t1 > 3*3600 {
			t.Fatalf("after %d misses t1 is %v after %v", misses, t1, last)
		}
		last = t1
	}
	if last != 3*3600 {
		t.Errorf("t1 grew to %v s, want what half of the nodes stay for", last)
	}
	task.Run = fit.Exactly(1e9)
	if d := scorer(t, "risk", nil).Decide(task, nodes); d.At < 0 {
		t.Errorf("a task that no node stays for waits for ever: %s", d.Why())
	}
	r = fit.TimeRule{Quantile: 0.5, Patience: 2}
	task = &fit.Task{Run: fit.Exactly(100)}
	for waited, want := range map[float64]float64{0: 100, 100: 50, 200: 0, 1000: 0} {
		if task.Waited = waited; r.T1(task, math.Inf(1)) != want {
			t.Errorf("after %v s t1 is %v", waited, r.T1(task, math.Inf(1)))
		}
	}
}

// The node's free amounts are updated at once (B4.3), and what does not fit changes nothing.
func TestB4_3AmountsAreUpdatedAtOnce(t *testing.T) {
	n := node(t, "n", 4000, 1000, 400)
	task := &fit.Task{Amounts: fit.Amounts{CPUMilli: 3000, MemoryMiB: 10}, GPUs: 1, GPUMilli: 300}
	gpus := n.Tightest(task)
	if err := n.Place(task, gpus); err != nil || n.Free != (fit.Amounts{CPUMilli: 1000, MemoryMiB: 990}) || !slices.Equal(n.GPUs, []int64{1000, 100}) {
		t.Fatal(err, n)
	}
	before := *n
	for _, bad := range []struct {
		task *fit.Task
		gpus []int
	}{{task, gpus}, {task, []int{7}}, {task, nil}, {&fit.Task{GPUs: 2, GPUMilli: 50}, []int{1, 1}}, {&fit.Task{Amounts: fit.Amounts{CPUMilli: -1}}, nil}} {
		if n.Place(bad.task, bad.gpus) == nil {
			t.Errorf("%+v was placed on %v", bad.task, bad.gpus)
		}
	}
	if n.Free != before.Free || n.FreeGPU() != 1100 {
		t.Errorf("what did not fit changed %+v", n)
	}
	if err := n.Release(task, gpus); err != nil || n.FreeGPU() != 1400 {
		t.Fatal(err, n)
	}
	if n.Release(task, gpus) == nil {
		t.Error("it was released twice")
	}
}

// Placing and releasing at random never makes an amount negative or larger than there is, and what is free adds up (B3, B4.3).
func TestB4_3ModelFreeAmountsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 3))
	n := node(t, "n", 64000, 1000, 1000, 1000, 1000)
	s := scorer(t, "fragments", fit.NewFragments([]fit.Class{{CPUMilli: 1000, GPUs: 1, GPUMilli: 500, Share: 0.5}, {CPUMilli: 8000, GPUs: 2, GPUMilli: 1000, Share: 0.5}}))
	type placed struct {
		task fit.Task
		gpus []int
	}
	var all []placed
	for range 5000 {
		if len(all) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(all))
			if err := n.Release(&all[i].task, all[i].gpus); err != nil {
				t.Fatal(err)
			}
			all = slices.Delete(all, i, i+1)
		} else {
			task := fit.Task{Amounts: fit.Amounts{CPUMilli: int64(r.IntN(9000)), MemoryMiB: int64(r.IntN(200))}, GPUs: r.IntN(4)}
			if task.GPUMilli = 1000; task.GPUs == 1 {
				task.GPUMilli = int64(1 + r.IntN(1000))
			}
			if d := s.Decide(&task, []fit.Candidate{{Node: n, Span: fit.Always}}); d.At == 0 {
				if err := n.Place(&task, d.GPUs); err != nil {
					t.Fatal(err)
				}
				all = append(all, placed{task, d.GPUs})
			}
		}
		taken, gpu := fit.Amounts{}, int64(0)
		for _, p := range all {
			taken.CPUMilli += p.task.CPUMilli
			taken.MemoryMiB += p.task.MemoryMiB
			gpu += p.task.GPUTotal()
		}
		if n.Free.CPUMilli != n.Total.CPUMilli-taken.CPUMilli || n.Free.MemoryMiB != n.Total.MemoryMiB-taken.MemoryMiB || n.FreeGPU() != 4000-gpu ||
			slices.Min(n.GPUs) < 0 || slices.Max(n.GPUs) > fit.GPU {
			t.Fatalf("%d tasks: %+v", len(all), n)
		}
	}
}

// Every decision explains its terms, and their sum is the cost.
func TestB4DecisionsExplainTheirTerms(t *testing.T) {
	f := fit.NewFragments([]fit.Class{{CPUMilli: 1000, GPUs: 1, GPUMilli: 1000, Share: 1}})
	for _, p := range fit.Policies() {
		s := scorer(t, p.Name, f)
		s.Error = 0
		nodes := []fit.Candidate{{Node: node(t, "a", 64000, 1000, 500), Span: hours(3, 4), Ends: 100, DistanceMs: 3}, {Node: node(t, "b", 64000, 1000), Span: fit.Always, DistanceMs: 4}}
		d := s.Decide(&fit.Task{GPUs: 1, GPUMilli: 400, Run: fit.Exactly(600)}, nodes)
		if d.At < 0 {
			t.Errorf("%s: %s", p.Name, d.Why())
			continue
		}
		sum := 0.0
		for _, part := range d.Parts {
			if part.Reason == "" {
				t.Errorf("%s: %s has no reason", p.Name, part.Term)
			}
			if !part.Tie {
				sum += part.Weight * part.Value
			}
		}
		if math.Abs(sum-d.Cost) > 1e-9 || len(d.Parts) != len(p.Score)+len(p.Ties) {
			t.Errorf("%s: cost %v, parts %+v", p.Name, d.Cost, d.Parts)
		}
	}
}

// A task is kept from stranding GPUs: half a GPU goes beside the other half, although a whole one is free.
func TestB4FragmentsAreAvoided(t *testing.T) {
	f := fit.NewFragments([]fit.Class{{GPUs: 1, GPUMilli: 1000, Share: 0.7}, {GPUs: 1, GPUMilli: 500, Share: 0.3}})
	nodes := []fit.Candidate{{Node: node(t, "a", 64000, 1000, 1000), Span: fit.Always}, {Node: node(t, "b", 64000, 1000, 500), Span: fit.Always}}
	d := scorer(t, "fragments", f).Decide(&fit.Task{GPUs: 1, GPUMilli: 500}, nodes)
	if d.At != 1 || !slices.Equal(d.GPUs, []int{1}) || d.Cost >= 0 {
		t.Errorf("%+v", d)
	}
	if got := f.Stranded(nodes[1].Node); math.Abs(got-0.7*500) > 1e-9 {
		t.Errorf("of a whole GPU and a half %v are a fragment, want 350", got)
	}
	if got := f.Left(node(t, "c", 64000, 300)); got != 300 {
		t.Errorf("of 300 that nobody can use %v are left", got)
	}
	if got := f.Left(node(t, "d", 64000, 1000)); got != 0 {
		t.Errorf("of a GPU that everybody can use %v are left", got)
	}
}

func TestPoliciesAreChecked(t *testing.T) {
	if _, err := fit.Named("best"); err == nil || !strings.Contains(err.Error(), "patent, spread") {
		t.Error(err)
	}
	for _, p := range []fit.Policy{{Score: []fit.Weight{{Term: "luck", Weight: 1}}}, {Time: fit.TimeRule{Quantile: 1}}, {Time: fit.TimeRule{Cap: 2}}, {Time: fit.TimeRule{Growth: math.NaN()}}} {
		if _, err := fit.NewScorer(p, nil, 0); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	if _, err := fit.NewNode("n", fit.Amounts{CPUMilli: -1}, 1, ""); err == nil {
		t.Error("a node with negative amounts was made")
	}
}

// What is typical is learnt from what was asked for; rare and impossible tasks do not count.
func TestTypicalIsLearnt(t *testing.T) {
	var h fit.History
	for i := range 1000 {
		h.Learn(&fit.Task{GPUs: 1, GPUMilli: 500, Models: []string{"B", "A"}})
		h.Learn(&fit.Task{GPUs: -1})
		if i%100 == 0 {
			h.Learn(&fit.Task{Amounts: fit.Amounts{CPUMilli: int64(i)}})
		}
	}
	all := h.Typical()
	if len(all) != 1 || all[0].GPUMilli != 500 || !slices.Equal(all[0].Models, []string{"A", "B"}) || all[0].Share != 1 {
		t.Errorf("%+v", all)
	}
	for i := range 20000 { // kinds without number
		h.Learn(&fit.Task{Amounts: fit.Amounts{CPUMilli: int64(i)}})
	}
	if len(h.Typical()) > 4096 {
		t.Error("kinds are not bounded")
	}
}

// A decision among the candidates of placement, with all terms.
func BenchmarkDecide(b *testing.B) {
	f := fit.NewFragments([]fit.Class{{CPUMilli: 4000, GPUs: 1, GPUMilli: 1000, Share: 0.5}, {CPUMilli: 2000, GPUs: 1, GPUMilli: 250, Share: 0.3}, {CPUMilli: 32000, GPUs: 4, GPUMilli: 1000, Share: 0.2}})
	r := rand.New(rand.NewPCG(1, 1))
	var nodes []fit.Candidate
	for range 16 {
		n := node(b, "n", 96000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000)
		for i := range n.GPUs {
			n.GPUs[i] = int64(250 * r.IntN(5))
		}
		nodes = append(nodes, fit.Candidate{Node: n, Span: hours(1+8*r.Float64(), 10), Ends: 3600, DistanceMs: r.Float64()})
	}
	for _, name := range []string{"first-fit", "risk", "fragments", "packed"} {
		b.Run(name, func(b *testing.B) {
			s := scorer(b, name, f)
			task := &fit.Task{Amounts: fit.Amounts{CPUMilli: 500}, GPUs: 1, GPUMilli: 250, Run: fit.Exactly(600)}
			for b.Loop() {
				s.Decide(task, nodes)
			}
		})
	}
}
