// Package training has the operations of training tasks.
package training

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

const (
	maxComponents = 8
	maxIterations = 1000
	// maxDistinct bounds the different values that are looked at; those of float32 volumes are put together in so many bins.
	maxDistinct = 1 << 16
	// chunks is how many parts an iteration is divided into, always the same, so that the sums do not depend on the number
	// of workers.
	chunks = 32
)

// Mixture fits a mixture of normal distributions to the values of a volume or of a box in it (signaling.MixtureParameters) and
// returns a signaling.Mixture. The likelihood never falls from one iteration to the next.
func Mixture(ctx context.Context, w operation.Work) (operation.Result, error) {
	start := time.Now()
	var p signaling.MixtureParameters
	box, err := parameters(w, &p)
	if err != nil {
		return operation.Result{}, operation.Refuse("The tissue mixture", err)
	}
	counting := w
	counting.Progress = func(share float64) { w.Progress(share / 2) }
	values, err := operation.Count(ctx, counting, box)
	var paused *operation.Paused
	if errors.As(err, &paused) {
		paused.State = w.Resume // what it had before it counted
	}
	if err != nil {
		return operation.Result{}, err
	}
	if len(values) == 0 {
		return operation.Result{}, operation.Refuse("The tissue mixture", errors.New("box: it has no voxel that is a number"))
	}
	m := begin(merged(values), p)
	r := &signaling.Mixture{Voxels: int64(m.voxels)}
	before := 0.0 // ms, before it was paused
	if len(w.Resume) > 0 {
		if before, err = m.restore(w.Resume, r, p); err != nil {
			return operation.Result{}, operation.RefuseCheckpoint(err)
		}
	}
	elapsed := func() float64 { return before + float64(time.Since(start))/float64(time.Millisecond) }
	err = m.train(w, p, r)
	if errors.As(err, &paused) {
		paused.State = m.save(r, elapsed())
	}
	if err != nil {
		return operation.Result{}, err
	}
	r.RunMs = elapsed()
	return operation.JSON(r)
}

func parameters(w operation.Work, p *signaling.MixtureParameters) (operation.Box, error) {
	*p = signaling.MixtureParameters{Components: 3, Iterations: 200, Tolerance: 1e-7}
	if err := operation.Decode(w.Parameters, p); err != nil {
		return operation.Box{}, err
	}
	switch {
	case p.Components < 1 || p.Components > maxComponents:
		return operation.Box{}, fmt.Errorf("components is %d: 1 to %d", p.Components, maxComponents)
	case p.Iterations < 1 || p.Iterations > maxIterations:
		return operation.Box{}, fmt.Errorf("iterations is %d: 1 to %d", p.Iterations, maxIterations)
	case !(p.Tolerance >= 0):
		return operation.Box{}, fmt.Errorf("tolerance is %g: it must not be negative", p.Tolerance)
	}
	return operation.BoxOf(w.Volume, p.Box)
}

// merged puts values together in bins of the same width where there are too many different ones; a bin stands for its mean.
func merged(values []operation.Value) []operation.Value {
	if len(values) <= maxDistinct {
		return values
	}
	lo := values[0].Value
	width := (values[len(values)-1].Value - lo) / maxDistinct
	var out []operation.Value
	last, sum := -1, 0.0
	for _, v := range values {
		if bin := min(int((v.Value-lo)/width), maxDistinct-1); bin != last {
			out, last, sum = append(out, operation.Value{}), bin, 0
		}
		o := &out[len(out)-1]
		o.Count += v.Count
		sum += v.Value * float64(v.Count)
		o.Value = sum / float64(o.Count)
	}
	return out
}

// model is a mixture on its way.
type model struct {
	values     []operation.Value
	voxels     float64
	floor      float64 // least variance: a component on a single value would have an infinite density
	components []component
}

type component struct{ weight, mean, variance float64 }

