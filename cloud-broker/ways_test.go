package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// TestA2TheEdgeThatIsAskedFirstAcceptsWithoutData: the request that it tells the broker of has no data in it, and what it
// gets is what a control instruction has.
func TestA2TheEdgeThatIsAskedFirstAcceptsWithoutData(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		e := bs.join(1, newNode("near"))
		a := signaling.Accept{Key: "k", Task: "t-1", Attempt: "a-1", Request: requested(t, rendering), Creator: "local"}
		c := e.accept(a)
		i := c.Instruction
		if c.Type != signaling.ControlInstruct || i == nil || i.Attempt.ID != "a-1" || i.Attempt.Node != "near" || i.Attempt.Fencing == 0 || i.Source == nil || i.WaitMs == 0 {
			t.Fatalf("%+v %+v", c, c.Problem)
		}
		// The edge holds it: the pool knows that so much less is free there, at every broker.
		bs.know("the edge has given a place", "near", func(n signaling.Node) bool { return n.Free.EncoderSessions == 3 })
		// The same key at a broker is the same task, also at another broker than the edge's.
		again := bs.at(0).submit("Idempotency-Key", "k")
		if again.Task != "t-1" || again.Attempt != i.Attempt {
			t.Errorf("at the broker: %+v", again)
		}
		// And the other way round: what the broker has placed, another edge cannot take.
		g := bs.at(2).submit("Idempotency-Key", "k2")
		other := bs.join(2, newNode("other"))
		c = other.accept(signaling.Accept{Key: "k2", Task: "t-2", Attempt: "a-2", Request: requested(t, rendering), Creator: "local"})
		if c.Type != signaling.ControlRefuse || !strings.Contains(c.Problem.Detail, string(g.Task)) {
			t.Errorf("%+v %+v", c, c.Problem)
		}
		// Finished at the broker, it is released at the edge that took it.
		bs.at(0).finish("t-1")
		if r := receive(t, "the release", e.releases); r.Attempt != "a-1" || r.State != signaling.TaskFinished {
			t.Errorf("%+v", r)
		}
	})
}

func TestA2WhatAnEdgeMayNotAccept(t *testing.T) {
	b := start(t)
	e := b.join(single("near", 0))
	a := signaling.Accept{Key: "k", Task: "t-1", Attempt: "a-1", Request: requested(t, rendering), Creator: "local"}
	for name, c := range map[string]struct {
		change func(*signaling.Accept)
		code   signaling.ProblemCode
		want   string
	}{
		"an unknown series":    {func(a *signaling.Accept) { a.Request.Series.SeriesInstanceUID = "1.2.3" }, signaling.ProblemNotFound, "series"},
		"an unknown type":      {func(a *signaling.Accept) { a.Request.Type = "cooking" }, signaling.ProblemBadRequest, "cooking"},
		"urgent without right": {func(a *signaling.Accept) { a.Request.Urgent = true }, signaling.ProblemForbidden, "urgent"},
		"what it does not do": {func(a *signaling.Accept) {
			a.Request.Type, a.Request.Operation, a.Request.Series = signaling.Training, "tissue-mixture", nil
		}, signaling.ProblemNoFreeNode, "no room"},
		"more than it has": {func(a *signaling.Accept) { a.Request.Resources = &signaling.Resources{GPUMemoryMB: 1 << 20} },
			signaling.ProblemNoFreeNode, "no room"},
	} {
		one := a
		one.Request = requested(t, rendering)
		c.change(&one)
		answer := e.accept(one)
		if answer.Type != signaling.ControlRefuse || answer.Problem.Code != c.code || !strings.Contains(answer.Problem.Error(), c.want) {
			t.Errorf("%s: %+v %+v", name, answer.Type, answer.Problem)
		}
	}
	if c := e.accept(a); c.Type != signaling.ControlInstruct {
		t.Errorf("a good one: %+v", c.Problem)
	}
}

// TestA4ABusyEdgeSendsTheRequestOn: the broker chooses another edge, farther than the first, and answers the terminal
// itself, which sends its data straight there; it works also where the first edge dies.
func TestA4ABusyEdgeSendsTheRequestOn(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		first := bs.join(0, newNode("first"))
		far, farther := newNode("far"), newNode("farther")
		far.DistanceMs, farther.DistanceMs = 5, 9
		second := bs.join(1, far)
		bs.join(2, farther)

		c := first.forward(signaling.Forward{Key: "k", Task: "t-1", Request: requested(t, rendering), Creator: "local", Reason: "all encoders are in use"})
		if c.Type != signaling.ControlForwarded || c.Pending == nil || c.Pending.Task != "t-1" || c.Pending.State != signaling.TaskPlacing || !strings.HasSuffix(c.Pending.Events, "/t-1/events") {
			t.Fatalf("%+v %+v", c, c.Problem)
		}
		first.kill()
		receive(t, "the first edge's end", first.done)
		g := bs.at(0).follow("t-1").grant()
		if g.Task != "t-1" || g.Attempt.Node != "far" || g.Answer != signaling.EdgeAssigned || g.Token == "" {
			t.Errorf("%+v", g)
		}
		if i := receive(t, "the instruction", second.instructions); i.Task != "t-1" || i.Creator != "local" {
			t.Errorf("%+v", i)
		}
		// Another one follows at another broker, and is told the same at once.
		if same := bs.at(1).follow("t-1").grant(); same.Attempt != g.Attempt {
			t.Errorf("%+v", same)
		}
		// The key is the task's, also at the broker.
		if again := bs.at(2).submit("Idempotency-Key", "k"); again.Attempt != g.Attempt {
			t.Errorf("%+v", again)
		}
	})
}

