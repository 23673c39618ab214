package simulate_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func named(t *testing.T, name string) fit.Policy {
	t.Helper()
	p, err := fit.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job takes a GPU for a while.
func job(name string, at, run float64) trace.Task {
	return trace.Task{Name: name, Submitted: at, Started: at, Duration: run, GPUs: 1, GPUMilli: 1000}
}

func play(t *testing.T, c simulate.Config) simulate.Result {
	t.Helper()
	r, err := simulate.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r.DecisionUs = 0
	return r
}

func TestWhatWaitsIsPlacedWhenSomethingEnds(t *testing.T) {
	r := play(t, simulate.Config{Nodes: simulate.Uniform(1, trace.Node{GPUs: 1}), Policy: named(t, "first-fit"), Knowledge: simulate.Nothing,
		Tasks: []trace.Task{job("a", 0, 100), job("b", 10, 50), job("c", 20, 50)}})
	if r.Ended != 3 || r.Elapsed != 200 || math.Abs(r.MeanWait-(0+90+130)/3.0) > 1e-9 || r.Use != 1 || r.NodeHours != 200/3600.0 || r.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

// A node whose window closes loses what runs there; the task begins again where there is room (B3).
func TestB3WhatRunsIsLostWhenTheWindowCloses(t *testing.T) {
	nodes := simulate.Uniform(1, trace.Node{GPUs: 1})
	var err error
	if nodes[0].Windows, err = nodetime.NewWindows(nodetime.Window{Open: simulate.Moment(0), Close: simulate.Moment(60)},
		nodetime.Window{Open: simulate.Moment(100), Close: simulate.Moment(500)}); err != nil {
		t.Fatal(err)
	}
	r := play(t, simulate.Config{Nodes: nodes, Policy: named(t, "longest-window"), Knowledge: simulate.Perfect, Tasks: []trace.Task{job("a", 10, 100)}})
	if r.Ended != 1 || r.Elapsed != 200 || r.Lost != 1 || r.LostGPUh != 50/3600.0 || r.MeanWait != 90 || r.MeanQueued != 40 {
		t.Errorf("%+v", r)
	}
	// With the rule of B4.2 it waits for the window that is long enough.
	r = play(t, simulate.Config{Nodes: nodes, Policy: named(t, "patent"), Knowledge: simulate.Perfect, Tasks: []trace.Task{job("a", 10, 100)}})
	if r.Ended != 1 || r.Lost != 0 || r.MeanWait != 90 {
		t.Errorf("patent: %+v", r)
	}
}

// Short tasks do not wait for long ones where the policy has a lag, and long ones do not wait for ever.
func TestB4NothingStarves(t *testing.T) {
	var tasks []trace.Task
	tasks = append(tasks, job("first", 0, 100), job("long", 1, 1000))
	for i := range 500 {
		tasks = append(tasks, job("short", 2+float64(i)*100, 99))
	}
	p := named(t, "first-fit")
	p.Lag = 4
	r := play(t, simulate.Config{Nodes: simulate.Uniform(1, trace.Node{GPUs: 1}), Policy: p, Knowledge: simulate.Perfect, Tasks: tasks})
	if r.Ended != len(tasks) {
		t.Errorf("%+v", r)
	}
}

// The same seed gives the same result, another one another.
func TestRunsRepeat(t *testing.T) {
	tasks, _, err := trace.ReadTasks(sourcetest.Data(t, "traces", "philly", "philly.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var some []trace.Task
	for _, x := range tasks {
		if x.Duration > 0 && x.Duration < 4*3600 && len(some) < 600 {
			x.GPUs = 1
			some = append(some, x)
		}
	}
	run := func(seed uint64) simulate.Result {
		in, last := simulate.Arrive(some, 10, 0.7, seed)
		nodes := simulate.Coming{Median: 4 * 3600, Sigma: 1, Until: 3 * last}.Windows(simulate.Uniform(20, trace.Node{GPUs: 1}), seed)
		return play(t, simulate.Config{Nodes: nodes, Tasks: in, Policy: named(t, "risk"), Knowledge: simulate.History, Seed: seed, Curve: true})
	}
	a, b, c := run(1), run(1), run(2)
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, c) || a.Ended == 0 || len(a.Curve) == 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// Our policy leaves fewer GPUs unallocated than fragmentation gradient descent (B4), on a part of openb.
func TestB4FragmentsOnOpenb(t *testing.T) {
	list, err := trace.ReadNodes(sourcetest.Data(t, "traces", "openb", "openb_node_list_gpu_node.csv"))
	if err != nil {
		t.Fatal(err)
	}
	tasks, _, err := trace.ReadTasks(sourcetest.Data(t, "traces", "openb", "openb_pod_list_default.csv"))
	if err != nil {
		t.Fatal(err)
	}
	f := fit.NewFragments(simulate.Typical(tasks))
	left := map[string]float64{}
	for seed := range uint64(2) {
		nodes, in := simulate.Saturate(simulate.Nodes(list)[:400], tasks, 1.3, seed)
		for _, p := range []string{"fragments", "fgd", "best-fit"} {
			left[p] += play(t, simulate.Config{Nodes: nodes, Tasks: in, Policy: named(t, p), Knowledge: simulate.Nothing, Fragments: f, Seed: seed}).Unallocated
		}
	}
	if left["fragments"] >= left["fgd"] || left["fgd"] >= left["best-fit"] {
		t.Errorf("GPUs left unallocated: %v", left)
	}
}

// hook moves and resizes what runs, at random moments of the virtual clock.
type hook struct {
	t     *testing.T
	ticks int
}

func (h *hook) Sum(*simulate.Result) {}

func (h *hook) Tick(p *simulate.Pool) error {
	h.ticks++
	nodes, _ := p.Nodes()
	for i := range nodes {
		running := p.Running(i)
		if len(running) == 0 {
			continue
		}
		j, had := running[0], nodes[i].Node.FreeGPU()
		shrinks := j.Want.GPUMilli != 500
		if err := p.Resize(j, j.Want.Amounts, 500); err != nil {
			return err
		}
		if shrinks && nodes[i].Node.FreeGPU() != had+500 {
			h.t.Errorf("after shrinking %d are free, before %d", nodes[i].Node.FreeGPU(), had)
		}
		ran := j.Ran(p.Now())
		if err := p.Move(j, 1-i, 5); err != nil || j.Node != 1-i || j.Ran(p.Now()) != ran {
			h.t.Errorf("moved from %d to %d, run time %v to %v: %v", i, j.Node, ran, j.Ran(p.Now()), err)
		}
		if p.Move(j, 7, 0) == nil || p.Resize(j, fit.Amounts{CPUMilli: 1 << 50}, 500) == nil {
			h.t.Error("what cannot be was done")
		}
		if p.Remaining(j) < 0 {
			h.t.Error("a negative time remains")
		}
		break
	}
	return nil
}

// Scaling and defragmentation take part on the virtual clock; a task that moves goes on where it stopped (B8).
func TestB8HooksMoveAndResize(t *testing.T) {
	h := &hook{t: t}
	r := play(t, simulate.Config{Nodes: simulate.Uniform(2, trace.Node{GPUs: 1}), Policy: named(t, "first-fit"), Knowledge: simulate.Perfect,
		Tasks: []trace.Task{job("a", 0, 100)}, Hooks: []simulate.Hook{h}, Every: 30})
	if r.Ended != 1 || r.Moves != 3 || r.Elapsed != 115 || h.ticks != 3 {
		t.Errorf("%+v, %d ticks", r, h.ticks)
	}
	_, err := simulate.Run(t.Context(), simulate.Config{Nodes: simulate.Uniform(1, trace.Node{GPUs: 1}), Policy: named(t, "first-fit"), Tasks: []trace.Task{job("a", 0, 100)},
		Hooks: []simulate.Hook{failing{}}, Every: 1})
	if !errors.Is(err, errFailing) {
		t.Error(err)
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Sum(*simulate.Result) {}

func (failing) Tick(*simulate.Pool) error { return errFailing }

func TestBadSimulationsAreRefused(t *testing.T) {
	nodes := simulate.Uniform(1, trace.Node{GPUs: 1})
	for want, c := range map[string]simulate.Config{
		"needs nodes and tasks": {Tasks: []trace.Task{job("a", 0, 1)}},
		"comes before":          {Nodes: nodes, Tasks: []trace.Task{job("a", 5, 1), job("b", 4, 1)}},
		"runs for -1 s":         {Nodes: nodes, Tasks: []trace.Task{job("a", 5, -1)}},
		"runs for NaN s":        {Nodes: nodes, Tasks: []trace.Task{job("a", 5, math.NaN())}},
		"impossible":            {Nodes: nodes, Tasks: []trace.Task{{GPUs: 1, GPUMilli: 2000}}},
		"hooks need":            {Nodes: nodes, Tasks: []trace.Task{job("a", 0, 1)}, Hooks: []simulate.Hook{failing{}}},
		"no term":               {Nodes: nodes, Tasks: []trace.Task{job("a", 0, 1)}, Policy: fit.Policy{Score: []fit.Weight{{Term: "x"}}}},
	} {
		if _, err := simulate.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	aTrace = "timestamp,duration,num_gpus\n2020-01-01 00:00:00,400,1\n2020-01-01 00:01:00,500,1\n2020-01-01 00:02:00,60,2\n2020-01-01 00:03:00,60,9\n"
	aList  = "sn,cpu_milli,memory_mib,gpu,model\nn-0,1000,1000,2,A\nn-1,1000,1000,1,A\n"
)

// The command prints a table or JSON and writes plots that are pictures.
func TestCommand(t *testing.T) {
	tasks, nodes, plots := file(t, "t.csv", aTrace), file(t, "n.csv", aList), t.TempDir()
	var out strings.Builder
	if err := simulate.Command(t.Context(), []string{"--trace", tasks, "--nodes", nodes, "--policy", "risk,patent,fgd", "--seeds", "2", "--svg", plots}, &out, simulate.Hooks{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 tasks of t.csv on 2 nodes with 3 GPUs; left out: 1 that fit on no node", "\nrisk", "\npatent", "\nfgd", "mean waiting, s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	for _, name := range []string{"policies.svg", "use.svg"} {
		f, err := os.Open(filepath.Join(plots, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := xml.NewDecoder(f); ; {
			if _, err := d.Token(); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
		}
	}
	out.Reset()
	windows := file(t, "w.csv", "sn,from,to\nn-0,0,1577900000\n")
	if err := simulate.Command(t.Context(), []string{"--trace", tasks, "--nodes", nodes, "--windows", windows, "--policy", "filter", "--json"}, &out, simulate.Hooks{}); err != nil {
		t.Fatal(err)
	}
	var r struct{ Policies [][]simulate.Result }
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || len(r.Policies) != 1 || len(r.Policies[0]) != 5 || r.Policies[0][0].Ended != 3 {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := simulate.Command(t.Context(), []string{"--trace", tasks, "--generate", "3x2", "--saturate", "--policy", "random", "--load", "2", "--seeds", "1"}, &out, simulate.Hooks{}); err != nil {
		t.Error(err)
	}
	if err := simulate.Command(t.Context(), []string{"--trace", tasks, "--generate", "3x2", "--come-and-go", "1h", "--load", "0.5", "--longest", "450s", "--seeds", "1"}, &out, simulate.Hooks{}); err != nil {
		t.Error(err)
	}
}

// Dates of a trace do not count: the virtual clock begins when the first task comes, and so do windows (B4).
func TestB4TheClockBeginsWithTheFirstTask(t *testing.T) {
	run := func(more ...string) (r struct {
		Hint     string
		Policies [][]simulate.Result
	}) {
		t.Helper()
		var out strings.Builder
		tasks := file(t, "t.csv", "timestamp,duration,num_gpus\n2020-01-01 00:00:00,400,1\n2020-01-01 00:00:00,400,1\n")
		args := append([]string{"--trace", tasks, "--generate", "2x1", "--policy", "filter", "--seeds", "1", "--json"}, more...)
		if err := simulate.Command(t.Context(), args, &out, simulate.Hooks{}); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run().Policies[0][0]; r.Use != 1 || r.Elapsed != 400 {
		t.Errorf("%+v", r)
	}
	early := run("--windows", file(t, "w.csv", "sn,from,to\nnode-0,0,1000\nnode-1,10,1000\n"))
	if r := early.Policies[0][0]; r.Elapsed != 410 || r.MeanWait != 5 || early.Hint != "" {
		t.Errorf("%+v", early)
	}
	if late := run("--windows", file(t, "w.csv", "sn,from,to\nnode-0,1577836800,1577840400\nnode-1,1577836800,1577840400\n")); !strings.Contains(late.Hint, "no window is open") {
		t.Errorf("%+v", late)
	}
}

// A table has a column for what tells policies apart, and says the rest once.
func TestTableTellsPoliciesApart(t *testing.T) {
	tasks := file(t, "t.csv", "timestamp,duration,num_gpus\n2020-01-01 00:00:00,400,1\n")
	var out strings.Builder
	if err := simulate.Command(t.Context(), []string{"--trace", tasks, "--generate", "1x1", "--policy", "filter,patent"}, &out, simulate.Hooks{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 task of t.csv on 1 node with 1 GPU\n", "the same for all: ended: 1; use of GPUs, %: 100; "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "moves") {
		t.Errorf("nothing moved:\n%s", out.String())
	}
}

// What is wrong is said by name.
func TestCommandRefusesByName(t *testing.T) {
	tasks, nodes := file(t, "t.csv", aTrace), file(t, "n.csv", aList)
	pool := []string{"--trace", tasks, "--nodes", nodes}
	for want, args := range map[string][]string{
		"--trace is missing":                {"--nodes", nodes},
		"either --nodes or --generate":      {"--trace", tasks},
		`no such policy: "luck"`:            append([]string{"--policy", "risk,luck"}, pool...),
		"columns sn, cpu_milli":             {"--trace", tasks, "--nodes", tasks},
		"its columns are of no known trace": {"--trace", nodes, "--nodes", nodes},
		"ends before it begins":             append([]string{"--windows", file(t, "w.csv", "sn,from,to\nn-0,5,4\n")}, pool...),
		`node "n-0": windows overlap`:       append([]string{"--windows", file(t, "w.csv", "sn,from,to\nn-0,0,4\nn-0,3,6\n")}, pool...),
		`there is no node "x"`:              append([]string{"--windows", file(t, "w.csv", "sn,from,to\nx,0,4\n")}, pool...),
		"column from is missing":            append([]string{"--windows", file(t, "w.csv", "sn,to\n")}, pool...),
		`"soon" is no time`:                 append([]string{"--windows", file(t, "w.csv", "sn,from,to\nn-0,soon,4\n")}, pool...),
		"it is empty":                       append([]string{"--windows", file(t, "w.csv", "")}, pool...),
		"--seeds 0":                         append([]string{"--seeds", "0"}, pool...),
		"--load -1":                         append([]string{"--load", "-1"}, pool...),
		"--generate":                        {"--trace", tasks, "--generate", "many"},
		"--predictions":                     append([]string{"--predictions", "luck"}, pool...),
		"--saturate needs nodes that stay":  append([]string{"--saturate", "--come-and-go", "1h"}, pool...),
		"no task of":                        {"--trace", tasks, "--generate", "1x0"},
		"two shares as in 0.2-0.9":          append([]string{"--scale", "0.9-0.2"}, pool...),
	} {
		if err := simulate.Command(t.Context(), args, io.Discard, simulate.Hooks{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func FuzzWindows(f *testing.F) {
	f.Add("sn,from,to\nnode-0,0,4\n")
	f.Add("to,sn,from\n1,node-1,0\n2,node-1,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := simulate.ReadWindows(file(t, "w.csv", text), simulate.Uniform(2, trace.Node{GPUs: 1}))
		if err != nil {
			return
		}
		for _, n := range nodes {
			for i, w := range n.Windows {
				if !w.Open.Before(w.Close) || i > 0 && w.Open.Before(n.Windows[i-1].Close) {
					t.Errorf("%q: %v", text, n.Windows)
				}
			}
		}
	})
}
