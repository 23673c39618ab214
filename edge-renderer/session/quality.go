package session

import (
	"math"
	"time"
)

// quality is how one picture is rendered and encoded.
type quality struct {
	scale   float64 // rendered pixels per encoded pixel along one side
	step    float64 // sampling step as a multiple of the full-quality step
	rung    float64 // encoded pixels per wanted pixel along one side
	level   int     // index into ladder
	bitrate int     // bits per second
	gap     time.Duration
	threads int // of the encoder; 0: as it likes
}

// full says whether the picture has every pixel and every sample.
func (q quality) full() bool { return q.scale == 1 && q.step == 1 && q.rung == 1 }

// ladder is what moving pictures step down when rendering takes too long: first samples, as long as they
// are not far apart, then pixels.
var ladder = []struct{ scale, step float64 }{
	{1, 1}, {1, 1.25}, {1, 1.5}, {0.8, 1.5}, {0.65, 1.5}, {0.5, 1.5}, {0.4, 1.5}, {0.3, 1.5}, {0.22, 1.5},
}

const (
	// coarse is the level from which on pictures come rather a little later than with still fewer pixels.
	coarse = 5
	// first is where a session begins, before anything was measured.
	first = 7
)

// rungs are the encoded sizes. They change seldom, because each change costs a key frame.
var rungs = []float64{1, 0.75, 0.5}

// sizes are those from which a budget's bound on encoded pixels chooses.
var sizes = []float64{1, 0.75, 0.5, 0.35, 0.25}

// slowestMoving is the time between pictures of what moves that a bound on encoded pixels may cause before they get smaller:
// less than 15 a second are no motion.
const slowestMoving = time.Second / 15

const (
	// movingBudget is the time that rendering and encoding a picture may take while the hand moves: 30
	// pictures a second, which is where a turning volume begins to look continuous.
	movingBudget = 33 * time.Millisecond
	// coarseBudget is the same for levels from coarse on: 15 pictures a second.
	coarseBudget = 66 * time.Millisecond
	// patience is how long full quality may take without a picture in between, after the last moving one.
	patience = 700 * time.Millisecond
	// betweenBudget is the time for that one.
	betweenBudget = 250 * time.Millisecond
	// climbMargin keeps the ladder from swinging: a better level must be predicted to leave this share free.
	climbMargin = 0.8
	// costExponent makes costs fall slower than the number of samples does: some work is done once for each
	// picture, and long steps miss what lets a ray end early. On the demo study a hundredth of the samples takes
	// a thirtieth (bone) to a thirteenth (soft tissue) of the time.
	costExponent = 0.75
	// costMemory is the weight of the newest measurement in the running mean of costs.
	costMemory = 0.3

	minInterval = time.Second / 60 // no screen of ours is faster
	maxInterval = time.Second / 10

	// Bits per encoded pixel and picture: under poorBits a picture falls apart into blocks, above richBits
	// more changes nothing to see.
	poorBits = 0.03
	richBits = 0.35

	minBitrate = 150_000
	maxBitrate = 20_000_000
	// rungPatience is how long the bandwidth must ask for another size before it changes.
	rungPatience = 2 * time.Second
)

// controller decides rendering scale, sampling step, picture rate, encoded size and bitrate together, from
// the measured times of the last pictures and the bandwidth estimate. It has no clock: time is an argument.
type controller struct {
	fullCost  float64 // milliseconds that rendering at full quality takes, as predicted from what was measured
	otherCost float64 // milliseconds of scaling, converting and encoding
	level     int     // index into ladder
	estimate  int     // bits per second
	rung      int     // index into rungs
	wantRung  int
	wantSince time.Duration
	limit     limit
	size      float64 // that the bound on encoded pixels leaves, of sizes; 0 before the first picture
}

// limit is what a session's budget leaves its encoder; 0 is no limit.
type limit struct {
	threads int
	kpps    int64 // thousands of pixels a second
}

// rendered takes the measured times of a picture that was rendered with q.
func (c *controller) rendered(q quality, render, other time.Duration) {
	c.fullCost = blend(c.fullCost, ms(render)/relative(q.scale*q.rung, q.step))
	c.otherCost = blend(c.otherCost, ms(other))
}

// bandwidth takes the newest estimate, bits per second.
func (c *controller) bandwidth(bps int) { c.estimate = bps }

