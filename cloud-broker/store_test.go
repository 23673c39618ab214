package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const keptStudy = "1.2.826.0.1.3680043.10.55.1"

// files is a body that stores data sets (PS3.18 10.5), and its content type.
func files(t testing.TB, list ...*dicom.Dataset) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, d := range list {
		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/dicom"}})
		if err == nil {
			err = dicom.Write(p, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), `multipart/related; type="application/dicom"; boundary=` + w.Boundary()
}

func slices3(study string) (out []*dicom.Dataset) {
	for n := 1; n <= 3; n++ {
		out = append(out, sourcetest.Slice(study, study+".1", n))
	}
	return out
}

func storeConfig(t testing.TB, dir string) string {
	file := filepath.Join(t.TempDir(), "sources.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  - {name: kept, kind: store, path: "+dir+"}\n  - {name: sealed, kind: store, path: "+filepath.Join(t.TempDir(), "new")+", writable: false}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFilesAreKeptListedAndDeleted(t *testing.T) {
	dir := t.TempDir()
	b := start(t, "--sources", storeConfig(t, dir))
	e := b.join(newNode("near"))
	body, kind := files(t, slices3(keptStudy)...)
	r := b.ask("POST", "/dicom-web/sources/kept/studies", body, "Content-Type", kind, "Accept", "application/dicom+json")
	if r.status != 200 || strings.Count(string(r.body), "00081155") != 3 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := b.search("?source=kept"); got.Total != 1 || got.Studies[0].InstanceCount != 3 {
		t.Fatalf("%+v", got)
	}
	task := `{"type":"rendering","series":{"source":"kept","studyInstanceUID":"` + keptStudy + `"}}`
	decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", task), 201)
	if a := receive(t, "the instruction", e.instructions).Source; a.Name != "kept" || a.DICOMweb != "/dicom-web/sources/kept" {
		t.Errorf("%+v", a)
	} else if r := b.do("POST", a.DICOMweb+"/studies", body, "Content-Type", kind, "Authorization", "Bearer "+a.Bearer); r.status != 401 && r.status != 403 {
		t.Errorf("an edge's credential for a study stores files: %d", r.status)
	}
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(path, keptStudy) || strings.Contains(path, "ller") {
			t.Errorf("a file is named %s", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}

	thumbnail := "/api/v1/studies/" + keptStudy + "/series/" + keptStudy + ".1/thumbnail?source=kept"
	if r := b.ask("GET", thumbnail, ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	for path, want := range map[string]int{
		"/api/v1/studies/" + study:                         403, // of a folder
		"/api/v1/studies/" + study + "?source=sealed":      403,
		"/api/v1/studies/1.2.3?source=kept":                404,
		"/api/v1/studies/x?source=kept":                    400,
		"/api/v1/studies/" + keptStudy + "?source=nowhere": 404,
	} {
		if r := b.ask("DELETE", path, ""); r.status != want {
			t.Errorf("DELETE %s: %d %s", path, r.status, r.body)
		} else {
			r.problem(t)
		}
	}
	if r := b.ask("DELETE", "/api/v1/studies/"+keptStudy+"?source=kept", ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := b.search("?source=kept"); got.Total != 0 {
		t.Errorf("%+v", got)
	}
	if r := b.ask("GET", thumbnail, ""); r.status != 404 {
		t.Errorf("the picture of a deleted study: %d", r.status)
	}
	if r := b.ask("POST", "/api/v1/tasks", task); r.status != 404 {
		t.Errorf("a session of a deleted study: %d", r.status)
	}
}

func TestFilesThatAreNotKept(t *testing.T) {
	p := newPACS(t)
	dir := t.TempDir()
	b := start(t, "--sources", p.config(t, "  - {name: kept, kind: store, path: "+dir+"}\n  - {name: theirs, kind: pacs, url: "+p.URL+"}\n"))
	body, kind := files(t, slices3(keptStudy)...)
	garbage := "--x\r\nContent-Type: application/dicom\r\n\r\nnot DICOM\r\n--x--\r\n"
	for name, c := range map[string]struct {
		path, body, kind string
		want             int
	}{
		"a folder":               {"/dicom-web/studies", body, kind, 405},
		"a folder by its name":   {"/dicom-web/sources/local/studies", body, kind, 405},
		"a PACS that takes none": {"/dicom-web/sources/theirs/studies", body, kind, 403},
		"no source":              {"/dicom-web/sources/none/studies", body, kind, 405},
		"no multipart":           {"/dicom-web/sources/kept/studies", "{}", "application/json", 415},
		"no multipart, PACS":     {"/dicom-web/sources/pacs/studies", "{}", "application/json", 415},
		"no files":               {"/dicom-web/sources/kept/studies", "--x--\r\n", `multipart/related; type="application/dicom"; boundary=x`, 400},
		"no DICOM":               {"/dicom-web/sources/kept/studies", garbage, `multipart/related; type="application/dicom"; boundary=x`, 409},
		"of another study":       {"/dicom-web/sources/kept/studies/1.2.3", body, kind, 409},
		"no UID":                 {"/dicom-web/sources/kept/studies/x", body, kind, 400},
		"no UID, PACS":           {"/dicom-web/sources/pacs/studies/x", body, kind, 400},
	} {
		if r := b.ask("POST", c.path, c.body, "Content-Type", c.kind); r.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, c.want)
		}
	}
	for _, path := range []string{"/dicom-web/sources/kept/studies", "/dicom-web/sources/pacs/studies"} {
		if r := b.do("POST", path, body, "Content-Type", kind); r.status != 401 {
			t.Errorf("%s by nobody: %d", path, r.status)
		}
		// A page of another origin, with the cookie that the browser sends along.
		cookie, _, _ := strings.Cut(b.get("/").header.Get("Set-Cookie"), ";")
		if r := b.do("POST", path, body, "Content-Type", kind, "Cookie", cookie, "Origin", "https://evil.example"); r.status != 403 {
			t.Errorf("%s by a foreign page: %d", path, r.status)
		}
		if r := b.do("POST", path, body, "Content-Type", kind, "Cookie", cookie); r.status != 403 {
			t.Errorf("%s by a page that says not which: %d", path, r.status)
		}
	}
	if r := b.do("DELETE", "/api/v1/studies/"+study+"?source=kept", "", "Cookie", "x=y", "Origin", "https://evil.example"); r.status != 401 && r.status != 403 {
		t.Errorf("a foreign page deletes: %d", r.status)
	}
	if got := b.search("?source=kept"); got.Total != 0 {
		t.Errorf("%+v", got)
	}
	if text := b.logs.String(); strings.Contains(text, keptStudy) {
		t.Errorf("the log has a UID:\n%s", text)
	}
}

// Who stores, and who deletes, where people sign in.
func TestRightsOfKeeping(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-operators", "admins", "--sources", storeConfig(t, t.TempDir()))
	body, kind := files(t, slices3(keptStudy)...)
	if r := b.do("POST", "/dicom-web/sources/kept/studies", body, "Content-Type", kind, "Authorization", "Bearer "+token("anna")); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, path := range []string{"/api/v1/studies/" + keptStudy + "?source=kept", "/dicom-web/sources/kept/studies/" + keptStudy} {
		if r := b.do("DELETE", path, "", "Authorization", "Bearer "+token("anna")); r.status != 403 {
			t.Errorf("DELETE %s by no operator: %d", path, r.status)
		}
		if r := b.do("DELETE", path, ""); r.status != 401 {
			t.Errorf("DELETE %s by nobody: %d", path, r.status)
		}
	}
	if r := b.do("DELETE", "/dicom-web/sources/kept/studies/"+keptStudy, "", "Authorization", "Bearer "+token("carla", "admins")); r.status != 204 {
		t.Errorf("by an operator: %d %s", r.status, r.body)
	}
}

// Files go on to a PACS as they come, with its credentials and nothing of the request's own.
func TestFilesForAPACS(t *testing.T) {
	p := newPACS(t)
	b := start(t, "--sources", p.config(t, ""))
	body, kind := files(t, slices3(keptStudy)...)
	post := func(path string) reply {
		return b.ask("POST", path, body, "Content-Type", kind, "Cookie", "private=1", "X-Private", "1", "Referer", "http://here/?patient=x")
	}
	arrived := make(chan *http.Request, 1)
	var sent string
	p.answers(func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		sent = string(got)
		arrived <- r
		w.Header().Set("Content-Type", "application/dicom+json")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"00081198":{"vr":"SQ"}}`)
	})
	r := post("/dicom-web/sources/pacs/studies/" + keptStudy)
	if r.status != http.StatusAccepted || string(r.body) != `{"00081198":{"vr":"SQ"}}` {
		t.Errorf("%d %s", r.status, r.body)
	}
	got := receive(t, "the request", arrived)
	user, password, _ := got.BasicAuth()
	if sent != body || got.URL.Path != "/web/studies/"+keptStudy || got.Header.Get("Content-Type") != kind || user != pacsUser || password != pacsPassword {
		t.Errorf("%s %v", got.URL, got.Header)
	}
	for _, name := range []string{"Cookie", "X-Private", "Referer", "X-Forwarded-For"} {
		if got.Header.Get(name) != "" {
			t.Errorf("%s was sent on: %q", name, got.Header.Get(name))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		want   string
	}{
		"500":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "x", 500) }, 502, "500"},
		"401":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, 502, "401"},
		"413":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }, 413, "413"},
		"HTML":    {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, 502, "200"},
		"dropped": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, "could not be reached"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/", http.StatusTemporaryRedirect)
		},
			502, "307"},
	} {
		p.answers(c.answer)
		r := post("/dicom-web/sources/pacs/studies")
		if problem := r.problem(t); r.status != c.status || !strings.Contains(problem.Detail, c.want) {
			t.Errorf("%s: %d %+v", name, r.status, problem)
		}
	}
	if text := b.logs.String(); strings.Contains(text, keptStudy) || strings.Contains(text, pacsPassword) {
		t.Errorf("the log says too much:\n%s", text)
	}
}

// Brokers that share a store's folder list the same, and one serves what the other has kept after it looked again.
func TestBrokersThatShareAStore(t *testing.T) {
	dir := t.TempDir()
	one := start(t, "--sources", storeConfig(t, dir), "--rescan", "1s")
	two := start(t, "--sources", storeConfig(t, dir), "--rescan", "1s")
	for i := range 3 {
		uid := fmt.Sprintf("%s.%d", keptStudy, i)
		body, kind := files(t, slices3(uid)...)
		if r := one.ask("POST", "/dicom-web/sources/kept/studies", body, "Content-Type", kind); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	two.eventually("the other broker lists them", func() bool { return two.kept() == 3 })
	if r := two.ask("DELETE", "/api/v1/studies/"+keptStudy+".1?source=kept", ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	one.eventually("it is gone at the first one too", func() bool { return one.kept() == 2 })
}

// kept is how many studies the store has, by this broker's index.
func (b *running) kept() int {
	r, err := b.library.Studies(b.t.Context(), "kept", source.Query{})
	if err != nil {
		b.t.Error(err)
	}
	return r.Total
}
