// Package tasktest runs operations in tests.
package tasktest

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
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

// Interrupt carries out an operation that is paused each time it has come so far, from 0 to 1, and goes on from its checkpoint
// on another number of workers. It says how many of the pauses kept something.
func Interrupt(t testing.TB, kind signaling.TaskType, name string, v *volume.Volume, data []byte, parameters any, shares ...float64) (out operation.Result, kept int, err error) {
	t.Helper()
	op, err := task.Lookup(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	r := &signaling.TaskRequest{Type: kind, Operation: name, Parameters: raw}
	var state []byte
	for n := 0; ; n++ {
		pause := make(chan struct{})
		var once sync.Once
		work := operation.Work{Volume: v, Data: data, Parameters: raw, Pause: pause, Resume: state, Parallel: inParallel(n%3 + 1),
			Progress: func(share float64) {
				if n < len(shares) && share >= shares[n] {
					once.Do(func() { close(pause) })
				}
			}}
		out, err = op.Run(t.Context(), work)
		var paused *operation.Paused
		if !errors.As(err, &paused) {
			return out, kept, err
		}
		encoded, err := operation.Checkpoint{Share: paused.Share, State: paused.State}.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := operation.DecodeCheckpoint(encoded, r)
		if err != nil {
			t.Fatal(err)
		}
		if state = c.State; len(state) > 0 {
			kept++
		}
	}
}

// Resume has an operation with default parameters go on from a state.
func Resume(t testing.TB, kind signaling.TaskType, name string, v *volume.Volume, state []byte) (operation.Result, error) {
	t.Helper()
	op, err := task.Lookup(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return op.Run(t.Context(), operation.Work{Volume: v, Resume: state, Parallel: inParallel(2), Progress: func(float64) {}})
}

// inParallel is operation.Work.Parallel on so many goroutines.
func inParallel(workers int) func(n int, part func(int)) error {
	return func(n int, part func(int)) error {
		var wait sync.WaitGroup
		var next atomic.Int64
		for range workers {
			wait.Go(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					part(i)
				}
			})
		}
		wait.Wait()
		return nil
	}
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
