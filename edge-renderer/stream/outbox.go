package stream

import (
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// outbox hands signals to the terminal one at a time. pion gathers candidates while an answer is made, also on an
// ICE restart; they are held back until the terminal has the answer that they belong to.
type outbox struct {
	send func(signaling.Signal)

	mu     sync.Mutex
	held   []signaling.Signal
	hold   bool
	closed bool
}

// begin holds candidates back.
func (o *outbox) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hold = true
}

// candidate sends s, or holds it back.
func (o *outbox) candidate(s signaling.Signal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hold {
		o.held = append(o.held, s)
	} else if !o.closed {
		o.send(s)
	}
}

// finish sends s, an answer or an error, and after an answer what was held back.
func (o *outbox) finish(s signaling.Signal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hold = false
	held := o.held
	o.held = nil
	if o.closed {
		return
	}
	o.send(s)
	if s.Type == signaling.SignalAnswer {
		for _, c := range held {
			o.send(c)
		}
	}
}

// close lets nothing more through.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.held = true, nil
}
