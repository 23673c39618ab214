// Package memory makes a source of files that lie in memory: those that a user sends for a session. Nothing of them goes
// to a disk.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

const (
	// MaxFiles is how many files a store takes, those in archives included.
	MaxFiles = 100_000
	// maxPath is the longest path of a file, bytes.
	maxPath = 1024
)

// ErrClosed: the store has been closed.
var ErrClosed = errors.New("the files have been wiped")

// LeftOut is a file that is no part of a study, and why, in a sentence.
type LeftOut struct {
	Name, Reason string
}

// Summary is what a store has.
type Summary struct {
	Studies []source.StudySummary
	// Series is the series of each study, by its UID.
	Series map[string][]source.SeriesSummary
	// LeftOut is at most catalog.MaxProblems of the files that are not used, or damaged; Files is all that were added.
	LeftOut []LeftOut
	Files   int
	Bytes   int64
}

// Store holds files and what is known of them. It is safe for concurrent use.
type Store struct {
	limit int64

	mu      sync.Mutex
	files   []*catalog.File
	data    map[string][]byte // by path; the bytes belong to who added them
	tables  catalog.Tables
	bytes   int64
	catalog *catalog.Catalog // nil while files were added since it was made
	closed  bool
}

// New makes a store of at most so many bytes.
func New(limitBytes int64) *Store {
	return &Store{limit: limitBytes, data: map[string][]byte{}, tables: catalog.NewTables()}
}

// Add adds a file under the path that it has where it comes from, with slashes. The store keeps data without copying it:
// it must stay as it is, and writable, until Close has returned, and may lie outside the heap. What is in it shows in Finish; the error
// is about its path, its size or the store's limit. Zip archives are read in place.
func (s *Store) Add(name string, data []byte) error {
	name = strings.TrimPrefix(path.Clean(strings.ReplaceAll(name, `\`, "/")), "/")
	if !fs.ValidPath(name) || name == "." || len(name) > maxPath || strings.ContainsRune(name, 0) {
		return fmt.Errorf("add %.80q: it is no path of a file", name)
	}
	f := &catalog.File{Path: name, Size: int64(len(data))}
	catalog.Read(bytes.NewReader(data), f)
	added := []*catalog.File{f}
	if f.Kind == catalog.KindArchive {
		added = append(added, catalog.ReadArchive(bytes.NewReader(data), f, MaxFiles)...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fmt.Errorf("add %.80q: %w", name, ErrClosed)
	case s.data[name] != nil:
		return fmt.Errorf("add %.80q: there is a file of this name already", name)
	case int64(len(data)) > s.limit-s.bytes:
		return fmt.Errorf("add %.80q: its %d bytes are more than the %d that are left of %d: %w", name, len(data), s.limit-s.bytes, s.limit, source.ErrLimit)
	case len(s.files)+len(added) > MaxFiles:
		return fmt.Errorf("add %.80q: these are more than %d files: %w", name, MaxFiles, source.ErrLimit)
	}
	if data == nil {
		data = []byte{}
	}
	s.data[name] = data
	s.bytes += int64(len(data))
	for _, a := range added {
		s.tables.Intern(a)
	}
	s.files = append(s.files, added...)
	s.catalog = nil
	return nil
}

// current is the catalog of all files that were added.
func (s *Store) current() (*catalog.Catalog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.catalog == nil {
		s.catalog = catalog.New(s.files, nil, s)
	}
	return s.catalog, nil
}

// Finish says what there is, under the name of a source. Files may be added afterwards.
func (s *Store) Finish(ctx context.Context, name string) (*Summary, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := s.current()
	if err != nil {
		return nil, err
	}
	out := &Summary{Series: map[string][]source.SeriesSummary{}, Files: c.Stats().Files, Bytes: c.Bytes()}
	out.Studies, _ = c.Studies(source.Query{}, name)
	for _, st := range out.Studies {
		if out.Series[st.StudyInstanceUID], err = c.Series(st.StudyInstanceUID); err != nil {
			return nil, err
		}
	}
	for _, p := range c.Problems() {
		if p.Kind != catalog.KindArchive && p.Kind != catalog.KindDirectory {
			out.LeftOut = append(out.LeftOut, LeftOut{p.Path, p.Reason})
		}
	}
	return out, nil
}

// FindSeries is the series that match, for example all of a study.
func (s *Store) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	c, err := s.current()
	if err != nil {
		return nil, 0
	}
	return c.FindSeries(q, limit)
}

// FindInstances is the instances that match, with their files, for example to keep them elsewhere.
func (s *Store) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	c, err := s.current()
	if err != nil {
		return nil, 0
	}
	return c.FindInstances(q, limit)
}

// Source is a series of the store; source.ErrNotFound where there is none. Its files are lent as they lie in memory,
// those that are compressed in an archive are inflated for each use.
func (s *Store) Source(study, series string) (source.Series, error) {
	c, err := s.current()
	if err != nil {
		return nil, err
	}
	return c.Source(study, series)
}

// Close forgets everything and wipes the files' bytes. Nothing of the store may be in use.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, data := range s.data {
		clear(data)
	}
	s.data, s.files, s.catalog, s.tables, s.closed = nil, nil, nil, catalog.Tables{}, true
}

var (
	_ catalog.Opener = (*Store)(nil)
	_ catalog.Lender = (*Store)(nil)
)

// Bytes lends a file that is not in an archive, or stored in one as it is.
func (s *Store) Bytes(f *catalog.File) []byte {
	if f.Archive != nil {
		return nil // its checksum is to be looked at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[f.Path]
}

// Check finds out whether a file is there.
func (s *Store) Check(f *catalog.File) error {
	_, err := s.whole(f)
	return err
}

// Open opens a file.
func (s *Store) Open(f *catalog.File) (io.ReadSeekCloser, error) {
	data, err := s.whole(f)
	if err != nil {
		return nil, err
	}
	if f.Archive != nil {
		return opened{f.Archive.Entry.Open(bytes.NewReader(data))}, nil
	}
	return opened{bytes.NewReader(data)}, nil
}

// whole is the bytes of a file, or of the archive that it is in.
func (s *Store) whole(f *catalog.File) ([]byte, error) {
	name := f.Path
	if f.Archive != nil {
		name = f.Archive.Path
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.data[name]
	if data == nil {
		return nil, ErrClosed
	}
	return data, nil
}

// opened is an open file, which needs no closing.
type opened struct{ io.ReadSeeker }

func (opened) Close() error { return nil }
