package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/poolcmd"
	"github.com/tomocast/tomocast/signaling"
)

// nodesFound is the answer of GET /nodes.
type nodesFound struct {
	Nodes []pool.NodeStatus
	Next  signaling.NodeID
}

func (n nodesFound) ids() string {
	ids := make([]string, len(n.Nodes))
	for i := range n.Nodes {
		ids[i] = string(n.Nodes[i].ID)
	}
	return strings.Join(ids, " ")
}

// standing is a node of a zone that takes some types.
func standing(id, zone string, types ...signaling.TaskType) signaling.Node {
	n := newNode(id)
	n.Zone, n.Types = zone, types
	return n
}

func TestOperatorsFindNodes(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(standing("edge-1", "ward-3", signaling.Rendering))
		b.join(standing("edge-2", "ward-3", signaling.Rendering, signaling.Training))
		b.join(standing("edge-3", "ward-4", signaling.DataComputation))
		cloud := standing("Cloud-1", "", signaling.TaskTypes...)
		cloud.Tier = signaling.TierCloud
		b.join(cloud)
		if r := b.ask("POST", "/api/v1/nodes/edge-2/cordon", ""); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for query, want := range map[string]string{
			"":                            "Cloud-1 edge-1 edge-2 edge-3",
			"?state=ready":                "Cloud-1 edge-1 edge-3",
			"?state=cordoned":             "edge-2",
			"?state=lost":                 "",
			"?tier=cloud":                 "Cloud-1",
			"?tier=edge&type=rendering":   "edge-1 edge-2",
			"?zone=ward-3":                "edge-1 edge-2",
			"?search=CLOUD":               "Cloud-1",
			"?search=-1&type=rendering":   "Cloud-1 edge-1",
			"?after=edge-1":               "edge-2 edge-3",
			"?zone=ward-3&after=edge-1":   "edge-2",
			"?type=training&state=ready":  "Cloud-1",
			"?zone=nowhere&limit=1":       "",
			"?type=data-computation":      "Cloud-1 edge-3",
			"?search=edge&limit=2":        "edge-1 edge-2",
			"?limit=3":                    "Cloud-1 edge-1 edge-2",
			"?search=edge&zone=ward-4":    "edge-3",
			"?search=%00":                 "",
			"?state=ready&type=rendering": "Cloud-1 edge-1",
		} {
			if got := decode[nodesFound](t, b.ask("GET", "/api/v1/nodes"+query, ""), 200); got.ids() != want || got.Nodes == nil {
				t.Errorf("%s: %q, want %q", query, got.ids(), want)
			}
		}
		// Page by page, with and without a filter.
		for _, filter := range []string{"", "&tier=edge"} {
			var all []string
			for after := signaling.NodeID(""); ; {
				page := decode[nodesFound](t, b.ask("GET", "/api/v1/nodes?limit=1"+filter+"&after="+string(after), ""), 200)
				all = append(all, page.ids())
				if after = page.Next; after == "" {
					break
				}
			}
			if want := decode[nodesFound](t, b.ask("GET", "/api/v1/nodes?limit=9"+filter, ""), 200).ids(); strings.Join(all, " ") != want {
				t.Errorf("%q: pages %q, want %q", filter, all, want)
			}
		}
		for _, query := range []string{"?state=asleep", "?tier=moon", "?type=cooking", "?limit=0", "?limit=1001", "?sort=id"} {
			if r := b.ask("GET", "/api/v1/nodes"+query, ""); r.status != 422 {
				t.Errorf("%s: %d", query, r.status)
			}
		}
	})
}

