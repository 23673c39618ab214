package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const (
	poolName = "chaos"
	// hurried is the group of terminals that may ask for urgent places, one of hurriedEvery.
	hurried, hurriedEvery = "hurried", 3
	// How long edges wait for a terminal that was granted, and for one that is gone.
	arrival, grace = 5 * time.Second, 2 * time.Second
	// awaited is how long the pool keeps a task, and with it its shadow, for a terminal to ask again (pool.Options.PlacingTTL).
	awaited = 15 * time.Second
	// settleWithin is how long everything may take to be as it should behind the last kill.
	settleWithin = 60 * time.Second
)

// world is a pool with everybody in it.
type world struct {
	Options
	log      *slog.Logger
	dir      string
	issuer   *issuer
	operator string // its token
	http     *http.Client
	brokers  []*broker
	edges    []*edge
	byID     map[signaling.NodeID]*edge
	referee  *referee
	pace     *pace
	rdb      redis.UniversalClient
	pool     *pool.Pool // to look into

	redisMu   sync.Mutex
	redis     *redistest.Server
	redisAddr string
	lives     int // of Redis, which writes into a folder of its own in each

	mu      sync.Mutex
	report  Report
	answers []time.Duration
}

// build starts Redis and the brokers, and makes the edges, which do not live yet.
func build(ctx context.Context, dir string, o Options) (w *world, err error) {
	w = &world{Options: o, log: o.Log, dir: dir, issuer: newIssuer(), byID: map[signaling.NodeID]*edge{}, referee: newReferee(o.Log), pace: newPace()}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	w.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second}}
	if w.operator, err = w.issuer.token(operator); err != nil {
		return w, err
	}
	if w.Program == "" {
		if w.Program, err = compile(ctx, dir); err != nil {
			return w, err
		}
	}
	studies := filepath.Join(dir, "studies")
	for _, d := range []string{studies, w.redisDir(0)} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return w, fmt.Errorf("chaos: %w", err)
		}
	}
	if err := writeSeries(studies); err != nil {
		return w, err
	}
	if w.redisAddr, err = freeAddress(); err != nil {
		return w, err
	}
	if w.redis, err = redistest.Launch(w.redisDir(0), redisOptions(w.redisAddr)...); err != nil {
		return w, err
	}
	if w.rdb, err = pool.Connect("redis://" + w.redisAddr); err != nil {
		return w, err
	}
	if w.pool, err = pool.Open(ctx, w.rdb, pool.Options{Prefix: "{" + poolName + "}", Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return w, err
	}
	sites, err := sitesFile(dir)
	if err != nil {
		return w, fmt.Errorf("chaos: %w", err)
	}
	for n := range o.Brokers {
		b := &broker{program: w.Program, args: []string{"--redis", "redis://" + w.redisAddr, "--pool", poolName, "--studies", studies,
			"--cache-dir", filepath.Join(dir, fmt.Sprintf("cache-%d", n)), "--oidc-issuer", w.issuer.URL, "--oidc-audience", audience,
			"--oidc-operators", operator, "--sites", sites, "--oidc-urgent", hurried, "--session-wait", arrival.String(), "--session-grace", grace.String()}}
		w.brokers = append(w.brokers, b)
		if b.addr, err = freeAddress(); err != nil {
			return w, err
		}
		if err := b.start(ctx); err != nil {
			return w, err
		}
	}
	slots := 0
	for n := range o.Edges {
		e := &edge{world: w, node: newNode(n), teardown: time.Duration(n%5) * 50 * time.Millisecond}
		choices := rand.New(rand.NewPCG(o.Seed, uint64(n)+1<<32))
		if e.way, err = newWay(func() string { return w.address(choices, -1) }); err != nil {
			return w, err
		}
		if n%3 == 0 {
			if e.door, err = newDoor(); err != nil {
				return w, err
			}
			e.node.URL = "http://" + e.door.addr
		}
		w.edges = append(w.edges, e)
		w.byID[e.node.ID] = e
		slots += int(e.node.Capacity.EncoderSessions)
	}
	if w.Terminals == 0 {
		w.Terminals = max(1, slots*9/10)
	}
	return w, nil
}

