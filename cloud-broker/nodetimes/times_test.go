package nodetimes_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

const day = 24 * time.Hour

// world is a pool with a virtual clock beside it, and a snapshot of its nodes.
type world struct {
	*nodetimes.Times
	t        *testing.T
	ctx      context.Context
	pool     *pool.Pool
	snapshot *placement.Snapshot
	nodes    map[signaling.NodeID]signaling.Node
	changes  int

	mu        sync.Mutex
	clock     time.Time
	forecasts map[signaling.TaskID]signaling.Forecast
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	w.clock = w.clock.Add(d)
	w.mu.Unlock()
	w.refresh()
}

func (w *world) refresh() time.Duration {
	w.t.Helper()
	next, err := w.Refresh(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// Of is the forecast of a task.
func (w *world) Of(_ context.Context, t signaling.Task) (signaling.Forecast, bool) {
	f, known := w.forecasts[t.ID]
	return f, known
}

// onBoth runs a test on a real Redis and on the embedded one. The configuration has these schedules.
func onBoth(t *testing.T, schedules map[signaling.NodeID]signaling.Schedule, f func(w *world)) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		p, err := pool.Open(ctx, rdb, pool.Options{Prefix: "{times}", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, ctx: ctx, pool: p, snapshot: placement.NewSnapshot(), nodes: map[signaling.NodeID]signaling.Node{},
			clock: time.Now(), forecasts: map[signaling.TaskID]signaling.Forecast{}}
		w.Times = nodetimes.New(nodetimes.Config{Pool: p, Nodes: w.snapshot, Schedules: schedules, Forecast: w,
			Changed: func() { w.changes++ }, Now: w.now, Log: slog.New(slog.DiscardHandler)})
		f(w)
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// join brings a node of 4 cores and 10 GiB into the pool.
func (w *world) join(id signaling.NodeID, change ...func(*signaling.Node)) {
	w.t.Helper()
	n := signaling.Node{ID: id, Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "test", Types: []signaling.TaskType{signaling.DataComputation},
		Capacity: signaling.Resources{CPUMilli: 4000, MemoryMB: 10240}}
	for _, c := range change {
		c(&n)
	}
	_, err := w.pool.Register(w.ctx, n, 0, nil)
	w.must(err)
	w.see(id)
}

// see has the snapshot have a node as the pool has it.
func (w *world) see(id signaling.NodeID) {
	w.t.Helper()
	n, err := w.pool.Node(w.ctx, id)
	w.must(err)
	w.nodes[id] = n.Node
	var all []signaling.Node
	for _, n := range w.nodes {
		all = append(all, n)
	}
	w.snapshot.Replace(all, nil)
}

// begin has a task run on a node for so long, as is expected; 0 is unknown.
func (w *world) begin(task signaling.TaskID, node signaling.NodeID, r signaling.Resources, run time.Duration) signaling.Reservation {
	w.t.Helper()
	if run > 0 {
		w.forecasts[task] = signaling.Forecast{Known: true, ExpectedMs: run.Milliseconds(), HighMs: 2 * run.Milliseconds()}
	}
	a, err := w.pool.Claim(w.ctx, pool.Claim{Task: task, Request: signaling.TaskRequest{Type: signaling.DataComputation, Resources: &r},
		Candidates: []signaling.NodeID{node}, Lease: time.Minute})
	w.must(err)
	_, err = w.pool.Report(w.ctx, node, signaling.Update{Task: task, Attempt: a.Attempt.ID, State: signaling.TaskRunning})
	w.must(err)
	w.see(node)
	return a
}

func (w *world) span(id signaling.NodeID) fit.Span {
	w.t.Helper()
	s, own := w.Spans()[id]
	if !own {
		w.t.Fatalf("node %s has no time of its own", id)
	}
	if err := s.Check(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func near(a float64, b time.Duration) bool { return math.Abs(a-b.Seconds()) < 1 }

// TestB3NodesWithoutWindowsStay: what nobody limits has no time of its own, and its time line no end.
func TestB3NodesWithoutWindowsStay(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.join("edge-1")
		w.refresh()
		if len(w.Spans()) > 0 {
			t.Errorf("%+v", w.Spans())
		}
		if _, own := w.Status("edge-1"); own {
			t.Error("it has a status")
		}
		got, err := w.Times.Of(w.ctx, "edge-1", w.now().Add(day))
		w.must(err)
		if !got.Open || got.TotalS != nil || got.FreeS != nil || len(got.Line) != 1 || got.Line[0].Free.CPUMilli != 4000 || len(got.Tasks) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestB3WindowsAreTotalAndAvailableTime: T is the length of the window, t what is left of it, and 0 <= t <= T at any time.
func TestB3WindowsAreTotalAndAvailableTime(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.join("edge-1")
		opens := w.now().Add(time.Hour)
		w.must(w.Set(w.ctx, "edge-1", &signaling.Schedule{Open: []signaling.TimeSpan{{From: opens, To: opens.Add(4 * time.Hour)}}}))
		if s := w.span("edge-1"); s != (fit.Span{}) {
			t.Errorf("closed: %+v", s)
		}
		st, _ := w.Status("edge-1")
		if st.Open || st.OpensAt == nil || !st.OpensAt.Equal(opens) || st.ClosesAt != nil {
			t.Errorf("closed: %+v", st)
		}
		changes := w.changes
		w.pass(90 * time.Minute)
		if s := w.span("edge-1"); !near(s.Total, 4*time.Hour) || !near(s.Free, 210*time.Minute) {
			t.Errorf("open for half an hour: %+v", s)
		}
		st, _ = w.Status("edge-1")
		if !st.Open || st.ClosesAt == nil || !st.ClosesAt.Equal(opens.Add(4*time.Hour)) || st.OpensAt != nil || !near(*st.TotalS, 4*time.Hour) {
			t.Errorf("open: %+v", st)
		}
		if w.changes != changes+1 {
			t.Errorf("%d changes were told when it opened", w.changes-changes)
		}
		got, err := w.Times.Of(w.ctx, "edge-1", w.now().Add(day))
		w.must(err)
		if !got.Open || !near(*got.TotalS, 4*time.Hour) || !near(got.FreeS["cpuMilli"], 210*time.Minute) || len(got.FreeS) != 2 ||
			len(got.Line) != 2 || got.Line[1].Open || !got.Line[1].At.Equal(opens.Add(4*time.Hour)) {
			t.Errorf("%+v", got)
		}
		for range 40 {
			w.pass(7 * time.Minute)
			w.span("edge-1")
		}
		if s := w.span("edge-1"); s != (fit.Span{}) {
			t.Errorf("closed again: %+v", s)
		}
	})
}

// TestB3MachinesThatGo: an edge may say when its machine goes; an earlier end that an operator sets counts.
func TestB3MachinesThatGo(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		goes := w.now().Add(2 * time.Hour)
		w.join("spot-1", func(n *signaling.Node) { n.Expires = &goes })
		w.refresh()
		if s := w.span("spot-1"); !near(s.Total, 2*time.Hour) || !near(s.Free, 2*time.Hour) {
			t.Errorf("%+v", s)
		}
		w.pass(time.Hour)
		if s := w.span("spot-1"); !near(s.Total, 2*time.Hour) || !near(s.Free, time.Hour) {
			t.Errorf("an hour later: %+v", s)
		}
		earlier := w.now().Add(10 * time.Minute)
		w.must(w.Set(w.ctx, "spot-1", &signaling.Schedule{Expires: &earlier}))
		if s := w.span("spot-1"); !near(s.Free, 10*time.Minute) {
			t.Errorf("an operator's: %+v", s)
		}
		w.must(w.Set(w.ctx, "spot-1", nil))
		if s := w.span("spot-1"); !near(s.Free, time.Hour) {
			t.Errorf("taken back: %+v", s)
		}
		w.pass(2 * time.Hour)
		if st, _ := w.Status("spot-1"); st.Open || st.OpensAt != nil {
			t.Errorf("gone: %+v", st)
		}
	})
}

// TestB3CirculationGivesTimeBack is the document's example: 4 cores, 10 Gi, T = 7 days, circulation by the day, t = 3 days; t
// grows by a day per day while nothing new is placed, and what a period gives back can be placed while the task still runs.
func TestB3CirculationGivesTimeBack(t *testing.T) {
	week := map[signaling.NodeID]signaling.Schedule{"edge-1": {HorizonS: int64(7 * day / time.Second), PeriodS: int64(day / time.Second)}}
	onBoth(t, week, func(w *world) {
		w.join("edge-1")
		w.refresh()
		if s := w.span("edge-1"); !near(s.Total, 7*day) || !near(s.Free, 7*day) || s.Period != day.Seconds() {
			t.Errorf("empty: %+v", s)
		}
		// The whole of it, for four days from the beginning of a period: the clock of periods is the same for all brokers.
		w.begin("t-1", "edge-1", signaling.Resources{CPUMilli: 4000, MemoryMB: 10240}, 4*day)
		w.refresh()
		if s := w.span("edge-1"); !near(s.Free, 3*day) {
			t.Errorf("four days are promised: %v", time.Duration(s.Free*1e9))
		}
		next := w.now().Truncate(day).Add(day) // when a period ends
		w.pass(next.Sub(w.now()) + time.Second)
		first := w.span("edge-1").Free
		for i := 1; i <= 2; i++ {
			w.pass(day)
			if s := w.span("edge-1"); math.Abs(s.Free-first-float64(i)*day.Seconds()) > 1 {
				t.Errorf("t was %v, and %v %d days later", first/86400, s.Free/86400, i)
			}
		}
		// It still runs, and holds what it has.
		n, err := w.pool.Node(w.ctx, "edge-1")
		w.must(err)
		if n.Free.CPUMilli != 0 {
			t.Errorf("%+v", n.Free)
		}
		for range 10 {
			w.pass(day)
		}
		if s := w.span("edge-1"); !near(s.Free, 7*day) {
			t.Errorf("t is above T, or less: %v days", s.Free/86400)
		}
	})
}

// TestB3TimeFollowsWhatIsPlaced: t falls when a task comes and is back when it has ended.
func TestB3TimeFollowsWhatIsPlaced(t *testing.T) {
	week := map[signaling.NodeID]signaling.Schedule{"edge-1": {HorizonS: int64(7 * day / time.Second), PeriodS: int64(day / time.Second)}}
	onBoth(t, week, func(w *world) {
		w.join("edge-1")
		a := w.begin("t-1", "edge-1", signaling.Resources{CPUMilli: 2000, MemoryMB: 1024}, 2*day)
		w.refresh()
		if s := w.span("edge-1"); !near(s.Free, 6*day) { // half of the cores for two days
			t.Errorf("%v days", s.Free/86400)
		}
		got, err := w.Times.Of(w.ctx, "edge-1", w.now().Add(3*day))
		w.must(err)
		if !near(got.FreeS["cpuMilli"], 6*day) || !near(got.FreeS["memoryMB"], 7*day-2*day/10) {
			t.Errorf("%+v", got.FreeS)
		}
		_, err = w.pool.Report(w.ctx, "edge-1", signaling.Update{Task: "t-1", Attempt: a.Attempt.ID, State: signaling.TaskFinished})
		w.must(err)
		w.see("edge-1")
		w.refresh()
		if s := w.span("edge-1"); !near(s.Free, 7*day) {
			t.Errorf("behind the end: %v days", s.Free/86400)
		}
	})
}

// TestB3TheTimeLineShowsPredictedEnds: what runs, when it is expected to end, and what is free then.
func TestB3TheTimeLineShowsPredictedEnds(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.join("edge-1")
		w.begin("t-1", "edge-1", signaling.Resources{CPUMilli: 1000, MemoryMB: 1024}, time.Hour)
		w.begin("t-2", "edge-1", signaling.Resources{CPUMilli: 500, MemoryMB: 512}, 0)
		got, err := w.Times.Of(w.ctx, "edge-1", w.now().Add(day))
		w.must(err)
		if len(got.Line) != 2 || got.Line[0].Free != (signaling.Resources{CPUMilli: 2500, MemoryMB: 8704}) ||
			got.Line[1].Free != (signaling.Resources{CPUMilli: 3500, MemoryMB: 9728}) || !near(got.Line[1].At.Sub(w.now()).Seconds(), time.Hour) {
			t.Errorf("%+v", got.Line)
		}
		if len(got.Tasks) != 2 || got.Tasks[0].Task != "t-1" || got.Tasks[0].Resources.CPUMilli != 1000 || got.Tasks[0].EndsAt == nil ||
			!got.Tasks[0].EndsAt.Equal(got.Line[1].At.Truncate(time.Millisecond)) || !near(got.Tasks[0].LateAt.Sub(w.now()).Seconds(), 2*time.Hour) ||
			got.Tasks[1].EndsAt != nil || got.Tasks[1].LateAt != nil {
			t.Errorf("%+v", got.Tasks)
		}
		// One that has outrun its prediction counts until it is predicted again.
		w.pass(2 * time.Hour)
		got, err = w.Times.Of(w.ctx, "edge-1", w.now().Add(day))
		w.must(err)
		if len(got.Line) != 1 || got.Line[0].Free.CPUMilli != 2500 || got.Tasks[0].EndsAt != nil {
			t.Errorf("%+v", got)
		}
		w.forecasts["t-1"] = signaling.Forecast{Known: true, ExpectedMs: 1, LeftMs: (30 * time.Minute).Milliseconds()}
		got, err = w.Times.Of(w.ctx, "edge-1", w.now().Add(day))
		w.must(err)
		if len(got.Line) != 2 || !near(got.Line[1].At.Sub(w.now()).Seconds(), 30*time.Minute) {
			t.Errorf("%+v", got.Line)
		}
		if _, err := w.Times.Of(w.ctx, "edge-9", w.now().Add(day)); !errors.Is(err, pool.ErrUnknownNode) {
			t.Errorf("an unknown node: %v", err)
		}
		for _, until := range []time.Duration{0, -day, 15 * day} {
			if _, err := w.Times.Of(w.ctx, "edge-1", w.now().Add(until)); err == nil {
				t.Errorf("a line until %v", until)
			}
		}
	})
}

