package pool

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Embedded starts a Redis server inside the program, for a broker that stands alone. It opens no port: the client
// talks to it in memory. Its clock is the machine's. What it holds is gone when the program ends, and comes back
// from the edges' ledgers when they register with the next one. stop ends the client and the server.
func Embedded(ctx context.Context) (rdb redis.UniversalClient, stop func(), err error) {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	return inMemory(ctx, server)
}

// inMemory connects a client to a server that has no listener.
func inMemory(ctx context.Context, server *miniredis.Miniredis) (redis.UniversalClient, func(), error) {
	client := redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return server.Dial() },
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	var once sync.Once
	stop := func() {
		once.Do(func() {
			_ = client.Close() // its connections are in memory: nothing can be left behind
			server.Close()
		})
	}
	if err := client.Ping(ctx).Err(); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	return client, stop, nil
}
