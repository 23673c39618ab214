package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

const places = `sites:
  - name: north
    zones: [north-ward, north-scan]
    data-stays: true
    when-full: queue
  - name: south
    zones: [south]
    networks: [127.0.0.0/8]
distances:
  between: [{zones: [north-ward, south], ms: 2}, {zones: [north-scan, south], ms: 3}, {zones: [north-ward, north-scan], ms: 20}]
nodes:
  moved: {zone: north-scan}
buffer: {min: 3, share: 0.5}
`

// TestDataThatStaysInItsSite is worked on there alone, however near another edge is and though the cloud is free: it waits,
// or is refused by name.
func TestDataThatStaysInItsSite(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		near, own, cloud := newNode("near"), single("own", 0), newNode("cloud")
		near.Zone, own.Zone, cloud.Tier = "south", "north-scan", signaling.TierCloud
		bs.join(0, near)
		bs.join(1, own)
		bs.join(2, cloud)
		// These terminals are in the north by their network. What they say of themselves does not take the data elsewhere.
		g := decode[signaling.Grant](t, bs.at(0).ask("POST", "/api/v1/tasks", body(`"zone":"south"`)), 201)
		if g.Attempt.Node != "own" {
			t.Errorf("%+v", g)
		}
		bs.full("own")
		p := bs.at(1).ask("POST", "/api/v1/tasks", body(`"whenFull":"refuse"`)).problem(t)
		if p.Code != signaling.ProblemStays || !strings.Contains(p.Detail, "north") {
			t.Errorf("%+v", p)
		}
		w := bs.at(2).wait(rendering) // as the site would have it
		s := bs.at(0).follow(w.Task)
		s.stands(1)
		bs.at(1).finish(g.Task)
		if g := s.grant(); g.Attempt.Node != "own" {
			t.Errorf("%+v", g)
		}
	}, "--sites", written(t, "sites.yaml", strings.Replace(places, "    data-stays: true\n", "    data-stays: true\n    networks: [127.0.0.1/32]\n", 1)))
}

// TestDataOfASourceStaysInItsSite, wherever the terminal is.
func TestDataOfASourceStaysInItsSite(t *testing.T) {
	sources := written(t, "sources.yaml", "sources:\n  - name: scans\n    kind: folder\n    path: "+studies(t)+"\n    site: north\n")
	b := start(t, "--sites", written(t, "sites.yaml", places), "--sources", sources)
	near, own, cloud := newNode("near"), single("own", 0), newNode("cloud")
	near.Zone, own.Zone, cloud.Tier = "south", "north-scan", signaling.TierCloud
	e := b.join(near)
	b.join(own)
	b.join(cloud)
	from := func(more ...string) string {
		return strings.Replace(body(more...), `"series":{`, `"series":{"source":"scans",`, 1)
	}
	b.eventually("the folder is read", func() bool { return b.get("/readyz").status == 200 })
	g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", from(`"zone":"south"`)), 201)
	if g.Attempt.Node != "own" {
		t.Fatalf("%+v", g)
	}
	brokers{b}.full("own")
	if p := b.ask("POST", "/api/v1/tasks", from(`"zone":"south"`)).problem(t); p.Code != signaling.ProblemStays || !strings.Contains(p.Detail, "north") {
		t.Errorf("%+v", p)
	}
	// Edge first does not get around it.
	c := e.accept(signaling.Accept{Task: "t-1", Attempt: "a-1", Request: requested(t, from(`"zone":"south"`)), Creator: "local"})
	if c.Type != signaling.ControlRefuse || c.Problem.Code != signaling.ProblemStays {
		t.Errorf("%+v %+v", c.Type, c.Problem)
	}
	p := b.wait(from(`"zone":"north-ward"`)) // the site's way is to wait
	s := b.follow(p.Task)
	s.stands(1)
	b.finish(g.Task)
	if g := s.grant(); g.Attempt.Node != "own" {
		t.Errorf("%+v", g)
	}
	// What is not of that site goes where it likes.
	if g := b.submit(); g.Attempt.Node != "near" {
		t.Errorf("%+v", g)
	}
}

