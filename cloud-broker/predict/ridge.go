package predict

// ridge is a linear regression that is updated with every sample (recursive least squares with forgetting; Haykin,
// Adaptive Filter Theory, chapter 10), begun with a penalty on large weights.
type ridge struct {
	w []float64
	p [][]float64 // inverse of the correlation of the features
}

const (
	penalty = 1.0
	forget  = 0.999
	// clip bounds how much one sample may teach: run times have long tails.
	clip = 2.0
	// maxTrace bounds how uncertain the regression may become about features that do not move.
	maxTrace = 1e6
)

func newRidge(n int) *ridge {
	r := &ridge{w: make([]float64, n)}
	r.forgetAll()
	return r
}

func (r *ridge) forgetAll() {
	r.p = make([][]float64, len(r.w))
	for i := range r.p {
		r.p[i] = make([]float64, len(r.w))
		r.p[i][i] = 1 / penalty
	}
}

func (r *ridge) predict(x []float64) (y float64) {
	for i, w := range r.w {
		y += w * x[i]
	}
	return y
}

func (r *ridge) learn(x []float64, y float64) {
	n := len(r.w)
	px := make([]float64, n)
	norm := forget
	for i := range px {
		for j, v := range x {
			px[i] += r.p[i][j] * v
		}
		norm += x[i] * px[i]
	}
	miss := min(max(y-r.predict(x), -clip), clip)
	trace := 0.0
	for i := range px {
		r.w[i] += px[i] / norm * miss
		for j := range px {
			r.p[i][j] = (r.p[i][j] - px[i]*px[j]/norm) / forget
		}
		trace += r.p[i][i]
	}
	if !(trace < maxTrace) {
		r.forgetAll()
	}
}
