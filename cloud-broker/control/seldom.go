package control

import (
	"sync"
	"time"
)

const (
	// againAfter is when something that goes on is logged again, logsKept of how many things that is known.
	againAfter = 10 * time.Minute
	logsKept   = 1024
)

// seldom lets something that repeats be logged once in a while.
type seldom struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// first says whether what has not been logged lately.
func (s *seldom) first(what string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, known := s.last[what]; known && now.Sub(at) < againAfter {
		return false
	}
	if s.last == nil || len(s.last) >= logsKept {
		s.last = map[string]time.Time{} // rather told twice than kept for ever
	}
	s.last[what] = now
	return true
}