// TestA3DistanceByConfigurationNetworkAndPing: the nearest is another one for terminals elsewhere, and pings are remembered
// for others of their zone.
func TestA3DistanceByConfigurationNetworkAndPing(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", strings.Replace(places, "    data-stays: true\n", "", 1)))
	for id, zone := range map[string]string{"ward": "north-ward", "scan": "north-scan", "south": "south"} {
		node := newNode(id)
		node.Zone = zone
		b.join(node)
	}
	take := func(body string) signaling.NodeID {
		t.Helper()
		g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", body), 201)
		b.finish(g.Task)
		if len(g.Terms) == 0 {
			t.Errorf("%s: no terms", body)
		}
		return g.Attempt.Node
	}
	if id := take(rendering); id != "south" { // by the terminal's address
		t.Errorf("by network: %s", id)
	}
	if id := take(body(`"zone":"north-scan"`)); id != "scan" {
		t.Errorf("by zone: %s", id)
	}
	if id := take(body(`"zone":"north-scan"`, `"pings":[{"node":"scan","ms":40},{"node":"ward","ms":1},{"node":"south","ms":50}]`)); id != "ward" {
		t.Errorf("by ping: %s", id)
	}
	near := decode[signaling.NearEdges](t, b.ask("GET", "/api/v1/edges?zone=north-scan", ""), 200)
	if near.Zone != "north-scan" || near.Token == "" || len(near.Edges) != 3 {
		t.Errorf("%+v", near)
	}
}

// TestOverridesOfTheConfiguration hold whatever the node says, and the node is told.
func TestOverridesOfTheConfiguration(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", places))
	e := b.join(newNode("moved"))
	if n, _ := b.nodes.Get("moved"); n.Zone != "north-scan" {
		t.Errorf("%+v", n)
	}
	if e.registered.Node == nil || e.registered.Node.Zone != "north-scan" {
		t.Errorf("%+v", e.registered.Node)
	}
	if o := decode[struct{ Desired int }](t, b.ask("GET", "/api/v1/pool", ""), 200); o.Desired != 3 {
		t.Errorf("%+v", o)
	}
}

