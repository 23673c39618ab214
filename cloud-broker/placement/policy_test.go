package placement

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

func usualTasks() *fit.Fragments {
	var h fit.History
	for i := range 200 {
		h.Learn(&fit.Task{Amounts: fit.Amounts{CPUMilli: 500}, GPUs: 1, GPUMilli: []int64{250, 500}[i%2]})
	}
	return fit.NewFragments(h.Typical())
}

// costs are the terms of a candidate by name.
func costs(c Candidate) map[string]float64 {
	m := map[string]float64{}
	for _, t := range c.Terms {
		m[t.Name] = t.Ms
	}
	return m
}

// Risk orders the near nodes by the probability of not finishing; what is far is not taken for it, and every decision tells each
// term (B4).
func TestB4RiskOrdersTheNearNodes(t *testing.T) {
	s := staying(150, 1000, 0)
	r := ordered(t, "risk", 100)
	got, _ := s.Candidates(r, 10)
	if names(got) != "n2 n1 n0" {
		t.Errorf("%s", names(got))
	}
	for _, c := range got {
		terms, sum := costs(c), 0.0
		for name, ms := range terms {
			sum += ms
			if name != "distance" && !slices.ContainsFunc(c.Terms, func(t signaling.Term) bool { return t.Name == name && t.Reason != "" }) {
				t.Errorf("%s gives no reason for %s", c.Node, name)
			}
		}
		for _, name := range []string{"distance", "risk", "fragment", "uneven", "time"} {
			if _, told := terms[name]; !told {
				t.Errorf("%s does not tell %s: %v", c.Node, name, terms)
			}
		}
		if !strings.Contains(c.Reasons[0], "policy risk") {
			t.Errorf("%q", c.Reasons[0])
		}
	}
	if a, b := costs(got[1]), costs(got[2]); a["risk"] >= b["risk"] {
		t.Errorf("the risk of %v is not below %v", a, b)
	}
	// The explanation is of the same order, and its terms have its cost as sum.
	for i, v := range s.Explain(r, 10) {
		sum := 0.0
		for _, term := range v.Terms {
			sum += term.Ms
		}
		if v.Node != got[i].Node || !v.Fits || math.Abs(sum-v.CostMs) > 1e-9 {
			t.Errorf("verdict %d is %+v, candidate %s", i, v, got[i].Node)
		}
	}
	far := node("far", signaling.TierEdge, 100, signaling.Rendering) // stays, but much farther away
	s.Apply(Change{Kind: Put, Node: far})
	if got, _ := s.Candidates(r, 10); names(got) != "n2 n1 n0 far" {
		t.Errorf("%s", names(got))
	}
	// Edges come before the cloud tier whatever a policy says (A8).
	cloud := node("cloud", signaling.TierCloud, 1, signaling.Rendering)
	s.Apply(Change{Kind: Put, Node: cloud})
	if got, _ := s.Candidates(r, 10); names(got) != "n2 n1 n0 far cloud" {
		t.Errorf("%s", names(got))
	}
}

// Fragments of resources count: of several GPUs that one is taken which typical tasks can use less, and a node on which one resource
// would be used up while others stay free comes later (B4).
func TestB4FragmentsOfResourcesCount(t *testing.T) {
	gpus := func(id string, free ...int64) signaling.Node {
		n := node(id, signaling.TierEdge, 1, signaling.Rendering)
		n.Free.GPUMilli = 0
		for _, f := range free {
			n.GPUs = append(n.GPUs, signaling.GPU{MemoryMB: 8192, Milli: 1000})
			n.FreeGPUs = append(n.FreeGPUs, signaling.GPU{MemoryMB: 8192, Milli: f})
			n.Free.GPUMilli += f
		}
		return n
	}
	s := NewSnapshot()
	s.Apply(Change{Kind: Put, Node: gpus("a", 500, 500)}, Change{Kind: Put, Node: gpus("b", 250, 750)})
	r := ordered(t, "fragments", 0)
	r.Order.Fragments = usualTasks()
	if got, _ := s.Candidates(r, 10); names(got) != "b a" { // the 250 on b serve no other typical task
		t.Errorf("%s: %v %v", names(got), got[0].Terms, got[1].Terms)
	}
	even, lopsided := node("lopsided", signaling.TierEdge, 1, signaling.Rendering), node("even", signaling.TierEdge, 1, signaling.Rendering)
	lopsided.ID, even.ID = "a-lopsided", "b-even"
	lopsided.Free = signaling.Resources{GPUMemoryMB: 1024, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 16384}
	s = NewSnapshot()
	s.Apply(Change{Kind: Put, Node: lopsided}, Change{Kind: Put, Node: even})
	r = ordered(t, "risk", 0)
	if got, _ := s.Candidates(r, 10); names(got) != "b-even a-lopsided" {
		t.Errorf("%s: %v %v", names(got), got[0].Terms, got[1].Terms)
	}
}

// Each policy that an operator can choose orders as it says (B4).
func TestB4PoliciesAreData(t *testing.T) {
	s := NewSnapshot()
	for i, free := range []int64{2000, 8000, 4000} {
		n := node(fmt.Sprintf("n%d", i), signaling.TierEdge, 1, signaling.Rendering)
		n.Free.CPUMilli, n.Free.GPUMilli = free, free/8
		s.Apply(Change{Kind: Put, Node: n})
	}
	for policy, want := range map[string]string{"packed": "n0 n2 n1", "spread": "n1 n2 n0", "patent": "n0 n1 n2"} {
		r := ordered(t, policy, 0)
		r.Needs = signaling.Resources{CPUMilli: 500}
		if got, _ := s.Candidates(r, 10); names(got) != want {
			t.Errorf("%s: %s, want %s", policy, names(got), want)
		}
	}
}

// A policy changes the order among the near nodes and nothing else: the same nodes come into question, whatever changed before.
func TestB4PolicyKeepsTheCandidates(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 9))
		w, s := newWorld(r, 150), NewSnapshot()
		s.SetDistances(w.table())
		fragments := usualTasks()
		for step := range 600 {
			w.step(s)
			if step%50 == 0 {
				w.setSpans(s)
			}
			if step%10 != 0 {
				continue
			}
			q := w.request()
			run := q.Order
			if run == nil {
				run = only(0)
			}
			q.Order = run
			near, _ := s.Candidates(q, 1000)
			policy, err := fit.Named([]string{"risk", "packed", "spread", "patent", "fragments"}[r.IntN(5)])
			if err != nil {
				t.Fatal(err)
			}
			policy = policy.Live()
			policy.Time = run.Policy.Time // so that the same nodes are ruled out
			q.Order = &Order{Policy: policy, Fragments: fragments, Run: run.Run, Error: 0.05}
			got, _ := s.Candidates(q, 1000)
			scanned := s.Scan(q, 1000)
			if names(got) != names(scanned) {
				t.Fatalf("%s: %+v\n got %s\nscan %s", policy.Name, q, names(got), names(scanned))
			}
			sorted := func(c []Candidate) string {
				c = slices.Clone(c)
				slices.SortFunc(c, func(a, b Candidate) int { return strings.Compare(string(a.Node), string(b.Node)) })
				return names(c)
			}
			if sorted(got) != sorted(near) {
				t.Fatalf("%s: %s, by distance %s", policy.Name, sorted(got), sorted(near))
			}
			for i := 1; i < len(got); i++ {
				if got[i-1].Tier == signaling.TierCloud && got[i].Tier == signaling.TierEdge {
					t.Fatalf("the cloud comes before an edge: %s", names(got))
				}
			}
		}
	}
}
