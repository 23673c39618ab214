package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/service"
)

// options are what the command was asked for.
type options struct {
	trace, nodes, policies, windows, knows, svg string
	generate                                    string
	tasks, seeds                                int
	load, sigma                                 float64
	median, longest                             time.Duration
	saturate, json                              bool
	hooks                                       []func() (Hook, error)
}

// Hooks make what takes part in one simulation, where the command is asked for it.
type Hooks struct {
	Defragment func() (Hook, error)
	Scale      func(low, high float64) (Hook, error) // what tasks use of what they ask for, as shares
}

// hookEvery is how often a hook is called, seconds of the virtual clock.
const hookEvery = 30

// Command is cloud-broker simulate. args begin behind "simulate".
func Command(ctx context.Context, args []string, out io.Writer, hooks Hooks) error {
	var o options
	var names []string
	for _, p := range fit.Policies() {
		names = append(names, p.Name)
	}
	f := service.NewFlags("cloud-broker simulate", "Replays a trace of tasks on nodes by a virtual clock, through the code that places and predicts in the broker, "+
		"and compares policies. Policies are "+strings.Join(names, ", ")+".")
	f.Group("What runs where")
	trace := f.String("trace", "", "`file` with tasks: CSV of openb, GenAI or Philly, .swf, or the broker's history as .jsonl; also with .gz")
	nodes := f.String("nodes", "", "`file` with nodes: CSV with sn, cpu_milli, memory_mib, gpu and model")
	generate := f.String("generate", "", "in place of a file: `NxG` is N nodes of G GPUs each, node-0 and on, of which CPU and memory are never short")
	tasks := f.Int("tasks", 0, "only the first so many tasks; 0: all")
	longest := f.Duration("longest", 0, "only tasks that ran no longer than this; 0: all")
	load := f.Float64("load", 0, "let tasks come at random, in their order, so that they ask for this share of the GPUs; 0: when the trace says. With --saturate: until they ask for it")
	saturate := f.Bool("saturate", false, "tasks never leave, and come in any order until they ask for --load times the GPUs, 1.3 without it")
	f.Group("When nodes are there")
	windows := f.String("windows", "", "`file` with windows: CSV with sn, from and to, seconds since the first task's submission; nodes that it does not name are always there. Those of --generate are called node-0, node-1 and so on")
	median := f.Duration("come-and-go", 0, "nodes are there, and then not, for log-normal times of this median; 0: always")
	sigma := f.Float64("sigma", 1, "standard deviation of the logarithm of these times")
	f.Group("How")
	policies := f.String("policy", "fragments,best-fit", "`policies`, with commas between them")
	knows := f.String("predictions", string(History), "`what` is known of run times: history (learnt from tasks that ended), perfect or nothing")
	moves := f.Bool("defragment", false, "move tasks together where room is left in fragments; a move pauses a task for half a minute")
	scale := f.String("scale", "", "give running tasks less of GPU and processors when they use little, and more again. Where the trace does not tell what they use, it is from `LOW-HIGH` of what they ask for, as in 0.2-0.9")
	seeds := f.Int("seeds", 5, "how often each policy is played, each time with other chances")
	f.Group("Output")
	svg := f.String("svg", "", "`folder` to write plots to")
	asJSON := f.Bool("json", false, "print all results as JSON")
	f.Example("cloud-broker simulate --trace pods.csv --nodes nodes.csv --saturate --policy fragments,fgd,best-fit", "how many GPUs stay unallocated when nothing fits any more")
	f.Example("cloud-broker simulate --trace philly.csv --generate 100x1 --come-and-go 4h --longest 4h --load 0.7 --policy risk,patent", "what is lost on nodes that come and go")
	f.Example("cloud-broker simulate --trace history.jsonl --nodes nodes.csv --policy fragments,packed --svg plots", "how a pool would do with another policy, from the broker's own history")
	if err := f.Parse(args); err != nil {
		return err
	}
	o = options{*trace, *nodes, *policies, *windows, *knows, *svg, *generate, *tasks, *seeds, *load, *sigma, *median, *longest, *saturate, *asJSON, nil}
	if *moves {
		o.hooks = append(o.hooks, hooks.Defragment)
	}
	if *scale != "" {
		low, high, err := shares(*scale)
		if err != nil {
			return fmt.Errorf("%w: --scale %.40q: %w", service.ErrUsage, *scale, err)
		}
		o.hooks = append(o.hooks, func() (Hook, error) { return hooks.Scale(low, high) })
	}
	if err := o.check(); err != nil {
		return fmt.Errorf("%w: %w; cloud-broker simulate --help lists what there is", service.ErrUsage, err)
	}
	return o.run(ctx, out)
}

