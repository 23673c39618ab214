package dispatch

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// thumbnailsPerEdge is how many thumbnails one edge makes at a time for this broker: what it has beside its
	// sessions is little.
	thumbnailsPerEdge = 2
	// thumbnailEdges is how many edges share the work, the nearest; thumbnailTries how many are asked for one.
	thumbnailEdges = 16
	thumbnailTries = 3
	// thumbnailWithin is how long one edge may take, with the way to a PACS in it.
	thumbnailWithin = 15 * time.Second
)

// Thumbnail has an edge make a small picture of a series that fits into a square of side pixels: one that has the
// series loaded, else the one with the fewest such requests under way. It waits while all are busy. The
// caller has checked the series (CheckSeries). Errors are
// *signaling.Problem, or ctx's.
func (d *Dispatcher) Thumbnail(ctx context.Context, ref signaling.SeriesRef, side int) (signaling.Thumbnail, error) {
	r := signaling.TaskRequest{Type: signaling.Rendering, Series: &ref}
	w := d.locate(Terminal{}, &r) // pictures are kept for all terminals; where the data may go is its source's to say
	var exclude []signaling.NodeID
	var refused []string
	for range thumbnailTries {
		q := d.search(&r, &w, exclude)
		q.Needs = signaling.Resources{}
		fit, why := d.Snapshot.Candidates(q, thumbnailEdges)
		if len(fit) == 0 {
			refused = append(refused, why.String())
			break
		}
		node, err := d.busy.take(ctx, fit)
		if err != nil {
			return signaling.Thumbnail{}, err
		}
		picture, err := d.thumbnail(ctx, node, ref, side)
		d.busy.done(node)
		if err == nil || final(err) || ctx.Err() != nil {
			return picture, err
		}
		exclude = append(exclude, node)
		refused = append(refused, "node "+string(node)+" "+inWords(err))
	}
	detail := strings.Join(refused, "; ")
	return signaling.Thumbnail{}, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node makes a picture of the series now.",
		Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."}
}

func (d *Dispatcher) thumbnail(ctx context.Context, node signaling.NodeID, ref signaling.SeriesRef, side int) (signaling.Thumbnail, error) {
	access, err := d.access(ref, node)
	if err != nil {
		return signaling.Thumbnail{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, thumbnailWithin)
	defer cancel()
	return d.Edges.Thumbnail(ctx, node, signaling.Fetch{Series: d.named(ref), Source: access, Side: side})
}

// busy counts what each edge has under way.
type busy struct {
	mu    sync.Mutex
	count map[signaling.NodeID]int
	freed chan struct{} // closed and replaced when an edge has one less
}

func newBusy() busy { return busy{count: map[signaling.NodeID]int{}, freed: make(chan struct{})} }

// take chooses one of the candidates and counts it; it waits while all have as many as they may.
func (b *busy) take(ctx context.Context, fit []placement.Candidate) (signaling.NodeID, error) {
	for {
		b.mu.Lock()
		node, freed := b.choose(fit), b.freed
		if node != "" {
			b.count[node]++
		}
		b.mu.Unlock()
		if node != "" {
			return node, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// choose is the first that has the series and room, else the one with the fewest under way, the nearest of those.
func (b *busy) choose(fit []placement.Candidate) signaling.NodeID {
	var best signaling.NodeID
	least := thumbnailsPerEdge
	for _, c := range fit {
		n := b.count[c.Node]
		if c.Holds && n < thumbnailsPerEdge {
			return c.Node
		}
		if n < least {
			best, least = c.Node, n
		}
	}
	return best
}

func (b *busy) done(node signaling.NodeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count[node]--; b.count[node] <= 0 {
		delete(b.count, node)
	}
	close(b.freed)
	b.freed = make(chan struct{})
}
