package study

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/research"
)

// maxFiles bounds how many files of a folder are looked at.
const maxFiles = 1_000_000

// content is what a folder holds, by its headers. Paths are relative to the folder.
type content struct {
	series   []found  // by study, series number and UID
	research []string // files in NIfTI or NRRD
	labels   []string // DICOM segmentations, which are series too
	skipped  []FileReport
}

// found is the files of one series, by their headers.
type found struct {
	id      Identity
	files   int
	infos   []SliceInfo
	objects []object
	damaged []Error // files that cannot be read
}

// header is what the header of a file says.
type header struct {
	id     Identity
	infos  []SliceInfo
	object *object
	media  string // of a file that is no DICOM, where it is of a known format
	labels bool   // a segmentation
	err    error
}

// add puts a file into a series.
func (f *found) add(path string, h *header) {
	f.files++
	f.infos = append(f.infos, h.infos...)
	if h.object != nil {
		f.objects = append(f.objects, *h.object)
	}
	if h.err != nil {
		f.damaged = append(f.damaged, *asError(path, h.err))
	}
}

// asError is an error as one of this package.
func asError(path string, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = readError(path, err)
	}
	return e
}

// readHeaders reads the headers of files whose paths are relative to dir.
func readHeaders(ctx context.Context, dir string, paths []string, opts Options) ([]header, error) {
	out := make([]header, len(paths))
	parallel(opts.Workers, len(paths), func(i int) {
		if ctx.Err() == nil {
			out[i] = readHeader(filepath.Join(dir, paths[i]), paths[i], opts)
		}
	})
	return out, ctx.Err()
}

func readHeader(path, name string, opts Options) (h header) {
	d, err := dicom.ReadFile(path, dicom.Options{StopAtPixelData: true, Limits: opts.Limits})
	if d != nil {
		h.id = identityOf(d)
	}
	if err != nil {
		h.err = readError(name, err)
		if h.id.SeriesInstanceUID == "" {
			h.media = mediaOf(path)
		}
		return h
	}
	if d.Has(dicom.DirectoryRecordSequence) {
		h.err = refuse(NotVolume, name, "it is a DICOMDIR, a list of %s, which is not needed here", plural(len(d.Sequence(dicom.DirectoryRecordSequence)), "entry", "entries"))
		return h
	}
	h.labels = IsSegmentation(d)
	h.infos, h.object, h.err = slicesOf(name, d)
	return h
}

// mediaOf is the media type of a file that is no DICOM; empty where it is of no known format.
func mediaOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 4096)
	start, _ := in.Peek(4096)
	if bytes.HasPrefix(start, []byte{0x1F, 0x8B}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return ""
		}
		in = bufio.NewReaderSize(z, 4096)
		start, _ = in.Peek(4096)
	}
	return research.Recognise(start)
}

// BuildFolder makes volumes of the one series, or the one research file, in a folder that is a volume. Files that
// cannot be read are left out and told.
func BuildFolder(ctx context.Context, dir string, opts Options) (*Result, error) {
	c, err := scan(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	var volumes, names []string
	var best *found
	for i := range c.series {
		s := &c.series[i]
		if _, err := s.catalogue(opts).choose(0); err == nil {
			best = s
			names = append(names, s.id.SeriesDescription)
		}
	}
	volumes = append(volumes, c.research...)
	names = append(names, volumes...)
	switch {
	case len(names) > 1:
		return nil, refuse(MixedSeries, dir, "the folder holds %d series that may be volumes, among them %q and %q; name a folder with one of them",
			len(names), names[0], names[1])
	case len(volumes) == 1:
		return buildResearch(os.DirFS(dir), filepath.ToSlash(volumes[0]), opts)
	case best == nil && len(c.series) > 1:
		return nil, refuse(NotVolume, dir, "none of the %d series in the folder is a volume; name the folder of a CT, MR or PET series", len(c.series))
	case best == nil && len(c.series) == 1:
		best = &c.series[0] // says why it is none
	case best == nil:
		for _, s := range c.skipped {
			if s.Code == Truncated || s.Code == Unreadable {
				return nil, refuse(s.Code, s.Path, "%s", s.Reason)
			}
		}
		return nil, refuse(NoSlices, dir, "there is no DICOM series in the folder (%s looked at); name the folder that the series lies in",
			plural(len(c.skipped), "file", "files"))
	}
	// Files too damaged to say which series they belong to may belong to this one.
	for _, s := range c.skipped {
		if s.Code == Truncated || s.Code == Unreadable {
			best.damaged = append(best.damaged, *refuse(s.Code, s.Path, "%s", s.Reason))
		}
	}
	return best.build(ctx, dir, opts)
}

// scan reads the headers of every file under a folder.
func scan(ctx context.Context, dir string, opts Options) (*content, error) {
	paths, err := walk(ctx, dir)
	if err != nil {
		return nil, err
	}
	headers, err := readHeaders(ctx, dir, paths, opts)
	if err != nil {
		return nil, err
	}
	c := &content{}
	at := make(map[string]int)
	for i := range headers {
		h := &headers[i]
		uid := h.id.SeriesInstanceUID
		switch {
		case h.media != "":
			c.research = append(c.research, paths[i])
			continue
		case h.err == nil && uid == "":
			h.err = refuse(NotVolume, paths[i], "it has no series instance UID, so it belongs to no series")
		}
		if uid == "" { // a damaged file whose series is known belongs to it
			e := asError(paths[i], h.err)
			c.skipped = append(c.skipped, FileReport{paths[i], e.Code, e.Reason})
			continue
		}
		k, ok := at[uid]
		if !ok {
			k = len(c.series)
			at[uid] = k
			c.series = append(c.series, found{id: h.id})
		}
		c.series[k].add(paths[i], h)
		if h.labels {
			c.labels = append(c.labels, paths[i])
		}
	}
	slices.SortFunc(c.series, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.id.StudyInstanceUID, b.id.StudyInstanceUID), cmp.Compare(a.id.SeriesNumber, b.id.SeriesNumber),
			cmp.Compare(a.id.SeriesInstanceUID, b.id.SeriesInstanceUID))
	})
	return c, nil
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
