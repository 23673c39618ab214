package rendertest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Run tests a renderer. Open is called for each test that closes its renderer.
func Run(t *testing.T, open func(t *testing.T) render.Renderer) {
	r := open(t)
	t.Cleanup(func() { _ = r.Close() })
	for _, test := range []struct {
		name string
		run  func(*testing.T, render.Renderer)
	}{
		{"slab opacity", testSlab},
		{"clipped slab", testClippedSlab},
		{"maximum", testMaximum},
		{"six views", testViews},
		{"perspective", testPerspective},
		{"lighting", testLighting},
		{"sheared grid", testSheared},
		{"steep surfaces", testSteep},
		{"formats", testFormats},
		{"single slice", testSingleSlice},
		{"not a number", testNaN},
		{"jitter", testJitter},
		{"cancelled", testCancelled},
		{"concurrent", testConcurrent},
		{"bad scenes", testBadScenes},
		{"released", testReleased},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, r) })
	}
	t.Run("closed", func(t *testing.T) { testClosed(t, open(t)) })
}

// constant is a white transfer function of one opacity, without lighting.
func constant(opacity, unit float64) render.Function {
	return render.Function{
		Color: []render.ColorPoint{{0, 1, 1, 1}}, Opacity: []render.OpacityPoint{{-1e4, opacity}, {1e4, opacity}}, UnitDistance: unit,
	}
}

func scene(l render.Volume, c render.Camera, transfer *render.Transfer, size int, step float64) *render.Scene {
	return &render.Scene{Volume: l, Camera: c, Transfer: transfer, Width: size, Height: size, Quality: render.Quality{Step: step}}
}

// middle is the pixel in the middle of a picture.
func middle(i *render.Image) []byte { return at(i, i.Width/2, i.Height/2) }

func at(i *render.Image, x, y int) []byte { return i.Pix[4*(y*i.Width+x):][:4] }

func near(a byte, b, tolerance float64) bool { return math.Abs(float64(a)-b) <= tolerance }

// A slab of opacity a per unit and thickness d has the opacity 1-(1-a)^(d/unit), whatever the step.
func testSlab(t *testing.T, r render.Renderer) {
	const n, spacing = 32, 1.5
	v := Fill(t, phantom.Grid(n, spacing), volume.Int16, func(geom.Vec) float64 { return 100 })
	l := Load(t, r, v)
	c := View(t, v.Geometry, "anterior", 1)
	for _, k := range []struct{ opacity, unit float64 }{{0.05, 1}, {0.02, 1}, {0.2, 5}, {0.5, 48}} {
		want := 255 * (1 - math.Pow(1-k.opacity, n*spacing/k.unit))
		transfer := Compile(t, constant(k.opacity, k.unit), nil)
		for _, step := range []float64{2, 1, 0.5, 0.25} {
			got := middle(Render(t, r, scene(l, c, transfer, 33, step)))
			if !near(got[0], want, 1.01) || got[3] != 255 {
				t.Errorf("opacity %g per %g mm, step %g mm: pixel %v, want %.1f", k.opacity, k.unit, step, got, want)
			}
		}
	}
}

// What a clip plane leaves of a slab has the opacity of its thickness, over the background.
func testClippedSlab(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(32, 1), volume.Int16, func(geom.Vec) float64 { return 100 })
	l := Load(t, r, v)
	s := scene(l, View(t, v.Geometry, "anterior", 1), Compile(t, constant(0.05, 1), nil), 33, 0.5)
	s.Background = [3]uint8{0, 0, 200}
	for _, c := range []struct {
		thickness float64
		clips     []render.Plane
	}{
		{32, nil},
		{10, []render.Plane{{Normal: geom.Vec{0, -1, 0}, Offset: 6}}}, // keeps y <= -6
		{22, []render.Plane{{Normal: geom.Vec{0, 1, 0}, Offset: -6}}}, // keeps y >= -6
		{8, []render.Plane{{Normal: geom.Vec{0, 1, 0}, Offset: -6}, {Normal: geom.Vec{0, -1, 0}, Offset: -2}}},
		{0, []render.Plane{{Normal: geom.Vec{1, 0, 0}, Offset: 3}}}, // the middle pixel's side is cut off
	} {
		s.Clips = c.clips
		opacity := 1 - math.Pow(0.95, c.thickness)
		got := middle(Render(t, r, s))
		if !near(got[0], 255*opacity, 1.01) || !near(got[2], 255*opacity+200*(1-opacity), 1.01) {
			t.Errorf("%g mm left by %v: pixel %v, want opacity %.3f", c.thickness, c.clips, got, opacity)
		}
	}
}

