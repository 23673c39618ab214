package control

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// pair is a link's connection, and the edge's end of it.
func pair(t *testing.T) (broker, edge *signaling.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- ws
	}))
	t.Cleanup(server.Close)
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	broker, edge = signaling.NewConn(<-accepted, signaling.MaxControl), signaling.NewConn(ws, signaling.MaxControl)
	t.Cleanup(func() {
		edge.Close(websocket.CloseNormalClosure, "")
		broker.Close(websocket.CloseNormalClosure, "")
	})
	return broker, edge
}

// TestMessagesBeforeTheRegistrationEndsComeBehindIt, in order and not more than so many; nobody waits for them.
func TestMessagesBeforeTheRegistrationEndsComeBehindIt(t *testing.T) {
	conn, edge := pair(t)
	l := &link{conn: conn, registered: make(chan struct{}), foreign: map[string]bool{}}
	for i := range maxEarly + 10 {
		l.pass(signaling.Control{Type: signaling.ControlRelay, ID: string(rune('a' + i%26)), Relay: &signaling.Relay{Connection: "b/c"}})
	}
	if !l.foreign["b/c"] {
		t.Error("whose terminal it is has been forgotten")
	}
	if err := conn.Send(signaling.Control{Type: signaling.ControlRegistered}); err != nil {
		t.Fatal(err)
	}
	l.begin()
	l.pass(signaling.Control{Type: signaling.ControlRelease, ID: "last"})
	want := signaling.ControlRegistered
	for i := range maxEarly + 2 {
		var c signaling.Control
		if err := edge.Receive(&c); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			want = signaling.ControlRelay
			if id := string(rune('a' + (i-1)%26)); i <= maxEarly && c.ID != id {
				t.Fatalf("message %d is %s: want %s", i, c.ID, id)
			}
		}
		if i == maxEarly+1 {
			want = signaling.ControlRelease
		}
		if c.Type != want {
			t.Fatalf("message %d is a %s: want %s", i, c.Type, want)
		}
	}
	select {
	case <-l.registered:
	default:
		t.Error("it is not registered")
	}
}
