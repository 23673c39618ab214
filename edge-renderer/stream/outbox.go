package stream

import (
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// maxSignals bounds what waits for the way to the terminal. An answer and the candidates of a machine with many
// addresses are far fewer; beyond, they are dropped.
const maxSignals = 256

// outbox hands signals to the terminal one at a time, from a goroutine of its own, so that a caller of [Peer.Signal] may
// itself be the one who takes them. pion gathers candidates while an answer is made, also on an ICE restart; they
// are held back until the terminal has the answer that they belong to.
type outbox struct {
	wake chan struct{} // has something new, capacity 1

	mu     sync.Mutex
	queue  []signaling.Signal
	held   []signaling.Signal
	hold   bool
	closed bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// change applies f under the lock and wakes the goroutine.
func (o *outbox) change(f func()) {
	o.mu.Lock()
	f()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// begin holds candidates back.
func (o *outbox) begin() { o.change(func() { o.hold = true }) }

// candidate queues s, or holds it back.
func (o *outbox) candidate(s signaling.Signal) {
	o.change(func() {
		switch {
		case len(o.queue)+len(o.held) >= maxSignals:
		case o.hold:
			o.held = append(o.held, s)
		default:
			o.queue = append(o.queue, s)
		}
	})
}

// finish queues s, an answer or an error, and after an answer what was held back.
func (o *outbox) finish(s signaling.Signal) {
	o.change(func() {
		if len(o.queue) < maxSignals {
			o.queue = append(o.queue, s)
		}
		if s.Type == signaling.SignalAnswer {
			o.queue = append(o.queue, o.held...)
		}
		o.hold, o.held = false, nil
	})
}

// close lets nothing more through.
func (o *outbox) close() { o.change(func() { o.closed = true }) }

// deliver calls send until the outbox is closed.
func (o *outbox) deliver(send func(signaling.Signal)) {
	for range o.wake {
		o.mu.Lock()
		queue, closed := o.queue, o.closed
		o.queue = nil
		o.mu.Unlock()
		if closed {
			return
		}
		for _, s := range queue {
			send(s)
		}
	}
}
