package render_test

import (
	"bytes"
	"context"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

func compile(t *testing.T, f render.Function, w *render.Window) *render.Transfer {
	t.Helper()
	c, err := render.Compile(f, w)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lookup reads the table as renderers do.
func lookup(t *render.Transfer, step, value float64) []float32 {
	scale, offset := t.Index()
	i := int(min(max(math.Round(value*scale+offset), 0), render.TableSize-1))
	return t.Table(step)[4*i : 4*i+4]
}

func ramp() render.Function {
	return render.Function{
		Color:        []render.ColorPoint{{-1000, 0, 0, 0}, {0, 1, 0, 0}, {100, 0, 1, 0.5}, {3000, 0, 1, 0.5}},
		Opacity:      []render.OpacityPoint{{-1000, 0}, {0, 0}, {100, 0.8}, {3000, 0.8}},
		UnitDistance: 2,
	}
}

func TestCompile(t *testing.T) {
	c := compile(t, ramp(), nil)
	if c.Lo != 0 || c.Hi != 100 {
		t.Errorf("the table spans %g to %g, want what changes: 0 to 100", c.Lo, c.Hi)
	}
	for _, k := range []struct {
		value, step float64
		want        [4]float64
	}{
		{-500, 2, [4]float64{1, 0, 0, 0}},
		{50, 2, [4]float64{0.5, 0.5, 0.25, 0.4}},
		{50, 1, [4]float64{0.5, 0.5, 0.25, 1 - math.Sqrt(0.6)}},
		{100, 4, [4]float64{0, 1, 0.5, 1 - 0.2*0.2}},
		{5000, 2, [4]float64{0, 1, 0.5, 0.8}},
	} {
		for a, got := range lookup(c, k.step, k.value) {
			if math.Abs(float64(got)-k.want[a]) > 2e-4 {
				t.Errorf("value %g, step %g: %v, want %v", k.value, k.step, lookup(c, k.step, k.value), k.want)
				break
			}
		}
	}
}

// A window moves the points so that the function's own window comes to lie on it.
func TestWindow(t *testing.T) {
	f := ramp()
	f.Window = render.Window{Center: 50, Width: 100}
	c := compile(t, f, &render.Window{Center: 300, Width: 20})
	if math.Abs(c.Lo-290) > 1e-9 || math.Abs(c.Hi-310) > 1e-9 {
		t.Errorf("the table spans %g to %g, want 290 to 310", c.Lo, c.Hi)
	}
	if got := lookup(c, 2, 300)[3]; math.Abs(float64(got)-0.4) > 2e-4 {
		t.Errorf("opacity %g in the middle of the window, want 0.4", got)
	}
	if own := compile(t, ramp(), nil).Window; own != (render.Window{Center: 1000, Width: 4000}) {
		t.Errorf("the window of a function without one is %v, want the span of its opacity points", own)
	}
}

func TestCompileRefuses(t *testing.T) {
	nan := math.NaN()
	for name, spoil := range map[string]func(*render.Function){
		"no points":            func(f *render.Function) { f.Opacity = nil },
		"opacity above 1":      func(f *render.Function) { f.Opacity[1][1] = 1.5 },
		"value not finite":     func(f *render.Function) { f.Color[0][0] = nan },
		"negative unit":        func(f *render.Function) { f.UnitDistance = -1 },
		"varying gradient":     func(f *render.Function) { f.GradientOpacity = []render.OpacityPoint{{0, 0}, {100, 1}} },
		"bad light":            func(f *render.Function) { f.Shade, f.Diffuse = true, nan },
		"too many points":      func(f *render.Function) { f.Opacity = make([]render.OpacityPoint, 5000) },
		"window of its own":    func(f *render.Function) { f.Window.Width = nan },
		"specular power is -1": func(f *render.Function) { f.Shade, f.SpecularPower = true, -1 },
	} {
		f := ramp()
		spoil(&f)
		if _, err := render.Compile(f, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, w := range []render.Window{{}, {Width: -1}, {Width: nan}, {Center: nan, Width: 1}} {
		if _, err := render.Compile(ramp(), &w); err == nil {
			t.Errorf("window %v: no error", w)
		}
	}
	f := ramp()
	f.GradientOpacity = []render.OpacityPoint{{0, 0.5}, {255, 0.5}}
	if got := lookup(compile(t, f, nil), 2, 100)[3]; math.Abs(float64(got)-0.4) > 2e-4 {
		t.Errorf("constant gradient opacity: %g, want 0.4", got)
	}
}

// No brick that has a visible value may be called empty.
func TestEmptyIsSafe(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f := ramp()
		f.Opacity = nil
		for v := -500.0; v < 500; v += random.Float64() * 300 {
			f.Opacity = append(f.Opacity, render.OpacityPoint{v, float64(random.IntN(2)) * random.Float64()})
		}
		c := compile(t, f, nil)
		slope, intercept := random.Float64()*4-2, random.Float64()*200
		empty := c.Empty(slope, intercept)
		for range 200 {
			a, b := random.Float64()*1000-500, random.Float64()*1000-500
			lo, hi := min(a, b), max(a, b)
			if !empty(float32(lo), float32(hi)) {
				continue
			}
			for u := 0.0; u <= 1; u += 0.01 {
				value := (lo+(hi-lo)*u)*slope + intercept
				if alpha := lookup(c, 1, value)[3]; alpha > 0 {
					t.Fatalf("%g to %g is called empty, but %g has the opacity %g", lo, hi, value, alpha)
				}
			}
		}
	}
}

// Up to its reach no ray of a square has a sample in a brick that is not empty.
func TestReachIsSafe(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	transfer := compile(t, ramp(), nil)
	reached := 0
	for n := range 60 {
		center := geom.Vec{random.Float64()*40 - 20, random.Float64()*40 - 20, random.Float64()*40 - 20}
		g := phantom.Grid(40, 1.5)
		g.Axes[2] = geom.Vec{0.3, 0.5, 1.4}
		v, err := phantom.Fill(g, volume.Int16, func(p geom.Vec) float64 { return 60 * max(0, 5-p.Sub(center).Norm()) })
		if err != nil {
			t.Fatal(err)
		}
		space, err := render.NewSpace(context.Background(), v)
		v.Free()
		if err != nil {
			t.Fatal(err)
		}
		s := &render.Scene{Volume: fixed{v}, Width: 90, Height: 70, Camera: render.Camera{
			Position: geom.Vec{random.Float64()*200 - 100, random.Float64()*200 - 100, random.Float64()*200 - 100},
			Up:       geom.Vec{0, 0, 1}, Perspective: n%2 == 0, Height: 60, FovY: 50,
		}}
		rays := s.Rays()
		distance := space.Distances(transfer)
		reaches := space.Reaches(&rays, s.Width, s.Height, transfer)
		for range 300 {
			x, y := random.IntN(s.Width), random.IntN(s.Height)
			const columns = (90 + render.ReachSide - 1) / render.ReachSide
			reach := float64(reaches[y/render.ReachSide*columns+x/render.ReachSide])
			o, d := rays.At(float64(x), float64(y))
			for at := max(rays.Near, -400); at < min(reach, 400); at += 0.5 {
				p := o.Add(d.Scale(at))
				i, stride, inside := 0, 1, true
				for a := range 3 {
					inside = inside && p[a] >= -0.5 && p[a] <= float64(g.Size[a])-0.5
					cell := int(min(max(p[a], 0), float64(g.Size[a]-1)))
					i += min(cell/volume.BrickSide, space.Bricks.Size[a]-1) * stride
					stride *= space.Bricks.Size[a]
				}
				if inside {
					reached++
					if distance[i] == 0 {
						t.Fatalf("case %d, pixel (%d,%d): not empty at %g, reach %g", n, x, y, at, reach)
					}
				}
			}
		}
	}
	if reached < 1000 {
		t.Errorf("only %d points in the volume lie before a reach", reached)
	}
}

// fixed is a volume that no renderer has loaded.
type fixed struct{ v *volume.Volume }

func (f fixed) Source() *volume.Volume { return f.v }
func (f fixed) Release()               {}

// All of the volume is seen, from every side and in both projections.
func TestDefaultCameraSeesAll(t *testing.T) {
	g := volume.Geometry{Size: [3]int{100, 60, 30}, Origin: geom.Vec{-40, 200, 7}, Axes: [3]geom.Vec{{0.7, 0, 0}, {0, 0.7, 0.2}, {0, -0.9, 3}}}
	for _, direction := range render.Directions() {
		for _, aspect := range []float64{0.5, 1, 1.8} {
			c, err := render.DefaultCamera(g, direction, aspect)
			if err != nil {
				t.Fatal(err)
			}
			right, up, forward, ok := c.Basis()
			if !ok {
				t.Fatalf("%s: no basis", direction)
			}
			largest := 0.0
			for _, p := range g.Corners() {
				d := p.Sub(c.Position)
				x, y, z := d.Dot(right)/aspect, d.Dot(up), d.Dot(forward)
				largest = max(largest, math.Abs(x)*2/c.Height, math.Abs(y)*2/c.Height)
				tan := math.Tan(c.FovY * math.Pi / 360)
				if z <= 0 || math.Abs(x)/z > tan || math.Abs(y)/z > tan {
					t.Errorf("%s, aspect %g: a corner is beside the perspective picture", direction, aspect)
				}
			}
			if largest > 1 || largest < 0.9 {
				t.Errorf("%s, aspect %g: the volume fills %.2f of the picture", direction, aspect, largest)
			}
		}
	}
	if _, err := render.DefaultCamera(g, "dorsal", 1); err == nil {
		t.Error("no error for an unknown direction")
	}
	if _, err := render.DefaultCamera(g, "left", math.NaN()); err == nil {
		t.Error("no error for an aspect that is no number")
	}
}

func TestWritePNG(t *testing.T) {
	img := &render.Image{}
	img.Resize(3, 2)
	for i := range img.Pix {
		img.Pix[i] = byte(10 * i)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := img.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if r, g, _, _ := got.At(1, 1).RGBA(); got.Bounds().Dx() != 3 || r>>8 != 160 || g>>8 != 170 {
		t.Errorf("pixel (1,1) is (%d, %d)", r>>8, g>>8)
	}
}
