package study_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	stdslices "slices"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// gradient is how values of the phantom change, per millimetre: no two directions alike, so that a value tells where
// it lies. The error of a value divided by its length is a distance.
var gradient = geom.Vec{3, -2, 5}

func truth(p geom.Vec) float64 { return gradient.Dot(p) + 100 }

// geometry of slices of 6x5 pixels of 0.5x0.75 mm.
type plane struct{ row, column geom.Vec }

func (pl plane) at(p geom.Vec, i, j int) geom.Vec {
	return p.Add(pl.row.Scale(0.5 * float64(i))).Add(pl.column.Scale(0.75 * float64(j)))
}

// linear is a slice at a place whose values are linear in patient coordinates.
func (pl plane) linear(n int, p geom.Vec) *dicom.Dataset {
	d := sourcetest.Slice(studyUID, seriesUID, n)
	d.SetString(dicom.FrameOfReferenceUID, dicom.UI, "1.2.3.9")
	d.SetInts(dicom.Columns, dicom.US, 6)
	d.SetInts(dicom.Rows, dicom.US, 5)
	d.SetFloats(dicom.ImagePositionPatient, dicom.FD, p[0], p[1], p[2])
	d.SetFloats(dicom.ImageOrientationPatient, dicom.FD, pl.row[0], pl.row[1], pl.row[2], pl.column[0], pl.column[1], pl.column[2])
	d.SetInts(dicom.BitsAllocated, dicom.US, 32)
	d.Delete(dicom.PixelData)
	d.Delete(dicom.RescaleSlope)
	d.Delete(dicom.RescaleIntercept)
	d.SetFloats(dicom.FloatPixelData, dicom.OF, pl.values(p)...)
	return d
}

func (pl plane) values(p geom.Vec) []float64 {
	var out []float64
	for j := range 5 {
		for i := range 6 {
			out = append(out, truth(pl.at(p, i, j)))
		}
	}
	return out
}

// lies checks that every voxel has the value of the place at which it lies, to 0.001 mm.
func lies(t *testing.T, what string, v interface {
	At(i, j, k int) float64
	Patient(geom.Vec) geom.Vec
}, size [3]int) {
	t.Helper()
	worst := 0.0
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				off := math.Abs(v.At(i, j, k)-truth(v.Patient(geom.Vec{float64(i), float64(j), float64(k)}))) / gradient.Norm()
				worst = max(worst, off)
			}
		}
	}
	if worst > 0.001 {
		t.Errorf("%s: a voxel is %.4f mm from its place", what, worst)
	}
}

// planes that slices lie in: upright, tilted, turned to all sides.
func somePlanes() map[string]plane {
	turned := func(a, b float64) plane {
		side := geom.Vec{-math.Sin(a), math.Cos(a), 0}
		return plane{geom.Vec{math.Cos(a), math.Sin(a), 0}, side.Scale(math.Cos(b)).Add(geom.Vec{0, 0, 1}.Scale(math.Sin(b)))}
	}
	return map[string]plane{
		"axial":     {geom.Vec{1, 0, 0}, geom.Vec{0, 1, 0}},
		"prone":     {geom.Vec{-1, 0, 0}, geom.Vec{0, -1, 0}},
		"feet up":   {geom.Vec{-1, 0, 0}, geom.Vec{0, 1, 0}},
		"sagittal":  {geom.Vec{0, 1, 0}, geom.Vec{0, 0, -1}},
		"coronal":   {geom.Vec{1, 0, 0}, geom.Vec{0, 0, -1}},
		"gantry":    {geom.Vec{1, 0, 0}, geom.Vec{0, math.Cos(0.32), -math.Sin(0.32)}},
		"oblique":   turned(0.3, -0.4),
		"oblique 2": turned(-2, 1.3),
	}
}

