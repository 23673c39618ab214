package dispatch

import (
	"context"
	"errors"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// maxPrefetchTries is how many nodes are asked to load a series ahead.
const maxPrefetchTries = 3

// Prefetched says where a series is being loaded ahead of a session.
type Prefetched struct {
	Node signaling.NodeID
	// Held says that the node had it already.
	Held bool
}

// Prefetch has the node load a series that a session would be given now. It holds nothing there, so the session that
// comes may still be placed elsewhere. Asked again, it names the same node as long as that is the one to choose.
// Errors are *signaling.Problem.
func (d *Dispatcher) Prefetch(ctx context.Context, who Terminal, ref signaling.SeriesRef) (Prefetched, error) {
	if err := ref.Validate(); err != nil {
		return Prefetched{}, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The series cannot be loaded ahead.", Detail: err.Error()}
	}
	if err := d.CheckSeries(ctx, ref); err != nil {
		return Prefetched{}, err
	}
	r := signaling.TaskRequest{Type: signaling.Rendering, Series: &ref}
	w := d.locate(who, &r)
	fit, why := d.Snapshot.Candidates(d.search(&r, &w, nil), maxPrefetchTries)
	var refused []string
	for _, c := range fit {
		err := d.prefetch(ctx, c.Node, ref)
		if err == nil {
			d.Log.Info("a series is loaded ahead", "node", c.Node, "held", c.Holds, "by", who.Method)
			return Prefetched{Node: c.Node, Held: c.Holds}, nil
		}
		if final(err) || ctx.Err() != nil {
			return Prefetched{}, err
		}
		refused = append(refused, "node "+string(c.Node)+" "+inWords(err))
	}
	if len(refused) == 0 {
		refused = []string{why.String()}
	}
	detail := strings.Join(refused, "; ")
	return Prefetched{}, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node loads the series ahead.",
		Detail: strings.ToUpper(detail[:1]) + detail[1:] + ". Try again in a moment."}
}

func (d *Dispatcher) prefetch(ctx context.Context, node signaling.NodeID, ref signaling.SeriesRef) error {
	access, err := d.access(ref, node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	return d.Edges.Prefetch(ctx, node, signaling.Fetch{Series: d.named(ref), Source: access})
}

// final says whether an edge's refusal is about the series itself, so that another edge would say the same.
func final(err error) bool {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Code {
	case signaling.ProblemNotFound, signaling.ProblemNotAVolume, signaling.ProblemUnreadable, signaling.ProblemBadRequest:
		return true
	}
	return false
}
