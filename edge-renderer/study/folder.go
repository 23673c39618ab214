package study

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tomocast/tomocast/internal/dicom"
)

// maxFiles bounds how many files of a folder are looked at.
const maxFiles = 1_000_000

// content is what a folder holds, by its headers. Paths are relative to the folder.
type content struct {
	series  []found // by study, series number and UID
	skipped []FileReport
}

// found is the files of one series.
type found struct {
	id     Identity
	files  []string
	placed int // files that are single images with a place in space
}

// BuildFolder makes a volume of the one series in a folder that may be a volume. Files that are no DICOM are passed
// over; damaged ones are not, for they may be the slices that would be missing.
func BuildFolder(ctx context.Context, dir string, opts Options) (*Result, error) {
	c, err := scan(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	for _, s := range c.skipped {
		if s.Code == Truncated || s.Code == Unreadable {
			return nil, refuse(s.Code, s.Path, "%s; it may belong to the series, which therefore cannot be shown: repair or remove the file", s.Reason)
		}
	}
	if len(c.series) == 0 {
		return nil, refuse(NoSlices, dir, "there is no DICOM series in the folder (%s looked at); name the folder that the series lies in",
			plural(len(c.skipped), "file", "files"))
	}
	var candidates []*found
	for i := range c.series {
		if c.series[i].placed > 1 {
			candidates = append(candidates, &c.series[i])
		}
	}
	switch {
	case len(candidates) > 1:
		return nil, refuse(MixedSeries, dir, "the folder holds %d series that may be volumes, among them %q and %q; name a folder with one of them",
			len(candidates), candidates[0].id.SeriesDescription, candidates[1].id.SeriesDescription)
	case len(candidates) == 0 && len(c.series) > 1:
		return nil, refuse(NotVolume, dir, "none of the %d series in the folder is a volume; name the folder of a CT, MR or PET series", len(c.series))
	case len(candidates) == 0:
		return buildIn(ctx, dir, c.series[0].files, opts) // says why it is none
	}
	return buildIn(ctx, dir, candidates[0].files, opts)
}

// scan reads the headers of every file under a folder.
func scan(ctx context.Context, dir string, opts Options) (*content, error) {
	paths, err := walk(ctx, dir)
	if err != nil {
		return nil, err
	}
	type header struct {
		id     Identity
		placed bool
		err    error
	}
	headers := make([]header, len(paths))
	parallel(opts.Workers, len(paths), func(i int) {
		if ctx.Err() != nil {
			return
		}
		h := &headers[i]
		d, err := dicom.ReadFile(filepath.Join(dir, paths[i]), dicom.Options{StopAtPixelData: true, Limits: opts.Limits})
		h.err = err
		switch {
		case d != nil && d.String(dicom.SeriesInstanceUID) != "":
			// A damaged file whose series is known belongs to it: building says what is wrong with it.
			h.id, h.err = identityOf(d), nil
			h.placed = d.Has(dicom.ImagePositionPatient) && d.Has(dicom.ImageOrientationPatient)
		case err == nil && d.Has(dicom.DirectoryRecordSequence):
			h.err = refuse(NotVolume, "", "it is a DICOMDIR, a list of files, which is not needed here")
		case err == nil:
			h.err = refuse(NotVolume, "", "it has no series instance UID, so it belongs to no series")
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &content{}
	at := make(map[string]int)
	for i := range headers {
		h := &headers[i]
		if h.err != nil {
			c.skipped = append(c.skipped, skip(paths[i], h.err))
			continue
		}
		k, ok := at[h.id.SeriesInstanceUID]
		if !ok {
			k = len(c.series)
			at[h.id.SeriesInstanceUID] = k
			c.series = append(c.series, found{id: h.id})
		}
		s := &c.series[k]
		s.files = append(s.files, paths[i])
		if h.placed {
			s.placed++
		}
	}
	slices.SortFunc(c.series, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.id.StudyInstanceUID, b.id.StudyInstanceUID), cmp.Compare(a.id.SeriesNumber, b.id.SeriesNumber),
			cmp.Compare(a.id.SeriesInstanceUID, b.id.SeriesInstanceUID))
	})
	return c, nil
}

// skip says why a file is left out.
func skip(path string, err error) FileReport {
	var e *Error
	if !errors.As(err, &e) {
		e = readError(path, err)
	}
	return FileReport{path, e.Code, e.Reason}
}

// walk lists the files under a folder, by their paths relative to it. What cannot be listed is an error: slices may
// lie in it. Links to files count as files, a link that leads nowhere too, so that it is told; links to folders are not
// followed, for they may lead in circles.
func walk(ctx context.Context, dir string) ([]string, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, refuse(NoSlices, dir, "it is no folder; name the folder that the series lies in")
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // the folder itself may be a link
		return nil, err
	}
	var paths []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("list %s: %w", path, err)
		case e.Type()&fs.ModeSymlink != 0:
			if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
				return nil
			}
		case !e.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if paths = append(paths, rel); len(paths) > maxFiles {
			return refuse(TooLarge, dir, "it holds more than %d files; name a smaller folder", maxFiles)
		}
		return nil
	})
	return paths, err
}