// The truth of the picture: whatever way slices lie, step, lack and come, a voxel's value is that of its place.
func TestGeometryTruth(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	even := func(n int, step float64) []float64 {
		at := make([]float64, n)
		for k := range at {
			at[k] = step * float64(k)
		}
		return at
	}
	for what, c := range map[string]struct {
		at     []float64 // millimetres along the way
		planes int
		code   study.Code // of what is told; empty: nothing but a tilt
		amount float64
	}{
		"even":                   {even(9, 1.25), 9, "", 0},
		"two slices":             {even(2, 2), 2, "", 0},
		"thin":                   {even(20, 0.1), 20, "", 0},
		"a gap":                  {[]float64{0, 2, 4, 8, 10, 12, 14}, 8, study.WarnMissing, 1},
		"gaps of three":          {append(even(17, 1.5), 30, 31.5, 33, 39, 40.5, 42), 29, study.WarnMissing, 6},
		"two kinds of steps":     {[]float64{0, 4, 8, 12, 13, 20, 27, 34}, 35, study.WarnResampled, 35},
		"steps that all differ":  {[]float64{0, 1, 2.3, 4.1, 6, 9.2, 10.4}, 12, study.WarnResampled, 12},
		"steps that nearly do":   {[]float64{0, 2.02, 4, 6.02, 8, 10}, 6, study.WarnUneven, 0.02},
		"positions to 0.01 mm":   {[]float64{0, 0.33, 0.67, 1, 1.33, 1.67, 2}, 7, "", 0},
		"a step next to nothing": {[]float64{0, 3, 6, 6.05, 9, 12}, 49, study.WarnResampled, 48},
	} {
		for name, pl := range somePlanes() {
			for lean, shear := range map[string]geom.Vec{"upright": {}, "sheared": pl.row.Scale(0.2).Sub(pl.column.Scale(0.3))} {
				way := pl.row.Cross(pl.column).Add(shear)
				start := geom.Vec{-20.5, 33.25, 100}
				var list []*dicom.Dataset
				for k, at := range c.at {
					list = append(list, pl.linear(k, start.Add(way.Scale(at))))
				}
				if name == "sagittal" { // from the other end
					stdslices.Reverse(list)
				}
				random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				m := series(t, list)
				what := fmt.Sprintf("%s, %s, %s", what, name, lean)
				for _, announced := range []bool{true, false} {
					if !announced {
						m.list = nil
					}
					r := build(t, m, study.Options{Workers: 2})
					v := r.Volume
					if c.code == study.WarnResampled && len(c.at) == 6 {
						c.planes, c.amount = 48, 48 // bounded at eight for each slice
					}
					if v.Size != [3]int{6, 5, c.planes} || v.Origin.Sub(start).Norm() > 1e-9 {
						t.Errorf("%s: %v voxels at %v", what, v.Size, v.Origin)
					}
					end := v.Patient(geom.Vec{0, 0, float64(c.planes - 1)})
					if want := start.Add(way.Scale(c.at[len(c.at)-1])); end.Sub(want).Norm() > 1e-9 {
						t.Errorf("%s: the last slice lies at %v, want %v", what, end, want)
					}
					if c.at[len(c.at)-1] != 2 { // those were rounded: they lie up to 0.005 mm off by themselves
						lies(t, what, v, v.Size)
					}
					told := stdslices.DeleteFunc(codes(r), func(c study.Code) bool { return c == study.WarnTilt })
					if c.code == "" && len(told) > 0 || c.code != "" && !stdslices.Equal(told, []study.Code{c.code}) {
						t.Errorf("%s: warnings %v", what, r.Warnings)
					}
					if lean == "sheared" {
						tell(t, what, r, study.WarnTilt, math.Atan(math.Hypot(0.2, 0.3))*180/math.Pi, 0.01)
					}
					if c.code != "" {
						tell(t, what, r, c.code, c.amount, 0.01)
					}
				}
			}
		}
	}
}

// tell is told with a tolerance.
func tell(t *testing.T, what string, r *study.Result, code study.Code, amount, tolerance float64) {
	t.Helper()
	for _, w := range r.Warnings {
		if w.Code == code {
			if math.Abs(w.Amount-amount) > tolerance {
				t.Errorf("%s: %s of %v, want %v", what, code, w.Amount, amount)
			}
			return
		}
	}
	t.Errorf("%s: no warning %s", what, code)
}

// Slices off their line within a quarter of a pixel are told; further off there is no volume.
func TestShifted(t *testing.T) {
	pl := somePlanes()["oblique"]
	n := pl.row.Cross(pl.column)
	for _, c := range []struct {
		by float64
		ok bool
	}{{0.1, true}, {0.124, true}, {0.126, false}, {3, false}} {
		var list []*dicom.Dataset
		for k := range 7 {
			p := n.Scale(2 * float64(k))
			if k == 3 {
				p = p.Add(pl.row.Scale(c.by))
			}
			list = append(list, pl.linear(k, p))
		}
		m := series(t, list)
		if !c.ok {
			_, err := study.Build(t.Context(), m, study.Options{})
			refused(t, fmt.Sprint(c.by), err, study.Irregular, fmt.Sprintf("%.2f mm beside", c.by), "pixels of 0.50 mm")
			continue
		}
		r := build(t, m, study.Options{})
		tell(t, fmt.Sprint(c.by), r, study.WarnShifted, c.by, 1e-6)
	}
}

