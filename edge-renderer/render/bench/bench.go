// Package bench measures the renderers against VTK's volume mappers: the same volume, transfer function,
// step, size, camera and lighting, jitter off, the pixels in main memory at the end of each picture.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/gl"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	side   = 256 // voxels of the phantom, and its size in millimetres
	frames = 7   // measured in one round, each from its own direction
	warm   = 2   // before them
	rounds = 3
)

// Options choose what is measured.
type Options struct {
	Shared  string   // folder with bench/vtk_bench.py
	Presets []string // of bone, soft, thin; nil means bone and soft
	Width   int      // pixels; 0 means 512
	Height  int
}

// Row is what one renderer reached with one transfer function.
type Row struct {
	Preset   string `json:"preset"`
	Size     string `json:"size"`
	Renderer string `json:"renderer"`
	// Milliseconds is the median time of a picture.
	Milliseconds float64 `json:"ms"`
	// Ratio is how many times as fast as VTK's fastest mapper it is: the median of the rounds' ratios, since
	// within a round both had the same machine.
	Ratio float64 `json:"ratio,omitempty"`
	// PSNR to the picture of VTK's GPU mapper, to that of its fixed-point mapper, and to our CPU renderer, dB.
	PSNRGPU   float64 `json:"psnr_vtk_gpu,omitempty"`
	PSNRFixed float64 `json:"psnr_vtk_fixed,omitempty"`
	PSNRCPU   float64 `json:"psnr_cpu,omitempty"`
}

// Run measures. Renderers that cannot run here are left out, VTK never is: without it there is nothing to
// compare with.
func Run(ctx context.Context, o Options) ([]Row, error) {
	if o.Presets == nil {
		o.Presets = []string{"bone", "soft"}
	}
	if o.Width == 0 {
		o.Width, o.Height = 512, 512
	}
	v, err := phantom.Head(phantom.Grid(side, 1))
	if err != nil {
		return nil, err
	}
	defer v.Free()
	folder, err := os.MkdirTemp("", "tomocast-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	raw := filepath.Join(folder, "head.raw")
	if err := os.WriteFile(raw, v.Raw(), 0o600); err != nil {
		return nil, fmt.Errorf("write the phantom for VTK: %w", err)
	}
	renderers, err := open()
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, r := range renderers {
			_ = r.Close()
		}
	}()
	var rows []Row
	for _, name := range o.Presets {
		peer := vtk{script: filepath.Join(o.Shared, "bench", "vtk_bench.py"), raw: raw, preset: name, width: o.Width, height: o.Height}
		more, err := compare(ctx, peer, renderers, v)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func open() ([]render.Renderer, error) {
	renderers := []render.Renderer{cpu.New()}
	r, err := gl.Open()
	if err == nil {
		return append(renderers, r), nil
	}
	if errors.Is(err, gpu.ErrNone) {
		return renderers, nil
	}
	return nil, err
}

// compare measures one transfer function.
func compare(ctx context.Context, peer vtk, renderers []render.Renderer, v *volume.Volume) ([]Row, error) {
	f, ok := functions[peer.preset]
	if !ok {
		return nil, fmt.Errorf("no transfer function %q", peer.preset)
	}
	transfer, err := render.Compile(f, nil)
	if err != nil {
		return nil, err
	}
	slow, err := peer.run(ctx, "gpu")
	if err != nil {
		return nil, err
	}
	fast := result{}
	var peerTimes []float64
	ours := make([]measured, len(renderers))
	for i, r := range renderers {
		if ours[i].loaded, err = r.Load(ctx, v); err != nil {
			return nil, err
		}
		defer ours[i].loaded.Release()
	}
	for range rounds {
		if fast, err = peer.run(ctx, "fixed"); err != nil {
			return nil, err
		}
		best := min(fast.ms, slow.ms)
		peerTimes = append(peerTimes, fast.ms)
		for i, r := range renderers {
			if err := ours[i].round(ctx, r, transfer, peer.width, peer.height, best); err != nil {
				return nil, err
			}
		}
	}
	size := fmt.Sprintf("%dx%d", peer.width, peer.height)
	rows := []Row{
		{Preset: peer.preset, Size: size, Renderer: "VTK, GPU mapper", Milliseconds: slow.ms},
		{Preset: peer.preset, Size: size, Renderer: "VTK, fixed-point mapper", Milliseconds: median(peerTimes)},
	}
	for i, r := range renderers {
		row := Row{Preset: peer.preset, Size: size, Renderer: r.Name(), Milliseconds: median(ours[i].ms), Ratio: median(ours[i].ratios)}
		for _, p := range []struct {
			to   *float64
			with *render.Image
		}{{&row.PSNRGPU, slow.picture}, {&row.PSNRFixed, fast.picture}, {&row.PSNRCPU, &ours[0].picture}} {
			if p.with == &ours[i].picture {
				continue
			}
			if *p.to, err = phantom.PSNR(&ours[i].picture, p.with); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// measured is what one renderer reached so far.
type measured struct {
	loaded     render.Volume
	ms, ratios []float64
	picture    render.Image // the last one
}

// round measures once around, against what VTK took just before.
func (m *measured) round(ctx context.Context, r render.Renderer, t *render.Transfer, width, height int, peer float64) error {
	var times []float64
	for n := -warm; n < frames; n++ {
		started := time.Now()
		if err := r.Render(ctx, scene(m.loaded, t, n, width, height), &m.picture); err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		if n >= 0 {
			times = append(times, time.Since(started).Seconds()*1e3)
		}
	}
	m.ms = append(m.ms, median(times))
	m.ratios = append(m.ratios, peer/median(times))
	return nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Print writes the rows as a table.
func Print(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "preset\tsize\trenderer\tms\tx VTK's fastest\tdB to VTK GPU\tdB to VTK fixed\tdB to Go")
	number := func(format string, x float64) string {
		if x == 0 {
			return ""
		}
		return fmt.Sprintf(format, x)
	}
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\t%s\t%s\t%s\t%s\n", r.Preset, r.Size, r.Renderer, r.Milliseconds, number("%.2f", r.Ratio),
			number("%.1f", r.PSNRGPU), number("%.1f", r.PSNRFixed), number("%.1f", r.PSNRCPU))
	}
	return t.Flush()
}
