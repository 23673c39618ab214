package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
)

// Library is the folder of studies that the broker serves. It can be asked while the folder is still being read
// for the first time, and then says so.
type Library struct {
	name, path, cache string
	rescan            time.Duration
	log               *slog.Logger

	mu    sync.Mutex
	index *folder.Index
	err   error
}

// errReading says that the folder is still being read.
var errReading = errors.New("the folder of studies is still being read")

// NewLibrary returns the library of the studies below path. Its index lasts in the folder cache; new files are
// looked for every rescan.
func NewLibrary(name, path, cache string, rescan time.Duration, log *slog.Logger) *Library {
	return &Library{name: name, path: path, cache: cache, rescan: rescan, log: log, err: errReading}
}

var _ dicomweb.Store = (*Library)(nil)

// Run reads the folder, and again from time to time, until ctx ends. It fails where the folder cannot be read at
// all.
func (l *Library) Run(ctx context.Context) error {
	index, err := folder.Open(ctx, l.path, l.cache, l.log, folder.WithName(l.name))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer index.Close()
	if index.Stats().Studies == 0 {
		l.log.Warn("there are no studies in the folder: put DICOM files into it, or name another one", "source", l.name)
	}
	l.mu.Lock()
	l.index, l.err = index, nil
	l.mu.Unlock()
	tick := time.NewTicker(l.rescan)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := index.Rescan(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the folder of studies could not be read again: what is known stays", "error", err)
		}
	}
}

func (l *Library) get() (*folder.Index, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.index, l.err
}

// Ready says whether the folder has been read.
func (l *Library) Ready(context.Context) error {
	_, err := l.get()
	return err
}

// Name is the source's name.
func (l *Library) Name() string { return l.name }

// Studies is the part of the studies that the query asks for, the newest first, and the number of all that match.
func (l *Library) Studies(q source.Query) ([]source.StudySummary, int, error) {
	x, err := l.get()
	if err != nil {
		return nil, 0, err
	}
	found, total := x.Studies(q)
	return found, total, nil
}

// Series is the series of a study.
func (l *Library) Series(studyUID string) ([]source.SeriesSummary, error) {
	x, err := l.get()
	if err != nil {
		return nil, err
	}
	return x.Series(studyUID)
}

// FindStudies is for DICOMweb.
func (l *Library) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	x, err := l.get()
	if err != nil {
		return nil, 0
	}
	return x.FindStudies(q, limit)
}

// FindSeries is for DICOMweb.
func (l *Library) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	x, err := l.get()
	if err != nil {
		return nil, 0
	}
	return x.FindSeries(q, limit)
}

// FindInstances is for DICOMweb.
func (l *Library) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	x, err := l.get()
	if err != nil {
		return nil, 0
	}
	return x.FindInstances(q, limit)
}
