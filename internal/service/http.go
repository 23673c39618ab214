package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// Limits of every HTTP server of ours.
const (
	headerWithin   = 10 * time.Second
	idleWithin     = 2 * time.Minute
	maxHeaderBytes = 32 << 10
	// shutdownWithin is how long requests in flight may take after the end was asked for.
	shutdownWithin = 5 * time.Second
)

// IsLoopback says whether addr ("host:port") is reachable from this machine alone. An empty host means every
// interface.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && IsLoopbackHost(host)
}

// IsLoopbackHost says whether host, without a port, names this machine alone: localhost, a name below it
// (RFC 6761 section 6.3) or a loopback address.
func IsLoopbackHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// CheckListen refuses to listen on an address that others can reach while nobody is asked who they are. flag
// names what sets addr, and how is what the operator can do instead.
func CheckListen(flag, addr string, identityConfigured bool, how string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%w: --%s %q: %w (write host:port, for example 127.0.0.1:8080)", ErrUsage, flag, addr, err)
	}
	if identityConfigured || IsLoopback(addr) {
		return nil
	}
	return fmt.Errorf("%w: --%s %s can be reached from other machines, and nothing says who may use it: %s, or listen on 127.0.0.1",
		ErrUsage, flag, addr, how)
}

// Server is an HTTP or HTTPS server with limits on headers and idle connections. Bodies and durations are limited by the
// handlers, which know what they carry.
type Server struct {
	Addr    string // host:port; port 0 takes a free one
	Handler http.Handler
	// CertFile and KeyFile are PEM files; with them the server speaks TLS 1.2 or newer. They are read again when they
	// change, so that a certificate can be renewed without a restart.
	CertFile, KeyFile string
	Log               *slog.Logger
	// Listening, if set, is called once with the address that the server listens on.
	Listening func(net.Addr)
}

// Run serves until ctx ends, then lets requests in flight finish for a few seconds. Hijacked connections
// (WebSockets) are their handlers' to end.
func (s *Server) Run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Addr, err)
	}
	server := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: headerWithin, IdleTimeout: idleWithin, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	if s.CertFile != "" || s.KeyFile != "" {
		keys := &keyPair{cert: s.CertFile, key: s.KeyFile}
		if _, err := keys.get(nil); err != nil {
			l.Close()
			return err
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keys.get}
	}
	if s.Listening != nil {
		s.Listening(l.Addr())
	}
	ended := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			ended <- server.ServeTLS(l, "", "")
		} else {
			ended <- server.Serve(l)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", s.Addr, err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// keyPair reads a certificate, again when its file has changed.
type keyPair struct {
	cert, key string

	mu      sync.Mutex
	checked time.Time
	changed time.Time
	pair    *tls.Certificate
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.checked) < 10*time.Second {
		return k.pair, nil
	}
	k.checked = time.Now()
	info, err := os.Stat(k.cert)
	if err == nil && k.pair != nil && info.ModTime().Equal(k.changed) {
		return k.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		if k.pair != nil { // half-way through a renewal: the old pair serves until the new one is whole
			return k.pair, nil
		}
		return nil, fmt.Errorf("read TLS certificate %s and key %s: %w", k.cert, k.key, err)
	}
	k.pair = &pair
	if info != nil {
		k.changed = info.ModTime()
	}
	return k.pair, nil
}
