package pool_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// follower is a snapshot that follows a pool, and a way to wait for it.
type follower struct {
	fixture
	snap    *placement.Snapshot
	changed chan struct{}
}

func onBothFollowed(t *testing.T, f func(p follower)) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) { f(follow(t, rdb)) })
}

func follow(t *testing.T, rdb redis.UniversalClient) follower {
	t.Helper()
	changed := make(chan struct{}, 1)
	p := open(t, rdb, pool.Options{OnChange: func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	f := follower{p, placement.NewSnapshot(), changed}
	ctx, stop := context.WithCancel(p.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Follow(ctx, f.snap); err != nil {
			t.Errorf("Follow ended with %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	select {
	case <-p.Synced():
	case <-p.ctx.Done():
		t.Fatal("the snapshot was never loaded")
	}
	return f
}

// until waits for the snapshot to become so.
func (f follower) until(what string, holds func() bool) {
	f.t.Helper()
	for !holds() {
		select {
		case <-f.changed:
		case <-f.ctx.Done():
			f.t.Fatalf("the snapshot never got to this: %s; it has %+v", what, f.snap.Nodes())
		}
	}
}

func (f follower) untilSame() {
	f.t.Helper()
	f.until("the same as Redis", func() bool {
		nodes, err := f.Nodes(f.ctx, "", 100_000)
		f.must(err)
		if len(nodes) != f.snap.Len() {
			return false
		}
		for _, n := range nodes {
			s, ok := f.snap.Get(n.ID)
			if !ok || s.State != n.State || s.Free != n.Free || s.DistanceMs != n.DistanceMs || s.Tier != n.Tier || len(s.Types) != len(n.Types) {
				return false
			}
		}
		return true
	})
}

func TestFollow(t *testing.T) {
	onBothFollowed(t, func(p follower) {
		free := func(id string) signaling.Resources { n, _ := p.snap.Get(signaling.NodeID(id)); return n.Free }
		p.register(edge("a"), 0)
		p.until("a is there", func() bool { return p.snap.Len() == 1 && free("a") == capacity })
		r := p.claim(claim("t1", "a"))
		p.until("a holds one", func() bool { return free("a") == capacity.Sub(needs) })
		p.must(p.SetState(p.ctx, "a", signaling.NodeDraining))
		p.until("a drains", func() bool { n, _ := p.snap.Get("a"); return n.State == signaling.NodeDraining })
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		p.until("a is empty", func() bool { return free("a") == capacity })
		moved := edge("a")
		moved.DistanceMs, moved.Types = 80, []signaling.TaskType{signaling.Training}
		p.register(moved, 0)
		p.until("a trains", func() bool {
			cands, _ := p.snap.Candidates(placement.Request{Type: signaling.Training}, 1)
			return len(cands) == 1 && cands[0].DistanceMs == 80
		})
		p.age(time.Hour)
		_, lost, err := p.Sweep(p.ctx, 10)
		p.must(err)
		if len(lost) != 1 {
			p.t.Fatalf("lost %v", lost)
		}
		p.until("a is lost", func() bool { n, _ := p.snap.Get("a"); return n.State == signaling.NodeLost })
		p.must(p.Remove(p.ctx, "a"))
		p.until("a is gone", func() bool { return p.snap.Len() == 0 })
	})
}

// A broker that comes later loads everything, in pages.
func TestFollowLoadsAll(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := open(t, rdb, pool.Options{})
		for i := range 1203 {
			p.register(edge(fmt.Sprintf("n%04d", i)), 0)
		}
		p.claim(claim("t1", "n0007"))
		late := follow(t, rdb)
		if late.snap.Len() != 1203 {
			t.Fatalf("loaded %d nodes, want 1203", late.snap.Len())
		}
		if n, _ := late.snap.Get("n0007"); n.Free != capacity.Sub(needs) {
			t.Fatalf("n0007 has %+v free", n.Free)
		}
	})
}

func TestFollowAfterLossOfRedis(t *testing.T) {
	onBothFollowed(t, func(p follower) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		p.until("both are there", func() bool { return p.snap.Len() == 2 })
		p.must(p.rdb.FlushAll(p.ctx).Err())
		p.register(edge("b"), 0)
		p.until("only b is there", func() bool { _, a := p.snap.Get("a"); return !a && p.snap.Len() == 1 })
	})
}

// The stream is bounded: whoever falls behind by more than it keeps loads again and misses nothing.
func TestFollowBehindATrimmedStream(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		before := open(t, rdb, pool.Options{})
		before.register(edge("a"), 0)
		before.register(edge("gone"), 0)
		p := follow(t, rdb)
		// In one step, so that the follower sees only what is left: the removal of "gone" is not.
		pipe := p.rdb.TxPipeline()
		pipe.Del(p.ctx, prefix+":node:gone")
		pipe.ZRem(p.ctx, prefix+":nodes", "gone")
		pipe.XAdd(p.ctx, &redis.XAddArgs{Stream: prefix + ":changes", Values: []string{"c", "gone gone"}})
		for range 1500 {
			pipe.XAdd(p.ctx, &redis.XAddArgs{Stream: prefix + ":changes", Values: []string{"c", "a ready 4096 1000 4 4000 8192"}})
		}
		pipe.XTrimMaxLen(p.ctx, prefix+":changes", 1400)
		_, err := pipe.Exec(p.ctx)
		p.must(err)
		p.untilSame()
	})
}

