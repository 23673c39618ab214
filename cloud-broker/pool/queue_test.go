package pool_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

func (f fixture) enqueue(task, creator string, urgent bool) {
	f.t.Helper()
	_, err := f.Enqueue(f.ctx, "", signaling.Task{ID: signaling.TaskID(task), Request: rendering(), Creator: creator, Reason: "no edge is free"}, urgent)
	f.must(err)
}

func (f fixture) wantQueue(want ...string) {
	f.t.Helper()
	queue, err := f.Waiting(f.ctx, 1000)
	f.must(err)
	var got []string
	for i, q := range queue {
		got = append(got, string(q.Task))
		where, err := f.Await(f.ctx, q.Task)
		f.must(err)
		if where.Position != i+1 || where.Length != len(queue) || where.Urgent != q.Urgent {
			f.t.Fatalf("task %s is at %+v, want position %d", q.Task, where, i+1)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("the queue is %v, want %v", got, want)
	}
	n, err := f.QueueLength(f.ctx)
	f.must(err)
	if n != len(want) {
		f.t.Fatalf("%d tasks wait, want %d", n, len(want))
	}
	f.audited()
}

func TestQueueIsFairByCreator(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for i := range 4 {
			p.enqueue(name("a", i), "anna", false)
		}
		p.enqueue("b0", "ben", false)
		p.enqueue("c0", "carla", false)
		p.enqueue("b1", "ben", false)
		p.wantQueue("a0", "b0", "c0", "a1", "b1", "a2", "a3")
		p.enqueue("u0", "anna", true)
		p.enqueue("u1", "anna", true)
		p.enqueue("v0", "ben", true)
		p.wantQueue("u0", "v0", "u1", "a0", "b0", "c0", "a1", "b1", "a2", "a3")
		q, err := p.Waiting(p.ctx, 2)
		p.must(err)
		if len(q) != 2 || q[0].Subject != "anna" || strings.Contains(q[0].Creator, "anna") || q[0].Type != signaling.Rendering || q[0].Needs != needs ||
			q[0].Request.Series == nil || !q[0].Urgent || time.Since(q[0].Since).Abs() > time.Minute {
			p.t.Fatalf("the head is %+v", q)
		}

		// The head gets a place, in any way; who comes now begins where the queue is.
		p.register(edge("n"), 0)
		for _, task := range []string{"u0", "v0", "u1", "a0"} {
			p.claim(claim(task, "n"))
		}
		p.enqueue("d0", "dora", false)
		p.enqueue("d1", "dora", false)
		p.wantQueue("b0", "c0", "d0", "a1", "b1", "d1", "a2", "a3")

		// The only task of its creator leaves: the turn is given back. One in the middle leaves: the others stay.
		_, err = p.PutTask(p.ctx, "", signaling.Task{ID: "c0", State: signaling.TaskExpired, Request: rendering(), Creator: "carla"})
		p.must(err)
		p.enqueue("c1", "carla", false)
		p.wantQueue("b0", "d0", "c1", "a1", "b1", "d1", "a2", "a3")
		_, err = p.Release(p.ctx, "a1", "", signaling.TaskFinished, "as its terminal asked", nil)
		p.must(err)
		p.wantQueue("b0", "d0", "c1", "b1", "d1", "a2", "a3")

		// A node that got the head refuses it: it is the head again.
		_, err = p.Release(p.ctx, "a0", "", signaling.TaskPlacing, "refused", nil)
		p.must(err)
		p.enqueue("a0", "anna", false)
		p.wantQueue("a0", "b0", "d0", "c1", "b1", "d1", "a2", "a3")
	})
}

