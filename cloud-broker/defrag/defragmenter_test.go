package defrag_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
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

// pair are two nodes with one task each, that together have the room that another one needs.
func pair(t *testing.T) *world {
	t.Helper()
	c := defrag.Default()
	c.Hold, c.Every = 10*time.Second, 5*time.Second
	w := newWorld(t, c)
	for _, id := range []nodeID{"a", "b"} {
		w.add(id, nodetime.Config{Total: gpu(1000)})
		if err := w.place(taskID(id+"1"), id, gpu(250), 10*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// A round after which there is nothing left to move is not in vain: fragments that come up later are looked after at once.
func TestB7DoesNotRestWhereThereWasNothingToMove(t *testing.T) {
	w := pair(t)
	w.run(5 * time.Minute)
	if w.at("a1") != "b" || len(w.rounds) != 2 || w.rounds[1] != (defrag.Round{Why: defrag.Fragments, Labelled: 1, Ended: true, Moved: 1}) {
		t.Fatalf("a1 is on %s: %+v", w.at("a1"), w.rounds)
	}
	if err := w.place("a2", "a", gpu(250), time.Hour); err != nil {
		t.Fatal(err)
	}
	w.waiting = []nodetime.Amounts{gpu(900)}
	w.run(2 * time.Minute)
	if w.at("a2") != "b" {
		t.Errorf("a2 is on %s: %+v", w.at("a2"), w.rounds)
	}
}

// A task that begins to wait has its round, whatever was in vain before; one for which a round was in vain waits until the pool
// has rested.
func TestB7ATaskThatBeginsToWaitEndsTheRest(t *testing.T) {
	w := pair(t)
	w.refuses = errDown
	w.run(2 * time.Minute)
	if len(w.rounds) != 2 || w.rounds[1].Rests != time.Hour {
		t.Fatalf("%+v", w.rounds)
	}
	w.waiting = []nodetime.Amounts{gpu(900)}
	w.run(10 * time.Minute)
	if len(w.rounds) != 4 || w.rounds[3] != (defrag.Round{Why: defrag.Waiting, Labelled: 1, Ended: true, Rests: time.Hour}) {
		t.Fatalf("%+v", w.rounds)
	}
	w.refuses = nil
	w.waiting = []nodetime.Amounts{gpu(900), gpu(800)}
	w.run(2 * time.Minute)
	if w.at("a1") != "b" {
		t.Errorf("a1 is on %s: %+v", w.at("a1"), w.rounds)
	}
}

// What was moved by hand stays there, until it has settled or another task waits for room; and the conditions must hold anew.
func TestB7ATaskThatWasMovedByHandSettles(t *testing.T) {
	for _, waits := range []bool{false, true} {
		w := pair(t)
		w.run(2 * time.Minute) // both are on b
		if err := w.Migrator.Move(ctx, "a1", migrator.ByHand, "a", w.clock); err != nil {
			t.Fatal(err)
		}
		w.run(time.Minute)
		if waits {
			w.waiting = []nodetime.Amounts{gpu(900)}
		}
		w.run(10 * time.Minute)
		if got := w.at("a1") == "b"; got != waits {
			t.Errorf("another waits: %t; a1 is on %s; %s", waits, w.at("a1"), w.told())
		}
		w.run(3 * time.Hour)
		if w.at("a1") != "b" {
			t.Errorf("it has settled, and is on %s", w.at("a1"))
		}
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
	if err := w.Migrator.Drain(ctx, "b", migrator.Drain, w.clock); err != nil {
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
		{func(c *defrag.Config) { c.Settle = -1 }, "settle"},
		{func(c *defrag.Config) { c.Threshold = gpu(500) }, "threshold of gpuMilli is 500 and preset 499"},
		{func(c *defrag.Config) { c.Hold = time.Second }, "hold (W-e) is 1s, shorter"},
		{func(c *defrag.Config) { c.Window = 0 }, "W2"},
		{func(c *defrag.Config) { c.Most = 0 }, "at least 1"},
		{func(c *defrag.Config) { c.Migration.Wait = 0 }, "W-f"},
		{func(c *defrag.Config) { c.Migration.GiveUp = c.Migration.Wait }, "room-give-up (W-g) is"},
		{func(c *defrag.Config) { c.Migration.Handover = 0 }, "handover"},
		{func(c *defrag.Config) { c.Migration.AtOnce = 0 }, "at-once"},
	} {
		config := defrag.Default()
		c.change(&config)
		if _, err := defrag.New(config, defrag.Outside{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}