// TestB3OperatorsSchedulesCountBeforeTheConfigurations: and deleting one gives the configuration's back, at every broker.
func TestB3OperatorsSchedulesCountBeforeTheConfigurations(t *testing.T) {
	base := time.Now().Add(-time.Hour)
	file := map[signaling.NodeID]signaling.Schedule{"edge-1": {Open: []signaling.TimeSpan{{From: base, To: base.Add(3 * time.Hour)}}}}
	onBoth(t, file, func(w *world) {
		w.join("edge-1")
		other := nodetimes.New(nodetimes.Config{Pool: w.pool, Nodes: w.snapshot, Schedules: file, Now: w.now, Log: slog.New(slog.DiscardHandler)})
		w.refresh()
		if s := w.span("edge-1"); !near(s.Total, 3*time.Hour) {
			t.Errorf("%+v", s)
		}
		if s, operator, ok, err := w.Schedule(w.ctx, "edge-1"); err != nil || operator || !ok || len(s.Open) != 1 {
			t.Errorf("%+v, %v, %v, %v", s, operator, ok, err)
		}
		w.must(w.Set(w.ctx, "edge-1", &signaling.Schedule{Closed: []signaling.TimeSpan{{From: base, To: base.Add(5 * time.Hour)}}}))
		if _, err := other.Refresh(w.ctx); err != nil {
			t.Fatal(err)
		}
		for _, times := range []*nodetimes.Times{w.Times, other} {
			if s := times.Spans()["edge-1"]; s != (fit.Span{}) {
				t.Errorf("closed by an operator: %+v", s)
			}
		}
		if _, operator, ok, err := w.Schedule(w.ctx, "edge-1"); err != nil || !operator || !ok {
			t.Errorf("%v, %v, %v", operator, ok, err)
		}
		w.must(w.Set(w.ctx, "edge-1", nil))
		if s := w.span("edge-1"); !near(s.Total, 3*time.Hour) {
			t.Errorf("taken back: %+v", s)
		}
		if _, _, ok, err := w.Schedule(w.ctx, "edge-2"); err != nil || ok {
			t.Errorf("%v, %v", ok, err)
		}
		w.must(w.Set(w.ctx, "edge-2", &signaling.Schedule{})) // one that is always open
		if st, own := w.Status("edge-2"); !own || !st.Open || st.TotalS != nil || st.FreeS != nil || st.ClosesAt != nil {
			t.Errorf("%+v", st)
		}
	})
}

