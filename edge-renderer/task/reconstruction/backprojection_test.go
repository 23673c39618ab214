package reconstruction_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/signaling"
)

// ellipse is a disc of constant value: centre, half axes in millimetres, turned by phi.
type ellipse struct{ x, y, a, b, phi, value float64 }

// radon is the integral of an ellipse along the line at angle theta and distance s (Kak and Slaney, eq. 3.6).
func (e ellipse) radon(theta, s float64) float64 {
	s -= e.x*math.Cos(theta) + e.y*math.Sin(theta)
	c, d := math.Cos(theta-e.phi), math.Sin(theta-e.phi)
	r2 := e.a*e.a*c*c + e.b*e.b*d*d
	if s*s >= r2 {
		return 0
	}
	return 2 * e.value * e.a * e.b * math.Sqrt(r2-s*s) / r2
}

// inside is how far inside an ellipse a point is: 0 on its edge, 1 in its middle, negative outside.
func (e ellipse) inside(x, y float64) float64 {
	x, y = x-e.x, y-e.y
	u, v := x*math.Cos(e.phi)+y*math.Sin(e.phi), y*math.Cos(e.phi)-x*math.Sin(e.phi)
	return 1 - math.Hypot(u/e.a, v/e.b)
}

var body = []ellipse{{0, 0, 40, 30, 0, 1}, {12, 5, 10, 6, 0.6, 0.5}, {-15, -8, 7, 7, 0, -0.4}}

func sinogram(detectors int, spacing float64, angles []float64, slices int) []byte {
	var out []byte
	for k := range slices {
		for _, theta := range angles {
			for d := range detectors {
				sum := 0.0
				for _, e := range body {
					sum += e.radon(theta, (float64(d)-float64(detectors-1)/2)*spacing)
				}
				out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(sum*float64(k+1))))
			}
		}
	}
	return out
}

// evenly divides half a turn.
func evenly(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Pi * float64(i) / float64(n)
	}
	return out
}

// check compares a slice with the ellipses where no edge is near, within reach of the axis, and returns the largest error and
// the root of the mean square.
func check(values []float64, size int, pixel, factor, reach float64) (worst, rms float64) {
	n := 0
	for i, got := range values {
		x, y := (float64(i%size)-float64(size-1)/2)*pixel, (float64(i/size)-float64(size-1)/2)*pixel
		want, clear := 0.0, math.Hypot(x, y) < reach
		for _, e := range body {
			depth := e.inside(x, y)
			clear = clear && math.Abs(depth)*min(e.a, e.b) > 2.5
			if depth > 0 {
				want += e.value
			}
		}
		if clear {
			d := (got - want*factor) / factor
			worst, rms, n = max(worst, math.Abs(d)), rms+d*d, n+1
		}
	}
	return worst, math.Sqrt(rms / float64(n))
}

// A1, A15: the terminal sends a sinogram as the task's input, and gets the image whose Radon transform it is. Ellipses have
// one in closed form.
func TestA1BackProjectionOfEllipses(t *testing.T) {
	const detectors, views = 256, 360
	p := signaling.ReconstructionParameters{Detectors: detectors, Projections: views, Slices: 2, DetectorMm: 0.4, Size: 128, PixelMm: 0.8, SliceMm: 3}
	data := sinogram(detectors, 0.4, evenly(views), 2)
	// The sharper the filter, the more the edges of ideal ellipses ring.
	for filter, limit := range map[signaling.ReconstructionFilter]float64{"": 0.1, signaling.FilterSheppLogan: 0.07, signaling.FilterHann: 0.02} {
		p.Filter = filter
		out, err := tasktest.Run(t, 3, signaling.ImageReconstruction, "filtered-back-projection", nil, data, p)
		if err != nil {
			t.Fatal(err)
		}
		m, got := tasktest.Image(t, out)
		if m.Size != [3]int{128, 128, 2} || m.Axes[0][0] != 0.8 || m.Axes[2][2] != 3 {
			t.Fatalf("the image is %v with axes %v", m.Size, m.Axes)
		}
		for k := range 2 {
			worst, rms := check(got[k*128*128:(k+1)*128*128], 128, 0.8, float64(k+1), 51)
			t.Logf("%q, slice %d: off by at most %.4f where no edge is near, by %.4f rms", filter, k, worst, rms)
			if worst > limit || rms > 0.013 {
				t.Errorf("%q, slice %d: off by %g, %g rms", filter, k, worst, rms)
			}
		}
	}
}

