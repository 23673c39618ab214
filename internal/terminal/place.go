package terminal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Way is whom a terminal asks first.
type Way string

// The ways.
const (
	BrokerFirst Way = "broker-first" // A5
	EdgeFirst   Way = "edge-first"   // A2: the nearest edge, then the next, and the broker where none can be asked
)

// PlaceOptions are how a terminal looks for a place.
type PlaceOptions struct {
	Way Way // BrokerFirst where empty
	// Key is the idempotency key: all requests with it, at edges and brokers, are for the one task. Empty, one is made up.
	Key string
	// Waiting, where it is set, is told that the task waits and where it stands, one call at a time.
	Waiting func(signaling.Pending)
}

// Place is where a task is done.
type Place struct {
	// Here says that the terminal does the task itself; there is no grant then.
	Here bool
	// Check is what the terminal found out about itself, where it looked.
	Check signaling.LocalCheck
	// Grant is of the edge or cloud node that does it; its SignalingURL is absolute.
	Grant signaling.Grant
}

const (
	taskPath = "/api/v1/tasks"
	// firstRetry and lastRetry are how long a client waits before it asks again.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	// rounds is how often all brokers are asked, where there are several.
	rounds = 3
)

// Place finds a place for a task. Nothing of its data is sent (A2). It looks at the terminal's own resources first (A13),
// asks edges or the broker, and follows a request that has to wait until it has a place. A refusal is a
// [*signaling.Problem].
func (c *Client) Place(ctx context.Context, r signaling.TaskRequest, o PlaceOptions) (Place, error) {
	var place Place
	if c.Check != nil {
		suffices, check := c.Check(r)
		place.Check = check
		if suffices && !check.Preferred {
			place.Here = true
			return place, nil
		}
		r.Local = &check
	}
	if o.Key == "" {
		o.Key = rand.Text()
	}
	var err error
	if o.Way == EdgeFirst {
		place.Grant, err = c.askEdges(ctx, r, o)
	} else {
		place.Grant, err = c.askBrokers(ctx, r, o)
	}
	return place, err
}

// brokers are the URLs of all brokers, the first one first.
func (c *Client) brokers() []string {
	var out []string
	for _, b := range append([]string{c.Broker}, c.Brokers...) {
		if b = strings.TrimSuffix(b, "/"); b != "" && !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out
}

// answer is a grant or a pending, as the status says.
type answer struct {
	signaling.Grant
	Pending signaling.Pending
}

// UnmarshalJSON reads both: their fields have different names but for the task.
func (a *answer) UnmarshalJSON(raw []byte) error {
	if err := json.Unmarshal(raw, &a.Grant); err != nil {
		return err
	}
	return json.Unmarshal(raw, &a.Pending)
}

// ask sends a request to a broker or an edge at base. passing says that another one may be asked the same: the one that was
// asked is out of reach or cannot answer now.
func (c *Client) ask(ctx context.Context, base string, r signaling.TaskRequest, header http.Header, key string) (a answer, waits, passing bool, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, false, false, fmt.Errorf("encode task: %w", err)
	}
	header.Set("Idempotency-Key", key)
	status, err := c.exchange(ctx, http.MethodPost, base+taskPath, body, header, &a)
	switch {
	case err != nil:
		return a, false, ctx.Err() == nil && unreachable(status, err), fmt.Errorf("submit task to %s: %w", base, err)
	case status == http.StatusAccepted && a.Pending.Events != "":
		return a, true, false, nil
	case a.SignalingURL == "":
		return a, false, false, fmt.Errorf("submit task to %s: it granted no place to connect to", base)
	}
	a.SignalingURL, err = webSocket(base, a.SignalingURL)
	return a, false, false, err
}

// unreachable says whether an error says nothing about the request itself: there was no answer, or that of a proxy, or one
// that asks to try again.
func unreachable(status int, err error) bool {
	var p *signaling.Problem
	if errors.As(err, &p) {
		return p.Code == signaling.ProblemUnavailable
	}
	return status == 0 || status >= http.StatusInternalServerError
}

// askBrokers asks one broker after the other, with the same key, until one answers.
func (c *Client) askBrokers(ctx context.Context, r signaling.TaskRequest, o PlaceOptions) (signaling.Grant, error) {
	brokers := c.brokers()
	if len(brokers) == 0 {
		return signaling.Grant{}, errors.New("no broker is known: set Client.Broker")
	}
	turns := len(brokers)
	if turns > 1 {
		turns *= rounds
	}
	retry := firstRetry
	for i := 0; ; i++ {
		base := brokers[i%len(brokers)]
		a, waits, passing, err := c.ask(ctx, base, r, c.identified(nil), o.Key)
		switch {
		case err == nil && waits:
			return c.Follow(ctx, base, a.Pending, o.Waiting)
		case err == nil || !passing || i == turns-1:
			return a.Grant, err
		}
		if (i+1)%len(brokers) == 0 { // all have been asked
			if !pause(ctx, &retry) {
				return signaling.Grant{}, err
			}
		}
	}
}

// Renew comes back to a task: a fresh token for the same attempt or, where its edge is lost, a new attempt on another node.
// lost says that the terminal's own connection to the edge is gone, so that nobody waits for the edge to come back.
func (c *Client) Renew(ctx context.Context, task signaling.TaskID, lost bool) (signaling.Grant, error) {
	body, err := json.Marshal(map[string]bool{"lost": lost})
	if err != nil {
		return signaling.Grant{}, err
	}
	failure := errors.New("no broker is known: set Client.Broker")
	for _, base := range c.brokers() {
		var grant signaling.Grant
		status, err := c.exchange(ctx, http.MethodPost, base+taskPath+"/"+string(task)+"/grant", body, c.identified(nil), &grant)
		if err == nil {
			grant.SignalingURL, err = webSocket(base, grant.SignalingURL)
			return grant, err
		}
		failure = fmt.Errorf("come back to task %s at %s: %w", task, base, err)
		if !unreachable(status, err) {
			break
		}
	}
	return signaling.Grant{}, failure
}

// pause waits before another try, longer each time, and says whether ctx still goes on.
func pause(ctx context.Context, retry *time.Duration) bool {
	timer := time.NewTimer(*retry)
	defer timer.Stop()
	*retry = min(2**retry, lastRetry)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
