package stream_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// vp8Picture is a VP8 frame as far as its header goes (RFC 6386 section 9.1), of n bytes.
func vp8Picture(random *rand.Rand, key bool, n int) []byte {
	b := noise(random, n)
	b[0] &^= 1
	if !key {
		b[0] |= 1
	}
	return b
}

// h264Picture is an access unit of NAL units with noise in them that has no start codes.
func h264Picture(random *rand.Rand, key bool, n int) []byte {
	nal := func(header byte, n int) []byte {
		b := noise(random, n)
		for i := range b {
			b[i] |= 0x10
		}
		return append([]byte{0, 0, 0, 1, header}, b...)
	}
	if key {
		return bytes.Join([][]byte{nal(0x67, 12), nal(0x68, 4), nal(0x65, n)}, nil)
	}
	return nal(0x61, n)
}

func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], random.Uint64())
	}
	return b[:n]
}

func TestPicturesArriveWithTheirStamps(t *testing.T) {
	for name, c := range map[string]struct {
		codec   stream.Codec
		picture func(*rand.Rand, bool, int) []byte
	}{
		"VP8": {stream.VP8, vp8Picture}, "H264": {stream.H264, h264Picture},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, quietConfig())
			e.codecs = []stream.Codec{c.codec}
			playout := make(chan []byte, 10000)
			s, p := e.dial(terminal.Options{OnPacket: func(packet *rtp.Packet) {
				ids := packet.GetExtensionIDs()
				var found []byte
				for _, id := range ids {
					if x := packet.GetExtension(id); len(x) == 3 {
						found = x
					}
				}
				playout <- found
			}})
			if got, ok := p.Codec(); !ok || got != c.codec {
				t.Fatalf("codec %v, %v", got, ok)
			}
			random := rand.New(rand.NewPCG(1, 2))
			const pictures = 40
			var stamped uint32
			for i := range pictures {
				sent := c.picture(random, i%10 == 0, 200+random.IntN(30000))
				stamp, err := p.WritePicture(sent, time.Duration(i)*33*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if err := p.SendStamp(signaling.Stamp{RTP: stamp, Revision: uint64(i)}); err != nil {
					t.Fatal(err)
				}
				got := receive(t, s.Pictures(), "picture")
				if got.RTP != stamp || got.Gap || got.Key != (i%10 == 0) || !bytes.Equal(got.Data, sent) {
					t.Fatalf("picture %d: RTP %d, want %d; gap %v; key %v; %d bytes, want %d",
						i, got.RTP, stamp, got.Gap, got.Key, len(got.Data), len(sent))
				}
				if m := receive(t, s.Stamps(), "stamp"); m.RTP != got.RTP || m.Revision != uint64(i) {
					t.Fatalf("stamp %+v for picture %d", m, i)
				}
				if i > 0 && stamp-stamped != 33*90 {
					t.Fatalf("33 ms are %d on the RTP clock, want %d", stamp-stamped, 33*90)
				}
				stamped = stamp
			}
			for range len(playout) {
				if x := <-playout; !bytes.Equal(x, []byte{0, 0, 0}) {
					t.Fatalf("a packet asks for a playout delay of %v, want 0 to 0", x)
				}
			}
			if st := p.Stats(); st.Pictures != pictures || st.Packets != s.Stats().Packets {
				t.Errorf("edge sent %d pictures in %d packets; the terminal got %d packets", st.Pictures, st.Packets, s.Stats().Packets)
			}
		})
	}
}

func TestCodecIsTheEdgesFirstThatTheTerminalReceives(t *testing.T) {
	for _, c := range []struct {
		edge     []stream.Codec
		terminal []string
		want     stream.Codec
	}{
		{[]stream.Codec{stream.H264, stream.VP8}, []string{webrtc.MimeTypeVP8, webrtc.MimeTypeH264}, stream.H264},
		{[]stream.Codec{stream.VP8, stream.H264}, []string{webrtc.MimeTypeH264, webrtc.MimeTypeVP8}, stream.VP8},
		{[]stream.Codec{stream.VP8, stream.H264}, []string{webrtc.MimeTypeH264}, stream.H264},
	} {
		e := newEdge(t, quietConfig())
		e.codecs = c.edge
		_, p := e.dial(terminal.Options{Codecs: c.terminal})
		if got, _ := p.Codec(); got != c.want {
			t.Errorf("edge %v, terminal %v: %v, want %v", c.edge, c.terminal, got, c.want)
		}
	}
}

func TestNoCommonCodecIsRefusedByName(t *testing.T) {
	e := newEdge(t, quietConfig())
	_, err := terminal.Dial(within(t), e.url(), "token", terminal.Options{Codecs: []string{webrtc.MimeTypeAV1}})
	if err == nil || !strings.Contains(err.Error(), "No common video codec") || !strings.Contains(err.Error(), "AV1") ||
		!strings.Contains(err.Error(), "VP8, H264") {
		t.Fatalf("error %v does not name the codecs", err)
	}
}

func TestChannelsAreAsTheContractSays(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, _ := e.dial(terminal.Options{})
	for _, c := range signaling.Channels {
		d := s.Channel(c)
		if *d.ID() != c.ID || d.Ordered() != c.Ordered || !d.Negotiated() {
			t.Errorf("channel %s: id %d, ordered %v, negotiated %v", c.Label, *d.ID(), d.Ordered(), d.Negotiated())
		}
		if (d.MaxRetransmits() == nil) != (c.MaxRetransmits == nil) {
			t.Errorf("channel %s: retransmits %v, want %v", c.Label, d.MaxRetransmits(), c.MaxRetransmits)
		}
	}
}