// begin chooses where the means begin, far apart from each other (Arthur and Vassilvitskii, k-means++, SODA 2007), and gives
// all components the spread of all values.
func begin(values []operation.Value, p signaling.MixtureParameters) *model {
	m := &model{values: values}
	var sum, squares float64
	for _, v := range values {
		m.voxels += float64(v.Count)
		sum += v.Value * float64(v.Count)
	}
	mean := sum / m.voxels
	for _, v := range values {
		squares += (v.Value - mean) * (v.Value - mean) * float64(v.Count)
	}
	span := values[len(values)-1].Value - values[0].Value
	m.floor = max(span*span*1e-8, 1e-12)
	variance := max(squares/m.voxels, m.floor)
	random := rand.New(rand.NewPCG(p.Seed, 0x746f6d6f63617374))
	below := make([]float64, len(values))
	for k := range p.Components {
		total := 0.0
		for i, v := range values {
			d := 1.0
			for n, c := range m.components {
				if e := (v.Value - c.mean) * (v.Value - c.mean); n == 0 || e < d {
					d = e
				}
			}
			total += d * float64(v.Count)
			below[i] = total
		}
		at := min(sort.SearchFloat64s(below, random.Float64()*total), len(values)-1)
		if k > 0 && total == 0 { // fewer different values than components
			at = k % len(values)
		}
		m.components = append(m.components, component{1 / float64(p.Components), values[at].Value, variance})
	}
	return m
}

// train repeats expectation and maximisation until nothing is gained any more, or it is asked to pause between two iterations.
func (m *model) train(w operation.Work, p signaling.MixtureParameters, r *signaling.Mixture) error {
	for {
		if w.Pausing() {
			return &operation.Paused{Share: 0.5 + 0.5*float64(r.Iterations)/float64(p.Iterations)}
		}
		sums, likelihood, err := m.expect(w)
		if err != nil {
			return err
		}
		n := len(r.LogLikelihood)
		r.LogLikelihood = append(r.LogLikelihood, likelihood)
		if n > 0 && likelihood-r.LogLikelihood[n-1] < p.Tolerance {
			r.Converged = true
		}
		if r.Converged || n == p.Iterations {
			break
		}
		m.maximise(sums)
		r.Iterations++
		w.Progress(0.5 + 0.5*float64(n+1)/float64(p.Iterations))
	}
	w.Progress(1)
	slices.SortStableFunc(m.components, func(a, b component) int {
		switch {
		case a.mean < b.mean:
			return -1
		case a.mean > b.mean:
			return 1
		}
		return 0
	})
	for _, c := range m.components {
		r.Components = append(r.Components, signaling.MixtureComponent{Weight: c.weight, Mean: c.mean, StdDev: math.Sqrt(c.variance)})
	}
	return nil
}

// moments are what a component is responsible for: how many voxels, and the sums of their distances from its mean and of the
// squares of these.
type moments [maxComponents]struct{ n, first, second float64 }

// expect shares the values out among the components. The likelihood is the mean logarithm of the density at a voxel.
func (m *model) expect(w operation.Work) (sums moments, likelihood float64, err error) {
	var parts [chunks]struct {
		moments
		likelihood float64
	}
	err = w.Parallel(chunks, func(i int) {
		from, to := i*len(m.values)/chunks, (i+1)*len(m.values)/chunks
		var logs [maxComponents]float64
		part := &parts[i]
		for _, v := range m.values[from:to] {
			top := math.Inf(-1)
			for k, c := range m.components {
				d := v.Value - c.mean
				logs[k] = math.Log(c.weight) - 0.5*(math.Log(2*math.Pi*c.variance)+d*d/c.variance)
				top = max(top, logs[k])
			}
			density := 0.0
			for k := range m.components {
				density += math.Exp(logs[k] - top)
			}
			count := float64(v.Count)
			part.likelihood += count * (top + math.Log(density))
			for k, c := range m.components {
				share, d := count*math.Exp(logs[k]-top)/density, v.Value-c.mean
				part.moments[k].n += share
				part.moments[k].first += share * d
				part.moments[k].second += share * d * d
			}
		}
	})
	if err != nil {
		return sums, 0, err
	}
	for i := range parts {
		likelihood += parts[i].likelihood / m.voxels
		for k := range sums {
			sums[k].n += parts[i].moments[k].n
			sums[k].first += parts[i].moments[k].first
			sums[k].second += parts[i].moments[k].second
		}
	}
	return sums, likelihood, nil
}

// maximise makes the components what explains their shares best.
func (m *model) maximise(sums moments) {
	for k := range m.components {
		c, s := &m.components[k], sums[k]
		c.weight = s.n / m.voxels
		if s.n <= 0 {
			continue // it explains nothing, and stays where it is
		}
		shift := s.first / s.n
		c.mean += shift
		c.variance = max(s.second/s.n-shift*shift, m.floor)
	}
}
