package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"sync"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// Errors of a transfer that the terminal sends.
var (
	// ErrDamaged says that a chunk or the whole is not what the terminal said it would be.
	ErrDamaged = errors.New("the transfer was damaged on its way")
	// ErrAbandoned says that the terminal began another transfer, or left, before all of this one had come.
	ErrAbandoned = errors.New("the transfer was given up before all of it had come")
)

// Transfer takes a transfer that the terminal sends on "bulk".
type Transfer interface {
	// Write takes the next bytes, which it does not keep. An error gives the transfer up.
	Write(part []byte) (int, error)
	// End is the last call: with nil all bytes have come and their hash is right.
	End(err error)
}

// bulkReceiver puts the terminal's transfers together on the goroutine of the channel: while a Transfer does not take
// what came, the terminal's sending window closes, so that nothing piles up here.
type bulkReceiver struct {
	begin func(signaling.BulkHeader) (Transfer, error)

	mu     sync.Mutex // guards what follows: the peer may be closed meanwhile
	closed bool
	header signaling.BulkHeader
	to     Transfer // nil where none is under way, or the rest of it is passed over
	next   uint32   // index of the chunk to come
	bytes  int64    // that have come
	hash   hash.Hash
}

// take takes a message: a header as text, a chunk as bytes. It says whether the message was understood.
func (r *bulkReceiver) take(m webrtc.DataChannelMessage) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	if m.IsString {
		r.end(ErrAbandoned)
		return r.start(m.Data)
	}
	if r.to == nil {
		return true // the rest of one that was refused
	}
	if err := r.chunk(m.Data); err != nil {
		r.end(err)
		return false
	}
	return true
}

// close gives up what is under way, and takes nothing more.
func (r *bulkReceiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.end(ErrAbandoned)
}

func (r *bulkReceiver) start(message []byte) bool {
	var h signaling.BulkHeader
	if len(message) > signaling.MaxMessage || json.Unmarshal(message, &h) != nil || h.Bytes < 0 || h.Chunks < 0 {
		return false
	}
	to, err := r.begin(h)
	if err != nil {
		return false
	}
	r.header, r.to, r.next, r.bytes, r.hash = h, to, 0, 0, sha256.New()
	if h.Bytes > 0 != (h.Chunks > 0) || int64(h.Chunks) > h.Bytes {
		r.end(fmt.Errorf("%w: %d bytes cannot come in %d chunks", ErrDamaged, h.Bytes, h.Chunks))
		return false
	}
	r.finish()
	return true
}

func (r *bulkReceiver) chunk(message []byte) error {
	if len(message) <= signaling.BulkChunkHeader || len(message) > signaling.MaxMessage {
		return fmt.Errorf("%w: a chunk has %d bytes", ErrDamaged, len(message))
	}
	part := message[signaling.BulkChunkHeader:]
	switch {
	case binary.BigEndian.Uint32(message) != r.header.Transfer:
		return fmt.Errorf("%w: a chunk belongs to another one", ErrDamaged)
	case binary.BigEndian.Uint32(message[4:]) != r.next:
		return fmt.Errorf("%w: chunk %d came instead of %d", ErrDamaged, binary.BigEndian.Uint32(message[4:]), r.next)
	case binary.BigEndian.Uint32(message[8:]) != crc32.ChecksumIEEE(part):
		return fmt.Errorf("%w: the checksum of chunk %d is wrong", ErrDamaged, r.next)
	case r.bytes+int64(len(part)) > r.header.Bytes:
		return fmt.Errorf("%w: more than its %d bytes came", ErrDamaged, r.header.Bytes)
	}
	if _, err := r.to.Write(part); err != nil {
		return err
	}
	r.hash.Write(part)
	r.next++
	r.bytes += int64(len(part))
	r.finish()
	return nil
}

// finish ends a transfer whose last chunk has come.
func (r *bulkReceiver) finish() {
	if int(r.next) < r.header.Chunks {
		return
	}
	var err error
	switch {
	case r.bytes != r.header.Bytes:
		err = fmt.Errorf("%w: %d of %d bytes came", ErrDamaged, r.bytes, r.header.Bytes)
	case hex.EncodeToString(r.hash.Sum(nil)) != r.header.SHA256:
		err = fmt.Errorf("%w: its hash is wrong", ErrDamaged)
	}
	r.end(err)
}

// end tells the transfer that is under way, where there is one, how it ended.
func (r *bulkReceiver) end(err error) {
	if r.to != nil {
		r.to.End(err)
		r.to = nil
	}
}
