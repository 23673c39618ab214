package pool_test

import (
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// A user's quota bounds what is allocated beforehand (B1): what his tasks hold together, whoever places them, and no more is
// placed until some of it is given back.
func TestB1QuotaBoundsWhatACreatorHolds(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		p.register(edge("e2"), 0)
		two := signaling.Resources{EncoderSessions: 2}
		mine := func(task string) pool.Claim {
			c := claim(task, "e1", "e2")
			c.Quota = two
			return c
		}
		first := p.claim(mine("t1"))
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: first.Attempt.ID, State: signaling.TaskRunning}))
		_, err := p.Adopt(p.ctx, pool.Adoption{Task: "t2", Attempt: "a2", Node: "e2", Request: rendering(), Creator: "anna", Quota: two})
		p.must(err) // an edge that took a task itself counts as well
		c := mine("t3")
		c.Key = "k"
		_, err = p.Claim(p.ctx, c)
		p.wantErr(err, pool.ErrQuota)
		_, err = p.Adopt(p.ctx, pool.Adoption{Task: "t4", Attempt: "a4", Node: "e2", Request: rendering(), Creator: "anna", Quota: two})
		p.wantErr(err, pool.ErrQuota)
		p.wantFree("e1", 1)
		p.wantFree("e2", 1)
		if n := p.rdb.HLen(p.ctx, prefix+":keys").Val(); n != 0 {
			t.Errorf("a refused request left its key")
		}

		other := mine("t5") // somebody else's quota is his own
		other.Creator = "bert"
		p.claim(other)
		again := p.claim(mine("t1")) // who asks again gets what he has
		if again.Attempt.ID != first.Attempt.ID {
			t.Errorf("the same task got %+v", again)
		}

		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: first.Attempt.ID, State: signaling.TaskFinished}))
		p.claim(c)
		if n := p.rdb.SCard(p.ctx, prefix+":mine:"+pool.Pseudonym("anna")).Val(); n != 2 {
			t.Errorf("%d tasks are remembered: what has ended is forgotten", n)
		}
		p.audited()
	})
}

// What counts is what a task holds now: what was given back by shrinking can be had again, and a kind without a bound is free.
func TestB1QuotaCountsWhatIsHeldNow(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		bound := func(task string) pool.Claim {
			c := claim(task, "e1")
			c.Quota = signaling.Resources{GPUMilli: 400}
			return c
		}
		r := p.claim(bound("t1"))
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskRunning}))
		_, err := p.Claim(p.ctx, bound("t2"))
		p.wantErr(err, pool.ErrQuota)
		less := r.Resources
		less.GPUMilli = 100
		p.must(p.Resize(p.ctx, "t1", r.Attempt.ID, less))
		p.claim(bound("t2"))
		p.audited()
	})
}

// What edges bring back counts, too, as after a loss of Redis, or where a quota was configured while tasks ran (B1).
func TestB1QuotaCountsWhatComesBack(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		r := p.runs("t1", "e1")
		p.must(p.rdb.FlushDB(p.ctx).Err())
		p.register(edge("e1"), r.Attempt.Fencing, entry(r, signaling.TaskRunning))
		c := claim("t2", "e1")
		c.Quota = signaling.Resources{EncoderSessions: 1}
		_, err := p.Claim(p.ctx, c)
		p.wantErr(err, pool.ErrQuota)
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		p.claim(c)
		p.audited()
	})
}

// A task whose node went away under it has a miss more, which makes it ask for a node that stays longer (B4); one that was refused
// has not.
func TestB4MissesAreCounted(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		p.register(edge("e2"), 0)
		refused := p.claim(claim("t1", "e1"))
		_, err := p.Release(p.ctx, "t1", refused.Attempt.ID, signaling.TaskPlacing, "it refused", nil)
		p.must(err)
		if m := p.wantTask("t1", signaling.TaskPlacing).Misses; m != 0 {
			t.Errorf("a refusal counts as %d misses", m)
		}
		r := p.runs("t1", "e1")
		_, err = p.Release(p.ctx, "t1", r.Attempt.ID, signaling.TaskPlacing, "node e1 is gone", nil)
		p.must(err)
		if m := p.wantTask("t1", signaling.TaskPlacing).Misses; m != 1 {
			t.Errorf("a lost node counts as %d misses", m)
		}
		p.runs("t1", "e1")
		standby, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"e2"}, signaling.Resources{}, 0)
		p.must(err)
		p.must(p.Confirm(p.ctx, standby.Attempt.ID))
		p.beat("e2", standby.Attempt.ID)
		p.age(time.Minute)
		p.beat("e2", standby.Attempt.ID)
		p.sweep()
		if m := p.wantTask("t1", signaling.TaskPlacing).Misses; m != 2 {
			t.Errorf("after its edge was lost there are %d misses", m)
		}
	})
}
