package study

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"unsafe"

	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
)

// Options bounds and follows the building of a volume.
type Options struct {
	// MaxBytes is the most memory that the voxels may take. Default 4 GiB.
	MaxBytes int64
	// Workers is how many slices are fetched and decoded at a time. Default: one for each processor.
	Workers int
	// Progress, where it is set, is told after each slice how many of how many are decoded; total is 0 where that
	// is not known. Calls come one at a time.
	Progress func(done, total int)
	// Limits bounds what each file may ask for.
	Limits dicom.Limits
	// Part is the part of the series to build, from 1; 0 is the largest volume.
	Part int
	// Preview, where it is set, is given coarse volumes of the whole extent while the rest arrives, each finer than
	// the one before; it owns them. Calls come one at a time, and none after Build has returned. It is for a source
	// that says beforehand where its slices lie.
	Preview func(*Result)
}

func (o Options) maxBytes() int64 {
	if o.MaxBytes <= 0 {
		return 4 << 30
	}
	return o.MaxBytes
}

// Builder gathers the slices of one series. Add may be called from several goroutines; Finish or Close ends it.
type Builder struct {
	opts     Options
	expected int // slices that were announced, copies among them
	distinct int // instances that were announced

	mu       sync.Mutex // guards what follows
	infos    []SliceInfo
	ranges   [][2]int16     // smallest and largest stored value of each slot
	expectAt map[string]int // the slot of each announced instance
	taken    []bool         // slots that have a slice
	next     int            // no free slot for what was not announced lies below
	first    *SliceInfo     // that came
	done     int
	wide     bool  // samples of more than 16 bits, kept as float32
	err      error // the first fault: a series with one bad slice is refused

	// pages holds a slot for each slice. Decoders hold it for reading, growth for writing, since growing moves it.
	memory sync.RWMutex
	pages  []byte
	slot   int // bytes of a slice
}

// NewBuilder starts a series.
func NewBuilder(opts Options) *Builder { return &Builder{opts: opts} }

// Expect announces slices that will be added: memory is reserved for them, and what can be known to fail fails now,
// before anything is fetched. The announced values are not trusted further: files decide. It must come before Add.
func (b *Builder) Expect(infos []SliceInfo) error {
	if len(infos) == 0 {
		return b.fail(refuse(NoSlices, "", "the series has no slices; fetch it again"))
	}
	for i := range infos {
		if err := same(&infos[0], &infos[i]); err != nil {
			return b.fail(err)
		}
		if uid := infos[i].TransferSyntax; uid != "" && !dicom.Decodable(uid) {
			return b.fail(readError(infos[i].Name, dicom.UnsupportedSyntax(uid)))
		}
	}
	seen := make(map[string]int, len(infos))
	var unique []SliceInfo
	for i := range infos {
		s := &infos[i]
		j, ok := seen[s.SOPInstanceUID]
		if ok && s.SOPInstanceUID != "" {
			if s.Position != infos[j].Position {
				return b.fail(doubleUID(s, &infos[j]))
			}
			continue
		}
		seen[s.SOPInstanceUID] = i
		unique = append(unique, *s)
	}
	l, err := arrange(unique)
	if err != nil {
		return b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected, b.distinct, b.next = len(infos), len(unique), len(unique)
	b.expectAt = make(map[string]int, len(unique))
	for k, i := range l.order {
		b.expectAt[unique[i].SOPInstanceUID] = k
	}
	return b.reserve(&infos[0], len(infos))
}

// fail remembers the first fault, and returns it.
func (b *Builder) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failLocked(err)
}

func (b *Builder) failLocked(err error) error {
	if b.err == nil {
		b.err = err
	}
	return err
}

