// Package volume holds voxels in patient space.
//
// A volume is a grid of scalar values after the modality transform (PS3.3 C.11.1), placed in DICOM patient
// space (LPS, millimetres) by an affine transform. Its voxels lie outside the Go heap, so that they can be
// wiped and given back at once.
package volume

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/edge-renderer/geom"
)

// Format is how a voxel is stored.
type Format uint8

// The storage formats. Int16 holds 8 and 16 bit data of either sign: an unsigned 16 bit sample is stored
// minus 32768 and the intercept carries the difference, so that one code path reads both.
const (
	Int16 Format = iota
	Float32
)

// Bytes is the size of one voxel.
func (f Format) Bytes() int {
	if f == Float32 {
		return 4
	}
	return 2
}

func (f Format) String() string {
	if f == Float32 {
		return "float32"
	}
	return "int16"
}

// Geometry places a grid of voxels in patient space.
type Geometry struct {
	// Size is the number of columns (i), rows (j) and slices (k).
	Size [3]int
	// Origin is the centre of voxel (0,0,0), LPS millimetres.
	Origin geom.Vec
	// Axes are the steps from one voxel to the next along i, j and k, LPS millimetres. They need not be
	// orthogonal (gantry tilt) nor right-handed.
	Axes [3]geom.Vec
}

// Patient returns the patient position, LPS millimetres, of a continuous voxel index; whole numbers are
// voxel centres.
func (g Geometry) Patient(ijk geom.Vec) geom.Vec {
	return g.Origin.Add(g.Axes[0].Scale(ijk[0])).Add(g.Axes[1].Scale(ijk[1])).Add(g.Axes[2].Scale(ijk[2]))
}

// Inverse returns the rows of the matrix that takes a patient offset from Origin (millimetres) to voxel
// indices, and false where the axes do not span space.
func (g Geometry) Inverse() ([3]geom.Vec, bool) {
	a, b, c := g.Axes[0], g.Axes[1], g.Axes[2]
	det := a.Dot(b.Cross(c))
	if math.Abs(det) < 1e-12 || math.IsNaN(det) || math.IsInf(det, 0) {
		return [3]geom.Vec{}, false
	}
	return [3]geom.Vec{b.Cross(c).Scale(1 / det), c.Cross(a).Scale(1 / det), a.Cross(b).Scale(1 / det)}, true
}

// Index returns the continuous voxel index of a patient position.
func (g Geometry) Index(p geom.Vec) geom.Vec {
	m, _ := g.Inverse()
	d := p.Sub(g.Origin)
	return geom.Vec{m[0].Dot(d), m[1].Dot(d), m[2].Dot(d)}
}

// Spacing is the distance between voxel centres along i, j and k, millimetres.
func (g Geometry) Spacing() [3]float64 {
	return [3]float64{g.Axes[0].Norm(), g.Axes[1].Norm(), g.Axes[2].Norm()}
}

// Center is the patient position of the middle of the grid.
func (g Geometry) Center() geom.Vec {
	return g.Patient(geom.Vec{float64(g.Size[0]-1) / 2, float64(g.Size[1]-1) / 2, float64(g.Size[2]-1) / 2})
}

// Corners are the eight outer corners of the grid, half a voxel beyond the outermost centres.
func (g Geometry) Corners() [8]geom.Vec {
	var out [8]geom.Vec
	for n := range out {
		var ijk geom.Vec
		for a := range 3 {
			if n>>a&1 == 0 {
				ijk[a] = -0.5
			} else {
				ijk[a] = float64(g.Size[a]) - 0.5
			}
		}
		out[n] = g.Patient(ijk)
	}
	return out
}

// Voxels is the number of voxels.
func (g Geometry) Voxels() int { return g.Size[0] * g.Size[1] * g.Size[2] }

// Volume is a grid of values. Voxel (i,j,k) stands at index i + Size[0]*(j + Size[1]*k), and its value is
// stored*Slope + Intercept, in the units of the modality (Hounsfield units for CT).
type Volume struct {
	Geometry
	Format           Format
	Slope, Intercept float64
	// Min and Max are the smallest and largest value, after the modality transform.
	Min, Max float64

	mu   sync.Mutex
	data []byte
}

// check says why a volume cannot be of this kind.
func check(g Geometry, slope, intercept float64) error {
	for _, n := range g.Size {
		if n < 1 || n > 1<<16 {
			return fmt.Errorf("volume of %dx%dx%d voxels: every side must be 1 to 65536", g.Size[0], g.Size[1], g.Size[2])
		}
	}
	if _, ok := g.Inverse(); !ok || !g.Origin.Finite() {
		return fmt.Errorf("volume of %dx%dx%d voxels: its axes do not span space, or its origin is nowhere", g.Size[0], g.Size[1], g.Size[2])
	}
	if slope == 0 || math.IsNaN(slope) || math.IsInf(slope, 0) || math.IsNaN(intercept) || math.IsInf(intercept, 0) {
		return fmt.Errorf("volume with rescale slope %g and intercept %g: the slope must be finite and not zero", slope, intercept)
	}
	return nil
}

