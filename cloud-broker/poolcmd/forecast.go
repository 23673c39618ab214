package poolcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

func forecast(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	request := taskFlags(f)
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool forecast --type image-processing --operation segmentation", "how long a segmentation would run")
	f.Example("cloud-broker pool forecast", "how long a session would last")
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	r := request()
	if r.Type == signaling.Rendering && r.Series == nil {
		r.Parameters = json.RawMessage(`{"upload":true}`) // a session of files that the terminal sends
	}
	return d.show(ctx, c, func(ctx context.Context) (page, error) {
		var p answered[signaling.Forecast]
		err := c.do(ctx, "POST", "/forecast", nil, r, &p)
		return page{p, func(w io.Writer, _ moment) { printForecast(w, &p.value) }}, err
	})
}

// run is a run time of so many milliseconds.
func run(ms int64) string { return exact(time.Duration(ms) * time.Millisecond) }

func printForecast(w io.Writer, p *signaling.Forecast) {
	if !p.Known {
		fmt.Fprintln(w, "Nothing like it has run yet: nobody knows.")
		return
	}
	gpu, cpu := "", ""
	if p.GPUMilli > 0 {
		gpu = percent(int64(p.GPUMilli), 1000) + " of a GPU"
	}
	if p.CPUMilli > 0 {
		cpu = number(p.CPUMilli/1000) + " cores"
	}
	fields(w, "Runs for", run(p.ExpectedMs), "Eight of ten", run(p.LowMs)+" to "+run(p.HighMs), "GPU", gpu, "Processor", cpu, "By", p.Basis)
}

// score is how good predictions of a type are.
type score struct {
	Type      signaling.TaskType `json:"type"`
	Tasks     int                `json:"tasks"`
	Unknown   int                `json:"unknown"`
	ErrorLog  float64            `json:"errorLog"`
	Within2   float64            `json:"within2"`
	Covered90 float64            `json:"covered90"`
}

func predictions(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	d, connect := displayFlags(f, out), clientFlags(f)
	return d.parsed(ctx, f, args, connect, func(ctx context.Context, c *client) (page, error) {
		var s answered[struct {
			Scores []score `json:"scores"`
		}]
		err := c.do(ctx, "GET", "/predictions", nil, nil, &s)
		return page{s, func(w io.Writer, _ moment) { printScores(w, s.value.Scores) }}, err
	})
}

func printScores(w io.Writer, all []score) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No task has ended yet that was predicted.")
		return
	}
	t := table{titles: []string{"TYPE", ">TASKS", ">MEDIAN |LN ERROR|", ">WITHIN A FACTOR OF 2", ">BELOW THE 90 % QUANTILE", ">NOTHING KNOWN"}}
	for _, s := range all {
		if s.Tasks == 0 { // nothing was scored
			t.add(string(s.Type), "0", "", "", "", strconv.Itoa(s.Unknown))
			continue
		}
		t.add(string(s.Type), strconv.Itoa(s.Tasks), strconv.FormatFloat(s.ErrorLog, 'f', 2, 64), number(100*s.Within2)+" %", number(100*s.Covered90)+" %",
			strconv.Itoa(s.Unknown))
	}
	t.print(w)
}

// newestTasks is how much of the history is read: what the API gives at most.
const newestTasks = "10000"

func history(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	connect := clientFlags(f)
	f.Example("cloud-broker pool history > history.jsonl", "for cloud-broker simulate --trace history.jsonl, and cloud-broker predict")
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	return c.history(ctx, out)
}

// history writes what has ended, one task a line.
func (c *client) history(ctx context.Context, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	resp, err := c.open(ctx, "GET", "/history", url.Values{"limit": {newestTasks}, "format": {"jsonl"}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(to, resp.Body); err != nil {
		return c.unreachable(err)
	}
	return nil
}

// replay is cloud-broker predict, of a trace or of the history of a running pool.
func replay(ctx context.Context, _ *service.Flags, args []string, out io.Writer) error {
	f := service.NewFlags("cloud-broker predict", predict.About)
	from := f.String("trace", "", predict.TraceUse)
	examples, asJSON := predict.OutputFlags(f)
	connect := clientFlags(f)
	predict.Examples(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := predict.CheckExamples(*examples); err != nil {
		return err
	}
	if *from != "" {
		tasks, skipped, err := trace.ReadTasks(*from)
		if err != nil {
			return err
		}
		return predict.Show(out, *from, tasks, skipped, *examples, *asJSON)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "tomocast-history-*.jsonl")
	if err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := c.history(ctx, file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	tasks, skipped, err := trace.ReadHistory(file)
	if err != nil {
		return err
	}
	if len(tasks) == 0 && !*asJSON {
		fmt.Fprintln(out, "Nothing has run yet: there is nothing to predict from.")
		return nil
	}
	return predict.Show(out, "the pool's history", tasks, skipped, *examples, *asJSON)
}