// reserve makes room for n slices like s; b.mu is held.
func (b *Builder) reserve(s *SliceInfo, n int) error {
	if b.slot == 0 {
		b.wide = s.Format.BitsAllocated > 16
		b.slot = s.Format.Rows * s.Format.Columns * b.format().Bytes()
	}
	n = max(n, b.expected)
	need := int64(n) * int64(b.slot)
	if need > b.opts.maxBytes() {
		return b.failLocked(refuse(TooLarge, "", "%s of %dx%d need %d MiB, more than the %d MiB allowed for a volume; raise the edge's volume limit or choose a smaller series",
			plural(n, "slice", "slices"), s.Format.Columns, s.Format.Rows, need>>20, b.opts.maxBytes()>>20))
	}
	if need <= int64(len(b.pages)) {
		return nil
	}
	size := need
	if b.expected == 0 { // unknown: grow by doubling; memory is used up only where it is written
		size = min(max(2*need, 64*int64(b.slot)), b.opts.maxBytes())
	}
	b.memory.Lock()
	defer b.memory.Unlock()
	var p []byte
	var err error
	if b.pages == nil {
		p, err = volume.NewPages(int(size))
	} else {
		p, err = volume.ResizePages(b.pages, int(size))
	}
	if err != nil {
		return b.failLocked(refuse(TooLarge, "", "the machine has no memory for this volume: %v; close other sessions or choose a smaller series", err))
	}
	b.pages = p
	return nil
}

func (b *Builder) format() volume.Format {
	if b.wide {
		return volume.Float32
	}
	return volume.Int16
}

// Add decodes a slice: a whole DICOM file, which may be overwritten once Add has returned. name is how to call it in
// messages. Its error, an *Error, means that the series cannot become a volume.
func (b *Builder) Add(name string, data []byte) error {
	d, err := dicom.Parse(data, dicom.Options{Limits: b.opts.Limits})
	if err != nil {
		return b.fail(readError(name, err))
	}
	info, err := InfoOf(name, d)
	if err != nil {
		return b.fail(err)
	}
	raw, err := d.Frame(0)
	if err != nil {
		return b.fail(readError(name, err))
	}
	slot, err := b.take(info)
	if err != nil {
		return err
	}
	r, err := b.decode(&info, slot, raw)
	if err != nil {
		return b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ranges[slot] = r
	b.done++
	if b.opts.Progress != nil {
		b.opts.Progress(b.done, b.expected)
	}
	return nil
}

// take gives a slice its slot: the place where it was announced to stand, else the next free one.
func (b *Builder) take(s SliceInfo) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.first == nil {
		b.first, b.slot = &s, 0 // the size of a slice is what the files say, not what was announced
	} else if err := same(b.first, &s); err != nil {
		return 0, b.failLocked(err)
	}
	if b.slot != 0 && s.Format.Rows*s.Format.Columns*b.format().Bytes() != b.slot || b.slot != 0 && b.wide != (s.Format.BitsAllocated > 16) {
		return 0, b.failLocked(refuse(MixedGeometry, s.Name, "it has %dx%d pixels of %d bits, unlike the other slices of the series; such a series cannot be shown as one volume",
			s.Format.Columns, s.Format.Rows, s.Format.BitsAllocated))
	}
	slot, ok := b.expectAt[s.SOPInstanceUID]
	if !ok || slot < len(b.taken) && b.taken[slot] {
		slot = b.next
		b.next++
	}
	if err := b.reserve(&s, slot+1); err != nil {
		return 0, err
	}
	for len(b.infos) <= slot {
		b.infos = append(b.infos, SliceInfo{})
		b.ranges = append(b.ranges, [2]int16{})
		b.taken = append(b.taken, false)
	}
	b.infos[slot], b.taken[slot] = s, true
	return slot, nil
}

// decode puts the samples of a slice into its slot.
func (b *Builder) decode(s *SliceInfo, slot int, raw []byte) (r [2]int16, err error) {
	b.memory.RLock()
	defer b.memory.RUnlock()
	if b.pages == nil {
		return r, errClosed
	}
	to := b.pages[slot*b.slot : (slot+1)*b.slot]
	bad := refuse(Unsupported, s.Name, "its pixels of %d bits cannot be read by this build; re-export the series with 8 or 16 bits", s.Format.BitsAllocated)
	if b.wide {
		values := make([]float64, s.Format.FrameSamples())
		if !s.Format.Float64s(values, raw) {
			return r, bad
		}
		out := float32s(to)
		for i, v := range values {
			f := float32(v*s.Slope + s.Intercept)
			if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
				return r, refuse(Unsupported, s.Name, "it has pixels that are no finite numbers, which this build cannot show")
			}
			out[i] = f
		}
		return r, nil
	}
	out := int16s(to)
	if !s.Format.Int16s(out, raw) {
		return r, bad
	}
	r = [2]int16{math.MaxInt16, math.MinInt16}
	for _, v := range out {
		r[0], r[1] = min(r[0], v), max(r[1], v)
	}
	return r, nil
}

