package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Options are what a run is made of.
type Options struct {
	Brokers  int
	Edges    int
	Duration time.Duration // for how long something is killed; the pool has time to settle behind it
	Seed     uint64        // decides what is killed when; 0 takes one from the clock
	Log      *slog.Logger  // what happens to whom; nil: nothing is told

	// Terminals is how many tasks there are at a time; 0 is nine tenths of what the edges have room for.
	Terminals int
	// Program is the path of cloud-broker; empty: it is built, which takes the module's sources.
	Program string
}

func (o *Options) fill() error {
	if o.Brokers < 1 || o.Brokers > 100 || o.Edges < 1 || o.Edges > 10_000 {
		return fmt.Errorf("chaos: %d brokers and %d edges: 1 to 100 and 1 to 10000", o.Brokers, o.Edges)
	}
	if o.Duration < time.Second {
		return fmt.Errorf("chaos: a duration of %v: at least 1s", o.Duration)
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Report is what a run has shown.
type Report struct {
	Seed                      uint64
	Brokers, Edges, Terminals int
	Lasted                    time.Duration
	Kills                     Kills

	Requests int // by terminals
	Granted  int // at once, or from the queue
	Queued   int // had to wait
	GaveUp   int // had waited too long
	Refused  int // nothing was free, in words
	Ended    int // the task had ended before its terminal heard of it
	Retried  int // times a request was sent again, at another broker
	Moved    int // grants of another attempt, after the edge was lost

	MovesAsked, HandedOver int // moves that an operator asked for and was not refused; terminals that went over
	ByEdges                int // granted by the edge that was asked
	PreEmpted              int // idle sessions that made room for an urgent one
	Resized                int // budgets that edges were given

	AnswerP50 time.Duration
	AnswerP99 time.Duration // from the first try on
	AnswerMax time.Duration

	// Released is the longest time that something was held behind its owner's end, as far as it could be told; Settled
	// is how long it took behind the last kill until nothing was held any more.
	Released, Settled time.Duration

	BrokersMemoryMB, RedisMemoryMB, EdgesMemoryMB float64 // at most at a time, all processes together
	BrokersCPU, RedisCPU, EdgesCPU                time.Duration

	// Violations are what must never happen, each in words; at most maxViolations, Violated counts all.
	Violations []string
	Violated   int
}

// Kills counts what was done to the pool.
type Kills struct {
	Brokers, Redis, RedisEmptied int // RedisEmptied came back without their data
	Links, Edges                 int // cut; died
	Stopped, Cordoned            int // edges, in order; by an operator
	Revoked                      int // tasks, by an operator
	Terminals                    int // that vanished
}

// Err is nil where nothing happened that must not.
func (r *Report) Err() error {
	if r.Violated == 0 {
		return nil
	}
	more := ""
	if n := r.Violated - len(r.Violations); n > 0 {
		more = fmt.Sprintf("\n(and %d more)", n)
	}
	return fmt.Errorf("chaos, seed %d: %d violations:\n%s%s", r.Seed, r.Violated, strings.Join(r.Violations, "\n"), more)
}

// Run starts a pool, lets it live through Options.Duration of failures and until it has settled, and ends it. The error is
// what kept it from running; what it found is in the report.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if err := o.fill(); err != nil {
		return report, err
	}
	dir, err := os.MkdirTemp("", "tomocast-chaos-")
	if err != nil {
		return report, fmt.Errorf("chaos: make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := build(ctx, dir, o)
	if err != nil {
		return report, err
	}
	defer w.close()
	return w.run(ctx)
}
