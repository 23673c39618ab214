// Package computation has the operations of data-computation tasks.
package computation

import (
	"context"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

const (
	defaultBins    = 256
	maxBins        = 1 << 16
	maxPercentiles = 64
)

// Histogram counts the values of a volume or of a box in it (signaling.HistogramParameters) and returns a
// signaling.Histogram. Values of an int16 volume are counted one by one, so its percentiles are exact; those
// of a float32 volume come from sorting.
func Histogram(ctx context.Context, w operation.Work) (operation.Result, error) {
	start := time.Now()
	p, box, err := histogramParameters(w)
	if err != nil {
		return operation.Result{}, operation.Refuse("The histogram", err)
	}
	values, err := operation.Count(ctx, w, box)
	if err != nil {
		return operation.Result{}, err
	}
	h := summarize(values, p)
	h.RunMs = float64(time.Since(start)) / float64(time.Millisecond)
	return operation.JSON(h)
}

func histogramParameters(w operation.Work) (p signaling.HistogramParameters, box operation.Box, err error) {
	if err := operation.Decode(w.Parameters, &p); err != nil {
		return p, box, err
	}
	if p.Bins == 0 {
		p.Bins = defaultBins
	}
	if p.Bins < 1 || p.Bins > maxBins {
		return p, box, fmt.Errorf("bins is %d: 1 to %d", p.Bins, maxBins)
	}
	if err := checkPercentiles(p.Percentiles); err != nil {
		return p, box, err
	}
	box, err = operation.BoxOf(w.Volume, p.Box)
	return p, box, err
}

// sampled is about how many voxels AutoWindow looks at.
const sampled = 1 << 18

// AutoWindow is a window like that of Histogram, up to the percentile top of what is no background, from evenly spread
// samples of a volume: a few milliseconds' work, for a view to open with.
func AutoWindow(v *volume.Volume, top float64) signaling.Window {
	// An odd step does not walk along columns.
	step := max(v.Voxels()/sampled, 1) | 1
	all := make([]float64, 0, v.Voxels()/step+1)
	if v.Format == volume.Float32 {
		data := v.Float32s()
		for i := 0; i < len(data); i += step {
			if s := float64(data[i]); s == s { // not NaN
				all = append(all, s*v.Slope+v.Intercept)
			}
		}
	} else {
		data := v.Int16s()
		for i := 0; i < len(data); i += step {
			all = append(all, float64(data[i])*v.Slope+v.Intercept)
		}
	}
	values := operation.Weigh(all)
	if len(values) == 0 {
		return signaling.Window{Center: 0, Width: 1}
	}
	return autoWindow(values, summarize(values, signaling.HistogramParameters{Bins: 1}), top)
}

// summarize makes the result of ascending values.
func summarize(values []operation.Value, p signaling.HistogramParameters) *signaling.Histogram {
	h := &signaling.Histogram{Counts: make([]int64, p.Bins), Percentiles: make([]float64, len(p.Percentiles)), BinWidth: 1}
	if len(values) == 0 {
		h.Window = signaling.Window{Center: 0, Width: 1}
		return h
	}
	h.Min, h.Max = values[0].Value, values[len(values)-1].Value
	if h.Max > h.Min {
		h.BinWidth = (h.Max - h.Min) / float64(p.Bins)
	}
	h.Voxels, h.Mean, h.StdDev = moments(values)
	for _, w := range values {
		h.Counts[min(int((w.Value-h.Min)/h.BinWidth), p.Bins-1)] += w.Count
	}
	for i, q := range p.Percentiles {
		h.Percentiles[i] = operation.Percentile(values, h.Voxels, q)
	}
	h.Window = autoWindow(values, h, 99)
	return h
}

// autoWindow spans the 1st to the top percentile of what is no background: the values above the threshold
// that parts all values best into two classes (Otsu, IEEE Trans. SMC 9:62, 1979), which in CT is between air
// and tissue, in MR between noise and signal.
func autoWindow(values []operation.Value, h *signaling.Histogram, top float64) signaling.Window {
	var best, threshold, below, sumBelow float64
	n, sum := float64(h.Voxels), h.Mean*float64(h.Voxels)
	threshold = h.Min
	for _, w := range values[:len(values)-1] {
		below += float64(w.Count)
		sumBelow += w.Value * float64(w.Count)
		d := sumBelow/below - (sum-sumBelow)/(n-below)
		if between := below * (n - below) * d * d; between > best {
			best, threshold = between, w.Value
		}
	}
	first := sort.Search(len(values), func(i int) bool { return values[i].Value > threshold })
	if first == len(values) {
		first = 0
	}
	var above int64
	for _, w := range values[first:] {
		above += w.Count
	}
	lo, hi := operation.Percentile(values[first:], above, 1), operation.Percentile(values[first:], above, top)
	return signaling.Window{Center: (lo + hi) / 2, Width: max(hi-lo, 1e-6*math.Max(1, math.Abs(hi)))}
}
