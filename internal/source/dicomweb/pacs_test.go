package dicomweb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/signaling"
)

// pacs is our own server behind a handler that may fail first.
func pacs(t *testing.T, spoil func(w http.ResponseWriter, r *http.Request, n int64) bool) (*Client, *atomic.Int64) {
	t.Helper()
	x, err := folder.Open(t.Context(), studies(t), "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	inner := NewHandler(Config{Store: x, Authorize: allow, Logger: quiet})
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if spoil(w, r, asked.Add(1)) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		x.Close()
	})
	return &Client{BaseURL: server.URL, Backoff: time.Microsecond, Ahead: -1}, &asked
}

// breakOff sends the beginning of an answer and closes the connection.
func breakOff(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Length", "1000000")
	_, _ = io.WriteString(w, body)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// What fails and may succeed at another time is asked for again, and only that.
func TestRetries(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(500) },
		"503": func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(503) },
		"HTML": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>")
		},
		"JSON that is none": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", typeJSON)
			_, _ = io.WriteString(w, "{")
		},
		"connection dropped": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"broken off":         func(w http.ResponseWriter) { w.Header().Set("Content-Type", related); breakOff(w, "--b\r\n\r\nda") },
	} {
		t.Run(name, func(t *testing.T) {
			// Every second request fails.
			c, _ := pacs(t, func(w http.ResponseWriter, _ *http.Request, n int64) bool {
				if n%2 == 1 {
					fail(w)
				}
				return n%2 == 1
			})
			if found, more, err := c.SearchStudies(t.Context(), source.Query{}); err != nil || len(found) != 2 || more {
				t.Errorf("search: %d, %v", len(found), err)
			}
			var got collect
			s := c.Source(studyA, seriesA)
			if list, err := s.Instances(t.Context()); err != nil || len(list) != 5 {
				t.Fatalf("instances: %d, %v", len(list), err)
			}
			if err := s.Each(t.Context(), 1, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
				t.Errorf("one by one: %v, %v", got.numbers, err)
			}
			got = collect{}
			if err := c.Source(studyA, seriesA).Each(t.Context(), 1, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
				t.Errorf("at once: %v, %v", got.numbers, err)
			}
		})
	}
}

// A series whose answer breaks off goes on with what has not come, and nothing comes twice.
func TestSeriesResumes(t *testing.T) {
	var mu sync.Mutex
	var single []string
	c, _ := pacs(t, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		if strings.HasSuffix(r.URL.Path, "/series/"+seriesA) {
			resp := httptest.NewRecorder()
			x, _ := folder.Open(context.Background(), studies(t), "", quiet)
			defer x.Close()
			NewHandler(Config{Store: x, Authorize: allow, Logger: quiet}).ServeHTTP(resp, r)
			body := resp.Body.String()
			cut := strings.LastIndex(body, "\r\n--") // the end
			for range 2 {                            // the last two instances
				cut = strings.LastIndex(body[:cut], "\r\n--")
			}
			w.Header().Set("Content-Type", resp.Header().Get("Content-Type"))
			breakOff(w, body[:cut+600])
		}
		if strings.Contains(r.URL.Path, "/instances/") {
			mu.Lock()
			single = append(single, r.URL.Path)
			mu.Unlock()
		}
		return false
	})
	for name, way := range map[string]func(s source.Series, fn func(source.Object) error) error{
		"each": func(s source.Series, fn func(source.Object) error) error { return s.Each(t.Context(), 2, fn) },
		"list and fetch": func(s source.Series, fn func(source.Object) error) error {
			if _, err := s.Instances(t.Context()); err != nil {
				return err
			}
			return s.Each(t.Context(), 2, fn)
		},
	} {
		c.Ahead = DefaultAhead
		single = nil
		var got collect
		if err := way(c.Source(studyA, seriesA), got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
			t.Errorf("%s: %v, %v", name, got.numbers, err)
		}
		if len(single) != 2 {
			t.Errorf("%s: asked for one by one: %v", name, single)
		}
	}
}

