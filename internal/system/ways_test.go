package system

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// direct starts an edge that terminals reach without the broker, and returns its URL.
func (s *tomocast) direct(id string, args ...string) (p *program, url string) {
	s.t.Helper()
	address := freeAddress(s.t)
	p = s.edge(id, append([]string{"--listen", address, "--direct-url", "ws://" + address}, args...)...)
	return p, "http://" + address
}

// three starts three brokers of one pool.
func three(t *testing.T, args ...string) [3]*tomocast {
	t.Helper()
	args = append(args, "--redis", "redis://"+redistest.Addr(t))
	return [3]*tomocast{start(t, args...), start(t, args...), start(t, args...)}
}

// knows waits until a broker, which may not be the one that an edge is linked to, has seen it.
func (s *tomocast) knows(id string) {
	s.t.Helper()
	s.eventually("the broker knows "+id, func() bool {
		_, err := s.client.Near(s.ctx, signaling.Rendering, "")
		return err == nil && s.node(id).State == signaling.NodeReady
	})
}

// edgeFirst asks the nearest edges, then the broker.
func (s *tomocast) edgeFirst(r signaling.TaskRequest) signaling.Grant {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, waitMost)
	defer cancel()
	p, err := s.client.Place(ctx, r, terminal.PlaceOptions{Way: terminal.EdgeFirst})
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Grant
}

