package system

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const pacsPassword = "password-of-the-pacs-in-tests"

// configure writes a configuration of sources and returns the broker's arguments for it.
func configure(t testing.TB, format string, args ...any) []string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(pacsPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf([]byte("sources:\n"), format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--sources", path}
}

type studyList struct {
	Studies []source.StudySummary `json:"studies"`
	Total   int                   `json:"total"`
	Sources []struct {
		Name    string `json:"name"`
		Problem string `json:"problem"`
	} `json:"sources"`
}

// TestStudyOfAPACS opens a study of an Orthanc that asks for a password, beside a PACS that is not there.
func TestStudyOfAPACS(t *testing.T) {
	t.Parallel()
	pacs := orthanc.StartTest(t, orthanc.Config{Username: "tomocast", Password: pacsPassword})
	for k := range small[2] {
		if err := pacs.Upload(t.Context(), sourcetest.Encode(t, slice(studyUID, seriesUID, small, k))); err != nil {
			t.Fatal(err)
		}
	}
	args := configure(t, `
  - {name: main, kind: pacs, url: %q, username: tomocast, password-file: password}
  - {name: away, kind: pacs, url: "http://127.0.0.1:9/dicom-web", timeout: 2s}
`, pacs.DICOMweb)
	s := start(t, args...)
	s.edge("near")

	found := get[studyList](s, "/studies?source=main&patientName=gehe*")
	if len(found.Studies) != 1 || found.Studies[0].PatientName != patientName || found.Studies[0].Source != "main" || found.Studies[0].AccessionNumber != accession {
		t.Fatalf("the PACS has %+v", found)
	}
	all := get[studyList](s, "/studies")
	told := false
	for _, src := range all.Sources {
		told = told || src.Name == "away" && src.Problem != "" && !strings.Contains(src.Problem, "127.0.0.1")
	}
	if len(all.Studies) == 0 || !told {
		t.Errorf("beside a PACS that is away: %d studies, sources %+v", len(all.Studies), all.Sources)
	}

	ref := signaling.SeriesRef{Source: "main", StudyInstanceUID: studyUID, SeriesInstanceUID: seriesUID}
	g := s.submit(rendering(ref))
	x := s.connect(g, terminal.Options{})
	if i := x.info; i.PatientName != patientName || i.PatientID != patientID || i.AccessionNumber != accession || i.PatientBirthDate != birthDate ||
		i.Size != small || i.Series.Source != "main" {
		t.Errorf("%+v", i)
	}
	x.move()
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.refused(rendering(signaling.SeriesRef{Source: "elsewhere", StudyInstanceUID: studyUID}), signaling.ProblemNotFound, "source")
	wrong := s.submit(rendering(signaling.SeriesRef{Source: "main", StudyInstanceUID: unknownUID, SeriesInstanceUID: unknownUID + ".1"}))
	wantProblem(t, s.dial(wrong, terminal.Options{}).ending(), signaling.ProblemNotFound, "source")
	if strings.Contains(s.broker.log.String(), pacsPassword) {
		t.Error("the broker's log has the PACS's password")
	}
}

// TestKeptFiles sends files to a store, shows them from there and deletes them.
func TestKeptFiles(t *testing.T) {
	t.Parallel()
	s := start(t, configure(t, "  - {name: kept, kind: store, path: %q}\n", t.TempDir())...)
	s.edge("near")
	client, err := dicomweb.NewClient(signaling.SourceAccess{DICOMweb: s.url + "/dicom-web/sources/kept", Bearer: localToken})
	if err != nil {
		t.Fatal(err)
	}
	const kept = unknownUID
	var files []dicomweb.Upload
	for k := range small[2] {
		data := sourcetest.Encode(t, slice(kept, kept+".1", small, k))
		files = append(files, dicomweb.Upload{Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	result, err := client.Store(s.ctx, kept, files)
	if err != nil || len(result.Stored) != small[2] || len(result.Failed) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if l := get[studyList](s, "/studies?source=kept"); len(l.Studies) != 1 || l.Studies[0].InstanceCount != small[2] {
		t.Fatalf("the store lists %+v", l)
	}
	x := s.connect(s.submit(rendering(signaling.SeriesRef{Source: "kept", StudyInstanceUID: kept})), terminal.Options{})
	if x.info.Size != small {
		t.Errorf("size %v", x.info.Size)
	}
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	if err := s.ask(http.MethodDelete, "/studies/"+kept+"?source=kept", nil, nil); err != nil {
		t.Error(err)
	}
	if l := get[studyList](s, "/studies?source=kept"); len(l.Studies) != 0 {
		t.Errorf("after the deletion: %+v", l)
	}
	if err := s.ask(http.MethodDelete, "/studies/"+studyUID+"?source=local", nil, nil); err == nil {
		t.Error("a study of a folder that is only read was deleted")
	}
}

// TestFilesOfTheTerminal sends files to an edge, good and bad ones, and shows what is in them.
func TestFilesOfTheTerminal(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	parameters := []byte(`{"upload": true, "width": 320, "height": 240}`)
	g := s.submit(signaling.TaskRequest{Type: signaling.Rendering, Parameters: parameters})
	x := s.dial(g, terminal.Options{})
	files := []terminal.File{{Path: "mine/readme.txt", Data: []byte("nothing of interest")}}
	for k := range small[2] {
		files = append(files, terminal.File{Path: fmt.Sprintf("mine/slice%02d", k), Data: sourcetest.Encode(t, slice(unknownUID, unknownUID+".1", small, k))})
	}
	broken := slice(unknownUID, unknownUID+".2", size{64, 64, 1}, 0)
	files = append(files, terminal.File{Path: "mine/other", Data: sourcetest.Encode(t, broken)})
	if err := x.Upload(s.ctx, files); err != nil {
		t.Fatal(err)
	}
	received := next(x, "what was received", x.Events(), func(e signaling.Event) bool { return e.Received != nil }).Received
	if len(received.Series) != 2 || received.LeftOutCount != 1 || received.LeftOut[0].Name != "mine/readme.txt" {
		t.Fatalf("%+v", received)
	}
	loaded := next(x, "the loaded event", x.Events(), wholly)
	if i := loaded.Patients[0]; i.Size != small || i.Series.Source != signaling.Uploads || i.PatientID != patientID {
		t.Errorf("%+v", i)
	}
	x.view, x.info = *loaded.View, loaded.Patients[0]
	x.move()
	if err := x.OpenSeries(s.ctx, signaling.SeriesRef{Source: signaling.Uploads, StudyInstanceUID: unknownUID, SeriesInstanceUID: unknownUID + ".2"}); err != nil {
		t.Fatal(err)
	}
	single := next(x, "the single image", x.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventLoaded && e.Patients[0].Images == 1 })
	if v := single.View; v == nil || v.Viewports[0].Mode != signaling.ViewImage {
		t.Errorf("%+v", single.View)
	}
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("near")
}

// TestEdgeWithTheSameFolder has an edge read the studies from its own folder: the broker serves it no files.
func TestEdgeWithTheSameFolder(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	s := start(t, "--studies", dir)
	s.edge("near", "--local-source", "local="+dir)
	x := s.open()
	if x.info.Size != small {
		t.Errorf("size %v", x.info.Size)
	}
	// The listing is compared, and nothing else asked for.
	if n := strings.Count(s.broker.log.String(), "route=/dicom-web/"); n > 1 {
		t.Errorf("the broker served %d DICOMweb requests", n)
	}
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
}

// TestPrefetchedStudyGoesWhereItIs prefetches a series; the edge that has it then gets its session, although another one
// is a little nearer.
func TestPrefetchedStudyGoesWhereItIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("with", "--distance", "5")
	var answer struct {
		Node signaling.NodeID `json:"node"`
	}
	if err := s.ask(http.MethodPost, "/prefetch", map[string]any{"series": chest}, &answer); err != nil || answer.Node != "with" {
		t.Fatalf("%+v, %v", answer, err)
	}
	s.edge("without", "--distance", "1")
	s.eventually("the session goes where the series is", func() bool {
		g := s.submit(rendering(chest))
		defer func() { _ = s.ask(http.MethodDelete, "/tasks/"+string(g.Task), nil, nil) }()
		return g.Attempt.Node == "with" && strings.Contains(strings.Join(g.Reasons, "; "), "loaded")
	})
}

// TestThumbnails asks for the picture of a series in the list.
func TestThumbnails(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/studies/" + studyUID + "/series/" + seriesUID + "/thumbnail"
	if _, status := s.thumbnail(path); status != http.StatusServiceUnavailable {
		t.Errorf("without an edge: status %d", status)
	}
	s.edge("near")
	body, status := s.thumbnail(path)
	m, kind, err := image.Decode(bytes.NewReader(body))
	if status != http.StatusOK || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	if b := m.Bounds(); max(b.Dx(), b.Dy()) > signaling.MaxThumbnailSide || b.Dx()*small[1] < b.Dy()*small[0]*9/10 {
		t.Errorf("a %s of %v", kind, b)
	}
	if _, status := s.thumbnail("/api/v1/studies/" + studyUID + "/series/" + unknownUID + "/thumbnail"); status != http.StatusNotFound {
		t.Errorf("of a series that is not there: status %d", status)
	}
}

func (s *tomocast) thumbnail(path string) (body []byte, status int) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+localToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, signaling.MaxThumbnail+1)); err != nil {
		s.t.Fatal(err)
	}
	return body, resp.StatusCode
}
