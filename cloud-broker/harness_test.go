package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const (
	localToken = "local-token-of-the-tests"
	edgeSecret = "edge-secret-of-the-tests"
	study      = "1.2.826.0.1.3680043.10.99.1"
	series     = study + ".1"
	otherStudy = "1.2.826.0.1.3680043.10.99.2"
	report     = study + ".9" // a series that is a document: nothing to show
	photo      = study + ".8" // a series that is a single image

	waitMost = 10 * time.Second
)

// running is a broker that runs in the test.
type running struct {
	*broker
	t    testing.TB
	url  string
	logs *logs
	end  func() error
}

// logs keeps what a broker logs.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// studies writes a folder of small studies.
func studies(t testing.TB) string {
	dir := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(dir, "a"), study, series, 4)
	sourcetest.WriteSeries(t, filepath.Join(dir, "b"), study, photo, 1)
	sourcetest.WriteSeries(t, filepath.Join(dir, "c"), otherStudy, otherStudy+".1", 4)
	sourcetest.Write(t, filepath.Join(dir, "d"), document(study, report))
	return dir
}

// document is an encapsulated PDF (PS3.3 A.45.1) without its contents.
func document(study, series string) *dicom.Dataset {
	d := sourcetest.Slice(study, series, 1)
	for _, t := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns, dicom.SamplesPerPixel, dicom.BitsAllocated,
		dicom.ImagePositionPatient, dicom.ImageOrientationPatient, dicom.PixelSpacing} {
		d.Delete(t)
	}
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.104.1")
	d.SetString(dicom.Modality, dicom.CS, "DOC")
	return d
}

// start runs a broker with more arguments until the test ends, and waits until it is ready.
func start(t testing.TB, args ...string) *running {
	t.Helper()
	b := launch(t, args...)
	b.eventually("the broker is ready", func() bool { return b.get("/readyz").status == http.StatusOK })
	return b
}

func launch(t testing.TB, args ...string) *running {
	t.Helper()
	setenv(t)
	c, err := parse(append([]string{"--listen", "127.0.0.1:0", "--studies", studies(t), "--cache-dir", t.TempDir(), "--log-level", "debug"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	b := &running{t: t, logs: &logs{}}
	log, err := c.logger(b.logs)
	if err != nil {
		t.Fatal(err)
	}
	if b.broker, err = newBroker(c, log); err != nil {
		t.Fatal(err)
	}
	b.look = 100 * time.Millisecond
	b.viewer = viewer(fstest.MapFS{
		"index.html":           {Data: []byte("<!doctype html><title>Tomocast</title>")},
		"assets/index-1234.js": {Data: []byte(strings.Repeat("export const a = 1;\n", 200))},
	}, nil)
	addr := make(chan net.Addr, 1)
	b.listening = func(a net.Addr) { addr <- a }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.run(ctx) }()
	b.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := b.end(); err != nil {
			t.Errorf("the broker ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("the broker's log:\n%s", b.logs)
		}
	})
	select {
	case a := <-addr:
		b.url = "http://" + a.String()
	case err := <-done:
		done <- err
		t.Fatalf("the broker ended: %v", err)
	}
	return b
}

func setenv(t testing.TB) {
	t.Setenv("TOMOCAST_EDGE_SECRET", edgeSecret)
	t.Setenv("TOMOCAST_LOCAL_TOKEN", localToken)
}

// eachRedis runs a test on brokers with the embedded Redis and with a server.
func eachRedis(t *testing.T, f func(t *testing.T, args ...string)) {
	t.Run("embedded", func(t *testing.T) { f(t) })
	t.Run("redis", func(t *testing.T) { f(t, "--redis", "redis://"+redistest.Addr(t)) })
}

// eventually waits until something is so. What it asks changes by what others do, which the test cannot wait for directly.
func (b *running) eventually(what string, is func() bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(waitMost); ; <-tick.C {
		if is() {
			return
		}
		if time.Now().After(late) {
			b.t.Fatalf("in vain waited until %s", what)
		}
	}
}

// reply is an HTTP answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) problem(t testing.TB) signaling.Problem {
	t.Helper()
	var p signaling.Problem
	if kind := r.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("content type %q, status %d, body %s", kind, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &p); err != nil || p.Title == "" || p.Code == "" {
		t.Errorf("status %d: no problem: %s", r.status, r.body)
	}
	return p
}

