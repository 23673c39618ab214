package predict

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/service"
)

// Example is a prediction that was made in a trace, and what came of it. Times are seconds.
type Example struct {
	Task     string  `json:"task"`
	Value    float64 `json:"valueS"`
	Low      float64 `json:"lowS"`  // a tenth of such tasks is expected to take less
	High     float64 `json:"highS"` // a tenth more
	Took     float64 `json:"tookS"`
	Basis    string  `json:"basis"`
	Halfway  float64 `json:"halfwayS"` // predicted again when it had run for half of that
	Creator  string  `json:"creator,omitempty"`
	Censored bool    `json:"censored,omitempty"` // it had not ended: Took is how long it had run
}

// Explain predicts the last n tasks of a trace, each from those that had ended before.
func Explain(tasks []trace.Task, n int) (out []Example) {
	left := len(tasks) - n
	Replay(tasks, func(t *trace.Task, made Prediction) {
		if left--; left >= 0 {
			return
		}
		half := made.After(t.Duration / 2)
		out = append(out, Example{Task: t.Name, Value: made.Value(), Low: made.Quantile(0.1), High: made.Quantile(0.9), Took: t.Duration,
			Basis: made.Basis(), Halfway: half.Value(), Creator: t.Creator, Censored: t.Censored})
	}, func(*trace.Task) {})
	return out
}

// Command is cloud-broker predict: how well the run times of a trace, or of the broker's exported history, are predicted, and
// on what predictions rest. args begin behind "predict".
func Command(_ context.Context, args []string, out io.Writer) error {
	f := service.NewFlags("cloud-broker predict", "Replays a trace, predicts the run time of each task from those that had ended before, and shows how good "+
		"that was beside the median of the last 20 tasks of the same kind, with some predictions explained.")
	file := f.String("trace", "", "`file` with tasks: CSV of openb, GenAI or Philly, .swf, or the broker's history as .jsonl; also with .gz")
	examples := f.Int("examples", 3, "how many of the last tasks are explained")
	asJSON := f.Bool("json", false, "print it as JSON")
	f.Example("cloud-broker predict --trace philly.csv", "how well the run times of Philly are predicted")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *file == "" {
		return fmt.Errorf("%w: --trace is missing; it names the file with the tasks", service.ErrUsage)
	}
	if *examples < 0 || *examples > 1000 {
		return fmt.Errorf("%w: --examples %d is not from 0 to 1000", service.ErrUsage, *examples)
	}
	tasks, skipped, err := trace.ReadTasks(*file)
	if err != nil {
		return err
	}
	score, explained := Evaluate(tasks), Explain(tasks, *examples)
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Score    Score         `json:"score"`
			Skipped  trace.Skipped `json:"skipped,omitempty"`
			Examples []Example     `json:"examples"`
		}{score, skipped, explained})
	}
	if score.Tasks == 0 {
		return fmt.Errorf("%s has no two tasks of which one ended before the other came: there is nothing to predict from", *file)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "tasks\t%d predicted of %d\n", score.Tasks, len(tasks))
	if len(skipped) > 0 {
		fmt.Fprintf(t, "left out\t%v\n", skipped)
	}
	fmt.Fprintf(t, "\tpredicted\tmedian of the last 20\n")
	fmt.Fprintf(t, "median |ln error|\t%.3f\t%.3f\n", score.Error, score.Baseline.Error)
	fmt.Fprintf(t, "within a factor of 2\t%.1f %%\t%.1f %%\n", 100*score.Within2, 100*score.Baseline.Within2)
	fmt.Fprintf(t, "below the 90 %% quantile\t%.1f %%\t\n", 100*score.Covered90)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, e := range explained {
		took := "took"
		if e.Censored {
			took = "had not ended after"
		}
		fmt.Fprintf(out, "\ntask %.60q: %s expected, eight of ten within %s to %s; it %s %s\n  from %s\n  after half of that time: %s expected\n",
			e.Task, span(e.Value), span(e.Low), span(e.High), took, span(e.Took), e.Basis, span(e.Halfway))
	}
	return nil
}

// span is a time in seconds as people read it.
func span(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.2gs", s)
	}
	return time.Duration(s * 1e9).Round(time.Second).String()
}
