package stream

import (
	"errors"
	"fmt"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// playoutDelayURI is the header extension with which a sender asks how long pictures wait to be shown.
	playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	// maxEarly bounds the candidates that come before the offer that they belong to.
	maxEarly = 64
	// resendable is how many of the last packets can be sent again, a power of two: more than a second of
	// pictures at 10 Mbit/s.
	resendable = 2048
)

// Signal takes an offer or a candidate from the terminal. An offer that cannot be answered is refused by an
// error signal to the terminal and returned as a [*signaling.Problem]; a connection that was there before
// stands. The first offer makes the connection; later ones renegotiate or restart ICE.
func (p *Peer) Signal(s signaling.Signal) error {
	p.negotiation.Lock()
	defer p.negotiation.Unlock()
	if p.ctx.Err() != nil {
		return ErrPeerClosed
	}
	switch s.Type {
	case signaling.SignalOffer:
		p.outbox.begin()
		answer, err := p.answer(s.SDP)
		if err != nil {
			p.outbox.finish(signaling.Signal{Type: signaling.SignalError, Problem: err})
			return err
		}
		p.outbox.finish(signaling.Signal{Type: signaling.SignalAnswer, SDP: answer})
		return nil
	case signaling.SignalCandidate:
		return p.candidate(s.Candidate)
	}
	return fmt.Errorf("signal of type %.40q: a peer takes offers and candidates", string(s.Type))
}

func (p *Peer) candidate(c *signaling.ICECandidate) error {
	if c == nil {
		return nil // the end of candidates changes nothing: checks go on until one succeeds or time is over
	}
	init := webrtc.ICECandidateInit{
		Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex, UsernameFragment: c.UsernameFragment,
	}
	l := p.present()
	if l == nil {
		if len(p.early) == maxEarly {
			return fmt.Errorf("more than %d candidates before an offer", maxEarly)
		}
		p.early = append(p.early, init)
		return nil
	}
	if err := l.pc.AddICECandidate(init); err != nil {
		return fmt.Errorf("candidate from terminal: %w", err)
	}
	return nil
}

func badOffer(err error) *signaling.Problem {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "Offer not understood", Detail: err.Error()}
}

// answer applies an offer and returns the answer.
func (p *Peer) answer(offer string) (string, *signaling.Problem) {
	formats, err := offeredVideo(offer)
	if err != nil {
		return "", badOffer(err)
	}
	l := p.present()
	codec, format, problem := p.agree(l, formats)
	if problem != nil {
		return "", problem
	}
	if l == nil {
		if l, err = p.connect(codec, format); err != nil {
			return "", &signaling.Problem{Code: signaling.ProblemInternal, Title: "Connection could not be set up", Detail: err.Error()}
		}
		p.mu.Lock()
		p.link = l
		p.mu.Unlock()
		if l.sender != nil {
			p.work.Go(func() { p.readFeedback(l) })
			p.work.Go(func() { p.govern(l) })
		}
	}
	pc := l.pc
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", badOffer(err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", badOffer(err)
	}
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", badOffer(err)
	}
	for _, c := range p.early {
		if err := pc.AddICECandidate(c); err != nil {
			p.log.Debug("candidate from terminal refused", "error", err)
		}
	}
	p.early = nil
	return answer.SDP, nil
}

// agree chooses the codec, which is that of the link where there is one already, and none for a peer without pictures.
func (p *Peer) agree(l *link, formats []offered) (Codec, offered, *signaling.Problem) {
	preferred := p.options.Codecs
	switch {
	case len(preferred) == 0 && len(formats) == 0:
		return Codec{}, offered{}, nil
	case len(preferred) == 0:
		return Codec{}, offered{}, &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "This task sends no pictures",
			Detail: "Offer the data channels alone"}
	case l != nil:
		preferred = []Codec{l.codec}
	}
	codec, format, ok := choose(preferred, formats)
	if !ok {
		return Codec{}, offered{}, p.noCodec(formats)
	}
	return codec, format, nil
}

func (p *Peer) noCodec(formats []offered) *signaling.Problem {
	var theirs []Codec
	for _, f := range formats {
		theirs = append(theirs, f.codec)
	}
	return &signaling.Problem{
		Code: signaling.ProblemUnsupported, Title: "No common video codec",
		Detail: fmt.Sprintf("The edge sends %s; the terminal receives %s. Use a browser that decodes one of the edge's.",
			names(p.options.Codecs), names(theirs)),
	}
}

