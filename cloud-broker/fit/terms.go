package fit

import (
	"fmt"
	"math"
)

// view is a node and a way to place a task on it, as terms see them.
type view struct {
	*Candidate
	task    *Task
	t1      float64 // s, expected run time; 0 where it is not known
	outcome *outcome
	chance  float64 // drawn for it
}

func (v *view) sum(all []counted) (cost float64) {
	for i := range all {
		cost += all[i].Weight.Weight * all[i].value(v)
	}
	return cost
}

func (v *view) parts(all []counted, tie bool) (out []Part) {
	for _, w := range all {
		x := w.value(v)
		out = append(out, Part{Term: w.Term, Value: x, Weight: w.Weight.Weight, Reason: w.say(v, x), Tie: tie})
	}
	return out
}

// term is how a part of the cost is worked out, and how it is said.
type term struct {
	value func(*view) float64
	say   func(*view, float64) string
}

const (
	hour = 3600 // s
	// briefly is a while below which two ends do not differ, seconds.
	briefly = 300
)

var terms = map[Term]*term{
	Fragment: {func(v *view) float64 { return v.outcome.fragment },
		func(_ *view, x float64) string { return change(x) }},
	Gradient: {func(v *view) float64 { return v.outcome.gradient },
		func(_ *view, x float64) string { return change(x) }},
	FGD: {func(v *view) float64 { return -math.Floor(100 / (1 + math.Exp(v.outcome.gradient/GPU))) },
		func(v *view, _ float64) string { return change(v.outcome.gradient) }},
	Best: {best, func(_ *view, x float64) string { return fmt.Sprintf("%.2f of the node's CPU and GPUs stay free", x) }},
	Least: {func(v *view) float64 { return allocated(v) },
		func(_ *view, x float64) string { return fmt.Sprintf("%.0f %% of the node are in use then", 100*x) }},
	Most: {func(v *view) float64 { return -allocated(v) },
		func(_ *view, x float64) string { return fmt.Sprintf("%.0f %% of the node are in use then", -100*x) }},
	LeftOver: {leftOver, func(v *view, x float64) string {
		if !v.Span.Bounded() {
			return "the node stays"
		}
		return fmt.Sprintf("%.0f s of %.0f s are left when the task is expected to end after %.0f s", v.Span.Free-v.t1, v.Span.Total, v.t1)
	}},
	Longest: {func(v *view) float64 { return -v.Span.Free }, func(v *view, _ float64) string {
		if !v.Span.Bounded() {
			return "the node stays"
		}
		return fmt.Sprintf("the node stays for %.0f s", v.Span.Free)
	}},
	Risk: {risk, func(v *view, x float64) string {
		if !v.Span.Bounded() {
			return "the node stays"
		}
		return fmt.Sprintf("the task runs longer than the node stays, %.0f s, with a probability of %.2f", v.Span.Free, x)
	}},
	Align: {func(v *view) float64 { return max(v.t1-v.Ends, 0) / hour }, func(v *view, x float64) string {
		return fmt.Sprintf("the node is in use %.2f h longer for it", x)
	}},
	Match: {func(v *view) float64 { return math.Abs(math.Log((v.Ends + briefly) / (v.t1 + briefly))) }, func(v *view, x float64) string {
		return fmt.Sprintf("what runs on the node is expected to end in %.2f h, the task in %.2f h", v.Ends/hour, v.t1/hour)
	}},
	Wake: {func(v *view) float64 {
		if v.Node.Idle() {
			return 1
		}
		return 0
	}, func(_ *view, x float64) string {
		if x == 1 {
			return "nothing runs on the node"
		}
		return "the node is in use anyway"
	}},
	Uneven: {uneven, func(_ *view, x float64) string {
		return fmt.Sprintf("%.0f %% of its resources stay free beyond what the scarcest allows", 100*x)
	}},
	Random:   {func(v *view) float64 { return v.chance }, func(*view, float64) string { return "by chance" }},
	Distance: {func(v *view) float64 { return v.DistanceMs }, func(_ *view, x float64) string { return fmt.Sprintf("%.1f ms away", x) }},
}

