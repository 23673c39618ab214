package placement

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

const taskTypes = 5

// kindOf is the index of a type in signaling.TaskTypes, -1 of one that is not known.
func kindOf(t signaling.TaskType) int { return slices.Index(signaling.TaskTypes, t) }

// tiers are the parts of each type's list, in the order of choice.
var tiers = [...]signaling.Tier{signaling.TierEdge, signaling.TierCloud}

// item is a node in an index. Only State, Free, FreeGPUs, volumes, pasts and span change while it is there.
type item struct {
	signaling.Node
	span     fit.Span               // its time (B3)
	fits     atomic.Pointer[fitted] // as policies see it; nil until one looks, and again when it has changed
	zone     *zone
	tier     int   // index in tiers; -1 of none that this broker knows: never chosen
	types    uint8 // a bit for each type that it takes
	distance micros
	networks []netip.Prefix
	volumes  []volume // sorted
	pasts    []past
}

// taken counts against the node in tasks of a type.
func (it *item) past(kind int) *past {
	for i := range it.pasts {
		if int(it.pasts[i].kind) == kind {
			return &it.pasts[i]
		}
	}
	return nil
}

func (it *item) history(kind int) micros {
	if p := it.past(kind); p != nil {
		return micros(p.term)
	}
	return 0
}

func (it *item) takes(kind int) bool { return it.types&(1<<kind) != 0 }

// base is what a task of a type costs at the node without what depends on the terminal.
func (it *item) base(kind int) micros { return it.distance + it.history(kind) }

func (it *item) holds(v volume) bool {
	_, ok := slices.BinarySearch(it.volumes, v)
	return ok
}

// shared keeps one copy of what many nodes have in common: a pool of 100,000 has few versions, renderers and sets of
// types, and each node's own copies would be most of what a snapshot takes.
type shared struct {
	words    map[string]string
	types    map[string][]signaling.TaskType
	lists    map[string][]string
	handling map[string]map[signaling.TaskType]signaling.Handling
}

func newShared() shared {
	return shared{map[string]string{}, map[string][]signaling.TaskType{}, map[string][]string{},
		map[string]map[signaling.TaskType]signaling.Handling{}}
}

func (s *shared) word(w string) string {
	if known, ok := s.words[w]; ok {
		return known
	}
	s.words[w] = w
	return w
}

// item makes an item of a node, which stays the caller's.
func (s *shared) item(n *signaling.Node) *item {
	it := &item{Node: *n, span: fit.Always, tier: slices.Index(tiers[:], n.Tier), distance: microsOf(n.DistanceMs)}
	it.Tier, it.State = signaling.Tier(s.word(string(n.Tier))), signaling.NodeState(s.word(string(n.State)))
	it.Version, it.Zone, it.Renderer = s.word(n.Version), s.word(n.Zone), s.word(n.Renderer)
	var key strings.Builder
	for _, t := range n.Types {
		if k := kindOf(t); k >= 0 {
			it.types |= 1 << k
		}
		key.WriteString(string(t))
		key.WriteByte(',')
	}
	if it.Types = s.types[key.String()]; it.Types == nil && n.Types != nil {
		it.Types = slices.Clone(n.Types)
		s.types[key.String()] = it.Types
	}
	joined := strings.Join(n.Codecs, ",")
	if it.Codecs = s.lists[joined]; it.Codecs == nil && n.Codecs != nil {
		it.Codecs = slices.Clone(n.Codecs)
		s.lists[joined] = it.Codecs
	}
	key.Reset()
	for _, t := range signaling.TaskTypes {
		key.WriteString(string(n.Handling[t]))
		key.WriteByte(',')
	}
	if it.Handling = s.handling[key.String()]; it.Handling == nil && n.Handling != nil {
		it.Handling = maps.Clone(n.Handling)
		s.handling[key.String()] = it.Handling
	}
	it.GPUs, it.FreeGPUs = slices.Clone(n.GPUs), slices.Clone(n.FreeGPUs)
	it.Networks = slices.Clone(n.Networks)
	for _, text := range n.Networks {
		if p, err := netip.ParsePrefix(text); err == nil && !slices.Contains(it.networks, p.Masked()) {
			it.networks = append(it.networks, p.Masked())
		}
	}
	return it
}

// node returns a copy of the node as it is now.
func (it *item) node() signaling.Node {
	n := it.Node
	n.Types, n.Codecs, n.Networks = slices.Clone(n.Types), slices.Clone(n.Codecs), slices.Clone(n.Networks)
	n.GPUs, n.FreeGPUs = slices.Clone(n.GPUs), slices.Clone(n.FreeGPUs)
	n.Handling = maps.Clone(n.Handling)
	return n
}
