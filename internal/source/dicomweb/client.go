package dicomweb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Bounds of what a client takes from a server.
const (
	// DefaultMaxPart is the longest instance, bytes.
	DefaultMaxPart = 1 << 30
	// DefaultIdle is how long a server may send nothing before it is given up.
	DefaultIdle = 30 * time.Second
	// DefaultAttempts is how often something is asked for in all when the server or the way to it fails.
	DefaultAttempts = 4
	// DefaultBackoff is the time before the second attempt; it doubles with each further one.
	DefaultBackoff = 250 * time.Millisecond
	// DefaultAhead is how many bytes of a series are taken before it is known which of them are wanted first.
	DefaultAhead = 96 << 20

	connectTime  = 10 * time.Second
	maxMetadata  = 512 << 20 // bytes of an answer in JSON
	maxErrorBody = 4 << 10
)

// Client talks to a DICOMweb server. Its fields must not change while it is used; it may be used by many goroutines.
//
// What fails for reasons that may pass (the connection, 429, a status above 499, an answer of another kind than was
// asked for) is tried again, a bounded number of times and later each time; of a series only what has not come yet is
// asked for again.
type Client struct {
	// BaseURL is the address of the service's root, below which /studies is.
	BaseURL string
	// Bearer is the token to log in with; empty for none. Username and Password are for basic authentication
	// (RFC 7617), where there is no Bearer.
	Bearer, Username, Password string
	// HTTPClient sends the requests; nil for one that is made for large answers. In either case a redirection to
	// another host is not followed.
	HTTPClient *http.Client
	// MaxPart is the longest instance accepted, bytes; 0 for DefaultMaxPart.
	MaxPart int64
	// Idle is how long the server may send nothing; 0 for DefaultIdle.
	Idle time.Duration
	// Attempts and Backoff replace DefaultAttempts and DefaultBackoff where they are not 0.
	Attempts int
	Backoff  time.Duration
	// Ahead replaces DefaultAhead where it is not 0; negative takes nothing ahead.
	Ahead int64
}

// NewClient makes a client of a source. The address of one at the broker, which is a path alone, must have been made a
// whole one before. Its error says what is wrong with the configuration, without secrets.
func NewClient(access signaling.SourceAccess) (*Client, error) {
	c := &Client{
		BaseURL: access.DICOMweb, Bearer: access.Bearer, Username: access.Username, Password: access.Password,
		Idle: time.Duration(access.TimeoutMs) * time.Millisecond,
	}
	if _, err := c.base(); err != nil {
		return nil, fmt.Errorf("source %.64q: %w", access.Name, err)
	}
	if access.CA == "" && access.Certificate == "" && access.Key == "" {
		return c, nil
	}
	config, err := tlsConfig(access)
	if err != nil {
		return nil, fmt.Errorf("source %.64q: %w", access.Name, err)
	}
	t := newTransport()
	t.TLSClientConfig = config
	c.HTTPClient = &http.Client{Transport: t}
	return c, nil
}

// Close lets go of idle connections that are this client's own.
func (c *Client) Close() {
	if c.HTTPClient != nil {
		c.HTTPClient.CloseIdleConnections()
	}
}

func tlsConfig(access signaling.SourceAccess) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if access.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(access.CA)) {
			return nil, errors.New("its ca has no certificate in PEM; give the file of the authority's certificates")
		}
	}
	if access.Certificate != "" || access.Key != "" {
		pair, err := tls.X509KeyPair([]byte(access.Certificate), []byte(access.Key))
		if err != nil {
			return nil, fmt.Errorf("its client certificate and key can't be used (%w); give both in PEM, the key without a passphrase", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// base is the address of the service's root.
func (c *Client) base() (*url.URL, error) {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the DICOMweb address is no http or https URL; correct the source's configuration")
	}
	return u, nil
}

// transport is for all clients without TLS settings of their own.
var transport = sync.OnceValue(newTransport)

// newTransport is for large answers over few connections. It does not ask for compression: pixels gain little by it.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   connectTime,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		ReadBufferSize:        readBuffer,
		WriteBufferSize:       readBuffer,
		DisableCompression:    true,
	}
}

func (c *Client) maxPart() int64 {
	if c.MaxPart > 0 {
		return c.MaxPart
	}
	return DefaultMaxPart
}

func (c *Client) idle() time.Duration {
	if c.Idle > 0 {
		return c.Idle
	}
	return DefaultIdle
}

func (c *Client) ahead() int64 {
	if c.Ahead != 0 {
		return c.Ahead
	}
	return DefaultAhead
}
