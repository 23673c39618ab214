package defrag_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
)

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
