package task_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

// B5: a compute task is scaled without being stopped: it goes on with more workers, or with fewer, from their next parts on,
// and everything is computed once.
func TestB5TaskGoesOnWithOtherWorkers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const parts = 64
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingAllocate)})
	defer w.Close()
	var done [parts]atomic.Int64
	var under atomic.Int64
	begun, goOn := make(chan struct{}), make(chan struct{})
	op := task.Operation{Run: func(ctx context.Context, w operation.Work) (operation.Result, error) {
		return operation.Result{}, w.Parallel(parts, func(i int) {
			under.Add(1)
			begun <- struct{}{}
			<-goOn
			under.Add(-1)
			done[i].Add(1)
		})
	}}
	o := order(signaling.Training, op, func(signaling.Event) {})
	o.Allowance = task.NewAllowance(1000)
	ended := make(chan error, 1)
	go func() { _, _, err := w.Do(t.Context(), o); ended <- err }()
	<-begun
	count, now := 1, 1 // parts that have begun, and that are under way
	for _, step := range []struct {
		milli int64
		want  int
	}{{3000, 3}, {1500, 2}, {4000, 4}, {100, 1}, {2000, 2}} {
		o.Allowance.Set(step.milli)
		for ; now > step.want; now-- { // those that are too many end their parts
			goOn <- struct{}{}
		}
		for ; now < step.want; now++ {
			<-begun
			count++
		}
		for range 2 * step.want { // one ends a part and another one begins
			goOn <- struct{}{}
			<-begun
			count++
			if n := int(under.Load()); n != step.want {
				t.Fatalf("with %d thousandths %d parts are under way, want %d", step.milli, n, step.want)
			}
		}
	}
	close(goOn)
	for ; count < parts; count++ {
		<-begun
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if n := done[i].Load(); n != 1 {
			t.Errorf("part %d was computed %d times", i, n)
		}
	}
}

// What tasks spend is told while they run, and tasks that share an allowance are told together.
func TestB5SpentIsToldWhileItRuns(t *testing.T) {
	w := task.New(task.Config{Resident: 1, Handling: always(signaling.HandlingResident)})
	defer w.Close()
	both := task.NewAllowance(500)
	var told int64
	spin := task.Operation{Run: func(_ context.Context, w operation.Work) (operation.Result, error) {
		err := w.Parallel(2, func(i int) {
			if i == 1 {
				told = int64(both.Spent())
			}
			for n, x := 0, 1.0; n < 2_000_000; n++ {
				if x *= 1.0000001; x > 2 {
					x = 1
				}
			}
		})
		return operation.Result{}, err
	}}
	for range 2 {
		before := both.Spent()
		o := order(signaling.DataComputation, spin, func(signaling.Event) {})
		o.Allowance = both
		_, spent, err := w.Do(t.Context(), o)
		if err != nil || both.Spent() != before+spent || told <= int64(before) || told >= int64(both.Spent()) {
			t.Errorf("told %d of %v while it ran, and %v after %v: %v", told, spent, both.Spent(), before, err)
		}
	}
}
