package dispatch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// terminalTTL is how long a terminal may ask edges with one token.
	terminalTTL = time.Hour
	// maxNear bounds the edges that a terminal is told of.
	maxNear = 64
)

// Near lists the edges that a terminal may ask itself, the likeliest first, with a token to show them (A2). Those that have
// nothing free are among them: they send requests on.
func (d *Dispatcher) Near(_ context.Context, who Terminal, t signaling.TaskType, limit int) (signaling.NearEdges, error) {
	r := signaling.TaskRequest{Type: cmp.Or(t, signaling.Rendering)}
	if !r.Type.Valid() {
		return signaling.NearEdges{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task type is unknown.",
			Detail: "type is one of image-processing, image-reconstruction, data-computation, rendering and training."}
	}
	w := d.locate(who, &r)
	now := time.Now()
	token, err := signaling.SignTerminalToken(d.Keys.Private(), signaling.TerminalClaims{
		Zone: w.zone, Urgent: who.Urgent,
	}, who.Subject, now, terminalTTL)
	if err != nil {
		return signaling.NearEdges{}, err
	}
	near := signaling.NearEdges{Edges: []signaling.NearEdge{}, Token: token, TokenExpiresAt: now.Add(terminalTTL).UTC(), Zone: w.zone, MaxDistanceMs: w.limit}
	q := d.search(&r, &w, nil)
	q.Needs = signaling.Resources{}
	limit = min(max(limit, 1), maxNear)
	found, _ := d.Snapshot.Candidates(q, limit)
	for _, c := range found {
		n, known := d.Snapshot.Get(c.Node)
		if !known || n.Tier != signaling.TierEdge {
			continue
		}
		near.Edges = append(near.Edges, signaling.NearEdge{
			Node: c.Node, URL: n.URL, Types: slices.Clone(n.Types), DistanceMs: c.DistanceMs, Basis: cmp.Or(c.Basis, signaling.BasisConfigured),
		})
	}
	return near, nil
}

// maxVerdicts bounds the nodes that are explained.
const maxVerdicts = 1000

// Explain says how a request would be placed now, and holds nothing.
func (d *Dispatcher) Explain(_ context.Context, who Terminal, r signaling.TaskRequest, limit int) (Explained, error) {
	if err := r.Validate(); err != nil {
		return Explained{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be served as it is.", Detail: err.Error()}
	}
	w := d.locate(who, &r)
	q := d.ordered(d.search(&r, &w, nil), &r, &w, time.Now(), 0)
	_, why := d.Snapshot.Candidates(q, d.Snapshot.Len()+1)
	e := Explained{Zone: w.zone, MaxDistanceMs: w.limit, WhenFull: w.whenFull(&r), Within: w.within, Needs: q.Needs, Summary: sentence(why.String()),
		Verdicts: d.Snapshot.Explain(q, min(max(limit, 1), maxVerdicts))}
	if w.site != nil {
		e.Site = w.site.Name
	}
	if e.Policy = byDistance; q.Order != nil {
		e.Policy = q.Order.Policy.Name
	}
	e.Forecast = d.foretold(&w, &r).Forecast
	return e, nil
}
