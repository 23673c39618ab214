package study_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/phantom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// mixed writes a folder with a volume, a series with a gap and a scout, a report and files that are none of it.
func mixed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for k, d := range slices(4) {
		sourcetest.Write(t, filepath.Join(dir, "a", fmt.Sprintf("f%d", 9-k)), d)
	}
	for k, d := range each(slices(5), func(d *dicom.Dataset) {
		d.SetString(dicom.SeriesInstanceUID, dicom.UI, "1.2.3.5")
		d.SetString(dicom.SeriesDescription, dicom.LO, "Gap\x1b[2J") // it would clear a terminal
		d.SetInts(dicom.SeriesNumber, dicom.IS, 4)
	}) {
		if k != 2 {
			sourcetest.Write(t, filepath.Join(dir, "b", fmt.Sprint(k)), d)
		}
	}
	scout := slices(1)[0]
	scout.SetString(dicom.SeriesInstanceUID, dicom.UI, "1.2.3.5")
	scout.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3.5.9")
	scout.SetInts(dicom.InstanceNumber, dicom.IS, 9)
	scout.SetString(dicom.ImageOrientationPatient, dicom.DS, "0", "1", "0", "0", "0", "-1")
	sourcetest.Write(t, filepath.Join(dir, "b", "scout"), scout)
	report := &dicom.Dataset{}
	report.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.22")
	report.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3.6.1")
	report.SetString(dicom.StudyInstanceUID, dicom.UI, studyUID)
	report.SetString(dicom.SeriesInstanceUID, dicom.UI, "1.2.3.6")
	report.SetString(dicom.Modality, dicom.CS, "SR")
	report.SetInts(dicom.SeriesNumber, dicom.IS, 9)
	sourcetest.Write(t, filepath.Join(dir, "report"), report)
	sourcetest.WriteBytes(t, filepath.Join(dir, "readme.txt"), []byte("This is a letter to the radiologist."))
	return dir
}