func TestOperatorsKeepTasksAwayAndLetThemCome(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		far := newNode("far")
		far.DistanceMs = 9
		e := b.join(newNode("near"))
		b.join(far)
		change := func(what string) {
			t.Helper()
			if r := b.ask("POST", "/api/v1/nodes/near/"+what, ""); r.status != 204 {
				t.Fatalf("%s: %d %s", what, r.status, r.body)
			}
		}
		state := func(want signaling.NodeState) {
			t.Helper()
			b.eventually("the broker knows", func() bool { n, _ := b.nodes.Get("near"); return n.State == want })
		}
		g := b.submit()
		change("cordon")
		state(signaling.NodeCordoned)
		if g := b.submit(); g.Attempt.Node != "far" {
			t.Errorf("a cordoned node takes a task: %+v", g)
		}
		detail := decode[struct {
			pool.NodeStatus
			Tasks []struct {
				Task  signaling.TaskID
				State signaling.TaskState
			}
		}](t, b.ask("GET", "/api/v1/nodes/near", ""), 200)
		if detail.State != signaling.NodeCordoned || len(detail.Tasks) != 1 || detail.Tasks[0].Task != g.Task {
			t.Errorf("%+v", detail)
		}
		e.beat() // what it says of itself does not lift it
		change("uncordon")
		state(signaling.NodeReady)
		if g := b.submit(); g.Attempt.Node != "near" {
			t.Errorf("%+v", g)
		}
		if len(e.releases) != 0 {
			t.Error("what ran there was released")
		}
		for _, path := range []string{"cordon", "uncordon", "drain", "override"} {
			method := "POST"
			if path == "override" {
				method = "DELETE"
			}
			if r := b.ask(method, "/api/v1/nodes/a%2Fb/"+path, ""); r.status != 404 {
				t.Errorf("%s of a node of an impossible name: %d %s", path, r.status, r.body)
			}
		}
		if r := b.ask("DELETE", "/api/v1/nodes/near", ""); r.status != 204 {
			t.Errorf("forget: %d %s", r.status, r.body)
		}
		b.eventually("it is gone", func() bool { _, known := b.nodes.Get("near"); return !known })
	})
}

func TestADrainEndsWhatRunsThereByItsDeadline(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		e := b.join(newNode("near"))
		g := b.submit()
		for _, within := range []string{"soon", "-1s", "0s", "1ms", "200h", "1e9h"} {
			if r := b.ask("POST", "/api/v1/nodes/near/drain?within="+within, ""); r.status != 400 || !strings.Contains(string(r.body), "query.within") {
				t.Errorf("%s: %d %s", within, r.status, r.body)
			}
		}
		if r := b.ask("POST", "/api/v1/nodes/near/drain?within=1s", ""); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200)
		if n.State != signaling.NodeDraining || n.DrainUntil == nil {
			t.Errorf("%+v", n)
		}
		if r := receive(t, "the release", e.releases); r.Task != g.Task {
			t.Errorf("%+v", r)
		}
	})
}

func TestA10AnOperatorSaysWhatANodeOffers(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		e := b.join(newNode("near"))
		is := func(what string, is func(signaling.Node) bool) {
			t.Helper()
			b.eventually(what, func() bool { n, known := b.nodes.Get("near"); return known && is(n) })
		}
		put := func(body string) reply { t.Helper(); return b.ask("PUT", "/api/v1/nodes/near/override", body) }
		if r := put(`{"types":["data-computation"],"zone":"ward-4","distanceMs":3,"capacity":{"cpuMilli":1000,"memoryMB":8192}}`); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		is("it takes no sessions", func(n signaling.Node) bool {
			return n.Zone == "ward-4" && n.DistanceMs == 3 && !slices.Contains(n.Types, signaling.Rendering) && n.Capacity.CPUMilli == 1000
		})
		if r := b.ask("POST", "/api/v1/tasks", rendering); r.status != 503 {
			t.Errorf("a session on a node that is said to take none: %d", r.status)
		}
		n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200)
		if n.Override == nil || n.Override.Zone == nil || *n.Override.Zone != "ward-4" || n.Capacity.MemoryMB != e.node.Capacity.MemoryMB {
			t.Errorf("%+v", n)
		}
		for body, field := range map[string]string{
			`{"types":["cooking"]}`:             "types",
			`{"capacity":{"cpuMilli":-1}}`:      "capacity",
			`{"capacity":{}}`:                   "capacity",
			`{"zone":"a b"}`:                    "zone",
			`{"distanceMs":-1}`:                 "distanceMs",
			`{"types":"rendering"}`:             "types",
			`{"zone":"` + long(64) + `"}`:       "zone",
			`{"distanceMs":1e7}`:                "distanceMs",
			`{"capacity":{"gpuMilli":1e12}}`:    "capacity",
			`{"types":["rendering",null,"no"]}`: "types",
			// More than the node itself has, also where an override has it offer less.
			`{"capacity":{"cpuMilli":4001}}`:        `"location":"body.capacity.cpuMilli"`,
			`{"capacity":{"encoderSessions":5}}`:    "the node itself has 4",
			`{"capacity":{"gpuMemoryMB":99999999}}`: "the node itself has 4096",
		} {
			if r := put(body); (r.status != 400 && r.status != 422) || !strings.Contains(string(r.body), field) {
				t.Errorf("%.60s: %d %s", body, r.status, r.body)
			}
		}
		if r := put(`{"capacity":{"cpuMilli":4000}}`); r.status != 204 { // all that it has itself
			t.Errorf("%d %s", r.status, r.body)
		}
		if r := b.ask("DELETE", "/api/v1/nodes/near/override", ""); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		is("it is itself again", func(n signaling.Node) bool {
			return n.Zone == "" && n.DistanceMs == 0 && slices.Contains(n.Types, signaling.Rendering) && n.Capacity == e.node.Capacity
		})
		b.submit()
	})
}

