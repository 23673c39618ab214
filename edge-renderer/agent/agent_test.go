package agent_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/local"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const (
	study  = "1.2.3"
	series = "1.2.3.4"
)

// broker is the least that an edge registers with: a link, and a DICOMweb service that asks for a password.
type broker struct {
	t        *testing.T
	url      *url.URL
	links    chan *signaling.Conn
	messages chan signaling.Control
	// hold, where it is not nil, keeps the service's answers back until it is closed.
	hold chan struct{}
	// ended is what a registration is told has ended.
	ended []signaling.AttemptID
	// sources, where it is not nil, is where sessions find theirs.
	sources func(signaling.SourceAccess) (cache.Source, error)
	// keys verify terminals' tokens.
	keys [][]byte
	// asked answers what the edge asks; nil: nothing is answered.
	asked func(signaling.Control) *signaling.Control
	// edge is what start has started, and stop ends it.
	edge *agent.Agent
	stop func() error
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	root, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	sourcetest.WriteSeries(t, filepath.Join(root, "a"), study, series, 5)
	index, err := folder.Open(t.Context(), root, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	b := &broker{t: t, links: make(chan *signaling.Conn, 4), messages: make(chan signaling.Control, 1000)}
	web := dicomweb.NewHandler(dicomweb.Config{Store: index, Logger: quiet, Authorize: func(r *http.Request, _ string) error {
		if name, password, _ := r.BasicAuth(); name != "tomocast" || password != "secret" {
			return dicomweb.ErrUnauthenticated
		}
		return nil
	}})
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/edges/link", b.serveLink)
	mux.Handle("/dicom-web/", http.StripPrefix("/dicom-web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.hold != nil {
			select {
			case <-b.hold:
			case <-r.Context().Done():
				return
			}
		}
		web.ServeHTTP(w, r)
	})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	if b.url, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) serveLink(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer edge-secret" {
		http.Error(w, "who is there?", http.StatusUnauthorized)
		return
	}
	up := websocket.Upgrader{}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn := signaling.NewConn(ws, signaling.MaxControl)
	defer conn.Close(websocket.CloseNormalClosure, "")
	for {
		var m signaling.Control
		if conn.Receive(&m) != nil {
			return
		}
		if m.Type == signaling.ControlRegister {
			_ = conn.Send(signaling.Control{Type: signaling.ControlRegistered, Registered: &signaling.Registered{HeartbeatMs: 20, Ended: b.ended, TokenKeys: b.keys}})
			b.links <- conn
		}
		b.messages <- m
		if b.asked != nil {
			if answer := b.asked(m); answer != nil {
				_ = conn.Send(answer)
			}
		}
	}
}

