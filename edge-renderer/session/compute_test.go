package session

import (
	"errors"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// handled makes a session's tasks be handled in a way.
func handled(t *testing.T, c task.Config) func(*Config) {
	workers := task.New(c)
	t.Cleanup(workers.Close)
	return func(cfg *Config) { cfg.Workers = workers }
}

func ofType(kind signaling.EventType) func(signaling.Event) bool {
	return func(e signaling.Event) bool { return e.Type == kind }
}

// A task in a session is handled as its type is, as one of its own: where the node asks, by what the user chooses (A9).
func TestA9UserChoosesInASession(t *testing.T) {
	ctx := within(t)
	b := start(t, handled(t, task.Config{Resident: 1, Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingAsk }}))
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	submit := signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "statistics", Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "statistics"}}
	if _, err := s.Request(ctx, submit); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "the question", s.Events(), ofType(signaling.EventChoose)); e.TaskID != "statistics" || len(e.Choices) != len(task.Choices) {
		t.Errorf("asked %+v", e)
	}
	var p *signaling.Problem
	for _, r := range []signaling.Request{{Type: signaling.RequestHandle, TaskID: "statistics", Handling: "sometime"},
		{Type: signaling.RequestHandle, TaskID: "other", Handling: signaling.HandlingAllocate}} {
		if _, err := s.Request(ctx, r); !errors.As(err, &p) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestHandle, TaskID: "statistics", Handling: signaling.HandlingAllocate}); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "the start", s.Events(), ofType(signaling.EventTaskStarted)); e.Handling != signaling.HandlingAllocate {
		t.Errorf("handled by %s", e.Handling)
	}
	if e := next(ctx, t, "the end", s.Events(), ofType(signaling.EventTaskDone)); e.Problem != nil {
		t.Error(e.Problem)
	}
}

// A deferred task waits while a session on the edge has input, and says so (A9).
func TestA9DeferredTaskWaitsForTheHand(t *testing.T) {
	ctx := within(t)
	b := start(t, handled(t, task.Config{Resident: 1, QuietFor: time.Hour, DeferAtMost: time.Hour,
		Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingDefer }}))
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	seq, err := s.SendInput(signaling.Input{Viewport: signaling.ViewportPatch{"id": []byte(`"main"`), "mode": []byte(`"mip"`)}, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "the picture of the input", s.Stamps(), func(x signaling.Stamp) bool { return x.Seq >= seq })
	submit := signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "mixture", Task: &signaling.TaskRequest{Type: signaling.Training, Operation: "tissue-mixture"}}
	if _, err := s.Request(ctx, submit); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "the wait", s.Events(), ofType(signaling.EventTaskWaiting)); e.TaskID != "mixture" || e.Reason == "" {
		t.Errorf("told %+v", e)
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskCancel, TaskID: "mixture"}); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "the end", s.Events(), ofType(signaling.EventTaskDone)); e.Problem == nil || e.Problem.Code != signaling.ProblemCancelled {
		t.Errorf("ended with %+v", e)
	}
}

// What takes a terminal's data is a task of its own.
func TestTaskOnDataIsNoneOfASession(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	var p *signaling.Problem
	_, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "x", Task: &signaling.TaskRequest{Type: signaling.ImageReconstruction, Operation: "filtered-back-projection"}})
	if !errors.As(err, &p) || p.Code != signaling.ProblemUnsupported {
		t.Errorf("got %v", err)
	}
}
