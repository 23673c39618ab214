// Package bench measures claims in Redis, beside a script that does nothing: how long one takes, and how many a second
// many clients get. Choosing the candidates is measured by placement/bench.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/signaling"
)

const (
	few, many  = 10_000, 100_000 // nodes
	zones      = 64
	candidates = 16
	runs       = bench.Runs
	perRun     = 1500 // single claims of a run, each beside a no-op
	clients    = 32
	burst      = 12_800 // claims of all clients together in a run
	// registrars is how many nodes register at a time.
	registrars = 64
)

// request is the rendering task that is placed all the time.
var request = signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{
	StudyInstanceUID: "1.2.840.113619.2.55.3.604688119.971.1271", SeriesInstanceUID: "1.2.840.113619.2.55.3.604688119.971.1272"}}

// Run measures and returns the rows; progress is told on w. It starts a redis-server of its own.
func Run(ctx context.Context, w io.Writer) (rows []bench.Row, err error) {
	dir, err := os.MkdirTemp("", "tomocast-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for redis-server: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := redistest.Launch(dir)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	rdb, err := pool.Connect("redis://" + server.Addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	p, err := pool.Open(ctx, rdb, pool.Options{Lease: time.Hour, HeartbeatTTL: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	snap := placement.NewSnapshot()
	snap.SetDistances(placement.NewDistances(nil, nil, 20))
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { _ = p.Follow(following, snap) }) // it ends without an error
	defer follower.Wait()
	defer stop()
	b := &fleet{p: p, rdb: rdb, snap: snap}
	rdb.AddHook(&b.script)
	for _, n := range []int{few, many} {
		fmt.Fprintf(w, "claims: registering %d nodes\n", n)
		if err := b.grow(ctx, n); err != nil {
			return nil, err
		}
		fmt.Fprintf(w, "claims: beside no-op EVALSHA among %d nodes, %d runs of %d\n", n, runs, perRun)
		single, err := b.single(ctx)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(w, "claims: of %d clients among %d nodes, %d runs of %d\n", clients, n, runs, burst)
		together, err := b.together(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(append(rows, single...), together...)
	}
	return rows, nil
}

// fleet is the pool that is measured.
type fleet struct {
	p      *pool.Pool
	rdb    redis.UniversalClient
	snap   *placement.Snapshot
	script stopwatch
	nodes  int
}

func zone(i int) string { return fmt.Sprintf("zone-%d", i%zones) }

// grow registers edges until there are n, and waits until the snapshot has them.
func (b *fleet) grow(ctx context.Context, n int) error {
	next := make(chan int)
	errs := make(chan error, registrars)
	var group sync.WaitGroup
	for range registrars {
		group.Go(func() {
			for i := range next {
				if _, err := b.p.Register(ctx, edge(i), 0, nil); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var err error
feed:
	for ; b.nodes < n; b.nodes++ {
		select {
		case next <- b.nodes:
		case err = <-errs:
			break feed
		}
	}
	close(next)
	group.Wait()
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for b.snap.Len() < n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func edge(i int) signaling.Node {
	return signaling.Node{ID: signaling.NodeID(fmt.Sprintf("edge-%06d", i)), Tier: signaling.TierEdge, State: signaling.NodeReady,
		Version: "1", Zone: zone(i), DistanceMs: float64(i%997) / 100, Renderer: "OpenGL 4.6", Codecs: []string{"h264", "vp8"}, Types: signaling.TaskTypes,
		Capacity: signaling.Resources{GPUMemoryMB: 24 << 10, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 16_000, MemoryMB: 64 << 10}}
}

// choose makes a claim for a terminal in a zone, without those candidates.
func (b *fleet) choose(zone, key string, without []signaling.NodeID) pool.Claim {
	cands, _ := b.snap.Candidates(placement.Request{Type: request.Type, Needs: request.Needs(), Zone: zone, Exclude: without}, candidates)
	c := pool.Claim{Key: key, Task: signaling.TaskID(signaling.NewID("t")), Request: request, Creator: "bench", Needs: request.Needs(), Lease: time.Hour}
	for _, n := range cands {
		c.Candidates = append(c.Candidates, n.Node)
	}
	return c
}

// release gives a claimed place back.
func (b *fleet) release(ctx context.Context, r signaling.Reservation) error {
	_, err := b.p.Release(ctx, r.Task, "", signaling.TaskFinished, "", nil)
	return err
}

// single measures claims one by one, with and without an idempotency key, in turns with a script that does nothing. A
// script's time is from sending the command to having its answer; a claim's is all of Pool.Claim.
func (b *fleet) single(ctx context.Context) ([]bench.Row, error) {
	noop := redis.NewScript("return 1")
	var nothing, plain, keyed, whole []float64 // medians of the runs
	for run := range runs {
		var n, s, k, w []float64
		for i := range perRun {
			if err := noop.Run(ctx, b.rdb, []string{"{tomocast}"}).Err(); err != nil {
				return nil, fmt.Errorf("run a script that does nothing: %w", err)
			}
			n = append(n, b.script.took)
			for _, key := range []string{"", signaling.NewID("k")} {
				claim := b.choose(zone(run*perRun+i), key, nil)
				start := time.Now()
				got, err := b.p.Claim(ctx, claim)
				took := micros(start)
				if err != nil {
					return nil, err
				}
				if key == "" {
					s, w = append(s, b.script.took), append(w, took)
				} else {
					k = append(k, b.script.took)
				}
				if err := b.release(ctx, got); err != nil {
					return nil, err
				}
			}
		}
		nothing, plain = append(nothing, bench.Median(n)), append(plain, bench.Median(s))
		keyed, whole = append(keyed, bench.Median(k)), append(whole, bench.Median(w))
	}
	among := fmt.Sprintf(" among %d nodes", b.nodes)
	return []bench.Row{
		{Name: "no-op EVALSHA" + among + ", p50", Value: bench.Median(nothing), Unit: "us"},
		{Name: "claim script" + among + ", p50", Value: bench.Median(plain), Unit: "us"},
		{Name: "claim script / no-op EVALSHA" + among, Value: bench.Ratio(plain, nothing), Unit: "x", Bar: 2, BarIs: bench.AtMost},
		{Name: "claim script with an idempotency key / no-op EVALSHA" + among, Value: bench.Ratio(keyed, nothing), Unit: "x"},
		{Name: "whole claim / no-op EVALSHA" + among, Value: bench.Ratio(whole, nothing), Unit: "x"},
	}, nil
}

// stopwatch keeps how long the last single command took, in microseconds, where one goroutine at a time sends any.
type stopwatch struct{ took float64 }

func (s *stopwatch) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *stopwatch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" || ctx.Value(unwatched{}) != nil {
			return next(ctx, cmd)
		}
		start := time.Now()
		err := next(ctx, cmd)
		s.took = micros(start)
		return err
	}
}

func (s *stopwatch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// unwatched marks commands of many at a time, which the stopwatch is not for.
type unwatched struct{}

func micros(since time.Time) float64 { return time.Since(since).Seconds() * 1e6 }

// together measures how many claims a second many clients get, of terminals in different zones: with candidates that were
// chosen before, and with the whole way from the snapshot on; and beside them how many scripts that do nothing.
func (b *fleet) together(ctx context.Context) ([]bench.Row, error) {
	ctx = context.WithValue(ctx, unwatched{}, true)
	noop := redis.NewScript("return 1")
	var nothing, claims, placed []float64 // per second
	for range runs {
		rate, err := b.burst(func(int, int) error { return noop.Run(ctx, b.rdb, []string{"{tomocast}"}).Err() })
		if err != nil {
			return nil, fmt.Errorf("run a script that does nothing: %w", err)
		}
		nothing = append(nothing, rate)
		var ready [clients][]pool.Claim
		var held [clients][]signaling.Reservation
		for c := range clients {
			taken := map[signaling.NodeID]int{}
			var full []signaling.NodeID
			for range burst / clients {
				claim := b.choose(zone(c), "", full)
				if first := claim.Candidates[0]; taken[first] == 3 { // its last place
					full = append(full, first)
				} else {
					taken[first]++
				}
				ready[c] = append(ready[c], claim)
			}
		}
		keep := func(c int, claim pool.Claim) error {
			r, err := b.p.Claim(ctx, claim)
			if err == nil {
				held[c] = append(held[c], r)
			}
			return err
		}
		if rate, err = b.burst(func(c, i int) error { return keep(c, ready[c][i]) }); err != nil {
			return nil, err
		}
		claims = append(claims, rate)
		if err := b.empty(ctx, &held); err != nil {
			return nil, err
		}
		rate, err = b.burst(func(c, _ int) error {
			for {
				// The snapshot may lag behind, so that all candidates are full by now: choose again.
				if err := keep(c, b.choose(zone(c), "", nil)); !errors.Is(err, pool.ErrNoneFits) {
					return err
				}
			}
		})
		if err != nil {
			return nil, err
		}
		placed = append(placed, rate)
		if err := b.empty(ctx, &held); err != nil {
			return nil, err
		}
	}
	of := fmt.Sprintf(" of %d clients among %d nodes", clients, b.nodes)
	return []bench.Row{
		{Name: "no-op EVALSHA" + of, Value: bench.Median(nothing), Unit: "1/s"},
		{Name: "claims" + of, Value: bench.Median(claims), Unit: "1/s", Bar: 25_000, BarIs: bench.AtLeast},
		{Name: "chosen and claimed" + of, Value: bench.Median(placed), Unit: "1/s"},
	}, nil
}

// burst has all clients do something at a time, and returns how often a second they did.
func (b *fleet) burst(do func(client, i int) error) (float64, error) {
	errs := make(chan error, clients)
	var group sync.WaitGroup
	start := time.Now()
	for c := range clients {
		group.Go(func() {
			for i := range burst / clients {
				if err := do(c, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	close(errs)
	return burst / took.Seconds(), <-errs
}

// empty releases what was claimed, and waits until the snapshot has heard of it.
func (b *fleet) empty(ctx context.Context, held *[clients][]signaling.Reservation) error {
	_, err := b.burst(func(c, _ int) error {
		rs := held[c]
		if len(rs) == 0 {
			return nil
		}
		held[c] = rs[1:]
		return b.release(ctx, rs[0])
	})
	if err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for c := range clients {
		for {
			claim := b.choose(zone(c), "", nil)
			if n, ok := b.snap.Get(claim.Candidates[0]); ok && n.Free == n.Capacity {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
	return nil
}
