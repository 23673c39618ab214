package placement

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

func zonedNode(id, zone string, distance float64) signaling.Node {
	n := node(id, signaling.TierEdge, distance, signaling.Rendering)
	n.Zone = zone
	return n
}

func pool(nodes ...signaling.Node) *Snapshot {
	s := NewSnapshot()
	s.Replace(nodes, nil)
	return s
}

func rendering() Request {
	return Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering)}
}

func chosen(s *Snapshot, r Request) string {
	c, _ := s.Candidates(r, 10)
	return names(c)
}

func TestA1TypeIsAFilterFirst(t *testing.T) {
	s := NewSnapshot()
	var nodes []signaling.Node
	for i, typ := range signaling.TaskTypes { // the nearest of all takes the first type only, and so on
		nodes = append(nodes, node("only-"+string(typ), signaling.TierEdge, float64(i), typ))
	}
	nodes = append(nodes, node("all", signaling.TierEdge, 100, signaling.TaskTypes...))
	s.Replace(nodes, nil)
	for _, typ := range signaling.TaskTypes {
		cands, why := s.Candidates(Request{Type: typ}, 10)
		if got, want := names(cands), "only-"+string(typ)+" all"; got != want || why.NotType != len(signaling.TaskTypes)-1 {
			t.Errorf("%s: %q with %d of another type, want %q", typ, got, why.NotType, want)
		}
	}
}

func TestA1DistanceDecidesAmongTheFreeOfAType(t *testing.T) {
	near, far, full := zonedNode("near", "", 3), zonedNode("far", "", 9), zonedNode("full", "", 1)
	full.Free.EncoderSessions = 0
	if got := chosen(pool(far, full, near), rendering()); got != "near far" {
		t.Errorf("%q", got)
	}
}

// A distance is taken from the strongest basis that there is, and the answer names it.
func TestA3DistanceFromTheStrongestBasis(t *testing.T) {
	lan := zonedNode("e", "far", 2)
	lan.Networks = []string{"10.7.0.0/16", "fd00:7::/48"}
	s := pool(lan)
	s.SetDistances(NewDistances([]ZoneDistance{{"here", "far", 12}}, nil, 0))
	s.SetRemembered(map[string]map[signaling.NodeID]float64{"here": {"e": 4.25}})
	measured := []signaling.Ping{{Node: "e", Ms: 7.125}}
	for _, c := range []struct {
		name   string
		r      Request
		ms     float64
		basis  signaling.Basis
		reason string
	}{
		{"the node's own word", Request{}, 2, signaling.BasisConfigured, "configured: round trip to its terminals"},
		{"a zone that the table does not have", Request{Zone: "nowhere"}, 2, signaling.BasisConfigured, "configured: round trip to its terminals"},
		{"the same zone", Request{Zone: "far"}, 2, signaling.BasisConfigured, "configured: in the terminal's zone far"},
		{"the cost table", Request{Zone: "there"}, 32, signaling.BasisConfigured, "configured: 30 ms from zone there to far, 2 ms there"},
		{"the terminal's network", Request{Zone: "far", Address: netip.MustParseAddr("10.7.200.1")}, 2, signaling.BasisNetwork, "it is in the terminal's local network"},
		{"a network of the same prefix elsewhere", Request{Zone: "there", Address: netip.MustParseAddr("10.7.200.1")}, 32, signaling.BasisConfigured, "configured: 30 ms from zone there to far, 2 ms there"},
		{"its IPv6 network", Request{Address: netip.MustParseAddr("fd00:7::1")}, 2, signaling.BasisNetwork, "it is in the terminal's local network"},
		{"an IPv4 address as IPv6", Request{Address: netip.MustParseAddr("::ffff:10.7.1.1")}, 2, signaling.BasisNetwork, "it is in the terminal's local network"},
		{"another network", Request{Address: netip.MustParseAddr("10.8.0.1")}, 2, signaling.BasisConfigured, "configured: round trip to its terminals"},
		{"pings of the zone", Request{Zone: "here", Address: netip.MustParseAddr("10.7.200.1")}, 4.25, signaling.BasisRemembered, "round trip that terminals of zone here measured"},
		{"its own ping", Request{Zone: "here", Address: netip.MustParseAddr("10.7.200.1"), Measured: measured}, 7.125, signaling.BasisMeasured, "round trip that the terminal measured"},
	} {
		if c.name == "the cost table" {
			s.SetDistances(NewDistances([]ZoneDistance{{"here", "far", 12}, {"there", "far", 30}}, nil, 0))
		}
		c.r.Type = signaling.Rendering
		cands, _ := s.Candidates(c.r, 1)
		if len(cands) != 1 || cands[0].DistanceMs != c.ms || cands[0].Basis != c.basis || cands[0].Terms[0] != (signaling.Term{Name: "distance", Ms: c.ms, Reason: c.reason}) {
			t.Errorf("%s: %+v, want %g ms %s", c.name, cands, c.ms, c.basis)
		}
	}
}

