package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

const (
	// argument and variable mark a process as a child; the variable holds its cap on memory in bytes. Both have to be
	// there, so that neither a user's argument nor an inherited environment makes a worker.
	argument = "codec-worker"
	variable = "TOMOCAST_CODEC_WORKER"

	// socketFD and memoryFD are where a child finds its socket and the shared memory.
	socketFD = 3
	memoryFD = 4

	// complaint starts what a child writes before it ends for a reason that is no image's.
	complaint = "codec worker: "

	// align is where samples start at a multiple of.
	align = 64
	// keep is how much shared memory a child holds on to between two images, in bytes.
	keep = 4 << 20
)

// child is a process that decodes, as its parent sees it. One goroutine uses it at a time.
type child struct {
	cmd     *exec.Cmd
	cfg     Config
	socket  *os.File
	memory  *os.File
	mapping []byte
	number  uint32
	errors  tail

	idleSince time.Time
	exited    chan struct{} // closed when the process is gone
	state     error         // what it ended with; once exited
}

// lostError is the end of a child during an image.
type lostError struct {
	decodeError
	before bool // it was gone before the image came
}

// lockStarter ties the goroutine to a thread of its own for good and takes from it, and so from every process that it
// starts, the means to gain privileges.
func lockStarter() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) // fails on kernels before 3.5 only
}

