package agent_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// A2, A14: the terminal asks the nearest edge without the task's data; the edge is free and accepts, and the grant is good
// for its own signalling.
func TestA2FreeEdgeAccepts(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	a := e.ask("k-1", rendering)
	g := a.grant
	if a.status != http.StatusCreated || g.Answer != signaling.EdgeAccepts || g.Attempt.Fencing != 42 || len(g.Reasons) == 0 || len(g.ICEServers) != 1 || g.Handling != signaling.HandlingAllocate {
		t.Fatalf("answered %d, %+v, %+v", a.status, g, a.problem)
	}
	m := e.next("the edge's word to the broker", func(m *signaling.Control) bool { return m.Type == signaling.ControlAccept })
	if m.Accept.Creator != "anna" || m.Accept.Zone != "ward-3" || m.Accept.Key != "k-1" || m.Accept.Attempt != g.Attempt.ID {
		t.Errorf("the broker was told %+v", m.Accept)
	}
	w := e.only()
	if w.instruction.Source.DICOMweb != e.url.String()+"/dicom-web" {
		t.Errorf("the source is at %s", w.instruction.Source.DICOMweb)
	}
	if again := e.ask("k-1", rendering); again.grant.Token != g.Token || again.grant.Task != g.Task {
		t.Errorf("asked again, another answer: %+v", again)
	}
	if other := e.ask("k-1", input); other.status != http.StatusBadRequest || !strings.Contains(other.problem.Title, "Idempotency-Key") {
		t.Errorf("the same key for another request: %+v", other)
	}
	e.only()
	ws, resp, err := websocket.DefaultDialer.Dial(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	defer conn.Close(websocket.CloseNormalClosure, "")
	if err := conn.Send(signaling.Signal{Type: signaling.SignalHello, Token: g.Token}); err != nil {
		t.Fatal(err)
	}
	var s signaling.Signal
	if err := conn.Receive(&s); err != nil || s.Type != signaling.SignalWelcome || s.Peer != signaling.PeerID(g.Task) {
		t.Errorf("greeted with %+v, %v", s, err)
	}
	e.next("the attempt in a heartbeat", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlHeartbeat && slices.Contains(m.Heartbeat.Attempts, g.Attempt.ID)
	})
}

// A4: a busy edge sends the request on to the broker, and the terminal follows the task there.
func TestA4BusyEdgeForwards(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, func(c *agent.Config) { c.Public = &url.URL{Scheme: "https", Host: "broker.example.org"} }, approving)
	if a := e.ask("k-1", rendering); a.status != http.StatusCreated {
		t.Fatalf("the first was answered %+v", a)
	}
	a := e.ask("k-2", rendering)
	if a.status != http.StatusAccepted || a.pending.State != signaling.TaskPlacing || a.pending.Task == "" ||
		a.pending.Events != "https://broker.example.org/api/v1/tasks/"+string(a.pending.Task)+"/events" {
		t.Fatalf("answered %d, %+v, %+v", a.status, a.pending, a.problem)
	}
	m := e.next("the request at the broker", func(m *signaling.Control) bool { return m.Type == signaling.ControlForward })
	if f := m.Forward; f.Key != "k-2" || f.Creator != "anna" || f.Zone != "ward-3" || f.Address != "127.0.0.1" || !strings.Contains(f.Reason, "left") || f.Request.Series == nil {
		t.Errorf("the broker was told %+v", f)
	}
	if again := e.ask("k-2", rendering); again.pending.Task != a.pending.Task {
		t.Errorf("asked again, another task: %+v", again)
	}
	e.only()
}

// A1: the edge takes nothing of a type that is not its own, and A7: nothing of a terminal that is too far.
func TestA1EdgeChecksTheType(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	training := signaling.TaskRequest{Type: signaling.Training, Operation: "tissue-mixture", Input: input.Input}
	if a := e.ask("k-1", training); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, "training") {
		t.Errorf("answered %+v", a)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlInstruct, ID: "b/i-1", Instruction: &signaling.Instruction{Task: "t", Request: training,
		Attempt: signaling.Attempt{ID: "a", Node: "edge-1", Fencing: 1}}})
	if m := e.answer("b/i-1"); m.Type != signaling.ControlRefuse || !strings.Contains(m.Problem.Detail, "training") {
		t.Errorf("instructed: %+v", m)
	}
	far := rendering
	far.MaxDistanceMs, far.Pings = 5, []signaling.Ping{{Node: "edge-1", Ms: 9}}
	if a := e.ask("k-2", far); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, "9 ms") {
		t.Errorf("A7: answered %+v", a)
	}
}

