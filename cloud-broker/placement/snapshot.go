package placement

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// Kind is what a Change does.
type Kind uint8

// The kinds of change.
const (
	Put     Kind = iota // the node is as given, known before or not
	Amounts             // only State and Free are new; ignored where the node is not known
	Remove              // the node with this ID is gone
	Held                // State, Free and Volumes are new; ignored where the node is not known
)

// Change is one step of the pool as a snapshot follows it.
type Change struct {
	Kind Kind
	Node signaling.Node
	// Volumes are the series that the node holds as volumes, each as signaling.VolumeKey names it. Put and Held set
	// them, also to none.
	Volumes []string
}

// tiers are the parts of each type's list, in the order of choice.
var tiers = [...]signaling.Tier{signaling.TierEdge, signaling.TierCloud}

// Snapshot is what a broker knows of its pool's nodes. One goroutine applies changes while any number of
// others search and read.
type Snapshot struct {
	mu    sync.RWMutex
	nodes map[signaling.NodeID]*signaling.Node
	lists map[signaling.TaskType]*[len(tiers)]list // all task types, always
	held  holdings

	distances  *Distances
	remembered map[string]map[signaling.NodeID]float64
	experience []Experience
}

// SetDistances sets the cost table; nil is none.
func (s *Snapshot) SetDistances(d *Distances) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distances = d
}

// SetRemembered sets the round trips in milliseconds that terminals of each zone have measured.
func (s *Snapshot) SetRemembered(byZone map[string]map[signaling.NodeID]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remembered = byZone
}

// SetExperience sets what ended tasks have shown of nodes.
func (s *Snapshot) SetExperience(e []Experience) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.experience = e
}

// Explain says of every node, best first, what a request makes of it.
func (s *Snapshot) Explain(r Request, limit int) []Verdict {
	cands, _ := s.Candidates(r, limit)
	out := make([]Verdict, 0, len(cands))
	for _, c := range cands {
		out = append(out, Verdict{Node: c.Node, Tier: c.Tier, State: signaling.NodeReady, Fits: true, DistanceMs: c.DistanceMs, Basis: signaling.BasisConfigured, CostMs: c.DistanceMs})
	}
	return out
}

// NewSnapshot returns an empty snapshot.
func NewSnapshot() *Snapshot {
	s := &Snapshot{}
	s.reset(0)
	return s
}

func (s *Snapshot) reset(size int) {
	s.nodes = make(map[signaling.NodeID]*signaling.Node, size)
	s.lists = make(map[signaling.TaskType]*[len(tiers)]list, len(signaling.TaskTypes))
	for _, t := range signaling.TaskTypes {
		s.lists[t] = new([len(tiers)]list)
	}
	s.held = newHoldings()
}

// Replace makes the snapshot hold exactly these nodes, with the volumes that each holds by their ID.
func (s *Snapshot) Replace(nodes []signaling.Node, volumes map[signaling.NodeID][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset(len(nodes))
	for i := range nodes {
		s.nodes[nodes[i].ID] = clone(&nodes[i])
	}
	entries := make(map[*list][]entry)
	for _, n := range s.nodes {
		for _, l := range s.listsOf(n) {
			entries[l] = append(entries[l], entryOf(n))
		}
	}
	for l, e := range entries {
		l.build(e)
	}
	for id, names := range volumes {
		if n := s.nodes[id]; n != nil {
			s.held.load(keyOf(n), names)
		}
	}
	s.held.sort()
}

// Apply makes the changes, in order, visible at once.
func (s *Snapshot) Apply(changes ...Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range changes {
		s.apply(&changes[i])
	}
}

func (s *Snapshot) apply(c *Change) {
	old := s.nodes[c.Node.ID]
	switch c.Kind {
	case Put:
		if old != nil {
			s.unlist(old)
		}
		n := clone(&c.Node)
		s.nodes[n.ID] = n
		s.held.set(keyOf(n), c.Volumes)
		for _, l := range s.listsOf(n) {
			l.put(entryOf(n))
		}
	case Amounts, Held:
		if old == nil {
			return
		}
		if c.Kind == Held {
			s.held.set(keyOf(old), c.Volumes)
		}
		if old.State == c.Node.State && old.Free == c.Node.Free {
			return
		}
		// Readers hold copies, never this pointer, so it may change under the lock.
		old.State, old.Free = c.Node.State, c.Node.Free
		for _, l := range s.listsOf(old) {
			l.put(entryOf(old))
		}
	case Remove:
		if old != nil {
			s.unlist(old)
			delete(s.nodes, old.ID)
		}
	}
}

func (s *Snapshot) unlist(n *signaling.Node) {
	s.held.set(keyOf(n), nil)
	for _, l := range s.listsOf(n) {
		l.remove(keyOf(n))
	}
}

// listsOf returns the lists that n belongs to, each once.
func (s *Snapshot) listsOf(n *signaling.Node) []*list {
	tier := slices.Index(tiers[:], n.Tier)
	if tier < 0 {
		return nil // of no tier that this broker knows: never chosen
	}
	ls := make([]*list, 0, len(signaling.TaskTypes))
	for i, t := range n.Types {
		if byTier := s.lists[t]; byTier != nil && !slices.Contains(n.Types[:i], t) {
			ls = append(ls, &byTier[tier])
		}
	}
	return ls
}

func keyOf(n *signaling.Node) key {
	d := n.DistanceMs
	if math.IsNaN(d) {
		d = math.Inf(1) // NaN has no place in an order
	}
	return key{d, n.ID}
}

func entryOf(n *signaling.Node) entry {
	e := entry{keyOf(n), closed}
	if n.State == signaling.NodeReady {
		e.free = amountsOf(n.Free)
	}
	return e
}

func clone(n *signaling.Node) *signaling.Node {
	c := *n
	c.Types, c.Codecs = slices.Clone(n.Types), slices.Clone(n.Codecs)
	return &c
}

// Get returns the node of this ID.
func (s *Snapshot) Get(id signaling.NodeID) (signaling.Node, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.nodes[id]
	if n == nil {
		return signaling.Node{}, false
	}
	return *clone(n), true
}

// Nodes returns all nodes by ID.
func (s *Snapshot) Nodes() []signaling.Node {
	s.mu.RLock()
	nodes := make([]signaling.Node, 0, len(s.nodes))
	for _, n := range s.nodes {
		nodes = append(nodes, *clone(n))
	}
	s.mu.RUnlock()
	slices.SortFunc(nodes, func(a, b signaling.Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

// Len is the number of nodes.
func (s *Snapshot) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.nodes)
}
