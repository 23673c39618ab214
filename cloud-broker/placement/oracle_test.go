package placement

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

// world is a pool and what is configured and remembered of it, as plain as can be, and the specification of the search over it.
type world struct {
	r          *rand.Rand
	ids        int
	nodes      map[signaling.NodeID]signaling.Node
	volumes    map[signaling.NodeID][]string
	between    []ZoneDistance
	cloud      map[string]float64
	elsewhere  float64
	remembered map[string]map[signaling.NodeID]float64
	experience []Experience
	spans      map[signaling.NodeID]fit.Span
}

const testZones = 7

func newWorld(r *rand.Rand, ids int) *world {
	w := &world{r: r, ids: ids, nodes: map[signaling.NodeID]signaling.Node{}, volumes: map[signaling.NodeID][]string{}}
	w.configure()
	return w
}

// configure draws new distances, pings and experience.
func (w *world) configure() {
	r := w.r
	w.between, w.cloud, w.elsewhere = nil, map[string]float64{}, 0
	for a := range testZones {
		for b := range a {
			if r.IntN(3) > 0 {
				w.between = append(w.between, ZoneDistance{zoneName(a), zoneName(b), float64(r.IntN(120)) / 4})
			}
		}
		if r.IntN(3) == 0 {
			w.cloud[zoneName(a)] = float64(10 + r.IntN(30))
		}
	}
	if r.IntN(2) == 0 {
		w.elsewhere = 25
	}
	w.remembered = map[string]map[signaling.NodeID]float64{}
	for a := range testZones {
		if r.IntN(2) == 0 {
			continue
		}
		w.remembered[zoneName(a)] = map[signaling.NodeID]float64{}
		for range r.IntN(20) {
			w.remembered[zoneName(a)][w.anyID()] = float64(r.IntN(200)) / 4
		}
	}
	w.experience = nil
	for range r.IntN(w.ids) {
		runs := int64(1 + r.IntN(20))
		w.experience = append(w.experience, Experience{Node: w.anyID(), Type: signaling.TaskTypes[r.IntN(len(signaling.TaskTypes))], Runs: runs,
			Failures: int64(r.IntN(int(runs) + 1)), SpeedMBs: float64(r.IntN(50)), TransferMBs: float64(r.IntN(50)), GPUMilli: float64(r.IntN(1000))})
	}
}

// setSpans draws new times of nodes; some are closed.
func (w *world) setSpans(s *Snapshot) {
	w.spans = map[signaling.NodeID]fit.Span{}
	for range w.r.IntN(w.ids) {
		w.spans[w.anyID()] = fit.Span{Total: 1000, Free: float64(w.r.IntN(11)) * 100}
	}
	s.SetSpans(maps.Clone(w.spans))
}

// t1Of is what a node's time must be above for a request of these tests.
func t1Of(q *Request) float64 {
	if q.Order == nil {
		return 0
	}
	return q.Order.Run.Value()
}

// only has a request look at nothing but time beside distance.
func only(t1 float64) *Order {
	p, _ := fit.Named("filter")
	return &Order{Policy: p, Run: fit.Exactly(t1), TimeOnly: true}
}

func zoneName(i int) string {
	if i == 0 {
		return "" // as of nodes that do not say
	}
	return fmt.Sprintf("z%d", i)
}

func (w *world) anyID() signaling.NodeID {
	return signaling.NodeID(fmt.Sprintf("n%d", w.r.IntN(w.ids)))
}

func (w *world) table() *Distances { return NewDistances(w.between, w.cloud, w.elsewhere) }

func (w *world) randomNode() signaling.Node {
	r := w.r
	n := node(string(w.anyID()), signaling.TierEdge, float64(r.IntN(60))/2)
	n.Zone = zoneName(r.IntN(testZones))
	if r.IntN(10) == 0 {
		n.Tier = signaling.TierCloud
	}
	for range 1 + r.IntN(3) { // may name a type twice
		n.Types = append(n.Types, signaling.TaskTypes[r.IntN(len(signaling.TaskTypes))])
	}
	if r.IntN(5) == 0 {
		n.Networks = []string{fmt.Sprintf("10.0.%d.0/24", r.IntN(40)), "10.9.0.0/16", "fd00::/8"}[:1+r.IntN(3)]
	}
	if r.IntN(3) == 0 {
		n.GPUs = make([]signaling.GPU, 1+r.IntN(3))
	}
	w.randomAmounts(&n)
	return n
}