func long(n int) string { return strings.Repeat("x", n) }

func TestOperatorsTryWhereATaskWouldGo(t *testing.T) {
	b := start(t)
	near, far := standing("near", "ward-3", signaling.Rendering), standing("far", "ward-4", signaling.Rendering)
	near.DistanceMs, far.DistanceMs = 1, 7
	b.join(near)
	b.join(far)
	b.join(standing("other", "ward-3", signaling.Training))
	type explained = dispatch.Explained
	x := decode[explained](t, b.ask("POST", "/api/v1/explain", `{"request":{"type":"rendering","maxDistanceMs":5}}`), 200)
	verdict := func(id signaling.NodeID) placement.Verdict {
		i := slices.IndexFunc(x.Verdicts, func(v placement.Verdict) bool { return v.Node == id })
		if i < 0 {
			t.Fatalf("nothing about %s: %+v", id, x)
		}
		return x.Verdicts[i]
	}
	if v := x.Verdicts[0]; v.Node != "near" || !v.Fits || len(v.Terms) == 0 {
		t.Errorf("%+v", v)
	}
	if v := verdict("far"); v.Fits || !strings.Contains(v.Rejected, "far") {
		t.Errorf("%+v", v)
	}
	if v := verdict("other"); v.Fits || !strings.Contains(v.Rejected, "rendering") {
		t.Errorf("%+v", v)
	}
	if x.Needs != signaling.DefaultResources(signaling.Rendering) || x.MaxDistanceMs != 5 || x.Summary == "" {
		t.Errorf("%+v", x)
	}
	if x := decode[explained](t, b.ask("POST", "/api/v1/explain", `{"request":{"type":"rendering"},"limit":1,"address":"10.1.2.3"}`), 200); len(x.Verdicts) != 1 {
		t.Errorf("%+v", x)
	}
	if n := b.nodes.Len(); n != 3 || len(decode[struct{ Tasks []signaling.Task }](t, b.ask("GET", "/api/v1/tasks", ""), 200).Tasks) != 0 {
		t.Error("something was claimed")
	}
	for body, field := range map[string]string{
		`{"request":{"type":"cooking"}}`:                                                "body.request.type",
		`{"request":{"type":"training","resources":{"cpuMilli":-1}}}`:                   "body.resources.cpuMilli",
		`{"request":{"type":"training"},"address":"here"}`:                              "body.address",
		`{"request":{"type":"training"},"limit":9999}`:                                  "body.limit",
		`{"request":{"type":"rendering","series":{"studyInstanceUID":"../../secret"}}}`: "body.series",
		`{}`: "body",
	} {
		if r := b.ask("POST", "/api/v1/explain", body); (r.status != 400 && r.status != 422) || !strings.Contains(string(r.body), field) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

// TestOperatorsWatchThePool has a page that listens while nodes come, tasks begin and wait, and a node drains.
func TestOperatorsWatchThePool(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(single("near", 0))
		s := b.listen("/api/v1/pool/events?limit=10", "Authorization", "Bearer "+localToken)
		// What the page shows is the newest of each kind.
		var shown struct {
			dispatch.Overview
			nodes nodesFound
			queue string
		}
		until := func(what string, is func() bool) {
			t.Helper()
			for !is() {
				e := receive(t, what, s.events)
				var err error
				switch e.Name {
				case "overview":
					err = json.Unmarshal(e.Data, &shown.Overview)
				case "nodes":
					err = json.Unmarshal(e.Data, &shown.nodes)
				case "queue":
					shown.queue = string(e.Data)
				default:
					t.Errorf("event %s: %s", e.Name, e.Data)
				}
				if err != nil {
					t.Fatalf("%s: %v: %s", e.Name, err, e.Data)
				}
				if strings.Contains(string(e.Data), study) {
					t.Errorf("the event %s names a study: %s", e.Name, e.Data)
				}
			}
		}
		until("the beginning", func() bool {
			return shown.Overview.Nodes[signaling.NodeReady] == 1 && shown.Edges == 1 && shown.Sessions == 0 && shown.nodes.ids() == "near" && shown.queue == `{"tasks":[]}`
		})
		b.submit()
		p := b.wait(waits)
		following := b.listen(p.Events, "Authorization", "Bearer "+localToken)
		heard[signaling.Pending](following, "pending")
		until("the queue", func() bool {
			return strings.Contains(shown.queue, string(p.Task)) && shown.Sessions == 1 && shown.Overview.Queue == 1 && shown.Desired >= 2
		})
		if r := b.ask("POST", "/api/v1/nodes/near/drain", ""); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		until("the drain", func() bool {
			return shown.nodes.Nodes[0].State == signaling.NodeDraining && shown.Overview.Nodes[signaling.NodeDraining] == 1
		})
		if o := decode[dispatch.Overview](t, b.ask("GET", "/api/v1/pool", ""), 200); o.Nodes == nil {
			t.Errorf("%+v", o)
		}
		q := decode[struct {
			Tasks []struct {
				Task  signaling.TaskID
				Type  signaling.TaskType
				Queue *signaling.Queue
			}
		}](t, b.ask("GET", "/api/v1/pool/queue", ""), 200)
		if len(q.Tasks) != 1 || q.Tasks[0].Task != p.Task || q.Tasks[0].Type != signaling.Rendering || q.Tasks[0].Queue == nil {
			t.Errorf("%+v", q)
		}
	})
}