// What fails for good is not asked for again; what fails always is given up after some attempts, with the server's own
// status.
func TestRetriesEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(w http.ResponseWriter)
		most int64
		want string
	}{
		{"500 with words", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "the archive is being moved")
		}, 3, "500 Internal Server Error (the archive is being moved)"},
		{"HTML", func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html") }, 3, `answered with "text/html" instead of application/dicom+json, status 200`},
		{"500 with addresses", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "upstream http://inner.example:8042/x?y failed at 10.1.2.3:99, asked as 127.0.0.1, version 1.2.3.999")
		}, 3, "(upstream … failed at …, asked as …, version 1.2.3.999)"},
		{"404", func(w http.ResponseWriter) { w.WriteHeader(404) }, 1, "404 Not Found"},
		{"409", func(w http.ResponseWriter) { w.WriteHeader(409) }, 1, "409 Conflict"},
		{"401", func(w http.ResponseWriter) { w.WriteHeader(401) }, 1, "log in again"},
		{"501", func(w http.ResponseWriter) { w.WriteHeader(501) }, 1, "501"},
		{"503, much later", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3600"); w.WriteHeader(503) }, 1, "busy"},
		{"503, a date", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		}, 1, "busy"},
		{"429", func(w http.ResponseWriter) { w.WriteHeader(429) }, 3, "429 Too Many Requests"},
		{"nothing", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 3, "EOF"},
	} {
		client, asked := pacs(t, func(w http.ResponseWriter, _ *http.Request, _ int64) bool { c.fail(w); return true })
		client.Attempts = 3
		_, _, err := client.SearchStudies(t.Context(), source.Query{})
		if err == nil || !strings.Contains(err.Error(), c.want) || asked.Load() != c.most {
			t.Errorf("%s: asked %d times, want %d: %v", c.name, asked.Load(), c.most, err)
		}
	}
	// A cancelled request does not wait for its next attempt.
	client, _ := pacs(t, func(w http.ResponseWriter, _ *http.Request, _ int64) bool {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(503)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Metadata(ctx, studyA, seriesA); err == nil {
		t.Error("no error")
	}
}

// An answer without end, slow or of the wrong kind costs bounded memory and time.
func TestHostileServers(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typeJSON)
		_, _ = io.WriteString(w, "[")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat(`{"00080018":{"vr":"UI","Value":["`+strings.Repeat("9", 900)+`"]}},`, 100)); err != nil {
				return
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"endless list of bad UIDs": endless,
		"endless part": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", related)
			_, _ = io.WriteString(w, "--b\r\n\r\n")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"silence in the middle": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", related)
			_, _ = io.WriteString(w, "--b\r\n\r\ndata")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"another boundary": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", related)
			_, _ = io.WriteString(w, "--other\r\n\r\ndata\r\n--other--")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			c := &Client{BaseURL: server.URL, Backoff: time.Microsecond, Attempts: 2, Idle: 50 * time.Millisecond, MaxPart: 1 << 20}
			if _, err := c.Source(studyA, seriesA).Instances(t.Context()); err == nil {
				t.Error("instances came")
			}
			if err := c.Source(studyA, seriesA).Each(t.Context(), 2, func(source.Object) error { return nil }); err == nil {
				t.Error("a series came")
			}
			if err := c.RetrieveInstances(t.Context(), studyA, seriesA, []string{"1.2"}, 2, func(source.Object) error { return nil }); err == nil {
				t.Error("an instance came")
			}
		})
	}
}

// page answers a search for studies with those from offset on, at most most of them.
func page(w http.ResponseWriter, total, offset, most int) {
	var out []map[string]any
	for i := offset; i < min(total, offset+most); i++ {
		out = append(out, map[string]any{
			"0020000D": map[string]any{"vr": "UI", "Value": []string{fmt.Sprintf("1.2.%d", i)}},
			"00080020": map[string]any{"vr": "DA", "Value": []string{fmt.Sprintf("2024%02d%02d", 1+i/28%12, 1+i%28)}},
			"00080061": map[string]any{"vr": "CS", "Value": []string{[]string{"CT", "MR"}[i%2]}},
			"00100010": map[string]any{"vr": "PN", "Value": []any{map[string]string{"Alphabetic": fmt.Sprintf("Name^%d", i)}}},
			"00201208": map[string]any{"vr": "IS", "Value": []any{"7"}}, // as text, as some servers do
		})
	}
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/dicom+json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(out)
}