// close ends everything that still runs.
func (w *world) close() {
	for _, e := range w.edges {
		e.die()
		e.way.cut()
		if e.door != nil {
			e.door.close()
		}
	}
	for _, b := range w.brokers {
		b.kill()
	}
	if w.rdb != nil {
		_ = w.rdb.Close() // nothing is written with it
	}
	if w.redis != nil {
		w.redis.Stop()
	}
	w.http.CloseIdleConnections()
	w.issuer.Close()
}

func (w *world) redisDir(life int) string { return filepath.Join(w.dir, fmt.Sprintf("redis-%d", life)) }

// redisOptions has Redis listen at an address and write a log of what it does, so that it comes back with its data.
func redisOptions(address string) []string {
	_, port, _ := net.SplitHostPort(address) // it was listened at
	return []string{"--port", port, "--appendonly", "yes", "--appendfsync", "no"}
}

// address is that of a broker other than number last, which lives as far as anybody knows.
func (w *world) address(rng *rand.Rand, last int) string {
	_, b := w.another(rng, last)
	return b.addr
}

func (w *world) another(rng *rand.Rand, last int) (int, *broker) {
	n := len(w.brokers)
	for first, k := rng.IntN(n), 0; k < n; k++ {
		if i := (first + k) % n; i != last && w.brokers[i].lives() {
			return i, w.brokers[i]
		}
	}
	i := max(last, 0)
	return i, w.brokers[i]
}

// ask is a client of a broker other than number last, as the bearer of token.
func (w *world) ask(rng *rand.Rand, token string, last int) (*terminal.Client, int) {
	i, b := w.another(rng, last)
	return &terminal.Client{Broker: "http://" + b.addr, Token: func() string { return token }, HTTP: w.http}, i
}

// client is of all brokers, one that lives first, as the bearer of token.
func (w *world) client(rng *rand.Rand, token string) *terminal.Client {
	c, first := w.ask(rng, token, -1)
	for i := range w.brokers {
		c.Brokers = append(c.Brokers, "http://"+w.brokers[(first+i)%len(w.brokers)].addr)
	}
	return c
}

// find is the work of an attempt; nil where its edge does not hold it.
func (w *world) find(a signaling.Attempt) *work {
	if e := w.byID[a.Node]; e != nil {
		return e.find(a.ID)
	}
	return nil
}

func (w *world) count(f func(*Report)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.report)
}

// answered counts a request that had an answer, or has none.
func (w *world) answered(took time.Duration, tries int, err error) {
	w.pace.took(took / time.Duration(max(tries, 1)))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Requests++
	w.report.Retried += tries - 1
	w.answers = append(w.answers, took)
	var problem *signaling.Problem
	switch {
	case err == nil:
		w.report.Granted++
	case errors.Is(err, errQueued):
		w.report.Queued++
	case errors.Is(err, errUnanswered) || !errors.As(err, &problem): // the one who asked has told it, or the run has ended
	case problem.Code == signaling.ProblemNoFreeNode:
		w.report.Refused++
	case problem.Code == signaling.ProblemNotFound:
		w.report.Ended++
	default:
		w.referee.violation("a request is refused as it must not be: %v", problem)
	}
}

