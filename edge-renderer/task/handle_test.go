package task_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

// told collects what a task tells.
type told struct {
	mu     sync.Mutex
	events []signaling.Event
	news   chan signaling.Event
}

func newTold() *told { return &told{news: make(chan signaling.Event, 256)} }

func (t *told) tell(e signaling.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
	t.news <- e
}

func (t *told) await(tt *testing.T, kind signaling.EventType) signaling.Event {
	tt.Helper()
	for {
		select {
		case e := <-t.news:
			if e.Type == kind {
				return e
			}
		case <-time.After(20 * time.Second):
			tt.Fatalf("%s was not told", kind)
		}
	}
}

func (t *told) kinds() []signaling.EventType {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []signaling.EventType
	for _, e := range t.events {
		if e.Type != signaling.EventTaskProgress {
			out = append(out, e.Type)
		}
	}
	return out
}

func always(h signaling.Handling) func(signaling.TaskType) signaling.Handling {
	return func(signaling.TaskType) signaling.Handling { return h }
}

// gate is an operation that says when it runs and waits until it is let go.
func gate(begun, open chan struct{}) task.Operation {
	return task.Operation{Run: func(ctx context.Context, w operation.Work) (operation.Result, error) {
		err := w.Parallel(4, func(i int) {
			if i == 0 {
				begun <- struct{}{}
				select {
				case <-open:
				case <-ctx.Done():
				}
			}
			w.Progress(float64(i) / 4)
		})
		return operation.Result{Format: "text/plain", Data: []byte("done")}, err
	}}
}

func order(kind signaling.TaskType, op task.Operation, tell func(signaling.Event)) task.Order {
	return task.Order{ID: "t-1", Request: &signaling.TaskRequest{Type: kind}, Operation: op, Tell: tell}
}

func opened() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Each type has the default that its row of A9 and A11 asks for, and the edge looks the mode up when the data arrives: a
// mapping that changes between two tasks counts for the second.
func TestA9HandlingIsLookedUpWhenTheDataArrives(t *testing.T) {
	mode := signaling.HandlingResident
	w := task.New(task.Config{Resident: 2, Handling: func(signaling.TaskType) signaling.Handling { return mode }})
	defer w.Close()
	for _, mode = range []signaling.Handling{signaling.HandlingResident, signaling.HandlingAllocate, signaling.HandlingDefer} {
		heard := newTold()
		o := order(signaling.Training, gate(make(chan struct{}, 1), opened()), heard.tell)
		out, spent, err := w.Do(t.Context(), o)
		if err != nil || string(out.Data) != "done" || spent < 0 {
			t.Fatalf("%s: %q, %v, %v", mode, out.Data, spent, err)
		}
		if e := heard.await(t, signaling.EventTaskStarted); e.Handling != mode || e.TaskID != "t-1" {
			t.Errorf("started %+v, want %s", e, mode)
		}
	}
	defaults := map[signaling.TaskType]signaling.Handling{
		signaling.ImageProcessing: signaling.HandlingResident, signaling.DataComputation: signaling.HandlingResident,
		signaling.ImageReconstruction: signaling.HandlingAllocate, signaling.Training: signaling.HandlingDefer,
	}
	plain := task.NewWorkers(1)
	defer plain.Close()
	for kind, want := range defaults {
		heard := newTold()
		if _, _, err := plain.Do(t.Context(), order(kind, gate(make(chan struct{}, 1), opened()), heard.tell)); err != nil {
			t.Fatal(err)
		}
		if e := heard.await(t, signaling.EventTaskStarted); e.Handling != want {
			t.Errorf("%s is handled by %s, want %s", kind, e.Handling, want)
		}
	}
}

// "ask" shows the choices and does as the user chooses.
func TestA9AskLetsTheUserChoose(t *testing.T) {
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingAsk)})
	defer w.Close()
	for _, want := range task.Choices {
		heard := newTold()
		choice := make(chan signaling.Handling, 1)
		o := order(signaling.DataComputation, gate(make(chan struct{}, 1), opened()), heard.tell)
		o.Choice = choice
		done := make(chan error, 1)
		go func() { _, _, err := w.Do(t.Context(), o); done <- err }()
		if e := heard.await(t, signaling.EventChoose); !slices.Equal(e.Choices, task.Choices) {
			t.Errorf("choices %v", e.Choices)
		}
		choice <- want
		if e := heard.await(t, signaling.EventTaskStarted); e.Handling != want {
			t.Errorf("handled by %s, chosen was %s", e.Handling, want)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// A choice that came with the request needs no question; a user who does not answer gets the default of the type.
func TestA9AskIsBounded(t *testing.T) {
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingAsk), ChooseWithin: time.Millisecond})
	defer w.Close()
	heard := newTold()
	o := order(signaling.DataComputation, gate(make(chan struct{}, 1), opened()), heard.tell)
	o.Request.Handling = signaling.HandlingAllocate
	if _, _, err := w.Do(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := heard.kinds(); !slices.Equal(got, []signaling.EventType{signaling.EventTaskStarted}) {
		t.Errorf("told %v, though the request had the choice", got)
	}
	heard = newTold()
	if _, _, err := w.Do(t.Context(), order(signaling.ImageReconstruction, gate(make(chan struct{}, 1), opened()), heard.tell)); err != nil {
		t.Fatal(err)
	}
	heard.await(t, signaling.EventChoose)
	if e := heard.await(t, signaling.EventTaskStarted); e.Handling != signaling.HandlingAllocate {
		t.Errorf("handled by %s without an answer", e.Handling)
	}
}