// do sends a request with headers as name, value, name, value.
func (b *running) do(method, path, body string, header ...string) reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, answer}
}

// get asks without, ask with this machine's user's token.
func (b *running) get(path string) reply { b.t.Helper(); return b.do("GET", path, "") }

func (b *running) ask(method, path, body string, header ...string) reply {
	b.t.Helper()
	return b.do(method, path, body, append([]string{"Authorization", "Bearer " + localToken}, header...)...)
}

func decode[T any](t testing.TB, r reply, status int) T {
	t.Helper()
	var v T
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// rendering is a request for a session.
const rendering = `{"type":"rendering","series":{"studyInstanceUID":"` + study + `","seriesInstanceUID":"` + series + `"}}`

// submit asks for a session and expects a grant.
func (b *running) submit(header ...string) signaling.Grant {
	b.t.Helper()
	return decode[signaling.Grant](b.t, b.ask("POST", "/api/v1/tasks", rendering, header...), http.StatusCreated)
}

// edge speaks the control link as an edge does, with a ledger of its own.
type edge struct {
	t    testing.TB
	b    *running
	node signaling.Node
	link *signaling.Conn

	registered signaling.Registered
	// instruct answers instructions; nil confirms them.
	instruct func(signaling.Instruction) *signaling.Problem
	// move answers the wish that a task leave; nil confirms it.
	move func(signaling.Move) *signaling.Problem
	// fetch answers prefetches and wishes for thumbnails, each on a goroutine of its own; nil confirms the ones and
	// sends a picture for the others.
	fetch func(signaling.ControlType, signaling.Fetch) signaling.Control
	// budget answers budgets; nil confirms them. They are in the ledger behind that.
	budget func(signaling.SetBudget) *signaling.Problem

	instructions chan signaling.Instruction
	fetches      chan signaling.Fetch
	releases     chan signaling.Release
	relays       chan signaling.Relay
	views        chan signaling.ViewReport
	promotes     chan signaling.Promote
	moves        chan signaling.Move
	stays        chan signaling.Move
	configured   chan signaling.Node
	done         chan error // why the link ended

	mu       sync.Mutex
	ledger   []signaling.LedgerEntry
	answers  map[string]chan signaling.Control // to what it has asked
	idle     map[signaling.AttemptID]int64
	instance string
}

func newNode(id string) signaling.Node {
	return signaling.Node{
		ID: signaling.NodeID(id), Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "test", Renderer: "none",
		Codecs: []string{"VP8"}, Types: []signaling.TaskType{signaling.Rendering, signaling.DataComputation},
		Capacity: signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 8192},
	}
}

// dialEdge opens a link and sends a registration; it returns the first answer.
func dialEdge(b *running, secret string, r signaling.Register) (*signaling.Conn, signaling.Control, error) {
	ws, resp, err := websocket.DefaultDialer.Dial(strings.Replace(b.url, "http", "ws", 1)+"/api/v1/edges/link", http.Header{"Authorization": {"Bearer " + secret}})
	if err != nil {
		if resp != nil {
			return nil, signaling.Control{}, errors.New(resp.Status)
		}
		return nil, signaling.Control{}, err
	}
	link := signaling.NewConn(ws, signaling.MaxControl)
	if err := link.Send(signaling.Control{Type: signaling.ControlRegister, Register: &r}); err != nil {
		b.t.Fatal(err)
	}
	var c signaling.Control
	err = link.Receive(&c)
	return link, c, err
}

// join connects an edge that lives until the test ends.
func (b *running) join(node signaling.Node, change ...func(*edge)) *edge {
	b.t.Helper()
	e := &edge{
		t: b.t, b: b, node: node, instructions: make(chan signaling.Instruction, 64), releases: make(chan signaling.Release, 64),
		relays: make(chan signaling.Relay, 64), fetches: make(chan signaling.Fetch, 1024), views: make(chan signaling.ViewReport, 64),
		promotes: make(chan signaling.Promote, 64), moves: make(chan signaling.Move, 64), stays: make(chan signaling.Move, 64), configured: make(chan signaling.Node, 64), answers: map[string]chan signaling.Control{},
		instance: signaling.NewID("r"),
	}
	for _, c := range change {
		c(e)
	}
	e.connect()
	b.t.Cleanup(e.kill)
	return e
}

