package predict

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// quantiles are the shares whose calibration is followed.
var quantiles = [...]float64{0.1, 0.5, 0.9}

// enough is how many errors a kind needs for a distribution of its own.
const enough = 30

// Prediction is an estimate with its uncertainty. The zero value knows nothing.
type Prediction struct {
	// Known is false where there is nothing to learn from yet.
	Known bool

	keys      [levels]key
	features  []float64
	estimates [estimators]float64 // logarithms; NaN where there is none
	centre    float64             // logarithm of the estimate
	best      int                 // the estimator of the largest weight
	shapes    [shapes][]float64
	samples   []float64 // logarithms of what may come, ascending: one of shapes
	over      [len(quantiles)]float64
	seen      int // tasks of the finest kind that is known
	level     int // that kind's level
	ran       float64
}

// Value is the estimate: half of the tasks are expected below it. 0 where nothing is known.
func (p *Prediction) Value() float64 {
	if !p.Known {
		return 0
	}
	if p.ran > 0 {
		return p.Quantile(0.5)
	}
	return math.Exp(p.centre)
}

// Quantile is the value that a share q of such tasks stays below, 0 < q < 1. 0 where nothing is known.
func (p *Prediction) Quantile(q float64) float64 {
	if !p.Known {
		return 0
	}
	v := quantile(p.samples, q)
	if p.ran == 0 {
		v += p.correction(q)
	}
	return math.Exp(v)
}

// correction is what calibration adds at q, between those that are followed linearly.
func (p *Prediction) correction(q float64) float64 {
	last := len(quantiles) - 1
	switch {
	case q <= quantiles[0]:
		return p.over[0]
	case q >= quantiles[last]:
		return p.over[last]
	}
	i := slices.IndexFunc(quantiles[:], func(v float64) bool { return v > q })
	share := (q - quantiles[i-1]) / (quantiles[i] - quantiles[i-1])
	return p.over[i-1] + share*(p.over[i]-p.over[i-1])
}

// Exceeds is the probability that the value is above v.
func (p *Prediction) Exceeds(v float64) float64 {
	if !p.Known {
		return 0.5
	}
	if v <= p.ran {
		return 1
	}
	x := math.Log(v)
	n := len(p.samples)
	// The corrections stretch the distribution: the sample at its quantile stands for a corrected value.
	i, _ := slices.BinarySearchFunc(p.indices(), x, func(i int, x float64) int {
		s := p.samples[i]
		if p.ran == 0 {
			s += p.correction((float64(i) + 0.5) / float64(n))
		}
		if s < x {
			return -1
		}
		return 1
	})
	return float64(n-i) / float64(n)
}

func (p *Prediction) indices() []int {
	out := make([]int, len(p.samples))
	for i := range out {
		out[i] = i
	}
	return out
}

// After is the prediction for a task that has run for ran and has not ended: what is known of those that ran longer. Where
// it has outlived all that were seen, it is expected to run as long again.
func (p *Prediction) After(ran float64) Prediction {
	if !p.Known || ran <= 0 {
		return *p
	}
	out := *p
	out.ran = ran
	n := len(p.samples)
	out.samples = make([]float64, 0, n)
	for i, s := range p.samples {
		if p.ran == 0 {
			s += p.correction((float64(i) + 0.5) / float64(n))
		}
		if s > math.Log(ran) {
			out.samples = append(out.samples, s)
		}
	}
	if len(out.samples) == 0 {
		out.samples = []float64{math.Log(ran) + math.Ln2}
	}
	return out
}

// Basis says in words what the prediction rests on.
func (p *Prediction) Basis() string {
	if !p.Known {
		return "no task has ended yet"
	}
	tasks := "tasks"
	if p.seen == 1 {
		tasks = "task"
	}
	return fmt.Sprintf("%d ended %s of %s; %s", p.seen, tasks, levelNames[p.level], estimatorName(p.best))
}

var levelNames = [levels]string{
	"the same creator, operation, request and numbers", "the same creator, operation and request", "the same creator and operation",
	"the same operation, request and numbers", "the same creator and request", "the same operation and request", "the same operation",
	"the same creator", "any kind",
}

func estimatorName(i int) string {
	if i == regression {
		return "regression on numbers, time of day and history"
	}
	return fmt.Sprintf("median of the last %d of %s", windows[i%len(windows)], levelNames[i/len(windows)])
}

