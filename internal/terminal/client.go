package terminal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Client asks for tasks: brokers, and edges where they are asked first. Its methods may be called from several goroutines.
type Client struct {
	// Broker is its URL, such as http://localhost:8080.
	Broker string
	// Brokers are the URLs of more brokers of the same pool, which are asked where one is out of reach.
	Brokers []string
	// Token returns the bearer token (RFC 6750) to show; nil or empty shows none.
	Token func() string
	// HTTP sends the requests; nil is http.DefaultClient.
	HTTP *http.Client

	// Edges are URLs of edges that are known beforehand, for the way that asks edges first.
	Edges []string
	// Discover finds edges in the local network, see [InLocalNetwork]; nil looks for none. They are asked over https alone.
	Discover func(context.Context) ([]signaling.NearEdge, error)
	// Check is what the terminal finds when it looks whether it can do a task itself (A13): where its resources suffice, and
	// the user does not prefer an edge, nobody is asked. The check goes with the request otherwise, and says why. Nil: it can
	// do nothing itself, and says nothing.
	Check func(signaling.TaskRequest) (suffices bool, check signaling.LocalCheck)

	near nearby
}

// maxAnswer bounds a broker's answer, bytes.
const maxAnswer = 1 << 20

// Open asks for a task, the broker first, waits for a place where the request does, and connects to the edge that was granted. A
// refusal is a [*signaling.Problem].
func (c *Client) Open(ctx context.Context, r signaling.TaskRequest, o Options) (*Session, error) {
	place, err := c.Place(ctx, r, PlaceOptions{})
	if err != nil {
		return nil, err
	}
	if place.Here {
		return nil, fmt.Errorf("this terminal can do the task itself: %s", place.Check.Reason)
	}
	return c.Connect(ctx, place.Grant, o)
}

// Connect opens the session of a grant.
func (c *Client) Connect(ctx context.Context, grant signaling.Grant, o Options) (*Session, error) {
	link, err := c.resolve(grant.SignalingURL)
	if err != nil {
		return nil, err
	}
	if o.HTTP == nil {
		o.HTTP = c.HTTP
	}
	o.ICEServers = append(o.ICEServers, grant.ICEServers...)
	s, err := Dial(ctx, link, grant.Token, o)
	if err != nil {
		return nil, err
	}
	s.grant = grant
	return s, nil
}

// Submit asks the broker for a task and returns its grant; that it waits for a place is an error, see [Client.Place]. The same
// idempotency key gives the same grant; empty, one is made up.
func (c *Client) Submit(ctx context.Context, r signaling.TaskRequest, key string) (signaling.Grant, error) {
	var grant signaling.Grant
	body, err := json.Marshal(r)
	if err != nil {
		return grant, fmt.Errorf("encode task: %w", err)
	}
	if key == "" {
		key = rand.Text()
	}
	err = c.Do(ctx, http.MethodPost, "/api/v1/tasks", body, http.Header{"Idempotency-Key": {key}}, &grant)
	if err == nil && grant.SignalingURL == "" {
		err = errors.New("the broker granted no place to connect to")
	}
	if err != nil {
		return grant, fmt.Errorf("submit task to %s: %w", c.Broker, err)
	}
	return grant, nil
}

// Do sends a request with a JSON body, where it is not nil, to a path of the broker and decodes the answer into v, where it is
// not nil. An RFC 9457 problem is returned as [*signaling.Problem].
func (c *Client) Do(ctx context.Context, method, path string, body []byte, header http.Header, v any) error {
	_, err := c.exchange(ctx, method, strings.TrimSuffix(c.Broker, "/")+path, body, c.identified(header), v)
	return err
}

// identified adds the client's own token to a header.
func (c *Client) identified(header http.Header) http.Header {
	out := header.Clone()
	if out == nil {
		out = http.Header{}
	}
	if c.Token != nil {
		if t := c.Token(); t != "" {
			out.Set("Authorization", "Bearer "+t)
		}
	}
	return out
}

// exchange sends a request and decodes the answer. It returns the status where there was an answer, also with an error.
func (c *Client) exchange(ctx context.Context, method, url string, body []byte, header http.Header, v any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.client().Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err) // what it was is not known
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, problem(res, answer)
	}
	if v == nil {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return res.StatusCode, fmt.Errorf("answer of status %d is not understood: %w", res.StatusCode, err)
	}
	return res.StatusCode, nil
}

func (c *Client) client() *http.Client {
	if c.HTTP == nil {
		return http.DefaultClient
	}
	return c.HTTP
}

func problem(res *http.Response, body []byte) error {
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "application/problem+json" {
		var p signaling.Problem
		if err := json.Unmarshal(body, &p); err == nil && (p.Title != "" || p.Code != "") {
			return &p
		}
	}
	return fmt.Errorf("answer of status %s: %.200s", res.Status, bytes.TrimSpace(body))
}

// resolve makes a WebSocket URL of a grant's, which is relative to the broker's where it has no scheme.
func (c *Client) resolve(link string) (string, error) { return webSocket(c.Broker, link) }

// absolute makes a whole URL of one that is relative to that of a broker, or an edge, where it has no scheme.
func absolute(base, link string) (*url.URL, error) {
	at, err := url.Parse(strings.TrimSuffix(base, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("broker URL %q: %w", base, err)
	}
	u, err := at.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("URL %q: %w", link, err)
	}
	return u, nil
}

// webSocket is absolute for a WebSocket.
func webSocket(base, link string) (string, error) {
	u, err := absolute(base, link)
	if err != nil {
		return "", err
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	return u.String(), nil
}
