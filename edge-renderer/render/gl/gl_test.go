//go:build egl

package gl

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/render/rendertest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/shaders"
)

func opened(t *testing.T) *Renderer {
	t.Helper()
	d, err := gpu.Open()
	if err != nil {
		if os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	_ = d.Close()
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestRenderer(t *testing.T) {
	rendertest.Run(t, func(t *testing.T) render.Renderer { return opened(t) })
}

// Every picture is the reference's, with voxels in pairs and with those that the driver filters.
func TestAgainstReference(t *testing.T) {
	reference := cpu.New()
	scenes := rendertest.Scenes(t)
	for _, filtered := range []bool{false, true} {
		name := "pairs"
		if filtered {
			name = "filtered"
		}
		t.Run(name, func(t *testing.T) {
			r := opened(t)
			r.filtered = filtered || r.filtered
			for _, s := range scenes {
				t.Run(s.Name, func(t *testing.T) {
					want := rendertest.Render(t, reference, s.Make(rendertest.Load(t, reference, s.Voxel)))
					got := rendertest.Render(t, r, s.Make(rendertest.Load(t, r, s.Voxel)))
					if db, err := phantom.PSNR(want, got); err != nil || db < 50 {
						t.Errorf("%.1f dB to the reference, %v", db, err)
					}
				})
			}
		})
	}
}

// Passing over empty space must not show in a single bit.
func TestEmptySpace(t *testing.T) {
	quick, slow := opened(t), opened(t)
	slow.keepAll = true
	for _, s := range rendertest.Scenes(t) {
		t.Run(s.Name, func(t *testing.T) {
			a := rendertest.Render(t, quick, s.Make(rendertest.Load(t, quick, s.Voxel)))
			b := rendertest.Render(t, slow, s.Make(rendertest.Load(t, slow, s.Voxel)))
			if !bytes.Equal(a.Pix, b.Pix) {
				db, _ := phantom.PSNR(a, b)
				t.Errorf("the pictures differ (%.1f dB)", db)
			}
		})
	}
}

func TestEveryShaderCompiles(t *testing.T) {
	r := opened(t)
	for _, program := range shaders.Programs() {
		for _, d := range shaders.All(program) {
			v := variant{program, d}
			if err := r.device.Do(context.Background(), 0, func() error { _, err := r.program(v); return err }); err != nil {
				t.Error(err)
			}
		}
	}
}

// A volume that the driver cannot hold is refused by name, before anything is reserved.
func TestTooLarge(t *testing.T) {
	r := opened(t)
	r.info.MaxTexture3D = 64
	v, err := volume.New(phantom.Grid(65, 1), volume.Int16, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Free()
	if _, err := r.Load(context.Background(), v); err == nil || !strings.Contains(err.Error(), "65x65x65") || !strings.Contains(err.Error(), "64") {
		t.Errorf("a volume larger than a texture: %v", err)
	}
}