// With a sample on every voxel of a column the projection is the column's largest voxel.
func testMaximum(t *testing.T, r render.Renderer) {
	const n = 24
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n*n*n)
	for i := range values {
		values[i] = float64(random.IntN(4000) - 1000)
		if random.IntN(10) > 0 {
			values[i] = -1000
		}
	}
	v := Fill(t, phantom.Grid(n, 1), volume.Int16, func(p geom.Vec) float64 {
		i := p.Add(geom.Vec{(n - 1) / 2.0, (n - 1) / 2.0, (n - 1) / 2.0})
		return values[int(math.Round(i[0]))+n*(int(math.Round(i[1]))+n*int(math.Round(i[2])))]
	})
	window := &render.Window{Center: 500, Width: 3000}
	c := View(t, v.Geometry, "inferior", 1) // column x is pixel x, row y pixel y
	c.Height = n
	s := scene(Load(t, r, v), c, Compile(t, constant(1, 1), window), n, 1)
	s.Mode = render.MaximumIntensity
	img := Render(t, r, s)
	for y := range n {
		for x := range n {
			top := -1000.0
			for z := range n {
				top = max(top, values[x+n*(y+n*z)])
			}
			want := min(max((top+1000)/3000, 0), 1) * 255
			if got := at(img, x, y); !near(got[0], want, 0.6) || got[0] != got[1] || got[1] != got[2] {
				t.Fatalf("pixel (%d,%d) is %v, want %.1f", x, y, got, want)
			}
		}
	}
}

// A marked side of the patient is where a reader expects it, from all six sides.
func testViews(t *testing.T, r render.Renderer) {
	marks := map[string]geom.Vec{"left": {20, 0, 0}, "posterior": {0, 20, 0}, "superior": {0, 0, 20}}
	// Where each mark lies: right of the middle +1, left -1; above +1, below -1.
	want := map[string]map[string][2]int{
		"anterior":  {"left": {1, 0}, "posterior": {0, 0}, "superior": {0, 1}},
		"posterior": {"left": {-1, 0}, "posterior": {0, 0}, "superior": {0, 1}},
		"left":      {"left": {0, 0}, "posterior": {1, 0}, "superior": {0, 1}},
		"right":     {"left": {0, 0}, "posterior": {-1, 0}, "superior": {0, 1}},
		"superior":  {"left": {-1, 0}, "posterior": {0, -1}, "superior": {0, 0}},
		"inferior":  {"left": {1, 0}, "posterior": {0, -1}, "superior": {0, 0}},
	}
	for name, center := range marks {
		v := Fill(t, phantom.Grid(32, 2), volume.Int16, func(p geom.Vec) float64 {
			return 500 * min(max(6-p.Sub(center).Norm(), 0), 1)
		})
		l := Load(t, r, v)
		f := constant(0.8, 1)
		f.Opacity = []render.OpacityPoint{{100, 0}, {200, 0.8}}
		transfer := Compile(t, f, nil)
		for direction, marks := range want {
			for _, perspective := range []bool{false, true} {
				c := View(t, v.Geometry, direction, 1)
				c.Perspective = perspective
				const size = 48
				img := Render(t, r, scene(l, c, transfer, size, 1))
				var x, y, sum float64
				for i := 0; i < len(img.Pix); i += 4 {
					w := float64(img.Pix[i])
					sum += w
					x += w * (float64(i/4%size) - (size-1)/2.0)
					y -= w * (float64(i/4/size) - (size-1)/2.0)
				}
				if sum == 0 {
					t.Errorf("%s, perspective %v: the mark on the %s cannot be seen", direction, perspective, name)
					continue
				}
				side := func(x float64) int {
					switch {
					case x > 5:
						return 1
					case x < -5:
						return -1
					}
					return 0
				}
				if got := [2]int{side(x / sum), side(y / sum)}; got != marks[name] {
					t.Errorf("%s, perspective %v: the mark on the %s is at %v, want %v", direction, perspective, name, got, marks[name])
				}
			}
		}
	}
}

