package main

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/tomocast/tomocast/internal/source/worklistbench"
)

// What a worklist answers over HTTP with many studies, in one source and beside another. How long it takes is measured
// by make bench, with 10,000 of them.
func TestAWorklistOfManyStudies(t *testing.T) {
	dir, studies := t.TempDir(), 1_000
	if err := worklistbench.Make(t.Context(), dir, studies); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"in one source":  {"--studies", dir},
		"beside a store": {"--studies", dir, "--sources", storeConfig(t, t.TempDir())},
	} {
		t.Run(name, func(t *testing.T) { searchWorklist(t, start(t, args...), studies) })
	}
}

func searchWorklist(t *testing.T, b *running, studies int) {
	type page struct {
		Total   int
		Studies []struct{ StudyInstanceUID string }
	}
	ask := func(q url.Values) page { return decode[page](t, b.ask("GET", "/api/v1/studies?"+q.Encode(), ""), 200) }
	if p := ask(nil); p.Total != studies || len(p.Studies) != 100 {
		t.Fatalf("%d of %d studies", len(p.Studies), p.Total)
	}
	for _, q := range []struct {
		url.Values
		some bool // of the studies are found, and not all
	}{
		{url.Values{"search": {"nothing of the kind"}}, false},
		{url.Values{"patientName": {"*b*n*^*1*"}, "sort": {"-name"}}, true},
		{url.Values{"patientID": {"P00123"}}, true},
		{url.Values{"accessionNumber": {"A0009*"}}, true},
		{url.Values{"studyDate": {"20200101-20201231"}}, true},
		{url.Values{"modality": {"PT"}}, true},
		{url.Values{"description": {"*region 1?"}}, true},
	} {
		if p := ask(q.Values); (p.Total > 0) != q.some || p.Total >= studies {
			t.Errorf("%v finds %d of %d studies", q.Values, p.Total, studies)
		}
	}
	// Pages of every order hold each study once.
	for _, order := range []string{"date", "-date", "name", "-modality", "patientID"} {
		seen := map[string]bool{}
		for offset := 0; offset < studies; offset += 500 {
			for _, s := range ask(url.Values{"sort": {order}, "limit": {"500"}, "offset": {strconv.Itoa(offset)}}).Studies {
				seen[s.StudyInstanceUID] = true
			}
		}
		if len(seen) != studies {
			t.Errorf("the pages sorted by %s hold %d of %d studies", order, len(seen), studies)
		}
	}
	if p := decode[struct{ Total int }](t, b.ask("GET", "/api/v1/patients?limit=50", ""), 200); p.Total == 0 || p.Total > studies {
		t.Errorf("%d patients", p.Total)
	}
}