func TestA3PairsThatTheTableDoesNotNameAreElsewhere(t *testing.T) {
	s := pool(zonedNode("named", "b", 1), zonedNode("unnamed", "c", 0), zonedNode("own", "a", 3))
	s.SetDistances(NewDistances([]ZoneDistance{{"b", "a", 5}}, nil, 30))
	r := rendering()
	r.Zone = "a"
	cands, _ := s.Candidates(r, 3)
	if names(cands) != "own named unnamed" || cands[1].DistanceMs != 6 || cands[2].DistanceMs != 30 {
		t.Errorf("%+v", cands)
	}
	if ms, ok := NewDistances(nil, nil, 0).Between("a", "c"); ok {
		t.Errorf("a table without entries knows %g ms", ms)
	}
	var none *Distances
	if ms, ok := none.Between("a", "a"); !ok || ms != 0 {
		t.Errorf("a zone is %g ms from itself, known %v", ms, ok)
	}
	if _, ok := none.Cloud("a"); ok {
		t.Error("no table knows the cloud")
	}
}

// A prefix that hundreds of nodes name is no local network.
func TestA3ANetworkOfTheWholeFleetSaysNothing(t *testing.T) {
	var nodes []signaling.Node
	for i := range maxLAN + 1 {
		n := zonedNode(fmt.Sprintf("n%03d", i), "", 9)
		n.Networks = []string{"172.17.0.0/16"}
		nodes = append(nodes, n)
	}
	s := pool(nodes...)
	r := rendering()
	r.Address = netip.MustParseAddr("172.17.0.2")
	if c, _ := s.Candidates(r, 1); c[0].Basis != signaling.BasisConfigured {
		t.Errorf("%+v", c[0])
	}
	s.Apply(Change{Kind: Remove, Node: nodes[0]})
	if c, _ := s.Candidates(r, 1); c[0].Basis != signaling.BasisNetwork {
		t.Errorf("%+v", c[0])
	}
}

