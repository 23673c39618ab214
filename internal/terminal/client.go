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

// Client asks a broker.
type Client struct {
	// Broker is its URL, such as http://localhost:8080.
	Broker string
	// Token returns the bearer token (RFC 6750) to show; nil or empty shows none.
	Token func() string
	// HTTP sends the requests; nil is http.DefaultClient.
	HTTP *http.Client
}

// maxAnswer bounds a broker's answer, bytes.
const maxAnswer = 1 << 20

// Open asks for a task and connects to the edge that was granted. A refusal is a [*signaling.Problem].
func (c *Client) Open(ctx context.Context, r signaling.TaskRequest, o Options) (*Session, error) {
	grant, err := c.Submit(ctx, r, "")
	if err != nil {
		return nil, err
	}
	return c.Connect(ctx, grant, o)
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

// Submit asks for a task and returns its grant. The same idempotency key gives the same grant; empty, one is made up.
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
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Broker, "/")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != nil {
		if t := c.Token(); t != "" {
			req.Header.Set("Authorization", "Bearer "+t)
		}
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return problem(res, answer)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("answer of status %d is not understood: %w", res.StatusCode, err)
	}
	return nil
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
func (c *Client) resolve(link string) (string, error) {
	base, err := url.Parse(c.Broker)
	if err != nil {
		return "", fmt.Errorf("broker URL %q: %w", c.Broker, err)
	}
	u, err := base.Parse(link)
	if err != nil {
		return "", fmt.Errorf("signalling URL %q: %w", link, err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	return u.String(), nil
}
