package dicomweb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

var quiet = slog.New(slog.DiscardHandler)

const (
	studyA  = "1.2.3.1"
	seriesA = "1.2.3.1.1"
	studyB  = "1.2.3.2"
	seriesB = "1.2.3.2.1"
)

func allow(*http.Request, string) error { return nil }

// studies is a folder with five CT slices of one study and one MR slice, implicit little endian, of another.
func studies(t testing.TB) string {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "a"), studyA, seriesA, 5)
	d := sourcetest.Slice(studyB, seriesB, 1)
	d.TransferSyntax = dicom.ImplicitVRLittleEndian
	d.SetString(dicom.PatientName, dicom.PN, "Doe^Jane=山田^花子")
	d.SetString(dicom.PatientID, dicom.LO, "P-2")
	d.SetString(dicom.StudyDate, dicom.DA, "20250201")
	d.SetString(dicom.AccessionNumber, dicom.SH, "B7")
	d.SetString(dicom.Modality, dicom.CS, "MR")
	sourcetest.Write(t, filepath.Join(root, "b", "one"), d)
	return root
}

// serve serves a folder below /dicom-web.
func serve(t testing.TB, root string, authorize Authorize) *httptest.Server {
	t.Helper()
	x, err := folder.Open(t.Context(), root, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	h := http.StripPrefix("/dicom-web", NewHandler(Config{Store: x, Authorize: authorize, Logger: quiet}))
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		x.Close()
	})
	return server
}

// get asks for something and reads all of the answer.
func get(t *testing.T, server *httptest.Server, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/dicom-web"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

type wire map[string]struct {
	VR           string
	Value        []any
	InlineBinary []byte
}

func list(t *testing.T, server *httptest.Server, path string) ([]wire, *http.Response) {
	t.Helper()
	resp, body := get(t, server, path)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/dicom+json" {
		t.Fatalf("%s: %d %s: %s", path, resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	var out []wire
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%s: %v: %s", path, err, body)
	}
	return out, resp
}

func TestSearchMatches(t *testing.T) {
	server := serve(t, studies(t), allow)
	for _, c := range []struct {
		query string
		want  []string // Study Instance UIDs
	}{
		{"", []string{studyB, studyA}},
		{"PatientName=m%C3%BCller*", []string{studyA}},
		{"PatientName=M%3Fller^%C3%84nne", []string{studyA}},
		{"PatientName=%E5%B1%B1%E7%94%B0*", []string{studyB}},
		{"00100010=doe*", []string{studyB}},
		{"PatientID=P-1", []string{studyA}},
		{"PatientID=P-%3F", []string{studyB, studyA}},
		{"StudyDate=20240101-20241231", []string{studyA}},
		{"StudyDate=20240201-", []string{studyB}},
		{"StudyDate=-20240131", []string{studyA}},
		{"StudyDate=20250201", []string{studyB}},
		{"StudyTime=10-1130", []string{studyB, studyA}},
		{"AccessionNumber=B7", []string{studyB}},
		{"ModalitiesInStudy=MR", []string{studyB}},
		{"ModalitiesInStudy=CT,MR", []string{studyB, studyA}},
		{"ModalitiesInStudy=CT&ModalitiesInStudy=MR", []string{studyB, studyA}},
		{"StudyInstanceUID=" + studyA + "," + studyB, []string{studyB, studyA}},
		{"StudyInstanceUID=" + studyA + "%5C1.9", []string{studyA}},
		{"SeriesInstanceUID=" + seriesA, []string{studyA}},
		{"Modality=CT", []string{studyA}},
		{"PatientID=nobody", nil},
		{"limit=1", []string{studyB}},
		{"limit=1&offset=1", []string{studyA}},
		{"offset=2", nil},
		{"limit=9223372036854775807&offset=9223372036854775807", nil},
		{"includefield=all&includefield=00081030&fuzzymatching=false", []string{studyB, studyA}},
	} {
		found, _ := list(t, server, "/studies?"+c.query)
		var got []string
		for _, f := range found {
			got = append(got, f["0020000D"].Value[0].(string))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.query, got, c.want)
		}
	}
}

