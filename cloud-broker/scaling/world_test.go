package scaling_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/signaling"
)

const (
	prefix   = "{test}"
	waitMost = 20 * time.Second
	beatTime = 4 * time.Millisecond // between two heartbeats
)

// capacity is room for four sessions.
var capacity = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 8192}

var needs = signaling.DefaultResources(signaling.Rendering)

// quick scales sessions within milliseconds.
func quick() scale.Config {
	c := scale.Sessions()
	c.Monitor.Window, c.Scaler.Settle, c.Scaler.Every = 30*time.Millisecond, 0, 2*time.Millisecond
	c.Scaler.RestShrink, c.Scaler.RestExpand = 5*time.Millisecond, 5*time.Millisecond
	c.Scheduler.Wait, c.Scheduler.GiveUp, c.Scheduler.Retry = 10*time.Millisecond, 100*time.Millisecond, 5*time.Millisecond
	c.Ceiling = 4
	c.Manager.Wait, c.Manager.GiveUp = 10*time.Millisecond, 50*time.Millisecond
	return c
}

// world is a pool, its edges, and a broker that scales their tasks.
type world struct {
	*pool.Pool
	t      *testing.T
	ctx    context.Context
	nodes  *placement.Snapshot
	scaler *scaling.Scaler
	c      scaling.Config

	mu    sync.Mutex
	edges map[signaling.NodeID]*edge
	// pixels is what sessions with encoder threads encode, thousands a second.
	pixels int64
	cut    int // how many answers are lost yet, though the edge does what it was told
	no     error
	sets   int

	brokers int // that there have been
}

// links are the edges' links at one broker.
type links struct {
	*world
	name string
}

func (l links) Name() string { return l.name }

// edge is what an edge has: its ledger with budgets, and what its tasks would use if they had it.
type edge struct {
	budgets map[signaling.AttemptID]signaling.Budget
	wants   map[signaling.AttemptID]nodetime.Amounts
}

// onBoth runs a scenario on a real Redis and on the embedded one.
func onBoth(t *testing.T, change func(*scaling.Config), f func(w *world)) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) { f(newWorld(t, rdb, change)) })
}

func newWorld(t *testing.T, rdb redis.UniversalClient, change func(*scaling.Config)) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p, err := pool.Open(ctx, rdb, pool.Options{Prefix: prefix, Logger: log})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	w := &world{Pool: p, t: t, ctx: ctx, nodes: placement.NewSnapshot(), edges: map[signaling.NodeID]*edge{}}
	w.c = scaling.Config{Pool: p, Nodes: w.nodes, Scale: map[signaling.TaskType]scale.Config{signaling.Rendering: quick()},
		Log: log, Metrics: prometheus.NewRegistry()}
	if change != nil {
		change(&w.c)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = p.Follow(ctx, w.nodes) }) // it ends with ctx
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	<-p.Synced()
	w.scaler = w.broker()
	return w
}