// New reserves a volume outside the Go heap, all voxels zero. The caller frees it.
func New(g Geometry, f Format, slope, intercept float64) (*Volume, error) {
	if err := check(g, slope, intercept); err != nil {
		return nil, err
	}
	data, err := NewPages(g.Voxels() * f.Bytes())
	if err != nil {
		return nil, fmt.Errorf("volume of %dx%dx%d voxels: %w", g.Size[0], g.Size[1], g.Size[2], err)
	}
	return &Volume{Geometry: g, Format: f, Slope: slope, Intercept: intercept, data: data}, nil
}

// Adopt makes a volume of voxels that are already in memory: pages of NewPages that hold exactly the grid. On
// success the volume owns them; on an error they stay the caller's.
func Adopt(g Geometry, f Format, slope, intercept float64, pages []byte) (*Volume, error) {
	if err := check(g, slope, intercept); err != nil {
		return nil, err
	}
	if len(pages) != g.Voxels()*f.Bytes() {
		return nil, fmt.Errorf("volume of %dx%dx%d voxels: %d bytes of voxels were given, %d are needed",
			g.Size[0], g.Size[1], g.Size[2], len(pages), g.Voxels()*f.Bytes())
	}
	return &Volume{Geometry: g, Format: f, Slope: slope, Intercept: intercept, data: pages}, nil
}

// Bytes is the size of the voxels in memory.
func (v *Volume) Bytes() int { return v.Voxels() * v.Format.Bytes() }

// Raw is the voxels as bytes in the machine's order; nil after Free.
func (v *Volume) Raw() []byte { return v.data }

// Int16s is the stored values of an Int16 volume; nil for other formats and after Free.
func (v *Volume) Int16s() []int16 {
	if v.Format != Int16 || len(v.data) == 0 {
		return nil
	}
	return unsafe.Slice((*int16)(unsafe.Pointer(&v.data[0])), len(v.data)/2)
}

// Float32s is the stored values of a Float32 volume; nil for other formats and after Free.
func (v *Volume) Float32s() []float32 {
	if v.Format != Float32 || len(v.data) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&v.data[0])), len(v.data)/4)
}

// At is the value of voxel (i,j,k) after the modality transform. The indices must lie in the grid.
func (v *Volume) At(i, j, k int) float64 {
	n := i + v.Size[0]*(j+v.Size[1]*k)
	if v.Format == Float32 {
		return float64(v.Float32s()[n])*v.Slope + v.Intercept
	}
	return float64(v.Int16s()[n])*v.Slope + v.Intercept
}

// UpdateRange sets Min and Max from the voxels. NaN values are passed over; both are 0 where there are no others.
func (v *Volume) UpdateRange() {
	lo, hi := math.Inf(1), math.Inf(-1)
	if v.Format == Float32 {
		for _, s := range v.Float32s() {
			if f := float64(s); f == f { // not NaN
				lo, hi = min(lo, f), max(hi, f)
			}
		}
	} else {
		a, b := Range(v.Int16s())
		lo, hi = float64(a), float64(b)
	}
	if lo > hi {
		v.Min, v.Max = 0, 0
		return
	}
	lo, hi = lo*v.Slope+v.Intercept, hi*v.Slope+v.Intercept
	v.Min, v.Max = min(lo, hi), max(lo, hi)
}

// Range is the smallest and largest of samples; math.MaxInt16 and math.MinInt16 where there are none.
func Range(samples []int16) (lo, hi int16) {
	// Four at a time, so that none waits for the comparison before it.
	a, b, c, d := int16(math.MaxInt16), int16(math.MaxInt16), int16(math.MaxInt16), int16(math.MaxInt16)
	e, f, g, h := int16(math.MinInt16), int16(math.MinInt16), int16(math.MinInt16), int16(math.MinInt16)
	for ; len(samples) >= 4; samples = samples[4:] {
		p, q, r, s := samples[0], samples[1], samples[2], samples[3]
		a, b, c, d = min(a, p), min(b, q), min(c, r), min(d, s)
		e, f, g, h = max(e, p), max(f, q), max(g, r), max(h, s)
	}
	for _, s := range samples {
		a, e = min(a, s), max(e, s)
	}
	return min(a, b, c, d), max(e, f, g, h)
}

// Free wipes the voxels and gives their memory back. Nobody may read the volume afterwards; a second Free
// does nothing.
func (v *Volume) Free() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.data == nil {
		return
	}
	FreePages(v.data)
	v.data = nil
}

// NewPages reserves n bytes of zeros outside the Go heap. Memory is used up only where it is written.
func NewPages(n int) ([]byte, error) {
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of memory for voxels: %w", n>>20, err)
	}
	_ = unix.Madvise(p, unix.MADV_HUGEPAGE) // fewer faults while it is filled, where the system has them
	return p, nil
}

// ResizePages makes pages larger or smaller without a copy. They may move: p is no longer valid afterwards, unless
// an error is returned.
func ResizePages(p []byte, n int) ([]byte, error) {
	q, err := unix.Mremap(p, n, unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil, fmt.Errorf("resize %d MiB of memory for voxels to %d MiB: %w", len(p)>>20, n>>20, err)
	}
	return q, nil
}

// FreePages wipes pages and gives them back.
func FreePages(p []byte) {
	clear(p)
	_ = unix.Munmap(p) // fails only for what was never mapped
}