// shares reads LOW-HIGH.
func shares(text string) (low, high float64, err error) {
	from, to, ok := strings.Cut(text, "-")
	low, err = strconv.ParseFloat(from, 64)
	if err == nil {
		high, err = strconv.ParseFloat(to, 64)
	}
	if !ok || err != nil || !(low > 0 && low <= high && high <= 1) {
		return 0, 0, errors.New("two shares as in 0.2-0.9, above 0, at most 1, the lower one first")
	}
	return low, high, nil
}

func (o *options) check() error {
	switch {
	case o.trace == "":
		return errors.New("--trace is missing; it names the file with the tasks")
	case (o.nodes == "") == (o.generate == ""):
		return errors.New("either --nodes or --generate is needed")
	case o.windows != "" && o.median != 0:
		return errors.New("--windows and --come-and-go do not go together")
	case o.saturate && (o.windows != "" || o.median != 0):
		return errors.New("--saturate needs nodes that stay")
	case o.seeds < 1 || o.seeds > 1000:
		return fmt.Errorf("--seeds %d is not from 1 to 1000", o.seeds)
	case o.tasks < 0:
		return fmt.Errorf("--tasks %d is below 0", o.tasks)
	case o.longest < 0:
		return fmt.Errorf("--longest %v is below 0", o.longest)
	case !(o.load >= 0 && o.load <= 100):
		return fmt.Errorf("--load %v is not from 0 to 100", o.load)
	case o.median != 0 && o.median < time.Minute:
		return fmt.Errorf("--come-and-go %v is below a minute", o.median)
	case !(o.sigma >= 0 && o.sigma <= 5):
		return fmt.Errorf("--sigma %v is not from 0 to 5", o.sigma)
	case o.knows != string(History) && o.knows != string(Perfect) && o.knows != string(Nothing):
		return fmt.Errorf("--predictions %.40q is none of history, perfect and nothing", o.knows)
	}
	for _, name := range strings.Split(o.policies, ",") {
		if _, err := fit.Named(name); err != nil {
			return fmt.Errorf("--policy: %w", err)
		}
	}
	return nil
}

// pool reads or makes the nodes.
func (o *options) pool() ([]Node, error) {
	var nodes []Node
	if o.nodes != "" {
		list, err := trace.ReadNodes(o.nodes)
		if err != nil {
			return nil, err
		}
		nodes = Nodes(list)
	} else {
		n, g, ok := strings.Cut(o.generate, "x")
		count, err := strconv.Atoi(n)
		gpus, bad := strconv.Atoi(g)
		if !ok || err != nil || bad != nil || count < 1 || count > 1_000_000 || gpus < 0 || gpus > 64 {
			return nil, fmt.Errorf("%w: --generate %.40q is no number of nodes and GPUs, as in 100x8", service.ErrUsage, o.generate)
		}
		nodes = Uniform(count, trace.Node{GPUs: gpus, CPUMilli: 1 << 40, MemoryMiB: 1 << 40})
	}
	if o.windows != "" {
		return ReadWindows(o.windows, nodes)
	}
	return nodes, nil
}

