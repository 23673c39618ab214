package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	choosing "github.com/tomocast/tomocast/cloud-broker/placement/bench"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/internal/chaos"
)

// large is a pool as large as one may be: entries in a snapshot, without links.
const large = 100_000

// choose is the choice among the nodes of a large pool beside scoring every one of them.
func choose(_ context.Context, s setup) ([]bench.Row, error) {
	fmt.Fprintf(s.log, "choose: among %d nodes\n", large)
	r, err := choosing.Run(large)
	if err != nil {
		return nil, err
	}
	return r.Rows(), nil
}

// Of the pool that lives through failures.
const (
	chaosBrokers = 10
	chaosEdges   = 1000
	chaosFor     = 2 * time.Minute
)

// failures kills brokers, edges and Redis at random, and counts what must never happen.
func failures(ctx context.Context, s setup) ([]bench.Row, error) {
	fmt.Fprintf(s.log, "chaos: %d brokers and %d simulated edges for %v\n", chaosBrokers, chaosEdges, chaosFor)
	r, err := chaos.Run(ctx, chaos.Options{Brokers: chaosBrokers, Edges: chaosEdges, Duration: chaosFor,
		Program: filepath.Join(s.bin, "cloud-broker"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.log, "chaos: seed %d, %+v, %d requests, %d sent again, %d tasks moved\n", r.Seed, r.Kills, r.Requests, r.Retried, r.Moved)
	if r.Violated > 0 {
		fmt.Fprintf(s.log, "chaos: %s\n", strings.Join(r.Violations, "\nchaos: "))
	}
	return []bench.Row{
		{Name: "10 brokers, 1,000 edges, random kills for 2 minutes: resources held twice, leaked, or requests without an answer", Value: float64(r.Violated), Unit: "", Bar: 0, BarIs: bench.AtMost},
		{Name: "requests of terminals in that time", Value: float64(r.Requests), Unit: ""},
		{Name: "longest that anything was held behind its owner's end", Value: r.Released.Seconds(), Unit: "s", Bar: 10, BarIs: bench.AtMost},
		{Name: "answer, median", Value: r.AnswerP50.Seconds() * 1000, Unit: "ms"},
		{Name: "answer, 99 of 100, with the tries at other brokers", Value: r.AnswerP99.Seconds() * 1000, Unit: "ms"},
	}, nil
}

// policies replays the public traces with the broker's policies and baselines.
func policies(ctx context.Context, s setup) ([]bench.Row, error) {
	dir := filepath.Join(s.shared, "data", "traces")
	if _, err := os.Stat(dir); err != nil {
		return nil, skipped("the traces are not here: " + err.Error())
	}
	return simulate.Bars(ctx, dir, s.log)
}
