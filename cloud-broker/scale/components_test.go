package scale_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale/manager"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/cloud-broker/scale/scheduler"
	"github.com/tomocast/tomocast/signaling"
)

// script writes down who says what to whom.
type script struct {
	lines    []string
	now      time.Time
	use      float64
	left     time.Duration
	free     nodetime.Amounts
	again    int64
	edge     error
	account  error
	schedule *scheduler.Scheduler
	manage   *manager.Manager
}

func (s *script) say(l string) { s.lines = append(s.lines, l) }

func (s *script) Average(signaling.TaskID, nodetime.Kind, time.Time) (float64, bool) {
	s.say("monitor: use")
	return s.use, true
}
func (s *script) Peak(signaling.TaskID, nodetime.Kind, time.Time) (float64, bool) { return s.use, true }
func (s *script) Restart(signaling.TaskID, nodetime.Kind, time.Time)              {}
func (s *script) Left(context.Context, signaling.TaskID, time.Duration) (time.Duration, bool) {
	s.say("predictor: left")
	return s.left, s.left > 0
}
func (s *script) Free(context.Context, signaling.NodeID) (nodetime.Amounts, error) {
	s.say("monitor: free")
	return s.free, s.account
}
func (s *script) Resize(_ context.Context, _ signaling.TaskID, _ signaling.NodeID, _ nodetime.Kind, to int64) error {
	s.say("free amount updated")
	return s.account
}
func (s *script) Set(context.Context, signaling.TaskID, signaling.NodeID, nodetime.Kind, int64) error {
	s.say("budget set")
	return s.edge
}
func (s *script) Again(order.Order, time.Time) int64 { s.say("scaler: again"); return s.again }
func (s *script) Report(r order.Report)              { s.say("scaler hears " + string(r.Outcome)) }
func (s *script) Submit(ctx context.Context, o order.Order, now time.Time) {
	s.say("order to scheduler")
	s.schedule.Submit(ctx, o, now)
}
func (s *script) Take(ctx context.Context, o order.Order, now time.Time) {
	s.say("order to node manager")
	if o.Executable {
		s.say("executable")
	}
	s.manage.Take(ctx, o, now)
}
func (s *script) Done(ctx context.Context, o order.Order, err error, now time.Time) {
	s.say("node manager to scheduler")
	s.schedule.Done(ctx, o, err, now)
}

func play(t *testing.T, s *script, direction order.Direction) string {
	t.Helper()
	s.now = begin.Add(time.Hour)
	s.schedule = scheduler.New(scheduler.Default, s, s)
	s.manage = manager.New(manager.Default, s, s, s, s, s)
	s.schedule.Use(s)
	s.Submit(context.Background(), order.Order{ID: 1, Task: "a", Node: "n", Kind: nodetime.CPU, Direction: direction, Amount: 500, From: 1000,
		Created: s.now, Started: begin, Predicted: 2 * time.Hour}, s.now)
	return strings.Join(s.lines, "; ")
}

// The scaler asks the monitor, works the amount out, creates an order, and hands it to the scheduler.
func TestB91ScalerAsksTheMonitorAndHandsAnOrderToTheScheduler(t *testing.T) {
	s := &script{use: 200}
	s.manage = manager.New(manager.Default, s, s, s, s, s)
	s.schedule = scheduler.New(scheduler.Default, s, s)
	s.schedule.Use(s)
	c := scaler.Default
	c.Kinds = map[nodetime.Kind]scaler.Kind{nodetime.CPU: {Step: 1}}
	x := scaler.New(c, s, func(order.Report) {})
	x.Use(s)
	a := nodetime.Amounts{nodetime.CPU: 1000}
	if err := x.Begin(order.Task{ID: "a", Node: "n", Request: a, Has: a, Started: begin, Predicted: 2 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	x.Step(context.Background(), begin.Add(time.Hour))
	if got := strings.Join(s.lines[:3], "; "); got != "monitor: use; order to scheduler; order to node manager" {
		t.Error(got)
	}
}

// A shrink is passed straight on. Success: node manager, scheduler, which updates the free amount, scaler.
func TestB91ShrinkThatSucceeds(t *testing.T) {
	got := play(t, &script{use: 300}, order.Shrink)
	if got != "order to scheduler; order to node manager; monitor: use; budget set; node manager to scheduler; free amount updated; scaler hears done" {
		t.Error(got)
	}
}

// The node manager tests the need, waits, and reports failure to the scaler itself.
func TestB91ShrinkThatFailsIsReportedByTheNodeManagerItself(t *testing.T) {
	s := &script{use: 1200}
	got := play(t, s, order.Shrink)
	if got != "order to scheduler; order to node manager; monitor: use" {
		t.Error(got)
	}
	s.lines, s.left = nil, 100*time.Hour
	for {
		at, ok := s.manage.Next()
		if !ok {
			break
		}
		s.manage.Step(context.Background(), at)
	}
	if got := strings.Join(s.lines, "; "); !strings.HasSuffix(got, "monitor: use; scaler hears given-up") || strings.Contains(got, "scheduler") {
		t.Error(got)
	}

	got = play(t, &script{use: 300, edge: errDown}, order.Shrink)
	if got != "order to scheduler; order to node manager; monitor: use; budget set; scaler hears failed" {
		t.Error(got)
	}
}

// For an expansion the scheduler gets the node's free amount and marks the order executable. Its amount is taken first.
func TestB91ExpansionThatSucceeds(t *testing.T) {
	got := play(t, &script{free: nodetime.Amounts{nodetime.CPU: 500}}, order.Expand)
	if got != "order to scheduler; monitor: free; free amount updated; order to node manager; executable; budget set; "+
		"node manager to scheduler; free amount updated; scaler hears done" {
		t.Error(got)
	}
}

// The scheduler waits, and reports failure to the scaler.
func TestB91ExpansionThatFailsIsReportedByTheScheduler(t *testing.T) {
	s := &script{free: nodetime.Amounts{nodetime.CPU: 499}, again: 500}
	if got := play(t, s, order.Expand); got != "order to scheduler; monitor: free" {
		t.Error(got)
	}
	n := 0
	for ; ; n++ {
		at, ok := s.schedule.Next()
		if !ok {
			break
		}
		s.lines = nil
		s.schedule.Step(context.Background(), at)
	}
	if got := strings.Join(s.lines, "; "); got != "scaler: again; monitor: free; scaler hears given-up" || n != 30 {
		t.Errorf("%s after %d waits", got, n)
	}
}

func TestB91OrderThatIsNotExecutableIsNotCarriedOut(t *testing.T) {
	s := &script{}
	s.schedule = scheduler.New(scheduler.Default, s, s)
	s.manage = manager.New(manager.Default, s, s, s, s, s)
	s.manage.Take(context.Background(), order.Order{Direction: order.Expand, Amount: 1}, begin)
	if got := strings.Join(s.lines, "; "); got != "node manager to scheduler; free amount updated; scaler hears failed" {
		t.Error(got)
	}
}

// An edge that does not do it leaves everything as it was; what was taken for it is given back.
func TestB91EdgeThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t, quick(), gpu(5000))
	w.start("a", 1000, 10*time.Hour)
	w.use["a"], w.deaf = gpu(1000), errDown
	w.run(10 * time.Minute)
	if w.told() != "expand 300 failed at 10m0s; " || w.gpu("a") != 1000 || w.node.Free() != gpu(4000) {
		t.Errorf("%s; free %v", w.told(), w.node.Free())
	}
	// It rests, and is tried again.
	w.deaf = nil
	w.run(10 * time.Minute)
	if w.gpu("a") != 1300 {
		t.Error(w.told())
	}
}

