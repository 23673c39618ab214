package system

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// compute is a task of its own, with what its terminal was told.
type compute struct {
	terminal.ComputeResult
	events []signaling.Event
	asked  []signaling.Handling
}

// says whether an event of a type came.
func (c *compute) says(kind signaling.EventType) *signaling.Event {
	if i := slices.IndexFunc(c.events, func(e signaling.Event) bool { return e.Type == kind }); i >= 0 {
		return &c.events[i]
	}
	return nil
}

// do has a compute task done, the user choosing as choice says.
func (s *tomocast) do(r signaling.TaskRequest, input []byte, choice signaling.Handling) *compute {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 2*waitMost)
	defer cancel()
	var mu sync.Mutex
	c := &compute{}
	var err error
	c.ComputeResult, err = s.client.Compute(ctx, r, input, terminal.ComputeOptions{
		Told: func(e signaling.Event) {
			mu.Lock()
			defer mu.Unlock()
			c.events = append(c.events, e)
		},
		Choose: func(choices []signaling.Handling) signaling.Handling {
			mu.Lock()
			defer mu.Unlock()
			c.asked = choices
			return choice
		},
	})
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.Type, r.Operation, err)
	}
	return c
}

// statistics are a task of the chest.
func statistics() signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.DataComputation, Operation: "statistics", Series: &chest, Parameters: json.RawMessage(`{"percentiles":[50]}`)}
}

// TestA1EveryTypeIsDone: all five types, each by the edge that takes it; A15: compute takes input data and returns the
// result.
func TestA1EveryTypeIsDone(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("near")
		if types := s.node("near").Types; len(types) != len(signaling.TaskTypes) {
			t.Errorf("the edge takes %v", types)
		}
		reconstruct, data := sinogram()
		box := `"box":[[0,0,0],[7,7,3]]`
		for _, c := range []struct {
			request signaling.TaskRequest
			input   []byte
		}{
			{signaling.TaskRequest{Type: signaling.ImageProcessing, Operation: "median", Series: &chest, Parameters: json.RawMessage(`{` + box + `}`)}, nil},
			{reconstruct, data},
			{statistics(), nil},
			{signaling.TaskRequest{Type: signaling.Training, Operation: "tissue-mixture", Series: &chest, Handling: signaling.HandlingResident,
				Parameters: json.RawMessage(`{` + box + `,"components":2}`)}, nil},
		} {
			done := s.do(c.request, c.input, "")
			if done.Place.Grant.Attempt.Node != "near" || len(done.Data) == 0 || done.Header.Format == "" {
				t.Errorf("%s: %+v, result %+v", c.request.Type, done.Place.Grant, done.Header)
			}
			task := s.becomes(done.Place.Grant.Task, signaling.TaskFinished)
			if task.Usage == nil || task.Usage.DataMB <= 0 {
				t.Errorf("%s: usage %+v", c.request.Type, task.Usage)
			}
		}
		s.allFree("near")
		s.open().move() // and rendering
	})
}

// TestA9Handling: the mode is configured beforehand for each type, the edge looks it up when the data is there, and the
// user chooses where it says so.
func TestA9Handling(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near", "--handling", "data-computation=ask", "--handling", "image-processing=resident")
	asks := s.do(statistics(), nil, signaling.HandlingAllocate)
	if asks.Place.Grant.Handling != signaling.HandlingAsk || !slices.Contains(asks.asked, signaling.HandlingResident) || !slices.Contains(asks.asked, signaling.HandlingDefer) {
		t.Errorf("granted as %s, the user may choose %v", asks.Place.Grant.Handling, asks.asked)
	}
	if e := asks.says(signaling.EventTaskStarted); e == nil || e.Handling != signaling.HandlingAllocate {
		t.Errorf("as the user chose: %+v", e)
	}
	// What the request says already is not asked.
	r := statistics()
	r.Handling = signaling.HandlingResident
	if known := s.do(r, nil, ""); known.asked != nil || known.says(signaling.EventTaskStarted).Handling != signaling.HandlingResident {
		t.Errorf("asked %v, %+v", known.asked, known.events)
	}
	r = signaling.TaskRequest{Type: signaling.ImageProcessing, Operation: "median", Series: &chest, Parameters: json.RawMessage(`{"box":[[0,0,0],[3,3,3]]}`)}
	if resident := s.do(r, nil, ""); resident.Place.Grant.Handling != signaling.HandlingResident || resident.says(signaling.EventTaskStarted).Handling != signaling.HandlingResident {
		t.Errorf("%+v %+v", resident.Place.Grant, resident.events)
	}
}

