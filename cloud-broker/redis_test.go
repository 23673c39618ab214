package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// wire leads to a Redis server and can be cut.
type wire struct {
	t    testing.TB
	to   string
	addr string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	wait     sync.WaitGroup
}

func newWire(t testing.TB, to string) *wire {
	w := &wire{t: t, to: to, addr: "127.0.0.1:0"}
	w.join()
	t.Cleanup(w.cut)
	return w
}

// join lets connections through, at the same address as before.
func (w *wire) join() {
	l, err := net.Listen("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = l.Addr().String()
	w.mu.Lock()
	w.listener = l
	w.mu.Unlock()
	w.wait.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", w.to)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, in, out)
			w.mu.Unlock()
			for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
				w.wait.Go(func() { _, _ = io.Copy(c[0], c[1]); c[0].Close() })
			}
		}
	})
}

// cut ends every connection and lets none through.
func (w *wire) cut() {
	w.mu.Lock()
	w.listener.Close()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
	w.mu.Unlock()
	w.wait.Wait()
}

func TestRedisGoneAndBack(t *testing.T) {
	w := newWire(t, redistest.Addr(t))
	b := start(t, "--redis", "redis://"+w.addr)
	e := b.join(newNode("near"))
	g := b.submit()
	c, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	hello := receive(t, "the hello", e.relays)

	w.cut()
	if r := b.ask("POST", "/api/v1/tasks", rendering); r.status != 503 || r.problem(t).Code != signaling.ProblemUnavailable || !strings.Contains(string(r.body), "Redis") || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := b.get("/readyz"); r.status != 503 || !strings.Contains(string(r.body), "Redis") {
		t.Errorf("ready: %d %s", r.status, r.body)
	}
	if r := b.get("/healthz"); r.status != 200 {
		t.Errorf("health: %d", r.status)
	}
	if r := b.ask("GET", "/api/v1/studies", ""); r.status != 200 {
		t.Errorf("studies: %d", r.status)
	}
	// The running session is untouched: its signalling passes, and its edge's link stays.
	e.update(g, signaling.TaskRunning) // waits for Redis
	e.beat()
	send(t, c, signaling.Signal{Type: signaling.SignalOffer, SDP: "v=0"})
	if r := receive(t, "the offer", e.relays); r.Connection != hello.Connection || r.Closed {
		t.Errorf("%+v", r)
	}
	// A new edge is told to try again.
	_, answer, err := dialEdge(b, edgeSecret, signaling.Register{Version: signaling.ControlVersion, Node: newNode("new")})
	if err != nil || answer.Problem == nil || answer.Problem.Code != signaling.ProblemUnavailable {
		t.Errorf("%+v, %v", answer, err)
	}

	w.join()
	b.eventually("the broker is ready again", func() bool { return b.get("/readyz").status == 200 })
	e.beat()
	b.eventually("the update is made up for", func() bool { return e.state(g) == signaling.TaskRunning })
	b.submit()
	if len(e.done) != 0 {
		t.Error("the edge's link was cut")
	}
}

func TestABrokerWaitsForItsRedis(t *testing.T) {
	w := newWire(t, redistest.Addr(t))
	w.cut()
	b := launch(t, "--redis", "redis://"+w.addr)
	if r := b.get("/healthz"); r.status != 200 {
		t.Errorf("health: %d", r.status)
	}
	if r := b.ask("GET", "/api/v1/studies", ""); r.status != 503 || r.problem(t).Code != signaling.ProblemUnavailable {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.join()
	b.eventually("the broker is ready", func() bool { return b.get("/readyz").status == 200 })
	b.join(newNode("near"))
	b.submit()
}

// TestARedisThatForgotEverything is rebuilt from the edges' ledgers, and running sessions keep their tokens.
func TestARedisThatForgotEverything(t *testing.T) {
	addr := redistest.Addr(t)
	b := start(t, "--redis", "redis://"+addr)
	e := b.join(newNode("near"))
	g := b.submit()
	rdb, err := pool.Connect("redis://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	e.beat()
	if err := receive(t, "the link's end", e.done); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseServiceRestart) {
		t.Fatalf("%v", err)
	}
	e.connect()
	if len(e.registered.Ended) != 0 {
		t.Errorf("ended %v", e.registered.Ended)
	}
	path, lost := "/api/v1/tasks/"+string(g.Task)+"/grant", `{"lost":true,"parameters":{"width":640,"height":480}}`
	for _, body := range []string{"", lost} {
		back := decode[signaling.Grant](t, b.ask("POST", path, body), http.StatusOK)
		if back.Attempt != g.Attempt {
			t.Errorf("%s: %+v", body, back)
		}
	}
	c, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token}) // the token of before
	receive(t, "the hello", e.relays)
	if next := b.submit(); next.Attempt.Fencing <= g.Attempt.Fencing {
		t.Errorf("fencing %d after %d", next.Attempt.Fencing, g.Attempt.Fencing)
	}
	// Elsewhere it can go on: the ledger says which series it shows.
	other := b.join(newNode("other"))
	e.kill()
	if moved := b.moves(g); moved.Attempt.Node != "other" || moved.Attempt.Fencing <= g.Attempt.Fencing {
		t.Errorf("%+v", moved)
	}
	if i := receive(t, "the instruction", other.instructions); i.Request.Series == nil || i.Request.Series.SeriesInstanceUID != series {
		t.Errorf("%+v", i.Request)
	}
}
