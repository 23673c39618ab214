package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
)

const (
	// directionTolerance is how far a component of two directions may differ that count as one: 0.1 mrad, which
	// is a tenth of a pixel across a 512 pixel image, and more than the rounding of decimal strings makes.
	directionTolerance = 2e-4
	// spacingTolerance is the relative difference of pixel spacings that count as one.
	spacingTolerance = 1e-4
	// samePlace is the distance below which two slices stand at one place: this share of the pixel spacing, and
	// at most maxSamePlace millimetres.
	samePlace, maxSamePlace = 0.02, 0.01
	// manyTimes is the number of acquisitions of one stack from which they are time points of a 4D scan and not
	// scans that were repeated.
	manyTimes = 3
	// maxParts bounds the parts of a series, and maxGrids the matrices, spacings and orientations that are looked
	// for. What goes beyond is one part more that is no volume.
	maxParts, maxGrids = 999, 256
	// maxBeside bounds how many places are told apart that lie side by side, at one height along the normal.
	maxBeside = 256
)

// member is a slice in a part, and the plane of the grid, with its fraction, that it stands at.
type member struct {
	slice int // index into what was split
	at    float64
}

// phase is the slices of one time point, in order along the normal.
type phase struct {
	members []member
	label   string
	ms      float64 // after the first time point; 0 where that is unknown
}

// part is what belongs together of a series: a volume with its time points, or slices that make none.
type part struct {
	phases []phase
	layout *layout
	err    *Error // why it is no volume
	// copy counts parts, from 1, that only the order of instance numbers told apart; 0 for others.
	copy     int
	warnings []Warning
	name     string
}

// slices is the members of all time points.
func (p *part) slices() []int {
	var out []int
	for i := range p.phases {
		for _, m := range p.phases[i].members {
			out = append(out, m.slice)
		}
	}
	return out
}

// voxels is the size of a part that is a volume; 0 for others.
func (p *part) voxels() int {
	if p.err != nil {
		return 0
	}
	return p.layout.geometry.Voxels() * len(p.phases)
}

// splitter takes a series apart.
type splitter struct {
	infos     []SliceInfo
	maxPlanes func(*SliceInfo) int
	parts     []part
	warnings  []Warning // for the part in hand
	copy      int
	rest      []int // slices of parts beyond maxParts
}

// split takes slices apart into stacks and time points. They are of one series; copies must have been left out.
// maxPlanes is how many planes like a slice there is memory for. The parts are numbered by the first instance number
// among their slices, whatever order the slices came in.
func split(infos []SliceInfo, maxPlanes func(*SliceInfo) int) []part {
	s := &splitter{infos: infos, maxPlanes: maxPlanes}
	for _, g := range s.grids() {
		s.contrast(g, contrasts)
	}
	slices.SortStableFunc(s.parts, func(a, b part) int { return s.compare(s.least(&a), s.least(&b)) })
	if len(s.rest) > 0 {
		slices.SortFunc(s.rest, s.compare)
		p := part{phases: []phase{{}}, err: refuse(MixedGeometry, "", "these %d images have too little in common with each other for a volume", len(s.rest))}
		for _, i := range s.rest {
			p.phases[0].members = append(p.phases[0].members, member{slice: i})
		}
		s.parts = append(s.parts, p)
	}
	name(infos, s.parts)
	return s.parts
}

// compare orders slices by instance number, UID and frame.
func (s *splitter) compare(i, j int) int {
	a, b := &s.infos[i], &s.infos[j]
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.SOPInstanceUID, b.SOPInstanceUID), cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Name, b.Name))
}

func (s *splitter) least(p *part) int { return slices.MinFunc(p.slices(), s.compare) }

