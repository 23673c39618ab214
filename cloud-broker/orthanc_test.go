package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// TestAgainstOrthanc searches a real PACS through the broker, sends it files, and has an edge fetch a series with what
// its instruction says.
func TestAgainstOrthanc(t *testing.T) {
	server := orthanc.StartTest(t, orthanc.Config{Username: "tomocast", Password: "password-of-orthanc"})
	dir := t.TempDir()
	for name, text := range map[string]string{
		"password": "password-of-orthanc",
		"sources.yaml": "sources:\n  - {name: orthanc, kind: pacs, url: " + server.DICOMweb +
			", username: tomocast, password-file: password, writable: true}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		uid := fmt.Sprintf("1.2.826.0.1.3680043.10.66.%d", i)
		for n := 1; n <= 4; n++ {
			d := sourcetest.Slice(uid, uid+".1", n)
			d.SetString(dicom.PatientName, dicom.PN, fmt.Sprintf("Ørsted^%c", 'A'+i))
			d.SetString(dicom.PatientID, dicom.LO, fmt.Sprintf("O-%d", i))
			d.SetString(dicom.StudyDate, dicom.DA, fmt.Sprintf("2024060%d", i+1))
			var file bytes.Buffer
			if err := dicom.Write(&file, d); err != nil {
				t.Fatal(err)
			}
			if err := server.Upload(t.Context(), file.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := start(t, "--sources", filepath.Join(dir, "sources.yaml"))
	e := b.join(newNode("near"))
	for query, want := range map[string]int{
		"": 5, "&patientID=O-3": 1, "&patientName=%C3%98rsted*": 5, "&studyDate=20240602-20240603": 2, "&modality=CT": 5, "&modality=MR": 0,
		"&accessionNumber=A1": 5, "&search=o-2": 1, "&description=chest": 5, "&limit=2": 2,
	} {
		if got := b.search("?source=orthanc" + query); len(got.Studies) != want {
			t.Errorf("%s: %d studies, want %d: %+v", query, len(got.Studies), want, got)
		}
	}
	if got := b.search("?search=chest"); got.Total != 7 || got.Studies[0].PatientName != "Ørsted^E" || got.Studies[0].Source != "orthanc" {
		t.Errorf("all sources: %+v", got)
	}
	uid := "1.2.826.0.1.3680043.10.66.2"
	list := decode[struct{ Series []source.SeriesSummary }](t, b.ask("GET", "/api/v1/studies/"+uid+"/series?source=orthanc", ""), 200).Series
	if len(list) != 1 || list[0].InstanceCount != 4 || list[0].SeriesInstanceUID != uid+".1" {
		t.Errorf("%+v", list)
	}

	began := time.Now()
	task := `{"type":"rendering","series":{"source":"orthanc","studyInstanceUID":"` + uid + `","seriesInstanceUID":"` + uid + `.1"}}`
	decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", task), 201)
	if took := time.Since(began); took > time.Second {
		t.Errorf("the grant took %v", took)
	}
	client, err := dicomweb.NewClient(*receive(t, "the instruction", e.instructions).Source)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got := make(chan string, 10)
	if err := client.Source(uid, uid+".1").Each(t.Context(), 2, func(o source.Object) error { got <- o.Name; return nil }); err != nil || len(got) != 4 {
		t.Errorf("%d files, %v", len(got), err)
	}

	body, kind := files(t, slices3(keptStudy)...)
	if r := b.ask("POST", "/dicom-web/sources/orthanc/studies", body, "Content-Type", kind); r.status != http.StatusOK || strings.Count(string(r.body), "00081155") != 3 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := b.search("?source=orthanc&studyInstanceUID=" + keptStudy); got.Total != 1 || got.Studies[0].InstanceCount != 3 {
		t.Errorf("after storing: %+v", got)
	}
	if text := b.logs.String(); strings.Contains(text, "rsted") || strings.Contains(text, uid) || strings.Contains(text, "password-of-orthanc") {
		t.Errorf("the log says too much:\n%s", text)
	}
	server.Stop()
	if r := b.ask("GET", "/api/v1/studies?source=orthanc", ""); r.status != http.StatusBadGateway {
		t.Errorf("after it was stopped: %d %s", r.status, r.body)
	}
	if got := b.search(""); got.Total != 2 || got.Sources[1].Problem == "" {
		t.Errorf("after it was stopped: %+v", got)
	}
}
