package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const (
	pacsUser     = "tomocast"
	pacsPassword = "password-of-the-pacs"
	pacsStudy    = "1.2.826.0.1.3680043.10.77.1"
)

// pacs is a DICOMweb service over a folder of its own, which asks for a password.
type pacs struct {
	*httptest.Server
	instead atomic.Pointer[http.HandlerFunc]
}

// answers has h answer instead of the service, until that is nil.
func (p *pacs) answers(h http.HandlerFunc) {
	if h == nil {
		p.instead.Store(nil)
	} else {
		p.instead.Store(&h)
	}
}

func newPACS(t testing.TB) *pacs {
	dir := t.TempDir()
	for i := 1; i <= 3; i++ {
		uid := fmt.Sprintf("1.2.826.0.1.3680043.10.77.%d", i)
		for n := 1; n <= 3; n++ {
			d := sourcetest.Slice(uid, uid+".1", n)
			d.SetString(dicom.PatientName, dicom.PN, fmt.Sprintf("Remote^%c", 'A'+i))
			d.SetString(dicom.PatientID, dicom.LO, fmt.Sprintf("R-%d", i))
			d.SetString(dicom.StudyDate, dicom.DA, fmt.Sprintf("2025030%d", i))
			d.SetString(dicom.AccessionNumber, dicom.SH, fmt.Sprintf("ACC%d", i))
			sourcetest.Write(t, filepath.Join(dir, fmt.Sprint(i), fmt.Sprint(n)), d)
		}
	}
	index, err := folder.Open(t.Context(), dir, "", slog.New(slog.DiscardHandler), folder.WithName("theirs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { index.Close() })
	serve := dicomweb.NewHandler(dicomweb.Config{Store: index, Logger: slog.New(slog.DiscardHandler), Authorize: func(r *http.Request, _ string) error {
		if user, password, ok := r.BasicAuth(); !ok || user != pacsUser || password != pacsPassword {
			return dicomweb.ErrUnauthenticated
		}
		return nil
	}})
	p := &pacs{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := p.instead.Load(); h != nil {
			(*h)(w, r)
			return
		}
		http.StripPrefix("/web", serve).ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// config writes a file of sources: a PACS that takes files, with its password, and what is given beside.
func (p *pacs) config(t testing.TB, more string) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(pacsPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sources.yaml")
	text := "sources:\n  - name: pacs\n    kind: pacs\n    url: " + p.URL + "/web\n    username: " + pacsUser + "\n    password-file: password\n    writable: true\n" + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

type answered struct {
	Name, Problem string
	More          bool
}

type studyPage struct {
	Studies []source.StudySummary
	Total   int
	Sources []answered
}

func (b *running) search(query string) studyPage {
	b.t.Helper()
	return decode[studyPage](b.t, b.ask("GET", "/api/v1/studies"+query, ""), 200)
}

func TestSourcesSideBySide(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, "  - {name: research, kind: folder, path: "+studies(t)+"}\n"))
	type status struct {
		Name, Kind, Status string
		Writable, Own      bool
		Studies            *int
	}
	list := decode[struct{ Sources []status }](t, b.ask("GET", "/api/v1/sources", ""), 200).Sources
	if len(list) != 3 || list[0].Name != "local" || !list[0].Own || list[0].Kind != "folder" || *list[0].Studies != 2 ||
		list[1] != (status{Name: "pacs", Kind: "pacs", Status: "ok", Writable: true}) || list[2].Name != "research" || list[2].Own || list[2].Writable {
		t.Errorf("%+v", list)
	}
	all := b.search("")
	if all.Total != 7 || len(all.Studies) != 7 || len(all.Sources) != 3 {
		t.Fatalf("%+v", all)
	}
	if first := all.Studies[0]; first.Source != "pacs" || first.StudyDate != "20250303" || first.PatientName != "Remote^D" || first.InstanceCount != 3 {
		t.Errorf("the newest is %+v", first)
	}
	for _, c := range []struct {
		query string
		n     int
	}{
		{"?source=local", 2}, {"?source=pacs", 3}, {"?source=research", 2}, {"?patientName=remote*", 3}, {"?patientName=müller*", 4},
		{"?patientID=R-2", 1}, {"?studyDate=20250302-", 2}, {"?studyDate=-20241231", 4}, {"?studyDate=20250301", 1}, {"?modality=CT", 7}, {"?modality=MR", 0},
		{"?accessionNumber=ACC*", 3}, {"?description=chest", 7}, {"?search=remote+chest", 3}, {"?search=r-3", 1}, {"?studyInstanceUID=" + study, 2},
		{"?source=pacs&search=acc1", 1},
	} {
		if got := b.search(c.query); got.Total != c.n || len(got.Studies) != c.n {
			t.Errorf("%s: %d of %d: %+v", c.query, len(got.Studies), got.Total, got.Sources)
		}
	}
	names := func(query string) (out []string) {
		for _, s := range b.search(query).Studies {
			out = append(out, s.PatientName)
		}
		return out
	}
	if got := names("?sort=name"); !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Error(got)
	}
	if got := names("?sort=-name"); got[0] != "Remote^D" {
		t.Error(got)
	}
	// Pages of all sources together hold every study once.
	seen := map[string]int{}
	for offset := range 4 {
		page := b.search(fmt.Sprintf("?limit=2&offset=%d", 2*offset))
		for _, s := range page.Studies {
			seen[s.Source+" "+s.StudyInstanceUID]++
		}
	}
	if len(seen) != 7 {
		t.Errorf("%v", seen)
	}
	found := decode[struct{ Series []source.SeriesSummary }](t, b.ask("GET", "/api/v1/studies/"+pacsStudy+"/series?source=pacs", ""), 200).Series
	if len(found) != 1 || found[0].Modality != "CT" {
		t.Errorf("%+v", found)
	}
	for path, want := range map[string]int{
		"/api/v1/studies/" + pacsStudy + "/series":             404, // of the broker's own
		"/api/v1/studies/1.2.3/series?source=pacs":             404,
		"/api/v1/studies/" + pacsStudy + "/series?source=none": 404,
		"/api/v1/studies?source=none":                          404,
		"/api/v1/patients?source=none":                         404,
		"/api/v1/studies?sort=height":                          400,
		"/api/v1/studies?studyInstanceUID=x":                   400,
		"/api/v1/studies?studyDate=yesterday":                  422,
	} {
		if r := b.ask("GET", path, ""); r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		} else {
			r.problem(t)
		}
	}
	for _, path := range []string{"/api/v1/sources", "/api/v1/patients", "/api/v1/studies/" + study + "/series/" + series + "/thumbnail"} {
		if r := b.get(path); r.status != 401 {
			t.Errorf("%s by nobody: %d", path, r.status)
		}
	}
}

func TestPatients(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, ""))
	type page struct {
		Patients []source.PatientSummary
		Total    int
		Sources  []answered
	}
	ask := func(query string) page {
		t.Helper()
		return decode[page](t, b.ask("GET", "/api/v1/patients"+query, ""), 200)
	}
	all := ask("?sort=name")
	if all.Total != 4 || len(all.Patients) != 4 || len(all.Sources) != 2 {
		t.Fatalf("%+v", all)
	}
	if first := all.Patients[0]; first.PatientName != "Müller^Änne" || first.Source != "local" || len(first.Studies) != 2 {
		t.Errorf("%+v", first)
	}
	if got := ask("?source=pacs&sort=-name&limit=1&offset=1"); got.Total != 3 || len(got.Patients) != 1 || got.Patients[0].PatientName != "Remote^C" {
		t.Errorf("%+v", got)
	}
	if got := ask("?search=nobody"); got.Total != 0 || got.Patients == nil {
		t.Errorf("%+v", got)
	}
}