// start is an edge that has registered.
func (b *broker) start() *signaling.Conn {
	t := b.t
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	renderer := cpu.New()
	volumes, err := cache.New(cache.Config{Renderer: renderer, MaxBytes: 1 << 20, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := local.Open(t.Context(), local.Config{BrokerHosts: []string{b.url.Host}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := stream.New(stream.Config{Loopback: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	workers := task.NewWorkers(1)
	find := sources.Find
	if b.sources != nil {
		find = b.sources
	}
	a := agent.New(agent.Config{
		Brokers: []*url.URL{b.url}, Secret: "edge-secret", Logger: quiet, Load: func() signaling.Load { return signaling.Load{} },
		Node:    signaling.Node{ID: "edge-1", Types: []signaling.TaskType{signaling.Rendering}, Capacity: signaling.DefaultResources(signaling.Rendering)},
		Studies: local.Studies{Cache: volumes, Find: sources.Find},
		Begin: func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
			return session.Start(session.Config{Instruction: i, Node: "edge-1", Renderer: renderer, Volumes: volumes, Sources: find, Transport: transport,
				Workers: workers, Logger: quiet, Changed: changed})
		},
	})
	b.edge = a
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	b.stop = sync.OnceValue(func() error {
		stop()
		return <-done
	})
	t.Cleanup(func() {
		if err := b.stop(); err != nil && !errors.Is(err, agent.ErrStuck) {
			t.Error(err)
		}
		volumes.Close()
		sources.Close()
		workers.Close()
		_ = transport.Close()
		_ = renderer.Close()
	})
	select {
	case conn := <-b.links:
		return conn
	case <-time.After(20 * time.Second):
		t.Fatal("the edge did not register")
		return nil
	}
}

// next takes messages until one fits.
func (b *broker) next(what string, fits func(*signaling.Control) bool) signaling.Control {
	b.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case m := <-b.messages:
			if fits(&m) {
				return m
			}
		case <-late:
			b.t.Fatalf("%s did not come", what)
		}
	}
}

func (b *broker) answer(id string) signaling.Control {
	b.t.Helper()
	return b.next("the answer to "+id, func(m *signaling.Control) bool { return m.ID == id })
}

func (b *broker) send(conn *signaling.Conn, m signaling.Control) {
	b.t.Helper()
	if err := conn.Send(m); err != nil {
		b.t.Fatal(err)
	}
}

func fetch(side int) *signaling.Fetch {
	return &signaling.Fetch{Series: signaling.SeriesRef{StudyInstanceUID: study, SeriesInstanceUID: series}, Side: side,
		Source: signaling.SourceAccess{Name: "pacs", DICOMweb: "/dicom-web", Username: "tomocast", Password: "secret"}}
}

// A series that was fetched ahead is told in the heartbeat, by the key that the broker looks for.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	conn := b.start()
	b.send(conn, signaling.Control{Type: signaling.ControlPrefetch, ID: "p-1", Fetch: fetch(0)})
	if m := b.answer("p-1"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v", m)
	}
	key := signaling.VolumeKey(signaling.SeriesRef{Source: "pacs", StudyInstanceUID: study, SeriesInstanceUID: series})
	b.next("a heartbeat with the volume", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlHeartbeat && slices.Contains(m.Heartbeat.Volumes, key)
	})
	bad := fetch(0)
	bad.Series.StudyInstanceUID = "x"
	b.send(conn, signaling.Control{Type: signaling.ControlPrefetch, ID: "p-2", Fetch: bad})
	if m := b.answer("p-2"); m.Type != signaling.ControlRefuse || m.Problem == nil {
		t.Errorf("a study without a UID: %+v", m)
	}
	bad = fetch(0)
	bad.Source.DICOMweb = "file:///etc"
	b.send(conn, signaling.Control{Type: signaling.ControlPrefetch, ID: "p-3", Fetch: bad})
	if m := b.answer("p-3"); m.Type != signaling.ControlRefuse {
		t.Errorf("a source of the file system: %+v", m)
	}
}

func TestPrefetchesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.hold = make(chan struct{})
	conn := b.start()
	refused := 0
	for n := range 20 {
		f, id := fetch(0), string(rune('a'+n))
		b.send(conn, signaling.Control{Type: signaling.ControlPrefetch, ID: id, Fetch: f})
		if m := b.answer(id); m.Type == signaling.ControlRefuse && m.Problem.Code == signaling.ProblemRateLimited {
			refused++
		}
	}
	if refused != 12 {
		t.Errorf("%d of 20 were refused, want 12", refused)
	}
	close(b.hold)
}

func TestThumbnail(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	conn := b.start()
	b.send(conn, signaling.Control{Type: signaling.ControlThumbnail, ID: "t-1", Fetch: fetch(96)})
	m := b.answer("t-1")
	if m.Type != signaling.ControlThumbnail || m.Image == nil || m.Image.Format != "image/jpeg" {
		t.Fatalf("answered %+v, %+v", m, m.Problem)
	}
	if p, err := jpeg.Decode(bytes.NewReader(m.Image.Data)); err != nil || max(p.Bounds().Dx(), p.Bounds().Dy()) != 96 {
		t.Errorf("the thumbnail is %v: %v", p, err)
	}
	forged, none := fetch(96), fetch(96)
	forged.Source.Password = "guessed"
	none.Series.SeriesInstanceUID = "1.2.3.99"
	for id, c := range map[string]struct {
		fetch *signaling.Fetch
		code  signaling.ProblemCode
	}{"forged": {forged, signaling.ProblemUnreadable}, "none": {none, signaling.ProblemNotFound}, "huge": {fetch(5000), signaling.ProblemUnreadable}} {
		b.send(conn, signaling.Control{Type: signaling.ControlThumbnail, ID: id, Fetch: c.fetch})
		if m := b.answer(id); m.Type != signaling.ControlRefuse || m.Problem == nil || m.Problem.Code != c.code || m.Problem.Detail == "" {
			t.Errorf("%s: %+v, %+v", id, m, m.Problem)
		}
	}
}

