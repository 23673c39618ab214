package study

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
)

// poolKind is what the slices of a pool have in common.
type poolKind struct {
	rows, columns int
	// wide: values after the modality transform as float32, for samples of more than 16 bits and for those that go
	// through a table. Others are kept as stored, 16 bits each.
	wide bool
}

func kindFor(s *SliceInfo) poolKind {
	return poolKind{s.Format.Rows, s.Format.Columns, s.Format.BitsAllocated > 16 || s.Format.Float || s.LUT != nil}
}

func (k poolKind) format() volume.Format {
	if k.wide {
		return volume.Float32
	}
	return volume.Int16
}

// slot is the size of a slice in bytes.
func (k poolKind) slot() int { return k.rows * k.columns * k.format().Bytes() }

// pool is memory for slices of one kind, a slot for each. One that was made for a volume has a slot for each of its
// planes and becomes its voxels; others take slices as they come, and grow.
type pool struct {
	kind  poolKind
	pages []byte
	// fixed is the number of slots of one that was made for a volume; 0 for others.
	fixed int
	used  int          // slots from 0 on that may hold something
	wiped map[int]bool // of those
}

func (p *pool) at(slot int) []byte { n := p.kind.slot(); return p.pages[slot*n : (slot+1)*n] }

// need is how many bytes the slots take that are there for good.
func (p *pool) need() int64 { return int64(max(p.fixed, p.used)) * int64(p.kind.slot()) }

// reserve makes room for n slots. Nobody may use the pages meanwhile: they may move.
func (p *pool) reserve(n int, most int64) error {
	need := int64(n) * int64(p.kind.slot())
	if need <= int64(len(p.pages)) {
		return nil
	}
	size := need
	if p.fixed == 0 { // grow by doubling; memory is used up only where it is written
		size = max(need, min(max(2*need, 64*int64(p.kind.slot())), most))
	}
	var pages []byte
	var err error
	if p.pages == nil {
		pages, err = volume.NewPages(int(size))
	} else {
		pages, err = volume.ResizePages(p.pages, int(size))
	}
	if err != nil {
		return refuse(TooLarge, "", "the machine has no memory for this volume: %v; close other sessions or choose a smaller series", err)
	}
	p.pages = pages
	return nil
}

// take gives the pages away, cut to what is used.
func (p *pool) take() ([]byte, error) {
	pages := p.pages
	if n := int(p.need()); n != len(pages) {
		var err error
		if pages, err = volume.ResizePages(p.pages, n); err != nil {
			return nil, err
		}
	}
	p.pages = nil
	return pages, nil
}

// free wipes the slots and gives the pages back. Wiping touches pages, so only what holds something is wiped.
func (p *pool) free() {
	if p.pages == nil {
		return
	}
	for slot := range min(p.used, len(p.pages)/p.kind.slot()) {
		if !p.wiped[slot] {
			clear(p.at(slot))
		}
	}
	if pages, err := volume.ResizePages(p.pages, 1); err == nil {
		p.pages = pages
	}
	volume.FreePages(p.pages)
	p.pages = nil
}

// discard wipes a slot and gives the memory of the pages that lie within it back at once.
func (p *pool) discard(slot int) {
	clear(p.at(slot))
	page := os.Getpagesize()
	n := p.kind.slot()
	from, to := (slot*n+page-1)/page*page, (slot+1)*n/page*page
	if from < to {
		_ = unix.Madvise(p.pages[from:to], unix.MADV_DONTNEED) // they are only freed later where it fails
	}
	if p.wiped == nil {
		p.wiped = make(map[int]bool)
	}
	p.wiped[slot] = true
}

// taken is a slice that has come, and its slot.
type taken struct {
	info    SliceInfo
	pool    *pool
	slot    int
	lo, hi  int16 // of the stored values; of slices that are not wide
	bad     int   // values that are no finite numbers
	rounded bool  // whole numbers that a float32 does not hold
	decoded bool
}

func (t *taken) int16s() []int16 { return int16s(t.pool.at(t.slot)) }

func (t *taken) float32s() []float32 { return float32s(t.pool.at(t.slot)) }

func int16s(p []byte) []int16 { return unsafe.Slice((*int16)(unsafe.Pointer(&p[0])), len(p)/2) }

func float32s(p []byte) []float32 { return unsafe.Slice((*float32)(unsafe.Pointer(&p[0])), len(p)/4) }

// value is a stored value, as PixelFormat.Int16s gives it, after the modality transform.
func (s *SliceInfo) value(v int16) float64 {
	return float64(int(v)+s.Format.Bias())*s.Slope + s.Intercept
}

// values puts a slice's values after the modality transform into dst.
func (t *taken) values(dst []float32) {
	if t.pool.kind.wide {
		copy(dst, t.float32s())
		return
	}
	for i, v := range t.int16s() {
		dst[i] = float32(t.info.value(v))
	}
}

// decode puts the samples of a frame, stored as f says, into the slice's slot.
func (t *taken) decode(raw []byte, f dicom.PixelFormat) error {
	s := &t.info
	bad := refuse(Unsupported, s.Name, "its pixels of %d bits cannot be read by this build; re-export the series with 8 or 16 bits", f.BitsAllocated)
	if s.LUT != nil {
		in := make([]int16, f.FrameSamples())
		if !f.Int16s(in, raw) {
			return bad
		}
		out, bias := t.float32s(), f.Bias()
		for i, v := range in {
			out[i] = float32(s.LUT.At(int(v) + bias))
		}
		return nil
	}
	if t.pool.kind.wide {
		values := make([]float64, f.FrameSamples())
		if !f.Float64s(values, raw) {
			return bad
		}
		return t.widen(values, f)
	}
	out := t.int16s()
	if !f.Int16s(out, raw) {
		return bad
	}
	t.lo, t.hi = volume.Range(out)
	return nil
}

// widen keeps samples of more than 16 bits after the modality transform. What is no finite number stays NaN for now.
func (t *taken) widen(values []float64, f dicom.PixelFormat) error {
	out := t.float32s()
	for i, v := range values {
		v = v*t.info.Slope + t.info.Intercept
		n := float32(v)
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			n = float32(math.NaN())
			t.bad++
		case math.IsInf(float64(n), 0):
			return refuse(Unsupported, t.info.Name, "it has values of %g, beyond what this build can show; re-export the series in other units", v)
		case !f.Float && math.Abs(v) > 1<<24 && float64(n) != v:
			t.rounded = true
		}
		out[i] = n
	}
	return nil
}
