package agent_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// instruction is one for a rendering task that takes all of an edge's default capacity.
func instruction(attempt string, fencing int64) *signaling.Instruction {
	return &signaling.Instruction{Task: signaling.TaskID("t-" + attempt), Request: rendering, Resources: signaling.DefaultResources(signaling.Rendering),
		Attempt: signaling.Attempt{ID: signaling.AttemptID(attempt), Node: "edge-1", Fencing: fencing}, WaitMs: 60_000}
}

func (e *edge) order(id string, i *signaling.Instruction) {
	e.t.Helper()
	e.send(e.link, signaling.Control{Type: signaling.ControlInstruct, ID: "b/" + id, Instruction: i})
}

// ended is the end of an attempt as the broker hears it.
func (e *edge) ended(attempt string) *signaling.Update {
	e.t.Helper()
	return e.next("the end of "+attempt, func(m *signaling.Control) bool {
		return m.Type == signaling.ControlUpdate && m.Update.Attempt == signaling.AttemptID(attempt) && m.Update.State.Ended()
	}).Update
}

// inStep waits until the edge has taken all that was sent to it.
func (e *edge) inStep() {
	e.t.Helper()
	e.send(e.link, signaling.Control{Type: "ask back", ID: "b/in-step"})
	e.answer("b/in-step")
}

// A6: the instruction names terminal, task and type; the edge holds the resources and confirms before the terminal comes.
func TestA6EdgeConfirmsAndHolds(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	e.order("1", instruction("a-1", 7))
	if m := e.answer("b/1"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v", m.Problem)
	}
	if a := e.ask("k", rendering); a.status != http.StatusAccepted {
		t.Errorf("the same resources were given away: %+v", a)
	}
	e.order("2", instruction("a-1", 8)) // the same again, with a higher token
	if m := e.answer("b/2"); m.Type != signaling.ControlConfirm {
		t.Errorf("answered %+v", m.Problem)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 7, Reason: "out of date"}})
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 8, Reason: "not wanted"}})
	if u := e.ended("a-1"); u.Reason != "not wanted" {
		t.Errorf("ended with %+v", u)
	}
}

// A session that is pre-empted hears why, and the urgent one waits for its room instead of being refused.
func TestInstructionWaitsForWhatEnds(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	e.linger = make(chan struct{})
	e.order("1", instruction("a-1", 7))
	e.answer("b/1")
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 7,
		State: signaling.TaskExpired, Problem: &signaling.Problem{Code: signaling.ProblemPreempted, Title: "An urgent task needs the room", Detail: "Open the study again"}}})
	e.order("2", instruction("a-2", 8))
	e.order("3", instruction("a-3", 9))
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-3", Attempt: "a-3", Fencing: 9, Reason: "taken back"}})
	e.inStep()
	close(e.linger)
	got := map[string]signaling.Control{} // they come in any order
	for range 3 {
		m := e.next("an answer or the end", func(m *signaling.Control) bool {
			return m.ID == "b/2" || m.ID == "b/3" || m.Type == signaling.ControlUpdate
		})
		got[m.ID] = m
	}
	if u := got[""].Update; u == nil || !strings.Contains(u.Reason, "An urgent task needs the room") || u.State != signaling.TaskExpired {
		t.Errorf("ended with %+v", u)
	}
	if m := got["b/2"]; m.Type != signaling.ControlConfirm {
		t.Errorf("the urgent one: %+v", m.Problem)
	}
	if m := got["b/3"]; m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemCancelled {
		t.Errorf("the one that was taken back: %+v", m)
	}
}

// What does not end is not waited for, and what does not end in time not for ever.
func TestInstructionDoesNotWaitInVain(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	e.linger = make(chan struct{})
	e.order("1", instruction("a-1", 7))
	e.answer("b/1")
	e.order("2", instruction("a-2", 8))
	if m := e.answer("b/2"); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNoFreeNode {
		t.Errorf("answered %+v", m)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 7}})
	e.order("3", instruction("a-3", 9))
	if m := e.answer("b/3"); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNoFreeNode {
		t.Errorf("answered %+v", m)
	}
	close(e.linger)
	e.ended("a-1")
}