// report is what --json prints.
type report struct {
	Trace    string     `json:"trace"`
	Tasks    int        `json:"tasks"`
	Skipped  string     `json:"skipped,omitempty"`
	Hint     string     `json:"hint,omitempty"`
	Nodes    int        `json:"nodes"`
	GPUs     int        `json:"gpus"`
	Policies [][]Result `json:"policies"`
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	read := trace.ReadTasks
	if o.saturate {
		read = trace.ReadRequests // tasks never leave
	}
	tasks, skipped, err := read(o.trace)
	if err != nil {
		return err
	}
	nodes, err := o.pool()
	if err != nil {
		return err
	}
	if tasks, err = o.choose(tasks, nodes, skipped); err != nil {
		return err
	}
	r := report{Trace: filepath.Base(o.trace), Tasks: len(tasks), Skipped: skipped.String(), Nodes: len(nodes)}
	for _, n := range nodes {
		r.GPUs += n.GPUs
	}
	if (o.load > 0 || o.saturate) && r.GPUs == 0 {
		return errors.New("--load and --saturate need nodes with GPUs")
	}
	fragments := fit.NewFragments(Typical(tasks))
	for _, name := range strings.Split(o.policies, ",") {
		p, err := fit.Named(name)
		if err != nil {
			return err
		}
		var runs []Result
		for seed := range uint64(o.seeds) {
			c := Config{Policy: p, Knowledge: Knowledge(o.knows), Fragments: fragments, Seed: seed, Curve: o.svg != "" && seed == 0}
			c.Nodes, c.Tasks = o.scenario(nodes, tasks, float64(r.GPUs), seed)
			for _, hook := range o.hooks {
				h, err := hook()
				if err != nil {
					return fmt.Errorf("%w: %w", service.ErrUsage, err)
				}
				c.Hooks, c.Every = append(c.Hooks, h), hookEvery
			}
			if o.windows != "" {
				r.Hint = away(c.Nodes, c.Tasks)
			}
			one, err := Run(ctx, c)
			if err != nil {
				return fmt.Errorf("policy %s: %w", name, err)
			}
			runs = append(runs, one)
		}
		r.Policies = append(r.Policies, runs)
	}
	if o.svg != "" {
		if err := o.plot(&r); err != nil {
			return err
		}
	}
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(out)
}

