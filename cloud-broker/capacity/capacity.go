// Package capacity says how many nodes a pool should have, by a buffer policy: as many as are busy, and behind them a
// buffer of free ones that is as large as a share of the busy ones and at least a minimum. So a few sessions find a
// place at once, and many sessions that begin together do too. An autoscaler follows the number (the metric
// tomocast_pool_desired_nodes, or GET /api/v1/pool).
//
// It is pure: amounts in, numbers out.
package capacity

import (
	"math"

	"github.com/tomocast/tomocast/signaling"
)

// Policy is how much is kept free.
type Policy struct {
	Min   int     // free nodes at least
	Share float64 // free nodes as a share of the busy ones: 0.2 is one for every five
}

// Default is the policy where none is configured: one free node, and one more for every five busy ones.
var Default = Policy{Min: 1, Share: 0.2}

// Load is what a pool has and what is asked of it.
type Load struct {
	Nodes    int                 // nodes that are ready
	Capacity signaling.Resources // of those nodes together
	// Held is what tasks hold, on whatever node: those on a node that drains need another one soon.
	Held signaling.Resources
	// Waiting is what the tasks of the queue need together, and Tasks how many they are.
	Waiting signaling.Resources
	Tasks   int
}

// Plan is what a policy makes of a load.
type Plan struct {
	Desired int `json:"desired" doc:"how many nodes there should be: busy and buffer"`
	// Equivalents is how many whole nodes the scarcest kind of resource keeps busy, counting what waits.
	Equivalents float64 `json:"equivalents" doc:"how many whole nodes are busy or waited for, by the scarcest resource"`
	Busy        int     `json:"busy" doc:"the same, rounded up"`
	Buffer      int     `json:"buffer" doc:"how many more are kept free"`
	Scarcest    string  `json:"scarcest,omitempty" doc:"the resource that decides"`
}

// Desired applies the policy. Of each kind of resource, what is held and waited for is divided by what one node has on
// average; the kind of which that gives most decides. A kind that no node has counts nothing, since more of the same
// nodes would not help. With no nodes to go by, each task that waits counts as one.
func (p Policy) Desired(l Load) Plan {
	var plan Plan
	held, waiting, all := amounts(l.Held), amounts(l.Waiting), amounts(l.Capacity)
	for i, have := range all {
		if have <= 0 || l.Nodes <= 0 {
			continue
		}
		asked := math.Max(0, float64(held[i])) + math.Max(0, float64(waiting[i]))
		if n := asked * float64(l.Nodes) / float64(have); n > plan.Equivalents {
			plan.Equivalents, plan.Scarcest = n, names[i]
		}
	}
	if l.Nodes <= 0 {
		plan.Equivalents = float64(max(0, l.Tasks))
	}
	plan.Busy = up(plan.Equivalents)
	plan.Buffer = max(p.Min, up(p.Share*float64(plan.Busy)), 0)
	plan.Desired = min(plan.Busy+plan.Buffer, maxNodes)
	return plan
}

// maxNodes bounds what is asked for, whatever the amounts say: the largest pool that the broker is built for.
const maxNodes = 100_000

// up rounds up, forgiving what adding fractions lost.
func up(v float64) int {
	if !(v > 0) {
		return 0
	}
	return int(math.Ceil(math.Min(v, maxNodes) - 1e-9))
}

var names = [...]string{"gpuMemoryMB", "gpuMilli", "encoderSessions", "cpuMilli", "memoryMB"}

func amounts(r signaling.Resources) [len(names)]int64 {
	return [...]int64{r.GPUMemoryMB, r.GPUMilli, r.EncoderSessions, r.CPUMilli, r.MemoryMB}
}
