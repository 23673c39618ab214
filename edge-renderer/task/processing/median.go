package processing

import (
	"context"
	"fmt"
	"math"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/signaling"
)

// maxRadius bounds the cube of a median.
const maxRadius = 3

// Median makes each voxel the median of the cube around it (signaling.MedianParameters). Where the volume's edge leaves an even
// number of voxels in the cube, it is the lower of the two in the middle. Voxels that are no number do not count.
func Median(_ context.Context, w operation.Work) (operation.Result, error) {
	p := signaling.MedianParameters{}
	box, err := medianParameters(w, &p)
	if err != nil {
		return operation.Result{}, operation.Refuse("The median", err)
	}
	size := box.Size()
	if err := operation.Fits(size); err != nil {
		return operation.Result{}, err
	}
	file, samples := research.NRRD(box.Grid(w.Volume))
	slices, err := w.Pieces(size[2], samples)
	if err != nil {
		return operation.Result{}, err
	}
	err = slices.Do(0, func(i int, to []byte) {
		out := make([]float32, size[0]*size[1])
		medianSlice(w, box, box[0][2]+i, p.Radius, out)
		research.PutFloat32s(to, out)
	})
	return operation.Result{Format: signaling.FormatNRRD, Data: file}, err
}

func medianParameters(w operation.Work, p *signaling.MedianParameters) (operation.Box, error) {
	if err := operation.Decode(w.Parameters, p); err != nil {
		return operation.Box{}, err
	}
	if p.Radius == 0 {
		p.Radius = 1
	}
	if p.Radius < 1 || p.Radius > maxRadius {
		return operation.Box{}, fmt.Errorf("radius is %d: 1 to %d", p.Radius, maxRadius)
	}
	return operation.BoxOf(w.Volume, p.Box)
}

// medianSlice makes the part of slice k that lies in the box.
func medianSlice(w operation.Work, box operation.Box, k, radius int, out []float32) {
	v, size := w.Volume, box.Size()
	low, high := max(k-radius, 0), min(k+radius, v.Size[2]-1)
	plane := v.Size[0] * v.Size[1]
	near := make([]float32, (high-low+1)*plane) // the slices that the cube reaches
	for i := range high - low + 1 {
		w.Float32s(near[i*plane:(i+1)*plane], (low+i)*plane)
	}
	side := 2*radius + 1
	cube := make([]float32, 0, side*side*side)
	for j := range size[1] {
		top, bottom := max(box[0][1]+j-radius, 0), min(box[0][1]+j+radius, v.Size[1]-1)
		for i := range size[0] {
			left, right := max(box[0][0]+i-radius, 0), min(box[0][0]+i+radius, v.Size[0]-1)
			cube = cube[:0]
			for z := range high - low + 1 {
				for y := top; y <= bottom; y++ {
					at := z*plane + y*v.Size[0]
					for _, x := range near[at+left : at+right+1] {
						if x == x { // not NaN
							cube = append(cube, x)
						}
					}
				}
			}
			out[i+j*size[0]] = middle(cube)
		}
	}
}

// middle is the lower median of values, which it puts in another order (Hoare, Algorithm 65: Find, CACM 4:321, 1961).
func middle(values []float32) float32 {
	if len(values) == 0 {
		return float32(math.NaN())
	}
	k := (len(values) - 1) / 2
	for lo, hi := 0, len(values)-1; lo < hi; {
		pivot := values[k]
		i, j := lo, hi
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		if j < k {
			lo = i
		}
		if i > k {
			hi = j
		}
	}
	return values[k]
}
