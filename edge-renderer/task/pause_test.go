package task_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// B8: an operation that is paused, saved and goes on elsewhere, on other workers and as often as one likes, has bit for bit
// the result that it would have had. Those that last for long keep what they have made; those that go through a volume in
// seconds begin anew.
func TestB8OperationsGoOnFromTheirCheckpoint(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	size := [3]int{24, 20, 16}
	noise := func(_, _, _ int) float64 { return math.Round(r.NormFloat64()*200 + 100) }
	whole, real := tasktest.Volume(t, size, [3]float64{1, 1, 2}, volume.Int16, noise), tasktest.Volume(t, size, [3]float64{1, 1, 2}, volume.Float32, noise)
	const detectors, projections, slices = 32, 40, 5
	data := make([]byte, 0, 4*detectors*projections*slices)
	for range cap(data) / 4 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(r.Float64())))
	}
	for _, c := range []struct {
		kind       signaling.TaskType
		name       string
		data       []byte
		parameters any
		shares     []float64
		kept       int // pauses that keep something, at least
	}{
		{signaling.ImageProcessing, "gaussian", nil, signaling.GaussianParameters{SigmaMm: 2}, []float64{0.1, 0.3, 0.75, 0.8, 0.99}, 2},
		{signaling.ImageProcessing, "gaussian", nil, signaling.GaussianParameters{SigmaMm: 2, Box: &[2][3]int{{2, 1, 3}, {20, 19, 11}}}, []float64{0.75, 0.1, 0.9}, 2},
		{signaling.ImageProcessing, "median", nil, signaling.MedianParameters{Radius: 2}, []float64{0.01, 0.2, 0.5, 0.9}, 4},
		{signaling.ImageReconstruction, "filtered-back-projection", data, signaling.ReconstructionParameters{Detectors: detectors, Projections: projections,
			Slices: slices, DetectorMm: 1}, []float64{0.05, 0.2, 0.05, 0.6, 0.95}, 3},
		{signaling.DataComputation, "histogram", nil, signaling.HistogramParameters{Bins: 10}, []float64{0.5, 0.5}, 0},
		{signaling.DataComputation, "statistics", nil, signaling.StatisticsParameters{Percentiles: []float64{50}}, []float64{0.5}, 0},
		{signaling.Training, "tissue-mixture", nil, signaling.MixtureParameters{Components: 3, Iterations: 40}, []float64{0.1, 0.55, 0.2, 0.7, 0.9}, 3},
	} {
		for format, v := range map[string]*volume.Volume{"int16": whole, "float32": real} {
			t.Run(c.name+" "+format, func(t *testing.T) {
				if c.data != nil {
					v = nil
				}
				want, err := tasktest.Run(t, 2, c.kind, c.name, v, c.data, c.parameters)
				if err != nil {
					t.Fatal(err)
				}
				got, kept, err := tasktest.Interrupt(t, c.kind, c.name, v, c.data, c.parameters, c.shares...)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(timeless(t, got), timeless(t, want)) {
					t.Error("the result is another one")
				}
				if kept < c.kept {
					t.Errorf("%d pauses kept something, want %d", kept, c.kept)
				}
			})
		}
	}
}

// timeless is a result without the time that it took.
func timeless(t *testing.T, r operation.Result) []byte {
	t.Helper()
	if r.Format != "application/json" {
		return r.Data
	}
	var fields map[string]any
	if err := json.Unmarshal(r.Data, &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "runMs")
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A checkpoint that is damaged, or of other work, is refused by name.
func TestB8CheckpointsThatCannotBeUsed(t *testing.T) {
	r := signaling.TaskRequest{Type: signaling.ImageProcessing, Operation: "median", Parameters: json.RawMessage(`{"radius": 1}`)}
	good, err := operation.Checkpoint{Share: 0.5, State: []byte("state"), Handling: signaling.HandlingAllocate}.Encode(&r)
	if err != nil {
		t.Fatal(err)
	}
	spaced := r
	spaced.Parameters = json.RawMessage(`{"radius":1}`)
	if c, err := operation.DecodeCheckpoint(good, &spaced); err != nil || string(c.State) != "state" || c.Share != 0.5 || c.Handling != signaling.HandlingAllocate {
		t.Errorf("%+v, %v", c, err)
	}
	damaged := bytes.Clone(good)
	damaged[len(damaged)-40] ^= 1
	other, parameters, series := r, r, r
	other.Operation = "gaussian"
	parameters.Parameters = json.RawMessage(`{"radius":2}`)
	series.Series = &signaling.SeriesRef{StudyInstanceUID: "1.2"}
	for name, c := range map[string]struct {
		data []byte
		r    signaling.TaskRequest
		says string
	}{
		"empty": {nil, r, "no checkpoint"}, "short": {good[:30], r, "no checkpoint"}, "cut": {good[:len(good)-1], r, "damaged"},
		"damaged": {damaged, r, "damaged"}, "another operation": {good, other, "median"}, "other parameters": {good, parameters, "parameters"},
		"another series": {good, series, "data"},
	} {
		var p *signaling.Problem
		if _, err := operation.DecodeCheckpoint(c.data, &c.r); !errors.As(err, &p) || !strings.Contains(p.Detail, c.says) || p.Title != "The checkpoint cannot be used" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzResume: whatever state a terminal brings, an operation goes on or refuses it.
func FuzzResume(f *testing.F) {
	v := tasktest.Volume(f, [3]int{6, 5, 4}, [3]float64{1, 1, 1}, volume.Int16, func(i, j, k int) float64 { return float64(i*j - k) })
	f.Add([]byte{4, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(append([]byte{4, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 120)...))
	f.Add(binary.LittleEndian.AppendUint64(nil, math.Float64bits(3)))
	f.Add(append(make([]byte, 8), append([]byte{3, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 72)...)...))
	f.Fuzz(func(t *testing.T, state []byte) {
		for kind, name := range map[signaling.TaskType]string{signaling.ImageProcessing: "median", signaling.Training: "tissue-mixture"} {
			out, err := tasktest.Resume(t, kind, name, v, state)
			var p *signaling.Problem
			if err == nil && len(out.Data) == 0 || err != nil && !errors.As(err, &p) {
				t.Errorf("%s: %d bytes, %v", name, len(out.Data), err)
			}
		}
	})
}
