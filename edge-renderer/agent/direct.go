package agent

import (
	"errors"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/signaling"
)

// SignalPath is where terminals reach an edge directly, with the attempt as the last element.
const SignalPath = "/signal/"

// ServeSignal takes a terminal's signalling WebSocket directly, for an edge that has a certificate of its
// own. The path ends with the attempt's id; checkOrigin says which pages may come.
func (a *Agent) ServeSignal(checkOrigin func(*http.Request) bool) http.Handler {
	up := websocket.Upgrader{CheckOrigin: checkOrigin}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		conn := signaling.NewConn(ws, signaling.MaxSignal)
		name := signaling.NewID("d")
		attempt := signaling.AttemptID(r.PathValue("attempt"))
		reply := func(m signaling.Signal) {
			_ = conn.Send(m)
			if m.Type == signaling.SignalError {
				conn.Hangup(signaling.CloseForbidden, m.Problem.Title)
			}
		}
		defer conn.Close(websocket.CloseNormalClosure, "")
		var s *session.Session
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
				if s = a.greet(name, attempt, m, reply); s == nil {
					return
				}
			default:
				s.Signal(name, m)
			}
		}
	})
}
