package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// FuzzParameters: whatever parameters and data come, an operation returns a result or says why not.
func FuzzParameters(f *testing.F) {
	names := []struct {
		kind signaling.TaskType
		name string
	}{
		{signaling.ImageProcessing, "gaussian"}, {signaling.ImageProcessing, "median"}, {signaling.ImageReconstruction, "filtered-back-projection"},
		{signaling.DataComputation, "histogram"}, {signaling.DataComputation, "statistics"}, {signaling.Training, "tissue-mixture"},
	}
	for i, p := range []string{`{"sigmaMm":1}`, `{"radius":1}`, `{"detectors":2,"projections":2,"detectorMm":1}`, `{"bins":4}`, `{"above":1}`, `{"components":2}`} {
		f.Add(i, p, make([]byte, 16))
		f.Add(i, `{"box":[[0,0,0],[19,9,6]]}`, []byte{})
		f.Add(i, `{"box":[[0,0,-1],[9223372036854775807,1,1]],"sigmaMm":1e-300,"slices":4611686018427387904}`, []byte{1})
		f.Add(i, `{"sigmaMm":1e-9,"radius":3,"iterations":1}`, []byte{1})
		f.Add(i, `null`, []byte(nil))
	}
	w := task.NewWorkers(2)
	f.Cleanup(w.Close)
	f.Fuzz(func(t *testing.T, which int, parameters string, data []byte) {
		n := names[((which%len(names))+len(names))%len(names)]
		op, err := task.Lookup(n.kind, n.name)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		r := &signaling.TaskRequest{Type: n.kind, Operation: n.name, Parameters: json.RawMessage(parameters)}
		out, _, err := w.Do(ctx, task.Order{Request: r, Operation: op, Volume: testVolume(t, volume.Int16, 1, 0), Data: data, Tell: func(signaling.Event) {}})
		var p *signaling.Problem
		if err == nil && len(out.Data) == 0 || err != nil && !errors.As(err, &p) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s with %q: %d bytes, %v", n.name, parameters, len(out.Data), err)
		}
	})
}