// askEdge sends a request to an edge itself, as it is on the wire.
func (s *tomocast) askEdge(edge string, body []byte, key, token string) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, edge+"/api/v1/tasks", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// near is what the broker tells of edges near this machine.
func (s *tomocast) near(kind signaling.TaskType) signaling.NearEdges {
	s.t.Helper()
	n, err := s.client.Near(s.ctx, kind, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func decoded[T any](t testing.TB, raw []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// sinogram is the input of a small reconstruction, and the request for it.
func sinogram() (signaling.TaskRequest, []byte) {
	return signaling.TaskRequest{Type: signaling.ImageReconstruction, Operation: "filtered-back-projection",
		Parameters: json.RawMessage(`{"detectors":16,"projections":12,"detectorMm":1}`),
		Input:      &signaling.TaskInput{Format: "application/octet-stream", Bytes: 16 * 12 * 4}}, make([]byte, 16*12*4)
}

// TestA2EdgeFirst: the terminal takes the edges of the matching type, nearest first, and sends the nearest a request
// without the task data; a free edge accepts; only then the terminal sends the data.
func TestA2EdgeFirst(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.direct("computes", "--distance", "1", "--types", "data-computation,image-reconstruction")
		_, url := s.direct("renders", "--distance", "2", "--max-sessions", "1")
		near := s.near(signaling.Rendering)
		if len(near.Edges) != 1 || near.Edges[0].Node != "renders" || near.Edges[0].URL != url || near.Token == "" {
			t.Fatalf("for rendering: %+v", near.Edges)
		}
		if near := s.near(signaling.ImageReconstruction); len(near.Edges) != 2 {
			t.Errorf("for reconstruction: %+v", near.Edges)
		}
		g := s.edgeFirst(rendering(chest))
		if g.Answer != signaling.EdgeAccepts || g.Attempt.Node != "renders" || !strings.HasPrefix(g.SignalingURL, strings.Replace(url, "http", "ws", 1)) {
			t.Fatalf("%+v", g)
		}
		// The broker knows of it, and of what it holds.
		s.becomes(g.Task, signaling.TaskReserved)
		s.connect(g, terminal.Options{}).move()
		s.becomes(g.Task, signaling.TaskRunning)

		// The request says how much data there is, the data comes over the channel to the edge that took it.
		r, input := sinogram()
		done, err := s.client.Compute(s.ctx, r, input, terminal.ComputeOptions{PlaceOptions: terminal.PlaceOptions{Way: terminal.EdgeFirst}})
		if err != nil {
			t.Fatal(err)
		}
		if done.Place.Grant.Answer != signaling.EdgeAccepts || len(done.Data) < 16*16*4 {
			t.Errorf("%+v, %d bytes", done.Place.Grant, len(done.Data))
		}
		s.becomes(done.Place.Grant.Task, signaling.TaskFinished)
	})
}

// TestA2TheRequestCarriesIdentityAndKind: by them the edge checks its resources of that kind; one that names nobody, or
// no kind that there is, gets none.
func TestA2TheRequestCarriesIdentityAndKind(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, url := s.direct("near")
	token := s.near(signaling.Rendering).Token
	good := text(t, rendering(chest))
	for name, c := range map[string]struct {
		body   []byte
		token  string
		status int
		code   signaling.ProblemCode
		word   string
	}{
		"nobody":           {good, "", http.StatusUnauthorized, signaling.ProblemUnauthorized, ""},
		"a forged token":   {good, token[:len(token)-4] + "AAAA", http.StatusUnauthorized, signaling.ProblemUnauthorized, ""},
		"a user's token":   {good, localToken, http.StatusUnauthorized, signaling.ProblemUnauthorized, ""},
		"no kind":          {[]byte(`{"type":"cooking"}`), token, http.StatusBadRequest, signaling.ProblemBadRequest, "type"},
		"negative amounts": {[]byte(`{"type":"data-computation","resources":{"cpuMilli":-5}}`), token, http.StatusBadRequest, signaling.ProblemBadRequest, "cpuMilli"},
		"no JSON":          {[]byte(`{`), token, http.StatusBadRequest, signaling.ProblemBadRequest, ""},
	} {
		status, body := s.askEdge(url, c.body, "k-"+name, c.token)
		p := decoded[signaling.Problem](t, body)
		if status != c.status || p.Code != c.code || !strings.Contains(p.Error(), c.word) {
			t.Errorf("%s: %d %+v", name, status, p)
		}
	}
	s.allFree("near")
	status, body := s.askEdge(url, good, "k", token)
	g := decoded[signaling.Grant](t, body)
	if status != http.StatusCreated || g.Answer != signaling.EdgeAccepts {
		t.Fatalf("%d %s", status, body)
	}
	// The same key is the same task: here again, and at the broker.
	_, body = s.askEdge(url, good, "k", token)
	if again := decoded[signaling.Grant](t, body); again.Task != g.Task || again.Attempt != g.Attempt {
		t.Errorf("again at the edge: %+v", again)
	}
	again, err := s.client.Submit(s.ctx, rendering(chest), "k")
	if err != nil || again.Task != g.Task || again.Attempt != g.Attempt {
		t.Errorf("again at the broker: %+v, %v", again, err)
	}
}

// TestA4BusyEdge: it sends the request on to the cloud, which chooses another free edge, farther than the first, and
// answers the terminal with its identity; the terminal sends its data straight there. It works also when the first edge
// dies after forwarding, whichever broker the terminal follows at.
func TestA4BusyEdge(t *testing.T) {
	t.Parallel()
	bs := three(t)
	busy, url := bs[0].direct("busy", "--distance", "1", "--max-sessions", "1")
	bs[1].direct("farther", "--distance", "5")
	for _, s := range bs {
		s.knows("busy")
		s.knows("farther")
	}
	s := bs[0]
	token := s.near(signaling.Rendering).Token
	if status, body := s.askEdge(url, text(t, rendering(chest)), "k0", token); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	ask := func(key string) signaling.Pending {
		status, body := s.askEdge(url, text(t, rendering(chest)), key, token)
		p := decoded[signaling.Pending](t, body)
		if status != http.StatusAccepted || p.Task == "" || p.State != signaling.TaskPlacing || p.Reason == "" || !strings.HasPrefix(p.Events, s.url) {
			t.Fatalf("%d %s", status, body)
		}
		return p
	}
	follow := func(at *tomocast, p signaling.Pending) {
		ctx, cancel := context.WithTimeout(at.ctx, waitMost)
		defer cancel()
		g, err := (&terminal.Client{Broker: at.url, Token: at.client.Token}).Follow(ctx, at.url, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if g.Answer != signaling.EdgeAssigned || g.Attempt.Node != "farther" || g.Task != p.Task {
			t.Fatalf("%+v", g)
		}
		x := at.connect(g, terminal.Options{})
		x.move()
		if err := x.Finish(at.ctx); err != nil {
			t.Error(err)
		}
	}
	follow(bs[0], ask("k1"))
	p := ask("k2")
	busy.kill()
	p.Events = strings.Replace(p.Events, bs[0].url, bs[2].url, 1)
	follow(bs[2], p)
}

// TestA5AnyBrokerAnswers: the cloud knows place and resources of every edge, since they keep reporting them, whichever broker
// they are linked to; the instruction reaches the edge through the one that has its link, the terminal's signalling too.
func TestA5AnyBrokerAnswers(t *testing.T) {
	t.Parallel()
	bs := three(t)
	bs[0].edge("near", "--distance", "1", "--max-sessions", "2")
	bs[1].edge("far", "--distance", "9", "--max-sessions", "1")
	for _, s := range bs {
		s.knows("near")
		s.knows("far")
	}
	g := bs[2].submit(rendering(chest))
	if g.Attempt.Node != "near" || g.Answer != signaling.EdgeAssigned || len(g.Reasons) == 0 || len(g.Terms) == 0 {
		t.Errorf("%+v", g)
	}
	x := bs[1].connect(g, terminal.Options{})
	x.move()
	second := bs[1].place(rendering(chest), "near")
	third := bs[0].place(rendering(chest), "far")
	bs[2].full(rendering(chest), "video encoder")
	// The same key at any broker is the same task.
	for _, s := range bs {
		_, err := s.client.Submit(s.ctx, rendering(chest), "one-key")
		wantProblem(t, err, signaling.ProblemNoFreeNode)
	}
	bs[0].finish(second)
	bs[1].finish(third)
	bs[1].allFree("far")
	var first signaling.Grant
	bs[0].eventually("it is placed", func() bool {
		var err error
		first, err = bs[0].client.Submit(bs[0].ctx, rendering(chest), "one-key")
		return err == nil
	})
	for _, s := range bs[1:] {
		again, err := s.client.Submit(s.ctx, rendering(chest), "one-key")
		if err != nil || again.Attempt != first.Attempt {
			t.Errorf("%+v, %v; it was %+v", again, err, first)
		}
	}
	x.move()
	// A broker that dies takes no session with it: its edges come to another.
	bs[0].broker.kill()
	x.move()
}

// TestA13LocalFirst: the terminal checks its own resources; only when they do not suffice, or the user prefers an edge, it
// asks, and says why, which is shown.
func TestA13LocalFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.direct("near")
	c := newClient(s.url)
	suffices, check := true, signaling.LocalCheck{Reason: "the study needs 1 GiB and this machine has 8", MemoryMB: 8192, GPU: "none"}
	c.Check = func(signaling.TaskRequest) (bool, signaling.LocalCheck) { return suffices, check }
	for _, way := range []terminal.Way{terminal.BrokerFirst, terminal.EdgeFirst} {
		suffices, check.Preferred = true, false
		place, err := c.Place(s.ctx, rendering(chest), terminal.PlaceOptions{Way: way})
		if err != nil || !place.Here || place.Grant.Task != "" {
			t.Errorf("%s: %+v, %v", way, place, err)
		}
		for _, preferred := range []bool{false, true} {
			suffices, check.Preferred = preferred, preferred
			place, err = c.Place(s.ctx, rendering(chest), terminal.PlaceOptions{Way: way})
			if err != nil || place.Here {
				t.Fatalf("%s: %+v, %v", way, place, err)
			}
			told := s.task(place.Grant.Task).Request.Local
			if told == nil || told.Reason != check.Reason || told.Preferred != preferred {
				t.Errorf("%s: the request says %+v", way, told)
			}
			if way == terminal.BrokerFirst && !slices.ContainsFunc(place.Grant.Reasons, func(r string) bool { return strings.Contains(r, check.Reason) }) {
				t.Errorf("%s: the reasons are %q", way, place.Grant.Reasons)
			}
			s.finish(place.Grant)
		}
	}
	s.allFree("near")
}

// TestA14Order is figure 9 with real programs: S101 to S105 at the nearest edge, S106 to S112 at another one, S113 to S116 in
// the cloud, each with a task from its data to its result. The answers have names.
func TestA14Order(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.direct("first", "--distance", "1", "--max-sessions", "1")
		s.direct("second", "--distance", "3", "--max-sessions", "1")
		s.edge("cloud", "--tier", "cloud", "--distance", "20", "--max-sessions", "1")
		var open []signaling.Grant
		for _, want := range []struct {
			node   signaling.NodeID
			answer signaling.Answer
		}{{"first", signaling.EdgeAccepts}, {"second", signaling.EdgeAssigned}, {"cloud", signaling.ExecuteInCloud}} {
			// What the broker chooses from follows within milliseconds; the edge that is asked first always knows of itself.
			g := s.onlyFirst(rendering(chest), want.node)
			if g.Answer != want.answer {
				t.Fatalf("%+v, want %s at %s", g, want.answer, want.node)
			}
			x := s.connect(g, terminal.Options{})
			x.move()
			x.histogram("count")
			open = append(open, g)
		}
		for _, g := range open {
			s.finish(g)
		}
		for _, id := range []string{"first", "second", "cloud"} {
			s.allFree(id)
		}
	})
}

