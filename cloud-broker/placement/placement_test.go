package placement

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

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
		{"nobody takes it", func(r *Request) { r.Type = signaling.DataComputation }, 10, "",
			"of 7 nodes 7 take no data-computation tasks"},
		{"unknown type", func(r *Request) { r.Type = "cooking" }, 10, "", "of 7 nodes 7 take no cooking tasks"},
		{"too much", func(r *Request) { r.Needs.GPUMemoryMB = 1 << 20 }, 10, "",
			"of 7 nodes 1 takes no rendering tasks, 1 is not ready and 5 have less than 1048576 MiB of GPU memory free"},
		{"too near", func(r *Request) { r.MaxDistanceMs = 0.1 }, 10, "",
			"of 7 nodes 1 takes no rendering tasks and 6 are too far away"},
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
	if got, want := cands[0].Reasons[2], "1 before it in the order are full, too far or not ready"; got != want {
		t.Errorf("passed over: %q, want %q", got, want)
	}
	r.Exclude = []signaling.NodeID{"e1", "e2"}
	cands, _ = s.Candidates(r, 10)
	if got, want := cands[0].Reasons[0], "no edge is free: nearest free cloud node, 30 ms away"; got != want {
		t.Errorf("reason is %q, want %q", got, want)
	}
}

// scan is the specification: look at every node, keep those that fit, sort.
func scan(nodes map[signaling.NodeID]signaling.Node, r Request, limit int) []Candidate {
	var fit []signaling.Node
	for _, n := range nodes {
		if slices.Contains(n.Types, r.Type) && n.State == signaling.NodeReady && r.Needs.Fits(n.Free) &&
			(r.MaxDistanceMs == 0 || n.DistanceMs <= r.MaxDistanceMs) && !slices.Contains(r.Exclude, n.ID) {
			fit = append(fit, n)
		}
	}
	slices.SortFunc(fit, func(a, b signaling.Node) int {
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(a.DistanceMs, b.DistanceMs), cmp.Compare(a.ID, b.ID))
	})
	var out []Candidate
	for _, n := range fit[:min(limit, len(fit))] {
		out = append(out, Candidate{Node: n.ID, Tier: n.Tier, DistanceMs: n.DistanceMs})
	}
	return out
}

func randomNode(r *rand.Rand, i int) signaling.Node {
	n := node(fmt.Sprintf("n%d", i), signaling.TierEdge, float64(r.IntN(60))/2)
	if r.IntN(10) == 0 {
		n.Tier = signaling.TierCloud
	}
	for range 1 + r.IntN(3) { // may name a type twice
		n.Types = append(n.Types, signaling.TaskTypes[r.IntN(len(signaling.TaskTypes))])
	}
	randomAmounts(r, &n)
	return n
}

func randomAmounts(r *rand.Rand, n *signaling.Node) {
	n.State = signaling.NodeReady
	if r.IntN(8) == 0 {
		n.State = signaling.NodeDraining
	}
	n.Free = signaling.Resources{GPUMemoryMB: int64(r.IntN(5)) * 512, GPUMilli: int64(r.IntN(5)) * 250,
		EncoderSessions: int64(r.IntN(3)) - 1, CPUMilli: int64(r.IntN(4)) * 500, MemoryMB: int64(r.IntN(4)) * 512}
}

