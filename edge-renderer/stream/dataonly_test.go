package stream_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// A peer without codecs carries requests, events and bulk data both ways, and no pictures.
func TestPeerOfDataAlone(t *testing.T) {
	e := newEdge(t, quietConfig())
	e.codecs = nil
	s, peer := e.dial(terminal.Options{DataOnly: true})
	if _, ok := peer.Codec(); ok {
		t.Error("it has a codec")
	}
	if _, err := peer.WritePicture([]byte{1}, 0); err == nil {
		t.Error("it took a picture")
	}
	data := bytes.Repeat([]byte("tomography"), 30_000)
	if err := peer.SendBulk(within(t), signaling.BulkHeader{Transfer: 7, Format: "text/plain"}, data); err != nil {
		t.Fatal(err)
	}
	if b := receive(t, s.Bulks(), "bulk data"); !bytes.Equal(b.Data, data) || b.Header.Transfer != 7 {
		t.Errorf("%d bytes came as %+v", len(b.Data), b.Header)
	}
	if err := s.RestartICE(within(t)); err != nil {
		t.Error(err)
	}
	_ = peer.Stats()
}

// An offer of video to such a peer is refused by name.
func TestPeerOfDataAloneRefusesVideo(t *testing.T) {
	e := newEdge(t, quietConfig())
	e.codecs = nil
	_, err := terminal.Dial(within(t), e.url(), "token", terminal.Options{})
	var p *signaling.Problem
	if !errors.As(err, &p) || p.Code != signaling.ProblemUnsupported {
		t.Errorf("the offer ended with %v", err)
	}
}

// A peer with pictures still refuses a terminal that receives none.
func TestPeerOfPicturesRefusesDataAlone(t *testing.T) {
	e := newEdge(t, quietConfig())
	e.codecs = []stream.Codec{stream.VP8}
	_, err := terminal.Dial(within(t), e.url(), "token", terminal.Options{DataOnly: true})
	var p *signaling.Problem
	if !errors.As(err, &p) || p.Code != signaling.ProblemUnsupported {
		t.Errorf("the offer ended with %v", err)
	}
}
