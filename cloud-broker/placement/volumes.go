package placement

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sort"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// nearEnough is how much farther one may be that holds the volume already. Loading a series takes a second or more
	// where it is not there; 20 ms more of round trip are hardly felt in a session's moves, and twice that would be.
	nearEnough = 20 * millisecond
	// maxHolders bounds how many holders of one volume are preferred, so that a series that the whole fleet holds costs
	// no more than another one: the nearest by configuration, and those of which the distance is known better.
	maxHolders = 64
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

// read makes volumes of names, sorted and each once, at most signaling.MaxVolumes. What is no key is left out: a
// newer edge may name more than this broker understands.
func read(names []string) []volume {
	if len(names) == 0 {
		return nil
	}
	names = names[:min(len(names), signaling.MaxVolumes)]
	out := make([]volume, 0, len(names))
	for _, name := range names {
		if v, ok := volumeOf(name); ok {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Clip(slices.Compact(out))
}

// holdings is which nodes hold which volumes. The other direction is item.volumes.
type holdings struct {
	holders map[volume][]*item // by zone, and in each the nearest first
}

func newHoldings() holdings { return holdings{map[volume][]*item{}} }

func byZone(a, b *item) int {
	return cmp.Or(cmp.Compare(a.zone.number, b.zone.number), cmp.Compare(a.distance, b.distance), cmp.Compare(a.ID, b.ID))
}

// load notes what a node holds that is not noted yet; sort puts the holders in order when all are loaded.
func (h *holdings) load(it *item) {
	for _, v := range it.volumes {
		h.holders[v] = append(h.holders[v], it)
	}
}

func (h *holdings) sort() {
	for v, items := range h.holders {
		slices.SortFunc(items, byZone)
		h.holders[v] = slices.Clip(items)
	}
}

// set notes what a node holds now. Only what differs from before costs anything.
func (h *holdings) set(it *item, now []volume) {
	before := it.volumes
	for _, v := range before {
		if _, still := slices.BinarySearch(now, v); !still {
			h.drop(v, it)
		}
	}
	for _, v := range now {
		if _, had := slices.BinarySearch(before, v); !had {
			at, _ := slices.BinarySearchFunc(h.holders[v], it, byZone)
			h.holders[v] = slices.Insert(h.holders[v], at, it)
		}
	}
	it.volumes = now
}

func (h *holdings) drop(v volume, it *item) {
	items := h.holders[v]
	at, found := slices.BinarySearchFunc(items, it, byZone)
	if !found {
		return
	}
	if len(items) == 1 {
		delete(h.holders, v)
		return
	}
	h.holders[v] = slices.Delete(items, at, at+1)
}

// nearest appends to out the maxHolders holders of a volume that are nearest by configuration as row has it, in no order.
func (h *holdings) nearest(v volume, row *row, out []*item) []*item {
	items := h.holders[v]
	if len(items) <= maxHolders {
		return append(out, items...)
	}
	// The runs of the zones, merged until there are enough.
	type run struct {
		items  []*item
		offset micros
	}
	var runs []run
	for len(items) > 0 {
		z := items[0].zone
		n := sort.Search(len(items), func(i int) bool { return items[i].zone.number > z.number })
		offset, _ := row.to(z.name)
		runs = append(runs, run{items[:n], offset})
		items = items[n:]
	}
	before := func(a, b *run) bool {
		return cmp.Or(cmp.Compare(a.offset+a.items[0].distance, b.offset+b.items[0].distance), cmp.Compare(a.items[0].ID, b.items[0].ID)) < 0
	}
	down := func(i int) {
		for {
			least := i
			for c := 2*i + 1; c <= 2*i+2 && c < len(runs); c++ {
				if before(&runs[c], &runs[least]) {
					least = c
				}
			}
			if least == i {
				return
			}
			runs[i], runs[least] = runs[least], runs[i]
			i = least
		}
	}
	for i := len(runs)/2 - 1; i >= 0; i-- {
		down(i)
	}
	for range maxHolders {
		out = append(out, runs[0].items[0])
		if runs[0].items = runs[0].items[1:]; len(runs[0].items) == 0 {
			runs[0] = runs[len(runs)-1]
			if runs = runs[:len(runs)-1]; len(runs) == 0 {
				break
			}
		}
		down(0)
	}
	return out
}