func TestStreamsOfThePoolAreBounded(t *testing.T) {
	b := start(t)
	for range 8 {
		heard[dispatch.Overview](b.listen("/api/v1/pool/events", "Authorization", "Bearer "+localToken), "overview")
	}
	if r := b.ask("GET", "/api/v1/pool/events", ""); r.status != 429 || r.problem(t).Code != signaling.ProblemRateLimited {
		t.Errorf("one more: %d %s", r.status, r.body)
	}
}

// TestThePoolIsForOperators has somebody who is none at every door.
func TestThePoolIsForOperators(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-operators", "admins")
	b.join(newNode("near"))
	for _, c := range [][3]string{
		{"GET", "/nodes"}, {"GET", "/nodes/near"}, {"DELETE", "/nodes/near"},
		{"POST", "/nodes/near/cordon"}, {"POST", "/nodes/near/uncordon"}, {"POST", "/nodes/near/drain"}, {"POST", "/nodes/near/drain?within=x"},
		{"PUT", "/nodes/near/override", `{"zone":"a"}`}, {"DELETE", "/nodes/near/override"},
		{"GET", "/pool"}, {"GET", "/pool/queue"}, {"GET", "/pool/events"}, {"POST", "/explain", `{"request":{"type":"training"}}`}, {"GET", "/history"},
		{"GET", "/nodes/near/schedule"}, {"PUT", "/nodes/near/schedule", `{}`}, {"DELETE", "/nodes/near/schedule"}, {"GET", "/nodes/near/time"},
		{"GET", "/moves"}, {"POST", "/tasks/t-1/move", `{}`}, {"GET", "/scaling"}, {"GET", "/predictions"}, {"GET", "/history?format=jsonl"},
	} {
		r := b.do(c[0], "/api/v1"+c[1], c[2], "Authorization", "Bearer "+token("bert"))
		if p := r.problem(t); r.status != 403 || p.Code != signaling.ProblemForbidden {
			t.Errorf("bert %s %s: %d %+v", c[0], c[1], r.status, p)
		}
		if r := b.do(c[0], "/api/v1"+c[1], c[2]); r.status != 401 {
			t.Errorf("nobody %s %s: %d", c[0], c[1], r.status)
		}
	}
	if n, _ := b.nodes.Get("near"); n.State != signaling.NodeReady {
		t.Errorf("%+v", n)
	}
	if r := b.do("GET", "/api/v1/pool", "", "Authorization", "Bearer "+token("carla", "admins")); r.status != 200 {
		t.Errorf("an operator: %d", r.status)
	}
}

