package pool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// shadow claims a standby and has its edge confirm it.
func (f fixture) shadow(task string, nodes ...string) signaling.Reservation {
	f.t.Helper()
	r, err := f.ClaimShadow(f.ctx, signaling.TaskID(task), claim(task, nodes...).Candidates, signaling.Resources{}, 0)
	f.must(err)
	f.must(f.Confirm(f.ctx, r.Attempt.ID))
	return r
}

func shadowEntry(r signaling.Reservation) signaling.LedgerEntry {
	e := entry(r, signaling.TaskRunning)
	e.Shadow = true
	return e
}

func TestA12ShadowTakesOver(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for _, id := range []string{"a", "b", "c"} {
			p.register(edge(id), 0)
		}
		_, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"b"}, signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrNotFound)
		first := p.runs("t1", "a")
		_, err = p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"a", "unknown"}, signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrNoneFits) // it is of no use on the same node
		_, err = p.Promote(p.ctx, "t1")
		p.wantErr(err, pool.ErrNotFound)

		r, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"a", "b", "c"}, signaling.Resources{}, 0)
		p.must(err)
		if r.Attempt.Node != "b" || r.Resources != needs || r.Confirmed || r.LeaseMs != 10_000 || r.Attempt.Fencing <= first.Attempt.Fencing {
			p.t.Fatalf("standby is %+v", r)
		}
		_, err = p.Promote(p.ctx, "t1") // its edge has not confirmed
		p.wantErr(err, pool.ErrNotFound)
		p.must(p.Confirm(p.ctx, r.Attempt.ID))
		again, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"c"}, signaling.Resources{}, 0)
		p.must(err)
		if again.Attempt != r.Attempt || !again.Confirmed || again.Resources != needs || again.LeaseMs < 20_000 {
			p.t.Fatalf("asked again: %+v", again)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); *task.Shadow != r.Attempt || *task.Attempt != first.Attempt {
			p.t.Fatalf("task is %+v", task)
		}
		if a := p.audited(); a.Attempts != 1 || a.Shadows != 1 {
			p.t.Fatalf("audit %+v", a)
		}
		// What the shadow's edge reports of itself is not the task's state.
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskReserved}))
		p.wantTask("t1", signaling.TaskRunning)

		attempt, err := p.Promote(p.ctx, "t1")
		p.must(err)
		if attempt.ID != r.Attempt.ID || attempt.Node != "b" || attempt.Fencing <= r.Attempt.Fencing {
			p.t.Fatalf("promoted %+v", attempt)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); *task.Attempt != attempt || task.Shadow != nil {
			p.t.Fatalf("task is %+v", task)
		}
		p.wantFree("a", 0)
		p.wantFree("b", 1)
		// The edge that was overruled hears of it; the shadow's, which has not heard of its promotion, keeps it.
		if ended := p.register(edge("a"), 0, entry(first, signaling.TaskRunning)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		if ended := p.register(edge("b"), 0, shadowEntry(r)); len(ended) != 0 {
			p.t.Fatalf("ended %v", ended)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); *task.Attempt != attempt {
			p.t.Fatalf("attempt is %+v, want %+v", task.Attempt, attempt)
		}
		p.audited()

		// Another shadow, and the end of the task: both are released.
		second := p.shadow("t1", "c")
		standby, err := p.Report(p.ctx, "b", signaling.Update{Task: "t1", Attempt: attempt.ID, State: signaling.TaskFinished})
		p.must(err)
		if standby == nil || standby.ID != second.Attempt.ID || standby.Node != "c" || standby.Fencing != second.Attempt.Fencing {
			p.t.Fatalf("released with the task: %+v, want %+v", standby, second.Attempt)
		}
		for _, id := range []string{"a", "b", "c"} {
			p.wantFree(id, 0)
		}
		if ended := p.register(edge("c"), 0, shadowEntry(second)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		_, err = p.Promote(p.ctx, "t1")
		p.wantErr(err, pool.ErrEnded)
		_, err = p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"a"}, signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrEnded)
		p.audited()
	})
}

