package pool_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
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

func TestCluster(t *testing.T) {
	addr := redistest.Addr(t, "--cluster-enabled", "yes")
	ctx := context.Background()
	one := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = one.Close() }()
	if err := one.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for !strings.HasPrefix(one.ClusterInfo(ctx).Val(), "cluster_state:ok") { // a moment after the slots are given
		if time.Now().After(deadline) {
			t.Fatal("the cluster did not come up")
		}
	}
	if err := use(t, "redis+cluster://"+addr); err != nil {
		t.Error(err)
	}
}

func TestSentinel(t *testing.T) {
	master := redistest.Addr(t)
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nsentinel monitor mymaster %s %s 1\n", host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := redistest.Addr(t, conf, "--port", "{port}", "--sentinel")
	if err := use(t, "redis+sentinel://"+sentinel+"/mymaster"); err != nil {
		t.Error(err)
	}
}
