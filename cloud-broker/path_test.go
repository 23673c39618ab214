package main

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// TestFromRequestToGrantToEnd follows one session through the whole broker (A5, A6, A11).
func TestFromRequestToGrantToEnd(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, append(args, "--turn-url", "turn:turn.example.org", "--stun-url", "stun:stun.example.org", "--turn-secret-file", secretFile(t, "north"))...)
		if r := b.get("/readyz?session=1"); r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.body), "no node has registered") {
			t.Errorf("without an edge: %d %s", r.status, r.body)
		}
		far := newNode("far")
		far.DistanceMs = 20
		b.join(far)
		e := b.join(newNode("near"))
		if r := b.get("/readyz?session=1"); r.status != http.StatusOK {
			t.Errorf("with an edge: %d %s", r.status, r.body)
		}

		g := b.submit()
		if g.Answer != signaling.EdgeAssigned || g.Attempt.Node != "near" || g.SignalingURL != "/api/v1/signal/"+string(g.Attempt.ID) || len(g.Reasons) == 0 {
			t.Errorf("grant %+v", g)
		}
		if len(g.ICEServers) != 2 || g.ICEServers[1].Credential == "" {
			t.Errorf("ICE servers %+v", g.ICEServers)
		}
		key := ed25519.PublicKey(e.registered.TokenKeys[0])
		claims, err := signaling.VerifyToken([]ed25519.PublicKey{key}, g.Token, time.Now())
		if err != nil || claims.For("near", g.Attempt.ID) != nil || claims.Role != signaling.RoleHost || claims.Task != g.Task || claims.Subject != "local" {
			t.Errorf("token %+v, %v", claims, err)
		}

		i := receive(t, "the instruction", e.instructions)
		if i.Task != g.Task || i.Attempt != g.Attempt || i.Resources != signaling.DefaultResources(signaling.Rendering) || i.Creator != "local" ||
			i.WaitMs != 30_000 || i.IdleMs != 1_800_000 || i.GraceMs != 120_000 || len(i.ICEServers) != 2 {
			t.Errorf("instruction %+v", i)
		}
		fetch := func(study string) int {
			return b.do("GET", i.Source.DICOMweb+"/studies/"+study+"/series", "", "Authorization", "Bearer "+i.Source.Bearer).status
		}
		if s := fetch(study); s != http.StatusOK {
			t.Errorf("the edge gets its study with status %d", s)
		}
		if s := fetch(otherStudy); s != http.StatusForbidden {
			t.Errorf("the edge gets another study with status %d", s)
		}

		if s := e.state(g); s != signaling.TaskReserved {
			t.Errorf("state %s", s)
		}
		e.update(g, signaling.TaskRunning)
		b.eventually("the task runs", func() bool { return e.state(g) == signaling.TaskRunning })
		if n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200); n.Free.EncoderSessions != 3 {
			t.Errorf("free %+v", n.Free)
		}
		if tasks := decode[struct{ Tasks []signaling.Task }](t, b.ask("GET", "/api/v1/tasks", ""), 200); len(tasks.Tasks) != 1 {
			t.Errorf("tasks %+v", tasks)
		}

		ended := decode[signaling.Task](t, b.ask("DELETE", "/api/v1/tasks/"+string(g.Task), ""), 200)
		if ended.State != signaling.TaskFinished || ended.EndedAt == nil {
			t.Errorf("ended %+v", ended)
		}
		release := receive(t, "the release", e.releases)
		if release.Attempt != g.Attempt.ID || release.Fencing <= g.Attempt.Fencing || release.State != signaling.TaskFinished {
			t.Errorf("release %+v", release)
		}
		if n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200); n.Free != n.Capacity {
			t.Errorf("free %+v of %+v", n.Free, n.Capacity)
		}
		if again := b.ask("DELETE", "/api/v1/tasks/"+string(g.Task), ""); again.status != 200 {
			t.Errorf("finished again: %d", again.status)
		}
		if h := decode[struct{ Tasks []pool.HistoryEntry }](t, b.ask("GET", "/api/v1/history", ""), 200); len(h.Tasks) != 1 || h.Tasks[0].Node != "near" {
			t.Errorf("history %+v", h)
		}
		if p := b.ask("POST", "/api/v1/tasks/"+string(g.Task)+"/grant", "").problem(t); p.Code != signaling.ProblemNotFound || !strings.Contains(p.Detail, "as its terminal asked") {
			t.Errorf("grant of an ended task: %+v", p)
		}
	})
}

