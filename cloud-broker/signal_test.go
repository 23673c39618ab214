package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

func TestSignallingIsRelayedBothWays(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	relayed(t, b, e)
}

func TestSignallingAndInstructionsReachAnEdgeAtAnotherBroker(t *testing.T) {
	redis := "redis://" + redistest.Addr(t)
	here, there := start(t, "--redis", redis), start(t, "--redis", redis)
	e := there.join(newNode("near"))
	here.eventually("both brokers know the node", func() bool { return here.get("/readyz?session=1").status == 200 })
	relayed(t, here, e)

	// The link ends: the terminal at the other broker is let go, so that it comes back.
	g := here.submit()
	c, _, err := here.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	receive(t, "the hello", e.relays)
	e.kill()
	if err := c.Receive(&signaling.Signal{}); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseTryAgainLater, websocket.CloseNormalClosure) {
		t.Errorf("%v", err)
	}
}

// relayed asks b for a session on e and exchanges messages.
func relayed(t *testing.T, b *running, e *edge) {
	t.Helper()
	g := b.submit()
	c, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	hello := receive(t, "the hello", e.relays)
	var signal signaling.Signal
	if err := json.Unmarshal(hello.Signal, &signal); err != nil || signal.Token != g.Token || hello.Attempt != g.Attempt.ID {
		t.Errorf("%+v, %v", hello, err)
	}
	answer := func(s signaling.Signal, closed bool) {
		raw, _ := json.Marshal(s)
		e.send(signaling.Control{Type: signaling.ControlRelay, Relay: &signaling.Relay{Connection: hello.Connection, Signal: raw, Closed: closed}})
	}
	answer(signaling.Signal{Type: signaling.SignalWelcome, Resume: "r"}, false)
	var welcome signaling.Signal
	if err := c.Receive(&welcome); err != nil || welcome.Resume != "r" {
		t.Fatalf("%+v, %v", welcome, err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalOffer, SDP: "v=0"})
	if offer := receive(t, "the offer", e.relays); offer.Connection != hello.Connection || !strings.Contains(string(offer.Signal), "v=0") || offer.Attempt != "" {
		t.Errorf("%+v", offer)
	}

	// A second terminal, and the first one's end.
	second, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, second, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	if r := receive(t, "the second hello", e.relays); r.Connection == hello.Connection {
		t.Error("two terminals have one name")
	}
	second.Close(websocket.CloseNormalClosure, "")
	if r := receive(t, "the second's end", e.relays); !r.Closed || r.Connection == hello.Connection {
		t.Errorf("%+v", r)
	}
	answer(signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: signaling.ProblemSessionTaken, Title: "Taken"}}, true)
	if err := c.Receive(&signal); err != nil || signal.Problem == nil || signal.Problem.Code != signaling.ProblemSessionTaken {
		t.Errorf("%+v, %v", signal, err)
	}
	if err := c.Receive(&signal); err == nil {
		t.Error("the connection goes on after the edge has closed it")
	}
	if r := receive(t, "the end", e.relays); !r.Closed {
		t.Errorf("%+v", r)
	}
}

func send(t testing.TB, c *signaling.Conn, s signaling.Signal) {
	t.Helper()
	if err := c.Send(s); err != nil {
		t.Fatal(err)
	}
}

func TestSignallingIsRefusedWithoutTheRightToken(t *testing.T) {
	b := start(t, "--allowed-origins", "https://portal.example.org")
	e := b.join(newNode("near"))
	g, other := b.submit(), b.submit()
	_, foreign, _ := ed25519.GenerateKey(nil)
	claims := signaling.TokenClaims{Task: g.Task, Attempt: g.Attempt.ID, Node: "near", Role: signaling.RoleHost}
	sign := func(key ed25519.PrivateKey, at time.Time) string {
		token, err := signaling.SignToken(key, claims, "local", at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	hello := func(token string) string {
		raw, _ := json.Marshal(signaling.Signal{Type: signaling.SignalHello, Token: token})
		return string(raw)
	}
	for name, c := range map[string]struct {
		message string
		code    signaling.ProblemCode
	}{
		"forged":           {hello(sign(foreign, time.Now())), signaling.ProblemUnauthorized},
		"changed":          {hello(g.Token[:len(g.Token)-4] + "AAAA"), signaling.ProblemUnauthorized},
		"expired":          {hello(sign(b.keys.Private(), time.Now().Add(-time.Hour))), signaling.ProblemUnauthorized},
		"of another":       {hello(other.Token), signaling.ProblemForbidden},
		"none":             {hello(""), signaling.ProblemUnauthorized},
		"no hello":         {`{"type":"offer","sdp":"v=0"}`, signaling.ProblemUnauthorized},
		"malformed":        {`{"type":`, signaling.ProblemBadRequest},
		"of another shape": {`[1,2]`, signaling.ProblemBadRequest},
	} {
		conn, _, err := b.dialSignal(g.SignalingURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SendRaw([]byte(c.message)); err != nil {
			t.Fatal(err)
		}
		var s signaling.Signal
		if err := conn.Receive(&s); err != nil || s.Type != signaling.SignalError || s.Problem.Code != c.code {
			t.Errorf("%s: %+v, %v", name, s.Problem, err)
		}
		if err := conn.Receive(&s); err == nil {
			t.Errorf("%s: the connection goes on", name)
		}
	}
	if len(e.relays) != 0 {
		t.Error("a refused message reached the edge")
	}

	conn, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, conn, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	receive(t, "the hello", e.relays)
	send(t, conn, signaling.Signal{Type: signaling.SignalOffer, SDP: strings.Repeat("x", signaling.MaxSignal)})
	if err := conn.Receive(&signaling.Signal{}); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseMessageTooBig) {
		t.Errorf("oversized: %v", err)
	}
	if r := receive(t, "the end", e.relays); !r.Closed {
		t.Errorf("%+v", r)
	}
	// The session of the same attempt goes on: the next terminal is taken.
	conn, _, err = b.dialSignal(g.SignalingURL, http.Header{"Origin": {"https://portal.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, conn, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	receive(t, "the next hello", e.relays)

	if _, resp, err := b.dialSignal(g.SignalingURL, http.Header{"Origin": {"https://evil.example"}}); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of a foreign origin: %v", err)
	}
}
