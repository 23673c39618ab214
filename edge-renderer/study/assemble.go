package study

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// block is how many planes are gathered at a time before the slices that they were made of are given back.
const block = 16

// stack is the slices of one time point and where they go.
type stack struct {
	slices  []*taken
	at      []float64
	layout  *layout
	plain   bool     // all are 16 bit with one modality transform: stored values stay as they are
	padding *float64 // stored where plain, else after the modality transform; never blended with other values
}

// assemble makes the volumes of a part; b.mu is held.
func (b *Builder) assemble(c *catalogue, number int, warnings []Warning) (*Result, error) {
	p := &c.parts[number]
	stacks := c.stacks(p)
	b.freeOthers(stacks)
	r := c.result(number, stacks, warnings)
	if err := b.checkSize(stacks); err != nil {
		return nil, c.refuse(err)
	}
	bad, rounded := 0, 0
	for i := range stacks {
		for _, t := range stacks[i].slices {
			bad += t.bad
			if t.rounded {
				rounded++
			}
		}
	}
	if p.layout.resampled || bad > 0 {
		r.sha = hashTaken(stacks)
	}
	for i := range stacks {
		v, err := b.volume(&stacks[i])
		if err != nil {
			r.Free()
			return nil, fmt.Errorf("series %.64s: %w", r.Identity.SeriesInstanceUID, err)
		}
		if i == 0 {
			r.Volume = v
		}
		if len(stacks) > 1 {
			r.Phases = append(r.Phases, Phase{Volume: v, Label: p.phases[i].label, Ms: p.phases[i].ms})
		}
	}
	r.range4D()
	if bad > 0 {
		which := "the smallest value"
		if stacks[0].padding != nil {
			which = "the value of what is outside the image"
		}
		r.warn(WarnNotNumbers, float64(bad), "%s no finite number; they are shown as %.6g, %s", plural(bad, "voxel is", "voxels are"), stacks[0].stand(r.Volume), which)
	}
	if rounded > 0 {
		r.warn(WarnRounded, float64(rounded), "%s whole numbers too large for 32 bit floats, which were rounded to 7 digits", plural(rounded, "slice has", "slices have"))
	}
	return r, nil
}

// stacks is the slices of a part's time points.
func (c *catalogue) stacks(p *part) []stack {
	out := make([]stack, len(p.phases))
	plain := true
	first := c.taken[p.phases[0].members[0].slice]
	for i := range p.phases {
		s := stack{layout: p.layout}
		for _, m := range p.phases[i].members {
			t := c.taken[m.slice]
			s.slices, s.at = append(s.slices, t), append(s.at, m.at)
			plain = plain && !t.pool.kind.wide && t.info.Slope == first.info.Slope && t.info.Intercept == first.info.Intercept &&
				t.info.Format.Bias() == first.info.Format.Bias()
		}
		out[i] = s
	}
	pad := paddingOf(c.infos, p.slices())
	for i := range out {
		out[i].plain = plain
		if pad == nil {
			continue
		}
		v := *pad
		if plain { // back to what is stored
			v = (v-first.info.Intercept)/first.info.Slope - float64(first.info.Format.Bias())
		}
		out[i].padding = &v
	}
	return out
}

// paddingOf is the value, after the modality transform, of voxels outside the image; nil where slices do not agree on
// one.
func paddingOf(infos []SliceInfo, idx []int) *float64 {
	var out *float64
	for _, i := range idx {
		s := &infos[i]
		if s.Padding == nil {
			return nil
		}
		v := float64(*s.Padding)*s.Slope + s.Intercept
		if s.LUT != nil {
			v = float64(s.LUT.At(*s.Padding))
		}
		if out != nil && *out != v {
			return nil
		}
		out = &v
	}
	return out
}

// freeOthers gives back the pools that none of the slices lie in.
func (b *Builder) freeOthers(stacks []stack) {
	used := make(map[*pool]bool)
	for i := range stacks {
		for _, t := range stacks[i].slices {
			used[t.pool] = true
		}
	}
	for _, p := range b.pools {
		if !used[p] {
			p.free()
		}
	}
}

