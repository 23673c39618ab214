package stream_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// recorder is a Handler that keeps what it is told. Where the test does not read, what comes is dropped.
type recorder struct {
	up       chan bool
	closed   chan error
	inputs   chan signaling.Input
	requests chan signaling.Request
	keys     chan struct{}
	bitrates chan int
	// hold, where it is not nil, keeps the handler in Input until it is closed.
	hold chan struct{}
}

func newRecorder() *recorder {
	return &recorder{
		up: make(chan bool, 16), closed: make(chan error, 1), inputs: make(chan signaling.Input, 1024),
		requests: make(chan signaling.Request, 1024), keys: make(chan struct{}, 16), bitrates: make(chan int, 4096),
	}
}

func (r *recorder) PeerConnected()          { r.up <- true }
func (r *recorder) PeerDisconnected()       { r.up <- false }
func (r *recorder) PeerClosed(reason error) { r.closed <- reason }
func (r *recorder) Input(in signaling.Input) {
	if r.hold != nil {
		<-r.hold
	}
	r.inputs <- in
}
func (r *recorder) Request(q signaling.Request) { r.requests <- q }
func (r *recorder) KeyFrameWanted() {
	select {
	case r.keys <- struct{}{}:
	default:
	}
}
func (r *recorder) BitrateEstimate(bps int) {
	select {
	case r.bitrates <- bps:
	default:
	}
}

// edge is the least around a peer that a terminal can connect to: signalling with one terminal that may come back.
type edge struct {
	t         testing.TB
	transport *stream.Transport
	handler   *recorder
	server    *httptest.Server
	codecs    []stream.Codec
	servers   []signaling.ICEServer
	bulk      func(signaling.BulkHeader) (stream.Transfer, error)
	// rewrite changes or drops a signal on its way; toTerminal says which way.
	rewrite func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool)

	peers sync.WaitGroup
	mu    sync.Mutex
	conn  *signaling.Conn
	peer  *stream.Peer
}

func quietConfig() stream.Config {
	return stream.Config{Loopback: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func newEdge(t testing.TB, c stream.Config) *edge {
	t.Helper()
	transport, err := stream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, transport: transport, handler: newRecorder(), codecs: []stream.Codec{stream.VP8, stream.H264}}
	e.server = httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(func() {
		e.server.Close()
		e.mu.Lock()
		conn := e.conn
		e.mu.Unlock()
		if conn != nil {
			conn.Close(websocket.CloseGoingAway, "")
		}
		e.peers.Wait()
		if err := transport.Close(); err != nil {
			t.Errorf("close transport: %v", err)
		}
	})
	return e
}

func (e *edge) url() string { return "ws" + strings.TrimPrefix(e.server.URL, "http") }

func (e *edge) serve(w http.ResponseWriter, r *http.Request) {
	e.peers.Add(1)
	defer e.peers.Done()
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	defer conn.Close(websocket.CloseNormalClosure, "")
	var hello signaling.Signal
	if conn.Receive(&hello) != nil || hello.Token != "token" {
		_ = conn.Send(signaling.Signal{Type: signaling.SignalError,
			Problem: &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "Token refused"}})
		return
	}
	e.mu.Lock()
	e.conn = conn
	peer := e.peer
	if hello.Resume != "secret" {
		peer, err = e.transport.NewPeer(stream.PeerOptions{Codecs: e.codecs, ICEServers: e.servers, Handler: e.handler, Signal: e.signal, Bulk: e.bulk})
		e.peer = peer
	}
	e.mu.Unlock()
	if err != nil {
		e.t.Errorf("new peer: %v", err)
		return
	}
	_ = conn.Send(signaling.Signal{Type: signaling.SignalWelcome, Peer: "p1", Resume: "secret", ICEServers: e.servers})
	for {
		var s signaling.Signal
		if err := conn.Receive(&s); err != nil {
			return
		}
		if e.rewrite != nil {
			changed, ok := e.rewrite(s, false)
			if !ok {
				continue
			}
			s = changed
		}
		if s.Type == signaling.SignalOffer || s.Type == signaling.SignalCandidate {
			var problem *signaling.Problem
			if err := peer.Signal(s); err != nil && !errors.As(err, &problem) && !errors.Is(err, stream.ErrPeerClosed) {
				e.t.Errorf("signal %s: %v", s.Type, err)
			}
		}
	}
}

func (e *edge) signal(s signaling.Signal) {
	if e.rewrite != nil {
		changed, ok := e.rewrite(s, true)
		if !ok {
			return
		}
		s = changed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.conn.Send(s)
}

func (e *edge) present() *stream.Peer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer
}

// dial connects a terminal and waits until the edge knows.
func (e *edge) dial(o terminal.Options) (*terminal.Session, *stream.Peer) {
	e.t.Helper()
	s, err := terminal.Dial(within(e.t), e.url(), "token", o)
	if err != nil {
		e.t.Fatalf("dial: %v", err)
	}
	e.t.Cleanup(s.Close)
	if !receive(e.t, e.handler.up, "connection") {
		e.t.Fatal("first news of the connection is that it is gone")
	}
	return s, e.present()
}

// within is a context that ends when the test's patience does.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s came\n%s", what, stacks())
		panic("unreachable")
	}
}

// until waits for a condition that no event tells of.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