// The task's edge is lost: the task waits for its shadow to be promoted, and does not fail.
func TestA12ShadowOutlivesTheEdge(t *testing.T) {
	for _, how := range []string{"lost", "removed", "drained", "came back empty", "released"} {
		t.Run(how, func(t *testing.T) {
			onBoth(t, pool.Options{HeartbeatTTL: time.Hour}, func(p fixture) {
				p.register(edge("a"), 0)
				p.register(edge("b"), 0)
				first := p.runs("t1", "a")
				shadow := p.shadow("t1", "b")
				switch how {
				case "lost":
					p.age(20 * time.Second)
					p.beat("b", shadow.Attempt.ID)
					p.age(15 * time.Second)
					if r := p.sweep()[string(first.Attempt.ID)]; r.State != signaling.TaskPlacing {
						p.t.Fatalf("released %+v", r)
					}
				case "removed":
					p.must(p.Remove(p.ctx, "a"))
				case "drained":
					p.must(p.Drain(p.ctx, "a", time.Minute))
					p.beat("a", first.Attempt.ID)
					p.age(10 * time.Second)
					p.must(p.Drain(p.ctx, "a", time.Millisecond))
					p.age(time.Second)
					if r := p.sweep()[string(first.Attempt.ID)]; r.State != signaling.TaskPlacing || r.Attempt.Fencing <= first.Attempt.Fencing {
						p.t.Fatalf("released %+v", r)
					}
				case "came back empty":
					p.register(edge("a"), 0)
				case "released":
					_, err := p.Release(p.ctx, "t1", "", signaling.TaskPlacing, "node a is gone", nil)
					p.must(err)
				}
				if task := p.wantTask("t1", signaling.TaskPlacing); task.Attempt != nil || task.Shadow == nil || *task.Shadow != shadow.Attempt {
					p.t.Fatalf("task is %+v", task)
				}
				p.audited()
				attempt, err := p.Promote(p.ctx, "t1")
				p.must(err)
				p.wantTask("t1", signaling.TaskReserved)
				p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: attempt.ID, State: signaling.TaskRunning}))
				p.wantFree("b", 1)
				p.age(20 * time.Second)
				if released := p.sweep(); len(released) != 0 { // it waits no more
					p.t.Fatalf("released %+v", released)
				}
				if ended := p.register(edge("a"), 0, entry(first, signaling.TaskRunning)); len(ended) != 1 {
					p.t.Fatalf("ended %v", ended)
				}
				p.audited()
			})
		})
	}
}

