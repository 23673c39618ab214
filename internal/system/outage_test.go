package system

import (
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// redis starts a redis-server at an address, or at a free one where it is empty.
func redis(t *testing.T, addr string) *redistest.Server {
	t.Helper()
	var options []string
	if addr != "" {
		_, port, _ := net.SplitHostPort(addr)
		options = []string{"--port", port}
	}
	server, err := redistest.Launch(t.TempDir(), options...)
	if errors.Is(err, redistest.ErrMissing) && os.Getenv("TOMOCAST_REQUIRE_REDIS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// TestRedisGoneInMidSession kills the server: the session goes on, nothing new is placed, and from the empty server that
// takes its place the edge's ledger makes the pool again.
func TestRedisGoneInMidSession(t *testing.T) {
	t.Parallel()
	server := redis(t, "")
	s := start(t, "--redis", "redis://"+server.Addr)
	e := s.edge("near", "--max-sessions", "2")
	witness, x := s.open(), s.open()
	s.becomes(x.Grant().Task, signaling.TaskRunning)

	server.Stop()
	s.refused(rendering(chest), signaling.ProblemUnavailable, "Redis", "try again")
	err := s.ask(http.MethodGet, "/tasks/"+string(x.Grant().Task), nil, nil)
	wantProblem(t, err, signaling.ProblemUnavailable, "Redis", "try again")
	if live, ready := s.status("/healthz"), s.status("/readyz"); live != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("healthz %d, readyz %d", live, ready)
	}
	witness.move()
	x.move()
	x.histogram("without-redis")
	// A terminal whose signalling is cut comes back, too.
	x.Disconnect()
	if err := x.Resume(s.ctx); err != nil {
		t.Error(err)
	}
	if err := x.RestartICE(s.ctx); err != nil {
		t.Error(err)
	}
	x.move()
	// What ends now is told when Redis is back.
	if err := witness.Finish(s.ctx); err != nil {
		t.Error(err)
	}

	server = redis(t, server.Addr)
	t.Cleanup(func() { server.Stop() })
	s.eventually("the broker is ready again", func() bool { return s.status("/readyz") == http.StatusOK })
	s.eventually("the edge is in the pool with what it holds", func() bool {
		n := s.node("near")
		return n.State == signaling.NodeReady && n.Capacity.Sub(n.Free) == signaling.DefaultResources(signaling.Rendering)
	})
	if task := s.task(x.Grant().Task); task.State != signaling.TaskRunning || task.Attempt == nil || task.Attempt.ID != x.Grant().Attempt.ID {
		t.Errorf("the pool has the task as %+v", task)
	}
	x.move()
	second := s.place(rendering(chest), "near")
	if second.Attempt.Fencing <= x.Grant().Attempt.Fencing {
		t.Errorf("fencing token %d after %d", second.Attempt.Fencing, x.Grant().Attempt.Fencing)
	}
	s.full(rendering(chest), "video encoder")
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	if task := s.becomes(x.Grant().Task, signaling.TaskFinished); task.Usage == nil || task.Usage.Pictures == 0 {
		t.Errorf("%+v", task)
	}
	s.connect(second, terminal.Options{}).move()
	if !e.lives() || !s.broker.lives() {
		t.Error("a program has ended")
	}
}

// TestRedisGoneAtStart: a broker that starts before its Redis says so, and serves as soon as it is there.
func TestRedisGoneAtStart(t *testing.T) {
	t.Parallel()
	server := redis(t, "")
	server.Stop()
	b := launch(t, brokerProgram, nil, "--listen", "127.0.0.1:0", "--studies", studies(t), "--cache-dir", t.TempDir(), "--redis", "redis://"+server.Addr)
	s := &tomocast{t: t, ctx: t.Context(), broker: b, url: "http://" + b.says(`msg="broker listens" address=(\S+)`)[1]}
	s.client = newClient(s.url)
	s.refused(rendering(chest), signaling.ProblemUnavailable, "Redis", "try again")
	if live, ready := s.status("/healthz"), s.status("/readyz"); live != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("healthz %d, readyz %d", live, ready)
	}
	server = redis(t, server.Addr)
	t.Cleanup(func() { server.Stop() })
	s.edge("near")
	s.submit(rendering(chest))
}

// TestEdgeKilledInMidSession: the terminal asks for its task again and comes to another edge, where it goes on with its
// view. The session of another edge is untouched.
func TestEdgeKilledInMidSession(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		near := s.edge("near", "--max-sessions", "1", "--distance", "1")
		s.edge("far", "--distance", "9")
		x := s.open()
		witness := s.open()
		if witness.Grant().Attempt.Node != "far" {
			t.Fatalf("%+v", witness.Grant())
		}
		x.move()
		near.kill()

		parameters := signaling.RenderingParameters{View: &x.view}
		var g signaling.Grant
		s.eventually("the task has a new place", func() bool {
			err := s.ask(http.MethodPost, "/tasks/"+string(x.Grant().Task)+"/grant", map[string]any{"lost": true, "parameters": parameters}, &g)
			return err == nil && g.Attempt.ID != x.Grant().Attempt.ID
		})
		if g.Task != x.Grant().Task || g.Attempt.Node != "far" || g.Attempt.Fencing <= x.Grant().Attempt.Fencing {
			t.Errorf("%+v after %+v", g, x.Grant())
		}
		again := s.connect(g, terminal.Options{})
		if again.view.Viewports[0].Camera != x.view.Viewports[0].Camera {
			t.Errorf("the session goes on with camera %+v, it had %+v", again.view.Viewports[0].Camera, x.view.Viewports[0].Camera)
		}
		again.move()
		witness.move()
		if err := again.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.becomes(g.Task, signaling.TaskFinished)
		history := get[struct{ Tasks []pool.HistoryEntry }](s, "/history").Tasks
		if len(history) != 1 || history[0].Task != g.Task || history[0].Node != "far" {
			t.Errorf("history %+v", history)
		}
	})
}