// onlyFirst asks the edge called first, and nobody else, until the task comes to node.
func (s *tomocast) onlyFirst(r signaling.TaskRequest, node signaling.NodeID) signaling.Grant {
	s.t.Helper()
	near := s.near(r.Type)
	i := slices.IndexFunc(near.Edges, func(e signaling.NearEdge) bool { return e.Node == "first" })
	if i < 0 {
		s.t.Fatalf("%+v", near.Edges)
	}
	for {
		status, body := s.askEdge(near.Edges[i].URL, text(s.t, r), signaling.NewID("k"), near.Token)
		var g signaling.Grant
		switch status {
		case http.StatusCreated:
			g = decoded[signaling.Grant](s.t, body)
		case http.StatusAccepted:
			ctx, cancel := context.WithTimeout(s.ctx, waitMost)
			var err error
			g, err = s.client.Follow(ctx, s.url, decoded[signaling.Pending](s.t, body), nil)
			cancel()
			if err != nil {
				s.t.Fatal(err)
			}
		default:
			s.t.Fatalf("%d %s", status, body)
		}
		if g.Attempt.Node == node {
			return g
		}
		s.finish(g)
		if s.ctx.Err() != nil {
			s.t.Fatalf("it comes to %s, not to %s", g.Attempt.Node, node)
		}
	}
}

// TestA14RequestsThatAreAskedAgain: a terminal that got no answer from one broker asks another with the same key.
func TestA14RequestsThatAreAskedAgain(t *testing.T) {
	t.Parallel()
	bs := three(t)
	bs[1].edge("near", "--max-sessions", "1")
	for _, s := range bs {
		s.knows("near")
	}
	bs[0].broker.kill()
	c := newClient(bs[0].url)
	c.Brokers = []string{bs[1].url, bs[2].url}
	began := time.Now()
	place, err := c.Place(t.Context(), rendering(chest), terminal.PlaceOptions{Key: "again"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := bs[2].client.Submit(t.Context(), rendering(chest), "again")
	if err != nil || again.Attempt != place.Grant.Attempt {
		t.Errorf("%+v, %v; the first was %+v (%v)", again, err, place.Grant, time.Since(began))
	}
}