func (w *world) randomAmounts(n *signaling.Node) {
	r := w.r
	n.State = signaling.NodeReady
	if r.IntN(8) == 0 {
		n.State = []signaling.NodeState{signaling.NodeDraining, signaling.NodeCordoned, signaling.NodeLost}[r.IntN(3)]
	}
	n.Free = signaling.Resources{GPUMemoryMB: int64(r.IntN(5)) * 512, GPUMilli: int64(r.IntN(5)) * 250,
		EncoderSessions: int64(r.IntN(3)) - 1, CPUMilli: int64(r.IntN(4)) * 500, MemoryMB: int64(r.IntN(4)) * 512}
	n.FreeGPUs = nil
	if len(n.GPUs) > 0 {
		n.Free.GPUMemoryMB, n.Free.GPUMilli = 0, 0
	}
	for range n.GPUs {
		g := signaling.GPU{MemoryMB: int64(r.IntN(5)) * 512, Milli: int64(r.IntN(5)) * 250}
		n.FreeGPUs = append(n.FreeGPUs, g)
		n.Free.GPUMemoryMB, n.Free.GPUMilli = n.Free.GPUMemoryMB+g.MemoryMB, n.Free.GPUMilli+g.Milli
	}
}

func (w *world) randomVolumes() (vols []string) {
	for range w.r.IntN(4) {
		vols = append(vols, volumeKey(w.r.IntN(6)))
	}
	return vols
}

// step makes one change, in the world and in the snapshot.
func (w *world) step(s *Snapshot) {
	n := w.randomNode()
	switch known, ok := w.nodes[n.ID]; w.r.IntN(6) {
	case 0, 1, 2:
		vols := w.randomVolumes()
		s.Apply(Change{Kind: Put, Node: n, Volumes: vols})
		w.nodes[n.ID], w.volumes[n.ID] = n, vols
	case 3, 4:
		known.ID = n.ID
		w.randomAmounts(&known)
		change := Change{Kind: Amounts, Node: known}
		if w.r.IntN(2) == 0 {
			change.Kind, change.Volumes = Held, w.randomVolumes()
		}
		s.Apply(change)
		if ok {
			w.nodes[n.ID] = known
			if change.Kind == Held {
				w.volumes[n.ID] = change.Volumes
			}
		}
	default:
		s.Apply(Change{Kind: Remove, Node: n})
		delete(w.nodes, n.ID)
		delete(w.volumes, n.ID)
	}
}

func (w *world) request() Request {
	r := w.r
	q := Request{Type: signaling.TaskTypes[r.IntN(len(signaling.TaskTypes))], Zone: zoneName(r.IntN(testZones + 1)),
		Needs: signaling.Resources{GPUMemoryMB: int64(r.IntN(5)) * 512, GPUMilli: int64(r.IntN(5)) * 250,
			EncoderSessions: int64(r.IntN(2)), CPUMilli: int64(r.IntN(4)) * 500}}
	if r.IntN(2) == 0 {
		q.Needs = signaling.Resources{}
	}
	if r.IntN(2) == 0 {
		q.MaxDistanceMs = float64(r.IntN(60))
	}
	for range r.IntN(4) {
		q.Exclude = append(q.Exclude, w.anyID())
	}
	if r.IntN(2) == 0 {
		q.Volume = volumeKey(r.IntN(7))
	}
	if r.IntN(2) == 0 {
		for range r.IntN(signaling.MaxPings) {
			q.Measured = append(q.Measured, signaling.Ping{Node: w.anyID(), Ms: float64(r.IntN(300)) / 8})
		}
	}
	switch r.IntN(4) {
	case 0:
		q.Address = netip.MustParseAddr(fmt.Sprintf("10.0.%d.17", r.IntN(40)))
	case 1:
		q.Address = netip.MustParseAddr("10.9.3.4")
	case 2:
		q.Address = netip.MustParseAddr("::ffff:10.9.3.4")
	}
	if r.IntN(2) == 0 {
		q.Order = only(float64(r.IntN(11)) * 100)
	}
	if r.IntN(4) == 0 {
		q.Within = []string{zoneName(r.IntN(testZones)), zoneName(r.IntN(testZones))}
	}
	return q
}

// between2 is the configured distance between two zones.
func (w *world) between2(a, b string) (float64, bool) {
	if a == "" || b == "" {
		return 0, false
	}
	if a == b {
		return 0, true
	}
	for _, d := range w.between {
		if d.A == a && d.B == b || d.A == b && d.B == a {
			return d.Ms, true
		}
	}
	return w.elsewhere, w.elsewhere > 0
}

func ping(pings []signaling.Ping, id signaling.NodeID) (float64, bool) {
	for _, p := range pings {
		if p.Node == id {
			return p.Ms, true
		}
	}
	return 0, false
}

// inNetwork is how many nodes name a network.
func (w *world) inNetwork(text string) (n int) {
	for _, o := range w.nodes {
		if slices.Contains(o.Networks, text) {
			n++
		}
	}
	return n
}

