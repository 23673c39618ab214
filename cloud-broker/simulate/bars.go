package simulate

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/bench"
)

// seeds is how many runs a figure is the mean of.
const seeds = bench.Runs

// Bars plays the scenarios that the policies are judged by on the public traces in a folder, and says how ours compare with
// the best baseline of the same runs; progress is told on log.
func Bars(ctx context.Context, dir string, log io.Writer) (rows []bench.Row, err error) {
	for _, part := range []func(context.Context, string, io.Writer) ([]bench.Row, error){saturated, comeAndGo, stay, predictions} {
		more, err := part(ctx, dir, log)
		if err != nil {
			return rows, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// figure takes one number from a result.
type figure func(Result) float64

// mean and spread (standard deviation) of values.
func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	return m
}

func spread(v []float64) float64 {
	m, s := mean(v), 0.0
	for _, x := range v {
		s += (x - m) * (x - m)
	}
	return math.Sqrt(s / float64(max(len(v)-1, 1)))
}

func of(r []Result, f figure) (v []float64) {
	for _, x := range r {
		v = append(v, f(x))
	}
	return v
}

// against compares a policy with the baseline that has the lowest mean: the ratio of the means with its bar, and how far the
// ratios of single seeds spread.
func against(what string, ours []Result, baselines [][]Result, f figure, bar float64) []bench.Row {
	best := slices.MinFunc(baselines, func(a, b []Result) int {
		if mean(of(a, f)) < mean(of(b, f)) {
			return -1
		}
		return 1
	})
	a, b := of(ours, f), of(best, f)
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	what = fmt.Sprintf("%s, %s / %s", what, ours[0].Policy, best[0].Policy)
	return []bench.Row{
		{Name: what, Value: mean(a) / mean(b), Unit: "x", Bar: bar, BarIs: bench.AtMost},
		{Name: what + ", spread over seeds", Value: spread(ratios), Unit: "x"},
	}
}

// lists are the pod lists of openb, the default first.
var lists = []string{"default", "multigpu50", "gpuspec33", "cpu250", "gpushare100"}

// saturated fills the nodes of openb with tasks that never leave.
func saturated(ctx context.Context, dir string, log io.Writer) (rows []bench.Row, err error) {
	nodes, err := trace.ReadNodes(filepath.Join(dir, "openb", "openb_node_list_gpu_node.csv"))
	if err != nil {
		return nil, err
	}
	unallocated := func(r Result) float64 { return r.Unallocated }
	early := func(r Result) float64 { return refused(r, 0.9) }
	for _, list := range lists {
		tasks, _, err := trace.ReadRequests(filepath.Join(dir, "openb", "openb_pod_list_"+list+".csv"))
		if err != nil {
			return nil, err
		}
		fragments := fit.NewFragments(Typical(tasks))
		var ours, fgd []Result
		var baselines [][]Result
		for _, name := range []string{"fragments", "fgd", "random", "first-fit", "best-fit", "least-allocated", "most-allocated"} {
			runs, err := repeat(name, func(p fit.Policy, seed uint64) (Result, error) {
				n, t := Saturate(Nodes(nodes), tasks, 1.3, seed)
				return Run(ctx, Config{Nodes: n, Tasks: t, Policy: p, Knowledge: Nothing, Fragments: fragments, Seed: seed, Curve: true})
			})
			if err != nil {
				return nil, err
			}
			v := of(runs, unallocated)
			fmt.Fprintf(log, "openb %s, %s: %.1f GPUs unallocated (+-%.1f); %.0f of those asked for were not to be had when it was 90 %%\n", list, name,
				mean(v), spread(v), mean(of(runs, early)))
			switch name {
			case "fragments":
				ours = runs
			case "fgd":
				fgd = runs
				fallthrough
			default:
				baselines = append(baselines, runs)
			}
		}
		if list == lists[0] {
			rows = append(rows, bench.Row{Name: "GPUs left unallocated, openb " + list + " at 130 %, fragments", Value: mean(of(ours, unallocated)), Unit: "GPUs"},
				bench.Row{Name: "GPUs not placed when 90 % are asked for, openb " + list + ", fragments", Value: mean(of(ours, early)), Unit: "GPUs"},
				bench.Row{Name: "GPUs not placed when 90 % are asked for, openb " + list + ", fgd", Value: mean(of(fgd, early)), Unit: "GPUs"})
			rows = append(rows, against("GPUs left unallocated, openb "+list+" at 130 %", ours, [][]Result{fgd}, unallocated, 0.97)...)
			continue
		}
		rows = append(rows, against("GPUs left unallocated, openb "+list+" at 130 %", ours, baselines, unallocated, 1)...)
	}
	return rows, nil
}

// refused is how many GPUs were asked for and not placed when those asked for had become a share of all.
func refused(r Result, share float64) float64 {
	for _, p := range r.Curve {
		if p.Asked >= share*p.Have {
			return math.Round(1000*(p.Asked-p.Used)) / 1000
		}
	}
	return 0
}

// repeat plays a policy with several seeds.
func repeat(name string, play func(fit.Policy, uint64) (Result, error)) ([]Result, error) {
	p, err := fit.Named(name)
	if err != nil {
		return nil, err
	}
	var out []Result
	for seed := range uint64(seeds) {
		r, err := play(p, seed)
		if err != nil {
			return nil, fmt.Errorf("policy %s, seed %d: %w", name, seed, err)
		}
		out = append(out, r)
	}
	return out, nil
}

const (
	known   = 2000 // tasks that had ended before a scenario begins
	coming  = 4000 // tasks of a scenario with windows
	lasting = 8000 // tasks of a scenario without
	window  = 4 * hour
)

// philly are its tasks that are right for a scenario.
func philly(dir string, right func(*trace.Task) bool) ([]trace.Task, error) {
	all, _, err := trace.ReadTasks(filepath.Join(dir, "philly", "philly.csv"))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t trace.Task) bool { return t.Duration <= 0 || !right(&t) })
	if len(all) < known+lasting+seeds {
		return nil, fmt.Errorf("philly has %d tasks that can be used: too few", len(all))
	}
	return all, nil
}

