package session

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/signaling"
)

// peer is the terminal of a session: its signalling connection, and its WebRTC connection once it offered
// one. It belongs to the loop.
type peer struct {
	connection  string
	reply       func(signaling.Signal)
	resume      string // secret that lets it come back
	id          signaling.PeerID
	rtc         *stream.Peer
	handler     *handler
	fingerprint string // of the page's DTLS certificate: the same page restarts ICE, another one begins anew
	connected   bool
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
		l.hello(e)
		return
	}
	p := l.peer
	if p == nil || p.connection != e.connection {
		return // of a connection that was replaced
	}
	switch e.signal.Type {
	case signaling.SignalOffer:
		var told *signaling.Problem // by the stream itself
		if err := l.offer(e.signal); err != nil && !errors.As(err, &told) {
			p.reply(problem(signaling.ProblemUnsupported, "The stream cannot be set up", err.Error()))
		}
	case signaling.SignalCandidate:
		if p.rtc != nil {
			if err := p.rtc.Signal(e.signal); err != nil {
				l.s.log.Debug("candidate refused", "err", err)
			}
		}
	case signaling.SignalBye:
		l.leave(errors.New("the page said good-bye"))
	default:
		p.reply(problem(signaling.ProblemBadRequest, "Message not expected",
			fmt.Sprintf("A terminal sends hello, offer, candidate or bye, not %.40q", string(e.signal.Type))))
	}
}

// hello gives a terminal its place, or refuses it when another one has it.
func (l *loop) hello(e eventSignal) {
	if e.claims.Role != signaling.RoleHost {
		e.reply(problem(signaling.ProblemForbidden, "No guests", "This session takes its host only"))
		return
	}
	if l.peer != nil && e.signal.Resume != l.peer.resume {
		e.reply(problem(signaling.ProblemSessionTaken, "Session is open elsewhere",
			"Another page shows this session. Close it there, or open the study again for a session of its own"))
		return
	}
	if l.peer == nil {
		l.peer = &peer{id: signaling.PeerID(signaling.NewID("p")), resume: signaling.NewID("r")}
	}
	l.peer.connection, l.peer.reply = e.connection, e.reply
	e.reply(signaling.Signal{Type: signaling.SignalWelcome, Peer: l.peer.id, Resume: l.peer.resume,
		ICEServers: l.s.cfg.Instruction.ICEServers})
}

// offer answers an offer: the page that is connected already restarts ICE, another one gets a connection of
// its own and the old one ends.
func (l *loop) offer(m signaling.Signal) error {
	p := l.peer
	print := fingerprint(m.SDP)
	if p.rtc != nil && print != "" && print == p.fingerprint {
		return p.rtc.Signal(m)
	}
	l.leave(errors.New("the page opened another connection"))
	h := &handler{session: l.s, left: make(chan struct{})}
	rtc, err := l.s.cfg.Transport.NewPeer(stream.PeerOptions{
		ICEServers: l.s.cfg.Instruction.ICEServers, Codecs: offered(), Handler: h,
		Signal: func(m signaling.Signal) { l.send(h, m) }, Bulk: l.bulk(),
	})
	if err != nil {
		return err
	}
	p.rtc, p.handler, p.fingerprint = rtc, h, print
	l.newPeer()
	return rtc.Signal(m)
}

// send passes a signalling message of a peer's connection on, from any goroutine, as long as it is the
// present one.
func (l *loop) send(from *handler, m signaling.Signal) { from.tell(eventReply{from, m}) }

// eventReply is a signalling message for the terminal.
type eventReply struct {
	from   *handler
	signal signaling.Signal
}

// leave ends the peer's WebRTC connection, and the session goes on without.
func (l *loop) leave(reason error) {
	p := l.peer
	if p == nil || p.rtc == nil {
		return
	}
	rtc := p.rtc
	close(p.handler.left)
	l.helpers.Go(func() { _ = rtc.Close(reason) }) // it waits for callbacks that may be telling the loop
	p.rtc, p.handler, p.connected = nil, nil, false
	l.peerLost()
}

var fingerprintLine = regexp.MustCompile(`(?m)^a=fingerprint:(\S+ \S+)`)

func fingerprint(sdp string) string {
	m := fingerprintLine.FindStringSubmatch(sdp)
	if m == nil {
		return ""
	}
	return strings.ToUpper(m[1])
}

// codec is what the peer negotiated, as the encoder takes it.
func (p *peer) codec() (encode.Codec, string, bool) {
	if p.rtc == nil {
		return "", "", false
	}
	c, ok := p.rtc.Codec()
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

func problem(code signaling.ProblemCode, title, detail string) signaling.Signal {
	return signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: code, Title: title, Detail: detail}}
}
