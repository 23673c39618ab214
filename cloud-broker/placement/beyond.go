package placement

import (
	"slices"

	"github.com/tomocast/tomocast/signaling"
)

// Beyond says in words what makes a task too large for every node that takes its type and may have it, however much is
// free there; empty where one could take it, or where there is no such node at all. It looks at every node.
func (s *Snapshot) Beyond(r Request) string {
	needs, kind := amountsOf(r.Needs), kindOf(r.Type)
	s.mu.RLock()
	defer s.mu.RUnlock()
	var most amounts
	some := false
	for _, it := range s.ix.nodes {
		if kind < 0 || !it.takes(kind) || it.State == signaling.NodeLost || r.Within != nil && !slices.Contains(r.Within, it.Zone) {
			continue
		}
		empty := it.Node
		empty.State, empty.Free, empty.FreeGPUs = signaling.NodeReady, it.Capacity, it.GPUs
		has := offers(&empty)
		if needs.lacks(&has) < 0 && needs.fitsOneGPU(&empty) {
			return ""
		}
		some = true
		for k := range most {
			most[k] = max(most[k], has[k])
		}
	}
	if !some {
		return ""
	}
	if k := needs.lacks(&most); k >= 0 {
		return "it takes " + describe(k, needs[k]) + ", and the largest node has " + describe(k, most[k])
	}
	return "no node has all that it takes"
}