// moving is how the next picture is made while the view changes, for a wanted size of pixels.
func (c *controller) moving(pixels int, now time.Duration) quality {
	level := len(ladder) - 1
	for i := range ladder {
		budget := movingBudget
		if i >= coarse {
			budget = coarseBudget
		}
		limit := max(ms(budget)-c.otherCost, ms(budget)/3)
		if i < c.level {
			limit *= climbMargin
		}
		if c.cost(i) <= limit {
			level = i
			break
		}
	}
	if c.fullCost == 0 {
		level = first
	}
	c.level = level
	return c.at(level, pixels, now)
}

// between is a picture better than one of level that comes soon, on the way to full quality; ok is false
// where full quality itself comes soon enough.
func (c *controller) between(level, pixels int, now time.Duration) (q quality, ok bool) {
	if c.cost(0) <= ms(patience) {
		return quality{}, false
	}
	for i := range ladder {
		if c.cost(i) <= ms(betweenBudget) {
			return c.at(i, pixels, now), i < level-1
		}
	}
	return quality{}, false
}

// cost is the predicted time of rendering at a level, milliseconds.
func (c *controller) cost(level int) float64 {
	l := ladder[level]
	side := rungs[c.rung]
	if c.size > 0 {
		side = min(side, c.size)
	}
	return c.fullCost * relative(l.scale*side, l.step)
}

// relative is what rendering takes with fewer pixels along a side, or with longer steps, of what it takes at full
// quality.
func relative(side, step float64) float64 { return math.Pow(side*side/step, costExponent) }

func (c *controller) at(level, pixels int, now time.Duration) quality {
	q := quality{scale: ladder[level].scale, step: ladder[level].step, level: level}
	c.encoding(&q, pixels, now)
	return q
}

// resting is how the picture is refined when the hand rests: everything, at the size that the link carries.
func (c *controller) resting(pixels int, now time.Duration) quality {
	return c.at(0, pixels, now)
}

// encoding sets size, bitrate and rate from the bandwidth.
func (c *controller) encoding(q *quality, pixels int, now time.Duration) {
	bps := c.estimate
	if bps <= 0 {
		bps = 4_000_000
	}
	bps = bps * 9 / 10 // the rest is for stamps, retransmissions and stills
	c.chooseRung(float64(bps), float64(pixels), now)
	c.size = c.bounded(float64(pixels))
	q.rung, q.threads = min(rungs[c.rung], c.size), c.limit.threads
	area := float64(pixels) * q.rung * q.rung
	q.bitrate = int(math.Min(float64(bps), area*30*richBits))
	q.bitrate = min(max(q.bitrate, minBitrate), maxBitrate)
	// On a narrow link fewer good pictures beat many bad ones.
	gap := time.Duration(area * poorBits / float64(q.bitrate) * float64(time.Second))
	q.gap = max(min(max(gap, minInterval), maxInterval), c.least(area))
}

// bounded is the largest size of which the budget leaves 15 pictures a second, else the smallest.
func (c *controller) bounded(pixels float64) float64 {
	for _, size := range sizes {
		if c.least(pixels*size*size) <= slowestMoving {
			return size
		}
	}
	return sizes[len(sizes)-1]
}

// least is the time from one picture of so many pixels to the next that the budget asks for.
func (c *controller) least(pixels float64) time.Duration {
	if c.limit.kpps == 0 {
		return 0
	}
	return time.Duration(pixels / float64(c.limit.kpps) * float64(time.Millisecond))
}

// due is when a picture may come that shows better what was shown at last.
func (c *controller) due(q quality, pixels int, last time.Duration) time.Duration {
	return last + c.least(float64(pixels)*q.rung*q.rung)
}

// chooseRung picks the largest size at which ten pictures a second are still good, after it was right for a
// while.
func (c *controller) chooseRung(bps, pixels float64, now time.Duration) {
	want := len(rungs) - 1
	for i, r := range rungs {
		need := pixels * r * r * poorBits * 10
		if i < c.rung {
			need *= 1.5 // climb only with room to spare
		}
		if bps >= need {
			want = i
			break
		}
	}
	switch {
	case want == c.rung:
		c.wantRung = want
	case want != c.wantRung:
		c.wantRung, c.wantSince = want, now
	case now-c.wantSince >= rungPatience:
		c.rung = want
	}
}

func blend(old, measured float64) float64 {
	if old == 0 {
		return measured
	}
	return old + costMemory*(measured-old)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
