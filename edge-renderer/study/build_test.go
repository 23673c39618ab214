package study_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	stdslices "slices"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func TestBuild(t *testing.T) {
	var told [][2]int
	r := build(t, series(t, slices(5)), study.Options{Progress: func(done, total int) { told = append(told, [2]int{done, total}) }})
	v := r.Volume
	if v.Size != [3]int{8, 8, 5} || v.Spacing() != [3]float64{0.5, 0.75, 2.5} || v.Origin != (geom.Vec{-12.5, 3, 0}) || v.Format != volume.Int16 {
		t.Errorf("%v voxels of %v, %v mm, at %v", v.Size, v.Format, v.Spacing(), v.Origin)
	}
	for _, c := range [][4]int{{0, 0, 0, 256}, {7, 0, 0, 263}, {0, 7, 0, 312}, {7, 7, 4, 359}} {
		if got := v.At(c[0], c[1], c[2]); got != float64(c[3]-1024) {
			t.Errorf("voxel %v is %v, want %d", c[:3], got, c[3]-1024)
		}
	}
	if v.Min != 256-1024 || v.Max != 359-1024 || math.Abs(r.Mean()-(256+20+31.5-1024)) > 1e-9 {
		t.Errorf("values from %v to %v, mean %v", v.Min, v.Max, r.Mean())
	}
	if id := r.Identity; id.PatientName != "Müller^Änne" || id.SeriesInstanceUID != seriesUID || id.SeriesNumber != 3 || r.Units != "HU" {
		t.Errorf("identity %+v, units %q", id, r.Units)
	}
	if len(r.Warnings) > 0 || len(r.Instances) != 5 || r.Instances[4] != seriesUID+".4" {
		t.Errorf("warnings %v, instances %v", r.Warnings, r.Instances)
	}
	for i, p := range told {
		if p != [2]int{i + 1, 5} {
			t.Errorf("progress %v", told)
			break
		}
	}
	if len(told) != 5 {
		t.Errorf("progress was told %d times", len(told))
	}
}

// However slices arrive, announced or not, one at a time or together, the volume is the same.
func TestAnyOrder(t *testing.T) {
	want := build(t, series(t, slices(7)), study.Options{})
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 40 {
		list := slices(7)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		m := series(t, list)
		if n%2 == 0 {
			m.list = nil // nothing is announced
		}
		r := build(t, m, study.Options{Workers: 1 + n%4})
		if !bytes.Equal(r.Volume.Raw(), want.Volume.Raw()) || r.Volume.Geometry != want.Volume.Geometry || !stdslices.Equal(r.Instances, want.Instances) {
			t.Errorf("order %d makes another volume", n)
		}
	}
	// Positions decide, not numbers: the slices from top to bottom are the same volume.
	r := build(t, series(t, each(slices(7), func(d *dicom.Dataset) {
		n, _ := d.Int(dicom.InstanceNumber)
		d.SetInts(dicom.InstanceNumber, dicom.IS, 100-n)
	})), study.Options{})
	if !bytes.Equal(r.Volume.Raw(), want.Volume.Raw()) {
		t.Error("instance numbers decided")
	}
}

