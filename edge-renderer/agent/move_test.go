package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/signaling"
)

// greeted is what a terminal's hello for an attempt is answered with.
func (e *edge) greeted(task, attempt string) signaling.Signal {
	e.t.Helper()
	token, err := signaling.SignToken(e.key, signaling.TokenClaims{Task: signaling.TaskID(task), Attempt: signaling.AttemptID(attempt), Node: "edge-1",
		Role: signaling.RoleHost}, "anna", time.Now(), time.Minute)
	if err != nil {
		e.t.Fatal(err)
	}
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+e.api.URL[len("http"):]+agent.SignalPath, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	defer conn.Close(websocket.CloseNormalClosure, "")
	if err := conn.Send(signaling.Signal{Type: signaling.SignalHello, Token: token}); err != nil {
		e.t.Fatal(err)
	}
	var s signaling.Signal
	if err := conn.Receive(&s); err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *edge) move(id string, m signaling.Move) signaling.Control {
	e.t.Helper()
	e.send(e.link, signaling.Control{Type: signaling.ControlMove, ID: "b/" + id, Move: &m})
	return e.answer("b/" + id)
}

// B8: the edge that a task leaves tells its work where the terminal goes, and the broker whether it was told; once the task is
// released as moved, later hellos are told that it goes on elsewhere.
func TestB8EdgeThatATaskLeaves(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	e.order("1", instruction("a-1", 7))
	e.answer("b/1")
	w := e.only()
	grant := &signaling.Grant{Task: "t-a-1", Attempt: signaling.Attempt{ID: "a-2", Node: "edge-2"}}
	if m := e.move("m-1", signaling.Move{Task: "t-a-1", Attempt: "a-1", Grant: grant}); m.Type != signaling.ControlConfirm {
		t.Errorf("answered %+v", m.Problem)
	}
	if m := <-w.moves; m.Grant == nil || m.Grant.Attempt.ID != "a-2" {
		t.Errorf("moved with %+v", m)
	}
	w.refuses = &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No page is connected"}
	for id, c := range map[string]struct {
		m    signaling.Move
		code signaling.ProblemCode
	}{
		"no terminal": {signaling.Move{Attempt: "a-1", Grant: grant}, signaling.ProblemNotFound}, "unknown": {signaling.Move{Attempt: "a-9", Grant: grant}, signaling.ProblemUnavailable},
		"no target": {signaling.Move{Attempt: "a-1"}, signaling.ProblemBadRequest},
	} {
		if m := e.move(id, c.m); m.Type != signaling.ControlRefuse || m.Problem.Code != c.code {
			t.Errorf("%s: answered %+v", id, m.Problem)
		}
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlStay, Move: &signaling.Move{Task: "t-a-1", Attempt: "a-1", Reason: "no room"}})
	if m := <-w.stays; m.Reason != "no room" {
		t.Errorf("stays with %+v", m)
	}
	if s := e.greeted("t-a-1", "a-1"); s.Type != signaling.SignalWelcome {
		t.Errorf("greeted with %+v", s.Problem)
	}
	e.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 8,
		Problem: &signaling.Problem{Code: signaling.ProblemMoved, Title: "It goes on elsewhere"}}})
	<-w.done
	if s := e.greeted("t-a-1", "a-1"); s.Problem == nil || s.Problem.Code != signaling.ProblemMoved {
		t.Errorf("greeted with %+v", s.Problem)
	}
	if s := e.greeted("t-x", "a-x"); s.Problem == nil || s.Problem.Code != signaling.ProblemNotFound {
		t.Errorf("an attempt that was never here: %+v", s.Problem)
	}
	if m := e.move("m-2", signaling.Move{Task: "t-a-1", Attempt: "a-1", Grant: grant}); m.Type != signaling.ControlRefuse {
		t.Error("what has moved moves again")
	}
}

// B8: the edge that a task comes to takes its terminal while it is still a shadow, knows since when the task runs, and reports the
// arrival again after a lost link, for the broker may not have heard of it.
func TestB8EdgeThatATaskComesTo(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	i := instruction("a-1", 7)
	i.Shadow, i.Moves, i.Ran = true, true, &signaling.Ran{RunMs: 3_600_000}
	e.order("1", i)
	e.answer("b/1")
	if s := e.greeted(string(i.Task), "a-1"); s.Type != signaling.SignalWelcome {
		t.Errorf("greeted with %+v", s.Problem)
	}
	if m := e.move("m", signaling.Move{Task: i.Task, Attempt: "a-1", Grant: &signaling.Grant{}}); m.Type != signaling.ControlRefuse {
		t.Error("what is not here yet is sent away")
	}
	moved := func(m *signaling.Control) bool { return m.Type == signaling.ControlMoved }
	e.agent.Moved(signaling.MoveReport{Task: i.Task, Attempt: "a-1"})
	if m := e.next("the report", moved); m.Moved.Attempt != "a-1" || m.Moved.Problem != nil {
		t.Errorf("reported %+v", m.Moved)
	}
	e.link.Hangup(1012, "the test cuts the link")
	e.link = e.relinked()
	r := e.next("a registration", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlRegister && len(m.Register.Ledger) > 0
	}).Register
	if l := r.Ledger[0]; !l.Shadow || l.StartedAt == nil || time.Since(*l.StartedAt) < time.Hour {
		t.Errorf("registered with %+v", l)
	}
	e.next("the report once more", moved)
}

// What an edge has to report is bounded, and the newest counts.
func TestMoveReportsAreBounded(t *testing.T) {
	t.Parallel()
	e := edgeOf(t, nil, approving)
	for n := range 1100 {
		e.agent.Moved(signaling.MoveReport{Task: "t", Attempt: signaling.AttemptID(fmt.Sprint("a-", n))})
		e.next("the report", func(m *signaling.Control) bool { return m.Type == signaling.ControlMoved })
	}
	e.link.Hangup(1012, "the test cuts the link")
	e.link = e.relinked()
	if m := e.next("the oldest that is kept", func(m *signaling.Control) bool { return m.Type == signaling.ControlMoved }); m.Moved.Attempt != "a-76" {
		t.Errorf("first comes %s", m.Moved.Attempt)
	}
}
