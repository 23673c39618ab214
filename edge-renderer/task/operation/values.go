package operation

import (
	"context"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// storedValues is how many different values an Int16 volume can hold.
const storedValues = 1 << 16

// Count is the values in a box after the modality transform, ascending, with how often each occurs. NaN is left out. Values
// of an int16 volume are counted one by one; those of a float32 volume are sorted.
func Count(ctx context.Context, w Work, box Box) ([]Value, error) {
	if w.Volume.Format == volume.Int16 {
		return countStored(w, box)
	}
	return sortFloats(ctx, w, box)
}

// countStored counts every stored value of an Int16 volume.
func countStored(w Work, box Box) ([]Value, error) {
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
	values := make([]Value, 0, 4096)
	for i, n := range total {
		if n > 0 {
			values = append(values, Value{float64(i-storedValues/2)*v.Slope + v.Intercept, n})
		}
	}
	if v.Slope < 0 {
		slices.Reverse(values)
	}
	return values, nil
}

// sortFloats sorts the values of a Float32 volume.
func sortFloats(ctx context.Context, w Work, box Box) ([]Value, error) {
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
	if w.Pausing() {
		return nil, &Paused{}
	}
	values := Weigh(all)
	w.Progress(1)
	return values, nil
}

// Weigh puts values in order and counts equal ones.
func Weigh(all []float64) []Value {
	sort.Float64s(all)
	var values []Value
	for _, x := range all {
		if n := len(values); n > 0 && values[n-1].Value == x {
			values[n-1].Count++
		} else {
			values = append(values, Value{x, 1})
		}
	}
	return values
}

// Value is a value and how often it occurs.
type Value struct {
	Value float64
	Count int64
}

// Percentile is the nearest-rank percentile: the smallest value that at least q percent do not exceed.
func Percentile(values []Value, n int64, q float64) float64 {
	rank := max(int64(math.Ceil(q/100*float64(n))), 1)
	for _, w := range values {
		if rank -= w.Count; rank <= 0 {
			return w.Value
		}
	}
	return values[len(values)-1].Value
}
