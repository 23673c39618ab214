package placement

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// blockSize is how many nodes a block holds when it is built; it splits at twice that. Larger blocks make
// an update slower, smaller ones the walk over full blocks: at 100,000 nodes there are about 800 of them.
const blockSize = 128

// entry is a node in a list. What a walk compares stands here, so that it reads memory in order.
type entry struct {
	cost     int32 // micros: distance and history
	distance int32 // micros
	it       *item
	free     amounts // as offers says
}

func (e *entry) compare(o *entry) int {
	if c := cmp.Compare(e.cost, o.cost); c != 0 {
		return c
	}
	return cmp.Compare(e.it.ID, o.it.ID)
}

// block is a run of neighbours in a list, never empty while it is in one.
type block struct {
	entries          []entry
	most             amounts // largest offer of each kind among those that take tasks
	nearest          int32   // micros
	farthest         int32
	longest          float64 // t of the node that stays longest, seconds
	closed, cordoned int     // how many do not take tasks
}

func (b *block) measure() {
	b.most, b.closed, b.cordoned = closed, 0, 0
	b.measureTime()
	b.nearest, b.farthest = b.entries[0].distance, b.entries[0].distance
	for i := range b.entries {
		e := &b.entries[i]
		b.nearest, b.farthest = min(b.nearest, e.distance), max(b.farthest, e.distance)
		switch {
		case e.free == closed:
			b.closed++
		case e.free == cordoned:
			b.cordoned++
		default:
			for k, v := range e.free {
				b.most[k] = max(b.most[k], v)
			}
		}
	}
}

// measureTime works out longest.
func (b *block) measureTime() {
	b.longest = 0
	for i := range b.entries {
		if b.longest = max(b.longest, b.entries[i].it.span.Free); math.IsInf(b.longest, 1) {
			return
		}
	}
}

// set gives an entry new amounts. Only a kind of which the entry had the most has to be measured again.
func (b *block) set(e *entry, free amounts) {
	was := e.free
	e.free = free
	if !was.open() || !free.open() {
		if was != free {
			b.measure()
		}
		return
	}
	for k := range free {
		switch {
		case free[k] >= b.most[k]:
			b.most[k] = free[k]
		case was[k] == b.most[k]:
			b.most[k] = b.measureKind(k, was[k])
		}
	}
}

// measureKind is the largest offer of a kind, which is at most limit.
func (b *block) measureKind(k int, limit int64) int64 {
	most := closed[k]
	for i := range b.entries {
		e := &b.entries[i]
		if v := e.free[k]; v > most && e.free.open() {
			if most = v; most == limit {
				break
			}
		}
	}
	return most
}

// list holds the nodes of one task type, tier and zone, ordered by cost and then by name.
type list struct {
	blocks []*block
	n      int
	first  int32 // cost of the first entry, micros
}

// build fills an empty list from entries in any order, which it keeps.
func (l *list) build(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return a.compare(&b) })
	l.blocks, l.n = nil, len(entries)
	for run := range slices.Chunk(entries, blockSize) {
		b := &block{entries: slices.Clone(run)}
		b.measure()
		l.blocks = append(l.blocks, b)
	}
	l.lead()
}

func (l *list) lead() {
	if l.n > 0 {
		l.first = l.blocks[0].entries[0].cost
	}
}

// find returns the block and the place in it where an entry with e's cost and name is, or where it belongs. The list is not empty.
func (l *list) find(e *entry) (bi, ei int, found bool) {
	bi = sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].entries[0].compare(e) > 0 }) - 1
	bi = max(bi, 0)
	b := l.blocks[bi]
	ei = sort.Search(len(b.entries), func(i int) bool { return b.entries[i].compare(e) >= 0 })
	return bi, ei, ei < len(b.entries) && b.entries[ei].compare(e) == 0
}

// put inserts the entry, or sets the amounts of the one with its cost and name.
func (l *list) put(e entry) {
	if len(l.blocks) == 0 {
		l.build([]entry{e})
		return
	}
	bi, ei, found := l.find(&e)
	b := l.blocks[bi]
	if found {
		b.set(&b.entries[ei], e.free)
		return
	}
	b.entries = slices.Insert(b.entries, ei, e)
	l.n++
	if len(b.entries) >= 2*blockSize {
		right := &block{entries: slices.Clone(b.entries[blockSize:])}
		right.measure()
		clear(b.entries[blockSize:])
		b.entries = b.entries[:blockSize]
		l.blocks = slices.Insert(l.blocks, bi+1, right)
	}
	b.measure()
	l.lead()
}

// remove takes out the entry with e's cost and name, if it is there.
func (l *list) remove(e entry) {
	if len(l.blocks) == 0 {
		return
	}
	bi, ei, found := l.find(&e)
	if !found {
		return
	}
	defer l.lead()
	b := l.blocks[bi]
	l.n--
	b.entries = slices.Delete(b.entries, ei, ei+1)
	if len(b.entries) == 0 {
		l.blocks = slices.Delete(l.blocks, bi, bi+1)
		return
	}
	// Two neighbours that fit into one are joined, so that leaving nodes do not leave many small blocks.
	if bi+1 < len(l.blocks) && len(b.entries)+len(l.blocks[bi+1].entries) <= blockSize {
		b.entries = append(b.entries, l.blocks[bi+1].entries...)
		l.blocks = slices.Delete(l.blocks, bi+1, bi+2)
	}
	b.measure()
}
