package agent_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// A14, A15, S101 to S105: the terminal asks the nearest edge, which is free and accepts; the study is there already, and its
// pictures go straight to the terminal.
func TestA14EdgeAcceptsAndShowsTheStudy(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.keys = [][]byte{public}
	f := fetch(0)
	b.asked = func(m signaling.Control) *signaling.Control {
		if m.Type != signaling.ControlAccept {
			return nil
		}
		a := m.Accept
		return &signaling.Control{Type: signaling.ControlInstruct, ID: m.ID, Instruction: &signaling.Instruction{Task: a.Task, Request: a.Request,
			Attempt: signaling.Attempt{ID: a.Attempt, Node: "edge-1", Fencing: 1}, Resources: a.Request.Needs(), Source: &f.Source,
			WaitMs: 60_000, IdleMs: 60_000, GraceMs: 60_000}}
	}
	b.start()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+agent.TasksPath, b.edge.ServeTasks)
	mux.Handle("GET "+agent.SignalPath, b.edge.ServeSignal(func(*http.Request) bool { return true }))
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)

	token, err := signaling.SignTerminalToken(key, signaling.TerminalClaims{}, "anna", time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(signaling.TaskRequest{Type: signaling.Rendering, Series: &f.Series})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL+agent.TasksPath, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "Idempotency-Key": {"k"}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var g signaling.Grant
	if err := json.NewDecoder(resp.Body).Decode(&g); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("answered %s, %v", resp.Status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := terminal.Dial(ctx, g.SignalingURL, g.Token, terminal.Options{Width: 128, Height: 96})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	select {
	case still := <-s.Stills():
		if still.Header.Width != 128 {
			t.Errorf("a still of %+v", still.Header)
		}
	case <-ctx.Done():
		t.Fatal("no picture came")
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	m := b.next("the end", func(m *signaling.Control) bool { return m.Type == signaling.ControlUpdate && m.Update.State.Ended() })
	if u := m.Update; u.State != signaling.TaskFinished || u.Usage.TransferMs <= 0 || u.Usage.DataMB <= 0 {
		t.Errorf("ended with %+v, %+v", u, u.Usage)
	}
}

// What terminals ask is counted by its answer.
func TestAnswersAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := edgeOf(t, func(c *agent.Config) { c.Metrics = agent.NewMetrics(registry) }, approving)
	e.ask("k-1", rendering)
	e.ask("k-1", rendering) // the same again is none of its own
	e.ask("k-2", rendering)
	e.post("x")
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	if want := map[string]float64{"accepted": 1, "forwarded": 1, "refused": 1}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