// quantile is the q-quantile of ascending values, linear between them (Hyndman and Fan 1996, type 7).
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// features are what the regression sees: the time of day, the logarithms of the numbers, and the medians, the last value
// and the evidence of some kinds; a kind that is not known has those of the next coarser one.
func (p *Predictor) features(t *Task, found [levels]*past, last [levels]float64, out *Prediction) []float64 {
	x := make([]float64, 0, features)
	sin, cos := math.Sincos(2 * math.Pi * float64(t.At.Sub(t.At.Truncate(24*time.Hour))) / float64(24*time.Hour))
	x = append(x, 1, sin, cos)
	for i := range maxNumbers {
		v := 0.0
		if i < len(t.Numbers) && t.Numbers[i] > 0 {
			v = math.Log1p(t.Numbers[i])
		}
		x = append(x, v)
	}
	for _, l := range historyLevels {
		at := l
		for found[at] == nil {
			at++ // the coarsest is known
		}
		evidence := 0.0
		if at == l {
			evidence = float64(min(len(found[at].ring), 20)) / 20
		}
		x = append(x, out.estimates[at*len(windows)+2], last[at], evidence)
	}
	return x
}

// combine takes the median of the estimates, each weighted by how small its error was on such tasks lately.
func (p *Prediction) combine(found [levels]*past) {
	type weighted struct{ value, weight float64 }
	var errors [estimators]float64
	least := math.Inf(1)
	for i, v := range p.estimates {
		errors[i] = math.Inf(1)
		if math.IsNaN(v) {
			continue
		}
		sum, weight := 0.0, 0.0
		for rank, l := range scopes {
			if found[l] == nil {
				continue
			}
			r := found[l].errors[i]
			if r.weight == 0 {
				continue
			}
			// The finer a kind is, the more its errors say, as far as there are some.
			trust := math.Pow(4, float64(len(scopes)-1-rank)) * min(float64(r.weight)/20, 1)
			sum += trust * float64(r.sum/r.weight)
			weight += trust
		}
		if weight > 0 {
			errors[i] = sum / weight
			if errors[i] < least {
				least, p.best = errors[i], i
			}
		}
	}
	var all []weighted
	total := 0.0
	for i, v := range p.estimates {
		if math.IsNaN(v) {
			continue
		}
		w := 1.0
		if !math.IsInf(least, 1) {
			w = math.Exp(-sharp * (errors[i] - least))
		}
		all = append(all, weighted{v, w})
		total += w
	}
	slices.SortFunc(all, func(a, b weighted) int {
		if a.value < b.value {
			return -1
		}
		return 1
	})
	sum := 0.0
	for _, w := range all {
		if sum += w.weight; sum >= total/2 {
			p.centre = w.value
			break
		}
	}
}

// shapes are the ways to know a distribution: the errors that estimates of such tasks had, around the estimate; and the
// values of such tasks as they were, which is better where they have several peaks.
const shapes = 2

// spread gives the prediction its distribution, from the finest kind that has enough ended tasks, in the shape that fitted
// better lately.
func (p *Prediction) spread(from *Predictor, found [levels]*past) {
	for l, f := range found {
		if f != nil {
			p.level, p.seen = l, len(f.ring)
			break
		}
	}
	p.over = from.over
	var misses, values []float32
	var fitted [shapes]rolling
	for _, l := range scopes {
		f := found[l]
		if f == nil {
			continue
		}
		if len(misses) < enough && len(f.misses) > len(misses) {
			misses = f.misses
		}
		if len(values) < enough && len(f.ring) > len(values) {
			values = f.ring
		}
		if fitted[0].weight == 0 {
			fitted = f.fitted
		}
	}
	for _, m := range misses {
		p.shapes[0] = append(p.shapes[0], p.centre+float64(m))
	}
	for _, v := range values {
		p.shapes[1] = append(p.shapes[1], float64(v))
	}
	for i := range p.shapes {
		if len(p.shapes[i]) < enough { // nobody knows yet: within a factor of 10, as for any kind of work
			p.shapes[i] = append(p.shapes[i], p.centre-math.Ln10, p.centre, p.centre+math.Ln10)
		}
		slices.Sort(p.shapes[i])
	}
	chosen := 0
	if fitted[1].mean() < fitted[0].mean() {
		chosen = 1
	}
	p.samples = p.shapes[chosen]
}

// farthest bounds what one task may say about the shape of a distribution.
const farthest = 6.0

// loss is how badly ascending samples fitted y: the mean of the quantile losses (Koenker and Bassett 1978).
func loss(samples []float64, y float64) (sum float64) {
	for _, q := range quantiles {
		if miss := y - quantile(samples, q); miss > 0 {
			sum += q * min(miss, farthest)
		} else {
			sum += (1 - q) * min(-miss, farthest)
		}
	}
	return sum / float64(len(quantiles))
}
