package api

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/limit"
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
)

// tooOften refuses who asks too often, and says so in the log once for each burst, not for each request.
func (s *server) tooOften(l *limit.Limiter, what, who string) bool {
	ok, told := l.Allow(who, time.Now())
	if told {
		s.Log.Warn("requests are refused: one asks too often", "what", what, "who", pseudonym(who), "perSecond", l.PerSecond(), "burst", l.Burst())
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
