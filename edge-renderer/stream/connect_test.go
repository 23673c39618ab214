package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// flows checks that a picture and a message each way get through.
func flows(t *testing.T, s *terminal.Session, p *stream.Peer, e *edge) {
	t.Helper()
	stamp, err := p.WritePicture(vp8Picture(rand.New(rand.NewPCG(1, 9)), true, 5000), sinceStart())
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(t, s.Pictures(), "picture"); got.RTP != stamp {
		t.Fatalf("picture %d, want %d", got.RTP, stamp)
	}
	if err := s.Send(signaling.ChannelControl, []byte(`{"type":"refresh","id":77}`), true); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, e.handler.requests, "request"); r.ID != 77 {
		t.Fatalf("request %+v", r)
	}
	if err := p.SendEvent(signaling.Event{Type: signaling.EventNotice, ID: 78}); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, s.Events(), "event"); ev.ID != 78 {
		t.Fatalf("event %+v", ev)
	}
}

var testBegan = time.Now()

// sinceStart is a capture time that goes on from test to test.
func sinceStart() time.Duration { return time.Since(testBegan) }

func freePort(t *testing.T, network string) int {
	t.Helper()
	if network == "tcp" {
		l, err := net.ListenTCP("tcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}
	l, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().(*net.UDPAddr).Port
}

// candidates collects what the edge tells of its addresses.
func candidates(e *edge) chan string {
	c := make(chan string, 64)
	e.rewrite = func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool) {
		if toTerminal && s.Candidate != nil {
			c <- s.Candidate.Candidate
		}
		return s, true
	}
	return c
}

func TestAllPeersShareOnePort(t *testing.T) {
	c := quietConfig()
	c.UDPPort = freePort(t, "udp")
	c.PublicAddress = "203.0.113.7"
	e := newEdge(t, c)
	told := candidates(e)
	first, p1 := e.dial(terminal.Options{})
	h1 := e.handler
	e.handler = newRecorder()
	second, p2 := e.dial(terminal.Options{})
	h2 := e.handler
	flows(t, second, p2, e)
	e.handler = h1
	flows(t, first, p1, e)
	e.handler = h2
	public := false
	for range len(told) {
		candidate := <-told
		if !strings.Contains(candidate, fmt.Sprintf(" %d typ host", c.UDPPort)) {
			t.Errorf("candidate %q is not at port %d", candidate, c.UDPPort)
		}
		public = public || strings.Contains(candidate, " 203.0.113.7 ")
	}
	if !public {
		t.Error("no candidate has the public address")
	}
	_, err := stream.New(c)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(c.UDPPort)) {
		t.Errorf("a second transport on the port: %v", err)
	}
}

func TestMediaOverTCP(t *testing.T) {
	c := quietConfig()
	c.TCPPort = freePort(t, "tcp")
	e := newEdge(t, c)
	s, p := e.dial(terminal.Options{TCPOnly: true})
	flows(t, s, p, e)
}

func TestMediaThroughTURN(t *testing.T) {
	listener, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "test",
		AuthHandler: func(username, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(username, realm, "credential"), username == "user"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: listener,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP("127.0.0.1"), Address: "127.0.0.1"}}},
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, Writer: nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	e := newEdge(t, quietConfig())
	e.servers = []signaling.ICEServer{{URLs: []string{"turn:" + listener.LocalAddr().String() + "?transport=udp"}, Username: "user", Credential: "credential"}}
	e.rewrite = func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool) {
		if !toTerminal && s.Candidate != nil && !strings.Contains(s.Candidate.Candidate, "typ relay") {
			t.Errorf("the terminal tells candidate %q", s.Candidate.Candidate)
		}
		return s, true
	}
	s, p := e.dial(terminal.Options{RelayOnly: true})
	flows(t, s, p, e)
	if n := server.AllocationCount(); n == 0 {
		t.Error("no allocation on the TURN server")
	}
}

func TestNamesInsteadOfAddresses(t *testing.T) {
	e := newEdge(t, quietConfig())
	named := make(chan string, 16)
	e.rewrite = func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool) {
		if !toTerminal && s.Candidate != nil {
			named <- s.Candidate.Candidate
		}
		return s, true
	}
	s, p := e.dial(terminal.Options{MulticastNames: true})
	flows(t, s, p, e)
	if c := receive(t, named, "candidate"); !strings.Contains(c, ".local ") {
		t.Errorf("candidate %q is no mDNS name", c)
	}
}

