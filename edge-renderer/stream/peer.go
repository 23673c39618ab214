package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// Errors that a caller decides on.
var (
	// ErrNotConnected says that there is no connection to send on, yet or for now.
	ErrNotConnected = errors.New("terminal not connected")
	// ErrPeerClosed says that the peer was closed.
	ErrPeerClosed = errors.New("peer closed")
	// ErrTerminalLeft is the reason of PeerClosed where the terminal closed its connection.
	ErrTerminalLeft = errors.New("terminal closed the connection")
	// ErrSlowTerminal says that a message was not queued because too much waits for the terminal already.
	ErrSlowTerminal = errors.New("terminal does not take messages fast enough")
	// ErrSuperseded says that a newer still has taken the place of this one.
	ErrSuperseded = errors.New("superseded by a newer still")
)

// PeerOptions are what a peer is made for.
type PeerOptions struct {
	// ICEServers are the STUN and TURN servers that the edge itself uses.
	ICEServers []signaling.ICEServer
	// Codecs that the edge can encode, in order of preference; none for a peer that gets data alone, without pictures.
	Codecs []Codec
	// Signal takes messages for the terminal, one at a time and in order, on a goroutine of the peer. Close
	// waits for a call that is under way.
	Signal func(signaling.Signal)
	// Handler takes what comes from the terminal.
	Handler Handler
	// Bulk, where it is set, takes a transfer that the terminal begins, or refuses it: its chunks are then passed
	// over. It is called, as its Transfer is, from one goroutine of the peer, while which nothing else is read from
	// "bulk". Transfers come one after the other, and none begins or goes on after Close has returned.
	Bulk func(signaling.BulkHeader) (Transfer, error)
}

// Peer is the connection to one terminal. Its methods may be called by several goroutines.
type Peer struct {
	transport *Transport
	options   PeerOptions
	log       *slog.Logger
	started   time.Time

	ctx    context.Context // until Close
	cancel context.CancelFunc
	inbox  *mailbox
	outbox *outbox
	work   sync.WaitGroup // all goroutines of the peer

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error

	negotiation sync.Mutex // one signal at a time
	early       []webrtc.ICECandidateInit

	mu        sync.Mutex
	link      *link // set by the first offer
	open      int   // data channels
	connected bool
	governor  *governor

	bitrate  atomic.Int64
	counters counters
	picture  pictureWriter
	still    stillSender
	bulk     bulkSender
	uploads  bulkReceiver
}

// link is the connection once its codec is known.
type link struct {
	pc        *webrtc.PeerConnection
	codec     Codec
	track     *webrtc.TrackLocalStaticRTP
	sender    *webrtc.RTPSender // nil without pictures, as track and estimator
	estimator cc.BandwidthEstimator
	channels  []*outlet // by id
}

func (l *link) outlet(c signaling.Channel) *outlet { return l.channels[c.ID] }

// NewPeer prepares for one terminal, whose offer it awaits. The caller calls Close.
func (t *Transport) NewPeer(o PeerOptions) (*Peer, error) {
	if o.Signal == nil || o.Handler == nil {
		return nil, errors.New("peer needs a way to signal and a handler")
	}
	for _, c := range o.Codecs {
		if _, err := c.payloader(); err != nil {
			return nil, err
		}
	}
	p := &Peer{
		transport: t, options: o, log: t.log, started: time.Now(),
		inbox: newMailbox(), outbox: newOutbox(), closed: make(chan struct{}), governor: newGovernor(t.config),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.bulk.init()
	p.still.init()
	p.uploads.begin = o.Bulk
	p.bitrate.Store(int64(t.config.StartBitrate))
	if err := t.add(p); err != nil {
		p.cancel()
		return nil, err
	}
	p.work.Go(func() { p.inbox.deliver(o.Handler) })
	p.work.Go(func() { p.outbox.deliver(o.Signal) })
	return p, nil
}

// Close ends the connection, tells the handler reason where it was told none before, and waits until no
// goroutine of the peer is left. It must not be called from the handler.
func (p *Peer) Close(reason error) error {
	p.closeOnce.Do(func() {
		if reason == nil {
			reason = ErrPeerClosed
		}
		p.inbox.close(reason, true)
		p.outbox.close()
		p.cancel()
		p.negotiation.Lock() // no link is made after this
		p.mu.Lock()
		l := p.link
		p.mu.Unlock()
		p.negotiation.Unlock()
		if l != nil {
			if err := l.pc.GracefulClose(); err != nil {
				p.closeErr = fmt.Errorf("close connection: %w", err)
			}
		}
		p.uploads.close()
		p.work.Wait()
		p.transport.remove(p)
		close(p.closed)
	})
	<-p.closed
	return p.closeErr
}

// end tells the handler that the connection is over; the session then calls Close.
func (p *Peer) end(reason error) {
	if p.ctx.Err() == nil {
		p.inbox.close(reason, false)
	}
}

// Codec is the negotiated codec, as PeerOptions has it; false where there is none, or none yet.
func (p *Peer) Codec() (Codec, bool) {
	l := p.present()
	if l == nil || l.sender == nil {
		return Codec{}, false
	}
	return l.codec, true
}

// Bitrate is the rate at which to encode, in bits per second: the estimate of congestion control, but not more than
// twice what was sent of late where that is above the start rate, never outside the transport's limits, and
// halving each second in which no feedback comes for what was sent.
func (p *Peer) Bitrate() int { return int(p.bitrate.Load()) }

// Connected says whether media flow and all data channels are open.
func (p *Peer) Connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connected && p.open == len(signaling.Channels)
}

func (p *Peer) present() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link
}

// ready returns the link once all data channels have opened, connected at present or not.
func (p *Peer) ready() (*link, error) {
	if p.ctx.Err() != nil {
		return nil, ErrPeerClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link == nil || p.open < len(signaling.Channels) {
		return nil, ErrNotConnected
	}
	return p.link, nil
}

// changed notes what pion tells of the connection.
func (p *Peer) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		p.setConnected(true)
	case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
		p.setConnected(false)
	case webrtc.PeerConnectionStateClosed:
		p.setConnected(false)
		p.end(ErrTerminalLeft)
	}
}

func (p *Peer) setConnected(connected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connected = connected
	p.inbox.setUp(connected && p.open == len(signaling.Channels))
}

func (p *Peer) opened() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	p.inbox.setUp(p.connected && p.open == len(signaling.Channels))
}

// now is the time on the peer's own clock.
func (p *Peer) now() time.Duration { return time.Since(p.started) }
