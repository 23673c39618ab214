package placement

import (
	"slices"
	"strconv"

	"github.com/tomocast/tomocast/signaling"
)

// candidates makes candidates of the choices, with their terms and reasons.
func (s *search) candidates(ix *index) []Candidate {
	q := &s.q
	out := make([]Candidate, len(s.out))
	terms := make([]signaling.Term, 0, 2*len(s.out)) // the candidates' terms and reasons are parts of these
	reasons := make([]string, 0, 3*len(s.out))
	w := words{q: q, weighed: ix.weighed[q.kind] > 0, takes: "takes " + string(q.Type) + " tasks and has what this one needs free"}
	edges, rank := 0, 0
	for i := range s.out {
		c := &s.out[i]
		if c.it.tier > 0 && (i == 0 || s.out[i-1].it.tier == 0) {
			edges, rank = i, 0
		}
		out[i] = Candidate{Node: c.it.ID, Tier: tiers[c.it.tier], DistanceMs: c.distance.ms(), Basis: c.basis,
			Holds: q.byVolume && (c.preferred || c.it.holds(q.volume))}
		from := len(terms)
		terms = w.terms(terms, c.it, c.distance, c.basis, c.preferred)
		out[i].Terms = slices.Clip(terms[from:])
		at := len(reasons)
		reasons = append(reasons, w.first(s.out[i-rank:], rank, edges), w.takes)
		if c.passed > 0 {
			reasons = append(reasons, w.passed(c.passed))
		}
		out[i].Reasons = slices.Clip(reasons[at:])
		rank++
	}
	return out
}

// words says why nodes are chosen.
type words struct {
	q       *query
	weighed bool // history counts for this type
	takes   string
	last    int // what passed said last, which many candidates share
	said    string
}

func text(m micros) string { return strconv.FormatFloat(m.ms(), 'f', -1, 64) + " ms" }

// first says where a candidate is in the order of its tier: tier are the tier's choices, of which it is number rank, from 0, and
// edges is the number of candidates among the edges.
func (w *words) first(tier []choice, rank, edges int) string {
	c := &tier[rank]
	name := string(tiers[c.it.tier])
	away := text(c.distance) + " away"
	if c.preferred {
		why := "has this series loaded already, " + away
		if rank > 0 && tier[rank-1].preferred {
			why = "number " + strconv.Itoa(rank+1) + " of those that have this series loaded already, " + away
		}
		for i := range tier {
			if o := &tier[i]; o.it.tier == c.it.tier && !o.preferred && o.distance < c.distance {
				return why + "; the next free " + name + " node without it is " + text(o.distance) + " away"
			}
		}
		return why
	}
	by, best := " by distance of the free ", "nearest free "
	if w.weighed {
		by, best = " by distance and history of the free ", "best by distance and history of the free "
	}
	if rank > 0 {
		return "number " + strconv.Itoa(rank+1) + by + name + " nodes, " + away
	}
	if w.weighed {
		name += " nodes"
	} else if c.it.tier > 0 {
		name += " node"
	}
	switch {
	case c.it.tier == 0:
		return best + name + ", " + away
	case edges == 0:
		return "no edge is free: " + best + name + ", " + away
	}
	return best + name + ", if no edge is free any more, " + away
}

func (w *words) passed(n int) string {
	if n != w.last {
		w.last, w.said = n, strconv.Itoa(n)+" others that were looked at are full, too far or not ready"
		if n == 1 {
			w.said = "1 other that was looked at is full, too far or not ready"
		}
	}
	return w.said
}

// terms appends what a node's cost is made of.
func (w *words) terms(out []signaling.Term, it *item, d micros, basis signaling.Basis, preferred bool) []signaling.Term {
	out = append(out, signaling.Term{Name: "distance", Ms: d.ms(), Reason: w.distance(it, basis)})
	if p := it.past(w.q.kind); p != nil {
		out = append(out, signaling.Term{Name: "history", Ms: micros(p.term).ms(), Reason: p.reason()})
	}
	if preferred {
		out = append(out, signaling.Term{Name: "locality", Ms: -nearEnough.ms(), Reason: "it has this series loaded already"})
	}
	return out
}

// distance says how the distance of a node is known.
func (w *words) distance(it *item, basis signaling.Basis) string {
	switch basis {
	case signaling.BasisMeasured:
		return "round trip that the terminal measured"
	case signaling.BasisRemembered:
		return "round trip that terminals of zone " + w.q.Zone + " measured"
	case signaling.BasisNetwork:
		return "it is in the terminal's local network"
	}
	offset, ok := w.q.row.to(it.Zone)
	switch {
	case !ok:
		return "configured: round trip to its terminals"
	case it.Zone == w.q.Zone:
		return "configured: in the terminal's zone " + it.Zone
	}
	return "configured: " + text(offset) + " from zone " + w.q.Zone + " to " + it.Zone + ", " + text(it.distance) + " there"
}
