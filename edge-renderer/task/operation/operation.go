// Package operation is what the operations of compute tasks have in common: what they are given, what they return, and
// how parameters are read and refused.
package operation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"

	"context"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/signaling"
)

// Work is one call of an operation. What it is given is valid only until the operation returns, and is not changed.
type Work struct {
	// Volume is what an operation on a series works on; nil for others.
	Volume *volume.Volume
	// Data is what the terminal sent, for an operation on data; nil for others.
	Data       []byte
	Parameters json.RawMessage
	// Parallel calls part for every number below n on the task's workers and returns when all calls have returned. It ends
	// early, with the context's error, when the task is cancelled.
	Parallel func(n int, part func(i int)) error
	// Progress reports from 0 to 1. It may be called from several parts at a time.
	Progress func(share float64)
	// Pause, once it is closed, has the operation return a *Paused at the next point at which it can stop; nil: never.
	Pause <-chan struct{}
	// Resume is the State of a *Paused of the same operation with the same parameters and data, maybe on another node: it goes
	// on there, and its result is the one that it would have had. Empty: it begins.
	Resume []byte
}

// Result is what an operation made.
type Result struct {
	Format string // media type
	Data   []byte
}

// Func is an operation. An error that the user can do something about is a *signaling.Problem.
type Func func(ctx context.Context, w Work) (Result, error)

// JSON is a result as JSON.
func JSON(v any) (Result, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Result{}, fmt.Errorf("encode the result: %w", err)
	}
	return Result{Format: "application/json", Data: data}, nil
}

// Refuse is the problem of an operation with what it was asked for; detail names the field.
func Refuse(what string, detail error) error {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: what + " cannot be computed", Detail: detail.Error()}
}

// Decode reads parameters into p. A field that p does not have is refused by name, for a parameter that is misspelt must
// not be taken for its default.
func Decode(raw json.RawMessage, p any) error {
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return fmt.Errorf("its parameters are malformed: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("its parameters are malformed: something follows the JSON object")
	}
	return nil
}

// Box is a part of a volume: first and last index along columns, rows and slices, both included.
type Box [2][3]int

// BoxOf is the box that a request names, all of the volume where it names none.
func BoxOf(v *volume.Volume, asked *[2][3]int) (Box, error) {
	if asked == nil {
		return Box{{}, {v.Size[0] - 1, v.Size[1] - 1, v.Size[2] - 1}}, nil
	}
	for a := range 3 {
		if lo, hi := asked[0][a], asked[1][a]; lo < 0 || hi < lo || hi >= v.Size[a] {
			return Box{}, fmt.Errorf("box from %v to %v: it must lie within the %dx%dx%d voxels of the series", asked[0], asked[1],
				v.Size[0], v.Size[1], v.Size[2])
		}
	}
	return Box(*asked), nil
}

// Size is the number of voxels along columns, rows and slices.
func (b Box) Size() [3]int {
	return [3]int{b[1][0] - b[0][0] + 1, b[1][1] - b[0][1] + 1, b[1][2] - b[0][2] + 1}
}

// Voxels is the number of voxels.
func (b Box) Voxels() int {
	n := b.Size()
	return n[0] * n[1] * n[2]
}

// Slices calls slice for every slice of the box, in parallel, with its number from 0 and a function that goes through its
// rows: first is the index of a row's first voxel in the volume, n its length. Progress goes from from to to. Nothing of it is
// kept by an operation that is asked to pause meanwhile: it goes through a volume in seconds.
func (w Work) Slices(b Box, from, to float64, slice func(i int, rows func(each func(first, n int)))) error {
	size, v := b.Size(), w.Volume
	var done atomic.Int64
	err := w.Parallel(size[2], func(i int) {
		if w.Pausing() {
			return
		}
		k := b[0][2] + i
		slice(i, func(each func(first, n int)) {
			for j := b[0][1]; j <= b[1][1]; j++ {
				each(b[0][0]+v.Size[0]*(j+v.Size[1]*k), size[0])
			}
		})
		w.Progress(from + (to-from)*float64(done.Add(1))/float64(size[2]))
	})
	if err == nil && int(done.Load()) < size[2] {
		err = &Paused{}
	}
	return err
}

// Float32s puts values of the volume, from index first on, after the modality transform into dst.
func (w Work) Float32s(dst []float32, first int) {
	v := w.Volume
	if v.Format == volume.Float32 {
		for i, s := range v.Float32s()[first : first+len(dst)] {
			dst[i] = float32(float64(s)*v.Slope + v.Intercept)
		}
		return
	}
	for i, s := range v.Int16s()[first : first+len(dst)] {
		dst[i] = float32(float64(s)*v.Slope + v.Intercept)
	}
}

// MaxVoxels bounds the voxels of a result.
const MaxVoxels = 1 << 27

// Fits refuses results with more than MaxVoxels.
func Fits(size [3]int) error {
	if n := size[0] * size[1] * size[2]; n > MaxVoxels {
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The result would be too large",
			Detail: fmt.Sprintf("It would have %dx%dx%d voxels, %d are the most: choose a smaller box", size[0], size[1], size[2], MaxVoxels)}
	}
	return nil
}

// Scratch is memory for float32 samples outside the heap, all zero. The caller frees the volume that holds it.
func Scratch(size [3]int) (*volume.Volume, error) {
	return volume.New(volume.Geometry{Size: size, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, volume.Float32, 1, 0)
}

// Grid is where the voxels of a box lie.
func (b Box) Grid(v *volume.Volume) research.Grid {
	first := v.Patient(geom.Vec{float64(b[0][0]), float64(b[0][1]), float64(b[0][2])})
	return research.Grid{Size: b.Size(), Origin: first, Axes: [3][3]float64{v.Axes[0], v.Axes[1], v.Axes[2]}}
}