// TestA4WhatIsSentOnAndFindsNothingIsRefusedOrWaits, as the request prefers, and expires where its terminal never comes.
func TestA4WhatIsSentOnAndFindsNothingIsRefusedOrWaits(t *testing.T) {
	b := start(t)
	e := b.join(single("only", 0))
	b.submit()
	brokers{b}.full("only")
	e.forward(signaling.Forward{Task: "t-refuse", Request: requested(t, rendering), Creator: "local", Reason: "full"})
	if p := b.follow("t-refuse").refusal(); p.Code != signaling.ProblemNoFreeNode {
		t.Errorf("%+v", p)
	}
	e.forward(signaling.Forward{Task: "t-queue", Request: requested(t, body(`"whenFull":"queue"`)), Creator: "local", Reason: "full"})
	if p := b.follow("t-queue").stands(1); !strings.Contains(p.Reason, "only sent it on: full") {
		t.Errorf("%+v", p)
	}
	if c := e.forward(signaling.Forward{Task: "t-bad", Request: signaling.TaskRequest{Type: "cooking"}, Creator: "local"}); c.Type != signaling.ControlRefuse || c.Problem.Code != signaling.ProblemBadRequest {
		t.Errorf("%+v", c)
	}
}

// TestA5TheBrokerAnswersWithTheNearestFreeEdge of the matching type, at every broker alike.
func TestA5TheBrokerAnswersWithTheNearestFreeEdge(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		near, far, trainer := single("near", 1), newNode("far"), newNode("trainer")
		far.DistanceMs = 8
		trainer.Types = []signaling.TaskType{signaling.Training}
		bs.join(0, near)
		bs.join(1, far)
		bs.join(2, trainer)
		if g := bs.at(2).submit(); g.Attempt.Node != "near" || g.Answer != signaling.EdgeAssigned || len(g.Reasons) == 0 {
			t.Errorf("%+v", g)
		}
		bs.full("near")
		if g := bs.at(0).submit(); g.Attempt.Node != "far" {
			t.Errorf("%+v", g)
		}
		g := decode[signaling.Grant](t, bs.at(1).ask("POST", "/api/v1/tasks", `{"type":"training","operation":"tissue-mixture"}`), http.StatusCreated)
		if g.Attempt.Node != "trainer" || g.Handling != signaling.HandlingDefer {
			t.Errorf("%+v", g)
		}
	})
}

// TestA6TheInstructionNamesTerminalTaskAndType, and the edge has confirmed it before the terminal hears of its place.
func TestA6TheInstructionNamesTerminalTaskAndType(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		confirmed := false
		e := bs.join(1, newNode("near"), func(e *edge) {
			e.instruct = func(signaling.Instruction) *signaling.Problem { confirmed = true; return nil }
		})
		g := bs.at(0).submit()
		i := receive(t, "the instruction", e.instructions)
		if !confirmed || i.Task != g.Task || i.Attempt != g.Attempt || i.Request.Type != signaling.Rendering || i.Creator == "" {
			t.Errorf("%+v", i)
		}
		if i.Resources != signaling.DefaultResources(signaling.Rendering) || i.WaitMs != 30_000 || i.Source == nil || i.Source.Bearer == "" {
			t.Errorf("%+v", i)
		}
	})
}

