package nodetime

import (
	"fmt"
	"math"
	"time"
)

// Average is the mean of a rate over a window of time that ends now: of measurements that each hold since the one before.
// One goroutine owns it.
type Average struct {
	window time.Duration
	since  time.Time // what the first point holds since
	points []point
}

type point struct {
	at    time.Time
	value float64
}

// maxPoints bounds what an average keeps; of more in a window, neighbours are joined.
const maxPoints = 512

// NewAverage is the mean over at most window, from since on.
func NewAverage(window time.Duration, since time.Time) *Average {
	return &Average{window: window, since: since}
}

// Add notes that the rate has been value since the last note. Times go forward; values are finite and not negative.
func (a *Average) Add(value float64, at time.Time) error {
	if !(value >= 0) || math.IsInf(value, 1) {
		return fmt.Errorf("a rate of %g: it must be finite and not negative", value)
	}
	if last := a.last(); !at.After(last) {
		return fmt.Errorf("a rate at %v: the last one is of %v", at, last)
	}
	// One before the window stays, since it says when the first one in it begins.
	drop := 0
	for drop+1 < len(a.points) && !a.points[drop+1].at.After(at.Add(-a.window)) {
		drop++
	}
	if drop > 0 {
		a.since = a.points[drop-1].at
	}
	a.points = append(a.points[drop:], point{at, value})
	if len(a.points) > maxPoints {
		a.join()
	}
	return nil
}

func (a *Average) last() time.Time {
	if len(a.points) == 0 {
		return a.since
	}
	return a.points[len(a.points)-1].at
}

// join makes one of each two neighbours.
func (a *Average) join() {
	begin := a.since
	out := make([]point, 0, maxPoints)
	for i := 0; i+1 < len(a.points); i += 2 {
		p, q := a.points[i], a.points[i+1]
		first, second := p.at.Sub(begin).Seconds(), q.at.Sub(p.at).Seconds()
		out = append(out, point{q.at, (p.value*first + q.value*second) / (first + second)})
		begin = q.at
	}
	if len(a.points)%2 == 1 {
		out = append(out, a.points[len(a.points)-1])
	}
	a.points = out
}

// Over is the use within the window divided by it: the window is no longer than the time since the beginning. False where
// nothing was noted in it.
func (a *Average) Over(now time.Time) (float64, bool) {
	from := now.Add(-a.window)
	if from.Before(a.since) {
		from = a.since
	}
	sum, span := 0.0, 0.0
	begin := a.since
	for _, p := range a.points {
		start := begin
		if start.Before(from) {
			start = from
		}
		if d := p.at.Sub(start).Seconds(); d > 0 {
			sum, span = sum+p.value*d, span+d
		}
		begin = p.at
	}
	if span == 0 {
		return 0, false
	}
	return sum / span, true
}

// Mean is the mean of the rates in the window as they were noted, each for one.
func (a *Average) Mean(now time.Time) (float64, bool) {
	sum, n := 0.0, 0
	for _, p := range a.points {
		if p.at.After(now.Add(-a.window)) && !p.at.After(now) {
			sum, n = sum+p.value, n+1
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

// Peak is the highest rate in the window.
func (a *Average) Peak(now time.Time) (float64, bool) {
	peak, ok := 0.0, false
	for _, p := range a.points {
		if p.at.After(now.Add(-a.window)) && !p.at.After(now) {
			peak, ok = max(peak, p.value), true
		}
	}
	return peak, ok
}
