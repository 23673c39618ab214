// Package seattest connects terminals to works in tests.
package seattest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// Work takes signalling, as a session or a compute task does.
type Work interface {
	Hello(connection string, claims *signaling.TokenClaims, hello signaling.Signal, reply func(signaling.Signal))
	Signal(connection string, m signaling.Signal)
	Gone(connection string)
}

// Serve is the URL at which terminals reach a work, as by an agent that has verified their token. claims are those of a token;
// where they are nil, every terminal is the host.
func Serve(t testing.TB, w Work, claims func(token string) *signaling.TokenClaims) (url string) {
	t.Helper()
	if claims == nil {
		claims = func(string) *signaling.TokenClaims { return &signaling.TokenClaims{Role: signaling.RoleHost} }
	}
	var up websocket.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(rw, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		conn, name := signaling.NewConn(ws, signaling.MaxSignal), signaling.NewID("c")
		defer conn.Close(websocket.CloseNormalClosure, "")
		for {
			var m signaling.Signal
			if conn.Receive(&m) != nil {
				w.Gone(name)
				return
			}
			if m.Type == signaling.SignalHello {
				w.Hello(name, claims(m.Token), m, func(m signaling.Signal) { _ = conn.Send(m) })
			} else {
				w.Signal(name, m)
			}
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}
