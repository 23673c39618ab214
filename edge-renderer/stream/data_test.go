package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

func TestStillArrivesWithItsHash(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	data := noise(rand.New(rand.NewPCG(3, 4)), 700_000)
	sum := sha256.Sum256(data)
	if err := p.SendStill(within(t), signaling.StillHeader{Revision: 5, Width: 10, Height: 20, Format: "image/png"}, data); err != nil {
		t.Fatal(err)
	}
	got := receive(t, s.Stills(), "still")
	if !bytes.Equal(got.Data, data) || got.Header.SHA256 != hex.EncodeToString(sum[:]) || got.Header.Revision != 5 || got.Header.Bytes != len(data) {
		t.Errorf("still %+v of %d bytes", got.Header, len(got.Data))
	}
	// The hash that the renderer gave is not overwritten, so a still that was damaged on the way here is noticed.
	if err := p.SendStill(within(t), signaling.StillHeader{Revision: 6, SHA256: hex.EncodeToString(sum[:])}, data[1:]); err != nil {
		t.Fatal(err)
	}
	if err := p.SendStill(within(t), signaling.StillHeader{Revision: 7}, data); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, s.Stills(), "still"); got.Header.Revision != 7 || s.Stats().BadStills != 1 {
		t.Errorf("revision %d, %d bad stills; want 7 after 1", got.Header.Revision, s.Stats().BadStills)
	}
}

func TestNewestStillWins(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	large := make([]byte, 100<<20)
	results := make(chan error, 2)
	go func() { results <- p.SendStill(context.Background(), signaling.StillHeader{Revision: 1}, large) }()
	until(t, "the first still to be on its way", func() bool { return p.Stats().StillBytes > 0 })
	go func() { results <- p.SendStill(context.Background(), signaling.StillHeader{Revision: 2}, large) }()
	if err := receive(t, results, "end of the first still"); !errors.Is(err, stream.ErrSuperseded) {
		t.Errorf("first still: %v", err)
	}
	small := noise(rand.New(rand.NewPCG(5, 6)), 100_000)
	if err := p.SendStill(within(t), signaling.StillHeader{Revision: 3}, small); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, results, "end of the second still"); !errors.Is(err, stream.ErrSuperseded) {
		t.Errorf("second still: %v", err)
	}
	if got := receive(t, s.Stills(), "still"); got.Header.Revision != 3 || !bytes.Equal(got.Data, small) {
		t.Errorf("revision %d came, want 3", got.Header.Revision)
	}

	ctx, cancel := context.WithCancelCause(context.Background())
	moved := errors.New("the user moved on")
	go func() { results <- p.SendStill(ctx, signaling.StillHeader{Revision: 4}, large) }()
	cancel(moved)
	if err := receive(t, results, "end of the cancelled still"); !errors.Is(err, moved) {
		t.Errorf("cancelled still: %v", err)
	}
}

func TestBulkArrivesWhole(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	data := noise(rand.New(rand.NewPCG(7, 8)), 20<<20+12345)
	began := time.Now()
	results := make(chan error, 2)
	go func() {
		results <- p.SendBulk(within(t), signaling.BulkHeader{Transfer: 9, Task: "t1", Format: "application/octet-stream"}, data)
	}()
	go func() { // in turn with the other, whichever is first
		results <- p.SendBulk(within(t), signaling.BulkHeader{Transfer: 10}, nil)
	}()
	for range 2 {
		got := receive(t, s.Bulks(), "transfer")
		switch got.Header.Transfer {
		case 9:
			if !bytes.Equal(got.Data, data) || got.Header.Task != "t1" {
				t.Errorf("transfer %+v of %d bytes", got.Header, len(got.Data))
			}
			t.Logf("%.1f MiB/s", float64(len(data))/(1<<20)/time.Since(began).Seconds())
		case 10:
			if len(got.Data) != 0 {
				t.Errorf("empty transfer has %d bytes", len(got.Data))
			}
		}
		if err := receive(t, results, "end of a transfer"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().BadBulks; n != 0 {
		t.Errorf("%d bad transfers", n)
	}
}

func TestBulkWaitsForTheHand(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	p.Throttle(true)
	data := make([]byte, 4<<20)
	result := make(chan error, 1)
	go func() { result <- p.SendBulk(within(t), signaling.BulkHeader{Transfer: 1}, data) }()
	select {
	case <-s.Bulks():
		t.Fatal("4 MiB came within a second though the hand moves")
	case <-time.After(time.Second):
	}
	// No chunk before the first rest of a quarter second, then at most four in a second.
	if n := p.Stats().BulkBytes; n == 0 || n > 6*signaling.MaxMessage {
		t.Errorf("%d bytes went in a second of moving, want some, and at most six chunks", n)
	}
	p.Throttle(false)
	if got := receive(t, s.Bulks(), "transfer"); len(got.Data) != len(data) {
		t.Errorf("transfer of %d bytes", len(got.Data))
	}
	if err := receive(t, result, "end of the transfer"); err != nil {
		t.Error(err)
	}
}

func TestTransfersEndWithThePeer(t *testing.T) {
	e := newEdge(t, quietConfig())
	_, p := e.dial(terminal.Options{})
	p.Throttle(true)
	results := make(chan error, 2)
	for range 2 { // one sends, one waits for its turn
		go func() { results <- p.SendBulk(context.Background(), signaling.BulkHeader{}, make([]byte, 10<<20)) }()
	}
	until(t, "the transfer to begin", func() bool { return p.Stats().BulkBytes > 0 })
	if err := p.Close(nil); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := receive(t, results, "end of a transfer"); !errors.Is(err, stream.ErrPeerClosed) {
			t.Errorf("transfer: %v", err)
		}
	}
	if err := p.SendStill(context.Background(), signaling.StillHeader{}, []byte{1}); !errors.Is(err, stream.ErrPeerClosed) {
		t.Errorf("still after close: %v", err)
	}
}

func BenchmarkBulk(b *testing.B) {
	e := newEdge(b, quietConfig())
	s, p := e.dial(terminal.Options{})
	data := noise(rand.New(rand.NewPCG(7, 8)), 20<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := p.SendBulk(within(b), signaling.BulkHeader{Transfer: 1}, data); err != nil {
			b.Fatal(err)
		}
		receive(b, s.Bulks(), "transfer")
	}
}

func BenchmarkPicture(b *testing.B) {
	e := newEdge(b, quietConfig())
	s, p := e.dial(terminal.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	data := vp8Picture(random, true, 16_000) // 4 Mbit/s at 30 pictures a second
	at := time.Duration(0)
	for b.Loop() {
		at += 33 * time.Millisecond
		if _, err := p.WritePicture(data, at); err != nil {
			b.Fatal(err)
		}
		receive(b, s.Pictures(), "picture")
	}
}
