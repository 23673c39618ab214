//go:build !egl

package gl

import (
	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/render"
)

// Open always fails in this build.
func Open() (render.Renderer, error) {
	_, err := gpu.Open()
	return nil, err
}

// OpenDevice always fails in this build.
func OpenDevice(int) (render.Renderer, error) { return Open() }