func TestSearchAnswers(t *testing.T) {
	server := serve(t, studies(t), allow)
	found, _ := list(t, server, "/studies?PatientID=P-2")
	for tag, want := range map[string]string{
		"00080005": `CS [ISO_IR 192]`, "00080020": `DA [20250201]`, "00080061": `CS [MR]`,
		"00100010": `PN [map[Alphabetic:Doe^Jane Ideographic:山田^花子]]`, "00100040": `CS [F]`, "00080090": `PN []`,
		"00201206": `IS [1]`, "00201208": `IS [1]`, "00081190": `UR [` + server.URL + `/dicom-web/studies/` + studyB + `]`,
	} {
		if a := found[0][tag]; fmt.Sprint(a.VR, " ", a.Value) != want {
			t.Errorf("%s: %v %v, want %s", tag, a.VR, a.Value, want)
		}
	}
	found, _ = list(t, server, "/studies/"+studyA+"/series")
	if len(found) != 1 || found[0]["00201209"].Value[0] != 5.0 || found[0]["00080060"].Value[0] != "CT" || found[0]["00100010"].VR != "" {
		t.Errorf("series of a study: %v", found)
	}
	found, _ = list(t, server, "/series?Modality=MR")
	if len(found) != 1 || found[0]["0020000E"].Value[0] != seriesB || found[0]["00100020"].Value[0] != "P-2" {
		t.Errorf("all series: %v", found)
	}
	found, _ = list(t, server, "/studies/"+studyA+"/instances?InstanceNumber=2")
	if len(found) != 1 || found[0]["00080018"].Value[0] != seriesA+".2" || found[0]["0020000E"].Value[0] != seriesA {
		t.Errorf("instances of a study: %v", found)
	}
	found, resp := list(t, server, "/studies/"+studyA+"/series/"+seriesA+"/instances?limit=2&offset=1&rows=8&fuzzymatching=true")
	if len(found) != 2 || found[0]["00200013"].Value[0] != 2.0 || fmt.Sprint(found[0]["00200032"].Value) != "[-12.5 3 5]" {
		t.Errorf("instances: %v", found)
	}
	warnings := strings.Join(resp.Header.Values("Warning"), "\n")
	for _, want := range []string{"There are 2 additional results", "fuzzymatching", `\"rows\"`} {
		if !strings.Contains(warnings, want) {
			t.Errorf("warnings %q do not say %q", warnings, want)
		}
	}
}

