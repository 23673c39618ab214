// Package processing has the operations of image-processing tasks. Each makes a volume of a volume or of a box in it.
package processing

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/signaling"
)

const (
	maxSigmaMm = 50
	// reach is how many standard deviations from its middle the kernel is cut off, which leaves out 0.006 %.
	reach = 4
	// maxReach bounds the kernel, voxels to either side.
	maxReach = 256
)

// Gaussian smooths by a normal distribution (signaling.GaussianParameters), one axis of the grid after the other. Paused, it
// keeps the slices of the result that are made.
func Gaussian(_ context.Context, w operation.Work) (operation.Result, error) {
	var p signaling.GaussianParameters
	kernels, box, err := gaussianParameters(w, &p)
	if err != nil {
		return operation.Result{}, operation.Refuse("The smoothed volume", err)
	}
	size := box.Size()
	if err := operation.Fits(size); err != nil {
		return operation.Result{}, err
	}
	// Slices that the kernel reaches are smoothed within themselves first.
	half := len(kernels[2]) / 2
	first, last := max(box[0][2]-half, 0), min(box[1][2]+half, w.Volume.Size[2]-1)
	flat, err := operation.Scratch([3]int{size[0], size[1], last - first + 1})
	if err != nil {
		return operation.Result{}, err
	}
	defer flat.Free()
	planes, n := flat.Float32s(), size[0]*size[1]
	file, samples := research.NRRD(box.Grid(w.Volume))
	slices, err := w.Pieces(size[2], samples)
	if err != nil {
		return operation.Result{}, err
	}
	wanted := make([]bool, last-first+1)
	for i := range size[2] {
		for k := box[0][2] + i - half; !slices.Made(i) && k <= box[0][2]+i+half; k++ {
			wanted[min(max(k, first), last)-first] = true
		}
	}
	within := float64(len(wanted)) / float64(len(wanted)+size[2]) // of the work
	var done atomic.Int64
	err = w.Parallel(len(wanted), func(i int) {
		if wanted[i] && !w.Pausing() {
			smoothPlane(w, box, first+i, kernels, planes[i*n:(i+1)*n])
		}
		w.Progress(within * float64(done.Add(1)) / float64(len(wanted)))
	})
	if err == nil && w.Pausing() {
		err = slices.Pause(within)
	}
	if err != nil {
		return operation.Result{}, err
	}
	err = slices.Do(within, func(i int, to []byte) {
		sum := make([]float32, n)
		for d, weight := range kernels[2] {
			k := min(max(box[0][2]+i+d-half, first), last)
			for x, v := range planes[(k-first)*n : (k-first+1)*n] {
				sum[x] += weight * v
			}
		}
		research.PutFloat32s(to, sum)
	})
	return operation.Result{Format: signaling.FormatNRRD, Data: file}, err
}

func gaussianParameters(w operation.Work, p *signaling.GaussianParameters) (kernels [3][]float32, box operation.Box, err error) {
	if err := operation.Decode(w.Parameters, p); err != nil {
		return kernels, box, err
	}
	if !(p.SigmaMm > 0 && p.SigmaMm <= maxSigmaMm) {
		return kernels, box, fmt.Errorf("sigmaMm is %g: more than 0, at most %d", p.SigmaMm, maxSigmaMm)
	}
	for a, spacing := range w.Volume.Spacing() {
		sigma := p.SigmaMm / spacing
		if sigma*reach > maxReach {
			return kernels, box, fmt.Errorf("sigmaMm is %g: at most %g with voxels of %g mm", p.SigmaMm, maxReach*spacing/reach, spacing)
		}
		kernels[a] = kernel(sigma)
	}
	box, err = operation.BoxOf(w.Volume, p.Box)
	return kernels, box, err
}

// kernel is a sampled normal distribution with the standard deviation sigma, voxels; its sum is 1, its length odd.
func kernel(sigma float64) []float32 {
	half := int(math.Ceil(reach * sigma))
	weights := make([]float64, 2*half+1)
	sum := 0.0
	for i := range weights {
		d := float64(i-half) / sigma
		weights[i] = math.Exp(-d * d / 2)
		sum += weights[i]
	}
	out := make([]float32, len(weights))
	for i := range weights {
		out[i] = float32(weights[i] / sum)
	}
	return out
}

// smoothPlane smooths the part of slice k that lies in the box along its columns and rows, into out.
func smoothPlane(w operation.Work, box operation.Box, k int, kernels [3][]float32, out []float32) {
	v, size := w.Volume, box.Size()
	half := [2]int{len(kernels[0]) / 2, len(kernels[1]) / 2}
	top, bottom := max(box[0][1]-half[1], 0), min(box[1][1]+half[1], v.Size[1]-1)
	row := make([]float32, v.Size[0])
	rows := make([]float32, (bottom-top+1)*size[0]) // smoothed along x
	for j := top; j <= bottom; j++ {
		w.Float32s(row, v.Size[0]*(j+v.Size[1]*k))
		to := rows[(j-top)*size[0] : (j-top+1)*size[0]]
		for i := range to {
			at := box[0][0] + i - half[0]
			sum := float32(0)
			if at >= 0 && at+len(kernels[0]) <= len(row) {
				for d, weight := range kernels[0] {
					sum += weight * row[at+d]
				}
			} else {
				for d, weight := range kernels[0] {
					sum += weight * row[min(max(at+d, 0), len(row)-1)]
				}
			}
			to[i] = sum
		}
	}
	clear(out)
	for j := range size[1] {
		to := out[j*size[0] : (j+1)*size[0]]
		for d, weight := range kernels[1] {
			from := min(max(box[0][1]+j+d-half[1], top), bottom) - top
			for i, x := range rows[from*size[0] : (from+1)*size[0]] {
				to[i] += weight * x
			}
		}
	}
}