// connect registers the edge with its ledger, and waits until the broker places work there.
func (e *edge) connect() {
	e.t.Helper()
	e.mu.Lock()
	r := signaling.Register{Version: signaling.ControlVersion, Node: e.node, Ledger: e.ledger, Instance: e.instance}
	e.mu.Unlock()
	for _, l := range r.Ledger {
		r.Epoch = max(r.Epoch, l.Attempt.Fencing)
	}
	link, c, err := dialEdge(e.b, edgeSecret, r)
	if err != nil || c.Type != signaling.ControlRegistered {
		e.t.Fatalf("register: %+v, %v", c.Problem, err)
	}
	e.link, e.registered, e.done = link, *c.Registered, make(chan error, 1)
	go e.serve(link, e.done)
	e.b.eventually("the node is ready", func() bool {
		n, known := e.b.nodes.Get(e.node.ID)
		return known && n.State == signaling.NodeReady
	})
}

func (e *edge) serve(link *signaling.Conn, done chan<- error) {
	for {
		var c signaling.Control
		if err := link.Receive(&c); err != nil {
			done <- err
			link.Close(websocket.CloseNormalClosure, "")
			return
		}
		if e.answered(c) {
			continue
		}
		switch c.Type {
		case signaling.ControlInstruct:
			e.take(link, c)
		case signaling.ControlPromote:
			e.promoted(*c.Promote)
			_ = link.Send(signaling.Control{Type: signaling.ControlConfirm, ID: c.ID})
		case signaling.ControlBudget:
			e.allow(link, c)
		case signaling.ControlMove:
			answer := signaling.Control{Type: signaling.ControlConfirm, ID: c.ID}
			if e.move != nil {
				if p := e.move(*c.Move); p != nil {
					answer = signaling.Control{Type: signaling.ControlRefuse, ID: c.ID, Problem: p}
				}
			}
			_ = link.Send(answer)
			e.moves <- *c.Move
		case signaling.ControlStay:
			e.stays <- *c.Move
		case signaling.ControlView:
			e.views <- *c.View
		case signaling.ControlConfigure:
			e.configured <- *c.Node
		case signaling.ControlRelease:
			e.mu.Lock()
			for i, l := range e.ledger {
				if l.Attempt.ID == c.Release.Attempt {
					e.ledger = append(e.ledger[:i:i], e.ledger[i+1:]...)
					break
				}
			}
			e.mu.Unlock()
			e.releases <- *c.Release
		case signaling.ControlRelay:
			e.relays <- *c.Relay
		case signaling.ControlPrefetch, signaling.ControlThumbnail:
			e.fetches <- *c.Fetch
			if e.fetch == nil {
				_ = link.Send(fetched(c))
				continue
			}
			go func() { // ends with the test, which lets all of them answer
				answer := e.fetch(c.Type, *c.Fetch)
				answer.ID = c.ID
				_ = link.Send(answer)
			}()
		}
	}
}

// promoted makes a standby the task's own attempt.
func (e *edge) promoted(p signaling.Promote) {
	e.mu.Lock()
	for i := range e.ledger {
		if e.ledger[i].Attempt.ID == p.Attempt.ID {
			e.ledger[i].Attempt, e.ledger[i].Shadow = p.Attempt, false
		}
	}
	e.mu.Unlock()
	e.promotes <- p
}

// answered hands the answer to something that the edge has asked to who asked it.
func (e *edge) answered(c signaling.Control) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	answer := e.answers[c.ID]
	if c.ID == "" || answer == nil {
		return false
	}
	delete(e.answers, c.ID)
	answer <- c
	return true
}

// ask sends the broker a question and waits for the answer.
func (e *edge) ask(c signaling.Control) signaling.Control {
	e.t.Helper()
	c.ID = signaling.NewID("q")
	answer := make(chan signaling.Control, 1)
	e.mu.Lock()
	e.answers[c.ID] = answer
	e.mu.Unlock()
	e.send(c)
	return receive(e.t, "the answer to "+string(c.Type), answer)
}

// accept tells the broker that the edge has taken a terminal's task itself.
func (e *edge) accept(a signaling.Accept) signaling.Control {
	e.t.Helper()
	c := e.ask(signaling.Control{Type: signaling.ControlAccept, Accept: &a})
	if i := c.Instruction; i != nil {
		e.mu.Lock()
		e.ledger = append(e.ledger, entryOf(*i))
		e.mu.Unlock()
	}
	return c
}

