package study

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"unsafe"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/research"
)

// Labels is a label volume: which voxels belong to which segments. It comes from a DICOM segmentation (PS3.3 A.51), or
// from a label map in NIfTI or NRRD.
type Labels struct {
	Identity            Identity
	FrameOfReferenceUID string
	// SourceSeriesUID is the series that was segmented; empty where the file does not say.
	SourceSeriesUID string
	volume.Geometry
	Segments []Segment
	Warnings []Warning

	// layers are grids of segment values, 0 for none; segments that overlap lie in different ones.
	layers [][]byte
}

// Segment is a part of the body, or whatever else was marked.
type Segment struct {
	Number      int // as the file has it
	Name        string
	Description string
	Category    string // in words, for example Tissue
	Type        string // in words, for example Liver
	Color       [3]uint8
	// Layer and Value say where it is: the voxels of that layer that have that value.
	Layer int
	Value uint16
}

// The elements of a segmentation (PS3.3 C.8.20).
const (
	tagSegmentationType   dicom.Tag = 0x00620001
	tagSegmentSequence    dicom.Tag = 0x00620002
	tagSegmentCategory    dicom.Tag = 0x00620003
	tagSegmentNumber      dicom.Tag = 0x00620004
	tagSegmentLabel       dicom.Tag = 0x00620005
	tagSegmentDescription dicom.Tag = 0x00620006
	tagReferencedSegment  dicom.Tag = 0x0062000B
	tagDisplayCIELab      dicom.Tag = 0x0062000D
	tagMaximumFractional  dicom.Tag = 0x0062000E
	tagSegmentType        dicom.Tag = 0x0062000F
	tagCodeMeaning        dicom.Tag = 0x00080104
	tagReferencedSeries   dicom.Tag = 0x00081115
)

// maxLayers bounds how many segments may lie over each other at one voxel.
const maxLayers = 32

// Layers is the number of grids.
func (l *Labels) Layers() int { return len(l.layers) }

// Layer is a grid of segment values, i fastest; nil after Free.
func (l *Labels) Layer(n int) []uint16 {
	if l.layers == nil {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&l.layers[n][0])), l.Voxels())
}

// Count is the number of voxels of a segment.
func (l *Labels) Count(s *Segment) int {
	n := 0
	for _, v := range l.Layer(s.Layer) {
		if v == s.Value {
			n++
		}
	}
	return n
}

// Free wipes the grids and gives their memory back.
func (l *Labels) Free() {
	for _, p := range l.layers {
		volume.FreePages(p)
	}
	l.layers = nil
}

// addLayer reserves one more grid.
func (l *Labels) addLayer(opts Options, name string) error {
	need := int64(len(l.layers)+1) * int64(l.Voxels()) * 2
	if need > opts.maxBytes() || len(l.layers) == maxLayers {
		return refuse(TooLarge, name, "the segmentation needs %d MiB in %d layers, more than the %d MiB or %d layers allowed",
			need>>20, len(l.layers)+1, opts.maxBytes()>>20, maxLayers)
	}
	p, err := volume.NewPages(l.Voxels() * 2)
	if err != nil {
		return refuse(TooLarge, name, "%v", err)
	}
	l.layers = append(l.layers, p)
	return nil
}

// IsSegmentation says whether a data set is a DICOM segmentation of voxels.
func IsSegmentation(d *dicom.Dataset) bool { return d.Has(tagSegmentSequence) && d.Frames() > 0 }

// BuildLabels makes a label volume of a DICOM segmentation: binary, fractional (a voxel belongs to a segment from half
// of the largest value on), or a label map. The caller frees it. Planes between the file's that it does not have are
// empty, as segmentations leave out empty planes. Its error is an *Error.
func BuildLabels(name string, d *dicom.Dataset, opts Options) (*Labels, error) {
	if !IsSegmentation(d) {
		return nil, refuse(NotVolume, name, "%s is no segmentation", d.Kind())
	}
	l := &Labels{Identity: identityOf(d), FrameOfReferenceUID: d.String(dicom.FrameOfReferenceUID)}
	if refs := d.Sequence(tagReferencedSeries); len(refs) > 0 {
		l.SourceSeriesUID = refs[0].String(dicom.SeriesInstanceUID)
	}
	for _, item := range d.Sequence(tagSegmentSequence) {
		l.Segments = append(l.Segments, segmentOf(item))
	}
	if len(l.Segments) > math.MaxUint16 {
		return nil, refuse(TooLarge, name, "it has %d segments: at most %d", len(l.Segments), math.MaxUint16)
	}
	frames, err := l.place(name, d)
	if err == nil {
		switch kind := d.String(tagSegmentationType); kind {
		case "LABELMAP":
			err = l.fillMap(name, d, frames, opts)
		case "BINARY", "FRACTIONAL", "":
			err = l.fillSegments(name, d, frames, opts)
		default:
			err = refuse(Unsupported, name, "it is a segmentation of type %.20q: BINARY, FRACTIONAL and LABELMAP are read", kind)
		}
	}
	if err != nil {
		l.Free()
		return nil, err
	}
	return l, nil
}