func TestTheCloudTierIsForWhenNoEdgeIsFree(t *testing.T) {
	b := start(t)
	cloud, small := newNode("beside"), newNode("edge")
	cloud.Tier = signaling.TierCloud
	cloud.DirectURL = "wss://cloud.example.org/signal"
	small.DistanceMs, small.Capacity.EncoderSessions = 30, 1
	b.join(cloud)
	b.join(small)
	if g := b.submit(); g.Answer != signaling.EdgeAssigned || g.Attempt.Node != "edge" {
		t.Errorf("first: %s on %s", g.Answer, g.Attempt.Node)
	}
	if g := b.submit(); g.Answer != signaling.ExecuteInCloud || g.SignalingURL != cloud.DirectURL {
		t.Errorf("second: %s at %s", g.Answer, g.SignalingURL)
	}
}

func TestNoFreeEdgeSaysWhy(t *testing.T) {
	b := start(t)
	r := b.ask("POST", "/api/v1/tasks", rendering)
	if p := r.problem(t); r.status != 503 || p.Code != signaling.ProblemNoFreeNode || !strings.Contains(p.Detail, "No node has registered") || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %+v", r.status, p)
	}
	small := newNode("small")
	small.Capacity.EncoderSessions = 1
	b.join(small)
	b.submit()
	if p := b.ask("POST", "/api/v1/tasks", rendering).problem(t); p.Code != signaling.ProblemNoFreeNode { // whether the snapshot knows or not
		t.Errorf("%+v", p)
	}
	b.eventually("the snapshot knows", func() bool { n, _ := b.nodes.Get("small"); return n.Free.EncoderSessions == 0 })
	if p := b.ask("POST", "/api/v1/tasks", rendering).problem(t); p.Code != signaling.ProblemNoFreeNode || !strings.Contains(p.Detail, "video encoder") {
		t.Errorf("%+v", p)
	}
}

// What no node can do is refused at once, and does not wait for a place: not by a node, and not without one to ask.
func TestWhatNoNodeCanDoIsRefused(t *testing.T) {
	b := start(t)
	node := newNode("near")
	node.Types = signaling.TaskTypes
	b.join(node, func(e *edge) {
		e.instruct = func(i signaling.Instruction) *signaling.Problem {
			return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here", Detail: i.Request.Operation}
		}
	})
	if p := b.ask("POST", "/api/v1/tasks", `{"type":"training","operation":"cook","whenFull":"queue"}`).problem(t); p.Code != signaling.ProblemUnsupported {
		t.Errorf("%+v", p)
	}
	tasks := decode[struct{ Tasks []signaling.Task }](t, b.ask("GET", "/api/v1/tasks", ""), 200).Tasks
	if len(tasks) != 1 || tasks[0].State != signaling.TaskFailed || !strings.Contains(tasks[0].Reason, "Operation not known") {
		t.Errorf("%+v", tasks)
	}
	if n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/near", ""), 200); n.Free != n.Capacity {
		t.Errorf("it still holds something: %+v", n.Free)
	}
	if p := b.ask("POST", "/api/v1/tasks", `{"type":"training"}`).problem(t); p.Code != signaling.ProblemBadRequest || !strings.Contains(p.Detail, "operation is missing") {
		t.Errorf("%+v", p)
	}
}

