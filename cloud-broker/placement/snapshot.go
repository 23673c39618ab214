package placement

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

// Kind is what a Change does.
type Kind uint8

// The kinds of change.
const (
	Put     Kind = iota // the node is as given, known before or not
	Amounts             // only State, Free and FreeGPUs are new; ignored where the node is not known
	Remove              // the node with this ID is gone
	Held                // State, Free, FreeGPUs and Volumes are new; ignored where the node is not known
)

// Change is one step of the pool as a snapshot follows it.
type Change struct {
	Kind Kind
	Node signaling.Node
	// Volumes are the series that the node holds as volumes, each as signaling.VolumeKey names it. Put and Held set
	// them, also to none.
	Volumes []string
}

// Snapshot is what a broker knows of its pool's nodes, and of what their distances rest on. One goroutine applies changes
// while any number of others search, read, and set distances, pings and experience.
type Snapshot struct {
	writing sync.Mutex // held by who changes anything, also while a new index is built beside the old one

	mu         sync.RWMutex
	ix         *index
	distances  *Distances
	remembered map[string]map[signaling.NodeID]float64
	pasts      map[signaling.NodeID][]past
	spans      map[signaling.NodeID]fit.Span
	ends       []float64 // t of the nodes in spans that are there, ascending, seconds
}

// NewSnapshot returns an empty snapshot.
func NewSnapshot() *Snapshot { return &Snapshot{ix: newIndex(0)} }

// Replace makes the snapshot hold exactly these nodes, with the volumes that each holds by their ID. Searches go on
// meanwhile, among the nodes as they were.
func (s *Snapshot) Replace(nodes []signaling.Node, volumes map[signaling.NodeID][]string) {
	s.writing.Lock()
	defer s.writing.Unlock()
	ix := buildIndex(nodes, func(id signaling.NodeID) []volume { return read(volumes[id]) }, s.pasts, s.spans)
	s.mu.Lock()
	s.ix = ix
	s.ends = ix.ends(s.spans)
	s.mu.Unlock()
}

// Apply makes the changes, in order, visible at once.
func (s *Snapshot) Apply(changes ...Change) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		it := s.ix.nodes[c.Node.ID]
		switch {
		case c.Kind == Put:
			s.ix.put(&c.Node, c.Volumes, s.pasts[c.Node.ID], s.spans)
		case it == nil:
		case c.Kind == Remove:
			s.ix.remove(it)
		default:
			if c.Kind == Held {
				s.ix.held.set(it, read(c.Volumes))
			}
			s.ix.amount(it, &c.Node)
		}
	}
}

// SetDistances sets the cost table; nil is none.
func (s *Snapshot) SetDistances(d *Distances) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distances = d
}

// SetRemembered sets the round trips in milliseconds that terminals of each zone have measured to nodes. A search looks at all
// of its zone's, so there should be tens of them and not thousands. The maps are the snapshot's from then on.
func (s *Snapshot) SetRemembered(byZone map[string]map[signaling.NodeID]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remembered = byZone
}

// SetExperience sets what ended tasks have shown of nodes, in place of what was set before. Of two of the same node and type the first
// counts.
func (s *Snapshot) SetExperience(all []Experience) {
	s.writing.Lock()
	defer s.writing.Unlock()
	pasts := weigh(all)
	changed := s.changed(pasts)
	// Many are sooner built anew, and then nobody waits.
	if len(changed) > max(1000, len(s.ix.nodes)/16) {
		nodes := make([]signaling.Node, 0, len(s.ix.nodes))
		for _, it := range s.ix.nodes {
			nodes = append(nodes, it.Node)
		}
		ix := buildIndex(nodes, func(id signaling.NodeID) []volume { return s.ix.nodes[id].volumes }, pasts, s.spans)
		s.mu.Lock()
		s.ix, s.pasts = ix, pasts
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	s.pasts = pasts
	s.mu.Unlock()
	for some := range slices.Chunk(changed, 128) { // searches go on in between
		s.mu.Lock()
		for _, it := range some {
			s.ix.remember(it, pasts[it.ID])
		}
		s.mu.Unlock()
	}
}

// changed are the nodes whose history is not as pasts has it. Only who is writing may ask.
func (s *Snapshot) changed(pasts map[signaling.NodeID][]past) []*item {
	var out []*item
	for id, it := range s.ix.nodes {
		if !slices.Equal(it.pasts, pasts[id]) {
			out = append(out, it)
		}
	}
	return out
}

// Get returns the node of this ID.
func (s *Snapshot) Get(id signaling.NodeID) (signaling.Node, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	it := s.ix.nodes[id]
	if it == nil {
		return signaling.Node{}, false
	}
	return it.node(), true
}

// Nodes returns all nodes by ID.
func (s *Snapshot) Nodes() []signaling.Node {
	s.mu.RLock()
	nodes := make([]signaling.Node, 0, len(s.ix.nodes))
	for _, it := range s.ix.nodes {
		nodes = append(nodes, it.node())
	}
	s.mu.RUnlock()
	slices.SortFunc(nodes, func(a, b signaling.Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

// In returns the nodes in a state that hold something, by ID.
func (s *Snapshot) In(state signaling.NodeState) []signaling.NodeID {
	s.mu.RLock()
	var ids []signaling.NodeID
	for id, it := range s.ix.nodes {
		if it.State == state && it.Free != it.Capacity {
			ids = append(ids, id)
		}
	}
	s.mu.RUnlock()
	slices.Sort(ids)
	return ids
}

// Len is the number of nodes.
func (s *Snapshot) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ix.nodes)
}
