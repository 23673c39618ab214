package agent

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// SignalPath is where terminals reach an edge directly. Their token names the attempt.
const SignalPath = "/signal"

// helloWithin is how long a terminal may take to say who it is.
const helloWithin = 10 * time.Second

// ServeSignal takes a terminal's signalling WebSocket directly, for an edge that has a certificate of its
// own. checkOrigin says which pages may come.
func (a *Agent) ServeSignal(checkOrigin func(*http.Request) bool) http.Handler {
	up := websocket.Upgrader{CheckOrigin: checkOrigin}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		conn := signaling.NewConn(ws, signaling.MaxSignal)
		name := signaling.NewID("d")
		reply := func(m signaling.Signal) {
			_ = conn.Send(m)
			if m.Type == signaling.SignalError {
				conn.Hangup(signaling.CloseForbidden, m.Problem.Title)
			}
		}
		defer conn.Close(websocket.CloseNormalClosure, "")
		late := time.AfterFunc(helloWithin, func() { conn.Hangup(signaling.CloseUnauthorized, "no hello came") })
		defer late.Stop()
		var s Work
		for {
			var m signaling.Signal
			err := conn.Receive(&m)
			var malformed *signaling.MessageError
			switch {
			case errors.As(err, &malformed):
				reply(signalProblem(signaling.ProblemBadRequest, "Malformed message", err.Error()))
			case err != nil:
				if s != nil {
					s.Gone(name)
				}
				return
			case s == nil:
				if s = a.greet(name, "", m, reply); s == nil {
					return
				}
				late.Stop()
			default:
				s.Signal(name, m)
			}
		}
	})
}
