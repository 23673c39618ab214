package training_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// tissues are what the voxels are drawn from.
var tissues = []signaling.MixtureComponent{{Weight: 0.5, Mean: -900, StdDev: 30}, {Weight: 0.3, Mean: 40, StdDev: 25}, {Weight: 0.2, Mean: 600, StdDev: 120}}

func drawn(t *testing.T, format volume.Format) *volume.Volume {
	r := rand.New(rand.NewPCG(5, 6))
	return tasktest.Volume(t, [3]int{48, 48, 40}, [3]float64{1, 1, 1}, format, func(int, int, int) float64 {
		u := r.Float64()
		for _, c := range tissues {
			if u -= c.Weight; u < 0 {
				return math.Round(c.Mean + c.StdDev*r.NormFloat64())
			}
		}
		return 0
	})
}

// The model finds the mixture that the voxels were drawn from, and its likelihood never falls on the way.
func TestA1TissueMixtureFindsTheTissues(t *testing.T) {
	for _, format := range []volume.Format{volume.Int16, volume.Float32} {
		m := tasktest.JSON[signaling.Mixture](t, 3, signaling.Training, "tissue-mixture", drawn(t, format), signaling.MixtureParameters{Components: 3, Seed: 1})
		if !m.Converged || m.Voxels != 48*48*40 || m.Iterations != len(m.LogLikelihood)-1 {
			t.Errorf("%v: %+v", format, m)
		}
		for i, c := range m.Components {
			want := tissues[i]
			if math.Abs(c.Weight-want.Weight) > 0.01 || math.Abs(c.Mean-want.Mean) > 0.03*want.StdDev || math.Abs(c.StdDev-want.StdDev) > 0.03*want.StdDev {
				t.Errorf("%v: component %d is %+v, want %+v", format, i, c, want)
			}
		}
		for i := 1; i < len(m.LogLikelihood); i++ {
			if m.LogLikelihood[i] < m.LogLikelihood[i-1]-1e-12 {
				t.Errorf("%v: the likelihood fell from %.15g to %.15g in iteration %d", format, m.LogLikelihood[i-1], m.LogLikelihood[i], i)
			}
		}
	}
}

// One component is the mean and the spread of all voxels, and its likelihood has a closed form.
func TestMixtureOfOne(t *testing.T) {
	v := tasktest.Volume(t, [3]int{10, 10, 10}, [3]float64{1, 1, 1}, volume.Int16, func(i, _, _ int) float64 { return float64(i) })
	m := tasktest.JSON[signaling.Mixture](t, 2, signaling.Training, "tissue-mixture", v, signaling.MixtureParameters{Components: 1})
	c := m.Components[0]
	variance := 99.0 / 12
	if math.Abs(c.Mean-4.5) > 1e-9 || math.Abs(c.StdDev-math.Sqrt(variance)) > 1e-9 || c.Weight != 1 {
		t.Errorf("%+v", c)
	}
	if got, want := m.LogLikelihood[len(m.LogLikelihood)-1], -0.5*(math.Log(2*math.Pi*variance)+1); math.Abs(got-want) > 1e-9 {
		t.Errorf("likelihood %g, want %g", got, want)
	}
}

// The same seed gives the same model, to the last bit, however many workers there are.
func TestMixtureIsDeterministic(t *testing.T) {
	v := drawn(t, volume.Int16)
	p := signaling.MixtureParameters{Components: 4, Iterations: 20, Seed: 9}
	var first signaling.Mixture
	for i, workers := range []int{1, 2, 5} {
		m := tasktest.JSON[signaling.Mixture](t, workers, signaling.Training, "tissue-mixture", v, p)
		m.RunMs = 0
		if i == 0 {
			first = m
		} else if !reflect.DeepEqual(first, m) {
			t.Errorf("%d workers: %+v, not %+v", workers, m, first)
		}
	}
}

// Volumes that no mixture fits well: a single value, fewer values than components, many different ones.
func TestMixtureOfOddVolumes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, value := range map[string]func(i, j, k int) float64{
		"constant":   func(int, int, int) float64 { return -1000 },
		"two values": func(i, _, _ int) float64 { return float64(i % 2) },
		"all differ": func(int, int, int) float64 { return r.NormFloat64() },
		"far apart":  func(i, _, _ int) float64 { return float64(i) * 1e30 },
	} {
		v := tasktest.Volume(t, [3]int{60, 60, 30}, [3]float64{1, 1, 1}, volume.Float32, value)
		out, err := tasktest.Run(t, 2, signaling.Training, "tissue-mixture", v, nil, signaling.MixtureParameters{Components: 4})
		if err != nil {
			t.Errorf("%s: %v", name, err) // JSON has no way to write what is no number
			continue
		}
		var m signaling.Mixture
		if err := json.Unmarshal(out.Data, &m); err != nil || len(m.Components) != 4 {
			t.Errorf("%s: %v %+v", name, err, m)
		}
		for i := 1; i < len(m.LogLikelihood); i++ {
			if m.LogLikelihood[i] < m.LogLikelihood[i-1]-1e-9 {
				t.Errorf("%s: the likelihood fell from %g to %g", name, m.LogLikelihood[i-1], m.LogLikelihood[i])
			}
		}
	}
}

func TestMixtureRefusals(t *testing.T) {
	v := tasktest.Volume(t, [3]int{4, 4, 4}, [3]float64{1, 1, 1}, volume.Float32, func(int, int, int) float64 { return math.NaN() })
	for want, p := range map[string]any{
		"components": map[string]any{"components": 9},
		"iterations": map[string]any{"iterations": -1},
		"tolerance":  map[string]any{"tolerance": -1},
		"box":        map[string]any{"box": [2][3]int{{0, 0, 0}, {4, 1, 1}}},
		"no voxel":   map[string]any{},
		"seeds":      map[string]any{"seeds": 1},
	} {
		if _, err := tasktest.Run(t, 1, signaling.Training, "tissue-mixture", v, nil, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