// TestA7ALimitOfDistance is the smaller one of the terminal's and its site's.
func TestA7ALimitOfDistance(t *testing.T) {
	file := written(t, "sites.yaml", "sites:\n  - name: ward\n    zones: [ward]\n    max-distance-ms: 10\n")
	b := start(t, "--sites", file)
	node := newNode("edge")
	node.DistanceMs = 12
	b.join(node)
	for body, status := range map[string]int{
		rendering:                                    201,
		body(`"maxDistanceMs":11`):                   503,
		body(`"maxDistanceMs":13`):                   201,
		body(`"zone":"ward"`):                        503,
		body(`"zone":"ward"`, `"maxDistanceMs":20`):  503,
		body(`"zone":"elsewhere"`):                   201,
		body(`"zone":"ward"`, `"maxDistanceMs":0.5`): 503,
	} {
		if r := b.ask("POST", "/api/v1/tasks", body); r.status != status {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

// TestA8TheCloudExecutesWhenNoEdgeAroundIsFree, by the same rules.
func TestA8TheCloudExecutesWhenNoEdgeAroundIsFree(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		cloud := newNode("beside")
		cloud.Tier = signaling.TierCloud
		edge, beside := bs.join(0, single("edge", 9)), bs.join(1, cloud)
		if g := bs.at(1).submit(); g.Answer != signaling.EdgeAssigned {
			t.Errorf("%+v", g)
		}
		bs.full("edge")
		g := bs.at(2).submit()
		if g.Answer != signaling.ExecuteInCloud || g.Attempt.Node != "beside" {
			t.Fatalf("%+v", g)
		}
		if i := receive(t, "the instruction", beside.instructions); i.Task != g.Task || len(edge.instructions) != 1 {
			t.Errorf("%+v", i)
		}
		bs.at(0).finish(g.Task)
		if r := receive(t, "the release", beside.releases); r.Attempt != g.Attempt.ID {
			t.Errorf("%+v", r)
		}
	})
}

// TestA9HandlingIsShown as the node will do it: its mode, where it names one, else the type's; the user's own choice only
// where the node asks.
func TestA9HandlingIsShown(t *testing.T) {
	b := start(t)
	node := newNode("near")
	node.Types = []signaling.TaskType{signaling.Rendering, signaling.DataComputation, signaling.Training}
	node.Handling = map[signaling.TaskType]signaling.Handling{signaling.DataComputation: signaling.HandlingAsk}
	b.join(node)
	for body, want := range map[string]signaling.Handling{
		rendering: signaling.HandlingAllocate,
		`{"type":"training","operation":"tissue-mixture"}`:                          signaling.HandlingDefer,
		`{"type":"data-computation","operation":"histogram"}`:                       signaling.HandlingAsk,
		`{"type":"data-computation","operation":"histogram","handling":"resident"}`: signaling.HandlingResident,
		`{"type":"training","operation":"tissue-mixture","handling":"resident"}`:    signaling.HandlingDefer,
	} {
		if g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", body), 201); g.Handling != want {
			t.Errorf("%s: %s, want %s", body, g.Handling, want)
		}
	}
}

// TestA13WhyTheTerminalAsksIsKeptAndShown with the task and its grant.
func TestA13WhyTheTerminalAsksIsKeptAndShown(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", body(`"local":{"reason":"the study needs 3 GiB and the browser has 1","memoryMB":1024}`)), 201)
	if !slices.ContainsFunc(g.Reasons, func(s string) bool { return strings.Contains(s, "the study needs 3 GiB") }) {
		t.Errorf("%q", g.Reasons)
	}
	task := decode[signaling.Task](t, b.ask("GET", "/api/v1/tasks/"+string(g.Task), ""), 200)
	if task.Request.Local == nil || task.Request.Local.MemoryMB != 1024 {
		t.Errorf("%+v", task.Request)
	}
}

// TestA14TheThreeAnswersInTheirOrder: an edge accepts; else another one is assigned; else the cloud executes.
func TestA14TheThreeAnswersInTheirOrder(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		cloud := newNode("cloud")
		cloud.Tier = signaling.TierCloud
		first := bs.join(0, single("first", 1))
		bs.join(1, single("second", 2))
		bs.join(2, cloud)
		r := requested(t, rendering)
		// S101 to S102: the nearest edge accepts. Its own answer to the terminal is edge-accepts.
		if c := first.accept(signaling.Accept{Task: "t-1", Attempt: "a-1", Request: r, Creator: "local"}); c.Type != signaling.ControlInstruct {
			t.Fatalf("%+v", c.Problem)
		}
		bs.full("first")
		// S106 to S109: it is busy now.
		first.forward(signaling.Forward{Task: "t-2", Request: r, Creator: "local", Reason: "busy"})
		if g := bs.at(1).follow("t-2").grant(); g.Answer != signaling.EdgeAssigned || g.Attempt.Node != "second" {
			t.Errorf("%+v", g)
		}
		bs.full("second")
		// S113: no edge is free.
		first.forward(signaling.Forward{Task: "t-3", Request: r, Creator: "local", Reason: "busy"})
		if g := bs.at(2).follow("t-3").grant(); g.Answer != signaling.ExecuteInCloud || g.Attempt.Node != "cloud" {
			t.Errorf("%+v", g)
		}
		if m := bs.at(0).ask("GET", "/metrics", ""); !strings.Contains(string(m.body), `tomocast_grants_total{answer="edge-accepts",type="rendering"} 1`) {
			t.Error("the answers are not counted")
		}
	})
}
