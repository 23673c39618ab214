package main

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// TestANumberThatDoesNotFitIsToldInWords, not in those of the program's language.
func TestANumberThatDoesNotFitIsToldInWords(t *testing.T) {
	b := start(t)
	for _, number := range []string{"99999999999999999999", "1e30", "1e400"} {
		r := b.ask("POST", "/api/v1/tasks", `{"type":"data-computation","resources":{"gpuMemoryMB":`+number+`}}`)
		if p := r.problem(t); r.status/100 != 4 || !strings.Contains(p.Detail, "number") && !strings.Contains(p.Detail, "integer") {
			t.Errorf("%d %s", r.status, r.body)
		}
		for _, inside := range []string{"unmarshal", "Go ", "int64", "float64", "json:"} {
			if strings.Contains(string(r.body), inside) {
				t.Errorf("%s: %s", inside, r.body)
			}
		}
	}
}

// TestRefusedEdgesAreLoggedOnce for each node and address, without the secret that they show.
func TestRefusedEdgesAreLoggedOnce(t *testing.T) {
	const wrong = "a-wrong-secret-of-an-edge"
	b := start(t)
	for range 3 {
		if _, _, err := dialEdge(b, wrong, signaling.Register{Version: signaling.ControlVersion, Node: newNode("x")}); err == nil {
			t.Error("an edge with a wrong secret is taken")
		}
		for _, id := range []string{"old-1", "old-2"} {
			link, c, err := dialEdge(b, edgeSecret, signaling.Register{Version: signaling.ControlVersion + 1, Node: newNode(id)})
			if err != nil || c.Problem == nil {
				t.Fatalf("%+v %v", c, err)
			}
			link.Close(websocket.CloseNormalClosure, "")
		}
	}
	log := b.logs.String()
	for what, want := range map[string]int{"edge refused": 3, "secret is not one of": 1, "node=old-1": 1, "node=old-2": 1, wrong: 0} {
		if n := strings.Count(log, what); n != want {
			t.Errorf("%q is logged %d times, want %d", what, n, want)
		}
	}
}

// TestTheQueueSaysWhyAndHowLong, and where terminals stand that only their address places.
func TestTheQueueSaysWhyAndHowLong(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", places))
	node := single("only", 0)
	node.Zone = "south"
	b.join(node)
	for range 5 { // places have become free lately, so that the wait is known
		b.finish(b.submit().Task)
		brokers{b}.know("it is free", "only", func(n signaling.Node) bool { return n.Free.EncoderSessions == 1 })
	}
	b.submit()
	brokers{b}.full("only")
	p := b.wait(waits)
	b.follow(p.Task).stands(1)
	type entry struct {
		Zone, Reason string
		Queue        signaling.Queue
	}
	var e entry
	b.eventually("the queue says how long", func() bool {
		q := decode[struct{ Tasks []entry }](t, b.ask("GET", "/api/v1/pool/queue", ""), 200)
		if len(q.Tasks) != 1 {
			t.Fatalf("%+v", q)
		}
		e = q.Tasks[0]
		return e.Queue.ExpectedWaitMs > 0
	})
	if e.Zone != "south" || !strings.Contains(e.Reason, "encoder") || e.Queue.Position != 1 || e.Queue.ExpectedWaitMs%1000 != 0 {
		t.Errorf("%+v", e)
	}
	t.Setenv("TOMOCAST_TOKEN", localToken)
	if out, err := b.commandLine("queue"); err != nil || !strings.Contains(out, "south") || !strings.Contains(out, "encoder free") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestWhyTheCloudExecutes: the edges are full, too far, or take no such tasks.
func TestWhyTheCloudExecutes(t *testing.T) {
	b := start(t)
	cloud, other := newNode("cloud"), newNode("other")
	cloud.Tier, cloud.Types = signaling.TierCloud, append(cloud.Types, signaling.Training)
	other.Types, other.DistanceMs = []signaling.TaskType{signaling.DataComputation}, 2
	b.join(single("full", 1))
	b.join(other)
	b.submit()
	brokers{b}.full("full")
	b.join(cloud)
	for request, want := range map[string][]string{
		rendering: {"of 2 nodes 1 takes no rendering tasks and 1 has less than one video encoder free"},
		`{"type":"data-computation","operation":"histogram","maxDistanceMs":0.5}`: {"of 2 nodes 2 are too far away"},
		`{"type":"training","operation":"tissue-mixture"}`:                        {"of 2 nodes 2 take no training tasks"},
	} {
		g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", request), 201)
		reasons := strings.Join(g.Reasons, "; ")
		if g.Answer != signaling.ExecuteInCloud || strings.Contains(reasons, "no edge is free") {
			t.Errorf("%s: %s %q", request, g.Answer, reasons)
		}
		for _, w := range want {
			if !strings.Contains(reasons, w) {
				t.Errorf("%s: %q, want %q", request, reasons, w)
			}
		}
	}
}

// TestANodeThatIsGoneIsShownAsThat: without sessions, and not as one that starts.
func TestANodeThatIsGoneIsShownAsThat(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	e.send(signaling.Control{Type: signaling.ControlHeartbeat, Heartbeat: &signaling.Heartbeat{State: signaling.NodeReady, Load: signaling.Load{Sessions: 3}}})
	shown := func() pool.NodeStatus {
		return decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200)
	}
	b.eventually("its load is known", func() bool { return shown().Load.Sessions == 3 })
	e.kill()
	b.eventually("it is shown as lost", func() bool { return shown().State == signaling.NodeLost })
	if n := shown(); n.Load.Sessions != 0 {
		t.Errorf("it has %d sessions", n.Load.Sessions)
	}
	list := decode[struct{ Nodes []pool.NodeStatus }](t, b.ask("GET", "/api/v1/nodes?state=lost", ""), 200)
	if len(list.Nodes) != 1 || list.Nodes[0].Load.Sessions != 0 {
		t.Errorf("%+v", list)
	}
}