// A deferred task says that it waits while a session has input, and runs when there was none for a while.
func TestA9DeferWaitsForAQuietEdge(t *testing.T) {
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingDefer), QuietFor: 50 * time.Millisecond})
	defer w.Close()
	w.Touch()
	heard := newTold()
	if _, _, err := w.Do(t.Context(), order(signaling.Training, gate(make(chan struct{}, 1), opened()), heard.tell)); err != nil {
		t.Fatal(err)
	}
	want := []signaling.EventType{signaling.EventTaskWaiting, signaling.EventTaskStarted}
	if got := heard.kinds(); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A deferred task does not wait for ever: an edge that is always in use runs it after a bounded time.
func TestA9DeferIsBounded(t *testing.T) {
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingDefer), QuietFor: time.Hour, DeferAtMost: time.Millisecond})
	defer w.Close()
	w.Touch()
	heard := newTold()
	if _, _, err := w.Do(t.Context(), order(signaling.Training, gate(make(chan struct{}, 1), opened()), heard.tell)); err != nil {
		t.Fatal(err)
	}
	if e := heard.await(t, signaling.EventTaskWaiting); e.Reason == "" {
		t.Error("it does not say why it waits")
	}
	heard.await(t, signaling.EventTaskStarted)
}

// Compute is resident: the workers that were there before a task are those that are there after it, and a third task waits
// for its turn instead of getting workers of its own. One that is handled by "allocate" does not wait.
func TestA11ComputeIsResident(t *testing.T) {
	mode := func(k signaling.TaskType) signaling.Handling {
		if k == signaling.ImageReconstruction {
			return signaling.HandlingAllocate
		}
		return signaling.HandlingResident
	}
	w := task.New(task.Config{Resident: 2, Handling: mode})
	defer w.Close()
	open, begun := make(chan struct{}), make(chan struct{}, 4)
	errs := make(chan error, 4)
	start := func(kind signaling.TaskType, heard *told) {
		go func() { _, _, err := w.Do(t.Context(), order(kind, gate(begun, open), heard.tell)); errs <- err }()
	}
	for range 2 {
		start(signaling.DataComputation, newTold())
		<-begun
	}
	third := newTold()
	start(signaling.DataComputation, third)
	third.await(t, signaling.EventTaskWaiting)
	start(signaling.ImageReconstruction, newTold())
	<-begun // although both resident workers are busy
	close(open)
	<-begun
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestCancelledTaskEnds(t *testing.T) {
	for _, mode := range task.Choices {
		w := task.New(task.Config{Resident: 1, Handling: always(mode)})
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{}, 1)
		done := make(chan error, 1)
		go func() {
			_, _, err := w.Do(ctx, order(signaling.Training, gate(begun, make(chan struct{})), func(signaling.Event) {}))
			done <- err
		}()
		<-begun
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: ended with %v", mode, err)
		}
		w.Close()
	}
}

// A task can be cancelled while it waits for the user, for quiet, and for its turn.
func TestWaitingTaskIsCancelled(t *testing.T) {
	for mode, kind := range map[signaling.Handling]signaling.EventType{
		signaling.HandlingAsk: signaling.EventChoose, signaling.HandlingDefer: signaling.EventTaskWaiting,
	} {
		w := task.New(task.Config{Resident: 1, Handling: always(mode), QuietFor: time.Hour})
		w.Touch()
		ctx, cancel := context.WithCancel(t.Context())
		o := order(signaling.Training, gate(make(chan struct{}, 1), opened()), func(e signaling.Event) {
			if e.Type == kind {
				cancel()
			}
		})
		if _, _, err := w.Do(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: ended with %v", mode, err)
		}
		w.Close()
	}
}
