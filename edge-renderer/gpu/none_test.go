//go:build !egl

package gpu_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
)

// A build without OpenGL says so, and what would bring it.
func TestNone(t *testing.T) {
	if _, err := gpu.Open(); !errors.Is(err, gpu.ErrNone) || !strings.Contains(err.Error(), "build tag egl") {
		t.Errorf("open: %v", err)
	}
	if _, err := gpu.OpenWindow("none", 10, 10); err == nil || !strings.Contains(err.Error(), "glfw") {
		t.Errorf("window: %v", err)
	}
}
