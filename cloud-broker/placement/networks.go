package placement

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/tomocast/tomocast/signaling"
)

// maxLAN is how many nodes a local network may have. A prefix that more of them name, like that of a container bridge or 0.0.0.0/0,
// says nothing of distance.
const maxLAN = 256

// networks finds nodes by their local networks.
type networks struct {
	nodes   map[netip.Prefix][]*item // by ID
	lengths map[int]int              // how many prefixes there are of each length; IPv6 lengths are negative, less 1
}

func newNetworks() networks {
	return networks{nodes: map[netip.Prefix][]*item{}, lengths: map[int]int{}}
}

func lengthOf(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits()
	}
	return -p.Bits() - 1
}

func byID(it *item, id signaling.NodeID) int { return cmp.Compare(it.ID, id) }

// load notes a node that is not known yet; sort puts them in order when all are loaded.
func (n *networks) load(it *item) {
	for _, p := range it.networks {
		if len(n.nodes[p]) == 0 {
			n.lengths[lengthOf(p)]++
		}
		n.nodes[p] = append(n.nodes[p], it)
	}
}

func (n *networks) sort() {
	for _, items := range n.nodes {
		slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.ID, b.ID) })
	}
}

func (n *networks) add(it *item) {
	for _, p := range it.networks {
		if len(n.nodes[p]) == 0 {
			n.lengths[lengthOf(p)]++
		}
		at, _ := slices.BinarySearchFunc(n.nodes[p], it.ID, byID)
		n.nodes[p] = slices.Insert(n.nodes[p], at, it)
	}
}

func (n *networks) remove(it *item) {
	for _, p := range it.networks {
		at, found := slices.BinarySearchFunc(n.nodes[p], it.ID, byID)
		if !found {
			continue
		}
		if n.nodes[p] = slices.Delete(n.nodes[p], at, at+1); len(n.nodes[p]) > 0 {
			continue
		}
		delete(n.nodes, p)
		if n.lengths[lengthOf(p)]--; n.lengths[lengthOf(p)] == 0 {
			delete(n.lengths, lengthOf(p))
		}
	}
}

// of returns the local networks that have the address.
func (n *networks) of(a netip.Addr) []netip.Prefix {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return nil
	}
	var out []netip.Prefix
	for length := range n.lengths {
		bits := length
		if length < 0 {
			bits = -length - 1
		}
		if a.Is4() != (length >= 0) {
			continue
		}
		if p, err := a.Prefix(bits); err == nil {
			if k := len(n.nodes[p]); k > 0 && k <= maxLAN {
				out = append(out, p)
			}
		}
	}
	return out
}