// However much one creator floods the queue, another one's next task waits for one of it; and however many newcomers there
// are, those who wait get their share.
func TestQueueStarvesNobody(t *testing.T) {
	onBoth(t, pool.Options{MaxWaiting: 300}, func(p fixture) {
		p.register(signaling.Node{ID: "n", Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "1", Types: []signaling.TaskType{signaling.Rendering},
			Capacity: signaling.Resources{GPUMemoryMB: 1 << 30, GPUMilli: 1 << 30, EncoderSessions: 1 << 20, CPUMilli: 1 << 30, MemoryMB: 1 << 30}}, 0)
		serve := func() signaling.TaskID {
			p.t.Helper()
			q, err := p.Waiting(p.ctx, 1)
			p.must(err)
			p.claim(claim(string(q[0].Task), "n"))
			return q[0].Task
		}
		for i := range 250 {
			p.enqueue(name("flood", i), "flo", false)
		}
		for range 20 {
			serve()
		}
		p.enqueue("ben", "ben", false)
		if q, err := p.Await(p.ctx, "ben"); err != nil || q.Position > 2 {
			p.t.Fatalf("behind a flood a task is at %+v, %v", q, err)
		}
		for serve() != "ben" {
		}
		// A newcomer for each place that becomes free: the flood still gets its share, which is one of as many places as
		// creators wait: the n-th after n more, about 11 of the first 60.
		served := 0
		for i := range 60 {
			p.enqueue(name("new", i), name("creator", i), false)
			if strings.HasPrefix(string(serve()), "flood") {
				served++
			}
		}
		if served < 8 {
			p.t.Fatalf("of 60 places the waiting creator got %d", served)
		}
		p.audited()
	})
}

func TestQueueIsBounded(t *testing.T) {
	onBoth(t, pool.Options{MaxPlacing: 6, MaxWaiting: 3}, func(p fixture) {
		put := func(task, creator string) error {
			_, err := p.Enqueue(p.ctx, "", signaling.Task{ID: signaling.TaskID(task), Request: rendering(), Creator: creator}, false)
			return err
		}
		for i := range 3 {
			p.must(put(name("a", i), "anna"))
		}
		p.wantErr(put("a3", "anna"), pool.ErrShare)
		p.must(put("a2", "anna")) // it is there already
		_, err := p.Task(p.ctx, "a3")
		p.wantErr(err, pool.ErrNotFound)
		for i := range 3 {
			p.must(put(name("b", i), "ben"))
		}
		p.wantErr(put("c0", "carla"), pool.ErrFull)
		_, err = p.Release(p.ctx, "a0", "", signaling.TaskFinished, "", nil)
		p.must(err)
		p.must(put("c0", "carla"))
		p.wantErr(put("a3", "anna"), pool.ErrFull)
		_, err = p.Release(p.ctx, "b0", "", signaling.TaskFinished, "", nil)
		p.must(err)
		p.must(put("a3", "anna"))
		p.wantQueue("c0", "a1", "b1", "a2", "b2", "a3")
	})
}

// A waiting task lives as long as somebody awaits it.
func TestAwait(t *testing.T) {
	onBoth(t, pool.Options{PlacingTTL: 15 * time.Second}, func(p fixture) {
		_, err := p.Await(p.ctx, "nobody")
		p.wantErr(err, pool.ErrNotFound)
		p.enqueue("t1", "anna", false)
		p.enqueue("t2", "ben", false)
		for range 3 {
			p.age(10 * time.Second)
			if q, err := p.Await(p.ctx, "t1"); err != nil || q.ExpectedWaitMs != 0 {
				p.t.Fatalf("waiting at %+v, %v", q, err)
			}
			p.sweep()
		}
		p.wantTask("t2", signaling.TaskExpired)
		if task := p.wantTask("t1", signaling.TaskPlacing); task.Queue == nil || task.Queue.Position != 1 || task.Queue.Length != 1 {
			p.t.Fatalf("task is %+v", task)
		}
		_, err = p.Await(p.ctx, "t2")
		p.wantErr(err, pool.ErrEnded)
		p.register(edge("n"), 0)
		p.claim(claim("t1", "n"))
		_, err = p.Await(p.ctx, "t1")
		p.wantErr(err, pool.ErrHeld)
		if task := p.wantTask("t1", signaling.TaskPlacing); task.Queue != nil {
			p.t.Fatalf("a placed task is in the queue: %+v", task.Queue)
		}
		_, err = p.Release(p.ctx, "t1", "", signaling.TaskPlacing, "refused", nil)
		p.must(err)
		if q, err := p.Await(p.ctx, "t1"); err != nil || q.Position != 0 { // it is being placed
			p.t.Fatalf("waiting at %+v, %v", q, err)
		}
	})
}

