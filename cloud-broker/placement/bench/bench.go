// Package bench measures choosing nodes in memory: how long it takes beside scoring every node, with the same answer, and
// what a snapshot takes in memory.
package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/signaling"
)

const (
	zones      = 200
	candidates = 16
	runs       = bench.Runs
	chosen     = 400 // requests of a run
	scanned    = 8   // of them also by a scan
	volumes    = 8   // that each node holds
	series     = 5000
	pings      = 8  // of a request
	remembered = 64 // pings of each zone
)

// Result is what was measured. Times are of one request, the medians of the runs' medians.
type Result struct {
	Nodes int
	// Choose is Candidates for 16 nodes, with everything that a request can have: zone, address, pings, and a series that some nodes
	// hold. Full is the same where nine of ten nodes are full, and Scan the scoring of every node.
	Choose, Full, Scan time.Duration
	Ratio              float64 // of Scan to Choose
	// Policy is Candidates by a policy with all its terms, of a task whose run time is predicted, among nodes of which every other
	// closes; Terms is how many times as long that takes as by distance alone, Choose.
	Policy   time.Duration
	Terms    float64
	Apply    time.Duration // a change of what one node has free
	Load     time.Duration // of all nodes into the snapshot
	MemoryMB float64       // that the snapshot takes, megabytes
}

// Run measures a pool of so many nodes in 200 zones. It is an error when choosing and scanning disagree.
func Run(n int) (Result, error) {
	f := fleet{rand.New(rand.NewPCG(1, uint64(n))), n}
	res := Result{Nodes: n}
	before := heap()
	nodes, err := f.make()
	if err != nil {
		return Result{}, err
	}
	s := placement.NewSnapshot()
	res.Load = f.fill(s, nodes)
	nodes = nil
	res.MemoryMB = float64(heap()-before) / 1e6
	nodes = s.Nodes()
	for i := range nodes {
		if f.r.Float64() < 0.9 {
			nodes[i].Free.EncoderSessions = 0
		}
	}
	full := placement.NewSnapshot()
	f.fill(full, nodes)
	requests := make([]placement.Request, chosen)
	for i := range requests {
		requests[i] = f.request()
	}
	order, err := timed(s)
	if err != nil {
		return Result{}, err
	}
	ordered := slices.Clone(requests)
	for i := range ordered {
		ordered[i].Order = order
	}
	var choose, busy, scan, ratio, apply, policy, terms []float64
	for run := range runs {
		c, b, p := measure(s, requests), measure(full, requests), measure(s, ordered)
		policy, terms = append(policy, p), append(terms, p/c)
		var t []float64
		for i := run * scanned; i < (run+1)*scanned; i++ {
			start := time.Now()
			want := s.Scan(requests[i], candidates)
			t = append(t, time.Since(start).Seconds())
			if got, _ := s.Candidates(requests[i], candidates); !slices.EqualFunc(got, want, same) {
				return Result{}, fmt.Errorf("choosing among %d nodes for %+v gives another answer than scoring them all", n, requests[i])
			}
			want = full.Scan(requests[i], candidates)
			if got, _ := full.Candidates(requests[i], candidates); !slices.EqualFunc(got, want, same) {
				return Result{}, fmt.Errorf("choosing among %d nodes, most of them full, for %+v gives another answer than scoring them all", n, requests[i])
			}
		}
		choose, busy, scan = append(choose, c), append(busy, b), append(scan, bench.Median(t))
		ratio = append(ratio, bench.Median(t)/c)
		apply = append(apply, f.apply(s))
	}
	res.Choose, res.Full, res.Scan, res.Apply = duration(choose), duration(busy), duration(scan), duration(apply)
	res.Ratio, res.Policy, res.Terms = bench.Median(ratio), duration(policy), bench.Median(terms)
	runtime.KeepAlive(s)
	return res, nil
}

