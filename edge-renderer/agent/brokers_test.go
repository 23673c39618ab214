package agent_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/signaling"
)

// another is a further broker of the pool, which answers once ready is closed.
func another(t *testing.T, ready <-chan struct{}) *broker {
	b := &broker{t: t, links: make(chan *signaling.Conn, 4), messages: make(chan signaling.Control, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		b.serveLink(w, r)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.url = u
	return b
}

// gone is where no broker is any more.
func gone(t *testing.T) *url.URL {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// An edge whose broker dies links to another one of the pool, with what runs on it, and reaches sources there. When that
// one dies as well, it begins with the first one again.
func TestBrokerDies(t *testing.T) {
	t.Parallel()
	ready := make(chan struct{})
	second := another(t, ready)
	var first *url.URL
	e := edgeOf(t, func(c *agent.Config) {
		first = c.Brokers[0]
		c.Brokers = []*url.URL{gone(t), first, second.url}
	}, approving)
	second.keys, second.asked = e.keys, e.asked
	close(ready)
	if err := e.agent.Linked(); err != nil {
		t.Error(err)
	}
	e.order("i-1", withSource(instruction("a-1", 7)))
	if m := e.answer("b/i-1"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v, %v", m, m.Problem)
	}
	w := e.only()
	if at := w.instruction.Source.DICOMweb; at != first.String()+"/dicom-web" {
		t.Errorf("the source is at %s, the broker at %s", at, first)
	}
	e.link.Hangup(websocket.CloseInternalServerErr, "the broker dies")
	e.link = second.relinked()
	if r := second.registration(); len(r.Ledger) != 1 || r.Ledger[0].Attempt.ID != "a-1" {
		t.Errorf("registered with %+v", r.Ledger)
	}
	second.next("a heartbeat", func(m *signaling.Control) bool { return m.Type == signaling.ControlHeartbeat })
	select {
	case <-e.links:
		t.Error("the edge came back to the broker that it had lost")
	default:
	}
	second.send(e.link, signaling.Control{Type: signaling.ControlRelease, Release: &signaling.Release{Task: "t-a-1", Attempt: "a-1", Fencing: 7, Reason: "not wanted"}})
	second.next("the end", func(m *signaling.Control) bool { return m.Type == signaling.ControlUpdate && m.Update.State.Ended() })
	<-w.Done()
	second.send(e.link, signaling.Control{Type: signaling.ControlInstruct, ID: "b/i-2", Instruction: withSource(instruction("a-2", 8))})
	if m := second.answer("b/i-2"); m.Type != signaling.ControlConfirm {
		t.Fatalf("answered %+v, %v", m, m.Problem)
	}
	e.mu.Lock()
	last := e.works[len(e.works)-1].instruction.Source.DICOMweb
	e.mu.Unlock()
	if last != second.url.String()+"/dicom-web" {
		t.Errorf("the source is at %s, the broker at %s", last, second.url)
	}
	if a := e.ask("k", input); a.status != http.StatusAccepted || !strings.HasPrefix(a.pending.Events, second.url.String()) {
		t.Errorf("a terminal follows its task at %q, the broker is at %s", a.pending.Events, second.url)
	}
	e.link.Hangup(websocket.CloseInternalServerErr, "this one dies too")
	e.link = e.relinked()
}

func withSource(i *signaling.Instruction) *signaling.Instruction {
	i.Source = &signaling.SourceAccess{Name: "pacs", DICOMweb: "/dicom-web"}
	return i
}

// An edge without a link names every broker that it has tried.
func TestNoBrokerIsThere(t *testing.T) {
	t.Parallel()
	brokers := []*url.URL{{Scheme: "http", Host: "one.invalid"}, {Scheme: "http", Host: "two.invalid"}}
	a := agent.New(agent.Config{Brokers: brokers})
	err := a.Linked()
	for _, b := range brokers {
		if err == nil || !strings.Contains(err.Error(), b.Host) {
			t.Errorf("says %v and does not name %s", err, b.Host)
		}
	}
}