// Servers page as they like.
func TestSearchPages(t *testing.T) {
	number := func(r *http.Request, name string, otherwise int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	for name, h := range map[string]http.HandlerFunc{
		"as asked": func(w http.ResponseWriter, r *http.Request) {
			page(w, 100, number(r, "offset", 0), number(r, "limit", 1000))
		},
		"at most 7 at once": func(w http.ResponseWriter, r *http.Request) {
			page(w, 100, number(r, "offset", 0), min(7, number(r, "limit", 1000)))
		},
		"ignores both": func(w http.ResponseWriter, _ *http.Request) { page(w, 100, 0, 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			c := &Client{BaseURL: server.URL, Backoff: time.Microsecond}
			seen := map[string]bool{}
			for offset := 0; offset < 100; offset += 30 {
				found, more, err := c.SearchStudies(t.Context(), source.Query{Offset: offset, Limit: 30})
				if err != nil || len(found) != min(30, 100-offset) || more != (offset < 90) {
					t.Errorf("from %d: %d, more %v, %v", offset, len(found), more, err)
				}
				for _, s := range found {
					seen[s.StudyInstanceUID] = true
					if s.InstanceCount != 7 || !strings.HasPrefix(s.PatientName, "Name^") {
						t.Errorf("%+v", s)
					}
				}
			}
			if len(seen) != 100 {
				t.Errorf("%d studies", len(seen))
			}
			// Attributes that the server ignores are looked at here.
			found, _, err := c.SearchStudies(t.Context(), source.Query{Limit: 100, Modalities: []string{"MR"}, StudyDate: "20240101-20240131"})
			if err != nil || len(found) != 14 {
				t.Errorf("MR in January: %d, %v", len(found), err)
			}
			if sorted, _, _ := c.SearchStudies(t.Context(), source.Query{Limit: 100, Sort: source.SortName}); len(sorted) != 100 || sorted[0].PatientName != "Name^0" {
				t.Errorf("by name: %d", len(sorted))
			}
		})
	}
}

// What a query asks for reaches the server.
func TestSearchParameters(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	c, _ := pacs(t, func(_ http.ResponseWriter, r *http.Request, _ int64) bool {
		v := r.URL.Query()
		v.Del("includefield")
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, v.Encode())
		return false
	})
	for _, q := range []struct {
		q    source.Query
		want []string
		n    int
	}{
		{source.Query{PatientName: "M*", PatientID: "P-1", StudyDate: "20240101-20241231", AccessionNumber: "A1", StudyDescription: "Che?t", Limit: 4},
			[]string{"AccessionNumber=A1&PatientID=P-1&PatientName=M%2A&StudyDate=20240101-20241231&StudyDescription=Che%3Ft&limit=5"}, 1},
		{source.Query{Modalities: []string{"CT", "MR"}, Limit: 1}, []string{"ModalitiesInStudy=CT&limit=2", "ModalitiesInStudy=MR&limit=2"}, 1},
		{source.Query{Text: "müller", Limit: 9}, []string{"AccessionNumber=%2Am%2Aller%2A&limit=10", "PatientID=%2Am%2Aller%2A&limit=10",
			"PatientName=%2Am%2Aller%2A&limit=10", "StudyDescription=%2Am%2Aller%2A&limit=10"}, 1},
		{source.Query{Text: "花子"}, nil, 1},
	} {
		asked = nil
		found, _, err := c.SearchStudies(t.Context(), q.q)
		if err != nil || len(found) != q.n {
			t.Errorf("%+v: %d, %v", q.q, len(found), err)
		}
		asked = slices.DeleteFunc(asked, func(s string) bool { return strings.Contains(s, "offset") })
		slices.Sort(asked)
		if q.want != nil && !slices.Equal(asked, q.want) {
			t.Errorf("%+v:\n got %q\nwant %q", q.q, asked, q.want)
		}
	}
}

