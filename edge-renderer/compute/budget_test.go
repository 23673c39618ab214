package compute_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// B5: a compute task has another budget while it is under way, and its result all the same; one with less memory than its data
// takes is refused by name.
func TestB5ComputeTaskHasAnotherBudget(t *testing.T) {
	request := statistics(t)
	e := start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingAsk }}, request, func(e *edge, _ *compute.Config) {
		e.series = ramp(t)
		e.series.Bytes = 300 << 20
	})
	s := e.dial("")
	choose := func([]signaling.Handling) signaling.Handling {
		job := e.job
		var p *signaling.Problem
		b := job.Budget()
		if b.Resources != (signaling.Resources{CPUMilli: 2000, MemoryMB: 512}) {
			t.Errorf("it began with %+v", b)
		}
		b.MemoryMB = 299
		if err := job.SetBudget(b); !errors.As(err, &p) || p.Code != signaling.ProblemTooLarge || !strings.Contains(p.Detail, "299") {
			t.Errorf("less than its data: %v", err)
		}
		b.MemoryMB, b.CPUMilli = 300, 4000
		if err := job.SetBudget(b); err != nil || job.Budget() != b {
			t.Errorf("another budget: %v, it is %+v", err, job.Budget())
		}
		b.CPUMilli = -1
		if err := job.SetBudget(b); !errors.As(err, &p) || p.Code != signaling.ProblemBadRequest {
			t.Errorf("a budget that cannot be: %v", err)
		}
		return signaling.HandlingAllocate
	}
	out, err := s.Compute(within(t), request, nil, terminal.ComputeOptions{Choose: choose})
	if err != nil || len(out.Data) == 0 {
		t.Fatalf("%d bytes, %v", len(out.Data), err)
	}
	if u := e.job.Used(); u.CPU <= 0 || u.Memory != 300<<20 || u.Peak != u.Memory || u.Pictures != nil {
		t.Errorf("it has used %+v", u)
	}
	if err := s.Finish(within(t)); err != nil {
		t.Error(err)
	}
	if u := e.update(signaling.TaskFinished); u.Usage.PeakMemoryMB != 300 {
		t.Errorf("usage %+v", u.Usage)
	}
}
