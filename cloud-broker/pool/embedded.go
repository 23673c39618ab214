package pool

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Embedded starts a Redis server inside the program, for a broker that stands alone. It opens no port: the client
// talks to it over socket pairs. Its clock is the machine's. What it holds is gone when the program ends, and
// comes back from the edges' ledgers when they register with the next one. stop ends the client and the server.
func Embedded(ctx context.Context) (rdb redis.UniversalClient, stop func(), err error) {
	quiet()
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	first, err := server.Dial() // starts it, without a listener
	if err != nil {
		return nil, nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	_ = first.Close() // only there to start the server
	inside := server.Server()
	var serving sync.Mutex // a connection is not begun while the server ends: a client that was closed may still be at it
	ended := false
	client := redis.NewClient(&redis.Options{
		Addr: "embedded",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs, err := socketPair()
			if err != nil {
				return nil, fmt.Errorf("connect to the embedded Redis: %w", err)
			}
			serving.Lock()
			defer serving.Unlock()
			if ended {
				_, _ = ours.Close(), theirs.Close()
				return nil, fmt.Errorf("connect to the embedded Redis: %w", net.ErrClosed)
			}
			inside.ServeConn(theirs)
			return ours, nil
		},
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = client.Close() // nothing of its connections can be left behind
			serving.Lock()
			ended = true
			serving.Unlock()
			server.Close()
		})
	}
	if err := client.Ping(ctx).Err(); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	return client, stop, nil
}

// socketPair returns two connected ends. They are the kernel's, because its buffers let a client send a whole pipeline
// before it reads; miniredis' own in-memory connections (net.Pipe) have none and would wait for ever.
func socketPair() (ours, theirs net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "embedded redis")
		conn, connErr := net.FileConn(f) // of a copy
		_ = f.Close()
		ends[i] = conn
		if connErr != nil {
			err = connErr
		}
	}
	if err != nil {
		for _, c := range ends {
			if c != nil {
				_ = c.Close()
			}
		}
		return nil, nil, err
	}
	return ends[0], ends[1], nil
}
