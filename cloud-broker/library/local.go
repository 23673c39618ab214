package library

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/store"
)

// files is what a folder or a store has, once it has been read.
type files interface {
	dicomweb.Store
	Series(studyUID string) ([]source.SeriesSummary, error)
	Stats() catalog.Stats
	Rescan(ctx context.Context) error
	Close() error
}

// local is a folder or a store.
type local struct {
	spec   Spec
	cache  string
	rescan time.Duration
	log    *slog.Logger

	mu    sync.Mutex
	files files
	store *store.Store // of a store, the same as files
	err   error
}

func newLocal(spec Spec, cache string, rescan time.Duration, log *slog.Logger) *local {
	return &local{spec: spec, cache: cache, rescan: rescan, log: log, err: ErrReading}
}

// run reads the folder, and again from time to time, until ctx ends.
func (l *local) run(ctx context.Context) error {
	files, err := l.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer l.close(files)
	if files.Stats().Studies == 0 && l.spec.Kind == Folder {
		l.log.Warn("there are no studies in the folder: put DICOM files into it, or name another one", "source", l.spec.Name)
	}
	tick := time.NewTicker(l.rescan)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := files.Rescan(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the folder of studies could not be read again: what is known stays", "source", l.spec.Name, "error", err)
		}
	}
}

// open reads the folder for the first time, and lets it be asked.
func (l *local) open(ctx context.Context) (files, error) {
	if l.spec.Kind == Store {
		s, err := store.Open(ctx, l.spec.Path, l.cache, l.log, store.WithName(l.spec.Name))
		if err != nil {
			return nil, err
		}
		l.set(s, s, nil)
		return s, nil
	}
	x, err := folder.Open(ctx, l.spec.Path, l.cache, l.log, folder.WithName(l.spec.Name))
	if err != nil {
		return nil, err
	}
	l.set(x, nil, nil)
	return x, nil
}

// errClosed says that the broker has let go of the folder.
var errClosed = errors.New("is not served any more")

func (l *local) close(f files) {
	l.set(nil, nil, errClosed)
	if err := f.Close(); err != nil {
		l.log.Warn("a folder of studies could not be closed", "source", l.spec.Name, "error", err)
	}
}

func (l *local) set(f files, s *store.Store, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files, l.store, l.err = f, s, err
}

// get is what the folder has, or why that is not known.
func (l *local) get() (files, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files, l.err
}

var _ dicomweb.Store = (*local)(nil)

// FindStudies is for DICOMweb, as are the next two: nothing while the folder is being read.
func (l *local) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	f, err := l.get()
	if err != nil {
		return nil, 0
	}
	return f.FindStudies(q, limit)
}

func (l *local) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	f, err := l.get()
	if err != nil {
		return nil, 0
	}
	return f.FindSeries(q, limit)
}

func (l *local) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	f, err := l.get()
	if err != nil {
		return nil, 0
	}
	return f.FindInstances(q, limit)
}