// A sphere of radius R at distance D is seen under the angle asin(R/D).
func testPerspective(t *testing.T, r render.Renderer) {
	const radius, distance, fov, size = 20, 90, 40, 201
	v := Fill(t, phantom.Grid(48, 1), volume.Int16, func(p geom.Vec) float64 { return 1000 * min(max(radius-p.Norm()+0.5, 0), 1) })
	c := render.Camera{Position: geom.Vec{0, -distance, 0}, Up: geom.Vec{0, 0, 1}, Perspective: true, FovY: fov}
	f := constant(1, 1)
	f.Opacity = []render.OpacityPoint{{499, 0}, {501, 1}}
	img := Render(t, r, scene(Load(t, r, v), c, Compile(t, f, nil), size, 0.25))
	seen := 0
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i] > 127 {
			seen++
		}
	}
	want := math.Tan(math.Asin(float64(radius)/distance)) / math.Tan(fov*math.Pi/360) * size / 2
	if got := math.Sqrt(float64(seen) / math.Pi); math.Abs(got-want) > 0.5 {
		t.Errorf("the sphere has a radius of %.2f pixels, want %.2f", got, want)
	}
}

// A surface at an angle to the light gets its cosine, from both sides and on grids of any shape.
func testLighting(t *testing.T, r render.Renderer) {
	f := render.Function{
		Color: []render.ColorPoint{{0, 0.5, 0.5, 0.5}}, Opacity: []render.OpacityPoint{{-10, 0}, {-9, 1}},
		Shade: true, Ambient: 0.2, Diffuse: 0.6, Specular: 0.3, SpecularPower: 8,
	}
	transfer := Compile(t, f, nil)
	for _, g := range []volume.Geometry{phantom.Grid(40, 1), sheared(40)} {
		for _, degrees := range []float64{0, 30, 55} {
			for _, sign := range []float64{1, -1} {
				a := degrees * math.Pi / 180
				n := geom.Vec{0, sign * math.Cos(a), math.Sin(a)}
				v := Fill(t, g, volume.Float32, func(p geom.Vec) float64 { return 20 * n.Dot(p) * sign })
				img := Render(t, r, scene(Load(t, r, v), View(t, g, "anterior", 1), transfer, 31, 0.5))
				cos := math.Cos(a)
				want := 255 * (0.5*(0.2+0.6*cos) + 0.3*math.Pow(cos, 8))
				if got := middle(img); !near(got[0], want, 1.5) {
					t.Errorf("grid %v, %g degrees, sign %g: pixel %v, want %.1f", g.Size, degrees, sign, got, want)
				}
			}
		}
	}
}

// The same content on a sheared, anisotropic, left-handed grid looks the same as on an orthogonal one.
func testSheared(t *testing.T, r render.Renderer) {
	content := func(p geom.Vec) float64 {
		q := geom.Vec{p[0] - 3, p[1] * 1.3, p[2] + 2}
		return 1000 * math.Exp(-q.Dot(q)/250)
	}
	f := constant(0.4, 1)
	f.Opacity = []render.OpacityPoint{{200, 0}, {500, 0.4}}
	f.Shade, f.Ambient, f.Diffuse, f.Specular, f.SpecularPower = true, 0.2, 0.7, 0.2, 10
	transfer := Compile(t, f, nil)
	var first *render.Image
	for _, g := range []volume.Geometry{phantom.Grid(72, 1), sheared(80)} {
		v := Fill(t, g, volume.Float32, content)
		c := render.Camera{Position: geom.Vec{60, -80, 50}, Up: geom.Vec{0, 0, 1}, Height: 70}
		img := Render(t, r, scene(Load(t, r, v), c, transfer, 100, 0.5))
		if first == nil {
			first = img
		} else if db, err := phantom.PSNR(first, img); err != nil || db < 38 {
			t.Errorf("%.1f dB between the grids, %v", db, err)
		}
	}
}