func TestARefusalOrASilentEdgeLeadsToTheNext(t *testing.T) {
	b := start(t)
	refusing, dying, silent, last := newNode("a-refusing"), newNode("b-dying"), newNode("c-silent"), newNode("d-last")
	refusing.DistanceMs, dying.DistanceMs, silent.DistanceMs, last.DistanceMs = 1, 2, 3, 4
	b.join(refusing, func(e *edge) {
		e.instruct = func(signaling.Instruction) *signaling.Problem {
			return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "The texture is too large."}
		}
	})
	b.join(dying, func(e *edge) {
		e.instruct = func(signaling.Instruction) *signaling.Problem {
			go e.kill()
			<-e.link.Done()
			return nil
		}
	})
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	b.join(silent, func(e *edge) {
		e.instruct = func(signaling.Instruction) *signaling.Problem { <-never; return nil }
	})
	b.join(last)
	g := b.submit()
	if g.Attempt.Node != "d-last" {
		t.Fatalf("granted on %s: %q", g.Attempt.Node, g.Reasons)
	}
	for _, want := range []string{"a-refusing refused: The texture is too large", "b-dying has no link", "c-silent did not confirm in time"} {
		if !strings.Contains(strings.Join(g.Reasons, "; "), want) {
			t.Errorf("reasons %q lack %q", g.Reasons, want)
		}
	}

	for _, id := range []string{"a-refusing", "c-silent"} {
		if n := decode[pool.NodeStatus](t, b.ask("GET", "/api/v1/nodes/"+id, ""), 200); n.Free != n.Capacity {
			t.Errorf("%s still holds something: %+v", id, n.Free)
		}
	}
}

// TestAnAnswerThatIsLostEndsNothing: an edge whose heartbeat says that it has the task keeps it, though its answer never comes.
func TestAnAnswerThatIsLostEndsNothing(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		near, far := newNode("near"), newNode("far")
		near.DistanceMs, far.DistanceMs = 1, 5
		never := make(chan struct{})
		t.Cleanup(func() { close(never) })
		e := b.join(near, func(e *edge) {
			e.instruct = func(i signaling.Instruction) *signaling.Problem {
				_ = e.link.Send(signaling.Control{Type: signaling.ControlHeartbeat, Heartbeat: &signaling.Heartbeat{
					State: signaling.NodeReady, Attempts: []signaling.AttemptID{i.Attempt.ID}}})
				<-never
				return nil
			}
		})
		other := b.join(far)
		g := b.submit("Idempotency-Key", "k")
		if i := receive(t, "the instruction", e.instructions); g.Attempt.ID != i.Attempt.ID || g.Attempt.Node != "near" {
			t.Errorf("granted %+v (%q), instructed %+v", g.Attempt, g.Reasons, i.Attempt)
		}
		if again := b.submit("Idempotency-Key", "k"); again.Attempt != g.Attempt {
			t.Errorf("asked again: %+v, before %+v", again.Attempt, g.Attempt)
		}
		if task := b.task(g.Task); task.State.Ended() || task.Attempt == nil || *task.Attempt != g.Attempt {
			t.Errorf("%+v", task)
		}
		select {
		case r := <-e.releases:
			t.Errorf("it was ended: %+v", r)
		case i := <-other.instructions:
			t.Errorf("the other node was asked: %+v", i)
		default:
		}
	})
}

func TestTheSameKeyGivesTheSameGrant(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		e := b.join(newNode("near"))
		first := b.submit("Idempotency-Key", "k1")
		again := b.submit("Idempotency-Key", "k1")
		if again.Task != first.Task || again.Attempt != first.Attempt || again.Token == "" {
			t.Errorf("%+v, then %+v", first, again)
		}
		if other := b.submit("Idempotency-Key", "k2"); other.Task == first.Task {
			t.Error("another key gives the same task")
		}
		changed := strings.Replace(rendering, `"rendering"`, `"data-computation","operation":"histogram"`, 1)
		if p := b.ask("POST", "/api/v1/tasks", changed, "Idempotency-Key", "k1").problem(t); p.Code != signaling.ProblemBadRequest || !strings.Contains(p.Title, "Idempotency-Key") {
			t.Errorf("%+v", p)
		}
		if n := len(e.instructions); n != 2 {
			t.Errorf("%d instructions", n)
		}
		b.ask("DELETE", "/api/v1/tasks/"+string(first.Task), "")
		if p := b.ask("POST", "/api/v1/tasks", rendering, "Idempotency-Key", "k1").problem(t); p.Code != signaling.ProblemNotFound {
			t.Errorf("key of an ended task: %+v", p)
		}
	})
}