func (s *stack) format() volume.Format {
	if s.plain {
		return volume.Int16
	}
	return volume.Float32
}

func (b *Builder) checkSize(stacks []stack) *Error {
	g := stacks[0].layout.geometry
	need := int64(g.Voxels()) * int64(len(stacks)) * int64(stacks[0].format().Bytes())
	if err := b.fits(need, g.Size, len(stacks)); err != nil {
		return err.(*Error)
	}
	return nil
}

// volume makes the volume of a time point and gives the memory of its slices back.
func (b *Builder) volume(s *stack) (*volume.Volume, error) {
	g := s.layout.geometry
	slope, intercept := 1.0, 0.0
	if s.plain {
		i := &s.slices[0].info
		slope, intercept = i.Slope, i.Intercept+i.Slope*float64(i.Format.Bias())
	}
	var v *volume.Volume
	if p := s.inPlace(); p != nil {
		pages, err := p.take()
		if err != nil {
			return nil, err
		}
		if v, err = volume.Adopt(g, s.format(), slope, intercept, pages); err != nil {
			volume.FreePages(pages)
			return nil, err
		}
		s.fill(v)
		if s.plain { // interpolated planes have no values beyond those of their neighbours
			s.valueRange(v)
			return v, nil
		}
	} else {
		var err error
		if v, err = volume.New(g, s.format(), slope, intercept); err != nil {
			return nil, err
		}
		s.gather(v, b.opts.Workers)
	}
	s.finite(v)
	v.UpdateRange()
	return v, nil
}

// valueRange sets the range of a volume of stored values from those that its slices had when they came.
func (s *stack) valueRange(v *volume.Volume) {
	lo, hi := s.slices[0].lo, s.slices[0].hi
	for _, t := range s.slices[1:] {
		lo, hi = min(lo, t.lo), max(hi, t.hi)
	}
	a, b := float64(lo)*v.Slope+v.Intercept, float64(hi)*v.Slope+v.Intercept
	v.Min, v.Max = min(a, b), max(a, b)
}

// inPlace is the pool that the slices lie in just as they will in the volume; nil where they do not.
func (s *stack) inPlace() *pool {
	p := s.slices[0].pool
	if p.fixed != s.layout.geometry.Size[2] && (p.fixed != 0 || p.used != s.layout.geometry.Size[2]) || s.plain == p.kind.wide {
		return nil
	}
	for i, t := range s.slices {
		if t.pool != p || float64(t.slot) != s.at[i] {
			return nil
		}
	}
	return p
}

// neighbours are the slices before and behind a plane, and how far it is from the first to the second, 0 to 1.
func (s *stack) neighbours(plane int) (a, b int, w float64) {
	at := float64(plane)
	b, ok := slices.BinarySearch(s.at, at)
	if ok {
		return b, b, 0
	}
	a, b = max(0, b-1), min(b, len(s.at)-1)
	if a == b {
		return a, b, 0
	}
	return a, b, (at - s.at[a]) / (s.at[b] - s.at[a])
}

// fill interpolates the planes of a volume that have no slice; the others are in place.
func (s *stack) fill(v *volume.Volume) {
	if len(s.slices) == v.Size[2] {
		return
	}
	n := v.Size[0] * v.Size[1]
	for k := range v.Size[2] {
		a, b, w := s.neighbours(k)
		if a == b {
			continue
		}
		ka, kb := int(s.at[a]), int(s.at[b])
		if s.plain {
			all := v.Int16s()
			blend16(all[k*n:][:n], all[ka*n:][:n], all[kb*n:][:n], w, s.padding)
		} else {
			all := v.Float32s()
			blend32(all[k*n:][:n], all[ka*n:][:n], all[kb*n:][:n], w, s.padding)
		}
	}
}

