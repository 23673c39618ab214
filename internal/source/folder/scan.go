package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/source"
)

// Kind sorts problems.
type Kind string

// The kinds of problem.
const (
	KindNotDICOM   Kind = "not-dicom"
	KindDirectory  Kind = "dicomdir"
	KindUnreadable Kind = "unreadable" // the operating system refuses it
	KindDamaged    Kind = "damaged"
	KindLink       Kind = "link"      // a symbolic link that leaves the folder
	KindDuplicate  Kind = "duplicate" // the same SOP Instance UID as another file of the series
	KindLimit      Kind = "limit"     // the folder is larger or deeper than the index accepts
)

// skipped says whether the kind is what any folder may hold, and no fault.
func (k Kind) skipped() bool { return k == KindNotDICOM || k == KindDirectory }

// Problem is a file that is not served, or one that is served as it is but damaged.
type Problem struct {
	Path   string `json:"path" doc:"Path relative to the folder."`
	Kind   Kind   `json:"kind" doc:"What kind of problem it is."`
	Reason string `json:"reason" doc:"What is wrong with it."`
}

// file is one file of the folder as it was when it was read.
type file struct {
	path    string // relative, with slashes
	size    int64
	modTime int64 // Unix nanoseconds
	kind    Kind  // of its problem; empty for none
	problem string

	// Nil where the file is not served.
	study    *source.StudyAttributes
	series   *source.SeriesAttributes
	instance *source.Instance
	preamble []byte // what it lacks at its beginning
}

// length is how many bytes are served of the file.
func (f *file) length() int64 { return int64(len(f.preamble)) + f.size }

type scanResult struct {
	files    []*file
	problems []Problem // those that belong to no file that is worth remembering
	read     int
	changed  bool // against what was known
}

// scanner is one scan of a folder.
type scanner struct {
	*Index
	known map[string]*file
	jobs  chan *file
	found int // entries that the walk has met

	mu     sync.Mutex // guards what follows
	result scanResult
	seen   int
	tables tables
	told   time.Time // of the last progress report
}

// scan walks through the folder; files that are known and have not changed are not read.
func (x *Index) scan(ctx context.Context, known []*file) (scanResult, error) {
	s := &scanner{Index: x, known: make(map[string]*file, len(known)), jobs: make(chan *file, 64), tables: newTables()}
	for _, f := range known {
		s.known[f.path] = f
		s.tables.seed(f)
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

// errFull ends a walk at the limit of files.
var errFull = errors.New("too many files")

func (s *scanner) walk(ctx context.Context) error {
	err := fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if name == "." {
				return fmt.Errorf("the folder can't be read: %w", reason(err))
			}
			s.note(name, KindUnreadable, sentence(reason(err).Error()))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return s.entry(ctx, name, d)
	})
	if errors.Is(err, errFull) {
		s.note(".", KindLimit, fmt.Sprintf("The folder has more than %d files; those after this number are not indexed.", s.maxFiles))
		return nil
	}
	return err
}

// entry deals with one entry of a directory.
func (s *scanner) entry(ctx context.Context, name string, d fs.DirEntry) error {
	if s.found >= s.maxFiles {
		return errFull
	}
	if name != "." {
		s.found++
	}
	switch t := d.Type(); {
	case t.IsDir():
		if name != "." && strings.Count(name, "/")+1 > s.maxDepth {
			s.note(name, KindLimit, fmt.Sprintf("The folder is more than %d levels deep and is not indexed.", s.maxDepth))
			return fs.SkipDir
		}
		return nil
	case t&fs.ModeSymlink != 0:
		// A link that stays inside needs nothing: what it points to is found where it is.
		if _, err := s.root.Stat(name); err != nil {
			s.note(name, KindLink, "The symbolic link leaves the folder or leads nowhere; copy the files into the folder.")
		}
		return nil
	case !t.IsRegular():
		s.note(name, KindUnreadable, "It is not a regular file.")
		return nil
	}
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since the directory was read
	}
	if err != nil {
		s.note(name, KindUnreadable, sentence(reason(err).Error()))
		return nil
	}
	f := &file{path: name, size: info.Size(), modTime: info.ModTime().UnixNano()}
	// What the system refused to give may be given now, although the file is the same.
	if old := s.known[name]; old != nil && old.size == f.size && old.modTime == f.modTime && old.kind != KindUnreadable {
		s.add(old, false)
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
func (s *scanner) read(f *file) {
	r, err := s.open(s.root, f.path)
	if err != nil {
		f.kind, f.problem = KindUnreadable, sentence(reason(err).Error())
	} else {
		var h *header
		h, f.kind, f.problem = readHeader(r)
		r.Close()
		if h != nil {
			f.study, f.series, f.instance, f.preamble = &h.study, &h.series, &h.instance, h.preamble
		}
		if f.kind == KindNotDICOM && strings.EqualFold(path.Base(f.path), "DICOMDIR") {
			f.kind, f.problem = KindDirectory, "It is a DICOMDIR, which lists other files."
		}
	}
	s.add(f, true)
}

// progressInterval is the shortest time between two progress reports.
const progressInterval = 100 * time.Millisecond

// add puts a file into the result. One that was known is in use by searches and is not changed.
func (s *scanner) add(f *file, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	s.result.files = append(s.result.files, f)
	if fresh {
		s.tables.intern(f)
		s.result.read++
		s.result.changed = true
	}
	if now := time.Now(); s.progress != nil && now.Sub(s.told) >= progressInterval {
		s.told = now
		s.progress(Progress{Seen: s.seen, Read: s.result.read})
	}
}

// note records a problem of something that is looked at anew in every scan.
func (s *scanner) note(name string, kind Kind, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.problems = append(s.result.problems, Problem{Path: name, Kind: kind, Reason: reason})
}

// tables has every value once that many files share, so that a file of a large series costs little memory.
type tables struct {
	studies map[source.StudyAttributes]*source.StudyAttributes
	series  map[source.SeriesAttributes]*source.SeriesAttributes
	texts   map[string]string
}

func newTables() tables {
	return tables{
		studies: map[source.StudyAttributes]*source.StudyAttributes{},
		series:  map[source.SeriesAttributes]*source.SeriesAttributes{},
		texts:   map[string]string{},
	}
}

// seed makes the values of a file those that later ones share.
func (t *tables) seed(f *file) {
	if f.instance == nil {
		return
	}
	once(t.studies, f.study)
	once(t.series, f.series)
	for _, s := range shared(f.instance) {
		if _, ok := t.texts[*s]; !ok {
			t.texts[*s] = *s
		}
	}
}

// intern makes a file share the values that are there.
func (t *tables) intern(f *file) {
	if f.instance == nil {
		return
	}
	t.seed(f)
	f.study, f.series = once(t.studies, f.study), once(t.series, f.series)
	for _, s := range shared(f.instance) {
		*s = t.texts[*s]
	}
}

// shared is the texts that are mostly the same in all instances of a series.
func shared(i *source.Instance) []*string {
	return []*string{&i.SOPClassUID, &i.TransferSyntaxUID, &i.ImageType, &i.Photometric, &i.RescaleType, &i.Units}
}

func once[T comparable](table map[T]*T, v *T) *T {
	if have, ok := table[*v]; ok {
		return have
	}
	table[*v] = v
	return v
}
