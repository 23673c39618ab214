package placement

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

func node(id string, tier signaling.Tier, distance float64, types ...signaling.TaskType) signaling.Node {
	r := signaling.Resources{GPUMemoryMB: 8192, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 16384}
	return signaling.Node{ID: signaling.NodeID(id), Tier: tier, State: signaling.NodeReady, DistanceMs: distance,
		Types: types, Capacity: r, Free: r}
}

func names(cands []Candidate) string {
	var s []string
	for _, c := range cands {
		s = append(s, string(c.Node))
	}
	return strings.Join(s, " ")
}

func TestOrderIsTypeThenTierThenDistance(t *testing.T) {
	s := NewSnapshot()
	full := node("full", signaling.TierEdge, 1, signaling.Rendering)
	full.Free.EncoderSessions = 0
	draining := node("draining", signaling.TierEdge, 1, signaling.Rendering)
	draining.State = signaling.NodeDraining
	for _, n := range []signaling.Node{
		node("cloud", signaling.TierCloud, 0.5, signaling.Rendering),
		node("far", signaling.TierEdge, 40, signaling.Rendering, signaling.Training),
		node("near-b", signaling.TierEdge, 2, signaling.Rendering),
		node("near-a", signaling.TierEdge, 2, signaling.Rendering),
		node("trainer", signaling.TierEdge, 1, signaling.Training),
		full, draining,
	} {
		s.Apply(Change{Kind: Put, Node: n})
	}
	r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering)}
	tests := []struct {
		name  string
		edit  func(*Request)
		limit int
		want  string
		why   string
	}{
		{"all", func(*Request) {}, 10, "near-a near-b far cloud",
			"of 7 nodes 4 fit, 1 takes no rendering tasks, 1 is not ready and 1 has less than one video encoder free"},
		{"limit", func(*Request) {}, 2, "near-a near-b", ""},
		{"distance", func(r *Request) { r.MaxDistanceMs = 2 }, 10, "near-a near-b cloud", ""},
		{"excluded", func(r *Request) { r.Exclude = []signaling.NodeID{"near-a"} }, 10, "near-b far cloud", ""},
		{"training", func(r *Request) { r.Type = signaling.Training }, 10, "trainer far", ""},
		{"the cloud at any distance", func(r *Request) { r.MaxDistanceMs = 0.1 }, 10, "cloud",
			"of 7 nodes 1 fits, 1 takes no rendering tasks and 5 are too far away"},
		{"nobody takes it", func(r *Request) { r.Type = signaling.DataComputation }, 10, "",
			"of 7 nodes 7 take no data-computation tasks"},
		{"unknown type", func(r *Request) { r.Type = "cooking" }, 10, "", "of 7 nodes 7 take no cooking tasks"},
		{"too much", func(r *Request) { r.Needs.GPUMemoryMB = 1 << 20 }, 10, "",
			"of 7 nodes 1 takes no rendering tasks, 1 is not ready and 5 have less than 1048576 MiB of GPU memory free"},
		{"none asked for", func(*Request) {}, 0, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := r
			tt.edit(&q)
			cands, why := s.Candidates(q, tt.limit)
			if got := names(cands); got != tt.want {
				t.Errorf("candidates %q, want %q", got, tt.want)
			}
			if tt.why != "" && why.String() != tt.why {
				t.Errorf("explained as %q,\nwant %q", why, tt.why)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	s := NewSnapshot()
	if _, why := s.Candidates(Request{Type: signaling.Rendering}, 1); why.String() != "no node has registered" {
		t.Errorf("empty snapshot explained as %q", why)
	}
	full := node("full", signaling.TierEdge, 1, signaling.Rendering)
	full.Free = signaling.Resources{}
	s.Replace([]signaling.Node{full, node("e1", signaling.TierEdge, 2, signaling.Rendering),
		node("e2", signaling.TierEdge, 3.5, signaling.Rendering), node("c", signaling.TierCloud, 30, signaling.Rendering)}, nil)
	r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering)}
	cands, _ := s.Candidates(r, 10)
	for i, want := range []string{"nearest free edge, 2 ms away", "number 2 by distance of the free edge nodes, 3.5 ms away",
		"nearest free cloud node, if no edge is free any more, 30 ms away"} {
		if got := cands[i].Reasons[0]; got != want {
			t.Errorf("reason %d is %q, want %q", i, got, want)
		}
	}
	if got, want := cands[0].Reasons[2], "1 other that was looked at is full, too far or not ready"; got != want {
		t.Errorf("passed over: %q, want %q", got, want)
	}
	r.Exclude = []signaling.NodeID{"e1", "e2"}
	cands, _ = s.Candidates(r, 10)
	if got, want := cands[0].Reasons[0], "no edge takes it: nearest free cloud node, 30 ms away"; got != want {
		t.Errorf("reason is %q, want %q", got, want)
	}
}

func cost(c Candidate) (ms float64) {
	for _, t := range c.Terms {
		ms += t.Ms
	}
	return ms
}

func TestReadersWhileWriting(t *testing.T) {
	s := NewSnapshot()
	r := rand.New(rand.NewPCG(1, 1))
	w := newWorld(r, 300)
	stop := make(chan struct{})
	fragments := []*fit.Fragments{usualTasks(), usualTasks()}
	policy, err := fit.Named("risk")
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				cands, _ := s.Candidates(Request{Type: signaling.Rendering}, 8)
				if !slices.IsSortedFunc(cands, func(a, b Candidate) int {
					return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(cost(a), cost(b)))
				}) {
					t.Error("candidates out of order")
					return
				}
				s.Explain(Request{Type: signaling.Rendering, Zone: "z1", Volume: volumeKey(1)}, 5)
				q := Request{Type: signaling.Rendering, Needs: signaling.Resources{GPUMilli: 250},
					Order: &Order{Policy: policy.Live(), Fragments: fragments[i%2], Run: fit.Exactly(200)}}
				s.Candidates(q, 8)
				s.Explain(q, 8)
				s.Lasts("n2", q.Order)
				s.Nodes()
				s.Get("n1")
			}
		})
	}
	for range 500 {
		w.step(s)
		if r.IntN(50) == 0 {
			s.SetDistances(w.table())
			s.SetRemembered(w.remembered)
			s.SetExperience(w.experience)
			w.setSpans(s)
		}
	}
	close(stop)
	readers.Wait()
}
