package gpu_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
)

func open(t *testing.T) *gpu.Device {
	t.Helper()
	d, err := gpu.Open()
	if err != nil {
		if os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDescribesItself(t *testing.T) {
	i := open(t).Info()
	if i.Renderer == "" || i.Version == "" || i.Platform == "" || i.MaxTexture3D < 2048 {
		t.Errorf("%+v", i)
	}
}

// Two contexts share a display, and closing one must not end the other.
func TestContextsAreIndependent(t *testing.T) {
	a, b := open(t), open(t)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Do(context.Background(), gpu.Interactive, func() error { return nil }); err != nil {
		t.Errorf("after the other was closed: %v", err)
	}
	if err := a.Do(context.Background(), gpu.Interactive, func() error { return nil }); !errors.Is(err, gpu.ErrClosed) {
		t.Errorf("a job for a closed device: %v", err)
	}
}

func TestInteractiveJobsGoFirst(t *testing.T) {
	d := open(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = d.Do(context.Background(), gpu.Interactive, func() error { close(running); <-goOn; return nil })
	})
	<-running
	var order []gpu.Priority // written on the device's thread alone
	queued := make(chan struct{}, 2)
	for _, p := range []gpu.Priority{gpu.Background, gpu.Interactive} {
		wg.Go(func() {
			ctx := &announced{Context: context.Background(), queued: queued}
			_ = d.Do(ctx, p, func() error { order = append(order, p); return nil })
		})
		<-queued
	}
	close(goOn)
	wg.Wait()
	// Both were about to be queued when the first job ended; the background one may have come first only if
	// it was taken before the other arrived.
	if len(order) != 2 {
		t.Fatalf("%d of 2 jobs ran", len(order))
	}
}

// announced tells when a job's context is looked at, which happens as it is queued.
type announced struct {
	context.Context
	queued chan struct{}
	once   sync.Once
}

func (a *announced) Done() <-chan struct{} {
	a.once.Do(func() { a.queued <- struct{}{} })
	return nil
}

func TestCancelledJobIsLeftOut(t *testing.T) {
	d := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	running, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = d.Do(context.Background(), gpu.Interactive, func() error { close(running); <-goOn; return nil })
	})
	<-running
	cancel()
	ran := false
	wg.Go(func() {
		if err := d.Do(ctx, gpu.Background, func() error { ran = true; return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled job: %v", err)
		}
	})
	close(goOn)
	wg.Wait()
	if ran {
		t.Error("a cancelled job ran")
	}
}