// commandLine runs cloud-broker pool as an operator does.
func (b *running) commandLine(args ...string) (string, error) {
	var out bytes.Buffer
	err := poolcmd.Run(b.t.Context(), append(args, "--broker", b.url), &out)
	return out.String(), err
}

// TestThePoolFromTheCommandLine has both an operator with a token and this machine's user, who needs none.
func TestThePoolFromTheCommandLine(t *testing.T) {
	b := start(t)
	e := b.join(standing("near", "ward-3", signaling.Rendering))
	b.join(standing("other", "ward-4", signaling.Training))
	for _, who := range []string{localToken, ""} {
		t.Setenv("TOMOCAST_TOKEN", who)
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"list"}, "near   ready  edge  ward-3"},
			{[]string{"list", "--zone", "ward-4"}, "2 nodes (2 ready)"},
			{[]string{"list", "--json", "--search", "oth"}, `"id": "other"`},
			{[]string{"describe", "near"}, "Nothing runs there."},
			{[]string{"queue"}, "Nothing waits."},
			{[]string{"cordon", "near"}, "near: cordoned"},
			{[]string{"explain", "--zone", "ward-3"}, "near   edge"},
			{[]string{"uncordon", "near"}, "near: takes tasks again"},
			{[]string{"override", "near", "--encoders", "2", "--distance-ms", "2.5"}, "near: overridden"},
			{[]string{"override", "near", "--types", "rendering", "--encoders", "1"}, "near: overridden"}, // as --help has it
			{[]string{"override", "near", "--zone", "ward-5"}, "near: overridden"},
			{[]string{"describe", "near"}, "zone ward-5; 2.5 ms away"},
			{[]string{"override", "near", "--clear"}, "near: offers what it registers with"},
			{[]string{"explain", "--type", "training", "--address", "10.0.0.1", "--json"}, `"rejected":`},
		} {
			out, err := b.commandLine(c.args...)
			if err != nil || !strings.Contains(out, c.want) {
				t.Errorf("token %q: %v: %v\n%s", who, c.args, err, out)
			}
		}
	}
	if out, err := b.commandLine("override", "near", "--encoders", "9"); err == nil || !strings.Contains(err.Error(), "capacity.encoderSessions") {
		t.Errorf("%v\n%s", err, out)
	}
	g := b.submit()
	if out, err := b.commandLine("describe", "near"); err != nil || !strings.Contains(out, string(g.Task)) || strings.Contains(out, study) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := b.commandLine("drain", "near", "--within", "1s"); err != nil || !strings.Contains(out, "near: drains") {
		t.Errorf("%v\n%s", err, out)
	}
	receive(t, "the release", e.releases)
	if out, err := b.commandLine("forget", "near", "unknown"); err == nil || !strings.Contains(out, "near: forgotten") || !strings.Contains(err.Error(), "unknown: There is no such node.") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Setenv("TOMOCAST_TOKEN", "a-token-of-somebody-else")
	if _, err := b.commandLine("list"); err == nil || !strings.Contains(err.Error(), "not signed in") {
		t.Error(err)
	}
}

// TestTheCommandLineWatches prints again when something has changed.
func TestTheCommandLineWatches(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	t.Setenv("TOMOCAST_TOKEN", localToken)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := poolcmd.Run(ctx, []string{"list", "--watch", "--json", "--broker", b.url}, out); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})
	lines := json.NewDecoder(in)
	until := func(state signaling.NodeState) {
		t.Helper()
		for {
			var page nodesFound
			if err := lines.Decode(&page); err != nil {
				t.Fatal(err)
			}
			if len(page.Nodes) == 1 && page.Nodes[0].State == state {
				return
			}
		}
	}
	until(signaling.NodeReady)
	if r := b.ask("POST", "/api/v1/nodes/near/cordon", ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	until(signaling.NodeCordoned)
	stop()
	in.Close()
	ended.Wait()
}

