package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

func secretFile(t testing.TB, secret string) string {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEdgesThatAreNotTaken(t *testing.T) {
	const own = "secret-of-room-one-alone"
	b := start(t, "--edge-secrets", secretFile(t, "room-1 "+own))
	good := func(id string, change func(*signaling.Register)) signaling.Register {
		r := signaling.Register{Version: signaling.ControlVersion, Node: newNode(id)}
		if change != nil {
			change(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		secret string
		r      signaling.Register
		code   signaling.ProblemCode
		want   string
	}{
		"other version":       {edgeSecret, good("x", func(r *signaling.Register) { r.Version = 99 }), signaling.ProblemUnsupported, "version 99"},
		"impossible capacity": {edgeSecret, good("x", func(r *signaling.Register) { r.Node.Capacity.MemoryMB = -1 }), signaling.ProblemBadRequest, "memoryMB"},
		"no capacity":         {edgeSecret, good("x", func(r *signaling.Register) { r.Node.Capacity = signaling.Resources{} }), signaling.ProblemBadRequest, "capacity is empty"},
		"bad id":              {edgeSecret, good("a b", nil), signaling.ProblemBadRequest, "id"},
		"lost":                {edgeSecret, good("x", func(r *signaling.Register) { r.Node.State = signaling.NodeLost }), signaling.ProblemBadRequest, "state"},
		"shared for own":      {edgeSecret, good("room-1", nil), signaling.ProblemForbidden, "room-1"},
		"own for another":     {own, good("room-2", nil), signaling.ProblemForbidden, "room-2"},
		"foreign ledger": {edgeSecret, good("x", func(r *signaling.Register) {
			r.Ledger = []signaling.LedgerEntry{{Task: "t", Attempt: signaling.Attempt{ID: "a", Node: "y"}, Type: signaling.Rendering, State: signaling.TaskRunning}}
		}), signaling.ProblemBadRequest, "ledger"},
	} {
		link, answer, err := dialEdge(b, c.secret, c.r)
		if err != nil || answer.Problem == nil || answer.Problem.Code != c.code || !strings.Contains(answer.Problem.Title, c.want) {
			t.Errorf("%s: %+v, %v", name, answer.Problem, err)
		}
		if link != nil {
			link.Close(websocket.CloseNormalClosure, "")
		}
	}
	for _, secret := range []string{"", "wrong", localToken} {
		if _, _, err := dialEdge(b, secret, good("x", nil)); err == nil || !strings.HasPrefix(err.Error(), "401") {
			t.Errorf("secret %q: %v", secret, err)
		}
	}
	if _, resp, err := b.dialSignal("/api/v1/edges/link", http.Header{"Authorization": {"Bearer " + edgeSecret}, "Origin": {b.url}}); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page opens an edge's link: %v", err)
	}
	link, answer, err := dialEdge(b, own, good("room-1", nil))
	if err != nil || answer.Type != signaling.ControlRegistered {
		t.Errorf("own secret: %+v, %v", answer, err)
	}
	link.Close(websocket.CloseNormalClosure, "")
	if b.ask("GET", "/api/v1/nodes/x", "").status != 404 {
		t.Error("a refused node is in the pool")
	}
}

func TestTwoEdgesOfOneName(t *testing.T) {
	b := start(t)
	first := b.join(newNode("near"))
	second := signaling.Register{Version: signaling.ControlVersion, Node: newNode("near")}
	link, answer, err := dialEdge(b, edgeSecret, second)
	if err != nil || answer.Problem == nil || !strings.Contains(answer.Problem.Title, "another edge is connected as near") {
		t.Fatalf("%+v, %v", answer, err)
	}
	if err := link.Receive(&answer); !websocket.IsCloseError(errors.Unwrap(err), signaling.CloseConflict) {
		t.Error(err)
	}
	first.beat() // it is untouched
	if g := b.submit(); g.Attempt.Node != "near" {
		t.Error(g)
	}
}

// TestADeadLinkIsReplaced has an edge that came back while the broker still holds its old link, over which nothing
// passes any more.
func TestADeadLinkIsReplaced(t *testing.T) {
	b := start(t)
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(b.url, "http", "ws", 1)+"/api/v1/edges/link", http.Header{"Authorization": {"Bearer " + edgeSecret}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := ws.WriteJSON(signaling.Control{Type: signaling.ControlRegister, Register: &signaling.Register{Version: signaling.ControlVersion, Node: newNode("near")}}); err != nil {
		t.Fatal(err)
	}
	var c signaling.Control
	if err := ws.ReadJSON(&c); err != nil || c.Type != signaling.ControlRegistered {
		t.Fatalf("%+v, %v", c, err)
	}
	// Nobody reads from ws any more, so no ping is answered.
	e := b.join(newNode("near"))
	if b.submit(); len(e.instructions) != 1 {
		t.Error("the instruction did not go to the new link")
	}
}

func TestAnEdgeMayNotSpeakForAnother(t *testing.T) {
	b := start(t)
	far := newNode("far")
	far.DistanceMs = 9
	near, other := b.join(newNode("near")), b.join(far)
	g := b.submit()
	other.update(g, signaling.TaskFailed)
	other.send(signaling.Control{Type: "dance"})
	near.update(g, signaling.TaskRunning)
	b.eventually("the task runs", func() bool { return near.state(g) == signaling.TaskRunning })
	other.beat() // its link goes on
	b.eventually("the log tells", func() bool { return strings.Contains(b.logs.String(), "update ignored") })
}

func TestTheEndOfABrokerIsOrderly(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	g := b.submit()
	c, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	receive(t, "the hello", e.relays)
	if err := b.end(); err != nil {
		t.Error(err)
	}
	if err := receive(t, "the link's end", e.done); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseServiceRestart) {
		t.Errorf("link: %v", err)
	}
	if err := c.Receive(&signaling.Signal{}); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseServiceRestart) {
		t.Errorf("signalling: %v", err)
	}
}