// Rows are the figures with the bars that they have to meet.
func (r Result) Rows() []bench.Row {
	of := fmt.Sprintf(" among %d nodes in %d zones", r.Nodes, zones)
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return []bench.Row{
		{Name: "choosing" + of, Value: us(r.Choose), Unit: "us"},
		{Name: "choosing" + of + ", 9 of 10 full", Value: us(r.Full), Unit: "us"},
		{Name: "scoring every node" + of, Value: us(r.Scan), Unit: "us"},
		{Name: "scoring every node / choosing" + of, Value: r.Ratio, Unit: "x", Bar: 20, BarIs: bench.AtLeast},
		{Name: "choosing by a policy with all terms" + of, Value: us(r.Policy), Unit: "us"},
		{Name: "choosing with all terms / by distance alone" + of, Value: r.Terms, Unit: "x", Bar: 2, BarIs: bench.AtMost},
		{Name: "noting a change" + of, Value: us(r.Apply), Unit: "us"},
		{Name: "loading all" + of, Value: us(r.Load) / 1e3, Unit: "ms"},
		{Name: "memory of a snapshot" + of, Value: r.MemoryMB, Unit: "MB", Bar: 200, BarIs: bench.AtMost},
	}
}

// timed gives every other node a time when it closes, and returns the policy that is usual then for a task whose run time is known as a
// distribution, with fragments by tasks of several kinds.
func timed(s *placement.Snapshot) (*placement.Order, error) {
	spans := map[signaling.NodeID]fit.Span{}
	for i, n := range s.Nodes() {
		if i%2 == 0 {
			spans[n.ID] = fit.Span{Total: 12 * 3600, Free: float64(1 + i%43200)}
		}
	}
	s.SetSpans(spans)
	var kinds fit.History
	for i := range 1000 {
		kinds.Learn(&fit.Task{Amounts: fit.Amounts{CPUMilli: int64(500 * (1 + i%4))}, GPUs: 1, GPUMilli: int64(50 * (1 + i%7))})
	}
	p, err := fit.Named("risk")
	if err != nil {
		return nil, err
	}
	past := predict.New()
	t := predict.Task{Type: string(signaling.Rendering)}
	for i := range 200 {
		past.Learn(past.Predict(t), t, float64(300+i%100*30))
	}
	run := past.Predict(t)
	return &placement.Order{Policy: p.Live(), Fragments: fit.NewFragments(kinds.Typical()), Run: &run, Error: 0.5}, nil
}

func duration(seconds []float64) time.Duration {
	return time.Duration(bench.Median(seconds) * float64(time.Second))
}

func same(a, b placement.Candidate) bool {
	return a.Node == b.Node && a.DistanceMs == b.DistanceMs && a.Basis == b.Basis && a.Holds == b.Holds
}

// measure is the median time that a request takes, seconds.
func measure(s *placement.Snapshot, requests []placement.Request) float64 {
	t := make([]float64, len(requests))
	for i := range requests {
		start := time.Now()
		s.Candidates(requests[i], candidates)
		t[i] = time.Since(start).Seconds()
	}
	return bench.Median(t)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what a pool held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fleet makes a pool.
type fleet struct {
	r *rand.Rand
	n int
}

func zone(i int) string { return fmt.Sprintf("zone-%03d", i%zones) }

// network is the local network that node i shares with some 16 others of its zone.
func network(i int) netip.Prefix {
	lan := i%zones*32 + i/zones/16%32
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(lan >> 8), byte(lan), 0}), 24)
}

func id(i int) signaling.NodeID { return signaling.NodeID(fmt.Sprintf("edge-%06d", i)) }

func volume(i int) string {
	return signaling.VolumeKey(signaling.SeriesRef{Source: "archive", StudyInstanceUID: "1.2", SeriesInstanceUID: fmt.Sprintf("1.2.%d", i%series)})
}