// The answer is the same as that of a scan over all nodes, whatever changes came before, also on lists of many
// blocks; and the explanation counts every node once.
func TestSameAnswerAsScan(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		ids := []int{40, 3000}[seed%2]
		s, truth := NewSnapshot(), map[signaling.NodeID]signaling.Node{}
		if seed%3 == 0 { // start from a bulk load
			var all []signaling.Node
			for i := range ids {
				n := randomNode(r, i)
				all, truth[n.ID] = append(all, n), n
			}
			s.Replace(all, nil)
		}
		for step := range 4 * ids {
			switch n := randomNode(r, r.IntN(ids)); r.IntN(4) {
			case 0, 1:
				s.Apply(Change{Kind: Put, Node: n})
				truth[n.ID] = n
			case 2:
				known, ok := truth[n.ID]
				randomAmounts(r, &known)
				known.ID = n.ID
				s.Apply(Change{Kind: Amounts, Node: known})
				if ok {
					truth[n.ID] = known
				}
			default:
				s.Apply(Change{Kind: Remove, Node: n})
				delete(truth, n.ID)
			}
			if step%(ids/10) != 0 {
				continue
			}
			q := Request{Type: signaling.TaskTypes[r.IntN(len(signaling.TaskTypes))], MaxDistanceMs: float64(r.IntN(40)),
				Needs: signaling.Resources{GPUMemoryMB: int64(r.IntN(5)) * 512, GPUMilli: int64(r.IntN(5)) * 250,
					EncoderSessions: int64(r.IntN(2)), CPUMilli: int64(r.IntN(4)) * 500}}
			for range r.IntN(4) {
				q.Exclude = append(q.Exclude, signaling.NodeID(fmt.Sprintf("n%d", r.IntN(ids))))
			}
			limit := 1 + r.IntN(ids)
			got, why := s.Candidates(q, limit)
			want := scan(truth, q, limit)
			for i := range got {
				if len(got[i].Reasons) == 0 {
					t.Fatalf("candidate %s has no reasons", got[i].Node)
				}
			}
			if !slices.EqualFunc(got, want, func(a, b Candidate) bool {
				return a.Node == b.Node && a.Tier == b.Tier && a.DistanceMs == b.DistanceMs
			}) {
				t.Fatalf("seed %d step %d: %+v limit %d:\n got %s\nwant %s", seed, step, q, limit, names(got), names(want))
			}
			sum := why.Fit + why.NotType + why.NotReady + why.TooFar + why.Excluded + why.Lacking()
			if why.Complete && sum != len(truth) || why.Nodes != len(truth) || s.Len() != len(truth) || sum > len(truth) {
				t.Fatalf("seed %d step %d: %d nodes explained as %+v (sum %d)", seed, step, len(truth), why, sum)
			}
			if len(got) < limit && !why.Complete {
				t.Fatalf("seed %d step %d: %d of %d candidates but not complete", seed, step, len(got), limit)
			}
		}
		if got := s.Nodes(); len(got) != len(truth) {
			t.Fatalf("Nodes has %d, want %d", len(got), len(truth))
		}
		for id, n := range truth {
			if got, ok := s.Get(id); !ok || got.Free != n.Free || got.State != n.State {
				t.Fatalf("Get(%s) = %+v, %v, want %+v", id, got, ok, n)
			}
			s.Apply(Change{Kind: Remove, Node: n})
		}
		for typ, byTier := range s.lists {
			for i := range byTier {
				if byTier[i].n != 0 || len(byTier[i].blocks) != 0 {
					t.Fatalf("%s still has %d nodes in %d blocks after all left", typ, byTier[i].n, len(byTier[i].blocks))
				}
			}
		}
	}
}

func TestReadersWhileWriting(t *testing.T) {
	s := NewSnapshot()
	r := rand.New(rand.NewPCG(1, 1))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				cands, _ := s.Candidates(Request{Type: signaling.Rendering}, 8)
				if !slices.IsSortedFunc(cands, func(a, b Candidate) int {
					return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(a.DistanceMs, b.DistanceMs))
				}) {
					t.Error("candidates out of order")
					return
				}
				s.Nodes()
				s.Get("n1")
			}
		})
	}
	for range 2000 {
		n := randomNode(r, r.IntN(300))
		s.Apply(Change{Kind: Kind(r.IntN(3)), Node: n})
	}
	close(stop)
	readers.Wait()
}

// fleet returns n edges by distance of which the nearest share is full.
func fleet(n int, full float64) []signaling.Node {
	nodes := make([]signaling.Node, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("edge-%06d", i), signaling.TierEdge, float64(i)/100, signaling.TaskTypes...)
		if float64(i) < full*float64(n) {
			nodes[i].Free.EncoderSessions = 0
		}
	}
	return nodes
}

func BenchmarkCandidates(b *testing.B) {
	r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering)}
	for _, n := range []int{10_000, 100_000} {
		for _, full := range []float64{0, 0.9, 1} {
			nodes := fleet(n, full)
			b.Run(fmt.Sprintf("nodes=%d/full=%g", n, full), func(b *testing.B) {
				s := NewSnapshot()
				s.Replace(nodes, nil)
				for b.Loop() {
					s.Candidates(r, 16)
				}
			})
			b.Run(fmt.Sprintf("scan/nodes=%d/full=%g", n, full), func(b *testing.B) {
				truth := map[signaling.NodeID]signaling.Node{}
				for _, n := range nodes {
					truth[n.ID] = n
				}
				for b.Loop() {
					scan(truth, r, 16)
				}
			})
		}
	}
}

func BenchmarkApplyAmounts(b *testing.B) {
	nodes := fleet(100_000, 0)
	s := NewSnapshot()
	s.Replace(nodes, nil)
	i := 0
	for b.Loop() {
		n := nodes[i%len(nodes)]
		n.Free.GPUMilli = int64(i % 1000)
		s.Apply(Change{Kind: Amounts, Node: n})
		i++
	}
}
