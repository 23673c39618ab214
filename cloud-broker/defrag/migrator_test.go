package defrag_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
)

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

// Draining a node is the same path: all its tasks move, to where placement says.
func TestB8DrainingANodeMovesAllItsTasks(t *testing.T) {
	w := halves(t, defrag.Default())
	w.cordon["b"] = true
	w.run(time.Minute)
	if err := w.Migrator.Drain(ctx, "b", migrator.Drain, w.clock); err != nil {
		t.Fatal(err)
	}
	w.run(2 * time.Minute)
	if w.nodes["b"].Free() != gpu(1000) || strings.Count(w.told(), "moved") != 2 {
		t.Errorf("b has %v free; %s", w.nodes["b"].Free(), w.told())
	}
	if err := w.Migrator.Drain(ctx, "nowhere", migrator.Drain, w.clock); !errors.Is(err, migrator.ErrLost) {
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
	_ = w.Migrator.Drain(ctx, "s", migrator.Drain, w.clock)
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

// A drain whose handovers fail is tried again ever later: each takes the terminal's time.
func TestB8DrainTriesFailedHandoversEverLater(t *testing.T) {
	w := newWorld(t, defrag.Default())
	w.lazy = true
	w.add("s", nodetime.Config{Total: gpu(1000)})
	w.add("t", nodetime.Config{Total: gpu(1000)})
	_ = w.place("m", "s", gpu(500), time.Hour)
	w.cordon["s"] = true
	w.run(time.Minute)
	_ = w.Migrator.Drain(ctx, "s", migrator.Drain, w.clock)
	for range 600 {
		w.Migrator.Failed(ctx, "m", errors.New("the page cannot reach it"), w.clock)
		w.run(time.Second)
	}
	if n := len(w.begun); n < 4 || n > 10 {
		t.Errorf("%d handovers in 10 minutes", n)
	}
	if w.at("m") != "s" {
		t.Errorf("m is on %s", w.at("m"))
	}
}