// TestNamingAnotherZoneLeavesNoSite whose data stays: neither for a request nor for the token with which edges are asked.
func TestNamingAnotherZoneLeavesNoSite(t *testing.T) {
	north := strings.Replace(places, "    data-stays: true\n", "    data-stays: true\n    max-distance-ms: 7\n    networks: [127.0.0.1/32]\n", 1)
	b := start(t, "--sites", written(t, "sites.yaml", north))
	elsewhere, own := newNode("elsewhere"), single("own", 5)
	elsewhere.Zone, own.Zone = "south", "north-ward"
	e := b.join(elsewhere)
	b.join(own)
	near := decode[signaling.NearEdges](t, b.ask("GET", "/api/v1/edges?zone=south", ""), 200)
	if near.Zone != "north-ward" || near.MaxDistanceMs != 7 || len(near.Edges) != 1 || near.Edges[0].Node != "own" {
		t.Errorf("%+v", near)
	}
	var keys []ed25519.PublicKey
	for _, k := range e.registered.TokenKeys {
		keys = append(keys, k)
	}
	claims, err := signaling.VerifyTerminalToken(keys, near.Token, time.Now())
	if err != nil || claims.Zone != "north-ward" {
		t.Fatalf("%+v %v", claims, err)
	}
	c := e.accept(signaling.Accept{Task: "t-1", Attempt: "a-1", Request: requested(t, body(`"zone":"south"`)), Creator: "local", Zone: claims.Zone})
	if c.Type != signaling.ControlRefuse || c.Problem.Code != signaling.ProblemStays {
		t.Errorf("%+v %+v", c.Type, c.Problem)
	}
	b.submit()
	brokers{b}.full("own")
	// The site's way is to wait, whatever zone is named.
	if r := b.ask("POST", "/api/v1/tasks", body(`"zone":"south"`)); r.status != http.StatusAccepted {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// TestASitesFileThatOffersMoreThanThereIs is told in the log, once: the node's own amount holds.
func TestASitesFileThatOffersMoreThanThereIs(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", "sites:\n  - name: north\n    zones: [ward]\nnodes:\n  near: {capacity: {cpu-milli: 99000, encoder-sessions: 1}}\n"))
	e := b.join(newNode("near"))
	e.kill()
	b.eventually("its link has ended", func() bool { return strings.Contains(b.logs.String(), "edge disconnected") })
	e.connect()
	if n, _ := b.nodes.Get("near"); n.Capacity.CPUMilli != e.node.Capacity.CPUMilli || n.Capacity.EncoderSessions != 1 {
		t.Errorf("%+v", n.Capacity)
	}
	if log := b.logs.String(); strings.Count(log, "capacity.cpuMilli is 99000, and the node itself has 4000") != 1 {
		t.Error("the log does not tell it once")
	}
}