func TestA12ShadowAndItsEnds(t *testing.T) {
	onBoth(t, pool.Options{HeartbeatTTL: time.Hour}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		first := p.runs("t1", "a")
		// An unconfirmed shadow is no help: the task fails with its edge, and the shadow goes.
		r, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"b"}, needs, time.Hour)
		p.must(err)
		p.age(40 * time.Second)
		released := p.sweep()
		if released[string(first.Attempt.ID)].State != signaling.TaskFailed || released[string(r.Attempt.ID)].State != "" ||
			released[string(r.Attempt.ID)].Attempt.Node != "b" {
			p.t.Fatalf("released %+v", released)
		}
		p.wantFree("b", 0)

		// Nobody promotes it: the task expires, and the shadow with it.
		first = p.runs("t2", "a")
		shadow := p.shadow("t2", "b")
		p.age(20 * time.Second)
		p.beat("b", shadow.Attempt.ID)
		p.age(12 * time.Second)
		p.sweep()
		p.wantTask("t2", signaling.TaskPlacing)
		p.beat("b", shadow.Attempt.ID)
		p.age(20 * time.Second)
		released = p.sweep()
		if released["t2"].State != signaling.TaskExpired || released[string(shadow.Attempt.ID)].Attempt.Node != "b" {
			p.t.Fatalf("released %+v", released)
		}
		p.wantFree("b", 0)

		// The edge comes back before that: the task goes on, with its shadow.
		first = p.runs("t3", "a")
		shadow = p.shadow("t3", "b")
		p.age(20 * time.Second)
		p.beat("b", shadow.Attempt.ID)
		p.age(12 * time.Second)
		p.sweep()
		if ended := p.register(edge("a"), 0, entry(first, signaling.TaskRunning)); len(ended) != 0 {
			p.t.Fatalf("ended %v", ended)
		}
		if task := p.wantTask("t3", signaling.TaskRunning); task.Shadow == nil || *task.Attempt != first.Attempt {
			p.t.Fatalf("task is %+v", task)
		}
		p.audited()

		// The shadow is lost, or its edge gives it up: the task goes on without.
		p.age(20 * time.Second)
		p.beat("a", first.Attempt.ID)
		p.age(12 * time.Second)
		if r := p.sweep()[string(shadow.Attempt.ID)]; r.Task != "t3" || r.State != "" {
			p.t.Fatalf("released %+v", r)
		}
		if task := p.wantTask("t3", signaling.TaskRunning); task.Shadow != nil {
			p.t.Fatalf("task is %+v", task)
		}
		if ended := p.register(edge("b"), 0, shadowEntry(shadow)); len(ended) != 0 { // it is back
			p.t.Fatalf("ended %v", ended)
		}
		p.must(p.Update(p.ctx, signaling.Update{Task: "t3", Attempt: shadow.Attempt.ID, State: signaling.TaskFailed}))
		p.wantTask("t3", signaling.TaskRunning)
		p.wantFree("b", 0)

		// The broker drops it: its edge's ledger does not bring it back.
		shadow = p.shadow("t3", "b")
		p.must(p.DropShadow(p.ctx, "t3", "not wanted any more"))
		p.wantErr(p.DropShadow(p.ctx, "t3", "not wanted any more"), pool.ErrNotFound)
		p.wantFree("b", 0)
		if ended := p.register(edge("b"), 0, shadowEntry(shadow)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		// Its node is drained: the same, and the task goes on.
		p.must(p.Cordon(p.ctx, "b", false))
		drained := p.shadow("t3", "b")
		p.must(p.Drain(p.ctx, "b", time.Millisecond))
		p.age(time.Second)
		if r := p.sweep()[string(drained.Attempt.ID)]; r.Task != "t3" || r.State != "" || r.Attempt.Fencing <= drained.Attempt.Fencing {
			p.t.Fatalf("released %+v", r)
		}
		p.wantTask("t3", signaling.TaskRunning)
		if ended := p.register(edge("b"), 0, shadowEntry(drained)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		p.must(p.Cordon(p.ctx, "b", false))
		// Two edges have one: the newer is it.
		p.register(edge("c"), 0)
		newer := p.shadow("t3", "c")
		p.must(p.rdb.HDel(p.ctx, prefix+":task:t3", "dropped").Err())
		if ended := p.register(edge("b"), 0, shadowEntry(shadow)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		if task := p.wantTask("t3", signaling.TaskRunning); *task.Shadow != newer.Attempt {
			p.t.Fatalf("task is %+v", task)
		}
		_, err = p.Release(p.ctx, "t3", "", signaling.TaskFinished, "done", nil)
		p.must(err)
		for _, id := range []string{"a", "b", "c"} {
			p.wantFree(id, 0)
		}
		p.audited()
	})
}