// An account that does not answer holds nothing up that is right already: it is brought up to date as soon as it answers.
func TestB91AccountThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t, quick(), gpu(5000))
	w.start("a", 1000, 10*time.Hour)
	w.use["a"], w.down = gpu(100), errDown
	w.run(11 * time.Minute)
	if w.budgets["a"] != gpu(500) || len(w.reports) != 0 || len(w.s.Waiting()) != 1 {
		t.Errorf("the edge has %v; %s", w.budgets["a"], w.told())
	}
	w.down = nil
	w.run(5 * time.Second)
	if w.gpu("a") != 500 || w.told() != "shrink 500 done at 11m5s; " {
		t.Error(w.told())
	}
	// Of what was never taken nothing has to be put right.
	w.use["a"], w.down = gpu(500), errDown
	w.run(time.Hour)
	w.down = nil
	if w.gpu("a") != 500 || len(w.reports) != 2 || w.reports[1].Outcome != order.GivenUp {
		t.Error(w.told())
	}
}

// An amount that was taken though the answer was lost is given, or, where it is not needed any more or nobody answers, given back.
func TestB91AccountWhoseAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		what string
		then func(*world)
		want int64
	}{
		{"it answers again", func(w *world) { w.mute = nil }, 1300},
		{"not needed any more", func(w *world) { w.use["a"] = gpu(600); w.run(5 * time.Minute); w.mute = nil }, 1000},
		{"given up", func(w *world) { w.run(time.Hour); w.mute = nil }, 1000},
	} {
		w := newWorld(t, quick(), gpu(1300)) // with the amount taken nothing is free
		w.start("a", 1000, 10*time.Hour)
		w.use["a"], w.mute = gpu(1000), errDown
		w.run(10*time.Minute + 30*time.Second)
		if !w.node.Free().IsZero() {
			t.Fatalf("%s: free %v", c.what, w.node.Free())
		}
		c.then(w)
		w.run(time.Minute)
		if got := w.gpu("a"); got != c.want || len(w.reports) != 1 {
			t.Errorf("%s: it has %d; %s", c.what, got, w.told())
		}
	}
}

// A task that ends while its orders wait makes them void, and nothing is left.
func TestB91TaskThatEndsWhileAnOrderWaits(t *testing.T) {
	w := newWorld(t, share(), gpu(2100))
	w.start("a", 1000, 100*time.Hour)
	w.start("b", 1000, 100*time.Hour)
	w.use["a"], w.use["b"] = gpu(400), gpu(1000)
	w.run(10 * time.Minute)
	if len(w.s.Waiting()) != 2 {
		t.Fatalf("%v wait; %s", w.s.Waiting(), w.told())
	}
	w.end("a")
	w.end("b")
	w.run(time.Hour)
	if w.told() != "shrink 700 void at 10m0s; expand 300 void at 10m0s; " || w.node.Free() != gpu(2100) {
		t.Error(w.told())
	}
	if _, due := w.s.Next(); due {
		t.Error("something is due with no task")
	}

	// Neither the scaler nor the edge knows yet that it has gone.
	w.start("c", 1000, 100*time.Hour)
	w.use["c"] = gpu(1000)
	w.run(9*time.Minute + 30*time.Second)
	w.node.End("c")
	w.run(time.Minute)
	if r := w.reports[2]; r.Outcome != order.Void {
		t.Errorf("%+v", r)
	}
}
