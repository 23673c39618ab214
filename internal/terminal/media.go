package terminal

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// PlayoutDelayURI names the RTP header extension that the edge must send with every packet.
const PlayoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

const (
	// A missing packet is asked for this often, and so many times.
	nackEvery = 100 * time.Millisecond
	maxNacks  = 4
)

// knownCodecs are some that Chromium offers, in its words.
var knownCodecs = []webrtc.RTPCodecParameters{
	{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}},
	{PayloadType: 102, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"}},
	{PayloadType: 106, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}},
	{PayloadType: 45, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeAV1, ClockRate: 90000}},
}

// Stats are counts since the session was opened.
type Stats struct {
	Packets, Bytes  uint64 // of video, with RTP headers
	Pictures        uint64 // complete and decodable
	PicturesLost    uint64 // given up, wholly or in part
	PicturesDropped uint64 // not read in time
	StampsDropped   uint64
	EventsDropped   uint64
	StillsAbandoned uint64
	BadStills       uint64 // hash or length wrong
	BadBulks        uint64 // checksum, order or hash wrong
	KeyFramesAsked  uint64
}

type counters struct {
	packets, bytes, pictures, picturesLost, picturesDropped, stampsDropped, eventsDropped,
	stillsAbandoned, badStills, badBulks, keyFramesAsked atomic.Uint64
}

// Stats returns the session's counts.
func (s *Session) Stats() Stats {
	c := &s.counters
	return Stats{
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Pictures: c.pictures.Load(), PicturesLost: c.picturesLost.Load(),
		PicturesDropped: c.picturesDropped.Load(), StampsDropped: c.stampsDropped.Load(), EventsDropped: c.eventsDropped.Load(),
		StillsAbandoned: c.stillsAbandoned.Load(), BadStills: c.badStills.Load(), BadBulks: c.badBulks.Load(),
		KeyFramesAsked: c.keyFramesAsked.Load(),
	}
}

// api is pion's for this session.
func (s *Session) api() (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{
		{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"},
	}
	for _, mime := range s.options.Codecs {
		known := false
		for _, c := range knownCodecs {
			if strings.EqualFold(c.MimeType, mime) {
				known = true
				c.RTCPFeedback = feedback
				if err := engine.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
					return nil, fmt.Errorf("codec %s: %w", mime, err)
				}
			}
		}
		if !known {
			return nil, fmt.Errorf("codec %q is unknown: video/H264, video/VP8 or video/AV1", mime)
		}
	}
	for _, uri := range []string{PlayoutDelayURI, sdp.TransportCCURI} {
		err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo)
		if err != nil {
			return nil, fmt.Errorf("header extension %s: %w", uri, err)
		}
	}
	registry := &interceptor.Registry{}
	loss, err := nack.NewGeneratorInterceptor(nack.GeneratorSize(window), nack.GeneratorMaxNacksPerPacket(maxNacks),
		nack.GeneratorInterval(nackEvery), nack.WithGeneratorLoggerFactory(quiet()))
	if err != nil {
		return nil, fmt.Errorf("loss reports: %w", err)
	}
	registry.Add(loss)
	if err := webrtc.ConfigureRTCPReports(registry); err != nil {
		return nil, fmt.Errorf("receiver reports: %w", err)
	}
	if err := webrtc.ConfigureTWCCSender(engine, registry); err != nil {
		return nil, fmt.Errorf("arrival reports: %w", err)
	}

	settings := webrtc.SettingEngine{LoggerFactory: quiet()}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly)
	if s.options.MulticastNames {
		settings.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryAndGather)
	}
	networks := []webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6}
	if !s.options.TCPOnly {
		networks = append(networks, webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6)
	}
	settings.SetNetworkTypes(networks)
	// The default of 64 packets refuses, as replayed, what was lost in a large picture and sent again.
	settings.SetSRTPReplayProtectionWindow(window)
	settings.SetICETimeouts(5*time.Second, 20*time.Second, time.Second)
	if s.options.RelayOnly {
		settings.SetRelayAcceptanceMinWait(0) // there is nothing better to wait for
	}
	settings.SetSCTPMaxReceiveBufferSize(8 << 20)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)), nil
}

// receivePictures reads packets until the connection is closed.
func (s *Session) receivePictures(track *webrtc.TrackRemote) {
	s.mime.Store(track.Codec().MimeType)
	format := formatOf(track.Codec().MimeType)
	if format == nil {
		return
	}
	a := assembler{format: format}
	var asked time.Time
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		now := time.Now()
		s.counters.packets.Add(1)
		s.counters.bytes.Add(uint64(packet.MarshalSize()))
		if s.options.OnPacket != nil {
			s.options.OnPacket(packet)
		}
		pictures, wantKey := a.push(packet, now)
		s.counters.picturesLost.Store(a.lost)
		if wantKey && now.Sub(asked) > patience {
			asked = now
			s.askKeyFrame(uint32(track.SSRC()))
		}
		for _, p := range pictures {
			s.counters.pictures.Add(1)
			if put(s.pictures, p) {
				s.counters.picturesDropped.Add(1)
			}
		}
	}
}

func (s *Session) askKeyFrame(ssrc uint32) {
	s.counters.keyFramesAsked.Add(1)
	_ = s.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}) // asked again while none comes
}

// RequestKeyFrame asks for a key frame as a decoder does (RFC 4585 section 6.3.1).
func (s *Session) RequestKeyFrame() error {
	for _, r := range s.pc.GetReceivers() {
		if t := r.Track(); t != nil && t.SSRC() != 0 {
			s.askKeyFrame(uint32(t.SSRC()))
			return nil
		}
	}
	return fmt.Errorf("no video has come yet to ask a key frame of")
}

// put sends v, in place of the oldest where c is full; that is said.
func put[T any](c chan T, v T) (dropped bool) {
	for {
		select {
		case c <- v:
			return dropped
		default:
		}
		select {
		case <-c:
			dropped = true
		default:
		}
	}
}
