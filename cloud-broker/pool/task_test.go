package pool_test

import (
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func TestWaitingTask(t *testing.T) {
	onBoth(t, pool.Options{MaxPlacing: 2}, func(p fixture) {
		put := func(key, id string, state signaling.TaskState) (signaling.TaskID, error) {
			return p.PutTask(p.ctx, key, signaling.Task{ID: signaling.TaskID(id), State: state, Reason: "no edge is free", Request: rendering(), Creator: "anna"})
		}
		id, err := put("k", "t1", signaling.TaskPlacing)
		p.must(err)
		again, err := put("k", "t2", signaling.TaskPlacing)
		p.must(err)
		if id != "t1" || again != "t1" {
			p.t.Fatalf("one key gave tasks %s and %s", id, again)
		}
		if task := p.wantTask("t1", signaling.TaskPlacing); task.Reason != "no edge is free" || task.Attempt != nil {
			p.t.Fatalf("waiting task is %+v", task)
		}
		_, err = put("", "t3", signaling.TaskPlacing)
		p.must(err)
		_, err = put("", "t4", signaling.TaskPlacing)
		p.wantErr(err, pool.ErrFull)
		_, err = put("", "t3", signaling.TaskPlacing) // renewed, not another one
		p.must(err)

		p.register(edge("a"), 0)
		c := claim("t9", "a")
		c.Key = "k"
		if r := p.claim(c); r.Task != "t1" {
			p.t.Fatalf("the waiting task's key claimed for %s", r.Task)
		}
		_, err = put("", "t1", signaling.TaskFailed)
		p.wantErr(err, pool.ErrHeld)
		_, err = put("", "t4", signaling.TaskPlacing) // t1 waits no more
		p.must(err)

		_, err = put("", "t3", signaling.TaskExpired)
		p.must(err)
		_, err = put("", "t3", signaling.TaskPlacing)
		p.wantErr(err, pool.ErrEnded)
		p.wantTask("t3", signaling.TaskExpired)
		_, err = p.Claim(p.ctx, claim("t3", "a"))
		p.wantErr(err, pool.ErrEnded)
		_, err = put("", "t5", signaling.TaskRunning)
		if err == nil {
			p.t.Error("put a running task")
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	onBoth(t, pool.Options{HistoryLimit: 5}, func(p fixture) {
		p.register(edge("a"), 0)
		live := p.claim(claim("live", "a"))
		p.must(p.Confirm(p.ctx, live.Attempt.ID))
		for i := range 12 {
			c := claim(name("t", i), "a")
			c.Key = name("k", i)
			c.Request.Parameters = []byte(`"` + strings.Repeat("x", 5000) + `"`)
			r := p.claim(c)
			if task := p.wantTask(r.Task, signaling.TaskPlacing); len(task.Request.Parameters) != 5002 {
				p.t.Fatalf("parameters have %d bytes", len(task.Request.Parameters))
			}
			p.must(p.Update(p.ctx, signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
			if task := p.wantTask(r.Task, signaling.TaskFinished); len(task.Request.Parameters) != 0 {
				p.t.Fatal("large parameters outlive their task")
			}
		}
		h, err := p.History(p.ctx, 100)
		p.must(err)
		if len(h) != 5 {
			p.t.Fatalf("history has %d entries, want 5", len(h))
		}
		seen := map[signaling.TaskID]bool{}
		for _, e := range h {
			seen[e.Task] = true
		}
		tasks, err := p.Tasks(p.ctx, 100)
		p.must(err)
		if len(tasks) != 6 || !seen["t11"] || seen["t0"] {
			p.t.Fatalf("%d tasks, history %v", len(tasks), seen)
		}
		p.wantTask(live.Task, signaling.TaskReserved)
		for key, want := range map[string]int64{"tasks": 6, "ended": 5} {
			if n := p.rdb.ZCard(p.ctx, prefix+":"+key).Val(); n != want {
				p.t.Errorf("%s has %d members, want %d", key, n, want)
			}
		}
		if n := p.rdb.HLen(p.ctx, prefix+":keys").Val(); n != 5 {
			p.t.Errorf("%d idempotency keys, want 5", n)
		}
		if keys := p.rdb.Keys(p.ctx, prefix+":attempt:*").Val(); len(keys) != 1 {
			p.t.Errorf("attempts left: %v", keys)
		}
		if h, err = p.History(p.ctx, 2); err != nil || len(h) != 2 {
			p.t.Errorf("two of the history: %d, %v", len(h), err)
		}
	})
}

func TestLayout(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.must(p.rdb.Set(p.ctx, prefix+":layout", "999", 0).Err())
		_, err := pool.Open(p.ctx, p.rdb, pool.Options{Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), "999") {
			p.t.Fatalf("opened a pool of another layout: %v", err)
		}
		if _, err := pool.Open(p.ctx, p.rdb, pool.Options{Prefix: "plain"}); err == nil {
			p.t.Fatal("opened a pool without a hash tag")
		}
	})
}
