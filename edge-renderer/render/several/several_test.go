package several_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/gl"
	"github.com/tomocast/tomocast/edge-renderer/render/rendertest"
	"github.com/tomocast/tomocast/edge-renderer/render/several"
)

// A GPU among several is a renderer like any other.
func TestOneOfSeveral(t *testing.T) {
	rendertest.Run(t, func(t *testing.T) render.Renderer {
		all := several.New(cpu.New(), cpu.New())
		t.Cleanup(func() { _ = all.Close() })
		return second{all.On(1), all}
	})
}

// second is the second GPU, which takes all with it when it is closed.
type second struct {
	render.Renderer
	all *several.Renderers
}

func (s second) Close() error { return s.all.Close() }

// A volume that is loaded once makes the same picture on each GPU, and one that was loaded elsewhere none. Where there is
// one GPU it is opened twice.
func TestEachGPUShowsTheSameVolume(t *testing.T) {
	if len(gpu.List()) == 0 {
		if os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
			t.Fatal("EGL lists no device")
		}
		t.Skip("EGL lists no device")
	}
	one, err := gl.OpenDevice(0)
	if err != nil {
		t.Fatal(err)
	}
	two, err := gl.OpenDevice(len(gpu.List()) - 1)
	if err != nil {
		_ = one.Close()
		t.Fatal(err)
	}
	all := several.New(one, two)
	t.Cleanup(func() { _ = all.Close() })
	scene := rendertest.Scenes(t)[0]
	loaded, err := all.Load(context.Background(), scene.Voxel)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loaded.Release)
	if err := all.On(1).(render.Preparer).Prepare(context.Background(), loaded); err != nil {
		t.Fatal(err)
	}
	var pictures [2]render.Image
	for n := range pictures {
		if err := all.On(n).Render(context.Background(), scene.Make(loaded), &pictures[n]); err != nil {
			t.Fatal(err)
		}
	}
	if gpu.List()[0] == gpu.List()[len(gpu.List())-1] && !bytes.Equal(pictures[0].Pix, pictures[1].Pix) {
		t.Error("the same device makes two pictures of the same scene")
	}
	if all.Busy() == 0 {
		t.Error("the GPUs have not worked")
	}
	other := cpu.New()
	defer other.Close()
	if err := all.On(0).Render(context.Background(), scene.Make(rendertest.Load(t, other, scene.Voxel)), &pictures[0]); err == nil {
		t.Error("a volume of another renderer was rendered")
	}
}

func TestDevicesThatAreNotThere(t *testing.T) {
	for _, n := range []int{-1, len(gpu.List()), 99} {
		if r, err := gl.OpenDevice(n); err == nil || r != nil {
			t.Errorf("device %d: %v, %v", n, r, err)
		}
	}
}
