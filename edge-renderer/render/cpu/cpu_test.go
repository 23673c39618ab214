package cpu

import (
	"bytes"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/render/rendertest"
)

func TestRenderer(t *testing.T) {
	rendertest.Run(t, func(*testing.T) render.Renderer { return New() })
}

// Passing over empty space must not show in a single bit.
func TestEmptySpace(t *testing.T) {
	quick, slow := New(), New()
	defer quick.Close()
	defer slow.Close()
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

// The integer arithmetic of int16 voxels and the plain one make the same picture.
func TestIntegerArithmetic(t *testing.T) {
	r, plain := New(), New()
	defer r.Close()
	defer plain.Close()
	plain.noIntegers = true
	for _, s := range rendertest.Scenes(t) {
		t.Run(s.Name, func(t *testing.T) {
			a := rendertest.Render(t, r, s.Make(rendertest.Load(t, r, s.Voxel)))
			b := rendertest.Render(t, plain, s.Make(rendertest.Load(t, plain, s.Voxel)))
			if db, err := phantom.PSNR(a, b); err != nil || db < 60 {
				t.Errorf("%.1f dB, %v", db, err)
			}
		})
	}
}
