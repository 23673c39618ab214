// Package folder makes a source of a directory of DICOM files.
//
// Open indexes every DICOM file below a folder, whatever its name, by reading only its header. The index lasts: it
// is kept in a file in a cache directory, and a file whose size and modification time have not changed is not read
// again. Files gives the files of a folder without an index.
//
// Everything is opened through an os.Root, so nothing outside the folder is ever read, whatever symbolic links and
// names stand in it. Paths and UIDs are never logged.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

// Limits of a scan. A folder with more is indexed up to there, and Problems says so.
const (
	// DefaultMaxFiles is how many files a scan looks at. An indexed file takes about 600 bytes of memory.
	DefaultMaxFiles = 1_000_000
	// DefaultMaxDepth is how deep directories may nest.
	DefaultMaxDepth = 32
)

// Opener opens a file of the folder for reading its header.
type Opener func(root *os.Root, name string) (io.ReadCloser, error)

// Progress says how far a scan is.
type Progress struct {
	// Seen is the number of files found so far, Read of those whose header had to be read. Done is set in the
	// last report.
	Seen, Read int
	Done       bool
}

// Option changes how a folder is indexed.
type Option func(*config)

type config struct {
	name               string
	open               Opener
	progress           func(Progress)
	maxFiles, maxDepth int
	ignored            string // path of a directory; empty for none
	workers            int
}

// WithName sets the name of the source that summaries carry.
func WithName(name string) Option { return func(c *config) { c.name = name } }

// WithOpener replaces how files are opened for indexing.
func WithOpener(open Opener) Option { return func(c *config) { c.open = open } }

// WithProgress has fn called while the folder is scanned: now and then, and at the end. Calls do not overlap.
func WithProgress(fn func(Progress)) Option { return func(c *config) { c.progress = fn } }

// WithLimits replaces DefaultMaxFiles and DefaultMaxDepth.
func WithLimits(maxFiles, maxDepth int) Option {
	return func(c *config) { c.maxFiles, c.maxDepth = maxFiles, maxDepth }
}

// WithIgnored leaves out a directory of the folder.
func WithIgnored(path string) Option { return func(c *config) { c.ignored = path } }

// Index is what is known of the studies in a folder. It is safe for concurrent use: searches see the state of the
// last finished scan, also while the next one runs.
type Index struct {
	config
	root  *os.Root
	path  string // absolute
	cache string // file that the index lasts in; empty for none
	log   *slog.Logger

	scanning sync.Mutex // one scan at a time
	unsaved  bool       // the index has changed since it was kept; guarded by scanning
	current  atomic.Pointer[catalog.Catalog]
}

