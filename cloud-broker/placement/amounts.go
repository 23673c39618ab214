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

// closed is less than any need, zero included: what a node that is not ready has free for new work.
var closed = amounts{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64}

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

// describe says an amount of kind i in words.
func describe(i int, v int64) string {
	switch i {
	case 0:
		return fmt.Sprintf("%d MiB of GPU memory", v)
	case 1:
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
