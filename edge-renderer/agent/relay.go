package agent

import (
	"crypto/ed25519"
	"encoding/json"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// relay passes a terminal's signalling message, which came through the broker, to its session.
func (a *Agent) relay(link *signaling.Conn, r *signaling.Relay) {
	a.mu.Lock()
	s := a.relays[r.Connection]
	if r.Closed {
		delete(a.relays, r.Connection)
	}
	a.mu.Unlock()
	if r.Closed {
		if s != nil {
			s.Gone(r.Connection)
		}
		return
	}
	reply := func(m signaling.Signal) {
		raw, err := json.Marshal(m)
		if err != nil {
			return
		}
		_ = link.Send(signaling.Control{Type: signaling.ControlRelay, Relay: &signaling.Relay{Connection: r.Connection,
			Signal: raw, Closed: m.Type == signaling.SignalError}})
	}
	var m signaling.Signal
	if err := json.Unmarshal(r.Signal, &m); err != nil {
		reply(signalProblem(signaling.ProblemBadRequest, "Malformed message", "A signalling message is a JSON object as the contract has it"))
		return
	}
	if s != nil {
		s.Signal(r.Connection, m)
		return
	}
	if s = a.greet(r.Connection, r.Attempt, m, reply); s != nil {
		a.mu.Lock()
		a.relays[r.Connection] = s
		a.mu.Unlock()
	}
}

// greet verifies the first message of a terminal's connection, whose token must be for attempt where one is given, and
// passes it to its session; nil where it was refused.
func (a *Agent) greet(connection string, attempt signaling.AttemptID, m signaling.Signal, reply func(signaling.Signal)) Work {
	if m.Type != signaling.SignalHello {
		reply(signalProblem(signaling.ProblemUnauthorized, "Who is there?", "The first message is a hello with the token of the grant"))
		return nil
	}
	a.mu.Lock()
	keys := append([]ed25519.PublicKey{a.key.Public().(ed25519.PublicKey)}, a.keys...)
	a.mu.Unlock()
	claims, err := signaling.VerifyToken(keys, m.Token, time.Now())
	if err != nil {
		reply(signalProblem(signaling.ProblemUnauthorized, "The token is not valid", err.Error()+": ask the broker for a new grant"))
		return nil
	}
	if attempt == "" {
		attempt = claims.Attempt
	}
	if err := claims.For(a.cfg.Node.ID, attempt); err != nil {
		reply(signalProblem(signaling.ProblemForbidden, "The token is for something else", err.Error()))
		return nil
	}
	e := a.ledger.find(attempt)
	switch {
	case e.moved:
		reply(signalProblem(signaling.ProblemMoved, "The session goes on at another edge", "Ask the broker for its grant"))
		return nil
	case e.work == nil:
		reply(signalProblem(signaling.ProblemNotFound, "The session has ended", "Open the study again"))
		return nil
	case e.shadow && !e.moves:
		reply(signalProblem(signaling.ProblemForbidden, "The session runs elsewhere", "This edge is kept ready to take over: use the grant of the session itself"))
		return nil
	}
	e.work.Hello(connection, claims, m, reply)
	return e.work
}

func signalProblem(code signaling.ProblemCode, title, detail string) signaling.Signal {
	return signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: code, Title: title, Detail: detail}}
}
