package stream

import (
	"math"
	"time"
)

// governor bounds the estimate of congestion control. The estimator trusts every rate at which nothing went wrong,
// also while next to nothing is sent, and it keeps its last word when feedback stops. So:
//
//   - a rate counts for at most headroom times what was really sent of late, or the start rate where that is
//     more: a still picture proves nothing about the link;
//   - without feedback for what was sent, the rate halves each second, and is the least after five;
//   - when feedback comes back, the rate doubles each half second until it is the estimate again.
//
// It has no clock: now is the time since any fixed start.
type governor struct {
	min, start, max int

	sentBytes   int           // in the present window
	windowStart time.Duration // when the present window began
	tried       float64       // highest rate sent of late, decaying, bit/s
	triedAt     time.Duration

	waiting      bool          // something was sent after the last feedback
	waitingSince time.Duration // the first such sending
	brake        float64       // what silence leaves of the rate, up to 1
	brakedAt     time.Duration
}

const (
	headroom    = 2
	rateWindow  = 250 * time.Millisecond
	triedHalf   = 10 * time.Second // half-life of what was tried
	silentAfter = time.Second
	deafAfter   = 5 * time.Second
	recoverIn   = 500 * time.Millisecond // time in which the rate doubles after a silence
)

func newGovernor(c Config) *governor {
	return &governor{min: c.MinBitrate, start: c.StartBitrate, max: c.MaxBitrate, brake: 1}
}

// sent notes that a picture of n bytes left.
func (g *governor) sent(now time.Duration, n int) {
	if !g.waiting {
		g.waiting, g.waitingSince = true, now
	}
	g.roll(now)
	g.sentBytes += n
}

// feedback notes that the terminal told what arrived.
func (g *governor) feedback(time.Duration) { g.waiting = false }

// target is the rate that the encoder may use.
func (g *governor) target(now time.Duration, estimate int) int {
	g.roll(now)
	limit := max(float64(g.start), headroom*g.decayed(now))
	rate := min(float64(estimate), limit, float64(g.max))

	elapsed := now - g.brakedAt
	g.brakedAt = now
	silence := time.Duration(0)
	if g.waiting {
		silence = now - g.waitingSince
	}
	switch {
	case silence >= deafAfter:
		g.brake = min(g.brake, float64(g.min)/max(rate, 1))
	case silence >= silentAfter:
		g.brake *= math.Exp2(-elapsed.Seconds())
	case !g.waiting && g.brake < 1:
		g.brake = min(1, g.brake*math.Exp2(elapsed.Seconds()/recoverIn.Seconds()))
	}
	return max(int(rate*g.brake), g.min)
}

// roll ends the window of the sending rate when it is over.
func (g *governor) roll(now time.Duration) {
	if span := now - g.windowStart; span >= rateWindow {
		rate := float64(g.sentBytes) * 8 / span.Seconds()
		if rate >= g.decayed(now) {
			g.tried, g.triedAt = rate, now
		}
		g.sentBytes, g.windowStart = 0, now
	}
}

func (g *governor) decayed(now time.Duration) float64 {
	return g.tried * math.Exp2(-(now-g.triedAt).Seconds()/triedHalf.Seconds())
}