func TestICERestartKeepsChannels(t *testing.T) {
	e := newEdge(t, quietConfig())
	var fragments []string
	e.rewrite = func(s signaling.Signal, toTerminal bool) (signaling.Signal, bool) {
		if toTerminal && s.Type == signaling.SignalAnswer {
			_, rest, _ := strings.Cut(s.SDP, "a=ice-ufrag:")
			fragment, _, _ := strings.Cut(rest, "\r\n")
			fragments = append(fragments, fragment)
		}
		return s, true
	}
	s, p := e.dial(terminal.Options{})
	flows(t, s, p, e)
	control := s.Channel(signaling.ChannelControl)
	s.Disconnect() // the signalling connection goes first, as in a network change
	flows(t, s, p, e)
	if err := s.Resume(within(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.RestartICE(within(t)); err != nil {
			t.Fatal(err)
		}
		if err := s.WaitState(within(t), webrtc.PeerConnectionStateConnected); err != nil {
			t.Fatal(err)
		}
		for !p.Connected() {
			receive(t, e.handler.up, "connection")
		}
		flows(t, s, p, e)
	}
	if control.ReadyState() != webrtc.DataChannelStateOpen || s.Channel(signaling.ChannelControl) != control {
		t.Error("the control channel is another")
	}
	if len(fragments) != 3 || fragments[0] == fragments[1] || fragments[1] == fragments[2] {
		t.Errorf("ICE user fragments of the answers: %q", fragments)
	}
}

func TestSecondOffer(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	if err := s.Renegotiate(within(t)); err != nil {
		t.Fatal(err)
	}
	flows(t, s, p, e)
	// An offer that is no SDP is refused by name and harms nothing.
	err := p.Signal(signaling.Signal{Type: signaling.SignalOffer, SDP: "v=0\r\nnonsense"})
	var problem *signaling.Problem
	if !errors.As(err, &problem) || problem.Code != signaling.ProblemBadRequest {
		t.Errorf("bad offer: %v", err)
	}
	if ev := receive(t, s.Events(), "problem"); ev.Problem == nil || ev.Problem.Code != signaling.ProblemBadRequest {
		t.Errorf("the terminal was told %+v", ev)
	}
	if err := p.Signal(signaling.Signal{Type: signaling.SignalCandidate, Candidate: &signaling.ICECandidate{Candidate: "nonsense"}}); err == nil {
		t.Error("a malformed candidate was taken")
	}
	if err := p.Signal(signaling.Signal{Type: signaling.SignalHello}); err == nil {
		t.Error("hello was taken for an offer")
	}
	flows(t, s, p, e)
}

func TestTerminalThatLeavesIsReported(t *testing.T) {
	e := newEdge(t, quietConfig())
	s, p := e.dial(terminal.Options{})
	if err := s.Send(signaling.ChannelControl, []byte(`{"type":"finish","id":1}`), true); err != nil {
		t.Fatal(err)
	}
	receive(t, e.handler.requests, "request")
	s.Close()
	if reason := receive(t, e.handler.closed, "end"); !errors.Is(reason, stream.ErrTerminalLeft) {
		t.Errorf("reason %v", reason)
	}
	if err := p.Close(errors.New("too late to count")); err != nil {
		t.Error(err)
	}
	if len(e.handler.closed) != 0 {
		t.Error("the handler was told twice")
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("sessions", func(t *testing.T) {
		e := newEdge(t, quietConfig())
		for range 2 {
			s, p := e.dial(terminal.Options{})
			flows(t, s, p, e)
			reason := errors.New("done")
			if err := p.Close(reason); err != nil {
				t.Error(err)
			}
			if got := receive(t, e.handler.closed, "end"); got != reason {
				t.Errorf("reason %v, want %v", got, reason)
			}
			if _, err := p.WritePicture([]byte{1}, 0); !errors.Is(err, stream.ErrPeerClosed) {
				t.Errorf("picture after close: %v", err)
			}
			receive(t, s.Done(), "end of the terminal")
			s.Close()
			e.handler = newRecorder()
		}
		// One that never got an offer, and one that the transport closes.
		if _, err := e.transport.NewPeer(stream.PeerOptions{Codecs: e.codecs, Handler: e.handler, Signal: func(signaling.Signal) {}}); err != nil {
			t.Fatal(err)
		}
	})
	until(t, "goroutines to end:\n"+stacks(), func() bool { return runtime.NumGoroutine() <= before })
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func TestBadConfigurationIsRefused(t *testing.T) {
	for _, c := range []stream.Config{
		{MinBitrate: 2_000_000, StartBitrate: 1_000_000},
		{StartBitrate: 50_000_000},
		{PublicAddress: "edge.example"},
	} {
		if transport, err := stream.New(c); err == nil {
			transport.Close()
			t.Errorf("%+v was taken", c)
		}
	}
}
