package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

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

// zoned spreads a fleet over zones, with a table of distances between all of them.
func zoned(s *Snapshot, nodes []signaling.Node, zones int) {
	r := rand.New(rand.NewPCG(1, 2))
	var between []ZoneDistance
	for a := range zones {
		for b := range a {
			between = append(between, ZoneDistance{fmt.Sprint("z", a), fmt.Sprint("z", b), r.Float64() * 80})
		}
	}
	for i := range nodes {
		nodes[i].Zone, nodes[i].DistanceMs = fmt.Sprint("z", i%zones), r.Float64()*10
	}
	s.SetDistances(NewDistances(between, nil, 0))
	s.Replace(nodes, nil)
}

func BenchmarkCandidates(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, full := range []float64{0, 0.9, 1} {
			for _, zones := range []int{1, 200} {
				r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Zone: "z0"}
				s := NewSnapshot()
				zoned(s, fleet(n, full), zones)
				b.Run(fmt.Sprintf("nodes=%d/full=%g/zones=%d", n, full, zones), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						s.Candidates(r, 16)
					}
				})
				b.Run(fmt.Sprintf("scan/nodes=%d/full=%g/zones=%d", n, full, zones), func(b *testing.B) {
					for b.Loop() {
						s.Scan(r, 16)
					}
				})
			}
		}
	}
}

// The bar: candidates among 10,000 nodes within 0.2 ms, also where the whole fleet holds the series or none does.
func BenchmarkCandidatesByVolume(b *testing.B) {
	const n = 10_000
	for _, holders := range []int{0, 1, 100, n} {
		b.Run(fmt.Sprintf("nodes=%d/holders=%d", n, holders), func(b *testing.B) {
			nodes := fleet(n, 0)
			volumes := map[signaling.NodeID][]string{}
			for i, node := range nodes {
				for k := range 8 {
					volumes[node.ID] = append(volumes[node.ID], volumeKey(1000+(i*8+k)%5000))
				}
				if i < holders {
					volumes[node.ID] = append(volumes[node.ID], volumeKey(1))
				}
			}
			s := NewSnapshot()
			s.Replace(nodes, volumes)
			r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Volume: volumeKey(1)}
			for b.Loop() {
				s.Candidates(r, 16)
			}
		})
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

func BenchmarkApplyHeld(b *testing.B) {
	nodes := fleet(10_000, 0)
	s := NewSnapshot()
	s.Replace(nodes, nil)
	i := 0
	for b.Loop() {
		var vols []string
		for k := range 64 {
			vols = append(vols, volumeKey(k+i/len(nodes)))
		}
		s.Apply(Change{Kind: Held, Node: nodes[i%len(nodes)], Volumes: vols})
		i++
	}
}