func TestNewClientLogsIn(t *testing.T) {
	var got atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		w.WriteHeader(204)
	}))
	defer server.Close()
	for _, c := range []struct {
		access signaling.SourceAccess
		want   string
	}{
		{signaling.SourceAccess{Bearer: "t"}, "Bearer t"},
		{signaling.SourceAccess{Username: "u", Password: "p:x"}, "Basic dTpwOng="},
		{signaling.SourceAccess{Bearer: "t", Username: "u"}, "Bearer t"},
		{signaling.SourceAccess{}, ""},
	} {
		c.access.DICOMweb = server.URL + "/dicom-web"
		client, err := NewClient(c.access)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := client.SearchStudies(t.Context(), source.Query{}); err != nil || got.Load() != c.want {
			t.Errorf("%v, %v, want %v", got.Load(), err, c.want)
		}
	}
	for name, access := range map[string]signaling.SourceAccess{
		"no address":     {},
		"a path":         {DICOMweb: "/dicom-web"},
		"another scheme": {DICOMweb: "ftp://host/"},
		"no authority":   {DICOMweb: "https://host", CA: "nothing"},
		"no key":         {DICOMweb: "https://host", Certificate: "nothing"},
	} {
		access.Name, access.Password, access.Key = "archive", "hidden", ""
		if _, err := NewClient(access); err == nil || !strings.Contains(err.Error(), `"archive"`) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate makes a certificate for 127.0.0.1, signed by parent or by itself, and its PEM.
func certificate(t *testing.T, parent *tls.Certificate) (pair tls.Certificate, certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IsCA: parent == nil, BasicConstraintsValid: true}
	signer, signerKey := template, any(key)
	if parent != nil {
		signer, signerKey = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	keyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	pair, err = tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		t.Fatal(err)
	}
	return pair, certPEM, keyPEM
}

// A PACS with an authority of its own that asks for certificates.
func TestCertificates(t *testing.T) {
	authority, authorityPEM, _ := certificate(t, nil)
	serverPair, _, _ := certificate(t, &authority)
	_, clientPEM, clientKey := certificate(t, &authority)
	_, strangerPEM, strangerKey := certificate(t, nil)
	pool := x509.NewCertPool()
	pool.AddCert(authority.Leaf)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	for name, c := range map[string]struct {
		access signaling.SourceAccess
		ok     bool
	}{
		"own authority and certificate": {signaling.SourceAccess{CA: authorityPEM, Certificate: clientPEM, Key: clientKey}, true},
		"no certificate":                {signaling.SourceAccess{CA: authorityPEM}, false},
		"a stranger's":                  {signaling.SourceAccess{CA: authorityPEM, Certificate: strangerPEM, Key: strangerKey}, false},
		"the system's authorities":      {signaling.SourceAccess{Certificate: clientPEM, Key: clientKey}, false},
	} {
		c.access.DICOMweb = server.URL
		client, err := NewClient(c.access)
		if err != nil {
			t.Fatal(err)
		}
		client.Backoff = time.Microsecond
		if _, _, err := client.SearchStudies(t.Context(), source.Query{}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
	}
}

// Instances that are wanted first come first.
func TestFetchKeepsTheOrder(t *testing.T) {
	c, _ := pacs(t, func(http.ResponseWriter, *http.Request, int64) bool { return false })
	s := c.Source(studyA, seriesA)
	uids := []string{seriesA + ".3", seriesA + ".1", seriesA + ".5"}
	var got []string
	if err := s.Fetch(t.Context(), 1, uids, func(o source.Object) error { got = append(got, o.Name); return nil }); err != nil || !slices.Equal(got, uids) {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.Fetch(t.Context(), 1, []string{"1.2.3.99"}, func(source.Object) error { return nil }); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("another instance: %v", err)
	}
}

// From a slow server the listing is not kept waiting by the files.
func TestSlowSeriesIsListed(t *testing.T) {
	c, _ := pacs(t, func(w http.ResponseWriter, r *http.Request, _ int64) bool {
		if !strings.HasSuffix(r.URL.Path, "/series/"+seriesA) {
			return false
		}
		w.Header().Set("Content-Type", related)
		_, _ = io.WriteString(w, "--b\r\n\r\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	c.Ahead = DefaultAhead
	var got collect
	s := c.Source(studyA, seriesA)
	if list, err := s.Instances(t.Context()); err != nil || len(list) != 5 {
		t.Fatal(len(list), err)
	}
	if err := s.Each(t.Context(), 2, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
		t.Errorf("%v, %v", got.numbers, err)
	}
}
