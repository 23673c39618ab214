// Package render turns a scene, a volume seen by a camera through a transfer function, into an image.
//
// Two renderers implement the same picture: render/gl on OpenGL, and render/cpu in Go, which is the
// reference in tests and what runs where OpenGL is missing.
package render

import (
	"context"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Mode is how the samples along a ray become a pixel.
type Mode uint8

// The modes.
const (
	// Composite is front-to-back emission-absorption compositing with gradient shading.
	Composite Mode = iota
	// MaximumIntensity shows the largest value along the ray through the window as grey.
	MaximumIntensity
)

// String is the name of the mode in view states and presets.
func (m Mode) String() string {
	if m == MaximumIntensity {
		return "mip"
	}
	return "composite"
}

// Camera looks from Position at LookAt. Pixels are square; the first image row is the top.
type Camera struct {
	Position, LookAt, Up geom.Vec // LPS millimetres; Up need not be orthogonal to the line of sight
	Perspective          bool
	Height               float64 // orthographic: millimetres seen from the top to the bottom of the image
	FovY                 float64 // perspective: degrees from the top to the bottom of the image
}

// Plane keeps the half space in which Normal·p >= Offset.
type Plane struct {
	Normal geom.Vec // LPS, unit length
	Offset float64  // millimetres
}

// Quality trades fidelity for time.
type Quality struct {
	// Step is the distance between samples, millimetres.
	Step float64
	// Jitter offsets each ray's first sample by a fixed pseudo-random share of a step, against wood grain.
	Jitter bool
}

// Scene is one picture to render.
type Scene struct {
	Volume        Volume
	Mode          Mode
	Camera        Camera
	Transfer      *Transfer // compiled transfer function, see Compile
	Clips         []Plane
	Width, Height int // pixels
	Quality       Quality
	Background    [3]uint8
	// Client is on whose account the picture is, where several share a device; nil: nobody's.
	Client *share.Client
	// Refinement says that nobody waits for the picture: where pictures share a device it comes after those
	// that somebody waits for.
	Refinement bool
}

// Volume is a volume that a renderer has loaded. It belongs to that renderer and is released there.
type Volume interface {
	Source() *volume.Volume
	Release()
}

// Image is a picture of 8 bit RGBA, opaque, rows from top to bottom without padding.
type Image struct {
	Width, Height int
	Pix           []byte // length Width*Height*4
}

// Renderer renders scenes. Its methods may be called from several goroutines.
type Renderer interface {
	// Name says what renders, for example "OpenGL 4.5 (llvmpipe)" or "Go, 8 threads".
	Name() string
	// Load makes a volume ready to be rendered, or says by name why it cannot be.
	Load(ctx context.Context, v *volume.Volume) (Volume, error)
	// Render renders one scene into img, whose Pix is reused where it is large enough. A cancelled context
	// ends the work early with its error and leaves the picture undefined.
	Render(ctx context.Context, s *Scene, img *Image) error
	// Close releases everything and waits for what runs.
	Close() error
}

// Preparer is a Renderer whose volumes can be brought to it ahead of the first picture.
type Preparer interface {
	// Prepare brings a volume that was loaded to where it is rendered, or says by name why that cannot be done.
	Prepare(ctx context.Context, v Volume) error
}
