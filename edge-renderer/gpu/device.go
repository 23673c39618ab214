//go:build egl

package gpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-gl/gl/v4.3-core/gl"
)

const queueLength = 64 // jobs of each priority that wait

// Device is one OpenGL context, current on one thread for as long as it is open.
type Device struct {
	info   Info
	queues [2]chan *job
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the thread has ended

	closing sync.Once
	lost    bool // only on the thread
	busy    atomic.Int64
}

type job struct {
	ctx  context.Context
	work func() error
	done chan error // of length 1
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
	d := &Device{quit: make(chan struct{}), done: make(chan struct{})}
	for p := range d.queues {
		d.queues[p] = make(chan *job, queueLength)
	}
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
	j := &job{ctx, work, make(chan error, 1)}
	select {
	case d.queues[min(p, Background)] <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.quit:
		return ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-d.done: // the thread may have answered before it ended
		select {
		case err := <-j.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// Close ends the thread after the job that runs, and frees the context with all that is on it.
func (d *Device) Close() error {
	d.closing.Do(func() { close(d.quit) })
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
	for {
		select { // interactive first
		case j := <-d.queues[Interactive]:
			d.do(j)
			continue
		case <-d.quit:
			return
		default:
		}
		select {
		case j := <-d.queues[Interactive]:
			d.do(j)
		case j := <-d.queues[Background]:
			d.do(j)
		case <-d.quit:
			return
		}
	}
}

func (d *Device) do(j *job) {
	switch {
	case d.lost:
		j.done <- ErrLost
		return
	case j.ctx.Err() != nil:
		j.done <- j.ctx.Err()
		return
	}
	began := time.Now()
	err := j.work()
	d.busy.Add(int64(time.Since(began)))
	if e := drain(); err == nil {
		err = e
	}
	d.lost = errors.Is(err, ErrLost)
	j.done <- err
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
