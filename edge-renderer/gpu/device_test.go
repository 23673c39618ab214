//go:build egl

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
