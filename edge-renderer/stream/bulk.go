package stream

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	bulkPayload = signaling.MaxMessage - signaling.BulkChunkHeader

	// What waits in the buffer is what the path drains in bulkAhead, between these bounds: enough to fill a
	// path with a round trip of that length, and no more, because replies on "control" wait behind it.
	bulkMost  = 4 << 20
	bulkLeast = 192 << 10
	bulkAhead = 400 * time.Millisecond
	// rateSpan is how long a drain rate is measured.
	rateSpan = 100 * time.Millisecond

	// While the user moves the image, one chunk goes at a time, and then nothing for trickleRest times as long as it
	// took, so that bulk data take a fifth of the path at most; and no more than four chunks in a second.
	trickleRest = 4
	trickleMin  = 250 * time.Millisecond
	// almostNothing counts as drained: the last packets' acknowledgement may take 200 ms (RFC 9260 section 6.2).
	almostNothing = 4 << 10
)

// bulkSender lets one transfer at a time through.
type bulkSender struct {
	turn chan struct{} // held by the one that sends, capacity 1

	mu        sync.Mutex
	throttled bool
	free      chan struct{} // closed while not throttled

	drain drain // owned by the holder of turn
}

func (b *bulkSender) init() {
	b.turn = make(chan struct{}, 1)
	b.free = make(chan struct{})
	close(b.free)
	b.drain.window = bulkLeast
}

// Throttle holds bulk data back while the user moves the image.
func (p *Peer) Throttle(on bool) {
	b := &p.bulk
	b.mu.Lock()
	defer b.mu.Unlock()
	if on == b.throttled {
		return
	}
	if b.throttled = on; on {
		b.free = make(chan struct{})
	} else {
		close(b.free)
	}
}

// unthrottled is closed while bulk data may flow freely.
func (b *bulkSender) unthrottled() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}

// drain measures how fast a channel drains and says how much to keep in its buffer.
type drain struct {
	window  uint64
	since   time.Time
	sent    uint64 // since then
	pending uint64 // then in the buffer
}

// start begins to measure, with pending bytes in the buffer.
func (d *drain) start(now time.Time, pending uint64) { d.since, d.sent, d.pending = now, 0, pending }

// note tells of n more bytes sent, with pending in the buffer now.
func (d *drain) note(now time.Time, n int, pending uint64) {
	d.sent += uint64(n)
	span := now.Sub(d.since)
	if span < rateSpan {
		return
	}
	gone := float64(d.pending) + float64(d.sent) - float64(pending)
	d.window = uint64(min(max(gone*bulkAhead.Seconds()/span.Seconds(), bulkLeast), bulkMost))
	d.start(now, pending)
}

// SendBulk sends data on "bulk" in checksummed chunks and returns when the last is on its way. Bytes and Chunks of
// the header, and SHA256 where it is empty, are filled in. Transfers go one after the other, behind stills, and
// slowly while Throttle is on. One that ends early leaves the terminal without its last chunks; the session says so by an
// event.
func (p *Peer) SendBulk(ctx context.Context, h signaling.BulkHeader, data []byte) error {
	h.Bytes = int64(len(data))
	h.Chunks = (len(data) + bulkPayload - 1) / bulkPayload
	if h.SHA256 == "" {
		sum := sha256.Sum256(data)
		h.SHA256 = hex.EncodeToString(sum[:])
	}
	header, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode bulk header: %w", err)
	}
	if len(header) > signaling.MaxMessage {
		return fmt.Errorf("bulk header has %d bytes: at most %d", len(header), signaling.MaxMessage)
	}
	if int64(h.Chunks) > 1<<32-1 {
		return errors.New("bulk data have too many chunks to number")
	}
	l, err := p.ready()
	if err != nil {
		return err
	}
	o := l.outlet(signaling.ChannelBulk)
	b := &p.bulk
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return ErrPeerClosed
	}
	if err := o.SendText(string(header)); err != nil {
		return fmt.Errorf("send bulk data: %w", err)
	}
	b.drain.start(time.Now(), o.BufferedAmount())
	message := make([]byte, 0, signaling.MaxMessage)
	for i := 0; i < h.Chunks; i++ {
		if err := p.bulkTurn(ctx, o); err != nil {
			return fmt.Errorf("send bulk data, chunk %d of %d: %w", i, h.Chunks, err)
		}
		part := data[i*bulkPayload : min((i+1)*bulkPayload, len(data))]
		message = binary.BigEndian.AppendUint32(message[:0], h.Transfer)
		message = binary.BigEndian.AppendUint32(message, uint32(i))
		message = binary.BigEndian.AppendUint32(message, crc32.ChecksumIEEE(part))
		message = append(message, part...)
		if err := o.Send(message); err != nil {
			return fmt.Errorf("send bulk data, chunk %d of %d: %w", i, h.Chunks, err)
		}
		p.counters.bulkBytes.Add(uint64(len(part)))
		b.drain.note(time.Now(), len(message), o.BufferedAmount())
	}
	return nil
}

// bulkTurn waits until the next chunk may go.
func (p *Peer) bulkTurn(ctx context.Context, o *outlet) error {
	b := &p.bulk
	if err := p.wait(ctx, p.still.none(), 0); err != nil {
		return err
	}
	free := b.unthrottled()
	select {
	case <-free:
		if o.BufferedAmount()+signaling.MaxMessage <= b.drain.window {
			return nil
		}
		return p.drained(ctx, o, b.drain.window/4)
	default:
	}
	began := time.Now()
	if err := p.drained(ctx, o, almostNothing); err != nil {
		return err
	}
	rest := max(trickleMin, trickleRest*time.Since(began))
	err := p.wait(ctx, free, rest)
	b.drain.start(time.Now(), o.BufferedAmount())
	return err
}

// wait waits for c to close, for at most limit where that is positive.
func (p *Peer) wait(ctx context.Context, c <-chan struct{}, limit time.Duration) error {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-c:
		return nil
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return ErrPeerClosed
	}
}
