package compute_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// nrrd is a file of 6x5x4 values from 0 on.
func nrrd() []byte {
	file, samples := research.NRRD(research.Grid{Size: [3]int{6, 5, 4}, Axes: [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}})
	values := make([]float32, 120)
	for i := range values {
		values[i] = float32(i)
	}
	research.PutFloat32s(samples, values)
	return file
}

// zipped is an archive of slices of a DICOM series.
func zipped(t *testing.T) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for k := range 4 {
		w, err := z.Create(fmt.Sprintf("series/%d.dcm", k))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(sourcetest.Encode(t, sourcetest.Slice("1.2.3", "1.2.3.4", k))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A15: an operation on a series works on an image file that the terminal sends, too.
func TestA15ComputeOnAFileThatIsSent(t *testing.T) {
	for name, data := range map[string][]byte{"application/x-nrrd": nrrd(), "application/zip": zipped(t)} {
		request := signaling.TaskRequest{Type: signaling.DataComputation, Operation: "statistics", Input: &signaling.TaskInput{Format: name, Bytes: int64(len(data))}}
		e := start(t, task.Config{}, request, nil)
		out, err := e.dial("").Compute(within(t), request, data, terminal.ComputeOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var s signaling.Statistics
		if err := json.Unmarshal(out.Data, &s); err != nil || s.Voxels == 0 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if name == "application/x-nrrd" && (s.Voxels != 120 || s.Max != 119 || s.VoxelMm3 != 1) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// What is no image, or too large for the memory that the task has, is refused by name.
func TestComputeOnAFileThatIsNone(t *testing.T) {
	large, _ := research.NRRD(research.Grid{Size: [3]int{64, 64, 100}, Axes: [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}})
	for want, data := range map[signaling.ProblemCode][]byte{
		signaling.ProblemUnreadable: []byte("this is text"),
		signaling.ProblemTooLarge:   large[:900_000],
	} {
		request := signaling.TaskRequest{Type: signaling.DataComputation, Operation: "statistics", Input: &signaling.TaskInput{Format: "application/octet-stream", Bytes: int64(len(data))}}
		e := start(t, task.Config{}, request, func(_ *edge, c *compute.Config) { c.Instruction.Resources.MemoryMB = 1 })
		_, err := e.dial("").Compute(within(t), request, data, terminal.ComputeOptions{})
		var p *signaling.Problem
		if !errors.As(err, &p) || p.Code != want || p.Detail == "" {
			t.Errorf("%s: %v", want, err)
		}
		e.update(signaling.TaskFailed)
	}
}
