package fit

import (
	"fmt"
	"math"
)

// Span is the time of a node's free part (B3): 0 <= Free <= Total. Times are seconds.
type Span struct {
	Total float64 // T: for how long the node can be used in all; +Inf for a node that stays
	Free  float64 // t: for how long its free part can be used
	// Period is how often used time comes back; 0: never, as in a window that ends at a fixed time.
	Period float64
}

// Always is the time of a node that stays.
var Always = Span{Total: math.Inf(1), Free: math.Inf(1)}

// Check refuses times that cannot be.
func (s Span) Check() error {
	if !(s.Free >= 0 && s.Free <= s.Total) || !(s.Period >= 0) || math.IsInf(s.Period, 1) {
		return fmt.Errorf("a node with %v s of %v s free and a circulation period of %v s is impossible; 0 <= t <= T is needed", s.Free, s.Total, s.Period)
	}
	return nil
}

// Bounded says that the node's time ends.
func (s Span) Bounded() bool { return !math.IsInf(s.Free, 1) }
