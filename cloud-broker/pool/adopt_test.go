package pool_test

import (
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func adoption(task, attempt, node string) pool.Adoption {
	return pool.Adoption{Task: signaling.TaskID(task), Attempt: signaling.AttemptID(attempt), Node: signaling.NodeID(node), Request: rendering(), Creator: "anna"}
}

// A free edge accepts a terminal's request by itself; the pool knows it from then on as if it had claimed it (A2).
func TestA2AdoptedTask(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		a := adoption("t1", "a-1", "a")
		a.Key = "k"
		r, err := p.Adopt(p.ctx, a)
		p.must(err)
		if !r.Confirmed || r.Task != "t1" || r.Attempt.ID != "a-1" || r.Attempt.Node != "a" || r.Attempt.Fencing < 1 || r.Resources != needs || r.LeaseMs != 30_000 {
			p.t.Fatalf("adopted %+v", r)
		}
		if task := p.wantTask("t1", signaling.TaskReserved); *task.Attempt != r.Attempt || task.Creator != "anna" || task.Request.Series == nil {
			p.t.Fatalf("task is %+v", task)
		}
		p.wantFree("a", 1)
		again, err := p.Adopt(p.ctx, a)
		p.must(err)
		if again != r {
			p.t.Fatalf("adopted again %+v, before %+v", again, r)
		}
		p.wantFree("a", 1)
		p.beat("a", "a-1")

		// The key is the same as a claim's: whoever asks again, anywhere, is told where it runs.
		c := claim("t9", "b")
		c.Key = "k"
		if got := p.claim(c); got.Task != "t1" || got.Attempt != r.Attempt || !got.Confirmed {
			p.t.Fatalf("claim with the key gave %+v", got)
		}
		elsewhere := adoption("t8", "a-8", "b")
		elsewhere.Key = "k"
		got, err := p.Adopt(p.ctx, elsewhere)
		p.wantErr(err, pool.ErrElsewhere)
		if got.Task != "t1" || got.Attempt != r.Attempt {
			p.t.Fatalf("elsewhere is %+v", got)
		}
		elsewhere.Request.MaxDistanceMs = 9
		_, err = p.Adopt(p.ctx, elsewhere)
		p.wantErr(err, pool.ErrKeyReused)
		p.wantFree("b", 0)
		p.audited()

		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: "a-1", State: signaling.TaskFinished}))
		_, err = p.Adopt(p.ctx, a)
		p.wantErr(err, pool.ErrEnded)
		p.wantFree("a", 0)
	})
}

// The pool refuses what it has no room for: it may have given the room away, or the node away from work.
func TestAdoptWhereNothingIsFree(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		_, err := p.Adopt(p.ctx, adoption("t1", "a-1", "a"))
		p.wantErr(err, pool.ErrNoneFits) // not registered
		p.register(edge("a"), 0)
		for i := range 4 {
			p.claim(claim(name("t", i), "a"))
		}
		_, err = p.Adopt(p.ctx, adoption("t9", "a-9", "a"))
		p.wantErr(err, pool.ErrNoneFits)
		_, err = p.Task(p.ctx, "t9")
		p.wantErr(err, pool.ErrNotFound)
		p.register(edge("b"), 0)
		p.must(p.Cordon(p.ctx, "b", true))
		_, err = p.Adopt(p.ctx, adoption("t9", "a-9", "b"))
		p.wantErr(err, pool.ErrNoneFits)
		training := adoption("t9", "a-9", "b")
		p.must(p.Cordon(p.ctx, "b", false))
		training.Request.Type = signaling.Training
		_, err = p.Adopt(p.ctx, training)
		p.wantErr(err, pool.ErrNoneFits)

		// A task that has a place, or waits under another id, is not taken twice.
		_, err = p.Adopt(p.ctx, adoption("t0", "a-9", "b"))
		p.wantErr(err, pool.ErrElsewhere)
		_, err = p.Enqueue(p.ctx, "k", signaling.Task{ID: "w1", Request: rendering(), Creator: "anna"}, false)
		p.must(err)
		other := adoption("t9", "a-9", "b")
		other.Key = "k"
		got, err := p.Adopt(p.ctx, other)
		p.wantErr(err, pool.ErrElsewhere)
		if got.Task != "w1" || got.Attempt.ID != "" {
			p.t.Fatalf("elsewhere is %+v", got)
		}
		other.Task = "w1" // under its own id it leaves the queue
		_, err = p.Adopt(p.ctx, other)
		p.must(err)
		p.wantQueue()
		p.wantTask("w1", signaling.TaskReserved)
		p.wantFree("b", 1)

		p.register(twoGPUs("g"), 0)
		gpu := adoption("t5", "a-5", "g")
		gpu.GPU = 1
		r, err := p.Adopt(p.ctx, gpu)
		p.must(err)
		if r.Attempt.GPU != 1 || p.node("g").FreeGPUs[1].Milli != 250 {
			p.t.Fatalf("adopted %+v", r)
		}
		gpu.Task, gpu.Attempt, gpu.GPU = "t6", "a-6", 2
		_, err = p.Adopt(p.ctx, gpu)
		p.wantErr(err, pool.ErrNoneFits)
		p.audited()
		for what, edit := range map[string]func(*pool.Adoption){
			"task":      func(a *pool.Adoption) { a.Task = "" },
			"attempt":   func(a *pool.Adoption) { a.Attempt = "a b" },
			"node":      func(a *pool.Adoption) { a.Node = "" },
			"GPU":       func(a *pool.Adoption) { a.GPU = -1 },
			"type":      func(a *pool.Adoption) { a.Request.Type = "cooking" },
			"resources": func(a *pool.Adoption) { a.Needs.CPUMilli = -1 },
		} {
			bad := adoption("t7", "a-7", "b")
			edit(&bad)
			if _, err := p.Adopt(p.ctx, bad); err == nil || !strings.Contains(err.Error(), what) {
				p.t.Errorf("bad %s: %v", what, err)
			}
		}
	})
}

// TestA2TasksTakenAlone have the newest token that their edge knew: one for all of them, which orders each before whatever the
// pool gives its task later.
func TestA2TasksTakenAlone(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		known := p.runs("t0", "a")
		alone := func(task string) signaling.LedgerEntry {
			return entry(signaling.Reservation{Task: signaling.TaskID(task), Resources: needs, Attempt: signaling.Attempt{
				ID: signaling.AttemptID("a-" + task), Node: "a", Fencing: known.Attempt.Fencing}}, signaling.TaskReserved)
		}
		ledger := []signaling.LedgerEntry{entry(known, signaling.TaskRunning), alone("t1"), alone("t2")}
		if over := p.register(edge("a"), known.Attempt.Fencing, ledger...); len(over) > 0 {
			p.t.Fatalf("overruled: %v", over)
		}
		p.wantFree("a", 3)
		p.audited()
		shadow, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"b"}, signaling.Resources{}, 0)
		p.must(err)
		p.must(p.Confirm(p.ctx, shadow.Attempt.ID))
		a, err := p.Promote(p.ctx, "t1")
		p.must(err)
		fencing, err := p.Release(p.ctx, "t2", "", signaling.TaskFinished, "", nil)
		p.must(err)
		if a.Fencing <= known.Attempt.Fencing || fencing <= known.Attempt.Fencing {
			p.t.Errorf("the tokens %d and %d do not overrule %d", a.Fencing, fencing, known.Attempt.Fencing)
		}
		if over := p.register(edge("a"), known.Attempt.Fencing, ledger...); len(over) != 2 {
			p.t.Errorf("overruled: %v, want those of t1 and t2", over)
		}
		p.audited()
	})
}
