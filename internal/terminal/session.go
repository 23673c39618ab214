package terminal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// Options are how a session connects.
type Options struct {
	// Width and Height ask for a size of the picture, device pixels; 0 leaves it to the edge.
	Width, Height int
	// Codecs are the mime types that the terminal receives; empty are H264 and VP8. The edge chooses.
	Codecs []string
	// DataOnly asks for no pictures, as for a compute task.
	DataOnly bool
	// RelayOnly uses no path but through a TURN server.
	RelayOnly bool
	// TCPOnly uses no path but ICE over TCP.
	TCPOnly bool
	// MulticastNames hides local addresses behind mDNS names, as browsers do (RFC 8828).
	MulticastNames bool
	// ICEServers are used beside those that the edge names in its welcome.
	ICEServers []signaling.ICEServer
	// MaxBulk bounds a result, bytes; 0 is 1 GiB.
	MaxBulk int64
	// HTTP gives the proxy and TLS configuration for the WebSocket; nil is the default.
	HTTP *http.Client
	// Resume is the secret of an earlier connection to the same session, as a page keeps it over a reload; see
	// [Session.ResumeToken].
	Resume string
	// OnCut, where set, is called when the signalling connection ends by itself, which ends no session.
	OnCut func()
	// OnPacket, where set, sees every RTP packet as it comes, before it is put in order.
	OnPacket func(*rtp.Packet)
}

const (
	// What waits for a reader that does not keep up, beyond which the oldest is dropped.
	pictureQueue = 64
	stampQueue   = 256
	eventQueue   = 256
	stillQueue   = 4
	bulkQueue    = 4

	// repeatEvery and repeatFor are how the last input is repeated until a stamp covers it.
	repeatEvery = 100 * time.Millisecond
	repeatFor   = 20
)

// ErrClosed says that the session was closed on this side.
var ErrClosed = errors.New("session closed")

// ErrLost says that nothing comes from the edge any more.
var ErrLost = errors.New("the connection to the edge is lost")

// Session is a connection to an edge. Its methods may be called by several goroutines. Each channel must have one
// reader or none; where it is full, the oldest is dropped and counted.
type Session struct {
	options Options
	grant   signaling.Grant
	url     string
	token   string

	pc       *webrtc.PeerConnection
	channels []*webrtc.DataChannel // by id

	pictures chan Picture
	stamps   chan signaling.Stamp
	events   chan signaling.Event
	stills   chan Still
	bulks    chan Bulk

	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
	once   sync.Once
	done   chan struct{}

	ready      chan struct{}   // closed when all channels are open
	pending    chan chan error // where the result of the offer under way goes, capacity 1
	offering   sync.Mutex
	sequence   atomic.Uint64
	requestID  atomic.Uint64
	transfer   atomic.Uint32 // number of the transfer sent last
	covered    atomic.Uint64 // highest sequence that a stamp covered
	counters   counters
	mime       atomic.Value // string
	nudgeInput chan struct{}

	mu         sync.Mutex
	conn       *signaling.Conn // newest signalling connection
	hold       bool            // candidates wait for the offer to be sent
	held       []signaling.Signal
	early      []webrtc.ICECandidateInit
	resume     string
	peer       signaling.PeerID
	opened     int
	state      webrtc.PeerConnectionState
	stateNews  chan struct{} // closed and replaced when state changes
	waiting    map[uint64]chan signaling.Event
	lastInput  *signaling.Input
	repeatLeft int
}

