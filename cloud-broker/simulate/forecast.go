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
	errors    []fit.Miss // of the last ended tasks
	tenth     float64    // that errors are above which make up a tenth of the run time
	stale     bool       // it has to be worked out again
}

// miss is |ln(predicted/real)| of a task that ended, and its run time.
// recent is how many ended tasks the measured error is of.
const recent = 1000

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
		o.errors = append(o.errors, fit.Miss{Error: math.Abs(math.Log(made.Value() / t.Duration)), Run: t.Duration})
		if len(o.errors) > recent {
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
		o.tenth, o.stale = fit.Tenth(o.errors), false
	}
	return o.tenth
}
