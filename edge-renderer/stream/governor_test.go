package stream

import (
	"testing"
	"time"
)

func testGovernor() *governor {
	return newGovernor(Config{MinBitrate: 100_000, StartBitrate: 2_000_000, MaxBitrate: 20_000_000})
}

// run sends rate bits a second for a time, with feedback where wanted, and returns the last target.
func run(g *governor, from, span time.Duration, rate int, feedback bool, estimate int) int {
	const step = 50 * time.Millisecond
	target := 0
	for at := from; at <= from+span; at += step {
		if rate > 0 {
			g.sent(at, rate/8/20)
		}
		if feedback {
			g.feedback(at)
		}
		target = g.target(at, estimate)
	}
	return target
}

func TestGovernorTrustsNoRateThatWasNotTried(t *testing.T) {
	g := testGovernor()
	// An estimate that has grown without bound while little was sent counts for the start rate.
	if got := run(g, 0, 10*time.Second, 50_000, true, 500_000_000); got != 2_000_000 {
		t.Errorf("little sent: %d, want the start rate", got)
	}
	// What was sent is trusted twice over.
	if got := run(g, 10*time.Second, 2*time.Second, 4_000_000, true, 500_000_000); got < 7_500_000 || got > 8_500_000 {
		t.Errorf("4 Mbit/s sent: %d, want about 8 Mbit/s", got)
	}
	// Never more than the most, never more than the estimate.
	if got := run(g, 12*time.Second, 2*time.Second, 15_000_000, true, 500_000_000); got != 20_000_000 {
		t.Errorf("15 Mbit/s sent: %d, want the most", got)
	}
	if got := run(g, 14*time.Second, time.Second, 15_000_000, true, 3_000_000); got != 3_000_000 {
		t.Errorf("estimate of 3 Mbit/s: %d", got)
	}
	// It is forgotten again: after two half-lives a quarter is left.
	if got := run(g, 15*time.Second, 20*time.Second, 0, true, 500_000_000); got < 7_000_000 || got > 9_000_000 {
		t.Errorf("20 s later: %d, want about a quarter of 30 Mbit/s", got)
	}
	if got := run(g, 35*time.Second, time.Second, 0, true, 1); got != 100_000 {
		t.Errorf("estimate of nothing: %d, want the least", got)
	}
}

func TestGovernorGoesDownInSilence(t *testing.T) {
	g := testGovernor()
	const estimate = 1_600_000
	run(g, 0, time.Second, 1_000_000, true, estimate)
	if got := run(g, time.Second, 900*time.Millisecond, 1_000_000, false, estimate); got != estimate {
		t.Errorf("after 0.9 s of silence: %d, want %d", got, estimate)
	}
	if got := run(g, 2*time.Second, time.Second, 1_000_000, false, estimate); got < 700_000 || got > 900_000 {
		t.Errorf("after 2 s: %d, want half", got)
	}
	if got := run(g, 3*time.Second, 3500*time.Millisecond, 1_000_000, false, estimate); got != 100_000 {
		t.Errorf("after 5 s: %d, want the least", got)
	}
	// Back up step by step when feedback comes back: 1/16 to 1 takes four doublings of half a second.
	at := 7 * time.Second
	g.feedback(at)
	first := g.target(at, estimate)
	if first > 400_000 {
		t.Errorf("at once after the silence: %d", first)
	}
	if got := run(g, at, 1*time.Second, 0, true, estimate); got >= estimate || got <= first {
		t.Errorf("a second after the silence: %d", got)
	}
	if got := run(g, at+time.Second, 3*time.Second, 0, true, estimate); got != estimate {
		t.Errorf("four seconds after the silence: %d, want %d", got, estimate)
	}
	// Silence in which nothing was sent means nothing.
	if got := run(g, at+4*time.Second, 30*time.Second, 0, false, estimate); got != estimate {
		t.Errorf("idle: %d, want %d", got, estimate)
	}
}

func TestDrainWindow(t *testing.T) {
	start := time.Unix(0, 0)
	for _, c := range []struct {
		name    string
		perStep int // bytes drained in 100 ms
		want    uint64
	}{
		{"slow link keeps the least", 25_000, bulkLeast},
		{"fast link is bounded", 5_000_000, bulkMost},
		{"between, 400 ms of the rate", 250_000, 1_000_000},
	} {
		var d drain
		d.start(start, 500_000)
		d.note(start.Add(50*time.Millisecond), c.perStep, 0) // too soon to tell
		if d.window != 0 {
			t.Errorf("%s: window %d after half the span", c.name, d.window)
		}
		d.note(start.Add(100*time.Millisecond), 500_000, 1_000_000)
		if d.window != max(c.want, bulkLeast) {
			t.Errorf("%s: window %d, want %d", c.name, d.window, c.want)
		}
	}
}
