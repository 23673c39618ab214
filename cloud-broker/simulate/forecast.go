package simulate

import (
	"math"
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// Knowledge is what is known of run times before a task has run.
type Knowledge string

// What may be known.
const (
	History Knowledge = "history" // what package predict has learnt from the tasks that ended before
	Perfect Knowledge = "perfect" // the truth
	Nothing Knowledge = "nothing"
)

// oracle makes forecasts of run times.
type oracle struct {
	know      Knowledge
	predictor *predict.Predictor
	errors    []float64 // |ln(predicted/real)| of the last ended tasks
	tenth     float64   // that a tenth of errors is above
	stale     bool      // it has to be worked out again
}

// recent is how many ended tasks the measured error is of.
const recent = 200

func newOracle(k Knowledge) *oracle { return &oracle{know: k, predictor: predict.New()} }

// forecast is what is known of a task's run time, nil where nothing is.
func (o *oracle) forecast(t *trace.Task) (made predict.Prediction, f fit.Forecast) {
	switch o.know {
	case Perfect:
		return made, fit.Exactly(t.Duration)
	case History:
		if made = o.predictor.Predict(predict.Of(t)); made.Known {
			return made, &made
		}
	}
	return made, nil
}

// learn is told that a task has ended.
func (o *oracle) learn(t *trace.Task, made predict.Prediction) {
	if o.know != History {
		return
	}
	if o.predictor.Learn(made, predict.Of(t), t.Duration) && made.Known {
		o.stale = true
		if o.errors = append(o.errors, math.Abs(math.Log(made.Value()/t.Duration))); len(o.errors) > recent {
			o.errors = slices.Clone(o.errors[recent/4:])
		}
	}
}

// err is the measured error of the forecasts, see fit.Scorer, infinite where there is none to tell from.
func (o *oracle) err() float64 {
	switch {
	case o.know == Perfect:
		return 0
	case len(o.errors) < recent/4:
		return math.Inf(1)
	}
	if o.stale {
		o.tenth, o.stale = quantile(slices.Sorted(slices.Values(o.errors)), 0.9), false
	}
	return o.tenth
}