// choose leaves out tasks that were not asked for, and those that no node could ever run, which it counts. The times of what
// is left count from the first submission: traces have epochs of their own, and the virtual clock begins at 0.
func (o *options) choose(tasks []trace.Task, nodes []Node, skipped trace.Skipped) ([]trace.Task, error) {
	var kinds []*fit.Node // empty nodes, one of each kind
	seen := map[trace.Node]bool{}
	for _, n := range nodes {
		node, err := fit.NewNode(n.Name, fit.Amounts{CPUMilli: n.CPUMilli, MemoryMiB: n.MemoryMiB}, n.GPUs, n.Model)
		if err != nil {
			return nil, err
		}
		if n.Name = ""; !seen[n.Node] {
			seen[n.Node] = true
			kinds = append(kinds, node)
		}
	}
	var out []trace.Task
	for i := range tasks {
		t, want := &tasks[i], Want(&tasks[i])
		switch {
		case o.longest > 0 && t.Duration > o.longest.Seconds():
			skipped["that ran longer than --longest"]++
		case want.Check() != nil:
			skipped["with an impossible amount"]++
		case !slices.ContainsFunc(kinds, func(n *fit.Node) bool { return n.Filter(&want) == fit.Fits }):
			skipped["that fit on no node"]++
		case o.tasks == 0 || len(out) < o.tasks:
			out = append(out, *t)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no task of %s can be simulated on these nodes: %v", o.trace, skipped)
	}
	first := out[0].Submitted
	for i := range out {
		out[i].Submitted -= first
		out[i].Started -= first
	}
	return out, nil
}

// away is a hint where no node is there while the tasks of a scenario come.
func away(nodes []Node, tasks []trace.Task) string {
	last := tasks[len(tasks)-1].Submitted
	for _, n := range nodes {
		if len(n.Windows) == 0 || slices.ContainsFunc(n.Windows, func(w nodetime.Window) bool { return at(w.Open) <= last && at(w.Close) > 0 }) {
			return ""
		}
	}
	return fmt.Sprintf("no window is open while tasks come, from 0 to %.0f s: from and to of --windows count from the first task's submission", last)
}

// scenario is what a seed makes of nodes and tasks.
func (o *options) scenario(nodes []Node, tasks []trace.Task, gpus float64, seed uint64) ([]Node, []trace.Task) {
	if o.saturate {
		load := o.load
		if load == 0 {
			load = 1.3
		}
		return Saturate(nodes, tasks, load, seed)
	}
	last := tasks[len(tasks)-1].Submitted
	if o.load > 0 {
		if o.median > 0 {
			gpus /= 2 // half of them are there
		}
		tasks, last = Arrive(tasks, gpus, o.load, seed)
	}
	if o.median > 0 {
		nodes = Coming{Median: o.median.Seconds(), Sigma: o.sigma, Until: 2*last + 100*o.median.Seconds()}.Windows(nodes, seed)
	}
	return nodes, tasks
}

// plot writes the pictures.
func (o *options) plot(r *report) error {
	if err := os.MkdirAll(o.svg, 0o755); err != nil {
		return fmt.Errorf("make the folder for plots: %w", err)
	}
	title := fmt.Sprintf("%s: %d tasks on %d GPUs", r.Trace, r.Tasks, r.GPUs)
	for name, draw := range map[string]func(io.Writer) error{
		"policies.svg": func(w io.Writer) error { return drawBars(w, title, r.Policies) },
		"use.svg":      func(w io.Writer) error { return drawCurves(w, title, r.Policies, o.saturate) },
	} {
		f, err := os.Create(filepath.Join(o.svg, name))
		if err != nil {
			return fmt.Errorf("write a plot: %w", err)
		}
		if err := errors.Join(draw(f), f.Close()); err != nil {
			return fmt.Errorf("write plot %s: %w", f.Name(), err)
		}
	}
	return nil
}

// print writes a table: means over seeds, and how far they spread. Columns that are 0 for all policies are left out, and
// those that are the same for all are told once.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s of %s on %s with %s", count(r.Tasks, "task"), r.Trace, count(r.Nodes, "node"), count(r.GPUs, "GPU"))
	if r.Skipped != "" {
		fmt.Fprintf(out, "; left out: %s", r.Skipped)
	}
	fmt.Fprintln(out)
	if r.Hint != "" {
		fmt.Fprintf(out, "%s\n", r.Hint)
	}
	cells := make([]strings.Builder, len(r.Policies))
	for i, runs := range r.Policies {
		cells[i].WriteString(runs[0].Policy)
	}
	heading, same := "policy", []string(nil)
	for _, c := range append(ends[:], columns...) {
		var values []string
		for _, runs := range r.Policies {
			v := of(runs, c.value)
			values = append(values, within(mean(v), spread(v)))
		}
		alike := !slices.ContainsFunc(values, func(v string) bool { return v != values[0] })
		switch {
		case alike && values[0] == "0":
		case alike && len(values) > 1:
			same = append(same, c.heading()+": "+values[0])
		default:
			heading += "\t" + c.heading()
			for i, v := range values {
				cells[i].WriteString("\t" + v)
			}
		}
	}
	if len(same) > 0 {
		fmt.Fprintf(out, "the same for all: %s\n", strings.Join(same, "; "))
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	for i := range cells {
		fmt.Fprintln(t, cells[i].String())
	}
	return t.Flush()
}

// ends are how simulations ended; a plot of them tells nothing.
var ends = [...]column{
	{"Ended", "", func(r Result) float64 { return float64(r.Ended) }, false},
	{"Waiting yet", "", func(r Result) float64 { return float64(r.Waiting) }, true},
}

// heading is the column's name in a table.
func (c *column) heading() string {
	what := c.title
	if !strings.HasPrefix(what, "GPU") {
		what = strings.ToLower(what[:1]) + what[1:]
	}
	if c.unit != "" {
		what += ", " + c.unit
	}
	return what
}

// count is a number of things, in words.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// within is a mean with its spread, which has two digits, and the mean none behind them.
func within(m, s float64) string {
	if s <= 1e-9*math.Abs(m) {
		return short(m)
	}
	last := int(math.Floor(math.Log10(s))) - 1 // the decimal place
	unit := math.Pow(10, float64(last))
	return strconv.FormatFloat(m, 'f', max(0, -last), 64) + " ± " + strconv.FormatFloat(math.Round(s/unit)*unit, 'f', max(0, -last), 64)
}