func TestA3OnlyWhatIsNearerThanTheCloudIsAnEdge(t *testing.T) {
	near, far := zonedNode("near", "a", 10), zonedNode("far", "b", 10)
	cloud := node("cloud", signaling.TierCloud, 50, signaling.Rendering)
	s := pool(near, far, cloud)
	table := []ZoneDistance{{"a", "b", 25}}
	for _, c := range []struct {
		name     string
		cloudMs  map[string]float64
		pings    []signaling.Ping
		recalled map[signaling.NodeID]float64
		want     string
		beyond   int
	}{
		{"nobody knows the cloud's distance", nil, nil, nil, "near far cloud", 0},
		{"the table knows it", map[string]float64{"a": 30}, nil, nil, "near cloud", 1},
		{"as far is no nearer", map[string]float64{"a": 35}, nil, nil, "near cloud", 1},
		{"another zone's", map[string]float64{"b": 3}, nil, nil, "near far cloud", 0},
		{"pings of the zone before the table", map[string]float64{"a": 30}, nil, map[signaling.NodeID]float64{"cloud": 60}, "near far cloud", 0},
		{"its own ping before those", map[string]float64{"a": 30}, []signaling.Ping{{Node: "cloud", Ms: 8}}, map[signaling.NodeID]float64{"cloud": 60}, "cloud", 2},
	} {
		s.SetDistances(NewDistances(table, c.cloudMs, 0))
		s.SetRemembered(map[string]map[signaling.NodeID]float64{"a": c.recalled})
		r := rendering()
		r.Zone, r.Measured = "a", c.pings
		cands, why := s.Candidates(r, 10)
		if names(cands) != c.want || why.BeyondCloud != c.beyond {
			t.Errorf("%s: %q with %d beyond the cloud, want %q", c.name, names(cands), why.BeyondCloud, c.want)
		}
	}
	r := rendering()
	r.Zone, r.Measured = "a", []signaling.Ping{{Node: "cloud", Ms: 8}}
	if _, why := s.Candidates(r, 10); why.String() != "of 3 nodes 1 fits and 2 are no nearer than the cloud" {
		t.Errorf("explained as %q", why)
	}
}

func TestA7TheLimitOfDistance(t *testing.T) {
	s := pool(zonedNode("own", "a", 4), zonedNode("next", "b", 4), zonedNode("far", "c", 4))
	s.SetDistances(NewDistances([]ZoneDistance{{"a", "b", 6}, {"a", "c", 20}}, nil, 0))
	for limit, want := range map[float64]string{0: "own next far", 3.999: "", 4: "own", 10: "own next", 23.999: "own next", 24: "own next far"} {
		r := rendering()
		r.Zone, r.MaxDistanceMs = "a", limit
		if got := chosen(s, r); got != want {
			t.Errorf("within %g ms: %q, want %q", limit, got, want)
		}
	}
	// It counts for what is measured too, in both directions.
	r := rendering()
	r.Zone, r.MaxDistanceMs, r.Measured = "a", 10, []signaling.Ping{{Node: "own", Ms: 11}, {Node: "far", Ms: 3}}
	cands, why := s.Candidates(r, 10)
	if names(cands) != "far next" || why.TooFar != 1 {
		t.Errorf("%q, %d too far", names(cands), why.TooFar)
	}
}

func TestA8TheCloudOnlyWhenNoEdgeFits(t *testing.T) {
	edge, cloud := zonedNode("edge", "", 30), node("cloud", signaling.TierCloud, 1, signaling.Rendering)
	s := pool(edge, cloud)
	if got := chosen(s, rendering()); got != "edge cloud" {
		t.Errorf("%q: a cloud node that is nearer comes before the edge", got)
	}
	edge.Free.EncoderSessions = 0
	s.Apply(Change{Kind: Amounts, Node: edge})
	cands, _ := s.Candidates(rendering(), 10)
	if names(cands) != "cloud" || cands[0].Reasons[0] != "no edge takes it: nearest free cloud node, 1 ms away" {
		t.Errorf("%+v", cands)
	}
	// The limit is for edges: the cloud is the fallback at any distance.
	r := rendering()
	r.MaxDistanceMs = 0.5
	if got := chosen(s, r); got != "cloud" {
		t.Errorf("%q", got)
	}
}

