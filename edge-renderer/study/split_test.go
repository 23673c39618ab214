package study_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	stdslices "slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
)

// again is n more slices at the places of slices(n), with numbers, UIDs and values of their own: voxels of set s are
// 1000*s higher before the modality transform.
func again(s, n int, change func(d *dicom.Dataset)) []*dicom.Dataset {
	list := slices(n)
	for k, d := range list {
		d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("%s.%d.%d", seriesUID, s, k))
		d.SetInts(dicom.InstanceNumber, dicom.IS, 100*s+k)
		d.SetInts(dicom.BitsStored, dicom.US, 16)
		d.SetInts(dicom.HighBit, dicom.US, 15)
		px := make([]int, 64)
		for i := range px {
			px[i] = 1000*s + 10*k + i
		}
		d.SetInts(dicom.PixelData, dicom.OW, px...)
		change(d)
	}
	return list
}

func str(tag dicom.Tag, vr dicom.VR, s ...string) func(*dicom.Dataset) {
	return func(d *dicom.Dataset) { d.SetString(tag, vr, s...) }
}

// What tells slices apart splits a series, in any order, announced or not, and names its parts.
func TestParts(t *testing.T) {
	number := func(tag dicom.Tag, n int) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) { d.SetInts(tag, dicom.IS, n) }
	}
	both := func(a, b func(*dicom.Dataset)) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) { a(d); b(d) }
	}
	for name, c := range map[string]struct {
		first, second func(d *dicom.Dataset)
		names         [2]string
		// files: the listing does not say it, so all files come and decide.
		files bool
	}{
		"echo": {both(number(dicom.EchoNumbers, 1), str(dicom.EchoTime, dicom.DS, "2.46")), both(number(dicom.EchoNumbers, 2), str(dicom.EchoTime, dicom.DS, "5.1")),
			[2]string{"echo 1, 2.46 ms, 6 slices", "echo 2, 5.1 ms, 6 slices"}, false},
		"b-value":        {str(dicom.DiffusionBValue, dicom.DS, "0"), str(dicom.DiffusionBValue, dicom.DS, "1000"), [2]string{"b 0, 6 slices", "b 1000, 6 slices"}, false},
		"inversion time": {str(dicom.InversionTime, dicom.DS, "400"), str(dicom.InversionTime, dicom.DS, "2500"), [2]string{"inversion time 400 ms, 6 slices", "inversion time 2500 ms, 6 slices"}, false},
		"component": {str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "M", "ND"), str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "P", "ND"),
			[2]string{"magnitude, 6 slices", "phase, 6 slices"}, false},
		"Dixon": {str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "OTHER", "WATER"), str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "OTHER", "FAT"),
			[2]string{"other water, 6 slices", "other fat, 6 slices"}, false},
		"acquisition": {both(number(dicom.AcquisitionNumber, 1), str(dicom.AcquisitionTime, dicom.TM, "082930")), both(number(dicom.AcquisitionNumber, 2), str(dicom.AcquisitionTime, dicom.TM, "083120.5")),
			[2]string{"acquisition 1, 6 slices, 08:29:30", "acquisition 2, 6 slices, 08:31:20"}, false},
		"orientation": {str(dicom.PatientSex, dicom.CS, "F"), both(str(dicom.ImageOrientationPatient, dicom.DS, "0", "1", "0", "0", "0", "-1"), func(d *dicom.Dataset) {
			n, _ := d.Int(dicom.InstanceNumber)
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, float64(200-n)*3, 0, 0)
		}), [2]string{"axial, 6 slices", "sagittal, 6 slices"}, false},
		"spacing": {str(dicom.PatientSex, dicom.CS, "F"), str(dicom.PixelSpacing, dicom.DS, "1", "1"), [2]string{"pixels of 0.5x0.75 mm, 6 slices", "pixels of 1x1 mm, 6 slices"}, false},
		"matrix":  {str(dicom.PatientSex, dicom.CS, "F"), both(number(dicom.Rows, 4), number(dicom.Columns, 16)), [2]string{"8x8, 6 slices", "16x4, 6 slices"}, false},
		"frame of reference": {str(dicom.PatientSex, dicom.CS, "F"), str(dicom.FrameOfReferenceUID, dicom.UI, "1.9.77.1234567"),
			[2]string{"frame of reference 1.2.3.9, 6 slices", "frame of reference ...234567, 6 slices"}, false},
		"inverted":  {str(dicom.PatientSex, dicom.CS, "F"), str(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME1"), [2]string{"6 slices", "inverted, 6 slices"}, false},
		"localizer": {str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "AXIAL"), str(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "LOCALIZER"), [2]string{"axial, 6 slices", "localizer, 6 slices"}, false},
		"patients":  {str(dicom.PatientSex, dicom.CS, "F"), str(dicom.PatientID, dicom.LO, "P-2"), [2]string{"patient ID P-1, 6 slices", "patient ID P-2, 6 slices"}, true},
		"side by side": {str(dicom.PatientSex, dicom.CS, "F"), func(d *dicom.Dataset) {
			n, _ := d.Int(dicom.InstanceNumber)
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, 150, 3, float64(n-200)*2.5)
		}, [2]string{"6 slices, z 0 to 12.5 mm", "6 slices, z 0 to 12.5 mm"}, false},
		"interleaved acquisitions": {number(dicom.AcquisitionNumber, 1), both(number(dicom.AcquisitionNumber, 2), func(d *dicom.Dataset) {
			n, _ := d.Int(dicom.InstanceNumber)
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, float64(n-200)*2.5+0.8)
		}), [2]string{"acquisition 1, 6 slices", "acquisition 2, 6 slices"}, false},
		"nothing": {str(dicom.PatientSex, dicom.CS, "F"), str(dicom.PatientSex, dicom.CS, "F"), [2]string{"slice 1 of each position, 6 slices", "slice 2 of each position, 6 slices"}, true},
	} {
		list := append(again(1, 6, c.first), again(2, 6, c.second)...)
		m := series(t, list)
		for part := 1; part <= 2; part++ {
			rand.New(rand.NewPCG(1, uint64(part))).Shuffle(len(m.files), func(i, j int) {
				m.files[i], m.files[j] = m.files[j], m.files[i]
				m.uids[i], m.uids[j] = m.uids[j], m.uids[i]
				m.list[i], m.list[j] = m.list[j], m.list[i]
			})
			for _, announced := range []bool{true, false} {
				m.fetched = nil
				keep := m.list
				if !announced {
					m.list = nil
				}
				r, err := study.Build(t.Context(), m, study.Options{Part: part})
				m.list = keep
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if len(r.Parts) != 2 || r.Part.Number != part {
					t.Errorf("%s: parts %+v", name, r.Parts)
				} else if r.Parts[0].Name != c.names[0] || r.Parts[1].Name != c.names[1] || r.Part.Name != c.names[part-1] {
					if !announced || !c.files {
						t.Errorf("%s: %q and %q", name, r.Parts[0].Name, r.Parts[1].Name)
					}
				}
				if got, want := r.Volume.At(3, 0, 2), float64(1000*part+20+3-1024); got != want {
					t.Errorf("%s, part %d: value %v, want %v", name, part, got, want)
				}
				if announced && !c.files && len(m.fetched) != 6 {
					t.Errorf("%s: %d files were fetched for a part of 6", name, len(m.fetched))
				}
				switch name {
				case "nothing":
					told(t, name, r, study.WarnDoubled, 6, "instance numbers")
				case "patients":
					told(t, name, r, study.WarnPatients, 2)
				}
				r.Free()
			}
		}
		_, err := study.Build(t.Context(), m, study.Options{Part: 3})
		refused(t, name, err, study.NoPart, "2 parts")
	}
}