// An index with more studies than one answer may have: a huge limit is cut, and the answer says so.
func TestSearchIsBounded(t *testing.T) {
	many := make(manyStudies, 10_000)
	for i := range many {
		many[i] = &source.Study{StudyAttributes: source.StudyAttributes{StudyInstanceUID: fmt.Sprint("1.2.", i)}}
	}
	h := NewHandler(Config{Store: many, Authorize: allow, Logger: quiet, PublicURL: "https://pacs.example/dw/"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/studies?limit=1000000000", nil))
	var out []wire
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || len(out) != maxStudies {
		t.Errorf("%d results, %v", len(out), err)
	}
	if got := out[7]["00081190"].Value[0]; got != "https://pacs.example/dw/studies/1.2.7" {
		t.Errorf("Retrieve URL %v", got)
	}
	if got := w.Header().Get("Warning"); !strings.Contains(got, "9000 additional") {
		t.Errorf("warning %q", got)
	}
}

type manyStudies []*source.Study

func (m manyStudies) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	from, to := q.Page(len(m), limit)
	return m[from:to], len(m)
}
func (manyStudies) FindSeries(source.Query, int) ([]source.Stored, int)    { return nil, 0 }
func (manyStudies) FindInstances(source.Query, int) ([]source.Stored, int) { return nil, 0 }

func TestProblems(t *testing.T) {
	server := serve(t, studies(t), allow)
	instance := "/studies/" + studyA + "/series/" + seriesA + "/instances/" + seriesA + ".1"
	for _, c := range []struct {
		path   string
		accept string
		status int
		detail string
	}{
		{"/studies/9.9.9", "", 404, "no such study"},
		{"/studies/9.9.9/series", "", 404, "no such study"},
		{"/studies/9.9.9/metadata", "", 404, "no such study"},
		{"/studies/" + studyA + "/series/9.9", "", 404, "no such series"},
		{"/studies/" + studyA + "/series/" + seriesB, "", 404, "no such series"}, // it is another study's
		{"/studies/" + studyA + "/series/9.9/instances", "", 404, "no such series"},
		{"/studies/" + studyA + "/series/" + seriesA + "/instances/9", "", 404, "no such instance"},
		{instance + "/frames/1", "", 404, "Offered are"},
		{instance + "/rendered", "", 404, "Offered are"},
		{"/elsewhere", "", 404, "Offered are"},
		{"/studies/..%2f..%2fetc%2fpasswd", "", 400, "no UID"},
		{"/studies/%2e%2e/series", "", 400, "no UID"},
		{"/studies/" + studyA + "/series/..%2f" + studyB, "", 400, "no UID"},
		{"/studies/" + studyA + "%00", "", 400, "no UID"},
		{"/studies/" + strings.Repeat("1", 65), "", 400, "64"},
		{"/studies?limit=-1", "", 400, "limit"},
		{"/studies?limit=0", "", 400, "limit"},
		{"/studies?offset=x", "", 400, "offset"},
		{"/studies?limit=99999999999999999999999", "", 400, "limit"},
		{"/studies?StudyDate=yesterday", "", 400, "StudyDate"},
		{"/studies?StudyTime=1x", "", 400, "StudyTime"},
		{"/studies?StudyInstanceUID=../..", "", 400, "StudyInstanceUID"},
		{"/studies?PatientName=" + strings.Repeat("a", 2000), "", 400, "PatientName"},
		{"/studies?StudyInstanceUID=" + strings.Repeat("1,", 600), "", 400, "500"},
		{"/studies", "application/dicom+xml", 406, "dicom+json"},
		{instance + "/metadata", `multipart/related; type="application/dicom+xml"`, 406, "dicom+json"},
		{instance, "image/jpeg", 406, "transfer-syntax=*"},
		{instance, `multipart/related; type="application/octet-stream"`, 406, "transfer-syntax=*"},
		{instance, `multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90`, 406, dicom.ExplicitVRLittleEndian},
		{instance, "application/dicom+json", 406, "transfer-syntax=*"},
		{"/studies/" + studyB, `multipart/related; type="application/dicom"`, 406, "transfer-syntax=*"}, // implicit
		{"/studies/" + studyA, "application/dicom", 406, "multipart/related"},                           // for one only
	} {
		var header []string
		if c.accept != "" {
			header = []string{"Accept", c.accept}
		}
		resp, body := get(t, server, c.path, header...)
		var p struct {
			Type, Title, Detail string
			Status              int
		}
		if err := json.Unmarshal(body, &p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: no problem: %d %s", c.path, resp.StatusCode, body)
			continue
		}
		if resp.StatusCode != c.status || p.Status != c.status || p.Type == "" || p.Title == "" || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%.80s (%s): %d %+v, want %d with %q", c.path, c.accept, resp.StatusCode, p, c.status, c.detail)
		}
	}
	resp, err := server.Client().Post(server.URL+"/dicom-web/studies", "application/dicom+json", strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("storing: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestRetrieve(t *testing.T) {
	root := studies(t)
	server := serve(t, root, allow)
	for _, c := range []struct {
		path, accept string
		n            int
	}{
		{"/studies/" + studyA, `multipart/related; type="application/dicom"; transfer-syntax=*`, 5},
		{"/studies/" + studyA, "", 5},
		{"/studies/" + studyA + "/series/" + seriesA, `multipart/related; type=application/dicom; transfer-syntax=` + dicom.ExplicitVRLittleEndian, 5},
		{"/studies/" + studyA + "/series/" + seriesA, `multipart/related; type="application/dicom"`, 5},
		{"/studies/" + studyA + "/series/" + seriesA + "/instances/" + seriesA + ".3", "text/html, */*;q=0.1", 1},
		{"/studies/" + studyB, `image/jpeg;q=0.9, multipart/related; type="application/dicom"; transfer-syntax=*;q=0.5`, 1},
		{"/studies/" + studyB + "?accept=" + `multipart%2Frelated%3B%20type%3D%22application%2Fdicom%22%3B%20transfer-syntax%3D%2A`, "image/jpeg", 1},
	} {
		resp, body := get(t, server, c.path, "Accept", c.accept)
		media, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil || resp.StatusCode != 200 || media != "multipart/related" || params["type"] != "application/dicom" {
			t.Errorf("%s: %d %v: %s", c.path, resp.StatusCode, resp.Header, body)
			continue
		}
		if resp.ContentLength != int64(len(body)) {
			t.Errorf("%s: Content-Length %d of %d", c.path, resp.ContentLength, len(body))
		}
		in, n := multipart.NewReader(bytes.NewReader(body), params["boundary"]), 0
		for {
			p, err := in.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.path, err)
			}
			n++
			data, err := io.ReadAll(p)
			if err != nil || p.Header.Get("Content-Length") != strconv.Itoa(len(data)) {
				t.Errorf("%s: part of %d bytes, %v, %v", c.path, len(data), p.Header, err)
			}
			d, err := dicom.Parse(data, dicom.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(p.Header.Get("Content-Location"), "/instances/"+d.String(dicom.SOPInstanceUID)) ||
				p.Header.Get("Content-Type") != "application/dicom; transfer-syntax="+d.TransferSyntax {
				t.Errorf("%s: header %v", c.path, p.Header)
			}
		}
		if n != c.n {
			t.Errorf("%s: %d parts, want %d", c.path, n, c.n)
		}
	}
}

func TestRetrieveOne(t *testing.T) {
	root := studies(t)
	server := serve(t, root, allow)
	path := "/studies/" + studyB + "/series/" + seriesB + "/instances/" + seriesB + ".1"
	want, err := os.ReadFile(filepath.Join(root, "b", "one"))
	if err != nil {
		t.Fatal(err)
	}
	accept := []string{"Accept", "application/dicom; transfer-syntax=*"}
	resp, body := get(t, server, path, accept...)
	if resp.StatusCode != 200 || !bytes.Equal(body, want) || resp.Header.Get("Content-Type") != "application/dicom; transfer-syntax="+dicom.ImplicitVRLittleEndian {
		t.Errorf("%d %v, %d bytes", resp.StatusCode, resp.Header, len(body))
	}
	etag := resp.Header.Get("ETag")
	for _, c := range []struct {
		name, value string
		status      int
		want        []byte
	}{
		{"Range", "bytes=128-131", 206, []byte("DICM")},
		{"Range", "bytes=-4", 206, want[len(want)-4:]},
		{"Range", fmt.Sprintf("bytes=%d-", len(want)), 416, nil},
		{"Range", "bytes=99999999999999999999-", 416, nil},
		{"If-None-Match", etag, 304, nil},
	} {
		resp, body := get(t, server, path, append(slices.Clone(accept), c.name, c.value)...)
		if resp.StatusCode != c.status || c.want != nil && !bytes.Equal(body, c.want) {
			t.Errorf("%s %s: %d %q", c.name, c.value, resp.StatusCode, body)
		}
	}
	head, err := server.Client().Head(server.URL + "/dicom-web/studies/" + studyA)
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.StatusCode != 200 || head.ContentLength < 1000 {
		t.Errorf("HEAD: %d, %d bytes", head.StatusCode, head.ContentLength)
	}
}

func TestMetadata(t *testing.T) {
	root := studies(t)
	d := sourcetest.Slice(studyA, seriesA, 6)
	item := &dicom.Dataset{}
	item.SetString(dicom.ReferencedSOPInstanceUID, dicom.UI, "1.2.3")
	d.SetSequence(dicom.Tag(0x00081140), item, &dicom.Dataset{})
	d.SetString(dicom.ImageType, dicom.CS, "ORIGINAL", "", "AXIAL")
	d.SetBytes(dicom.Tag(0x00280009), dicom.AT, []byte{0x18, 0, 0x63, 0x10})
	d.SetFloats(dicom.Tag(0x00189089), dicom.FD, 0.1, 1e30, 0)
	d.SetBytes(dicom.Tag(0x00189087), dicom.FD, []byte{0, 0, 0, 0, 0, 0, 0xF0, 0x7F}) // infinite
	d.SetBytes(dicom.Tag(0x00091001), dicom.OB, []byte{1, 2, 3, 4})
	d.SetBytes(dicom.Tag(0x00091002), dicom.OB, make([]byte, maxInline+2))
	d.SetString(dicom.KVP, dicom.DS, "about 120")
	d.SetString(dicom.SeriesDescription, dicom.LO, "a \"quoted\" <b> Ä")
	sourcetest.Write(t, filepath.Join(root, "a", "rich"), d)
	server := serve(t, root, allow)
	found, _ := list(t, server, "/studies/"+studyA+"/series/"+seriesA+"/metadata")
	if len(found) != 6 {
		t.Fatalf("%d instances", len(found))
	}
	m := found[5]
	for tag, want := range map[string]string{
		"00080008": "CS [ORIGINAL <nil> AXIAL]", "00081140": "SQ [map[00081155:map[Value:[1.2.3] vr:UI]] map[]]",
		"00280009": "AT [00181063]", "00189089": "FD [0.1 1e+30 0]", "00189087": "FD [Infinity]", "00091001": "OB []",
		"00180060": "DS [about 120]", "0008103E": `LO [a "quoted" <b> Ä]`, "00200032": "DS [-12.5 3 15]", "00280010": "US [8]",
		"00200013": "IS [6]", "00100010": "PN [map[Alphabetic:Müller^Änne]]", "00083002": "UI [" + dicom.ExplicitVRLittleEndian + "]",
		"00081190": "UR [" + server.URL + "/dicom-web/studies/" + studyA + "/series/" + seriesA + "/instances/" + seriesA + ".6]",
	} {
		if a := m[tag]; fmt.Sprint(a.VR, " ", a.Value) != want {
			t.Errorf("%s: %v %v, want %s", tag, a.VR, a.Value, want)
		}
	}
	if !bytes.Equal(m["00091001"].InlineBinary, []byte{1, 2, 3, 4}) {
		t.Errorf("inline binary %v", m["00091001"])
	}
	for _, tag := range []string{"7FE00010", "00091002", "00020010"} {
		if m[tag].VR != "" {
			t.Errorf("%s is in the metadata", tag)
		}
	}
	for path, n := range map[string]int{"/studies/" + studyA + "/metadata": 6, "/studies/" + studyA + "/series/" + seriesA + "/instances/" + seriesA + ".1/metadata": 1} {
		if found, _ := list(t, server, path); len(found) != n {
			t.Errorf("%s: %d instances", path, len(found))
		}
	}
}

// What has changed under the index is said before the first byte, where that is possible.
func TestChangedFiles(t *testing.T) {
	root := studies(t)
	server := serve(t, root, allow)
	if err := os.WriteFile(filepath.Join(root, "b", "one"), []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/metadata", "/series/" + seriesB + "/instances/" + seriesB + ".1"} {
		resp, body := get(t, server, "/studies/"+studyB+path, "Accept", "application/dicom; transfer-syntax=*, */*;q=0.1")
		if resp.StatusCode != http.StatusConflict || !strings.Contains(string(body), "rescan") || strings.Contains(string(body), root) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// breakingFile is whole when it is checked, and ends early when it is read.
type breakingFile struct{ source.File }

func (breakingFile) Check() error { return nil }
func (f breakingFile) Open() (io.ReadSeekCloser, error) {
	return shortFile{bytes.NewReader(make([]byte, f.Size()/2))}, nil
}

type shortFile struct{ *bytes.Reader }

func (shortFile) Close() error { return nil }

type breakingStore struct{ Store }

func (s breakingStore) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	found, n := s.Store.FindInstances(q, limit)
	found[len(found)-1].File = breakingFile{found[len(found)-1].File}
	return found, n
}

// A file that ends early in the middle of an answer breaks the answer off, so that nobody takes it for whole.
func TestAnswerBreaksOff(t *testing.T) {
	x, err := folder.Open(t.Context(), studies(t), "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var log bytes.Buffer
	server := httptest.NewServer(NewHandler(Config{Store: breakingStore{x}, Authorize: allow, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	defer server.Close()
	c := Client{BaseURL: server.URL}
	if _, err := c.RetrieveSeries(t.Context(), studyA, seriesA, 1, func(source.Object) error { return nil }); !errors.Is(err, errTruncated) {
		t.Errorf("%v", err)
	}
	server.Close()
	if !strings.Contains(log.String(), "broken off") || strings.Contains(log.String(), studyA) || !strings.Contains(log.String(), source.HashUID(studyA)) {
		t.Errorf("log: %s", log.String())
	}
}

func TestAuthorize(t *testing.T) {
	server := serve(t, studies(t), func(r *http.Request, study string) error {
		switch r.Header.Get("Authorization") {
		case "":
			return ErrUnauthenticated
		case "Bearer all":
			return nil
		case "Bearer often":
			return fmt.Errorf("limited: %w", ErrTooMany)
		case "Bearer a":
			if study == studyA {
				return nil
			}
		}
		return fmt.Errorf("study %s: %w", study, ErrForbidden)
	})
	for _, c := range []struct {
		token, path string
		want        int
	}{
		{"", "/studies", 401},
		{"", "/studies/9.9/metadata", 401},
		{"Bearer all", "/studies", 200},
		{"Bearer often", "/studies", 429},
		{"Bearer a", "/studies", 403},
		{"Bearer a", "/series?StudyInstanceUID=" + studyA, 403},
		{"Bearer a", "/studies/" + studyA, 200},
		{"Bearer a", "/studies/" + studyA + "/series", 200},
		{"Bearer a", "/studies/" + studyA + "/series?StudyInstanceUID=" + studyB, 200},
		{"Bearer a", "/studies/" + studyB, 403},
		{"Bearer a", "/studies/" + studyB + "/metadata", 403},
		{"Bearer a", "/studies/9.9.9", 403}, // nobody learns what exists
	} {
		resp, body := get(t, server, c.path, "Authorization", c.token)
		if resp.StatusCode != c.want {
			t.Errorf("%q %s: %d, want %d: %s", c.token, c.path, resp.StatusCode, c.want, body)
		}
		if c.want == 401 && resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Error("401 without WWW-Authenticate")
		}
		if c.token == "Bearer a" && strings.Contains(string(body), studyB) {
			t.Errorf("%q %s: the answer tells of another study: %s", c.token, c.path, body)
		}
	}
}
