package study_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// expected is what pydicom says of a series, in the file that comes with the test data.
type expected struct {
	Series        string     `json:"series"`
	N             int        `json:"n"`
	Rows          int        `json:"rows"`
	Columns       int        `json:"cols"`
	SpacingRowCol [2]float64 `json:"pixelSpacingRowCol"`
	Orientation   [6]float64 `json:"iop"`
	First         geom.Vec   `json:"ippFirst"`
	Last          geom.Vec   `json:"ippLast"`
	Modality      string     `json:"modality"`
	Min           float64    `json:"min"`
	Max           float64    `json:"max"`
	Mean          float64    `json:"mean"`
	SHA256        string     `json:"sha256_float32le_spatial_order"`
}

// Every real series has the values and the place that pydicom finds.
func TestRealStudies(t *testing.T) {
	// What the file of the test data hashes without order, since slices share places: its parts are in testdata.
	ties := map[string]int{"derived/4d-4phases": 1, "derived/duplicate-positions-2acq": 2}
	// Planes that are not slices, and why.
	planes := map[string]struct {
		n      int
		code   study.Code
		amount float64
	}{
		"derived/missing-slices": {30, study.WarnMissing, 3},
		"ct-head-gantry-tilt-ge": {135, study.WarnResampled, 135},
	}
	data, err := os.ReadFile(sourcetest.Studies(t, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dir, raw := range all {
		var list []expected
		if json.Unmarshal(raw, &list) != nil {
			continue // no DICOM
		}
		seen++
		t.Run(dir, func(t *testing.T) {
			r, err := study.BuildFolder(t.Context(), sourcetest.Studies(t, dir), study.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Free()
			want, v := list[0], r.Volume
			if r.Identity.SeriesInstanceUID != want.Series || r.Identity.Modality != want.Modality {
				t.Errorf("series %s of %s", r.Identity.SeriesInstanceUID, r.Identity.Modality)
			}
			if parts, ok := ties[dir]; ok {
				if len(r.Parts) != parts || len(r.Instances)*parts != want.N {
					t.Errorf("%d parts, the first with %d slices", len(r.Parts), len(r.Instances))
				}
				return
			}
			if sum := r.SourceSHA256(); sum != want.SHA256 || len(r.Instances) != want.N {
				t.Errorf("sha256 of %d slices %s, want %s", len(r.Instances), sum, want.SHA256)
			}
			n := want.N
			if p, ok := planes[dir]; ok {
				n = p.n
				told(t, dir, r, p.code, p.amount)
			} else if math.Abs(r.Mean()-want.Mean) > 1e-4*max(1, math.Abs(want.Mean)) || math.Abs(v.Min-want.Min) > 1e-3 || math.Abs(v.Max-want.Max) > 1e-3 {
				t.Errorf("values from %v to %v, mean %v, want %v to %v, mean %v", v.Min, v.Max, r.Mean(), want.Min, want.Max, want.Mean)
			}
			if v.Size != [3]int{want.Columns, want.Rows, n} {
				t.Errorf("size %v", v.Size)
			}
			o := want.Orientation
			for _, c := range []struct {
				index, want geom.Vec
			}{
				{geom.Vec{0, 0, 0}, want.First},
				{geom.Vec{0, 0, float64(n - 1)}, want.Last},
				{geom.Vec{float64(want.Columns - 1), 0, 0}, want.First.Add(geom.Vec(o[:3]).Scale(want.SpacingRowCol[1] * float64(want.Columns-1)))},
				{geom.Vec{0, float64(want.Rows - 1), 0}, want.First.Add(geom.Vec(o[3:]).Scale(want.SpacingRowCol[0] * float64(want.Rows-1)))},
			} {
				if got := v.Patient(c.index); got.Sub(c.want).Norm() > 0.001 {
					t.Errorf("voxel %v lies at %v, want %v", c.index, got, c.want)
				}
			}
			if dir == "derived/monochrome1-u8" && !r.Inverted {
				t.Error("nothing says that small values are bright")
			}
		})
	}
	if seen < 11 {
		t.Errorf("%d series are expected", seen)
	}
}

// onePart is what pydicom says of a part of a series (testdata/fixtures.py).
type onePart struct {
	Slices, Rows, Columns int
	Spacing               [2]float64
	First, Last           geom.Vec
	Min, Max              float64
	SHA256                string
}

// Every part of the series that have several, and of those in multi-frame objects, has the values and the place that
// pydicom finds.
func TestRealParts(t *testing.T) {
	data, err := os.ReadFile("testdata/pydicom.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]*onePart
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	phases := map[string]int{"derived/4d-4phases": 4}
	for path, parts := range all {
		for i, want := range parts {
			if want == nil {
				continue
			}
			r, err := buildPath(t, sourcetest.Studies(t, path), study.Options{Part: i + 1})
			var e *study.Error
			if errors.As(err, &e) && e.Code == study.Compressed && !dicom.Decodable("1.2.840.10008.1.2.4.201") {
				continue // a build without cgo says so
			}
			if err != nil {
				t.Errorf("%s, part %d: %v", path, i+1, err)
				continue
			}
			v := r.Volume
			times := max(1, phases[path])
			if r.Part.Number != i+1 || len(r.Parts) != len(parts) || len(r.Phases) != phases[path] || r.Part.Slices*times != want.Slices {
				t.Errorf("%s: part %+v of %d", path, r.Part, len(r.Parts))
			}
			if v.Size != [3]int{want.Columns, want.Rows, want.Slices / times} || v.Origin.Sub(want.First).Norm() > 1e-3 ||
				v.Patient(geom.Vec{0, 0, float64(v.Size[2] - 1)}).Sub(want.Last).Norm() > 1e-3 ||
				math.Abs(v.Spacing()[0]-want.Spacing[0]) > 1e-6 || math.Abs(v.Spacing()[1]-want.Spacing[1]) > 1e-6 {
				t.Errorf("%s, part %d: %v voxels of %v mm at %v", path, i+1, v.Size, v.Spacing(), v.Origin)
			}
			if sum := r.SourceSHA256(); sum != want.SHA256 {
				t.Errorf("%s, part %d: sha256 %s, want %s", path, i+1, sum, want.SHA256)
			}
			if math.Abs(v.Min-want.Min) > 1e-3 || math.Abs(v.Max-want.Max) > 1e-3 {
				t.Errorf("%s, part %d: values from %v to %v", path, i+1, v.Min, v.Max)
			}
			r.Free()
		}
	}
}

func buildPath(t *testing.T, path string, opts study.Options) (*study.Result, error) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.IsDir() {
		return study.BuildFolder(t.Context(), path, opts)
	}
	return study.BuildFiles(t.Context(), []string{path}, opts)
}

// A stack in fragments of lossy 12 bit JPEG has, within 1, the values that DCMTK and GDCM decode.
func TestRealLossy(t *testing.T) {
	r, err := buildPath(t, sourcetest.Studies(t, "ts-ct-cornerstone/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"), study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	if v := r.Volume; v.Size != [3]int{512, 512, 2} || math.Abs(v.Min+14) > 1 || math.Abs(v.Max-1199) > 1 || math.Abs(r.Mean()-379.0417) > 0.1 || !r.Lossy {
		t.Errorf("%v voxels from %v to %v, mean %v", v.Size, v.Min, v.Max, r.Mean())
	}
	told(t, "lossy", r, study.WarnLossy, 2)
}

// What is no volume says why, and which of its images can be shown one by one.
func TestRealRefusals(t *testing.T) {
	for path, c := range map[string]struct {
		code   study.Code
		parts  int
		images int
	}{
		"edge-pydicom/MR_truncated.dcm":                         {study.Truncated, 0, 0},
		"edge-pydicom/HTJ2KLossless_08_RGB.dcm":                 {study.Colour, 1, 1},
		"edge-pydicom/liver.dcm":                                {study.NotVolume, 1, 3},
		"edge-pydicom/emri_small.dcm":                           {study.Multiframe, 1, 10}, // its functional groups were taken out
		"edge-pydicom/no_meta.dcm":                              {study.NotDICOM, 0, 0},
		"edge-pydicom/CT_small.dcm":                             {study.NotVolume, 1, 1},
		"edge-pydicom/RG3_J2KR.dcm":                             {study.NotVolume, 1, 1},
		"edge-pydicom/dicomdir/98892003/MR2":                    {study.MixedSeries, 0, 0},
		"edge-pydicom/dicomdir/98892003/MR700":                  {study.MixedGeometry, 7, 7},
		"edge-pydicom/dicomdir/98892001/CT2N":                   {study.MixedGeometry, 2, 2},
		"edge-pydicom/dicomdir/TINY_ALPHA/PT000000":             {study.NotVolume, 0, 0},
		"ts-ct-cornerstone/no-pixel-data.dcm":                   {study.NotVolume, 0, 0},
		"ts-ct-cornerstone/no-pixel-spacing.dcm":                {study.Colour, 1, 1},
		"ts-ct-cornerstone/TestPattern_RGB.dcm":                 {study.Colour, 1, 1},
		"edge-pydicom/parametric_map_float.dcm":                 {study.NotVolume, 1, 1},
		"edge-pydicom/JPEG2000-embedded-sequence-delimiter.dcm": {study.NotVolume, 1, 1},
	} {
		_, err := buildPath(t, sourcetest.Studies(t, path), study.Options{})
		if path == "edge-pydicom/dicomdir/98892003/MR2" {
			refused(t, path, err, study.NotVolume) // several series
			continue
		}
		refused(t, path, err, c.code)
		var e *study.Error
		if !errors.As(err, &e) {
			continue
		}
		images := 0
		for _, p := range e.Parts {
			images += len(p.Images)
			if p.Volume || p.Reason == "" || p.Name == "" {
				t.Errorf("%s: part %+v", path, p)
			}
		}
		if len(e.Parts) != c.parts || images != c.images {
			t.Errorf("%s: %d parts with %d images", path, len(e.Parts), images)
		}
	}
}

// The slices of cornerstone's test images: copies in many transfer syntaxes of one slice. Those without loss are copies
// of each other, whatever they are stored in; those with loss are slices of their own.
func TestRealCopies(t *testing.T) {
	paths, err := filepath.Glob(sourcetest.Studies(t, "ts-ct-cornerstone") + "/CTImage*")
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	b := study.NewBuilder(study.Options{})
	defer b.Close()
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(filepath.Base(p), data); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.Finish()
	refused(t, "copies", err, study.MixedGeometry)
	var e *study.Error
	if errors.As(err, &e) && (len(e.Parts) > 7 || len(e.LeftOut) > 6) {
		t.Errorf("%d parts, %d left out: copies count", len(e.Parts), len(e.LeftOut))
	}
}

// Every damaged file there is, twice: a refusal with a reason, never a volume, never worse.
func TestMutants(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(sourcetest.Studies(t, "derived/fuzz"), "*"))
	if err != nil || len(paths) < 80 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, p := range paths {
		_, err := study.BuildFiles(t.Context(), []string{p, p}, study.Options{MaxBytes: 64 << 20})
		var e *study.Error
		if !errors.As(err, &e) || e.Reason == "" {
			t.Errorf("%s: %v", filepath.Base(p), err)
		}
	}
}