func TestA8DataThatMustStayGoesToNoCloud(t *testing.T) {
	home, other := zonedNode("home", "a", 9), zonedNode("other", "b", 1)
	cloud := node("cloud", signaling.TierCloud, 1, signaling.Rendering)
	s := pool(home, other, cloud)
	r := rendering()
	r.Within = []string{"a"}
	if got := chosen(s, r); got != "home" {
		t.Errorf("%q", got)
	}
	// It is stronger than a ping, a common network, and what is loaded.
	r.Measured = []signaling.Ping{{Node: "other", Ms: 0.1}}
	s.Apply(Change{Kind: Held, Node: other, Volumes: []string{volumeKey(1)}})
	r.Volume = volumeKey(1)
	home.State = signaling.NodeCordoned
	s.Apply(Change{Kind: Amounts, Node: home})
	cands, why := s.Candidates(r, 10)
	if len(cands) != 0 || why.String() != "of 3 nodes 2 are where the data must not go and 1 is cordoned" {
		t.Errorf("%q: %s", names(cands), why)
	}
	r.Within = []string{}
	if got := chosen(s, r); got != "" {
		t.Errorf("data that may be nowhere goes to %q", got)
	}
}

// A node with several GPUs fits where one of them has all that the task takes of a GPU.
func TestA10OneGPUFits(t *testing.T) {
	two := zonedNode("two", "", 1)
	two.GPUs = []signaling.GPU{{MemoryMB: 8192, Milli: 1000}, {MemoryMB: 8192, Milli: 1000}}
	two.FreeGPUs = []signaling.GPU{{MemoryMB: 6000, Milli: 100}, {MemoryMB: 1000, Milli: 900}}
	two.Free.GPUMemoryMB, two.Free.GPUMilli = 7000, 1000
	s := pool(two)
	for _, c := range []struct {
		memory, milli int64
		why           string
	}{
		{6000, 100, ""}, {1000, 900, ""}, {0, 0, ""},
		{6000, 900, "of 1 node 1 has no single GPU with enough free"},
		{7000, 100, "of 1 node 1 has less than 7000 MiB of GPU memory free"},
		{1, 1000, "of 1 node 1 has less than 1 of a GPU's time free"},
	} {
		r := Request{Type: signaling.Rendering, Needs: signaling.Resources{GPUMemoryMB: c.memory, GPUMilli: c.milli}}
		cands, why := s.Candidates(r, 1)
		if (len(cands) == 1) != (c.why == "") || c.why != "" && why.String() != c.why {
			t.Errorf("%d MiB and %d thousandths: %q, %s", c.memory, c.milli, names(cands), why)
		}
	}
	// What it has free of each follows it; where it does not tell, its capacity counts.
	two.FreeGPUs = []signaling.GPU{{MemoryMB: 0, Milli: 100}, {MemoryMB: 7000, Milli: 900}}
	s.Apply(Change{Kind: Amounts, Node: two})
	r := Request{Type: signaling.Rendering, Needs: signaling.Resources{GPUMemoryMB: 6000, GPUMilli: 900}}
	if got := chosen(s, r); got != "two" {
		t.Errorf("%q after it changed", got)
	}
	two.FreeGPUs = nil
	s.Apply(Change{Kind: Amounts, Node: two})
	if got := chosen(s, r); got != "two" {
		t.Errorf("%q where it does not tell", got)
	}
}