// Angles may come in any order, over a whole turn, and unevenly: each projection counts for the angle that it stands for.
func TestBackProjectionOfUnevenAngles(t *testing.T) {
	const detectors = 192
	var angles, degrees []float64
	for a := 0.0; a < 90; a += 0.5 {
		degrees = append(degrees, 170-a)
	}
	for a := 171.0; a <= 260; a++ {
		degrees = append(degrees, a)
	}
	for _, d := range degrees {
		angles = append(angles, d*math.Pi/180)
	}
	p := signaling.ReconstructionParameters{Detectors: detectors, Projections: len(degrees), AnglesDegrees: degrees, DetectorMm: 0.5, Size: 96, PixelMm: 1, Filter: signaling.FilterHann}
	out, err := tasktest.Run(t, 2, signaling.ImageReconstruction, "filtered-back-projection", nil, sinogram(detectors, 0.5, angles, 1), p)
	if err != nil {
		t.Fatal(err)
	}
	_, got := tasktest.Image(t, out)
	if worst, rms := check(got, 96, 1, 1, 47.5); worst > 0.05 || rms > 0.015 {
		t.Errorf("off by %g, %g rms", worst, rms)
	}
}

func TestReconstructionRefusals(t *testing.T) {
	good := func() map[string]any {
		return map[string]any{"detectors": 16, "projections": 8, "detectorMm": 1}
	}
	data := make([]byte, 4*16*8)
	for want, change := range map[string]func(map[string]any){
		"detectors":     func(p map[string]any) { p["detectors"] = 1 },
		"projections":   func(p map[string]any) { p["projections"] = 100_000 },
		"slices":        func(p map[string]any) { p["slices"] = -1 },
		"size is":       func(p map[string]any) { p["size"] = 5000 },
		"detectorMm":    func(p map[string]any) { p["detectorMm"] = 0 },
		"pixelMm":       func(p map[string]any) { p["pixelMm"] = -1 },
		"sliceMm":       func(p map[string]any) { p["sliceMm"] = 1e6 },
		"anglesDegrees": func(p map[string]any) { p["anglesDegrees"] = []float64{1} },
		"anglesDegrees[3]": func(p map[string]any) {
			p["anglesDegrees"] = []float64{1, 2, 3, 1e300, 0, 0, 0, 0}
		},
		"filter":      func(p map[string]any) { p["filter"] = "cosine" },
		"512 bytes":   func(p map[string]any) { p["slices"] = 2 },
		"fillter":     func(p map[string]any) { p["fillter"] = "hann" },
		"is malforme": func(p map[string]any) { p["detectors"] = "many" },
	} {
		p := good()
		change(p)
		want = strings.TrimPrefix(want, "is ")
		_, err := tasktest.Run(t, 1, signaling.ImageReconstruction, "filtered-back-projection", nil, data, p)
		if problem, ok := err.(*signaling.Problem); !ok || problem.Code != signaling.ProblemBadRequest || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	large := good()
	large["size"], large["slices"] = 4096, 100
	if _, err := tasktest.Run(t, 1, signaling.ImageReconstruction, "filtered-back-projection", nil, make([]byte, 4*16*8*100), large); err == nil {
		t.Error("an image of 4096x4096x100 voxels was not refused")
	}
}

// What has no meaning as a sinogram still gives an image, and no crash.
func TestBackProjectionOfNoise(t *testing.T) {
	data := make([]byte, 4*16*8)
	for i := range data {
		data[i] = 0xFF // not a number
	}
	p := signaling.ReconstructionParameters{Detectors: 16, Projections: 8, DetectorMm: 1, AnglesDegrees: make([]float64, 8)}
	if _, err := tasktest.Run(t, 1, signaling.ImageReconstruction, "filtered-back-projection", nil, data, p); err != nil {
		t.Error(err)
	}
}
