package fit

import (
	"fmt"
	"math"
	"slices"
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

// Take is the time after a task of run seconds was placed (B4.3).
func (s Span) Take(run float64) Span {
	s.Free = max(s.Free-max(run, 0), 0)
	return s
}

// After is the time when a while has passed in which nothing new was placed. Where time circulates, each period that ended
// gave its length back, though the task that took it may still run (B3); elsewhere the end has come nearer.
func (s Span) After(seconds float64) Span {
	if !(seconds > 0) || !s.Bounded() {
		return s
	}
	if s.Period > 0 {
		s.Free = min(s.Free+math.Floor(seconds/s.Period)*s.Period, s.Total)
	} else {
		s.Free = max(s.Free-seconds, 0)
	}
	return s
}

// Window is a while in which a node can be used: from From on, before To, in seconds since an epoch of its own.
type Window struct{ From, To float64 }

// Windows are when a node can be used, in order. None at all: always.
type Windows []Window

// NewWindows puts windows in order. One that ends before it starts and two that overlap are errors.
func NewWindows(w ...Window) (Windows, error) {
	out := slices.Clone(w)
	slices.SortFunc(out, func(a, b Window) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	for i, v := range out {
		switch {
		case !(v.From < v.To):
			return nil, fmt.Errorf("the window from %g s to %g s ends before it starts", v.From, v.To)
		case i > 0 && v.From < out[i-1].To:
			return nil, fmt.Errorf("the windows from %g s to %g s and from %g s to %g s overlap", out[i-1].From, out[i-1].To, v.From, v.To)
		}
	}
	return out, nil
}

// At is the node's time at a moment: T is the length of the window that is open, t what is left of it. ok is false where none
// is open.
func (w Windows) At(now float64) (s Span, ok bool) {
	if len(w) == 0 {
		return Always, true
	}
	i, found := slices.BinarySearchFunc(w, now, func(v Window, now float64) int {
		switch {
		case v.From < now:
			return -1
		case v.From > now:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 || now >= w[i].To {
		return Span{}, false
	}
	return Span{Total: w[i].To - w[i].From, Free: w[i].To - now}, true
}
