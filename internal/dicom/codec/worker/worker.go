// Package worker decodes compressed images in child processes, so that a C library that crashes, hangs or reserves
// without end on a hostile image costs that image and nothing else.
//
// A child is the same program started again. [Main], which a program calls before anything else, serves in such a child
// and does not return there. Which decoders a program has is a matter of what it imports: package native registers
// those that are C libraries.
//
// A [Pool] starts children when there is work, one image per child at a time, and lets them go when there has been none
// for a while. [Decoder] is what package dicom uses: it decodes in a pool that the whole process shares. A test whose
// TestMain does not call Main may ask for [InProcess] instead; a program never does.
//
// # The way of an image
//
// Parent and child share one anonymous file (memfd). The parent writes the compressed image at its start and sends a
// request of a few bytes over a socket; the child decodes straight into the same memory, behind the compressed image,
// and answers; the parent copies the samples out. The child's memory is capped (RLIMIT_DATA), it cannot make the file
// larger or smaller, gains no privileges, leaves no core file, sees nothing of the parent's environment or open files,
// and dies with its parent. The parent trusts nothing that a child says beyond what it has checked itself.
package worker

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Kind names a decoder, as it is written in messages.
type Kind string

// The decoders that there may be.
const (
	JPEGLS   Kind = "JPEG-LS"
	JPEG2000 Kind = "JPEG 2000"
)

// Codec is a decoder as it runs in a child.
type Codec struct {
	// Decode is a [codec.Decoder] that asks for the memory of its result, once, when it has compared the image's own
	// header with want.
	Decode func(frame []byte, want codec.Want, reserve func(size int) ([]byte, error)) (codec.Image, error)
	// Memory is about how many bytes Decode takes for an image at most.
	Memory func(want codec.Want) int64
}

// codecs are the decoders of this program; written by init functions only.
var codecs = map[Kind]Codec{}

// Register adds a decoder to the program. It is for init functions.
func Register(kind Kind, c Codec) { codecs[kind] = c }

// Available says whether this program has a decoder.
func Available(kind Kind) bool {
	_, ok := codecs[kind]
	return ok
}

// Config says how a pool decodes. The zero value of each field stands for its default.
type Config struct {
	// Processes is how many children there are at most, and so how many images are decoded at once; GOMAXPROCS.
	Processes int
	// MaxMemoryBytes is how much memory a child may take for decoding, beyond what it has at its start; 1 GiB.
	MaxMemoryBytes int64
	// Timeout is how long decoding one image may take; 30 s.
	Timeout time.Duration
	// Idle is after how long without work a child ends; 20 s.
	Idle time.Duration
	// Logger hears of children that failed; slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Processes <= 0 {
		c.Processes = runtime.GOMAXPROCS(0)
	}
	if c.MaxMemoryBytes <= 0 {
		c.MaxMemoryBytes = 1 << 30
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Idle <= 0 {
		c.Idle = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

var (
	enabled   atomic.Bool // Main was called, so children of this program serve
	inProcess atomic.Bool

	sharedMu sync.Mutex
	shared   *Pool
)

// Enabled says whether [Main] was called, so that this program can be started again as a worker.
func Enabled() bool { return enabled.Load() }

// InProcess makes [Decoder] decode in this process from now on. It is for tests and tools that trust their input: a
// crash of a C library ends the process.
func InProcess() { inProcess.Store(true) }

// Decoder decodes images of a kind in children of a pool that the process shares, which starts with the first image. It
// fails with [codec.ErrUnsupported] where the program lacks the decoder or did not call [Main].
func Decoder(kind Kind) codec.Decoder {
	return func(frame []byte, want codec.Want) (codec.Image, error) {
		if inProcess.Load() {
			return Direct(kind)(frame, want)
		}
		return sharedPool().decode(kind, frame, want)
	}
}

// Direct decodes in this process, for tests and for measuring what the child costs.
func Direct(kind Kind) codec.Decoder {
	return func(frame []byte, want codec.Want) (codec.Image, error) {
		c, err := lookup(kind)
		if err != nil {
			return codec.Image{}, err
		}
		return c.Decode(frame, want, func(n int) ([]byte, error) { return make([]byte, n), nil })
	}
}

func lookup(kind Kind) (Codec, error) {
	c, ok := codecs[kind]
	if !ok {
		return c, fmt.Errorf("%w: this build lacks the %s decoder", codec.ErrUnsupported, kind)
	}
	return c, nil
}

func sharedPool() *Pool {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared == nil {
		shared = New(Config{})
	}
	return shared
}

// Close ends the pool that the process shares, and its children. Programs call it at their end; an image decoded later
// starts a new one.
func Close() {
	sharedMu.Lock()
	p := shared
	shared = nil
	sharedMu.Unlock()
	if p != nil {
		p.Close()
	}
}
