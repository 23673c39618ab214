package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxReceived is what the edge takes off the wire, so that a message beyond signaling.MaxMessage can be answered
	// rather than end its channel.
	maxReceived = 256 << 10
	// receiveBuffer holds what arrives in the time of a round trip; with less, uploads slow down with distance.
	receiveBuffer = 8 << 20
	// maxControlBuffered and maxStampsBuffered bound what waits for a slow terminal.
	maxControlBuffered = 1 << 20
	maxStampsBuffered  = 64 << 10
)

// outlet is the sending side of a data channel.
type outlet struct {
	*webrtc.DataChannel
	low chan struct{} // the buffer has drained to its threshold, capacity 1
}

func (p *Peer) openChannels(l *link) error {
	l.channels = make([]*outlet, len(signaling.Channels))
	for _, c := range signaling.Channels {
		negotiated := true
		channel, err := l.pc.CreateDataChannel(c.Label, &webrtc.DataChannelInit{
			Ordered: &c.Ordered, MaxRetransmits: c.MaxRetransmits, Negotiated: &negotiated, ID: &c.ID,
		})
		if err != nil {
			return fmt.Errorf("data channel %s: %w", c.Label, err)
		}
		o := &outlet{channel, make(chan struct{}, 1)}
		l.channels[c.ID] = o
		channel.OnOpen(p.opened)
		channel.OnClose(func() { p.end(ErrTerminalLeft) })
		receive := func(m webrtc.DataChannelMessage) { p.receive(c, m) }
		if c.ID == signaling.ChannelBulk.ID && p.options.Bulk != nil {
			receive = func(m webrtc.DataChannelMessage) {
				if !p.uploads.take(m) {
					p.counters.malformed.Add(1)
				}
			}
		}
		channel.OnBufferedAmountLow(func() {
			select {
			case o.low <- struct{}{}:
			default:
			}
		})
		channel.OnMessage(receive)
	}
	return nil
}

// receive takes a message from the terminal, on the goroutine of its channel.
func (p *Peer) receive(c signaling.Channel, m webrtc.DataChannelMessage) {
	switch c.ID {
	case signaling.ChannelInput.ID:
		var in signaling.Input
		if len(m.Data) > signaling.MaxMessage || !m.IsString || json.Unmarshal(m.Data, &in) != nil {
			p.counters.malformed.Add(1) // the terminal repeats its last input, so a good one comes
			return
		}
		p.inbox.putInput(in)
	case signaling.ChannelControl.ID:
		var r signaling.Request
		if err := decodeRequest(m, &r); err != nil {
			p.counters.malformed.Add(1)
			p.refuse(m.Data, err)
			return
		}
		p.inbox.putRequest(r, p.ctx.Done())
	default:
		p.counters.malformed.Add(1) // the edge alone speaks there, or wants nothing
	}
}

func decodeRequest(m webrtc.DataChannelMessage, r *signaling.Request) error {
	if len(m.Data) > signaling.MaxMessage {
		return fmt.Errorf("it has %d bytes: at most %d", len(m.Data), signaling.MaxMessage)
	}
	if !m.IsString {
		return fmt.Errorf("it is binary: send JSON as text")
	}
	if err := json.Unmarshal(m.Data, r); err != nil {
		return err
	}
	return nil
}

// refuse answers a request that could not be read, with its ID where that much can be made out.
func (p *Peer) refuse(message []byte, err error) {
	var named struct {
		ID uint64 `json:"id"`
	}
	if len(message) <= maxReceived {
		_ = json.Unmarshal(message, &named)
	}
	_ = p.SendEvent(signaling.Event{Type: signaling.EventReply, ID: named.ID, Problem: &signaling.Problem{
		Code: signaling.ProblemBadRequest, Title: "Request not understood", Detail: err.Error(),
	}})
}

// SendEvent queues an event on "control". While the connection is lost for a time, events wait for it; ErrSlowTerminal
// says that too many wait.
func (p *Peer) SendEvent(e signaling.Event) error {
	return p.sendJSON(signaling.ChannelControl, e, maxControlBuffered)
}

// SendStamp sends the stamp of a picture. It is lost where the network loses it, or where the terminal does not keep up
// (ErrSlowTerminal).
func (p *Peer) SendStamp(s signaling.Stamp) error {
	if !p.Connected() {
		return ErrNotConnected
	}
	err := p.sendJSON(signaling.ChannelStamps, s, maxStampsBuffered)
	if err != nil {
		p.counters.stampsDropped.Add(1)
	}
	return err
}

func (p *Peer) sendJSON(c signaling.Channel, v any, maxBuffered uint64) error {
	message, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message on %s: %w", c.Label, err)
	}
	if len(message) > signaling.MaxMessage {
		return fmt.Errorf("message on %s has %d bytes: at most %d", c.Label, len(message), signaling.MaxMessage)
	}
	l, err := p.ready()
	if err != nil {
		return err
	}
	o := l.outlet(c)
	if o.BufferedAmount()+uint64(len(message)) > maxBuffered {
		return ErrSlowTerminal
	}
	if err := o.SendText(string(message)); err != nil {
		return fmt.Errorf("send on %s: %w", c.Label, err)
	}
	return nil
}

// drained waits until at most n bytes wait in the channel, the peer is closed or ctx ends.
func (p *Peer) drained(ctx context.Context, o *outlet, n uint64) error {
	for {
		o.SetBufferedAmountLowThreshold(n)
		if o.BufferedAmount() <= n {
			return nil
		}
		select {
		case <-o.low:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ctx.Done():
			return ErrPeerClosed
		case <-time.After(time.Second):
			// The channel tells only when it drains past a threshold that was set before.
		}
		if o.ReadyState() != webrtc.DataChannelStateOpen {
			return ErrTerminalLeft
		}
	}
}
