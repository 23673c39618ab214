// Package tasktest runs operations in tests.
package tasktest

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/signaling"
)

// Run carries out an operation on so many resident workers.
func Run(t testing.TB, workers int, kind signaling.TaskType, name string, v *volume.Volume, data []byte, parameters any) (operation.Result, error) {
	t.Helper()
	w := task.New(task.Config{Resident: workers, Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingResident }})
	defer w.Close()
	op, err := task.Lookup(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	r := &signaling.TaskRequest{Type: kind, Operation: name, Parameters: raw}
	out, _, err := w.Do(t.Context(), task.Order{Request: r, Operation: op, Volume: v, Data: data, Tell: func(signaling.Event) {}})
	return out, err
}

// JSON is Run for a result as JSON, which must be there.
func JSON[R any](t testing.TB, workers int, kind signaling.TaskType, name string, v *volume.Volume, parameters any) R {
	t.Helper()
	var r R
	out, err := Run(t, workers, kind, name, v, nil, parameters)
	if err != nil {
		t.Fatal(err)
	}
	if out.Format != "application/json" {
		t.Fatalf("the result is %s", out.Format)
	}
	if err := json.Unmarshal(out.Data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Image is a result that is a volume: its header, and its values with i the fastest.
func Image(t testing.TB, out operation.Result) (*research.Image, []float64) {
	t.Helper()
	if out.Format != signaling.FormatNRRD {
		t.Fatalf("the result is %s", out.Format)
	}
	m, err := research.Open(fstest.MapFS{"a.nrrd": {Data: out.Data}}, "a.nrrd")
	if err != nil {
		t.Fatal(err)
	}
	n := m.Size[0] * m.Size[1]
	values := make([]float64, m.Samples())
	if err := m.Read(func(_, k int, plane []byte) error {
		m.Float64s(values[k*n:(k+1)*n], plane)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return m, values
}

// Volume is a volume with its axes along those of the patient, filled by value.
func Volume(t testing.TB, size [3]int, spacing [3]float64, format volume.Format, value func(i, j, k int) float64) *volume.Volume {
	t.Helper()
	v, err := volume.New(volume.Geometry{Size: size, Origin: geom.Vec{-10, 5, 100},
		Axes: [3]geom.Vec{{spacing[0], 0, 0}, {0, spacing[1], 0}, {0, 0, spacing[2]}}}, format, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Free)
	n := 0
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				if format == volume.Int16 {
					v.Int16s()[n] = int16(value(i, j, k))
				} else {
					v.Float32s()[n] = float32(value(i, j, k))
				}
				n++
			}
		}
	}
	v.UpdateRange()
	return v
}
