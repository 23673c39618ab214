package dispatch

import "sync/atomic"

// Bell rings when nodes have changed: it is the pool's Options.OnChange.
type Bell struct {
	rung  chan struct{}
	count atomic.Uint64
}

// NewBell returns a Bell.
func NewBell() *Bell { return &Bell{rung: make(chan struct{}, 1)} }

// Ring says that nodes have changed. It does not block.
func (b *Bell) Ring() {
	b.count.Add(1)
	select {
	case b.rung <- struct{}{}:
	default:
	}
}