// An instruction is confirmed once its session runs, refused where it does not fit, and released by the broker.
func TestInstructions(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	conn := b.start()
	f := fetch(0)
	instruct := func(id, attempt string) {
		b.send(conn, signaling.Control{Type: signaling.ControlInstruct, ID: id, Instruction: &signaling.Instruction{
			Task: signaling.TaskID("t-" + attempt), Attempt: signaling.Attempt{ID: signaling.AttemptID(attempt), Node: "edge-1", Fencing: 7},
			Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &f.Series}, Source: &f.Source,
			Resources: signaling.DefaultResources(signaling.Rendering), WaitMs: 60_000}})
	}
	instruct("i-1", "a-1")
	if m := b.answer("i-1"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v, %v", m, m.Problem)
	}
	instruct("i-2", "a-2")
	if m := b.answer("i-2"); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNoFreeNode {
		t.Errorf("a second session on an edge for one: %+v", m)
	}
	b.send(conn, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 6}})
	b.send(conn, signaling.Control{Type: "dance", ID: "x"})
	if m := b.answer("x"); m.Type != signaling.ControlError || m.Problem.Code != signaling.ProblemUnsupported {
		t.Errorf("an unknown message: %+v", m)
	}
	b.next("a heartbeat with the session", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlHeartbeat && slices.Contains(m.Heartbeat.Attempts, "a-1")
	})
	b.send(conn, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 7, Reason: "not wanted"}})
	if m := b.next("the end", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlUpdate && m.Update.State.Ended()
	}); m.Update.Reason != "not wanted" {
		t.Errorf("ended with %+v", m.Update)
	}
}

// A link that is lost is opened again, with the ledger.
func TestLinkComesBack(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	conn := b.start()
	conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link")
	select {
	case <-b.links:
	case <-time.After(20 * time.Second):
		t.Fatal("the edge did not come back")
	}
}

func (b *broker) instruct(conn *signaling.Conn, attempt string, fencing int64) {
	b.t.Helper()
	f := fetch(0)
	b.send(conn, signaling.Control{Type: signaling.ControlInstruct, ID: "i-" + attempt, Instruction: &signaling.Instruction{
		Task: signaling.TaskID("t-" + attempt), Attempt: signaling.Attempt{ID: signaling.AttemptID(attempt), Node: "edge-1", Fencing: fencing},
		Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &f.Series}, Source: &f.Source,
		Resources: signaling.DefaultResources(signaling.Rendering), WaitMs: 60_000}})
	if m := b.answer("i-" + attempt); m.Type != signaling.ControlConfirm {
		b.t.Fatalf("answered %+v, %v", m, m.Problem)
	}
}

func (b *broker) registration() *signaling.Register {
	b.t.Helper()
	m := b.next("a registration", func(m *signaling.Control) bool { return m.Type == signaling.ControlRegister })
	return m.Register
}

func (b *broker) relinked() *signaling.Conn {
	b.t.Helper()
	select {
	case conn := <-b.links:
		return conn
	case <-time.After(20 * time.Second):
		b.t.Fatal("the edge did not come back")
		return nil
	}
}

// An attempt that a registration says is over ends, and the edge registers again with the epoch that it had.
func TestRevokedByRegistration(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.ended = []signaling.AttemptID{"a-1", "unknown"}
	conn := b.start()
	if r := b.registration(); r.Epoch != 0 {
		t.Errorf("the first epoch is %d", r.Epoch)
	}
	b.instruct(conn, "a-1", 7)
	conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link")
	conn = b.relinked()
	b.next("the end", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlUpdate && m.Update.Attempt == "a-1" && m.Update.State.Ended()
	})
	conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link again")
	conn = b.relinked()
	if r := b.registration(); r.Epoch != 7 {
		t.Errorf("registered with epoch %d, want 7", r.Epoch)
	}
	b.instruct(conn, "a-2", 8)
}

// A session that does not end keeps neither the edge's link nor its end.
func TestStuckSession(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	free := make(chan struct{})
	defer close(free)
	began := make(chan struct{})
	b.sources = func(signaling.SourceAccess) (cache.Source, error) {
		close(began)
		<-free
		return nil, errors.New("let go")
	}
	conn := b.start()
	b.instruct(conn, "a-1", 7)
	<-began
	b.ended = []signaling.AttemptID{"a-1"}
	conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link")
	conn = b.relinked()
	b.registration()
	conn.Hangup(websocket.CloseInternalServerErr, "the test cuts the link again")
	b.relinked()
	if r := b.registration(); r.Epoch != 7 || len(r.Ledger) != 1 {
		t.Errorf("registered with epoch %d and %d attempts, want 7 and 1", r.Epoch, len(r.Ledger))
	}
	if err := b.stop(); !errors.Is(err, agent.ErrStuck) {
		t.Errorf("the edge ended with %v", err)
	}
}