// sameGrid says whether two slices can belong to one grid.
func sameGrid(a, b *SliceInfo) bool {
	near := func(u, v geom.Vec) bool {
		d := u.Sub(v)
		return max(math.Abs(d[0]), math.Abs(d[1]), math.Abs(d[2])) <= directionTolerance
	}
	return a.Format.Rows == b.Format.Rows && a.Format.Columns == b.Format.Columns &&
		math.Abs(a.Spacing[0]-b.Spacing[0]) <= spacingTolerance*a.Spacing[0] && math.Abs(a.Spacing[1]-b.Spacing[1]) <= spacingTolerance*a.Spacing[1] &&
		near(a.Row, b.Row) && near(a.Column, b.Column) &&
		a.FrameOfReferenceUID == b.FrameOfReferenceUID && a.Identity.PatientID == b.Identity.PatientID &&
		inverted(a) == inverted(b) && a.Units == b.Units
}

func inverted(s *SliceInfo) bool { return s.Format.Photometric == "MONOCHROME1" }

// grids are the slices of each matrix, spacing, orientation, frame of reference and patient.
func (s *splitter) grids() [][]int {
	var out [][]int
	last := 0
	for i := range s.infos {
		k := last // slices of one grid mostly follow each other
		if len(out) == 0 || !sameGrid(&s.infos[out[k][0]], &s.infos[i]) {
			k = slices.IndexFunc(out, func(g []int) bool { return sameGrid(&s.infos[g[0]], &s.infos[i]) })
		}
		if k < 0 && len(out) == maxGrids {
			s.rest = append(s.rest, i)
			continue
		}
		if k < 0 {
			k = len(out)
			out = append(out, nil)
		}
		out[k] = append(out[k], i)
		last = k
	}
	return out
}

// push adds a part, while there are not too many.
func (s *splitter) push(p part) {
	if len(s.parts) < maxParts {
		s.parts = append(s.parts, p)
		return
	}
	s.rest = append(s.rest, p.slices()...)
}

