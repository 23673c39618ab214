package compute_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/seat/seattest"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// edge is what a compute task needs around it on this machine, and a terminal's way to it.
type edge struct {
	t       *testing.T
	workers *task.Workers
	updates chan signaling.Update
	url     string

	// What opening a series gives, and the room that is held for data.
	series *cache.Series
	err    error
	mu     sync.Mutex
	room   int64
	most   int64 // that there is room for; 1 MiB where it is less

	job *compute.Job
}

func (e *edge) Open(_ context.Context, _ cache.Request, w cache.Watch) (*cache.Series, error) {
	w.Progress(signaling.Loading{Slices: 1, TotalSlices: 2, Stage: "fetching"})
	return e.series, e.err
}

func (e *edge) Reserve(_ context.Context, n int64) (func(), error) {
	if n > max(e.most, 1<<20) {
		return nil, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "No room"}
	}
	e.hold(n)
	return func() { e.hold(-n) }, nil
}

func (e *edge) hold(n int64) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.room += n
	return e.room
}

var ref = signaling.SeriesRef{StudyInstanceUID: "1.2.3", SeriesInstanceUID: "1.2.3.4"}

// start begins a task.
func start(t *testing.T, config task.Config, request signaling.TaskRequest, change func(*edge, *compute.Config)) *edge {
	t.Helper()
	if config.Resident == 0 {
		config.Resident = 2
	}
	e := &edge{t: t, workers: task.New(config), updates: make(chan signaling.Update, 16)}
	t.Cleanup(e.workers.Close)
	transport, err := stream.New(stream.Config{Loopback: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	cfg := compute.Config{
		Instruction: signaling.Instruction{Task: "t-1", Attempt: signaling.Attempt{ID: "a-1", Node: "edge-1", Fencing: 1}, Request: request,
			Resources: signaling.Resources{CPUMilli: 2000, MemoryMB: 512}, Source: &signaling.SourceAccess{Name: "test"},
			WaitMs: 20_000, IdleMs: 20_000, GraceMs: 20_000},
		Node: "edge-1", Transport: transport, Workers: e.workers, Volumes: e, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Sources: func(signaling.SourceAccess) (cache.Source, error) { return nil, nil },
		Changed: func(u signaling.Update) { e.updates <- u },
	}
	if change != nil {
		change(e, &cfg)
	}
	e.job = compute.Start(cfg)
	t.Cleanup(func() {
		e.job.End(errors.New("the test is over"))
		<-e.job.Done()
		if n := e.hold(0); n != 0 {
			t.Errorf("%d bytes of room are still held", n)
		}
	})
	e.url = seattest.Serve(t, e.job, func(token string) *signaling.TokenClaims { return &signaling.TokenClaims{Role: signaling.Role(token)} })
	return e
}

func (e *edge) dial(resume string) *terminal.Session {
	e.t.Helper()
	s, err := terminal.Dial(within(e.t), e.url, string(signaling.RoleHost), terminal.Options{DataOnly: true, Resume: resume})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(s.Close)
	return s
}

// update waits for a state.
func (e *edge) update(state signaling.TaskState) signaling.Update {
	e.t.Helper()
	for {
		select {
		case u := <-e.updates:
			if u.State == state {
				return u
			}
			if u.State.Ended() {
				e.t.Fatalf("the task is %s (%s), not %s", u.State, u.Reason, state)
			}
		case <-time.After(30 * time.Second):
			e.t.Fatalf("the task did not come to be %s", state)
		}
	}
}

// event waits for an event.
func event(t *testing.T, s *terminal.Session, kind signaling.EventType) signaling.Event {
	t.Helper()
	for {
		select {
		case e := <-s.Events():
			if e.Type == kind {
				return e
			}
		case <-s.Done():
			t.Fatalf("the session ended (%v) before %s", s.Err(), kind)
		case <-time.After(30 * time.Second):
			t.Fatalf("%s did not come", kind)
		}
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// ramp is a series whose values are its columns.
func ramp(t *testing.T) *cache.Series {
	v := tasktest.Volume(t, [3]int{20, 20, 20}, [3]float64{1, 1, 1}, volume.Int16, func(i, _, _ int) float64 { return float64(i) })
	return cache.NewSeries(v, nil, signaling.SeriesInfo{Series: ref}, func() {})
}
