package study

import (
	"math"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	// previewShare is the most memory that all previews of a volume take, as a share of the volume.
	previewShare = 1.0 / 8
	// shrink is by how much previews are smaller along rows and columns.
	shrink = 2
	// previewSlices is the fewest slices that a preview is made for: fewer are there at once.
	previewSlices = 16
)

// coarse is the order to fetch n slices in so that the whole extent is seen early: first an eighth of them, evenly
// spread and with both ends, then every second one, then the rest. ends are how many slices the first two stages take.
func coarse(n int) (order []int, ends [2]int) {
	if n < previewSlices {
		for i := range n {
			order = append(order, i)
		}
		return order, [2]int{n, n}
	}
	seen := make([]bool, n)
	add := func(i int) {
		if !seen[i] {
			seen[i] = true
			order = append(order, i)
		}
	}
	first := n / 8
	add(0)
	add(n - 1)
	for i := 1; i < first-1; i++ {
		add((i*(n-1)/(first-1) + 1) / 2 * 2)
	}
	ends[0] = len(order)
	for i := 0; i < n; i += 2 {
		add(i)
	}
	ends[1] = len(order)
	for i := range n {
		add(i)
	}
	return order, ends
}

// preview makes coarse volumes of the first time point while its slices arrive.
type preview struct {
	to       func(*Result)
	template Result
	layout   *layout
	at       []float64 // of each slice
	stages   [2][]int  // the slices that each needs, in order along the normal
	budget   int64     // bytes that previews may still take

	making sync.Mutex // one preview at a time
	made   int        // stages that were shown, or passed over; guarded by making

	mu   sync.Mutex
	here []*taken
	left [2]int
	done int // stages whose slices are all there
}

// newPreview follows the slices of a part; nil where they are too few.
func newPreview(opts Options, infos []SliceInfo, p *part) *preview {
	members := p.phases[0].members
	if len(members) < previewSlices {
		return nil
	}
	order, ends := coarse(len(members))
	v := &preview{to: opts.Preview, layout: p.layout, here: make([]*taken, len(members))}
	for _, m := range members {
		v.at = append(v.at, m.at)
	}
	for s, end := range ends {
		v.stages[s] = slices.Sorted(slices.Values(order[:end]))
		v.left[s] = end
	}
	bytes := p.layout.geometry.Voxels() * kindFor(&infos[members[0].slice]).format().Bytes()
	v.budget = int64(float64(bytes) * previewShare)
	return v
}

// arrived notes a slice, and makes the preview that it was the last one for.
func (v *preview) arrived(b *Builder, t *taken, phase, index int) {
	if phase != 0 {
		return
	}
	stage := v.note(t, index)
	if stage < 0 || len(v.stages[stage]) == len(v.here) {
		return
	}
	v.making.Lock()
	defer v.making.Unlock()
	if stage < v.made { // a finer one was quicker
		return
	}
	v.made = stage + 1
	if r := v.make(b, v.stages[stage]); r != nil {
		v.to(r)
	}
}

// note notes a slice and says which stage it was the last one for; -1 where it was not.
func (v *preview) note(t *taken, index int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.here[index] = t
	stage := -1
	for s := range v.stages {
		if _, ok := slices.BinarySearch(v.stages[s], index); ok {
			v.left[s]--
		}
		if v.left[s] == 0 && s >= v.done {
			stage = s
			v.done = s + 1
		}
	}
	return stage
}

