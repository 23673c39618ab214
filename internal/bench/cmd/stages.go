package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/still"
	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	vtk "github.com/tomocast/tomocast/edge-renderer/render/bench"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/gl"
	"github.com/tomocast/tomocast/edge-renderer/render/preset"
	sessions "github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/bench"
)

// The picture that everything is measured at.
const (
	width  = 1024
	height = 768
)

// Of the sessions that share a renderer: voxels along a side, pixels along a side, and pictures in all, again and again.
const (
	sharedVoxels, sharedPixels, sharedPictures = 128, 320, 60
	sharedRuns                                 = bench.Runs
)

// shares is how near three sessions that all want more come to their shares of a renderer.
func shares(ctx context.Context, s setup) ([]bench.Row, error) {
	off := map[string][]float64{}
	var names []string
	for range sharedRuns {
		measured, err := vtk.Shares(ctx, sharedVoxels, sharedPixels, sharedPictures)
		if err != nil {
			return nil, err
		}
		if err := vtk.PrintShares(s.log, measured); err != nil {
			return nil, err
		}
		for _, r := range measured {
			if off[r.Renderer] == nil {
				names = append(names, r.Renderer)
			}
			off[r.Renderer] = append(off[r.Renderer], 100*r.Off)
		}
	}
	var rows []bench.Row
	for _, name := range names {
		rows = append(rows, bench.Row{Name: "three sessions that all want more, weights 2:3:5, " + name + ": furthest from its share", Value: bench.Median(off[name]), Unit: "%",
			Bar: 10, BarIs: bench.AtMost})
	}
	return rows, nil
}

// againstVTK is our renderers beside VTK's mappers, with the faster of them for a bar.
func againstVTK(ctx context.Context, s setup) ([]bench.Row, error) {
	measured, err := vtk.Run(ctx, vtk.Options{Shared: s.shared})
	if err != nil {
		return nil, err
	}
	bars := map[string]float64{"bone": 2.5, "soft": 2}
	var rows []bench.Row
	best := map[string]vtk.Row{}
	for _, m := range measured {
		rows = append(rows, bench.Row{Name: fmt.Sprintf("ray casting %s %s: %s", m.Preset, m.Size, short(m.Renderer)), Value: m.Milliseconds, Unit: "ms"})
		if m.Ratio > best[m.Preset].Ratio {
			best[m.Preset] = m
		}
	}
	for _, name := range []string{"bone", "soft"} {
		b := best[name]
		rows = append(rows, bench.Row{Name: fmt.Sprintf("ray casting %s: VTK's fastest / %s", name, short(b.Renderer)), Value: b.Ratio, Unit: "x", Bar: bars[name], BarIs: bench.AtLeast})
	}
	for _, m := range measured {
		if m.Ratio == 0 { // VTK's own
			continue
		}
		what := fmt.Sprintf("ray casting %s: %s ", m.Preset, short(m.Renderer))
		rows = append(rows, bench.Row{Name: what + "to VTK's picture", Value: max(m.PSNRGPU, m.PSNRFixed), Unit: "dB", Bar: 30, BarIs: bench.AtLeast})
		if m.PSNRCPU > 0 {
			rows = append(rows, bench.Row{Name: what + "to the reference", Value: m.PSNRCPU, Unit: "dB", Bar: 50, BarIs: bench.AtLeast})
		}
	}
	return rows, nil
}

// short is a renderer's name without versions: "OpenGL, llvmpipe", "Go, 2 threads".
func short(name string) string {
	if rest, ok := strings.CutPrefix(name, "OpenGL "); ok {
		_, device, _ := strings.Cut(rest, ", ")
		device, _, _ = strings.Cut(device, " (")
		return strings.TrimSuffix("OpenGL, "+device, ", ")
	}
	return name
}

// stages measures what a session does to a picture, one step at a time, on the demo study.
func stages(ctx context.Context, s setup) ([]bench.Row, error) {
	demo, err := s.demo(ctx)
	if err != nil {
		return nil, err
	}
	defer demo.remove()
	result, err := study.BuildFolder(ctx, demo.dir, study.Options{})
	if err != nil {
		return nil, fmt.Errorf("read the demo study: %w", err)
	}
	defer result.Volume.Free()
	renderers, err := open()
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, r := range renderers {
			_ = r.Close()
		}
	}()
	var rows []bench.Row
	var pictures []render.Image
	for _, r := range renderers {
		for _, name := range []string{"CT-Bone", "CT-Soft-Tissue", "CT-MIP"} {
			ms, turned, err := turn(ctx, r, result.Volume, name)
			if err != nil {
				return rows, err
			}
			rows = append(rows, bench.Row{Name: fmt.Sprintf("demo study, %s, %dx%d: %s", name, width, height, short(r.Name())), Value: ms, Unit: "ms"})
			if name == "CT-Bone" {
				pictures = turned
			}
		}
	}
	more, err := encoding(pictures)
	rows = append(rows, more...)
	if err != nil {
		return rows, err
	}
	more, err = compressing(pictures)
	return append(rows, more...), err
}

