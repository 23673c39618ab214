package stream

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const (
	clockRate = 90000 // Hz, of RTP timestamps of video
	// payloadSize leaves room in 1200 bytes, which pass every path, for the RTP header of 12 bytes and its extensions,
	// which take 12 more.
	payloadSize = 1200 - 12 - 12
	// governEvery is how often the bitrate is looked at: the shortest time between two pieces of feedback.
	governEvery = 50 * time.Millisecond
	// maxBadFeedback malformed RTCP packets in a row end the connection.
	maxBadFeedback = 1000
)

// pictureWriter numbers packets.
type pictureWriter struct {
	mu        sync.Mutex
	payloader rtp.Payloader
	sequence  uint16
	base      uint32 // RTP timestamp of time 0, random by RFC 3550 section 5.1
}

func (w *pictureWriter) start(p rtp.Payloader) {
	w.payloader, w.sequence, w.base = p, uint16(rand.Uint32()), rand.Uint32()
}

// WritePicture sends one encoded picture, an Annex B access unit for H264, at once. captureTime is when its
// content was current, on a clock of the session that never goes back. It returns the picture's RTP timestamp (90 kHz), which
// the stamp of the picture carries. Without a connection it is ErrNotConnected and nothing is kept.
func (p *Peer) WritePicture(data []byte, captureTime time.Duration) (uint32, error) {
	l, err := p.ready()
	if err != nil {
		return 0, err
	}
	if !p.Connected() {
		return 0, ErrNotConnected
	}
	if l.sender == nil {
		return 0, errors.New("this peer was made for data alone")
	}
	w := &p.picture
	w.mu.Lock()
	defer w.mu.Unlock()
	timestamp := w.base + uint32(captureTime.Nanoseconds()/1000*clockRate/1_000_000)
	payloads := w.payloader.Payload(payloadSize, data)
	if len(payloads) == 0 {
		return 0, errors.New("picture has no data to send")
	}
	var delayID uint8
	for _, e := range l.sender.GetParameters().HeaderExtensions {
		if e.URI == playoutDelayURI {
			delayID = uint8(e.ID)
		}
	}
	var failure error
	sent := 0
	for i, payload := range payloads {
		packet := rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: i == len(payloads)-1, SequenceNumber: w.sequence, Timestamp: timestamp},
			Payload: payload,
		}
		w.sequence++
		if delayID != 0 {
			if err := packet.SetExtension(delayID, playoutDelay); err != nil {
				return timestamp, fmt.Errorf("playout delay of picture: %w", err)
			}
		}
		// A packet that cannot be sent is lost, like one that the network drops: the rest still counts.
		if err := l.track.WriteRTP(&packet); err != nil {
			failure = fmt.Errorf("send picture: %w", err)
			continue
		}
		sent += packet.MarshalSize()
		p.counters.packets.Add(1)
	}
	p.counters.bytes.Add(uint64(sent))
	p.counters.pictures.Add(1)
	p.mu.Lock()
	p.governor.sent(p.now(), sent)
	p.mu.Unlock()
	return timestamp, failure
}

// readFeedback takes RTCP until the connection is closed.
func (p *Peer) readFeedback(l *link) {
	failures := 0
	for {
		packets, _, err := l.sender.ReadRTCP()
		switch {
		case p.ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
			return
		case err != nil: // a malformed packet
			if failures++; failures == maxBadFeedback {
				p.end(fmt.Errorf("%d malformed RTCP packets in a row: %w", failures, err))
				return
			}
			continue
		}
		failures = 0
		for _, packet := range packets {
			switch r := packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.counters.keyFrames.Add(1)
				p.inbox.wantKeyFrame()
			case *rtcp.TransportLayerCC:
				p.mu.Lock()
				p.governor.feedback(p.now())
				p.mu.Unlock()
			case *rtcp.TransportLayerNack:
				for _, n := range r.Nacks {
					p.counters.nacked.Add(uint64(len(n.PacketList())))
				}
			case *rtcp.ReceiverReport:
				for _, b := range r.Reports {
					p.counters.lost.Store(uint64(b.FractionLost))
				}
			}
		}
	}
}

// govern tells the handler the bitrate as it changes, until the peer is closed.
func (p *Peer) govern(l *link) {
	ticker := time.NewTicker(governEvery)
	defer ticker.Stop()
	told := 0
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-ticker.C:
		}
		estimate := l.estimator.GetTargetBitrate()
		p.mu.Lock()
		rate := p.governor.target(p.now(), estimate)
		p.mu.Unlock()
		p.bitrate.Store(int64(rate))
		if change := rate - told; change*50 > told || -change*50 > told { // 2 %
			told = rate
			p.inbox.setBitrate(rate)
		}
	}
}
