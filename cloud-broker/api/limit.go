package api

import (
	"crypto/sha256"
	"encoding/hex"
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
	buckets map[string]*bucket
}

// bucket is what one may still ask.
type bucket struct {
	*rate.Limiter
	refusing bool // since it was empty, until it is half full again
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{every: rate.Limit(perSecond), burst: burst, buckets: map[string]*bucket{}}
}

// allow says whether who may ask once more. told is for the log: it is true for the first refusal of a burst alone.
func (l *limiter) allow(who string) (ok, told bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[who]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			l.forget(now)
		}
		b = &bucket{Limiter: rate.NewLimiter(l.every, l.burst)}
		l.buckets[who] = b
	}
	if b.AllowN(now, 1) {
		b.refusing = b.refusing && b.TokensAt(now) < float64(l.burst)/2
		return true, false
	}
	told = !b.refusing
	b.refusing = true
	return false, told
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

// tooOften refuses who asks too often, and says so in the log once for each burst, not for each request.
func (s *server) tooOften(l *limiter, what, who string) bool {
	ok, told := l.allow(who)
	if told {
		s.Log.Warn("requests are refused: one asks too often", "what", what, "who", pseudonym(who), "perSecond", float64(l.every), "burst", l.burst)
	}
	return !ok
}

// pseudonym stands in the log for who asks: the same for the same one, and names nobody.
func pseudonym(who string) string {
	sum := sha256.Sum256([]byte(who))
	return hex.EncodeToString(sum[:6])
}

// slots bounds how many of something each of many has open at a time, and how many all have together.
type slots struct {
	each, all int

	mu    sync.Mutex
	taken map[string]int
	sum   int
}

func newSlots(each, all int) *slots { return &slots{each: each, all: all, taken: map[string]int{}} }

// take opens one more for who, where that is allowed; the function closes it again.
func (s *slots) take(who string) (func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[who] >= s.each || s.sum >= s.all {
		return nil, false
	}
	s.taken[who]++
	s.sum++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sum--
		if s.taken[who]--; s.taken[who] == 0 {
			delete(s.taken, who)
		}
	}, true
}
