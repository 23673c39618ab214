package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	secret = "secret-of-the-edges-in-chaos"
	// keptLog is how much of a broker's log is kept, bytes.
	keptLog = 64 << 10
	// upWithin is how long a broker may take to listen.
	upWithin = 30 * time.Second
)

// compile builds cloud-broker from the module that this source file is of.
func compile(ctx context.Context, dir string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(dir, "cloud-broker")
	args := []string{"build", "-o", path}
	if os.Getenv("GOFLAGS") == "" {
		args = append(args, "-tags=egl", "-buildvcs=false")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cloud-broker")...)
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("chaos: build cloud-broker: %w\n%s", err, out)
	}
	return path, nil
}

// broker is a process of cloud-broker that is killed and started again at the same address.
type broker struct {
	program string
	args    []string
	addr    string // host:port

	mu    sync.Mutex
	cmd   *exec.Cmd // nil while it is dead
	log   *tail
	past  string // the end of what the process before it said
	ended chan struct{}
	cpu   time.Duration // of the processes that have ended
}

// start starts the process and waits until it listens.
func (b *broker) start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd != nil {
		return nil
	}
	cmd := exec.Command(b.program, append([]string{"--listen", b.addr}, b.args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TOMOCAST_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "TOMOCAST_EDGE_SECRET="+secret, "TOMOCAST_LOG_LEVEL=info")
	log := newTail()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with this program, also when that is killed
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("chaos: start a broker: %w", err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process, for which kill waits
		_ = cmd.Wait() // the state says it too
		close(ended)
	}()
	b.cmd, b.log, b.ended = cmd, log, ended
	late := time.NewTimer(upWithin)
	defer late.Stop()
	select {
	case <-log.listens:
		return nil
	case <-ended:
	case <-late.C:
	case <-ctx.Done():
	}
	_ = cmd.Process.Kill()
	<-ended
	b.cmd = nil
	return errors.Join(fmt.Errorf("chaos: a broker did not listen: %s", log), ctx.Err())
}

// lives says whether the broker runs.
func (b *broker) lives() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cmd != nil
}

// kill ends the process at once. Its log is returned where it had ended by itself, which it must not.
func (b *broker) kill() (crashed string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return ""
	}
	select {
	case <-b.ended:
		crashed = b.log.String()
	default:
	}
	_ = b.cmd.Process.Kill() // an error says that it has ended
	<-b.ended
	b.past = b.log.String()
	b.cpu += b.cmd.ProcessState.UserTime() + b.cmd.ProcessState.SystemTime()
	b.cmd = nil
	return crashed
}

// tail is what the broker said last, in this life and the one before it.
func (b *broker) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.past + b.log.String()
}

// pid of the process; 0 while it is dead.
func (b *broker) pid() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return 0
	}
	return b.cmd.Process.Pid
}

// tail keeps the end of what a broker logs, and finds out that it listens.
type tail struct {
	listens chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	told bool
}

func newTail() *tail { return &tail{listens: make(chan struct{})} }

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(b)
	if !t.told && bytes.Contains(t.text.Bytes(), []byte(`msg="broker listens"`)) {
		t.told = true
		close(t.listens)
	}
	if over := t.text.Len() - keptLog; over > 0 {
		t.text.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
