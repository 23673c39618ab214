package task

import (
	"context"
	"sync"
	"time"
)

// quiet knows since when no session has had input.
type quiet struct {
	span time.Duration // without input that counts as quiet

	mu   sync.Mutex
	last time.Time // of the newest input; zero where there was none
}

func (q *quiet) touch(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.After(q.last) {
		q.last = now
	}
}

// left is how much longer there must be no input; 0 or less: it is quiet.
func (q *quiet) left(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last.IsZero() {
		return 0
	}
	return q.span - now.Sub(q.last)
}

// wait waits until it is quiet, or ctx ends.
func (q *quiet) wait(ctx context.Context) error {
	for {
		left := q.left(time.Now())
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
