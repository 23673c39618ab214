package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// helloWithin is how long a terminal may take to say who it is.
	helloWithin = 10 * time.Second
	// maxHellos bounds the connections that have not said so.
	maxHellos = 256
)

// signal relays a terminal's signalling to the edge that its token names.
func (s *server) signal(w http.ResponseWriter, r *http.Request) {
	if !s.allowedOrigin(r, r.Header.Get("Origin")) {
		Refuse(w, &signaling.Problem{Code: signaling.ProblemForbidden, Title: "Pages of this origin may not use the broker.",
			Detail: "The operator can allow the origin with --allowed-origins."})
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		Refuse(w, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "This is a WebSocket.", Detail: "Open it with the grant's signalling URL."})
		return
	}
	select {
	case s.hellos <- struct{}{}:
	default:
		Refuse(w, tooMany)
		return
	}
	waiting := true
	admitted := func() {
		if waiting {
			waiting = false
			<-s.hellos
		}
	}
	defer admitted()
	upgrader := websocket.Upgrader{
		HandshakeTimeout: helloWithin, ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10,
		CheckOrigin: func(*http.Request) bool { return true }, // checked above
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	claims, first, p := s.hello(conn, signaling.AttemptID(r.PathValue("attempt")))
	admitted()
	if p != nil {
		_ = conn.Send(signaling.Signal{Type: signaling.SignalError, Problem: p})
		conn.Close(signalCloseCode(p.Code), p.Title)
		s.Log.Debug("signalling refused", "code", p.Code, "reason", p.Title)
		return
	}
	s.Log.Debug("signalling opened", "task", claims.Task, "node", claims.Node)
	err = s.Hub.Relay(r.Context(), claims.Node, claims.Attempt, conn, first)
	s.Log.Debug("signalling closed", "task", claims.Task, "node", claims.Node, "reason", err)
}

// hello takes the first message and verifies its token for attempt. The edge verifies it again.
func (s *server) hello(conn *signaling.Conn, attempt signaling.AttemptID) (*signaling.TokenClaims, json.RawMessage, *signaling.Problem) {
	late := time.AfterFunc(helloWithin, func() { conn.Close(signaling.CloseUnauthorized, "no hello came") })
	var raw json.RawMessage
	err := conn.Receive(&raw)
	if !late.Stop() && err == nil {
		err = errors.New("the hello came too late")
	}
	var hello signaling.Signal
	if err == nil {
		err = json.Unmarshal(raw, &hello)
	}
	switch {
	case err != nil:
		return nil, nil, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The first signalling message could not be read.", Detail: "It is a hello as JSON text."}
	case hello.Type != signaling.SignalHello:
		return nil, nil, &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "The first signalling message is no hello.", Detail: "It has the token of the grant."}
	}
	claims, err := signaling.VerifyToken(s.Keys.Public(), hello.Token, time.Now())
	if err != nil {
		return nil, nil, &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "The token of the grant is not valid.", Detail: "It is expired or not of this broker. Ask for a new grant."}
	}
	if err := claims.For(claims.Node, attempt); err != nil {
		return nil, nil, &signaling.Problem{Code: signaling.ProblemForbidden, Title: "The token is for another session.", Detail: "Open the signalling URL that came with it."}
	}
	return claims, raw, nil
}

func signalCloseCode(c signaling.ProblemCode) int {
	switch c {
	case signaling.ProblemUnauthorized:
		return signaling.CloseUnauthorized
	case signaling.ProblemForbidden:
		return signaling.CloseForbidden
	}
	return websocket.CloseInvalidFramePayloadData
}