// Those who empty nodes in time are told which, and only those that hold something.
func TestNodesThatClose(t *testing.T) {
	base := time.Now()
	closes := signaling.Schedule{Open: []signaling.TimeSpan{{From: base.Add(-time.Hour), To: base.Add(time.Hour)}}}
	file := map[signaling.NodeID]signaling.Schedule{"edge-1": closes, "edge-2": closes, "edge-3": {}, "edge-4": closes}
	onBoth(t, file, func(w *world) {
		for _, id := range []signaling.NodeID{"edge-1", "edge-2", "edge-3"} {
			w.join(id)
		}
		w.begin("t-1", "edge-1", signaling.Resources{CPUMilli: 1000}, 0)
		w.begin("t-3", "edge-3", signaling.Resources{CPUMilli: 1000}, 0)
		w.refresh()
		if c := w.Closing(2 * time.Minute); len(c) > 0 {
			t.Errorf("an hour before: %v", c)
		}
		w.pass(59 * time.Minute)
		if c := w.Closing(2 * time.Minute); !slices.Equal(c, []signaling.NodeID{"edge-1"}) {
			t.Errorf("a minute before: %v", c)
		}
		w.pass(59 * time.Minute)
		if c := w.Closing(2 * time.Minute); !slices.Equal(c, []signaling.NodeID{"edge-1"}) {
			t.Errorf("behind the end: %v", c)
		}
	})
}

