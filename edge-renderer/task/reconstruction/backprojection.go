// Package reconstruction has the operations of image-reconstruction tasks.
package reconstruction

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/signaling"
)

const (
	maxDetectors   = 8192
	maxProjections = 8192
	maxSlices      = 4096
	maxSize        = 4096
	maxMm          = 1000
	// maxSteps bounds the work: pixels times projections. That many take some minutes.
	maxSteps = 1 << 38
	// filters is about how much of the work the filter is.
	filters = 0.1
)

// BackProjection reconstructs slices from parallel projections (signaling.ReconstructionParameters): each projection is
// filtered with a ramp and smeared back over the image. The sum approximates the inverse of the Radon transform. Paused, it keeps
// the rows of the image that are made.
func BackProjection(ctx context.Context, w operation.Work) (operation.Result, error) {
	var p signaling.ReconstructionParameters
	if err := parameters(w, &p); err != nil {
		return operation.Result{}, operation.Refuse("The reconstruction", err)
	}
	size := [3]int{p.Size, p.Size, p.Slices}
	if err := operation.Fits(size); err != nil {
		return operation.Result{}, err
	}
	// The filtered projections take as much memory as the data itself.
	filtered, err := operation.Scratch([3]int{p.Detectors, p.Projections, p.Slices})
	if err != nil {
		return operation.Result{}, err
	}
	defer filtered.Free()
	grid := research.Grid{Size: size, Axes: [3][3]float64{{p.PixelMm, 0, 0}, {0, p.PixelMm, 0}, {0, 0, p.SliceMm}}}
	grid.Origin[0] = -float64(p.Size-1) / 2 * p.PixelMm
	grid.Origin[1] = grid.Origin[0]
	file, samples := research.NRRD(grid)
	rows, err := w.Pieces(p.Size*p.Slices, samples)
	if err != nil {
		return operation.Result{}, err
	}
	wanted := make([]bool, p.Slices)
	for n := range p.Size * p.Slices {
		wanted[n/p.Size] = wanted[n/p.Size] || !rows.Made(n)
	}
	err = filter(w, &p, wanted, filtered.Float32s())
	if err == nil && w.Pausing() {
		err = rows.Pause(filters)
	}
	if err != nil {
		return operation.Result{}, err
	}
	beams := directions(&p)
	err = rows.Do(filters, func(n int, to []byte) {
		slice, j := n/p.Size, n%p.Size
		row := make([]float32, p.Size)
		views := filtered.Float32s()[slice*p.Projections*p.Detectors:]
		smear(&p, beams, views, grid.Origin[1]+float64(j)*p.PixelMm, row)
		research.PutFloat32s(to, row)
	})
	return operation.Result{Format: signaling.FormatNRRD, Data: file}, err
}

func parameters(w operation.Work, p *signaling.ReconstructionParameters) error {
	if err := operation.Decode(w.Parameters, p); err != nil {
		return err
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&p.Slices, 1}, {&p.Size, p.Detectors}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if p.PixelMm == 0 {
		p.PixelMm = p.DetectorMm
	}
	if p.SliceMm == 0 {
		p.SliceMm = 1
	}
	if p.Filter == "" {
		p.Filter = signaling.FilterRamLak
	}
	for _, f := range []struct {
		name         string
		v, from, top int
	}{{"detectors", p.Detectors, 2, maxDetectors}, {"projections", p.Projections, 1, maxProjections}, {"slices", p.Slices, 1, maxSlices}, {"size", p.Size, 1, maxSize}} {
		if f.v < f.from || f.v > f.top {
			return fmt.Errorf("%s is %d: %d to %d", f.name, f.v, f.from, f.top)
		}
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"detectorMm", p.DetectorMm}, {"pixelMm", p.PixelMm}, {"sliceMm", p.SliceMm}} {
		if !(f.v > 0 && f.v <= maxMm) {
			return fmt.Errorf("%s is %g: more than 0, at most %d", f.name, f.v, maxMm)
		}
	}
	return matching(w, p)
}

// matching refuses parameters that do not fit together or to the data.
func matching(w operation.Work, p *signaling.ReconstructionParameters) error {
	if n := len(p.AnglesDegrees); n != 0 && n != p.Projections {
		return fmt.Errorf("anglesDegrees has %d entries, there are %d projections", n, p.Projections)
	}
	for i, a := range p.AnglesDegrees {
		if !(math.Abs(a) <= 3600) {
			return fmt.Errorf("anglesDegrees[%d] is %g: at most 3600 either way", i, a)
		}
	}
	if !slices.Contains([]signaling.ReconstructionFilter{signaling.FilterRamLak, signaling.FilterSheppLogan, signaling.FilterHann}, p.Filter) {
		return fmt.Errorf("filter %.40q: ram-lak, shepp-logan or hann", string(p.Filter))
	}
	if want := 4 * p.Detectors * p.Projections * p.Slices; len(w.Data) != want {
		return fmt.Errorf("the data has %d bytes, %d slices of %d projections of %d detectors take %d", len(w.Data), p.Slices, p.Projections, p.Detectors, want)
	}
	if p.Size*p.Size*p.Slices > maxSteps/p.Projections {
		return fmt.Errorf("size %d with %d slices and %d projections would take too long: choose a smaller size", p.Size, p.Slices, p.Projections)
	}
	return nil
}

