package placement

import (
	"slices"
	"strconv"

	"github.com/tomocast/tomocast/signaling"
)

// candidates makes candidates of the choices, with their terms and reasons. What differs between them is written into one
// buffer and cut from one string: text would else be most of what a search costs.
func (s *search) candidates(ix *index) []Candidate {
	q := &s.q
	w := words{q: q, weighed: ix.weighed[q.kind] > 0}
	text, cuts := s.text[:0], s.cuts[:0]
	edges, rank := 0, 0
	for i := range s.out {
		c := &s.out[i]
		if c.it.tier > 0 && (i == 0 || s.out[i-1].it.tier == 0) {
			edges, rank = i, 0
		}
		text = w.first(text, s.out[i-rank:], rank, edges)
		cuts = append(cuts, len(text))
		text = w.distance(text, c.it, c.basis)
		cuts = append(cuts, len(text))
		text = passed(text, c.passed)
		cuts = append(cuts, len(text))
		rank++
	}
	s.text, s.cuts = text, cuts
	all, from := string(text), 0
	next := func() string {
		part := all[from:cuts[0]]
		from, cuts = cuts[0], cuts[1:]
		return part
	}
	out := make([]Candidate, len(s.out))
	terms := make([]signaling.Term, 0, 2*len(s.out)) // the candidates' terms and reasons are parts of these
	reasons := make([]string, 0, 3*len(s.out))
	takes := "takes " + string(q.Type) + " tasks and has what this one needs free"
	for i := range s.out {
		c := &s.out[i]
		out[i] = Candidate{Node: c.it.ID, Tier: tiers[c.it.tier], DistanceMs: c.distance.ms(), Basis: c.basis,
			Holds: q.byVolume && (c.preferred || c.it.holds(q.volume))}
		at, first := len(terms), next()
		terms = w.terms(terms, c, next())
		if c.rank > 0 {
			terms, _ = s.rank.terms(terms, c)
		}
		out[i].Terms = slices.Clip(terms[at:])
		at = len(reasons)
		reasons = append(reasons, first, takes)
		if full := next(); full != "" {
			reasons = append(reasons, full)
		}
		out[i].Reasons = slices.Clip(reasons[at:])
	}
	return out
}

// words says why nodes are chosen.
type words struct {
	q       *query
	weighed bool // history counts for this type
}

// append appends the milliseconds.
func (m micros) append(to []byte) []byte {
	return append(strconv.AppendFloat(to, m.ms(), 'f', -1, 64), " ms"...)
}

func (m micros) String() string { return string(m.append(nil)) }

// number appends "number 2" for rank 1.
func number(to []byte, rank int) []byte {
	return strconv.AppendInt(append(to, "number "...), int64(rank)+1, 10)
}

// first says where a candidate is in the order of its tier: tier are the tier's choices, of which it is number rank, from 0, and
// edges is the number of candidates among the edges.
func (w *words) first(to []byte, tier []choice, rank, edges int) []byte {
	c := &tier[rank]
	if c.rank > 0 {
		return w.ranked(to, c)
	}
	if c.preferred {
		return w.holder(to, tier, rank)
	}
	cloud := c.it.tier > 0
	if cloud && rank == 0 && edges == 0 {
		to = append(to, "no edge takes it: "...)
	}
	switch {
	case rank > 0 && w.weighed:
		to = append(number(to, rank), " by distance and history of the free "...)
	case rank > 0:
		to = append(number(to, rank), " by distance of the free "...)
	case w.weighed:
		to = append(to, "best by distance and history of the free "...)
	default:
		to = append(to, "nearest free "...)
	}
	to = append(to, tiers[c.it.tier]...)
	switch {
	case rank > 0 || w.weighed:
		to = append(to, " nodes"...)
	case cloud:
		to = append(to, " node"...)
	}
	if cloud && rank == 0 && edges > 0 {
		to = append(to, ", if no edge is free any more"...)
	}
	return append(c.distance.append(append(to, ", "...)), " away"...)
}

// ranked says where a candidate is in the order of a policy.
func (w *words) ranked(to []byte, c *choice) []byte {
	if c.rank == 1 {
		to = append(to, "best"...)
	} else {
		to = number(to, c.rank-1)
	}
	to = append(append(to, " by the policy "...), w.q.Order.Policy.Name...)
	to = append(append(append(to, " of the free "...), tiers[c.it.tier]...), " nodes about as near as the nearest, "...)
	return append(c.distance.append(to), " away"...)
}

// holder says of a node that it is preferred since it holds the volume.
func (w *words) holder(to []byte, tier []choice, rank int) []byte {
	c := &tier[rank]
	if rank > 0 && tier[rank-1].preferred {
		to = append(number(to, rank), " of those that have this series loaded already, "...)
	} else {
		to = append(to, "has this series loaded already, "...)
	}
	to = append(c.distance.append(to), " away"...)
	for i := range tier {
		if o := &tier[i]; o.it.tier == c.it.tier && !o.preferred && o.distance < c.distance {
			to = append(append(to, "; the next free "...), tiers[c.it.tier]...)
			return append(o.distance.append(append(to, " node without it is "...)), " away"...)
		}
	}
	return to
}

// passed says that n nodes were looked at before and do not fit, where there were any.
func passed(to []byte, n int) []byte {
	switch n {
	case 0:
		return to
	case 1:
		return append(to, "1 other that was looked at is full, too far or not ready"...)
	}
	return append(strconv.AppendInt(to, int64(n), 10), " others that were looked at are full, too far or not ready"...)
}

// terms appends what a choice's cost is made of; distance says how that is known.
func (w *words) terms(to []signaling.Term, c *choice, distance string) []signaling.Term {
	to = append(to, signaling.Term{Name: "distance", Ms: c.distance.ms(), Reason: distance})
	if p := c.it.past(w.q.kind); p != nil {
		to = append(to, signaling.Term{Name: "history", Ms: micros(p.term).ms(), Reason: p.reason()})
	}
	if c.preferred {
		to = append(to, signaling.Term{Name: "locality", Ms: -nearEnough.ms(), Reason: "it has this series loaded already"})
	}
	return to
}

// distance says how the distance of a node is known.
func (w *words) distance(to []byte, it *item, basis signaling.Basis) []byte {
	switch basis {
	case signaling.BasisMeasured:
		return append(to, "round trip that the terminal measured"...)
	case signaling.BasisRemembered:
		return append(append(append(to, "round trip that terminals of zone "...), w.q.Zone...), " measured"...)
	case signaling.BasisNetwork:
		return append(to, "it is in the terminal's local network"...)
	}
	offset, ok := w.q.row.to(it.Zone)
	switch {
	case !ok:
		return append(to, "configured: round trip to its terminals"...)
	case it.Zone == w.q.Zone:
		return append(append(to, "configured: in the terminal's zone "...), it.Zone...)
	}
	to = append(append(offset.append(append(to, "configured: "...)), " from zone "...), w.q.Zone...)
	to = append(append(append(to, " to "...), it.Zone...), ", "...)
	return append(it.distance.append(to), " there"...)
}
