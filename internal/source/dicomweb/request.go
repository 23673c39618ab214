package dicomweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/source"
)

// StatusError is a server's refusal, or an answer of another kind than was asked for.
type StatusError struct {
	Status int
	// What was asked for, and what to do about it.
	What, Advice string
	// Detail is what the server said about it; empty where it said nothing readable.
	Detail string
	// Instead is what came where the status is fine but the answer is not.
	Instead string

	retryAfter time.Duration // as the server asks; 0 where it does not
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: the DICOMweb server answered %d %s", e.What, e.Status, http.StatusText(e.Status))
	if e.Instead != "" { // a status that says all is well would be misleading before what is not
		s = fmt.Sprintf("%s: the DICOMweb server answered %s, status %d", e.What, e.Instead, e.Status)
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Unwrap makes errors.Is(err, source.ErrNotFound) true for 404 and 410, and ErrUnauthenticated and ErrForbidden
// for 401 and 403.
func (e *StatusError) Unwrap() error {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return source.ErrNotFound
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return ErrForbidden
	}
	return nil
}

// advice is what to do about a status.
func advice(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "log in again: the token or password is missing, expired or not for this server"
	case status == http.StatusForbidden:
		return "these credentials do not open this study"
	case status == http.StatusNotFound, status == http.StatusGone:
		return "check the UIDs and the address of the service"
	case status == http.StatusNotAcceptable:
		return "the server can't send the instances as they are stored"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "the server is busy: try again later"
	case status >= 500:
		return "the server failed: try again, and look into its log when it stays so"
	case status >= 300 && status < 400:
		return "it redirects to another place, which is not followed: give the final address"
	}
	return ""
}

// request is something to ask a server for.
type request struct {
	method   string // empty for GET
	what     string // names it in errors
	accept   string
	elements []string // of the path below the base address
	query    url.Values
	// body and its type; nil for none.
	body        io.Reader
	contentType string
	// ok are the statuses that are no refusal; 200 where it is empty.
	ok []int
}

// answer is a response whose body is being read.
type answer struct {
	*http.Response
	body   io.Reader
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// Close ends the request, finished or not.
func (a *answer) Close() {
	a.timer.Stop()
	a.Body.Close()
	a.cancel(nil)
}

// errIdle ends a request whose server sends nothing.
var errIdle = errors.New("the server sends nothing any more; try again")

// do sends a request once. The answer's status is one of those that are asked for.
func (c *Client) do(ctx context.Context, r request) (*answer, error) {
	u, err := c.base()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.what, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	idle := c.idle()
	timer := time.AfterFunc(idle, func() { cancel(errIdle) })
	fail := func(err error) (*answer, error) {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, in which the UIDs are
		}
		return nil, fmt.Errorf("%s: %w", r.what, err)
	}
	u = u.JoinPath(r.elements...)
	u.RawQuery = plain.Replace(r.query.Encode())
	body := r.body
	if body != nil {
		body = &idleReader{ctx: ctx, in: body, timer: timer, idle: idle, sends: true}
	}
	method := http.MethodGet
	if r.method != "" {
		method = r.method
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Accept", r.accept)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	switch {
	case c.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+c.Bearer)
	case c.Username != "" || c.Password != "":
		req.SetBasicAuth(c.Username, c.Password)
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return fail(err)
	}
	timer.Stop()
	a := &answer{Response: resp, cancel: cancel, timer: timer}
	a.body = &idleReader{ctx: ctx, in: resp.Body, timer: timer, idle: idle}
	if resp.StatusCode == http.StatusOK && len(r.ok) == 0 {
		return a, nil
	}
	for _, s := range r.ok {
		if s == resp.StatusCode {
			return a, nil
		}
	}
	defer a.Close()
	return nil, &StatusError{Status: resp.StatusCode, What: r.what, Advice: advice(resp.StatusCode), Detail: detail(a),
		retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
}

// plain undoes the escaping of what needs none in a query (RFC 3986 3.4) and what only forms have: Orthanc looks for
// wildcards and commas before it unescapes.
var plain = strings.NewReplacer("%2A", "*", "%3F", "?", "%2C", ",", "+", "%20")

// client is the HTTP client, with its redirections bound to the host that was asked.
func (c *Client) client() *http.Client {
	h := http.Client{Transport: transport()}
	if c.HTTPClient != nil {
		h = *c.HTTPClient
	}
	h.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 || req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &h
}

// detail is what a server says about its refusal, where that is a problem of RFC 9457 or plain text.
func detail(a *answer) string {
	media, _ := parseMedia(a.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(a.body, maxErrorBody))
	if err != nil && len(body) == 0 {
		return ""
	}
	var text string
	switch media {
	case "application/problem+json", "application/json":
		var p struct{ Detail, Details, Title, Message string }
		if json.Unmarshal(body, &p) == nil {
			for _, s := range []string{p.Detail, p.Details, p.Message, p.Title} {
				if text == "" {
					text = s
				}
			}
		}
	case "text/plain":
		text = string(body)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = withoutPlaces(text, a.Request.URL.Hostname())
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}

// places are what looks like an address of the network in a text.
var places = regexp.MustCompile(`(?i)\bhttps?://[^\s"'<>)]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`)

// withoutPlaces takes addresses, and the name of the host that was asked, out of what a server says.
func withoutPlaces(text, host string) string {
	text = places.ReplaceAllStringFunc(text, func(s string) string {
		if net.ParseIP(s) == nil && s[0] >= '0' && s[0] <= '9' && !strings.Contains(s, ":") {
			return s // four numbers that are no address
		}
		return "…"
	})
	if host != "" {
		text = strings.ReplaceAll(text, host, "…")
	}
	return text
}

// idleReader ends a request when nothing comes for some time.
type idleReader struct {
	ctx   context.Context
	in    io.Reader
	timer *time.Timer
	idle  time.Duration
	sends bool // it is what we send: the time until it is asked for more is the server's
}

func (r *idleReader) Read(b []byte) (int, error) {
	if r.sends {
		r.timer.Stop()
		n, err := r.in.Read(b)
		r.timer.Reset(r.idle)
		return n, err
	}
	// Only the server's time counts, not that of the one who reads.
	r.timer.Reset(r.idle)
	n, err := r.in.Read(b)
	r.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(r.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}
