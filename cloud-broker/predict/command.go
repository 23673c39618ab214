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

// What --help says of cloud-broker predict, with a trace and with a running pool alike.
const (
	About = "Replays what has run, predicts the run time of each task from those that had ended before, and shows how good that was beside the median " +
		"of the last 20 tasks of the same kind, with some predictions explained. With --trace it reads a file; without it, the history of a running " +
		"pool, from a broker."
	TraceUse = "`file` with tasks, in place of a pool's history: CSV of openb, GenAI or Philly, .swf, or the broker's history as .jsonl; also with .gz"
)

// OutputFlags are those of what is printed.
func OutputFlags(f *service.Flags) (examples *int, asJSON *bool) {
	f.Group("Output")
	return f.Int("examples", 3, "how many of the last tasks are explained"), f.Bool("json", false, "print it as JSON")
}

// Examples are those of --help.
func Examples(f *service.Flags) {
	f.Example("cloud-broker predict", "how well the run times of the running pool's own tasks are predicted")
	f.Example("cloud-broker predict --trace philly.csv", "those of a public trace, or of an exported history, without a broker")
}

// CheckExamples refuses a number of examples that is too large or negative.
func CheckExamples(n int) error {
	if n < 0 || n > 1000 {
		return fmt.Errorf("%w: --examples %d is not from 0 to 1000", service.ErrUsage, n)
	}
	return nil
}

// Command is cloud-broker predict --trace: how well the run times of a trace, or of the broker's exported history, are predicted, and
// on what predictions rest. args begin behind "predict".
func Command(_ context.Context, args []string, out io.Writer) error {
	f := service.NewFlags("cloud-broker predict", About)
	file := f.String("trace", "", TraceUse)
	examples, asJSON := OutputFlags(f)
	Examples(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if *file == "" {
		return fmt.Errorf("%w: --trace is missing; it names the file with the tasks", service.ErrUsage)
	}
	if err := CheckExamples(*examples); err != nil {
		return err
	}
	tasks, skipped, err := trace.ReadTasks(*file)
	if err != nil {
		return err
	}
	return Show(out, *file, tasks, skipped, *examples, *asJSON)
}

// Show prints how well the run times of tasks are predicted, with the last examples explained. name is where they are from.
func Show(out io.Writer, name string, tasks []trace.Task, skipped trace.Skipped, examples int, asJSON bool) error {
	score, explained := Evaluate(tasks), Explain(tasks, examples)
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Score    Score         `json:"score"`
			Skipped  trace.Skipped `json:"skipped,omitempty"`
			Examples []Example     `json:"examples"`
		}{score, skipped, explained})
	}
	if score.Tasks == 0 {
		return fmt.Errorf("%s has no two tasks of which one ended before the other came: there is nothing to predict from", name)
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