// An edge with several GPUs gives each task one of them, and none more than it has.
func TestEachTaskHasItsGPU(t *testing.T) {
	t.Parallel()
	each := signaling.GPU{MemoryMB: 2048, Milli: 1000}
	e := edgeOf(t, func(c *agent.Config) {
		c.Node.GPUs = []signaling.GPU{each, each}
		c.Node.Capacity = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 2000, EncoderSessions: 8, CPUMilli: 8000, MemoryMB: 8192}
	}, approving)
	on := map[int]int{}
	for n := range 4 {
		a := e.ask(fmt.Sprint("k-", n), rendering)
		if a.status != http.StatusCreated {
			t.Fatalf("request %d: %+v", n, a)
		}
		on[a.grant.Attempt.GPU]++
	}
	if on[0] != 2 || on[1] != 2 {
		t.Errorf("tasks by GPU: %v", on)
	}
	if a := e.ask("k-9", rendering); a.status != http.StatusAccepted {
		t.Errorf("a fifth: %+v", a)
	}
	e.works[0].End(ending.ErrFinished)
	gpu := e.works[0].instruction.Attempt.GPU
	e.ended(string(e.works[0].instruction.Attempt.ID))
	for n, c := range map[int]signaling.ControlType{1 - gpu: signaling.ControlRefuse, 7: signaling.ControlRefuse, gpu: signaling.ControlConfirm} {
		if n == gpu {
			continue // last
		}
		i := instruction(fmt.Sprint("a-", n), 50)
		i.Attempt.GPU = n
		e.order(fmt.Sprint(n), i)
		if m := e.answer(fmt.Sprint("b/", n)); m.Type != c {
			t.Errorf("GPU %d: %+v", n, m)
		}
	}
	i := instruction("a-last", 51)
	i.Attempt.GPU = gpu
	e.order("last", i)
	if m := e.answer("b/last"); m.Type != signaling.ControlConfirm {
		t.Errorf("the GPU that is free: %+v", m.Problem)
	}
}

// A12: a shadow holds its resources, takes no terminal, is told the view, and takes over with a higher fencing token.
func TestA12ShadowTakesOver(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	i := instruction("a-1", 7)
	i.Shadow = true
	e.order("1", i)
	if m := e.answer("b/1"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v", m.Problem)
	}
	w := e.only()
	hello := func(answer signaling.SignalType) {
		t.Helper()
		token, err := signaling.SignToken(e.key, signaling.TokenClaims{Task: i.Task, Attempt: "a-1", Node: "edge-1", Role: signaling.RoleHost}, "anna", time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(signaling.Signal{Type: signaling.SignalHello, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		e.send(e.link, signaling.Control{Type: signaling.ControlRelay, Relay: &signaling.Relay{Connection: "b/c", Attempt: "a-1", Signal: raw}})
		m := e.next("the greeting", func(m *signaling.Control) bool { return m.Type == signaling.ControlRelay })
		var s signaling.Signal
		if err := json.Unmarshal(m.Relay.Signal, &s); err != nil || s.Type != answer {
			t.Errorf("greeted with %s, %v", m.Relay.Signal, err)
		}
	}
	hello(signaling.SignalError)
	e.send(e.link, signaling.Control{Type: signaling.ControlView, View: &signaling.ViewReport{Task: i.Task, Attempt: "of the session", Revision: 5, View: json.RawMessage(`{}`)}})
	e.send(e.link, signaling.Control{Type: signaling.ControlView, View: &signaling.ViewReport{Task: "another", Revision: 6, View: json.RawMessage(`{}`)}})
	promote := func(id string, p signaling.Promote) signaling.Control {
		e.send(e.link, signaling.Control{Type: signaling.ControlPromote, ID: "b/" + id, Promote: &p})
		return e.answer("b/" + id)
	}
	if m := promote("p-1", signaling.Promote{Task: i.Task, Attempt: signaling.Attempt{ID: "unknown", Node: "edge-1", Fencing: 9}}); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNotFound {
		t.Errorf("an unknown attempt: %+v", m)
	}
	if m := promote("p-2", signaling.Promote{Task: i.Task, Attempt: signaling.Attempt{ID: "a-1", Node: "edge-1", Fencing: 6}}); m.Type != signaling.ControlRefuse {
		t.Errorf("an order of the past: %+v", m)
	}
	if m := promote("p-3", signaling.Promote{Task: i.Task, Attempt: signaling.Attempt{ID: "a-1", Node: "edge-1", Fencing: 9}}); m.Type != signaling.ControlConfirm {
		t.Errorf("answered %+v", m.Problem)
	}
	if p := <-w.promoted; p.Attempt.Fencing != 9 {
		t.Errorf("promoted with %+v", p)
	}
	if v := <-w.views; v.Revision != 5 || len(w.views) != 0 {
		t.Errorf("told the view %+v and %d more", v, len(w.views))
	}
	hello(signaling.SignalWelcome)
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: i.Task, Attempt: "a-1", Fencing: 8, Reason: "of the time before"}})
	e.link.Hangup(1012, "the test cuts the link")
	e.link = e.relinked()
	r := e.next("a registration with the session", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlRegister && len(m.Register.Ledger) > 0
	}).Register
	if l := r.Ledger[0]; l.Shadow || l.Attempt.Fencing != 9 || r.Epoch != 9 {
		t.Errorf("registered with %+v, epoch %d", l, r.Epoch)
	}
}

