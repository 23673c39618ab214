package worker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

var tiny = codec.Want{Width: 8, Height: 4, Components: 1}

// newPool makes a pool that ends with the test and leaves no process behind.
func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := New(cfg)
	t.Cleanup(func() {
		p.Close()
		if left := children(t); left != "" {
			t.Errorf("these processes outlive their pool: %s", left)
		}
	})
	return p
}

// children are the ids of this process's children, zombies as well.
func children(t testing.TB) string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("list the threads: %v", err)
	}
	var all []string
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(b))...)
	}
	return strings.Join(all, " ")
}

// childOf is the process that the pool decodes in now.
func childOf(t testing.TB, p *Pool) int {
	t.Helper()
	m, err := p.decode(pid, []byte{0}, tiny)
	if err != nil {
		t.Fatal(err)
	}
	return int(binary.LittleEndian.Uint64(m.Pix))
}

// watch gives a function that waits for the end of a process.
func watch(t testing.TB, process int) (gone func()) {
	t.Helper()
	fd, err := unix.PidfdOpen(process, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		defer unix.Close(fd)
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20_000)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n != 1 {
				t.Fatalf("process %d still runs: %v", process, err)
			}
			return
		}
	}
}

func TestDecodesInAChild(t *testing.T) {
	p := newPool(t, Config{Processes: 1})
	frame := []byte("abcdefg")
	for _, w := range []codec.Want{tiny, {Width: 512, Height: 512, Components: 1}, {Width: 1500, Height: 1000, Components: 3}, {Width: 1, Height: 1, Components: 4}} {
		m, err := p.decode(echo, frame, w)
		if err != nil {
			t.Fatal(err)
		}
		n := w.Width * w.Height * w.Components
		want := bytes.Repeat(frame, n/len(frame)+1)[:n]
		if !bytes.Equal(m.Pix, want) || m.Width != w.Width || m.Height != w.Height || m.Components != w.Components || m.Bits != 8 || m.Signed || !m.Transformed {
			t.Errorf("%+v: %d samples differ, or what is said of them: %dx%dx%d, %d bits, %v %v", w, len(m.Pix), m.Width, m.Height, m.Components, m.Bits, m.Signed, m.Transformed)
		}
	}
	m, err := p.decode(wide, frame, tiny)
	if err != nil || m.Bits != 20 || !m.Signed || m.Transformed || len(m.Pix) != 4*32 || binary.LittleEndian.Uint32(m.Pix[40:]) != 0xffffffd8 {
		t.Errorf("%+v, %v", m, err)
	}
	if c := childOf(t, p); c == os.Getpid() || c != childOf(t, p) {
		t.Error("it was not one child that decoded")
	}
}

func TestFreshPagesAreZeroAfterALargeImage(t *testing.T) {
	p := newPool(t, Config{Processes: 1})
	big := codec.Want{Width: 4096, Height: 2048, Components: 1}
	if _, err := p.decode(echo, []byte("x"), big); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range p.idle[0].mapping {
		if b != 0 {
			t.Fatalf("byte %d of an image that was larger than %d bytes is still there", i, keep)
		}
	}
}

func TestSeveralAtOnce(t *testing.T) {
	p := newPool(t, Config{Processes: 3})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			frame := fmt.Appendf(nil, "image %d", i)
			m, err := p.decode(echo, frame, codec.Want{Width: 100, Height: 100 + i, Components: 1})
			if err != nil || !bytes.HasPrefix(m.Pix, frame) || len(m.Pix) != 100*(100+i) {
				t.Errorf("image %d: %d bytes, %v", i, len(m.Pix), err)
			}
		})
	}
	wg.Wait()
	if n := len(strings.Fields(children(t))); n < 1 || n > 3 {
		t.Errorf("%d children, at most 3 were asked for", n)
	}
}

func TestErrorsKeepTheirKindAndWords(t *testing.T) {
	p := newPool(t, Config{Processes: 1})
	for i, want := range statuses {
		if i == 0 {
			continue
		}
		_, err := p.decode(fail, []byte{byte(i)}, tiny)
		if !errors.Is(err, want) || err.Error() != want.Error()+": as asked [31m" {
			t.Errorf("%v became %v", want, err)
		}
	}
	if _, err := p.decode("none", []byte{1}, tiny); !errors.Is(err, codec.ErrUnsupported) || !strings.Contains(err.Error(), "lacks the none decoder") {
		t.Errorf("a decoder that is not there: %v", err)
	}
	for _, w := range []codec.Want{{}, {Width: -1, Height: 1, Components: 1}, {Width: 1, Height: 1 << 20, Components: 1}, {Width: 1, Height: 1, Components: 5}} {
		if _, err := p.decode(echo, []byte{1}, w); !errors.Is(err, codec.ErrUnsupported) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}

// What a library does to its process costs the image that it was given, and the next one is decoded.
func TestAChildThatFailsIsReportedAndReplaced(t *testing.T) {
	for _, test := range []struct {
		kind Kind
		want error
		says string
	}{
		{segv, codec.ErrCorrupt, "the segv decoder crashed on it"},
		{crash, codec.ErrCorrupt, "the crash decoder crashed on it (panic: an index out of range"},
		{killed, codec.ErrLimit, "was killed"},
		{hang, codec.ErrLimit, "took longer than 500ms"},
		{greedy, codec.ErrLimit, "takes more than 64 MB"},
		{liar, codec.ErrCorrupt, "320 bytes of 8 bit samples"},
		{babbler, codec.ErrCorrupt, "77 bit samples"},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			var log bytes.Buffer
			cfg := Config{Processes: 1, MaxMemoryBytes: 64 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			if test.kind == hang {
				cfg.Timeout = 500 * time.Millisecond
			}
			p := newPool(t, cfg)
			before := childOf(t, p)
			gone := watch(t, before)
			_, err := p.decode(test.kind, []byte("frame"), tiny)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says: %v", err)
			}
			gone()
			if !strings.Contains(log.String(), "codec="+string(test.kind)) {
				t.Errorf("the log says: %q", log.String())
			}
			if after := childOf(t, p); after == before {
				t.Error("the same process decodes on")
			}
		})
	}
}