// segmentOf reads an item of the segment sequence.
func segmentOf(d *dicom.Dataset) Segment {
	s := Segment{Name: d.String(tagSegmentLabel), Description: d.String(tagSegmentDescription)}
	s.Number, _ = d.Int(tagSegmentNumber)
	s.Value = uint16(s.Number)
	for tag, to := range map[dicom.Tag]*string{tagSegmentCategory: &s.Category, tagSegmentType: &s.Type} {
		if items := d.Sequence(tag); len(items) > 0 {
			*to = items[0].String(tagCodeMeaning)
		}
	}
	if lab, ok := d.Floats(tagDisplayCIELab); ok && len(lab) == 3 {
		s.Color = labColor(lab[0]/65535*100, lab[1]/65535*255-128, lab[2]/65535*255-128)
	}
	return s
}

// labColor is the sRGB colour of a CIELab value (PS3.3 C.10.7.1.1, white point D50).
func labColor(l, a, b float64) [3]uint8 {
	f := func(t float64) float64 {
		if t > 6.0/29 {
			return t * t * t
		}
		return 3 * (6.0 / 29) * (6.0 / 29) * (t - 4.0/29)
	}
	fy := (l + 16) / 116
	x, y, z := 0.9642*f(fy+a/500), f(fy), 0.8249*f(fy-b/200)
	// From XYZ of D50 to linear sRGB (Bradford).
	linear := [3]float64{3.1338561*x - 1.6168667*y - 0.4906146*z, -0.9787684*x + 1.9161415*y + 0.0334540*z, 0.0719453*x - 0.2289914*y + 1.4052427*z}
	var out [3]uint8
	for i, c := range linear {
		c = min(max(c, 0), 1)
		if c <= 0.0031308 {
			c *= 12.92
		} else {
			c = 1.055*math.Pow(c, 1/2.4) - 0.055
		}
		out[i] = uint8(math.Round(c * 255))
	}
	return out
}

// labelFrame is a DICOM frame of a segmentation.
type labelFrame struct {
	number  int // of the frame, from 0
	segment int // ReferencedSegmentNumber; 0 in a label map
	at      float64
	k       int // plane of the grid
	place   geom.Vec
}

// place finds the grid that the frames lie on.
func (l *Labels) place(name string, d *dicom.Dataset) ([]labelFrame, error) {
	n := d.Frames()
	frames := make([]labelFrame, 0, n)
	var first SliceInfo
	var between float64 // planes
	for i := range n {
		f, err := d.FrameDataset(i)
		if err != nil {
			return nil, readError(name, err)
		}
		s := SliceInfo{Name: name}
		p, okP := f.Floats(dicom.ImagePositionPatient)
		o, okO := f.Floats(dicom.ImageOrientationPatient)
		sp, okS := f.Floats(dicom.PixelSpacing)
		if !okP || !okO || !okS || len(p) != 3 || len(o) != 6 || len(sp) != 2 {
			return nil, refuse(NotVolume, name, "frame %d of the segmentation does not say where it lies", i+1)
		}
		if err := s.setPlace(geom.Vec(p), [6]float64(o), [2]float64{sp[1], sp[0]}); err != nil {
			return nil, err
		}
		if i == 0 {
			first = s
			first.Format.Rows, _ = d.Int(dicom.Rows)
			first.Format.Columns, _ = d.Int(dicom.Columns)
			between, _ = f.Float(dicom.SpacingBetweenSlices)
			if between <= 0 {
				between, _ = f.Float(dicom.SliceThickness)
			}
		} else if s.Row.Sub(first.Row).Norm() > 1e-3 || s.Column.Sub(first.Column).Norm() > 1e-3 || math.Abs(s.Spacing[0]-first.Spacing[0]) > 1e-4 {
			return nil, refuse(Unsupported, name, "frame %d of the segmentation lies turned against the first one, or has another spacing", i+1)
		}
		normal := first.Row.Cross(first.Column).Unit()
		seg, _ := f.Int(tagReferencedSegment)
		frames = append(frames, labelFrame{number: i, segment: seg, at: s.Position.Dot(normal), place: s.Position})
	}
	return frames, l.grid(name, &first, between, frames)
}

