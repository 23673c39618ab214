package encode

import "time"

// slowestRate is the lowest picture rate that rate control plans with, in pictures per second. A picture
// gets at most this share of a second's bits, so that a slow renderer's pictures do not take long to send:
// the time in which they arrive is part of the latency.
const slowestRate = 15

// pace turns the timestamps of pictures into the interval that rate control plans with. Pictures come when
// something changed and as fast as they are rendered, so the interval is smoothed, and pauses are no
// intervals: they are cut at the slowest rate.
type pace struct {
	shortest, longest time.Duration
	last, mean        time.Duration
	started           bool
}

func newPace(maxFPS float64) pace {
	shortest := time.Duration(float64(time.Second) / maxFPS)
	return pace{shortest: shortest, longest: max(shortest, time.Second/slowestRate), mean: shortest}
}

// next takes the timestamp of the next picture and returns the interval to plan with. A timestamp that
// does not advance counts as the shortest interval.
func (p *pace) next(timestamp time.Duration) time.Duration {
	if p.started {
		interval := max(p.shortest, min(timestamp-p.last, p.longest))
		p.mean += (interval - p.mean) / 4
	}
	p.started, p.last = true, timestamp
	return p.mean
}