// Memory that was reserved for 64 slices grows while others are being decoded.
func TestConcurrentAdd(t *testing.T) {
	list := slices(150)
	files := make([][]byte, len(list))
	for i, d := range list {
		files[i] = sourcetest.Encode(t, d)
	}
	b := study.NewBuilder(study.Options{})
	defer b.Close()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for k := w; k < len(files); k += 8 {
				if err := b.Add(fmt.Sprint(k), files[k]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Volume.Free()
	for k := range 150 {
		if got := r.Volume.At(3, 2, k); got != float64(256+10*k+19-1024) {
			t.Fatalf("slice %d: %v", k, got)
		}
	}
	if err := b.Add("late", files[0]); err == nil {
		t.Error("a slice is taken after the end")
	}
}

// place puts slices where position says, with the directions of rows and columns given.
func place(list []*dicom.Dataset, row, column geom.Vec, position func(k int) geom.Vec) []*dicom.Dataset {
	for k, d := range list {
		p := position(k)
		d.SetFloats(dicom.ImagePositionPatient, dicom.DS, p[0], p[1], p[2])
		d.SetFloats(dicom.ImageOrientationPatient, dicom.DS, row[0], row[1], row[2], column[0], column[1], column[2])
	}
	return list
}

func TestGeometry(t *testing.T) {
	turned := func(a, b float64) (row, column geom.Vec) { // around z, then around the row
		row = geom.Vec{math.Cos(a), math.Sin(a), 0}
		side := geom.Vec{-math.Sin(a), math.Cos(a), 0}
		return row, side.Scale(math.Cos(b)).Add(geom.Vec{0, 0, 1}.Scale(math.Sin(b)))
	}
	oblique, steep := [2]geom.Vec{}, [2]geom.Vec{}
	oblique[0], oblique[1] = turned(0.3, -0.4)
	steep[0], steep[1] = turned(-2, 1.3)
	start := geom.Vec{-20.5, 33.25, 1000}
	for name, c := range map[string]struct {
		row, column geom.Vec
		step        geom.Vec // from slice to slice in the order of files
		tilt        bool
	}{
		"axial":                        {geom.Vec{1, 0, 0}, geom.Vec{0, 1, 0}, geom.Vec{0, 0, 2.5}, false},
		"axial, from above":            {geom.Vec{1, 0, 0}, geom.Vec{0, 1, 0}, geom.Vec{0, 0, -2.5}, false},
		"feet first prone":             {geom.Vec{-1, 0, 0}, geom.Vec{0, 1, 0}, geom.Vec{0, 0, 1}, false},
		"sagittal":                     {geom.Vec{0, 1, 0}, geom.Vec{0, 0, -1}, geom.Vec{1.2, 0, 0}, false},
		"coronal":                      {geom.Vec{1, 0, 0}, geom.Vec{0, 0, -1}, geom.Vec{0, -3, 0}, false},
		"oblique":                      {oblique[0], oblique[1], oblique[0].Cross(oblique[1]).Scale(1.75), false},
		"steep":                        {steep[0], steep[1], steep[0].Cross(steep[1]).Scale(-0.6), false},
		"gantry tilt":                  {geom.Vec{1, 0, 0}, geom.Vec{0, math.Cos(0.32), -math.Sin(0.32)}, geom.Vec{0, 0, 4}, true},
		"sheared along both, backward": {oblique[0], oblique[1], oblique[0].Cross(oblique[1]).Scale(-2).Add(oblique[0].Scale(0.5)).Sub(oblique[1].Scale(0.7)), true},
	} {
		list := place(slices(6), c.row, c.column, func(k int) geom.Vec { return start.Add(c.step.Scale(float64(k))) })
		r := build(t, series(t, list), study.Options{})
		v := r.Volume
		up := c.row.Cross(c.column).Dot(c.step) > 0
		for k := range 6 {
			slice := k
			if !up {
				slice = 5 - k
			}
			want := start.Add(c.step.Scale(float64(slice)))
			for _, ij := range [][2]float64{{0, 0}, {7, 0}, {0, 7}, {7, 7}} {
				at := want.Add(c.row.Scale(0.5 * ij[0])).Add(c.column.Scale(0.75 * ij[1]))
				index := geom.Vec{ij[0], ij[1], float64(k)}
				if got := v.Patient(index); got.Sub(at).Norm() > 1e-9 {
					t.Errorf("%s: voxel %v lies at %v, want %v", name, index, got, at)
				}
				if got := v.Index(at); got.Sub(index).Norm() > 1e-6 {
					t.Errorf("%s: %v is voxel %v, want %v", name, at, got, index)
				}
			}
			if got, want := v.At(1, 2, k), float64(256+10*slice+17-1024); got != want {
				t.Errorf("%s: slice %d has value %v, want %v", name, k, got, want)
			}
		}
		if v.Axes[0].Cross(v.Axes[1]).Dot(v.Axes[2]) <= 0 {
			t.Errorf("%s: slices go against the normal", name)
		}
		if stdslices.Contains(codes(r), study.WarnTilt) != c.tilt {
			t.Errorf("%s: warnings %v", name, r.Warnings)
		}
	}
}

// Values are what the file says after the modality transform, however they are stored.
func TestValues(t *testing.T) {
	n := 0
	for name, c := range map[string]struct {
		change func(d *dicom.Dataset)
		want   func(k, i int) float64
		format volume.Format
		codes  []study.Code
	}{
		"signed": {func(d *dicom.Dataset) {
			d.SetInts(dicom.PixelRepresentation, dicom.US, 1)
			d.SetInts(dicom.BitsStored, dicom.US, 16)
			d.SetInts(dicom.HighBit, dicom.US, 15)
		}, func(k, i int) float64 { return float64(256+10*k+i) - 1024 }, volume.Int16, nil},
		"unsigned 16 bit, large values": {func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsStored, dicom.US, 16)
			d.SetInts(dicom.HighBit, dicom.US, 15)
			for i := range d.Get(dicom.PixelData).Value {
				d.Get(dicom.PixelData).Value[i] = 0xFF
			}
		}, func(int, int) float64 { return 65535 - 1024 }, volume.Int16, nil},
		"fractions": {func(d *dicom.Dataset) {
			d.SetFloats(dicom.RescaleSlope, dicom.DS, 0.25)
			d.SetFloats(dicom.RescaleIntercept, dicom.DS, 3.5)
		}, func(k, i int) float64 { return float64(256+10*k+i)/4 + 3.5 }, volume.Int16, nil},
		"a slope below zero": {func(d *dicom.Dataset) { d.SetFloats(dicom.RescaleSlope, dicom.DS, -2) },
			func(k, i int) float64 { return -2*float64(256+10*k+i) - 1024 }, volume.Int16, nil},
		"no rescale": {func(d *dicom.Dataset) { d.Delete(dicom.RescaleSlope); d.Delete(dicom.RescaleIntercept) },
			func(k, i int) float64 { return float64(256 + 10*k + i) }, volume.Int16, nil},
		"8 bit": {func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsAllocated, dicom.US, 8)
			d.SetInts(dicom.BitsStored, dicom.US, 8)
			d.SetInts(dicom.HighBit, dicom.US, 7)
			d.SetBytes(dicom.PixelData, dicom.OW, bytes.Repeat([]byte{200}, 64))
		}, func(int, int) float64 { return 200 - 1024 }, volume.Int16, nil},
		"32 bit": {func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsAllocated, dicom.US, 32)
			d.SetInts(dicom.BitsStored, dicom.US, 32)
			d.SetInts(dicom.HighBit, dicom.US, 31)
			d.SetBytes(dicom.PixelData, dicom.OW, bytes.Repeat([]byte{0, 0, 1, 0}, 64))
		}, func(int, int) float64 { return 65536 - 1024 }, volume.Float32, nil},
		"its own transform for each, CT": {func(d *dicom.Dataset) { n++; d.SetFloats(dicom.RescaleIntercept, dicom.DS, float64(n)) },
			nil, volume.Float32, []study.Code{study.WarnRescale}},
		"its own transform for each, PET": {func(d *dicom.Dataset) {
			n++
			d.SetFloats(dicom.RescaleIntercept, dicom.DS, float64(n))
			d.SetString(dicom.Modality, dicom.CS, "PT")
		}, nil, volume.Float32, nil},
		"lossy":    {func(d *dicom.Dataset) { d.SetString(dicom.LossyImageCompression, dicom.CS, "01") }, nil, volume.Int16, []study.Code{study.WarnLossy}},
		"no frame": {func(d *dicom.Dataset) { d.Delete(dicom.FrameOfReferenceUID) }, nil, volume.Int16, []study.Code{study.WarnNoFrame}},
		"implicit": {func(d *dicom.Dataset) { d.TransferSyntax = dicom.ImplicitVRLittleEndian }, nil, volume.Int16, nil},
		"deflated": {func(d *dicom.Dataset) { d.TransferSyntax = dicom.DeflatedExplicitVRLittleEndian }, nil, volume.Int16, nil},
		"steps nearly even": {func(d *dicom.Dataset) {
			k, _ := d.Int(dicom.InstanceNumber)
			d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, 2.5*float64(k)+0.02*float64(k%2))
		}, nil, volume.Int16, []study.Code{study.WarnUneven}},
		"positions to 0.01 mm": {func(d *dicom.Dataset) {
			k, _ := d.Int(dicom.InstanceNumber)
			d.SetString(dicom.ImagePositionPatient, dicom.DS, "-12.5", "3", fmt.Sprintf("%.2f", 0.333*float64(k)))
		}, nil, volume.Int16, nil},
	} {
		r := build(t, series(t, each(slices(4), c.change)), study.Options{})
		if r.Volume.Format != c.format || !stdslices.Equal(codes(r), c.codes) {
			t.Errorf("%s: %v, warnings %v", name, r.Volume.Format, r.Warnings)
		}
		lo, hi, sum := math.Inf(1), math.Inf(-1), 0.0
		for k := range 4 {
			for i := range 64 {
				got := r.Volume.At(i%8, i/8, k)
				lo, hi, sum = min(lo, got), max(hi, got), sum+got
				if c.want != nil && got != c.want(k, i) {
					t.Fatalf("%s: voxel %d of slice %d is %v, want %v", name, i, k, got, c.want(k, i))
				}
			}
		}
		if r.Volume.Min != lo || r.Volume.Max != hi || math.Abs(r.Mean()-sum/256) > 1e-9*math.Abs(sum) {
			t.Errorf("%s: from %v to %v, mean %v; voxels say %v to %v, mean %v", name, r.Volume.Min, r.Volume.Max, r.Mean(), lo, hi, sum/256)
		}
	}
	padded := build(t, series(t, each(slices(3), func(d *dicom.Dataset) {
		d.SetInts(dicom.PixelRepresentation, dicom.US, 1)
		d.SetInts(dicom.PixelPaddingValue, dicom.US, 65536-2000) // SS is meant
		d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME1")
		d.SetString(dicom.Units, dicom.CS, "BQML")
	})), study.Options{})
	if padded.Padding == nil || *padded.Padding != -3024 || !padded.Inverted || padded.Units != "BQML" {
		t.Errorf("padding %v, inverted %v, units %q", padded.Padding, padded.Inverted, padded.Units)
	}
}

