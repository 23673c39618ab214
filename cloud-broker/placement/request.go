package placement

import (
	"math"
	"net/netip"
	"slices"

	"github.com/tomocast/tomocast/signaling"
)

// Request is what a search needs to know of a task.
type Request struct {
	Type  signaling.TaskType
	Needs signaling.Resources
	// MaxDistanceMs is the farthest that an edge may be (A7), 0 is any distance. The cloud tier is the fallback at any
	// distance (A8).
	MaxDistanceMs float64
	Exclude       []signaling.NodeID // nodes not to take, for example because they refused
	// Volume is the series that the task shows, as signaling.VolumeKey names it; empty for none. Nodes that hold it
	// are preferred.
	Volume string
	// Zone is where the terminal stands, empty where that is not known; Address its network address, zero where unknown.
	Zone    string
	Address netip.Addr
	// Measured are the round trips to nodes that the terminal measured itself.
	Measured []signaling.Ping
	// Within are the zones that the data must not leave; nil is anywhere. It is stronger than distance and than the
	// cloud as fallback.
	Within []string
	// Order is the policy by which those nodes are ordered that are about as near as the nearest; nil is by distance alone.
	Order *Order
}

// query is a Request made ready for comparing, against one index.
type query struct {
	*Request
	kind       int // index of the type
	needs      amounts
	limit      micros // edges may be as far as this
	cloud      micros // and must be nearer than this
	row        row
	volume     volume
	byVolume   bool
	remembered map[signaling.NodeID]float64
	lans       []netip.Prefix // local networks that the terminal is in
	t1         float64        // what a node's time must be above, seconds (B4.2)
}

// unlimited is more than any cost.
const unlimited = micros(math.MaxInt32)

// query makes r ready, but for the distance of the cloud.
func (s *Snapshot) query(r *Request) query {
	q := query{Request: r, kind: kindOf(r.Type), needs: amountsOf(r.Needs), limit: unlimited, cloud: unlimited, row: s.distances.from(r.Zone)}
	for i, v := range q.needs {
		q.needs[i] = max(v, 0)
	}
	if r.MaxDistanceMs > 0 {
		q.limit = microsOf(r.MaxDistanceMs)
	}
	q.volume, q.byVolume = volumeOf(r.Volume)
	if r.Zone != "" {
		q.remembered = s.remembered[r.Zone]
	}
	q.lans = s.ix.networks.of(r.Address)
	if r.Order != nil {
		q.t1 = r.Order.t1(s)
	}
	return q
}

// sighting is a node of which the distance from the terminal is known better than by configuration.
type sighting struct {
	it       *item
	distance micros
	basis    signaling.Basis
}

// sightings appends to out the nodes that the terminal or others of its zone have pinged and those in its own networks, the strongest
// basis first. Nodes may appear twice, and then the first counts.
func (q *query) sightings(ix *index, out []sighting) []sighting {
	for i := range q.Measured {
		if it := ix.nodes[q.Measured[i].Node]; it != nil {
			out = append(out, sighting{it, microsOf(q.Measured[i].Ms), signaling.BasisMeasured})
		}
	}
	for id, ms := range q.remembered {
		if it := ix.nodes[id]; it != nil {
			out = append(out, sighting{it, microsOf(ms), signaling.BasisRemembered})
		}
	}
	for _, p := range q.lans {
		for _, it := range ix.networks.nodes[p] {
			if q.mayShareLAN(it) {
				out = append(out, sighting{it, max(inLAN, it.distance), signaling.BasisNetwork})
			}
		}
	}
	return out
}

// mayShareLAN is false where terminal and node are known to stand in different zones: private networks of the same prefix are in
// many houses.
func (q *query) mayShareLAN(it *item) bool {
	return q.Zone == "" || it.Zone == "" || q.Zone == it.Zone
}

// setCloud notes how far the cloud is from the terminal: the nearest cloud node by pings, its own before those of its zone, else what the
// cost table has. Where nothing is known no edge is farther.
func (q *query) setCloud(d *Distances, seen []sighting) {
	for _, basis := range []signaling.Basis{signaling.BasisMeasured, signaling.BasisRemembered} {
		for i := range seen {
			if s := &seen[i]; s.basis == basis && s.it.Tier == signaling.TierCloud {
				q.cloud = min(q.cloud, s.distance)
			}
		}
		if q.cloud < unlimited {
			return
		}
	}
	if ms, ok := d.Cloud(q.Zone); ok {
		q.cloud = microsOf(ms)
	}
}

// distance is how far a node is from the terminal, by the strongest basis that there is (A3).
func (q *query) distance(it *item) (micros, signaling.Basis) {
	for i := range q.Measured {
		if q.Measured[i].Node == it.ID {
			return microsOf(q.Measured[i].Ms), signaling.BasisMeasured
		}
	}
	if ms, ok := q.remembered[it.ID]; ok {
		return microsOf(ms), signaling.BasisRemembered
	}
	for _, p := range it.networks {
		if slices.Contains(q.lans, p) && q.mayShareLAN(it) {
			return max(inLAN, it.distance), signaling.BasisNetwork
		}
	}
	offset, _ := q.row.to(it.Zone)
	return offset + it.distance, signaling.BasisConfigured
}

// reach is what the distance of a node makes of it: fits, tooFar or beyondCloud. With growing distance it changes at most twice.
func (q *query) reach(d micros, cloud bool) filter {
	switch {
	case cloud:
		return fits
	case d > q.limit:
		return tooFar
	case d >= q.cloud:
		return beyondCloud
	}
	return fits
}

// filter is the first filter that a node fails.
type filter int

// The filters in their order. Behind lacking come the kinds of resources.
const (
	fits filter = iota
	notType
	stays
	tooFar
	beyondCloud
	notReady
	isCordoned
	closing
	noOneGPU
	excluded
	lacking
	filters = int(lacking) + kinds
)

// leaves says that the data may not go to a zone.
func (q *query) leaves(zone string) bool { return q.Within != nil && !slices.Contains(q.Within, zone) }

// judge is the first filter that a node of the type fails at a distance.
func (q *query) judge(it *item, d micros) filter {
	if q.leaves(it.Zone) {
		return stays
	}
	if f := q.reach(d, it.Tier == signaling.TierCloud); f != fits {
		return f
	}
	free := offers(&it.Node)
	return q.room(it, &free)
}

// room is the first filter that a node near enough fails.
func (q *query) room(it *item, free *amounts) filter {
	switch {
	case *free == closed:
		return notReady
	case *free == cordoned:
		return isCordoned
	}
	if k := q.needs.lacks(free); k >= 0 {
		return lacking + filter(k)
	}
	if !(it.span.Free > q.t1) {
		return closing
	}
	if !q.needs.fitsOneGPU(&it.Node) {
		return noOneGPU
	}
	if slices.Contains(q.Exclude, it.ID) {
		return excluded
	}
	return fits
}