func int16s(p []byte) []int16 { return unsafe.Slice((*int16)(unsafe.Pointer(&p[0])), len(p)/2) }

func float32s(p []byte) []float32 { return unsafe.Slice((*float32)(unsafe.Pointer(&p[0])), len(p)/4) }

// readError says what is wrong with a file, from the parser's error.
func readError(name string, err error) *Error {
	e := &Error{Code: Unreadable, Name: name, Reason: err.Error(), Err: err}
	var f *dicom.Error
	if errors.As(err, &f) {
		bare := *f
		bare.Path = "" // name says it
		e.Reason = bare.Error()
	}
	switch {
	case errors.Is(err, dicom.ErrNotDICOM):
		e.Code = NotDICOM
	case errors.Is(err, dicom.ErrTruncated):
		e.Code = Truncated
	case errors.Is(err, dicom.ErrUnsupportedTransferSyntax):
		e.Code = Compressed
	}
	return e
}

var errClosed = errors.New("the series has been closed")

// Close frees what was gathered. It does nothing after a Finish that succeeded.
func (b *Builder) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.Lock()
	defer b.memory.Unlock()
	if b.err == nil {
		b.err = errClosed
	}
	if b.pages == nil {
		return
	}
	// Wiping touches every page, so what was only reserved goes back first.
	if used := max(1, len(b.infos)*b.slot); used < len(b.pages) {
		if p, err := volume.ResizePages(b.pages, used); err == nil {
			b.pages = p
		}
	}
	volume.FreePages(b.pages)
	b.pages = nil
}

// Finish makes the volume. The caller frees it. Where the series cannot become one the error, an *Error, says why,
// and everything is freed. No Add may be under way.
func (b *Builder) Finish() (*Result, error) {
	r, err := b.finish()
	b.Close()
	return r, err
}

func (b *Builder) finish() (*Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	if b.done == 0 {
		return nil, refuse(NoSlices, "", "the series has no slices; fetch it again")
	}
	if b.done < b.expected {
		return nil, refuse(Incomplete, "", "%d of the %d slices of the series came; fetch it again", b.done, b.expected)
	}
	slots, copies, err := b.uncopied()
	if err != nil {
		return nil, err
	}
	if len(slots) < b.distinct { // a copy of one must not stand in for another
		return nil, refuse(Incomplete, "", "%d of the %d slices of the series came, some of them twice; fetch it again", len(slots), b.distinct)
	}
	infos := make([]SliceInfo, len(slots))
	for i, s := range slots {
		infos[i] = b.infos[s]
	}
	l, err := arrange(infos)
	if err != nil {
		return nil, err
	}
	order := make([]int, len(slots))
	for k, i := range l.order {
		order[k] = slots[i]
	}
	if copies > 0 {
		l.warn(WarnDuplicate, float64(copies), "%s left out, which were there twice with the same instance UID and the same pixels", plural(copies, "slice was", "slices were"))
	}
	return b.assemble(l, order)
}

// uncopied finds the slots to use: of equal copies of an instance only one.
func (b *Builder) uncopied() (slots []int, copies int, err error) {
	seen := make(map[string]int)
	for i := range b.infos {
		if !b.taken[i] {
			continue
		}
		uid := b.infos[i].SOPInstanceUID
		j, ok := seen[uid]
		if !ok || uid == "" {
			seen[uid] = i
			slots = append(slots, i)
			continue
		}
		at := func(k int) []byte { return b.pages[k*b.slot : (k+1)*b.slot] }
		if b.infos[i].Position != b.infos[j].Position || !bytes.Equal(at(i), at(j)) {
			return nil, 0, doubleUID(&b.infos[i], &b.infos[j])
		}
		copies++
	}
	return slots, copies, nil
}

