package task_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

func testVolume(t *testing.T, f volume.Format, slope, intercept float64) *volume.Volume {
	t.Helper()
	v, err := volume.New(volume.Geometry{Size: [3]int{20, 10, 7}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, f, slope, intercept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Free)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range v.Voxels() {
		if f == volume.Int16 {
			v.Int16s()[i] = int16(r.IntN(3000) - 1000)
		} else {
			v.Float32s()[i] = r.Float32()*4 - 1
		}
	}
	return v
}

func run(t *testing.T, v *volume.Volume, p any) (signaling.Histogram, error) {
	t.Helper()
	out, err := tasktest.Run(t, 3, signaling.DataComputation, "histogram", v, nil, p)
	if err != nil {
		return signaling.Histogram{}, err
	}
	var h signaling.Histogram
	if err := json.Unmarshal(out.Data, &h); err != nil {
		t.Fatal(err)
	}
	return h, nil
}

// TestHistogramAgreesWithSorting compares with the plain way: sort all values.
func TestHistogramAgreesWithSorting(t *testing.T) {
	for name, v := range map[string]*volume.Volume{
		"int16": testVolume(t, volume.Int16, 1, -24), "negative slope": testVolume(t, volume.Int16, -0.5, 10),
		"float32": testVolume(t, volume.Float32, 2, 1),
	} {
		for _, box := range []*[2][3]int{nil, {{3, 2, 1}, {17, 8, 5}}, {{4, 4, 4}, {4, 4, 4}}} {
			h, err := run(t, v, signaling.HistogramParameters{Bins: 16, Box: box, Percentiles: []float64{0, 1, 50, 99, 100}})
			if err != nil {
				t.Fatal(name, err)
			}
			b := [2][3]int{{}, {v.Size[0] - 1, v.Size[1] - 1, v.Size[2] - 1}}
			if box != nil {
				b = *box
			}
			var all []float64
			sum := 0.0
			for k := b[0][2]; k <= b[1][2]; k++ {
				for j := b[0][1]; j <= b[1][1]; j++ {
					for i := b[0][0]; i <= b[1][0]; i++ {
						all = append(all, v.At(i, j, k))
						sum += v.At(i, j, k)
					}
				}
			}
			slices.Sort(all)
			n := int64(0)
			for _, c := range h.Counts {
				n += c
			}
			if h.Voxels != int64(len(all)) || n != h.Voxels || h.Min != all[0] || h.Max != all[len(all)-1] ||
				math.Abs(h.Mean-sum/float64(len(all))) > 1e-9 {
				t.Errorf("%s %v: got %+v", name, box, h)
			}
			for i, q := range []float64{0, 1, 50, 99, 100} {
				rank := max(int(math.Ceil(q/100*float64(len(all)))), 1)
				if h.Percentiles[i] != all[rank-1] {
					t.Errorf("%s %v: percentile %g is %g, want %g", name, box, q, h.Percentiles[i], all[rank-1])
				}
			}
		}
	}
}

func TestAutoWindowLeavesAirOut(t *testing.T) {
	v := testVolume(t, volume.Int16, 1, 0)
	for i := range v.Int16s() {
		v.Int16s()[i] = -1000
		if i%4 == 0 {
			v.Int16s()[i] = int16(20 + i%40)
		}
	}
	h, err := run(t, v, signaling.HistogramParameters{})
	if err != nil {
		t.Fatal(err)
	}
	if lo, hi := h.Window.Center-h.Window.Width/2, h.Window.Center+h.Window.Width/2; lo < 20 || hi > 60 {
		t.Errorf("the window spans %g to %g, tissue 20 to 60", lo, hi)
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	v := testVolume(t, volume.Int16, 1, 0)
	for want, p := range map[string]any{
		"bins":       signaling.HistogramParameters{Bins: -1},
		"box":        signaling.HistogramParameters{Box: &[2][3]int{{0, 0, 0}, {20, 1, 1}}},
		"percentile": signaling.HistogramParameters{Percentiles: []float64{101}},
		"malformed":  []int{1},
		"binz":       map[string]int{"binz": 3},
	} {
		if _, err := run(t, v, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// All four kinds of compute tasks have operations.
func TestA1EveryComputeTypeHasOperations(t *testing.T) {
	for _, kind := range signaling.TaskTypes {
		if got := slices.Contains(task.Types(), kind); got != (kind != signaling.Rendering) {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestUnknownOperationSaysWhatThereIs(t *testing.T) {
	if _, err := task.Lookup(signaling.Training, "histogram"); err == nil || !strings.Contains(err.Error(), "data-computation/histogram") {
		t.Errorf("got %v", err)
	}
}