// History refines the order, by type and edge: failures, speed, transfer time and use.
func TestA10HistoryRefinesTheOrder(t *testing.T) {
	s := NewSnapshot()
	var nodes []signaling.Node
	for _, id := range []string{"a-failing", "b-slow", "c-late", "d-heavy", "e-usual", "f-unknown"} {
		nodes = append(nodes, node(id, signaling.TierEdge, 5, signaling.ImageProcessing, signaling.Training))
	}
	s.Replace(nodes, nil)
	usual := Experience{Type: signaling.ImageProcessing, Runs: 97, SpeedMBs: 100, TransferMBs: 50, GPUMilli: 200}
	of := func(id signaling.NodeID, edit func(*Experience)) Experience {
		e := usual
		e.Node = id
		edit(&e)
		return e
	}
	s.SetExperience([]Experience{
		of("a-failing", func(e *Experience) { e.Failures = 97 }),
		of("b-slow", func(e *Experience) { e.SpeedMBs = 25 }),
		of("c-late", func(e *Experience) { e.TransferMBs = 10 }),
		of("d-heavy", func(e *Experience) { e.GPUMilli = 400 }),
		of("e-usual", func(*Experience) {}),
	})
	cands, _ := s.Candidates(Request{Type: signaling.ImageProcessing}, 10)
	if got := names(cands); got != "e-usual f-unknown d-heavy c-late b-slow a-failing" {
		t.Errorf("%q", got)
	}
	want := map[signaling.NodeID]signaling.Term{
		"a-failing": {Name: "history", Ms: 11.5, Reason: "97 of 97 tasks of this type failed there"},
		"b-slow":    {Name: "history", Ms: 6, Reason: "its speed is 75 % below the usual"},
		"c-late":    {Name: "history", Ms: 4, Reason: "its transfer of data is 80 % below the usual"},
		"d-heavy":   {Name: "history", Ms: 2.5, Reason: "what its GPU does in the same time is 50 % below the usual"},
	}
	for _, c := range cands {
		term, counts := want[c.Node]
		if at := slices.IndexFunc(c.Terms, func(t signaling.Term) bool { return t.Name == "history" }); (at >= 0) != counts || counts && c.Terms[at] != term {
			t.Errorf("%s: %+v, want %+v", c.Node, c.Terms, term)
		}
	}
	if first, last := cands[0].Reasons[0], cands[5].Reasons[0]; first != "best by distance and history of the free edge nodes, 5 ms away" ||
		last != "number 6 by distance and history of the free edge nodes, 5 ms away" {
		t.Errorf("%q and %q", first, last)
	}
	// Another type has another history: none.
	if got := chosen(s, Request{Type: signaling.Training}); !strings.HasPrefix(got, "a-failing b-slow") {
		t.Errorf("training: %q", got)
	}
	// A node that comes back has its history still, and loses it when it is forgotten.
	s.Apply(Change{Kind: Remove, Node: nodes[0]}, Change{Kind: Put, Node: nodes[0]})
	if got := chosen(s, Request{Type: signaling.ImageProcessing}); !strings.HasSuffix(got, "a-failing") {
		t.Errorf("%q after it came back", got)
	}
	s.SetExperience(nil)
	if got := chosen(s, Request{Type: signaling.ImageProcessing}); !strings.HasPrefix(got, "a-failing b-slow") {
		t.Errorf("%q without experience", got)
	}
}

// How long a session lasts, and how much its picture moves, is its user's and says nothing of the node.
func TestA10SessionsAreNotJudgedByTheirUsers(t *testing.T) {
	pasts := weigh([]Experience{
		{Node: "long", Type: signaling.Rendering, Runs: 50, SpeedMBs: 0.1, TransferMBs: 50, GPUMilli: 900},
		{Node: "short", Type: signaling.Rendering, Runs: 50, SpeedMBs: 100, TransferMBs: 50, GPUMilli: 10},
		{Node: "late", Type: signaling.Rendering, Runs: 50, SpeedMBs: 100, TransferMBs: 5, GPUMilli: 10},
	})
	if pasts["long"] != nil || pasts["short"] != nil || len(pasts["late"]) != 1 {
		t.Errorf("%+v", pasts)
	}
}

