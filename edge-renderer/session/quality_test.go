package session

import (
	"testing"
	"time"
)

const xga = 1024 * 768

// settle feeds the controller pictures of a renderer that takes full milliseconds at full quality, until its
// choice is stable.
func settle(c *controller, full time.Duration, pixels int) quality {
	var q quality
	now := time.Duration(0)
	for range 60 {
		now += 33 * time.Millisecond
		q = c.moving(pixels, now)
		cost := time.Duration(float64(full) * q.scale * q.scale * q.rung * q.rung / q.step)
		c.rendered(q, cost, 5*time.Millisecond)
	}
	return q
}

func TestFastRendererMovesAtFullQuality(t *testing.T) {
	c := controller{}
	c.bandwidth(20_000_000)
	if q := settle(&c, 8*time.Millisecond, xga); !q.full() {
		t.Errorf("8 ms pictures are reduced to %+v", q)
	}
}

func TestSlowRendererStaysInBudget(t *testing.T) {
	for _, full := range []time.Duration{40, 80, 150, 300} {
		c := controller{}
		c.bandwidth(20_000_000)
		q := settle(&c, full*time.Millisecond, xga)
		cost := full.Seconds() * 1000 * q.scale * q.scale / q.step
		if q.full() || cost > ms(movingBudget)-5 {
			t.Errorf("%d ms at full quality: chose %+v, which takes %.0f ms", full, q, cost)
		}
	}
}

func TestQualityDoesNotSwing(t *testing.T) {
	c := controller{}
	c.bandwidth(20_000_000)
	settle(&c, 60*time.Millisecond, xga)
	changes, last := 0, quality{}
	now := 10 * time.Second
	for i := range 100 {
		now += 33 * time.Millisecond
		q := c.moving(xga, now)
		if i > 0 && (q.scale != last.scale || q.step != last.step) {
			changes++
		}
		last = q
		noise := 0.9 + 0.2*float64(i%2) // a machine whose times vary
		c.rendered(q, time.Duration(noise*float64(60*time.Millisecond)*q.scale*q.scale/q.step), 5*time.Millisecond)
	}
	if changes > 3 {
		t.Errorf("the quality changed %d times in 100 pictures of equal cost", changes)
	}
}

func TestPictureInBetweenOnlyWhereFullQualityTakesLong(t *testing.T) {
	for _, tt := range []struct {
		full time.Duration
		want bool
	}{{300 * time.Millisecond, false}, {1200 * time.Millisecond, true}} {
		c := controller{}
		c.bandwidth(20_000_000)
		moving := ladder[len(ladder)-1]
		c.rendered(quality{scale: moving.scale, step: moving.step, rung: 1},
			time.Duration(float64(tt.full)*relative(moving.scale, moving.step)), 5*time.Millisecond)
		q, ok := c.between(len(ladder)-1, xga, time.Second)
		if ok != tt.want {
			t.Errorf("%v at full quality: a picture in between is %v", tt.full, ok)
		}
		if predicted := tt.full.Seconds() * 1000 * relative(q.scale, q.step); ok && predicted > ms(betweenBudget) {
			t.Errorf("%v at full quality: the picture in between takes %.0f ms", tt.full, predicted)
		}
	}
}

func TestBitrateFollowsTheEstimate(t *testing.T) {
	c := controller{}
	for _, bps := range []int{400_000, 2_000_000, 6_000_000} {
		c.bandwidth(bps)
		q := c.moving(xga, time.Second)
		if q.bitrate > bps || q.bitrate < bps/2 {
			t.Errorf("estimate %d: bitrate %d", bps, q.bitrate)
		}
	}
	c.bandwidth(1 << 30)
	if q := c.moving(xga, time.Second); q.bitrate > maxBitrate {
		t.Errorf("bitrate %d without bound", q.bitrate)
	}
}

func TestNarrowLinkGetsFewerGoodPictures(t *testing.T) {
	c := controller{}
	c.bandwidth(300_000)
	q := c.moving(xga, 0)
	if q.gap <= minInterval || q.gap > maxInterval {
		t.Errorf("gap of %v at 300 kbit/s", q.gap)
	}
}

func TestSizeChangesSeldom(t *testing.T) {
	c := controller{}
	c.bandwidth(100_000)
	if q := c.moving(xga, 0); q.rung != 1 {
		t.Error("the size changed at once")
	}
	if q := c.moving(xga, rungPatience); q.rung == 1 {
		t.Error("the size never changes")
	}
	// A short glimpse of bandwidth does not bring it back.
	c.bandwidth(20_000_000)
	c.moving(xga, rungPatience+time.Second)
	c.bandwidth(100_000)
	c.moving(xga, rungPatience+1500*time.Millisecond)
	c.bandwidth(20_000_000)
	if q := c.moving(xga, 2*rungPatience+time.Second); q.rung == 1 {
		t.Error("the size swings")
	}
	if q := c.moving(xga, 3*rungPatience+time.Second); q.rung != 1 {
		t.Errorf("the size does not come back: %+v", q)
	}
}
