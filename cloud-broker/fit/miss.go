package fit

import (
	"cmp"
	"math"
	"slices"
)

// Miss is how far the prediction of a run time was off.
type Miss struct {
	Error float64 // |ln(predicted/real)|
	Run   float64 // s, the real run time
}

// Tenth is what errors are above that make up a tenth of the run time, infinite where there are none: long tasks that are
// predicted badly keep nodes in use. It is what Scorer.Error wants.
func Tenth(all []Miss) float64 {
	all = slices.SortedFunc(slices.Values(all), func(a, b Miss) int { return cmp.Compare(a.Error, b.Error) })
	total, sum := 0.0, 0.0
	for _, m := range all {
		total += m.Run
	}
	for _, m := range all {
		if sum += m.Run; sum >= 0.9*total {
			return m.Error
		}
	}
	return math.Inf(1)
}
