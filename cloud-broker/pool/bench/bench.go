// Package bench measures the placement of tasks: choosing candidates in memory and claiming in Redis.
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
	nodes      = 10_000
	candidates = 16
	runs       = 7
	perRun     = 2000 // claims, each beside a no-op
	claimers   = 32
	burst      = 10_000 // claims of all claimers together
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

	fmt.Fprintf(w, "placement: registering %d nodes\n", nodes)
	if err := register(ctx, p); err != nil {
		return nil, err
	}
	snap := placement.NewSnapshot()
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { _ = p.Follow(following, snap) }) // it ends without an error
	defer follower.Wait()
	defer stop()
	select {
	case <-p.Synced():
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	fmt.Fprintf(w, "placement: candidates among %d nodes, %d runs\n", snap.Len(), runs)
	rows = choosing(snap)
	fmt.Fprintf(w, "placement: claims beside no-op EVALSHA, %d runs of %d\n", runs, perRun)
	claims, err := claiming(ctx, p, rdb, snap)
	if err != nil {
		return nil, err
	}
	rate, err := together(ctx, p, snap)
	if err != nil {
		return nil, err
	}
	return append(append(rows, claims...), rate), nil
}

func register(ctx context.Context, p *pool.Pool) error {
	capacity := signaling.Resources{GPUMemoryMB: 24 << 10, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 16_000, MemoryMB: 64 << 10}
	for i := range nodes {
		n := signaling.Node{ID: signaling.NodeID(fmt.Sprintf("edge-%05d", i)), Tier: signaling.TierEdge, State: signaling.NodeReady,
			Version: "1", DistanceMs: float64(i%997) / 10, Renderer: "OpenGL 4.6", Codecs: []string{"h264", "vp8"},
			Types: signaling.TaskTypes, Capacity: capacity}
		if i%20 == 0 {
			n.Tier = signaling.TierCloud
		}
		if _, err := p.Register(ctx, n, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// choosing measures placement.Candidates with the pool empty and with its nearest nine tenths full.
func choosing(snap *placement.Snapshot) []bench.Row {
	full := placement.NewSnapshot()
	all := snap.Nodes()
	for i := range all {
		if all[i].DistanceMs < 90 {
			all[i].Free.EncoderSessions = 0
		}
	}
	full.Replace(all, nil)
	r := placement.Request{Type: request.Type, Needs: request.Needs()}
	measure := func(s *placement.Snapshot) float64 {
		var medians []float64
		for range runs {
			var ms []float64
			for range perRun {
				start := time.Now()
				s.Candidates(r, candidates)
				ms = append(ms, time.Since(start).Seconds()*1e3)
			}
			medians = append(medians, bench.Median(ms))
		}
		return bench.Median(medians)
	}
	return []bench.Row{
		{Name: "candidates among 10,000 nodes", Value: measure(snap), Unit: "ms", Bar: 0.2, BarIs: bench.AtMost},
		{Name: "candidates among 10,000 nodes, 9 of 10 full", Value: measure(full), Unit: "ms", Bar: 0.2, BarIs: bench.AtMost},
	}
}

// claiming measures single claims, with and without an idempotency key, in turns with a script that does nothing.
// A script's time is from sending the command to having its answer; a claim's is all of Pool.Claim.
func claiming(ctx context.Context, p *pool.Pool, rdb redis.UniversalClient, snap *placement.Snapshot) ([]bench.Row, error) {
	var script stopwatch
	rdb.AddHook(&script)
	noop := redis.NewScript("return 1")
	var nothing, plain, keyed, whole []float64 // medians of the runs
	for range runs {
		var a, b, c, d []float64
		for range perRun {
			if err := noop.Run(ctx, rdb, []string{"{tomocast}"}).Err(); err != nil {
				return nil, fmt.Errorf("run a script that does nothing: %w", err)
			}
			a = append(a, script.took)
			for _, key := range []string{"", signaling.NewID("k")} {
				claim := nextClaim(snap, key)
				start := time.Now()
				got, err := p.Claim(ctx, claim)
				if err != nil {
					return nil, err
				}
				if key == "" {
					d = append(d, micros(start))
					b = append(b, script.took)
				} else {
					c = append(c, script.took)
				}
				if _, err := p.Release(ctx, got.Task, "", signaling.TaskFinished, "", nil); err != nil {
					return nil, err
				}
			}
		}
		nothing, plain = append(nothing, bench.Median(a)), append(plain, bench.Median(b))
		keyed, whole = append(keyed, bench.Median(c)), append(whole, bench.Median(d))
	}
	return []bench.Row{
		{Name: "no-op EVALSHA, p50", Value: bench.Median(nothing), Unit: "us"},
		{Name: "claim script among 10,000 nodes, p50", Value: bench.Median(plain), Unit: "us"},
		{Name: "claim script / no-op EVALSHA", Value: bench.Ratio(plain, nothing), Unit: "x", Bar: 2, BarIs: bench.AtMost},
		{Name: "claim script with an idempotency key / no-op EVALSHA", Value: bench.Ratio(keyed, nothing), Unit: "x"},
		{Name: "whole claim / no-op EVALSHA", Value: bench.Ratio(whole, nothing), Unit: "x"},
	}, nil
}

// stopwatch keeps how long the last single command took, in microseconds. It is for one goroutine at a time.
type stopwatch struct{ took float64 }

func (s *stopwatch) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *stopwatch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		start := time.Now()
		err := next(ctx, cmd)
		s.took = micros(start)
		return err
	}
}

func (s *stopwatch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func micros(since time.Time) float64 { return time.Since(since).Seconds() * 1e6 }

func nextClaim(snap *placement.Snapshot, key string) pool.Claim {
	cands, _ := snap.Candidates(placement.Request{Type: request.Type, Needs: request.Needs()}, candidates)
	c := pool.Claim{Key: key, Task: signaling.TaskID(signaling.NewID("t")), Request: request, Creator: "bench", Needs: request.Needs(), Lease: time.Hour}
	for _, n := range cands {
		c.Candidates = append(c.Candidates, n.Node)
	}
	return c
}

// together measures how many claims a second many claimers get, each with the whole way from the snapshot on.
func together(ctx context.Context, p *pool.Pool, snap *placement.Snapshot) (bench.Row, error) {
	errs := make(chan error, claimers)
	var group sync.WaitGroup
	start := time.Now()
	for range claimers {
		group.Go(func() {
			for range burst / claimers {
				// The snapshot lags behind this rate, so that all candidates may be full by now.
				if _, err := p.Claim(ctx, nextClaim(snap, "")); err != nil && !errors.Is(err, pool.ErrNoneFits) {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	close(errs)
	if err := <-errs; err != nil {
		return bench.Row{}, err
	}
	return bench.Row{Name: "claims of 32 claimers at a time", Value: burst / took.Seconds(), Unit: "1/s"}, nil
}
