package placement

import "math"

// micros is a time in microseconds. Distances and costs are added up in whole microseconds, so that their sums do not
// depend on the order of adding and equal costs are equal on every broker.
type micros int64

const (
	millisecond = micros(1000)
	// farthest is more than any distance that a node can have (signaling.Node.Validate); the sum of a few still fits
	// into 32 bits.
	farthest = micros(1e9)
	// inLAN is the least distance of a node in the terminal's own local network: a switch or two and no router. What the node
	// itself is said to be away from its terminals counts there, too.
	inLAN = millisecond / 2
)

// microsOf rounds milliseconds. What is no distance is as far as can be, or 0 where it is negative.
func microsOf(ms float64) micros {
	if math.IsNaN(ms) || ms >= float64(farthest/millisecond) {
		return farthest
	}
	return micros(math.Round(max(ms, 0) * float64(millisecond)))
}

func (m micros) ms() float64 { return float64(m) / float64(millisecond) }

// ZoneDistance is the round trip between two zones, the same in both directions.
type ZoneDistance struct {
	A, B string
	Ms   float64
}

// Distances is the cost table: what is configured of the distances between zones, and from zones to the cloud. It does
// not change. A nil table knows only that a zone is no distance from itself.
type Distances struct {
	rows      map[string]map[string]micros
	cloud     map[string]micros
	elsewhere micros // 0: unknown
}

// NewDistances makes a table. Of a pair that appears twice the later counts. elsewhereMs is the distance of all pairs of
// different zones that are not among between, 0 where it is not known.
func NewDistances(between []ZoneDistance, cloudMs map[string]float64, elsewhereMs float64) *Distances {
	d := &Distances{rows: map[string]map[string]micros{}, cloud: make(map[string]micros, len(cloudMs)), elsewhere: microsOf(elsewhereMs)}
	set := func(a, b string, v micros) {
		if d.rows[a] == nil {
			d.rows[a] = map[string]micros{}
		}
		d.rows[a][b] = v
	}
	for _, z := range between {
		set(z.A, z.B, microsOf(z.Ms))
		set(z.B, z.A, microsOf(z.Ms))
	}
	for zone, ms := range cloudMs {
		d.cloud[zone] = microsOf(ms)
	}
	return d
}

// Between is the round trip between two zones, milliseconds. It is not known where one of them has no name.
func (d *Distances) Between(a, b string) (ms float64, ok bool) {
	r := d.from(a)
	v, ok := r.to(b)
	return v.ms(), ok
}

// Cloud is the round trip from a zone to the cloud, milliseconds.
func (d *Distances) Cloud(zone string) (ms float64, ok bool) {
	if d == nil || zone == "" {
		return 0, false
	}
	v, ok := d.cloud[zone]
	return v.ms(), ok
}

// row is the table as it is seen from one zone.
type row struct {
	zone      string
	others    map[string]micros
	elsewhere micros
}

func (d *Distances) from(zone string) row {
	if d == nil || zone == "" {
		return row{zone: zone}
	}
	return row{zone, d.rows[zone], d.elsewhere}
}

// to is the distance of another zone, where it is known.
func (r *row) to(zone string) (micros, bool) {
	if r.zone == "" || zone == "" {
		return 0, false
	}
	if zone == r.zone {
		return 0, true
	}
	if v, ok := r.others[zone]; ok {
		return v, true
	}
	return r.elsewhere, r.elsewhere > 0
}
