package signaling_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

// pair is two ends of one WebSocket.
func pair(t *testing.T, maxMessage int64) (server, client *signaling.Conn) {
	t.Helper()
	accepted := make(chan *signaling.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		accepted <- signaling.NewConn(ws, maxMessage)
	}))
	t.Cleanup(s.Close)
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, server = signaling.NewConn(ws, 1<<20), <-accepted
	t.Cleanup(func() {
		client.Close(websocket.CloseNormalClosure, "")
		server.Close(websocket.CloseNormalClosure, "")
	})
	return server, client
}

func TestConnSendsAllBeforeItCloses(t *testing.T) {
	server, client := pair(t, 1<<20)
	for range 100 {
		if err := server.Send(signaling.Signal{Type: signaling.SignalBye}); err != nil {
			t.Fatal(err)
		}
	}
	server.Hangup(signaling.CloseForbidden, "a reason")
	for i := range 100 {
		var m signaling.Signal
		if err := client.Receive(&m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	var closed *websocket.CloseError
	if err := client.Receive(new(signaling.Signal)); !errors.As(err, &closed) || closed.Code != signaling.CloseForbidden || closed.Text != "a reason" {
		t.Errorf("closed with %v", err)
	}
	if err := server.Send(signaling.Signal{}); !errors.Is(err, signaling.ErrClosed) {
		t.Errorf("sent on a closed connection: %v", err)
	}
}

func TestConnRefusesLargeMessages(t *testing.T) {
	server, client := pair(t, 1000)
	if err := client.Send(signaling.Signal{SDP: strings.Repeat("x", 2000)}); err != nil {
		t.Fatal(err)
	}
	if err := server.Receive(new(signaling.Signal)); err == nil || !strings.Contains(err.Error(), "larger than allowed") {
		t.Errorf("a message above the limit: %v", err)
	}
}

func TestConnGoesOnAfterAMalformedMessage(t *testing.T) {
	server, client := pair(t, 1000)
	_ = client.SendRaw([]byte(`{"type":`))
	_ = client.Send(signaling.Signal{Type: signaling.SignalBye})
	var malformed *signaling.MessageError
	if err := server.Receive(new(signaling.Signal)); !errors.As(err, &malformed) {
		t.Errorf("malformed JSON: %v", err)
	}
	var m signaling.Signal
	if err := server.Receive(&m); err != nil || m.Type != signaling.SignalBye {
		t.Errorf("the next message: %v %v", m, err)
	}
}

func TestConnCutsOffASlowPeer(t *testing.T) {
	server, _ := pair(t, 1000) // the client never reads
	big, _ := json.Marshal(signaling.Signal{SDP: strings.Repeat("x", 1<<18)})
	for range 4000 {
		if err := server.SendRaw(big); err != nil {
			if !errors.Is(err, signaling.ErrSlowPeer) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("cut off with %v", err)
			}
			return
		}
	}
	t.Error("a peer that takes nothing was sent 1000 MiB")
}
