package placement

import (
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// nearEnoughMs is how much farther than the nearest node that fits one may be that holds the volume already.
	// Loading a series takes a second or more where it is not there; 20 ms more of round trip are hardly felt in a
	// session's moves, and twice that would be.
	nearEnoughMs = 20
	// maxHolders bounds how many holders of one volume a search looks at, so that a series that the whole fleet holds
	// costs no more than another one: those looked at are the nearest.
	maxHolders = 64
	// maxPreferred bounds how many of them come first: when all of these refuse, distance decides again.
	maxPreferred = 4
)

// volume is a signaling.VolumeKey as a number: its 12 hexadecimal digits.
type volume uint64

// volumeOf reads a key; false where it is none.
func volumeOf(key string) (volume, bool) {
	var b [6]byte
	if len(key) != 2*len(b) {
		return 0, false
	}
	if _, err := hex.Decode(b[:], []byte(key)); err != nil {
		return 0, false
	}
	var v volume
	for _, x := range b {
		v = v<<8 | volume(x)
	}
	return v, true
}

// holdings is which nodes hold which volumes, found from either side.
type holdings struct {
	holders map[volume][]key // nearest first
	volumes map[signaling.NodeID][]volume
}

func newHoldings() holdings {
	return holdings{holders: map[volume][]key{}, volumes: map[signaling.NodeID][]volume{}}
}

// read makes volumes of names, sorted and each once, at most signaling.MaxVolumes. What is no key is left out: a
// newer edge may name more than this broker understands.
func read(names []string) []volume {
	if len(names) > signaling.MaxVolumes {
		names = names[:signaling.MaxVolumes]
	}
	out := make([]volume, 0, len(names))
	for _, name := range names {
		if v, ok := volumeOf(name); ok {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// load notes what a node holds that held nothing so far; sort puts the holders in order when all are loaded.
func (h *holdings) load(k key, names []string) {
	list := read(names)
	if len(list) == 0 {
		return
	}
	h.volumes[k.id] = list
	for _, v := range list {
		h.holders[v] = append(h.holders[v], k)
	}
}

func (h *holdings) sort() {
	for _, keys := range h.holders {
		slices.SortFunc(keys, key.compare)
	}
}

// set notes what a node holds now. Only what differs from before costs anything.
func (h *holdings) set(k key, names []string) {
	before, now := h.volumes[k.id], read(names)
	for _, v := range before {
		if _, still := slices.BinarySearch(now, v); !still {
			h.drop(v, k)
		}
	}
	for _, v := range now {
		if _, had := slices.BinarySearch(before, v); !had {
			at, _ := slices.BinarySearchFunc(h.holders[v], k, key.compare)
			h.holders[v] = slices.Insert(h.holders[v], at, k)
		}
	}
	if len(now) == 0 {
		delete(h.volumes, k.id)
	} else {
		h.volumes[k.id] = now
	}
}

func (h *holdings) drop(v volume, k key) {
	keys := h.holders[v]
	at, found := slices.BinarySearchFunc(keys, k, key.compare)
	if !found {
		return
	}
	if len(keys) == 1 {
		delete(h.holders, v)
		return
	}
	h.holders[v] = slices.Delete(keys, at, at+1)
}

// holdersFirst puts those of a tier that hold the request's volume, fit, and are near enough in front of the tier's
// other candidates, which begin at cands[from]. No more than limit candidates stay.
func (s *Snapshot) holdersFirst(cands []Candidate, from int, tier signaling.Tier, r *Request, q *query, limit int) []Candidate {
	v, ok := volumeOf(r.Volume)
	if !ok || len(cands) == from {
		return cands
	}
	nearest := cands[from].DistanceMs
	first := make([]Candidate, 0, maxPreferred)
	for i, k := range s.held.holders[v] {
		if i == maxHolders || len(first) == maxPreferred || k.distance > nearest+nearEnoughMs || q.tooFar(k.distance) {
			break
		}
		n := s.nodes[k.id]
		if n.Tier != tier || n.State != signaling.NodeReady || !slices.Contains(n.Types, r.Type) || slices.Contains(q.exclude, k.id) {
			continue
		}
		free := amountsOf(n.Free)
		if q.needs.lacks(&free) >= 0 {
			continue
		}
		first = append(first, Candidate{Node: k.id, Tier: tier, DistanceMs: k.distance, Holds: true,
			Reasons: holderReasons(r, k.distance, nearest, tier, len(first))})
	}
	if len(first) == 0 {
		return cands
	}
	rest := slices.DeleteFunc(cands[from:], func(c Candidate) bool {
		return slices.ContainsFunc(first, func(f Candidate) bool { return f.Node == c.Node })
	})
	ordered := append(first, rest...)
	return append(cands[:from:from], ordered[:min(len(ordered), limit-from)]...)
}

// holderReasons says why a node that holds the volume comes first.
func holderReasons(r *Request, distance, nearest float64, tier signaling.Tier, rank int) []string {
	text := func(ms float64) string { return strconv.FormatFloat(ms, 'f', -1, 64) + " ms away" }
	why := "has this series loaded already, " + text(distance)
	if rank > 0 {
		why = "number " + strconv.Itoa(rank+1) + " of those that have this series loaded already, " + text(distance)
	}
	if distance > nearest {
		why += "; the nearest free " + tierName(tier) + " node is " + text(nearest)
	}
	return []string{why, "takes " + string(r.Type) + " tasks and has what this one needs free"}
}
