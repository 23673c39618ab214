// Package store keeps DICOM files that are added to it in a folder, which several brokers may share: each file appears
// whole or not at all, under a name made of hashes of its UIDs, so that no patient is in a file name and two brokers
// that are given the same instance put it in the same place. Who adds or deletes sees it at once; others see it when
// they look through the folder again (Rescan).
package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
)

// Bounds of what is kept.
const (
	// DefaultMaxFile is the longest file, bytes.
	DefaultMaxFile = 2 << 30
	// maxHeader is how much of a file is read before its pixel data begins.
	maxHeader = 64 << 20
)

// Why something is not kept. Errors wrap one of them.
var (
	// ErrNotDICOM: it can't be read as a DICOM file of an instance.
	ErrNotDICOM = errors.New("no DICOM instance")
	// ErrConflict: another file of the same UID is kept already.
	ErrConflict = errors.New("another object of the same UID is kept already")
	// ErrOtherStudy: it belongs to another study than it was sent to.
	ErrOtherStudy = errors.New("it belongs to another study")
	// ErrFull: the store has reached its limit, or the disk is full.
	ErrFull = errors.New("there is no room for it")
)

// Option changes a store.
type Option func(*config)

type config struct {
	maxFile, maxBytes int64
	folder            []folder.Option
}

// WithMaxFile replaces DefaultMaxFile, bytes.
func WithMaxFile(n int64) Option { return func(c *config) { c.maxFile = n } }

// WithMaxBytes bounds what is kept in all, as far as this store's index knows it, bytes; 0 is no bound.
func WithMaxBytes(n int64) Option { return func(c *config) { c.maxBytes = n } }

// WithName sets the name of the source that summaries carry.
func WithName(name string) Option {
	return func(c *config) { c.folder = append(c.folder, folder.WithName(name)) }
}

// Store is a folder that files are added to. Searches are those of its index.
type Store struct {
	*folder.Index
	config
	root *os.Root

	adding sync.Mutex // one file at a time is put into place or deleted

	mu      sync.Mutex
	pending []string // paths that are not in the index yet
}

// Open opens the store in the folder dir, which is made where it is missing; cacheDir is where its index lasts (see
// folder.Open).
func Open(ctx context.Context, dir, cacheDir string, logger *slog.Logger, opts ...Option) (*Store, error) {
	s := &Store{config: config{maxFile: DefaultMaxFile, folder: []folder.Option{folder.WithIgnored(temporary)}}}
	for _, o := range opts {
		o(&s.config)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: its folder can't be made: %w; name one that this user may write to", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: its folder can't be opened: %w", err)
	}
	s.root = root
	s.sweep(time.Now())
	if s.Index, err = folder.Open(ctx, dir, cacheDir, logger, s.config.folder...); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close lets go of the folder.
func (s *Store) Close() error { return errors.Join(s.Index.Close(), s.root.Close()) }

// place is where an instance is kept.
func place(study, series, instance string) string {
	name := func(uid string) string {
		sum := sha256.Sum256([]byte(uid))
		return hex.EncodeToString(sum[:12])
	}
	return path.Join(name(study), name(series), name(instance)+".dcm")
}

// temporary is the folder for files that are being written; it lies beside those that are kept, so that a rename does
// it. The index does not read it.
const temporary = ".incoming"

// Add keeps an instance, which must be of the study unless that is empty. It reads in to its end, or to the limit. The
// file is on the disk when it returns, and in the index after Flush. What is there already with the same content is kept
// once. The returned instance says what it is, also with an error, as far as that was found out.
func (s *Store) Add(ctx context.Context, study string, in io.Reader) (source.Instance, error) {
	if s.maxBytes > 0 && s.Bytes() >= s.maxBytes {
		return source.Instance{}, fmt.Errorf("%w: it keeps %d bytes, as many as it may", ErrFull, s.maxBytes)
	}
	var head bytes.Buffer
	_, err := dicom.Read(io.TeeReader(io.LimitReader(in, maxHeader), &head), dicom.Options{StopAtPixelData: true, Limits: dicom.Limits{MaxBytes: maxHeader}})
	if err != nil {
		return source.Instance{}, fmt.Errorf("%w: %w", ErrNotDICOM, err)
	}
	file := &catalog.File{Path: "instance"}
	catalog.Read(bytes.NewReader(head.Bytes()), file)
	if file.Instance == nil || file.Problem != "" || file.Instance.Media != "" {
		return source.Instance{}, fmt.Errorf("%w: %s", ErrNotDICOM, cmp.Or(file.Problem, "It is a research file."))
	}
	if study != "" && file.Study.StudyInstanceUID != study {
		return *file.Instance, ErrOtherStudy
	}
	name, err := s.write(ctx, io.MultiReader(bytes.NewReader(file.Preamble), &head, in))
	if err != nil {
		return *file.Instance, err
	}
	kept := place(file.Study.StudyInstanceUID, file.Series.SeriesInstanceUID, file.Instance.SOPInstanceUID)
	fresh, err := s.put(name, kept, file)
	if err != nil {
		return *file.Instance, errors.Join(err, s.root.Remove(name))
	}
	if fresh {
		s.mu.Lock()
		s.pending = append(s.pending, kept)
		s.mu.Unlock()
	}
	return *file.Instance, nil
}

// Flush brings what was added into the index.
func (s *Store) Flush() error {
	s.mu.Lock()
	added := s.pending
	s.pending = nil
	s.mu.Unlock()
	if len(added) == 0 {
		return nil
	}
	return s.Index.Update(added, nil)
}

// Reason is the failure reason (0008,1197) of an error of Add, for dicomweb.Keeper.
func (s *Store) Reason(err error) int {
	switch {
	case errors.Is(err, ErrConflict):
		return dicomweb.ReasonDuplicate
	case errors.Is(err, ErrOtherStudy):
		return dicomweb.ReasonOtherStudy
	case errors.Is(err, ErrFull), errors.Is(err, source.ErrLimit):
		return dicomweb.ReasonNoResources
	case errors.Is(err, ErrNotDICOM):
		return dicomweb.ReasonNotUnderstood
	}
	return dicomweb.ReasonProcessing
}

var _ dicomweb.Keeper = (*Store)(nil)

// Delete deletes a study, or a series or an instance of it where these are not empty, and returns the number of
// instances; source.ErrNotFound where there is nothing of it.
func (s *Store) Delete(study, series, instance string) (int, error) {
	s.adding.Lock()
	defer s.adding.Unlock()
	files := s.Index.Find(study, series, instance)
	if len(files) == 0 {
		return 0, fmt.Errorf("delete: %w", source.ErrNotFound)
	}
	var removed []string
	var failed error
	for _, f := range files {
		if f.Archive != nil {
			failed = errors.New("some of it lies in an archive in the store's folder; delete that there")
			continue
		}
		if err := s.root.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = fmt.Errorf("delete: %w", catalog.Reason(err))
			continue
		}
		removed = append(removed, f.Path)
		for dir := path.Dir(f.Path); dir != "." && s.root.Remove(dir) == nil; dir = path.Dir(dir) {
			continue // a directory that is not empty stays
		}
	}
	return len(removed), errors.Join(failed, s.Index.Update(nil, removed))
}

