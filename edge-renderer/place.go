package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/internal/source/archive"
)

const (
	// memoryFolder is a file system in memory, where archives are unpacked: patients' data do not come to rest on a disk.
	memoryFolder = "/dev/shm"
	// maxUnpacked bounds what an archive may hold, bytes, and maxEntries how many files.
	maxUnpacked = 16 << 30
	maxEntries  = 100_000
)

// asFolder makes a folder of what is to be read: a folder is itself, a zip archive is unpacked in memory, and a file lies
// alone, but for the other files of its name that it may need. done removes what was made.
func asFolder(path string) (dir string, done func(), err error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", service.ErrUsage, err)
	}
	if st.IsDir() {
		return path, func() {}, nil
	}
	if !st.Mode().IsRegular() {
		return "", nil, fmt.Errorf("%w: %s is neither a file nor a folder", service.ErrUsage, path)
	}
	in, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer in.Close()
	parent := memoryFolder
	if _, err := os.Stat(parent); err != nil {
		return "", nil, fmt.Errorf("read %s: there is no %s here to unpack it in: name a folder", path, memoryFolder)
	}
	if dir, err = os.MkdirTemp(parent, "tomocast-"); err != nil {
		return "", nil, fmt.Errorf("read %s: %w", path, err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	head := make([]byte, 4)
	if _, err = io.ReadFull(in, head); err == nil && archive.Sniff(head) {
		err = unpack(in, st.Size(), dir)
	} else {
		err = linkNamed(path, dir)
	}
	if err != nil {
		done()
		return "", nil, fmt.Errorf("read %s: %w", path, err)
	}
	return dir, done, nil
}

// unpack puts the files of an archive into a folder, and says what it leaves out.
func unpack(in io.ReaderAt, size int64, dir string) error {
	list, refused, err := archive.List(in, size, maxEntries)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnpacked)
	for i := range list {
		e := &list[i]
		if left -= e.Size; left < 0 {
			return fmt.Errorf("it holds more than %d GiB: unpack it and name the folder", maxUnpacked>>30)
		}
		if err := unpackEntry(in, e, root); err != nil {
			fmt.Fprintf(os.Stderr, "%s: left out: %v\n", e.Name, err)
		}
	}
	for _, r := range refused {
		fmt.Fprintf(os.Stderr, "%s: left out: %s\n", r.Name, r.Reason)
	}
	return nil
}

func unpackEntry(in io.ReaderAt, e *archive.Entry, root *os.Root) error {
	name := filepath.FromSlash(e.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(e.Open(in), e.Size))
	return errors.Join(err, out.Close())
}

// linkNamed puts links to a file, and to those beside it that differ in their extension alone, into a folder: a header
// may have its data in another file.
func linkNamed(path, dir string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
		return err
	}
	stem, ext := strings.TrimSuffix(name, filepath.Ext(name)), strings.ToLower(filepath.Ext(name))
	if ext != ".hdr" && ext != ".nhdr" && ext != ".img" {
		return nil
	}
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range beside {
		if n := e.Name(); n != name && e.Type().IsRegular() && strings.HasPrefix(n, stem+".") {
			if err := os.Symlink(filepath.Join(filepath.Dir(path), n), filepath.Join(dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}
