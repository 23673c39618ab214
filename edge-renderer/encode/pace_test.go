package encode

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const thirtieth = time.Second / 30
	for name, c := range map[string]struct {
		maxFPS float64
		step   time.Duration
		want   time.Duration // after many pictures
	}{
		"as fast as allowed":   {30, thirtieth, thirtieth},
		"faster than allowed":  {30, time.Millisecond, thirtieth},
		"standing still":       {30, 0, thirtieth},
		"backwards":            {30, -time.Second, thirtieth},
		"20 a second":          {30, 50 * time.Millisecond, 50 * time.Millisecond},
		"slow":                 {30, time.Second, time.Second / slowestRate},
		"10 a second at most":  {10, time.Millisecond, 100 * time.Millisecond},
		"one a second at most": {1, 10 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPace(c.maxFPS)
			var got, at time.Duration
			for range 60 {
				got = p.next(at)
				at += c.step
			}
			if d := got - c.want; d < -time.Microsecond || d > time.Microsecond {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A pause is not taken for a slow rate.
func TestPaceAfterPause(t *testing.T) {
	p := newPace(30)
	for i := range 30 {
		p.next(time.Duration(i) * time.Second / 30)
	}
	if got := p.next(time.Hour); got > 45*time.Millisecond {
		t.Errorf("after a pause the interval is %v", got)
	}
}