// gather makes every plane of a volume from its neighbours, and gives back what is not needed any more.
func (s *stack) gather(v *volume.Volume, workers int) {
	n := v.Size[0] * v.Size[1]
	gone := 0
	for k := 0; k < v.Size[2]; k += block {
		m := min(block, v.Size[2]-k)
		parallel(workers, m, func(i int) {
			a, b, w := s.neighbours(k + i)
			if s.plain {
				out := v.Int16s()[(k+i)*n:][:n]
				if a == b {
					copy(out, s.slices[a].int16s())
				} else {
					blend16(out, s.slices[a].int16s(), s.slices[b].int16s(), w, s.padding)
				}
				return
			}
			out := v.Float32s()[(k+i)*n:][:n]
			s.slices[a].values(out)
			if a != b {
				next := make([]float32, n)
				s.slices[b].values(next)
				blend32(out, out, next, w, s.padding)
			}
		})
		for gone < len(s.slices) && (s.at[gone] < float64(k+m-1) && gone+1 < len(s.slices) && s.at[gone+1] <= float64(k+m-1) || k+m == v.Size[2]) {
			s.slices[gone].pool.discard(s.slices[gone].slot)
			gone++
		}
	}
}

// blend16 interpolates between two slices. Next to padding it takes the nearer one, for a mean with it means nothing.
func blend16(out, a, b []int16, w float64, padding *float64) {
	pad, has := int16(0), padding != nil && *padding >= math.MinInt16 && *padding <= math.MaxInt16
	if has {
		pad = int16(*padding)
	}
	f := float32(w)
	for i := range out {
		x, y := a[i], b[i]
		switch {
		case has && (x == pad) != (y == pad):
			if w > 0.5 {
				x = y
			}
			out[i] = x
		default:
			out[i] = int16(math.RoundToEven(float64(float32(x) + (float32(y)-float32(x))*f)))
		}
	}
}

// blend32 is blend16 for values that are no 16 bit numbers; what is no number counts as padding.
func blend32(out, a, b []float32, w float64, padding *float64) {
	odd := func(x float32) bool { return x != x || padding != nil && float64(x) == *padding }
	f := float32(w)
	for i := range out {
		x, y := a[i], b[i]
		switch {
		case odd(x) != odd(y):
			if w > 0.5 {
				x = y
			}
			out[i] = x
		default:
			out[i] = x + (y-x)*f
		}
	}
}

// stand is what is shown where a voxel is no finite number.
func (s *stack) stand(v *volume.Volume) float64 {
	if s.padding != nil {
		return *s.padding
	}
	return v.Min
}

// finite replaces voxels that are no finite numbers, which renderers cannot show.
func (s *stack) finite(v *volume.Volume) {
	if s.plain || !slices.ContainsFunc(s.slices, func(t *taken) bool { return t.bad > 0 }) {
		return
	}
	v.UpdateRange()
	to := float32(s.stand(v))
	all := v.Float32s()
	for i, x := range all {
		if x != x {
			all[i] = to
		}
	}
}

// hashTaken is Result.SourceSHA256 of slices that are not in a volume yet.
func hashTaken(stacks []stack) string {
	type one struct {
		t     *taken
		at    float64
		phase int
	}
	var all []one
	for i := range stacks {
		for k, t := range stacks[i].slices {
			all = append(all, one{t, stacks[i].at[k], i})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.phase, b.phase)) })
	h := newHasher()
	buf := make([]float32, all[0].t.info.Format.FrameSamples())
	for _, o := range all {
		o.t.values(buf)
		for _, f := range buf {
			h.put(math.Float32bits(f))
		}
	}
	return h.hex()
}

// hasher hashes 32 bit words, little endian.
type hasher struct {
	hash.Hash
	buf []byte
}

func newHasher() *hasher { return &hasher{sha256.New(), make([]byte, 0, 256<<10)} }

func (h *hasher) put(bits uint32) {
	h.buf = append(h.buf, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	if len(h.buf) == cap(h.buf) {
		h.Write(h.buf)
		h.buf = h.buf[:0]
	}
}

func (h *hasher) hex() string {
	h.Write(h.buf)
	return hex.EncodeToString(h.Sum(nil))
}
