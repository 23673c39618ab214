package catalog

import (
	"io"
	"io/fs"
	"path"
	"time"
)

// streams is some files of a catalog by other names, to be read as they are opened (source.Object.Stream).
type streams struct {
	store Opener
	files map[string]*File
}

// Open opens a file (fs.FS).
func (s streams) Open(name string) (fs.File, error) {
	f := s.files[name]
	if f == nil || !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	in, err := s.store.Open(f)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: Reason(err)}
	}
	return &stream{ReadCloser: in, name: path.Base(name), file: f}, nil
}

// stream is an open file, and its own description.
type stream struct {
	io.ReadCloser
	name string
	file *File
}

func (s *stream) Stat() (fs.FileInfo, error) { return s, nil }
func (s *stream) Name() string               { return s.name }
func (s *stream) Size() int64                { return s.file.Size }
func (s *stream) Mode() fs.FileMode          { return 0o444 }
func (s *stream) ModTime() time.Time         { return time.Unix(0, s.file.ModTime) }
func (s *stream) IsDir() bool                { return false }
func (s *stream) Sys() any                   { return nil }
