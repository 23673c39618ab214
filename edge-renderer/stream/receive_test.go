package stream_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// kept is a transfer that was received.
type kept struct {
	header signaling.BulkHeader
	data   bytes.Buffer
	ended  chan<- *kept
	full   error // what Write returns
	err    error
}

func (k *kept) Write(part []byte) (int, error) { k.data.Write(part); return len(part), k.full }
func (k *kept) End(err error)                  { k.err = err; k.ended <- k }

var errFull = errors.New("full")

// newTaker is an edge that takes transfers; number 13 is refused, and for number 14 there is no room.
func newTaker(t *testing.T) (*edge, <-chan *kept) {
	e, ended := newEdge(t, quietConfig()), make(chan *kept, 100)
	e.bulk = func(h signaling.BulkHeader) (stream.Transfer, error) {
		k := &kept{header: h, ended: ended}
		switch h.Transfer {
		case 13:
			return nil, errors.New("unlucky")
		case 14:
			k.full = errFull
		}
		return k, nil
	}
	return e, ended
}

func TestTransfersOfTheTerminal(t *testing.T) {
	e, ended := newTaker(t)
	s, p := e.dial(terminal.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	for n, size := range []int{0, 1, signaling.MaxMessage - signaling.BulkChunkHeader, 10<<20 + 77} {
		data := noise(random, size)
		if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: uint32(n + 1), Meta: json.RawMessage(`{"path":"a/b"}`)}, data); err != nil {
			t.Fatal(err)
		}
		got := receive(t, ended, "transfer")
		if got.err != nil || !bytes.Equal(got.data.Bytes(), data) || string(got.header.Meta) != `{"path":"a/b"}` {
			t.Errorf("transfer of %d bytes: %d came, %v", size, got.data.Len(), got.err)
		}
	}
	if n := p.Stats().Malformed; n != 0 {
		t.Errorf("%d messages were not understood", n)
	}
}

func TestTransfersThatGoWrong(t *testing.T) {
	e, ended := newTaker(t)
	s, p := e.dial(terminal.Options{})
	header := func(h signaling.BulkHeader) {
		t.Helper()
		raw, _ := json.Marshal(h)
		if err := s.Send(signaling.ChannelBulk, raw, true); err != nil {
			t.Fatal(err)
		}
	}
	chunk := func(transfer, index, sum uint32, part []byte) {
		t.Helper()
		m := binary.BigEndian.AppendUint32(nil, transfer)
		m = binary.BigEndian.AppendUint32(m, index)
		m = binary.BigEndian.AppendUint32(m, sum)
		if err := s.Send(signaling.ChannelBulk, append(m, part...), false); err != nil {
			t.Fatal(err)
		}
	}
	part := []byte("some bytes")
	good := crc32.ChecksumIEEE(part)
	for name, c := range map[string]struct {
		send func()
		want error
	}{
		"wrong hash":           {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 10, Chunks: 1}); chunk(1, 0, good, part) }, stream.ErrDamaged},
		"wrong checksum":       {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 10, Chunks: 1}); chunk(1, 0, good+1, part) }, stream.ErrDamaged},
		"chunk out of order":   {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 20, Chunks: 2}); chunk(1, 1, good, part) }, stream.ErrDamaged},
		"chunk of another":     {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 10, Chunks: 1}); chunk(2, 0, good, part) }, stream.ErrDamaged},
		"chunk without bytes":  {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 10, Chunks: 1}); chunk(1, 0, 0, nil) }, stream.ErrDamaged},
		"more than announced":  {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 9, Chunks: 1}); chunk(1, 0, good, part) }, stream.ErrDamaged},
		"less than announced":  {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 11, Chunks: 1}); chunk(1, 0, good, part) }, stream.ErrDamaged},
		"no chunks":            {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 1 << 40}) }, stream.ErrDamaged},
		"more chunks than can": {func() { header(signaling.BulkHeader{Transfer: 1, Bytes: 1, Chunks: 2}) }, stream.ErrDamaged},
		"no room":              {func() { header(signaling.BulkHeader{Transfer: 14, Bytes: 10, Chunks: 1}); chunk(14, 0, good, part) }, errFull},
		"another one begun": {func() {
			header(signaling.BulkHeader{Transfer: 1, Bytes: 10, Chunks: 1})
			header(signaling.BulkHeader{Transfer: 13})
		}, stream.ErrAbandoned},
	} {
		c.send()
		if got := receive(t, ended, name); !errors.Is(got.err, c.want) {
			t.Errorf("%s: ended with %v, want %v", name, got.err, c.want)
		}
	}
	// Nothing of that takes the channel along: what was refused is passed over, and the next one comes whole. What is left of
	// the last one above has been counted when it has come.
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 16}, part); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, ended, "a transfer behind the bad ones"); got.err != nil {
		t.Errorf("a transfer behind the bad ones: %v", got.err)
	}
	before := p.Stats().Malformed
	for _, junk := range []string{"no JSON", `{"bytes":-1}`} {
		if err := s.Send(signaling.ChannelBulk, []byte(junk), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 13}, part); err != nil {
		t.Fatal(err)
	}
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 15}, part); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, ended, "good transfer"); got.err != nil || got.header.Transfer != 15 {
		t.Errorf("transfer %d after the bad ones: %v", got.header.Transfer, got.err)
	}
	if n := p.Stats().Malformed - before; n != 3 {
		t.Errorf("%d messages counted as not understood, want 3", n)
	}
}

func TestTransferEndsWithThePeer(t *testing.T) {
	e, ended := newTaker(t)
	s, p := e.dial(terminal.Options{})
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 1}, nil); err != nil {
		t.Fatal(err)
	}
	receive(t, ended, "empty transfer")
	for _, m := range []string{`{"transfer":2,"bytes":10,"chunks":1}`, `{"transfer":3,"bytes":10,"chunks":1}`} {
		if err := s.Send(signaling.ChannelBulk, []byte(m), true); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, ended, "transfer that another follows"); !errors.Is(got.err, stream.ErrAbandoned) {
		t.Error(got.err)
	}
	if err := p.Close(nil); err != nil {
		t.Error(err)
	}
	if got := receive(t, ended, "transfer that was under way"); got.header.Transfer != 3 || !errors.Is(got.err, stream.ErrAbandoned) {
		t.Errorf("transfer %d: %v", got.header.Transfer, got.err)
	}
}

func BenchmarkUpload(b *testing.B) {
	e := newEdge(b, quietConfig())
	ended := make(chan *kept, 1)
	e.bulk = func(h signaling.BulkHeader) (stream.Transfer, error) { return &kept{header: h, ended: ended}, nil }
	s, _ := e.dial(terminal.Options{})
	data := noise(rand.New(rand.NewPCG(7, 8)), 20<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := s.SendBulk(within(b), signaling.BulkHeader{Transfer: 1}, data); err != nil {
			b.Fatal(err)
		}
		receive(b, ended, "transfer")
	}
}
