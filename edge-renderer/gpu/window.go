//go:build glfw && egl

package gpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/go-gl/gl/v4.3-core/gl"
	"github.com/go-gl/glfw/v3.3/glfw"
)

// pollTime is how long the window waits for events of the display before it looks for pictures.
const pollTime = 10 * time.Millisecond

// Window shows pictures on the display. It has a thread and a context of its own.
type Window struct {
	show   chan *frame
	quit   chan struct{} // closed by Close
	closed chan struct{} // closed when the user or Close has closed the window

	closing sync.Once
}

// frame is a picture to show.
type frame struct {
	pix           []byte
	width, height int
	shown         chan error // of length 1
}

// onlyWindow is held while there is a window: GLFW has one state for the whole process.
var onlyWindow sync.Mutex

// OpenWindow opens a window on the display of $DISPLAY. There can be one at a time.
func OpenWindow(title string, width, height int) (*Window, error) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		// GLFW 3.3 reports no error for a missing display and fails later on.
		return nil, errors.New("a window needs a display: DISPLAY is not set")
	}
	if width < 1 || height < 1 {
		return nil, fmt.Errorf("window of %dx%d pixels: both must be above 0", width, height)
	}
	if !onlyWindow.TryLock() {
		return nil, errors.New("there is a window already")
	}
	w := &Window{show: make(chan *frame), quit: make(chan struct{}), closed: make(chan struct{})}
	started := make(chan error, 1)
	go w.run(title, width, height, started)
	if err := <-started; err != nil {
		<-w.closed
		return nil, err
	}
	return w, nil
}

// Show scales a picture of RGBA, rows from top to bottom, to the window and returns when it is on it.
func (w *Window) Show(pix []byte, width, height int) error {
	if width < 1 || height < 1 || len(pix) < 4*width*height {
		return fmt.Errorf("%d bytes are no picture of %dx%d pixels", len(pix), width, height)
	}
	f := &frame{pix, width, height, make(chan error, 1)}
	select {
	case w.show <- f:
		return <-f.shown
	case <-w.closed:
		return ErrClosed
	}
}

// Closed is closed when the window has been closed, by its user or by Close.
func (w *Window) Closed() <-chan struct{} { return w.closed }

// Close closes the window and waits for that.
func (w *Window) Close() error {
	w.closing.Do(func() { close(w.quit) })
	<-w.closed
	return nil
}

// run owns the window.
func (w *Window) run(title string, width, height int, started chan<- error) {
	defer onlyWindow.Unlock()
	defer close(w.closed)
	runtime.LockOSThread() // for good: the thread ends with the window
	if err := glfw.Init(); err != nil {
		started <- fmt.Errorf("open a window on display %s: %w", os.Getenv("DISPLAY"), err)
		return
	}
	defer glfw.Terminate()
	// The functions of OpenGL come from EGL in this program, so the context must, too.
	glfw.WindowHint(glfw.ContextCreationAPI, glfw.EGLContextAPI)
	glfw.WindowHint(glfw.ContextVersionMajor, 4)
	glfw.WindowHint(glfw.ContextVersionMinor, 3)
	glfw.WindowHint(glfw.OpenGLProfile, glfw.OpenGLCoreProfile)
	window, err := glfw.CreateWindow(width, height, title, nil, nil)
	if err != nil {
		started <- fmt.Errorf("open a window of %dx%d pixels on display %s: %w", width, height, os.Getenv("DISPLAY"), err)
		return
	}
	defer window.Destroy()
	window.MakeContextCurrent()
	if err := gl.Init(); err != nil {
		started <- fmt.Errorf("window: %w: %w", ErrNone, err)
		return
	}
	p := newPainter()
	started <- nil
	for !window.ShouldClose() {
		glfw.PollEvents()
		select {
		case f := <-w.show:
			across, down := window.GetFramebufferSize()
			p.paint(f, across, down)
			window.SwapBuffers()
			f.shown <- drain()
		case <-w.quit:
			return
		case <-time.After(pollTime):
		}
	}
}

// painter copies pictures to the framebuffer that is shown.
type painter struct {
	texture, framebuffer uint32
	width, height        int
}

func newPainter() *painter {
	p := &painter{}
	gl.GenTextures(1, &p.texture)
	gl.GenFramebuffers(1, &p.framebuffer)
	return p
}

func (p *painter) paint(f *frame, across, down int) {
	gl.BindTexture(gl.TEXTURE_2D, p.texture)
	gl.PixelStorei(gl.UNPACK_ALIGNMENT, 1)
	data := unsafe.Pointer(&f.pix[0])
	if f.width != p.width || f.height != p.height {
		p.width, p.height = f.width, f.height
		gl.TexImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, int32(f.width), int32(f.height), 0, gl.RGBA, gl.UNSIGNED_BYTE, data)
		gl.BindFramebuffer(gl.READ_FRAMEBUFFER, p.framebuffer)
		gl.FramebufferTexture2D(gl.READ_FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, p.texture, 0)
	} else {
		gl.TexSubImage2D(gl.TEXTURE_2D, 0, 0, 0, int32(f.width), int32(f.height), gl.RGBA, gl.UNSIGNED_BYTE, data)
	}
	gl.BindFramebuffer(gl.READ_FRAMEBUFFER, p.framebuffer)
	gl.BindFramebuffer(gl.DRAW_FRAMEBUFFER, 0)
	filter := uint32(gl.LINEAR)
	if f.width == across && f.height == down {
		filter = gl.NEAREST
	}
	// The first row is the top one, that of the framebuffer the bottom one.
	gl.BlitFramebuffer(0, 0, int32(f.width), int32(f.height), 0, int32(down), int32(across), 0, gl.COLOR_BUFFER_BIT, filter)
}
