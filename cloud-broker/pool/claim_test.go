package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func TestClaimTakesTheFirstThatFits(t *testing.T) { onBoth(t, pool.Options{}, firstThatFits) }

func firstThatFits(p fixture) {
	draining := edge("draining")
	draining.State = signaling.NodeDraining
	other := edge("other-type")
	other.Types = []signaling.TaskType{signaling.Training}
	small := edge("small")
	small.Capacity.EncoderSessions = 0
	for _, n := range []signaling.Node{draining, other, small, edge("a"), edge("b")} {
		p.register(n, 0)
	}
	candidates := []string{"unknown", "draining", "other-type", "small", "a", "b"}
	var last int64
	for i := range 8 {
		r := p.claim(claim(name("t", i), candidates...))
		want := signaling.NodeID("a")
		if i >= 4 { // a is full after four
			want = "b"
		}
		if r.Attempt.Node != want || r.Task != signaling.TaskID(name("t", i)) || r.Resources != needs || r.Confirmed || r.LeaseMs != 10_000 {
			p.t.Fatalf("claim %d gave %+v, want it on %s", i, r, want)
		}
		if r.Attempt.Fencing <= last {
			p.t.Fatalf("fencing token %d after %d", r.Attempt.Fencing, last)
		}
		last = r.Attempt.Fencing
	}
	_, err := p.Claim(p.ctx, claim("t9", candidates...))
	p.wantErr(err, pool.ErrNoneFits)
	if _, err := p.Task(p.ctx, "t9"); !errors.Is(err, pool.ErrNotFound) {
		p.t.Fatalf("a refused claim left a task: %v", err)
	}
	p.wantFree("a", 4)
	p.wantFree("b", 4)
}

// More claimers than there is room: every amount is given once.
func TestConcurrentClaims(t *testing.T) { onBoth(t, pool.Options{}, concurrentClaims) }

