package render_test

import (
	"math"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/render/preset"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

func TestSteep(t *testing.T) {
	content := func(p geom.Vec) float64 { return 300 * p[0] } // -1050 to 1050
	v, err := phantom.Fill(phantom.Grid(8, 1), volume.Int16, content)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Free()
	band := ramp()
	band.Opacity = []render.OpacityPoint{{-1000, 0}, {0, 0}, {2, 0.8}, {4, 0}, {1000, 0}}
	falling := ramp()
	falling.Opacity = []render.OpacityPoint{{-1000, 0.8}, {0, 0.8}, {10, 0}, {1000, 0}}
	for _, k := range []struct {
		name     string
		transfer *render.Transfer
		step     float64
		want     bool
	}{
		{"ramp of 50", compile(t, ramp(), &render.Window{Center: 500, Width: 2000}), 2, true},
		{"ramp of 50, short step", compile(t, ramp(), &render.Window{Center: 500, Width: 2000}), 0.3, false},
		{"ramp of 100", compile(t, ramp(), nil), 2, false},
		{"ramp of 1000", compile(t, ramp(), &render.Window{Center: 10000, Width: 40000}), 2, false},
		{"narrow band", compile(t, band, nil), 2, true},
		{"falling edge", compile(t, falling, nil), 2, true},
		{"CT-Soft-Tissue", named(t, "CT-Soft-Tissue", nil), 0.5, true},
		{"CT-Bone", named(t, "CT-Bone", nil), 1, false},
		{"CT-Bone, narrow window", named(t, "CT-Bone", &render.Window{Center: 200, Width: 40}), 1, true},
		{"CT-Chest-Contrast-Enhanced", named(t, "CT-Chest-Contrast-Enhanced", nil), 1, false},
	} {
		s := &render.Scene{Volume: fixed{v}, Transfer: k.transfer, Quality: render.Quality{Step: k.step}}
		if got := s.Steep(); got != k.want {
			t.Errorf("%s: steep %v, want %v", k.name, got, k.want)
		}
		s.Mode = render.MaximumIntensity
		if s.Steep() {
			t.Errorf("%s: a maximum projection looks for surfaces", k.name)
		}
	}
	s := &render.Scene{Volume: fixed{v}, Transfer: named(t, "CT-Soft-Tissue", nil), Quality: render.Quality{Step: 1}}
	for _, r := range [][2]float64{{7, 7}, {0, math.Inf(1)}} {
		v.Min, v.Max = r[0], r[1]
		s.Steep() // values without a range, or with an endless one, are no error
	}
}

func named(t *testing.T, name string, w *render.Window) *render.Transfer {
	t.Helper()
	p, ok := preset.Lookup(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	return compile(t, p.Function, w)
}
