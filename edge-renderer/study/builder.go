package study

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
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

// maxPlanes is how many planes like a slice there is memory for.
func (o Options) maxPlanes(s *SliceInfo) int {
	return int(min(o.maxBytes()/int64(kindFor(s).slot()), 1<<20))
}

// frameKey names a DICOM frame.
type frameKey struct {
	uid   string
	frame int
}

func (s *SliceInfo) key() frameKey { return frameKey{s.SOPInstanceUID, s.Frame} }

// seat is a slot that waits for a slice: the index-th of a time point's slices.
type seat struct {
	pool         *pool
	slot         int
	phase, index int
}

// Builder gathers the slices of one series. Add may be called from several goroutines; Finish or Close ends it.
type Builder struct {
	opts Options

	mu      sync.Mutex // guards what follows
	taken   []*taken
	objects []object
	leftOut []LeftOut
	damaged int    // files among leftOut that could not be read
	fault   *Error // why the first of them could not
	pools   []*pool
	seats   map[frameKey]seat
	others  map[frameKey]bool // frames of other parts, which are not decoded
	wanted  map[string]bool   // instances that were promised, false until they come
	total   int               // slices that Progress tells
	done    int
	err     error // what ends it: more memory than allowed, files of several series
	preview *preview
	known   *known // what was planned before the files came

	// memory guards the pages of pools: decoders hold it for reading, growth for writing, since growing moves them.
	memory sync.RWMutex
}

// NewBuilder starts a series.
func NewBuilder(opts Options) *Builder {
	return &Builder{opts: opts, seats: make(map[frameKey]seat), others: make(map[frameKey]bool), wanted: make(map[string]bool)}
}

// want promises instances: Finish fails where one of them has not come.
func (b *Builder) want(uids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, uid := range uids {
		if _, ok := b.wanted[uid]; !ok {
			b.wanted[uid] = false
		}
	}
	b.total = len(b.wanted)
}

// expect announces the part that is to be built, of the slices that were announced: memory is reserved for its volume,
// each slice has its place in it. The announced values are not trusted further: files decide.
func (b *Builder) expect(infos []SliceInfo, p *part) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = len(p.slices())
	kind := kindFor(&infos[p.phases[0].members[0].slice])
	wide := kind.wide
	for _, i := range p.slices() {
		a, c := &infos[i], &infos[p.phases[0].members[0].slice]
		wide = wide || a.Slope != c.Slope || a.Intercept != c.Intercept || a.Format.Bias() != c.Format.Bias()
		if kindFor(a) != kind { // they come as they are
			return nil
		}
	}
	each := 2
	if wide {
		each = 4
	}
	if err := b.fits(int64(p.voxels())*int64(each), p.layout.geometry.Size, len(p.phases)); err != nil {
		return b.failLocked(err)
	}
	for t := range p.phases {
		m := p.phases[t].members
		made := &pool{kind: kind, fixed: p.layout.geometry.Size[2]}
		if p.layout.resampled {
			made.fixed = len(m)
		}
		b.pools = append(b.pools, made)
		for k := range m {
			slot := k
			if !p.layout.resampled {
				slot = int(m[k].at)
			}
			b.seats[infos[m[k].slice].key()] = seat{made, slot, t, k}
		}
		if err := made.reserve(made.fixed, b.opts.maxBytes()); err != nil {
			return b.failLocked(err)
		}
	}
	if b.opts.Preview != nil {
		b.preview = newPreview(b.opts, infos, p)
	}
	return nil
}

// fits says whether a volume is small enough.
func (b *Builder) fits(need int64, size [3]int, phases int) error {
	if need <= b.opts.maxBytes() {
		return nil
	}
	times := ""
	if phases > 1 {
		times = fmt.Sprintf(" at %d time points", phases)
	}
	return refuse(TooLarge, "", "%s of %dx%d%s need %d MiB, more than the %d MiB allowed for a volume; raise the edge's volume limit or choose a smaller series",
		plural(size[2], "slice", "slices"), size[0], size[1], times, need>>20, b.opts.maxBytes()>>20)
}

// failLocked remembers the first error that ends the series, and returns it.
func (b *Builder) failLocked(err error) error {
	if b.err == nil {
		b.err = err
	}
	return err
}