func TestSitesThatCannotBe(t *testing.T) {
	setenv(t)
	for want, args := range map[string][]string{
		"line 1":  {"--sites", written(t, "a.yaml", "places: []\n")},
		"--sites": {"--sites", "/nowhere/sites.yaml"},
		"site y":  {"--sources", written(t, "b.yaml", "sources:\n  - {name: a, kind: folder, path: /a, site: y}\n"), "--sites", written(t, "c.yaml", places)},
	} {
		_, err := parse(append([]string{"--demo"}, args...))
		if !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestOperatorsOfNodes: cordoned, drained with a deadline, overridden and forgotten, at any broker; the node is told.
func TestOperatorsOfNodes(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		e := bs.join(0, newNode("near"))
		g := bs.at(1).submit()
		ask := func(i int, method, path, body string) {
			t.Helper()
			if r := bs.at(i).ask(method, "/api/v1/nodes/near"+path, body); r.status/100 != 2 {
				t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
		ask(2, "POST", "/cordon", "")
		if n := receive(t, "the configuration", e.configured); n.State != signaling.NodeCordoned {
			t.Errorf("%+v", n)
		}
		bs.know("it is cordoned", "near", func(n signaling.Node) bool { return n.State == signaling.NodeCordoned })
		e.beat() // says ready, and stays cordoned
		if r := bs.at(0).ask("POST", "/api/v1/tasks", rendering); r.status != 503 || !strings.Contains(string(r.body), "ordoned") {
			t.Errorf("%d %s", r.status, r.body)
		}
		ask(1, "POST", "/uncordon", "")
		bs.know("it is ready", "near", func(n signaling.Node) bool { return n.State == signaling.NodeReady })

		ask(0, "PUT", "/override", `{"zone":"attic","types":["rendering"]}`)
		bs.know("it is overridden", "near", func(n signaling.Node) bool { return n.Zone == "attic" && len(n.Types) == 1 })
		if r := bs.at(0).ask("POST", "/api/v1/tasks", `{"type":"data-computation","operation":"histogram"}`); r.status != 503 {
			t.Errorf("%d %s", r.status, r.body)
		}
		ask(2, "DELETE", "/override", "")
		bs.know("it is as it says", "near", func(n signaling.Node) bool { return n.Zone == "" && len(n.Types) == 2 })

		ask(1, "POST", "/drain?within=1s", "")
		if r := receive(t, "the release at the deadline", e.releases); r.Attempt != g.Attempt.ID || r.Fencing <= g.Attempt.Fencing ||
			r.Problem == nil || r.Problem.Code != signaling.ProblemEdgeLost || !strings.Contains(r.Problem.Title, "out of service") {
			t.Errorf("%+v, %+v", r, r.Problem)
		}
		task := decode[signaling.Task](t, bs.at(0).ask("GET", "/api/v1/tasks/"+string(g.Task), ""), 200)
		if task.State != signaling.TaskFailed || !strings.Contains(task.Reason, "drained") {
			t.Errorf("%+v", task)
		}
		ask(2, "DELETE", "", "")
		bs.at(1).eventually("it is gone", func() bool { _, known := bs.at(1).nodes.Get("near"); return !known })
		if r := bs.at(0).ask("POST", "/api/v1/nodes/near/cordon", ""); r.status != 404 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// TestA10WhatEndedTasksHaveShown refines the ranking: an edge on which they failed comes behind one as near.
func TestA10WhatEndedTasksHaveShown(t *testing.T) {
	b := start(t)
	failing := b.join(newNode("a-failing"))
	b.join(newNode("b-good"))
	for range 6 {
		g := b.submit()
		if g.Attempt.Node != "a-failing" {
			break
		}
		failing.update(g, signaling.TaskFailed)
		b.eventually("it has ended", func() bool { return failing.state(g) == signaling.TaskFailed })
	}
	b.eventually("it is noted", func() bool {
		e, err := b.pooled.Load().Experience(t.Context())
		return err == nil && len(e) == 1 && e[0].Node == "a-failing" && e[0].Failures == e[0].Runs && e[0].Runs > 0
	})
	e, err := b.pooled.Load().Experience(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.nodes.SetExperience(e) // as the broker does every few seconds
	if g := b.submit(); g.Attempt.Node != "b-good" {
		t.Errorf("%+v", g)
	}
}

// TestTwoEdgesOfOneNameAtTwoBrokers: the second is refused by name and the first is not disturbed; the same run of the edge
// that comes back at another broker is taken at once, though the first broker still holds its old link.
func TestTwoEdgesOfOneNameAtTwoBrokers(t *testing.T) {
	with := []string{"--redis", "redis://" + redistest.Addr(t)}
	one, two := start(t, with...), start(t, with...)
	bs := brokers{one, two}
	first := bs.join(0, newNode("near"))
	r := signaling.Register{Version: signaling.ControlVersion, Node: newNode("near"), Instance: "another"}
	for range 3 {
		link, answer, err := dialEdge(two, edgeSecret, r)
		if err != nil || answer.Problem == nil || answer.Problem.Code != signaling.ProblemBadRequest || !strings.Contains(answer.Problem.Title, "another edge is connected as near") {
			t.Fatalf("%+v, %v", answer, err)
		}
		link.Close(websocket.CloseNormalClosure, "")
	}
	if n := strings.Count(two.logs.String(), "edge refused"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	first.beat()
	if g := two.submit(); g.Attempt.Node != "near" || len(first.done) != 0 {
		t.Errorf("%+v", g)
	}
	receive(t, "the instruction", first.instructions)
	r.Instance = first.instance
	first.mu.Lock()
	r.Ledger = slices.Clone(first.ledger)
	first.mu.Unlock()
	link, answer, err := dialEdge(two, edgeSecret, r)
	if err != nil || answer.Type != signaling.ControlRegistered || len(answer.Registered.Ended) != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
	defer link.Close(websocket.CloseNormalClosure, "")
	receive(t, "the old link's end", first.done)
	// What the first broker sends goes over the new link.
	asked := make(chan reply, 1)
	go func() { asked <- one.ask("POST", "/api/v1/tasks", rendering) }()
	var c signaling.Control
	for c.Type != signaling.ControlInstruct {
		if err := link.Receive(&c); err != nil {
			t.Fatal(err)
		}
	}
	_ = link.Send(signaling.Control{Type: signaling.ControlConfirm, ID: c.ID})
	if r := receive(t, "the answer", asked); r.status != http.StatusCreated {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// TestExplained says of a request what would become of it, and holds nothing.
func TestExplained(t *testing.T) {
	b := start(t)
	b.join(single("full", 1))
	b.submit()
	brokers{b}.full("full")
	free := newNode("free")
	free.DistanceMs = 5
	b.join(free)
	e := decode[struct {
		Summary  string
		WhenFull signaling.WhenFull
		Verdicts []struct {
			Node     signaling.NodeID
			Fits     bool
			Rejected string
		}
	}](t, b.ask("POST", "/api/v1/explain", `{"request":`+rendering+`}`), http.StatusOK)
	if e.WhenFull != signaling.WhenFullRefuse || len(e.Verdicts) != 2 || e.Verdicts[0].Node != "free" || !e.Verdicts[0].Fits || e.Verdicts[1].Fits || e.Verdicts[1].Rejected == "" {
		t.Errorf("%+v", e)
	}
	if a, err := b.pooled.Load().Audit(t.Context()); err != nil || a.Attempts != 1 || len(a.Problems) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
