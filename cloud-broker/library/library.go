package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

// DICOMwebPath is where the broker serves its own source to edges and terminals; the others that it serves itself are
// below it (Source.DICOMweb).
const DICOMwebPath = "/dicom-web"

// SourcesPath leads, below DICOMwebPath, the name of another source.
const SourcesPath = "/sources/"

// What a caller decides on.
var (
	// ErrNoSource: no source of that name is configured.
	ErrNoSource = errors.New("no such source")
	// ErrReading: a folder is being read for the first time.
	ErrReading = errors.New("is still being read")
	// ErrRemote: a PACS did not answer as it should; the error says how.
	ErrRemote = errors.New("the PACS")
	// ErrReadOnly: nothing of the source can be deleted here.
	ErrReadOnly = errors.New("can only be read here")
)

// Config is what a Library needs.
type Config struct {
	// Specs are the sources. The first one is the broker's own: the one that is meant where no name is given.
	Specs []Spec
	// Cache is the folder in which indexes last.
	Cache string
	// Rescan is how often new files are looked for in folders and stores.
	Rescan time.Duration
	Log    *slog.Logger
}

// Library is the sources of a broker. It can be asked while folders are still being read for the first time, and then
// says so.
type Library struct {
	sources []*Source
}

// New returns a Library of the configured sources. Secrets and certificates of PACS are read, so that what is wrong
// with them is known at the start.
func New(c Config) (*Library, error) {
	if len(c.Specs) == 0 {
		return nil, errors.New("no source of studies is configured")
	}
	l := &Library{}
	for _, spec := range c.Specs {
		if err := spec.check(); err != nil {
			return nil, err
		}
		if _, err := l.Source(spec.Name); err == nil {
			return nil, fmt.Errorf("two sources are named %s", spec.Name)
		}
		s := &Source{Spec: spec, path: DICOMwebPath + SourcesPath + spec.Name}
		if len(l.sources) == 0 {
			s.path = DICOMwebPath
		}
		if spec.Kind == PACS {
			r, err := newRemote(spec, c.Log)
			if err != nil {
				return nil, fmt.Errorf("source %s: %w", spec.Name, err)
			}
			s.remote = r
		} else {
			s.local = newLocal(spec, filepath.Join(c.Cache, "index"), c.Rescan, c.Log)
		}
		l.sources = append(l.sources, s)
	}
	return l, nil
}

// Run reads the folders, and again from time to time, until ctx ends. It fails where one cannot be read at all.
func (l *Library) Run(ctx context.Context) error {
	var parts []service.Part
	for _, s := range l.sources {
		if s.local != nil {
			parts = append(parts, service.Part{Name: "source " + s.Name, Run: s.local.run})
		}
	}
	parts = append(parts, service.Part{Name: "sources", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }})
	return service.Run(ctx, parts...)
}

// Ready says whether all folders have been read. A PACS that is away does not make a broker unready.
func (l *Library) Ready(context.Context) error {
	for _, s := range l.sources {
		if err := s.Ready(); err != nil {
			return err
		}
	}
	return nil
}

// Sources are all sources, the broker's own first.
func (l *Library) Sources() []*Source { return slices.Clone(l.sources) }

// Source is the source of that name, or the broker's own where the name is empty. ErrNoSource where there is none.
func (l *Library) Source(name string) (*Source, error) {
	for _, s := range l.sources {
		if name == "" || s.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w: %.70q", ErrNoSource, name)
}

// Name is the name of the broker's own source.
func (l *Library) Name() string { return l.sources[0].Name }

// Source is one of the sources: a folder or store that this broker reads itself, or a PACS.
type Source struct {
	Spec
	path   string // at the broker
	local  *local
	remote *remote
}

// Local says whether the broker serves the source itself over DICOMweb, with credentials of its own.
func (s *Source) Local() bool { return s.local != nil }

// Series is the series of a study; its error wraps source.ErrNotFound where there is no such study.
func (s *Source) Series(ctx context.Context, study string) ([]source.SeriesSummary, error) {
	if s.remote != nil {
		return s.remote.series(ctx, study)
	}
	files, err := s.local.get()
	if err != nil {
		return nil, fmt.Errorf("source %s %w", s.Name, err)
	}
	return files.Series(study)
}

// find is the part of the studies that match that the query asks for, as far as one search goes, and how many there
// are in all, of a PACS at least.
func (s *Source) find(ctx context.Context, q source.Query) ([]*source.Study, int, error) {
	if s.remote != nil {
		return s.remote.find(ctx, q, maxRemote)
	}
	files, err := s.local.get()
	if err != nil {
		return nil, 0, fmt.Errorf("source %s %w", s.Name, err)
	}
	found, total := files.FindStudies(q, maxLocal)
	return found, total, nil
}

// Access is where an edge gets the source's studies, and how it logs in there. For a local source it has a path at the
// broker and no credential: the caller adds one for the study. That of a PACS must go to nobody but the edge.
func (s *Source) Access() (signaling.SourceAccess, error) {
	if s.remote != nil {
		return s.remote.access()
	}
	return signaling.SourceAccess{Name: s.Name, DICOMweb: s.path}, nil
}

// Files is a local source for a DICOMweb service; nil for a PACS.
func (s *Source) Files() dicomweb.Store {
	if s.local == nil {
		return nil
	}
	return s.local
}

// Refresh brings what is known of a study of a local source up to date, where a file of it turned out to have changed.
func (s *Source) Refresh(ctx context.Context, study string) error { return s.local.refresh(ctx, study) }

// Ready says why a local source cannot be read yet.
func (s *Source) Ready() error {
	if s.local == nil {
		return nil
	}
	if _, err := s.local.get(); err != nil {
		return fmt.Errorf("source %s %w", s.Name, err)
	}
	return nil
}