// Dial connects to an edge by its signalling URL and a grant's token, and returns when media can flow. A refusal is
// a [*signaling.Problem].
func Dial(ctx context.Context, signalingURL, token string, o Options) (*Session, error) {
	if o.MaxBulk == 0 {
		o.MaxBulk = 1 << 30
	}
	if o.DataOnly {
		o.Codecs = nil
	} else if len(o.Codecs) == 0 {
		o.Codecs = []string{webrtc.MimeTypeH264, webrtc.MimeTypeVP8}
	}
	s := &Session{
		options: o, url: signalingURL, token: token, resume: o.Resume,
		pictures: make(chan Picture, pictureQueue), stamps: make(chan signaling.Stamp, stampQueue),
		events: make(chan signaling.Event, eventQueue), stills: make(chan Still, stillQueue), bulks: make(chan Bulk, bulkQueue),
		done: make(chan struct{}), ready: make(chan struct{}), pending: make(chan chan error, 1),
		nudgeInput: make(chan struct{}, 1), stateNews: make(chan struct{}), waiting: map[uint64]chan signaling.Event{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect to %s: %w", signalingURL, err)
	}
	return s, nil
}

func (s *Session) open(ctx context.Context) error {
	api, err := s.api()
	if err != nil {
		return err
	}
	welcome, err := s.greet(ctx)
	if err != nil {
		return err
	}
	if err := s.connect(api, welcome.ICEServers); err != nil {
		return err
	}
	s.startListening()
	s.work.Go(s.repeatInput)
	if err := s.offer(ctx, nil); err != nil {
		return err
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		return fmt.Errorf("no connection to the edge (state %s): %w", s.State(), ctx.Err())
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	if err := s.WaitState(ctx, webrtc.PeerConnectionStateConnected); err != nil {
		return err
	}
	if s.options.Width > 0 && s.options.Height > 0 {
		r := signaling.Request{Type: signaling.RequestResize, Width: s.options.Width, Height: s.options.Height}
		if _, err := s.Request(ctx, r); err != nil {
			return fmt.Errorf("resize to %d x %d: %w", s.options.Width, s.options.Height, err)
		}
	}
	return nil
}

// connect makes the peer connection.
func (s *Session) connect(api *webrtc.API, servers []signaling.ICEServer) error {
	configuration := webrtc.Configuration{}
	for _, list := range [][]signaling.ICEServer{s.options.ICEServers, servers} {
		for _, i := range list {
			configuration.ICEServers = append(configuration.ICEServers,
				webrtc.ICEServer{URLs: i.URLs, Username: i.Username, Credential: i.Credential})
		}
	}
	if s.options.RelayOnly {
		configuration.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	pc, err := api.NewPeerConnection(configuration)
	if err != nil {
		return fmt.Errorf("make connection: %w", err)
	}
	s.pc = pc
	s.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		s.mu.Lock()
		s.state = state
		close(s.stateNews)
		s.stateNews = make(chan struct{})
		s.mu.Unlock()
		if state == webrtc.PeerConnectionStateClosed {
			s.cancel(errors.New("the edge closed the connection"))
		}
	})
	s.pc.OnICECandidate(s.localCandidate)
	s.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ctx.Err() == nil { // else Close is waiting already
			s.work.Go(func() { s.receivePictures(track) })
		}
	})
	if !s.options.DataOnly {
		if _, err := s.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			return fmt.Errorf("offer video: %w", err)
		}
	}
	return s.openChannels()
}

// Grant is what the broker granted; empty where the session was dialled.
func (s *Session) Grant() signaling.Grant { return s.grant }

// Peer is what the edge calls this terminal.
func (s *Session) Peer() signaling.PeerID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

// ResumeToken is the secret with which another connection takes this session over.
func (s *Session) ResumeToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resume
}

// Codec is the mime type of the pictures; empty before the first packet.
func (s *Session) Codec() string {
	m, _ := s.mime.Load().(string)
	return m
}

// Pictures are the pictures in the order of the stream, complete and decodable.
func (s *Session) Pictures() <-chan Picture { return s.pictures }

// Stamps are the pictures' stamps.
func (s *Session) Stamps() <-chan signaling.Stamp { return s.stamps }

// Events are the edge's events but the replies, which [Session.Request] returns.
func (s *Session) Events() <-chan signaling.Event { return s.events }

// Stills are the lossless stills that came whole.
func (s *Session) Stills() <-chan Still { return s.stills }

// Bulks are the transfers that came whole.
func (s *Session) Bulks() <-chan Bulk { return s.bulks }

// Done is closed when the session has ended; Err says why.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err is why the session has ended, nil while it has not.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// State is the state of the connection.
func (s *Session) State() webrtc.PeerConnectionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// WaitState waits until the connection is in a state.
func (s *Session) WaitState(ctx context.Context, state webrtc.PeerConnectionState) error {
	for {
		s.mu.Lock()
		present, news := s.state, s.stateNews
		s.mu.Unlock()
		if present == state {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("connection is %s, not %s: %w", present, state, ctx.Err())
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}

// Finish asks the edge to end the session and release its resources, and closes.
func (s *Session) Finish(ctx context.Context) error {
	_, err := s.Request(ctx, signaling.Request{Type: signaling.RequestFinish})
	s.Close()
	if err != nil {
		return fmt.Errorf("finish session: %w", err)
	}
	return nil
}

// Close leaves the session and waits until nothing of it runs. The edge keeps the session for its grace time unless it was
// finished.
func (s *Session) Close() {
	s.once.Do(func() {
		s.cancel(ErrClosed)
		s.mu.Lock()
		conn := s.conn
		s.mu.Unlock()
		if conn != nil {
			_ = conn.Send(signaling.Signal{Type: signaling.SignalBye, Reason: "terminal closed"})
			conn.Close(websocket.CloseNormalClosure, "")
		}
		s.offering.Lock() // nothing is negotiated after this
		pc := s.pc
		s.offering.Unlock()
		if pc != nil {
			_ = pc.GracefulClose() // there is nothing to do about a socket that does not close
		}
		s.work.Wait()
		close(s.done)
	})
	<-s.done
}

// Disconnect closes the signalling connection alone, as when a proxy cuts it; media go on. [Session.Resume] opens another.
func (s *Session) Disconnect() {
	s.mu.Lock()
	conn := s.conn
	s.conn = nil
	s.mu.Unlock()
	if conn != nil {
		conn.Close(websocket.CloseGoingAway, "")
	}
}

// quiet keeps pion's own log off the terminal's output.
func quiet() logging.LoggerFactory {
	f := logging.NewDefaultLoggerFactory()
	f.DefaultLogLevel = logging.LogLevelDisabled
	return f
}
