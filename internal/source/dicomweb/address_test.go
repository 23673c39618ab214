package dicomweb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
)

// What a terminal is told of a server that cannot be reached does not say where that is.
func TestWithoutAddress(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, base := range []string{gone.URL, "http://pacs.invalid:8042/dicom-web"} {
		c := &Client{BaseURL: base, Attempts: 1}
		_, _, err := c.SearchStudies(t.Context(), source.Query{})
		if err == nil {
			t.Fatal("a search without a server")
		}
		told := WithoutAddress(err).Error()
		for _, secret := range []string{"127.0.0.1", "pacs.invalid", "8042", "http:"} {
			if strings.Contains(told, secret) {
				t.Errorf("%q says %q", told, secret)
			}
		}
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	other := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1) // of which its certificate says nothing
	for want, c := range map[string]*Client{
		"not trusted":  {BaseURL: secure.URL, Attempts: 1},
		"another name": {BaseURL: other, Attempts: 1, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}},
	} {
		_, _, err := c.SearchStudies(t.Context(), source.Query{})
		if err == nil || !strings.Contains(WithoutAddress(err).Error(), want) || strings.Contains(WithoutAddress(err).Error(), "localhost") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := WithoutAddress(&StatusError{Status: 500}); !strings.Contains(err.Error(), "500") {
		t.Error(err)
	}
	c := &Client{BaseURL: gone.URL, Attempts: 1}
	if _, _, err := c.SearchStudies(t.Context(), source.Query{}); !errors.Is(WithoutAddress(err), syscall.ECONNREFUSED) {
		t.Error(err)
	}
}
