package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/sse"
	"github.com/tomocast/tomocast/signaling"
)

// listener has an open stream of events.
type listener struct {
	t      testing.TB
	answer *http.Response
	events chan sse.Event
	ended  chan error // io.EOF where the broker ended it
	close  func()
}

// listen opens a stream of events with headers as name, value, name, value.
func (b *running) listen(path string, header ...string) *listener {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != sse.ContentType {
		text, _ := io.ReadAll(resp.Body)
		b.t.Fatalf("%s: %d %s %s", path, resp.StatusCode, kind, text)
	}
	s := &listener{t: b.t, answer: resp, events: make(chan sse.Event, 1024), ended: make(chan error, 1), close: cancel}
	go func() {
		defer resp.Body.Close()
		for events := sse.NewReader(resp.Body, 1<<20); ; {
			e, err := events.Next()
			if err != nil {
				s.ended <- err
				return
			}
			s.events <- e
		}
	}()
	b.t.Cleanup(cancel)
	return s
}

// heard waits for the next event that is named so, and decodes its data; others are passed over.
func heard[T any](s *listener, name string) T {
	s.t.Helper()
	for {
		var v T
		select {
		case e := <-s.events:
			if e.Name != name {
				continue
			}
			if err := json.Unmarshal(e.Data, &v); err != nil {
				s.t.Fatalf("%v: %s", err, e.Data)
			}
			return v
		case err := <-s.ended:
			s.ended <- err
			if len(s.events) > 0 { // they came before the end
				continue
			}
			s.t.Fatalf("the stream ended (%v) before %s", err, name)
		case <-time.After(waitMost):
			s.t.Fatalf("in vain waited for %s", name)
		}
	}
}

// waits is a request for a session that waits where nothing is free.
var waits = body(`"whenFull":"queue"`)

// TestA14AWaitingTaskIsFollowedToItsGrant has a full pool: the terminal is answered that it waits, follows the task, and
// gets its grant when the session before it ends. Nothing between may hold the events back, and the stream ends by itself.
func TestA14AWaitingTaskIsFollowedToItsGrant(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(single("only", 0))
		first := b.submit()
		r := b.ask("POST", "/api/v1/tasks", waits)
		p := decode[signaling.Pending](t, r, http.StatusAccepted)
		if p.Task == "" || p.State != signaling.TaskPlacing || p.Events != "/api/v1/tasks/"+string(p.Task)+"/events" || p.Queue == nil || p.Queue.Position != 1 {
			t.Errorf("%+v", p)
		}
		if at := r.header.Get("Location"); at != "/api/v1/tasks/"+string(p.Task) {
			t.Errorf("location %q", at)
		}
		s := b.listen(p.Events, "Authorization", "Bearer "+localToken)
		if h := s.answer.Header; h.Get("X-Accel-Buffering") != "no" || !strings.Contains(h.Get("Cache-Control"), "no-store") || h.Get("Content-Length") != "" {
			t.Errorf("%v", h)
		}
		if e := heard[signaling.Pending](s, "pending"); e.Task != p.Task {
			t.Errorf("%+v", e)
		}
		look := decode[signaling.Task](t, b.ask("GET", "/api/v1/tasks/"+string(p.Task), ""), 200)
		if look.State != signaling.TaskPlacing || look.Queue == nil || look.Queue.Position != 1 {
			t.Errorf("%+v", look)
		}
		b.finish(first.Task)
		g := heard[signaling.Grant](s, "grant")
		if g.Task != p.Task || g.Attempt.Node != "only" || g.Token == "" || g.Answer != signaling.EdgeAssigned {
			t.Errorf("%+v", g)
		}
		if err := receive(t, "the end of the stream", s.ended); err != io.EOF {
			t.Error(err)
		}
		// Who comes later hears it at once.
		if again := heard[signaling.Grant](b.listen(p.Events, "Authorization", "Bearer "+localToken), "grant"); again.Attempt != g.Attempt {
			t.Errorf("%+v", again)
		}
	})
}

// TestATaskThatEndsWhileItWaits tells who follows it why there is no grant.
func TestATaskThatEndsWhileItWaits(t *testing.T) {
	b := start(t)
	b.join(single("only", 0))
	b.submit()
	p := b.wait(waits)
	s := b.listen(p.Events, "Authorization", "Bearer "+localToken)
	heard[signaling.Pending](s, "pending")
	b.finish(p.Task)
	problem := heard[struct {
		signaling.Problem
		Status int
	}](s, "problem")
	if problem.Title == "" || problem.Code == "" || problem.Status == 0 {
		t.Errorf("%+v", problem)
	}
	if err := receive(t, "the end of the stream", s.ended); err != io.EOF {
		t.Error(err)
	}
}