// The times are made anew when a window begins or ends, not only now and then.
func TestTimesAreRefreshedAtTheEdgesOfWindows(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		opens := w.now().Add(500 * time.Millisecond)
		w.must(w.Set(w.ctx, "edge-1", &signaling.Schedule{Open: []signaling.TimeSpan{{From: opens, To: opens.Add(time.Hour)}}}))
		if next := w.refresh(); next != 500*time.Millisecond {
			t.Errorf("again in %v", next)
		}
		w.pass(500 * time.Millisecond)
		if s := w.span("edge-1"); !near(s.Free, time.Hour) {
			t.Errorf("%+v", s)
		}
	})
}

// Run follows what another broker sets, and ends with its context.
func TestRunFollowsOtherBrokers(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		p, err := pool.Open(t.Context(), rdb, pool.Options{Prefix: "{times}", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		changed := make(chan struct{}, 16)
		times := nodetimes.New(nodetimes.Config{Pool: p, Nodes: placement.NewSnapshot(), Log: slog.New(slog.DiscardHandler),
			Changed: func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- times.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		gone := time.Now().Add(-time.Hour)
		if err := p.SetSchedule(t.Context(), "edge-1", &signaling.Schedule{Expires: &gone}); err != nil {
			t.Fatal(err)
		}
		for late := time.After(20 * time.Second); len(times.Spans()) == 0; {
			select {
			case <-changed:
			case <-late:
				t.Fatal("what another broker has set is not seen")
			}
		}
	})
}
