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

const (
	// maxStored bounds the body of one request that stores files: a large study.
	maxStored = 16 << 30
	// storedIdle is how long such a request may send nothing.
	storedIdle = time.Minute
)

// dicomweb mounts the sources: those that the broker serves itself for edges with their credentials and for whoever
// may use the API, and of a PACS that takes files the service that takes them (STOW-RS, PS3.18 10.5).
func (s *server) dicomweb(mux *http.ServeMux) {
	sources := s.Library.Sources()
	for i, from := range sources {
		h := s.remoteSource(from)
		if from.Local() {
			h = s.localSource(from)
		}
		paths := []string{library.DICOMwebPath + library.SourcesPath + from.Name}
		if i == 0 && from.Local() {
			paths = append(paths, library.DICOMwebPath)
		}
		for _, p := range paths {
			mux.Handle(p+"/", http.StripPrefix(p, h))
		}
	}
	if !sources[0].Local() {
		mux.HandleFunc(library.DICOMwebPath+"/", func(w http.ResponseWriter, r *http.Request) { Refuse(w, noSuchResource(r)) })
	}
}

// localSource serves a folder or a store, relative to its root.
func (s *server) localSource(from *library.Source) http.Handler {
	c := dicomweb.Config{
		Store: from.Files(), Logger: s.Log, Refresh: from.Refresh,
		Authorize: func(r *http.Request, study string) error { return s.mayRead(r, from, study) },
		Change:    func(r *http.Request, _ string) error { return s.mayChange(r) },
	}
	if k := from.Keeper(); k != nil {
		c.Keeper = k
	}
	h := dicomweb.NewHandler(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := from.Ready(); err != nil {
			Refuse(w, unavailable("The studies cannot be served yet.", err))
			return
		}
		if r.Method == http.MethodPost && bounded(w, r) != nil {
			return
		}
		h.ServeHTTP(w, r)
	})
}

// remoteSource takes files for a PACS.
func (s *server) remoteSource(from *library.Source) http.Handler {
	mux := http.NewServeMux()
	forward := s.known(s.forward(from))
	mux.Handle("POST /studies", forward)
	mux.Handle("POST /studies/{study}", forward)
	mux.Handle("/", s.known(func(w http.ResponseWriter, _ *http.Request) {
		Refuse(w, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "A PACS is not read through the broker.",
			Detail: "Search its studies with GET /api/v1/studies?source=" + from.Name + ". Edges read them from the PACS itself."})
	}))
	return mux
}

// known lets whoever may use the API pass, but no edge with the credential for a study.
func (s *server) known(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.principalOf(r); err != nil {
			s.refuseStranger(w, r, err)
			return
		}
		next(w, r)
	})
}

// forward sends files on to a PACS as they come.
func (s *server) forward(from *library.Source) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !from.Writable {
			Refuse(w, &signaling.Problem{Code: signaling.ProblemForbidden, Title: "This source takes no files.",
				Detail: "GET /api/v1/sources says which ones do."})
			return
		}
		if bounded(w, r) != nil {
			return
		}
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
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(answer) // whoever asked may be gone
	}
}

// errTooMuch says that a body was refused for its announced length.
var errTooMuch = errors.New("too much at once")

// bounded bounds a body of files by its length and by how long it may send nothing. Where its announced length is too
// much, the request is answered.
func bounded(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > maxStored {
		Refuse(w, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "This is too much at once.", Detail: "Send the files in several requests."})
		return errTooMuch
	}
	r.Body = &unhurried{ReadCloser: http.MaxBytesReader(w, r.Body, maxStored), control: http.NewResponseController(w)}
	return nil
}

// unhurried gives a body as long as it takes, while something comes.
type unhurried struct {
	io.ReadCloser
	control *http.ResponseController
}

func (u *unhurried) Read(b []byte) (int, error) {
	_ = u.control.SetReadDeadline(time.Now().Add(storedIdle)) // only a connection of a test has no deadlines
	return u.ReadCloser.Read(b)
}

// mayRead lets an edge have the study of its credential, and who may use the API have them all.
func (s *server) mayRead(r *http.Request, from *library.Source, study string) error {
	err := identity.VerifyStudy(s.Keys.Public(), r, from.Name, study, time.Now())
	if err == nil || errors.Is(err, identity.ErrForbidden) {
		return err
	}
	_, err = s.principalOf(r)
	return forDICOMweb(err)
}

// mayChange lets who may use the API store files, and operators delete some.
func (s *server) mayChange(r *http.Request) error {
	who, err := s.principalOf(r)
	if err == nil && r.Method == http.MethodDelete && !who.Operator {
		err = identity.ErrForbidden
	}
	return forDICOMweb(err)
}

func forDICOMweb(err error) error {
	switch {
	case errors.Is(err, identity.ErrUnauthenticated):
		return dicomweb.ErrUnauthenticated
	case errors.Is(err, tooMany):
		return dicomweb.ErrTooMany
	}
	return err
}

// principalOf is who makes a request to DICOMweb, within the rate that one may have there.
func (s *server) principalOf(r *http.Request) (identity.Principal, error) {
	who, err := s.Identity.Authenticate(r)
	if err != nil {
		return who, err
	}
	if s.tooOften(s.limits, "DICOMweb requests", "dicomweb:"+name(who)) {
		return who, tooMany
	}
	return who, nil
}
