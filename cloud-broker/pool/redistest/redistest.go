// Package redistest gives tests the two kinds of Redis that a pool runs on: a real server, started from the
// redis-server program on a free port, and the embedded one.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
)

// startLimit is how long a server may take until it accepts connections.
const startLimit = 20 * time.Second

// ErrMissing: the redis-server program is not installed.
var ErrMissing = errors.New("redis-server is not installed (Debian package redis-server)")

// Server is a running redis-server that keeps nothing on disk.
type Server struct {
	Addr string // host:port on loopback
	cmd  *exec.Cmd
	log  chan string // its log, once it has ended
	stop func() string
}

// Launch starts redis-server on a free port of the loopback address, with further options as on its command
// line (for example "--requirepass", "x"; "{port}" in them stands for the port). Options that begin with the path of
// a configuration file replace the usual ones. dir is where it may write. It returns when the server accepts
// connections.
func Launch(dir string, options ...string) (*Server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrMissing
	}
	var last error
	for range 5 { // another program may take the port between our looking and the server's listening
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s, err := launch(path, dir, port, options)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func launch(path, dir string, port int, options []string) (*Server, error) {
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no",
		"--dir", dir, "--daemonize", "no", "--logfile", ""}, options...)
	if len(options) > 0 && !strings.HasPrefix(options[0], "-") {
		args = slices.Clone(options)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{port}", strconv.Itoa(port))
	}
	cmd := exec.Command(path, args...)
	// It ends with the test program, also when that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), cmd: cmd, log: make(chan string, 1)}
	ready := make(chan bool, 1)
	s.stop = sync.OnceValue(func() string {
		_ = cmd.Process.Kill() // it has nothing to save; an error means that it has ended
		log := <-s.log         // all of it, before Wait closes the pipe
		_ = cmd.Wait()         // "killed", as it should be
		return log
	})
	go s.read(out, ready)
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case ok := <-ready:
		if ok {
			return s, nil
		}
	case <-limit.C:
	}
	return nil, fmt.Errorf("redis-server did not start on %s: %s", s.Addr, s.Stop())
}

// read follows the server's log to its end and says on ready whether it came up.
func (s *Server) read(out io.Reader, ready chan<- bool) {
	var log strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if log.Len() < 64<<10 {
			log.WriteString(lines.Text() + "\n")
		}
		if strings.Contains(lines.Text(), "Ready to accept connections") || strings.Contains(lines.Text(), "Sentinel ID is") {
			select {
			case ready <- true:
			default:
			}
		}
	}
	select {
	case ready <- false:
	default:
	}
	s.log <- log.String()
}

// Stop kills the server (SIGKILL), waits for its end and returns its log. It may be called again.
func (s *Server) Stop() string { return s.stop() }

// Start starts a redis-server for a test and returns a client; both end with it. Where the program is missing
// the test is skipped, or fails if TOMOCAST_REQUIRE_REDIS=1.
func Start(t testing.TB) redis.UniversalClient {
	t.Helper()
	rdb, err := pool.Connect("redis://" + Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// Addr is Start for tests that bring their own client; it takes further options of redis-server.
func Addr(t testing.TB, options ...string) string {
	t.Helper()
	return Run(t, options...).Addr
}

// Run is Addr for tests that stop the server themselves.
func Run(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := Launch(t.TempDir(), options...)
	if errors.Is(err, ErrMissing) && os.Getenv("TOMOCAST_REQUIRE_REDIS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// Kinds runs a test on a real server and on the embedded one.
func Kinds(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) { f(t, Start(t)) })
	t.Run("embedded", func(t *testing.T) {
		rdb, stop, err := pool.Embedded(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		f(t, rdb)
	})
}