func concurrentClaims(p fixture) {
	p.register(edge("a"), 0)
	p.register(edge("b"), 0)
	var mu sync.Mutex
	tokens := map[int64]bool{}
	none := 0
	var claimers sync.WaitGroup
	for i := range 32 {
		claimers.Go(func() {
			r, err := p.Claim(p.ctx, claim(name("t", i), "a", "b"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				tokens[r.Attempt.Fencing] = true
			case errors.Is(err, pool.ErrNoneFits):
				none++
			default:
				p.t.Error(err)
			}
		})
	}
	claimers.Wait()
	if len(tokens) != 8 || none != 24 {
		p.t.Fatalf("%d claims with tokens of their own and %d refusals, want 8 and 24", len(tokens), none)
	}
	p.wantFree("a", 4)
	p.wantFree("b", 4)
}

func TestIdempotencyKey(t *testing.T) { onBoth(t, pool.Options{}, idempotencyKey) }

func idempotencyKey(p fixture) {
	p.register(edge("a"), 0)
	c := claim("t1", "a")
	c.Key = "from-the-terminal"
	var mu sync.Mutex
	seen := map[signaling.Attempt]int{}
	var claimers sync.WaitGroup
	for i := range 8 {
		claimers.Go(func() {
			again := c
			again.Task = signaling.TaskID(name("t", i+1))
			r, err := p.Claim(p.ctx, again)
			if err != nil {
				p.t.Error(err)
			}
			mu.Lock()
			seen[r.Attempt]++
			mu.Unlock()
		})
	}
	claimers.Wait()
	if len(seen) != 1 {
		p.t.Fatalf("one key gave %d attempts: %v", len(seen), seen)
	}
	p.wantFree("a", 1)
	r := p.claim(c)
	if seen[r.Attempt] == 0 || r.Resources != needs || r.LeaseMs <= 0 || r.LeaseMs > 10_000 {
		p.t.Fatalf("the same key gave %+v, before %v", r, seen)
	}

	other := c
	other.Request.MaxDistanceMs = 7
	_, err := p.Claim(p.ctx, other)
	p.wantErr(err, pool.ErrKeyReused)
	stranger := c
	stranger.Creator, stranger.Task = "ben", "t99"
	if s := p.claim(stranger); s.Task != "t99" {
		p.t.Fatalf("another creator's key gave task %s", s.Task)
	}

	// A key whose claim found nothing is free again, and one that comes to a waiting task goes with it.
	nothing := claim("t50", "unknown")
	nothing.Key = "second"
	_, err = p.Claim(p.ctx, nothing)
	p.wantErr(err, pool.ErrNoneFits)
	nothing.Task, nothing.Request.MaxDistanceMs = "t51", 9
	_, err = p.PutTask(p.ctx, "", signaling.Task{ID: "t51", State: signaling.TaskPlacing, Request: nothing.Request, Creator: "anna"})
	p.must(err)
	nothing.Candidates = []signaling.NodeID{"a"}
	if s := p.claim(nothing); s.Task != "t51" {
		p.t.Fatalf("the key gave task %s", s.Task)
	}
	nothing.Task = "t52"
	if s := p.claim(nothing); s.Task != "t51" {
		p.t.Fatalf("the key of a task that waited gave task %s", s.Task)
	}
	_, err = p.Release(p.ctx, "t51", "", signaling.TaskFinished, "", nil)
	p.must(err)

	// It goes back to placing (the edge refused): the key claims again for the same task.
	_, err = p.Release(p.ctx, r.Task, r.Attempt.ID, signaling.TaskPlacing, "refused", nil)
	p.must(err)
	again := p.claim(c)
	if again.Task != r.Task || again.Attempt.ID == r.Attempt.ID || again.Attempt.Fencing <= r.Attempt.Fencing {
		p.t.Fatalf("after a refusal the key gave %+v, before %+v", again, r)
	}

	// When the task has ended, the key still names it.
	_, err = p.Release(p.ctx, r.Task, "", signaling.TaskFinished, "done", nil)
	p.must(err)
	gone := p.claim(c)
	if gone.Task != r.Task || gone.LeaseMs != 0 {
		p.t.Fatalf("after the end the key gave %+v", gone)
	}
	p.wantTask(gone.Task, signaling.TaskFinished)
	p.wantFree("a", 1)
}

// twice sends each script a second time, as the Redis client does when a connection breaks before the answer.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }
func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || cmd.Name() != "evalsha" {
			return err
		}
		return next(ctx, cmd)
	}
}
func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestScriptsSentTwice(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.rdb.AddHook(twice{})
		p.register(edge("a"), 0)
		first := p.claim(claim("t1", "a"))
		if first.Attempt.Node != "a" || first.Resources != needs {
			p.t.Fatalf("claim sent twice gave %+v", first)
		}
		p.wantFree("a", 1)
		p.must(p.Confirm(p.ctx, first.Attempt.ID))
		_, err := p.Release(p.ctx, "t1", first.Attempt.ID, signaling.TaskPlacing, "", nil)
		p.must(err)
		p.wantFree("a", 0)
		second := p.claim(claim("t1", "a"))
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: second.Attempt.ID, State: signaling.TaskFinished}))
		p.wantFree("a", 0)
		p.wantTask("t1", signaling.TaskFinished)
	})
}

func TestLifeOfATask(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		c := claim("t1", "a")
		c.Request.Operation, c.Request.Parameters = "histogram", []byte(`{"bins":64}`)
		r := p.claim(c)
		p.wantTask("t1", signaling.TaskPlacing)
		p.must(p.Confirm(p.ctx, r.Attempt.ID))
		p.wantTask("t1", signaling.TaskReserved)
		u := signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskRunning}
		p.must(p.UpdateFrom(p.ctx, "a", u))
		running := p.wantTask("t1", signaling.TaskRunning)
		if running.StartedAt == nil || running.EndedAt != nil || running.Attempt == nil || *running.Attempt != r.Attempt ||
			running.Creator != "anna" || running.Request.Operation != "histogram" || time.Since(running.CreatedAt).Abs() > time.Minute {
			p.t.Fatalf("running task is %+v", running)
		}
		p.wantErr(p.UpdateFrom(p.ctx, "b", u), pool.ErrNotFound)

		u.State, u.Reason, u.Usage = signaling.TaskFinished, "closed by the terminal", &signaling.Usage{RunMs: 1234, GPUMs: 5.5, Pictures: 7}
		p.must(p.Update(p.ctx, u))
		p.must(p.Update(p.ctx, u)) // reported again, as after a lost answer
		ended := p.wantTask("t1", signaling.TaskFinished)
		if ended.EndedAt == nil || ended.Usage == nil || *ended.Usage != *u.Usage || ended.Reason != u.Reason {
			p.t.Fatalf("ended task is %+v", ended)
		}
		p.wantFree("a", 0)
		u.State = signaling.TaskRunning
		p.wantErr(p.Update(p.ctx, u), pool.ErrNotFound) // a late report brings nothing back
		p.wantErr(p.Confirm(p.ctx, r.Attempt.ID), pool.ErrNotFound)
		_, err := p.Claim(p.ctx, c)
		p.wantErr(err, pool.ErrEnded)

		h, err := p.History(p.ctx, 10)
		p.must(err)
		if len(h) != 1 || h[0].Task != "t1" || h[0].Operation != "histogram" || string(h[0].Parameters) != `{"bins":64}` ||
			h[0].Node != "a" || h[0].Requested != needs || h[0].StartedAt == nil || *h[0].Usage != *u.Usage || h[0].EndedAt.Before(*h[0].StartedAt) {
			p.t.Fatalf("history is %+v", h)
		}
		if text := fmt.Sprintf("%+v", h[0]); strings.Contains(text, "anna") || strings.Contains(text, "1.2.3") {
			p.t.Fatalf("history names creator or study: %s", text)
		}
	})
}

