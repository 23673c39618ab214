package compute

import (
	"errors"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/seat"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/signaling"
)

// conn passes what a WebRTC connection reports to the loop, until the connection is left.
type conn struct {
	job  *Job
	left chan struct{}
	news atomic.Bool // the loop has been told that data comes
}

func (c *conn) tell(e event) {
	select {
	case c.job.events <- e:
	case <-c.left:
	case <-c.job.done:
	}
}

// progressed says that data comes.
func (c *conn) progressed() {
	if c.news.CompareAndSwap(false, true) {
		select {
		case c.job.events <- eventData{c}:
		default:
			c.news.Store(false) // the next one tells
		}
	}
}

func (c *conn) PeerConnected()              { c.tell(eventConnected{c}) }
func (c *conn) PeerDisconnected()           { c.tell(eventDisconnected{c}) }
func (c *conn) PeerClosed(reason error)     { c.tell(eventClosed{c, reason}) }
func (c *conn) Request(r signaling.Request) { c.tell(eventRequest{c, r}) }
func (c *conn) Input(signaling.Input)       {} // nothing here is moved by hand
func (c *conn) KeyFrameWanted()             {}
func (c *conn) BitrateEstimate(int)         {}

// Open makes the connection for a terminal that has made an offer, in place of the one before.
func (l *loop) Open() (*stream.Peer, error) {
	l.Leave(errors.New("the terminal opened another connection"))
	c := &conn{job: l.job, left: make(chan struct{})}
	options := stream.PeerOptions{
		ICEServers: l.job.cfg.Instruction.ICEServers, Handler: c,
		Signal: func(m signaling.Signal) { c.tell(eventReply{c, m}) },
	}
	if input := l.input; input != nil || l.arriving {
		options.Bulk = func(h signaling.BulkHeader) (stream.Transfer, error) {
			switch {
			case h.Format == signaling.CheckpointFormat:
				return c.checkpointed(h)
			case input == nil:
				return nil, errors.New("the task has its data")
			}
			return c.bulk(input, h)
		}
	}
	rtc, err := l.job.cfg.Transport.NewPeer(options)
	if err != nil {
		return nil, err
	}
	l.conn = c
	return rtc, nil
}

// Leave ends the connection, and the task goes on without, unless its terminal says good-bye with the result in its hands.
func (l *loop) Leave(reason error) {
	rtc := l.seat.RTC
	if rtc == nil {
		return
	}
	close(l.conn.left)
	l.helpers.Go(func() { _ = rtc.Close(reason) }) // it waits for callbacks that may be telling the loop
	l.seat.RTC, l.conn, l.connected = nil, nil, false
	l.lost = l.job.clock()
	if l.delivered != nil && l.ending == nil && errors.Is(reason, seat.ErrBye) {
		l.endSoon(errDone)
		if !l.arriving {
			l.endAt = l.lost
		}
	}
}