// A1: what the edge cannot do of a type of its own it does not take either.
func TestA1EdgeChecksTheOperation(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, func(c *agent.Config) {
		c.Can = func(r *signaling.TaskRequest) error {
			if r.Operation == "unknown" {
				return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here"}
			}
			return nil
		}
	}, approving)
	unknown := signaling.TaskRequest{Type: signaling.DataComputation, Operation: "unknown", Input: input.Input}
	if a := e.ask("k-1", unknown); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, "Operation not known") {
		t.Errorf("answered %+v", a)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlInstruct, ID: "b/i-1", Instruction: &signaling.Instruction{Task: "t", Request: unknown,
		Attempt: signaling.Attempt{ID: "a", Node: "edge-1", Fencing: 1}}})
	if m := e.answer("b/i-1"); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemUnsupported {
		t.Errorf("instructed: %+v", m)
	}
}

// An operator keeps tasks away, and takes types from an edge; what the edge cannot do it is not given.
func TestEdgeAsAnOperatorHasIt(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	configured := func(change func(*signaling.Node)) {
		n := signaling.Node{ID: "edge-1", State: signaling.NodeReady, Types: []signaling.TaskType{signaling.Rendering, signaling.DataComputation},
			Capacity: signaling.DefaultResources(signaling.Rendering)}
		change(&n)
		e.send(e.link, signaling.Control{Type: signaling.ControlConfigure, Node: &n})
		e.inStep()
	}
	for n, c := range []struct {
		change func(*signaling.Node)
		reason string
	}{
		{func(n *signaling.Node) { n.State = signaling.NodeCordoned }, "operator"},
		{func(n *signaling.Node) { n.State = signaling.NodeDraining }, "drains"},
		{func(n *signaling.Node) { n.Types = []signaling.TaskType{signaling.Rendering, signaling.Training} }, "type"},
		{func(n *signaling.Node) { n.Capacity.CPUMilli = 1 }, "left"},
	} {
		configured(c.change)
		if a := e.ask(fmt.Sprint("k-", n), input); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, c.reason) {
			t.Errorf("%s: answered %+v", c.reason, a)
		}
	}
	configured(func(n *signaling.Node) { n.Capacity.MemoryMB *= 100 })
	if got := e.agent.Node().Capacity; got != signaling.DefaultResources(signaling.Rendering) {
		t.Errorf("the edge has %+v", got)
	}
	if a := e.ask("k-9", input); a.status != http.StatusCreated || a.grant.Handling != signaling.HandlingAsk {
		t.Errorf("answered %+v", a)
	}
}

// What an operator says of an edge is the operator's to end: the edge reports a drain only where it is about to stop itself.
func TestOperatorEndsADrain(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	configured := func(s signaling.NodeState) {
		n := signaling.Node{ID: "edge-1", State: s, Types: []signaling.TaskType{signaling.DataComputation}, Capacity: signaling.DefaultResources(signaling.Rendering)}
		e.send(e.link, signaling.Control{Type: signaling.ControlConfigure, Node: &n})
		e.inStep() // what it had said before is read
	}
	reports := func() signaling.NodeState {
		beat := func(m *signaling.Control) bool { return m.Type == signaling.ControlHeartbeat }
		e.next("a heartbeat that may be older", beat)
		return e.next("a heartbeat", beat).Heartbeat.State
	}
	configured(signaling.NodeDraining)
	if a := e.ask("k-1", input); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, "operator") {
		t.Errorf("drained: answered %+v", a)
	}
	if s := reports(); s != signaling.NodeReady {
		t.Errorf("an operator drains it, and it reports %s", s)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlDrain})
	e.inStep()
	if a := e.ask("k-2", input); a.status != http.StatusAccepted {
		t.Errorf("drained without a deadline: answered %+v", a)
	}
	configured(signaling.NodeReady)
	if a := e.ask("k-3", input); a.status != http.StatusCreated {
		t.Errorf("the drain has ended: answered %+v", a)
	}
	e.agent.Drain()
	configured(signaling.NodeReady)
	if a := e.ask("k-4", input); a.status != http.StatusAccepted || !strings.Contains(a.pending.Reason, "stop") {
		t.Errorf("about to stop: answered %+v", a)
	}
	if s := reports(); s != signaling.NodeDraining {
		t.Errorf("it is about to stop, and reports %s", s)
	}
}

