package pool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func TestRegisterAndHeartbeat(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.wantErr(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady}), pool.ErrUnknownNode)
		n := edge("a")
		n.State, n.Zone, n.DirectURL = signaling.NodeStarting, "ward-3", "wss://a.example/signal"
		p.register(n, 0)
		_, err := p.Claim(p.ctx, claim("t1", "a"))
		p.wantErr(err, pool.ErrNoneFits) // not ready yet
		load := signaling.Load{GPUMilli: 100, CPUMilli: 2500, MemoryMB: 900, Sessions: 2}
		p.must(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Load: load}))
		got := p.node("a")
		if got.State != signaling.NodeReady || got.Zone != "ward-3" || got.DirectURL != n.DirectURL || got.Free != capacity || got.Capacity != capacity ||
			got.Load != load || got.Tier != signaling.TierEdge || len(got.Types) != 2 || time.Since(got.SeenAt).Abs() > time.Minute {
			p.t.Fatalf("node is %+v", got)
		}
		r := p.claim(claim("t1", "a"))
		err = p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Load: load, Attempts: []signaling.AttemptID{r.Attempt.ID, "a-unknown"}})
		p.wantErr(err, pool.ErrUnknownNode)
		if !strings.Contains(err.Error(), "a-unknown") || strings.Contains(err.Error(), string(r.Attempt.ID)) {
			p.t.Fatalf("error names the wrong attempts: %v", err)
		}
		p.must(p.SetState(p.ctx, "a", signaling.NodeDraining))
		_, err = p.Claim(p.ctx, claim("t2", "a"))
		p.wantErr(err, pool.ErrNoneFits)
		p.wantErr(p.SetState(p.ctx, "b", signaling.NodeDraining), pool.ErrUnknownNode)

		p.must(p.Remove(p.ctx, "a"))
		if task := p.wantTask("t1", signaling.TaskFailed); !strings.Contains(task.Reason, "removed") {
			p.t.Fatalf("reason %q", task.Reason)
		}
		p.wantErr(p.Remove(p.ctx, "a"), pool.ErrUnknownNode)
		p.wantErr(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Load: load}), pool.ErrUnknownNode)
	})
}

func TestHeartbeatRenewsOnlyItsOwn(t *testing.T) {
	onBoth(t, pool.Options{HeartbeatTTL: time.Hour}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		mine, foreign, forgotten := p.claim(claim("t1", "a")), p.claim(claim("t2", "b")), p.claim(claim("t3", "a"))
		for _, r := range []signaling.Reservation{mine, foreign, forgotten} {
			p.must(p.Confirm(p.ctx, r.Attempt.ID))
		}
		p.age(29 * time.Second)
		err := p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{mine.Attempt.ID, foreign.Attempt.ID}})
		p.wantErr(err, pool.ErrUnknownNode)
		p.age(2 * time.Second)
		released, _, err := p.Sweep(p.ctx, 10)
		p.must(err)
		if len(released) != 2 {
			p.t.Fatalf("released %+v, want t2 and t3", released)
		}
		p.wantTask("t1", signaling.TaskReserved)
		p.wantTask("t2", signaling.TaskFailed)
		if task := p.wantTask("t3", signaling.TaskFailed); !strings.Contains(task.Reason, "no longer reports") {
			p.t.Fatalf("reason %q", task.Reason)
		}
		p.wantFree("a", 1)
		p.wantFree("b", 0)
	})
}

// A confirmed reservation that the ledger does not have any more is given up long before its lease ends, but not by one
// heartbeat that was on its way when the edge confirmed.
func TestWhatTheLedgerHasLostIsGivenUpSoon(t *testing.T) {
	onBoth(t, pool.Options{HeartbeatTTL: time.Hour}, func(p fixture) {
		p.register(edge("a"), 0)
		crossed, gone, waits := p.claim(claim("t1", "a")), p.claim(claim("t2", "a")), p.claim(claim("t3", "a"))
		p.must(p.Confirm(p.ctx, crossed.Attempt.ID))
		p.must(p.Confirm(p.ctx, gone.Attempt.ID))
		p.must(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady}))
		beat := signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{crossed.Attempt.ID}}
		p.age(3 * time.Second)
		p.must(p.Heartbeat(p.ctx, "a", beat))
		released, _, err := p.Sweep(p.ctx, 10)
		p.must(err)
		if len(released) != 0 {
			p.t.Fatalf("released %+v after 3 s", released)
		}
		p.age(3 * time.Second)
		p.must(p.Heartbeat(p.ctx, "a", beat))
		released, _, err = p.Sweep(p.ctx, 10)
		p.must(err)
		if len(released) != 1 || released[0].Task != "t2" {
			p.t.Fatalf("released %+v, want t2", released)
		}
		p.wantTask("t1", signaling.TaskReserved)
		p.wantTask(waits.Task, signaling.TaskPlacing)
	})
}