// Redis loses everything: task and shadow come back as what they are, whoever registers first, with the request.
func TestShadowComesBackFromTheLedger(t *testing.T) {
	for _, shadowFirst := range []bool{true, false} {
		onBoth(t, pool.Options{}, func(p fixture) {
			p.register(edge("a"), 0)
			p.register(edge("b"), 0)
			first := p.runs("t1", "a")
			shadow := p.shadow("t1", "b")
			request := rendering()
			request.Shadow = true
			one, two := entry(first, signaling.TaskRunning), shadowEntry(shadow)
			one.Request, two.Request = &request, &request
			p.must(p.rdb.FlushAll(p.ctx).Err())
			if shadowFirst {
				p.register(edge("b"), shadow.Attempt.Fencing, two)
				if task := p.wantTask("t1", signaling.TaskPlacing); task.Attempt != nil || *task.Shadow != shadow.Attempt || task.Creator != "anna" {
					p.t.Fatalf("task is %+v", task)
				}
				p.audited()
				p.register(edge("a"), first.Attempt.Fencing, one)
			} else {
				p.register(edge("a"), first.Attempt.Fencing, one)
				p.register(edge("b"), shadow.Attempt.Fencing, two)
			}
			task := p.wantTask("t1", signaling.TaskRunning)
			if *task.Attempt != first.Attempt || task.Shadow == nil || *task.Shadow != shadow.Attempt {
				p.t.Fatalf("task is %+v", task)
			}
			if !task.Request.Shadow || task.Request.Series == nil || task.Request.Validate() != nil { // it can be placed again
				p.t.Fatalf("request is %+v", task.Request)
			}
			p.audited()
			if a, err := p.Promote(p.ctx, "t1"); err != nil || a.Fencing <= shadow.Attempt.Fencing {
				p.t.Fatalf("promoted %+v, %v", a, err)
			}
			p.audited()
		})
	}
}

// Without the task's own edge the shadow alone does not keep the task for ever.
func TestShadowAloneExpires(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		shadow := signaling.Reservation{Task: "t1", Attempt: signaling.Attempt{ID: "a-1", Node: "b", Fencing: 7}, Resources: needs}
		p.register(edge("b"), 7, shadowEntry(shadow))
		p.wantFree("b", 1)
		p.age(20 * time.Second)
		p.sweep()
		p.wantTask("t1", signaling.TaskExpired)
		p.wantFree("b", 0)
		if ended := p.register(edge("b"), 7, shadowEntry(shadow)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		p.audited()
	})
}

func TestView(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		r := p.runs("t1", "a")
		_, err := p.View(p.ctx, "t1")
		p.wantErr(err, pool.ErrNotFound)
		keep := func(attempt signaling.AttemptID, revision int64, view string) error {
			return p.KeepView(p.ctx, signaling.ViewReport{Task: "t1", Attempt: attempt, Revision: revision, View: []byte(view)})
		}
		p.must(keep(r.Attempt.ID, 5, `{"window": "a b"}`))
		p.must(keep(r.Attempt.ID, 4, `{"late":true}`))
		v, err := p.View(p.ctx, "t1")
		p.must(err)
		if v.Task != "t1" || v.Attempt != r.Attempt.ID || v.Revision != 5 || string(v.View) != `{"window": "a b"}` {
			p.t.Fatalf("view is %+v", v)
		}
		p.wantErr(keep("a-other", 9, `{}`), pool.ErrNotFound)
		if err := keep(r.Attempt.ID, 6, strings.Repeat("x", signaling.MaxViewReport+1)); err == nil {
			p.t.Error("a view of any size was kept")
		}
		// After a shadow took over, revisions begin anew.
		p.shadow("t1", "b")
		next, err := p.Promote(p.ctx, "t1")
		p.must(err)
		p.must(keep(next.ID, 1, `{"next":true}`))
		if v, err := p.View(p.ctx, "t1"); err != nil || v.Revision != 1 {
			p.t.Fatalf("view is %+v, %v", v, err)
		}
		_, err = p.Release(p.ctx, "t1", "", signaling.TaskFinished, "", nil)
		p.must(err)
		_, err = p.View(p.ctx, "t1")
		p.wantErr(err, pool.ErrNotFound)
		p.wantErr(keep(next.ID, 2, `{}`), pool.ErrNotFound)
	})
}
