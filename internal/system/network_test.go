package system

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// relayServer is a TURN server that takes the credentials of a shared secret.
func relayServer(t *testing.T, secret string) (server *turn.Server, address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logs := logging.NewDefaultLoggerFactory()
	logs.DefaultLogLevel = logging.LogLevelDisabled
	server, err = turn.NewServer(turn.ServerConfig{
		Realm: "tomocast.test", AuthHandler: turn.LongTermTURNRESTAuthHandler(secret, logs.NewLogger("turn")), LoggerFactory: logs,
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server, conn.LocalAddr().String()
}

// TestTerminalBehindTURN is a session with a terminal that can be reached through a TURN server alone. Broker and server
// share a secret, and the terminal gets credentials of a limited life made from it.
func TestTerminalBehindTURN(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-the-relay"
	server, address := relayServer(t, secret)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--turn-url", "turn:"+address+"?transport=udp", "--turn-secret-file", file)
	s.edge("near")
	g := s.submit(rendering(chest))
	if len(g.ICEServers) != 1 || g.ICEServers[0].URLs[0] != "turn:"+address+"?transport=udp" || strings.Contains(g.ICEServers[0].Credential, secret) {
		t.Fatalf("ICE servers %+v", g.ICEServers)
	}
	seconds, user, _ := strings.Cut(g.ICEServers[0].Username, ":")
	until, err := strconv.ParseInt(seconds, 10, 64)
	if left := time.Until(time.Unix(until, 0)); err != nil || left <= 0 || left > 12*time.Hour || user != "local" {
		t.Errorf("credential for %q lasts %v, %v", user, left, err)
	}

	x := s.connect(g, terminal.Options{RelayOnly: true})
	if server.AllocationCount() == 0 {
		t.Error("the TURN server relays nothing")
	}
	x.move()
	x.still()
	x.histogram("count")
	if err := x.RestartICE(s.ctx); err != nil {
		t.Error(err)
	}
	x.move()
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("near")
}

// certificate writes a certificate for this machine and its key, and returns what trusts it.
func certificate(t *testing.T) (certFile, keyFile string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
}

// freeAddress is an address on this machine that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestDirectSignalling has an edge with a certificate of its own: terminals come to it without the broker's relay, and come
// back while the broker is gone.
func TestDirectSignalling(t *testing.T) {
	t.Parallel()
	cert, key, trust := certificate(t)
	address := freeAddress(t)
	file, private := tokenKey(t)
	s := start(t, "--token-key-file", file)
	s.edge("near", "--listen", address, "--tls-cert", cert, "--tls-key", key, "--direct-url", "wss://"+address, "--allowed-origins", "https://portal.example.org")
	g := s.submit(rendering(chest))
	if !strings.HasPrefix(g.SignalingURL, "wss://"+address+"/") || strings.Contains(g.SignalingURL, g.Token) {
		t.Fatalf("signalling URL %s", g.SignalingURL)
	}
	x := s.connect(g, terminal.Options{HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}})
	x.move()
	if strings.Contains(s.broker.log.String(), "signalling opened") {
		t.Error("the broker relays")
	}
	dialer := &websocket.Dialer{TLSClientConfig: trust}
	for name, c := range greetings(t, private, g, signaling.Grant{}) {
		t.Run(name, func(t *testing.T) {
			conn := dialSignal(t, g.SignalingURL, dialer)
			if err := conn.SendRaw(c.message); err != nil {
				t.Fatal(err)
			}
			var answer signaling.Signal
			if err := conn.Receive(&answer); err != nil {
				t.Fatal(err)
			}
			if answer.Type != signaling.SignalError || answer.Problem == nil {
				t.Fatalf("%+v", answer)
			}
			wantProblem(t, answer.Problem, c.code)
			if err := conn.Receive(&answer); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
	if _, _, err := dialer.DialContext(s.ctx, g.SignalingURL, http.Header{"Origin": {"https://evil.example"}}); err == nil {
		t.Error("a page of any origin may signal")
	}
	if ws, _, err := dialer.DialContext(s.ctx, g.SignalingURL, http.Header{"Origin": {"https://portal.example.org"}}); err != nil {
		t.Errorf("a page of the named origin may not signal: %v", err)
	} else {
		_ = ws.Close()
	}
	s.broker.kill()
	x.Disconnect()
	if err := x.Resume(s.ctx); err != nil {
		t.Fatal(err)
	}
	if err := x.RestartICE(s.ctx); err != nil {
		t.Fatal(err)
	}
	x.move()
	s.launch()
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("near")
}

// TestBrokerWithACertificate serves everything over TLS, which the edge and the terminal verify.
func TestBrokerWithACertificate(t *testing.T) {
	t.Parallel()
	cert, key, trust := certificate(t)
	b := launch(t, brokerProgram, nil, "--listen", "127.0.0.1:0", "--studies", studies(t), "--cache-dir", t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	s := &tomocast{t: t, ctx: t.Context(), broker: b, url: "https://" + b.says(`msg="broker listens" address=(\S+)`)[1]}
	s.client = &terminal.Client{Broker: s.url, Token: func() string { return localToken },
		HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}}
	stranger := s.launchEdge("stranger")
	stranger.says(`level=WARN msg="no link to the broker".*certificate`)
	s.edge("near", "--broker-ca", cert)
	x := s.open()
	x.move()
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("near")
}

// TestMediaPorts has an edge with one UDP and one TCP port for media, and a terminal that no UDP reaches.
func TestMediaPorts(t *testing.T) {
	t.Parallel()
	_, udp, _ := net.SplitHostPort(freeAddress(t))
	_, tcp, _ := net.SplitHostPort(freeAddress(t))
	s := start(t)
	s.edge("near", "--udp-port", udp, "--tcp-port", tcp)
	overTCP := s.connect(s.submit(rendering(chest)), terminal.Options{TCPOnly: true})
	overUDP := s.open()
	overTCP.move()
	overUDP.move()
	overTCP.still()
}