// A surface under a steep transfer function looks the same however far apart samples are and wherever they lie:
// with samples in their own places, these pictures would be at 20 to 29 dB.
func testSteep(t *testing.T, r render.Renderer) {
	f := render.Function{
		Color:   []render.ColorPoint{{-167, 0, 0, 0}, {-160, 0.06, 0.06, 0.06}, {240, 1, 0.8, 0.6}},
		Opacity: []render.OpacityPoint{{-167, 0}, {-160, 1}},
	}
	for _, format := range []volume.Format{volume.Int16, volume.Float32} {
		v := Fill(t, phantom.Grid(64, 1), format, func(p geom.Vec) float64 {
			return -1000 + 1040*min(max((25-p.Norm())/3, 0), 1) // an edge of three voxels
		})
		l := Load(t, r, v)
		for _, f.Shade = range []bool{false, true} {
			f.Ambient, f.Diffuse, f.Specular, f.SpecularPower = 0.2, 0.7, 0.2, 10
			transfer := Compile(t, f, nil)
			picture := func(step float64, jitter bool) *render.Image {
				s := scene(l, View(t, v.Geometry, "anterior", 1), transfer, 160, step)
				s.Camera.Perspective, s.Quality.Jitter = true, jitter
				return Render(t, r, s)
			}
			want := picture(1.0/16, false)
			for _, step := range []float64{0.5, 1} {
				for _, jitter := range []bool{false, true} {
					db, err := phantom.PSNR(want, picture(step, jitter))
					if err != nil || db < 45 {
						t.Errorf("%s, shaded %v, step %g mm, jitter %v: %.1f dB to a step of 1/16 mm, %v", format, f.Shade, step, jitter, db, err)
					}
				}
			}
		}
	}
}

// How values are stored does not show.
func testFormats(t *testing.T, r render.Renderer) {
	g := phantom.Grid(40, 1)
	content := func(p geom.Vec) float64 { return math.Round(400*math.Cos(p[0]/5)*math.Cos(p[1]/6) + 10*p[2]) }
	plain := Fill(t, g, volume.Int16, content)
	variants := []*volume.Volume{Fill(t, g, volume.Float32, content)}
	for _, k := range []struct{ slope, intercept float64 }{{-1, 0}, {0.5, -700}, {2, 32768 * 2}} {
		v := Fill(t, g, volume.Int16, func(p geom.Vec) float64 { return (content(p) - k.intercept) / k.slope })
		v.Slope, v.Intercept = k.slope, k.intercept
		v.UpdateRange()
		variants = append(variants, v)
	}
	f := constant(0.3, 1)
	f.Opacity = []render.OpacityPoint{{50, 0}, {400, 0.3}}
	f.Color = []render.ColorPoint{{50, 1, 0, 0}, {400, 0, 1, 0.5}}
	f.Shade, f.Ambient, f.Diffuse = true, 0.2, 0.7
	for _, mode := range []render.Mode{render.Composite, render.MaximumIntensity} {
		transfer := Compile(t, f, nil)
		picture := func(v *volume.Volume) *render.Image {
			s := scene(Load(t, r, v), View(t, g, "left", 1), transfer, 80, 0.7)
			s.Mode = mode
			return Render(t, r, s)
		}
		want := picture(plain)
		for _, v := range variants {
			if db, err := phantom.PSNR(want, picture(v)); err != nil || db < 45 {
				t.Errorf("%s, %s of slope %g and intercept %g: %.1f dB to plain int16, %v", mode, v.Format, v.Slope, v.Intercept, db, err)
			}
		}
	}
}