// A PACS that fails is named, in words and with its own status; the others' studies are there.
func TestAPACSThatFails(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, ""))
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of order", 500) }, "500"},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>please sign in</html>")
		}, "html"},
		"401":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "401"},
		"dropped": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"redirected": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/elsewhere", http.StatusFound)
		}, "302"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/dicom+json")
			io.WriteString(w, `[{"0020000D":`)
		}, ""},
	} {
		p.answers(c.answer)
		r := b.ask("GET", "/api/v1/studies?source=pacs&patientName=Doe*", "")
		problem := r.problem(t)
		if r.status != http.StatusBadGateway || problem.Code != signaling.ProblemUnavailable || !strings.Contains(strings.ToLower(problem.Detail), c.want) || !strings.Contains(problem.Detail, "pacs") {
			t.Errorf("%s, asked for alone: %d %+v", name, r.status, problem)
		}
		got := b.search("")
		if got.Total != 2 || got.Sources[1].Problem == "" || got.Sources[0].Problem != "" {
			t.Errorf("%s, among others: %+v", name, got)
		}
		if r := b.ask("GET", "/api/v1/studies/"+pacsStudy+"/series?source=pacs", ""); r.status != http.StatusBadGateway {
			t.Errorf("%s, series: %d", name, r.status)
		}
	}
	list := decode[struct{ Sources []struct{ Status string } }](t, b.ask("GET", "/api/v1/sources", ""), 200).Sources
	if list[1].Status == "ok" {
		t.Errorf("%+v", list)
	}
	if r := b.get("/readyz"); r.status != 200 {
		t.Errorf("a broker whose PACS is away is not ready: %d", r.status)
	}
	// It answers again: who asks for it sees that, and then it is back among the others.
	p.answers(nil)
	if got := b.search("?source=pacs"); got.Total != 3 {
		t.Errorf("%+v", got)
	}
	if got := b.search(""); got.Total != 5 {
		t.Errorf("%+v", got)
	}
	if text := b.logs.String(); strings.Contains(text, "Doe") || strings.Contains(text, pacsPassword) || strings.Contains(text, p.URL) {
		t.Errorf("the log says too much:\n%s", text)
	}
}

