package library

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

var quiet = slog.New(slog.DiscardHandler)

// put writes a file of the test and returns its path.
func put(t testing.TB, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// authority signs certificates for this machine.
func authority(t testing.TB) (pool *x509.CertPool, ca string, issue func() (cert, key string)) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hospital"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(root)
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return pool, text("CERTIFICATE", der), func() (string, string) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "tomocast"}, DNSNames: []string{"localhost"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, &own.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(own)
		if err != nil {
			t.Fatal(err)
		}
		return text("CERTIFICATE", der), text("PRIVATE KEY", secret)
	}
}

// A PACS with a certificate of the hospital's authority, which asks for the client's own and a token that is renewed.
func TestAPACSWithCertificates(t *testing.T) {
	pool, ca, issue := authority(t)
	serverCert, serverKey := issue()
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	tokens := make(chan string, 16)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("Authorization") + " " + r.TLS.PeerCertificates[0].Subject.CommonName
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/dicom+json")
		_, _ = io.WriteString(w, "[]")
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()
	clientCert, clientKey := issue()
	token := put(t, "token", "first\n")
	spec := Spec{
		Name: "a", Kind: PACS, URL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1), BearerFile: token, CAFile: put(t, "ca", ca),
		CertFile: put(t, "cert", clientCert), KeyFile: put(t, "key", clientKey), Timeout: 7 * time.Second, Writable: true,
	}
	l, err := New(Config{Specs: []Spec{spec}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(token, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Studies(t.Context(), "a", source.Query{Limit: 5}); err != nil {
			t.Fatal(err)
		}
		if got := <-tokens; got != "Bearer "+want+" tomocast" {
			t.Errorf("%q", got)
		}
		s, err := l.Source("")
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Access()
		if err != nil || a.Bearer != want || a.CA != strings.TrimRight(ca, "\n") || a.Certificate == "" || a.Key == "" || a.TimeoutMs != 7000 || a.DICOMweb != spec.URL {
			t.Errorf("%+v, %v", a, err)
		}
		r := httptest.NewRequest("POST", "/studies", strings.NewReader("--x--"))
		r.Header.Set("Content-Type", `multipart/related; type="application/dicom"; boundary=x`)
		if status, _, err := s.Forward(t.Context(), "", r); status != 200 || err != nil {
			t.Errorf("%d, %v", status, err)
		}
		if got := <-tokens; got != "Bearer "+want+" tomocast" {
			t.Errorf("%q", got)
		}
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := l.sources[0].Access(); err == nil || strings.Contains(err.Error(), "second") {
		t.Errorf("without the token: %v", err)
	}

	// Without the client's certificate, and without the authority, nothing is said to it.
	for _, change := range []func(*Spec){func(s *Spec) { s.CertFile, s.KeyFile = "", "" }, func(s *Spec) { s.CAFile = "" }} {
		other := spec
		other.BearerFile = put(t, "token", "third")
		change(&other)
		l, err := New(Config{Specs: []Spec{other}, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Studies(t.Context(), "a", source.Query{Limit: 5}); !errors.Is(err, ErrRemote) {
			t.Errorf("%v", err)
		}
	}
	if len(tokens) != 0 {
		t.Errorf("a request came through: %q", <-tokens)
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	pacs := Spec{Name: "a", Kind: PACS, URL: "https://pacs.example.org"}
	for want, change := range map[string]func(*Spec){
		"read the token":            func(s *Spec) { s.BearerFile = "/nonexistent/token" },
		"is empty":                  func(s *Spec) { s.BearerFile = put(t, "f", " \n") },
		"longer than":               func(s *Spec) { s.BearerFile = put(t, "f", strings.Repeat("x", maxSecret+1)) },
		"ca":                        func(s *Spec) { s.CAFile = put(t, "f", "no certificate, hidden") },
		"certificate and key":       func(s *Spec) { s.CertFile, s.KeyFile = put(t, "f", "hidden"), put(t, "f", "hidden") },
		"exclude each other":        func(s *Spec) { s.BearerFile, s.Username, s.PasswordFile = "a", "b", "c" },
		"url is the root":           func(s *Spec) { s.URL = "ftp://x" },
		"kept for files":            func(s *Spec) { s.Name = "upload" },
		"two sources are named fil": func(s *Spec) { *s = Spec{Name: "files", Kind: Folder, Path: "/"} },
	} {
		s := pacs
		change(&s)
		_, err := New(Config{Specs: []Spec{{Name: "files", Kind: Folder, Path: t.TempDir()}, s}, Log: quiet})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// One that is gone later is said without where it was.
	gone := put(t, "token", "secret")
	s := pacs
	s.BearerFile = gone
	l, err := New(Config{Specs: []Spec{s}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Studies(t.Context(), "a", source.Query{}); !errors.Is(err, ErrRemote) || strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), "logged in") {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{Log: quiet}); err == nil {
		t.Error("no source at all")
	}
}

// A folder can be asked before it has been read and after the broker has let go of it.
func TestBeforeAndAfter(t *testing.T) {
	dir := t.TempDir()
	sourcetest.WriteSeries(t, dir, "1.2.3", "1.2.3.1", 3)
	specs := []Spec{{Name: "files", Kind: Folder, Path: dir}, {Name: "kept", Kind: Store, Path: filepath.Join(t.TempDir(), "new"), Writable: true}}
	l, err := New(Config{Specs: specs, Cache: t.TempDir(), Rescan: time.Minute, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	away := func(when string, want error) {
		t.Helper()
		for _, s := range l.Sources() {
			if _, err := s.Series(t.Context(), "1.2.3"); !errors.Is(err, want) {
				t.Errorf("%s: series of %s: %v", when, s.Name, err)
			}
			if _, n := s.Files().FindStudies(source.Query{}, 10); n != 0 {
				t.Errorf("%s: %d studies", when, n)
			}
		}
		if err := l.Ready(t.Context()); !errors.Is(err, want) {
			t.Errorf("%s: ready: %v", when, err)
		}
		if err := l.sources[1].Delete(t.Context(), "1.2.3"); !errors.Is(err, want) {
			t.Errorf("%s: delete: %v", when, err)
		}
		if _, err := l.sources[1].Keeper().Add(t.Context(), "", strings.NewReader("")); !errors.Is(err, want) {
			t.Errorf("%s: add: %v", when, err)
		}
		for _, st := range l.States(t.Context()) {
			if !errors.Is(st.Err, want) {
				t.Errorf("%s: state %v", when, st.Err)
			}
		}
		r, err := l.Studies(t.Context(), "", source.Query{})
		if err != nil || !errors.Is(r.Sources[0].Err, want) || len(r.Studies) != 0 {
			t.Errorf("%s: %+v, %v", when, r, err)
		}
		if _, err := l.Studies(t.Context(), "files", source.Query{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", when, err)
		}
	}
	away("before", ErrReading)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond) // what the folders' goroutines do cannot be waited for otherwise
	defer tick.Stop()
	for late := time.After(10 * time.Second); l.Ready(t.Context()) != nil; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never ready")
		}
	}
	if r, err := l.Studies(t.Context(), "", source.Query{}); err != nil || r.Total != 1 || r.Studies[0].Source != "files" {
		t.Errorf("%+v, %v", r, err)
	}
	if states := l.States(t.Context()); states[0].Studies != 1 || states[1].Err != nil {
		t.Errorf("%+v", states)
	}
	if err := l.sources[0].Delete(t.Context(), "1.2.3"); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if _, err := l.Source("none"); !errors.Is(err, ErrNoSource) {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	away("after", errClosed)
	missing, err := New(Config{Specs: []Spec{{Name: "files", Kind: Folder, Path: filepath.Join(dir, "none")}}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Run(t.Context()); err == nil {
		t.Error("a folder that is not there is served")
	}
}
