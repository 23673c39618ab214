package study

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Result is a series that has become a volume.
type Result struct {
	// Volume holds the voxels; k grows along the normal, the vector product of row and column direction. Whoever
	// has the Result frees it.
	Volume *volume.Volume
	// Identity says whose it is.
	Identity Identity
	// FrameOfReferenceUID tells which other series share its patient space; it may be empty.
	FrameOfReferenceUID string
	// Units is what values are in (HU, BQML), empty where unknown.
	Units string
	// Padding is the value, after the modality transform, that marks voxels outside the image; nil where the
	// series has none, or one per slice.
	Padding *float64
	// Lossy: pixels were compressed with loss before they came here.
	Lossy bool
	// Inverted: small values are meant to be shown bright (MONOCHROME1). Values are not changed.
	Inverted bool
	// Instances are the SOP instance UIDs of the slices, in spatial order.
	Instances []string
	// Warnings are what people should know about it.
	Warnings []Warning
	// Part is which of Parts, all that the series was split into, the volume is.
	Part  Part
	Parts []Part
	// Phases are the time points of a 4D series in order, the first one Volume itself; empty for 3D. All of them
	// have one geometry.
	Phases []Phase
	// LeftOut are the files that could not be used.
	LeftOut []LeftOut
	// Coarse says that it is a preview (Options.Preview).
	Coarse bool

	rescales  int // how many different modality transforms the slices have
	bias      int
	intercept float64
}

// Part is one of the stacks, or the single images, that a series was split into.
type Part struct {
	Number int    // from 1, as signaling.SeriesRef.Part has it
	Name   string // what tells it from the others
	Slices int    // of one time point
	Volume bool
	Reason string // why it is no volume
	// Images are the frames that it is made of, in the order to show them in.
	Images []ImageRef
}

// ImageRef names a DICOM frame.
type ImageRef struct {
	SOPInstanceUID string
	Frame          int // from 0
}

// Phase is a time point.
type Phase struct {
	Volume *volume.Volume
	Label  string
	Ms     float64 // after the first one; 0 where the series does not say
}

// LeftOut is a file that is not part of a volume, and why.
type LeftOut struct {
	Name   string
	Reason string
}

// Free frees every volume of it.
func (r *Result) Free() {
	r.Volume.Free()
	for i := range r.Phases {
		r.Phases[i].Volume.Free()
	}
}

// newResult gathers what slices, in spatial order, say of their series.
func newResult(infos []SliceInfo, l *layout) *Result {
	first := &infos[0]
	r := &Result{
		Identity:            first.Identity,
		FrameOfReferenceUID: first.FrameOfReferenceUID,
		Units:               first.Units,
		Inverted:            first.Format.Photometric == "MONOCHROME1",
	}
	type transform struct {
		slope, intercept float64
		bias             int
	}
	transforms := make(map[transform]bool)
	lossy, deviating := 0, 0
	var deviation string
	for i := range infos {
		s := &infos[i]
		r.Instances = append(r.Instances, s.SOPInstanceUID)
		transforms[transform{s.Slope, s.Intercept, s.Format.Bias()}] = true
		if s.Lossy {
			lossy++
		}
		if len(s.Deviations) > 0 {
			deviating++
			deviation = s.Deviations[0]
		}
	}
	r.rescales, r.Lossy = len(transforms), lossy > 0
	if first.Padding != nil && r.rescales == 1 {
		p := float64(*first.Padding)*first.Slope + first.Intercept
		r.Padding = &p
	}
	if lossy > 0 {
		l.warn(WarnLossy, float64(lossy), "%s compressed with loss before the series came here", plural(lossy, "slice was", "slices were"))
	}
	if r.rescales > 1 && first.Identity.Modality != "PT" && first.Identity.Modality != "NM" {
		l.warn(WarnRescale, float64(r.rescales), "the slices have %d different rescale values; each is applied to its own slice", r.rescales)
	}
	if deviating > 0 {
		l.warn(WarnDeviations, float64(deviating), "%s from the standard and read all the same: %s", plural(deviating, "file deviates", "files deviate"), deviation)
	}
	r.Warnings = l.warnings
	return r
}

// SourceSHA256 is the hash, in hexadecimal, of the source slices' values after the modality transform as float32
// little endian, in spatial order (k, then j, then i). The volume must not have been freed.
func (r *Result) SourceSHA256() string {
	v := r.Volume
	h := sha256.New()
	buf := make([]byte, 0, 256<<10)
	put := func(bits uint32) {
		buf = binary.LittleEndian.AppendUint32(buf, bits)
		if len(buf) == cap(buf) {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	if v.Format == volume.Float32 {
		for _, f := range v.Float32s() {
			put(math.Float32bits(f))
		}
	} else {
		table := make([]uint32, 1<<16)
		for i := range table {
			s := int(int16(uint16(i))) + r.bias
			table[i] = math.Float32bits(float32(float64(s)*v.Slope + r.intercept))
		}
		for _, s := range v.Int16s() {
			put(table[uint16(s)])
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

// Mean is the mean of all values. The volume must not have been freed.
func (r *Result) Mean() float64 {
	v := r.Volume
	if v.Format == volume.Float32 {
		sum := 0.0
		for _, f := range v.Float32s() {
			sum += float64(f)
		}
		return sum / float64(v.Voxels())
	}
	var sum int64
	for _, s := range v.Int16s() {
		sum += int64(s)
	}
	return float64(sum)/float64(v.Voxels())*v.Slope + v.Intercept
}