// What varies from slice to slice does not split a stack.
func TestOneStack(t *testing.T) {
	for name, change := range map[string]func(d *dicom.Dataset, k int){
		"acquisition time for each slice": func(d *dicom.Dataset, k int) {
			d.SetString(dicom.AcquisitionTime, dicom.TM, fmt.Sprintf("0831%02d", k))
		},
		"trigger time for each slice":       func(d *dicom.Dataset, k int) { d.SetInts(dicom.TriggerTime, dicom.DS, 37*k) },
		"acquisition number for each slice": func(d *dicom.Dataset, k int) { d.SetInts(dicom.AcquisitionNumber, dicom.IS, k) },
		"echo time for each slice":          func(d *dicom.Dataset, k int) { d.SetFloats(dicom.EchoTime, dicom.DS, 5+float64(k)) },
		"echo times rounded":                func(d *dicom.Dataset, k int) { d.SetFloats(dicom.EchoTime, dicom.DS, 5.1+0.01*float64(k%3)) },
		"two acquisitions end to end":       func(d *dicom.Dataset, k int) { d.SetInts(dicom.AcquisitionNumber, dicom.IS, 1+k/4) },
		"odd and even acquisitions":         func(d *dicom.Dataset, k int) { d.SetInts(dicom.AcquisitionNumber, dicom.IS, 1+k%2) },
		"image types end to end": func(d *dicom.Dataset, k int) {
			d.SetString(dicom.ImageType, dicom.CS, "ORIGINAL", "PRIMARY", "AXIAL", []string{"ADD", ""}[k/4])
		},
	} {
		list := slices(8)
		for k, d := range list {
			change(d, k)
		}
		r := build(t, series(t, list), study.Options{})
		if r.Volume.Size[2] != 8 || len(r.Parts) != 1 || len(r.Phases) > 0 || len(r.Warnings) > 0 {
			t.Errorf("%s: %v, parts %+v, warnings %v", name, r.Volume.Size, r.Parts, r.Warnings)
		}
	}
}

