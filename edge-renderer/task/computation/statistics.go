package computation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

// Statistics describes the values of a volume or of a box in it (signaling.StatisticsParameters): mean, spread, exact
// percentiles, and how much of the patient lies above a threshold. Its result is a signaling.Statistics.
func Statistics(ctx context.Context, w operation.Work) (operation.Result, error) {
	start := time.Now()
	p, box, err := statisticsParameters(w)
	if err != nil {
		return operation.Result{}, operation.Refuse("The statistics", err)
	}
	values, err := operation.Count(ctx, w, box)
	if err != nil {
		return operation.Result{}, err
	}
	a := w.Volume.Axes
	voxel := math.Abs(a[0].Dot(a[1].Cross(a[2])))
	s := describe(values, p, voxel)
	s.RunMs = float64(time.Since(start)) / float64(time.Millisecond)
	return operation.JSON(s)
}

func statisticsParameters(w operation.Work) (p signaling.StatisticsParameters, box operation.Box, err error) {
	if err := operation.Decode(w.Parameters, &p); err != nil {
		return p, box, err
	}
	if err := checkPercentiles(p.Percentiles); err != nil {
		return p, box, err
	}
	if p.Above != nil && (math.IsNaN(*p.Above) || math.IsInf(*p.Above, 0)) {
		return p, box, errors.New("above must be a finite number")
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

// describe makes the result of ascending values; voxel is the volume of one, cubic millimetres.
func describe(values []operation.Value, p signaling.StatisticsParameters, voxel float64) *signaling.Statistics {
	s := &signaling.Statistics{Percentiles: make([]float64, len(p.Percentiles)), VoxelMm3: voxel}
	if len(values) == 0 {
		return s
	}
	s.Voxels, s.Mean, s.StdDev = moments(values)
	s.Min, s.Max = values[0].Value, values[len(values)-1].Value
	for i, q := range p.Percentiles {
		s.Percentiles[i] = operation.Percentile(values, s.Voxels, q)
	}
	for _, v := range values {
		if p.Above != nil && v.Value > *p.Above {
			s.AboveVoxels += v.Count
		}
	}
	s.Ml, s.AboveMl = float64(s.Voxels)*voxel/1000, float64(s.AboveVoxels)*voxel/1000
	return s
}

// moments are how many values there are, their mean and their population standard deviation.
func moments(values []operation.Value) (n int64, mean, sd float64) {
	var sum, squares float64
	for _, v := range values {
		n += v.Count
		sum += v.Value * float64(v.Count)
	}
	mean = sum / float64(n)
	for _, v := range values {
		squares += (v.Value - mean) * (v.Value - mean) * float64(v.Count)
	}
	return n, mean, math.Sqrt(squares / float64(n))
}
