//go:build egl

package gpu

/*
#cgo pkg-config: egl
#define EGL_EGLEXT_PROTOTYPES 0
#include <stdlib.h>
#include <string.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>

static const char *client_extensions(void) { return eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS); }

static EGLDisplay platform_display(EGLenum platform, void *native) {
	PFNEGLGETPLATFORMDISPLAYEXTPROC get = (PFNEGLGETPLATFORMDISPLAYEXTPROC)eglGetProcAddress("eglGetPlatformDisplayEXT");
	return get ? get(platform, native, NULL) : EGL_NO_DISPLAY;
}

static EGLint devices(EGLDeviceEXT *list, EGLint max) {
	PFNEGLQUERYDEVICESEXTPROC query = (PFNEGLQUERYDEVICESEXTPROC)eglGetProcAddress("eglQueryDevicesEXT");
	EGLint n = 0;
	return query && query(max, list, &n) ? n : 0;
}

static const char *device_extensions(EGLDeviceEXT d) {
	PFNEGLQUERYDEVICESTRINGEXTPROC query = (PFNEGLQUERYDEVICESTRINGEXTPROC)eglGetProcAddress("eglQueryDeviceStringEXT");
	return query ? query(d, EGL_EXTENSIONS) : NULL;
}

static EGLDisplay default_display(void) { return eglGetDisplay(EGL_DEFAULT_DISPLAY); }

static EGLDisplay no_display(void) { return EGL_NO_DISPLAY; }

// create makes an OpenGL 4.3 core context that needs no surface. A reset of the GPU makes it lost, where
// the driver can say so.
static EGLContext create(EGLDisplay d, int robust) {
	const char *ext = eglQueryString(d, EGL_EXTENSIONS);
	EGLConfig config = NULL; // EGL_NO_CONFIG_KHR
	if (!ext || !strstr(ext, "EGL_KHR_no_config_context")) {
		const EGLint want[] = {EGL_SURFACE_TYPE, 0, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE};
		EGLint n = 0;
		if (!eglChooseConfig(d, want, &config, 1, &n) || n < 1) return EGL_NO_CONTEXT;
	}
	EGLint attributes[] = {
		EGL_CONTEXT_MAJOR_VERSION, 4, EGL_CONTEXT_MINOR_VERSION, 3,
		EGL_CONTEXT_OPENGL_PROFILE_MASK, EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
		EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT, EGL_LOSE_CONTEXT_ON_RESET_EXT,
		EGL_NONE};
	if (!robust) attributes[6] = EGL_NONE;
	return eglCreateContext(d, config, EGL_NO_CONTEXT, attributes);
}

static EGLBoolean make_current(EGLDisplay d, EGLContext c) {
	return eglMakeCurrent(d, EGL_NO_SURFACE, EGL_NO_SURFACE, c);
}

static void drop(EGLDisplay d, EGLContext c) {
	eglMakeCurrent(d, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	eglDestroyContext(d, c);
	eglReleaseThread();
}

static void *address(const char *name) { return (void *)eglGetProcAddress(name); }
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// eglContext is a context that is current on this thread.
type eglContext struct {
	display  C.EGLDisplay
	context  C.EGLContext
	platform string
}

// displays counts the contexts on each display. EGL gives the same display for the same platform, and
// terminating it ends all of them, so the last one does it.
var displays = struct {
	sync.Mutex
	users map[C.EGLDisplay]int
}{users: map[C.EGLDisplay]int{}}

// openEGL makes a context on the first of some platforms where that can be done, and makes it current on the calling
// thread.
func openEGL(on []platform) (*eglContext, error) {
	tried := []error{}
	for _, p := range on {
		c, err := openPlatform(p)
		if err == nil {
			return c, nil
		}
		tried = append(tried, err)
	}
	return nil, fmt.Errorf("%w: tried %w", ErrNone, errors.Join(tried...))
}

// platform is a way to a display.
type platform struct {
	name     string
	software bool // a device that is emulated on the processor
	display  func() C.EGLDisplay
}

// platforms are all ways, best first.
func platforms() []platform {
	list := devices()
	first := slices.IndexFunc(list, func(p platform) bool { return p.software })
	if first < 0 {
		first = len(list)
	}
	surfaceless := platform{name: "EGL surfaceless", display: func() C.EGLDisplay {
		return C.platform_display(C.EGL_PLATFORM_SURFACELESS_MESA, nil)
	}}
	return append(slices.Insert(list, first, surfaceless), platform{name: "EGL default display", display: func() C.EGLDisplay {
		return C.default_display()
	}})
}

// devices are those that EGL lists (EGL_EXT_device_enumeration), GPUs first.
func devices() []platform {
	var hardware, software []platform
	extensions := C.GoString(C.client_extensions())
	if strings.Contains(extensions, "EGL_EXT_platform_device") || strings.Contains(extensions, "EGL_EXT_platform_base") {
		var list [16]C.EGLDeviceEXT
		for n := range int(C.devices(&list[0], C.EGLint(len(list)))) {
			device := list[n]
			p := platform{name: fmt.Sprintf("EGL device %d", n), display: func() C.EGLDisplay {
				return C.platform_display(C.EGL_PLATFORM_DEVICE_EXT, unsafe.Pointer(device))
			}}
			if p.software = strings.Contains(C.GoString(C.device_extensions(device)), "EGL_MESA_device_software"); p.software {
				software = append(software, p)
			} else {
				hardware = append(hardware, p)
			}
		}
	}
	return append(hardware, software...)
}

func openPlatform(p platform) (*eglContext, error) {
	d := p.display()
	if d == C.no_display() {
		return nil, fmt.Errorf("%s: %s", p.name, eglError())
	}
	displays.Lock()
	defer displays.Unlock()
	if C.eglInitialize(d, nil, nil) == C.EGL_FALSE {
		return nil, fmt.Errorf("%s: it cannot be initialised: %s", p.name, eglError())
	}
	displays.users[d]++
	c, err := createContext(d)
	if err != nil {
		release(d)
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	c.platform = p.name
	return c, nil
}

func createContext(d C.EGLDisplay) (*eglContext, error) {
	if C.eglBindAPI(C.EGL_OPENGL_API) == C.EGL_FALSE {
		return nil, fmt.Errorf("it has no OpenGL: %s", eglError())
	}
	for _, robust := range []C.int{1, 0} {
		c := C.create(d, robust)
		if c == nil {
			continue
		}
		if C.make_current(d, c) == C.EGL_FALSE {
			err := fmt.Errorf("no context without a surface: %s", eglError())
			C.drop(d, c)
			return nil, err
		}
		return &eglContext{display: d, context: c}, nil
	}
	return nil, fmt.Errorf("no OpenGL 4.3 core context: %s", eglError())
}

// release gives up one use of a display; displays is locked.
func release(d C.EGLDisplay) {
	displays.users[d]--
	if displays.users[d] == 0 {
		delete(displays.users, d)
		C.eglTerminate(d)
	}
}

// close frees the context; it must be called on its thread.
func (c *eglContext) close() {
	displays.Lock()
	defer displays.Unlock()
	C.drop(c.display, c.context)
	release(c.display)
}

func (c *eglContext) address(name string) unsafe.Pointer {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.address(s)
}

func eglError() string {
	e := C.eglGetError()
	switch e {
	case C.EGL_SUCCESS:
		return "not offered by this EGL"
	case C.EGL_NOT_INITIALIZED:
		return "EGL_NOT_INITIALIZED (0x3001): no driver; on Debian install libgl1-mesa-dri or the driver of the GPU"
	case C.EGL_BAD_ALLOC:
		return "EGL_BAD_ALLOC (0x3003)"
	case C.EGL_BAD_CONFIG:
		return "EGL_BAD_CONFIG (0x3005)"
	case C.EGL_BAD_MATCH:
		return "EGL_BAD_MATCH (0x3009): the driver is too old"
	}
	return fmt.Sprintf("EGL error 0x%04x", int(e))
}
