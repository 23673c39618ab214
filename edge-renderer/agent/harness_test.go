package agent_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// work is a task that ends when it is told so, and tells what it was asked.
type work struct {
	instruction signaling.Instruction
	changed     func(signaling.Update)
	edge        *edge
	once        sync.Once
	done        chan struct{}
	linger      chan struct{} // where it is not nil, the work ends only once it is closed
	idle        time.Duration
	views       chan signaling.ViewReport
	promoted    chan signaling.Promote
	moves       chan signaling.Move
	stays       chan signaling.Move
	refuses     error // of moves
}

func (w *work) Done() <-chan struct{} { return w.done }

func (w *work) End(reason error) {
	w.once.Do(func() {
		go func() {
			if w.linger != nil {
				<-w.linger
			}
			state, told := ending.Outcome(reason)
			w.changed(signaling.Update{Task: w.instruction.Task, Attempt: w.instruction.Attempt.ID, State: state, Reason: told})
			close(w.done)
		}()
	})
}

func (w *work) Hello(_ string, _ *signaling.TokenClaims, _ signaling.Signal, reply func(signaling.Signal)) {
	reply(signaling.Signal{Type: signaling.SignalWelcome, Peer: signaling.PeerID(w.instruction.Task)})
}

func (w *work) Signal(string, signaling.Signal)   {}
func (w *work) Gone(string)                       {}
func (w *work) Idle() time.Duration               { return w.idle }
func (w *work) View(v signaling.ViewReport)       { w.views <- v }
func (w *work) Promote(p signaling.Promote) error { w.promoted <- p; return nil }

func (w *work) Move(m signaling.Move, told func(error)) {
	w.moves <- m
	told(w.refuses)
}

func (w *work) Stay(m signaling.Move) { w.stays <- m }

// edge is an agent with works of its own, its API, and the broker's end of its link.
type edge struct {
	*broker
	t      *testing.T
	agent  *agent.Agent
	api    *httptest.Server
	link   *signaling.Conn
	key    ed25519.PrivateKey
	linger chan struct{}
	idle   time.Duration

	mu    sync.Mutex
	works []*work
}

// edgeOf starts an edge of some capacity and types. answer is what the broker says to what the edge asks; nil: nothing.
func edgeOf(t *testing.T, change func(*agent.Config), answer func(e *edge, m signaling.Control) *signaling.Control) *edge {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, key: key}
	e.broker = &broker{t: t, links: make(chan *signaling.Conn, 4), messages: make(chan signaling.Control, 1000), keys: [][]byte{public}}
	e.asked = func(m signaling.Control) *signaling.Control {
		if answer == nil {
			return nil
		}
		c := answer(e, m)
		if c != nil {
			c.ID = m.ID
		}
		return c
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/edges/link", e.broker.serveLink)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	if e.url, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	cfg := agent.Config{Brokers: []*url.URL{e.url}, Secret: "edge-secret", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Load: func() signaling.Load { return signaling.Load{} },
		Node: signaling.Node{ID: "edge-1", Types: []signaling.TaskType{signaling.Rendering, signaling.DataComputation},
			Capacity: signaling.DefaultResources(signaling.Rendering), Handling: map[signaling.TaskType]signaling.Handling{signaling.DataComputation: signaling.HandlingAsk}},
		Begin: func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
			w := &work{instruction: i, changed: changed, edge: e, done: make(chan struct{}), linger: e.linger, idle: e.idle,
				views: make(chan signaling.ViewReport, 8), promoted: make(chan signaling.Promote, 8),
				moves: make(chan signaling.Move, 8), stays: make(chan signaling.Move, 8)}
			e.mu.Lock()
			e.works = append(e.works, w)
			e.mu.Unlock()
			return w
		}}
	if change != nil {
		change(&cfg)
	}
	e.agent = agent.New(cfg)
	api := http.NewServeMux()
	api.HandleFunc("POST "+agent.TasksPath, e.agent.ServeTasks)
	api.HandleFunc("OPTIONS "+agent.TasksPath, agent.ServePreflight)
	api.HandleFunc("GET "+agent.PingPath, agent.ServePing)
	api.Handle("GET "+agent.SignalPath, e.agent.ServeSignal(func(*http.Request) bool { return true }))
	e.api = httptest.NewServer(api)
	t.Cleanup(e.api.Close)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.agent.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	e.link = e.relinked()
	e.next("the registration's end", func(m *signaling.Control) bool { return m.Type == signaling.ControlHeartbeat })
	return e
}

// only is the one work that has begun.
func (e *edge) only() *work {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.works) != 1 {
		e.t.Fatalf("%d tasks have begun", len(e.works))
	}
	return e.works[0]
}

func (e *edge) token(subject string, c signaling.TerminalClaims) string {
	e.t.Helper()
	s, err := signaling.SignTerminalToken(e.key, c, subject, time.Now(), time.Minute)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// answer is what a request of a terminal is answered with.
type answered struct {
	status  int
	header  http.Header
	grant   signaling.Grant
	pending signaling.Pending
	problem struct {
		signaling.Problem
		Status int
	}
}

func (e *edge) post(body any, header ...string) answered {
	e.t.Helper()
	raw, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			e.t.Fatal(err)
		}
		raw = string(b)
	}
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.api.URL+agent.TasksPath, bytes.NewReader([]byte(raw)))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	a := answered{status: resp.StatusCode, header: resp.Header}
	var into any = &a.problem
	switch resp.StatusCode {
	case http.StatusCreated:
		into = &a.grant
	case http.StatusAccepted:
		into = &a.pending
	default:
		if resp.Header.Get("Content-Type") != "application/problem+json" {
			e.t.Errorf("%d came as %s", resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	if err := json.Unmarshal(b, into); err != nil {
		e.t.Fatalf("%d: %s: %v", resp.StatusCode, b, err)
	}
	return a
}

// ask is a request of a terminal that may ask.
func (e *edge) ask(key string, r signaling.TaskRequest) answered {
	e.t.Helper()
	return e.post(r, "Authorization", "Bearer "+e.token("anna", signaling.TerminalClaims{Zone: "ward-3"}), "Idempotency-Key", key)
}

var (
	rendering = signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{Source: "pacs", StudyInstanceUID: "1.2.3"}}
	input     = signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", Input: &signaling.TaskInput{Format: "application/dicom", Bytes: 1000}}
)

// approving is a broker that confirms what the edge takes, and takes on what the edge does not.
func approving(e *edge, m signaling.Control) *signaling.Control {
	switch m.Type {
	case signaling.ControlAccept:
		a := m.Accept
		return &signaling.Control{Type: signaling.ControlInstruct, Instruction: &signaling.Instruction{Task: a.Task, Request: a.Request, Creator: a.Creator,
			Attempt:   signaling.Attempt{ID: a.Attempt, Node: "edge-1", Fencing: 42, GPU: a.GPU},
			Resources: a.Request.Needs(), WaitMs: 60_000, ICEServers: []signaling.ICEServer{{URLs: []string{"turn:relay.example.org"}}},
			Source: &signaling.SourceAccess{Name: "pacs", DICOMweb: "/dicom-web", Bearer: "for the edge alone"}}}
	case signaling.ControlForward:
		return &signaling.Control{Type: signaling.ControlForwarded, Pending: &signaling.Pending{Task: m.Forward.Task, State: signaling.TaskPlacing,
			Events: "/api/v1/tasks/" + string(m.Forward.Task) + "/events", Reason: m.Forward.Reason}}
	}
	return nil
}
