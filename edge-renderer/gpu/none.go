//go:build !egl

package gpu

import (
	"context"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/share"
)

// Device is an OpenGL context; there is none in this build.
type Device struct{}

// Open always fails in this build.
func Open() (*Device, error) {
	return nil, fmt.Errorf("%w: this program was built without OpenGL (build tag egl)", ErrNone)
}

// List is empty in this build.
func List() []Listed { return nil }

// OpenDevice always fails in this build.
func OpenDevice(int) (*Device, error) { return Open() }

// Busy is 0 in this build.
func (d *Device) Busy() time.Duration { return 0 }

// Info describes nothing in this build.
func (d *Device) Info() Info { return Info{} }

// Do always fails in this build.
func (d *Device) Do(context.Context, Priority, func() error) error { return ErrNone }

// Steps always fails in this build.
func (d *Device) Steps(context.Context, *share.Client, Priority, func() (bool, error)) error {
	return ErrNone
}

// Close does nothing in this build.
func (d *Device) Close() error { return nil }
