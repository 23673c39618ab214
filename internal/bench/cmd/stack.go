package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 60 * time.Second
	endWithin   = 10 * time.Second
)

// program is a running program. Its output is kept, for when it fails.
type program struct {
	cmd  *exec.Cmd
	log  tail
	done chan struct{}
}

// start starts a program; end ends it.
func start(name string, args, environment []string) (*program, error) {
	p := &program{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// Ctrl-C is for this program, which ends the others in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is told by its log
	}()
	return p, nil
}

// end asks the program to end, and ends it.
func (p *program) end() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(endWithin):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// stack is a broker with one edge, on free ports and with caches of their own.
type stack struct {
	bin, cache, url string
	secret, token   string
	args            []string // of the broker
	broker, edge    *program
	client          *http.Client
}

// startStack starts a broker whose studies are where its flags say, and an edge.
func startStack(ctx context.Context, bin string, studies ...string) (_ *stack, err error) {
	s := &stack{bin: bin, secret: rand.Text(), token: rand.Text()}
	if s.cache, err = os.MkdirTemp("", "tomocast-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for caches: %w", err)
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	s.client = &http.Client{Jar: jar, Timeout: 5 * time.Second}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s.url = "http://" + address
	s.args = append([]string{"--listen", address, "--cache-dir", s.cache, "--log-level", "warn"}, studies...)
	if err := s.startBroker(ctx); err != nil {
		return nil, err
	}
	return s, s.startEdge(ctx)
}

// startBroker starts a broker, in the place of the one that runs.
func (s *stack) startBroker(ctx context.Context) (err error) {
	s.broker.end()
	if s.broker, err = start(filepath.Join(s.bin, "cloud-broker"), s.args, s.environment()); err != nil {
		return err
	}
	return s.answers(ctx, "/healthz")
}

// environment has the secret, and the caches of libraries apart from those of the user. Mesa keeps compiled
// shaders there.
func (s *stack) environment() []string {
	return []string{"TOMOCAST_EDGE_SECRET=" + s.secret, "TOMOCAST_LOCAL_TOKEN=" + s.token, "XDG_CACHE_HOME=" + s.cache, "MESA_SHADER_CACHE_DIR=" + s.cache}
}

// startEdge starts an edge, which has no volume yet, in the place of the one that runs.
func (s *stack) startEdge(ctx context.Context) (err error) {
	s.edge.end()
	s.edge, _, err = s.oneMore(ctx)
	return err
}

// oneMore starts an edge, which has no volume yet and is told apart by its id. It belongs to the caller.
func (s *stack) oneMore(ctx context.Context) (edge *program, id string, err error) {
	id = "bench-" + rand.Text()
	args := []string{"--broker", s.url, "--listen", "127.0.0.1:0", "--id", id, "--log-level", "warn"}
	if edge, err = start(filepath.Join(s.bin, "edge-renderer"), args, s.environment()); err != nil {
		return nil, "", err
	}
	for _, path := range []string{"/api/v1/session", "/api/v1/nodes/" + id, "/readyz?session=1"} { // the first gives the cookie
		if err := s.answers(ctx, path); err != nil {
			edge.end()
			return nil, "", err
		}
	}
	return edge, id, nil
}

func (s *stack) stop() {
	s.edge.end()
	s.broker.end()
	_ = os.RemoveAll(s.cache)
}

// answers waits until a path of the broker answers with 200.
func (s *stack) answers(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := s.status(ctx, path)
		if status == http.StatusOK {
			return nil
		}
		for _, p := range []*program{s.broker, s.edge} {
			if p == nil {
				continue
			}
			select {
			case <-p.done:
				return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.log.String())
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s%s is not ready (status %d, %w): %s", s.url, path, status, errors.Join(err, ctx.Err()), s.broker.log.String())
		case <-again.C:
		}
	}
}

func (s *stack) status(ctx context.Context, path string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// freeAddress is an address of this machine that nothing listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail keeps the end of what is written to it. It may be read while a program still writes.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