// A slow PACS keeps a search over all sources waiting once, for a bounded time.
func TestASlowPACS(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, ""))
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	p.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	for i := range 3 {
		got := b.search("?patientName=M*")
		if got.Total != 2 || !strings.Contains(got.Sources[1].Problem, "did not answer in time") {
			t.Errorf("search %d: %+v", i, got)
		}
	}
}

// An edge is told how to log in at the PACS, and nobody else is.
func TestSessionsOfAPACSsStudies(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, "  - {name: research, kind: folder, path: "+studies(t)+"}\n"))
	e := b.join(newNode("near"))
	var asked atomic.Int32
	p.answers(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	r := b.ask("POST", "/api/v1/tasks", `{"type":"rendering","series":{"source":"pacs","studyInstanceUID":"`+pacsStudy+`"}}`)
	g := decode[signaling.Grant](t, r, 201)
	i := receive(t, "the instruction", e.instructions)
	if a := i.Source; a.Name != "pacs" || a.DICOMweb != p.URL+"/web" || a.Username != pacsUser || a.Password != pacsPassword || a.Bearer != "" {
		t.Errorf("%+v", a)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the PACS was asked %d times on the way to the grant", n)
	}
	p.answers(nil)
	task := b.ask("GET", "/api/v1/tasks/"+string(g.Task), "")
	for _, where := range []string{string(r.body), string(task.body), b.logs.String()} {
		if strings.Contains(where, pacsPassword) {
			t.Errorf("the password is in %s", where)
		}
	}

	// Another local source has a path and a credential of its own.
	decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", `{"type":"rendering","series":{"source":"research","studyInstanceUID":"`+study+`"}}`), 201)
	a := receive(t, "the instruction", e.instructions).Source
	if a.Name != "research" || a.DICOMweb != "/dicom-web/sources/research" || a.Username != "" {
		t.Errorf("%+v", a)
	}
	get := func(path string) int { return b.do("GET", path, "", "Authorization", "Bearer "+a.Bearer).status }
	for path, want := range map[string]int{
		"/dicom-web/sources/research/studies/" + study + "/series":      200,
		"/dicom-web/sources/research/studies/" + otherStudy + "/series": 403,
		"/dicom-web/sources/research/studies":                           403,
		"/dicom-web/studies/" + study + "/series":                       403, // the same study of another source
		"/dicom-web/sources/local/studies/" + study + "/series":         403,
		"/dicom-web/sources/pacs/studies/" + pacsStudy + "/series":      401,
	} {
		if got := get(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if r := b.ask("GET", "/dicom-web/sources/local/studies/"+study+"/series", ""); r.status != 200 {
		t.Errorf("the broker's own by its name: %d", r.status)
	}
	if r := b.ask("GET", "/dicom-web/sources/pacs/studies", ""); r.status != 404 || !strings.Contains(r.problem(t).Detail, "PACS") {
		t.Errorf("a PACS through the broker: %d", r.status)
	}
}

func TestTasksThatBringTheirOwnFiles(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", `{"type":"rendering","parameters":{"upload":true}}`), 201)
	if i := receive(t, "the instruction", e.instructions); i.Source != nil || !i.Request.Uploads() {
		t.Errorf("%+v", i)
	}
	both := strings.Replace(rendering, `"type"`, `"parameters":{"upload":true},"type"`, 1)
	if r := b.ask("POST", "/api/v1/tasks", both); r.status != 400 {
		t.Errorf("%d %s", r.status, r.body)
	}
	// A single image is shown too.
	single := strings.Replace(rendering, series, photo, 1)
	decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", single), 201)
}
