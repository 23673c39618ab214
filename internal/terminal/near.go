package terminal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// pingRounds round trips are measured to each edge, and the shortest counts: the first one opens the connection.
	pingRounds = 3
	// pingWithin bounds them all together.
	pingWithin = 500 * time.Millisecond
	// tokenSpare is how long before its end a terminal's token is not shown any more.
	tokenSpare = 10 * time.Second
)

// nearby is what the broker said last of edges near by: it still serves when the broker is out of reach.
type nearby struct {
	mu    sync.Mutex
	edges signaling.NearEdges
}

// Near asks the broker which edges are near the terminal and take tasks of a type, the likeliest first, and what to show
// them. Where no broker can be reached, it is what was said last, as long as the token is valid.
func (c *Client) Near(ctx context.Context, t signaling.TaskType, zone string) (signaling.NearEdges, error) {
	query := url.Values{"type": {string(t)}}
	if zone != "" {
		query.Set("zone", zone)
	}
	var failure error
	for _, base := range c.brokers() {
		var near signaling.NearEdges
		status, err := c.exchange(ctx, http.MethodGet, base+"/api/v1/edges?"+query.Encode(), nil, c.identified(nil), &near)
		if err == nil {
			c.near.mu.Lock()
			c.near.edges = near
			c.near.mu.Unlock()
			return near, nil
		}
		failure = errors.Join(failure, fmt.Errorf("edges near by, asked of %s: %w", base, err))
		if !unreachable(status, err) {
			return near, failure
		}
	}
	c.near.mu.Lock()
	defer c.near.mu.Unlock()
	if last := c.near.edges; last.Token != "" && time.Now().Add(tokenSpare).Before(last.TokenExpiresAt) {
		return last, nil
	}
	return signaling.NearEdges{}, failure
}

// Nearest are the edges that may be asked for a task of a type, nearest first by their pings: those that the broker names,
// those that are configured and those that are found in the local network. The second value are the round trips. Edges
// that do not answer, and those beyond limitMs where it is not 0, are left out.
func (c *Client) Nearest(ctx context.Context, near signaling.NearEdges, t signaling.TaskType, limitMs float64) ([]signaling.NearEdge, []signaling.Ping) {
	return c.nearest(ctx, near, c.discover(ctx), t, limitMs)
}

// discover looks for edges in the local network, which takes a while. Those that anyone may have made up are left out.
func (c *Client) discover(ctx context.Context) []signaling.NearEdge {
	if c.Discover == nil {
		return nil
	}
	found, err := c.Discover(ctx)
	if err != nil {
		return nil // there are other edges, and the broker
	}
	return slices.DeleteFunc(slices.Clone(found), func(e signaling.NearEdge) bool { return !trusted(e.URL) })
}

func (c *Client) nearest(ctx context.Context, near signaling.NearEdges, found []signaling.NearEdge, t signaling.TaskType, limitMs float64) ([]signaling.NearEdge, []signaling.Ping) {
	list := slices.DeleteFunc(slices.Clone(near.Edges), func(e signaling.NearEdge) bool { return e.URL == "" })
	for _, u := range c.Edges {
		list = append(list, signaling.NearEdge{URL: u})
	}
	list = append(list, found...)
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(e signaling.NearEdge) bool {
		key := strings.TrimSuffix(e.URL, "/")
		twice := seen[key]
		seen[key] = true
		return twice || len(e.Types) > 0 && !slices.Contains(e.Types, t)
	})
	list = list[:min(len(list), signaling.MaxPings)]
	c.pingAll(ctx, list)
	return ordered(list, limitMs)
}

// silent is the distance of an edge that does not answer.
var silent = math.Inf(1)

// ordered is the edges within the limit, nearest first, and their distances as pings.
func ordered(list []signaling.NearEdge, limitMs float64) ([]signaling.NearEdge, []signaling.Ping) {
	list = slices.DeleteFunc(list, func(e signaling.NearEdge) bool {
		return e.DistanceMs == silent || limitMs > 0 && e.DistanceMs > limitMs
	})
	slices.SortStableFunc(list, func(a, b signaling.NearEdge) int { return cmp.Compare(a.DistanceMs, b.DistanceMs) })
	var pings []signaling.Ping
	for _, e := range list {
		if signaling.ValidName(string(e.Node)) {
			pings = append(pings, signaling.Ping{Node: e.Node, Ms: e.DistanceMs})
		}
	}
	return list, pings
}

// pingAll sets the distances of edges to the shortest round trips; infinite where none came in time.
func (c *Client) pingAll(ctx context.Context, list []signaling.NearEdge) {
	ctx, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	var pinging sync.WaitGroup
	for i := range list {
		pinging.Go(func() {
			e := &list[i]
			e.DistanceMs, e.Basis = silent, signaling.BasisMeasured
			for range pingRounds {
				ms, err := c.Ping(ctx, e.URL)
				if err != nil {
					return
				}
				e.DistanceMs = min(e.DistanceMs, ms)
			}
		})
	}
	pinging.Wait()
}

// Ping is a round trip to an edge, milliseconds.
func (c *Client) Ping(ctx context.Context, edge string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(edge, "/")+"/ping", nil)
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", edge, err)
	}
	start := time.Now()
	res, err := c.client().Do(req)
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", edge, err)
	}
	took := time.Since(start)
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096)) // so that the connection serves again
	if res.StatusCode/100 != 2 {
		return 0, fmt.Errorf("ping %s: status %s", edge, res.Status)
	}
	return float64(took) / float64(time.Millisecond), nil
}

// askEdges asks the edges near by, nearest first (A2). One that is busy has the broker look for another, and the answer is
// followed at the broker (A4). Where no edge can be asked, the broker is.
func (c *Client) askEdges(ctx context.Context, r signaling.TaskRequest, o PlaceOptions) (signaling.Grant, error) {
	var found []signaling.NearEdge
	var looking sync.WaitGroup
	looking.Go(func() { found = c.discover(ctx) }) // while the broker is asked
	near, err := c.Near(ctx, r.Type, r.Zone)
	looking.Wait()
	if err != nil {
		var p *signaling.Problem
		if errors.As(err, &p) && p.Code != signaling.ProblemUnavailable {
			return signaling.Grant{}, err // who asks is not known, or has no right
		}
		return c.askBrokers(ctx, r, o)
	}
	limit := r.MaxDistanceMs
	if site := near.MaxDistanceMs; site > 0 && (limit == 0 || site < limit) {
		limit = site
	}
	edges, pings := c.nearest(ctx, near, found, r.Type, limit)
	if len(r.Pings) == 0 {
		r.Pings = pings
	}
	if r.Zone == "" {
		r.Zone = near.Zone
	}
	for _, e := range edges {
		a, waits, passing, err := c.ask(ctx, strings.TrimSuffix(e.URL, "/"), r, http.Header{"Authorization": {"Bearer " + near.Token}}, o.Key)
		switch {
		case err == nil && waits:
			return c.Follow(ctx, c.Broker, a.Pending, o.Waiting)
		case err == nil:
			return a.Grant, nil
		case !passing && !elsewhere(err):
			return signaling.Grant{}, err
		}
	}
	return c.askBrokers(ctx, r, o)
}

// elsewhere says whether an edge's refusal is its own, so that another one, or the broker, may take the task.
func elsewhere(err error) bool {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Code {
	case signaling.ProblemNoFreeNode, signaling.ProblemUnsupported, signaling.ProblemUnauthorized, signaling.ProblemNotFound, signaling.ProblemRateLimited:
		return true
	}
	return false
}