// The ledger decides what runs on a node, and the pool follows it.
func TestRegisterWithLedger(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		kept, lost, onTheWay, moved := p.claim(claim("kept", "a")), p.claim(claim("lost", "a")), p.claim(claim("way", "a")), p.claim(claim("moved", "a"))
		p.must(p.Confirm(p.ctx, kept.Attempt.ID))
		p.must(p.Confirm(p.ctx, lost.Attempt.ID))
		_, err := p.Release(p.ctx, "moved", "", signaling.TaskPlacing, "", nil)
		p.must(err)
		p.claim(claim("moved", "b"))
		finished := p.claim(claim("finished", "a"))
		_, err = p.Release(p.ctx, "finished", "", signaling.TaskFinished, "", nil)
		p.must(err)

		unheard := signaling.LedgerEntry{Task: "unheard", Attempt: signaling.Attempt{ID: "a-x", Node: "a", Fencing: 900}, Type: signaling.Rendering,
			Resources: needs, State: signaling.TaskReserved, Creator: "ben"}
		ended := p.register(edge("a"), 0, entry(kept, signaling.TaskRunning), entry(moved, signaling.TaskRunning),
			entry(finished, signaling.TaskRunning), unheard)
		if len(ended) != 2 || ended[0] != moved.Attempt.ID || ended[1] != finished.Attempt.ID {
			p.t.Fatalf("ended %v, want %s and %s", ended, moved.Attempt.ID, finished.Attempt.ID)
		}
		p.wantFree("a", 3) // kept, on the way, unheard
		p.wantFree("b", 1)
		if task := p.wantTask("kept", signaling.TaskRunning); task.StartedAt == nil {
			p.t.Fatalf("kept is %+v", task)
		}
		p.wantTask("lost", signaling.TaskFailed)
		p.wantTask("way", signaling.TaskPlacing)
		p.wantTask("finished", signaling.TaskFinished)
		if task := p.wantTask("moved", signaling.TaskPlacing); task.Attempt.Node != "b" {
			p.t.Fatalf("moved is %+v", task)
		}
		if task := p.wantTask("unheard", signaling.TaskReserved); task.Attempt.ID != "a-x" || task.Creator != "ben" || task.Request.Needs() != needs {
			p.t.Fatalf("unheard is %+v", task)
		}
		if r := p.claim(claim("next", "b")); r.Attempt.Fencing <= 900 {
			p.t.Fatalf("token %d is not above the ledger's 900", r.Attempt.Fencing)
		}
		p.must(p.Confirm(p.ctx, onTheWay.Attempt.ID))
		p.wantTask("way", signaling.TaskReserved)
	})
}

// All that Redis held is lost; edges and grants go on.
func TestRedisLoss(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 5000)
		r := p.claim(claim("t1", "a"))
		if r.Attempt.Fencing <= 5000 {
			p.t.Fatalf("token %d is not above the epoch", r.Attempt.Fencing)
		}
		p.must(p.Confirm(p.ctx, r.Attempt.ID))
		p.must(p.rdb.FlushAll(p.ctx).Err())
		p.must(p.rdb.ScriptFlush(p.ctx).Err())

		p.wantErr(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{r.Attempt.ID}}), pool.ErrUnknownNode)
		p.wantErr(p.Confirm(p.ctx, r.Attempt.ID), pool.ErrNotFound)
		// Another edge, which has seen little, is the first to register with a broker that was not there before:
		// until a comes back, nobody could know better.
		fresh := open(p.t, p.rdb, pool.Options{})
		fresh.register(edge("b"), 3)
		// But the broker that has been there knows.
		if s := p.claim(claim("t2", "b")); s.Attempt.Fencing <= r.Attempt.Fencing {
			p.t.Fatalf("token %d after the loss, %d before", s.Attempt.Fencing, r.Attempt.Fencing)
		}
		if ended := fresh.register(edge("a"), r.Attempt.Fencing, entry(r, signaling.TaskRunning)); len(ended) != 0 {
			p.t.Fatalf("the rebuilt pool ended %v", ended)
		}
		p.wantFree("a", 1)
		p.wantTask("t1", signaling.TaskRunning)
		p.must(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{r.Attempt.ID}}))
		if s := fresh.claim(claim("t3", "a")); s.Attempt.Fencing <= r.Attempt.Fencing {
			p.t.Fatalf("token %d after the loss, %d before", s.Attempt.Fencing, r.Attempt.Fencing)
		}
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		p.wantFree("a", 1)
	})
}

