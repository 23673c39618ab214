package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one principal may ask, and how often one address may fail to say who it is. A page asks a few times a second
// at most; what these stop is a program that ran wild or guesses.
const (
	callsPerSecond = 20
	callBurst      = 100
	// A list asks for the thumbnails of all that it shows at once; most come from memory.
	picturesPerSecond = 100
	pictureBurst      = 1000
	failuresPerSecond = 2
	failureBurst      = 30
	// maxLimited bounds the principals and addresses that are remembered; a bucket that has been full again for a while
	// is forgotten.
	maxLimited = 10_000
)

// limiter holds a token bucket for each of many.
type limiter struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{every: rate.Limit(perSecond), burst: burst, buckets: map[string]*rate.Limiter{}}
}

func (l *limiter) allow(who string) bool {
	now := time.Now()
	l.mu.Lock()
	b := l.buckets[who]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			l.forget(now)
		}
		b = rate.NewLimiter(l.every, l.burst)
		l.buckets[who] = b
	}
	l.mu.Unlock()
	return b.AllowN(now, 1)
}

// forget drops full buckets, which say nothing; and all of them where none is full, so that memory stays bounded.
func (l *limiter) forget(now time.Time) {
	for who, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, who)
		}
	}
	if len(l.buckets) >= maxLimited {
		clear(l.buckets)
	}
}
