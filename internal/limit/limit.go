// Package limit bounds how often each of many may do something.
package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKnown bounds those that are remembered; a bucket that has been full again for a while is forgotten.
const maxKnown = 10_000

// Limiter holds a token bucket for each of many. Its methods may be called from several goroutines.
type Limiter struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is what one may still do.
type bucket struct {
	*rate.Limiter
	refusing bool // since it was empty, until it is half full again
}

// New returns a Limiter with buckets of burst tokens, which fill by perSecond.
func New(perSecond float64, burst int) *Limiter {
	return &Limiter{every: rate.Limit(perSecond), burst: burst, buckets: map[string]*bucket{}}
}

// PerSecond is how fast buckets fill, and Burst how many tokens they hold.
func (l *Limiter) PerSecond() float64 { return float64(l.every) }

// Burst is how many tokens a bucket holds.
func (l *Limiter) Burst() int { return l.burst }

// Allow takes a token from who's bucket at an instant, and says whether there was one. first is for the log: it is true for
// the first refusal of a burst alone.
func (l *Limiter) Allow(who string, now time.Time) (ok, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[who]
	if b == nil {
		if len(l.buckets) >= maxKnown {
			l.forget(now)
		}
		b = &bucket{Limiter: rate.NewLimiter(l.every, l.burst)}
		l.buckets[who] = b
	}
	if b.AllowN(now, 1) {
		b.refusing = b.refusing && b.TokensAt(now) < float64(l.burst)/2
		return true, false
	}
	first = !b.refusing
	b.refusing = true
	return false, first
}

// Left says whether there is a token in who's bucket, and takes none.
func (l *Limiter) Left(who string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[who]
	return b == nil || b.TokensAt(now) >= 1
}

// forget drops full buckets, which say nothing; and all of them where none is full, so that memory stays bounded.
func (l *Limiter) forget(now time.Time) {
	for who, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, who)
		}
	}
	if len(l.buckets) >= maxKnown {
		clear(l.buckets)
	}
}
