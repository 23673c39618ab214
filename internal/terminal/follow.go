package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/sse"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// silentFor is how long a stream may be silent, in which a broker sends comments every 10 s.
	silentFor = 30 * time.Second
	// maxEvent bounds one event of a stream, bytes.
	maxEvent = 1 << 20
)

// errStream says that a stream of events ended before it said what became of the task.
var errStream = errors.New("the stream of events ended")

// Follow waits until a task has a place and returns its grant, with an absolute SignalingURL. It follows the task's events at
// the broker that base names, or where the events are, and at other brokers of the pool when one is out of reach; waiting,
// where it is not nil, is told where the task stands. That the task gets no place is a [*signaling.Problem]. A terminal that
// stops following gives its place in the queue up.
func (c *Client) Follow(ctx context.Context, base string, p signaling.Pending, waiting func(signaling.Pending)) (signaling.Grant, error) {
	if waiting == nil {
		waiting = func(signaling.Pending) {}
	}
	places, err := c.streams(base, p)
	if err != nil {
		return signaling.Grant{}, err
	}
	waiting(p)
	retry := firstRetry
	for i := 0; ; i++ {
		at := places[i%len(places)]
		heard := false
		grant, err := c.followAt(ctx, at, func(p signaling.Pending) { heard = true; waiting(p) })
		var problem *signaling.Problem
		switch {
		case err == nil:
			return grant, nil
		case ctx.Err() != nil:
			return grant, fmt.Errorf("task %s has no place yet: %w", p.Task, ctx.Err())
		case errors.As(err, &problem) && problem.Code != signaling.ProblemUnavailable && problem.Code != signaling.ProblemRateLimited:
			return grant, err
		}
		if heard {
			retry = firstRetry
		}
		if !pause(ctx, &retry) {
			return grant, fmt.Errorf("task %s has no place yet: %w", p.Task, errors.Join(ctx.Err(), err))
		}
	}
}

// streamAt is where a task's events can be followed: their URL, and that of the broker.
type streamAt struct{ url, broker string }

func (c *Client) streams(base string, p signaling.Pending) ([]streamAt, error) {
	first, err := absolute(base, p.Events)
	if err != nil {
		return nil, err
	}
	if at, _, ok := strings.Cut(first.String(), taskPath+"/"); ok {
		base = at // an edge that was busy names the events at its own broker
	}
	out := []streamAt{{first.String(), base}}
	for _, b := range c.brokers() {
		s := streamAt{b + taskPath + "/" + string(p.Task) + "/events", b}
		if p.Task != "" && !slices.ContainsFunc(out, func(o streamAt) bool { return o.url == s.url }) {
			out = append(out, s)
		}
	}
	return out, nil
}

// followAt follows a task's events at one place, until the stream ends.
func (c *Client) followAt(ctx context.Context, at streamAt, waiting func(signaling.Pending)) (signaling.Grant, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(silentFor, cancel)
	defer silent.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.url, nil)
	if err != nil {
		return signaling.Grant{}, fmt.Errorf("follow %s: %w", at.url, err)
	}
	req.Header = c.identified(http.Header{"Accept": {sse.ContentType}, "Cache-Control": {"no-store"}})
	client := *c.client()
	client.Timeout = 0 // the stream lasts as long as the task waits
	res, err := client.Do(req)
	if err != nil {
		return signaling.Grant{}, fmt.Errorf("follow %s: %w", at.url, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // what came of it says enough
		return signaling.Grant{}, problem(res, body)
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != sse.ContentType {
		return signaling.Grant{}, fmt.Errorf("follow %s: it answers with %.60q, not with events", at.url, kind)
	}
	for events := sse.NewReader(sse.Alive(res.Body, silent, silentFor), maxEvent); ; {
		e, err := events.Next()
		if err != nil {
			return signaling.Grant{}, fmt.Errorf("follow %s: %w: %w", at.url, errStream, err)
		}
		grant, done, err := told(at.broker, signaling.TaskEvent(e.Name), e.Data, waiting)
		if done || err != nil {
			return grant, err
		}
	}
}

// told takes one event of a task.
func told(broker string, name signaling.TaskEvent, data []byte, waiting func(signaling.Pending)) (grant signaling.Grant, done bool, err error) {
	switch name {
	case signaling.TaskEventPending:
		var p signaling.Pending
		if err = json.Unmarshal(data, &p); err == nil {
			waiting(p)
		}
	case signaling.TaskEventGrant:
		if err = json.Unmarshal(data, &grant); err == nil {
			grant.SignalingURL, err = webSocket(broker, grant.SignalingURL)
			done = true
		}
	case signaling.TaskEventProblem:
		var p signaling.Problem
		if err = json.Unmarshal(data, &p); err == nil {
			return grant, true, &p
		}
	}
	if err != nil {
		err = fmt.Errorf("event %s is not understood: %w", name, err)
	}
	return grant, done, err
}
