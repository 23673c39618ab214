package chaos

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// aim is the time of an answer above which terminals slow down: the machine has no more to give.
	aim                 = 400 * time.Millisecond
	slowest, fastest    = 16.0, 0.5
	usualPause          = 500 * time.Millisecond
	usualStay, longStay = 3 * time.Second, 20 * time.Second
)

// pace makes terminals as fast as the machine allows: they slow down while answers take long.
type pace struct {
	mu     sync.Mutex
	factor float64 // of all pauses and stays
	recent time.Duration
}

func newPace() *pace { return &pace{factor: 1} }

// took notes how long an answer took.
func (p *pace) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent += (min(d, 4*aim) - p.recent) / 32
	if p.recent > aim {
		p.factor = min(p.factor*1.01, slowest)
	} else {
		p.factor = max(p.factor*0.998, fastest)
	}
}

// pause is the time between two tasks of a terminal, stay that of a task.
func (p *pace) pause(rng *rand.Rand) time.Duration { return p.scaled(rng, usualPause) }

func (p *pace) stay(rng *rand.Rand) time.Duration {
	if rng.IntN(10) == 0 {
		return p.scaled(rng, longStay)
	}
	return p.scaled(rng, usualStay)
}

func (p *pace) scaled(rng *rand.Rand, mean time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(min(rng.ExpFloat64(), 5) * p.factor * float64(mean))
}