func change(x float64) string {
	if math.Abs(x) < 5 {
		return "what stays free can be used by typical tasks as before"
	}
	if x > 0 {
		return fmt.Sprintf("%.2f GPUs more stay free that typical tasks cannot use", x/GPU)
	}
	return fmt.Sprintf("%.2f GPUs fewer stay free that typical tasks cannot use", -x/GPU)
}

// best is what stays free, CPU and GPUs in units of what a large node has.
func best(v *view) float64 {
	n := v.Node
	x := 0.0
	if n.Total.CPUMilli > 0 {
		x += float64(n.Free.CPUMilli-v.task.CPUMilli) / largestCPU
	}
	return x + float64(n.FreeGPU()-v.task.GPUTotal())/largestGPUs
}

// What a large node has: the unit in which best fit adds CPU and GPUs (as in the simulator of Weng et al. 2023).
const (
	largestCPU  = 96_000
	largestGPUs = 8 * GPU
)

// allocated is the share in use after the placement, the mean of CPU and memory, which is what Kubernetes' NodeResourcesFit
// scores by default, and of GPUs where the node has some.
func allocated(v *view) float64 {
	n := v.Node
	total, kinds := 0.0, 0.0
	add := func(free, taken, all int64) {
		if all > 0 {
			total += 1 - float64(free-taken)/float64(all)
			kinds++
		}
	}
	add(n.Free.CPUMilli, v.task.CPUMilli, n.Total.CPUMilli)
	add(n.Free.MemoryMiB, v.task.MemoryMiB, n.Total.MemoryMiB)
	add(n.FreeGPU(), v.task.GPUTotal(), int64(len(n.GPUs))*GPU)
	if kinds == 0 {
		return 0
	}
	return total / kinds
}

// uneven is how much more stays free of the node's resources than of the scarcest of them, the mean of the shares.
func uneven(v *view) float64 {
	n, t := v.Node, v.task
	sum, least, kinds := 0.0, 1.0, 0.0
	add := func(free, taken, all int64) {
		if all > 0 {
			share := float64(free-taken) / float64(all)
			sum, least, kinds = sum+share, min(least, share), kinds+1
		}
	}
	add(n.Free.CPUMilli, t.CPUMilli, n.Total.CPUMilli)
	add(n.Free.MemoryMiB, t.MemoryMiB, n.Total.MemoryMiB)
	add(n.Free.GPUMemoryMiB, t.GPUMemoryMiB, n.Total.GPUMemoryMiB)
	add(n.Free.Encoders, t.Encoders, n.Total.Encoders)
	add(n.FreeGPU(), t.GPUTotal(), int64(len(n.GPUs))*GPU)
	if kinds == 0 {
		return 0
	}
	return max(sum/kinds-least, 0)
}

// leftOver is (t - t1)/T, what is to be small (B4.2); 0 on a node that stays, and where t1 is not known.
func leftOver(v *view) float64 {
	if !v.Span.Bounded() || v.Span.Total <= 0 || v.task.Run == nil {
		return 0
	}
	return (v.Span.Free - v.t1) / v.Span.Total
}

// unseen is the share of tasks that are taken to follow no forecast but a heavy tail: of these half run longer than expected,
// a third longer than twice, a quarter longer than three times as long. So a node that stays longer is a little better however
// sure a forecast is.
const unseen = 0.05

// unknown is what a task is expected to run for that nobody can predict, seconds.
const unknown = hour

// risk is the probability that the node goes away before the task has ended.
func risk(v *view) float64 {
	if !v.Span.Bounded() {
		return 0
	}
	t := max(v.Span.Free, 0)
	if v.task.Run == nil {
		return unknown / (unknown + t)
	}
	return (1-unseen)*v.task.Run.Exceeds(t) + unseen*v.t1/(v.t1+t+1)
}
