package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/sse"
	"github.com/tomocast/tomocast/signaling"
)

// streaming serves what work sends, at /, with a server whose answers may take no time at all.
func streaming(t *testing.T, open *slots, work func(context.Context, *events) error) *httptest.Server {
	s := &server{beatEvery: time.Millisecond}
	mux := http.NewServeMux()
	huma.Register(humago.New(mux, huma.DefaultConfig("test", "1")), huma.Operation{Method: "GET", Path: "/"},
		func(context.Context, *struct{}) (*huma.StreamResponse, error) { return s.stream(open, work) })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{principal: identity.Principal{Subject: r.Header.Get("X-Who"), Method: "test"}}
		mux.ServeHTTP(&recorder{ResponseWriter: w}, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	}))
	server.Config.WriteTimeout = 10 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, s *httptest.Server, who string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Who", who)
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestAStreamLastsAsLongAsItsWork is read for longer than the server's time for an answer, by the comments that come in
// between.
func TestAStreamLastsAsLongAsItsWork(t *testing.T) {
	enough := make(chan struct{})
	s := streaming(t, newSlots(1, 1), func(ctx context.Context, e *events) error {
		if err := e.send("pending", signaling.Pending{Task: "t-1\nevent: grant", Reason: "<b>"}); err != nil {
			return err
		}
		select {
		case <-enough:
		case <-ctx.Done():
			return ctx.Err()
		}
		return e.send("grant", "line\nline")
	})
	resp := get(t, s, "anna")
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != sse.ContentType || resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	lines := bufio.NewReader(resp.Body)
	var text strings.Builder
	for comments := 0; comments < 100; { // 100 ms at least: ten times the server's limit
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, &text)
		}
		if line == ":\n" {
			comments++
		}
		text.WriteString(line)
	}
	close(enough)
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	text.Write(rest)
	all := sse.NewReader(strings.NewReader(text.String()), 1<<10)
	for _, want := range []string{"pending", "grant"} {
		e, err := all.Next()
		if err != nil || e.Name != want || !json.Valid(e.Data) {
			t.Errorf("%+v %s, %v", e.Name, e.Data, err)
		}
	}
	if _, err := all.Next(); err != io.EOF || all.Retry != retryAfter {
		t.Error(err, all.Retry)
	}
}

func TestAStreamThatCannotBeginIsAProblem(t *testing.T) {
	s := streaming(t, newSlots(1, 1), func(context.Context, *events) error {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such task."}
	})
	resp := get(t, s, "anna")
	var p Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 404 || p.Code != signaling.ProblemNotFound ||
		resp.Header.Get("Content-Type") != problemType {
		t.Errorf("%s %+v %v", resp.Status, p, err)
	}
}

// TestWhoLeavesEndsTheWork lets nothing run for a reader that is gone.
func TestWhoLeavesEndsTheWork(t *testing.T) {
	ended := make(chan error, 1)
	s := streaming(t, newSlots(1, 1), func(ctx context.Context, e *events) error {
		err := e.send("pending", 1)
		<-ctx.Done()
		ended <- err
		return ctx.Err()
	})
	resp := get(t, s, "anna")
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := streaming(t, newSlots(2, 3), func(ctx context.Context, e *events) error {
		err := e.send("pending", 1)
		<-ctx.Done()
		return errors.Join(err, ctx.Err())
	})
	for _, c := range []struct {
		who    string
		status int
	}{{"anna", 200}, {"anna", 200}, {"anna", 429}, {"bert", 200}, {"carla", 429}} {
		if resp := get(t, s, c.who); resp.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.who, resp.Status, c.status)
		}
	}
}

func TestSlots(t *testing.T) {
	s := newSlots(1, 2)
	a, ok := s.take("a")
	if _, again := s.take("a"); !ok || again {
		t.Error("a has two")
	}
	if _, ok := s.take("b"); !ok {
		t.Error("b has none")
	}
	if _, ok := s.take("c"); ok {
		t.Error("three in all")
	}
	a()
	if _, ok := s.take("c"); !ok || len(s.taken) != 2 || s.sum != 2 {
		t.Errorf("%+v", s)
	}
}
