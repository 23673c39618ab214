package pool_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// use goes through a pool's main steps at the server that a URL names.
func use(t *testing.T, url string) error {
	t.Helper()
	rdb, err := pool.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rdb.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := pool.Open(ctx, rdb, pool.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	f := fixture{p, t, ctx, rdb}
	sub, err := p.Subscribe(ctx, "broker-1")
	f.must(err)
	f.register(edge("a"), 0)
	f.must(p.Link(ctx, "a", "broker-1"))
	f.must(p.PublishTo(ctx, "a", []byte("hello")))
	if m := <-sub.Messages(); string(m.Payload) != "hello" {
		t.Errorf("received %q", m.Payload)
	}
	f.must(sub.Close())
	c := claim(signaling.NewID("t"), "a")
	c.Key = signaling.NewID("k")
	r := f.claim(c)
	f.must(p.Confirm(ctx, r.Attempt.ID))
	f.must(p.Heartbeat(ctx, "a", signaling.Heartbeat{State: signaling.NodeReady, Attempts: []signaling.AttemptID{r.Attempt.ID}}))
	_, _, err = p.Sweep(ctx, 10)
	f.must(err)
	_, err = p.Release(ctx, r.Task, "", signaling.TaskFinished, "done", nil)
	f.must(err)
	f.wantTask(r.Task, signaling.TaskFinished)
	f.wantFree("a", 0)
	return nil
}

// The ACL user that Connect's documentation gives can do all that a broker does.
func TestACL(t *testing.T) {
	addr := redistest.Addr(t, "--user", "tomocast", "on", ">p@ss", "~{tomocast}*", "&{tomocast}*", "+@all", "-@dangerous", "+info",
		"--user", "default", "off")
	if err := use(t, "redis://tomocast:p%40ss@"+addr); err != nil {
		t.Errorf("ACL user: %v", err)
	}
	for _, login := range []string{"tomocast:wrong@", ""} {
		if err := use(t, "redis://"+login+addr); err == nil {
			t.Errorf("login %q was accepted", login)
		}
	}
}

func TestTLS(t *testing.T) {
	cert, key := pool.Certificate(t)
	addr := redistest.Addr(t, "--port", "0", "--tls-port", "{port}", "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--requirepass", "x")
	if err := use(t, "rediss://:x@"+addr+"?ca="+cert+"&cert="+cert+"&key="+key); err != nil {
		t.Errorf("TLS with client certificate: %v", err)
	}
	if err := use(t, "rediss://:x@"+addr+"?cert="+cert+"&key="+key); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
}

// The scenarios of claims on a real Redis Cluster: the pool is one slot of it.
func TestCluster(t *testing.T) {
	url := redistest.Cluster(t)
	if err := use(t, url); err != nil {
		t.Error(err)
	}
	rdb, err := pool.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rdb.Close() }()
	for name, scenario := range map[string]func(fixture){
		"first that fits": firstThatFits, "concurrent": concurrentClaims, "idempotency key": idempotencyKey,
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, rdb, pool.Options{})
			scenario(p)
			p.audited()
			// Not FlushAll: that is of one server.
			p.must(rdb.(*redis.ClusterClient).ForEachMaster(p.ctx, func(ctx context.Context, c *redis.Client) error {
				return c.FlushAll(ctx).Err()
			}))
		})
	}
}

// Sentinel makes the replica the master when the master is killed: the pool goes on, is rebuilt from the ledgers where
// something was lost, and no place is given twice.
func TestSentinelFailover(t *testing.T) {
	w := redistest.Watch(t)
	if err := use(t, w.URL); err != nil {
		t.Fatal(err)
	}
	rdb, err := pool.Connect(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rdb.Close() }()
	p := open(t, rdb, pool.Options{HeartbeatTTL: time.Hour, Lease: time.Hour})
	ledgers := map[signaling.NodeID][]signaling.LedgerEntry{}
	var last int64
	for _, id := range []string{"a", "b"} {
		p.register(edge(id), 0)
		for i := range 4 {
			r := p.runs(id+name("-", i), id)
			last = max(last, r.Attempt.Fencing)
			ledgers[r.Attempt.Node] = append(ledgers[r.Attempt.Node], entry(r, signaling.TaskRunning))
		}
	}
	w.Master.Stop()

	// Each edge goes on as a real one: it beats until somebody answers, and registers where it is asked to.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, id := range []signaling.NodeID{"a", "b"} {
		var attempts []signaling.AttemptID
		for _, e := range ledgers[id] {
			attempts = append(attempts, e.Attempt.ID)
		}
		for {
			ctx, cancel := context.WithTimeout(p.ctx, time.Second)
			err := p.Heartbeat(ctx, id, signaling.Heartbeat{State: signaling.NodeReady, Attempts: attempts})
			if errors.Is(err, pool.ErrUnknownNode) {
				_, err = p.Register(ctx, edge(string(id)), last, ledgers[id])
			}
			cancel()
			if err == nil {
				break
			}
			select {
			case <-tick.C:
			case <-p.ctx.Done():
				t.Fatalf("the pool did not come back: %v", err)
			}
		}
	}
	if a := p.audited(); a.Attempts != 8 {
		t.Fatalf("after the failover %+v", a)
	}
	for _, entries := range ledgers {
		for _, e := range entries {
			if task := p.wantTask(e.Task, signaling.TaskRunning); *task.Attempt != e.Attempt {
				t.Fatalf("task %s is at %+v, the edge has it as %+v", e.Task, task.Attempt, e.Attempt)
			}
		}
	}
	_, err = p.Claim(p.ctx, claim("t9", "a", "b"))
	p.wantErr(err, pool.ErrNoneFits)
	p.must(p.Update(p.ctx, signaling.Update{Task: "a-0", Attempt: ledgers["a"][0].Attempt.ID, State: signaling.TaskFinished}))
	if r := p.claim(claim("t9", "a", "b")); r.Attempt.Node != "a" || r.Attempt.Fencing <= last {
		t.Fatalf("claimed %+v, the last token before was %d", r, last)
	}
	p.audited()
}
