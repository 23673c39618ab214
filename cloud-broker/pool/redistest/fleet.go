package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// upLimit is how long several servers may take until they know each other.
const upLimit = 60 * time.Second

// Cluster starts a Redis Cluster of three masters, which share the slots, and returns the URL for pool.Connect. Where
// redis-server is missing it does as Start.
func Cluster(t testing.TB) string {
	t.Helper()
	const masters, slots = 3, 16384
	ctx, cancel := context.WithTimeout(context.Background(), upLimit)
	defer cancel()
	var addrs []string
	var clients []*redis.Client
	for i := range masters {
		addr := Addr(t, "--cluster-enabled", "yes", "--cluster-config-file", fmt.Sprintf("nodes-%d.conf", i))
		c := redis.NewClient(&redis.Options{Addr: addr})
		defer func() { _ = c.Close() }()
		addrs, clients = append(addrs, addr), append(clients, c)
	}
	host, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range clients {
		if err := c.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		if err := c.ClusterMeet(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients {
		until(ctx, t, "the cluster knows all its masters", func() bool {
			info := c.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", masters))
		})
	}
	return "redis+cluster://" + strings.Join(addrs, ",")
}

// Watched is a master with a replica and a Sentinel, which makes the replica the master when that is gone.
type Watched struct {
	URL             string // for pool.Connect
	Master, Replica *Server
}

// Watch starts a master, a replica and a Sentinel that knows both and acts half a second after the master's last sign of
// life. Where redis-server is missing it does as Start.
func Watch(t testing.TB) Watched {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), upLimit)
	defer cancel()
	master := Run(t)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := Run(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	follower := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer func() { _ = follower.Close() }()
	until(ctx, t, "the replica has its master's contents", func() bool {
		return strings.Contains(follower.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nsentinel monitor mymaster %s %s 1\nsentinel down-after-milliseconds mymaster 500\n"+
		"sentinel failover-timeout mymaster 5000\n", host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := Addr(t, conf, "--port", "{port}", "--sentinel")
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = sentinel.Close() }()
	until(ctx, t, "the Sentinel knows the replica", func() bool {
		replicas := sentinel.Replicas(ctx, "mymaster").Val()
		return len(replicas) == 1 && replicas[0]["flags"] == "slave" && replicas[0]["master-link-status"] == "ok"
	})
	return Watched{URL: "redis+sentinel://" + addr + "/mymaster", Master: master, Replica: replica}
}

// until waits for what other programs bring about and nobody tells.
func until(ctx context.Context, t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
