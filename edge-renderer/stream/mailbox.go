package stream

import (
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// Handler is what a peer calls, declared here and implemented by the session. All calls come one at a time from one
// goroutine of the peer, in order. A handler that blocks holds up its own peer only; it must not call
// [Peer.Close], which waits for it.
type Handler interface {
	// PeerConnected says that media flow and all data channels are open. It comes again when a connection
	// that was lost is back. The picture that follows should be a key frame.
	PeerConnected()
	// PeerDisconnected says that nothing has come from the terminal for five seconds. The peer may come back,
	// by itself or by an offer that restarts ICE.
	PeerDisconnected()
	// PeerClosed is the last call: the terminal has closed the connection, broken the protocol, or Close was
	// called here with reason. The session still calls Close.
	PeerClosed(reason error)
	// Input and Request come in the order in which they arrived. Where inputs come faster than they are
	// taken, the oldest are dropped; requests wait.
	Input(signaling.Input)
	Request(signaling.Request)
	// KeyFrameWanted says that the terminal cannot decode without a key frame. Several may become one.
	KeyFrameWanted()
	// BitrateEstimate is the rate, in bits per second, at which to encode from now on; only the newest is
	// told.
	BitrateEstimate(bps int)
}

const (
	maxInputs   = 64 // beyond, the oldest is dropped
	maxRequests = 64 // beyond, the control channel is not read
)

// mail is one input or request.
type mail struct {
	input   *signaling.Input
	request *signaling.Request
}

// mailbox is what waits for the handler: bounded, and coalesced where only the newest matters.
type mailbox struct {
	wake chan struct{} // has something new, capacity 1
	room chan struct{} // a request was taken, capacity 1

	mu        sync.Mutex
	up        bool // what the connection is
	told      bool // what the handler was told that it is
	keyFrame  bool
	bitrate   int // 0 where there is nothing to tell
	queue     []mail
	inputs    int
	requests  int
	dropped   uint64 // inputs
	closed    bool
	reason    error
	discarded bool // closed from here: what waits is of no interest
}

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// change applies f under the lock and wakes the handler's goroutine.
func (m *mailbox) change(f func()) {
	m.mu.Lock()
	f()
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) setUp(up bool)      { m.change(func() { m.up = up }) }
func (m *mailbox) wantKeyFrame()      { m.change(func() { m.keyFrame = true }) }
func (m *mailbox) setBitrate(bps int) { m.change(func() { m.bitrate = bps }) }

// close ends the mailbox after what waits in it or, with discard, at once. The first reason stands.
func (m *mailbox) close(reason error, discard bool) {
	m.change(func() {
		if !m.closed {
			m.closed, m.reason = true, reason
		}
		m.discarded = m.discarded || discard
	})
}

func (m *mailbox) putInput(in signaling.Input) {
	m.change(func() {
		if m.closed {
			return
		}
		if m.inputs == maxInputs {
			for i := range m.queue {
				if m.queue[i].input != nil {
					m.queue = append(m.queue[:i], m.queue[i+1:]...)
					break
				}
			}
			m.inputs--
			m.dropped++
		}
		m.queue = append(m.queue, mail{input: &in})
		m.inputs++
	})
}

// putRequest waits for room, or until done.
func (m *mailbox) putRequest(r signaling.Request, done <-chan struct{}) {
	for {
		put := false
		m.change(func() {
			if put = m.closed || m.requests < maxRequests; put && !m.closed {
				m.queue = append(m.queue, mail{request: &r})
				m.requests++
			}
		})
		if put {
			return
		}
		select {
		case <-m.room:
		case <-done:
			return
		}
	}
}

func (m *mailbox) droppedInputs() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped
}

// deliver calls h until the mailbox is closed.
func (m *mailbox) deliver(h Handler) {
	for {
		if call := m.next(h); call == nil {
			<-m.wake
		} else if last := call(); last {
			return
		}
	}
}

// next is the next call to make, or nil where nothing waits. The call says whether it was the last.
func (m *mailbox) next(h Handler) func() (last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && (m.discarded || len(m.queue) == 0) {
		reason := m.reason
		return func() bool { h.PeerClosed(reason); return true }
	}
	if m.up != m.told {
		if m.told = m.up; m.up {
			return func() bool { h.PeerConnected(); return false }
		}
		return func() bool { h.PeerDisconnected(); return false }
	}
	if m.keyFrame {
		m.keyFrame = false
		return func() bool { h.KeyFrameWanted(); return false }
	}
	if bps := m.bitrate; bps != 0 {
		m.bitrate = 0
		return func() bool { h.BitrateEstimate(bps); return false }
	}
	if len(m.queue) == 0 {
		return nil
	}
	item := m.queue[0]
	m.queue[0] = mail{}
	m.queue = m.queue[1:]
	if item.input != nil {
		m.inputs--
		return func() bool { h.Input(*item.input); return false }
	}
	m.requests--
	select {
	case m.room <- struct{}{}:
	default:
	}
	return func() bool { h.Request(*item.request); return false }
}
