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
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// expected is what pydicom says of a series.
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

// Every real series has the values and the place that pydicom finds, or is refused by name.
func TestRealStudies(t *testing.T) {
	notYet := map[string]struct {
		code  study.Code
		words []string
	}{
		"ct-head-gantry-tilt-ge":           {study.Irregular, []string{"1.08..7.00 mm"}},
		"derived/4d-4phases":               {study.Doubled, []string{"40 slices stand at only 10 positions"}},
		"derived/duplicate-positions-2acq": {study.Doubled, []string{"32 slices stand at only 16 positions"}},
		"derived/missing-slices":           {study.Missing, []string{"3 slices are missing"}},
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
			if bad, ok := notYet[dir]; ok {
				refused(t, dir, err, bad.code, bad.words...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Volume.Free()
			want, v := list[0], r.Volume
			if r.Identity.SeriesInstanceUID != want.Series || r.Identity.Modality != want.Modality || len(r.Instances) != want.N {
				t.Errorf("series %s of %s with %d slices", r.Identity.SeriesInstanceUID, r.Identity.Modality, len(r.Instances))
			}
			if sum := r.SourceSHA256(); sum != want.SHA256 {
				t.Errorf("sha256 %s, want %s", sum, want.SHA256)
			}
			if v.Size != [3]int{want.Columns, want.Rows, want.N} {
				t.Errorf("size %v", v.Size)
			}
			o := want.Orientation
			for _, c := range []struct {
				index, want geom.Vec
			}{
				{geom.Vec{0, 0, 0}, want.First},
				{geom.Vec{0, 0, float64(want.N - 1)}, want.Last},
				{geom.Vec{float64(want.Columns - 1), 0, 0}, want.First.Add(geom.Vec(o[:3]).Scale(want.SpacingRowCol[1] * float64(want.Columns-1)))},
				{geom.Vec{0, float64(want.Rows - 1), 0}, want.First.Add(geom.Vec(o[3:]).Scale(want.SpacingRowCol[0] * float64(want.Rows-1)))},
			} {
				if got := v.Patient(c.index); got.Sub(c.want).Norm() > 0.001 {
					t.Errorf("voxel %v lies at %v, want %v", c.index, got, c.want)
				}
			}
			if math.Abs(v.Min-want.Min) > 1e-3 || math.Abs(v.Max-want.Max) > 1e-3 || math.Abs(r.Mean()-want.Mean) > 1e-4*max(1, math.Abs(want.Mean)) {
				t.Errorf("values from %v to %v, mean %v, want %v to %v, mean %v", v.Min, v.Max, r.Mean(), want.Min, want.Max, want.Mean)
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

// What is no plain series of slices is refused, each with its reason.
func TestRealRefusals(t *testing.T) {
	for path, code := range map[string]study.Code{
		"derived/enhanced-ct-multiframe":         study.Multiframe,
		"derived/htj2k-lossless-4.201":           study.Compressed,
		"derived/nrrd":                           study.NoSlices,
		"edge-pydicom/MR_truncated.dcm":          study.Truncated,
		"edge-pydicom/MR_small_jp2klossless.dcm": study.Compressed,
		"edge-pydicom/HTJ2KLossless_08_RGB.dcm":  study.Colour,
		"edge-pydicom/rtdose.dcm":                study.Multiframe,
		"edge-pydicom/liver.dcm":                 study.Multiframe,
		"edge-pydicom/emri_small.dcm":            study.Multiframe,
		"edge-pydicom/no_meta.dcm":               study.NotDICOM,
		"edge-pydicom/CT_small.dcm":              study.NotVolume,
		"ts-ct-cornerstone/no-pixel-data.dcm":    study.NotVolume,
		"ts-ct-cornerstone/no-pixel-spacing.dcm": study.Colour,
		"ts-ct-cornerstone/TestPattern_RGB.dcm":  study.Colour,
		"ts-ct-cornerstone/CTImage.dcm_JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm": study.Compressed,
	} {
		full := sourcetest.Studies(t, path)
		st, err := os.Stat(full)
		if err != nil {
			t.Fatal(err)
		}
		if st.IsDir() {
			_, err = study.BuildFolder(t.Context(), full, study.Options{})
		} else {
			_, err = study.BuildFiles(t.Context(), []string{full}, study.Options{})
		}
		refused(t, path, err, code)
	}
}

// Every damaged file there is: a refusal, never a volume of what is left, never worse.
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