// distance is the strongest of: measured, remembered, the same network, zones, the node's own word.
func (w *world) distance(q *Request, n *signaling.Node) (float64, signaling.Basis) {
	if ms, ok := ping(q.Measured, n.ID); ok {
		return ms, signaling.BasisMeasured
	}
	if ms, ok := w.remembered[q.Zone][n.ID]; ok && q.Zone != "" {
		return ms, signaling.BasisRemembered
	}
	for _, text := range n.Networks {
		if q.Zone != "" && n.Zone != "" && q.Zone != n.Zone {
			break // known to be elsewhere
		}
		if p := netip.MustParsePrefix(text); p.Contains(q.Address.Unmap()) && w.inNetwork(text) <= maxLAN {
			return max(0.5, n.DistanceMs), signaling.BasisNetwork
		}
	}
	ms, _ := w.between2(q.Zone, n.Zone)
	return ms + n.DistanceMs, signaling.BasisConfigured
}

// toCloud is how far the terminal is from the cloud, infinitely where nobody knows.
func (w *world) toCloud(q *Request) float64 {
	measured, remembered := math.Inf(1), math.Inf(1)
	for id, n := range w.nodes {
		if n.Tier != signaling.TierCloud {
			continue
		}
		for _, p := range q.Measured {
			if p.Node == id {
				measured = min(measured, p.Ms)
			}
		}
		if ms, ok := w.remembered[q.Zone][id]; ok && q.Zone != "" {
			remembered = min(remembered, ms)
		}
	}
	switch ms, ok := w.cloud[q.Zone]; {
	case !math.IsInf(measured, 1):
		return measured
	case !math.IsInf(remembered, 1):
		return remembered
	case ok && q.Zone != "":
		return ms
	}
	return math.Inf(1)
}

// fits says whether the node may have the task at a distance.
func (w *world) fits(q *Request, n *signaling.Node, distance, cloud float64) bool {
	if !slices.Contains(n.Types, q.Type) || n.State != signaling.NodeReady || slices.Contains(q.Exclude, n.ID) ||
		q.Within != nil && !slices.Contains(q.Within, n.Zone) {
		return false
	}
	if span, some := w.spans[n.ID]; some && !(span.Free > t1Of(q)) {
		return false
	}
	if n.Tier == signaling.TierEdge && (q.MaxDistanceMs > 0 && distance > q.MaxDistanceMs || distance >= cloud) {
		return false
	}
	if len(n.GPUs) == 0 {
		return q.Needs.Fits(n.Free)
	}
	for _, g := range n.FreeGPUs {
		one := n.Free
		one.GPUMemoryMB, one.GPUMilli = g.MemoryMB, g.Milli
		if q.Needs.Fits(one) {
			return true
		}
	}
	return false
}

// choose is the specification: look at every node, keep those that fit, sort them by tier, cost and name.
func (w *world) choose(q Request, limit int) []Candidate {
	type scored struct {
		c     Candidate
		cost  float64
		bonus bool
	}
	near := map[signaling.NodeID]bool{} // the holders that are preferred by their configured distance
	if q.Volume != "" {
		type holder struct {
			id signaling.NodeID
			ms float64
		}
		var holders []holder
		for id, n := range w.nodes {
			if slices.Contains(w.volumes[id], q.Volume) {
				ms, _ := w.between2(q.Zone, n.Zone)
				holders = append(holders, holder{id, ms + n.DistanceMs})
			}
		}
		slices.SortFunc(holders, func(a, b holder) int { return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.id, b.id)) })
		for _, h := range holders[:min(len(holders), maxHolders)] {
			near[h.id] = true
		}
	}
	cloud, pasts := w.toCloud(&q), weigh(w.experience)
	var fit []scored
	for id, n := range w.nodes {
		d, basis := w.distance(&q, &n)
		if !w.fits(&q, &n, d, cloud) {
			continue
		}
		s := scored{c: Candidate{Node: id, Tier: n.Tier, DistanceMs: d, Basis: basis, Holds: q.Volume != "" && slices.Contains(w.volumes[id], q.Volume)}, cost: d}
		for _, p := range pasts[id] {
			if signaling.TaskTypes[p.kind] == q.Type {
				s.cost += float64(p.term) / 1000
			}
		}
		if s.c.Holds && (near[id] || basis != signaling.BasisConfigured) {
			s.bonus, s.cost = true, s.cost-20
		}
		fit = append(fit, s)
	}
	slices.SortFunc(fit, func(a, b scored) int {
		bonus := 0
		if a.bonus != b.bonus {
			if bonus = 1; a.bonus {
				bonus = -1
			}
		}
		return cmp.Or(cmp.Compare(b.c.Tier, a.c.Tier), cmp.Compare(a.cost, b.cost), bonus, cmp.Compare(a.c.Node, b.c.Node))
	})
	var out []Candidate
	for _, s := range fit[:min(limit, len(fit))] {
		out = append(out, s.c)
	}
	return out
}

