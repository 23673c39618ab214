package session

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/seat"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/signaling"
)

// peer is the terminal of a session: its seat, and what the session knows of its WebRTC connection. It belongs to the loop.
type peer struct {
	seat.Seat
	handler   *handler // of the present connection
	connected bool
}

// The events of a peer's WebRTC connection.
type (
	eventConnected    struct{ from *handler }
	eventDisconnected struct{ from *handler }
	eventClosed       struct {
		from   *handler
		reason error
	}
	eventInput struct {
		from  *handler
		input signaling.Input
	}
	eventRequest struct {
		from    *handler
		request signaling.Request
	}
	eventKeyFrame struct{ from *handler }
)

// handler passes what the WebRTC connection reports to the loop. Inputs are absolute, so that one may be
// lost when the loop is behind; everything else waits for its turn until the peer is left.
type handler struct {
	session  *Session
	left     chan struct{}
	estimate atomic.Int64
}

func (h *handler) tell(e event) {
	select {
	case h.session.events <- e:
	case <-h.left:
	case <-h.session.done:
	}
}

func (h *handler) PeerConnected()              { h.tell(eventConnected{h}) }
func (h *handler) PeerDisconnected()           { h.tell(eventDisconnected{h}) }
func (h *handler) PeerClosed(reason error)     { h.tell(eventClosed{h, reason}) }
func (h *handler) Request(r signaling.Request) { h.tell(eventRequest{h, r}) }
func (h *handler) KeyFrameWanted()             { h.tell(eventKeyFrame{h}) }
func (h *handler) BitrateEstimate(bps int)     { h.estimate.Store(int64(bps)) }
func (h *handler) Input(input signaling.Input) {
	select {
	case h.session.events <- eventInput{h, input}:
	default: // the page repeats its last one
	}
}

// signal takes in a signalling message of a terminal.
func (l *loop) signal(e eventSignal) {
	if e.claims != nil {
		l.peer.Hello(e.connection, e.claims, e.signal, l.s.cfg.Instruction.ICEServers, e.reply)
		return
	}
	if err := l.peer.Signal(e.connection, e.signal, l); err != nil {
		l.s.log.Debug("signal refused", "type", e.signal.Type, "err", err)
	}
}

// Open makes the connection for a terminal that has made an offer, in place of the one before.
func (l *loop) Open() (*stream.Peer, error) {
	l.Leave(errors.New("the page opened another connection"))
	h := &handler{session: l.s, left: make(chan struct{})}
	rtc, err := l.s.cfg.Transport.NewPeer(stream.PeerOptions{
		ICEServers: l.s.cfg.Instruction.ICEServers, Codecs: offered(), Handler: h,
		Signal: func(m signaling.Signal) { l.send(h, m) }, Bulk: l.bulk(),
	})
	if err != nil {
		return nil, err
	}
	l.peer.handler = h
	l.newPeer()
	return rtc, nil
}

// send passes a signalling message of a peer's connection on, from any goroutine, as long as it is the
// present one.
func (l *loop) send(from *handler, m signaling.Signal) { from.tell(eventReply{from, m}) }

// eventReply is a signalling message for the terminal.
type eventReply struct {
	from   *handler
	signal signaling.Signal
}

// Leave ends the peer's WebRTC connection, and the session goes on without.
func (l *loop) Leave(reason error) {
	p := l.peer
	if p.RTC == nil {
		return
	}
	rtc := p.RTC
	close(p.handler.left)
	l.helpers.Go(func() { _ = rtc.Close(reason) }) // it waits for callbacks that may be telling the loop
	p.RTC, p.handler, p.connected = nil, nil, false
	l.peerLost()
}

// codec is what the peer negotiated, as the encoder takes it.
func (p *peer) codec() (encode.Codec, string, bool) {
	if p.RTC == nil {
		return "", "", false
	}
	c, ok := p.RTC.Codec()
	if !ok {
		return "", "", false
	}
	codec, profile := encoded(c)
	return codec, profile, true
}

// encoded is a codec as the encoder takes it.
func encoded(c stream.Codec) (codec encode.Codec, profile string) {
	for _, field := range strings.Split(c.Fmtp, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(field), "profile-level-id="); ok {
			profile = v
		}
	}
	return encode.Codec(strings.TrimPrefix(c.MimeType, "video/")), profile
}
