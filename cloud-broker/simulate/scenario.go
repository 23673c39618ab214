package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// Nodes are those of a list, always there.
func Nodes(list []trace.Node) []Node {
	out := make([]Node, len(list))
	for i, n := range list {
		out[i] = Node{Node: n}
	}
	return out
}

// Typical is what is typical of tasks.
func Typical(tasks []trace.Task) []fit.Class {
	var h fit.History
	for i := range tasks {
		t := Want(&tasks[i])
		h.Learn(&t)
	}
	return h.Typical()
}

// Saturate makes tasks that never leave ask for load times the GPUs of the nodes: tasks are drawn again until they ask for
// that much, then tasks and nodes are shuffled (Weng et al. 2023, section 6.1). Where tasks ask for more than that, all come.
func Saturate(nodes []Node, tasks []trace.Task, load float64, seed uint64) ([]Node, []trace.Task) {
	r := rand.New(rand.NewPCG(seed, 11))
	total := 0.0
	for _, n := range nodes {
		total += float64(n.GPUs)
	}
	out := slices.Clone(tasks)
	asked := 0.0
	for i := range out {
		asked += GPUs(&out[i])
	}
	for tries := 0; asked < load*total && tries < 100*len(tasks)+1_000_000; tries++ {
		t := tasks[r.IntN(len(tasks))]
		asked += GPUs(&t)
		out = append(out, t)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	for i := range out {
		out[i].Submitted, out[i].Started, out[i].Duration = float64(i), float64(i), math.Inf(1)
	}
	nodes = slices.Clone(nodes)
	r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes, out
}

// GPUs is how many GPUs a task takes.
func GPUs(t *trace.Task) float64 {
	want := Want(t)
	return float64(want.GPUTotal()) / fit.GPU
}

// Coming are nodes that come and go.
type Coming struct {
	Median float64 // s, of the time that a node is there, and of the time that it is not
	Sigma  float64 // of the logarithm
	Until  float64 // s
}

// Windows gives nodes log-normal windows. Nodes begin at any moment of a window or of the time between two.
func (c Coming) Windows(nodes []Node, seed uint64) []Node {
	r := rand.New(rand.NewPCG(seed, 12))
	draw := func() float64 { return max(c.Median*math.Exp(c.Sigma*r.NormFloat64()), 60) }
	out := slices.Clone(nodes)
	for i := range out {
		at := -draw() * 2 * r.Float64()
		var all nodetime.Windows
		for at < c.Until {
			end := at + draw()
			if end > 0 {
				all = append(all, nodetime.Window{Open: Moment(max(at, 0)), Close: Moment(end)})
			}
			at = end + draw()
		}
		if len(all) == 0 { // it stays away
			all = append(all, nodetime.Window{Open: Moment(c.Until), Close: Moment(c.Until + c.Median)})
		}
		out[i].Windows = all
	}
	return out
}

// Uniform are n nodes that are the same.
func Uniform(n int, like trace.Node) []Node {
	out := make([]Node, n)
	for i := range out {
		like.Name = "node-" + strconv.Itoa(i)
		out[i] = Node{Node: like}
	}
	return out
}

// near is how many tasks before and after one tell how much work comes at that time.
const near = 200

// Arrive lets tasks come at random (Poisson), in their order, so that at any time they ask for load times gpus on the
// average: while tasks run longer, fewer come. It says when the last comes.
func Arrive(tasks []trace.Task, gpus, load float64, seed uint64) ([]trace.Task, float64) {
	r := rand.New(rand.NewPCG(seed, 13))
	before := make([]float64, len(tasks)+1) // work of those before
	for i := range tasks {
		before[i+1] = before[i] + tasks[i].Duration*GPUs(&tasks[i])
	}
	out := slices.Clone(tasks)
	at := 0.0
	for i := range out {
		from, to := max(i-near, 0), min(i+near+1, len(tasks))
		mean := (before[to] - before[from]) / float64(to-from)
		at += r.ExpFloat64() * mean / (load * gpus)
		out[i].Submitted, out[i].Started = at, at
	}
	return out, at
}
