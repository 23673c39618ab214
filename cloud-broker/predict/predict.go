package predict

import (
	"container/list"
	"math"
	"sync"
)

const (
	// estimators is how many estimates there are: a median for each level and window, and the regression.
	estimators = levels*len(windows) + 1
	regression = estimators - 1
	// features of the regression: 1, two of the time of day, the numbers, and three for each of historyLevels.
	maxNumbers = 6
	features   = 3 + maxNumbers + 3*len(historyLevels)
	// warmUp is how many tasks the regression has seen before it is asked.
	warmUp = 50
	// fade is how fast the estimators' old errors are forgotten, and sharp how much better ones are preferred.
	fade  = 0.97
	sharp = 6.0
	// worst bounds an error, so that one surprise does not decide.
	worst = 1.2
)

// historyLevels are the levels whose medians are features of the regression.
var historyLevels = [...]int{1, 2, 4, 5, 8}

// rolling is a mean that forgets.
type rolling struct{ sum, weight float32 }

func (r *rolling) add(v float64) {
	r.sum = r.sum*fade + float32(v)
	r.weight = r.weight*fade + 1
}

// mean is 0 where nothing was added.
func (r *rolling) mean() float32 {
	if r.weight == 0 {
		return 0
	}
	return r.sum / r.weight
}

// Predictor learns one quantity of tasks, for example their run time in seconds. Its methods may be called from several
// goroutines.
type Predictor struct {
	mu      sync.Mutex
	kinds   kinds
	ridge   *ridge
	learned int
	over    [len(quantiles)]float64 // correction of each quantile, added to its logarithm
}

// New returns a predictor that knows nothing.
func New() *Predictor {
	return &Predictor{kinds: kinds{at: map[key]*list.Element{}}, ridge: newRidge(features)}
}

// Learned is how many tasks it has learnt from.
func (p *Predictor) Learned() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.learned
}

// Predict estimates the quantity for a task that has not run. Where nothing is known yet, Known is false.
func (p *Predictor) Predict(t Task) Prediction {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := Prediction{keys: t.keys()}
	var found [levels]*past
	var last [levels]float64
	for i := range out.estimates {
		out.estimates[i] = math.NaN()
	}
	for l, k := range out.keys {
		past := p.kinds.find(k)
		if past == nil || len(past.ring) == 0 {
			continue
		}
		found[l] = past
		var m [len(windows)]float64
		m, last[l] = past.medians()
		copy(out.estimates[l*len(windows):], m[:])
	}
	if found[levels-1] == nil {
		return out
	}
	out.Known = true
	out.features = p.features(&t, found, last, &out)
	if p.learned >= warmUp {
		out.estimates[regression] = min(max(p.ridge.predict(out.features), -20), 40)
	}
	out.combine(found)
	out.spread(p, found)
	return out
}