// Sessions that nobody uses are told with the heartbeats, those in use are not.
func TestIdleSessionsAreTold(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, func(c *agent.Config) {
		c.Node.Capacity = signaling.Resources{GPUMemoryMB: 1 << 14, GPUMilli: 4000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 1 << 14}
	}, approving)
	for n, idle := range []time.Duration{time.Hour, time.Second} {
		e.idle = idle
		e.order(fmt.Sprint(n), instruction(fmt.Sprint("a-", n), 7))
		e.answer(fmt.Sprint("b/", n))
	}
	m := e.next("a heartbeat with both", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlHeartbeat && len(m.Heartbeat.Attempts) == 2
	})
	if idle := m.Heartbeat.Idle; len(idle) != 1 || idle["a-0"] != time.Hour.Milliseconds() {
		t.Errorf("idle are %v", idle)
	}
	if !slices.Contains(m.Heartbeat.Attempts, "a-1") {
		t.Errorf("attempts %v", m.Heartbeat.Attempts)
	}
}

// A request's large parameters stay out of the ledger, and its series is in it.
func TestLedgerKeepsTheRequest(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	i := instruction("a-1", 7)
	i.Request.Parameters = json.RawMessage(`{"width":640,"height":480,"x":"` + fmt.Sprintf("%05000d", 0) + `"}`)
	e.order("1", i)
	if m := e.answer("b/1"); m.Type != signaling.ControlConfirm {
		t.Fatal(m.Problem)
	}
	e.link.Hangup(1012, "the test cuts the link")
	e.link = e.relinked()
	r := e.next("a registration", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlRegister && len(m.Register.Ledger) > 0
	}).Register
	if l := r.Ledger[0]; l.Request == nil || l.Request.Series == nil || l.Request.Parameters != nil {
		t.Errorf("registered with %+v", l)
	}
}

// A broker that answers too late is told that the task does not run here.
func TestBrokerThatAnswersTooLate(t *testing.T) {
	t.Parallel()
	accepts := make(chan signaling.Control, 1)
	e := edgeOf(t, nil, func(e *edge, m signaling.Control) *signaling.Control {
		if m.Type == signaling.ControlAccept {
			accepts <- m
		}
		return nil
	})
	if a := e.ask("k", rendering); a.status != http.StatusServiceUnavailable {
		t.Fatalf("answered %+v", a)
	}
	m := <-accepts
	late := approving(e, m)
	late.ID = m.ID
	e.send(e.link, *late)
	if u := e.ended(string(m.Accept.Attempt)); u.State != signaling.TaskFailed {
		t.Errorf("told %+v", u)
	}
	if len(e.works) != 0 {
		t.Error("it has begun all the same")
	}
}