// TestEventsAreForWhoAsked has strangers at a task's events, a page with a cookie, and one that listens too often.
func TestEventsAreForWhoAsked(t *testing.T) {
	b := start(t)
	b.join(single("only", 0))
	b.submit()
	p := b.wait(waits)
	for name, c := range map[string]struct {
		r      reply
		status int
	}{
		"nobody":     {b.get(p.Events), 401},
		"unknown":    {b.ask("GET", "/api/v1/tasks/t-unknown/events", ""), 404},
		"parameters": {b.ask("GET", p.Events+"?since=1", ""), 422},
	} {
		if c.r.status != c.status {
			t.Errorf("%s: %d %s", name, c.r.status, c.r.body)
		}
		c.r.problem(t)
	}
	cookie, _, _ := strings.Cut(b.get("/").header.Get("Set-Cookie"), ";")
	page := b.listen(p.Events, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	heard[signaling.Pending](page, "pending")
	open := []*listener{page}
	for range 31 {
		open = append(open, b.listen(p.Events, "Authorization", "Bearer "+localToken))
	}
	if r := b.ask("GET", p.Events, ""); r.status != 429 || r.problem(t).Code != signaling.ProblemRateLimited || r.header.Get("Retry-After") == "" {
		t.Errorf("one more: %d %s", r.status, r.body)
	}
	for _, s := range open {
		s.close()
		if err := receive(t, "the end of the stream", s.ended); errors.Is(err, io.EOF) {
			t.Error("the broker ended it")
		}
	}
	// They are free again as soon as the broker notices.
	b.eventually("there is room", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", b.url+p.Events, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+localToken)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
}

// TestEventsOfAnotherPerson are nobody else's, not even an operator's.
func TestEventsOfAnotherPerson(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-operators", "admins")
	b.join(single("only", 0))
	as := func(who string) []string { return []string{"Authorization", "Bearer " + token(who)} }
	decode[signaling.Grant](t, b.do("POST", "/api/v1/tasks", rendering, as("anna")...), 201)
	p := decode[signaling.Pending](t, b.do("POST", "/api/v1/tasks", waits, as("anna")...), 202)
	if r := b.do("GET", p.Events, "", as("bert")...); r.status != 404 {
		t.Errorf("bert: %d %s", r.status, r.body)
	}
	if r := b.do("GET", p.Events, "", "Authorization", "Bearer "+token("carla", "admins")); r.status != 404 {
		t.Errorf("an operator: %d %s", r.status, r.body)
	}
	heard[signaling.Pending](b.listen(p.Events, as("anna")...), "pending")
}

// TestA4EventsAtAnyBroker asks one broker and follows at another.
func TestA4EventsAtAnyBroker(t *testing.T) {
	redis := "redis://" + redistest.Addr(t)
	one, two := start(t, "--redis", redis), start(t, "--redis", redis)
	one.join(single("only", 0))
	first := one.submit()
	p := one.wait(waits)
	s := two.listen(p.Events, "Authorization", "Bearer "+localToken)
	heard[signaling.Pending](s, "pending")
	one.finish(first.Task)
	if g := heard[signaling.Grant](s, "grant"); g.Task != p.Task || g.Attempt.Node != "only" {
		t.Errorf("%+v", g)
	}
}

// TestTheEndOfABrokerEndsItsStreams lets those who listen go elsewhere.
func TestTheEndOfABrokerEndsItsStreams(t *testing.T) {
	b := start(t)
	b.join(single("only", 0))
	b.submit()
	p := b.wait(waits)
	s := b.listen(p.Events, "Authorization", "Bearer "+localToken)
	heard[signaling.Pending](s, "pending")
	if err := b.end(); err != nil {
		t.Error(err)
	}
	receive(t, "the end of the stream", s.ended)
	for {
		select {
		case e := <-s.events:
			if e.Name == "problem" {
				t.Errorf("a task that may be followed elsewhere has ended for its terminal: %s", e.Data)
			}
			continue
		default:
		}
		break
	}
}

// TestARequestThatWaitsIsSentAgain has one whose answer was lost: with the same key it is the same task, at the same place
// in the queue.
func TestARequestThatWaitsIsSentAgain(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(single("only", 0))
		b.submit()
		first := b.wait(waits, "Idempotency-Key", "k-1")
		other := b.wait(waits, "Idempotency-Key", "k-2")
		again := b.wait(waits, "Idempotency-Key", "k-1")
		if again.Task != first.Task || again.Queue == nil || again.Queue.Position != 1 || other.Task == first.Task {
			t.Errorf("%+v, %+v, %+v", first, other, again)
		}
		if r := b.ask("POST", "/api/v1/tasks", body(`"whenFull":"queue"`, `"operation":"other"`), "Idempotency-Key", "k-1"); r.status != 400 || !strings.Contains(string(r.body), "Idempotency-Key") {
			t.Errorf("the key of another request: %d %s", r.status, r.body)
		}
		if r := b.ask("POST", "/api/v1/tasks", waits, "Idempotency-Key", strings.Repeat("k", 129)); r.status != 422 {
			t.Errorf("a key that is too long: %d", r.status)
		}
	})
}
