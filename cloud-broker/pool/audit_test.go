package pool_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Audit finds what is broken, and says so in words.
func TestAuditFindsFaults(t *testing.T) {
	at := func(r signaling.Reservation) string { return prefix + ":attempt:" + string(r.Attempt.ID) }
	for want, harm := range map[string]func(p fixture, one, two signaling.Reservation){
		"its capacity less its reservations": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.HSet(p.ctx, prefix+":node:a", "f", "1 2 3 4 5").Err())
		},
		"of task t1 have the same token": func(p fixture, one, _ signaling.Reservation) {
			s, err := p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"b"}, signaling.Resources{}, 0)
			p.must(err)
			f := strings.Fields(p.rdb.Get(p.ctx, at(s)).Val())
			f[2] = strings.Fields(p.rdb.Get(p.ctx, at(one)).Val())[2]
			p.must(p.rdb.Set(p.ctx, at(s), strings.Join(f, " "), 0).Err())
			p.must(p.rdb.HSet(p.ctx, prefix+":task:t1", "standby", strings.Join([]string{string(s.Attempt.ID), "b", f[2], "0"}, " ")).Err())
		},
		"held twice": func(p fixture, one, _ signaling.Reservation) {
			p.must(p.rdb.HSet(p.ctx, prefix+":node:b", "a:"+string(one.Attempt.ID), "").Err())
		},
		"does not list it": func(p fixture, one, _ signaling.Reservation) {
			p.must(p.rdb.HDel(p.ctx, prefix+":node:a", "a:"+string(one.Attempt.ID)).Err())
		},
		"has no record": func(p fixture, one, _ signaling.Reservation) {
			p.must(p.rdb.Del(p.ctx, at(one)).Err())
		},
		"never given": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.Set(p.ctx, prefix+":fencing", 1, 0).Err())
		},
		"which is not held": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.HSet(p.ctx, prefix+":task:t1", "standby", "a-gone b 7 0").Err())
		},
		"does not wait for one": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.ZRem(p.ctx, prefix+":placing", "w1").Err())
		},
		"waits in the queue and is": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.ZAdd(p.ctx, prefix+":urgent", redis.Z{Score: 5, Member: "t1"}).Err())
		},
		"though task t1 is finished": func(p fixture, _, _ signaling.Reservation) {
			p.must(p.rdb.HSet(p.ctx, prefix+":task:t1", "state", "finished").Err())
		},
	} {
		onBoth(t, pool.Options{}, func(p fixture) {
			p.register(edge("a"), 0)
			p.register(edge("b"), 0)
			one, two := p.runs("t1", "a"), p.runs("t2", "b")
			p.enqueue("w1", "anna", false)
			if a := p.audited(); a.Nodes != 2 || a.Attempts != 2 || a.Tasks != 3 || a.Waiting != 1 || a.Strays != 0 {
				p.t.Fatalf("audit %+v", a)
			}
			harm(p, one, two)
			a, err := p.Audit(p.ctx)
			p.must(err)
			if !strings.Contains(strings.Join(a.Problems, "; "), want) {
				p.t.Errorf("problems %v, want one with %q", a.Problems, want)
			}
		})
	}
}

// More than a page of everything.
func TestAuditLooksAtAll(t *testing.T) {
	onBoth(t, pool.Options{MaxWaiting: 1000}, func(p fixture) {
		for i := range 230 {
			p.register(edge(name("n", i)), 0)
			p.runs(name("t", i), name("n", i))
			p.enqueue(name("w", i), "anna", i%2 == 0)
		}
		if a := p.audited(); a.Nodes != 230 || a.Attempts != 230 || a.Tasks != 460 || a.Waiting != 230 {
			p.t.Fatalf("audit %+v", a)
		}
	})
}