// open opens every renderer that can be used here.
func open() ([]render.Renderer, error) {
	r, err := gl.Open()
	switch {
	case err == nil:
		return []render.Renderer{r, cpu.New()}, nil
	case errors.Is(err, gpu.ErrNone):
		return []render.Renderer{cpu.New()}, nil
	}
	return nil, err
}

const views = 9 // pictures on a way around the volume, of which the first is not counted

// turn renders a volume at the full quality of a session from several sides.
func turn(ctx context.Context, r render.Renderer, v *volume.Volume, name string) (float64, []render.Image, error) {
	loaded, err := r.Load(ctx, v)
	if err != nil {
		return 0, nil, err
	}
	defer loaded.Release()
	p, ok := preset.Lookup(name)
	if !ok {
		return 0, nil, fmt.Errorf("no preset %s", name)
	}
	transfer, err := p.Compile(nil)
	if err != nil {
		return 0, nil, err
	}
	camera, err := render.DefaultCamera(v.Geometry, "anterior", float64(width)/height)
	if err != nil {
		return 0, nil, err
	}
	scene := render.Scene{Volume: loaded, Transfer: transfer, Mode: p.Mode, Width: width, Height: height,
		Quality: render.Quality{Step: sessions.FullStep(v.Geometry), Jitter: p.Mode == render.Composite}}
	distance := camera.Position.Sub(camera.LookAt).Norm()
	pictures := make([]render.Image, views)
	var ms []float64
	for i := range pictures {
		angle := float64(i) * 7 * math.Pi / 180
		scene.Camera = camera
		scene.Camera.Position = camera.LookAt.Add(geom.Vec{math.Sin(angle), -math.Cos(angle), 0}.Scale(distance))
		start := time.Now()
		if err := r.Render(ctx, &scene, &pictures[i]); err != nil {
			return 0, nil, fmt.Errorf("%s: %w", r.Name(), err)
		}
		if i > 0 {
			ms = append(ms, since(start))
		}
	}
	return bench.Median(ms), pictures, nil
}

// encoding measures every encoder that this machine has on pictures of a turning volume.
func encoding(pictures []render.Image) ([]bench.Row, error) {
	const rounds, bitrate, rate = 8, 4_000_000, 30
	var rows []bench.Row
	for _, info := range encode.Available() {
		if !info.Usable {
			continue
		}
		e, err := encode.New(encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: bitrate, MaxFPS: rate})
		if err != nil {
			return rows, err
		}
		var picture encode.Picture
		var converting, encoding []float64
		for i := range rounds * len(pictures) {
			img := &pictures[i%len(pictures)]
			if i/len(pictures)%2 == 1 { // and back
				img = &pictures[len(pictures)-1-i%len(pictures)]
			}
			start := time.Now()
			if err = picture.Convert(img.Pix, width*4, width, height); err != nil {
				break
			}
			converted := time.Now()
			if _, err = e.Encode(&picture, time.Duration(i)*time.Second/rate, false); err != nil {
				break
			}
			if i > 0 { // the first is a key frame
				converting, encoding = append(converting, converted.Sub(start).Seconds()*1e3), append(encoding, since(converted))
			}
		}
		if err = errors.Join(err, e.Close()); err != nil {
			return rows, fmt.Errorf("%s: %w", info.Name, err)
		}
		what := fmt.Sprintf("encoder %s %dx%d", info.Name, width, height)
		rows = append(rows,
			bench.Row{Name: what, Value: bench.Median(encoding), Unit: "ms"},
			bench.Row{Name: what + ", 95th percentile", Value: bench.Quantile(encoding, 0.95), Unit: "ms"},
			bench.Row{Name: what + ", RGBA to I420", Value: bench.Median(converting), Unit: "ms"})
	}
	return rows, nil
}

// compressing measures lossless stills.
func compressing(pictures []render.Image) ([]bench.Row, error) {
	var ms, kib []float64
	for i := range pictures {
		start := time.Now()
		made, err := still.Make(pictures[i].Pix, width, height)
		if err != nil {
			return nil, err
		}
		ms, kib = append(ms, since(start)), append(kib, float64(len(made.PNG))/1024)
	}
	what := fmt.Sprintf("lossless still %dx%d", width, height)
	return []bench.Row{
		{Name: what + ", compress and hash", Value: bench.Median(ms), Unit: "ms"},
		{Name: what + ", size", Value: bench.Median(kib), Unit: "KiB"},
	}, nil
}

func since(t time.Time) float64 { return time.Since(t).Seconds() * 1e3 }
