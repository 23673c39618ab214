package dicomweb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/source/store"
)

const (
	studyUID  = "1.2.3.1"
	seriesUID = "1.2.3.1.1"
)

var discard = slog.New(slog.DiscardHandler)

// upload makes something to send of a file.
func upload(data []byte) dicomweb.Upload {
	return dicomweb.Upload{Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// serveStore serves a store, which those may change who say so.
func serveStore(t *testing.T) (*dicomweb.Client, *store.Store, *httptest.Server) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), "", discard)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(dicomweb.NewHandler(dicomweb.Config{Store: s, Keeper: s, Logger: discard,
		Authorize: func(*http.Request, string) error { return nil },
		Change: func(r *http.Request, study string) error {
			if r.Header.Get("Authorization") != "Bearer writer" {
				return dicomweb.ErrUnauthenticated
			}
			return nil
		}}))
	t.Cleanup(func() {
		server.Close()
		s.Close()
	})
	return &dicomweb.Client{BaseURL: server.URL, Bearer: "writer", Attempts: 1}, s, server
}

// What is stored over HTTP is there at once, byte for byte; what can't be is named with its reason.
func TestStore(t *testing.T) {
	c, s, server := serveStore(t)
	var uploads []dicomweb.Upload
	for n := range 5 {
		uploads = append(uploads, upload(sourcetest.Encode(t, sourcetest.Slice(studyUID, seriesUID, n+1))))
	}
	r, err := c.Store(t.Context(), studyUID, uploads)
	if err != nil || len(r.Stored) != 5 || len(r.Failed) != 0 || r.Stored[0] != seriesUID+".1" {
		t.Fatalf("%+v, %v", r, err)
	}
	if s.Stats().Instances != 5 {
		t.Errorf("%+v", s.Stats())
	}
	n := 0
	err = c.Source(studyUID, seriesUID).Each(t.Context(), 1, func(o source.Object) error {
		d, err := dicom.Parse(o.Data, dicom.Options{})
		if err != nil {
			return err
		}
		number, _ := d.Int(dicom.InstanceNumber)
		if n++; !bytes.Equal(o.Data, sourcetest.Encode(t, sourcetest.Slice(studyUID, seriesUID, number))) {
			return fmt.Errorf("slice %d differs", number)
		}
		return nil
	})
	if err != nil || n != 5 {
		t.Errorf("%d, %v", n, err)
	}

	changed := sourcetest.Slice(studyUID, seriesUID, 1)
	changed.SetString(dicom.PatientID, dicom.LO, "another")
	r, err = c.Store(t.Context(), studyUID, []dicomweb.Upload{upload(sourcetest.Encode(t, sourcetest.Slice(studyUID, seriesUID, 6))),
		upload(sourcetest.Encode(t, changed)), upload(sourcetest.Encode(t, sourcetest.Slice("1.2.9", "1.2.9.1", 1))), upload([]byte("a text"))})
	if err != nil || len(r.Stored) != 1 || len(r.Failed) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, want := range []int{dicomweb.ReasonDuplicate, dicomweb.ReasonOtherStudy, dicomweb.ReasonNotUnderstood} {
		if r.Failed[i].Code != want || r.Failed[i].Reason == "" {
			t.Errorf("%+v, want %04X", r.Failed[i], want)
		}
	}
	r, err = c.Store(t.Context(), studyUID, []dicomweb.Upload{upload([]byte("a text"))})
	if err != nil || len(r.Stored) != 0 || len(r.Failed) != 1 {
		t.Errorf("nothing stored: %+v, %v", r, err)
	}
	// A file that is not what it was when its size was taken.
	short := upload(make([]byte, 10))
	short.Size = 20
	if _, err := c.Store(t.Context(), studyUID, []dicomweb.Upload{short}); !errors.Is(err, source.ErrChanged) {
		t.Errorf("%v", err)
	}

	reader := &dicomweb.Client{BaseURL: server.URL, Attempts: 1}
	if _, err := reader.Store(t.Context(), studyUID, uploads); !errors.Is(err, dicomweb.ErrUnauthenticated) {
		t.Errorf("without a token: %v", err)
	}
	for _, d := range []struct {
		path, token string
		status      int
	}{
		{"/studies/" + studyUID, "", 401}, {"/studies/" + studyUID + "/series/" + seriesUID + "/instances/" + seriesUID + ".2", "writer", 204},
		{"/studies/1.2.99", "writer", 404}, {"/studies/..%2F..", "writer", 400}, {"/studies/" + studyUID, "writer", 204}, {"/studies/" + studyUID, "writer", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server.URL+d.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.token != "" {
			req.Header.Set("Authorization", "Bearer "+d.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != d.status {
			t.Errorf("delete %s: %d, want %d", d.path, resp.StatusCode, d.status)
		}
	}
	if s.Stats().Files != 0 {
		t.Errorf("%+v", s.Stats())
	}
}

// Requests that are no proper ones are refused, and what came whole before they broke off is kept.
func TestStoreResists(t *testing.T) {
	_, s, server := serveStore(t)
	good := string(sourcetest.Encode(t, sourcetest.Slice(studyUID, seriesUID, 1)))
	const related = `multipart/related; type="application/dicom"; boundary=b`
	for _, c := range []struct {
		name, path, contentType, body string
		status                        int
		want                          string
	}{
		{"no multipart", studyUID, "application/dicom", good, 415, "multipart/related"},
		{"other parts", studyUID, `multipart/related; type="application/dicom+json"; boundary=b`, "", 415, "application/dicom"},
		{"no boundary", studyUID, `multipart/related; type="application/dicom"`, "", 415, "boundary"},
		{"nothing", studyUID, related, "--b--", 400, "no instance"},
		{"empty", studyUID, related, "", 400, "no instance"},
		{"no UID", "..%2f", related, "--b--", 400, "no UID"},
		{"broken off", studyUID, related, "--b\r\n\r\n" + good[:len(good)-20], 400, "no instance"},
		{"broken off after one", studyUID, related, "--b\r\n\r\n" + good + "\r\n--b\r\n\r\n" + good[:300], 202, seriesUID + ".1"},
		{"shorter than said", studyUID, related, fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b--", len(good)-4, good), 0, ""},
		{"sized", studyUID, related, fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b--", len(good), good), 200, seriesUID + ".1"},
		{"any study", "", related, "--b\r\n\r\n" + good + "\r\n--b--", 200, seriesUID + ".1"},
	} {
		path := server.URL + "/studies"
		if c.path != "" {
			path += "/" + c.path
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.contentType)
		req.Header.Set("Authorization", "Bearer writer")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if c.status != 0 && (resp.StatusCode != c.status || !strings.Contains(string(body), c.want)) {
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, body)
		}
	}
	if s.Stats().Instances != 1 {
		t.Errorf("%+v", s.Stats())
	}
}

// Research files travel over DICOMweb with all that belongs to them.
func TestResearchFilesOverHTTP(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteBytes(t, filepath.Join(root, "a.nhdr"), []byte("NRRD0005\nsizes: 2 3 4\ndata file: LIST\n1.raw\nzwei ü.raw\n"))
	sourcetest.WriteBytes(t, filepath.Join(root, "1.raw"), []byte("one"))
	sourcetest.WriteBytes(t, filepath.Join(root, "zwei ü.raw"), []byte("two"))
	sourcetest.WriteBytes(t, filepath.Join(root, "b.nrrd"), []byte("NRRD0005\nsizes: 2 2 2\n\n12345678"))
	x, err := folder.Open(t.Context(), root, "", discard)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	server := httptest.NewServer(dicomweb.NewHandler(dicomweb.Config{Store: x, Logger: discard, Authorize: func(*http.Request, string) error { return nil }}))
	defer server.Close()
	c := &dicomweb.Client{BaseURL: server.URL, Attempts: 1}
	studies, _, err := c.SearchStudies(t.Context(), source.Query{Sort: source.SortDescription})
	if err != nil || len(studies) != 2 || studies[0].Description != "a.nhdr" {
		t.Fatal(studies, err)
	}
	want := []map[string]string{{"1.raw": "one", "zwei ü.raw": "two"}, nil}
	for i, st := range studies {
		list, err := c.QuerySeries(t.Context(), st.StudyInstanceUID)
		if err != nil || len(list) != 1 || list[0].Media != source.MediaNRRD {
			t.Fatal(list, err)
		}
		for _, listed := range []bool{false, true} {
			s := c.Source(st.StudyInstanceUID, list[0].SeriesInstanceUID)
			if listed {
				instances, err := s.Instances(t.Context())
				if err != nil || len(instances) != 1 || instances[0].Media != source.MediaNRRD || instances[0].Name != st.Description || instances[0].Columns != 2 {
					t.Errorf("%+v, %v", instances, err)
				}
			}
			n := 0
			err = s.Each(t.Context(), 1, func(o source.Object) error {
				if n++; o.Name != st.Description || o.Media != source.MediaNRRD || !strings.HasPrefix(string(o.Data), "NRRD0005") || len(o.Files) != len(want[i]) {
					t.Errorf("%s, %s, %d files", o.Name, o.Media, len(o.Files))
				}
				for name, text := range want[i] {
					if string(o.Files[name]) != text {
						t.Errorf("%s is %q", name, o.Files[name])
					}
				}
				return nil
			})
			if err != nil || n != 1 {
				t.Errorf("%s: %d, %v", st.Description, n, err)
			}
		}
	}
	// A single file is to be had by itself.
	found, _ := x.FindInstances(source.Query{StudyUIDs: []string{studies[1].StudyInstanceUID}}, 1)
	path := slices.Concat([]string{server.URL, "studies", studies[1].StudyInstanceUID, "series", found[0].Series.SeriesInstanceUID, "instances", found[0].Instance.SOPInstanceUID})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Join(path, "/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.Header.Get("Content-Type") != source.MediaNRRD || !strings.HasSuffix(string(body), "12345678") {
		t.Errorf("%s, %q", resp.Header.Get("Content-Type"), body)
	}
}