// A request without a name is carried out, each time anew, as at the broker.
func TestRequestWithoutAKey(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, func(c *agent.Config) {
		c.Node.Capacity = c.Node.Capacity.Add(c.Node.Capacity)
	}, approving)
	first, second := e.ask("", rendering), e.ask("", rendering)
	if first.status != http.StatusCreated || second.status != http.StatusCreated || first.grant.Task == second.grant.Task {
		t.Errorf("answered %+v and %+v", first, second)
	}
	for range 2 {
		m := e.next("what the broker is asked", func(m *signaling.Control) bool { return m.Type == signaling.ControlAccept })
		if m.Accept.Key == "" {
			t.Error("the broker is asked without a key, so that it cannot tell a repetition")
		}
	}
}

// Where the broker is out of reach, a free edge takes what needs nothing of the broker's, and nothing else.
func TestA2EdgeAloneTakesWhatNeedsNoBroker(t *testing.T) {
	t.Parallel()
	silent := func(e *edge, m signaling.Control) *signaling.Control {
		if m.Type == signaling.ControlAccept { // as when its pool is gone
			return &signaling.Control{Type: signaling.ControlRefuse, Problem: &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "No pool"}}
		}
		return nil
	}
	e := edgeOf(t, func(c *agent.Config) { c.Alone = func(r signaling.SeriesRef) bool { return r.Source == "local" } }, silent)
	if a := e.ask("k-1", rendering); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("a study that only the broker knows: %+v", a)
	}
	mine := rendering
	mine.Series = &signaling.SeriesRef{Source: "local", StudyInstanceUID: "1.2.3"}
	a := e.ask("k-2", mine)
	if a.status != http.StatusCreated || len(a.grant.ICEServers) != 0 {
		t.Fatalf("a study in a folder of its own: %+v", a)
	}
	e.link = e.relinked()
	r := e.next("a registration with the task", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlRegister && len(m.Register.Ledger) == 1
	}).Register
	if r.Ledger[0].Task != a.grant.Task || r.Ledger[0].Request == nil || r.Instance == "" {
		t.Errorf("registered with %+v", r)
	}
	if a := e.ask("k-3", input); a.status != http.StatusServiceUnavailable { // busy, and nobody takes it on
		t.Errorf("busy and alone: %+v", a)
	}
	e.only().End(ending.ErrFinished)
	<-e.only().done
	e.mu.Lock()
	e.works = nil
	e.mu.Unlock()
	if a := e.ask("k-4", input); a.status != http.StatusCreated {
		t.Errorf("data that the terminal sends: %+v", a)
	}
}

func TestA2BrokerSaysNo(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, func(e *edge, m signaling.Control) *signaling.Control {
		if m.Type == signaling.ControlAccept && m.Accept.Request.Type == signaling.Rendering {
			return &signaling.Control{Type: signaling.ControlRefuse, Problem: &signaling.Problem{Code: signaling.ProblemForbidden, Title: "Not yours", Detail: "This study"}}
		}
		if m.Type == signaling.ControlAccept {
			return &signaling.Control{Type: signaling.ControlRefuse, Problem: &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No", Detail: "the pool knows no room"}}
		}
		return approving(e, m)
	})
	if a := e.ask("k-1", rendering); a.status != http.StatusForbidden || a.problem.Code != signaling.ProblemForbidden || a.problem.Status != http.StatusForbidden {
		t.Errorf("a study that is not the terminal's: %+v", a)
	}
	if a := e.ask("k-2", input); a.status != http.StatusAccepted || a.pending.Reason != "the pool knows no room" {
		t.Errorf("no room by the pool: %+v", a)
	}
	if len(e.works) != 0 {
		t.Errorf("%d tasks have begun", len(e.works))
	}
	if a := e.ask("k-3", input); a.status != http.StatusAccepted { // nothing is held
		t.Errorf("%+v", a)
	}
}

