package cache

import (
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/study"
)

// late hands out previews only where the loading takes longer than some time: a series that is there in a moment is
// there sooner when nothing else is rendered meanwhile.
type late struct {
	to    func(*study.Result)
	due   time.Time
	timer *time.Timer

	mu      sync.Mutex
	kept    *study.Result // that waits for its time
	stopped bool
}

// newLate begins the time. The caller calls stop.
func newLate(after time.Duration, to func(*study.Result)) *late {
	l := &late{to: to, due: time.Now().Add(after)}
	if after > 0 {
		l.timer = time.AfterFunc(after, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.kept != nil && !l.stopped {
				l.to(l.kept)
				l.kept = nil
			}
		})
	}
	return l
}

// put takes a preview, in the place of one that still waits.
func (l *late) put(r *study.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept != nil {
		l.kept.Free()
		l.kept = nil
	}
	if time.Now().Before(l.due) {
		l.kept = r
		return
	}
	l.to(r)
}

// stop frees what waits. None is handed out afterwards.
func (l *late) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.kept != nil {
		l.kept.Free()
		l.kept = nil
	}
}
