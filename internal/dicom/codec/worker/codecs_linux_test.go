package worker

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

func TestMain(m *testing.M) {
	Main()
	code := m.Run()
	Close()
	os.Exit(code)
}

// The decoders of these tests, which do what a library may do to the process that calls it.
const (
	echo    Kind = "echo"    // the samples are the frame's bytes, repeated
	wide    Kind = "wide"    // signed samples of 20 bits
	pid     Kind = "pid"     // the samples are the process's id
	report  Kind = "report"  // the samples are a text about the process
	fail    Kind = "fail"    // fails with the sentinel that the frame's first byte tells
	segv    Kind = "segv"    // a segmentation fault
	crash   Kind = "crash"   // a Go panic
	killed  Kind = "killed"  // SIGKILL, as the kernel sends when memory runs out
	hang    Kind = "hang"    // never ends
	greedy  Kind = "greedy"  // reserves memory without end
	liar    Kind = "liar"    // claims more samples than it was asked for
	babbler Kind = "babbler" // claims samples of 77 bits
	copies  Kind = "copies"  // fills the result as fast as can be
)

func init() {
	small := func(codec.Want) int64 { return 1 << 20 }
	add := func(kind Kind, decode func(frame []byte, want codec.Want, to []byte) (codec.Image, error)) {
		Register(kind, Codec{Memory: small, Decode: func(frame []byte, want codec.Want, reserve func(int) ([]byte, error)) (codec.Image, error) {
			to, err := reserve(want.Width * want.Height * want.Components)
			if err != nil {
				return codec.Image{}, err
			}
			m, err := decode(frame, want, to)
			if m.Pix == nil {
				m.Pix = to
			}
			m.Width, m.Height, m.Components = want.Width, want.Height, want.Components
			if m.Bits == 0 {
				m.Bits = 8
			}
			return m, err
		}})
	}
	add(echo, func(frame []byte, _ codec.Want, to []byte) (codec.Image, error) {
		for i := range to {
			to[i] = frame[i%len(frame)]
		}
		return codec.Image{Transformed: true}, nil
	})
	add(pid, func(_ []byte, _ codec.Want, to []byte) (codec.Image, error) {
		binary.LittleEndian.PutUint64(to, uint64(os.Getpid()))
		return codec.Image{}, nil
	})
	add(report, func(_ []byte, _ codec.Want, to []byte) (codec.Image, error) {
		copy(to, aboutThisProcess())
		return codec.Image{}, nil
	})
	add(fail, func(frame []byte, _ codec.Want, _ []byte) (codec.Image, error) {
		return codec.Image{}, fmt.Errorf("%w: as asked\x00\x1b[31m", statuses[frame[0]])
	})
	add(segv, func([]byte, codec.Want, []byte) (codec.Image, error) {
		m, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			m[0] = 1
		}
		return codec.Image{}, err
	})
	add(crash, func(_ []byte, w codec.Want, _ []byte) (codec.Image, error) { panic("an index out of range") })
	add(killed, func([]byte, codec.Want, []byte) (codec.Image, error) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
	add(hang, func([]byte, codec.Want, []byte) (codec.Image, error) {
		for i := uint(0); ; i++ {
			sink = i
		}
	})
	add(greedy, func([]byte, codec.Want, []byte) (codec.Image, error) {
		var hoard [][]byte
		for {
			b, err := unix.Mmap(-1, 0, 4<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil { // then C++ throws; a block is given back so that Go can say what happened
				_ = unix.Munmap(hoard[0])
				panic(fmt.Sprintf("bad_alloc after %d blocks", len(hoard)))
			}
			hoard = append(hoard, b)
		}
	})
	add(liar, func(_ []byte, _ codec.Want, to []byte) (codec.Image, error) {
		return codec.Image{Pix: make([]byte, 10*len(to))}, nil
	})
	add(copies, func(frame []byte, _ codec.Want, to []byte) (codec.Image, error) {
		for n := 0; n < len(to); n += copy(to[n:], frame) {
		}
		return codec.Image{}, nil
	})
	add(babbler, func([]byte, codec.Want, []byte) (codec.Image, error) { return codec.Image{Bits: 77}, nil })
	Register(wide, Codec{Memory: small, Decode: func(_ []byte, want codec.Want, reserve func(int) ([]byte, error)) (codec.Image, error) {
		m := codec.Image{Width: want.Width, Height: want.Height, Components: want.Components, Bits: 20, Signed: true}
		var err error
		if m.Pix, err = reserve(4 * want.Width * want.Height * want.Components); err != nil {
			return m, err
		}
		for i := 0; i < len(m.Pix); i += 4 {
			binary.LittleEndian.PutUint32(m.Pix[i:], uint32(-i))
		}
		return m, nil
	}})
}

var sink uint

// aboutThisProcess is what a child can do and see, a line each.
func aboutThisProcess() string {
	var b strings.Builder
	for _, v := range os.Environ() {
		fmt.Fprintln(&b, "env", v)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "NoNewPrivs") {
			fmt.Fprintln(&b, strings.Join(strings.Fields(line), " "))
		}
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		fmt.Fprintln(&b, "fd", to)
	}
	var core unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
	fmt.Fprintln(&b, "core", core.Max)
	fmt.Fprintln(&b, "shrink:", unix.Ftruncate(memoryFD, 0))
	fmt.Fprintln(&b, "grow:", unix.Ftruncate(memoryFD, 1<<40))
	return b.String()
}