func TestRelease(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		first := p.claim(claim("t1", "a"))
		token, err := p.Release(p.ctx, "t1", first.Attempt.ID, signaling.TaskPlacing, "a refused: no encoder", nil)
		p.must(err)
		if token <= first.Attempt.Fencing {
			p.t.Fatalf("token %d does not overrule %d", token, first.Attempt.Fencing)
		}
		p.wantFree("a", 0)
		if waits := p.wantTask("t1", signaling.TaskPlacing); waits.Attempt != nil || waits.Reason != "a refused: no encoder" {
			p.t.Fatalf("waiting task is %+v", waits)
		}
		second := p.claim(claim("t1", "b"))
		if second.Attempt.Fencing <= token {
			p.t.Fatalf("token %d of the next attempt is not above %d", second.Attempt.Fencing, token)
		}
		// The old attempt once more: the task's new one stays.
		_, err = p.Release(p.ctx, "t1", first.Attempt.ID, signaling.TaskFailed, "late", nil)
		p.must(err)
		p.wantFree("b", 1)
		p.wantTask("t1", signaling.TaskPlacing)

		used := &signaling.Usage{RunMs: 5}
		_, err = p.Release(p.ctx, "t1", "", signaling.TaskFinished, "the terminal said done", used)
		p.must(err)
		_, err = p.Release(p.ctx, "t1", "", signaling.TaskFailed, "twice", nil)
		p.must(err)
		if done := p.wantTask("t1", signaling.TaskFinished); done.Reason != "the terminal said done" || *done.Usage != *used {
			p.t.Fatalf("finished task is %+v", done)
		}
		p.wantFree("b", 0)
		_, err = p.Release(p.ctx, "nobody", "", signaling.TaskFinished, "", nil)
		p.wantErr(err, pool.ErrNotFound)
	})
}

func TestSweep(t *testing.T) {
	o := pool.Options{Lease: time.Minute, HeartbeatTTL: 20 * time.Second, PlacingTTL: 30 * time.Second, ForgetLost: time.Hour}
	onBoth(t, o, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		unconfirmed := p.claim(claim("t1", "a"))
		confirmed := p.claim(claim("t2", "b"))
		p.must(p.Confirm(p.ctx, confirmed.Attempt.ID))
		_, err := p.PutTask(p.ctx, "", signaling.Task{ID: "t3", State: signaling.TaskPlacing, Request: rendering()})
		p.must(err)
		sweep := func() (map[signaling.TaskID]pool.Released, []signaling.NodeID) {
			p.t.Helper()
			released, lost, err := p.Sweep(p.ctx, 100)
			p.must(err)
			m := map[signaling.TaskID]pool.Released{}
			for _, r := range released {
				m[r.Task] = r
			}
			return m, lost
		}
		if released, lost := sweep(); len(released)+len(lost) != 0 {
			p.t.Fatalf("swept %v %v when nothing was due", released, lost)
		}

		p.age(15 * time.Second) // past the unconfirmed lease
		p.must(p.Heartbeat(p.ctx, "b", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{confirmed.Attempt.ID}}))
		released, lost := sweep()
		if r := released["t1"]; len(released) != 1 || len(lost) != 0 || r.Attempt != unconfirmed.Attempt || r.State != signaling.TaskFailed ||
			!strings.Contains(r.Reason, "did not confirm") {
			p.t.Fatalf("swept %+v %v, want t1", released, lost)
		}
		p.wantTask("t1", signaling.TaskFailed)
		p.wantFree("a", 0)

		p.age(16 * time.Second) // a is silent for 31 s, b for 16 s; t3 waits for 31 s
		released, lost = sweep()
		if len(lost) != 1 || lost[0] != "a" || p.node("a").State != signaling.NodeLost || len(released) != 1 ||
			released["t3"].State != signaling.TaskExpired {
			p.t.Fatalf("swept %+v %v, want t3 and node a", released, lost)
		}
		_, err = p.Claim(p.ctx, claim("t4", "a"))
		p.wantErr(err, pool.ErrNoneFits)
		p.wantErr(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady}), pool.ErrUnknownNode)
		p.wantErr(p.SetState(p.ctx, "a", signaling.NodeReady), pool.ErrUnknownNode)

		p.age(10 * time.Second) // b is silent for 26 s, its lease holds
		if released, lost = sweep(); len(lost) != 1 || lost[0] != "b" || len(released) != 0 {
			p.t.Fatalf("swept %+v %v, want node b", released, lost)
		}
		p.age(time.Minute)
		released, _ = sweep()
		if r := released["t2"]; r.State != signaling.TaskFailed || !strings.Contains(r.Reason, "lost") {
			p.t.Fatalf("swept %+v, want t2 to fail with its node", released)
		}

		// b comes back with what it holds: the task goes on.
		if ended := p.register(edge("b"), confirmed.Attempt.Fencing, entry(confirmed, signaling.TaskRunning)); len(ended) != 0 {
			p.t.Fatalf("ended %v", ended)
		}
		if task := p.wantTask("t2", signaling.TaskRunning); task.EndedAt != nil || task.Reason != "" {
			p.t.Fatalf("task that came back is %+v", task)
		}
		p.wantFree("b", 1)

		p.age(2 * time.Hour) // a is forgotten
		sweep()
		nodes, err := p.Nodes(p.ctx, "", 10)
		p.must(err)
		if len(nodes) != 1 || nodes[0].ID != "b" {
			p.t.Fatalf("nodes after long: %+v, want b", nodes)
		}
	})
}