// Slices of the same places that time tells apart are time points of one volume.
func TestTimePoints(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *dicom.Dataset, s, k int)
		labels []string
		ms     []float64
	}{
		"temporal position": {func(d *dicom.Dataset, s, k int) { d.SetInts(dicom.TemporalPositionID, dicom.IS, s) },
			[]string{"1", "2", "3"}, []float64{0, 0, 0}},
		"temporal position and trigger time": {func(d *dicom.Dataset, s, k int) {
			d.SetInts(dicom.TemporalPositionID, dicom.IS, s)
			d.SetInts(dicom.TriggerTime, dicom.DS, 50*s)
		}, []string{"1", "2, 50 ms", "3, 100 ms"}, []float64{0, 50, 100}},
		"trigger time, another for each slice": {func(d *dicom.Dataset, s, k int) { d.SetInts(dicom.TriggerTime, dicom.DS, 200*s+k) },
			[]string{"1, 200 ms after the trigger", "2, 400 ms after the trigger", "3, 600 ms after the trigger"}, []float64{0, 200, 400}},
		"frame reference time": {func(d *dicom.Dataset, s, k int) { d.SetInts(dicom.FrameReferenceTime, dicom.DS, 60000*s*s) },
			[]string{"1", "2, 3 min", "3, 8 min"}, []float64{0, 180000, 480000}},
		"acquisition time": {func(d *dicom.Dataset, s, k int) {
			d.SetString(dicom.AcquisitionTime, dicom.TM, fmt.Sprintf("0831%02d.5", 10*s+k))
		}, []string{"08:31:10", "08:31:20, 10 s", "08:31:30, 10 s"}, []float64{0, 10000, 20000}},
		"content time": {func(d *dicom.Dataset, s, k int) {
			d.SetString(dicom.ContentTime, dicom.TM, fmt.Sprintf("08310%d.25", s))
		}, []string{"08:31:01", "08:31:02, 1000 ms", "08:31:03, 2 s"}, []float64{0, 1000, 2000}},
		"many acquisitions": {func(d *dicom.Dataset, s, k int) {
			d.SetInts(dicom.AcquisitionNumber, dicom.IS, s)
			d.SetString(dicom.AcquisitionTime, dicom.TM, fmt.Sprintf("08310%d", 2*s))
		}, []string{"acquisition 1", "acquisition 2, 2 s", "acquisition 3, 4 s"}, []float64{0, 2000, 4000}},
	} {
		var list []*dicom.Dataset
		for s := 1; s <= 3; s++ {
			for k, d := range again(s, 5, func(*dicom.Dataset) {}) {
				c.change(d, s, k)
				list = append(list, d)
			}
		}
		rand.New(rand.NewPCG(7, 8)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		m := series(t, list)
		for _, announced := range []bool{true, false} {
			if !announced {
				m.list = nil
			}
			r := build(t, m, study.Options{Workers: 3})
			if len(r.Phases) != 3 || len(r.Parts) != 1 || r.Volume != r.Phases[0].Volume || r.Part.Slices != 5 || len(r.Instances) != 15 {
				t.Errorf("%s: %d phases, parts %+v", name, len(r.Phases), r.Parts)
				continue
			}
			for s, p := range r.Phases {
				if p.Volume.Geometry != r.Volume.Geometry || p.Volume.At(2, 1, 3) != float64(1000*(s+1)+30+10-1024) ||
					p.Volume.Min != 1000-1024 || p.Volume.Max != 3000+40+63-1024 {
					t.Errorf("%s: time point %d has %v, from %v to %v", name, s, p.Volume.At(2, 1, 3), p.Volume.Min, p.Volume.Max)
				}
				if label := c.labels[s]; p.Label != label && !(name == "acquisition time" && strings.HasPrefix(p.Label, label[:8])) && name != "content time" || p.Ms != c.ms[s] {
					t.Errorf("%s: time point %q at %v ms, want %q at %v", name, p.Label, p.Ms, label, c.ms[s])
				}
			}
			if len(r.Warnings) > 0 {
				t.Errorf("%s: %v", name, r.Warnings)
			}
		}
	}
}