// Gaps too wide to be filled split a stack, and say so with the millimetres.
func TestGaps(t *testing.T) {
	pl := somePlanes()["axial"]
	stack := func(at ...float64) *memory {
		var list []*dicom.Dataset
		for k, z := range at {
			list = append(list, pl.linear(k, geom.Vec{0, 0, z}))
		}
		return series(t, list)
	}
	r := build(t, stack(0, 2, 4, 6, 8, 10, 30, 32, 34, 36), study.Options{})
	if r.Volume.Size[2] != 6 || len(r.Parts) != 2 || !r.Parts[1].Volume || r.Part.Name != "6 slices" || r.Parts[1].Name != "4 slices" {
		t.Errorf("%v, parts %+v", r.Volume.Size, r.Parts)
	}
	told(t, "a wide gap", r, study.WarnGap, 20, "20.00 mm after this part")
	lies(t, "the first part", r.Volume, r.Volume.Size)
	r = build(t, stack(0, 2, 4, 6, 8, 10, 30, 32, 34, 36), study.Options{Part: 2})
	if r.Volume.Size[2] != 4 || r.Volume.Origin != (geom.Vec{0, 0, 30}) {
		t.Errorf("part 2: %v at %v", r.Volume.Size, r.Volume.Origin)
	}
	told(t, "a wide gap", r, study.WarnGap, 20, "20.00 mm before this part")
	// Four missing in a row are too many, though they are but 5 mm.
	r = build(t, stack(0, 1, 2, 3, 4, 5, 10, 11, 12), study.Options{})
	if r.Volume.Size[2] != 6 || len(r.Parts) != 2 {
		t.Errorf("four missing: %v, %d parts", r.Volume.Size, len(r.Parts))
	}
	r = build(t, stack(0, 1, 2, 3, 4, 5, 9, 10, 11), study.Options{})
	if r.Volume.Size[2] != 12 || len(r.Parts) != 1 {
		t.Errorf("three missing: %v, %d parts", r.Volume.Size, len(r.Parts))
	}
	told(t, "three missing", r, study.WarnMissing, 3, "3 slices are missing", "1.00 mm", "4.00 mm")
	// Slices far apart are pictures.
	_, err := study.Build(t.Context(), stack(0, 50, 100), study.Options{})
	refused(t, "scouts", err, study.NotVolume, "50.0 mm apart")
	_, err = study.Build(t.Context(), stack(0, 1, 30, 31, 70, 71, 120, 121), study.Options{})
	refused(t, "scattered", err, study.Irregular, "1.0 to 49.0 mm apart")
}

// Interpolated values of whole numbers are the nearest ones, and next to padding they are those of the nearer slice.
func TestInterpolatedValues(t *testing.T) {
	list := slices(5)
	for k, z := range []float64{0, 2, 4, 5, 9} { // 1 mm apart at the least, so that planes stand at every millimetre
		d := list[k]
		d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, z)
		d.SetInts(dicom.PixelPaddingValue, dicom.US, 5)
		px := make([]int, 64)
		for i := range px {
			px[i] = 1000 + 100*int(z) + i
		}
		if k == 3 {
			px[7] = 5 // z = 5
		}
		d.SetInts(dicom.PixelData, dicom.OW, px...)
	}
	m := series(t, list)
	for range 2 {
		r := build(t, m, study.Options{})
		if r.Volume.Size[2] != 10 {
			t.Fatalf("%v", r.Volume.Size)
		}
		told(t, "steps vary", r, study.WarnResampled, 10)
		for z := range 10 {
			for i := range 64 {
				want := float64(1000 + 100*z + i - 1024)
				if i == 7 && z >= 5 && z <= 7 {
					want = 5 - 1024 // nearer to the slice at 5, or as near
				} else if i == 7 && z == 8 {
					want = 1000 + 900 + 7 - 1024
				}
				if got := r.Volume.At(i%8, i/8, z); got != want {
					t.Errorf("voxel %d at %d mm is %v, want %v", i, z, got, want)
				}
			}
		}
		m.list = nil
	}
}
