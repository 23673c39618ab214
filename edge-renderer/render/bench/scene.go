package bench

import (
	"math"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// The transfer functions, lighting and camera of vtk_bench.py.
var functions = map[string]render.Function{
	"bone": lit(
		[]render.OpacityPoint{{-1024, 0}, {180, 0}, {350, .12}, {700, .55}, {1200, .9}, {3071, .95}},
		[]render.ColorPoint{{-1024, .3, .1, .1}, {180, .55, .25, .15}, {350, .85, .62, .42}, {700, .95, .88, .74}, {1500, 1, .98, .94}, {3071, 1, 1, 1}}),
	"soft": lit(
		[]render.OpacityPoint{{-1024, 0}, {-300, 0}, {-150, .03}, {20, .12}, {80, .18}, {200, .15}, {400, .35}, {1200, .8}, {3071, .9}}, softColor),
	"thin": lit(
		[]render.OpacityPoint{{-1024, 0}, {-300, 0}, {-150, .004}, {20, .012}, {80, .018}, {200, .03}, {400, .1}, {1200, .3}, {3071, .5}}, softColor),
}

var softColor = []render.ColorPoint{{-1024, .3, .1, .1}, {-300, .6, .35, .25}, {-100, .9, .7, .5}, {40, .85, .4, .32}, {120, .8, .3, .25}, {300, .95, .85, .7}, {3071, 1, 1, .95}}

func lit(opacity []render.OpacityPoint, color []render.ColorPoint) render.Function {
	return render.Function{Color: color, Opacity: opacity, Shade: true, Ambient: .15, Diffuse: .75, Specular: .25, SpecularPower: 16}
}

// scene makes the n-th picture of the turn around a volume.
func scene(l render.Volume, t *render.Transfer, n, width, height int) *render.Scene {
	g := l.Source().Geometry
	center := g.Center()
	size := vtkSize(g)
	distance := size / 2 * 1.15 / math.Tan(radians(15))
	azimuth, elevation := radians(float64(n)*turn), radians(10)
	d := geom.Vec{math.Sin(azimuth) * math.Cos(elevation), -math.Cos(azimuth) * math.Cos(elevation), math.Sin(elevation)}
	return &render.Scene{
		Volume: l, Transfer: t, Width: width, Height: height, Quality: render.Quality{Step: step},
		Camera: render.Camera{Position: center.Add(d.Scale(distance)), LookAt: center, Up: geom.Vec{0, 0, 1}, Perspective: true, FovY: 30},
	}
}

const (
	turn = 7.0 // degrees between two pictures
	step = 1.0 // millimetres between samples
)

func vtkSize(g volume.Geometry) float64 {
	s := g.Spacing()
	return max(float64(g.Size[0])*s[0], float64(g.Size[1])*s[1], float64(g.Size[2])*s[2])
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
