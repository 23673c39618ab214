package dicomweb

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/tomocast/tomocast/internal/source"
)

// Store is what the handler serves; *folder.Index is one. Searches return at most limit of what matches, and the
// number of all that does.
type Store interface {
	FindStudies(q source.Query, limit int) ([]*source.Study, int)
	FindSeries(q source.Query, limit int) ([]source.Stored, int)
	FindInstances(q source.Query, limit int) ([]source.Stored, int)
}

// Authorize decides whether a request may have a study, or may search in all of them where studyUID is empty. It
// is asked before anything is looked up, so that nobody learns what exists.
type Authorize func(r *http.Request, studyUID string) error

// Config is what a handler needs.
type Config struct {
	Store     Store
	Authorize Authorize
	Logger    *slog.Logger
	// PublicURL is the address of the handler's root as clients see it, for the Retrieve URLs (0008,1190) in
	// answers. When it is empty, it is made from each request.
	PublicURL string
	// Keeper stores and deletes instances; nil where that is not offered. Change decides who may, as Authorize decides
	// who may read; it must be set with a Keeper. A request that stores instances of any study has an empty studyUID.
	Keeper Keeper
	Change Authorize
	// Refresh brings what the store knows of a study up to date. It is called where a file turns out not to be what was
	// indexed, and the request is then answered with what is there now. Nil where that is not offered.
	Refresh func(ctx context.Context, studyUID string) error
	// MaxPart is the longest instance that is stored, bytes; 0 for DefaultMaxPart.
	MaxPart int64
}

// server is the handler.
type server struct {
	Config
}

// NewHandler makes the handler. It expects paths relative to its root: mount it with http.StripPrefix.
func NewHandler(c Config) http.Handler {
	s := &server{Config: c}
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.Authorize, h) })
	}
	change := func(pattern string, h handler) {
		may := s.Change
		if s.Keeper == nil {
			may, h = s.Authorize, (*server).refuse
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, may, h) })
	}
	handle("/studies", (*server).searchStudies)
	handle("/series", (*server).searchSeries)
	handle("/studies/{study}/series", (*server).searchSeries)
	handle("/studies/{study}/instances", (*server).searchInstances)
	handle("/studies/{study}/series/{series}/instances", (*server).searchInstances)
	for _, path := range []string{"/studies/{study}", "/studies/{study}/series/{series}", "/studies/{study}/series/{series}/instances/{instance}"} {
		handle(path, (*server).retrieve)
		handle(path+"/metadata", (*server).metadata)
		change("DELETE "+path, (*server).remove)
	}
	change("POST /studies", (*server).store)
	change("POST /studies/{study}", (*server).store)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.Authorize, (*server).refuse) })
	return mux
}

// ids are the UIDs in a request's path; empty where it has none.
type ids struct{ study, series, instance string }

// query asks for what the path names.
func (i ids) query() source.Query {
	var q source.Query
	i.scope(&q)
	return q
}

// scope limits a query to what the path names.
func (i ids) scope(q *source.Query) {
	if i.study != "" {
		q.StudyUIDs = []string{i.study}
	}
	if i.series != "" {
		q.SeriesUIDs = []string{i.series}
	}
	if i.instance != "" {
		q.InstanceUIDs = []string{i.instance}
	}
}

// pathIDs takes the UIDs from the path.
func pathIDs(r *http.Request) (ids, error) {
	i := ids{r.PathValue("study"), r.PathValue("series"), r.PathValue("instance")}
	for _, u := range []struct{ what, uid string }{
		{"The study in the path", i.study}, {"The series in the path", i.series}, {"The instance in the path", i.instance},
	} {
		if u.uid == "" {
			continue
		}
		if err := source.CheckUID(u.what, u.uid); err != nil {
			return ids{}, newProblem(http.StatusBadRequest, err.Error()+".")
		}
	}
	return i, nil
}

// handler answers a request.
type handler = func(*server, http.ResponseWriter, *http.Request, ids) error

// serve checks a request, lets h answer it, and answers with a problem where that fails.
func (s *server) serve(w http.ResponseWriter, r *http.Request, may Authorize, h handler) {
	i, err := pathIDs(r)
	if err == nil {
		if err = may(r, i.study); err != nil && !errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrTooMany) {
			err = newProblem(http.StatusForbidden, "This may not be had with these credentials.")
		}
	}
	if err == nil {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		err = h(s, w, r, i)
		if outdated(err) && s.Refresh != nil && s.Refresh(r.Context(), i.study) == nil {
			err = h(s, w, r, i)
		}
	}
	if err == nil || r.Context().Err() != nil {
		return
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError || p.Status == http.StatusConflict {
		s.Logger.Warn("DICOMweb request failed", "status", p.Status, "study", source.HashUID(i.study), "cause", cause(err))
	}
	p.write(w)
}

// outdated says whether an error is of a file that is not what was indexed.
func outdated(err error) bool {
	return errors.Is(err, source.ErrChanged) || errors.Is(err, fs.ErrNotExist)
}

// cause is why a file could not be had, without names: the innermost error.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// refuse answers what no other pattern matches.
func (s *server) refuse(_ http.ResponseWriter, r *http.Request, _ ids) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return newProblem(http.StatusMethodNotAllowed, "This can be searched or retrieved here, but not changed.")
	}
	return newProblem(http.StatusNotFound, "There is no such resource. Offered are searches, instances and metadata below /studies, and /series.")
}

// base is the address of the handler's root, without a slash at the end.
func (s *server) base(r *http.Request) string {
	if s.PublicURL != "" {
		return strings.TrimSuffix(s.PublicURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	// What StripPrefix took away is still in the request line.
	whole, _, _ := strings.Cut(r.RequestURI, "?")
	prefix := strings.TrimSuffix(strings.TrimSuffix(whole, r.URL.EscapedPath()), "/")
	if strings.Contains(prefix, "://") {
		if u, err := url.Parse(prefix); err == nil {
			prefix = u.Path
		}
	}
	return scheme + "://" + r.Host + prefix
}

// retrieveURL is the address that a study, series or instance is retrieved from.
func retrieveURL(base string, study, series, instance string) string {
	u := base + "/studies/" + study
	if series != "" {
		u += "/series/" + series
	}
	if instance != "" {
		u += "/instances/" + instance
	}
	return u
}