func TestComingBackToATask(t *testing.T) {
	b := start(t)
	near, far := newNode("near"), newNode("far")
	far.DistanceMs = 10
	e := b.join(near)
	b.join(far)
	g := b.submit()
	path := "/api/v1/tasks/" + string(g.Task) + "/grant"
	same := decode[signaling.Grant](t, b.ask("POST", path, ""), 200)
	if same.Attempt != g.Attempt || same.Token == "" {
		t.Errorf("%+v", same)
	}
	e.kill()
	b.eventually("the broker has noticed", func() bool {
		r := b.ask("POST", path, "")
		return r.status == 503 && r.problem(t).Code == signaling.ProblemUnavailable // its session may go on: nothing is moved yet
	})
	moved := decode[signaling.Grant](t, b.ask("POST", path, `{"lost":true,"parameters":{"here":1}}`), 200)
	if moved.Task != g.Task || moved.Attempt.Node != "far" || moved.Attempt.Fencing <= g.Attempt.Fencing {
		t.Errorf("%+v", moved)
	}
	// The edge comes back with its ledger: what has moved is not its own any more.
	e.connect()
	if len(e.registered.Ended) != 1 || e.registered.Ended[0] != g.Attempt.ID {
		t.Errorf("ended %v", e.registered.Ended)
	}
}

func TestRequestsThatCannotBeServed(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	series := func(study, series string) string {
		return `{"type":"rendering","series":{"studyInstanceUID":"` + study + `","seriesInstanceUID":"` + series + `"}}`
	}
	for name, c := range map[string]struct {
		body   string
		status int
		code   signaling.ProblemCode
		want   string
	}{
		"unknown study":    {series("1.2.3", ""), 404, signaling.ProblemNotFound, "no such study"},
		"unknown series":   {series(study, "1.2.3"), 404, signaling.ProblemNotFound, "no such series"},
		"a document":       {series(study, report), 422, signaling.ProblemNotAVolume, "PDF"},
		"other source":     {`{"type":"rendering","series":{"source":"elsewhere","studyInstanceUID":"` + study + `"}}`, 404, signaling.ProblemNotFound, "elsewhere"},
		"no series":        {`{"type":"rendering"}`, 400, signaling.ProblemBadRequest, "series is missing"},
		"unknown type":     {`{"type":"cooking"}`, 422, signaling.ProblemBadRequest, "body.type"},
		"no UID":           {series("../../etc", ""), 400, signaling.ProblemBadRequest, "no DICOM UID"},
		"negative":         {`{"type":"data-computation","resources":{"cpuMilli":-1}}`, 400, signaling.ProblemBadRequest, "cpuMilli"},
		"no JSON":          {`{"type":`, 400, signaling.ProblemBadRequest, ""},
		"too large":        {`{"type":"rendering","operation":"` + strings.Repeat("x", 200<<10) + `"}`, 413, signaling.ProblemTooLarge, ""},
		"large parameters": {`{"type":"data-computation","parameters":"` + strings.Repeat("x", 70<<10) + `"}`, 400, signaling.ProblemBadRequest, "parameters"},
	} {
		r := b.ask("POST", "/api/v1/tasks", c.body)
		p := r.problem(t)
		if r.status != c.status || p.Code != c.code || !strings.Contains(p.Title+p.Detail, c.want) {
			t.Errorf("%s: %d %+v", name, r.status, p)
		}
	}
	// A field that this version does not know is left alone; without a series the edge chooses one.
	if r := b.ask("POST", "/api/v1/tasks", `{"type":"rendering","new":1,"series":{"studyInstanceUID":"`+study+`"}}`); r.status != 201 {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, path := range []string{"/api/v1/tasks/t-unknown", "/api/v1/nodes/unknown", "/api/v1/studies/1.2.3/series", "/api/v1/nothing", "/nothing"} {
		if r := b.ask("GET", path, ""); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		} else {
			r.problem(t)
		}
	}
}

func TestADrainedNodeTakesNothingNew(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	b.submit()
	if r := b.ask("POST", "/api/v1/nodes/near/drain", ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	b.eventually("it is drained", func() bool {
		return b.ask("POST", "/api/v1/tasks", rendering).status == 503
	})
	if len(e.releases) != 0 {
		t.Error("what runs there was released")
	}
}
