package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
)

// MaxFile is the longest file that is read into memory.
const MaxFile = 2 << 30

// Source is a series, to be read straight from its files; source.ErrNotFound where there is none.
func (s *Catalog) Source(studyUID, seriesUID string) (source.Series, error) {
	if st := s.byUID[studyUID]; st != nil {
		i := slices.IndexFunc(st.series, func(s *series) bool { return s.SeriesInstanceUID == seriesUID })
		if i >= 0 {
			return &seriesFiles{catalog: s, files: st.series[i].files}, nil
		}
	}
	return nil, fmt.Errorf("series %.70q of study %.70q: %w", seriesUID, studyUID, source.ErrNotFound)
}

// seriesFiles reads a series from its files.
type seriesFiles struct {
	catalog *Catalog
	files   []*File
}

var _ source.Series = (*seriesFiles)(nil)

func (s *seriesFiles) Instances(context.Context) ([]source.Instance, error) {
	out := make([]source.Instance, len(s.files))
	for i, f := range s.files {
		out[i] = *f.Instance
	}
	return out, nil
}

func (s *seriesFiles) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return s.read(ctx, workers, s.files, fn)
}

func (s *seriesFiles) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	byUID := make(map[string]*File, len(s.files))
	for _, f := range s.files {
		byUID[f.Instance.SOPInstanceUID] = f
	}
	files := make([]*File, len(uids))
	for i, uid := range uids {
		if files[i] = byUID[uid]; files[i] == nil {
			return fmt.Errorf("instance %.70q of the series: %w", uid, source.ErrNotFound)
		}
	}
	return s.read(ctx, workers, files, fn)
}

func (s *seriesFiles) read(ctx context.Context, workers int, files []*File, fn func(source.Object) error) error {
	return Each(ctx, workers, len(files), func(i int, buf *pages.Buffer) (source.Object, error) {
		return s.catalog.object(files[i], buf)
	}, fn)
}

// object reads a file and those that belong to it.
func (s *Catalog) object(f *File, buf *pages.Buffer) (source.Object, error) {
	o := source.Object{Name: f.Path, Discard: buf.Discard}
	if f.Instance != nil && f.Instance.Media != "" {
		return s.media(f, buf)
	}
	var err error
	o.Data, err = s.bytes(f, buf)
	return o, err
}

// media is an object that is no DICOM.
func (s *Catalog) media(f *File, buf *pages.Buffer) (source.Object, error) {
	o := source.Object{Name: f.Instance.Name, Media: f.Instance.Media, Discard: buf.Discard}
	files := map[string]*File{o.Name: f}
	total := f.Size
	for name, at := range f.Beside {
		g := s.companion(at)
		if g == nil {
			return o, fmt.Errorf("read %s: its data file %s is %w", f.Path, name, source.ErrNotFound)
		}
		if total += g.Size; total > MaxFile {
			return o, fmt.Errorf("read %s: it and its data files have more than the %d bytes allowed: %w", f.Path, MaxFile, source.ErrLimit)
		}
		files[name] = g
	}
	if total >= pages.Large && !s.lends(f) {
		list := streams{store: s.store, files: map[string]*File{}}
		for name, g := range files {
			list.files[path.Clean(name)] = g
		}
		o.Stream = list
		return o, nil
	}
	var err error
	if o.Data, err = s.bytes(f, buf); err != nil {
		return o, err
	}
	for name, g := range files {
		if g == f {
			continue
		}
		if o.Files == nil {
			o.Files = map[string][]byte{}
		}
		if o.Files[name], err = s.bytes(g, buf.More()); err != nil {
			return o, err
		}
	}
	return o, nil
}

// lends says whether a file is in memory already.
func (s *Catalog) lends(f *File) bool {
	l, ok := s.store.(Lender)
	return ok && l.Bytes(f) != nil
}

// Lender is an Opener whose files are in memory already.
type Lender interface {
	// Bytes is the whole of a file, which must not be changed; nil where it has to be opened.
	Bytes(f *File) []byte
}

// bytes reads the whole of a file into buf, or lends it.
func (s *Catalog) bytes(f *File, buf *pages.Buffer) ([]byte, error) {
	if l, ok := s.store.(Lender); ok {
		if data := l.Bytes(f); data != nil {
			return data, nil
		}
	}
	if f.Size > MaxFile {
		return nil, fmt.Errorf("read %s: its %d bytes are more than the %d allowed: %w", f.Path, f.Size, MaxFile, source.ErrLimit)
	}
	in, err := s.store.Open(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, Reason(err))
	}
	defer in.Close()
	data, err := ReadFull(in, f.Size, buf)
	if err != nil {
		err = fmt.Errorf("read %s: %w", f.Path, err)
	}
	return data, err
}

// ReadFull reads n bytes into buf.
func ReadFull(in io.Reader, n int64, buf *pages.Buffer) ([]byte, error) {
	data, err := buf.Take(int(n))
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(in, data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && n > 0 {
		return data, fmt.Errorf("%w (the file became shorter while it was read)", Reason(err))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

// Each reads n objects, begun in their order, and hands them to fn, from at most workers goroutines at a time. read is
// given a buffer to read into, which is used again after fn.
func Each(ctx context.Context, workers, n int, read func(i int, buf *pages.Buffer) (source.Object, error), fn func(source.Object) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(max(workers, 1), max(n, 1)) {
		g.Go(func() error {
			var buf pages.Buffer
			defer buf.Free()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				o, err := read(i, &buf)
				if err != nil {
					return err
				}
				if err := fn(o); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}
