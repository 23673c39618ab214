package dicomweb

import (
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
	if err := WithoutAddress(&StatusError{Status: 500}); !strings.Contains(err.Error(), "500") {
		t.Error(err)
	}
	c := &Client{BaseURL: gone.URL, Attempts: 1}
	if _, _, err := c.SearchStudies(t.Context(), source.Query{}); !errors.Is(WithoutAddress(err), syscall.ECONNREFUSED) {
		t.Error(err)
	}
}
