package placement

import (
	"fmt"
	"math"

	"github.com/tomocast/tomocast/signaling"
)

// kinds is the number of resource kinds of signaling.Resources.
const kinds = 5

// amounts are signaling.Resources by index, so that loops can run over the kinds.
type amounts [kinds]int64

// gpuMemory and gpuMilli are the kinds that one GPU of a node must have alone.
const (
	gpuMemory = iota
	gpuMilli
)

// closed and cordoned are less than any need, zero included: what a node that is not ready, or that an operator keeps
// tasks away from, has free for new work.
var (
	closed   = amounts{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64}
	cordoned = amounts{math.MinInt64 + 1, math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64}
)

// open says that the amounts are those of a node that takes tasks.
func (free *amounts) open() bool { return free[0] > cordoned[0] }

func amountsOf(r signaling.Resources) amounts {
	return amounts{r.GPUMemoryMB, r.GPUMilli, r.EncoderSessions, r.CPUMilli, r.MemoryMB}
}

// lacks returns the first kind of which free has less than needs, or -1 where all fit.
func (needs *amounts) lacks(free *amounts) int {
	for i := range needs {
		if needs[i] > free[i] {
			return i
		}
	}
	return -1
}

// offers are the amounts that a task could find at a node: of several GPUs the most that any has of each kind, since a
// task uses one of them. That one GPU has enough of both is another question (fitsOneGPU).
func offers(n *signaling.Node) amounts {
	switch n.State {
	case signaling.NodeReady:
	case signaling.NodeCordoned:
		return cordoned
	default:
		return closed
	}
	free := amountsOf(n.Free)
	if len(n.GPUs) == 0 {
		return free
	}
	free[gpuMemory], free[gpuMilli] = math.MinInt64/2, math.MinInt64/2
	for _, g := range freeGPUs(n) {
		free[gpuMemory], free[gpuMilli] = max(free[gpuMemory], g.MemoryMB), max(free[gpuMilli], g.Milli)
	}
	return free
}

// freeGPUs are what is free of each GPU. Where the node does not tell, it is taken for the GPUs' capacity.
func freeGPUs(n *signaling.Node) []signaling.GPU {
	if len(n.FreeGPUs) > 0 {
		return n.FreeGPUs
	}
	return n.GPUs
}

// fitsOneGPU says whether one GPU of the node has all that the task needs of a GPU.
func (needs *amounts) fitsOneGPU(n *signaling.Node) bool {
	if len(n.GPUs) == 0 {
		return true
	}
	for _, g := range freeGPUs(n) {
		if needs[gpuMemory] <= g.MemoryMB && needs[gpuMilli] <= g.Milli {
			return true
		}
	}
	return false
}

// describe says an amount of kind i in words.
func describe(i int, v int64) string {
	switch i {
	case gpuMemory:
		return fmt.Sprintf("%d MiB of GPU memory", v)
	case gpuMilli:
		return fmt.Sprintf("%.3g of a GPU's time", float64(v)/1000)
	case 2:
		if v == 1 {
			return "one video encoder"
		}
		return fmt.Sprintf("%d video encoders", v)
	case 3:
		return fmt.Sprintf("%.3g processor cores", float64(v)/1000)
	default:
		return fmt.Sprintf("%d MiB of memory", v)
	}
}
