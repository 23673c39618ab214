//go:build egl

package gpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-gl/gl/v4.3-core/gl"

	"github.com/tomocast/tomocast/edge-renderer/share"
)

// Device is one OpenGL context, current on one thread for as long as it is open. Those who want the thread get their shares of
// its time by weight (package share).
type Device struct {
	info Info
	line *share.Line
	done chan struct{} // closed when the thread has ended

	lost bool // only on the thread
	busy atomic.Int64
}

// Open makes a context of OpenGL 4.3 core or newer: on the first GPU that EGL lists, else with Mesa's
// surfaceless platform, else on the default display. The error wraps ErrNone and names what was tried.
func Open() (*Device, error) { return open(platforms()) }

// List are the devices that EGL lists, GPUs first.
func List() []Listed {
	all := devices()
	out := make([]Listed, len(all))
	for n, p := range all {
		out[n] = Listed{Name: p.name, Software: p.software}
	}
	return out
}

// OpenDevice is Open on a device by its place in List. A device may be opened several times.
func OpenDevice(n int) (*Device, error) {
	all := devices()
	if n < 0 || n >= len(all) {
		return nil, fmt.Errorf("%w: there is no device %d: EGL lists %d, counted from 0", ErrNone, n, len(all))
	}
	return open(all[n : n+1])
}

func open(on []platform) (*Device, error) {
	d := &Device{line: share.NewLine(1), done: make(chan struct{})}
	started := make(chan error, 1)
	go d.run(on, started)
	if err := <-started; err != nil {
		<-d.done
		return nil, err
	}
	return d, nil
}

// Busy is for how long the thread has worked in all.
func (d *Device) Busy() time.Duration { return time.Duration(d.busy.Load()) }

// Info describes the device.
func (d *Device) Info() Info { return d.info }

// Do has the thread of the context call work, which should take a few milliseconds, and returns its error.
// A job whose ctx ends before its turn is left out; one that runs is waited for.
func (d *Device) Do(ctx context.Context, p Priority, work func() error) error {
	return d.Steps(ctx, nil, p, func() (bool, error) { return false, work() })
}

// Steps is Do for work in several steps, each of a few milliseconds and with its turn; step says whether there is another one.
// They are on the account of client; of nobody's where that is nil.
func (d *Device) Steps(ctx context.Context, client *share.Client, p Priority, step func() (more bool, err error)) error {
	err := d.line.Do(ctx, share.Job{Client: client, Priority: p, Step: func() (bool, error) { return d.step(step) }})
	if errors.Is(err, share.ErrClosed) {
		return ErrClosed
	}
	return err
}

// Close ends the thread after the job that runs, and frees the context with all that is on it.
func (d *Device) Close() error {
	d.line.Close()
	<-d.done
	return nil
}

// run owns the context.
func (d *Device) run(on []platform, started chan<- error) {
	defer close(d.done)
	// The thread is not unlocked, so that it ends with this goroutine and takes the driver's state with it.
	runtime.LockOSThread()
	c, err := openEGL(on)
	if err != nil {
		started <- err
		return
	}
	defer c.close()
	if err := gl.InitWithProcAddrFunc(c.address); err != nil {
		started <- fmt.Errorf("%w: %s: %w", ErrNone, c.platform, err)
		return
	}
	d.info = describe(c.platform)
	started <- nil
	for d.line.Work() {
	}
}

// step does one on the thread.
func (d *Device) step(step func() (bool, error)) (more bool, err error) {
	if d.lost {
		return false, ErrLost
	}
	began := time.Now()
	more, err = step()
	d.busy.Add(int64(time.Since(began)))
	if e := drain(); err == nil {
		err = e
	}
	d.lost = errors.Is(err, ErrLost)
	return more, err
}

// drain returns the first of OpenGL's errors and clears them.
func drain() error {
	var first error
	for range 16 { // a lost context may repeat its error for ever
		e := gl.GetError()
		if e == gl.NO_ERROR {
			break
		}
		if e == contextLost {
			return ErrLost
		}
		if first == nil {
			first = fmt.Errorf("OpenGL error %s", errorName(e))
		}
	}
	return first
}

const contextLost = 0x0507 // GL_CONTEXT_LOST, OpenGL 4.5

func errorName(e uint32) string {
	switch e {
	case gl.INVALID_ENUM:
		return "invalid enum"
	case gl.INVALID_VALUE:
		return "invalid value"
	case gl.INVALID_OPERATION:
		return "invalid operation"
	case gl.INVALID_FRAMEBUFFER_OPERATION:
		return "invalid framebuffer operation"
	case gl.OUT_OF_MEMORY:
		return "out of memory"
	}
	return fmt.Sprintf("0x%04x", e)
}

func describe(platform string) Info {
	i := Info{
		Vendor: gl.GoStr(gl.GetString(gl.VENDOR)), Renderer: gl.GoStr(gl.GetString(gl.RENDERER)),
		Version: gl.GoStr(gl.GetString(gl.VERSION)), Platform: platform,
	}
	for _, name := range []string{"llvmpipe", "softpipe", "swrast", "SwiftShader"} {
		i.Software = i.Software || strings.Contains(i.Renderer, name)
	}
	var n int32
	gl.GetIntegerv(gl.MAX_3D_TEXTURE_SIZE, &n)
	i.MaxTexture3D = int(n)
	gl.GetIntegerv(gl.MAX_TEXTURE_BUFFER_SIZE, &n)
	i.MaxTexels = int(n)
	return i
}