// filter filters every projection of the wanted slices into out, as far as it is not asked to pause.
func filter(w operation.Work, p *signaling.ReconstructionParameters, wanted []bool, out []float32) error {
	n := 4
	for n < 2*p.Detectors { // so that the ends of a projection do not reach each other
		n *= 2
	}
	f := newFourier(n)
	response := ramp(f, n, p)
	buffers := sync.Pool{New: func() any { b := make([]complex128, n); return &b }}
	var done atomic.Int64
	total := p.Projections * p.Slices
	return w.Parallel(total, func(i int) {
		if !wanted[i/p.Projections] || w.Pausing() {
			return
		}
		b := buffers.Get().(*[]complex128)
		defer buffers.Put(b)
		x := *b
		clear(x)
		data := w.Data[4*i*p.Detectors:]
		for d := range p.Detectors {
			x[d] = complex(float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*d:]))), 0)
		}
		f.forward(x)
		for k := range x {
			x[k] *= complex(response[k], 0)
		}
		f.inverse(x)
		for d := range p.Detectors {
			out[i*p.Detectors+d] = float32(real(x[d]))
		}
		w.Progress(filters * float64(done.Add(1)) / float64(total))
	})
}

// ramp is the response of the filter at each frequency. It is made of the band-limited kernel (Kak and Slaney, eq. 3.61), for
// a ramp that is sampled in frequency shifts the whole image by a constant.
func ramp(f *fourier, n int, p *signaling.ReconstructionParameters) []float64 {
	tau := p.DetectorMm
	x := make([]complex128, n)
	x[0] = complex(1/(4*tau*tau), 0)
	for k := 1; k < n/2; k += 2 {
		h := -1 / (math.Pi * math.Pi * float64(k) * float64(k) * tau * tau)
		x[k], x[n-k] = complex(h, 0), complex(h, 0)
	}
	f.forward(x)
	out := make([]float64, n)
	for k := range out {
		nu := float64(min(k, n-k)) / float64(n/2) // share of the highest frequency
		window := 1.0
		switch {
		case p.Filter == signaling.FilterHann:
			window = 0.5 * (1 + math.Cos(math.Pi*nu))
		case p.Filter == signaling.FilterSheppLogan && nu > 0:
			window = math.Sin(math.Pi*nu/2) / (math.Pi * nu / 2)
		}
		out[k] = tau * real(x[k]) * window
	}
	return out
}

// beam is the direction of a projection, and the angle that it stands for.
type beam struct{ cos, sin, weight float64 }

// directions are those of the projections. Each counts for half of the angle to its neighbours, modulo half a turn.
func directions(p *signaling.ReconstructionParameters) []beam {
	angles := make([]float64, p.Projections)
	for i := range angles {
		if p.AnglesDegrees != nil {
			angles[i] = p.AnglesDegrees[i] * math.Pi / 180
		} else {
			angles[i] = math.Pi * float64(i) / float64(p.Projections)
		}
	}
	turned := make([]float64, len(angles))
	order := make([]int, len(angles))
	for i, a := range angles {
		turned[i] = math.Mod(math.Mod(a, math.Pi)+math.Pi, math.Pi)
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case turned[a] < turned[b]:
			return -1
		case turned[a] > turned[b]:
			return 1
		}
		return a - b
	})
	out := make([]beam, len(angles))
	for n, i := range order {
		before, after := order[(n+len(order)-1)%len(order)], order[(n+1)%len(order)]
		gap := func(from, to int, wraps bool) float64 {
			if wraps {
				return turned[to] + math.Pi - turned[from]
			}
			return turned[to] - turned[from]
		}
		weight := (gap(before, i, n == 0) + gap(i, after, n == len(order)-1)) / 2
		out[i] = beam{math.Cos(angles[i]), math.Sin(angles[i]), weight}
	}
	return out
}

// smear adds up what the filtered projections say of a row of the image at height y. Pixels that some projection does not
// see, beyond the circle that the detector turns in, stay 0.
func smear(p *signaling.ReconstructionParameters, beams []beam, views []float32, y float64, row []float32) {
	left := -float64(p.Size-1) / 2 * p.PixelMm
	reach := float64(p.Detectors-1) / 2 * p.DetectorMm
	if y*y >= reach*reach {
		return
	}
	half := math.Sqrt(reach*reach - y*y)
	first, last := max(int(math.Ceil((-half-left)/p.PixelMm)), 0), min(int(math.Floor((half-left)/p.PixelMm)), len(row)-1)
	for n, b := range beams {
		view := views[n*p.Detectors : (n+1)*p.Detectors]
		at := (left*b.cos+y*b.sin)/p.DetectorMm + float64(p.Detectors-1)/2
		step := p.PixelMm * b.cos / p.DetectorMm
		weight := float32(b.weight)
		for i := first; i <= last; i++ {
			s := at + float64(i)*step
			cell := min(max(int(s), 0), len(view)-2) // rounding alone leads outside
			t := float32(s - float64(cell))
			row[i] += weight * (view[cell] + t*(view[cell+1]-view[cell]))
		}
	}
}