// node is a node as a broker reads it from Redis: each has its own copies of everything.
func (f *fleet) node(i int) (n signaling.Node, err error) {
	capacity := signaling.Resources{GPUMemoryMB: 24 << 10, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 16_000, MemoryMB: 64 << 10}
	n = signaling.Node{ID: id(i), Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "v1.2.3", Zone: zone(i),
		DistanceMs: float64(f.r.IntN(10_000)) / 1000, Renderer: "OpenGL 4.6 (NVIDIA L4/PCIe/SSE2)", Codecs: []string{"h264", "vp8", "vp9"},
		Types: signaling.TaskTypes, Capacity: capacity, Free: capacity, Networks: []string{network(i).String()},
		URL: fmt.Sprintf("https://edge-%06d.example.org:8443", i), SeenAt: time.Unix(1_800_000_000, 0).UTC(),
		Handling: map[signaling.TaskType]signaling.Handling{}}
	for _, t := range signaling.TaskTypes {
		n.Handling[t] = signaling.DefaultHandling(t)
	}
	if i%20 == 0 {
		n.Tier = signaling.TierCloud
	}
	if i%10 == 1 {
		g := signaling.GPU{MemoryMB: capacity.GPUMemoryMB / 2, Milli: capacity.GPUMilli / 2}
		n.GPUs, n.FreeGPUs = []signaling.GPU{g, g}, []signaling.GPU{g, g}
	}
	doc, err := json.Marshal(n)
	if err != nil {
		return n, fmt.Errorf("write a node: %w", err)
	}
	var own signaling.Node
	if err := json.Unmarshal(doc, &own); err != nil {
		return n, fmt.Errorf("read a node: %w", err)
	}
	return own, nil
}

func (f *fleet) make() ([]signaling.Node, error) {
	nodes := make([]signaling.Node, f.n)
	for i := range nodes {
		var err error
		if nodes[i], err = f.node(i); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// fill makes a snapshot of nodes, each with a few series and experience, with a cost table and remembered pings. It returns how long
// it took to load the nodes.
func (f *fleet) fill(s *placement.Snapshot, nodes []signaling.Node) time.Duration {
	held := make(map[signaling.NodeID][]string, len(nodes))
	var known []placement.Experience
	for i := range nodes {
		for range volumes {
			held[nodes[i].ID] = append(held[nodes[i].ID], volume(f.r.IntN(series)))
		}
		for _, t := range signaling.TaskTypes[:2] {
			known = append(known, placement.Experience{Node: nodes[i].ID, Type: t, Runs: int64(f.r.IntN(50)), Failures: int64(f.r.IntN(100) / 98),
				SpeedMBs: 80 + 40*f.r.Float64(), TransferMBs: 50 + 10*f.r.Float64(), GPUMilli: 200})
		}
	}
	var between []placement.ZoneDistance
	cloud, pinged := map[string]float64{}, map[string]map[signaling.NodeID]float64{}
	for a := range zones {
		for b := range a {
			between = append(between, placement.ZoneDistance{A: zone(a), B: zone(b), Ms: float64(1000+f.r.IntN(80_000)) / 1000})
		}
		cloud[zone(a)] = 45
		pinged[zone(a)] = map[signaling.NodeID]float64{}
		for range remembered {
			pinged[zone(a)][id(f.r.IntN(f.n))] = float64(f.r.IntN(60_000)) / 1000
		}
	}
	start := time.Now()
	s.Replace(nodes, held)
	took := time.Since(start)
	s.SetDistances(placement.NewDistances(between, cloud, 0))
	s.SetRemembered(pinged)
	s.SetExperience(known)
	return took
}

func (f *fleet) request() placement.Request {
	near := f.r.IntN(f.n)
	r := placement.Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Zone: zone(near),
		Address: network(near).Addr().Next(), MaxDistanceMs: 40, Volume: volume(f.r.IntN(series))}
	for range pings {
		r.Measured = append(r.Measured, signaling.Ping{Node: id(f.r.IntN(f.n)), Ms: float64(f.r.IntN(60_000)) / 1000})
	}
	return r
}

// apply is how long a change of what a node has free takes, seconds.
func (f *fleet) apply(s *placement.Snapshot) float64 {
	changes := make([]placement.Change, chosen)
	for i := range changes {
		n, ok := s.Get(id(f.r.IntN(f.n)))
		if !ok {
			continue
		}
		n.Free.EncoderSessions = int64(1 + f.r.IntN(4))
		changes[i] = placement.Change{Kind: placement.Amounts, Node: n}
	}
	start := time.Now()
	for i := range changes {
		s.Apply(changes[i])
	}
	return time.Since(start).Seconds() / float64(len(changes))
}
