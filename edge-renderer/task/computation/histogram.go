// Package computation has the operations of data-computation tasks.
package computation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"
	"time"

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
func Histogram(ctx context.Context, v *volume.Volume, parameters json.RawMessage,
	parallel func(n int, part func(i int)) error, progress func(share float64)) (json.RawMessage, error) {
	start := time.Now()
	p, err := histogramParameters(v, parameters)
	if err != nil {
		return nil, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The histogram cannot be computed", Detail: err.Error()}
	}
	var h *signaling.Histogram
	if v.Format == volume.Int16 {
		h, err = countStored(v, p, parallel, progress)
	} else {
		h, err = sortFloats(ctx, v, p, parallel, progress)
	}
	if err != nil {
		return nil, err
	}
	h.RunMs = float64(time.Since(start)) / float64(time.Millisecond)
	return json.Marshal(h)
}

func histogramParameters(v *volume.Volume, raw json.RawMessage) (signaling.HistogramParameters, error) {
	var p signaling.HistogramParameters
	if len(raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		if err := d.Decode(&p); err != nil {
			return p, fmt.Errorf("its parameters are malformed: %w", err)
		}
	}
	if p.Bins == 0 {
		p.Bins = defaultBins
	}
	if p.Bins < 1 || p.Bins > maxBins {
		return p, fmt.Errorf("bins is %d: 1 to %d", p.Bins, maxBins)
	}
	if len(p.Percentiles) > maxPercentiles {
		return p, fmt.Errorf("percentiles has %d entries: at most %d", len(p.Percentiles), maxPercentiles)
	}
	for _, q := range p.Percentiles {
		if !(q >= 0 && q <= 100) {
			return p, fmt.Errorf("percentile %g: 0 to 100", q)
		}
	}
	if p.Box == nil {
		p.Box = &[2][3]int{{}, {v.Size[0] - 1, v.Size[1] - 1, v.Size[2] - 1}}
	}
	for a := range 3 {
		if lo, hi := p.Box[0][a], p.Box[1][a]; lo < 0 || hi < lo || hi >= v.Size[a] {
			return p, fmt.Errorf("box from %v to %v: it must lie within the %dx%dx%d voxels of the series", p.Box[0], p.Box[1],
				v.Size[0], v.Size[1], v.Size[2])
		}
	}
	return p, nil
}

// eachSlice calls slice for every slice of the box, in parallel, with a function that goes through its rows of
// voxels.
func eachSlice(v *volume.Volume, box *[2][3]int, parallel func(int, func(int)) error, progress func(float64),
	slice func(i int, row func(each func(first, n int)))) error {
	count := box[1][2] - box[0][2] + 1
	var done atomic.Int64
	return parallel(count, func(i int) {
		k := box[0][2] + i
		slice(i, func(each func(first, n int)) {
			for j := box[0][1]; j <= box[1][1]; j++ {
				each(box[0][0]+v.Size[0]*(j+v.Size[1]*k), box[1][0]-box[0][0]+1)
			}
		})
		progress(float64(done.Add(1)) / float64(count))
	})
}

// countStored counts every stored value of an Int16 volume.
func countStored(v *volume.Volume, p signaling.HistogramParameters, parallel func(int, func(int)) error,
	progress func(float64)) (*signaling.Histogram, error) {
	data := v.Int16s()
	tables := sync.Pool{New: func() any { return new([storedValues]int64) }}
	var mu sync.Mutex
	var total [storedValues]int64
	err := eachSlice(v, p.Box, parallel, progress, func(_ int, rows func(func(first, n int))) {
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
		for i, j := 0, len(values)-1; i < j; i, j = i+1, j-1 {
			values[i], values[j] = values[j], values[i]
		}
	}
	return summarize(values, p), nil
}

// sortFloats sorts the values of a Float32 volume.
func sortFloats(ctx context.Context, v *volume.Volume, p signaling.HistogramParameters, parallel func(int, func(int)) error,
	progress func(float64)) (*signaling.Histogram, error) {
	data := v.Float32s()
	parts := make([][]float64, p.Box[1][2]-p.Box[0][2]+1)
	err := eachSlice(v, p.Box, parallel, func(s float64) { progress(s / 2) }, func(i int, rows func(func(first, n int))) {
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
	var all []float64
	for i := range parts {
		all = append(all, parts[i]...)
		parts[i] = nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values := weigh(all)
	progress(1)
	return summarize(values, p), nil
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