// forward sends a terminal's request on to the broker.
func (e *edge) forward(f signaling.Forward) signaling.Control {
	e.t.Helper()
	return e.ask(signaling.Control{Type: signaling.ControlForward, Forward: &f})
}

func entryOf(i signaling.Instruction) signaling.LedgerEntry {
	return signaling.LedgerEntry{
		Task: i.Task, Attempt: i.Attempt, Type: i.Request.Type, Resources: i.Resources, State: signaling.TaskReserved, Creator: i.Creator,
		Request: &i.Request, Shadow: i.Shadow,
	}
}

// fetched is a good answer to a prefetch or a wish for a thumbnail.
func fetched(c signaling.Control) signaling.Control {
	if c.Type == signaling.ControlPrefetch {
		return signaling.Control{Type: signaling.ControlConfirm, ID: c.ID}
	}
	return signaling.Control{Type: signaling.ControlThumbnail, ID: c.ID, Image: &signaling.Thumbnail{
		Format: "image/png", Data: []byte("picture of " + c.Fetch.Series.SeriesInstanceUID),
	}}
}

func (e *edge) take(link *signaling.Conn, c signaling.Control) {
	i := *c.Instruction
	e.instructions <- i
	answer := signaling.Control{Type: signaling.ControlConfirm, ID: c.ID}
	if e.instruct != nil {
		if p := e.instruct(i); p != nil {
			answer = signaling.Control{Type: signaling.ControlRefuse, ID: c.ID, Problem: p}
		}
	}
	if answer.Problem == nil {
		e.mu.Lock()
		e.ledger = append(e.ledger, entryOf(i))
		e.mu.Unlock()
	}
	_ = link.Send(answer)
}

// allow gives an attempt another budget.
func (e *edge) allow(link *signaling.Conn, c signaling.Control) {
	answer := signaling.Control{Type: signaling.ControlConfirm, ID: c.ID}
	if e.budget != nil {
		answer.Problem = e.budget(*c.Budget)
	}
	if answer.Problem != nil {
		answer.Type = signaling.ControlRefuse
	} else {
		e.mu.Lock()
		for i, l := range e.ledger {
			if l.Attempt.ID == c.Budget.Attempt {
				e.ledger[i].Resources = c.Budget.Budget.Resources
			}
		}
		e.mu.Unlock()
	}
	_ = link.Send(answer)
}

// kill cuts the link as an edge does that dies.
func (e *edge) kill() { e.link.Close(websocket.CloseNormalClosure, "") }

func (e *edge) send(c signaling.Control) {
	e.t.Helper()
	if err := e.link.Send(c); err != nil {
		e.t.Fatal(err)
	}
}

// beat sends a heartbeat with the ledger and the series that the edge has loaded.
func (e *edge) beat(held ...signaling.SeriesRef) {
	e.t.Helper()
	h := signaling.Heartbeat{State: signaling.NodeReady}
	for _, s := range held {
		h.Volumes = append(h.Volumes, signaling.VolumeKey(s))
	}
	e.mu.Lock()
	for _, l := range e.ledger {
		h.Attempts = append(h.Attempts, l.Attempt.ID)
	}
	h.Idle = maps.Clone(e.idle)
	e.mu.Unlock()
	e.send(signaling.Control{Type: signaling.ControlHeartbeat, Heartbeat: &h})
}

func (e *edge) update(g signaling.Grant, state signaling.TaskState) {
	e.t.Helper()
	e.send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{Task: g.Task, Attempt: g.Attempt.ID, State: state}})
}

// state is what the pool knows of a grant's task.
func (e *edge) state(g signaling.Grant) signaling.TaskState {
	task, err := e.b.pooled.Load().Task(e.t.Context(), g.Task)
	if err != nil {
		return ""
	}
	return task.State
}

// receive waits for something that is sent.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(waitMost):
		t.Fatalf("in vain waited for %s", what)
		panic("not reached")
	}
}

// dialSignal opens the signalling of a grant.
func (b *running) dialSignal(path string, header http.Header) (*signaling.Conn, *http.Response, error) {
	ws, resp, err := websocket.DefaultDialer.Dial(strings.Replace(b.url, "http", "ws", 1)+path, header)
	if err != nil {
		return nil, resp, err
	}
	c := signaling.NewConn(ws, signaling.MaxSignal)
	b.t.Cleanup(func() { c.Close(websocket.CloseNormalClosure, "") })
	return c, resp, nil
}
