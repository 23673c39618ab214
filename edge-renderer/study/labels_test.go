package study_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// The counts for each plane are pydicom's.
func TestLabelsOfSegmentation(t *testing.T) {
	d, err := dicom.ReadFile(filepath.Join(sourcetest.Studies(t, "edge-pydicom"), "liver.dcm"), dicom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := study.BuildLabels("liver.dcm", d, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Free()
	if l.Size != [3]int{512, 512, 3} || l.Layers() != 1 || len(l.Segments) != 1 {
		t.Fatalf("size %v, %d layers, segments %+v", l.Size, l.Layers(), l.Segments)
	}
	s := l.Segments[0]
	if s.Name != "Liver" || s.Type != "Liver" || s.Category != "Tissue" || s.Number != 1 || s.Color == [3]uint8{} {
		t.Errorf("segment %+v", s)
	}
	for k, want := range []int{36233, 35645, 35220} {
		n := 0
		for _, v := range l.Layer(0)[k*512*512 : (k+1)*512*512] {
			n += int(v)
		}
		if n != want {
			t.Errorf("plane %d has %d voxels, want %d", k, n, want)
		}
	}
	if o, want := l.Origin, (geom.Vec{-235.2, -226.8, -128.69}); o.Sub(want).Norm() > 1e-3 || math.Abs(l.Axes[2][2]-1) > 1e-3 || math.Abs(l.Axes[0][0]-0.810547) > 1e-6 {
		t.Errorf("origin %v, axes %v", o, l.Axes)
	}
}

// segmentation makes an object of 4x4 frames; each frame has a segment, a plane and its samples.
type segFrame struct {
	segment int
	z       float64
	marks   []int
}

func segmentation(kind string, bits int, value byte, frames ...segFrame) *dicom.Dataset {
	d := &dicom.Dataset{TransferSyntax: dicom.ExplicitVRLittleEndian}
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.66.4")
	d.SetString(dicom.SOPInstanceUID, dicom.UI, "2.25.7")
	d.SetString(dicom.Modality, dicom.CS, "SEG")
	d.SetString(0x00620001, dicom.CS, kind)
	d.SetInts(0x0062000E, dicom.US, 200)
	d.SetInts(dicom.Rows, dicom.US, 4)
	d.SetInts(dicom.Columns, dicom.US, 4)
	d.SetInts(dicom.BitsAllocated, dicom.US, bits)
	d.SetInts(dicom.BitsStored, dicom.US, bits)
	d.SetInts(dicom.HighBit, dicom.US, bits-1)
	d.SetInts(dicom.PixelRepresentation, dicom.US, 0)
	d.SetInts(dicom.SamplesPerPixel, dicom.US, 1)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME2")
	d.SetInts(dicom.NumberOfFrames, dicom.IS, len(frames))
	var segments, groups []*dicom.Dataset
	last := 0
	px := make([]byte, (len(frames)*16*bits+7)/8)
	for n, f := range frames {
		if f.segment > last {
			last = f.segment
			s := &dicom.Dataset{}
			s.SetInts(0x00620004, dicom.US, f.segment)
			s.SetString(0x00620005, dicom.LO, fmt.Sprint("part ", f.segment))
			segments = append(segments, s)
		}
		position, id, group := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
		position.SetFloats(dicom.ImagePositionPatient, dicom.DS, 0, 0, f.z)
		id.SetInts(0x0062000B, dicom.US, f.segment)
		group.SetSequence(0x00209113, position)
		group.SetSequence(0x0062000A, id)
		groups = append(groups, group)
		for _, m := range f.marks {
			if bits == 1 {
				px[(n*16+m)/8] |= 1 << ((n*16 + m) % 8)
			} else {
				px[n*16+m] = value
			}
		}
	}
	orientation, measures, shared := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
	orientation.SetFloats(dicom.ImageOrientationPatient, dicom.DS, 1, 0, 0, 0, 1, 0)
	measures.SetFloats(dicom.PixelSpacing, dicom.DS, 2, 3)
	shared.SetSequence(0x00209116, orientation)
	shared.SetSequence(0x00289110, measures)
	d.SetSequence(0x52009229, shared)
	d.SetSequence(0x52009230, groups...)
	d.SetSequence(0x00620002, segments...)
	d.SetBytes(dicom.PixelData, dicom.OB, px)
	return d
}

// Segments that overlap lie in layers of their own, and planes that the file leaves out are empty.
func TestLabelsOverlap(t *testing.T) {
	for name, d := range map[string]*dicom.Dataset{
		"binary":     segmentation("BINARY", 1, 1, segFrame{1, 0, []int{0, 1}}, segFrame{1, 5, []int{2}}, segFrame{2, 10, []int{3}}, segFrame{3, 20, []int{4}}, segFrame{3, 0, []int{1}}),
		"fractional": segmentation("FRACTIONAL", 8, 100, segFrame{1, 0, []int{0, 1}}, segFrame{1, 5, []int{2}}, segFrame{2, 10, []int{3}}, segFrame{3, 20, []int{4}}, segFrame{3, 0, []int{1}}),
	} {
		l, err := study.BuildLabels(name, d, study.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		if l.Size != [3]int{4, 4, 5} || l.Layers() != 2 || math.Abs(l.Axes[2][2]-5) > 1e-9 || l.Axes[0][0] != 3 || l.Axes[1][1] != 2 {
			t.Errorf("%s: size %v, axes %v, %d layers", name, l.Size, l.Axes, l.Layers())
		}
		for i, want := range []struct{ layer, count int }{{0, 3}, {0, 1}, {1, 2}} {
			s := &l.Segments[i]
			if s.Layer != want.layer || l.Count(s) != want.count || s.Name != fmt.Sprint("part ", i+1) {
				t.Errorf("%s: segment %+v has %d voxels, want %+v", name, *s, l.Count(s), want)
			}
		}
		if l.Layer(1)[1] != 3 || l.Layer(1)[4*16+4] != 3 || l.Layer(0)[2*16+3] != 2 {
			t.Errorf("%s: voxels are not in their places", name)
		}
		l.Free()
	}
	faint, err := study.BuildLabels("faint", segmentation("FRACTIONAL", 8, 99, segFrame{1, 0, []int{0}}), study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer faint.Free()
	if n := faint.Count(&faint.Segments[0]); n != 0 || len(faint.Warnings) != 1 {
		t.Errorf("below half of the largest value: %d voxels, warnings %v", n, faint.Warnings)
	}
}

func TestLabelMap(t *testing.T) {
	d := segmentation("LABELMAP", 8, 2, segFrame{1, 0, []int{0, 5}}, segFrame{2, 1, []int{3}})
	l, err := study.BuildLabels("map", d, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Free()
	if n := l.Count(&l.Segments[1]); n != 3 || l.Count(&l.Segments[0]) != 0 {
		t.Errorf("segment 2 has %d voxels", n)
	}
}

func TestLabelsRefused(t *testing.T) {
	turned := segmentation("BINARY", 1, 1, segFrame{1, 0, nil}, segFrame{1, 5, nil}, segFrame{1, 11.5, nil})
	_, err := study.BuildLabels("uneven", turned, study.Options{})
	refused(t, "uneven planes", err, study.Irregular, "frame")
	_, err = study.BuildLabels("large", segmentation("BINARY", 1, 1, segFrame{1, 0, nil}), study.Options{MaxBytes: 8})
	refused(t, "too large", err, study.TooLarge)
	_, err = study.BuildLabels("kind", segmentation("SURFACE", 1, 1, segFrame{1, 0, nil}), study.Options{})
	refused(t, "unknown type", err, study.Unsupported, "SURFACE")
	_, err = study.BuildLabels("none", &dicom.Dataset{}, study.Options{})
	refused(t, "no segmentation", err, study.NotVolume)
	cut := segmentation("BINARY", 1, 1, segFrame{1, 0, nil}, segFrame{1, 1, nil})
	cut.SetBytes(dicom.PixelData, dicom.OB, []byte{0, 0})
	_, err = study.BuildLabels("cut", cut, study.Options{})
	refused(t, "truncated", err, study.Truncated)
}

// The counts are NumPy's, from the file's own samples.
func TestLabelsOfResearchFile(t *testing.T) {
	l, err := study.BuildResearchLabels(os.DirFS(sourcetest.Studies(t, "nrrd")), "Segmentation.seg.nrrd", study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Free()
	if l.Size != [3]int{128, 128, 34} || len(l.Segments) < 4 || l.Segments[0].Name != "ribs" || l.Segments[0].Color != [3]uint8{253, 232, 158} {
		t.Fatalf("size %v, segments %+v", l.Size, l.Segments)
	}
	total := 0
	for i := range l.Segments {
		total += l.Count(&l.Segments[i])
	}
	marked := 0
	for _, v := range l.Layer(0) {
		if v != 0 {
			marked++
		}
	}
	if total != marked || marked == 0 {
		t.Errorf("the segments have %d voxels, %d are marked", total, marked)
	}
	_, err = study.BuildResearchLabels(os.DirFS(sourcetest.Studies(t, "nrrd")), "CTChest4.nrrd", study.Options{})
	refused(t, "a CT is no label map", err, study.NotVolume, "label")
	_, err = study.BuildResearchLabels(research.Files{"x": []byte("no")}, "x", study.Options{})
	refused(t, "garbage", err, study.NotDICOM)
}

// inspect tells the segments of both kinds.
func TestInspectSegmentations(t *testing.T) {
	for folder, want := range map[string]study.SegmentReport{
		"edge-pydicom": {Number: 1, Name: "Liver", Type: "Liver", Voxels: 36233 + 35645 + 35220},
		"nrrd":         {Number: 1, Name: "ribs"},
	} {
		r, err := study.InspectFolder(t.Context(), sourcetest.Studies(t, folder), study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Segmentations) != 1 || len(r.Segmentations[0].Segments) == 0 {
			t.Fatalf("%s: %+v", folder, r.Segmentations)
		}
		got := r.Segmentations[0].Segments[0]
		if want.Voxels == 0 {
			want.Voxels = got.Voxels
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", folder, got, want)
		}
		var b strings.Builder
		if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "segment 1") {
			t.Errorf("%s: %v in %s", folder, err, b.String())
		}
	}
}
