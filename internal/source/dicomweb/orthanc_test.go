package dicomweb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// The client gets from a server of others what it gets from ours.
func TestClientWithOrthanc(t *testing.T) {
	base := orthanc.StartTest(t, orthanc.Config{}).URL
	for n := range 5 {
		var b bytes.Buffer
		if err := dicom.Write(&b, sourcetest.Slice(studyA, seriesA, n+1)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(base+"/instances", "application/dicom", &b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	c := &Client{BaseURL: base + "/dicom-web"}
	series, err := c.QuerySeries(t.Context(), studyA)
	if err != nil || len(series) != 1 || series[0].InstanceCount != 5 {
		t.Errorf("series %+v, %v", series, err)
	}
	for _, separately := range []bool{false, true} {
		if c.Ahead = DefaultAhead; separately {
			c.Ahead = -1
		}
		s := c.Source(studyA, seriesA)
		list, err := s.Instances(t.Context())
		if err != nil || len(list) != 5 || !list[4].Placed() || *list[4].Position != [3]float64{-12.5, 3, 12.5} || *list[4].Rescale != [2]float64{1, -1024} {
			t.Fatalf("separately %v: %+v, %v", separately, list, err)
		}
		var got collect
		if err := s.Each(t.Context(), 2, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
			t.Errorf("separately %v: %v, %v", separately, got.numbers, err)
		}
	}
	if _, err := c.Metadata(t.Context(), "9.9", "9.9"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("unknown series: %v", err)
	}
}

// What an Orthanc is sent it has, and what it is asked for by every field of the worklist it finds; with a password.
func TestStoreAndSearchAtOrthanc(t *testing.T) {
	base := orthanc.StartTest(t, orthanc.Config{Username: "reader", Password: "pass word"}).URL
	c, err := NewClient(signaling.SourceAccess{Name: "orthanc", DICOMweb: base + "/dicom-web", Username: "reader", Password: "pass word"})
	if err != nil {
		t.Fatal(err)
	}
	wrong := *c
	wrong.Password = "guess"
	if _, _, err := wrong.SearchStudies(t.Context(), source.Query{}); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a wrong password: %v", err)
	}
	if found, more, err := c.SearchStudies(t.Context(), source.Query{}); err != nil || len(found) != 0 || more {
		t.Errorf("empty: %v, %v", found, err)
	}
	for i := range 6 {
		d := sourcetest.Slice(fmt.Sprintf("1.2.%d", i), fmt.Sprintf("1.2.%d.1", i), 1)
		d.SetString(dicom.PatientName, dicom.PN, []string{"Müller^Änne", "Doe^John", "Yamada^Tarou=山田^太郎"}[i%3])
		d.SetString(dicom.PatientID, dicom.LO, fmt.Sprintf("P-%d", i%3))
		d.SetString(dicom.StudyDate, dicom.DA, fmt.Sprintf("2024010%d", i+1))
		d.SetString(dicom.AccessionNumber, dicom.SH, fmt.Sprintf("A%d", i))
		d.SetString(dicom.Modality, dicom.CS, []string{"CT", "MR"}[i%2])
		d.SetString(dicom.StudyDescription, dicom.LO, []string{"Chest", "Head and neck"}[i/3])
		var b bytes.Buffer
		if err := dicom.Write(&b, d); err != nil {
			t.Fatal(err)
		}
		r, err := c.Store(t.Context(), fmt.Sprintf("1.2.%d", i), []Upload{{Size: int64(b.Len()), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }}})
		if err != nil || len(r.Stored) != 1 || len(r.Failed) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	for name, c2 := range map[string]struct {
		q    source.Query
		want string
	}{
		"all":          {source.Query{}, "5 4 3 2 1 0"},
		"name":         {source.Query{PatientName: "m*"}, "3 0"},
		"name, umlaut": {source.Query{PatientName: "*ÄNNE*"}, "3 0"},
		"ID":           {source.Query{PatientID: "P-1"}, "4 1"},
		"date":         {source.Query{StudyDate: "20240102-20240104"}, "3 2 1"},
		"modality":     {source.Query{Modalities: []string{"MR"}}, "5 3 1"},
		"modalities":   {source.Query{Modalities: []string{"MR", "CT"}, StudyDate: "-20240103"}, "2 1 0"},
		"accession":    {source.Query{AccessionNumber: "A4"}, "4"},
		"description":  {source.Query{StudyDescription: "*neck*"}, "5 4 3"},
		"text":         {source.Query{Text: "head doe"}, "4"},
		"nothing":      {source.Query{PatientID: "none"}, ""},
		"sorted":       {source.Query{Sort: source.SortAccession}, "0 1 2 3 4 5"},
	} {
		found, _, err := c.SearchStudies(t.Context(), c2.q)
		var got []string
		for _, s := range found {
			got = append(got, strings.TrimPrefix(s.StudyInstanceUID, "1.2."))
			if s.PatientName == "" || s.StudyDate == "" || len(s.Modalities) != 1 || s.SeriesCount != 1 || s.InstanceCount != 1 || s.Description == "" || s.PatientBirthDate != "19600229" {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if err != nil || strings.Join(got, " ") != c2.want {
			t.Errorf("%s: %v, %v, want %s", name, got, err, c2.want)
		}
	}
	if found, _, err := c.SearchStudies(t.Context(), source.Query{PatientID: "P-2", Limit: 1}); err != nil || found[0].PatientName != "Yamada^Tarou=山田^太郎" {
		t.Errorf("%+v, %v", found, err)
	}
	page, more, err := c.SearchStudies(t.Context(), source.Query{Offset: 2, Limit: 3})
	if err != nil || len(page) != 3 || !more {
		t.Errorf("page: %d, %v, %v", len(page), more, err)
	}
}
