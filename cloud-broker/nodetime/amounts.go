package nodetime

import (
	"fmt"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Kind is a kind of resource.
type Kind int

// The kinds: those of signaling.Resources, and two that divide an encoder's work.
const (
	GPUMemory      Kind = iota // MiB
	GPUTime                    // thousandths of one GPU's time
	Encoders                   // video encoders at a time
	CPU                        // thousandths of a processor core
	Memory                     // MiB of main memory
	EncoderThreads             // threads that encoders run
	EncoderPixels              // thousands of pixels that are encoded a second
	Kinds                      // how many kinds there are
)

var kindNames = [Kinds]string{"gpuMemoryMB", "gpuMilli", "encoderSessions", "cpuMilli", "memoryMB", "encoderThreads", "encoderKilopixels"}

// String is the name that the contract has for the kind.
func (k Kind) String() string {
	if k < 0 || k >= Kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Amounts are capacities by kind.
type Amounts [Kinds]int64

// Of are the amounts of the contract's resources. It knows nothing of encoder threads and pixels: they are 0.
func Of(r signaling.Resources) Amounts {
	return Amounts{r.GPUMemoryMB, r.GPUMilli, r.EncoderSessions, r.CPUMilli, r.MemoryMB}
}

// Resources are the amounts as the contract has them, without encoder threads and pixels.
func (a Amounts) Resources() signaling.Resources {
	return signaling.Resources{GPUMemoryMB: a[GPUMemory], GPUMilli: a[GPUTime], EncoderSessions: a[Encoders],
		CPUMilli: a[CPU], MemoryMB: a[Memory]}
}

// Add is a + b.
func (a Amounts) Add(b Amounts) Amounts {
	for k := range a {
		a[k] += b[k]
	}
	return a
}

// Sub is a - b.
func (a Amounts) Sub(b Amounts) Amounts {
	for k := range a {
		a[k] -= b[k]
	}
	return a
}

// Fits says whether a fits into free, kind by kind.
func (a Amounts) Fits(free Amounts) bool {
	for k := range a {
		if a[k] > free[k] {
			return false
		}
	}
	return true
}

// IsZero says whether no amount is set.
func (a Amounts) IsZero() bool { return a == Amounts{} }

// Negative is the first kind whose amount is below zero; false where there is none.
func (a Amounts) Negative() (Kind, bool) {
	for k, v := range a {
		if v < 0 {
			return Kind(k), true
		}
	}
	return 0, false
}

// String lists the amounts that are not zero.
func (a Amounts) String() string {
	var parts []string
	for k, v := range a {
		if v != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", Kind(k), v))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