// write writes a file under a temporary name, to the disk.
func (s *Store) write(ctx context.Context, in io.Reader) (name string, err error) {
	if err := s.root.MkdirAll(temporary, 0o700); err != nil {
		return "", full(err)
	}
	name = path.Join(temporary, rand.Text())
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", full(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.root.Remove(name))
		}
	}()
	n, err := io.Copy(f, io.LimitReader(reader{ctx, in}, s.maxFile+1))
	if err == nil && n > s.maxFile {
		err = fmt.Errorf("it is longer than the %d bytes allowed: %w", s.maxFile, source.ErrLimit)
	}
	if err == nil {
		err = full(f.Sync())
	}
	return name, errors.Join(err, f.Close())
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	in  io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(b)
}

// put gives a written file its name, and says whether it is new. Where the same is there already, the written one goes.
func (s *Store) put(name, kept string, f *catalog.File) (fresh bool, err error) {
	s.adding.Lock()
	defer s.adding.Unlock()
	// One of this UID may lie elsewhere: put there by hand, or in another series.
	for _, other := range s.Index.Find(f.Study.StudyInstanceUID, "", f.Instance.SOPInstanceUID) {
		if other.Path != kept {
			return false, s.compare(name, other)
		}
	}
	if err := s.root.MkdirAll(path.Dir(kept), 0o700); err != nil {
		return false, full(err)
	}
	// A link fails where there is a file already, also one that another broker has put there since.
	err = s.root.Link(name, kept)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, s.compare(name, &catalog.File{Path: kept})
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EMLINK): // no links there
		if _, err := s.root.Lstat(kept); err == nil {
			return false, s.compare(name, &catalog.File{Path: kept})
		}
		if err := s.root.Rename(name, kept); err != nil {
			return false, full(err)
		}
		return true, s.sync(path.Dir(kept))
	case err != nil:
		return false, full(err)
	}
	return true, errors.Join(s.root.Remove(name), s.sync(path.Dir(kept)))
}

// compare removes a written file where the other one is the same.
func (s *Store) compare(name string, other *catalog.File) error {
	if other.Archive != nil {
		return ErrConflict
	}
	same, err := s.same(name, other.Path)
	if err != nil {
		return err
	}
	if !same {
		return ErrConflict
	}
	return s.root.Remove(name)
}

// same says whether two files have the same bytes.
func (s *Store) same(a, b string) (bool, error) {
	sum := func(name string) (out [sha256.Size]byte, err error) {
		f, err := s.root.Open(name)
		if err != nil {
			return out, catalog.Reason(err)
		}
		defer f.Close()
		h := sha256.New()
		if _, err = io.Copy(h, f); err != nil {
			return out, catalog.Reason(err)
		}
		return [sha256.Size]byte(h.Sum(nil)), nil
	}
	x, err := sum(a)
	if err != nil {
		return false, err
	}
	y, err := sum(b)
	return x == y, err
}

// sync brings a directory's entries to the disk.
func (s *Store) sync(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return catalog.Reason(err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// full makes ErrFull of a disk that is, and takes the path out of an error.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: the disk is full", ErrFull)
	}
	if err != nil {
		return fmt.Errorf("write into the store: %w", catalog.Reason(err))
	}
	return nil
}

// stale is how old a file that is being written is when nobody writes it any more.
const stale = 24 * time.Hour

// sweep removes what was being written when a broker ended.
func (s *Store) sweep(now time.Time) {
	dir, err := s.root.Open(temporary)
	if err != nil {
		return // there is none
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(10_000)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > stale {
			_ = s.root.Remove(path.Join(temporary, e.Name()))
		}
	}
}
