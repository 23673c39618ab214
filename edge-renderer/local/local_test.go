package local_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/local"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const study = "1.2.3"

// site is a DICOMweb service with the series 1.2.3.1 of four slices and 1.2.3.2 of five; the edge's folder has both, of the
// second three alone.
type site struct {
	access  signaling.SourceAccess
	sources *local.Sources
	server  *httptest.Server
	pixels  atomic.Int64 // answers with instances
	refuse  atomic.Bool
}

func newSite(t *testing.T) *site {
	t.Helper()
	far, near, quiet := t.TempDir(), t.TempDir(), slog.New(slog.DiscardHandler)
	sourcetest.WriteSeries(t, filepath.Join(far, "1"), study, "1.2.3.1", 4)
	sourcetest.WriteSeries(t, filepath.Join(far, "2"), study, "1.2.3.2", 5)
	sourcetest.WriteSeries(t, filepath.Join(near, "1"), study, "1.2.3.1", 4)
	sourcetest.WriteSeries(t, filepath.Join(near, "2"), study, "1.2.3.2", 3)
	index, err := folder.Open(t.Context(), far, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	s := &site{}
	web := dicomweb.NewHandler(dicomweb.Config{Store: index, Logger: quiet, Authorize: func(*http.Request, string) error {
		if s.refuse.Load() {
			return dicomweb.ErrForbidden
		}
		return nil
	}})
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/series/") && !strings.HasSuffix(r.URL.Path, "/metadata") {
			s.pixels.Add(1)
		}
		web.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	s.access = signaling.SourceAccess{Name: "main", DICOMweb: s.server.URL}
	at, _ := url.Parse(s.server.URL)
	s.sources, err = local.Open(t.Context(), local.Config{Folders: map[string]string{"main": near}, Broker: s.server.Client(), BrokerHosts: []string{at.Host}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sources.Close)
	return s
}

// count reads a series and says how many files came.
func (s *site) count(ctx context.Context, name, series string) (int, error) {
	access := s.access
	access.Name = name
	from, err := s.sources.Find(access)
	if err != nil {
		return 0, err
	}
	src, err := from.Series(study, series, false)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = src.Each(ctx, 2, func(source.Object) error { n.Add(1); return nil })
	return int(n.Load()), err
}

func TestFolderBeforeTheService(t *testing.T) {
	s := newSite(t)
	if n, err := s.count(t.Context(), "main", "1.2.3.1"); n != 4 || err != nil || s.pixels.Load() != 0 {
		t.Errorf("%d files, %v; %d were asked for", n, err, s.pixels.Load())
	}
	if n, err := s.count(t.Context(), "main", "1.2.3.2"); n != 5 || err != nil || s.pixels.Load() == 0 {
		t.Errorf("a series of which the folder lacks slices: %d files, %v", n, err)
	}
	before := s.pixels.Load()
	if n, err := s.count(t.Context(), "other", "1.2.3.1"); n != 4 || err != nil || s.pixels.Load() == before {
		t.Errorf("a source that has no folder: %d files, %v", n, err)
	}
	if _, err := s.count(t.Context(), "main", "1.2.3.9"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("a series that is nowhere: %v", err)
	}
	from, err := s.sources.Find(s.access)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := from.SeriesOf(t.Context(), study); len(list) != 2 || err != nil {
		t.Errorf("series %v, %v", list, err)
	}
}

// Who may not list a series at its service does not get it from the folder; where the service is out of reach, the broker
// has said that it may be shown.
func TestFolderWithoutTheService(t *testing.T) {
	s := newSite(t)
	s.refuse.Store(true)
	if n, err := s.count(t.Context(), "main", "1.2.3.1"); err == nil {
		t.Errorf("%d files came though the service refuses", n)
	}
	s.server.Close()
	if n, err := s.count(t.Context(), "main", "1.2.3.1"); n != 4 || err != nil {
		t.Errorf("without the service: %d files, %v", n, err)
	}
}

// What a broker had that is out of reach, another one of the pool has too; what a broker refuses is refused.
func TestSourceAtAnotherBroker(t *testing.T) {
	s := newSite(t)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	gone, err := url.Parse(dead.URL)
	if err != nil {
		t.Fatal(err)
	}
	there, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	linked := gone
	from, err := local.Open(t.Context(), local.Config{BrokerHosts: []string{gone.Host, there.Host}, Logger: slog.New(slog.DiscardHandler),
		Broker: &http.Client{Transport: local.Elsewhere(s.server.Client().Transport, func() *url.URL { return linked })}})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	s.sources, s.access.DICOMweb = from, dead.URL
	if n, err := s.count(t.Context(), "main", "1.2.3.2"); err == nil {
		t.Errorf("%d files came of a broker that is gone", n)
	}
	linked = there
	if n, err := s.count(t.Context(), "main", "1.2.3.2"); n != 5 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}
	s.refuse.Store(true)
	if n, err := s.count(t.Context(), "main", "1.2.3.2"); err == nil {
		t.Errorf("%d files came though the service refuses", n)
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	s := newSite(t)
	for _, access := range []signaling.SourceAccess{{Name: "a", DICOMweb: "ftp://host/x"}, {Name: "b", DICOMweb: "https://host", CA: "no PEM"}} {
		if _, err := s.sources.Find(access); err == nil {
			t.Errorf("%+v is a source", access)
		}
	}
	if _, err := local.Open(t.Context(), local.Config{Folders: map[string]string{"x": "/does/not/exist"}, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a folder that is not there")
	}
}