// make makes a preview of some of the slices, the first and the last among them; nil where there is no memory for it.
func (v *preview) make(b *Builder, some []int) *Result {
	s := stack{layout: v.layout, plain: true}
	for _, i := range some {
		t := v.here[i]
		s.slices, s.at = append(s.slices, t), append(s.at, v.at[i])
		first := s.slices[0]
		s.plain = s.plain && !t.pool.kind.wide && t.info.Slope == first.info.Slope && t.info.Intercept == first.info.Intercept &&
			t.info.Format.Bias() == first.info.Format.Bias()
		if t.pool.kind.rows != first.pool.kind.rows || t.pool.kind.columns != first.pool.kind.columns {
			return nil // the files are not what was announced
		}
	}
	g, full := v.layout.geometry, v.layout.geometry
	g.Size[0], g.Size[1] = (full.Size[0]+shrink-1)/shrink, (full.Size[1]+shrink-1)/shrink
	planeBytes := int64(g.Size[0] * g.Size[1] * s.format().Bytes())
	g.Size[2] = int(min(int64(len(some)), v.budget/planeBytes))
	if g.Size[2] < 2 {
		return nil
	}
	v.budget -= int64(g.Size[2]) * planeBytes
	between := float64(full.Size[2]-1) / float64(g.Size[2]-1)
	g.Axes = [3]geom.Vec{full.Axes[0].Scale(shrink), full.Axes[1].Scale(shrink), full.Axes[2].Scale(between)}
	half := float64(shrink-1) / 2
	g.Origin = full.Patient(geom.Vec{half, half, 0})
	first := &s.slices[0].info
	slope, intercept := 1.0, 0.0
	if s.plain {
		slope, intercept = first.Slope, first.Intercept+first.Slope*float64(first.Format.Bias())
	}
	out, err := volume.New(g, s.format(), slope, intercept)
	if err != nil {
		return nil
	}
	b.memory.RLock()
	for k := range g.Size[2] {
		s.small(out, k, float64(k)*between)
	}
	b.memory.RUnlock()
	out.UpdateRange()
	r := &Result{Volume: out, Identity: first.Identity, FrameOfReferenceUID: first.FrameOfReferenceUID, Units: first.Units,
		Inverted: inverted(first), Part: v.template.Part, Parts: v.template.Parts, Warnings: v.layout.warnings, Coarse: true, plain: s.plain}
	infos := make([]SliceInfo, len(s.slices))
	all := make([]int, len(s.slices))
	for i, t := range s.slices {
		r.Instances = append(r.Instances, t.info.SOPInstanceUID)
		infos[i], all[i] = t.info, i
		r.Lossy = r.Lossy || t.info.Lossy
	}
	r.Padding = paddingOf(infos, all)
	return r
}

// small makes plane k of a preview: what lies at a plane of the whole volume, each voxel the mean of the four that it
// covers.
func (s *stack) small(v *volume.Volume, k int, at float64) {
	j, ok := slices.BinarySearch(s.at, at)
	i := j
	w := 0.0
	if !ok {
		i, j = max(0, j-1), min(j, len(s.at)-1)
		if i != j {
			w = (at - s.at[i]) / (s.at[j] - s.at[i])
		}
	}
	kind := s.slices[i].pool.kind
	n := v.Size[0] * v.Size[1]
	row := make([]float32, v.Size[0])
	for y := range v.Size[1] {
		clear(row)
		for dy := range shrink {
			line := min(shrink*y+dy, kind.rows-1)
			s.slices[i].shrink(row, line, float32(1-w), s.plain)
			if w > 0 {
				s.slices[j].shrink(row, line, float32(w), s.plain)
			}
		}
		if s.plain {
			out := v.Int16s()[k*n+y*v.Size[0]:]
			for x, f := range row {
				out[x] = int16(math.RoundToEven(float64(f)))
			}
		} else {
			copy(v.Float32s()[k*n+y*v.Size[0]:], row)
		}
	}
}

// shrink adds a line of a slice to a row of a preview: the mean over the columns and this line's share of the lines.
func (t *taken) shrink(row []float32, line int, w float32, stored bool) {
	columns := t.pool.kind.columns
	w /= shrink * shrink
	add := func(x int, f float32) { row[x/shrink] += w * f }
	last := float32(0)
	switch {
	case t.pool.kind.wide:
		for x, f := range t.float32s()[line*columns:][:columns] {
			if f != f {
				f = 0
			}
			add(x, f)
			last = f
		}
	case stored:
		for x, v := range t.int16s()[line*columns:][:columns] {
			add(x, float32(v))
			last = float32(v)
		}
	default:
		for x, v := range t.int16s()[line*columns:][:columns] {
			last = float32(t.info.value(v))
			add(x, last)
		}
	}
	for x := columns; x < shrink*len(row); x++ { // the last column again where there is an odd number
		add(x, last)
	}
}
