package defrag_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
)

// halves are three nodes of one GPU: a with 250 thousandths in use, b with 500, c with 750.
func halves(t *testing.T, c defrag.Config) *world {
	t.Helper()
	w := newWorld(t, c)
	for _, id := range []nodeID{"a", "b", "c"} {
		w.add(id, nodetime.Config{Total: gpu(1000)})
	}
	for id, on := range map[taskID]nodeID{"a1": "a", "b1": "b", "b2": "b", "c1": "c", "c2": "c", "c3": "c"} {
		if err := w.place(id, on, gpu(250), 10*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// At least two nodes' free amounts are above a preset throughout W-e: then, and not before, tasks move together.
func TestB7TwoNodesAboveThePresetThroughoutWe(t *testing.T) {
	w := halves(t, defrag.Default())
	w.run(9 * time.Minute)
	if len(w.reports) != 0 || len(w.Defragmenter.Labels()) != 0 {
		t.Errorf("before W-e: %s", w.told())
	}
	w.run(2 * time.Minute)
	if w.at("a1") != "c" || w.nodes["a"].Free() != gpu(1000) || w.nodes["c"].Free() != gpu(0) {
		t.Errorf("a1 is on %s; %s", w.at("a1"), w.told())
	}
}

// A condition that is broken meanwhile begins anew.
func TestB7ConditionMustHoldThroughout(t *testing.T) {
	w := halves(t, defrag.Default())
	w.run(8 * time.Minute)
	if err := w.place("x", "a", gpu(300), time.Hour); err != nil { // now only b is above the preset
		t.Fatal(err)
	}
	w.run(time.Minute)
	w.finish("x")
	w.run(8 * time.Minute)
	if len(w.reports) != 0 {
		t.Errorf("W-e was broken, and yet: %s", w.told())
	}
	w.run(3 * time.Minute)
	if w.at("a1") != "c" {
		t.Error("not moved in the end")
	}
}

// Or: at least one task is not scheduled while the sum of the free amounts exceeds its request.
func TestB7TaskNotScheduledWhileTheSumExceedsItsRequest(t *testing.T) {
	for _, c := range []struct {
		request int64
		want    nodeID
	}{{1000, "c"}, {1499, "c"}, {1500, "a"}, {1600, "a"}, {500, "a"}} {
		config := defrag.Default()
		config.Preset = nodetime.Amounts{} // the first condition never holds
		w := halves(t, config)
		w.run(15 * time.Minute)
		if len(w.reports) != 0 {
			t.Fatalf("nothing waits, and yet: %s", w.told())
		}
		// 1500 are free in all, at most 750 of them on one node.
		w.waiting = []nodetime.Amounts{gpu(c.request)}
		w.run(12 * time.Minute)
		if got := w.at("a1"); got != c.want {
			t.Errorf("%d wait: a1 is on %s; %s", c.request, got, w.told())
		}
		if c.request == 1000 && !gpu(1000).Fits(w.nodes["a"].Free()) {
			t.Error("there is no room for what waits")
		}
	}
}

// After a round in which nothing could move the pool rests.
func TestB7RestsAfterARoundInVain(t *testing.T) {
	w := halves(t, defrag.Default())
	w.refuses = errDown
	w.run(11 * time.Minute)
	n := len(w.reports)
	if n == 0 || strings.Contains(w.told(), "moved") {
		t.Fatal(w.told())
	}
	w.run(55 * time.Minute)
	if len(w.reports) != n {
		t.Errorf("it did not rest: %s", w.told())
	}
	w.refuses = nil
	w.run(10 * time.Minute)
	if w.at("a1") != "c" {
		t.Error(w.told())
	}
}

// Candidates are nodes whose free amount is above a threshold: tiny fragments are ignored. The tasks on candidates are marked.
func TestB7CandidatesByThresholdAndLabels(t *testing.T) {
	config := defrag.Default()
	w := halves(t, config)
	if err := w.place("c4", "c", gpu(160), time.Hour); err != nil { // 90 are free there: a tiny fragment
		t.Fatal(err)
	}
	w.lazy = true
	w.run(11 * time.Minute)
	if got := w.Defragmenter.Labels(); len(got) != 1 || got["a1"] != "a" {
		t.Errorf("labels %v", got)
	}
	if len(w.begun) != 1 || w.begun[0].To != "b" {
		t.Errorf("handovers %+v", w.begun)
	}
}

// The target is another candidate, the one with the highest average use over W2.
func TestB7TargetHasTheHighestAverageUse(t *testing.T) {
	config := defrag.Default()
	config.Window = 30 * time.Minute
	w := halves(t, config)
	w.cordon["a"], w.cordon["b"] = true, true // no condition holds
	w.run(40 * time.Minute)
	w.finish("c1")
	w.finish("c2") // now c is used less than b, but it was used more on average
	w.cordon["a"], w.cordon["b"] = false, false
	w.lazy = true
	w.run(11 * time.Minute)
	for _, h := range w.begun {
		if h.Task.ID == "a1" && h.To != "c" {
			t.Errorf("a1 goes to %s", h.To)
		}
	}
	if len(w.begun) < 2 {
		t.Errorf("%d handovers", len(w.begun))
	}
}

// waitingWorld has a task on s that is moved to t by hand, where 100 of 1000 are free; g is free but is not asked for.
func waitingWorld(t *testing.T, period time.Duration) *world {
	w := newWorld(t, defrag.Default())
	for _, id := range []nodeID{"s", "t"} {
		w.add(id, nodetime.Config{Total: gpu(1000), Period: period})
	}
	if err := errors.Join(w.place("m", "s", gpu(500), 10*time.Hour), w.place("big", "t", gpu(900), time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.run(time.Minute)
	if err := w.Migrator.Move(ctx, "m", migrator.ByHand, "t", w.clock); err != nil {
		t.Fatal(err)
	}
	return w
}

// The run information is saved: time run, time left = t1 - time run, past use; rate = past use / time run, need = rate x time left.
func TestB8RunInformation(t *testing.T) {
	w := newWorld(t, defrag.Default())
	w.lazy = true
	w.add("s", nodetime.Config{Total: gpu(1000)})
	w.add("t", nodetime.Config{Total: gpu(1000)})
	_ = w.place("m", "s", gpu(500), 10*time.Hour)
	w.tasks["m"].past = 3600 * 200
	w.run(2 * time.Hour)
	if err := w.Migrator.Move(ctx, "m", migrator.ByHand, "t", w.clock); err != nil {
		t.Fatal(err)
	}
	got := w.begun[0].Info
	if got.Ran != 2*time.Hour || got.Left != 8*time.Hour || got.Past[nodetime.GPUTime] != 720_000 || got.Rate[nodetime.GPUTime] != 100 ||
		got.Need[nodetime.GPUTime] != 100*8*3600 {
		t.Errorf("%+v", got)
	}
	if got.Past != w.begun[0].Task.Past {
		t.Errorf("past use %v", got.Past)
	}
	// What has outrun its prediction is predicted again.
	w.Migrator.Cancel(ctx, "m", "enough", w.clock)
	w.left = 3 * time.Hour
	w.run(10 * time.Hour)
	_ = w.Migrator.Move(ctx, "m", migrator.ByHand, "t", w.clock)
	if got := w.begun[1].Info; got.Ran != 12*time.Hour || got.Left != 3*time.Hour {
		t.Errorf("%+v", got)
	}
	// Where nothing is known of what is left, as long again; where a past use cannot be, all that the task has.
	w.Migrator.Cancel(ctx, "m", "enough", w.clock)
	w.left, w.tasks["m"].past = 0, math.NaN()
	_ = w.Migrator.Move(ctx, "m", migrator.ByHand, "t", w.clock)
	if got := w.begun[2].Info; got.Left != 12*time.Hour || got.Rate[nodetime.GPUTime] != 500 {
		t.Errorf("%+v", got)
	}
}

// Where the target's free total is below the need, the move waits, though the amount itself is free.
func TestB8TargetsFreeTotalIsTestedAgainstTheNeed(t *testing.T) {
	w := newWorld(t, defrag.Default())
	w.add("s", nodetime.Config{Total: gpu(1000)})
	windows, err := nodetime.NewWindows(nodetime.Window{Close: begin.Add(3 * time.Hour)}, nodetime.Window{Open: begin.Add(4 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	w.add("t", nodetime.Config{Total: gpu(500), Windows: windows})
	_ = w.place("m", "s", gpu(500), 5*time.Hour)
	w.run(2 * time.Hour) // it needs 500 for 3 h; t has 500 for 1 h, and from 4 h on for ever
	_ = w.Migrator.Move(ctx, "m", migrator.ByHand, "t", w.clock)
	w.run(1*time.Hour + 50*time.Minute)
	if m := w.Migrator.Moving(); len(m) != 1 || !strings.Contains(m[0].Why, "free in all") || w.at("m") != "s" {
		t.Errorf("%+v", m)
	}
	w.run(15 * time.Minute)
	if w.at("m") != "t" {
		t.Errorf("m is on %s; %s", w.at("m"), w.told())
	}
}

// It waits W-f, reads the room again, and moves when there is some.
func TestB8WaitsAndReadsAgain(t *testing.T) {
	w := waitingWorld(t, 0)
	w.run(8 * time.Minute)
	w.finish("big")
	w.run(time.Minute)
	if w.at("m") != "s" {
		t.Error("read again before W-f")
	}
	w.run(2 * time.Minute)
	if w.at("m") != "t" || w.told() != "by-hand m: s>t moved" {
		t.Errorf("m is on %s; %s", w.at("m"), w.told())
	}
}

// W-f is at least the target's circulation period.
func TestB8WaitIsAtLeastTheTargetsCirculationPeriod(t *testing.T) {
	w := waitingWorld(t, 45*time.Minute)
	w.finish("big")
	w.run(44 * time.Minute)
	if w.at("m") != "s" {
		t.Error("read again before the period was over")
	}
	w.run(2 * time.Minute)
	if w.at("m") != "t" {
		t.Error(w.told())
	}
}

// At W-g in all the move stops: the task is where it was, and was there all the time.
func TestB8StopsAtWg(t *testing.T) {
	w := waitingWorld(t, 0)
	w.run(2*time.Hour - time.Minute)
	if len(w.reports) != 0 {
		t.Errorf("before W-g: %s", w.told())
	}
	w.run(2 * time.Minute)
	if w.told() != "by-hand m: s>t stays" || w.at("m") != "s" || !strings.Contains(w.reports[0].Why, "t has 100 of gpuMilli free") {
		t.Errorf("m is on %s; %s: %s", w.at("m"), w.told(), w.reports[0].Why)
	}
}

// Or it chooses another target.
func TestB8ChoosesAnotherTargetAtWg(t *testing.T) {
	config := defrag.Default()
	config.Preset = nodetime.Amounts{}
	w := newWorld(t, config)
	for id, free := range map[nodeID]int64{"s": 500, "t": 100, "u": 1000} {
		w.add(id, nodetime.Config{Total: gpu(1000)})
		if free < 1000 {
			_ = w.place(taskID("on-"+id), id, gpu(1000-free), 10*time.Hour)
		}
	}
	w.cordon["u"] = true
	w.run(time.Minute)
	if err := w.Migrator.Move(ctx, "on-s", migrator.ByHand, "", w.clock); err != nil {
		t.Fatal(err)
	}
	w.run(time.Hour)
	w.cordon["u"] = false
	w.run(time.Hour + 2*time.Minute)
	if w.at("on-s") != "u" {
		t.Errorf("on-s is on %s; %s", w.at("on-s"), w.told())
	}
}

// Room is reserved on the target first; the task runs where it was until it goes on there, and holds nothing there afterwards.
func TestB8ReservesFirstAndReleasesLast(t *testing.T) {
	w := halves(t, defrag.Default())
	w.lazy = true
	w.run(time.Minute)
	if err := w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock); err != nil {
		t.Fatal(err)
	}
	if w.at("a1") != "a" || w.nodes["a"].Free() != gpu(750) || w.nodes["b"].Free() != gpu(250) {
		t.Errorf("a1 on %s; free %v and %v", w.at("a1"), w.nodes["a"].Free(), w.nodes["b"].Free())
	}
	w.Migrator.Arrived(ctx, "a1", w.clock)
	if w.at("a1") != "b" || w.nodes["a"].Free() != gpu(1000) || w.nodes["b"].Free() != gpu(250) {
		t.Errorf("a1 on %s; free %v and %v", w.at("a1"), w.nodes["a"].Free(), w.nodes["b"].Free())
	}
}

// A handover that fails, or takes too long, leaves the task where it was, and its reservation is given up.
func TestB8HandoverThatFailsLeavesTheTaskWhereItWas(t *testing.T) {
	for _, how := range []string{"fails", "too long", "refused"} {
		w := halves(t, defrag.Default())
		w.lazy = true
		w.run(time.Minute)
		if how == "refused" {
			w.refuses = errDown
		}
		_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock)
		switch how {
		case "fails":
			w.Migrator.Failed(ctx, "a1", errors.New("the page cannot reach it"), w.clock)
		case "too long":
			w.run(2*time.Minute + time.Second)
		}
		if w.at("a1") != "a" || w.told() != "by-hand a1: a>b stays" || w.nodes["b"].Free() != gpu(500) {
			t.Errorf("%s: a1 on %s, b has %v free; %s", how, w.at("a1"), w.nodes["b"].Free(), w.told())
		}
		if n, _ := w.Monitor.Node(ctx, "b"); len(w.stopped) != 1 || n.Free != gpu(500) {
			t.Errorf("%s: stopped %v; the monitor has %v free on b", how, w.stopped, n.Free)
		}
		// It arrives too late: nothing changes any more.
		w.Migrator.Arrived(ctx, "a1", w.clock)
		if w.at("a1") != "a" || len(w.reports) != 1 {
			t.Errorf("%s: %s", how, w.told())
		}
	}
}

// Draining a node is the same path: all its tasks move, to where placement says.
func TestB8DrainingANodeMovesAllItsTasks(t *testing.T) {
	w := halves(t, defrag.Default())
	w.cordon["b"] = true
	w.run(time.Minute)
	if err := w.Migrator.Drain(ctx, "b", w.clock); err != nil {
		t.Fatal(err)
	}
	w.run(2 * time.Minute)
	if w.nodes["b"].Free() != gpu(1000) || strings.Count(w.told(), "moved") != 2 {
		t.Errorf("b has %v free; %s", w.nodes["b"].Free(), w.told())
	}
	if err := w.Migrator.Drain(ctx, "nowhere", w.clock); !errors.Is(err, migrator.ErrLost) {
		t.Errorf("%v", err)
	}
}

// A drain that finds no room waits for it, a little, again and again.
func TestB8DrainWaitsForRoomAnywhere(t *testing.T) {
	w := newWorld(t, defrag.Default())
	w.add("s", nodetime.Config{Total: gpu(1000)})
	w.add("t", nodetime.Config{Total: gpu(1000)})
	_ = errors.Join(w.place("m", "s", gpu(500), time.Hour), w.place("x", "t", gpu(600), time.Hour))
	w.cordon["s"] = true
	w.run(time.Minute)
	_ = w.Migrator.Drain(ctx, "s", w.clock)
	w.run(10 * time.Minute)
	w.finish("x")
	w.run(2 * time.Minute)
	if w.at("m") != "t" {
		t.Errorf("m is on %s; %+v", w.at("m"), w.Migrator.Moving())
	}
}

// Losing a node is the same path: its tasks go on elsewhere, all at once, from what is known of them.
func TestB8LosingANodeMovesItsTasks(t *testing.T) {
	config := defrag.Default()
	config.Migration.AtOnce = 1
	w := halves(t, config)
	w.lazy = true
	w.run(time.Minute)
	tasks := w.lose("b")
	w.look()
	if err := w.Migrator.NodeLost(ctx, "b", tasks, w.clock); err != nil {
		t.Fatal(err)
	}
	if len(w.begun) != 2 || w.begun[0].Reason != migrator.Lost || w.begun[0].Info.Ran != time.Minute {
		t.Fatalf("handovers %+v", w.begun)
	}
	w.lazy = false
	w.arrive()
	if w.at("b1") == "" || w.at("b2") == "" || w.at("b1") == "b" {
		t.Error(w.told())
	}
}

// A target that vanishes in mid-move: another one is chosen, and the task has been where it was all the time.
func TestB8TargetThatVanishesInMidMove(t *testing.T) {
	w := halves(t, defrag.Default())
	w.lazy = true
	w.run(11 * time.Minute)
	if len(w.begun) == 0 || w.begun[0].Task.ID != "a1" || w.begun[0].To != "c" {
		t.Fatalf("%+v", w.begun)
	}
	lost := w.lose("c")
	w.look()
	if err := w.Migrator.NodeLost(ctx, "c", lost, w.clock); err != nil {
		t.Fatal(err)
	}
	if w.at("a1") != "a" {
		t.Errorf("a1 is on %s", w.at("a1"))
	}
	w.lazy = false
	w.run(5 * time.Minute)
	for _, id := range []taskID{"a1", "b1", "b2", "c1", "c2", "c3"} {
		if n := w.at(id); n != "a" && n != "b" {
			t.Errorf("%s is on %q", id, n)
		}
	}
}

// A user who finishes while moving: nothing is held anywhere, and the move has ended.
func TestB8UserWhoFinishesWhileMoving(t *testing.T) {
	for _, told := range []bool{true, false} {
		w := halves(t, defrag.Default())
		w.lazy = true
		w.run(time.Minute)
		_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock)
		w.finish("a1")
		if told {
			w.Migrator.TaskEnded(ctx, "a1", w.clock)
		} else { // the broker learns it when it commits
			w.Migrator.Arrived(ctx, "a1", w.clock)
		}
		if w.told() != "by-hand a1: a>b ended" || w.nodes["a"].Free() != gpu(1000) || w.nodes["b"].Free() != gpu(500) {
			t.Errorf("%s; free %v and %v", w.told(), w.nodes["a"].Free(), w.nodes["b"].Free())
		}
		if len(w.stopped) != 1 {
			t.Errorf("stopped %v", w.stopped)
		}
	}
}

// Of two brokers that want to move the same task the first to reserve does; the other one says so.
func TestB8TwoBrokersThatMoveTheSameTask(t *testing.T) {
	w := halves(t, defrag.Default())
	w.lazy = true
	w.run(time.Minute)
	other := newBroker(t, w.pool, defrag.Default(), "other", func() time.Time { return w.clock })
	other.look()
	_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock)
	_ = other.Migrator.Move(ctx, "a1", migrator.ByHand, "c", w.clock)
	if other.told() != "by-hand a1: a>c other" || w.nodes["c"].Free() != gpu(250) {
		t.Errorf("%s; c has %v free", other.told(), w.nodes["c"].Free())
	}
	w.Migrator.Arrived(ctx, "a1", w.clock)
	if w.at("a1") != "b" || w.told() != "by-hand a1: a>b moved" {
		t.Error(w.told())
	}
}

// A move that waits while another broker moves the task ends there.
func TestB8TaskThatAnotherBrokerHasMovedMeanwhile(t *testing.T) {
	w := waitingWorld(t, 0)
	w.add("u", nodetime.Config{Total: gpu(1000)})
	other := newBroker(t, w.pool, defrag.Default(), "other", func() time.Time { return w.clock })
	other.look()
	_ = other.Migrator.Move(ctx, "m", migrator.ByHand, "u", w.clock)
	other.Migrator.Arrived(ctx, "m", w.clock)
	w.finish("big")
	w.run(11 * time.Minute)
	if w.told() != "by-hand m: s>t other" || w.at("m") != "u" || w.reports[0].Why != "it is on u already" {
		t.Errorf("m is on %s; %s", w.at("m"), w.told())
	}
}

// A task whose node is lost while it moves has no place to stay: any other will do, whatever the move was for.
func TestB8SourceThatIsLostInMidMove(t *testing.T) {
	for _, how := range []string{"while it waits", "while it is handed over"} {
		w := waitingWorld(t, 0)
		w.add("u", nodetime.Config{Total: gpu(1000)})
		w.lazy = true
		if how != "while it waits" {
			w.finish("big")
			w.run(11 * time.Minute)
			if len(w.begun) != 1 {
				t.Fatalf("%+v", w.begun)
			}
			w.begun = nil
		}
		tasks := w.lose("s")
		w.look()
		_ = w.Migrator.NodeLost(ctx, "s", tasks, w.clock)
		if how != "while it waits" {
			w.Migrator.Failed(ctx, "m", errDown, w.clock)
			w.run(time.Second)
		}
		if len(w.begun) != 1 || w.begun[0].To != "u" || w.begun[0].Reason != migrator.Lost {
			t.Fatalf("%s: %+v; %+v", how, w.begun, w.Migrator.Moving())
		}
		w.lazy = false
		w.arrive()
		if w.at("m") != "u" || w.told() != "lost m: s>u moved" {
			t.Errorf("%s: m is on %s; %s", how, w.at("m"), w.told())
		}
	}
}

// A commit whose answer is lost is asked again; it is done once.
func TestB8CommitWhoseAnswerIsLost(t *testing.T) {
	for _, done := range []bool{true, false} {
		w := halves(t, defrag.Default())
		w.lazy = true
		w.run(time.Minute)
		_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock)
		w.fault = func() (error, error) { return errDown, nil }
		if done {
			w.fault = func() (error, error) { return nil, errDown }
		}
		w.Migrator.Arrived(ctx, "a1", w.clock)
		w.fault = func() (error, error) { return errDown, nil }
		w.run(5 * time.Minute) // longer than it is asked for
		if len(w.reports) != 0 {
			t.Errorf("nobody answers, and yet: %s", w.told())
		}
		w.fault = func() (error, error) { return nil, nil }
		w.run(10 * time.Second)
		want := "by-hand a1: a>b stays"
		if done {
			want = "by-hand a1: a>b moved"
		}
		if w.told() != want {
			t.Errorf("%s, want %s", w.told(), want)
		}
		if !done && len(w.stopped) != 1 {
			t.Errorf("stopped %v", w.stopped)
		}
		if done && len(w.stopped) != 0 {
			t.Errorf("what has moved was stopped: %v", w.stopped)
		}
	}
}

// The defragmenter labels, the target is picked, the migrator moves, the node monitor brings source and target up to date and
// reports success, and the defragmenter clears all labels.
func TestB92SuccessIsReportedByTheMonitorAndLabelsAreCleared(t *testing.T) {
	w := halves(t, defrag.Default())
	w.lazy = true
	w.run(11 * time.Minute)
	if got := w.Defragmenter.Labels(); fmt.Sprint(got) != "map[a1:a b1:b b2:b]" {
		t.Fatalf("labels %v", got)
	}
	// c is full now: for b's tasks there is no other candidate, which is a failure to the defragmenter.
	if w.told() != "defragment b1: b> stays; defragment b2: b> stays" {
		t.Error(w.told())
	}
	w.Migrator.Arrived(ctx, "a1", w.clock)
	if !strings.HasSuffix(w.told(), "; defragment a1: a>c moved") {
		t.Error(w.told())
	}
	nodes := w.Monitor.Nodes(w.clock)
	if nodes[0].Free != gpu(1000) || slices.Contains(nodes[0].Tasks, "a1") || !slices.Contains(nodes[2].Tasks, "a1") || nodes[2].Free != gpu(0) {
		t.Errorf("monitor: %+v", nodes)
	}
	if got := w.Defragmenter.Labels(); len(got) != 0 {
		t.Errorf("labels %v", got)
	}
}

// A labelled task that is drained meanwhile moves once, and the labels are cleared.
func TestB92DrainTakesOverFromDefragmentation(t *testing.T) {
	w := halves(t, defrag.Default())
	w.lazy = true
	w.run(11 * time.Minute)
	w.Migrator.Arrived(ctx, "a1", w.clock)
	w.cordon["b"] = true
	w.look()
	if err := w.Migrator.Drain(ctx, "b", w.clock); err != nil {
		t.Fatal(err)
	}
	w.lazy = false
	w.run(5 * time.Minute)
	if w.at("b1") != "a" || w.at("b2") != "a" || len(w.Defragmenter.Labels()) != 0 {
		t.Errorf("b1 on %s, b2 on %s; labels %v; %s", w.at("b1"), w.at("b2"), w.Defragmenter.Labels(), w.told())
	}
}

func TestB7ConfigurationsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		change func(*defrag.Config)
		want   string
	}{
		{func(c *defrag.Config) { c.Preset = gpu(-1) }, "preset of gpuMilli"},
		{func(c *defrag.Config) { c.Threshold = gpu(-1) }, "threshold of gpuMilli"},
		{func(c *defrag.Config) { c.Threshold = gpu(0) }, "no threshold"},
		{func(c *defrag.Config) { c.Hold = 0 }, "W-e"},
		{func(c *defrag.Config) { c.Rest = -1 }, "rest"},
		{func(c *defrag.Config) { c.Hold = time.Second }, "W-e is 1s, shorter"},
		{func(c *defrag.Config) { c.Window = 0 }, "W2"},
		{func(c *defrag.Config) { c.Most = 0 }, "at least 1"},
		{func(c *defrag.Config) { c.Migration.Wait = 0 }, "W-f"},
		{func(c *defrag.Config) { c.Migration.GiveUp = c.Migration.Wait }, "W-g must be longer than W-f"},
		{func(c *defrag.Config) { c.Migration.Handover = 0 }, "handover"},
		{func(c *defrag.Config) { c.Migration.AtOnce = 0 }, "at once"},
	} {
		config := defrag.Default()
		c.change(&config)
		if _, err := defrag.New(config, defrag.Outside{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

func TestB8MovesThatCannotBe(t *testing.T) {
	config := defrag.Default()
	config.Migration.AtOnce, config.Migration.Most = 1, 1
	w := halves(t, config)
	w.lazy = true
	w.run(time.Minute)
	_ = w.Migrator.Move(ctx, "nobody", migrator.ByHand, "", w.clock)
	_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "a", w.clock)
	_ = w.Migrator.Move(ctx, "a1", migrator.ByHand, "nowhere", w.clock)
	w.run(time.Second)
	if w.told() != "by-hand nobody: > ended; by-hand a1: a> stays; by-hand a1: a>nowhere stays" {
		t.Error(w.told())
	}
	if err := w.Migrator.Move(ctx, "a1", migrator.ByHand, "b", w.clock); err != nil {
		t.Fatal(err)
	}
	if err := w.Migrator.Move(ctx, "a1", migrator.ByHand, "c", w.clock); err == nil || !strings.Contains(err.Error(), "moves already") {
		t.Errorf("%v", err)
	}
	if err := w.Migrator.Move(ctx, "b1", migrator.ByHand, "c", w.clock); err == nil || !strings.Contains(err.Error(), "1 tasks move already") {
		t.Errorf("%v", err)
	}
	for _, s := range []nodemonitor.State{
		{Node: migrator.Node{ID: "z"}, Use: 1.5},
		{Node: migrator.Node{ID: "z", Free: gpu(2)}, Total: gpu(1)},
		{Node: migrator.Node{ID: "z", Free: gpu(-1)}, Total: gpu(1)},
	} {
		if w.Monitor.Note(s, w.clock) == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