// What history counts is bounded, grows with the number of tasks, and nothing that Redis could hold breaks it.
func TestA10HistoryIsBounded(t *testing.T) {
	worst := Experience{Node: "worst", Type: signaling.ImageProcessing, Runs: 1 << 40, Failures: 1 << 50, SpeedMBs: 1e-9, TransferMBs: 1e-9, GPUMilli: 1e12}
	all := []Experience{worst}
	for i := range 9 {
		all = append(all, Experience{Node: signaling.NodeID(fmt.Sprint("usual-", i)), Type: signaling.ImageProcessing, Runs: 10, SpeedMBs: 100, TransferMBs: 100, GPUMilli: 100})
	}
	if p := weigh(all)["worst"]; len(p) != 1 || p[0].term != 30_000 {
		t.Errorf("%+v, want 30 ms", p)
	}
	var before int32
	for runs := range int64(12) {
		p := weigh([]Experience{{Node: "n", Type: signaling.Rendering, Runs: runs, Failures: runs}})["n"]
		if runs == 0 {
			if p != nil {
				t.Errorf("no task counts %+v", p)
			}
			continue
		}
		if p[0].term <= 0 || p[0].term < before || p[0].term > int32(failuresMost) {
			t.Errorf("after %d failures %d, before %d", runs, p[0].term, before)
		}
		before = p[0].term
	}
	nan := 0.0
	nan /= nan
	for _, e := range []Experience{
		{Node: "n", Type: "cooking", Runs: 9, Failures: 9}, {Node: "n", Type: signaling.Rendering, Runs: -4, Failures: 2},
		{Node: "n", Type: signaling.Rendering, Runs: 4, Failures: -2, SpeedMBs: nan, TransferMBs: -1, GPUMilli: nan},
	} {
		if p := weigh([]Experience{e, {Node: "o", Type: signaling.Rendering, Runs: 1, SpeedMBs: 5, TransferMBs: 5, GPUMilli: 5}})["n"]; p != nil {
			t.Errorf("%+v counts %+v", e, p)
		}
	}
}

// The explanation names every filter that a node fails, and the terms of its cost.
func TestExplainEveryNode(t *testing.T) {
	s := NewSnapshot()
	bad := zonedNode("bad", "b", 40)
	bad.Types, bad.State, bad.Free = []signaling.TaskType{signaling.Training}, signaling.NodeDraining, signaling.Resources{GPUMemoryMB: 8192, GPUMilli: 1000, CPUMilli: 8000, MemoryMB: 9000}
	held, cloud := zonedNode("held", "a", 8), node("cloud", signaling.TierCloud, 50, signaling.Rendering)
	cordoned := zonedNode("cordoned", "a", 2)
	cordoned.State, cloud.Zone = signaling.NodeCordoned, "a"
	s.Replace([]signaling.Node{bad, held, cloud, cordoned, zonedNode("plain", "a", 1)}, map[signaling.NodeID][]string{"held": {volumeKey(1)}})
	s.SetDistances(NewDistances(nil, map[string]float64{"a": 35}, 20))
	r := rendering()
	r.Zone, r.MaxDistanceMs, r.Volume, r.Within, r.Exclude = "a", 30, volumeKey(1), []string{"a"}, []signaling.NodeID{"bad"}
	got := s.Explain(r, 10)
	var ids []string
	for _, v := range got {
		ids = append(ids, string(v.Node))
	}
	if want := "held plain cloud cordoned bad"; strings.Join(ids, " ") != want {
		t.Fatalf("%v, want %s", ids, want)
	}
	if v := got[0]; !v.Fits || v.CostMs != -12 || v.DistanceMs != 8 || len(v.Terms) != 2 || v.Terms[1].Name != "locality" || v.Terms[1].Ms != -20 {
		t.Errorf("%+v", v)
	}
	if v := got[3]; v.Fits || v.Rejected != "is cordoned" || v.State != signaling.NodeCordoned {
		t.Errorf("%+v", v)
	}
	if want := "takes no rendering tasks; is where the data must not go; is not ready: draining; is too far away: 60 ms, at most 30 ms; " +
		"is no nearer than the cloud, which is 35 ms away; has less than one video encoder free; has refused or is excluded"; got[4].Rejected != want {
		t.Errorf("%q\nwant %q", got[4].Rejected, want)
	}
	if n := len(s.Explain(r, 2)); n != 2 {
		t.Errorf("%d of 2", n)
	}
	r.Type = "cooking"
	for _, v := range s.Explain(r, 10) {
		if v.Fits || !strings.HasPrefix(v.Rejected, "takes no cooking tasks") {
			t.Errorf("%+v", v)
		}
	}
	if s.Explain(r, 0) == nil {
		t.Error("no list")
	}
}