// A time point that lacks a slice has it interpolated, and told; one that lacks an end is left out, and told.
func TestTimePointsWithGaps(t *testing.T) {
	all := func() (list []*dicom.Dataset) {
		for s := 1; s <= 3; s++ {
			list = append(list, again(s, 6, func(d *dicom.Dataset) { d.SetInts(dicom.TemporalPositionID, dicom.IS, s) })...)
		}
		return list
	}
	m := series(t, stdslices.Delete(all(), 8, 9)) // slice 2 of time point 2
	for range 2 {
		r := build(t, m, study.Options{})
		if len(r.Phases) != 3 || r.Phases[1].Volume.At(0, 0, 2) != 2020-1024 {
			t.Fatalf("%d phases, %v", len(r.Phases), r.Phases[1].Volume.At(0, 0, 2))
		}
		told(t, "a gap", r, study.WarnMissing, 1, "time point 2", "5.00 mm apart")
		m.list = nil
	}
	m = series(t, stdslices.Delete(all(), 11, 12)) // the last slice of time point 2
	for range 2 {
		r := build(t, m, study.Options{})
		if len(r.Phases) != 2 || r.Phases[1].Label != "3" || len(r.Parts) != 2 || r.Parts[1].Volume || !strings.Contains(r.Parts[1].Reason, "lacks 1 slice") {
			t.Fatalf("%d phases, parts %+v", len(r.Phases), r.Parts)
		}
		m.list = nil
	}
}