func TestAChildKilledWhileIdleCostsNothing(t *testing.T) {
	p := newPool(t, Config{Processes: 1})
	before := childOf(t, p)
	gone := watch(t, before)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone()
	if after := childOf(t, p); after == before {
		t.Error("a dead process decoded")
	}
}

// One image that hangs does not hold up the others.
func TestOthersGoOn(t *testing.T) {
	p := newPool(t, Config{Processes: 2, Timeout: time.Minute})
	done := make(chan error, 1)
	go func() {
		_, err := p.decode(hang, []byte{1}, tiny)
		done <- err
	}()
	for range 20 {
		if _, err := p.decode(echo, []byte{1}, tiny); err != nil {
			t.Error(err)
		}
	}
	p.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("the one that hung: %v", err)
	}
	if _, err := p.decode(echo, []byte{1}, tiny); err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("after Close: %v", err)
	}
	p.Close()
}

func TestIdleChildrenEnd(t *testing.T) {
	p := newPool(t, Config{Processes: 1, Idle: 20 * time.Millisecond})
	fd := childOf(t, p)
	watch(t, fd)()
	if after := childOf(t, p); after == fd {
		t.Error("a process that ended decoded")
	}
}

func TestTooLargeIsRefusedBeforeAnythingStarts(t *testing.T) {
	p := newPool(t, Config{MaxMemoryBytes: 1 << 20})
	_, err := p.decode(echo, make([]byte, 100), tiny)
	if !errors.Is(err, codec.ErrLimit) || !strings.Contains(err.Error(), "1 MB are allowed") {
		t.Errorf("it says: %v", err)
	}
	if c := children(t); c != "" {
		t.Errorf("process %s was started", c)
	}
}

func TestAChildSeesAndMayLittle(t *testing.T) {
	t.Setenv("TOMOCAST_TEST_SECRET", "hunter2")
	// As a C library opens a file: not closed on exec.
	leak, err := unix.Open("/proc/self/status", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	p := newPool(t, Config{Processes: 1})
	m, err := p.decode(report, []byte{1}, codec.Want{Width: 4096, Height: 1, Components: 1})
	if err != nil {
		t.Fatal(err)
	}
	text := string(m.Pix)
	for _, want := range []string{"NoNewPrivs: 1\n", "core 0\n", "shrink: operation not permitted\n", "grow: file too large\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, not := range []string{"hunter2", "/status"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is there", not)
		}
	}
	if t.Failed() {
		t.Log(strings.TrimRight(text, "\x00"))
	}
}

// parentOnly makes the test program a parent with a busy child, for the test below.
const parentOnly = "TOMOCAST_TEST_PARENT"

func TestChildrenDieWithTheirParent(t *testing.T) {
	if os.Getenv(parentOnly) != "" {
		p := New(Config{Processes: 1, Timeout: time.Minute})
		fmt.Println("child", childOf(t, p))
		_, err := p.decode(hang, []byte{1}, tiny)
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), parentOnly+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			child, err = strconv.Atoi(rest)
		}
	}
	if child == 0 || err != nil {
		t.Fatalf("the parent names no child: %v", err)
	}
	gone := watch(t, child)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	gone()
}

func TestSharedPool(t *testing.T) {
	decode := Decoder(echo)
	for range 2 {
		if m, err := decode([]byte("ab"), tiny); err != nil || string(m.Pix[:4]) != "abab" {
			t.Errorf("%q, %v", m.Pix, err)
		}
		Close() // and the next image starts another
	}
	if left := children(t); left != "" {
		t.Errorf("these processes outlive the shared pool: %s", left)
	}
	enabled.Store(false)
	defer enabled.Store(true)
	if _, err := decode([]byte("ab"), tiny); !errors.Is(err, codec.ErrUnsupported) {
		t.Errorf("in a program that did not call Main: %v", err)
	}
	inProcess.Store(true)
	defer inProcess.Store(false)
	if m, err := Decoder(pid)([]byte("ab"), tiny); err != nil || int(binary.LittleEndian.Uint64(m.Pix)) != os.Getpid() {
		t.Errorf("in process: %v", err)
	}
	Close()
}

// BenchmarkChild is what a child costs for an image of 512x512 beside decoding it: two copies and two messages.
func BenchmarkChild(b *testing.B) {
	frame := bytes.Repeat([]byte("x"), 150_000)
	want := codec.Want{Width: 512, Height: 512, Components: 2}
	p := newPool(b, Config{Processes: 1})
	for name, decode := range map[string]codec.Decoder{"child": p.Decoder(copies), "process": Direct(copies)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := decode(frame, want); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A process that cannot even start says so; the image is not called damaged.
func TestAProcessThatCannotStart(t *testing.T) {
	cfg := Config{Processes: 1, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	cfg.MaxMemoryBytes = -1 // no cap that a child would take
	c, err := startChild(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	_, err = c.decode(echo, []byte{1}, tiny)
	var lost *lostError
	if !errors.As(err, &lost) || !errors.Is(err, codec.ErrLimit) || !strings.Contains(err.Error(), "the process that decodes echo failed (the cap on memory") {
		t.Errorf("it says: %v", err)
	}
}
