package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/gl"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// openRenderer opens the renderer of a backend: auto, gl or cpu. Where auto leaves OpenGL for the Go renderer,
// fallback says why: there is none, or it is itself emulated on the processor, which measures slower.
func openRenderer(backend string, log *slog.Logger) (r render.Renderer, fallback string, err error) {
	switch backend {
	case "cpu":
		return cpu.New(), "", nil
	case "gl":
		if r, err = gl.Open(); err != nil {
			return nil, "", fmt.Errorf("OpenGL cannot be used: %w", err)
		}
		return r, "", nil
	case "auto":
	default:
		return nil, "", fmt.Errorf("%w: --backend %q: auto, gl or cpu", service.ErrUsage, backend)
	}
	if r, err = gl.Open(); err != nil {
		fallback = fmt.Sprintf("OpenGL is missing on this edge: %v", err)
	} else if emulated, ok := r.(interface{ Software() bool }); ok && emulated.Software() {
		fallback = "This edge has no GPU: its OpenGL is emulated, and the Go renderer is faster there"
		if err := r.Close(); err != nil {
			return nil, "", err
		}
	} else {
		return r, "", nil
	}
	log.Warn("rendering on the processor", "reason", fallback)
	return cpu.New(), fallback, nil
}

// sameSecret compares in a time that does not tell how much is right.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// newLoadMeter returns a function that measures this process since its last call.
func newLoadMeter() func() signaling.Load {
	last, used := time.Now(), processorTime()
	return func() signaling.Load {
		now, u := time.Now(), processorTime()
		l := signaling.Load{}
		if d := now.Sub(last); d > 0 {
			l.CPUMilli = int64(1000 * float64(u-used) / float64(d))
		}
		last, used = now, u
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		l.MemoryMB = int64(m.Sys >> 20)
		return l
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