// Bad requests are refused with a problem that names the field.
func TestRequestsThatAnEdgeRefuses(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	_, forger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sign := func(key ed25519.PrivateKey, subject string, at time.Time) string {
		s, err := signaling.SignTerminalToken(key, signaling.TerminalClaims{}, subject, at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	foreign, err := signaling.SignToken(e.key, signaling.TokenClaims{Task: "t", Attempt: "a", Node: "edge-1", Role: signaling.RoleHost}, "anna", now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(e.key, "bert", now)
	for name, c := range map[string]struct {
		token, key string
		body       any
		status     int
		says       string
	}{
		"no token":       {"", "k", rendering, 401, "Bearer"},
		"forged":         {sign(forger, "bert", now), "k", rendering, 401, "token"},
		"expired":        {sign(e.key, "bert", now.Add(-time.Hour)), "k", rendering, 401, "expired"},
		"of a session":   {"Bearer " + foreign, "k", rendering, 401, "aud"},
		"of nobody":      {sign(e.key, "", now), "k", rendering, 401, "nobody"},
		"long key":       {good, strings.Repeat("k", 200), rendering, 400, "Idempotency-Key"},
		"no JSON":        {good, "k", "}", 400, "invalid"},
		"more":           {good, "k", `{"type":"rendering"} {}`, 400, "more"},
		"data":           {good, "k", `{"type":"data-computation","data":"AAAA"}`, 400, "data"},
		"large":          {good, "k", `{"operation":"` + strings.Repeat("x", 200<<10) + `"}`, 413, "bytes"},
		"type":           {good, "k", signaling.TaskRequest{Type: "dancing"}, 400, "type"},
		"negative":       {good, "k", signaling.TaskRequest{Type: signaling.Training, Resources: &signaling.Resources{MemoryMB: -1}}, 400, "memoryMB"},
		"huge":           {good, "k", signaling.TaskRequest{Type: signaling.Training, Resources: &signaling.Resources{GPUMilli: 1 << 40}}, 400, "gpuMilli"},
		"without series": {good, "k", signaling.TaskRequest{Type: signaling.Rendering}, 400, "series"},
		"urgent":         {good, "k", signaling.TaskRequest{Type: signaling.Training, Operation: "tissue-mixture", Urgent: true}, 403, "urgent"},
	} {
		header := []string{"Idempotency-Key", c.key}
		if c.token != "" {
			header = append(header, "Authorization", c.token)
		}
		a := e.post(c.body, header...)
		if a.status != c.status || !strings.Contains(a.problem.Title+a.problem.Detail, c.says) || a.problem.Code == "" {
			t.Errorf("%s: answered %d, %+v", name, a.status, a.problem)
		}
	}
	if a := e.post("x", "Authorization", good, "Idempotency-Key", "k", "Content-Type", "text/plain"); a.status != 400 || !strings.Contains(a.problem.Detail, "application/json") {
		t.Errorf("text: %+v", a)
	}
	if len(e.works) != 0 {
		t.Errorf("%d tasks have begun", len(e.works))
	}
}

// A terminal that asks ten thousand times is refused, and no other terminal is.
func TestOneTerminalDoesNotStopAnother(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, func(c *agent.Config) { c.Node.Capacity = signaling.Resources{CPUMilli: 1 << 20, MemoryMB: 1 << 20} }, approving)
	wild := "Bearer " + e.token("wild", signaling.TerminalClaims{})
	limited := 0
	for n := range 200 {
		if a := e.post(input, "Authorization", wild, "Idempotency-Key", fmt.Sprint(n)); a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "" {
			limited++
		}
	}
	if limited < 100 {
		t.Errorf("%d of 200 were limited", limited)
	}
	if a := e.ask("k", input); a.status != http.StatusCreated {
		t.Errorf("another terminal: %+v", a)
	}
	for range 100 {
		e.post(input, "Authorization", "Bearer guessed", "Idempotency-Key", "k")
	}
	if a := e.post(input, "Authorization", "Bearer guessed", "Idempotency-Key", "k"); a.status != http.StatusTooManyRequests {
		t.Errorf("who guesses tokens: %+v", a)
	}
}

// Requests with one key at the same time are one task.
func TestSameKeyAtTheSameTime(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	tasks := make(chan signaling.TaskID, 8)
	var wait sync.WaitGroup
	for range cap(tasks) {
		wait.Go(func() { tasks <- e.ask("k", rendering).grant.Task })
	}
	wait.Wait()
	close(tasks)
	first := <-tasks
	for id := range tasks {
		if id != first || id == "" {
			t.Errorf("tasks %q and %q", first, id)
		}
	}
	e.only()
}

// A3: a page of any origin may measure the way to the edge, and ask it.
func TestA3Ping(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, nil)
	for _, c := range []struct{ method, path string }{{"GET", agent.PingPath}, {"OPTIONS", agent.TasksPath}} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, e.api.URL+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://viewer.example.org")
		r.Header.Set("Access-Control-Request-Private-Network", "true")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if resp.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: %d, %v", c.method, c.path, resp.StatusCode, h)
		}
		switch c.method {
		case "GET":
			if h.Get("Timing-Allow-Origin") != "*" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("ping: %v", h)
			}
		default:
			if !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") || h.Get("Access-Control-Allow-Private-Network") != "true" {
				t.Errorf("preflight: %v", h)
			}
		}
	}
}