// A single slice is as thick as its spacing.
func testSingleSlice(t *testing.T, r render.Renderer) {
	for axis := range 3 {
		g := phantom.Grid(12, 2)
		g.Size[axis], g.Origin[axis] = 1, 0
		for _, format := range []volume.Format{volume.Int16, volume.Float32} {
			v := Fill(t, g, format, func(geom.Vec) float64 { return 7 })
			l := Load(t, r, v)
			transfer := Compile(t, constant(0.3, 1), nil)
			direction := []string{"left", "anterior", "inferior"}[axis]
			got := middle(Render(t, r, scene(l, View(t, g, direction, 1), transfer, 21, 0.5)))
			if want := 255 * (1 - 0.7*0.7); !near(got[0], want, 1.01) {
				t.Errorf("one slice along axis %d, %s: pixel %v, want %.1f", axis, format, got, want)
			}
			s := scene(l, View(t, g, direction, 1), transfer, 21, 0.5)
			s.Mode = render.MaximumIntensity
			Render(t, r, s)
		}
	}
}

// Voxels that are no numbers are not seen and spoil nothing but their neighbours.
func testNaN(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(24, 1), volume.Float32, func(p geom.Vec) float64 {
		switch {
		case p[0] > 6:
			return math.NaN()
		case p[0] < -6:
			return math.Inf(1)
		}
		return 100
	})
	l := Load(t, r, v)
	s := scene(l, View(t, v.Geometry, "anterior", 1), Compile(t, constant(0.9, 1), nil), 49, 0.5)
	img := Render(t, r, s)
	if got := middle(img); got[0] < 250 {
		t.Errorf("beside NaN: pixel %v", got)
	}
	if got := at(img, 46, 24); got[0] != 0 {
		t.Errorf("in NaN: pixel %v", got)
	}
	s.Mode = render.MaximumIntensity
	Render(t, r, s)
}

// Jitter changes the picture, and always in the same way.
func testJitter(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(32, 1), volume.Int16, func(p geom.Vec) float64 { return 1000 - 50*p.Norm() })
	f := constant(0.3, 1)
	f.Opacity = []render.OpacityPoint{{500, 0}, {600, 0.9}}
	f.Shade, f.Ambient, f.Diffuse = true, 0.1, 0.9
	s := scene(Load(t, r, v), View(t, v.Geometry, "anterior", 1), Compile(t, f, nil), 64, 2)
	plain := Render(t, r, s)
	s.Quality.Jitter = true
	a, b := Render(t, r, s), Render(t, r, s)
	if bytes.Equal(a.Pix, plain.Pix) {
		t.Error("jitter changes nothing")
	}
	if !bytes.Equal(a.Pix, b.Pix) {
		t.Error("jitter differs from picture to picture")
	}
}

func testCancelled(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(16, 1), volume.Int16, func(geom.Vec) float64 { return 1 })
	s := scene(Load(t, r, v), View(t, v.Geometry, "left", 1), Compile(t, constant(0.1, 1), nil), 64, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Render(ctx, s, &render.Image{}); !errors.Is(err, context.Canceled) {
		t.Errorf("render: %v", err)
	}
	if _, err := r.Load(ctx, v); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
}

// Pictures of several goroutines, in sizes and transfer functions of their own, do not disturb each other.
func testConcurrent(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(32, 1), volume.Int16, func(p geom.Vec) float64 { return 1000 - 50*p.Norm() })
	l := Load(t, r, v)
	var wg sync.WaitGroup
	for n := range 6 {
		f := constant(0.3, 1)
		f.Opacity = []render.OpacityPoint{{300 + 50*float64(n), 0}, {800, 0.5}}
		s := scene(l, View(t, v.Geometry, render.Directions()[n], 1), Compile(t, f, nil), 40+16*n, 1)
		s.Refinement = n%2 == 1
		want := Render(t, r, s)
		wg.Go(func() {
			img := &render.Image{}
			for range 5 {
				if err := r.Render(context.Background(), s, img); err != nil {
					t.Error(err)
				} else if !bytes.Equal(img.Pix, want.Pix) {
					t.Errorf("picture %d differs when others are rendered beside it", n)
				}
			}
		})
	}
	wg.Go(func() {
		for range 3 {
			if other, err := r.Load(context.Background(), v); err != nil {
				t.Error(err)
			} else {
				other.Release()
			}
		}
	})
	wg.Wait()
}