// Enhanced objects: every frame is a slice, with what its functional groups say of it.
func TestMultiFrame(t *testing.T) {
	pl := somePlanes()["oblique"]
	n := pl.row.Cross(pl.column)
	d := pl.linear(1, geom.Vec{})
	for _, tag := range []dicom.Tag{dicom.ImagePositionPatient, dicom.ImageOrientationPatient, dicom.PixelSpacing} {
		d.Delete(tag)
	}
	o := append(append([]float64{}, pl.row[:]...), pl.column[:]...)
	orientation, measures, shared := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
	orientation.SetFloats(dicom.ImageOrientationPatient, dicom.FD, o...)
	measures.SetFloats(dicom.PixelSpacing, dicom.DS, 0.75, 0.5)
	shared.SetSequence(0x00209116, orientation)
	shared.SetSequence(0x00289110, measures)
	d.SetSequence(dicom.SharedFunctionalGroupsSequence, shared)
	var own []*dicom.Dataset
	var px []float64
	for s := range 2 { // two b-values, each with seven slices, in no order
		for _, k := range []int{4, 0, 6, 1, 5, 2, 3} {
			p := n.Scale(1.5 * float64(k))
			position, diffusion, groups := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
			position.SetFloats(dicom.ImagePositionPatient, dicom.FD, p[:]...)
			diffusion.SetFloats(dicom.DiffusionBValue, dicom.FD, float64(800*s))
			groups.SetSequence(0x00209113, position)
			groups.SetSequence(0x00189117, diffusion)
			own = append(own, groups)
			for _, v := range pl.values(p) {
				px = append(px, v+float64(5000*s))
			}
		}
	}
	d.SetSequence(dicom.PerFrameFunctionalGroupsSequence, own...)
	d.SetInts(dicom.NumberOfFrames, dicom.IS, len(own))
	d.SetFloats(dicom.FloatPixelData, dicom.OF, px...)
	m := series(t, []*dicom.Dataset{d})
	r := build(t, m, study.Options{Workers: 3})
	if r.Volume.Size != [3]int{6, 5, 7} || len(r.Parts) != 2 || r.Part.Name != "b 0, 7 slices" || r.Parts[1].Name != "b 800, 7 slices" || len(r.Instances) != 7 {
		t.Errorf("%v, instances %v, parts %+v", r.Volume.Size, r.Instances, r.Parts)
	}
	lies(t, "b 0", r.Volume, r.Volume.Size)
	if im := r.Parts[1].Images; len(im) != 7 || im[0] != (study.ImageRef{SOPInstanceUID: seriesUID + ".1", Frame: 8}) || im[6].Frame != 9 {
		t.Errorf("images %v", im)
	}
	if r := build(t, m, study.Options{Part: 2}); r.Volume.At(0, 0, 0) != truth(geom.Vec{})+5000 {
		t.Errorf("b 800: %v", r.Volume.At(0, 0, 0))
	}
}

// A modality look-up table stands for slope and intercept.
func TestModalityLUT(t *testing.T) {
	list := each(slices(3), func(d *dicom.Dataset) { lookUp(d, 0) })
	r := build(t, series(t, list), study.Options{})
	for i := range 64 {
		v := 256 + 10 + i
		if got := r.Volume.At(i%8, i/8, 1); got != float64((v*v)>>8) {
			t.Fatalf("voxel %d is %v, want %d", i, got, (v*v)>>8)
		}
	}
}

// Copies with the same UID and pixels count once; with other pixels they are told.
func TestCopies(t *testing.T) {
	want := build(t, series(t, slices(6)), study.Options{})
	list := slices(6)
	m := series(t, append(list, list[2]))
	for range 2 {
		r := build(t, m, study.Options{})
		if !bytes.Equal(r.Volume.Raw(), want.Volume.Raw()) || len(r.Parts) != 1 {
			t.Errorf("a copy: %v, parts %v", r.Volume.Size, r.Parts)
		}
		told(t, "a copy", r, study.WarnDuplicate, 1)
		m.list = nil
	}
	list = slices(7)
	other := slices(7)[3]
	other.SetInts(dicom.PixelData, dicom.OW, make([]int, 64)...)
	m = series(t, append(list, other))
	for range 2 {
		r := build(t, m, study.Options{})
		if r.Volume.Size[2] != 7 || len(r.Parts) != 2 {
			t.Errorf("other pixels: %v, parts %v", r.Volume.Size, r.Parts)
		}
		told(t, "other pixels", r, study.WarnSameUID, 1, "file 3", "file 7")
		told(t, "other pixels", r, study.WarnDoubled, 1)
		m.list = nil
	}
}

