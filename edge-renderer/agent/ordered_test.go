package agent_test

import (
	"slices"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// What the broker has ended or moved away is no part of the next registration: a pool that has lost all would take it, and its
// end, for the task's, which may go on elsewhere.
func TestOrderedEndsAreNotRegistered(t *testing.T) {
	t.Parallel()
	for name, problem := range map[string]*signaling.Problem{
		"ended": nil,
		"moved": {Code: signaling.ProblemMoved, Title: "The task goes on at another renderer."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t)
			conn := b.start()
			b.registration()
			b.instruct(conn, "a-1", 7)
			b.send(conn, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 8, Problem: problem}})
			b.next("a heartbeat without it", func(m *signaling.Control) bool {
				return m.Type == signaling.ControlHeartbeat && !slices.Contains(m.Heartbeat.Attempts, "a-1")
			})
			conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link")
			b.relinked()
			for _, e := range b.registration().Ledger {
				if e.Attempt.ID == "a-1" {
					t.Errorf("it is registered still: %+v", e)
				}
			}
		})
	}
}
