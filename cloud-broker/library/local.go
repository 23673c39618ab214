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
	Refresh(studyUID string) (different bool, err error)
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

	stale     chan struct{} // has something when a file was found to be gone or changed
	refreshes sync.Mutex    // one at a time
	refreshed map[string]time.Time
}

func newLocal(spec Spec, cache string, rescan time.Duration, log *slog.Logger) *local {
	return &local{spec: spec, cache: cache, rescan: rescan, log: log, err: ErrReading,
		stale: make(chan struct{}, 1), refreshed: map[string]time.Time{}}
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
	var due <-chan time.Time // when what was found to be stale is looked at
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-due:
		case <-l.stale:
			if due == nil {
				due = time.After(time.Until(next))
			}
			continue
		}
		due = nil
		begin := time.Now()
		if err := files.Rescan(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the folder of studies could not be read again: what is known stays", "source", l.spec.Name, "error", err)
		}
		next = time.Now().Add(max(rescanPause, 10*time.Since(begin)))
	}
}

const (
	// rescanPause is the least time between a rescan and one that is made because a file was found to be gone or changed.
	rescanPause = 5 * time.Second
	// refreshPause is the least time between two looks at the files of one study.
	refreshPause = 2 * time.Second
	// maxRefreshed is how many studies are remembered that were looked at.
	maxRefreshed = 256
)

// refresh brings what is known of a study up to date at once, and has the whole folder looked through soon, since files
// that are gone may be elsewhere in it.
func (l *local) refresh(ctx context.Context, study string) error {
	f, err := l.get()
	if err != nil {
		return err
	}
	l.refreshes.Lock()
	defer l.refreshes.Unlock()
	now := time.Now()
	if err := ctx.Err(); err != nil || now.Sub(l.refreshed[study]) < refreshPause {
		return err
	}
	different, err := f.Refresh(study)
	if len(l.refreshed) >= maxRefreshed {
		clear(l.refreshed)
	}
	l.refreshed[study] = time.Now()
	if err != nil {
		l.log.Warn("the files of a study could not be looked at again", "source", l.spec.Name, "study", source.HashUID(study), "error", err)
		return err
	}
	if different {
		l.log.Info("files of a study were changed or removed; its folder is looked through again", "source", l.spec.Name, "study", source.HashUID(study))
		select {
		case l.stale <- struct{}{}:
		default: // that is known already
		}
	}
	return nil
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
