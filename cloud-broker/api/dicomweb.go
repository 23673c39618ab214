package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

// dicomweb mounts the sources: those of the broker's own for edges with their credentials and for whoever may use the
// API, and of those that take files the service that takes them (STOW-RS, PS3.18 10.5).
func (s *server) dicomweb(mux *http.ServeMux) {
	for i, from := range s.Library.Sources() {
		h := s.sourceHandler(from)
		paths := []string{library.DICOMwebPath + library.SourcesPath + from.Name}
		if i == 0 && from.Local() {
			paths = append(paths, library.DICOMwebPath)
		}
		for _, p := range paths {
			mux.Handle(p+"/", http.StripPrefix(p, h))
		}
	}
	if !s.Library.Sources()[0].Local() {
		mux.HandleFunc(library.DICOMwebPath+"/", func(w http.ResponseWriter, r *http.Request) { Refuse(w, noSuchResource(r)) })
	}
}

// sourceHandler serves one source, relative to its root.
func (s *server) sourceHandler(from *library.Source) http.Handler {
	mux := http.NewServeMux()
	store := s.guardStore(from, s.writer(from))
	mux.Handle("POST /studies", store)
	mux.Handle("POST /studies/{study}", store)
	mux.Handle("/", s.reader(from))
	return mux
}

// writer takes files for a source; nil where it takes none.
func (s *server) writer(from *library.Source) http.Handler {
	if !from.Writable || from.Local() {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, answer, err := from.Forward(r.Context(), r.PathValue("study"), r)
		if err != nil {
			p := problemOf(err)
			var refused *library.ForwardError
			if errors.As(err, &refused) {
				p = &Problem{Title: "The files were not stored.", Status: refused.Status, Code: codeOf(refused.Status), Detail: refused.Detail}
			}
			Refuse(w, p)
			return
		}
		w.Header().Set("Content-Type", "application/dicom+json")
		w.WriteHeader(status)
		_, _ = w.Write(answer) // whoever asked may be gone
	})
}

// reader lets studies of a local source be searched and retrieved.
func (s *server) reader(from *library.Source) http.Handler {
	if !from.Local() {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := s.principalOf(r); err != nil {
				s.refuseStranger(w, r, err)
				return
			}
			Refuse(w, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "A PACS is not read through the broker.",
				Detail: "Search its studies with GET /api/v1/studies?source=" + from.Name + ". Edges read them from the PACS itself."})
		})
	}
	h := dicomweb.NewHandler(dicomweb.Config{Store: from.Files(), Logger: s.Log, Authorize: func(r *http.Request, study string) error {
		return s.authorizeStudy(r, from.Name, study)
	}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := from.Ready(); err != nil {
			Refuse(w, unavailable("The studies cannot be served yet.", err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// authorizeStudy lets an edge have the study of its credential, and who may use the API have them all.
func (s *server) authorizeStudy(r *http.Request, source, study string) error {
	err := identity.VerifyStudy(s.Keys.Public(), r, source, study, time.Now())
	if err == nil {
		return nil
	}
	if errors.Is(err, identity.ErrForbidden) {
		return err
	}
	_, err = s.principalOf(r)
	if errors.Is(err, identity.ErrUnauthenticated) {
		return dicomweb.ErrUnauthenticated
	}
	return err
}

// principalOf is who makes a request to DICOMweb, within the rate that one may have there.
func (s *server) principalOf(r *http.Request) (identity.Principal, error) {
	who, err := s.Identity.Authenticate(r)
	if err != nil {
		return who, err
	}
	if !s.limits.allow("dicomweb:" + who.Method + ":" + who.Subject) {
		return who, tooMany
	}
	return who, nil
}

const (
	// maxStored bounds the body of one request that stores files: a large study.
	maxStored = 16 << 30
	// storedIdle is how long such a request may send nothing.
	storedIdle = time.Minute
)

// guardStore lets who may use the API, but no edge with a study's credential, send files to a source that takes them.
func (s *server) guardStore(from *library.Source, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.principalOf(r)
		if err != nil {
			s.refuseStranger(w, r, err)
			return
		}
		if h == nil {
			Refuse(w, &signaling.Problem{Code: signaling.ProblemForbidden, Title: "This source takes no files.",
				Detail: "GET /api/v1/sources says which ones do."})
			return
		}
		if r.ContentLength > maxStored {
			Refuse(w, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "This is too much at once.", Detail: "Send the files in several requests."})
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		r.Body = &unhurried{ReadCloser: http.MaxBytesReader(w, r.Body, maxStored), control: http.NewResponseController(w)}
		h.ServeHTTP(w, r)
		s.Log.Info("files were stored", "source", from.Name, "by", who.Method)
	})
}

// unhurried gives a body as long as it takes, while something comes.
type unhurried struct {
	io.ReadCloser
	control *http.ResponseController
}

func (u *unhurried) Read(b []byte) (int, error) {
	_ = u.control.SetReadDeadline(time.Now().Add(storedIdle)) // a connection without deadlines is a test's
	return u.ReadCloser.Read(b)
}