func TestInspectText(t *testing.T) {
	dir := mixed(t)
	r, err := study.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `DIR: 2 volumes, 2 series or parts that are no volumes, 1 other file

CT Axial
  patient     Müller^Änne, ID P-1, born 19600229, sex F
  study       20240131 Chest
  study UID   1.2.3
  series UID  1.2.3.4
  part        1 of 1: axial, 4 slices
  size        8 x 8 x 4 voxels of int16, from 4 slices of 4 files
  spacing     0.5 x 0.75 x 2.5 mm
  origin      (-12.5, 3, 0) mm, LPS
  plane       axial, tilt 0.00 degrees
  columns go  (1, 0, 0)
  rows go     (0, 1, 0)
  slices go   (0, 0, 1)
  values      -768 to -675, mean -721.5 HU
  sha256      fc8c05c12b6432b776cfe4bae5fd74177bfbd3c8cab9fe7f571c53a40b6e5104

CT Gap?[2J
  patient     Müller^Änne, ID P-1, born 19600229, sex F
  study       20240131 Chest
  study UID   1.2.3
  series UID  1.2.3.5
  part        1 of 2: axial, 4 slices
  size        8 x 8 x 5 voxels of int16, from 4 slices of 5 files
  spacing     0.5 x 0.75 x 2.5 mm
  origin      (-12.5, 3, 0) mm, LPS
  plane       axial, tilt 0.00 degrees
  columns go  (1, 0, 0)
  rows go     (0, 1, 0)
  slices go   (0, 0, 1)
  values      -768 to -665, mean -716.5 HU
  sha256      33a35cd021eba128809ea284c175aaef7fbb1c7c26d41536e16d0520be81834c
  warning     1 slice is missing: the step is 2.50 mm, the widest gap 5.00 mm; the values there are interpolated between the neighbours (missing-slices, 1)

No volumes:
  CT Gap?[2J (part 2: sagittal, 1 slice, 5 files, 1 image, series UID 1.2.3.5)
    it is a single image
  SR - (1 file, 0 images, series UID 1.2.3.6)
    report: it is a structured report

Other files:
  readme.txt: not a DICOM file: neither the mark DICM at byte 128 nor a data set at the start
`
	if got := strings.ReplaceAll(b.String(), dir, "DIR"); got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

func TestInspectJSON(t *testing.T) {
	r, err := study.Inspect(mixed(t))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got study.Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Volumes) != 2 || len(got.Refused) != 2 || len(got.Skipped) != 1 {
		t.Fatalf("%s", data)
	}
	v := got.Volumes[0]
	if v.PatientName != "Müller^Änne" || v.Size != [3]int{8, 8, 4} || v.Spacing != [3]float64{0.5, 0.75, 2.5} || v.Origin != [3]float64{-12.5, 3, 0} ||
		v.Directions != [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} || v.Min != -768 || v.Max != -675 || v.Mean != -721.5 ||
		len(v.SHA256) != 64 || v.Files != 4 || v.Format != "int16" || v.Units != "HU" || v.Part != 1 || v.Parts != 1 || v.Plane != "axial" {
		t.Errorf("volume %+v", v)
	}
	if w := got.Volumes[1].Warnings; len(w) != 1 || w[0].Code != study.WarnMissing || w[0].Amount != 1 || got.Volumes[1].Slices != 4 {
		t.Errorf("the gap: %+v", got.Volumes[1])
	}
	if r := got.Refused[0]; r.Code != study.NotVolume || r.Part != 2 || r.Name != "sagittal, 1 slice" || r.Images != 1 || r.Files != 5 {
		t.Errorf("the scout: %+v", r)
	}
	if r := got.Refused[1]; r.Code != study.NotVolume || r.Modality != "SR" || r.Images != 0 {
		t.Errorf("the report: %+v", r)
	}
	if got.Skipped[0].Path != "readme.txt" || got.Skipped[0].Code != study.NotDICOM {
		t.Errorf("skipped %+v", got.Skipped)
	}
	// Nothing is null: programs loop over these.
	empty, err := study.Inspect(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if data, err := json.Marshal(empty); err != nil || strings.Contains(string(data), "null") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestInspectFaults(t *testing.T) {
	if _, err := study.Inspect(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	sourcetest.WriteBytes(t, file, []byte("x"))
	_, err := study.Inspect(file)
	refused(t, "a file", err, study.NoSlices, "no folder")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := study.InspectFolder(ctx, mixed(t), study.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an end from outside: %v", err)
	}
	many := t.TempDir()
	for i := range 60 {
		sourcetest.WriteBytes(t, filepath.Join(many, fmt.Sprintf("%02d", i)), make([]byte, 1+i%2))
	}
	r, err := study.Inspect(many)
	if err != nil || len(r.Skipped) != 60 {
		t.Fatalf("%v", err)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil || strings.Count(b.String(), "\n") > 56 || !strings.Contains(b.String(), "and 10 more") {
		t.Errorf("%v:\n%s", err, b.String())
	}
	like := t.TempDir()
	for i := range 60 {
		sourcetest.WriteBytes(t, filepath.Join(like, fmt.Sprint(i)), []byte("x"))
	}
	if r, err = study.Inspect(like); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "0 and 59 more: not a DICOM file") {
		t.Errorf("%v:\n%s", err, b.String())
	}
	if err := r.WriteText(full{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestBuildFolder(t *testing.T) {
	write := func(t *testing.T, dir string, list []*dicom.Dataset) {
		for k, d := range list {
			sourcetest.Write(t, filepath.Join(dir, d.String(dicom.SeriesInstanceUID), fmt.Sprint(k)), d)
		}
	}
	other := func(uid string, list []*dicom.Dataset) []*dicom.Dataset {
		return each(list, func(d *dicom.Dataset) { d.SetString(dicom.SeriesInstanceUID, dicom.UI, uid) })
	}
	scout := func() []*dicom.Dataset {
		return other("1.2.3.7", each(slices(1), func(d *dicom.Dataset) {
			d.SetString(dicom.ImageOrientationPatient, dicom.DS, "0", "1", "0", "0", "0", "-1")
		}))
	}
	for name, c := range map[string]struct {
		make  func(t *testing.T, dir string)
		code  study.Code // empty: a volume of 5 slices, or 4 and one that is left out
		words []string
	}{
		"a series": {func(t *testing.T, dir string) { write(t, dir, slices(5)) }, "", nil},
		"a series and a letter": {func(t *testing.T, dir string) {
			write(t, dir, slices(5))
			sourcetest.WriteBytes(t, filepath.Join(dir, "x"), []byte("Dear colleague, thank you."))
		}, "", nil},
		"a series and a scout": {func(t *testing.T, dir string) { write(t, dir, slices(5)); write(t, dir, scout()) }, "", nil},
		"two series": {func(t *testing.T, dir string) { write(t, dir, slices(5)); write(t, dir, other("1.2.3.8", slices(4))) },
			study.MixedSeries, []string{"2 series", `"Axial"`}},
		"scouts only": {func(t *testing.T, dir string) { write(t, dir, scout()); write(t, dir, other("1.2.3.8", scout())) }, study.NotVolume, []string{"none of the 2 series"}},
		"a scout":     {func(t *testing.T, dir string) { write(t, dir, scout()) }, study.NotVolume, []string{"single image"}},
		"nothing":     {func(*testing.T, string) {}, study.NoSlices, []string{"no DICOM series"}},
		"a slice cut in its pixels": {func(t *testing.T, dir string) {
			write(t, dir, slices(4))
			data := sourcetest.Encode(t, slices(5)[4])
			sourcetest.WriteBytes(t, filepath.Join(dir, "cut"), data[:len(data)-1])
		}, "", []string{"cut", "truncated"}},
		"a slice cut before it says what it is": {func(t *testing.T, dir string) {
			write(t, dir, slices(4))
			sourcetest.WriteBytes(t, filepath.Join(dir, "cut"), sourcetest.Encode(t, slices(5)[4])[:400])
		}, "", []string{"cut", "truncated"}},
		"a link to a slice": {func(t *testing.T, dir string) {
			write(t, dir, slices(4))
			elsewhere := filepath.Join(t.TempDir(), "slice")
			sourcetest.Write(t, elsewhere, slices(5)[4])
			link(t, elsewhere, filepath.Join(dir, "link"))
		}, "", nil},
		"a link that leads nowhere": {func(t *testing.T, dir string) {
			write(t, dir, slices(4))
			link(t, filepath.Join(dir, "gone"), filepath.Join(dir, "link"))
		}, "", []string{"link"}},
		"a link in a circle": {func(t *testing.T, dir string) { write(t, dir, slices(5)); link(t, dir, filepath.Join(dir, "again")) }, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			alias := filepath.Join(t.TempDir(), "alias") // the folder itself may be a link
			link(t, dir, alias)
			for _, d := range []string{dir, alias} {
				r, err := study.BuildFolder(t.Context(), d, study.Options{})
				if c.code != "" {
					refused(t, d, err, c.code, c.words...)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if want := (5 - len(r.LeftOut)); r.Volume.Size != [3]int{8, 8, want} || (len(c.words) > 0) != (len(r.LeftOut) == 1) {
					t.Errorf("%v voxels, %v left out", r.Volume.Size, r.LeftOut)
				}
				if len(c.words) > 0 {
					told(t, d, r, study.WarnLeftOut, 1, c.words...)
				}
				r.Free()
			}
		})
	}
}

func link(t *testing.T, to, from string) {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Skipf("no links here: %v", err)
	}
}

// The demo study, written by our own writer, comes back as it was computed.
func TestPhantom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "head")
	o := phantom.Options{Columns: 24, Rows: 32, Slices: 16}
	if err := phantom.WriteSeries(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	r, err := study.BuildFolder(t.Context(), dir, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Volume.Free()
	head, v := phantom.New(o), r.Volume
	if v.Size != [3]int{24, 32, 16} {
		t.Fatalf("%v voxels", v.Size)
	}
	for _, k := range []int{0, 7, 15} {
		for i, want := range head.Slice(k) {
			if got := v.At(i%24, i/24, k); got != float64(want) {
				t.Fatalf("voxel %d of slice %d is %v, want %d", i, k, got, want)
			}
		}
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %v", r.Warnings)
	}
}