// connect makes the connection for a codec as the offer calls it, or without pictures where there is none. One webrtc.API
// belongs to each, because its interceptors and media engine hold the state of one connection.
func (p *Peer) connect(codec Codec, format offered) (*link, error) {
	l := &link{codec: codec}
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	capability := webrtc.RTPCodecCapability{
		MimeType: codec.MimeType, ClockRate: clockRate, SDPFmtpLine: format.codec.Fmtp,
		RTCPFeedback: []webrtc.RTCPFeedback{
			{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}, {Type: "transport-cc"},
		},
	}
	if codec.MimeType != "" {
		if err := register(engine, capability, format.payloadType); err != nil {
			return nil, err
		}
		var err error
		if registry, err = p.interceptors(l); err != nil {
			return nil, err
		}
	}
	settings, err := p.transport.settings()
	if err != nil {
		return nil, err
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	var servers []webrtc.ICEServer
	for _, s := range p.options.ICEServers {
		servers = append(servers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	if l.pc, err = api.NewPeerConnection(webrtc.Configuration{ICEServers: servers}); err != nil {
		return nil, fmt.Errorf("make connection: %w", err)
	}
	if err := p.furnish(l, capability); err != nil {
		return nil, errors.Join(err, l.pc.Close())
	}
	return l, nil
}

// register makes a codec and the header extensions of pictures known.
func register(engine *webrtc.MediaEngine, capability webrtc.RTPCodecCapability, payloadType uint8) error {
	parameters := webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: webrtc.PayloadType(payloadType)}
	if err := engine.RegisterCodec(parameters, webrtc.RTPCodecTypeVideo); err != nil {
		return fmt.Errorf("codec %s: %w", capability.MimeType, err)
	}
	for _, uri := range []string{playoutDelayURI, sdp.TransportCCURI} {
		extension := webrtc.RTPHeaderExtensionCapability{URI: uri}
		if err := engine.RegisterHeaderExtension(extension, webrtc.RTPCodecTypeVideo); err != nil {
			return fmt.Errorf("header extension %s: %w", uri, err)
		}
	}
	return nil
}

// interceptors are, from the network outwards: congestion control, numbering for its feedback, sender reports, and
// sending again what was lost, which so counts for congestion control as well.
func (p *Peer) interceptors(l *link) (*interceptor.Registry, error) {
	c := p.transport.config
	congestion, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(
			gcc.SendSideBWEInitialBitrate(c.StartBitrate), gcc.SendSideBWEMinBitrate(c.MinBitrate),
			gcc.SendSideBWEMaxBitrate(c.MaxBitrate), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()),
			gcc.WithLoggerFactory(loggerFactory{p.log}))
	})
	if err != nil {
		return nil, fmt.Errorf("congestion control: %w", err)
	}
	congestion.OnNewPeerConnection(func(_ string, e cc.BandwidthEstimator) { l.estimator = e })
	numbering, err := twcc.NewHeaderExtensionInterceptor()
	if err != nil {
		return nil, fmt.Errorf("congestion control: %w", err)
	}
	reports, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(loggerFactory{p.log}))
	if err != nil {
		return nil, fmt.Errorf("sender reports: %w", err)
	}
	resend, err := nack.NewResponderInterceptor(nack.ResponderSize(resendable), nack.WithResponderLoggerFactory(loggerFactory{p.log}))
	if err != nil {
		return nil, fmt.Errorf("retransmission: %w", err)
	}
	registry := &interceptor.Registry{}
	for _, i := range []interceptor.Factory{congestion, numbering, reports, resend} {
		registry.Add(i)
	}
	return registry, nil
}

// addTrack adds the track of the pictures.
func (p *Peer) addTrack(l *link, capability webrtc.RTPCodecCapability) error {
	var err error
	if l.track, err = webrtc.NewTrackLocalStaticRTP(capability, "picture", "session"); err != nil {
		return fmt.Errorf("video track: %w", err)
	}
	transceiver, err := l.pc.AddTransceiverFromTrack(l.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return fmt.Errorf("video track: %w", err)
	}
	l.sender = transceiver.Sender()
	payloader, err := l.codec.payloader()
	if err != nil {
		return err
	}
	p.picture.start(payloader)
	return nil
}

// furnish adds the track, where there is a codec, and the channels.
func (p *Peer) furnish(l *link, capability webrtc.RTPCodecCapability) error {
	if l.codec.MimeType != "" {
		if err := p.addTrack(l, capability); err != nil {
			return err
		}
	}
	if err := p.openChannels(l); err != nil {
		return err
	}
	l.pc.OnConnectionStateChange(p.changed)
	l.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		s := signaling.Signal{Type: signaling.SignalCandidate}
		if c != nil {
			init := c.ToJSON()
			s.Candidate = &signaling.ICECandidate{
				Candidate: init.Candidate, SDPMid: init.SDPMid, SDPMLineIndex: init.SDPMLineIndex, UsernameFragment: init.UsernameFragment,
			}
		}
		p.outbox.candidate(s)
	})
	return nil
}

// playoutDelay is 0 to 0 hundredths of a second: show each picture as it comes.
var playoutDelay = func() []byte {
	b, err := rtp.PlayoutDelayExtension{}.Marshal()
	if err != nil {
		panic(err) // zero is within its range
	}
	return b
}()