// run lets everybody live, kills, and waits until all is settled.
func (w *world) run(ctx context.Context) (Report, error) {
	began := time.Now()
	w.report = Report{Seed: w.Seed, Brokers: w.Brokers, Edges: w.Edges, Terminals: w.Terminals}
	w.log.Info("chaos begins", "seed", w.Seed, "brokers", w.Brokers, "edges", w.Edges, "terminals", w.Terminals)
	w.referee.calmed()
	for _, e := range w.edges {
		if err := e.start(); err != nil {
			return w.report, err
		}
	}
	if err := w.await(ctx, "every edge is in the pool", func() string { return w.unready(ctx) }); err != nil {
		return w.report, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watching sync.WaitGroup
	watched := make(chan struct{})
	watching.Go(func() { w.watch(ctx, watched) })

	var people sync.WaitGroup
	stop := make(chan struct{})
	for n := range w.Terminals {
		name := fmt.Sprintf("terminal-%d", n)
		var groups []string
		if n%hurriedEvery == 0 {
			groups = []string{hurried}
		}
		token, err := w.issuer.token(name, groups...)
		if err != nil {
			return w.report, err
		}
		p := &person{world: w, name: name, hurried: groups != nil, token: token, rng: rand.New(rand.NewPCG(w.Seed, uint64(n)))}
		people.Go(func() { p.run(ctx, stop) })
	}
	err := newMonkey(w).run(ctx)
	last := time.Now()
	close(stop)
	people.Wait()
	if err == nil {
		err = w.settle(ctx)
	}
	settled := time.Since(last)
	close(watched)
	watching.Wait()

	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Settled, w.report.Lasted = settled, time.Since(began)
	w.conclude()
	return w.report, err
}

// settle waits until nothing is held any more, by anybody's account.
func (w *world) settle(ctx context.Context) error {
	err := w.await(ctx, "nothing is held", func() string {
		if n := w.referee.held(); n > 0 {
			return fmt.Sprintf("edges hold %d attempts", n)
		}
		return w.unready(ctx)
	})
	if errors.Is(err, errVain) {
		w.referee.violation("%v", err)
		return nil
	}
	return err
}

var errVain = errors.New("in vain waited")

// await asks until nothing is missing.
func (w *world) await(ctx context.Context, what string, missing func() string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(settleWithin); ; {
		lacks := missing()
		if lacks == "" {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("%w %v until %s: %s", errVain, settleWithin, what, lacks)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unready says which edge is not in the pool, ready and with everything free; empty where all are.
func (w *world) unready(ctx context.Context) string {
	nodes, err := w.nodes(ctx)
	if err != nil {
		return err.Error()
	}
	for _, e := range w.edges {
		n, ok := nodes[e.node.ID]
		switch {
		case !ok:
			return fmt.Sprintf("%s is not in the pool", e.node.ID)
		case n.State != signaling.NodeReady:
			return fmt.Sprintf("%s is %s", e.node.ID, n.State)
		case n.Free != n.Capacity || len(n.FreeGPUs) > 0 && !slices.Equal(n.FreeGPUs, n.GPUs):
			return fmt.Sprintf("%s has %+v of %+v free", e.node.ID, n.Free, n.Capacity)
		}
	}
	return ""
}

// nodes are all nodes as Redis has them.
func (w *world) nodes(ctx context.Context) (map[signaling.NodeID]signaling.Node, error) {
	all := map[signaling.NodeID]signaling.Node{}
	for after := signaling.NodeID(""); ; {
		page, err := w.pool.Nodes(ctx, after, 500)
		if err != nil {
			return nil, err
		}
		for _, n := range page {
			all[n.ID], after = n.Node, n.ID
		}
		if len(page) < 500 {
			return all, nil
		}
	}
}

// restartRedis kills Redis and starts it again after a while, with what it has written or empty.
func (w *world) restartRedis(ctx context.Context, down time.Duration, empty bool) error {
	w.redisMu.Lock()
	defer w.redisMu.Unlock()
	w.referee.disturbed()
	w.redis.Stop()
	timer := time.NewTimer(down)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if empty {
		w.lives++
		w.referee.forgot()
		if err := os.Mkdir(w.redisDir(w.lives), 0o755); err != nil {
			return fmt.Errorf("chaos: %w", err)
		}
	}
	again, err := redistest.Launch(w.redisDir(w.lives), redisOptions(w.redisAddr)...)
	if err != nil {
		w.redis = nil
		return err
	}
	w.redis = again
	w.referee.calmed()
	return nil
}
