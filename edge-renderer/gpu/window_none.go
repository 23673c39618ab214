//go:build !glfw || !egl

package gpu

import "errors"

// Window shows pictures; there is none in this build.
type Window struct{}

// OpenWindow always fails in this build.
func OpenWindow(string, int, int) (*Window, error) {
	return nil, errors.New("this program was built without a window (build tags egl and glfw)")
}

// Show always fails in this build.
func (w *Window) Show([]byte, int, int) error { return ErrClosed }

// Closed never happens in this build.
func (w *Window) Closed() <-chan struct{} { return nil }

// Close does nothing in this build.
func (w *Window) Close() error { return nil }
