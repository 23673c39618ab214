package dicomweb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// collect gathers the instance numbers of what comes.
type collect struct {
	mu      sync.Mutex
	numbers []int
	names   []string
}

func (c *collect) add(o source.Object) error {
	d, err := dicom.Parse(o.Data, dicom.Options{})
	if err != nil {
		return err
	}
	n, _ := d.Int(dicom.InstanceNumber)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers = append(c.numbers, n)
	c.names = append(c.names, o.Name)
	return nil
}

func (c *collect) sorted() []int {
	slices.Sort(c.numbers)
	return c.numbers
}

var oneToFive = []int{1, 2, 3, 4, 5}

func TestClient(t *testing.T) {
	server := serve(t, studies(t), func(r *http.Request, _ string) error {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return ErrUnauthenticated
		}
		return nil
	})
	c := &Client{BaseURL: server.URL + "/dicom-web/", Bearer: "secret"}
	series, err := c.QuerySeries(t.Context(), studyA)
	if err != nil || len(series) != 1 || series[0].SeriesInstanceUID != seriesA || series[0].InstanceCount != 5 || series[0].Modality != "CT" {
		t.Errorf("series %+v, %v", series, err)
	}
	list, err := c.Metadata(t.Context(), studyA, seriesA)
	if err != nil || len(list) != 5 {
		t.Fatal(list, err)
	}
	for i, in := range list {
		if in.Number != i+1 || *in.Position != [3]float64{-12.5, 3, 2.5 * float64(i+1)} || *in.Rescale != [2]float64{1, -1024} || !in.Placed() ||
			in.TransferSyntaxUID != dicom.ExplicitVRLittleEndian || in.Signed || in.BitsStored != 12 || in.SOPClassUID != sourcetest.CTImageStorage {
			t.Errorf("instance %d: %+v", i, in)
		}
	}
	var got collect
	if n, err := c.RetrieveSeries(t.Context(), studyA, seriesA, 2, got.add); err != nil || n != 5 || !slices.Equal(got.sorted(), oneToFive) {
		t.Errorf("series: %d, %v, %v", n, got.numbers, err)
	}
	if !slices.Contains(got.names, seriesA+".4") {
		t.Errorf("names %v", got.names)
	}
	ask := func(separately bool) source.Series {
		c := *c
		c.Ahead = -1
		s := c.Source(studyA, seriesA)
		if separately {
			if _, err := s.Instances(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	for _, separately := range []bool{false, true} {
		var got collect
		if err := ask(separately).Each(t.Context(), 2, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
			t.Errorf("separately %v: %v, %v", separately, got.numbers, err)
		}
		stop := errors.New("enough")
		if err := ask(separately).Each(t.Context(), 2, func(source.Object) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("separately %v: the consumer's error: %v", separately, err)
		}
	}

	var status *StatusError
	if _, err := c.Metadata(t.Context(), "9.9", "9.9"); !errors.Is(err, source.ErrNotFound) || !errors.As(err, &status) || !strings.Contains(err.Error(), "check the UIDs") {
		t.Errorf("unknown: %v", err)
	}
	c.Bearer = "wrong"
	if _, err := c.RetrieveSeries(t.Context(), studyA, seriesA, 1, got.add); !errors.Is(err, ErrUnauthenticated) || !strings.Contains(err.Error(), "log in again") {
		t.Errorf("wrong token: %v", err)
	}
	for _, uid := range []string{"..", "", "1/2", "1?x=1"} {
		if _, err := c.Metadata(t.Context(), uid, seriesA); err == nil || !strings.Contains(err.Error(), "the study") {
			t.Errorf("UID %q: %v", uid, err)
		}
	}
}

func TestClientFetchesTheRealChest(t *testing.T) {
	dir := sourcetest.Studies(t, "ct-chest-contrast")
	server := serve(t, dir, allow)
	want := map[int][]byte{}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want[len(data)] = nil
	}
	c := &Client{BaseURL: server.URL + "/dicom-web"}
	found, _ := list(t, server, "/studies")
	study := found[0]["0020000D"].Value[0].(string)
	series, err := c.QuerySeries(t.Context(), study)
	if err != nil || len(series) != 1 || series[0].InstanceCount != 100 {
		t.Fatal(series, err)
	}
	s := c.Source(study, series[0].SeriesInstanceUID)
	instances, err := s.Instances(t.Context())
	if err != nil || len(instances) != 100 {
		t.Fatal(len(instances), err)
	}
	byName := map[string]source.Instance{}
	for _, i := range instances {
		if !i.Placed() || i.Rows != 512 || !i.Signed || i.Rescale == nil || i.Rescale[1] != -1024 {
			t.Fatalf("%+v", i)
		}
		byName[i.SOPInstanceUID] = i
	}
	var mu sync.Mutex
	n := 0
	err = s.Each(t.Context(), 2, func(o source.Object) error {
		d, err := dicom.Parse(o.Data, dicom.Options{})
		if err != nil {
			return err
		}
		i, ok := byName[o.Name]
		pos, _ := d.Floats(dicom.ImagePositionPatient)
		mu.Lock()
		defer mu.Unlock()
		n++
		if _, known := want[len(o.Data)]; !ok || !known || !slices.Equal(i.Position[:], pos) {
			return fmt.Errorf("%s is not what it should be", o.Name)
		}
		return nil
	})
	if err != nil || n != 100 {
		t.Errorf("%d instances, %v", n, err)
	}
}

// What the index knows of an instance and what a client is told of it are the same.
func TestMetadataIsWhole(t *testing.T) {
	root := t.TempDir()
	d := sourcetest.Slice(studyA, seriesA, 1)
	d.SetString(dicom.FrameOfReferenceUID, dicom.UI, "1.2.3.4")
	d.SetString(dicom.ContentTime, dicom.TM, "101112")
	d.SetString(dicom.AcquisitionTime, dicom.TM, "101111.5")
	d.SetFloats(dicom.EchoTime, dicom.DS, 4.6)
	d.SetFloats(dicom.InversionTime, dicom.DS, 900)
	d.SetFloats(dicom.TriggerTime, dicom.DS, 0)
	d.SetFloats(dicom.DiffusionBValue, dicom.FD, 1000)
	d.SetInts(dicom.EchoNumbers, dicom.IS, 2)
	d.SetInts(dicom.TemporalPositionID, dicom.IS, 3)
	d.SetFloats(dicom.WindowCenter, dicom.DS, 40, 50)
	d.SetFloats(dicom.WindowWidth, dicom.DS, 400, 500)
	sourcetest.Write(t, filepath.Join(root, "slice"), d)
	multi := sourcetest.Slice(studyA, "1.2.3.1.9", 1)
	multi.SetInts(dicom.NumberOfFrames, dicom.IS, 2)
	multi.SetSequence(dicom.PerFrameFunctionalGroupsSequence, &dicom.Dataset{}, &dicom.Dataset{})
	sourcetest.Write(t, filepath.Join(root, "multi"), multi)
	x, err := folder.Open(t.Context(), root, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	server := serve(t, root, allow)
	c := &Client{BaseURL: server.URL + "/dicom-web"}
	for _, series := range []string{seriesA, "1.2.3.1.9"} {
		src, err := x.Source(studyA, series)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := src.Instances(t.Context())
		got, err := c.Metadata(t.Context(), studyA, series)
		if err != nil || asText(t, got) != asText(t, want) {
			t.Errorf("%v\n got %s\nwant %s", err, asText(t, got), asText(t, want))
		}
	}
	list, err := c.QuerySeries(t.Context(), studyA)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, s := range list {
		single := s.SeriesInstanceUID == seriesA
		if s.Kind != "a CT image" || s.Rows != 8 || s.Volume || s.Reason == "" || s.MultiFrame == single {
			t.Errorf("%+v", s)
		}
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answers makes a server that always gives the same answer.
func answers(t *testing.T, status int, contentType, body string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return &Client{BaseURL: server.URL, Backoff: time.Microsecond}
}

const related = `multipart/related; type="application/dicom"; boundary=b`

func TestClientResists(t *testing.T) {
	html := "<html><body>Please log in</body></html>"
	for _, c := range []struct {
		name              string
		status            int
		contentType, body string
		want              string
	}{
		{"HTML", 200, "text/html", html, `"text/html" instead of DICOM`},
		{"no type", 200, "", "x", "without a content type"},
		{"JSON", 200, "application/dicom+json", "[]", "instead of DICOM"},
		{"other parts", 200, `multipart/related; type="application/octet-stream"; boundary=b`, "--b--", "parts of type"},
		{"no boundary", 200, `multipart/related; type="application/dicom"`, "--b--", "boundary"},
		{"500 with HTML", 500, "text/html", html, "answered 500 Internal Server Error; the server failed"},
		{"500 with a problem", 500, "application/problem+json", `{"detail":"disk is gone"}`, "(disk is gone)"},
		{"503", 503, "text/plain", "later", "(later); the server is busy"},
		{"403", 403, "text/plain", "", "do not open this study"},
		{"206", 206, related, "--b--", "206"},
		{"redirection", 302, "text/plain", "", "302 Found"},
		{"empty", 200, related, "", "ends in the middle"},
		{"no end", 200, related, "--b\r\n\r\ndata", "part 1 of the answer: the answer ends in the middle"},
		{"no end after a part", 200, related, "--b\r\n\r\ndata\r\n--b\r\n", "part 2"},
		{"cut boundary", 200, related, "--b\r\n\r\ndata\r\n--", "ends in the middle"},
		{"shorter than said", 200, related, "--b\r\nContent-Length: 10\r\n\r\ndata\r\n--b--", "part 1"},
		{"longer than said", 200, related, "--b\r\nContent-Length: 2\r\n\r\ndata\r\n--b--", "not as long as"},
		{"negative length", 200, related, "--b\r\nContent-Length: -2\r\n\r\ndata\r\n--b--", "no length"},
		{"huge length", 200, related, "--b\r\nContent-Length: 9000000000\r\n\r\ndata\r\n--b--", "longer than"},
		{"header without end", 200, related, "--b\r\n" + strings.Repeat("A: b\r\n", 1000), "more than 64 lines"},
		{"header line without end", 200, related, "--b\r\n" + strings.Repeat("A", 1<<20), "too long"},
		{"preamble without end", 200, related, strings.Repeat("x\r\n", 1<<17), "no part"},
		{"part without end", 200, related, "--b\r\n\r\n" + strings.Repeat("x", 3<<20), "longer than"},
	} {
		client := answers(t, c.status, c.contentType, c.body)
		client.MaxPart = 1 << 20
		_, err := client.RetrieveSeries(t.Context(), studyA, seriesA, 2, func(source.Object) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "<html>") {
			t.Errorf("%s: %v", c.name, err)
		}
		err = client.RetrieveInstances(t.Context(), studyA, seriesA, []string{"1.2"}, 2, func(source.Object) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) && c.name != "no end after a part" {
			t.Errorf("%s, separately: %v", c.name, err)
		}
	}
	for _, c := range []struct{ name, contentType, body, want string }{
		{"HTML", "text/html", html, `"text/html" instead of application/dicom+json`},
		{"no array", typeJSON, "{}", "does not begin with an array"},
		{"cut", typeJSON, `[{"00080018":{"vr":"UI","Value":["1.2"]}}`, "ends in the middle"},
		{"rubbish", typeJSON, `[}`, "no DICOM JSON"},
		{"no UID", typeJSON, `[{}]`, "SOP Instance UID is missing"},
		{"path as UID", typeJSON, `[{"00080018":{"vr":"UI","Value":["../1"]}}]`, "no UID"},
		{"twice", typeJSON, `[{"00080018":{"vr":"UI","Value":["1.2"]}},{"00080018":{"vr":"UI","Value":["1.2"]}}]`, "twice"},
		{"nothing", typeJSON, `[]`, "no instances"},
	} {
		_, err := answers(t, 200, c.contentType, c.body).Metadata(t.Context(), studyA, seriesA)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("metadata, %s: %v", c.name, err)
		}
	}
	if err := decodeList(strings.NewReader("["+strings.Repeat(" ", 100)), 50, func(*wireInstance) error { return nil }); !errors.Is(err, source.ErrLimit) {
		t.Errorf("an endless list: %v", err)
	}
}

// Fewer instances than the server lists are not a series.
func TestClientMissesInstances(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/metadata") {
			w.Header().Set("Content-Type", typeJSON)
			_, _ = io.WriteString(w, `[{"00080018":{"vr":"UI","Value":["1.1"]}},{"00080018":{"vr":"UI","Value":["1.2"]}}]`)
			return
		}
		w.Header().Set("Content-Type", related)
		_, _ = io.WriteString(w, "--b\r\n\r\ndata\r\n--b--")
	}))
	defer server.Close()
	err := (&Client{BaseURL: server.URL, Backoff: time.Microsecond}).Source(studyA, seriesA).Each(t.Context(), 1, func(source.Object) error { return nil })
	if !errors.Is(err, source.ErrIncomplete) || !strings.Contains(err.Error(), "1 instances came of the 2") {
		t.Errorf("%v", err)
	}
}