func same(a, b Candidate) bool {
	return a.Node == b.Node && a.Tier == b.Tier && a.DistanceMs == b.DistanceMs && a.Basis == b.Basis && a.Holds == b.Holds
}

// check compares the snapshot's answers to a request with the specification's.
func (w *world) check(t *testing.T, s *Snapshot, q Request, limit int) {
	t.Helper()
	got, why := s.Candidates(q, limit)
	want := w.choose(q, limit)
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("%+v limit %d:\n got %s\nwant %s", q, limit, names(got), names(want))
	}
	if scanned := s.Scan(q, limit); !slices.EqualFunc(scanned, want, same) {
		t.Fatalf("%+v limit %d: the scan has\n     %s\nwant %s", q, limit, names(scanned), names(want))
	}
	for _, c := range got {
		sum := 0.0
		for _, term := range c.Terms {
			sum += term.Ms
		}
		if len(c.Reasons) < 2 || len(c.Terms) == 0 || c.Terms[0].Ms != c.DistanceMs || c.Holds && len(q.Volume) == 0 {
			t.Fatalf("candidate %+v", c)
		}
	}
	sum := why.Fit + why.NotType + why.Stays + why.NotReady + why.Cordoned + why.TooFar + why.BeyondCloud + why.Excluded + why.Closing + why.Lacking()
	if why.Complete && sum != len(w.nodes) || why.Nodes != len(w.nodes) || s.Len() != len(w.nodes) || why.Fit != len(got) {
		t.Fatalf("%+v limit %d: %d nodes explained as %+v (sum %d)", q, limit, len(w.nodes), why, sum)
	}
	if len(got) < limit && !why.Complete {
		t.Fatalf("%+v: %d of %d candidates but not complete", q, len(got), limit)
	}
	verdicts := s.Explain(q, len(w.nodes)+1)
	if len(verdicts) != len(w.nodes) {
		t.Fatalf("%d of %d nodes have a verdict", len(verdicts), len(w.nodes))
	}
	all := w.choose(q, len(w.nodes))
	for i, v := range verdicts {
		if v.Fits != (i < len(all)) || v.Fits != (v.Rejected == "") || v.Fits && (v.Node != all[i].Node || v.DistanceMs != all[i].DistanceMs || v.Basis != all[i].Basis) {
			t.Fatalf("%+v: verdict %d is %+v of %d that fit", q, i, v, len(all))
		}
		sum := 0.0
		for _, term := range v.Terms {
			sum += term.Ms
		}
		if math.Abs(sum-v.CostMs) > 1e-9 {
			t.Fatalf("the terms of %+v have the sum %g", v, sum)
		}
	}
}

// The answer is the same as that of a look at every node, whatever changes came before, also on lists of many blocks, with pings,
// networks, volumes, experience and policies; and the explanation counts every node once.
func TestSameAnswerAsScan(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 7))
		ids := []int{40, 1500, 150, 40}[seed%4]
		w, s := newWorld(r, ids), NewSnapshot()
		settings := func() {
			w.configure()
			s.SetDistances(w.table())
			s.SetRemembered(w.remembered)
			s.SetExperience(w.experience)
			w.setSpans(s)
		}
		settings()
		if seed%3 == 0 { // start from a bulk load
			var all []signaling.Node
			for range ids {
				n := w.randomNode()
				if _, again := w.nodes[n.ID]; !again {
					w.nodes[n.ID], w.volumes[n.ID] = n, w.randomVolumes()
					all = append(all, n)
				}
			}
			s.Replace(all, w.volumes)
		}
		for step := range 4 * ids {
			w.step(s)
			if step%(ids/10) != 0 {
				continue
			}
			if r.IntN(4) == 0 {
				settings()
			}
			limit := 1 + r.IntN(ids)
			if r.IntN(2) == 0 {
				limit = 1 + r.IntN(16)
			}
			w.check(t, s, w.request(), limit)
		}
		if got := s.Nodes(); len(got) != len(w.nodes) {
			t.Fatalf("Nodes has %d, want %d", len(got), len(w.nodes))
		}
		for id, n := range w.nodes {
			if got, ok := s.Get(id); !ok || got.Free != n.Free || got.State != n.State || !slices.Equal(got.FreeGPUs, n.FreeGPUs) || !slices.Equal(got.Types, n.Types) {
				t.Fatalf("Get(%s) = %+v, %v, want %+v", id, got, ok, n)
			}
			s.Apply(Change{Kind: Remove, Node: n})
		}
		ix := s.ix
		if len(ix.zones)+len(ix.byName)+len(ix.held.holders)+len(ix.networks.nodes)+len(ix.networks.lengths)+len(ix.nodes) != 0 ||
			ix.takes != [taskTypes]int{} || ix.weighed != [taskTypes]int{} {
			t.Fatalf("after all left there is still %+v", ix)
		}
	}
}
