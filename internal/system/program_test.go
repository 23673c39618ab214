package system

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// endMost is how long a program may take to end after SIGTERM.
	endMost = 10 * time.Second
	// waitMost is how long something may take that the test waits for, on a machine that has much else to do.
	waitMost = 40 * time.Second
	// shownLog is how much of a program's log a failed test shows, bytes.
	shownLog = 32 << 10
)

// program is a program that runs in a test, and ends with it at the latest.
type program struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	log   *journal
	ended chan struct{}
	// killed says that the test has ended it in a way that is no success.
	killed bool
}

// settings are what all programs are started with, where a test says nothing else.
func settings() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TOMOCAST_") {
			env = append(env, v)
		}
	}
	return append(env, "TOMOCAST_LOG_LEVEL=debug", "TOMOCAST_EDGE_SECRET="+edgeSecret, "TOMOCAST_LOCAL_TOKEN="+localToken)
}

// launch starts a program. Further environment variables win over settings.
func launch(t testing.TB, path string, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(path), cmd: exec.Command(path, args...), log: newJournal(), ended: make(chan struct{})}
	p.cmd.Env = append(settings(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// It ends with the tests, also when they are killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says it too
		close(p.ended)
	}()
	t.Cleanup(p.cleanup)
	return p
}

// cleanup ends the program as an operator does, and looks at what it has said.
func (p *program) cleanup() {
	if code := p.stop(); code != 0 && !p.killed {
		p.t.Errorf("%s ended with status %d", p.name, code)
	}
	said := p.log.String()
	for _, bad := range []string{"DATA RACE", "panic: ", "goroutine 1 ["} {
		if strings.Contains(said, bad) {
			p.t.Errorf("%s says %q", p.name, bad)
		}
	}
	for _, private := range patientData {
		if at := strings.Index(said, private); at >= 0 {
			line := said[strings.LastIndexByte(said[:at], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			p.t.Errorf("%s logs patient data (%s): %s", p.name, private, line)
		}
	}
	if p.t.Failed() {
		said = polling.ReplaceAllString(said, "")
		if len(said) > shownLog {
			said = "...\n" + said[len(said)-shownLog:]
		}
		p.t.Logf("%s %s:\n%s", p.name, strings.Join(p.cmd.Args[1:], " "), said)
	}
}

// polling is what a broker logs of a test that waits for something.
var polling = regexp.MustCompile(`(?m)^.*method=GET route="GET /(api/v1/(nodes|tasks)/.*|readyz)" status=(200|404|503) .*\n`)

// signal sends a signal. After SIGSTOP all threads of the program stand still.
func (p *program) signal(s os.Signal) {
	p.t.Helper()
	err := p.cmd.Process.Signal(s)
	if err == nil && s == syscall.SIGSTOP {
		err = unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WSTOPPED, nil)
	}
	if err != nil {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
}

// stop ends the program with SIGTERM and returns its exit status.
func (p *program) stop() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	default:
	}
	p.signal(syscall.SIGCONT) // it may have been halted
	p.signal(syscall.SIGTERM)
	return p.end()
}

// end waits until the program has ended and returns its exit status.
func (p *program) end() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(endMost):
		p.t.Errorf("%s has not ended within %v", p.name, endMost)
		p.signal(syscall.SIGQUIT) // it shows where it hangs
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

// kill ends the program as a crash does.
func (p *program) kill() {
	p.t.Helper()
	p.killed = true
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// lives says whether the program runs.
func (p *program) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// says waits for a line of the program's log and returns its submatches.
func (p *program) says(line string) []string {
	p.t.Helper()
	re := regexp.MustCompile("(?m)" + line)
	late := time.After(waitMost)
	for {
		text, news := p.log.read()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-news:
		case <-p.ended:
			if text, _ := p.log.read(); re.MatchString(text) {
				return re.FindStringSubmatch(text)
			}
			p.t.Fatalf("%s has ended (status %d) without saying %q", p.name, p.cmd.ProcessState.ExitCode(), line)
		case <-late:
			p.t.Fatalf("in vain waited for %s to say %q", p.name, line)
		}
	}
}

// journal is what a program writes.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{} // closed with the next writing
}

func newJournal() *journal { return &journal{news: make(chan struct{})} }

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.news)
	j.news = make(chan struct{})
	return j.text.Write(b)
}

// read returns what is written and a channel that is closed when there is more.
func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.news
}

func (j *journal) String() string {
	text, _ := j.read()
	return text
}

// command runs a program to its end and returns what it wrote and its exit status.
func command(t testing.TB, path string, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(settings(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %s: %v", path, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
