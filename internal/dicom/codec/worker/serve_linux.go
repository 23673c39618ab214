package worker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// runtimeBytes is what Go may need beside an image, for its heap and for threads of 8 MiB each.
const runtimeBytes = 64 << 20

// Main serves and ends the process where it was started as a codec worker; else it returns at once. A program that
// decodes calls it first of all in main, a test in TestMain.
func Main() {
	limit := os.Getenv(variable)
	if limit == "" || len(os.Args) != 2 || os.Args[1] != argument {
		enabled.Store(true)
		return
	}
	if err := serve(limit); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", complaint, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve decodes what the parent sends until it sends no more.
func serve(limit string) error {
	if err := restrict(limit); err != nil {
		return err
	}
	var mapping []byte
	buf := make([]byte, 256)
	for {
		n, err := unix.Read(socketFD, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		var ask request
		if _, err := parse(buf[:n], &ask); err != nil {
			return err
		}
		if uint64(len(mapping)) != ask.Mapping {
			if mapping != nil {
				_ = unix.Munmap(mapping)
			}
			if mapping, err = unix.Mmap(memoryFD, 0, int(ask.Mapping), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
				return fmt.Errorf("map shared memory: %w", err)
			}
		}
		answer, text := answer(ask, mapping)
		if _, err := unix.Write(socketFD, encode(&answer, text)); err != nil {
			return err
		}
	}
}

// answer decodes one image.
func answer(ask request, mapping []byte) (reply, string) {
	r := reply{Number: ask.Number}
	fail := func(err error) (reply, string) {
		r.Status = status(err)
		return r, err.Error()
	}
	c, err := lookup(Kind(bytes.TrimRight(ask.Kind[:], "\x00")))
	if err != nil {
		return fail(err)
	}
	want := codec.Want{Width: int(ask.Width), Height: int(ask.Height), Components: int(ask.Parts)}
	m, err := c.Decode(mapping[:ask.Frame:ask.Frame], want, func(n int) ([]byte, error) {
		if room := len(mapping) - int(ask.Result); n > room {
			return nil, fmt.Errorf("%w: %d bytes, there is room for %d", codec.ErrLimit, n, room)
		}
		return mapping[ask.Result:][:n:n], nil
	})
	if err != nil {
		return fail(err)
	}
	r.Bits, r.Size = uint32(m.Bits), uint64(len(m.Pix))
	if m.Signed {
		r.Flags |= flagSigned
	}
	if m.Transformed {
		r.Flags |= flagTransformed
	}
	return r, ""
}

// restrict takes from this process what it does not need for decoding.
func restrict(limit string) error {
	max, err := strconv.ParseUint(limit, 10, 63)
	if err != nil {
		return fmt.Errorf("the cap on memory: %w", err)
	}
	if err := closeInherited(); err != nil {
		return err
	}
	have, err := dataSize()
	if err != nil {
		return err
	}
	// RLIMIT_DATA counts private writable memory. RLIMIT_AS would count what Go and the thread stacks reserve and never
	// touch, which is hundreds of megabytes, and terabytes under the race detector.
	for _, l := range []struct {
		resource int
		to       uint64
	}{{unix.RLIMIT_DATA, have + runtimeBytes + max}, {unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, 0}} {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("read limit %d: %w", l.resource, err)
		}
		to := min(l.to, now.Max) // whoever started the program may have set a lower one
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: to, Max: to}); err != nil {
			return fmt.Errorf("limit resource %d to %d: %w", l.resource, l.to, err)
		}
	}
	return nil
}

// closeInherited closes the files that the parent's libraries left open across exec. This program's own close on
// exec, so that a file without that flag is not one of them.
func closeInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list open files: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= memoryFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// dataSize is how much this process has of what RLIMIT_DATA counts, in bytes.
func dataSize() (uint64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read the size of this process: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmData:"); ok {
			kb, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 53)
			return kb << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmData")
}