// excerpt are n tasks of a trace, another part for each seed, and those that came before.
func excerpt(all []trace.Task, n int, seed uint64) (past, tasks []trace.Task) {
	at := known + (len(all)-known-n)/seeds*int(seed)
	return all[at-known : at], all[at : at+n]
}

// inOrder is the policy risk when tasks are tried in the order in which they came, as the baselines try them.
const inOrder = "risk in order of arrival"

// comeAndGo plays nodes of one GPU that come and go, with tasks of philly of up to 4 h.
func comeAndGo(ctx context.Context, dir string, log io.Writer) (rows []bench.Row, err error) {
	all, err := philly(dir, func(t *trace.Task) bool { return t.Duration <= window })
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].GPUs = 1
	}
	const nodes = 100
	lost := func(r Result) float64 { return r.LostGPUh }
	waiting := func(r Result) float64 { return r.MeanWait }
	for _, load := range []float64{0.70, 0.85} {
		var ours, plain []Result
		var baselines [][]Result
		for _, name := range []string{"risk", inOrder, "patent", "longest-window", "filter"} {
			runs, err := repeat(strings.TrimSuffix(name, inOrder[len("risk"):]), func(p fit.Policy, seed uint64) (Result, error) {
				if name == inOrder {
					p.Name, p.Lag = name, 0
				}
				past, tasks := excerpt(all, coming, seed)
				tasks, last := Arrive(tasks, nodes/2, load, seed) // a node is there half of the time
				c := Coming{Median: window, Sigma: 1, Until: 3 * last}
				return Run(ctx, Config{Nodes: c.Windows(Uniform(nodes, trace.Node{GPUs: 1}), seed), Tasks: tasks, Past: past, Policy: p, Knowledge: History, Seed: seed})
			})
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(log, "windows, load %.2f, %s: %.1f GPU hours lost (+-%.1f) of %.0f, waiting %.0f s (+-%.0f), of which in the queue %.0f s\n", load, name,
				mean(of(runs, lost)), spread(of(runs, lost)), mean(of(runs, func(r Result) float64 { return r.DoneGPUh })), mean(of(runs, waiting)), spread(of(runs, waiting)),
				mean(of(runs, func(r Result) float64 { return r.MeanQueued })))
			switch name {
			case "risk":
				ours = runs
			case inOrder:
				plain = runs
			default:
				baselines = append(baselines, runs)
			}
		}
		for i, f := range []figure{lost, waiting} {
			row := against(fmt.Sprintf("%s, nodes with windows, load %.2f", []string{"GPU time lost", "waiting"}[i], load), plain, baselines, f, 0)[0]
			row.BarIs = "" // it is told, so that what the order gains can be seen
			rows = append(rows, row)
		}
		rows = append(rows, against(fmt.Sprintf("GPU time lost, nodes with windows, load %.2f", load), ours, baselines, lost, 1)...)
		rows = append(rows, against(fmt.Sprintf("waiting, nodes with windows, load %.2f", load), ours, baselines, waiting, 1)...)
	}
	return rows, nil
}

