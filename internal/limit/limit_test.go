package limit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/limit"
)

func TestEachHasABucket(t *testing.T) {
	l, now := limit.New(2, 3), time.Unix(1000, 0)
	for n := range 5 {
		if got := l.Allow("a", now); got != (n < 3) {
			t.Errorf("call %d of a: %v", n, got)
		}
	}
	if l.Left("a", now) || !l.Left("b", now) || !l.Allow("b", now) {
		t.Error("b pays for a")
	}
	if now = now.Add(time.Second); allowed(l, now) != 2 {
		t.Error("a second brings back two tokens")
	}
}

// allowed is how many calls of a are allowed at an instant.
func allowed(l *limit.Limiter, now time.Time) int {
	n := 0
	for l.Allow("a", now) {
		n++
	}
	return n
}

// Memory stays bounded, and who has used up a bucket does not get it back by that.
func TestManyAreForgotten(t *testing.T) {
	l, now := limit.New(.001, 1), time.Unix(1000, 0)
	l.Allow("ran wild", now)
	for n := range 9_000 {
		l.Left(strconv.Itoa(n), now)
	}
	if l.Allow("ran wild", now) {
		t.Error("looking is no use")
	}
	for n := range 30_000 {
		l.Allow(strconv.Itoa(n), now)
	}
}
