package placement

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Experience is what ended tasks of one type have shown of a node (A10), as moving averages. Zero is unknown.
type Experience struct {
	Node           signaling.NodeID
	Type           signaling.TaskType
	Runs, Failures int64   // tasks that ended there, and how many of them failed
	SpeedMBs       float64 // data worked on, MiB per second of run time
	TransferMBs    float64 // data received, MiB per second of transfer
	GPUMilli       float64 // GPU time that a task used, thousandths of a GPU
}

// The most that each part of a node's history counts against it. Together they are 30 ms: a node that fails every task, slowly,
// is taken only where others are that much farther. It is never excluded, since nothing could then show that it has recovered.
const (
	failuresMost = 12 * millisecond
	speedMost    = 8 * millisecond
	transferMost = 5 * millisecond
	useMost      = 5 * millisecond
	// historyStep is what the sum is rounded to, so that a node does not change its place with every task that ends.
	historyStep = millisecond / 2
	// fewRuns is the number of tasks at which experience counts half.
	fewRuns = 3
)

// past is what a node's history with tasks of one type counts against it, and why. A node without one has no history
// that counts.
type past struct {
	kind                   uint8   // index in signaling.TaskTypes
	term                   int32   // micros
	slower, later, heavier float32 // by which share the node is worse than the usual
	runs, failures         int64
}

// typical are the usual figures of a task type: the medians over the nodes that have run it.
type typical struct{ speed, transfer, use float64 }

// weigh makes pasts of experience, by node. Compared is with the median of all nodes, so that a node nobody knows yet counts as a
// usual one.
func weigh(all []Experience) map[signaling.NodeID][]past {
	all = slices.Clone(all)
	for i := range all {
		if all[i].Type == signaling.Rendering { // how long a session lasts, and how much it moves, is its user's
			all[i].SpeedMBs, all[i].GPUMilli = 0, 0
		}
	}
	var usual [taskTypes]typical
	for k := range usual {
		of := func(figure func(*Experience) float64) float64 {
			var values []float64
			for i := range all {
				if v := figure(&all[i]); kindOf(all[i].Type) == k && all[i].Runs > 0 && v > 0 && !math.IsInf(v, 0) {
					values = append(values, v)
				}
			}
			if len(values) == 0 {
				return 0
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		usual[k] = typical{of(func(e *Experience) float64 { return e.SpeedMBs }),
			of(func(e *Experience) float64 { return e.TransferMBs }), of(func(e *Experience) float64 { return e.GPUMilli })}
	}
	pasts := make(map[signaling.NodeID][]past)
	for i := range all {
		e := &all[i]
		k := kindOf(e.Type)
		if k < 0 || e.Runs <= 0 || slices.ContainsFunc(pasts[e.Node], func(p past) bool { return int(p.kind) == k }) {
			continue
		}
		if p := usual[k].judge(e); p.term > 0 {
			p.kind = uint8(k)
			pasts[e.Node] = append(pasts[e.Node], p)
		}
	}
	for _, list := range pasts {
		slices.SortFunc(list, func(a, b past) int { return cmp.Compare(a.kind, b.kind) })
	}
	return pasts
}

// judge compares a node's experience with the usual.
func (t *typical) judge(e *Experience) past {
	p := past{runs: e.Runs, failures: min(max(e.Failures, 0), e.Runs),
		slower: behind(e.SpeedMBs, t.speed), later: behind(e.TransferMBs, t.transfer), heavier: behind(t.use, e.GPUMilli)}
	sure := float64(e.Runs) / float64(e.Runs+fewRuns)
	sum := float64(p.failures)/float64(p.runs)*float64(failuresMost) + float64(p.slower)*float64(speedMost) +
		float64(p.later)*float64(transferMost) + float64(p.heavier)*float64(useMost)
	p.term = int32(math.Round(sure*sum/float64(historyStep))) * int32(historyStep)
	return p
}

// behind is by which share v is less than usual, 0 to 1; 0 where one of them is not known.
func behind(v, usual float64) float32 {
	if !(v > 0) || !(usual > 0) || v >= usual || math.IsInf(usual, 0) {
		return 0
	}
	return float32(1 - v/usual)
}

// reason says in words what counts against the node.
func (p *past) reason() string {
	var parts []string
	if p.failures > 0 {
		parts = append(parts, strconv.FormatInt(p.failures, 10)+" of "+strconv.FormatInt(p.runs, 10)+" tasks of this type failed there")
	}
	percent := func(share float32, of string) {
		if v := math.Round(float64(share) * 100); v >= 1 {
			parts = append(parts, of+strconv.FormatFloat(v, 'f', 0, 64)+" % below the usual")
		}
	}
	percent(p.slower, "its speed is ")
	percent(p.later, "its transfer of data is ")
	percent(p.heavier, "what its GPU does in the same time is ")
	return strings.Join(parts, ", ")
}
