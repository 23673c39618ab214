// Package gpu opens OpenGL contexts: without a display through EGL, and as a window through GLFW.
//
// Programs built without the build tag egl have no OpenGL, and those built without the tag glfw no window;
// the functions are there and say so. The tag egl needs libegl-dev and makes go-gl link nothing but libEGL;
// at run time the driver's own packages are needed (libegl1 and libgl1-mesa-dri for Mesa).
package gpu

import (
	"errors"

	"github.com/tomocast/tomocast/edge-renderer/share"
)

// ErrNone is returned where there is no OpenGL that can be used. The error that wraps it names all that was
// tried; the caller may render on the CPU instead.
var ErrNone = errors.New("no usable OpenGL")

// ErrLost is returned when the driver has lost a context. Nothing on it can be used again.
var ErrLost = errors.New("the OpenGL context was lost")

// ErrClosed is returned for jobs given to a device that has been closed.
var ErrClosed = errors.New("the OpenGL device has been closed")

// Priority orders the jobs of a device.
type Priority = share.Priority

// The priorities. A job waits for the step that runs, and for its turn among those of the same and higher ones.
const (
	Interactive = share.Interactive // a picture that somebody waits for
	Background  = share.Background  // refinement, uploads
)

// Info describes the OpenGL of a device.
type Info struct {
	Vendor, Renderer, Version string
	// Platform is how the context was found, for example "EGL surfaceless".
	Platform string
	// Software says that the driver renders on the CPU.
	Software bool
	// MaxTexture3D is the largest side of a 3D texture, MaxTexels the most texels of a texture buffer.
	MaxTexture3D, MaxTexels int
}

// Listed is a device that can be opened.
type Listed struct {
	Name     string // for example "EGL device 0"
	Software bool   // it is emulated on the processor
}
