package foresight_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// counting counts the reads of whole records.
type counting struct{ reads int }

func (c *counting) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if cmd.Name() == "hgetall" {
				c.reads++
			}
		}
		return next(ctx, cmds)
	}
}

// A broker that starts learns from the history that others made, then from what ends, and reads every task's record twice at most,
// when it began and when it has ended (B2).
func TestB2HistoryIsLearntAtTheStartAndOnLine(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		reads := &counting{}
		rdb.AddHook(reads)
		ctx := t.Context()
		p, err := pool.Open(ctx, rdb, pool.Options{Prefix: "{test}", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		capacity := signaling.Resources{GPUMemoryMB: 1 << 20, GPUMilli: 1 << 20, EncoderSessions: 1000, CPUMilli: 1 << 20, MemoryMB: 1 << 20}
		if _, err := p.Register(ctx, signaling.Node{ID: "e1", Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "1", Renderer: "cpu",
			Codecs: []string{"vp8"}, Types: signaling.TaskTypes, Capacity: capacity}, 0, nil); err != nil {
			t.Fatal(err)
		}
		begin := func(id string) signaling.Reservation {
			r, err := p.Claim(ctx, pool.Claim{Task: signaling.TaskID(id), Creator: "anna", Candidates: []signaling.NodeID{"e1"},
				Request: signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram"}})
			if err == nil {
				_, err = p.Report(ctx, "", signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskRunning})
			}
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		end := func(r signaling.Reservation) {
			if _, err := p.Report(ctx, "", signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskFinished,
				Usage: &signaling.Usage{RunMs: 1000, CPUMs: 500}}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 12 {
			end(begin(fmt.Sprint("t", i)))
		}
		running := begin("running")
		f := foresight.New(foresight.Config{Pool: p, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
		ask := signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram"}
		if f.Forecast("anna", ask, time.Now()).Known {
			t.Error("something is known before the history was read")
		}
		learning, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- f.Run(learning) }()
		select {
		case <-f.Synced():
		case <-time.After(20 * time.Second):
			t.Fatal("the history was not learnt")
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := f.Forecast("anna", ask, time.Now())
		if !got.Known || got.CPUMilli < 400 || got.CPUMilli > 600 {
			t.Errorf("%+v", got)
		}
		if left, known := f.Left(t.Context(), "running", time.Hour); !known || left < 30*time.Minute {
			t.Errorf("a task that outlives what was expected goes on for %v, %v", left, known)
		}
		before := reads.reads
		for range 5 {
			if err := f.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if reads.reads != before {
			t.Errorf("where nothing happens %d records are read", reads.reads-before)
		}
		end(running)
		if err := f.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := reads.reads - before; n > 2 {
			t.Errorf("of one task that ended %d records are read", n)
		}
		if s := f.Errors(); len(s) != 1 || s[0].Unknown != 13 {
			t.Errorf("%+v", s)
		}
	})
}
