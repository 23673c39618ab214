package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// A still leaves in small messages, because a message of an ordered channel is sent whole before the next,
	// and with little in the buffer, so that what is abandoned costs a newer one little.
	stillChunk    = 16 << 10
	stillBuffered = 256 << 10
)

// stillSender lets one still at a time through, the newest.
type stillSender struct {
	turn chan struct{} // held by the one that sends, capacity 1

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the newest
	active int                     // stills under way, which bulk data wait for
	idle   chan struct{}           // closed while none is
}

func (s *stillSender) init() {
	s.turn = make(chan struct{}, 1)
	s.idle = make(chan struct{})
	close(s.idle)
}

// enter makes the caller's still the newest.
func (s *stillSender) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(ErrSuperseded)
	}
	s.cancel = cancel
	if s.active++; s.active == 1 {
		s.idle = make(chan struct{})
	}
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.active--; s.active == 0 {
			close(s.idle)
		}
	}
}

// none is closed while no still is under way.
func (s *stillSender) none() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle
}

// SendStill sends a lossless still and returns when its last byte is on its way. The header's Bytes, and SHA256 where it is
// empty, are filled in. A later call abandons an earlier one, which returns ErrSuperseded; so does the end of
// ctx, with its cause. The terminal drops what it has of an abandoned still when the next header comes.
func (p *Peer) SendStill(ctx context.Context, h signaling.StillHeader, data []byte) error {
	if len(data) == 0 {
		return errors.New("still has no bytes")
	}
	h.Bytes = len(data)
	if h.SHA256 == "" {
		sum := sha256.Sum256(data)
		h.SHA256 = hex.EncodeToString(sum[:])
	}
	header, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode still header: %w", err)
	}
	if len(header) > signaling.MaxMessage {
		return fmt.Errorf("still header has %d bytes: at most %d", len(header), signaling.MaxMessage)
	}
	l, err := p.ready()
	if err != nil {
		return err
	}
	o := l.outlet(signaling.ChannelStill)

	ctx, leave := p.still.enter(ctx)
	defer leave()
	select {
	case p.still.turn <- struct{}{}:
		defer func() { <-p.still.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return ErrPeerClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := o.SendText(string(header)); err != nil {
		return fmt.Errorf("send still: %w", err)
	}
	for len(data) > 0 {
		if err := p.drained(ctx, o, stillBuffered-stillChunk); err != nil {
			return fmt.Errorf("send still: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("send still: %w", context.Cause(ctx))
		}
		n := min(stillChunk, len(data))
		if err := o.Send(data[:n]); err != nil {
			return fmt.Errorf("send still: %w", err)
		}
		data = data[n:]
		p.counters.stillBytes.Add(uint64(n))
	}
	return nil
}