func TestTheDescriptionCoversThePool(t *testing.T) {
	b := start(t)
	type operation struct {
		Responses map[string]struct {
			Content map[string]json.RawMessage
		}
	}
	doc := decode[struct {
		Paths map[string]map[string]operation
	}](t, b.ask("GET", "/api/v1/openapi.json", ""), 200)
	for _, c := range [][3]string{
		{"post", "/tasks", "201 202 400 403 503"}, {"get", "/tasks/{task}/events", "200 401 404 429"}, {"get", "/edges", "200 401"}, {"post", "/edges/pings", "204 400"},
		{"get", "/pool", "200 403"}, {"get", "/pool/queue", "200 403"}, {"get", "/pool/events", "200 403"}, {"post", "/explain", "200 400 403"},
		{"get", "/nodes", "200"}, {"get", "/nodes/{node}", "200 404"}, {"delete", "/nodes/{node}", "204 404"}, {"post", "/nodes/{node}/cordon", "204"},
		{"post", "/nodes/{node}/uncordon", "204"}, {"post", "/nodes/{node}/drain", "204 400"}, {"put", "/nodes/{node}/override", "204 400"},
		{"delete", "/nodes/{node}/override", "204"}, {"get", "/nodes/{node}/schedule", "200 403 404"}, {"put", "/nodes/{node}/schedule", "204 400 403"},
		{"delete", "/nodes/{node}/schedule", "204 403"}, {"get", "/nodes/{node}/time", "200 403 404"}, {"post", "/tasks/{task}/move", "202 400 403 404"},
		{"get", "/moves", "200 403"}, {"get", "/scaling", "200 403"}, {"post", "/forecast", "200 400"}, {"get", "/predictions", "200 403"}, {"get", "/history", "200 403"},
	} {
		o := doc.Paths[c[1]][c[0]]
		for _, status := range strings.Fields(c[2]) {
			if _, there := o.Responses[status]; !there {
				t.Errorf("%s %s: nothing about %s", c[0], c[1], status)
			}
		}
	}
	for path, events := range map[string][]string{"/tasks/{task}/events": {"pending", "grant", "problem"}, "/pool/events": {"overview", "nodes", "queue", "problem"}} {
		schema := string(doc.Paths[path]["get"].Responses["200"].Content["text/event-stream"])
		for _, e := range events {
			if !strings.Contains(schema, `"`+e+`"`) {
				t.Errorf("%s: nothing about the event %s: %s", path, e, schema)
			}
		}
	}
	for status, kind := range map[string]string{"201": "Grant", "202": "Pending"} {
		if schema := string(doc.Paths["/tasks"]["post"].Responses[status].Content["application/json"]); !strings.Contains(schema, "/"+kind) {
			t.Errorf("%s: %s", status, schema)
		}
	}
}

func TestHowManyNodesThereShouldBe(t *testing.T) {
	b := start(t)
	b.join(single("near", 0))
	b.submit()
	b.wait(waits)
	b.eventually("the metric counts what runs and what waits", func() bool {
		r := b.ask("GET", "/metrics", "")
		return r.status == http.StatusOK && strings.Contains(string(r.body), "\ntomocast_pool_desired_nodes 3\n")
	})
}

// TestThePagesOfTheViewer serves the operators' page as the others, with this machine's cookie.
func TestThePageOfOperators(t *testing.T) {
	b := start(t)
	for _, path := range []string{"/ops", "/ops/"} {
		if r := b.get(path); r.status != 200 || r.header.Get("Set-Cookie") == "" || !strings.Contains(string(r.body), "Tomocast") {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
	}
}

// TestPagesOfOtherOriginsMayWatchAndChange lets a portal's own page for operators do what this one does.
func TestPagesOfOtherOriginsMayWatchAndChange(t *testing.T) {
	const allowed, foreign = "https://portal.example.org", "https://evil.example"
	b := start(t, "--allowed-origins", allowed)
	for origin, want := range map[string]string{allowed: allowed, foreign: ""} {
		h := b.do("OPTIONS", "/api/v1/nodes/near/override", "", "Origin", origin, "Access-Control-Request-Method", "PUT").header
		if h.Get("Access-Control-Allow-Origin") != want || (want != "") != strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") {
			t.Errorf("%s: %v", origin, h)
		}
		s := b.listen("/api/v1/pool/events", "Authorization", "Bearer "+localToken, "Origin", origin)
		if got := s.answer.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s may read: %q", origin, got)
		}
	}
	cookie, _, _ := strings.Cut(b.get("/").header.Get("Set-Cookie"), ";")
	for _, path := range []string{"/api/v1/pool/events", "/api/v1/nodes"} {
		if r := b.do("GET", path, "", "Cookie", cookie, "Origin", foreign); r.status != 403 {
			t.Errorf("%s with the cookie from a foreign page: %d", path, r.status)
		}
	}
}
