package terminal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// Still is a lossless still, its hash checked.
type Still struct {
	Header     signaling.StillHeader
	Data       []byte
	ReceivedAt time.Time
}

// Bulk is a transfer, its checksums and hash checked.
type Bulk struct {
	Header     signaling.BulkHeader
	Data       []byte
	ReceivedAt time.Time
}

// maxStill bounds a still, bytes.
const maxStill = 256 << 20

func (s *Session) openChannels() error {
	s.channels = make([]*webrtc.DataChannel, len(signaling.Channels))
	for _, c := range signaling.Channels {
		negotiated := true
		channel, err := s.pc.CreateDataChannel(c.Label, &webrtc.DataChannelInit{
			Ordered: &c.Ordered, MaxRetransmits: c.MaxRetransmits, Negotiated: &negotiated, ID: &c.ID,
		})
		if err != nil {
			return fmt.Errorf("data channel %s: %w", c.Label, err)
		}
		s.channels[c.ID] = channel
		channel.OnOpen(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.opened++; s.opened == len(signaling.Channels) {
				close(s.ready)
			}
		})
		switch c.ID {
		case signaling.ChannelControl.ID:
			channel.OnMessage(s.receiveEvent)
		case signaling.ChannelStamps.ID:
			channel.OnMessage(s.receiveStamp)
		case signaling.ChannelStill.ID:
			channel.OnMessage(s.stillReceiver())
		case signaling.ChannelBulk.ID:
			channel.OnMessage(s.bulkReceiver())
		}
	}
	return nil
}

// Send sends a message on a channel as it is, to see what the edge makes of it.
func (s *Session) Send(c signaling.Channel, message []byte, text bool) error {
	if text {
		return s.channels[c.ID].SendText(string(message))
	}
	return s.channels[c.ID].Send(message)
}

// Channel is the data channel as it was opened.
func (s *Session) Channel(c signaling.Channel) *webrtc.DataChannel { return s.channels[c.ID] }

// NextSeq returns the next number of the one sequence of this writer.
func (s *Session) NextSeq() uint64 { return s.sequence.Add(1) }

// SendInput sends an input, with the next sequence number where it has none, and repeats it until a stamp covers it or a
// newer one takes its place. It returns the number.
func (s *Session) SendInput(in signaling.Input) (uint64, error) {
	if in.Seq == 0 {
		in.Seq = s.NextSeq()
	}
	s.mu.Lock()
	s.lastInput, s.repeatLeft = &in, repeatFor
	s.mu.Unlock()
	select {
	case s.nudgeInput <- struct{}{}:
	default:
	}
	return in.Seq, s.sendInput(in)
}

func (s *Session) sendInput(in signaling.Input) error {
	message, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode input: %w", err)
	}
	if err := s.Send(signaling.ChannelInput, message, true); err != nil {
		return fmt.Errorf("send input: %w", err)
	}
	return nil
}

// repeatInput repeats the last input while no stamp covers it: the channel may lose it.
func (s *Session) repeatInput() {
	for {
		select {
		case <-s.nudgeInput:
		case <-s.ctx.Done():
			return
		}
		for s.uncovered() != nil {
			select {
			case <-time.After(repeatEvery):
			case <-s.ctx.Done():
				return
			}
			if in := s.uncovered(); in != nil {
				_ = s.sendInput(*in) // repeated anyway
				s.mu.Lock()
				s.repeatLeft--
				s.mu.Unlock()
			}
		}
	}
}

func (s *Session) uncovered() *signaling.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastInput == nil || s.repeatLeft == 0 || s.covered.Load() >= s.lastInput.Seq {
		return nil
	}
	return s.lastInput
}

// Request sends a request, numbering it, and waits for the reply. A change of the view without a sequence number gets the
// next. A reply that names a problem is returned with that [*signaling.Problem] as the error.
func (s *Session) Request(ctx context.Context, r signaling.Request) (signaling.Event, error) {
	r.ID = s.requestID.Add(1)
	if r.Seq == 0 && (r.Type == signaling.RequestSetView || r.Type == signaling.RequestResetView) {
		r.Seq = s.NextSeq()
	}
	message, err := json.Marshal(r)
	if err != nil {
		return signaling.Event{}, fmt.Errorf("encode request: %w", err)
	}
	reply := make(chan signaling.Event, 1)
	s.mu.Lock()
	s.waiting[r.ID] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, r.ID)
		s.mu.Unlock()
	}()
	if err := s.Send(signaling.ChannelControl, message, true); err != nil {
		return signaling.Event{}, fmt.Errorf("send request %s: %w", r.Type, err)
	}
	select {
	case e := <-reply:
		if e.Problem != nil {
			return e, e.Problem
		}
		return e, nil
	case <-ctx.Done():
		return signaling.Event{}, fmt.Errorf("reply to request %s: %w", r.Type, ctx.Err())
	case <-s.ctx.Done():
		return signaling.Event{}, fmt.Errorf("reply to request %s: %w", r.Type, context.Cause(s.ctx))
	}
}

