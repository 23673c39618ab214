package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// Config is what all peers of an edge share. Rates are bits per second; a rate of zero takes its default.
type Config struct {
	// UDPPort is the port for media of all peers; 0 lets the system choose one for each interface. It is opened
	// on the addresses that the machine has when the transport is made.
	UDPPort int
	// TCPPort is the port for ICE over TCP (RFC 6544), for networks that let no UDP through; 0 is none.
	TCPPort int
	// PublicAddress is the IP address that a 1:1 NAT maps to this machine, announced beside its own.
	PublicAddress string
	// Loopback announces loopback addresses too, for a terminal on this machine.
	Loopback bool

	MinBitrate   int // 150 kbit/s
	StartBitrate int // 4 Mbit/s
	MaxBitrate   int // 40 Mbit/s

	// Logger takes what goes wrong; nil is slog.Default.
	Logger *slog.Logger
}

const (
	defaultMinBitrate   = 150_000
	defaultStartBitrate = 4_000_000
	defaultMaxBitrate   = 40_000_000

	// socketBuffer holds a large key frame, which leaves in one burst.
	socketBuffer = 4 << 20
	// disconnectedAfter without any packet, which the keep-alives make a sign of a broken path, a peer
	// counts as disconnected.
	disconnectedAfter = 5 * time.Second
	// failedAfter more, its ICE session gives up, and only an ICE restart brings it back.
	failedAfter = 20 * time.Second
	keepAlive   = time.Second
)

// ErrTransportClosed is why peers end when their transport is closed.
var ErrTransportClosed = errors.New("media transport closed")

// Transport owns the media sockets of an edge. It may be used by several goroutines.
type Transport struct {
	config Config
	log    *slog.Logger
	udp    *ice.MultiUDPMuxDefault
	tcp    *ice.TCPMuxDefault

	mu     sync.Mutex
	closed bool
	peers  map[*Peer]struct{}
}

// New opens the media sockets. The caller calls Close.
func New(c Config) (*Transport, error) {
	if c.MinBitrate == 0 {
		c.MinBitrate = defaultMinBitrate
	}
	if c.StartBitrate == 0 {
		c.StartBitrate = defaultStartBitrate
	}
	if c.MaxBitrate == 0 {
		c.MaxBitrate = defaultMaxBitrate
	}
	if c.MinBitrate < 10_000 || c.StartBitrate < c.MinBitrate || c.MaxBitrate < c.StartBitrate {
		return nil, fmt.Errorf("bitrates of %d (least), %d (start) and %d (most) bit/s: they must ascend from 10000",
			c.MinBitrate, c.StartBitrate, c.MaxBitrate)
	}
	if c.PublicAddress != "" {
		if _, err := netip.ParseAddr(c.PublicAddress); err != nil {
			return nil, fmt.Errorf("public address %q is no IP address: give the address that terminals reach this machine at", c.PublicAddress)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	t := &Transport{config: c, log: c.Logger, peers: map[*Peer]struct{}{}}
	pionLog := loggerFactory{c.Logger}

	options := []ice.UDPMuxFromPortOption{
		ice.UDPMuxFromPortWithReadBufferSize(socketBuffer), ice.UDPMuxFromPortWithWriteBufferSize(socketBuffer),
		ice.UDPMuxFromPortWithLogger(pionLog.NewLogger("ice-udp")),
	}
	if c.Loopback {
		options = append(options, ice.UDPMuxFromPortWithLoopback())
	}
	var err error
	if t.udp, err = ice.NewMultiUDPMuxFromPort(c.UDPPort, options...); err != nil {
		return nil, fmt.Errorf("listen on UDP port %d for media: %w (is another edge running? choose another port)", c.UDPPort, err)
	}
	if c.TCPPort != 0 {
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: c.TCPPort})
		if err != nil {
			_ = t.udp.Close()
			return nil, fmt.Errorf("listen on TCP port %d for media: %w (choose another port)", c.TCPPort, err)
		}
		t.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener: listener, Logger: pionLog.NewLogger("ice-tcp"),
			ReadBufferSize: 512, WriteBufferSize: socketBuffer,
		})
	}
	return t, nil
}

// UDPAddresses are the addresses on which media arrive.
func (t *Transport) UDPAddresses() []net.Addr { return t.udp.GetListenAddresses() }

// Close ends the peers that are left, with ErrTransportClosed, closes the sockets and waits.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	peers := make([]*Peer, 0, len(t.peers))
	for p := range t.peers {
		peers = append(peers, p)
	}
	t.mu.Unlock()
	var errs []error
	for _, p := range peers {
		errs = append(errs, p.Close(ErrTransportClosed))
	}
	errs = append(errs, t.udp.Close())
	if t.tcp != nil {
		errs = append(errs, t.tcp.Close())
	}
	return errors.Join(errs...)
}

func (t *Transport) add(p *Peer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrTransportClosed
	}
	t.peers[p] = struct{}{}
	return nil
}

func (t *Transport) remove(p *Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.peers, p)
}

// settings are pion's for one peer.
func (t *Transport) settings() (webrtc.SettingEngine, error) {
	s := webrtc.SettingEngine{LoggerFactory: loggerFactory{t.log}}
	s.SetICEUDPMux(t.udp)
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if t.tcp != nil {
		s.SetICETCPMux(t.tcp)
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(networks)
	s.DisableActiveTCP(true)
	s.SetIncludeLoopbackCandidate(t.config.Loopback)
	// Browsers hide their local addresses behind names ending in .local (RFC 8828), which are looked up; the
	// edge hides nothing.
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly)
	s.SetICETimeouts(disconnectedAfter, failedAfter, keepAlive)
	s.SetSCTPMaxReceiveBufferSize(receiveBuffer)
	s.SetSCTPMaxMessageSize(maxReceived)
	if t.config.PublicAddress != "" {
		networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4}
		if netip.MustParseAddr(t.config.PublicAddress).Is6() {
			networks = []webrtc.NetworkType{webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP6}
		}
		err := s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: []string{t.config.PublicAddress}, AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode: webrtc.ICEAddressRewriteAppend, Networks: networks,
		})
		if err != nil {
			return s, fmt.Errorf("announce public address %s: %w", t.config.PublicAddress, err)
		}
	}
	return s, nil
}