func TestClientDoesNotFollowToOtherHosts(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
	}))
	defer server.Close()
	for _, h := range []*http.Client{nil, server.Client()} {
		_, err := (&Client{BaseURL: server.URL, Bearer: "secret", HTTPClient: h}).Metadata(t.Context(), studyA, seriesA)
		if err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%v", err)
		}
	}
	for _, base := range []string{"", "file:///etc", "localhost:80", "://"} {
		if _, err := (&Client{BaseURL: base}).Metadata(t.Context(), studyA, seriesA); err == nil || !strings.Contains(err.Error(), "configuration") {
			t.Errorf("address %q: %v", base, err)
		}
	}
}

// A server that stops in the middle is given up, and a cancelled context ends a request.
func TestClientGivesUp(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", related)
		_, _ = io.WriteString(w, "--b\r\n\r\ndata\r\n--b\r\n\r\n")
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	c := &Client{BaseURL: server.URL, Idle: 50 * time.Millisecond}
	n, err := c.RetrieveSeries(t.Context(), studyA, seriesA, 1, func(source.Object) error { return nil })
	if !errors.Is(err, errIdle) {
		t.Errorf("%d, %v", n, err)
	}
	c.Idle = time.Hour // longer than the test may take: what follows must not wait for it
	stop := errors.New("enough")
	if _, err := c.RetrieveSeries(t.Context(), studyA, seriesA, 1, func(source.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the consumer's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.RetrieveSeries(ctx, studyA, seriesA, 1, func(source.Object) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	server.CloseClientConnections()
	gone := &Client{BaseURL: "http://127.0.0.1:1", Backoff: time.Microsecond}
	if _, err := gone.Metadata(t.Context(), studyA, seriesA); err == nil || strings.Contains(err.Error(), studyA) {
		t.Errorf("an error must not carry UIDs into a log: %v", err)
	}
}

// A consumer that takes long over an instance must not be taken for a server that sends nothing.
func TestIdleCountsOnlyReading(t *testing.T) {
	timer := time.AfterFunc(time.Hour, func() {})
	r := &idleReader{ctx: t.Context(), in: strings.NewReader("some"), timer: timer, idle: time.Hour}
	if n, err := r.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if timer.Stop() {
		t.Error("time runs on between reads")
	}
}

func TestPartReader(t *testing.T) {
	long := strings.Repeat("0123456789\r\n--bx\r", 20000)
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"plain":           {"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", []string{"one", "two"}},
		"with CR LF":      {"\r\n--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b--\r\n", []string{"one"}},
		"preamble":        {"ignore this\r\n--b  \r\n\r\none\r\n--b \t\r\n\r\n\r\n--b--epilogue", []string{"one", ""}},
		"lengths":         {"--b\r\ncontent-length: 3\r\n\r\none\r\n--b\r\nContent-Length:0\r\n\r\n\r\n--b--", []string{"one", ""}},
		"no part":         {"--b--", nil},
		"long":            {"--b\r\n\r\n" + long + "\r\n--b--", []string{long}},
		"long, sized":     {fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b--", len(long), long), []string{long}},
		"boundary within": {"--b\r\nContent-Length: 9\r\n\r\n1\r\n--b\r\n2\r\n--b--", []string{"1\r\n--b\r\n2"}},
	} {
		boundary := "b"
		if strings.HasPrefix(name, "long") {
			boundary = "boundary"
			c.body = strings.ReplaceAll(c.body, "--b\r\n", "--boundary\r\n")
			c.body = strings.ReplaceAll(c.body, "--b--", "--boundary--")
		}
		for reader, in := range map[string]io.Reader{"whole": strings.NewReader(c.body), "bytewise": &oneByte{strings.NewReader(c.body)}} {
			p := newPartReader(in, boundary, 1<<20)
			var got []string
			var buf pages.Buffer
			for {
				part, err := p.next(&buf)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Errorf("%s, %s: %v", name, reader, err)
					break
				}
				got = append(got, string(part.data))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, %s: %.100q, want %.100q", name, reader, got, c.want)
			}
		}
	}
}

type oneByte struct{ in io.Reader }

func (o *oneByte) Read(b []byte) (int, error) { return o.in.Read(b[:min(len(b), 1)]) }

func FuzzPartReader(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Length: 3\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"))
	f.Add([]byte("pre\r\n--b\r\nContent-Length: 99999999999\r\n\r\none\r\n--b--"))
	f.Add([]byte("\r\n--b \r\nA: b\r\n\r\n\r\n--b\r\n--b--"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPartReader(bytes.NewReader(data), "b", 1<<16)
		var buf pages.Buffer
		total := 0
		for {
			part, err := p.next(&buf)
			if err != nil {
				return
			}
			if total += len(part.data); total > len(data) {
				t.Fatalf("%d bytes of parts from %d bytes", total, len(data))
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`[{"00080018":{"vr":"UI","Value":["1.2"]},"00200032":{"vr":"DS","Value":[1,"2",3]},"00280010":{"vr":"US","Value":[512]}}]`))
	f.Add([]byte(`[{"00280011":{"Value":[{"Alphabetic":"x"},null,[1]]},"00200037":{"Value":"no array"}},5]`))
	f.Add([]byte(`[{"00281053":{"Value":[1e999]},"00281052":{"Value":["NaN"]}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = decodeList(bytes.NewReader(data), 1<<20, func(w *wireInstance) error {
			i := w.instance()
			for _, v := range []*[2]float64{i.Rescale, i.Window, i.Spacing} {
				if v != nil && (v[0] != v[0] || v[1]-v[1] != 0) {
					t.Fatalf("not finite: %v", v)
				}
			}
			return nil
		})
	})
}

// Parts that are read as streams are those that are read at once.
func FuzzPartStream(f *testing.F) {
	f.Add([]byte("--b\r\n\r\none\r\n--b\r\nContent-Length: 3\r\n\r\ntwo\r\n--b--"))
	f.Add([]byte("--b\r\nContent-Length: 5\r\n\r\ntwo\r\n--b--"))
	f.Add([]byte("x\r\n--b\r\n\r\n\r\n--b\r\n\r\n\r\n--bb--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		whole := newPartReader(bytes.NewReader(body), "b", 1<<16)
		streams := newPartReader(&oneByte{bytes.NewReader(body)}, "b", 1<<16)
		for {
			p, err := whole.next(&pages.Buffer{})
			in, streamErr := streams.nextReader()
			if streamErr != nil {
				if err == nil || errors.Is(err, io.EOF) != errors.Is(streamErr, io.EOF) {
					t.Fatalf("%v and %v", err, streamErr)
				}
				return
			}
			data, streamErr := io.ReadAll(in)
			if (err == nil) != (streamErr == nil) {
				t.Fatalf("%v and %v", err, streamErr)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(data, p.data) {
				t.Fatalf("%q and %q", p.data, data)
			}
		}
	})
}