// leave leaves a file out that cannot be read.
func (b *Builder) leave(name string, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = readError(name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.damaged++
	b.leftOut = append(b.leftOut, LeftOut{Name: name, Reason: e.Reason})
	if b.fault == nil || e.Name < b.fault.Name {
		b.fault = e
	}
}

// Add decodes a file: a whole DICOM file, which may be overwritten once Add has returned. name is how to call it in
// messages. A file that cannot be read, or is no slice, is left out and told by Finish. The error, an *Error, means
// that the series cannot be built at all.
func (b *Builder) Add(name string, data []byte) error {
	return b.addObject(source.Object{Name: name, Data: data})
}

// addObject is Add. The memory of what has been decoded is given back at once where that can be done.
func (b *Builder) addObject(file source.Object) error {
	name, data := file.Name, file.Data
	d, err := dicom.Parse(data, dicom.Options{Limits: b.opts.Limits})
	if err != nil {
		b.leave(name, readError(name, err))
		return nil
	}
	name = calledIn(name, d)
	infos, o, err := slicesOf(name, d)
	if err != nil {
		b.leave(name, err)
		return nil
	}
	b.come(d.String(dicom.SOPInstanceUID))
	if o != nil {
		b.add(*o)
		return nil
	}
	errs := make([]error, len(infos))
	if len(infos) == 1 {
		errs[0] = b.slice(d, &infos[0])
	} else {
		spent := newSpent(file, d, infos)
		parallel(b.opts.Workers, len(infos), func(i int) {
			errs[i] = b.slice(d, &infos[i])
			spent.done(i)
		})
	}
	return errors.Join(errs...)
}

// come notes that a promised instance has come.
func (b *Builder) come(uid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.wanted[uid]; ok {
		b.wanted[uid] = true
	}
}

// add takes an object that is no slice.
func (b *Builder) add(o object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects = append(b.objects, o)
	b.tell()
}

// slice decodes a frame of a data set.
func (b *Builder) slice(d *dicom.Dataset, s *SliceInfo) error {
	b.mu.Lock()
	skip := b.others[s.key()]
	b.mu.Unlock()
	if skip {
		return nil
	}
	raw, f, err := d.DecodeFrame(s.Frame)
	if err != nil {
		name := s.Name
		if d.Frames() > 1 {
			name = fmt.Sprintf("%s, frame %d", s.Name, s.Frame+1)
		}
		b.leave(name, readError(name, err))
		return nil
	}
	if f.SamplesPerPixel != 1 {
		b.leave(s.Name, refuse(Colour, s.Name, "its compressed image has %d colours, the header says it is grey", f.SamplesPerPixel))
		return nil
	}
	s.Format = f
	t, at, err := b.seat(*s)
	if err != nil {
		return err
	}
	if err := b.decode(t, raw); err != nil {
		if errors.Is(err, errClosed) {
			return err
		}
		b.leave(s.Name, err)
		return nil
	}
	b.mu.Lock()
	t.decoded = true
	b.done++
	b.tell()
	p := b.preview
	b.mu.Unlock()
	if p != nil && at != nil {
		p.arrived(b, t, at.phase, at.index)
	}
	return nil
}

// tell tells progress; b.mu is held.
func (b *Builder) tell() {
	if b.opts.Progress != nil {
		b.opts.Progress(b.done, b.total)
	}
}

func (b *Builder) decode(t *taken, raw []byte) error {
	b.memory.RLock()
	defer b.memory.RUnlock()
	if t.pool.pages == nil {
		return errClosed
	}
	return t.decode(raw, t.info.Format)
}

// seat gives a slice its slot: the one that waits for it, else the next of its kind.
func (b *Builder) seat(s SliceInfo) (*taken, *seat, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, nil, b.err
	}
	if len(b.taken) > 0 {
		if a := &b.taken[0].info; a.Identity.SeriesInstanceUID != s.Identity.SeriesInstanceUID {
			return nil, nil, b.failLocked(refuse(MixedSeries, s.Name, "it belongs to another series than %s; open one series at a time", a.Name))
		}
	}
	t := &taken{info: s}
	kind := kindFor(&s)
	at, ok := b.seats[s.key()]
	if ok && at.pool.kind == kind {
		delete(b.seats, s.key())
		t.pool, t.slot = at.pool, at.slot
		t.pool.used = max(t.pool.used, t.slot+1)
		b.taken = append(b.taken, t)
		return t, &at, nil
	}
	i := slices.IndexFunc(b.pools, func(p *pool) bool { return p.fixed == 0 && p.kind == kind })
	if i < 0 {
		i = len(b.pools)
		b.pools = append(b.pools, &pool{kind: kind})
	}
	t.pool = b.pools[i]
	t.slot = t.pool.used
	need := int64(0)
	for _, p := range b.pools {
		if p.used > 0 { // others were announced for what did not come
			need += p.need()
		}
	}
	if err := b.fits(need+int64(kind.slot()), [3]int{kind.columns, kind.rows, t.slot + 1}, 1); err != nil {
		return nil, nil, b.failLocked(err)
	}
	if int64(t.slot+1)*int64(kind.slot()) > int64(len(t.pool.pages)) {
		b.memory.Lock()
		err := t.pool.reserve(t.slot+1, b.opts.maxBytes())
		b.memory.Unlock()
		if err != nil {
			return nil, nil, b.failLocked(err)
		}
	}
	t.pool.used++
	b.taken = append(b.taken, t)
	return t, nil, nil
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
	for _, p := range b.pools {
		p.free()
	}
	b.pools, b.taken = nil, nil
}