func (s *Session) receiveEvent(m webrtc.DataChannelMessage) {
	var e signaling.Event
	if json.Unmarshal(m.Data, &e) != nil {
		return
	}
	if e.Type == signaling.EventReply {
		s.mu.Lock()
		waiting := s.waiting[e.ID]
		s.mu.Unlock()
		if waiting != nil {
			select {
			case waiting <- e:
			default:
			}
			return
		}
	}
	s.putEvent(e)
}

func (s *Session) putEvent(e signaling.Event) {
	if put(s.events, e) {
		s.counters.eventsDropped.Add(1)
	}
}

func (s *Session) receiveStamp(m webrtc.DataChannelMessage) {
	var stamp signaling.Stamp
	if json.Unmarshal(m.Data, &stamp) != nil {
		return
	}
	for {
		covered := s.covered.Load()
		if stamp.Seq <= covered || s.covered.CompareAndSwap(covered, stamp.Seq) {
			break
		}
	}
	if put(s.stamps, stamp) {
		s.counters.stampsDropped.Add(1)
	}
}

// stillReceiver puts stills together. A new header abandons what came of the last.
func (s *Session) stillReceiver() func(webrtc.DataChannelMessage) {
	var header *signaling.StillHeader
	var data bytes.Buffer
	return func(m webrtc.DataChannelMessage) {
		if m.IsString {
			if header != nil {
				s.counters.stillsAbandoned.Add(1)
			}
			header = &signaling.StillHeader{}
			data = bytes.Buffer{}
			if json.Unmarshal(m.Data, header) != nil || header.Bytes <= 0 || header.Bytes > maxStill {
				s.counters.badStills.Add(1)
				header = nil
			}
			return
		}
		if header == nil {
			return
		}
		data.Write(m.Data)
		if data.Len() < header.Bytes {
			return
		}
		sum := sha256.Sum256(data.Bytes())
		if data.Len() == header.Bytes && hex.EncodeToString(sum[:]) == header.SHA256 {
			put(s.stills, Still{*header, data.Bytes(), time.Now()})
		} else {
			s.counters.badStills.Add(1)
		}
		header = nil
		data = bytes.Buffer{}
	}
}

// bulkReceiver puts transfers together, which come one after the other.
func (s *Session) bulkReceiver() func(webrtc.DataChannelMessage) {
	var header *signaling.BulkHeader
	var data bytes.Buffer
	chunks := 0
	finish := func() {
		sum := sha256.Sum256(data.Bytes())
		if int64(data.Len()) == header.Bytes && hex.EncodeToString(sum[:]) == header.SHA256 {
			put(s.bulks, Bulk{*header, data.Bytes(), time.Now()})
		} else {
			s.counters.badBulks.Add(1)
		}
		header = nil
	}
	return func(m webrtc.DataChannelMessage) {
		if m.IsString {
			header, chunks = &signaling.BulkHeader{}, 0
			data = bytes.Buffer{}
			if err := s.bulkHeader(m.Data, header); err != nil {
				s.counters.badBulks.Add(1)
				header = nil
			} else if header.Chunks == 0 {
				finish()
			}
			return
		}
		if header == nil {
			return
		}
		if part, err := chunk(m.Data, header.Transfer, uint32(chunks)); err != nil || int64(data.Len()+len(part)) > header.Bytes {
			s.counters.badBulks.Add(1)
			header = nil
		} else {
			data.Write(part)
			if chunks++; chunks == header.Chunks {
				finish()
			}
		}
	}
}

func (s *Session) bulkHeader(message []byte, h *signaling.BulkHeader) error {
	if err := json.Unmarshal(message, h); err != nil {
		return err
	}
	if h.Bytes < 0 || h.Bytes > s.options.MaxBulk || h.Chunks < 0 {
		return errors.New("length out of bounds")
	}
	return nil
}

// chunk returns the payload of a chunk, which must be the one expected.
func chunk(message []byte, transfer, index uint32) ([]byte, error) {
	if len(message) < signaling.BulkChunkHeader {
		return nil, errors.New("chunk shorter than its header")
	}
	payload := message[signaling.BulkChunkHeader:]
	switch {
	case binary.BigEndian.Uint32(message) != transfer:
		return nil, errors.New("chunk of another transfer")
	case binary.BigEndian.Uint32(message[4:]) != index:
		return nil, errors.New("chunk out of order")
	case binary.BigEndian.Uint32(message[8:]) != crc32.ChecksumIEEE(payload):
		return nil, errors.New("checksum of chunk is wrong")
	}
	return payload, nil
}
