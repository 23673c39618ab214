package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

const prefix = "{test}"

// fixture is a pool with what its tests need around it.
type fixture struct {
	*pool.Pool
	t   *testing.T
	ctx context.Context
	rdb redis.UniversalClient
}

// onBoth runs a scenario on a real Redis and on the embedded one.
func onBoth(t *testing.T, o pool.Options, f func(p fixture)) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) { f(open(t, rdb, o)) })
}

func open(t *testing.T, rdb redis.UniversalClient, o pool.Options) fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	o.Prefix, o.Logger = prefix, slog.New(slog.DiscardHandler)
	p, err := pool.Open(ctx, rdb, o)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{p, t, ctx, rdb}
}

// age makes all leases, heartbeats, waits and deadlines older, as if d had passed.
func (f fixture) age(d time.Duration) {
	f.t.Helper()
	for _, set := range []string{"leases", "beats", "placing", "lost", "drains", "idle", "omitted"} {
		members, err := f.rdb.ZRangeWithScores(f.ctx, prefix+":"+set, 0, -1).Result()
		f.must(err)
		for _, m := range members {
			m.Score -= float64(d.Milliseconds())
			f.must(f.rdb.ZAdd(f.ctx, prefix+":"+set, m).Err())
		}
	}
}

func (f fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) wantErr(err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("error %v, want %v", err, want)
	}
}

// capacity is room for four renderings.
var capacity = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 8192}

var needs = signaling.DefaultResources(signaling.Rendering)

func edge(id string) signaling.Node {
	return signaling.Node{ID: signaling.NodeID(id), Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "1", DistanceMs: 3,
		Renderer: "cpu", Codecs: []string{"vp8"}, Types: []signaling.TaskType{signaling.Rendering, signaling.DataComputation}, Capacity: capacity}
}

func (f fixture) register(n signaling.Node, epoch int64, ledger ...signaling.LedgerEntry) []signaling.AttemptID {
	f.t.Helper()
	in, err := f.Register(f.ctx, n, epoch, ledger)
	f.must(err)
	return in.Ended
}

func rendering() signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2.3"}}
}

func claim(task string, nodes ...string) pool.Claim {
	c := pool.Claim{Task: signaling.TaskID(task), Request: rendering(), Creator: "anna"}
	for _, n := range nodes {
		c.Candidates = append(c.Candidates, signaling.NodeID(n))
	}
	return c
}

func (f fixture) claim(c pool.Claim) signaling.Reservation {
	f.t.Helper()
	r, err := f.Claim(f.ctx, c)
	f.must(err)
	return r
}

func entry(r signaling.Reservation, state signaling.TaskState) signaling.LedgerEntry {
	return signaling.LedgerEntry{Task: r.Task, Attempt: r.Attempt, Type: signaling.Rendering, Resources: r.Resources, State: state, Creator: "anna"}
}

func (f fixture) node(id string) pool.NodeStatus {
	f.t.Helper()
	nodes, err := f.Nodes(f.ctx, "", 1000)
	f.must(err)
	for _, n := range nodes {
		if n.ID == signaling.NodeID(id) {
			return n
		}
	}
	f.t.Fatalf("node %s is not in the pool", id)
	return pool.NodeStatus{}
}

func (f fixture) wantFree(id string, reservations int64) {
	f.t.Helper()
	want := capacity
	for range reservations {
		want = want.Sub(needs)
	}
	if got := f.node(id).Free; got != want {
		f.t.Fatalf("node %s has %+v free, want %+v (%d reservations)", id, got, want, reservations)
	}
}

func (f fixture) wantTask(id signaling.TaskID, state signaling.TaskState) signaling.Task {
	f.t.Helper()
	task, err := f.Task(f.ctx, id)
	f.must(err)
	if task.State != state {
		f.t.Fatalf("task %s is %s (%s), want %s", id, task.State, task.Reason, state)
	}
	return task
}

func name(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i) }

// beat sends a heartbeat of a ready node that has these attempts in its ledger.
func (f fixture) beat(node string, attempts ...signaling.AttemptID) {
	f.t.Helper()
	f.must(f.Heartbeat(f.ctx, signaling.NodeID(node), signaling.Heartbeat{State: signaling.NodeReady, Attempts: attempts}))
}

// runs claims a task on a node and has its edge run it.
func (f fixture) runs(task string, nodes ...string) signaling.Reservation {
	f.t.Helper()
	r := f.claim(claim(task, nodes...))
	f.must(f.Update(f.ctx, signaling.Update{Task: r.Task, Attempt: r.Attempt.ID, State: signaling.TaskRunning}))
	return r
}

// audited fails the test where an invariant of the pool does not hold.
func (f fixture) audited() pool.Audit {
	f.t.Helper()
	a, err := f.Audit(f.ctx)
	f.must(err)
	if len(a.Problems) > 0 {
		f.t.Fatalf("the pool is not as it should be: %v", a.Problems)
	}
	return a
}

// sweep sweeps once and returns what was released, by attempt, or by task for what held nothing.
func (f fixture) sweep() map[string]pool.Released {
	f.t.Helper()
	released, _, err := f.Sweep(f.ctx, 1000)
	f.must(err)
	m := map[string]pool.Released{}
	for _, r := range released {
		if r.Attempt.ID != "" {
			m[string(r.Attempt.ID)] = r
		} else {
			m[string(r.Task)] = r
		}
	}
	return m
}

// Update reports an attempt's state as its edge does, where the task has no standby.
func (f fixture) Update(ctx context.Context, u signaling.Update) error {
	return f.UpdateFrom(ctx, "", u)
}

// UpdateFrom is Update as a certain node.
func (f fixture) UpdateFrom(ctx context.Context, node signaling.NodeID, u signaling.Update) error {
	_, err := f.Report(ctx, node, u)
	return err
}