// Two edges hold attempts of one task after the loss: the newer token wins whoever comes first.
func TestNewerAttemptWinsAfterLoss(t *testing.T) {
	for _, newerFirst := range []bool{true, false} {
		onBoth(t, pool.Options{}, func(p fixture) {
			old := signaling.LedgerEntry{Task: "t1", Attempt: signaling.Attempt{ID: "a-old", Node: "a", Fencing: 7}, Type: signaling.Rendering,
				Resources: needs, State: signaling.TaskRunning}
			newer := old
			newer.Attempt = signaling.Attempt{ID: "a-new", Node: "b", Fencing: 9}
			if newerFirst {
				p.register(edge("b"), 9, newer)
			} else {
				p.register(edge("a"), 7, old)
				p.wantFree("a", 1)
				p.register(edge("b"), 9, newer)
				p.wantErr(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{"a-old"}}), pool.ErrUnknownNode)
			}
			if ended := p.register(edge("a"), 7, old); len(ended) != 1 || ended[0] != "a-old" {
				p.t.Fatalf("ended %v, want a-old", ended)
			}
			p.wantFree("a", 0)
			p.wantFree("b", 1)
			if task := p.wantTask("t1", signaling.TaskRunning); task.Attempt.ID != "a-new" {
				p.t.Fatalf("attempt is %+v", task.Attempt)
			}
		})
	}
}

func TestSmallerCapacityIsNotOverbooked(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		var ledger []signaling.LedgerEntry
		for i := range 3 {
			ledger = append(ledger, entry(p.claim(claim(name("t", i), "a")), signaling.TaskRunning))
		}
		n := edge("a")
		n.Capacity = needs
		p.register(n, 0, ledger...)
		if free := p.node("a").Free; free.GPUMilli != -2*needs.GPUMilli {
			p.t.Fatalf("free is %+v", free)
		}
		tiny := claim("t9", "a")
		tiny.Request.Type, tiny.Needs = signaling.DataComputation, signaling.Resources{CPUMilli: 1}
		_, err := p.Claim(p.ctx, tiny)
		p.wantErr(err, pool.ErrNoneFits)
		for i := range 3 {
			_, err := p.Release(p.ctx, signaling.TaskID(name("t", i)), "", signaling.TaskFinished, "", nil)
			p.must(err)
		}
		if free := p.node("a").Free; free != needs {
			p.t.Fatalf("free is %+v, want %+v", free, needs)
		}
	})
}

func TestBadRegistrations(t *testing.T) {
	good := signaling.LedgerEntry{Task: "t1", Attempt: signaling.Attempt{ID: "a-1", Node: "a", Fencing: 1}, Type: signaling.Rendering, State: signaling.TaskRunning}
	onBoth(t, pool.Options{}, func(p fixture) {
		for what, edit := range map[string]func(*signaling.Node, *int64, *[]signaling.LedgerEntry){
			"id":                     func(n *signaling.Node, _ *int64, _ *[]signaling.LedgerEntry) { n.ID = "a:b" },
			"capacity":               func(n *signaling.Node, _ *int64, _ *[]signaling.LedgerEntry) { n.Capacity.CPUMilli = -5 },
			"state":                  func(n *signaling.Node, _ *int64, _ *[]signaling.LedgerEntry) { n.State = signaling.NodeLost },
			"epoch -1":               func(_ *signaling.Node, e *int64, _ *[]signaling.LedgerEntry) { *e = -1 },
			"epoch 9007199254740993": func(_ *signaling.Node, e *int64, _ *[]signaling.LedgerEntry) { *e = 1<<53 + 1 },
			"ledger has": func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) {
				*l = make([]signaling.LedgerEntry, 5000)
			},
			"twice":   func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) { *l = append(*l, good) },
			"of node": func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) { (*l)[0].Attempt.Node = "b" },
			"task":    func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) { (*l)[0].Task = "" },
			"reserved or running": func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) {
				(*l)[0].State = signaling.TaskFailed
			},
			"fencing": func(_ *signaling.Node, _ *int64, l *[]signaling.LedgerEntry) { (*l)[0].Attempt.Fencing = 1 << 60 },
		} {
			n, epoch, ledger := edge("a"), int64(1), []signaling.LedgerEntry{good}
			edit(&n, &epoch, &ledger)
			if _, err := p.Register(p.ctx, n, epoch, ledger); err == nil || !strings.Contains(err.Error(), what) {
				p.t.Errorf("%s: %v", what, err)
			}
		}
		nodes, err := p.Nodes(p.ctx, "", 10)
		p.must(err)
		if len(nodes) != 0 {
			p.t.Fatalf("a bad registration left %+v", nodes)
		}
		if err := p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeLost}); err == nil {
			p.t.Error("a heartbeat said lost")
		}
	})
}
