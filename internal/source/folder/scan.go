package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/source/catalog"
)

type scanResult struct {
	files    []*catalog.File
	problems []catalog.Problem // those that belong to no file that is worth remembering
	read     int
	changed  bool // against what was known
}

// scanner is one scan of a folder.
type scanner struct {
	*Index
	known map[string]*catalog.File
	in    map[string][]*catalog.File // those that are known of each archive
	jobs  chan *catalog.File
	found int // entries that the walk has met

	mu     sync.Mutex // guards what follows
	result scanResult
	seen   int
	tables catalog.Tables
	told   time.Time // of the last progress report
}

// scan walks through the folder; files that are known and have not changed are not read.
func (x *Index) scan(ctx context.Context, known []*catalog.File) (scanResult, error) {
	s := &scanner{Index: x, known: make(map[string]*catalog.File, len(known)), in: map[string][]*catalog.File{}, jobs: make(chan *catalog.File, 64), tables: catalog.NewTables()}
	for _, f := range known {
		if f.Archive != nil {
			s.in[f.Archive.Path] = append(s.in[f.Archive.Path], f)
		} else {
			s.known[f.Path] = f
		}
		s.tables.Seed(f)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(s.jobs)
		return s.walk(ctx)
	})
	for range x.workers {
		g.Go(func() error {
			for f := range s.jobs {
				s.read(f)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return scanResult{}, err
	}
	s.result.changed = s.result.changed || len(s.result.files) != len(known)
	if x.progress != nil {
		x.progress(Progress{Seen: s.seen, Read: s.result.read, Done: true})
	}
	return s.result, nil
}

// readOnly reads the headers of single files.
func (x *Index) readOnly(names []string, known []*catalog.File) ([]*catalog.File, []catalog.Problem, error) {
	s := &scanner{Index: x, tables: catalog.NewTables()}
	for _, f := range known {
		s.tables.Seed(f)
	}
	for _, name := range names {
		info, err := x.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since
		}
		if err != nil {
			return nil, nil, catalog.Reason(err)
		}
		if info.Mode().IsRegular() {
			s.read(&catalog.File{Path: name, Size: info.Size(), ModTime: info.ModTime().UnixNano()})
		}
	}
	return s.result.files, s.result.problems, nil
}

// errFull ends a walk at the limit of files.
var errFull = errors.New("too many files")

func (s *scanner) walk(ctx context.Context) error {
	err := fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if name == "." {
				return fmt.Errorf("the folder can't be read: %w", catalog.Reason(err))
			}
			s.note(name, catalog.KindUnreadable, catalog.Sentence(catalog.Reason(err).Error()))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return s.entry(ctx, name, d)
	})
	if errors.Is(err, errFull) {
		s.note(".", catalog.KindLimit, fmt.Sprintf("The folder has more than %d files; those after this number are not indexed.", s.maxFiles))
		return nil
	}
	return err
}

// entry deals with one entry of a directory.
func (s *scanner) entry(ctx context.Context, name string, d fs.DirEntry) error {
	if name == s.ignored {
		return fs.SkipDir
	}
	if s.found >= s.maxFiles {
		return errFull
	}
	if name != "." {
		s.found++
	}
	switch t := d.Type(); {
	case t.IsDir():
		if name != "." && strings.Count(name, "/")+1 > s.maxDepth {
			s.note(name, catalog.KindLimit, fmt.Sprintf("The folder is more than %d levels deep and is not indexed.", s.maxDepth))
			return fs.SkipDir
		}
		return nil
	case t&fs.ModeSymlink != 0:
		// A link that stays inside needs nothing: what it points to is found where it is.
		if _, err := s.root.Stat(name); err != nil {
			s.note(name, catalog.KindLink, "The symbolic link leaves the folder or leads nowhere; copy the files into the folder.")
		}
		return nil
	case !t.IsRegular():
		s.note(name, catalog.KindUnreadable, "It is not a regular file.")
		return nil
	}
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since the directory was read
	}
	if err != nil {
		s.note(name, catalog.KindUnreadable, catalog.Sentence(catalog.Reason(err).Error()))
		return nil
	}
	f := &catalog.File{Path: name, Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	// What the system refused to give may be given now, although the file is the same.
	if old := s.known[name]; old != nil && old.Size == f.Size && old.ModTime == f.ModTime && old.Kind != catalog.KindUnreadable {
		s.add(old, false)
		for _, f := range s.in[name] {
			s.add(f, false)
		}
		return nil
	}
	select {
	case s.jobs <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads the header of a file that is new or has changed.
func (s *scanner) read(f *catalog.File) {
	r, err := s.open(s.root, f.Path)
	if err != nil {
		f.Kind, f.Problem = catalog.KindUnreadable, catalog.Sentence(catalog.Reason(err).Error())
	} else {
		catalog.Read(r, f)
		r.Close()
	}
	if f.Kind == catalog.KindArchive {
		s.archive(f)
	}
	s.add(f, true)
}

// archive reads the headers of the files in an archive.
func (s *scanner) archive(f *catalog.File) {
	in, err := s.root.Open(f.Path)
	if err != nil {
		f.Kind, f.Problem = catalog.KindUnreadable, catalog.Sentence(catalog.Reason(err).Error())
		return
	}
	defer in.Close()
	for _, inner := range catalog.ReadArchive(in, f, s.room()) {
		s.add(inner, true)
	}
}

// room is how many files may still be indexed.
func (s *scanner) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.maxFiles-s.seen, 0)
}

// progressInterval is the shortest time between two progress reports.
const progressInterval = 100 * time.Millisecond

// add puts a file into the result. One that was known is in use by searches and is not changed.
func (s *scanner) add(f *catalog.File, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	s.result.files = append(s.result.files, f)
	if fresh {
		s.tables.Intern(f)
		s.result.read++
		s.result.changed = true
	}
	if now := time.Now(); s.progress != nil && now.Sub(s.told) >= progressInterval {
		s.told = now
		s.progress(Progress{Seen: s.seen, Read: s.result.read})
	}
}

// note records a problem of something that is looked at anew in every scan.
func (s *scanner) note(name string, kind catalog.Kind, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.problems = append(s.result.problems, catalog.Problem{Path: name, Kind: kind, Reason: reason})
}