func TestKeyFrameIsAskedFor(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	if _, err := p.WritePicture(vp8Picture(rand.New(rand.NewPCG(1, 1)), true, 500), 0); err != nil {
		t.Fatal(err)
	}
	receive(t, s.Pictures(), "picture")
	if err := s.RequestKeyFrame(); err != nil {
		t.Fatal(err)
	}
	receive(t, e.handler.keys, "wish for a key frame")
	if n := p.Stats().KeyFramesWanted; n != 1 {
		t.Errorf("%d wishes counted", n)
	}
}

func TestInputsAndRequestsComeInOrder(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	seq, err := s.SendInput(signaling.Input{Viewport: signaling.ViewportPatch{"id": []byte(`"a"`)}})
	if err != nil {
		t.Fatal(err)
	}
	in := receive(t, e.handler.inputs, "input")
	if id, err := in.Viewport.ID(); err != nil || id != "a" || in.Seq != seq {
		t.Errorf("input %+v", in)
	}
	if in := receive(t, e.handler.inputs, "repeated input"); in.Seq != seq {
		t.Errorf("repeated input has number %d, want %d", in.Seq, seq)
	}
	if err := p.SendStamp(signaling.Stamp{Seq: seq}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 { // more than the mailbox holds
		message := fmt.Appendf(nil, `{"type":"still","id":%d}`, i)
		if err := s.Send(signaling.ChannelControl, message, true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		if r := receive(t, e.handler.requests, "request"); r.ID != uint64(i) || r.Type != signaling.RequestStill {
			t.Fatalf("request %d is %+v", i, r)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Request(within(t), signaling.Request{Type: signaling.RequestRefresh})
		done <- err
	}()
	r := receive(t, e.handler.requests, "request")
	if err := p.SendEvent(signaling.Event{Type: signaling.EventReply, ID: r.ID}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, done, "reply"); err != nil {
		t.Fatal(err)
	}
}

func TestBadMessagesAreAnsweredOrDropped(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	large := strings.Repeat(" ", signaling.MaxMessage)
	for _, c := range []struct {
		name, message string
		text          bool
		id            uint64
	}{
		{"no JSON", `{"type":`, true, 0},
		{"wrong type of a field", `{"type":"resize","id":7,"width":"wide"}`, true, 7},
		{"binary", `{"type":"refresh","id":8}`, false, 8},
	} {
		if err := s.Send(signaling.ChannelControl, []byte(c.message), c.text); err != nil {
			t.Fatal(err)
		}
		r := receive(t, s.Events(), "reply to a request with "+c.name)
		if r.Type != signaling.EventReply || r.ID != c.id || r.Problem == nil || r.Problem.Code != signaling.ProblemBadRequest {
			t.Errorf("%s: reply %+v", c.name, r)
		}
	}
	oversized := []byte(`{"type":"refresh","id":9}` + large)
	if err := s.Send(signaling.ChannelControl, oversized, true); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, s.Events(), "reply to an oversized request"); r.ID != 9 || r.Problem == nil {
		t.Errorf("oversized: reply %+v", r)
	}
	for _, message := range []string{`nonsense`, `[]`, large + " "} {
		if err := s.Send(signaling.ChannelInput, []byte(message), true); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []signaling.Channel{signaling.ChannelStamps, signaling.ChannelStill, signaling.ChannelBulk} {
		if err := s.Send(c, []byte("speaking out of turn"), true); err != nil {
			t.Fatal(err)
		}
	}
	// What comes after still gets through, and nothing of the bad was taken for an input.
	if err := s.Send(signaling.ChannelControl, []byte(`{"type":"refresh","id":10}`), true); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, e.handler.requests, "request"); r.ID != 10 {
		t.Errorf("request %+v", r)
	}
	// Four on control, three on the channels that only the edge speaks on, and two short inputs at least.
	until(t, "the count of malformed messages", func() bool { return p.Stats().Malformed >= 9 })
	if len(e.handler.inputs) != 0 {
		t.Errorf("%d malformed inputs were taken", len(e.handler.inputs))
	}
}

func TestSlowHandlerLosesOldInputsOnly(t *testing.T) {
	e := newEdge(t, quietConfig())
	e.handler.hold = make(chan struct{})
	s, p := e.dial(terminal.Options{})
	for seq := 1; seq <= 500; seq++ {
		if err := s.Send(signaling.ChannelInput, numberedInput(seq), true); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "dropped inputs", func() bool { return p.Stats().InputsDropped > 0 })
	close(e.handler.hold)
	if err := s.Send(signaling.ChannelInput, numberedInput(502), true); err != nil {
		t.Fatal(err)
	}
	for in := receive(t, e.handler.inputs, "input"); in.Seq != 502; in = receive(t, e.handler.inputs, "newest input") {
	}
}

func numberedInput(seq int) []byte {
	return fmt.Appendf(nil, `{"seq":%d,"viewport":{"id":"a"}}`, seq)
}

func TestMessagesBeyondTheLimitAreNotSent(t *testing.T) {
	e := newEdge(t, quietConfig())
	_, p := e.dial(terminal.Options{})
	err := p.SendEvent(signaling.Event{Type: signaling.EventNotice, Problem: &signaling.Problem{Title: strings.Repeat("x", signaling.MaxMessage)}})
	if err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("error %v names no limit", err)
	}
}
