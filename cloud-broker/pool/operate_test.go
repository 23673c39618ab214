package pool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func (f fixture) wantState(id string, want signaling.NodeState) pool.NodeStatus {
	f.t.Helper()
	n, err := f.Node(f.ctx, signaling.NodeID(id))
	f.must(err)
	if n.State != want {
		f.t.Fatalf("node %s is %s, want %s", id, n.State, want)
	}
	return n
}

// A cordoned node takes nothing new, whatever it says and however often it comes back; what runs there goes on.
func TestCordon(t *testing.T) {
	onBoth(t, pool.Options{ForgetLost: time.Hour}, func(p fixture) {
		p.wantErr(p.Cordon(p.ctx, "a", true), pool.ErrUnknownNode)
		p.register(edge("a"), 0)
		r := p.runs("t1", "a")
		p.must(p.Cordon(p.ctx, "a", true))
		if n := p.wantState("a", signaling.NodeCordoned); !n.Cordoned || n.Draining || n.Reservations != 1 {
			p.t.Fatalf("node is %+v", n)
		}
		_, err := p.Claim(p.ctx, claim("t2", "a"))
		p.wantErr(err, pool.ErrNoneFits)
		p.beat("a", r.Attempt.ID)
		p.wantState("a", signaling.NodeCordoned)
		p.register(edge("a"), 0, entry(r, signaling.TaskRunning))
		p.wantState("a", signaling.NodeCordoned)
		p.wantTask("t1", signaling.TaskRunning)
		// A node that stops is draining, also when it is cordoned.
		p.must(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeDraining, Attempts: []signaling.AttemptID{r.Attempt.ID}}))
		p.wantState("a", signaling.NodeDraining)
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))

		p.age(2 * time.Hour) // it is lost, and forgotten after another hour
		p.sweep()
		p.wantState("a", signaling.NodeLost)
		p.must(p.Cordon(p.ctx, "a", true))
		p.age(2 * time.Hour)
		p.sweep()
		_, err = p.Node(p.ctx, "a")
		p.wantErr(err, pool.ErrUnknownNode)
		p.register(edge("a"), 0)
		p.wantState("a", signaling.NodeCordoned)

		p.must(p.Cordon(p.ctx, "a", false))
		p.wantState("a", signaling.NodeReady)
		p.claim(claim("t3", "a"))
		p.must(p.Cordon(p.ctx, "a", true))
		p.must(p.Remove(p.ctx, "a")) // forgotten with all that was said of it
		p.register(edge("a"), 0)
		p.wantState("a", signaling.NodeReady)
		p.audited()
	})
}

// A drain releases what still runs at its deadline, and only that.
func TestDrainWithDeadline(t *testing.T) {
	onBoth(t, pool.Options{Lease: time.Hour, HeartbeatTTL: time.Hour}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		one, two, other := p.runs("t1", "a"), p.runs("t2", "a"), p.runs("t3", "b")
		if err := p.Drain(p.ctx, "a", -time.Second); err == nil {
			p.t.Error("drained within less than nothing")
		}
		p.must(p.Drain(p.ctx, "a", 0))
		if n := p.wantState("a", signaling.NodeDraining); n.DrainUntil != nil || !n.Draining {
			p.t.Fatalf("node is %+v", n)
		}
		p.must(p.Drain(p.ctx, "a", time.Minute))
		n := p.wantState("a", signaling.NodeDraining)
		if n.DrainUntil == nil || time.Until(*n.DrainUntil) > time.Minute+5*time.Second {
			p.t.Fatalf("node is drained until %v", n.DrainUntil)
		}
		p.must(p.Cordon(p.ctx, "a", true)) // it stays draining
		p.beat("a", one.Attempt.ID, two.Attempt.ID)
		p.wantState("a", signaling.NodeDraining)
		if released := p.sweep(); len(released) != 0 {
			p.t.Fatalf("released %v before the deadline", released)
		}
		p.age(2 * time.Minute)
		released, _, err := p.Sweep(p.ctx, 1) // bounded: the rest comes with the next
		p.must(err)
		more, _, err := p.Sweep(p.ctx, 1)
		p.must(err)
		released = append(released, more...)
		if len(released) != 2 {
			p.t.Fatalf("released %+v", released)
		}
		for _, r := range released {
			before := one
			if r.Task == "t2" {
				before = two
			}
			if r.State != signaling.TaskFailed || !strings.Contains(r.Reason, "drained") || r.Attempt.ID != before.Attempt.ID ||
				r.Attempt.Fencing <= before.Attempt.Fencing {
				p.t.Fatalf("released %+v", r)
			}
		}
		p.wantTask("t3", signaling.TaskRunning)
		p.wantFree("a", 0)
		// Its ledger, which has not heard of it yet, brings nothing back.
		if ended := p.register(edge("a"), 0, entry(one, signaling.TaskRunning), entry(two, signaling.TaskRunning)); len(ended) != 2 {
			p.t.Fatalf("ended %v", ended)
		}
		p.wantState("a", signaling.NodeDraining)
		p.must(p.Cordon(p.ctx, "a", false))
		p.wantState("a", signaling.NodeReady)
		p.must(p.Confirm(p.ctx, other.Attempt.ID))
		p.audited()
	})
}