// Finish makes the volumes of the part that was asked for. The caller frees them. Where there is none the error, an
// *Error, says why and names the parts, and everything is freed. No Add may be under way.
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
	if err := b.complete(); err != nil {
		return nil, err
	}
	list, warnings := b.uncopied()
	c := b.catalogue(list)
	number := b.opts.Part
	planned := b.known != nil && len(c.parts) <= 1 && len(b.objects) == 0
	if planned {
		number = 0 // the part that was asked for is all that was fetched
	}
	p, err := c.choose(number)
	if err != nil {
		return nil, err
	}
	warnings = append(warnings, b.warnLeftOut()...)
	if !planned {
		return b.assemble(c, p, append(warnings, warnPatients(c.infos)...))
	}
	all := b.known.catalogue
	warnings = append(warnings, warnPatients(all.infos)...)
	for _, w := range slices.Concat(all.parts[b.known.number].layout.warnings, all.parts[b.known.number].warnings) {
		if w.Code == WarnGap || w.Code == WarnDoubled { // the slices of one part alone do not show it
			warnings = append(warnings, w)
		}
	}
	r, err := b.assemble(c, p, warnings)
	if err == nil {
		r.Parts, r.Part = all.list, all.list[b.known.number]
		for _, f := range all.leftOut { // what was not fetched
			if !slices.ContainsFunc(r.LeftOut, func(o LeftOut) bool { return o == f }) {
				r.LeftOut = append(r.LeftOut, f)
			}
		}
	}
	return r, err
}

// complete says whether all promised instances have come. Files that came and cannot be read count: they are told.
func (b *Builder) complete() error {
	missing := 0
	for _, here := range b.wanted {
		if !here {
			missing++
		}
	}
	if missing > b.damaged {
		return refuse(Incomplete, "", "%d of the %d files of the series came; fetch it again", len(b.wanted)-missing, len(b.wanted))
	}
	return nil
}

// warnPatients tells of files of several patients in one series.
func warnPatients(infos []SliceInfo) []Warning {
	patients := make(map[string]bool)
	for i := range infos {
		patients[infos[i].Identity.PatientID] = true
	}
	if len(patients) < 2 {
		return nil
	}
	return []Warning{warning(WarnPatients, float64(len(patients)), "the files of this series carry %d patient IDs; this part shows those of one; have the series corrected at its source", len(patients))}
}

// warnLeftOut tells of files that could not be read.
func (b *Builder) warnLeftOut() []Warning {
	if b.damaged == 0 {
		return nil
	}
	return []Warning{warning(WarnLeftOut, float64(b.damaged), "%s left out, which could not be read, the first %s: %s",
		plural(b.damaged, "file of the series is", "files of the series are"), b.fault.Name, b.fault.Reason)}
}

// uncopied is the slices to use, in an order that does not depend on how they came: of equal copies of a frame only one.
func (b *Builder) uncopied() (list []*taken, warnings []Warning) {
	seen := make(map[frameKey][]*taken)
	copies, shared := 0, 0
	var both [2]string
next:
	for _, t := range b.taken {
		if !t.decoded {
			continue
		}
		key := t.info.key()
		if key.uid != "" {
			for _, o := range seen[key] {
				if t.info.Position == o.info.Position && t.info.Slope == o.info.Slope && t.info.Intercept == o.info.Intercept &&
					t.pool.kind == o.pool.kind && t.info.Format.Bias() == o.info.Format.Bias() && bytes.Equal(t.pool.at(t.slot), o.pool.at(o.slot)) {
					copies++
					continue next
				}
			}
			if o := seen[key]; len(o) > 0 {
				shared++
				both = [2]string{o[0].info.Name, t.info.Name}
			}
			seen[key] = append(seen[key], t)
		}
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b *taken) int {
		return cmp.Or(cmp.Compare(a.info.Number, b.info.Number), cmp.Compare(a.info.SOPInstanceUID, b.info.SOPInstanceUID),
			cmp.Compare(a.info.Frame, b.info.Frame), cmp.Compare(a.info.Name, b.info.Name))
	})
	if copies > 0 {
		warnings = append(warnings, warning(WarnDuplicate, float64(copies), "%s left out, which were there twice with the same instance UID and the same pixels", plural(copies, "slice was", "slices were")))
	}
	if shared > 0 {
		warnings = append(warnings, warning(WarnSameUID, float64(shared), "%s the instance UID of another one but another place or other pixels (%s and %s); have the series corrected at its source",
			plural(shared, "slice has", "slices have"), both[0], both[1]))
	}
	return list, warnings
}
