package placement

import (
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

// zone holds the nodes that stand in one zone, in a list per task type and tier. Nodes without a zone stand in that without
// a name. To a terminal all nodes of a zone are farther by the same amount, so that each list is in order for every terminal,
// and only the lists have to be merged.
type zone struct {
	name   string
	number int // of this zone among all that there have been in the index
	nodes  int
	lists  [taskTypes][len(tiers)]list
}

// index is the nodes of a snapshot and the orders in which searches find them.
type index struct {
	nodes    map[signaling.NodeID]*item
	zones    []*zone
	byName   map[string]*zone
	numbers  int // zones that there have been
	takes    [taskTypes]int
	weighed  [taskTypes]int // nodes with a history that counts
	held     holdings
	networks networks
	shared   shared
}

func newIndex(size int) *index {
	return &index{nodes: make(map[signaling.NodeID]*item, size), byName: map[string]*zone{}, held: newHoldings(),
		networks: newNetworks(), shared: newShared()}
}

// buildIndex makes an index of nodes, of which a later one of the same ID counts.
func buildIndex(nodes []signaling.Node, volumes func(signaling.NodeID) []volume, pasts map[signaling.NodeID][]past, spans map[signaling.NodeID]fit.Span) *index {
	ix := newIndex(len(nodes))
	for i := range nodes {
		it := ix.shared.item(&nodes[i])
		it.pasts = pasts[it.ID]
		it.setSpan(spans)
		it.volumes = volumes(it.ID)
		ix.nodes[it.ID] = it
	}
	entries := make(map[*list][]entry)
	for _, it := range ix.nodes {
		ix.enter(it)
		for k, l := range it.lists() {
			entries[l] = append(entries[l], it.entry(k))
		}
		ix.held.load(it)
		ix.networks.load(it)
	}
	for l, e := range entries {
		l.build(e)
	}
	ix.held.sort()
	ix.networks.sort()
	return ix
}

// lists are those that the node belongs to, by the index of their type.
func (it *item) lists() func(yield func(int, *list) bool) {
	return func(yield func(int, *list) bool) {
		if it.tier < 0 {
			return
		}
		for k := range taskTypes {
			if it.takes(k) && !yield(k, &it.zone.lists[k][it.tier]) {
				return
			}
		}
	}
}

// entry is how the node stands in the list of a type.
func (it *item) entry(kind int) entry {
	return entry{int32(it.base(kind)), int32(it.distance), it, offers(&it.Node)}
}

// enter gives the node its zone and counts it.
func (ix *index) enter(it *item) {
	z := ix.byName[it.Zone]
	if z == nil {
		ix.numbers++
		z = &zone{name: it.Zone, number: ix.numbers}
		ix.byName[z.name], ix.zones = z, append(ix.zones, z)
	}
	it.zone = z
	z.nodes++
	ix.count(it, 1)
}

func (ix *index) count(it *item, by int) {
	if it.tier < 0 {
		return
	}
	for k := range taskTypes {
		if it.takes(k) {
			ix.takes[k] += by
			if it.history(k) > 0 {
				ix.weighed[k] += by
			}
		}
	}
}

// put adds a node, or takes it in place of the one of its ID.
func (ix *index) put(n *signaling.Node, volumes []string, pasts []past, spans map[signaling.NodeID]fit.Span) {
	if old := ix.nodes[n.ID]; old != nil {
		ix.remove(old)
	}
	it := ix.shared.item(n)
	it.pasts = pasts
	it.setSpan(spans)
	ix.nodes[it.ID] = it
	ix.enter(it)
	for k, l := range it.lists() {
		l.put(it.entry(k))
	}
	ix.held.set(it, read(volumes))
	ix.networks.add(it)
}

// amount sets what a node has free, and whether it takes tasks.
func (ix *index) amount(it *item, n *signaling.Node) {
	if it.State == n.State && it.Free == n.Free && slices.Equal(it.FreeGPUs, n.FreeGPUs) {
		return
	}
	// Readers hold copies, never this item, so it may change under the lock.
	it.State, it.Free, it.FreeGPUs = signaling.NodeState(ix.shared.word(string(n.State))), n.Free, slices.Clone(n.FreeGPUs)
	it.fits.Store(nil)
	for k, l := range it.lists() {
		l.put(it.entry(k))
	}
}

// remember gives a node another history.
func (ix *index) remember(it *item, pasts []past) {
	ix.count(it, -1)
	was := it.pasts
	for k, l := range it.lists() {
		it.pasts = was
		before := it.entry(k)
		if it.pasts = pasts; it.entry(k).cost != before.cost {
			l.remove(before)
			l.put(it.entry(k))
		}
	}
	it.pasts = pasts
	ix.count(it, 1)
}

func (ix *index) remove(it *item) {
	ix.held.set(it, nil)
	ix.networks.remove(it)
	for k, l := range it.lists() {
		l.remove(it.entry(k))
	}
	ix.count(it, -1)
	delete(ix.nodes, it.ID)
	z := it.zone
	if z.nodes--; z.nodes == 0 {
		delete(ix.byName, z.name)
		at := slices.Index(ix.zones, z)
		ix.zones[at] = ix.zones[len(ix.zones)-1]
		ix.zones[len(ix.zones)-1] = nil
		ix.zones = ix.zones[:len(ix.zones)-1]
	}
}