func TestSweepIsBounded(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for i := range 5 {
			p.register(edge(name("n", i)), 0)
			p.claim(claim(name("t", i), name("n", i)))
		}
		p.age(time.Hour)
		for _, want := range []int{2, 2, 1, 0} {
			released, lost, err := p.Sweep(p.ctx, 2)
			p.must(err)
			if len(released) != want || len(lost) != want {
				p.t.Fatalf("released %d and lost %d, want %d of each", len(released), len(lost), want)
			}
		}
	})
}

// Real time, no help: a lease ends by the server's own clock.
func TestLeaseEndsByRedisTime(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		c := claim("t1", "a")
		c.Lease = 30 * time.Millisecond
		p.claim(c)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			released, _, err := p.Sweep(p.ctx, 10)
			p.must(err)
			if len(released) == 1 {
				break
			}
			select {
			case <-tick.C:
			case <-p.ctx.Done():
				p.t.Fatal("the lease never ended")
			}
		}
		p.wantFree("a", 0)
	})
}

func TestBadClaims(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		for what, edit := range map[string]func(*pool.Claim){
			"task":       func(c *pool.Claim) { c.Task = "a b" },
			"type":       func(c *pool.Claim) { c.Request.Type = "cooking" },
			"resources":  func(c *pool.Claim) { c.Needs.GPUMilli = -1 },
			"candidates": func(c *pool.Claim) { c.Candidates = make([]signaling.NodeID, pool.MaxCandidates+1) },
			"creator":    func(c *pool.Claim) { c.Creator = strings.Repeat("x", 300) },
			"key":        func(c *pool.Claim) { c.Key = strings.Repeat("x", 300) },
			"lease":      func(c *pool.Claim) { c.Lease = -time.Second },
			"request":    func(c *pool.Claim) { c.Request.Parameters = []byte("{") },
		} {
			c := claim("t1", "a")
			edit(&c)
			if _, err := p.Claim(p.ctx, c); err == nil || !strings.Contains(err.Error(), what) {
				p.t.Errorf("bad %s: %v", what, err)
			}
		}
		p.wantFree("a", 0)
		_, err := p.Release(p.ctx, "t1", "", signaling.TaskRunning, "", nil)
		if err == nil {
			p.t.Error("released to running")
		}
		if err := p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: "x", State: signaling.TaskPlacing}); err == nil {
			p.t.Error("updated to placing")
		}
		if _, _, err := p.Sweep(p.ctx, 0); err == nil {
			p.t.Error("swept with limit 0")
		}
	})
}

