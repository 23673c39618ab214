package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

// Files calls fn with every DICOM file below dir, or with dir itself where it is a file, from at most workers
// goroutines at a time. What is plainly no DICOM file is left out; a file that can't be read is an error, and so is
// a folder without any DICOM file. Files without the mark of PS3.10 count as DICOM when their name ends in .dcm, or
// when they begin with an element of group 0002 or 0008.
func Files(ctx context.Context, dir string, workers int, fn func(source.Object) error) error {
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("studies at %s: %w; give an existing folder or file", dir, catalog.Reason(err))
	}
	base, only := dir, ""
	if !st.IsDir() {
		base, only = filepath.Split(dir)
		if base == "" {
			base = "."
		}
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return fmt.Errorf("studies at %s: %w", base, catalog.Reason(err))
	}
	defer root.Close()
	if only != "" {
		return each(ctx, root, []string{only}, 1, fn)
	}
	var names []string
	if names, err = list(ctx, root); err != nil {
		return fmt.Errorf("studies at %s: %w", dir, err)
	}
	if len(names) == 0 {
		return fmt.Errorf("studies at %s: %w: there is no DICOM file in this folder", dir, source.ErrNotFound)
	}
	return each(ctx, root, names, workers, fn)
}

// list is the DICOM files below root, by name.
func list(ctx context.Context, root *os.Root) ([]string, error) {
	var names []string
	seen := 0
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", name, catalog.Reason(err))
		case d.IsDir() && strings.Count(name, "/") >= DefaultMaxDepth:
			return fmt.Errorf("%s: folders nest deeper than %d: %w", name, DefaultMaxDepth, source.ErrLimit)
		case d.Type()&fs.ModeSymlink != 0:
			// One that stays inside leads to what is found anyway.
			if _, err := root.Stat(name); err != nil {
				return fmt.Errorf("%s is a symbolic link that leaves the folder or leads nowhere; copy the file into the folder", name)
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		if seen++; seen > DefaultMaxFiles {
			return fmt.Errorf("more than %d files: %w", DefaultMaxFiles, source.ErrLimit)
		}
		ok, err := looksLikeDICOM(root, name)
		if ok {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// looksLikeDICOM looks at the first bytes of a file.
func looksLikeDICOM(root *os.Root, name string) (bool, error) {
	base := strings.ToUpper(filepath.Base(name))
	if base == "DICOMDIR" {
		return false, nil
	}
	f, err := root.Open(name)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, catalog.Reason(err))
	}
	defer f.Close()
	head := make([]byte, 132)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("%s: %w", name, catalog.Reason(err))
	}
	head = head[:n]
	if strings.HasSuffix(base, ".DCM") || n == 132 && string(head[128:]) == "DICM" {
		return true, nil
	}
	// A data set without preamble: its first tag is of group 0002 or 0008, in either byte order.
	return n >= 8 && (head[0] == 2 || head[0] == 8) && head[1] == 0 && head[3] == 0 ||
		n >= 8 && head[0] == 0 && head[1] == 8 && head[2] == 0, nil
}

// each reads files and hands them to fn. Every worker has one buffer, which grows to the largest file it met.
func each(ctx context.Context, root *os.Root, names []string, workers int, fn func(source.Object) error) error {
	return catalog.Each(ctx, workers, len(names), func(i int, buf *pages.Buffer) (source.Object, error) {
		data, err := readInto(buf, root, names[i])
		return source.Object{Name: names[i], Data: data, Discard: buf.Discard}, err
	}, fn)
}

// readInto reads a whole file into buf.
func readInto(buf *pages.Buffer, root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, catalog.Reason(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, catalog.Reason(err))
	}
	if st.Size() > catalog.MaxFile {
		return nil, fmt.Errorf("read %s: its %d bytes are more than the %d allowed: %w", name, st.Size(), catalog.MaxFile, source.ErrLimit)
	}
	data, err := catalog.ReadFull(f, st.Size(), buf)
	if err != nil {
		err = fmt.Errorf("read %s: %w", name, err)
	}
	return data, err
}
