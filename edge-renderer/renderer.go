package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/gl"
	"github.com/tomocast/tomocast/edge-renderer/render/several"
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

// renderers are those of an edge's GPUs, which share what is loaded.
type renderers struct {
	render.Renderer
	count    int
	on       func(gpu int) render.Renderer
	fallback string // see openRenderer
}

// Busy is for how long the GPUs have worked in all.
func (r *renderers) Busy() time.Duration {
	if b, ok := r.Renderer.(interface{ Busy() time.Duration }); ok {
		return b.Busy()
	}
	return 0
}

// openGPUs opens a renderer on each GPU of --gpus: numbers with commas, all, or the one of openRenderer where it is empty.
func openGPUs(backend, list string, log *slog.Logger) (*renderers, error) {
	numbers, err := parseGPUs(list)
	if err != nil {
		return nil, err
	}
	if len(numbers) > 0 && backend == "cpu" {
		return nil, fmt.Errorf("%w: --gpus %.60q: with --backend cpu there is none", service.ErrUsage, list)
	}
	if len(numbers) == 0 {
		r, fallback, err := openRenderer(backend, log)
		if err != nil {
			return nil, err
		}
		return &renderers{Renderer: r, count: 1, on: func(int) render.Renderer { return r }, fallback: fallback}, nil
	}
	var all []render.Renderer
	for _, n := range numbers {
		r, err := gl.OpenDevice(n)
		if err != nil {
			for _, r := range all {
				_ = r.Close()
			}
			return nil, fmt.Errorf("--gpus %.60q: %w", list, err)
		}
		all = append(all, r)
	}
	if len(all) == 1 {
		return &renderers{Renderer: all[0], count: 1, on: func(int) render.Renderer { return all[0] }}, nil
	}
	r := several.New(all...)
	return &renderers{Renderer: r, count: len(all), on: r.On}, nil
}

// parseGPUs is the numbers of devices in --gpus; all is every GPU that is no emulation.
func parseGPUs(list string) ([]int, error) {
	var out []int
	switch list {
	case "":
		return nil, nil
	case "all":
		for n, d := range gpu.List() {
			if !d.Software && len(out) < signaling.MaxGPUs {
				out = append(out, n)
			}
		}
		return out, nil
	}
	for _, field := range strings.Split(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 || len(out) == signaling.MaxGPUs {
			return nil, fmt.Errorf("%w: --gpus %.60q: numbers from 0 with commas, at most %d, or all", service.ErrUsage, list, signaling.MaxGPUs)
		}
		out = append(out, n)
	}
	return out, nil
}

// sameSecret compares in a time that does not tell how much is right.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// newLoadMeter returns a function that measures this process since its last call; rendered is for how long its GPUs have
// worked in all.
func newLoadMeter(rendered func() time.Duration) func() signaling.Load {
	last, used, drawn := time.Now(), processorTime(), rendered()
	return func() signaling.Load {
		now, u, r := time.Now(), processorTime(), rendered()
		l := signaling.Load{}
		if d := now.Sub(last); d > 0 {
			l.CPUMilli = int64(1000 * float64(u-used) / float64(d))
			l.GPUMilli = int64(1000 * float64(r-drawn) / float64(d))
		}
		last, used, drawn = now, u, r
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
