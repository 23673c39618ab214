package nodetime

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Average is the mean of a rate over a window of time that ends now: of measurements that each hold since the one before.
// One goroutine owns it.
type Average struct {
	window time.Duration
	origin time.Time
	since  time.Duration // what the first point holds since; like all times in it, since the origin
	points []point
}

// point is the measurements of a span that ends at a time: one, or several that were close together.
type point struct {
	at    time.Duration
	value float64 // mean over the span
	sum   float64 // of the measurements
	peak  float64
	count int
}

// grain is into how many spans a window is divided: measurements that are closer together are joined.
const grain = 64

// NewAverage is the mean over at most window, from since on.
func NewAverage(window time.Duration, since time.Time) *Average {
	return &Average{window: window, origin: since}
}

// Add notes that the rate has been value since the last note. Times go forward; values are finite and not negative.
func (a *Average) Add(value float64, at time.Time) error {
	if !(value >= 0) || math.IsInf(value, 1) {
		return fmt.Errorf("a rate of %g: it must be finite and not negative", value)
	}
	now, last := at.Sub(a.origin), a.since
	if n := len(a.points); n > 0 {
		last = a.points[n-1].at
	}
	if now <= last {
		return fmt.Errorf("a rate at %v: the last one is of %v", at, a.origin.Add(last))
	}
	a.drop(now)
	n := len(a.points)
	if n > 0 && now-a.begin(n-1) <= a.window/grain {
		p := &a.points[n-1]
		before, more := float64(p.at-a.begin(n-1)), float64(now-p.at)
		*p = point{now, (p.value*before + value*more) / (before + more), p.sum + value, max(p.peak, value), p.count + 1}
		return nil
	}
	a.points = append(a.points, point{now, value, value, value, 1})
	return nil
}

// begin is when the span of a point begins.
func (a *Average) begin(i int) time.Duration {
	if i == 0 {
		return a.since
	}
	return a.points[i-1].at
}

// drop forgets what has left the window.
func (a *Average) drop(now time.Duration) {
	n := 0
	for n < len(a.points) && a.points[n].at <= now-a.window {
		a.since = a.points[n].at
		n++
	}
	a.points = slices.Delete(a.points, 0, n)
}

// Over is the use within the window divided by it: the window is no longer than the time since the beginning. False where
// nothing was noted in it.
func (a *Average) Over(now time.Time) (float64, bool) {
	from := now.Sub(a.origin) - a.window
	use, span := 0.0, 0.0
	for i, p := range a.points {
		if d := float64(p.at - max(a.begin(i), from)); d > 0 {
			use, span = use+p.value*d, span+d
		}
	}
	if span == 0 {
		return 0, false
	}
	return use / span, true
}

// Mean is the mean of the rates in the window as they were noted, each for one.
func (a *Average) Mean(now time.Time) (float64, bool) {
	sum, n := 0.0, 0
	for _, p := range a.points {
		if p.at > now.Sub(a.origin)-a.window {
			sum, n = sum+p.sum, n+p.count
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

// Peak is the highest rate in the window.
func (a *Average) Peak(now time.Time) (float64, bool) {
	peak, known := 0.0, false
	for _, p := range a.points {
		if p.at > now.Sub(a.origin)-a.window {
			peak, known = max(peak, p.peak), true
		}
	}
	return peak, known
}