// What an operator says of a node holds in place of what it registers with, now and later (A10).
func TestA10Override(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		zone, distance := "ward-7", 12.5
		o := &signaling.Override{Types: []signaling.TaskType{signaling.Training}, Capacity: &signaling.Resources{GPUMilli: 500, GPUMemoryMB: 1 << 20,
			EncoderSessions: 2, CPUMilli: 2000, MemoryMB: 4096}, Zone: &zone, DistanceMs: &distance}
		p.must(p.SetOverride(p.ctx, "a", o)) // before it is there
		in, err := p.Register(p.ctx, edge("a"), 0, nil)
		p.must(err)
		check := func(n signaling.Node) {
			p.t.Helper()
			if n.Zone != zone || n.DistanceMs != distance || len(n.Types) != 1 || n.Types[0] != signaling.Training || n.Capacity.GPUMilli != 500 ||
				n.Capacity.GPUMemoryMB != capacity.GPUMemoryMB {
				p.t.Fatalf("node is %+v", n)
			}
		}
		check(in.Node)
		n := p.node("a")
		check(n.Node)
		if n.Override == nil || *n.Override.Zone != zone {
			p.t.Fatalf("status has override %+v", n.Override)
		}
		_, err = p.Claim(p.ctx, claim("t1", "a")) // it does not render any more
		p.wantErr(err, pool.ErrNoneFits)

		p.must(p.SetOverride(p.ctx, "a", nil))
		if n := p.node("a"); n.Zone != "" || n.Free != capacity || n.Override != nil {
			p.t.Fatalf("node is %+v", n)
		}
		p.claim(claim("t1", "a"))
		p.must(p.SetOverride(p.ctx, "a", &signaling.Override{Capacity: &needs})) // while it runs something
		n = p.node("a")
		if n.Capacity != needs || !n.Free.IsZero() {
			p.t.Fatalf("node is %+v", n)
		}
		_, err = p.Claim(p.ctx, claim("t2", "a"))
		p.wantErr(err, pool.ErrNoneFits)
		p.audited()
		all, err := p.Overrides(p.ctx)
		p.must(err)
		if len(all) != 1 || *all["a"].Capacity != needs {
			p.t.Fatalf("overrides are %+v", all)
		}
		// As the node registers again the override is in it still, and taking it back gives what it last registered with.
		other := edge("a")
		other.Zone = "ward-9"
		_, err = p.Register(p.ctx, other, 0, nil)
		p.must(err)
		if n := p.node("a"); n.Capacity != needs || n.Zone != "ward-9" {
			p.t.Fatalf("node is %+v", n)
		}
		p.must(p.SetOverride(p.ctx, "a", nil))
		if n := p.node("a"); n.Capacity != capacity {
			p.t.Fatalf("node is %+v", n)
		}
		p.audited()
		for what, bad := range map[string]*signaling.Override{
			"types": {Types: []signaling.TaskType{"cooking"}}, "capacity": {Capacity: &signaling.Resources{CPUMilli: -1}}, "zone": {Zone: new(string)},
		} {
			if what == "zone" {
				*bad.Zone = "no zone"
			}
			if err := p.SetOverride(p.ctx, "a", bad); err == nil || !strings.Contains(err.Error(), what) {
				p.t.Errorf("bad %s: %v", what, err)
			}
		}
	})
}