// partition groups slices by a key, in the order in which its values come first.
func partition(idx []int, key func(int) string) [][]int {
	at := make(map[string]int)
	var out [][]int
	for _, i := range idx {
		k := key(i)
		g, ok := at[k]
		if !ok {
			g = len(out)
			at[k] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}

// contrast splits by what images show. Values that differ from slice to slice, as some scanners write them, do not
// split a stack unless they tell slices at one place apart.
func (s *splitter) contrast(idx []int, keys []func([]SliceInfo, []int) func(int) string) {
	for k, makeKey := range keys {
		key := makeKey(s.infos, idx)
		groups := partition(idx, key)
		if len(groups) > 1 && (2*len(groups) <= len(idx) || s.tells(s.places(idx), key)) {
			for _, g := range groups {
				s.contrast(g, keys[k+1:])
			}
			return
		}
	}
	s.resolve(idx)
}

// near is the distance in millimetres below which slices stand at one place.
func (s *SliceInfo) near() float64 {
	return min(maxSamePlace, samePlace*min(s.Spacing[0], s.Spacing[1]))
}

// places groups slices that stand at one place, the places in order along the normal.
func (s *splitter) places(idx []int) [][]int {
	first := &s.infos[idx[0]]
	normal := first.Row.Cross(first.Column).Unit()
	eps := first.near()
	at := make(map[int]float64, len(idx))
	for _, i := range idx {
		at[i] = s.infos[i].Position.Dot(normal)
	}
	sorted := slices.SortedFunc(slices.Values(idx), func(a, b int) int { return cmp.Or(cmp.Compare(at[a], at[b]), s.compare(a, b)) })
	var out [][]int
	open := 0 // places from here on may still get slices
next:
	for _, i := range sorted {
		for open < len(out) && at[i]-at[out[open][0]] > eps {
			open++
		}
		for k := max(open, len(out)-maxBeside); k < len(out); k++ {
			if s.infos[out[k][0]].Position.Sub(s.infos[i].Position).Norm() <= eps {
				out[k] = append(out[k], i)
				continue next
			}
		}
		out = append(out, []int{i})
	}
	return out
}

// tells says whether a key tells slices apart that stand at one place.
func (s *splitter) tells(places [][]int, key func(int) string) bool {
	for _, p := range places {
		for _, i := range p[1:] {
			if key(i) != key(p[0]) {
				return true
			}
		}
	}
	return false
}

// resolve takes apart slices of one kind that stand at one place: into stacks, time points or acquisitions.
func (s *splitter) resolve(idx []int) {
	places := s.places(idx)
	if len(places) == len(idx) {
		s.stack(places)
		return
	}
	infos := s.infos
	for _, key := range []func(int) string{
		func(i int) string { return infos[i].Stack },
		func(i int) string { return strings.Join(infos[i].ImageType, `\`) },
	} {
		if s.tells(places, key) {
			s.each(partition(idx, key))
			return
		}
	}
	for _, t := range times[:explicitTimes] {
		if s.time(places, t) {
			return
		}
	}
	acquisition := func(i int) string { return fmt.Sprint(infos[i].Acquisition) }
	if s.tells(places, acquisition) {
		groups := partition(idx, acquisition)
		if len(groups) < manyTimes || !s.time(places, acquisitions) {
			s.each(groups)
		}
		return
	}
	for _, t := range times[explicitTimes:] {
		if s.time(places, t) {
			return
		}
	}
	s.copies(places)
}

func (s *splitter) each(groups [][]int) {
	for _, g := range groups {
		s.resolve(g)
	}
}

// copies makes parts of slices that nothing tells apart, by the order of their instance numbers.
func (s *splitter) copies(places [][]int) {
	var ranks [][]int
	doubled := 0
	for _, p := range places {
		slices.SortFunc(p, s.compare)
		if len(p) > 1 {
			doubled++
		}
		for r, i := range p {
			if r == len(ranks) {
				ranks = append(ranks, nil)
			}
			ranks[r] = append(ranks[r], i)
		}
	}
	for r, idx := range ranks {
		s.copy = r + 1
		s.warnings = []Warning{warning(WarnDoubled, float64(doubled),
			"%s several slices that nothing in the files tells apart; they are taken apart by their instance numbers, so slices of different origin may stand side by side",
			plural(doubled, "position has", "positions have"))}
		s.stack(s.places(idx))
	}
	s.copy, s.warnings = 0, nil
}

// stack makes the parts of slices of which no two stand at one place. Where they make no even stack but acquisitions
// that reach into each other do, each is one of its own.
func (s *splitter) stack(places [][]int) {
	runs := arrange(s.list(places), s.planes(places))
	if len(runs) == 1 && runs[0].err == nil && !runs[0].layout.resampled {
		s.add(runs, []time1{{places: places}})
		return
	}
	idx := slices.Concat(places...)
	for _, key := range []func(int) string{
		func(i int) string { return s.infos[i].Stack },
		func(i int) string { return fmt.Sprint(s.infos[i].Acquisition) },
		func(i int) string { return strings.Join(s.infos[i].ImageType, `\`) },
		func(i int) string { return fmt.Sprint(s.infos[i].Temporal) },
		s.lines(idx),
	} {
		groups := partition(idx, key)
		if len(groups) < 2 || 2*len(groups) > len(idx) || !s.reachIn(groups) || !s.allEven(groups) {
			continue
		}
		for _, g := range groups {
			s.stack(s.places(g))
		}
		return
	}
	s.add(runs, []time1{{places: places}})
}

// lines is a key of slices that stand on different lines along the normal: stacks side by side.
func (s *splitter) lines(idx []int) func(int) string {
	first := &s.infos[idx[0]]
	far := float64(min(first.Format.Columns, first.Format.Rows)) / 4
	var found [][2]float64
	return func(i int) string {
		d := s.infos[i].Position.Sub(first.Position)
		u, v := d.Dot(first.Row)/first.Spacing[0], d.Dot(first.Column)/first.Spacing[1]
		k := slices.IndexFunc(found, func(f [2]float64) bool { return math.Hypot(f[0]-u, f[1]-v) < far })
		if k < 0 {
			k = len(found)
			found = append(found, [2]float64{u, v})
		}
		return fmt.Sprint(k)
	}
}

// reachIn says whether groups reach into each other along the normal.
func (s *splitter) reachIn(groups [][]int) bool {
	normal := s.infos[groups[0][0]].Row.Cross(s.infos[groups[0][0]].Column).Unit()
	end := math.Inf(-1)
	type span struct{ lo, hi float64 }
	spans := make([]span, len(groups))
	for g, idx := range groups {
		spans[g] = span{math.Inf(1), math.Inf(-1)}
		for _, i := range idx {
			at := s.infos[i].Position.Dot(normal)
			spans[g].lo, spans[g].hi = min(spans[g].lo, at), max(spans[g].hi, at)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	for _, sp := range spans {
		if sp.lo <= end {
			return true
		}
		end = max(end, sp.hi)
	}
	return false
}

func (s *splitter) allEven(groups [][]int) bool {
	for _, g := range groups {
		places := s.places(g)
		runs := arrange(s.list(places), s.planes(places))
		if len(runs) != 1 || runs[0].err != nil || runs[0].layout.resampled {
			return false
		}
	}
	return true
}

// list is a slice of each place.
func (s *splitter) list(places [][]int) []*SliceInfo {
	out := make([]*SliceInfo, len(places))
	for k, p := range places {
		out[k] = &s.infos[p[0]]
	}
	return out
}

func (s *splitter) planes(places [][]int) int { return s.maxPlanes(&s.infos[places[0][0]]) }

// add makes a part of each run of places, with the time points that fill it. A time point that lacks slices which
// cannot be filled in is a part by itself that is no volume.
func (s *splitter) add(runs []run, points []time1) {
	for _, r := range runs {
		p := part{layout: r.layout, err: r.err, copy: s.copy, warnings: s.warnings}
		for _, t := range points {
			ph := phase{label: t.label, ms: t.ms}
			for k := r.lo; k < r.hi; k++ {
				for _, i := range t.places[k] {
					m := member{slice: i}
					if r.at != nil {
						m.at = r.at[k-r.lo]
					}
					ph.members = append(ph.members, m)
				}
			}
			if len(ph.members) == 0 {
				continue
			}
			missing, gap, ok := 0, 0.0, true
			if r.err == nil {
				missing, gap, ok = ph.lacks(p.layout, r.at)
			}
			if !ok {
				s.push(part{phases: []phase{ph}, copy: s.copy, err: refuse(Incoherent, "",
					"the time point %s lacks %s of the others; it is left out of the volume", t.label, plural(r.hi-r.lo-len(ph.members), "slice", "slices"))})
				continue
			}
			if missing > 0 {
				p.warnings = append(p.warnings, warning(WarnMissing, float64(missing), "the time point %s lacks %s; the values there are interpolated between neighbours %.2f mm apart",
					t.label, plural(missing, "slice", "slices"), gap))
			}
			p.phases = append(p.phases, ph)
		}
		if len(p.phases) > 0 {
			for i := range p.phases[1:] {
				p.phases[i+1].ms -= p.phases[0].ms
			}
			p.phases[0].ms = 0
			s.push(p)
		}
	}
}

// lacks says how many of the places a time point has no slice at, how wide in millimetres the widest gap is that this
// leaves, and whether it may be filled.
func (p *phase) lacks(l *layout, at []float64) (missing int, gap float64, ok bool) {
	missing = len(at) - len(p.members)
	if missing == 0 {
		return 0, 0, true
	}
	first, last := p.members[0].at, p.members[len(p.members)-1].at
	if first != at[0] || last != at[len(at)-1] || float64(missing) > filledShare*float64(len(at)) {
		return missing, 0, false
	}
	step := l.geometry.Axes[2].Norm()
	for i := range p.members[1:] {
		gap = max(gap, (p.members[i+1].at-p.members[i].at)*step)
	}
	return missing, gap, gap <= maxFilledGap
}