func testBadScenes(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(8, 1), volume.Int16, func(geom.Vec) float64 { return 1 })
	l := Load(t, r, v)
	for _, c := range []struct {
		want  string
		spoil func(*render.Scene)
	}{
		{"volume", func(s *render.Scene) { s.Volume = nil }},
		{"not loaded by this renderer", func(s *render.Scene) { s.Volume = foreign{l} }},
		{"transfer function", func(s *render.Scene) { s.Transfer = nil }},
		{"mode", func(s *render.Scene) { s.Mode = 9 }},
		{"0x20 pixels", func(s *render.Scene) { s.Width = 0 }},
		{"20x100000 pixels", func(s *render.Scene) { s.Height = 100000 }},
		{"step", func(s *render.Scene) { s.Quality.Step = 0 }},
		{"step", func(s *render.Scene) { s.Quality.Step = math.NaN() }},
		{"samples", func(s *render.Scene) { s.Quality.Step = 1e-6 }},
		{"clip planes", func(s *render.Scene) { s.Clips = make([]render.Plane, render.MaxClips+1) }},
		{"clip plane", func(s *render.Scene) { s.Clips = make([]render.Plane, 1) }},
		{"finite", func(s *render.Scene) { s.Camera.Position[1] = math.Inf(1) }},
		{"direction", func(s *render.Scene) { s.Camera.Position = s.Camera.LookAt }},
		{"direction", func(s *render.Scene) { s.Camera.Up = s.Camera.LookAt.Sub(s.Camera.Position) }},
		{"field of view", func(s *render.Scene) { s.Camera.Perspective, s.Camera.FovY = true, 180 }},
		{"0 mm", func(s *render.Scene) { s.Camera.Height = 0 }},
	} {
		s := scene(l, View(t, v.Geometry, "left", 1), Compile(t, constant(0.1, 1), nil), 20, 1)
		c.spoil(s)
		if err := r.Render(context.Background(), s, &render.Image{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one about %q", err, c.want)
		}
	}
	// A camera within the volume, looking out of it, is no error.
	s := scene(l, render.Camera{LookAt: geom.Vec{1, 0, 0}, Up: geom.Vec{0, 0, 1}, Perspective: true, FovY: 120}, Compile(t, constant(0.1, 1), nil), 20, 1)
	Render(t, r, s)
}

type foreign struct{ render.Volume }

func testReleased(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(8, 1), volume.Int16, func(geom.Vec) float64 { return 1 })
	l := Load(t, r, v)
	l.Release()
	l.Release()
	s := scene(l, View(t, v.Geometry, "left", 1), Compile(t, constant(0.1, 1), nil), 20, 1)
	if err := r.Render(context.Background(), s, &render.Image{}); err == nil || !strings.Contains(err.Error(), "released") {
		t.Errorf("render of a released volume: %v", err)
	}
	v.Free()
	if _, err := r.Load(context.Background(), v); err == nil || !strings.Contains(err.Error(), "freed") {
		t.Errorf("load of a freed volume: %v", err)
	}
}

func testClosed(t *testing.T, r render.Renderer) {
	v := Fill(t, phantom.Grid(8, 1), volume.Int16, func(geom.Vec) float64 { return 1 })
	l := Load(t, r, v)
	s := scene(l, View(t, v.Geometry, "left", 1), Compile(t, constant(0.1, 1), nil), 20, 1)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Render(context.Background(), s, &render.Image{}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("render after close: %v", err)
	}
	if _, err := r.Load(context.Background(), v); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("load after close: %v", err)
	}
}