// Open indexes the folder root and keeps the index in a file in cacheDir, whose name is derived from the folder's
// absolute path. An empty cacheDir, or one inside the folder, keeps nothing. A cache that is damaged or of another
// version is built anew.
func Open(ctx context.Context, root, cacheDir string, logger *slog.Logger, opts ...Option) (*Index, error) {
	x, err := newIndex(root, logger, opts)
	if err != nil {
		return nil, err
	}
	var known []*catalog.File
	if x.cache = x.cacheFile(cacheDir); x.cache != "" {
		known, err = loadCache(x.cache, x.path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			x.log.Warn("the cached index can't be used and is built anew", "error", withoutPath(err))
		}
	}
	x.current.Store(catalog.New(known, nil, files{dir: x.root}))
	if err := x.Rescan(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func newIndex(root string, logger *slog.Logger, opts []Option) (*Index, error) {
	path, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("study folder %s: %w", root, err)
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("study folder %s can't be opened: %w; give an existing folder that this user may read", root, catalog.Reason(err))
	}
	x := &Index{root: dir, path: path, log: logger}
	x.config = config{
		open:     func(root *os.Root, name string) (io.ReadCloser, error) { return root.Open(name) },
		maxFiles: DefaultMaxFiles,
		maxDepth: DefaultMaxDepth,
		workers:  min(16, 2*runtime.GOMAXPROCS(0)), // reading headers waits for the disk more than it computes
	}
	for _, o := range opts {
		o(&x.config)
	}
	return x, nil
}

// Close lets go of the folder. Files that are open stay so.
func (x *Index) Close() error { return x.root.Close() }

// Rescan brings the index up to date: new and changed files are read, missing ones dropped. When it fails, the
// index stays as it was. A second call waits for the first.
func (x *Index) Rescan(ctx context.Context) error {
	x.scanning.Lock()
	defer x.scanning.Unlock()
	begin := time.Now()
	before := x.current.Load()
	result, err := x.scan(ctx, before.Files())
	if err != nil {
		return fmt.Errorf("index study folder: %w", err)
	}
	next := catalog.New(result.files, result.problems, files{dir: x.root})
	x.current.Store(next)
	st := next.Stats()
	log := x.log
	if x.name != "" {
		log = log.With("source", x.name)
	}
	log.Info("study folder indexed", "studies", st.Studies, "series", st.Series,
		"instances", st.Instances, "read", result.read, "problems", st.Problems, "took", time.Since(begin).Round(time.Millisecond))
	if x.cache != "" && (result.changed || x.unsaved) {
		x.unsaved = false
		if err := saveCache(x.cache, x.path, next.Files()); err != nil {
			x.log.Warn("the index can't be kept; the folder will be read again at the next start", "error", withoutPath(err))
		}
	}
	return nil
}

// Update brings single files up to date, as Rescan does all: those that were added or changed, and those that were
// removed, by their paths.
func (x *Index) Update(added, removed []string) error {
	x.scanning.Lock()
	defer x.scanning.Unlock()
	before := x.current.Load()
	gone := make(map[string]bool, len(added)+len(removed))
	for _, p := range append(slices.Clone(added), removed...) {
		gone[p] = true
	}
	known := slices.DeleteFunc(slices.Clone(before.Files()), func(f *catalog.File) bool { return gone[onDisk(f)] })
	fresh, notes, err := x.readOnly(added, known)
	if err != nil {
		return fmt.Errorf("index study folder: %w", err)
	}
	// Problems of the last scan that belong to no file are found again by the next one.
	x.current.Store(catalog.New(append(known, fresh...), notes, files{dir: x.root}))
	x.unsaved = true
	return nil
}

// maxRefresh is how often Refresh looks again after it has found something.
const maxRefresh = 3

// Refresh brings the files of a study up to date, as Rescan does all: those that have changed are read again, those that
// are gone are dropped. Files that are new are found by the next Rescan. It says whether anything was different.
func (x *Index) Refresh(study string) (bool, error) {
	different := false
	for range maxRefresh { // another copy that was not served so far may be gone as well
		changed, removed := x.outdated(study)
		if len(changed)+len(removed) == 0 {
			break
		}
		different = true
		if err := x.Update(changed, removed); err != nil {
			return true, err
		}
	}
	return different, nil
}

// outdated is the paths of a study's files that are not what was indexed, and of those that are gone.
func (x *Index) outdated(study string) (changed, removed []string) {
	c := x.current.Load()
	seen := map[string]bool{}
	for _, f := range c.FindFiles(study, "", "") {
		for _, f := range append(c.Companions(f), f) {
			name := onDisk(f)
			if seen[name] {
				continue
			}
			seen[name] = true
			switch err := (files{dir: x.root}).Check(f); {
			case errors.Is(err, source.ErrChanged):
				changed = append(changed, name)
			case errors.Is(err, os.ErrNotExist):
				removed = append(removed, name)
			}
		}
	}
	return changed, removed
}

// Bytes is the size of all files that are indexed.
func (x *Index) Bytes() int64 { return x.current.Load().Bytes() }

// Find is the files of what the UIDs name; an empty series or instance is all of them. They belong to the index.
func (x *Index) Find(study, series, instance string) []*catalog.File {
	return x.current.Load().FindFiles(study, series, instance)
}

// Stats counts what a scan found.
type Stats = catalog.Stats

// Problem is a file that is not served, or one that is served as it is but damaged.
type Problem = catalog.Problem

// Stats counts what the last scan found.
func (x *Index) Stats() Stats { return x.current.Load().Stats() }

// Problems lists the files that are not served or damaged, by path, at most catalog.MaxProblems of them. It is for an
// operator, and not for logs.
func (x *Index) Problems() []Problem { return x.current.Load().Problems() }

// withoutPath keeps the cause of an error of the file system without the path that it concerns.
func withoutPath(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return fmt.Errorf("%s: %w", le.Op, le.Err)
	}
	return err
}

// within says whether path lies in dir or is it; both absolute and resolved.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
