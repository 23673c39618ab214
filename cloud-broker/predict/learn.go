package predict

import "math"

// pace is how fast the quantiles are corrected (Gibbs and Candes 2021, adaptive conformal inference, on the logarithm).
const pace = 0.05

// Learn teaches what a task that has ended really took. made is the prediction from before it ran. Values that are not
// positive and finite are refused: it returns false.
func (p *Predictor) Learn(made Prediction, t Task, value float64) bool {
	if !(value > 0) || math.IsInf(value, 1) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	y := math.Log(value)
	keys := made.keys
	if keys == ([levels]key{}) {
		keys = t.keys()
	}
	for l, k := range keys {
		past := p.kinds.of(k)
		past.add(y)
		if made.Known && isScope(l) {
			for i, v := range made.estimates {
				if !math.IsNaN(v) {
					past.errors[i].add(min(math.Abs(v-y), worst))
				}
			}
			past.miss(y - made.centre)
			for i := range made.shapes {
				past.fitted[i].add(loss(made.shapes[i], y))
			}
		}
	}
	if made.Known {
		for i, q := range quantiles {
			above := 0.0
			if y > quantile(made.samples, q)+made.over[i] {
				above = 1
			}
			p.over[i] += pace * (above - (1 - q))
		}
		p.ridge.learn(made.features, y)
	}
	p.learned++
	return true
}

func isScope(level int) bool {
	for _, s := range scopes {
		if s == level {
			return true
		}
	}
	return false
}
