package poolcmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxAnswer bounds an answer of the broker, bytes: a page of a thousand nodes is about one megabyte.
	maxAnswer = 32 << 20
	// exitUnreachable is the exit status where no broker answered, so that a script can try again.
	exitUnreachable = 3
)

// client asks a broker.
type client struct {
	base   *url.URL
	http   *http.Client
	token  string
	within time.Duration

	greet func() error // gets the cookie of this machine's user, once

	mu   sync.Mutex
	skew time.Duration // of the broker's clock before this one
}

// clientFlags defines the flags that say which broker is asked; the function returned makes the client of them.
func clientFlags(f *service.Flags) func() (*client, error) {
	f.Group("Broker")
	broker := f.String("broker", "http://127.0.0.1:8080", "`URL` of a broker of the pool")
	token := f.Secret("token", "`file` with the token of an operator; for a broker on this machine that has no issuer none is needed")
	ca := f.String("ca", "", "PEM `file` with the certificates of the authorities that are trusted instead of the system's")
	within := f.Duration("timeout", 10*time.Second, "how long one request may take")
	return func() (*client, error) { return newClient(*broker, *token, *ca, *within) }
}

func newClient(broker, token, ca string, within time.Duration) (*client, error) {
	base, err := url.Parse(strings.TrimSuffix(broker, "/"))
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("%w: --broker %.100q: write it like https://broker.example.org", service.ErrUsage, broker)
	}
	if within < time.Second || within > time.Hour {
		return nil, fmt.Errorf("%w: --timeout %v: 1s to 1h", service.ErrUsage, within)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("%w: --ca: %w", service.ErrUsage, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: --ca: %s has no certificate in PEM form", service.ErrUsage, ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c := &client{base: base, token: token, within: within, greet: func() error { return nil }}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if token == "" && service.IsLoopbackHost(base.Hostname()) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		c.http.Jar = jar
		c.greet = sync.OnceValue(c.meet)
	}
	return c, nil
}

// meet opens the broker's page, as a browser of this machine's user does, for the cookie that comes with it.
func (c *client) meet() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.within)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, c.base.String()+"/", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// do makes a request of the API, below /api/v1, and decodes the answer into to, where that is not nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	resp, err := c.open(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if to == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.unreachable(err)
	}
	if len(data) > maxAnswer {
		return fmt.Errorf("the broker's answer is larger than %d bytes: ask for less with --limit", maxAnswer)
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("the broker at %s answers something else than this program expects: %w", c.base, err)
	}
	return nil
}

// open makes a request and leaves the body of a good answer open.
func (c *client) open(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	if err := c.greet(); err != nil {
		return nil, err
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	to := c.base.String() + "/api/v1" + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	resp, err := c.send(ctx, method, to, text)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.refusal(resp)
}

func (c *client) send(ctx context.Context, method, to string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "cloud-broker-pool/"+service.Version())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	} else {
		req.Header.Set("Origin", c.base.Scheme+"://"+c.base.Host) // the cookie counts for pages of this origin
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.mu.Lock()
		c.skew = time.Until(at)
		c.mu.Unlock()
	}
	return resp, nil
}

// now is the time by the broker's clock.
func (c *client) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skew)
}

// answered is an answer of the API: read for people, and kept as it came for programs.
type answered[T any] struct {
	value T
	raw   json.RawMessage
}

// UnmarshalJSON reads the answer.
func (a *answered[T]) UnmarshalJSON(b []byte) error {
	a.raw = bytes.Clone(b)
	return json.Unmarshal(b, &a.value)
}

// MarshalJSON gives it back.
func (a answered[T]) MarshalJSON() ([]byte, error) { return a.raw, nil }

// unreachableError says that no broker answered.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }
func (e *unreachableError) ExitCode() int { return exitUnreachable }

var _ service.ExitCoder = (*unreachableError)(nil)

func (c *client) unreachable(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) { // it repeats the whole URL
		err = failed.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &unreachableError{fmt.Errorf("the broker at %s cannot be reached: %w", c.base, err)}
}

// refusedError is an answer that is none of success.
type refusedError struct {
	problem signaling.Problem
	status  int
}

func (e *refusedError) Error() string {
	return clean(strings.TrimSpace(e.problem.Title + " " + e.problem.Detail))
}

func (c *client) refusal(resp *http.Response) error {
	e := &refusedError{status: resp.StatusCode}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || json.Unmarshal(text, &e.problem) != nil || e.problem.Title == "" {
		e.problem.Title = fmt.Sprintf("%s answers %s, which is no answer of a broker.", c.base, resp.Status)
	}
	if resp.StatusCode == http.StatusUnauthorized && c.token == "" {
		e.problem.Detail = strings.TrimSpace(e.problem.Detail + " Give the token of an operator with --token-file or in " + service.EnvName("token") + ".")
	}
	return e
}
