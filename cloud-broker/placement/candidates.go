package placement

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Request is what a search needs to know of a task.
type Request struct {
	Type          signaling.TaskType
	Needs         signaling.Resources
	MaxDistanceMs float64            // 0: any distance (A7). The cloud tier is the fallback at any distance
	Exclude       []signaling.NodeID // nodes not to take, for example because they refused
	// Volume is the series that the task shows, as signaling.VolumeKey names it; empty for none. Nodes that hold it
	// come first, up to nearEnoughMs behind the nearest.
	Volume string
	// Zone is where the terminal stands, empty where that is not known; Address its network address, zero where unknown.
	Zone    string
	Address netip.Addr
	// Measured are the round trips to nodes that the terminal measured itself.
	Measured []signaling.Ping
	// Within are the zones that the data must not leave; nil is anywhere. It is stronger than distance and than the
	// cloud as fallback.
	Within []string
}

// query is a Request made ready for comparing.
type query struct {
	needs   amounts
	far     float64
	exclude []signaling.NodeID
}

func (q *query) tooFar(distance float64) bool { return q.far > 0 && distance > q.far }

// Candidate is a node that fits, by what the snapshot knows.
type Candidate struct {
	Node       signaling.NodeID
	Tier       signaling.Tier
	DistanceMs float64
	Holds      bool     // it has the volume that was asked for
	Reasons    []string // why this node at this place in the order, in words
	Basis      signaling.Basis
	Terms      []signaling.Term // what it was ordered by: the sum is its cost
}

// Explanation counts why nodes that were looked at are no candidates. Each node is counted once.
type Explanation struct {
	Type     signaling.TaskType
	Needs    signaling.Resources
	Nodes    int // in the snapshot
	Fit      int // candidates found
	NotType  int // do not take tasks of this type
	NotReady int // starting, draining or lost
	TooFar   int // beyond MaxDistanceMs
	Excluded int // would fit, but are excluded
	// Complete says that all nodes were looked at. A search that found as many candidates as it was asked for
	// stops early.
	Complete bool

	lacking [kinds]int
}

// Lacking is the number of nodes on which some resource is short.
func (e *Explanation) Lacking() int {
	n := 0
	for _, v := range e.lacking {
		n += v
	}
	return n
}

// String says it in a sentence without a full stop, fit for a refusal, for example "of 3 nodes 1 takes no
// rendering tasks and 2 have less than one video encoder free".
func (e Explanation) String() string {
	if e.Nodes == 0 {
		return "no node has registered"
	}
	var parts []string
	add := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, strconv.Itoa(n)+" "+many)
		}
	}
	add(e.Fit, "fits", "fit")
	add(e.NotType, "takes no "+string(e.Type)+" tasks", "take no "+string(e.Type)+" tasks")
	add(e.NotReady, "is not ready", "are not ready")
	add(e.TooFar, "is too far away", "are too far away")
	needs := amountsOf(e.Needs)
	for k, n := range e.lacking {
		less := "less than " + describe(k, needs[k]) + " free"
		add(n, "has "+less, "have "+less)
	}
	add(e.Excluded, "has refused or is excluded", "have refused or are excluded")
	nodes := "nodes"
	if e.Nodes == 1 {
		nodes = "node"
	}
	if len(parts) > 1 {
		last := len(parts) - 1
		parts = append(parts[:last-1], parts[last-1]+" and "+parts[last])
	}
	return fmt.Sprintf("of %d %s %s", e.Nodes, nodes, strings.Join(parts, ", "))
}

// Candidates returns up to limit nodes for r in the order in which they are to be claimed: edges before the
// cloud tier; in each, first those that hold the volume already and are hardly farther than the nearest, then by
// distance, then by name. A cloud node is behind every edge that fits, so it is taken only when none of them is free
// any more (A8).
func (s *Snapshot) Candidates(r Request, limit int) ([]Candidate, Explanation) {
	q := query{needs: amountsOf(r.Needs), far: r.MaxDistanceMs, exclude: r.Exclude}
	for i, v := range q.needs {
		q.needs[i] = max(v, 0)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	why := Explanation{Type: r.Type, Needs: r.Needs, Nodes: len(s.nodes)}
	byTier := s.lists[r.Type]
	if byTier == nil {
		why.NotType, why.Complete = len(s.nodes), true
		return nil, why
	}
	if limit <= 0 {
		return nil, why
	}
	why.NotType = len(s.nodes)
	for i := range byTier {
		why.NotType -= byTier[i].n
	}
	cands := make([]Candidate, 0, min(limit, 16))
	why.Complete = true
	for i := range byTier {
		edges := len(cands) // when the cloud's turn comes
		ended := byTier[i].search(&q, &why, func(e *entry) bool {
			c := Candidate{Node: e.id, Tier: tiers[i], DistanceMs: e.distance}
			c.Reasons = reasons(&r, &c, len(cands)-edges, edges, &why)
			cands = append(cands, c)
			why.Fit++
			return len(cands) < limit
		})
		cands = s.holdersFirst(cands, edges, tiers[i], &r, &q, limit)
		if !ended {
			why.Complete = false
			break
		}
	}
	return slices.Clip(cands), why
}

// reasons says why c was chosen: rank is its place within its tier, edges the number of candidates among the
// edges, and passed what the search has passed before it.
func reasons(r *Request, c *Candidate, rank, edges int, passed *Explanation) []string {
	away := strconv.FormatFloat(c.DistanceMs, 'f', -1, 64) + " ms away"
	first := ""
	switch {
	case rank > 0:
		first = "number " + strconv.Itoa(rank+1) + " by distance of the free " + tierName(c.Tier) + " nodes, " + away
	case c.Tier == signaling.TierEdge:
		first = "nearest free edge, " + away
	case edges == 0:
		first = "no edge is free: nearest free cloud node, " + away
	default:
		first = "nearest free cloud node, if no edge is free any more, " + away
	}
	out := make([]string, 0, 3)
	out = append(out, first, "takes "+string(r.Type)+" tasks and has what this one needs free")
	if n := passed.NotReady + passed.Lacking() + passed.TooFar; n > 0 {
		out = append(out, strconv.Itoa(n)+" before it in the order are full, too far or not ready")
	}
	return out
}

func tierName(t signaling.Tier) string {
	if t == signaling.TierCloud {
		return "cloud"
	}
	return "edge"
}
