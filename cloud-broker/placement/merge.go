package placement

// cursor is a place in one zone's list during a search.
type cursor struct {
	l      *list
	offset micros // of the zone
	bi, ei int
	// cost is that of the entry at the place where found, which fits; else no entry from the place on has less.
	cost  micros
	found bool
}

func (c *cursor) entry() *entry { return &c.l.blocks[c.bi].entries[c.ei] }

// before orders the cursors. Of equal costs one that has not found an entry comes first, since it may find one with a lesser name.
func (c *cursor) before(o *cursor) bool {
	switch {
	case c.cost != o.cost:
		return c.cost < o.cost
	case c.found != o.found:
		return !c.found
	}
	return c.found && c.entry().it.ID < o.entry().it.ID
}

// merge yields the fitting nodes of one type and tier by cost and name, from the lists of all zones. It looks into a list only as
// far as it must to know which node is next, and passes blocks in which nothing fits as a whole.
type merge struct {
	q       *query
	cloud   bool // the tier's
	counts  *[filters]int
	cursors []cursor // a heap
}

// open begins with the lists of the zones that the data may be in, and counts the nodes of the others.
func (m *merge) open(ix *index, tier int) {
	m.cloud, m.cursors = tier > 0, m.cursors[:0]
	for _, z := range ix.zones {
		l := &z.lists[m.q.kind][tier]
		if l.n == 0 {
			continue
		}
		if m.q.leaves(z.name) {
			m.counts[stays] += l.n
			continue
		}
		offset, _ := m.q.row.to(z.name)
		m.cursors = append(m.cursors, cursor{l: l, offset: offset, cost: offset + micros(l.first)})
	}
	for i := len(m.cursors)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
}

func (m *merge) down(i int) {
	h := m.cursors
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// next looks for the next node, as long as it can cost less than bound, and returns its entry and the offset of its zone. take goes
// behind it.
func (m *merge) next(bound micros) (e *entry, offset micros, ok bool) {
	for len(m.cursors) > 0 {
		c := &m.cursors[0]
		if c.cost >= bound {
			return nil, 0, false
		}
		if c.found {
			return c.entry(), c.offset, true
		}
		m.step(c)
	}
	return nil, 0, false
}

// take goes behind the node that next has returned.
func (m *merge) take() {
	c := &m.cursors[0]
	c.ei++
	c.found = false
	m.settle(c)
}

// step looks for the next fitting entry in the block of the first cursor, no further.
func (m *merge) step(c *cursor) {
	b := c.l.blocks[c.bi]
	if c.ei == 0 && m.pass(b, c.offset) {
		c.ei = len(b.entries)
	}
	for ; c.ei < len(b.entries); c.ei++ {
		e := &b.entries[c.ei]
		f := m.q.reach(c.offset+micros(e.distance), m.cloud)
		if f == fits {
			f = m.q.room(e.it, &e.free)
		}
		if f == fits {
			c.found = true
			break
		}
		m.counts[f]++
	}
	m.settle(c)
}

// settle puts the first cursor where it belongs: behind its block's end at the next block, or away at the list's end.
func (m *merge) settle(c *cursor) {
	b := c.l.blocks[c.bi]
	if c.ei == len(b.entries) {
		c.bi, c.ei = c.bi+1, 0
		if c.bi == len(c.l.blocks) {
			last := len(m.cursors) - 1
			m.cursors[0] = m.cursors[last]
			m.cursors = m.cursors[:last]
			m.down(0)
			return
		}
	}
	c.cost = c.offset + micros(c.entry().cost)
	m.down(0)
}

// pass counts a block in which nothing fits, and reports whether it is one.
func (m *merge) pass(b *block, offset micros) bool {
	f, whole := m.q.block(b, offset, m.cloud)
	if !whole {
		return false
	}
	if f <= beyondCloud {
		m.counts[f] += len(b.entries)
		return true
	}
	m.counts[notReady] += b.closed
	m.counts[isCordoned] += b.cordoned
	m.counts[f] += len(b.entries) - b.closed - b.cordoned
	return true
}

// block is the filter that all nodes of a block fail that take tasks, where whole.
func (q *query) block(b *block, offset micros, cloud bool) (f filter, whole bool) {
	near, far := q.reach(offset+micros(b.nearest), cloud), q.reach(offset+micros(b.farthest), cloud)
	if near != far {
		return fits, false
	}
	if near != fits {
		return near, true
	}
	if k := q.needs.lacks(&b.most); k >= 0 {
		return lacking + filter(k), true
	}
	if !(b.longest > q.t1) {
		return closing, true
	}
	return fits, false
}
