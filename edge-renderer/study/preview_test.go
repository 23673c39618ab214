package study_test

import (
	"math"
	stdslices "slices"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
)

// large is a slice of 32x24 pixels whose values, stored as integers, are linear in patient coordinates.
func large(pl plane, n int, p geom.Vec) *dicom.Dataset {
	d := pl.linear(n, p)
	d.SetInts(dicom.Columns, dicom.US, 32)
	d.SetInts(dicom.Rows, dicom.US, 24)
	d.Delete(dicom.FloatPixelData)
	d.SetInts(dicom.BitsAllocated, dicom.US, 16)
	d.SetInts(dicom.BitsStored, dicom.US, 16)
	d.SetInts(dicom.HighBit, dicom.US, 15)
	d.SetInts(dicom.PixelRepresentation, dicom.US, 1)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 0.0625)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, 10)
	px := make([]int, 0, 32*24)
	for j := range 24 {
		for i := range 32 {
			px = append(px, int(math.Round((truth(pl.at(p, i, j))-10)/0.0625)))
		}
	}
	d.SetInts(dicom.PixelData, dicom.OW, px...)
	return d
}

// Previews come when an eighth and a half of the slices are there, show the whole extent in its place, and take little
// memory.
func TestPreview(t *testing.T) {
	pl := somePlanes()["gantry"]
	way := geom.Vec{0, 0, 1}
	for name, c := range map[string]struct {
		at     func(k int) float64
		change func(d *dicom.Dataset)
	}{
		"even":       {func(k int) float64 { return 1.5 * float64(k) }, func(*dicom.Dataset) {}},
		"steps vary": {func(k int) float64 { return 1.5*float64(k) + 0.6*float64(k/40)*float64(k-40) }, func(*dicom.Dataset) {}},
		"own rescales": {func(k int) float64 { return -1.5 * float64(k) }, func(d *dicom.Dataset) {
			if n, _ := d.Int(dicom.InstanceNumber); n%2 == 1 { // the same values, told another way
				d.SetFloats(dicom.RescaleIntercept, dicom.DS, 10.0625)
				px := d.Get(dicom.PixelData).Value
				for i := 0; i < len(px); i += 2 {
					v := int16(uint16(px[i])|uint16(px[i+1])<<8) - 1
					px[i], px[i+1] = byte(uint16(v)), byte(uint16(v)>>8)
				}
			}
		}},
	} {
		const n = 80
		var list []*dicom.Dataset
		for k := range n {
			list = append(list, large(pl, k, way.Scale(c.at(k))))
		}
		m := series(t, each(list, c.change))
		var previews []*study.Result
		var at []int
		done := 0
		r := build(t, m, study.Options{Workers: 1, Progress: func(d, total int) { done = d }, Preview: func(r *study.Result) {
			previews = append(previews, r)
			at = append(at, done)
		}})
		if len(previews) != 2 || at[0] > n/8 || at[1] > n/2+2 {
			t.Fatalf("%s: %d previews after %v slices", name, len(previews), at)
		}
		bytes := 0
		for i, p := range previews {
			v := p.Volume
			bytes += v.Bytes()
			if !p.Coarse || p.Identity != r.Identity || p.FrameOfReferenceUID != r.FrameOfReferenceUID || p.Part.Name != r.Part.Name || v.Size[0] != 16 || v.Size[1] != 12 {
				t.Errorf("%s: preview %d of %v: %+v", name, i, v.Size, p)
			}
			// Both ends are those of the volume.
			for k, want := range map[float64]float64{0: 0, float64(v.Size[2] - 1): float64(r.Volume.Size[2] - 1)} {
				if got := v.Patient(geom.Vec{-0.25, -0.25, k}); got.Sub(r.Volume.Patient(geom.Vec{0, 0, want})).Norm() > 1e-9 {
					t.Errorf("%s: preview %d ends at %v", name, i, got)
				}
			}
			worst := 0.0
			for k := range v.Size[2] {
				for j := range 12 {
					for i := range 16 {
						worst = max(worst, math.Abs(v.At(i, j, k)-truth(v.Patient(geom.Vec{float64(i), float64(j), float64(k)}))))
					}
				}
			}
			if worst > 0.0625*1.01 { // a stored step: half from the slices, half from the mean
				t.Errorf("%s: preview %d is off by %v", name, i, worst)
			}
			if lo, hi := v.Min, v.Max; lo < r.Volume.Min-0.1 || hi > r.Volume.Max+0.1 || hi-lo < 0.9*(r.Volume.Max-r.Volume.Min) {
				t.Errorf("%s: preview %d from %v to %v, the volume from %v to %v", name, i, lo, hi, r.Volume.Min, r.Volume.Max)
			}
			p.Free()
		}
		if name != "steps vary" && bytes > r.Volume.Bytes()/8 { // there the volume has planes of its own
			t.Errorf("%s: previews took %d bytes, the volume %d", name, bytes, r.Volume.Bytes())
		}
		if want := map[bool]volume.Format{true: volume.Float32, false: volume.Int16}[name == "own rescales"]; r.Volume.Format != want {
			t.Errorf("%s: %v", name, r.Volume.Format)
		}
		// The whole is as without previews, and each slice was asked for once.
		plain := build(t, series(t, list), study.Options{})
		if !stdslices.Equal(plain.Volume.Raw(), r.Volume.Raw()) {
			t.Errorf("%s: previews change the volume", name)
		}
		slices := stdslices.Sorted(stdslices.Values(m.fetched))
		if len(slices) != n || len(stdslices.Compact(slices)) != n {
			t.Errorf("%s: %d slices were asked for", name, len(m.fetched))
		}
	}
}

// There are no previews of what is small, or comes in an order of its own, nor after a failure.
func TestNoPreview(t *testing.T) {
	opts := study.Options{Workers: 4, Preview: func(*study.Result) { t.Error("a preview") }}
	build(t, series(t, slices(15)), opts)
	m := series(t, slices(60))
	m.list = nil
	build(t, m, opts)
}

// Previews and workers do not get in each other's way.
func TestPreviewAmongWorkers(t *testing.T) {
	pl := somePlanes()["axial"]
	var list []*dicom.Dataset
	for k := range 120 {
		list = append(list, large(pl, k, geom.Vec{0, 0, 0.5 * float64(k)}))
	}
	m := series(t, list)
	for range 5 {
		n, planes := 0, 0
		r := build(t, m, study.Options{Workers: 8, Preview: func(r *study.Result) {
			n++
			if r.Volume.Size[2] <= planes {
				t.Errorf("a preview of %d planes after one of %d", r.Volume.Size[2], planes)
			}
			planes = r.Volume.Size[2]
			r.Free()
		}})
		if n == 0 || n > 2 || r.Volume.At(3, 3, 100) != r.Volume.At(3, 3, 0)+50*5 {
			t.Errorf("%d previews", n)
		}
	}
}
