package computation_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// Whole numbers from 0 to n-1, each as often: their moments are known.
func TestA1StatisticsOfUniformValues(t *testing.T) {
	const n = 40
	for _, format := range []volume.Format{volume.Int16, volume.Float32} {
		v := tasktest.Volume(t, [3]int{n, 10, 6}, [3]float64{0.5, 0.5, 2}, format, func(i, _, _ int) float64 { return float64(i) })
		above := 29.5
		s := tasktest.JSON[signaling.Statistics](t, 3, signaling.DataComputation, "statistics", v,
			signaling.StatisticsParameters{Percentiles: []float64{0, 25, 50, 100}, Above: &above})
		if s.Voxels != n*60 || s.Min != 0 || s.Max != n-1 || math.Abs(s.Mean-float64(n-1)/2) > 1e-9 ||
			math.Abs(s.StdDev-math.Sqrt((n*n-1)/12.0)) > 1e-9 {
			t.Errorf("%v: %+v", format, s)
		}
		if want := fmt.Sprint([]float64{0, 9, 19, 39}); fmt.Sprint(s.Percentiles) != want {
			t.Errorf("%v: percentiles %v, want %v", format, s.Percentiles, want)
		}
		if s.VoxelMm3 != 0.5 || s.AboveVoxels != 600 || math.Abs(s.AboveMl-0.3) > 1e-12 || math.Abs(s.Ml-1.2) > 1e-12 {
			t.Errorf("%v: volumes %+v", format, s)
		}
	}
}

// The volume above a threshold is that of the ball which is brighter than it.
func TestStatisticsMeasureABall(t *testing.T) {
	const radius = 15.0
	v := tasktest.Volume(t, [3]int{64, 64, 64}, [3]float64{0.6, 0.6, 0.6}, volume.Int16, func(i, j, k int) float64 {
		d := math.Sqrt(math.Pow(float64(i)-31.5, 2)+math.Pow(float64(j)-31.5, 2)+math.Pow(float64(k)-31.5, 2)) * 0.6
		return 1000 - 1000*d/radius
	})
	above := 0.0
	s := tasktest.JSON[signaling.Statistics](t, 2, signaling.DataComputation, "statistics", v, signaling.StatisticsParameters{Above: &above})
	want := 4.0 / 3 * math.Pi * radius * radius * radius / 1000
	if math.Abs(s.AboveMl-want) > 0.03*want {
		t.Errorf("%g ml, a ball of %g mm has %g", s.AboveMl, radius, want)
	}
}

func TestStatisticsRefusals(t *testing.T) {
	v := tasktest.Volume(t, [3]int{4, 4, 4}, [3]float64{1, 1, 1}, volume.Float32, func(int, int, int) float64 { return math.NaN() })
	for want, p := range map[string]any{
		"percentile": map[string]any{"percentiles": []float64{-1}},
		"entries":    map[string]any{"percentiles": make([]float64, 65)},
		"box":        map[string]any{"box": [2][3]int{{0, 0, -1}, {1, 1, 1}}},
		"abov":       map[string]any{"abov": 3},
	} {
		if _, err := tasktest.Run(t, 1, signaling.DataComputation, "statistics", v, nil, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s := tasktest.JSON[signaling.Statistics](t, 1, signaling.DataComputation, "statistics", v, map[string]any{"percentiles": []float64{50}}); s.Voxels != 0 || len(s.Percentiles) != 1 {
		t.Errorf("of no number at all: %+v", s)
	}
}