// grid is the smallest even grid that has a plane at the position of each frame.
func (l *Labels) grid(name string, first *SliceInfo, between float64, frames []labelFrame) error {
	sorted := slices.Clone(frames)
	slices.SortFunc(sorted, func(a, b labelFrame) int { return cmp.Compare(a.at, b.at) })
	lo, hi := sorted[0], sorted[len(sorted)-1]
	step := math.Inf(1)
	for i := 1; i < len(sorted); i++ {
		if gap := sorted[i].at - sorted[i-1].at; gap > 1e-3 {
			step = min(step, gap)
		}
	}
	planes := 1
	if math.IsInf(step, 1) {
		if step = between; !(step > 0 && step < 1e4) {
			step = 1
		}
	} else {
		planes = int(math.Round((hi.at-lo.at)/step)) + 1
		step = (hi.at - lo.at) / float64(planes-1)
	}
	if planes > 1<<16 {
		return refuse(BadGeometry, name, "its frames are %g mm apart over %g mm, which cannot be", step, hi.at-lo.at)
	}
	axis := first.Row.Cross(first.Column).Unit().Scale(step)
	if planes > 1 {
		axis = hi.place.Sub(lo.place).Scale(1 / float64(planes-1))
	}
	l.Geometry = volume.Geometry{
		Size: [3]int{first.Format.Columns, first.Format.Rows, planes}, Origin: lo.place,
		Axes: [3]geom.Vec{first.Row.Scale(first.Spacing[0]), first.Column.Scale(first.Spacing[1]), axis},
	}
	for i := range frames {
		frames[i].k = int(math.Round((frames[i].at - lo.at) / step))
		if off := frames[i].place.Sub(lo.place.Add(axis.Scale(float64(frames[i].k)))).Norm(); off > 0.1*min(first.Spacing[0], first.Spacing[1], step) {
			return refuse(Irregular, name, "frame %d of the segmentation is %.2f mm from its place in an even grid", frames[i].number+1, off)
		}
	}
	return nil
}

// marked decodes a frame and calls fn for each voxel that it marks, with its sample.
func marked(name string, d *dicom.Dataset, f *labelFrame, least float64, values []float64, fn func(i int, v float64) bool) (bool, error) {
	raw, format, err := d.DecodeFrame(f.number)
	if err != nil {
		return false, readError(name, err)
	}
	if format.BitsAllocated == 1 {
		for i := range values {
			if raw[i>>3]>>(i&7)&1 == 1 && !fn(i, 1) {
				return false, nil
			}
		}
		return true, nil
	}
	if format.SamplesPerPixel != 1 || !format.Float64s(values, raw) {
		return false, refuse(Unsupported, name, "the segmentation has pixels of %d bits, which cannot be read", format.BitsAllocated)
	}
	for i, v := range values {
		if v >= least && !fn(i, v) {
			return false, nil
		}
	}
	return true, nil
}

// fillMap takes the samples of a label map as they are.
func (l *Labels) fillMap(name string, d *dicom.Dataset, frames []labelFrame, opts Options) error {
	if err := l.addLayer(opts, name); err != nil {
		return err
	}
	n := l.Size[0] * l.Size[1]
	grid, values := l.Layer(0), make([]float64, n)
	for i := range frames {
		plane := grid[frames[i].k*n : (frames[i].k+1)*n]
		if _, err := marked(name, d, &frames[i], 1, values, func(i int, v float64) bool {
			plane[i] = uint16(min(v, math.MaxUint16))
			return true
		}); err != nil {
			return err
		}
	}
	return nil
}

