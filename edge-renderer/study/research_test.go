package study_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// The truth is that of package research's own tests: what nibabel and NumPy read.
func TestResearchVolumes(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "internal", "research", "testdata", "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Size           [3]int
		Origin         [3]float64
		Axes           [3][3]float64
		Min, Max, Mean float64
		SHA256         string
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, folder := range []string{"nifti", "nrrd", "derived/nifti", "derived/nrrd"} {
		report, err := study.InspectFolder(t.Context(), sourcetest.Studies(t, folder), study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range report.Volumes {
			want, ok := all[folder+"/"+v.SeriesDescription]
			if !ok {
				t.Errorf("%s: there is no truth for %q", folder, v.SeriesDescription)
				continue
			}
			seen++
			if v.Size != want.Size || v.SHA256 != want.SHA256 || math.Abs(v.Mean-want.Mean) > 1e-3 || math.Abs(v.Min-want.Min) > 1e-3 || math.Abs(v.Max-want.Max) > 1e-3 {
				t.Errorf("%s: size %v, values %g to %g, mean %g, sha256 %s; want %+v", v.SeriesDescription, v.Size, v.Min, v.Max, v.Mean, v.SHA256, want)
			}
			for a := range 3 {
				for i := range 3 {
					if math.Abs(v.Origin[i]-want.Origin[i]) > 1e-3 || math.Abs(v.Directions[a][i]*v.Spacing[a]-want.Axes[a][i]) > 1e-3 {
						t.Errorf("%s: at %v along %v, want %v along %v", v.SeriesDescription, v.Origin, v.Directions, want.Origin, want.Axes)
					}
				}
			}
		}
	}
	if seen != len(all) {
		t.Errorf("%d of %d files became volumes", seen, len(all))
	}
}

// researchSeries is a series of files that are no DICOM.
type researchSeries struct {
	memory
	object source.Object
}

func (s *researchSeries) Fetch(_ context.Context, _ int, _ []string, fn func(source.Object) error) error {
	return fn(s.object)
}

// nrrdSeries makes a series of one NRRD file of float samples, 2x2x2 for each of two time points.
func nrrdSeries(place string, values ...float32) *researchSeries {
	data := []byte("NRRD0004\ntype: float\ndimension: 4\nsizes: 2 2 2 2\nkinds: domain domain domain time\nendian: little\nencoding: raw\n" + place + "\n")
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	s := &researchSeries{object: source.Object{Name: "x.nrrd", Media: source.MediaNRRD, Data: data}}
	s.list = []source.Instance{{SOPInstanceUID: "2.25.1", Media: source.MediaNRRD, Name: "x.nrrd"}}
	return s
}

// 4D research files become time points; what is no number is shown as the smallest value, and that is told; a file
// that does not say how it lies in the patient says so.
func TestResearchTimePoints(t *testing.T) {
	nan := float32(math.NaN())
	s := nrrdSeries("", 1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, nan, 50, 60, 70, 80)
	r, err := study.Build(t.Context(), s, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	if len(r.Phases) != 2 || r.Phases[0].Volume != r.Volume || !r.Unplaced || r.Volume.Size != [3]int{2, 2, 2} {
		t.Fatalf("%d phases, unplaced %v, size %v", len(r.Phases), r.Unplaced, r.Volume.Size)
	}
	if v := r.Phases[1].Volume; v.At(1, 1, 0) != 10 || v.At(1, 1, 1) != 80 || v.Min != 10 || v.Max != 80 {
		t.Errorf("second time point: %g, %g, %g to %g", v.At(1, 1, 0), v.At(1, 1, 1), v.Min, v.Max)
	}
	found := map[study.Code]bool{}
	for _, c := range codes(r) {
		found[c] = true
	}
	if !found[study.WarnUnplaced] || !found[study.WarnNotNumbers] {
		t.Errorf("warnings %v", r.Warnings)
	}
	_, err = study.Build(t.Context(), nrrdSeries("", 1, 2, 3), study.Options{})
	refused(t, "truncated", err, study.Truncated, "x.nrrd")
	_, err = study.Build(t.Context(), nrrdSeries(""), study.Options{MaxBytes: 10})
	refused(t, "too large", err, study.TooLarge)
	if err == nil || strings.Contains(err.Error(), "panic") {
		t.Error(err)
	}
}