// TestA9Defer: a deferred task waits while a session on the same edge is in use, is told so, and is done when it is quiet.
func TestA9Defer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near", "--handling", "data-computation=defer")
	x := s.open()
	x.move()
	done := s.do(statistics(), nil, "")
	if e := done.says(signaling.EventTaskWaiting); done.Place.Grant.Handling != signaling.HandlingDefer || e == nil || e.Reason == "" {
		t.Errorf("%s, %+v", done.Place.Grant.Handling, done.events)
	}
	if e := done.says(signaling.EventTaskStarted); e == nil || e.Handling != signaling.HandlingDefer {
		t.Errorf("%+v", e)
	}
}

// TestA9TheCloudDoesTheSame: for what it executes itself it looks the mode up, asks, and releases.
func TestA9TheCloudDoesTheSame(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("cloud", "--tier", "cloud", "--handling", "data-computation=ask")
	done := s.do(statistics(), nil, signaling.HandlingResident)
	if g := done.Place.Grant; g.Answer != signaling.ExecuteInCloud || done.asked == nil {
		t.Errorf("%+v, asked %v", g, done.asked)
	}
	s.becomes(done.Place.Grant.Task, signaling.TaskFinished)
	s.allFree("cloud")
}

// TestA10FitByConfiguration: an operator says for which types an edge is, on its command line, in the sites file and by
// the command; the last word is the command's.
func TestA10FitByConfiguration(t *testing.T) {
	t.Parallel()
	s := start(t, "--sites", file(t, "sites.yaml", `nodes:
  by-file:
    types: [image-processing]
    capacity: {encoder-sessions: 1, gpu-memory-mb: 1024, gpu-milli: 1000, cpu-milli: 2000, memory-mb: 2048}
`))
	s.edge("by-flag", "--types", "training")
	s.edge("by-file")
	want := func(id string, types ...signaling.TaskType) {
		t.Helper()
		s.eventually(id+" takes what it is said to take", func() bool { return slices.Equal(s.node(id).Types, types) })
	}
	want("by-flag", signaling.Training)
	want("by-file", signaling.ImageProcessing)
	s.refused(rendering(chest), signaling.ProblemNoFreeNode, "2 take no rendering tasks")
	out, errs, status := s.pool("override", "by-file", "--types", "rendering")
	if status != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	want("by-file", signaling.Rendering)
	s.eventually("it is placed there", func() bool {
		g, err := s.client.Submit(s.ctx, rendering(chest), "")
		return err == nil && g.Attempt.Node == "by-file"
	})
}

// pool runs cloud-broker pool against the broker.
func (s *tomocast) pool(args ...string) (out, errs string, status int) {
	s.t.Helper()
	return command(s.t, brokerProgram, []string{"TOMOCAST_TOKEN=" + localToken}, append([]string{"pool"}, append(args, "--broker", s.url)...)...)
}

// TestA11ComputeTasksLeaveTheWorkersAlone: tasks of resident compute are done one after the other while a session renders,
// and what is free for rendering stays as it is.
func TestA11ComputeTasksLeaveTheWorkersAlone(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	x := s.open()
	free := s.node("near").Free
	for range 3 {
		done := s.do(statistics(), nil, "")
		if e := done.says(signaling.EventTaskStarted); e == nil || e.Handling != signaling.HandlingResident {
			t.Errorf("%+v", done.events)
		}
		if now := s.node("near").Free; now.GPUMilli != free.GPUMilli || now.EncoderSessions != free.EncoderSessions {
			t.Errorf("%+v is free, it was %+v", now, free)
		}
	}
	x.move()
	s.eventually("compute holds nothing", func() bool { return s.node("near").Free == free })
}

// TestA15InputThatIsNoInput: more than was announced, and what is none of the operation's.
func TestA15InputThatIsNoInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	r, data := sinogram()
	_, err := s.client.Compute(s.ctx, r, append(data, 1, 2, 3, 4), terminal.ComputeOptions{})
	wantProblem(t, err, signaling.ProblemTooLarge, "bytes")
	r, data = sinogram()
	r.Parameters = json.RawMessage(strings.Replace(string(r.Parameters), "16", "17", 1))
	_, err = s.client.Compute(s.ctx, r, data, terminal.ComputeOptions{})
	wantProblem(t, err, signaling.ProblemBadRequest, "bytes")
	r, data = sinogram()
	if done := s.do(r, data, ""); len(done.Data) == 0 {
		t.Error("no result")
	}
}