// fillSegments puts each segment into the first layer in which it covers no other.
func (l *Labels) fillSegments(name string, d *dicom.Dataset, frames []labelFrame, opts Options) error {
	least := 1.0
	if d.String(tagSegmentationType) == "FRACTIONAL" {
		most, ok := d.Float(tagMaximumFractional)
		if !ok || most < 1 {
			most = 255
		}
		least = most / 2
		l.Warnings = append(l.Warnings, warning(WarnRounded, least, "the segmentation is fractional: a voxel counts as part of a segment from %.4g of %.4g on", least, most))
	}
	of := make(map[int][]*labelFrame)
	for i := range frames {
		of[frames[i].segment] = append(of[frames[i].segment], &frames[i])
	}
	n := l.Size[0] * l.Size[1]
	values := make([]float64, n)
	for i := range l.Segments {
		s := &l.Segments[i]
		s.Value = uint16(i + 1)
		each := func(fn func(voxel int) bool) (bool, error) {
			for _, f := range of[s.Number] {
				if whole, err := marked(name, d, f, least, values, func(i int, _ float64) bool { return fn(f.k*n + i) }); err != nil || !whole {
					return false, err
				}
			}
			return true, nil
		}
		for s.Layer = 0; ; s.Layer++ {
			if s.Layer == len(l.layers) {
				if err := l.addLayer(opts, name); err != nil {
					return err
				}
				break
			}
			grid := l.Layer(s.Layer)
			free, err := each(func(v int) bool { return grid[v] == 0 })
			if err != nil {
				return err
			}
			if free {
				break
			}
		}
		grid := l.Layer(s.Layer)
		if _, err := each(func(v int) bool { grid[v] = s.Value; return true }); err != nil {
			return err
		}
	}
	return nil
}

// BuildResearchLabels makes a label volume of a label map in NIfTI or NRRD. Segments that the file does not describe
// are named after their values. The caller frees it; its error is an *Error.
func BuildResearchLabels(files fs.FS, name string, opts Options) (*Labels, error) {
	m, err := research.Open(files, name)
	if err != nil {
		return nil, researchError(name, err)
	}
	l := &Labels{Identity: Identity{SeriesDescription: name, Modality: "SEG"},
		Geometry: volume.Geometry{Size: m.Size, Origin: m.Origin, Axes: [3]geom.Vec{m.Axes[0], m.Axes[1], m.Axes[2]}}}
	for range m.Times {
		if err := l.addLayer(opts, name); err != nil {
			l.Free()
			return nil, err
		}
	}
	n := m.Size[0] * m.Size[1]
	values := make([]float64, n)
	seen := make(map[[2]int]bool) // layer, value
	last := [2]int{}
	err = m.Read(func(t, k int, raw []byte) error {
		m.Float64s(values, raw)
		out := l.Layer(t)[k*n : (k+1)*n]
		for i, v := range values {
			v = v*m.Slope + m.Intercept
			if v == 0 {
				continue
			}
			if v != math.Trunc(v) || v < 0 || v > math.MaxUint16 {
				return refuse(NotVolume, name, "it has the value %g, so it is no label map: labels are whole numbers from 0 to %d", v, math.MaxUint16)
			}
			out[i] = uint16(v)
			if at := [2]int{t, int(v)}; at != last {
				seen[at], last = true, at
			}
		}
		return nil
	})
	if err != nil {
		l.Free()
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, researchError(name, err)
	}
	l.nameSegments(m, seen)
	for _, w := range m.Warnings {
		l.Warnings = append(l.Warnings, Warning{Code: WarnUnplaced, Text: w})
	}
	return l, nil
}

// nameSegments lists the segments that the file describes, and the values that it does not.
func (l *Labels) nameSegments(m *research.Image, seen map[[2]int]bool) {
	for i, s := range m.Segments {
		seg := Segment{Number: i + 1, Name: cmp.Or(s.Name, s.ID), Layer: s.Layer, Value: uint16(s.Value)}
		if s.Layer < 0 || s.Layer >= len(l.layers) || s.Value < 1 || s.Value > math.MaxUint16 {
			continue
		}
		for c := range seg.Color {
			seg.Color[c] = uint8(math.Round(s.Color[c] * 255))
		}
		l.Segments = append(l.Segments, seg)
		delete(seen, [2]int{s.Layer, s.Value})
	}
	var rest [][2]int
	for at := range seen {
		rest = append(rest, at)
	}
	slices.SortFunc(rest, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, at := range rest {
		l.Segments = append(l.Segments, Segment{Number: len(l.Segments) + 1, Name: fmt.Sprintf("Label %d", at[1]), Layer: at[0], Value: uint16(at[1])})
	}
}
