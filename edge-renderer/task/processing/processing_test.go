package processing_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// A normal distribution smoothed by another one is a third, whose variance is the sum of both, in voxels that are not as
// thick as they are wide.
func TestA1GaussianAddsVariances(t *testing.T) {
	const own, sigma = 3.0, 2.0 // millimetres
	size, spacing := [3]int{48, 40, 24}, [3]float64{1, 1.25, 2}
	bell := func(i, j, k int, sd float64) float64 {
		x, y, z := float64(i-24)*spacing[0], float64(j-20)*spacing[1], float64(k-12)*spacing[2]
		return 1000 * math.Pow(own/sd, 3) * math.Exp(-(x*x+y*y+z*z)/(2*sd*sd))
	}
	v := tasktest.Volume(t, size, spacing, volume.Float32, func(i, j, k int) float64 { return bell(i, j, k, own) })
	out, err := tasktest.Run(t, 3, signaling.ImageProcessing, "gaussian", v, nil, signaling.GaussianParameters{SigmaMm: sigma})
	if err != nil {
		t.Fatal(err)
	}
	m, got := tasktest.Image(t, out)
	if m.Size != size || m.Origin != [3]float64{-10, 5, 100} || m.Axes[2] != [3]float64{0, 0, 2} {
		t.Errorf("the result lies at %v, %v, %v", m.Size, m.Origin, m.Axes)
	}
	worst, n := 0.0, 0
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				worst = max(worst, math.Abs(got[n]-bell(i, j, k, math.Hypot(own, sigma))))
				n++
			}
		}
	}
	if worst > 1 { // a thousandth of the peak: the kernel is cut off and sampled
		t.Errorf("off by up to %g", worst)
	}
}

// What is constant stays so, up to the edges, and a box is the same part of the whole.
func TestGaussianOfABox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	size := [3]int{20, 16, 12}
	flat := tasktest.Volume(t, size, [3]float64{1, 1, 1}, volume.Int16, func(int, int, int) float64 { return 77 })
	noisy := tasktest.Volume(t, size, [3]float64{1, 1, 1}, volume.Int16, func(int, int, int) float64 { return r.Float64() * 1000 })
	box := [2][3]int{{3, 0, 4}, {19, 9, 11}}
	for name, p := range map[string]any{"gaussian": signaling.GaussianParameters{SigmaMm: 1.5}, "median": signaling.MedianParameters{Radius: 2}} {
		out, err := tasktest.Run(t, 2, signaling.ImageProcessing, name, flat, nil, p)
		if err != nil {
			t.Fatal(err)
		}
		_, got := tasktest.Image(t, out)
		for _, x := range got {
			if math.Abs(x-77) > 1e-4 {
				t.Fatalf("%s: a constant became %g", name, x)
			}
		}
		whole, err := tasktest.Run(t, 2, signaling.ImageProcessing, name, noisy, nil, p)
		if err != nil {
			t.Fatal(err)
		}
		_, all := tasktest.Image(t, whole)
		boxed := map[string]any{"box": box, "sigmaMm": 1.5}
		if name == "median" {
			boxed = map[string]any{"box": box, "radius": 2}
		}
		part, err := tasktest.Run(t, 2, signaling.ImageProcessing, name, noisy, nil, boxed)
		if err != nil {
			t.Fatal(err)
		}
		m, some := tasktest.Image(t, part)
		if m.Origin != [3]float64{-7, 5, 104} || m.Size != [3]int{17, 10, 8} {
			t.Errorf("%s: the box lies at %v, %v", name, m.Origin, m.Size)
		}
		for n, x := range some {
			i, j, k := box[0][0]+n%17, box[0][1]+n/17%10, box[0][2]+n/170
			if want := all[i+size[0]*(j+size[1]*k)]; x != want {
				t.Fatalf("%s: (%d,%d,%d) is %g in the box, %g in the whole", name, i, j, k, x, want)
			}
		}
	}
}

// The median agrees with sorting, leaves out what is no number, and ends at the edges.
func TestA1MedianAgreesWithSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	size := [3]int{9, 8, 7}
	v := tasktest.Volume(t, size, [3]float64{1, 1, 1}, volume.Float32, func(int, int, int) float64 {
		if r.IntN(20) == 0 {
			return math.NaN()
		}
		return math.Round(r.NormFloat64() * 10)
	})
	for radius := 1; radius <= 3; radius++ {
		out, err := tasktest.Run(t, 3, signaling.ImageProcessing, "median", v, nil, signaling.MedianParameters{Radius: radius})
		if err != nil {
			t.Fatal(err)
		}
		_, got := tasktest.Image(t, out)
		n := 0
		for k := range size[2] {
			for j := range size[1] {
				for i := range size[0] {
					var cube []float64
					for z := max(k-radius, 0); z <= min(k+radius, size[2]-1); z++ {
						for y := max(j-radius, 0); y <= min(j+radius, size[1]-1); y++ {
							for x := max(i-radius, 0); x <= min(i+radius, size[0]-1); x++ {
								if s := v.At(x, y, z); s == s {
									cube = append(cube, s)
								}
							}
						}
					}
					slices.Sort(cube)
					if want := cube[(len(cube)-1)/2]; got[n] != want {
						t.Fatalf("radius %d: (%d,%d,%d) is %g, want %g", radius, i, j, k, got[n], want)
					}
					n++
				}
			}
		}
	}
}

func TestProcessingRefusals(t *testing.T) {
	v := tasktest.Volume(t, [3]int{8, 8, 8}, [3]float64{0.5, 1, 1}, volume.Int16, func(i, _, _ int) float64 { return float64(i) })
	for _, c := range []struct {
		name, want string
		p          any
	}{
		{"gaussian", "sigmaMm", map[string]any{}},
		{"gaussian", "sigmaMm", map[string]any{"sigmaMm": -1}},
		{"gaussian", "sigmaMm", map[string]any{"sigmaMm": 1e9}},
		{"gaussian", "at most 32", map[string]any{"sigmaMm": 40}},
		{"gaussian", "sigma", map[string]any{"sigma": 1}},
		{"gaussian", "box", map[string]any{"sigmaMm": 1, "box": [2][3]int{{0, 0, 0}, {8, 1, 1}}}},
		{"median", "radius", map[string]any{"radius": 4}},
		{"median", "radius", map[string]any{"radius": -1}},
		{"median", "box", map[string]any{"box": [2][3]int{{5, 0, 0}, {4, 1, 1}}}},
		{"median", "malformed", []int{1}},
	} {
		_, err := tasktest.Run(t, 1, signaling.ImageProcessing, c.name, v, nil, c.p)
		if p, ok := err.(*signaling.Problem); !ok || p.Code != signaling.ProblemBadRequest || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s %v: %v", c.name, c.p, err)
		}
	}
}
