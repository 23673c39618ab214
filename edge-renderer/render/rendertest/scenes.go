// Package rendertest has the tests that every renderer must pass, and the scenes on which renderers are
// compared.
package rendertest

import (
	"context"
	"math"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/render/preset"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Load loads a volume for as long as the test runs.
func Load(t testing.TB, r render.Renderer, v *volume.Volume) render.Volume {
	t.Helper()
	l, err := r.Load(context.Background(), v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

// Render renders a scene.
func Render(t testing.TB, r render.Renderer, s *render.Scene) *render.Image {
	t.Helper()
	img := &render.Image{}
	if err := r.Render(context.Background(), s, img); err != nil {
		t.Fatal(err)
	}
	return img
}

// Fill makes a volume that is freed after the test.
func Fill(t testing.TB, g volume.Geometry, format volume.Format, value func(p geom.Vec) float64) *volume.Volume {
	t.Helper()
	v, err := phantom.Fill(g, format, value)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Free)
	return v
}

// Compile compiles a transfer function.
func Compile(t testing.TB, f render.Function, w *render.Window) *render.Transfer {
	t.Helper()
	c, err := render.Compile(f, w)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// View is a standard view of a volume.
func View(t testing.TB, g volume.Geometry, direction string, aspect float64) render.Camera {
	t.Helper()
	c, err := render.DefaultCamera(g, direction, aspect)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sheared is a grid of n^3 voxels, or about so, whose axes are neither orthogonal nor alike.
func sheared(n int) volume.Geometry {
	g := volume.Geometry{
		Size: [3]int{n, n + 5, n / 2},
		Axes: [3]geom.Vec{{0.9, 0.1, 0}, {-0.1, 0.85, 0}, {0.05, 0.6, -1.9}},
	}
	g.Origin = geom.Vec{}.Sub(g.Center())
	return g
}

// Scene is a scene of one of the Scenes.
type Scene struct {
	Name  string
	Make  func(l render.Volume) *render.Scene
	Voxel *volume.Volume
}

// Scenes are pictures of all kinds: modes, presets, projections, clip planes, voxel formats, odd grids.
func Scenes(t testing.TB) []Scene {
	t.Helper()
	head, err := phantom.Head(phantom.Grid(96, 2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(head.Free)
	tilted, err := phantom.Head(sheared(80))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tilted.Free)
	floats := Fill(t, phantom.Grid(48, 3), volume.Float32, func(p geom.Vec) float64 {
		return 700 * math.Exp(-p.Dot(p)/2000) * (1 + 0.3*math.Sin(p[0]/9)*math.Cos(p[2]/7))
	})
	clips := []render.Plane{
		{Normal: geom.Vec{1, 0, 0}, Offset: -12.5},
		{Normal: geom.Vec{0.3, -0.6, -0.7}.Unit(), Offset: -20},
	}
	type options struct {
		voxels      *volume.Volume
		preset      string
		window      *render.Window
		direction   string
		perspective bool
		clips       []render.Plane
		jitter      bool
		size        [2]int
	}
	var scenes []Scene
	for _, o := range []struct {
		name string
		options
	}{
		{"bone", options{head, "CT-Bone", nil, "anterior", true, nil, false, [2]int{200, 160}}},
		{"bone, orthographic", options{head, "CT-Bone", nil, "left", false, nil, false, [2]int{131, 97}}},
		{"bone, clipped", options{head, "CT-Bone", nil, "superior", true, clips, false, [2]int{160, 160}}},
		{"bone, jittered", options{head, "CT-Bone", nil, "right", true, nil, true, [2]int{160, 160}}},
		{"soft tissue", options{head, "CT-Soft-Tissue", nil, "anterior", true, nil, false, [2]int{160, 160}}},
		{"soft tissue, clipped", options{head, "CT-Soft-Tissue", nil, "inferior", false, clips, false, [2]int{160, 160}}},
		{"soft tissue, jittered", options{head, "CT-Soft-Tissue", nil, "left", true, nil, true, [2]int{160, 160}}},
		{"contrast", options{head, "CT-Chest-Contrast-Enhanced", nil, "posterior", true, nil, false, [2]int{160, 160}}},
		{"bone, other window", options{head, "CT-Bone", &render.Window{Center: 60, Width: 300}, "left", true, nil, false, [2]int{160, 160}}},
		{"maximum", options{head, "CT-MIP", nil, "anterior", true, nil, false, [2]int{160, 120}}},
		{"maximum, orthographic, clipped", options{head, "CT-MIP", &render.Window{Center: 60, Width: 200}, "left", false, clips, false, [2]int{160, 120}}},
		{"sheared", options{tilted, "CT-Bone", nil, "anterior", true, clips, false, [2]int{160, 160}}},
		{"sheared, orthographic", options{tilted, "CT-Bone", nil, "inferior", false, nil, true, [2]int{160, 160}}},
		{"sheared, steep", options{tilted, "CT-Bone", &render.Window{Center: 300, Width: 20}, "left", true, clips, true, [2]int{160, 160}}},
		{"sheared, maximum", options{tilted, "CT-MIP", nil, "right", true, nil, false, [2]int{160, 160}}},
		{"floats", options{floats, "MR-Default", nil, "anterior", true, nil, false, [2]int{160, 160}}},
		{"floats, steep", options{floats, "MR-Default", &render.Window{Center: 300, Width: 8}, "left", true, nil, true, [2]int{160, 160}}},
		{"floats, maximum", options{floats, "CT-MIP", nil, "left", false, nil, false, [2]int{160, 160}}},
	} {
		p, ok := preset.Lookup(o.preset)
		if !ok {
			t.Fatalf("no preset %s", o.preset)
		}
		transfer, err := p.Compile(o.window)
		if err != nil {
			t.Fatal(err)
		}
		camera := View(t, o.voxels.Geometry, o.direction, float64(o.size[0])/float64(o.size[1]))
		camera.Perspective = o.perspective
		scenes = append(scenes, Scene{o.name, func(l render.Volume) *render.Scene {
			return &render.Scene{
				Volume: l, Mode: p.Mode, Camera: camera, Transfer: transfer, Clips: o.clips,
				Width: o.size[0], Height: o.size[1], Quality: render.Quality{Step: 1, Jitter: o.jitter},
				Background: [3]uint8{10, 20, 40},
			}
		}, o.voxels})
	}
	return scenes
}
