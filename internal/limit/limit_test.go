package limit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/limit"
)

// allowed is how many calls are allowed at an instant.
func allowed(l *limit.Limiter, who string, now time.Time) int {
	n := 0
	for ok := true; ok; n++ {
		ok, _ = l.Allow(who, now)
	}
	return n - 1
}

func TestEachHasABucket(t *testing.T) {
	l, now := limit.New(2, 3), time.Unix(1000, 0)
	if n := allowed(l, "a", now); n != 3 {
		t.Errorf("%d calls of a at once", n)
	}
	if l.Left("a", now) || !l.Left("b", now) || allowed(l, "b", now) != 3 {
		t.Error("b pays for a")
	}
	if n := allowed(l, "a", now.Add(time.Second)); n != 2 {
		t.Errorf("%d calls of a after a second", n)
	}
}

// The first refusal of a burst is told from the others, for the log.
func TestFirstRefusalOfABurst(t *testing.T) {
	l, now, told := limit.New(1, 4), time.Unix(1000, 0), 0
	for range 100 {
		if _, first := l.Allow("a", now); first {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times in a burst", told)
	}
	now = now.Add(4 * time.Second)
	for range 100 {
		if _, first := l.Allow("a", now); first {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times in two bursts", told)
	}
}

// Memory stays bounded; looking takes no place.
func TestManyAreForgotten(t *testing.T) {
	l, now := limit.New(.001, 1), time.Unix(1000, 0)
	allowed(l, "ran wild", now)
	for n := range 20_000 {
		l.Left(strconv.Itoa(n), now)
	}
	if allowed(l, "ran wild", now) != 0 {
		t.Error("who has used up a bucket gets it back when others are looked at")
	}
	for n := range 30_000 {
		l.Allow(strconv.Itoa(n), now)
	}
}
