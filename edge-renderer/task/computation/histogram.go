// Package computation has the operations of data-computation tasks.
package computation

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

const (
	defaultBins    = 256
	maxBins        = 1 << 16
	maxPercentiles = 64
	// storedValues is how many different values an Int16 volume can hold.
	storedValues = 1 << 16
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
	values, err := valuesOf(ctx, w, box)
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

func checkPercentiles(list []float64) error {
	if len(list) > maxPercentiles {
		return fmt.Errorf("percentiles has %d entries: at most %d", len(list), maxPercentiles)
	}
	for _, q := range list {
		if !(q >= 0 && q <= 100) {
			return fmt.Errorf("percentile %g: 0 to 100", q)
		}
	}
	return nil
}

// valuesOf is the values in a box, ascending, with how often each occurs. NaN is left out.
func valuesOf(ctx context.Context, w operation.Work, box operation.Box) ([]weighted, error) {
	if w.Volume.Format == volume.Int16 {
		return countStored(w, box)
	}
	return sortFloats(ctx, w, box)
}

// countStored counts every stored value of an Int16 volume.
func countStored(w operation.Work, box operation.Box) ([]weighted, error) {
	v := w.Volume
	data := v.Int16s()
	tables := sync.Pool{New: func() any { return new([storedValues]int64) }}
	var mu sync.Mutex
	var total [storedValues]int64
	err := w.Slices(box, 0, 1, func(_ int, rows func(func(first, n int))) {
		table := tables.Get().(*[storedValues]int64)
		rows(func(first, n int) {
			for _, s := range data[first : first+n] {
				table[int(s)+storedValues/2]++
			}
		})
		mu.Lock()
		for i, n := range table {
			total[i] += n
		}
		mu.Unlock()
		clear(table[:])
		tables.Put(table)
	})
	if err != nil {
		return nil, err
	}
	values := make([]weighted, 0, 4096)
	for i, n := range total {
		if n > 0 {
			values = append(values, weighted{float64(i-storedValues/2)*v.Slope + v.Intercept, n})
		}
	}
	if v.Slope < 0 {
		slices.Reverse(values)
	}
	return values, nil
}

// sortFloats sorts the values of a Float32 volume.
func sortFloats(ctx context.Context, w operation.Work, box operation.Box) ([]weighted, error) {
	v := w.Volume
	data := v.Float32s()
	parts := make([][]float64, box.Size()[2])
	err := w.Slices(box, 0, 0.5, func(i int, rows func(func(first, n int))) {
		rows(func(first, n int) {
			for _, s := range data[first : first+n] {
				if s == s { // not NaN
					parts[i] = append(parts[i], float64(s)*v.Slope+v.Intercept)
				}
			}
		})
	})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(parts...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values := weigh(all)
	w.Progress(1)
	return values, nil
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
	values := weigh(all)
	if len(values) == 0 {
		return signaling.Window{Center: 0, Width: 1}
	}
	return autoWindow(values, summarize(values, signaling.HistogramParameters{Bins: 1}), top)
}

// weigh puts values in order and counts equal ones.
func weigh(all []float64) []weighted {
	sort.Float64s(all)
	var values []weighted
	for _, x := range all {
		if n := len(values); n > 0 && values[n-1].value == x {
			values[n-1].count++
		} else {
			values = append(values, weighted{x, 1})
		}
	}
	return values
}

// weighted is a value and how often it occurs.
type weighted struct {
	value float64
	count int64
}

// summarize makes the result of ascending values.
func summarize(values []weighted, p signaling.HistogramParameters) *signaling.Histogram {
	h := &signaling.Histogram{Counts: make([]int64, p.Bins), Percentiles: make([]float64, len(p.Percentiles)), BinWidth: 1}
	if len(values) == 0 {
		h.Window = signaling.Window{Center: 0, Width: 1}
		return h
	}
	h.Min, h.Max = values[0].value, values[len(values)-1].value
	if h.Max > h.Min {
		h.BinWidth = (h.Max - h.Min) / float64(p.Bins)
	}
	var sum, squares float64
	for _, w := range values {
		h.Voxels += w.count
		sum += w.value * float64(w.count)
		h.Counts[min(int((w.value-h.Min)/h.BinWidth), p.Bins-1)] += w.count
	}
	h.Mean = sum / float64(h.Voxels)
	for _, w := range values {
		squares += (w.value - h.Mean) * (w.value - h.Mean) * float64(w.count)
	}
	h.StdDev = math.Sqrt(squares / float64(h.Voxels))
	for i, q := range p.Percentiles {
		h.Percentiles[i] = percentile(values, h.Voxels, q)
	}
	h.Window = autoWindow(values, h, 99)
	return h
}

// percentile is the nearest-rank percentile: the smallest value that at least q percent do not exceed.
func percentile(values []weighted, n int64, q float64) float64 {
	rank := max(int64(math.Ceil(q/100*float64(n))), 1)
	for _, w := range values {
		if rank -= w.count; rank <= 0 {
			return w.value
		}
	}
	return values[len(values)-1].value
}

// autoWindow spans the 1st to the top percentile of what is no background: the values above the threshold
// that parts all values best into two classes (Otsu, IEEE Trans. SMC 9:62, 1979), which in CT is between air
// and tissue, in MR between noise and signal.
func autoWindow(values []weighted, h *signaling.Histogram, top float64) signaling.Window {
	var best, threshold, below, sumBelow float64
	n, sum := float64(h.Voxels), h.Mean*float64(h.Voxels)
	threshold = h.Min
	for _, w := range values[:len(values)-1] {
		below += float64(w.count)
		sumBelow += w.value * float64(w.count)
		d := sumBelow/below - (sum-sumBelow)/(n-below)
		if between := below * (n - below) * d * d; between > best {
			best, threshold = between, w.value
		}
	}
	first := sort.Search(len(values), func(i int) bool { return values[i].value > threshold })
	if first == len(values) {
		first = 0
	}
	var above int64
	for _, w := range values[first:] {
		above += w.count
	}
	lo, hi := percentile(values[first:], above, 1), percentile(values[first:], above, top)
	return signaling.Window{Center: (lo + hi) / 2, Width: max(hi-lo, 1e-6*math.Max(1, math.Abs(hi)))}
}