func doubleUID(a, b *SliceInfo) *Error {
	return refuse(Doubled, a.Name, "it has the same instance UID as %s but another place or other pixels; have the series corrected at its source", b.Name)
}

// permute moves slices so that place k gets what slot order[k] holds. Slots that order does not name lose what
// they hold.
func (b *Builder) permute(order []int) {
	n := max(len(b.infos), len(order))
	target := make([]int, n) // target[k]: which slot's content belongs at k; a full permutation
	used := make([]bool, n)
	for k, s := range order {
		target[k], used[s] = s, true
	}
	next := 0
	for k := len(order); k < n; k++ {
		for used[next] {
			next++
		}
		target[k], used[next] = next, true
	}
	at := func(k int) []byte { return b.pages[k*b.slot : (k+1)*b.slot] }
	var spare []byte
	done := make([]bool, n)
	for start := range n {
		if done[start] || target[start] == start {
			continue
		}
		if spare == nil {
			spare = make([]byte, b.slot)
		}
		copy(spare, at(start))
		k := start
		for target[k] != start {
			copy(at(k), at(target[k]))
			done[k] = true
			k = target[k]
		}
		copy(at(k), spare)
		done[k] = true
	}
}

// assemble orders the slices and makes the volume; it owns the pages from then on.
func (b *Builder) assemble(l *layout, order []int) (*Result, error) {
	infos := make([]SliceInfo, len(order))
	for k, s := range order {
		infos[k] = b.infos[s]
	}
	lo, hi := b.valueRange(order)
	b.permute(order)
	pages, err := volume.ResizePages(b.pages, len(order)*b.slot)
	if err != nil {
		return nil, err
	}
	b.pages = pages
	r := newResult(infos, l)
	first := &infos[0]
	slope, bias := first.Slope, first.Format.Bias()
	intercept := first.Intercept
	switch {
	case b.wide:
		r.Volume, err = volume.Adopt(l.geometry, volume.Float32, 1, 0, pages)
	case r.rescales == 1:
		r.bias, r.intercept = bias, intercept
		r.Volume, err = volume.Adopt(l.geometry, volume.Int16, slope, intercept+slope*float64(bias), pages)
	default:
		if r.Volume, err = b.rescaled(l.geometry, infos); err != nil {
			return nil, err
		}
		volume.FreePages(pages)
	}
	if err != nil {
		return nil, fmt.Errorf("series %.64s: %w", first.Identity.SeriesInstanceUID, err)
	}
	b.pages = nil
	if b.wide {
		r.Volume.UpdateRange()
	} else {
		r.Volume.Min, r.Volume.Max = lo, hi
	}
	return r, nil
}

// valueRange is the range of values of 8 and 16 bit slices after their modality transforms.
func (b *Builder) valueRange(order []int) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range order {
		i := &b.infos[s]
		for _, v := range b.ranges[s] {
			f := i.value(v)
			lo, hi = min(lo, f), max(hi, f)
		}
	}
	return lo, hi
}

// value is a stored value, as Int16s gives it, after the modality transform.
func (s *SliceInfo) value(v int16) float64 {
	return float64(int(v)+s.Format.Bias())*s.Slope + s.Intercept
}

// rescaled makes a volume of slices that have modality transforms of their own, as PET has.
func (b *Builder) rescaled(g volume.Geometry, infos []SliceInfo) (*volume.Volume, error) {
	need := int64(g.Voxels()) * 4
	if need > b.opts.maxBytes() {
		return nil, refuse(TooLarge, "", "slices with rescale values of their own need %d MiB, more than the %d MiB allowed for a volume; raise the edge's volume limit or choose a smaller series",
			need>>20, b.opts.maxBytes()>>20)
	}
	v, err := volume.New(g, volume.Float32, 1, 0)
	if err != nil {
		return nil, err
	}
	n := g.Size[0] * g.Size[1]
	in, out := int16s(b.pages), v.Float32s()
	parallel(b.opts.Workers, len(infos), func(k int) {
		s := &infos[k]
		for i := k * n; i < (k+1)*n; i++ {
			out[i] = float32(s.value(in[i]))
		}
	})
	return v, nil
}
