package placement

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tomocast/tomocast/signaling"
)

// blockSize is how many nodes a block holds when it is built; it splits at twice that. Larger blocks make
// an update slower, smaller ones the walk over full blocks: at 100,000 nodes there are about 800 of them.
const blockSize = 128

// key orders the nodes of a list.
type key struct {
	distance float64 // ms; never NaN
	id       signaling.NodeID
}

func (k key) compare(o key) int {
	if c := cmp.Compare(k.distance, o.distance); c != 0 {
		return c
	}
	return cmp.Compare(k.id, o.id)
}

// entry is a node in a list. A node that is not ready has closed as its free amounts.
type entry struct {
	key
	free amounts
}

// block is a run of neighbours in a list, never empty while it is in one.
type block struct {
	entries []entry
	most    amounts // largest free amount of each kind among the ready
	closed  int     // how many are not ready
}

func (b *block) measure() {
	b.most, b.closed = closed, 0
	for i := range b.entries {
		free := &b.entries[i].free
		if *free == closed {
			b.closed++
			continue
		}
		for k, v := range free {
			b.most[k] = max(b.most[k], v)
		}
	}
}

// list holds the nodes of one task type and tier in order of key.
type list struct {
	blocks []*block
	n      int
}

// build fills an empty list from entries in any order, which it keeps.
func (l *list) build(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return a.compare(b.key) })
	l.blocks, l.n = nil, len(entries)
	for run := range slices.Chunk(entries, blockSize) {
		b := &block{entries: slices.Clone(run)}
		b.measure()
		l.blocks = append(l.blocks, b)
	}
}

// find returns the block and the place in it where k is, or where it belongs. The list is not empty.
func (l *list) find(k key) (bi, ei int, found bool) {
	bi = sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].entries[0].compare(k) > 0 }) - 1
	bi = max(bi, 0)
	ei, found = slices.BinarySearchFunc(l.blocks[bi].entries, k, func(e entry, k key) int { return e.compare(k) })
	return bi, ei, found
}

// put inserts the entry, or sets the free amounts of the one with its key.
func (l *list) put(e entry) {
	if len(l.blocks) == 0 {
		l.build([]entry{e})
		return
	}
	bi, ei, found := l.find(e.key)
	b := l.blocks[bi]
	if found {
		b.entries[ei].free = e.free
		b.measure()
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
}

// remove takes out the entry with this key, if it is there.
func (l *list) remove(k key) {
	if len(l.blocks) == 0 {
		return
	}
	bi, ei, found := l.find(k)
	if !found {
		return
	}
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

// search calls take for each entry in order that fits q until take returns false, and counts in why the ones
// it passed. It reports whether it came to the end of the list.
func (l *list) search(q *query, why *Explanation, take func(*entry) bool) bool {
	seen := 0
	for _, b := range l.blocks {
		first, last := b.entries[0].distance, b.entries[len(b.entries)-1].distance
		if q.tooFar(first) {
			why.TooFar += l.n - seen
			return true
		}
		seen += len(b.entries)
		if !q.tooFar(last) {
			if k := q.needs.lacks(&b.most); k >= 0 {
				why.NotReady += b.closed
				why.lacking[k] += len(b.entries) - b.closed
				continue
			}
		}
		for i := range b.entries {
			e := &b.entries[i]
			if q.tooFar(e.distance) {
				why.TooFar += len(b.entries) - i
				break
			}
			if e.free == closed {
				why.NotReady++
				continue
			}
			if k := q.needs.lacks(&e.free); k >= 0 {
				why.lacking[k]++
				continue
			}
			if slices.Contains(q.exclude, e.id) {
				why.Excluded++
				continue
			}
			if !take(e) {
				return false
			}
		}
	}
	return true
}