// broker is another broker's scaling.
func (w *world) broker() *scaling.Scaler {
	w.t.Helper()
	c := w.c
	c.Metrics = nil
	w.brokers++
	c.Edges = links{w, fmt.Sprint("broker-", w.brokers)}
	s, err := scaling.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	begun := make(chan struct{})
	running.Go(func() {
		close(begun)
		_ = s.Run(ctx) // it ends with ctx
	})
	<-begun
	w.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// node brings an edge into the pool.
func (w *world) node(id signaling.NodeID) {
	w.t.Helper()
	_, err := w.Register(w.ctx, signaling.Node{ID: id, Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "1", Renderer: "cpu",
		Codecs: []string{"vp8"}, Types: []signaling.TaskType{signaling.Rendering}, Capacity: capacity}, 0, nil)
	w.must(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edges[id] = &edge{map[signaling.AttemptID]signaling.Budget{}, map[signaling.AttemptID]nodetime.Amounts{}}
}

// runs places a session on a node, whose edge runs it. It would use wants.
func (w *world) runs(task signaling.TaskID, node signaling.NodeID, wants nodetime.Amounts) signaling.AttemptID {
	w.t.Helper()
	r, err := w.Claim(w.ctx, pool.Claim{Task: task, Candidates: []signaling.NodeID{node}, Creator: "anna",
		Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2.3"}}})
	w.must(err)
	_, err = w.Report(w.ctx, node, signaling.Update{Task: task, Attempt: r.Attempt.ID, State: signaling.TaskRunning})
	w.must(err)
	w.here(node, r, wants)
	return r.Attempt.ID
}

// here has an edge run what was reserved there.
func (w *world) here(node signaling.NodeID, r signaling.Reservation, wants nodetime.Amounts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edges[node].budgets[r.Attempt.ID] = signaling.Budget{Resources: r.Resources, EncoderThreads: wants[nodetime.EncoderThreads]}
	w.edges[node].wants[r.Attempt.ID] = wants
}

// ends has a task end.
func (w *world) ends(task signaling.TaskID, node signaling.NodeID, id signaling.AttemptID) {
	w.t.Helper()
	w.mu.Lock()
	delete(w.edges[node].budgets, id)
	w.mu.Unlock()
	_, err := w.Report(w.ctx, node, signaling.Update{Task: task, Attempt: id, State: signaling.TaskFinished})
	w.must(err)
}

// wants changes what a task would use.
func (w *world) wants(node signaling.NodeID, id signaling.AttemptID, a nodetime.Amounts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edges[node].wants[id] = a
}

func (w *world) budget(node signaling.NodeID, id signaling.AttemptID) signaling.Budget {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.edges[node].budgets[id]
}

var errCut = errors.New("no link to the edge: it was cut while the budget was under way")

// SetBudget is what an edge does.
func (w *world) SetBudget(_ context.Context, node signaling.NodeID, b signaling.SetBudget) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sets++
	if w.no != nil {
		return w.no
	}
	e := w.edges[node]
	if _, here := e.budgets[b.Attempt]; !here {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "It does not run here."}
	}
	if err := b.Budget.Validate(); err != nil {
		w.t.Errorf("an edge was given an impossible budget: %v", err)
	}
	e.budgets[b.Attempt] = b.Budget
	if w.cut > 0 {
		w.cut--
		return errCut
	}
	return nil
}

// beat is a heartbeat of an edge: each task uses what it wants, as far as its budget goes.
func (w *world) beat(s *scaling.Scaler, node signaling.NodeID) {
	w.mu.Lock()
	e := w.edges[node]
	rates := map[signaling.AttemptID]signaling.Rates{}
	for id, b := range e.budgets {
		uses := func(k nodetime.Kind, has int64) *float64 {
			v := float64(min(e.wants[id][k], has))
			return &v
		}
		rates[id] = signaling.Rates{Budget: b, GPUMilli: uses(nodetime.GPUTime, b.GPUMilli), CPUMilli: uses(nodetime.CPU, b.CPUMilli),
			MemoryMB: uses(nodetime.Memory, b.MemoryMB), EncoderThreads: uses(nodetime.EncoderThreads, cmp.Or(b.EncoderThreads, signaling.MaxEncoderThreads))}
		if r := rates[id]; w.pixels > 0 {
			kpps := 0.0
			if *r.EncoderThreads > 0 {
				kpps = float64(min(w.pixels, cmp.Or(b.EncoderKpps, w.pixels)))
			}
			r.EncoderKpps = &kpps
			rates[id] = r
		}
	}
	w.mu.Unlock()
	s.Measured(w.ctx, node, rates)
}

// until has all edges send heartbeats until something is so.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	w.untilBy(w.scaler, what, is)
}

func (w *world) untilBy(s *scaling.Scaler, what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(beatTime)
	defer tick.Stop()
	for late := time.Now().Add(waitMost); !is(); <-tick.C {
		if time.Now().After(late) {
			w.t.Fatalf("in vain waited until %s; orders %+v", what, s.Orders(w.ctx))
		}
		for _, id := range slices.Sorted(maps.Keys(w.edges)) {
			w.beat(s, id)
		}
	}
}

// holds is what a task holds in the pool.
func (w *world) holds(task signaling.TaskID) signaling.Resources {
	w.t.Helper()
	t, err := w.Task(w.ctx, task)
	w.must(err)
	if t.Resources == nil {
		return signaling.Resources{}
	}
	return *t.Resources
}

func (w *world) free(node signaling.NodeID) signaling.Resources {
	w.t.Helper()
	n, err := w.Pool.Node(w.ctx, node)
	w.must(err)
	return n.Free
}

// audited fails the test where what is free on a node is not its capacity less what is held there.
func (w *world) audited() {
	w.t.Helper()
	a, err := w.Audit(w.ctx)
	w.must(err)
	if len(a.Problems) > 0 {
		w.t.Fatalf("the pool is not as it should be: %v", a.Problems)
	}
}

// ended is the last order that ended so.
func (w *world) ended(s *scaling.Scaler, state string) (scaling.Order, bool) {
	for _, o := range s.Orders(w.ctx) {
		if o.State == state {
			return o, true
		}
	}
	return scaling.Order{}, false
}

// idle and busy are what sessions would use: nothing to speak of, or more than they can have.
var (
	idle = nodetime.Amounts{nodetime.GPUTime: 2, nodetime.CPU: 20, nodetime.Memory: 300}
	busy = nodetime.Amounts{nodetime.GPUTime: 10_000, nodetime.CPU: 100, nodetime.Memory: 300}
)