// The expected wait follows from how often places became free.
func TestExpectedWait(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("n"), 0)
		for i := range 8 {
			r := p.claim(claim(name("t", i), "n"))
			p.must(p.Update(p.ctx, signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		}
		// Eight places within 80 seconds.
		freed := p.rdb.LRange(p.ctx, prefix+":freed", 0, -1).Val()
		if len(freed) != 8 {
			p.t.Fatalf("%d times at which a place became free", len(freed))
		}
		var first int64
		if _, err := fmt.Sscan(freed[0], &first); err != nil {
			p.t.Fatal(err)
		}
		p.must(p.rdb.LSet(p.ctx, prefix+":freed", 0, first-80_000).Err())
		for i := range 3 {
			p.enqueue(name("w", i), "anna", false)
		}
		for i, want := range []int64{10_000, 20_000, 30_000} {
			q, err := p.Await(p.ctx, signaling.TaskID(name("w", i)))
			if p.must(err); q.ExpectedWaitMs < want || q.ExpectedWaitMs > want+10_000 {
				p.t.Fatalf("number %d waits for %d ms, want about %d", i+1, q.ExpectedWaitMs, want)
			}
		}
		for i := range 200 {
			r := p.claim(claim(name("more", i), "n"))
			p.must(p.Update(p.ctx, signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		}
		if n := p.rdb.LLen(p.ctx, prefix+":freed").Val(); n > 128 {
			p.t.Fatalf("%d times are kept", n)
		}
	})
}

// Enqueue with a key: the same request is one task, placed or waiting.
func TestEnqueueWithKey(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		put := func(task string, r signaling.TaskRequest) (signaling.TaskID, error) {
			return p.Enqueue(p.ctx, "k", signaling.Task{ID: signaling.TaskID(task), Request: r, Creator: "anna"}, false)
		}
		first, err := put("t1", rendering())
		p.must(err)
		second, err := put("t2", rendering())
		p.must(err)
		other := rendering()
		other.MaxDistanceMs = 3
		_, err = put("t3", other)
		p.wantErr(err, pool.ErrKeyReused)
		if first != "t1" || second != "t1" {
			p.t.Fatalf("one key gave %s and %s", first, second)
		}
		p.wantQueue("t1")
		p.register(edge("n"), 0)
		c := claim("t9", "n")
		c.Key = "k"
		if r := p.claim(c); r.Task != "t1" {
			p.t.Fatalf("the key claimed for %s", r.Task)
		}
		p.wantQueue()
		_, err = put("t1", rendering())
		p.wantErr(err, pool.ErrHeld)
	})
}

// An edge tells which of its sessions nobody uses; the longest idle come first.
func TestIdleSessions(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		one, two, three := p.runs("t1", "a"), p.runs("t2", "a"), p.runs("t3", "a")
		ids := []signaling.AttemptID{one.Attempt.ID, two.Attempt.ID, three.Attempt.ID}
		beat := func(idle map[signaling.AttemptID]int64) {
			p.t.Helper()
			p.must(p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: ids, Idle: idle}))
		}
		beat(map[signaling.AttemptID]int64{one.Attempt.ID: 60_000, two.Attempt.ID: 120_000})
		idle, err := p.Idle(p.ctx, 30*time.Second, 10)
		p.must(err)
		if len(idle) != 2 || idle[0].Attempt != two.Attempt || idle[0].Task != "t2" || idle[0].Node != "a" || idle[0].Type != signaling.Rendering ||
			idle[0].Resources != needs || idle[0].Creator != "anna" || idle[0].Idle < 2*time.Minute || idle[0].Idle > 3*time.Minute ||
			idle[1].Attempt != one.Attempt {
			p.t.Fatalf("idle are %+v", idle)
		}
		if idle, err = p.Idle(p.ctx, 90*time.Second, 10); err != nil || len(idle) != 1 {
			p.t.Fatalf("idle for 90 s are %+v, %v", idle, err)
		}
		if idle, err = p.Idle(p.ctx, 0, 1); err != nil || len(idle) != 1 {
			p.t.Fatalf("one idle is %+v, %v", idle, err)
		}
		beat(map[signaling.AttemptID]int64{one.Attempt.ID: 70_000}) // the second is in use again
		if idle, err = p.Idle(p.ctx, 0, 10); err != nil || len(idle) != 1 || idle[0].Attempt != one.Attempt {
			p.t.Fatalf("idle are %+v, %v", idle, err)
		}
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: one.Attempt.ID, State: signaling.TaskFinished}))
		if idle, err = p.Idle(p.ctx, 0, 10); err != nil || len(idle) != 0 {
			p.t.Fatalf("idle are %+v, %v", idle, err)
		}
		if err := p.Heartbeat(p.ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{"a b"}}); err == nil {
			p.t.Error("a heartbeat with a broken attempt was taken")
		}
	})
}