// Slices of one stack that are stored in different ways keep their values.
func TestMixedStorage(t *testing.T) {
	list := slices(6)
	list[1].SetInts(dicom.BitsAllocated, dicom.US, 32)
	list[1].SetInts(dicom.BitsStored, dicom.US, 32)
	list[1].SetInts(dicom.HighBit, dicom.US, 31)
	px := make([]int, 64)
	for i := range px {
		px[i] = 100_000 + i
	}
	list[1].SetInts(dicom.PixelData, dicom.OL, px...)
	list[2].SetInts(dicom.BitsStored, dicom.US, 16) // unsigned 16 bit, which is held minus 32768
	list[2].SetInts(dicom.HighBit, dicom.US, 15)
	list[3].SetInts(dicom.PixelRepresentation, dicom.US, 1)
	list[4].SetInts(dicom.BitsAllocated, dicom.US, 8)
	list[4].SetInts(dicom.BitsStored, dicom.US, 8)
	list[4].SetInts(dicom.HighBit, dicom.US, 7)
	list[4].SetBytes(dicom.PixelData, dicom.OW, bytes.Repeat([]byte{200}, 64))
	m := series(t, list)
	for range 2 {
		r := build(t, m, study.Options{})
		for k, want := range []float64{256 + 9, 100_009, 256 + 20 + 9, 256 + 30 + 9, 200, 256 + 50 + 9} {
			if got := r.Volume.At(1, 1, k); got != want-1024 {
				t.Errorf("slice %d: %v, want %v", k, got, want-1024)
			}
		}
		if r.Volume.Format != volume.Float32 || len(r.Parts) != 1 || r.Volume.Max != 100_063-1024 {
			t.Errorf("%v, parts %+v", r.Volume.Format, r.Parts)
		}
		m.list = nil
	}
}

// A syntax that loses something says so, whatever the file says.
func TestLossySyntax(t *testing.T) {
	for uid, want := range map[string]bool{"1.2.840.10008.1.2.4.50": true, "1.2.840.10008.1.2.4.81": true, "1.2.840.10008.1.2.4.80": false, dicom.ExplicitVRLittleEndian: false} {
		d := slices(1)[0]
		d.TransferSyntax = uid
		if s, err := study.InfoOf("slice", d); err != nil || s.Lossy != want {
			t.Errorf("%s: lossy %v, %v", uid, s.Lossy, err)
		}
	}
}