// What is hostile makes no work without end: parts are bounded, and what is beyond them is told.
func TestBoundedParts(t *testing.T) {
	for name, change := range map[string]func(d *dicom.Dataset, k int){
		"one place": func(d *dicom.Dataset, k int) { d.SetFloats(dicom.ImagePositionPatient, dicom.DS, 0, 0, 0) },
		"many echoes": func(d *dicom.Dataset, k int) {
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, 0, 0, 0)
			d.SetInts(dicom.EchoTime, dicom.DS, 10*k)
		},
		"side by side": func(d *dicom.Dataset, k int) { d.SetFloats(dicom.ImagePositionPatient, dicom.DS, 5*float64(k), 0, 0) },
		"a hair apart": func(d *dicom.Dataset, k int) {
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, 5*float64(k), 0, 1e-7*float64(k))
		},
		"all orientations": func(d *dicom.Dataset, k int) {
			a := 0.004 * float64(k)
			d.SetFloats(dicom.ImageOrientationPatient, dicom.DS, math.Cos(a), math.Sin(a), 0, 0, 0, -1)
		},
	} {
		list := slices(1500)
		for k, d := range list {
			change(d, k)
		}
		m := series(t, list)
		for _, announced := range []bool{true, false} {
			if !announced {
				m.list = nil
			}
			_, err := study.Build(t.Context(), m, study.Options{Workers: 2})
			var e *study.Error
			if !errors.As(err, &e) || len(e.Parts) > 1000 {
				t.Errorf("%s: %d parts, %v", name, len(e.Parts), err)
				continue
			}
			images := 0
			for _, p := range e.Parts {
				images += len(p.Images)
			}
			if images != 1500 {
				t.Errorf("%s: %d images", name, images)
			}
		}
	}
}

// Pictures among slices are a part of their own, and do not keep the slices from being fetched alone.
func TestPicturesAmongSlices(t *testing.T) {
	list := slices(8)
	for n := range 2 {
		d := slices(1)[0]
		d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("%s.9%d", seriesUID, n))
		d.SetInts(dicom.InstanceNumber, dicom.IS, 90+n)
		d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.7")
		d.Delete(dicom.ImagePositionPatient)
		if n == 1 {
			d.SetInts(dicom.SamplesPerPixel, dicom.US, 3)
			d.SetString(dicom.PhotometricInterpretation, dicom.CS, "RGB")
			d.SetInts(dicom.BitsAllocated, dicom.US, 8)
			d.SetInts(dicom.BitsStored, dicom.US, 8)
			d.SetInts(dicom.HighBit, dicom.US, 7)
			d.SetBytes(dicom.PixelData, dicom.OB, make([]byte, 3*64))
		}
		list = append(list, d)
	}
	m := series(t, list)
	for _, fetched := range []int{8, 0} {
		m.fetched = nil
		r := build(t, m, study.Options{})
		if len(m.fetched) != fetched || len(r.Parts) != 2 || r.Parts[1].Volume || r.Parts[1].Name != "secondary capture, 2 images" ||
			len(r.Parts[1].Images) != 2 || r.Parts[1].Images[1].SOPInstanceUID != seriesUID+".91" || len(r.Warnings) > 0 {
			t.Errorf("%d files were fetched, parts %+v, warnings %v", len(m.fetched), r.Parts, r.Warnings)
		}
		_, err := study.Build(t.Context(), m, study.Options{Part: 2})
		refused(t, "pictures", err, study.NotVolume, "secondary capture")
		m.list = nil
	}
	m = series(t, list[8:])
	_, err := study.Build(t.Context(), m, study.Options{})
	refused(t, "pictures alone", err, study.NotVolume)
}