// TestEdgeKilledAndNoOtherThere: the broker says that the edge is gone, marks it lost and ends its task with the reason;
// a task that is asked for meanwhile waits, and has its place when the edge is back.
func TestEdgeKilledAndNoOtherThere(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		e := s.edge("only")
		forgotten, x := s.open(), s.open()
		e.kill()
		renew := func(g *signaling.Grant) error {
			return s.ask(http.MethodPost, "/tasks/"+string(x.Grant().Task)+"/grant", map[string]any{"lost": true}, g)
		}
		s.eventually("the broker has noticed", func() bool { return s.status("/readyz?session=1") == http.StatusServiceUnavailable })
		wantProblem(t, renew(nil), signaling.ProblemNoFreeNode, "only is gone", "try again")
		s.refused(rendering(chest), signaling.ProblemNoFreeNode, "1 is not ready")
		if state := s.task(x.Grant().Task).State; state != signaling.TaskPlacing {
			t.Errorf("the task that waits is %s", state)
		}
		// Its terminal keeps asking, as pages do; a task that nobody asks for does not wait.
		s.eventually("the node is lost", func() bool {
			wantProblem(t, renew(nil), signaling.ProblemNoFreeNode)
			return s.node("only").State == signaling.NodeLost
		})
		s.within(time.Minute, "the task that nobody asked for has failed", func() bool {
			wantProblem(t, renew(nil), signaling.ProblemNoFreeNode)
			task := s.task(forgotten.Grant().Task)
			return task.State == signaling.TaskFailed && task.Reason == "node only was lost: its heartbeats stopped"
		})

		s.edge("only")
		var g signaling.Grant
		if err := renew(&g); err != nil {
			t.Fatal(err)
		}
		if g.Task != x.Grant().Task || g.Attempt.Fencing <= x.Grant().Attempt.Fencing {
			t.Errorf("%+v after %+v", g, x.Grant())
		}
		again := s.connect(g, terminal.Options{})
		again.move()
		if err := again.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.allFree("only")
	})
}

// TestEdgeBackAtOnceWithoutItsSessions: an edge that crashed and is started again tells that it holds nothing.
func TestEdgeBackAtOnceWithoutItsSessions(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.edge("only")
	x := s.open()
	e.kill()
	s.edge("only")
	task := s.becomes(x.Grant().Task, signaling.TaskFailed)
	if task.Reason != "node only came back without it" {
		t.Errorf("%+v", task)
	}
	s.allFree("only")
	err := s.ask(http.MethodPost, "/tasks/"+string(task.ID)+"/grant", map[string]any{"lost": true}, nil)
	wantProblem(t, err, signaling.ProblemNotFound, "ended", "came back without it", "new one")
}

// TestBrokerKilledInMidSession: the sessions go on without a broker, and are in the pool of the next one; what ended meanwhile
// is made up for.
func TestBrokerKilledInMidSession(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		e := s.edge("near", "--max-sessions", "2")
		x, done := s.open(), s.open()
		for _, g := range []signaling.Grant{x.Grant(), done.Grant()} {
			s.becomes(g.Task, signaling.TaskRunning)
		}
		done.move()
		s.broker.kill()
		x.move()
		x.histogram("without-broker")
		if err := done.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.launch()
		e.says(`(?s)registered with the broker.*registered with the broker`)
		if task := s.becomes(done.Grant().Task, signaling.TaskFinished); task.Usage == nil || task.Usage.Pictures == 0 {
			t.Errorf("%+v", task)
		}
		s.eventually("the edge is back with what it holds", func() bool {
			n := s.node("near")
			return n.State == signaling.NodeReady && n.Capacity.Sub(n.Free) == signaling.DefaultResources(signaling.Rendering)
		})
		second := s.place(rendering(chest), "near")
		s.full(rendering(chest), "video encoder")
		// The terminal comes back with a fresh token for the same attempt.
		var g signaling.Grant
		if err := s.ask(http.MethodPost, "/tasks/"+string(x.Grant().Task)+"/grant", nil, &g); err != nil {
			t.Fatal(err)
		}
		if g.Attempt != x.Grant().Attempt {
			t.Errorf("%+v, it was %+v", g.Attempt, x.Grant().Attempt)
		}
		x.move()
		if err := x.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		if task := s.becomes(x.Grant().Task, signaling.TaskFinished); task.Usage == nil {
			t.Errorf("%+v", task)
		}
		s.connect(second, terminal.Options{}).move()
		if history := get[struct{ Tasks []pool.HistoryEntry }](s, "/history").Tasks; len(history) != 2 {
			t.Errorf("history %+v", history)
		}
	})
}