// Garbage in the stream is not fatal: everything is loaded again.
func TestFollowOverGarbage(t *testing.T) {
	onBothFollowed(t, func(p follower) {
		for _, c := range []string{"", "a", "a ready x y z 1 2", "a ready 1 2 3 4 5 {"} {
			p.must(p.rdb.XAdd(p.ctx, &redis.XAddArgs{Stream: prefix + ":changes", Values: []string{"c", c}}).Err())
		}
		p.register(edge("a"), 0)
		p.untilSame()
		p.until("a is there", func() bool { return p.snap.Len() == 1 })
	})
}

func TestFollowWithoutRedis(t *testing.T) {
	rdb, stop, err := pool.Embedded(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.Open(context.Background(), rdb, pool.Options{Prefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Follow(ctx, placement.NewSnapshot()); err != nil {
		t.Fatalf("Follow ended with %v", err)
	}
	select {
	case <-p.Synced():
		t.Fatal("synced with a Redis that is gone")
	default:
	}
}

// What a node holds reaches every broker with its heartbeat, and is forgotten when it registers anew.
func TestVolumesReachTheSnapshot(t *testing.T) {
	onBothFollowed(t, func(p follower) {
		key := signaling.VolumeKey(signaling.SeriesRef{Source: "s", StudyInstanceUID: "1.2", SeriesInstanceUID: "1.2.3"})
		far := edge("far")
		far.DistanceMs = 9
		for _, n := range []signaling.Node{edge("near"), far} {
			_, err := p.Register(p.ctx, n, 0, nil)
			p.must(err)
		}
		first := func(snap *placement.Snapshot) signaling.NodeID {
			c, _ := snap.Candidates(placement.Request{Type: signaling.Rendering, Needs: needs, Volume: key}, 1)
			if len(c) == 0 {
				return ""
			}
			return c[0].Node
		}
		p.until("both are known", func() bool { return p.snap.Len() == 2 && first(p.snap) == "near" })
		beat := signaling.Heartbeat{State: signaling.NodeReady, Volumes: []string{"not a key", key}}
		p.must(p.Heartbeat(p.ctx, "far", beat))
		p.until("the farther one is preferred", func() bool { return first(p.snap) == "far" })
		nodes, err := p.Nodes(p.ctx, "", 10)
		p.must(err)
		if nodes[0].ID != "far" || nodes[0].Volumes != 1 || nodes[1].Volumes != 0 {
			t.Errorf("nodes %+v", nodes)
		}
		// A heartbeat that says the same, in another order, is no news.
		length := func() int64 {
			n, err := p.rdb.XLen(p.ctx, prefix+":changes").Result()
			p.must(err)
			return n
		}
		before := length()
		beat.Volumes = []string{key, "not a key", key}
		p.must(p.Heartbeat(p.ctx, "far", beat))
		if after := length(); after != before {
			t.Errorf("%d changes were told of nothing new", after-before)
		}
		// A broker that comes later reads it with the nodes.
		late := follow(t, p.rdb)
		if got := first(late.snap); got != "far" {
			t.Errorf("a broker that came later prefers %q", got)
		}
		_, err = p.Register(p.ctx, far, 0, nil)
		p.must(err)
		p.until("its volumes are forgotten", func() bool { return first(p.snap) == "near" })
		p.must(p.Heartbeat(p.ctx, "far", beat))
		p.until("it is preferred again", func() bool { return first(p.snap) == "far" })
	})
}

// TestCatchUp: who has changed something sees it in the snapshot at once.
func TestCatchUp(t *testing.T) {
	onBothFollowed(t, func(p follower) {
		p.register(edge("a"), 0)
		for n := range 20 {
			p.must(p.Cordon(p.ctx, "a", n%2 == 0))
			p.must(p.CatchUp(p.ctx))
			want := signaling.NodeReady
			if n%2 == 0 {
				want = signaling.NodeCordoned
			}
			if got, _ := p.snap.Get("a"); got.State != want {
				p.t.Fatalf("the snapshot has it %s, want %s", got.State, want)
			}
		}
	})
	onBoth(t, pool.Options{}, func(p fixture) { // nobody follows
		p.register(edge("a"), 0)
		ctx, cancel := context.WithCancel(p.ctx)
		cancel()
		p.wantErr(p.CatchUp(ctx), context.Canceled)
	})
}