// startChild starts this program again as a worker.
func startChild(cfg Config) (_ *child, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "codec worker's socket")
	defer theirs.Close()
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that reads can time out
		unix.Close(fds[0])
		return nil, fmt.Errorf("set up a socket: %w", err)
	}
	c := &child{cfg: cfg, socket: os.NewFile(uintptr(fds[0]), "codec socket"), exited: make(chan struct{})}
	defer func() {
		if err != nil {
			c.socket.Close()
			if c.memory != nil {
				c.memory.Close()
			}
		}
	}()
	fd, err := unix.MemfdCreate("tomocast-codec", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	c.memory = os.NewFile(uintptr(fd), "codec memory")
	// A child that made the file shorter would make this process fault.
	if _, err := unix.FcntlInt(c.memory.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		return nil, fmt.Errorf("seal shared memory: %w", err)
	}
	// The program by its inode: the file may have been replaced by another version since.
	c.cmd = exec.Command("/proc/self/exe", argument)
	c.cmd.Args[0] = os.Args[0]
	c.cmd.Env = []string{
		variable + "=" + strconv.FormatInt(cfg.MaxMemoryBytes, 10),
		"GOMAXPROCS=1", "GOTRACEBACK=none", // one image at a time; a crash says in one line what it is
		// The C library keeps what the next image needs again; otherwise each pays for fresh pages.
		"GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864",
		"LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH"),
	}
	c.cmd.Stderr = &c.errors
	c.cmd.ExtraFiles = []*os.File{theirs, c.memory}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // a Ctrl-C is the parent's to handle
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start this program as a worker: %w", err)
	}
	go func() {
		c.state = c.cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// kill makes the process end; whoever uses the child sees that.
func (c *child) kill() { _ = c.cmd.Process.Kill() } // it may have ended already

// ended says whether the process is gone.
func (c *child) ended() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// close ends the process, waits until it is gone and gives back what it had.
func (c *child) close() {
	c.kill()
	<-c.exited
	c.socket.Close()
	if c.mapping != nil {
		_ = unix.Munmap(c.mapping)
		c.mapping = nil
	}
	c.memory.Close()
}

// decode has the child decode an image. A *lostError means that the child cannot be used again.
func (c *child) decode(kind Kind, frame []byte, want codec.Want) (codec.Image, error) {
	var m codec.Image
	samples := want.Width * want.Height * want.Components
	at := (len(frame) + align - 1) / align * align
	if err := c.reserve(at + 4*samples); err != nil {
		return m, fmt.Errorf("%w: %v", codec.ErrLimit, err)
	}
	copy(c.mapping, frame)
	c.number++
	ask := request{
		Number: c.number,
		Width:  uint32(want.Width), Height: uint32(want.Height), Parts: uint32(want.Components),
		Frame: uint64(len(frame)), Result: uint64(at), Mapping: uint64(len(c.mapping)),
	}
	copy(ask.Kind[:], kind)
	if _, err := c.socket.Write(encode(&ask, "")); err != nil {
		lost := c.lost(kind, false)
		lost.before = true
		return m, lost
	}
	buf := make([]byte, 64+maxText)
	err := c.socket.SetReadDeadline(time.Now().Add(c.cfg.Timeout))
	n := 0
	if err == nil {
		n, err = c.socket.Read(buf)
	}
	if err != nil {
		return m, c.lost(kind, errors.Is(err, os.ErrDeadlineExceeded))
	}
	var r reply
	text, err := parse(buf[:n], &r)
	if err != nil || r.Number != c.number || int(r.Status) >= len(statuses) {
		return m, &lostError{decodeError: decodeError{fmt.Sprintf("%v: the %s decoder gave a confused answer", codec.ErrCorrupt, kind), codec.ErrCorrupt}}
	}
	if r.Status != 0 {
		c.trim(at)
		return m, &decodeError{text, statuses[r.Status]}
	}
	m = codec.Image{
		Width: want.Width, Height: want.Height, Components: want.Components, Bits: int(r.Bits),
		Signed: r.Flags&flagSigned != 0, Transformed: r.Flags&flagTransformed != 0,
	}
	if r.Bits < 1 || r.Bits > 32 || r.Size != uint64(samples*m.SampleBytes()) {
		return m, &lostError{decodeError: decodeError{fmt.Sprintf("%v: the %s decoder gave %d bytes of %d bit samples", codec.ErrCorrupt, kind, r.Size, r.Bits), codec.ErrCorrupt}}
	}
	end := at + int(r.Size)
	m.Pix = slices.Clone(c.mapping[at:end])
	c.trim(end)
	return m, nil
}

// reserve makes the shared memory at least n bytes long. Memory that is not written to is not taken.
func (c *child) reserve(n int) error {
	if n <= len(c.mapping) {
		return nil
	}
	n = (n + 1<<20 - 1) &^ (1<<20 - 1)
	if err := c.memory.Truncate(int64(n)); err != nil {
		return fmt.Errorf("reserve %d MB of shared memory: %w", n>>20, err)
	}
	if c.mapping != nil {
		_ = unix.Munmap(c.mapping)
		c.mapping = nil
	}
	var err error
	if c.mapping, err = unix.Mmap(int(c.memory.Fd()), 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map %d MB of shared memory: %w", n>>20, err)
	}
	return nil
}

// trim gives back the pages of an image of which used bytes were written, where they are many.
func (c *child) trim(used int) {
	if used > keep {
		_ = unix.Madvise(c.mapping, unix.MADV_REMOVE) // they are written anew otherwise
	}
}

// lost ends the child and says in words what happened to it.
func (c *child) lost(kind Kind, late bool) *lostError {
	c.kill()
	<-c.exited
	text := c.errors.String()
	describe := func(err error, format string, args ...any) *lostError {
		return &lostError{decodeError: decodeError{fmt.Sprintf("%v: ", err) + fmt.Sprintf(format, args...), err}}
	}
	signal := syscall.Signal(0)
	var exit *exec.ExitError
	if errors.As(c.state, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			signal = s.Signal()
		}
	}
	switch {
	case late:
		return describe(codec.ErrLimit, "decoding it as %s took longer than %v", kind, c.cfg.Timeout)
	case strings.HasPrefix(text, complaint):
		return describe(codec.ErrLimit, "the process that decodes %s failed (%.200s)", kind, strings.TrimPrefix(text, complaint))
	case containsAny(text, "out of memory", "annot allocate memory", "pthread_create failed", "bad_alloc"):
		return describe(codec.ErrLimit, "decoding it as %s takes more than %d MB", kind, c.cfg.MaxMemoryBytes>>20)
	case signal == syscall.SIGKILL:
		return describe(codec.ErrLimit, "the process that decoded it as %s was killed, perhaps as memory ran out", kind)
	case signal != 0:
		return describe(codec.ErrCorrupt, "the %s decoder crashed on it (%v)", kind, signal)
	}
	return describe(codec.ErrCorrupt, "the %s decoder crashed on it (%.100s)", kind, text)
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s, p) })
}

// tail keeps the start of what a child writes to its standard error. It is read once the child is gone.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b[:min(len(b), maxText-len(t.b))]...)
	return len(b), nil
}

func (t *tail) String() string { return printable(t.b) }
