package session

import (
	"context"
	"fmt"
	"image"
	"math"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/preset"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	compute "github.com/tomocast/tomocast/edge-renderer/task/computation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// FullStep is the sampling step of full quality, millimetres: the smallest distance of voxels. Measured in bone
// against a twelfth of the mean distance, that is 45 dB on the demo study; half of it gains 7 dB for 1.7 times the
// time.
func FullStep(g volume.Geometry) float64 {
	s := g.Spacing()
	return min(s[0], s[1], s[2])
}

// InitialView is the view that a volume opens with: the preset for its modality, seen from a standard side. The values
// of CT mean the same everywhere; those of others differ from scanner to scanner, so their window comes from the volume. A
// label map, whose values are numbers of segments, opens so that every number can be told from the others.
func InitialView(series signaling.SeriesRef, modality string, labels bool, v *volume.Volume, from signaling.Orientation, aspect float64) (signaling.ViewState, error) {
	camera, err := standardCamera(v.Geometry, from, aspect)
	if err != nil {
		return signaling.ViewState{}, err
	}
	if labels {
		modality = "" // the maximum intensity
	}
	p := preset.Default(modality)
	view := signaling.Viewport{
		ID: "main", Rect: signaling.Rect{Width: 1, Height: 1}, Series: series,
		Mode: viewMode(p.Mode), Camera: camera, Preset: p.Name,
	}
	switch {
	case labels:
		top := max(v.Max, 1)
		view.Window = &signaling.Window{Center: top / 2, Width: top}
	case modality != "CT":
		top := 99.0
		if view.Mode == signaling.ViewMIP {
			top = 99.95 // the largest values are what it is made of
		}
		w := compute.AutoWindow(v, top)
		view.Window = &w
	}
	return signaling.ViewState{Version: signaling.ViewStateVersion, Revision: 1, Viewports: []signaling.Viewport{view}}, nil
}

func standardCamera(g volume.Geometry, from signaling.Orientation, aspect float64) (signaling.Camera, error) {
	c, err := render.DefaultCamera(g, string(from), aspect)
	if err != nil {
		return signaling.Camera{}, err
	}
	return signaling.Camera{
		Position: signaling.Point(c.Position), LookAt: signaling.Point(c.LookAt), Up: signaling.Point(c.Up),
		Projection: signaling.Orthographic, Height: c.Height, FovY: c.FovY,
	}, nil
}

func viewMode(m render.Mode) signaling.ViewMode {
	if m == render.MaximumIntensity {
		return signaling.ViewMIP
	}
	return signaling.ViewComposite
}

// SetPreset gives a viewport a preset with its mode and own window.
func SetPreset(v *signaling.Viewport, name string) error {
	p, ok := preset.Lookup(name)
	if !ok {
		var known []string
		for _, p := range preset.All() {
			known = append(known, p.Name)
		}
		return fmt.Errorf("preset %.40q is not known here: there are %v", name, known)
	}
	v.Preset, v.Mode, v.Transfer, v.Window = name, viewMode(p.Mode), nil, nil
	return nil
}

// RenderView renders a view of one series at full quality, as a session's still, into img.
func RenderView(ctx context.Context, r render.Renderer, view signaling.ViewState, series *cache.Series, width, height int, img *render.Image) error {
	p := newPipeline(r, func() time.Duration { return 0 })
	p.full = img
	o := outcome{job: job{view: view, quality: quality{scale: 1, step: 1, rung: 1}, series: map[string]*held{}}}
	for i := range view.Viewports {
		if err := checkFits(&view.Viewports[i], series); err != nil {
			return fmt.Errorf("viewport %q: %w", view.Viewports[i].ID, err)
		}
		o.job.series[seriesKey(view.Viewports[i].Series)] = &held{Series: series}
	}
	if err := p.compose(ctx, &o, width, height); err != nil {
		return err
	}
	if o.problem != nil {
		return o.problem
	}
	return nil
}

// scene is what a viewport shows as a picture of width times height pixels, sampled at step times the step of
// full quality.
func scene(v *signaling.Viewport, loaded render.Volume, t *render.Transfer, width, height int, step float64) *render.Scene {
	s := &render.Scene{Volume: loaded, Transfer: t, Width: width, Height: height, Camera: renderCamera(v.Camera)}
	if v.Mode == signaling.ViewMIP {
		s.Mode = render.MaximumIntensity
	}
	// Jitter trades rings for noise, which is the better deal only where samples are dense.
	s.Quality = render.Quality{Step: step * FullStep(loaded.Source().Geometry), Jitter: s.Mode == render.Composite && step <= 1}
	if v.Slab != nil {
		at, forward := s.Camera.LookAt, s.Camera.LookAt.Sub(s.Camera.Position).Unit()
		half := v.Slab.ThicknessMm / 2
		s.Clips = append(s.Clips,
			render.Plane{Normal: forward, Offset: forward.Dot(at) - half},
			render.Plane{Normal: forward.Scale(-1), Offset: -forward.Dot(at) - half})
	}
	for _, c := range v.Clips {
		n := geom.Vec(c.Normal)
		s.Clips = append(s.Clips, render.Plane{Normal: n.Unit(), Offset: c.Offset / n.Norm()})
	}
	return s
}

// renderCamera puts a perspective camera where its height fits its angle: the position of a view state gives
// the direction only.
func renderCamera(c signaling.Camera) render.Camera {
	r := render.Camera{
		Position: geom.Vec(c.Position), LookAt: geom.Vec(c.LookAt), Up: geom.Vec(c.Up),
		Perspective: c.Projection == signaling.Perspective, Height: c.Height, FovY: c.FovY,
	}
	if r.Perspective {
		distance := c.Height / 2 / math.Tan(c.FovY*math.Pi/360)
		r.Position = r.LookAt.Sub(r.LookAt.Sub(r.Position).Unit().Scale(distance))
	}
	return r
}

// transfer compiles the transfer function of a viewport: its own, else its preset's.
func transfer(v *signaling.Viewport) (*render.Transfer, error) {
	var window *render.Window
	if v.Window != nil {
		window = &render.Window{Center: v.Window.Center, Width: v.Window.Width}
	}
	if v.Transfer == nil {
		p, ok := preset.Lookup(v.Preset)
		if !ok {
			return nil, fmt.Errorf("preset %.40q is not known here", v.Preset)
		}
		return p.Compile(window)
	}
	f := render.Function{UnitDistance: v.Transfer.UnitMm, Shade: v.Transfer.Shade,
		Ambient: 0.1, Diffuse: 0.9, Specular: 0.2, SpecularPower: 10}
	for _, c := range v.Transfer.Colors {
		f.Color = append(f.Color, render.ColorPoint(c))
	}
	for _, o := range v.Transfer.Opacities {
		f.Opacity = append(f.Opacity, render.OpacityPoint(o))
	}
	return render.Compile(f, window)
}

// pixels is where a viewport lies in a picture of width times height pixels.
func pixels(r signaling.Rect, width, height int) image.Rectangle {
	at := func(f float64, n int) int { return min(max(int(math.Round(f*float64(n))), 0), n) }
	return image.Rect(at(r.X, width), at(r.Y, height), at(r.X+r.Width, width), at(r.Y+r.Height, height))
}

// Presets are what the edge offers, as the page lists them.
func Presets() []signaling.PresetInfo {
	var out []signaling.PresetInfo
	for _, p := range preset.All() {
		w := p.Window()
		out = append(out, signaling.PresetInfo{Name: p.Name, Label: p.Label, Mode: viewMode(p.Mode),
			Modalities: p.Modalities, Window: signaling.Window{Center: w.Center, Width: w.Width}})
	}
	return out
}
