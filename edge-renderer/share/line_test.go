package share

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// staffed is a line with its workers, which end with the test.
func staffed(t *testing.T, workers int) *Line {
	t.Helper()
	l := NewLine(workers)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for l.Work() {
			}
		})
	}
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l
}

func TestEveryStepIsDoneOnce(t *testing.T) {
	l := staffed(t, 4)
	var jobs sync.WaitGroup
	for range 8 {
		jobs.Go(func() {
			const steps = 1000
			var next, done atomic.Int64
			err := l.Do(t.Context(), Job{Client: NewClient(1), Width: 3, Step: func() (bool, error) {
				n := next.Add(1)
				if n > steps {
					return false, nil
				}
				done.Add(1)
				return n < steps, nil
			}})
			if err != nil || done.Load() != steps {
				t.Errorf("%d of %d steps, %v", done.Load(), steps, err)
			}
		})
	}
	jobs.Wait()
	if n := l.Waiting(); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

func TestStepsErrorEndsJob(t *testing.T) {
	l, wrong, n := staffed(t, 2), errors.New("wrong"), 0
	err := l.Do(t.Context(), Job{Step: func() (bool, error) {
		if n++; n == 3 {
			return true, wrong
		}
		return true, nil
	}})
	if !errors.Is(err, wrong) || n != 3 {
		t.Errorf("%d steps, %v", n, err)
	}
}

// A job that is cancelled before its turn is never begun; one that is under way ends after its step.
func TestCancelledJobs(t *testing.T) {
	l := staffed(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	var jobs sync.WaitGroup
	var first sync.Once
	jobs.Go(func() {
		if err := l.Do(ctx, Job{Step: func() (bool, error) {
			first.Do(func() { close(begun) })
			<-goOn
			return true, nil
		}}); !errors.Is(err, context.Canceled) {
			t.Errorf("under way: %v", err)
		}
	})
	<-begun
	jobs.Go(func() {
		if err := l.Do(ctx, Job{Step: func() (bool, error) { t.Error("it began"); return false, nil }}); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: %v", err)
		}
	})
	for l.Waiting() < 2 {
		runtime.Gosched()
	}
	cancel()
	for l.Waiting() > 1 { // the one under way is waited for
		runtime.Gosched()
	}
	close(goOn)
	jobs.Wait()
}

func TestClosedLine(t *testing.T) {
	l := NewLine(1)
	waits := make(chan error, 1)
	go func() { waits <- l.Do(t.Context(), Job{Step: func() (bool, error) { return false, nil }}) }()
	for l.Waiting() == 0 {
		runtime.Gosched()
	}
	l.Close()
	if err := <-waits; !errors.Is(err, ErrClosed) {
		t.Errorf("a job that waits: %v", err)
	}
	if err := l.Do(t.Context(), Job{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a job that comes: %v", err)
	}
	if l.Work() {
		t.Error("there is work")
	}
}

// A line that is made smaller has fewer steps under way, one that is made larger more, without a pause.
func TestB5LineIsResized(t *testing.T) {
	l := staffed(t, 4)
	var under atomic.Int64
	begun, goOn := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- l.Do(ctx, Job{Width: 4, Step: func() (bool, error) {
			under.Add(1)
			select {
			case begun <- struct{}{}:
			case <-ctx.Done():
			}
			<-goOn
			under.Add(-1)
			return true, nil
		}})
	}()
	for range 4 {
		<-begun
	}
	l.Resize(2)
	for range 3 { // of the 4 that end, the line keeps going with 2
		goOn <- struct{}{}
	}
	<-begun
	if n := under.Load(); n != 2 {
		t.Errorf("%d at a time, want 2", n)
	}
	l.Resize(4)
	<-begun
	<-begun
	if n := under.Load(); n != 4 {
		t.Errorf("%d at a time, want 4", n)
	}
	cancel()
	close(goOn)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