// stay plays nodes of eight GPUs that stay, with tasks of philly of up to eight GPUs.
func stay(ctx context.Context, dir string, log io.Writer) (rows []bench.Row, err error) {
	all, err := philly(dir, func(t *trace.Task) bool { return t.GPUs <= 8 })
	if err != nil {
		return nil, err
	}
	const nodes, busy = 300, 200 // GPUs that are asked for on the average
	hours := func(r Result) float64 { return r.NodeHours }
	for _, know := range []Knowledge{Perfect, History} {
		var runs [2][]Result
		for i, name := range []string{"packed", "best-fit"} {
			runs[i], err = repeat(name, func(p fit.Policy, seed uint64) (Result, error) {
				past, tasks := excerpt(all, lasting, seed)
				tasks, _ = Arrive(tasks, busy, 1, seed)
				return Run(ctx, Config{Nodes: Uniform(nodes, trace.Node{GPUs: 8}), Tasks: tasks, Past: past, Policy: p, Knowledge: know, Seed: seed})
			})
			if err != nil {
				return nil, err
			}
			v := of(runs[i], hours)
			fmt.Fprintf(log, "nodes that stay, predictions %s, %s: %.0f node hours (+-%.0f)\n", know, name, mean(v), spread(v))
		}
		what, bar := "node hours, predictions from history", 1.0
		if know == Perfect {
			what, bar = "node hours, perfect predictions", 0.96
		}
		rows = append(rows, against(what, runs[0], [][]Result{runs[1]}, hours, bar)...)
	}
	return rows, nil
}

// predictions measures predictions of run times.
func predictions(_ context.Context, dir string, log io.Writer) (rows []bench.Row, err error) {
	for _, t := range [...]struct{ name, file string }{{"genai-lora", "genai-lora/lora_request_trace.csv"}, {"philly", "philly/philly.csv"},
		{"nasa", "swf/nasa.swf.gz"}, {"lcg", "swf/lcg.swf.gz"}} {
		tasks, _, err := trace.ReadTasks(filepath.Join(dir, filepath.FromSlash(t.file)))
		if err != nil {
			return nil, err
		}
		s := predict.Evaluate(tasks)
		fmt.Fprintf(log, "predictions, %s: median |ln error| %.3f (median of the last 20: %.3f), within a factor of 2 %.3f (%.3f)\n", t.name,
			s.Error, s.Baseline.Error, s.Within2, s.Baseline.Within2)
		rows = append(rows,
			bench.Row{Name: "run times of " + t.name + ", median |ln error| / that of the median of the last 20", Value: s.Error / s.Baseline.Error, Unit: "x", Bar: 1, BarIs: bench.AtMost},
			bench.Row{Name: "run times of " + t.name + ", share within a factor of 2 / that of the median of the last 20", Value: s.Within2 / s.Baseline.Within2, Unit: "x", Bar: 1, BarIs: bench.AtLeast},
			bench.Row{Name: "run times of " + t.name + ", how far the 90 % quantile covers from 90 %", Value: 100 * math.Abs(s.Covered90-0.9), Unit: "%", Bar: 2, BarIs: bench.AtMost})
	}
	return rows, nil
}
