package placement

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// Candidate is a node that fits, by what the snapshot knows.
type Candidate struct {
	Node       signaling.NodeID
	Tier       signaling.Tier
	DistanceMs float64
	Basis      signaling.Basis  // how the distance is known
	Holds      bool             // it has the volume that was asked for
	Terms      []signaling.Term // what it was ordered by: the sum is its cost
	Reasons    []string         // why this node at this place in the order, in words
}

// choice is a node on its way to a Candidate.
type choice struct {
	it             *item
	distance, cost micros
	basis          signaling.Basis
	preferred      bool // since it holds the volume
	passed         int  // nodes that were looked at before and do not fit
	rank           int  // what the policy ranked it, from 1; 0 where none did
}

// before orders the choices of a tier.
func (c *choice) before(o *choice) int {
	if d := cmp.Compare(c.cost, o.cost); d != 0 {
		return d
	}
	if c.preferred != o.preferred {
		if c.preferred {
			return -1
		}
		return 1
	}
	return cmp.Compare(c.it.ID, o.it.ID)
}

// search is the state of one search. It is used again, since a broker makes thousands a second.
type search struct {
	q      query
	m      merge
	counts [filters]int
	// apart are the nodes that do not stand where the lists have them for this terminal: their distance is known better, or they hold
	// the volume. They are judged one by one.
	apart map[*item]filter
	seen  []sighting
	items []*item              // holders of the volume
	side  [len(tiers)][]choice // those of them that fit, best first
	out   []choice
	text  []byte
	cuts  []int
	rank  ranking
}

var searches = sync.Pool{New: func() any { return &search{apart: map[*item]filter{}} }}

func (s *search) reset() {
	clear(s.apart)
	clear(s.seen)
	clear(s.items)
	clear(s.out)
	clear(s.m.cursors[:cap(s.m.cursors)])
	for i := range s.side {
		clear(s.side[i])
		s.side[i] = s.side[i][:0]
	}
	s.seen, s.items, s.out, s.m.cursors = s.seen[:0], s.items[:0], s.out[:0], s.m.cursors[:0]
	s.counts, s.q, s.m.q, s.m.counts = [filters]int{}, query{}, nil, nil
	s.rank.reset()
}

// Candidates returns up to limit nodes for r in the order in which they are to be claimed: edges before the
// cloud tier, in each tier by cost, which is the sum of their terms, and where that is equal by name. A cloud node is
// behind every edge that fits, so it is taken only when none of them is free any more (A8).
//
// The terms are the distance from the terminal (A3), the history of the node with tasks of this type (A10), and 20 ms in favour of nodes
// that hold the volume. With an Order those of a tier that are about as near as the nearest are put in the order of its policy. Those are the nodes of which pings or a common network tell the distance, and the 64 nearest others by configuration.
func (s *Snapshot) Candidates(r Request, limit int) ([]Candidate, Explanation) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if kindOf(r.Type) < 0 {
		return nil, Explanation{Type: r.Type, Needs: r.Needs, Nodes: len(s.ix.nodes), NotType: len(s.ix.nodes), Complete: true}
	}
	if limit <= 0 {
		return nil, Explanation{Type: r.Type, Needs: r.Needs, Nodes: len(s.ix.nodes)}
	}
	run := searches.Get().(*search)
	defer func() {
		run.reset()
		searches.Put(run)
	}()
	run.q = s.query(&r)
	run.m.q, run.m.counts = &run.q, &run.counts
	run.seen = run.q.sightings(s.ix, run.seen)
	run.q.setCloud(s.distances, run.seen)
	run.setApart(s.ix)
	run.counts[notType] = len(s.ix.nodes) - s.ix.takes[run.q.kind]
	complete := true
	for tier := range tiers {
		if complete = run.tier(s.ix, tier, r.window(limit)); !complete {
			break
		}
	}
	run.order()
	run.out = run.out[:min(limit, len(run.out))]
	return run.candidates(s.ix), run.explanation(s.ix, complete)
}

// setApart judges the nodes that do not stand where the lists have them.
func (s *search) setApart(ix *index) {
	q := &s.q
	for i := range s.seen {
		n := &s.seen[i]
		s.judge(n.it, n.distance, n.basis, q.byVolume && n.it.holds(q.volume))
	}
	if q.byVolume {
		s.items = ix.held.nearest(q.volume, &q.row, s.items)
	}
	for _, it := range s.items {
		offset, _ := q.row.to(it.zone.name)
		s.judge(it, offset+it.distance, signaling.BasisConfigured, true)
	}
	for i := range s.side {
		slices.SortFunc(s.side[i], func(a, b choice) int { return a.before(&b) })
	}
}

// judge sets a node apart, once, and notes it where it fits.
func (s *search) judge(it *item, d micros, basis signaling.Basis, preferred bool) {
	if it.tier < 0 || !it.takes(s.q.kind) {
		return
	}
	if _, again := s.apart[it]; again {
		return
	}
	f := s.q.judge(it, d)
	s.apart[it] = f
	if f != fits {
		return
	}
	c := choice{it: it, distance: d, cost: d + it.history(s.q.kind), basis: basis, preferred: preferred}
	if preferred {
		c.cost -= nearEnough
	}
	s.side[it.tier] = append(s.side[it.tier], c)
}

// tier appends the choices of a tier, up to limit in all, and reports whether it has looked at all its nodes.
func (s *search) tier(ix *index, tier, limit int) bool {
	s.m.open(ix, tier)
	side := s.side[tier]
	for len(s.out) < limit {
		bound := unlimited
		if len(side) > 0 {
			if bound = side[0].cost; !side[0].preferred {
				bound++ // one of the same cost may have a lesser name
			}
		}
		e, offset, ok := s.m.next(bound)
		switch {
		case ok:
			c := choice{it: e.it, distance: offset + micros(e.distance), cost: offset + micros(e.cost), basis: signaling.BasisConfigured}
			if _, apart := s.apart[c.it]; apart {
				s.m.take()
				continue
			}
			if len(side) > 0 && side[0].before(&c) < 0 {
				s.add(side[0])
				side = side[1:]
				continue
			}
			s.add(c)
			s.m.take()
		case len(side) > 0:
			s.add(side[0])
			side = side[1:]
		default:
			s.recount(ix, tier)
			return true
		}
	}
	return false
}

func (s *search) add(c choice) {
	for f := tooFar; int(f) < filters; f++ {
		if f != excluded {
			c.passed += s.counts[f]
		}
	}
	s.out = append(s.out, c)
}

// recount corrects the counts of a tier that was looked at whole: the lists were counted with the nodes that are judged apart where
// the lists have them.
func (s *search) recount(ix *index, tier int) {
	for it, f := range s.apart {
		if it.tier != tier {
			continue
		}
		if counted := s.m.reckon(it); counted != fits {
			s.counts[counted]--
		}
		if f != fits {
			s.counts[f]++
		}
	}
}

// reckon is how the merge has counted a node.
func (m *merge) reckon(it *item) filter {
	if m.q.leaves(it.Zone) {
		return stays
	}
	l := &it.zone.lists[m.q.kind][it.tier]
	own := it.entry(m.q.kind)
	bi, ei, _ := l.find(&own)
	e := &l.blocks[bi].entries[ei]
	offset, _ := m.q.row.to(it.Zone)
	f, whole := m.q.block(l.blocks[bi], offset, m.cloud)
	switch {
	case whole && f <= beyondCloud:
		return f
	case whole && e.free.open():
		return f
	}
	if f := m.q.reach(offset+micros(e.distance), m.cloud); f != fits {
		return f
	}
	return m.q.room(it, &e.free)
}
