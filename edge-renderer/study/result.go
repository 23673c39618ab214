package study

import (
	"math"
	"slices"

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
	// Instances are the SOP instance UIDs of the slices in spatial order, time point after time point; those of
	// frames of one object are alike.
	Instances []string
	// Warnings are what people should know about it.
	Warnings []Warning
	// Part is which of Parts, all that the series was split into, the volume is.
	Part  Part
	Parts []Part
	// Phases are the time points of a 4D series in order, the first one Volume itself; empty for 3D. All of them
	// have one geometry.
	Phases []Phase
	// Unplaced says that nothing tells how the volume lies in the patient: left and right are not known.
	Unplaced bool
	// LeftOut are the files that could not be used.
	LeftOut []LeftOut
	// Coarse says that it is a preview (Options.Preview).
	Coarse bool

	resampled bool // planes do not stand where slices do
	plain     bool // the volumes hold stored values; bias and intercept turn them into those of the source
	bias      int
	intercept float64
	sha       string  // SourceSHA256 where the volumes no longer hold all of the source
	source    [][]int // for each time point, the planes that are slices of the source, in order; nil: all
}

// Part is one of the stacks, or the single images, that a series was split into.
type Part struct {
	Number int    // from 1, as signaling.SeriesRef.Part has it
	Name   string // what tells it from the others
	Slices int    // of one time point
	Volume bool
	Reason string // why it is no volume
	// Images are the frames that it is made of, in the order to show them in: along the normal, time point after
	// time point.
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
	if r.Volume != nil {
		r.Volume.Free()
	}
	for i := range r.Phases {
		r.Phases[i].Volume.Free()
	}
}

func (r *Result) warn(c Code, amount float64, format string, args ...any) {
	r.Warnings = append(r.Warnings, warning(c, amount, format, args...))
}

// result gathers what the slices of a part say; volumes come later.
func (c *catalogue) result(number int, stacks []stack, warnings []Warning) *Result {
	p := &c.parts[number]
	first := &stacks[0].slices[0].info
	r := &Result{
		Identity:            first.Identity,
		FrameOfReferenceUID: first.FrameOfReferenceUID,
		Units:               first.Units,
		Padding:             paddingOf(c.infos, p.slices()),
		Inverted:            inverted(first),
		Part:                c.list[number],
		Parts:               c.list,
		LeftOut:             c.leftOut,
		Warnings:            slices.Concat(p.layout.warnings, p.warnings, warnings),
		resampled:           p.layout.resampled,
		plain:               stacks[0].plain,
		bias:                first.Format.Bias(),
		intercept:           first.Intercept,
	}
	type transform struct {
		slope, intercept float64
		bias             int
		table            bool
	}
	transforms := make(map[transform]bool)
	lossy, deviating := 0, 0
	var deviation string
	for t := range stacks {
		var planes []int
		for k, s := range stacks[t].slices {
			i := &s.info
			r.Instances = append(r.Instances, i.SOPInstanceUID)
			transforms[transform{i.Slope, i.Intercept, i.Format.Bias(), i.LUT != nil}] = true
			if i.Lossy {
				lossy++
			}
			if len(i.Deviations) > 0 {
				deviating++
				deviation = i.Deviations[0]
			}
			planes = append(planes, int(stacks[t].at[k]))
		}
		r.source = append(r.source, planes)
	}
	r.Lossy = lossy > 0
	if lossy > 0 {
		r.warn(WarnLossy, float64(lossy), "%s compressed with loss before the series came here", plural(lossy, "slice was", "slices were"))
	}
	if m := first.Identity.Modality; len(transforms) > 1 && m != "PT" && m != "NM" {
		r.warn(WarnRescale, float64(len(transforms)), "the slices have %d different rescale values; each is applied to its own slice", len(transforms))
	}
	if deviating > 0 {
		r.warn(WarnDeviations, float64(deviating), "%s from the standard and read all the same: %s", plural(deviating, "file deviates", "files deviate"), deviation)
	}
	return r
}

// range4D gives all time points the range of values of all, so that one window fits them.
func (r *Result) range4D() {
	for _, p := range r.Phases {
		r.Volume.Min, r.Volume.Max = min(r.Volume.Min, p.Volume.Min), max(r.Volume.Max, p.Volume.Max)
	}
	for _, p := range r.Phases {
		p.Volume.Min, p.Volume.Max = r.Volume.Min, r.Volume.Max
	}
}

// volumes is the volume of each time point.
func (r *Result) volumes() []*volume.Volume {
	if len(r.Phases) == 0 {
		return []*volume.Volume{r.Volume}
	}
	out := make([]*volume.Volume, len(r.Phases))
	for i, p := range r.Phases {
		out[i] = p.Volume
	}
	return out
}

// SourceSHA256 is the hash, in hexadecimal, of the source slices' values after the modality transform as float32
// little endian, before any resampling: in spatial order (k, then j, then i), those of one place in the order of the
// time points. The volumes must not have been freed.
func (r *Result) SourceSHA256() string {
	if r.sha != "" {
		return r.sha
	}
	var table []uint32
	if r.plain {
		table = make([]uint32, 1<<16)
		for i := range table {
			s := int(int16(uint16(i))) + r.bias
			table[i] = math.Float32bits(float32(float64(s)*r.Volume.Slope + r.intercept))
		}
	}
	h := newHasher()
	volumes := r.volumes()
	n := r.Volume.Size[0] * r.Volume.Size[1]
	for k := range r.Volume.Size[2] {
		for t, v := range volumes {
			if r.source != nil {
				if _, ok := slices.BinarySearch(r.source[t], k); !ok {
					continue
				}
			}
			if !r.plain {
				for _, f := range v.Float32s()[k*n:][:n] {
					h.put(math.Float32bits(f))
				}
				continue
			}
			for _, s := range v.Int16s()[k*n:][:n] {
				h.put(table[uint16(s)])
			}
		}
	}
	return h.hex()
}

// Mean is the mean of all values of all time points. The volumes must not have been freed.
func (r *Result) Mean() float64 {
	mean := 0.0
	volumes := r.volumes()
	for _, v := range volumes {
		mean += meanOf(v) / float64(len(volumes))
	}
	return mean
}

func meanOf(v *volume.Volume) float64 {
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