func TestRedisGone(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.must(p.rdb.Close())
		_, err := p.Claim(p.ctx, claim("t1", "a"))
		if err == nil || errors.Is(err, pool.ErrNoneFits) {
			p.t.Fatalf("claim without Redis: %v", err)
		}
		if err := p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady}); err == nil || errors.Is(err, pool.ErrUnknownNode) {
			p.t.Fatalf("heartbeat without Redis: %v", err)
		}
		if p.Ping(p.ctx) == nil {
			p.t.Fatal("ping without Redis")
		}
		ctx, cancel := context.WithTimeout(p.ctx, time.Second)
		defer cancel()
		if _, err := pool.Open(ctx, p.rdb, pool.Options{}); err == nil {
			p.t.Fatal("opened without Redis")
		}
	})
}

// Two brokers that look for a place for a waiting task at the same moment find the same one.
func TestATaskIsPlacedOnce(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		first, second := p.claim(claim("t1", "a")), p.claim(claim("t1", "b"))
		if first.Attempt != second.Attempt || second.LeaseMs == 0 {
			p.t.Fatalf("claimed %+v and %+v", first, second)
		}
		p.wantFree("b", 0)
		p.age(11 * time.Second) // its lease has ended, and nobody has swept it yet
		if third := p.claim(claim("t1", "b")); third.Attempt.Node != "b" || third.Attempt.Fencing <= first.Attempt.Fencing {
			p.t.Fatalf("claimed %+v", third)
		}
	})
}

// TestWithdrawSparesWhatWasConfirmed: an edge that does not answer may have told the pool by its heartbeat that it has the task.
func TestWithdrawSparesWhatWasConfirmed(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		r := p.claim(claim("t1", "a"))
		fencing, err := p.Withdraw(p.ctx, "t1", r.Attempt.ID, signaling.TaskPlacing, "no answer")
		p.must(err)
		if fencing <= r.Attempt.Fencing {
			p.t.Errorf("the token %d does not overrule %d", fencing, r.Attempt.Fencing)
		}
		p.wantTask("t1", signaling.TaskPlacing)
		p.wantFree("a", 0)

		r = p.claim(claim("t1", "a"))
		p.beat("a", r.Attempt.ID)
		for _, state := range []signaling.TaskState{signaling.TaskPlacing, signaling.TaskFailed} {
			_, err = p.Withdraw(p.ctx, "t1", r.Attempt.ID, state, "no answer")
			p.wantErr(err, pool.ErrConfirmed)
		}
		if task := p.wantTask("t1", signaling.TaskPlacing); task.Attempt == nil || *task.Attempt != r.Attempt {
			p.t.Errorf("task is %+v", task)
		}
		p.wantFree("a", 1)
		p.must(p.Confirm(p.ctx, r.Attempt.ID))
		p.wantTask("t1", signaling.TaskReserved)
		_, err = p.Withdraw(p.ctx, "t9", "a-9", signaling.TaskPlacing, "")
		p.wantErr(err, pool.ErrNotFound)
		p.audited()
	})
}

// TestWhatWasFinishedDoesNotComeBack: a task that has ended by what one edge told goes on where another edge's ledger has it,
// but not where its terminal finished it meanwhile.
func TestWhatWasFinishedDoesNotComeBack(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		at := func(attempt, node string, fencing int64) signaling.LedgerEntry {
			return entry(signaling.Reservation{Task: "t1", Resources: needs, Attempt: signaling.Attempt{ID: signaling.AttemptID(attempt),
				Node: signaling.NodeID(node), Fencing: fencing}}, signaling.TaskRunning)
		}
		// The pool has forgotten that the task went from a to b, and a, which had it before, comes back first.
		p.register(edge("a"), 0, at("a-1", "a", 5))
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: "a-1", State: signaling.TaskFinished}))
		if over := p.register(edge("b"), 0, at("a-2", "b", 9)); len(over) > 0 {
			p.t.Fatalf("overruled: %v", over)
		}
		p.wantTask("t1", signaling.TaskRunning)
		p.wantFree("b", 1)

		p.register(edge("b"), 0) // it has lost it
		p.wantTask("t1", signaling.TaskFailed)
		if _, err := p.Release(p.ctx, "t1", "", signaling.TaskFinished, "as its terminal asked", nil); err != nil {
			p.t.Fatal(err)
		}
		p.wantTask("t1", signaling.TaskFailed)
		if over := p.register(edge("b"), 0, at("a-2", "b", 9)); len(over) != 1 || over[0] != "a-2" {
			p.t.Errorf("overruled: %v, want a-2", over)
		}
		p.wantTask("t1", signaling.TaskFailed)
		p.wantFree("b", 0)
		p.audited()
	})
}
