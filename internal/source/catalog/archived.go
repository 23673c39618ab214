package catalog

import (
	"io"
	"path"
	"strings"

	"github.com/tomocast/tomocast/internal/source/archive"
)

// maxRefused is how many entries of an archive are listed as refused.
const maxRefused = 1000

// ReadArchive reads the headers of the files in the archive f, at most limit of them. Where in is no archive after all,
// f says so. Archives in it are refused.
func ReadArchive(in io.ReaderAt, f *File, limit int) []*File {
	entries, refused, err := archive.List(in, f.Size, limit)
	if err != nil {
		f.Kind, f.Problem = KindDamaged, Sentence(err.Error())
		if !strings.EqualFold(path.Ext(f.Path), ".zip") {
			f.Kind, f.Problem = KindNotDICOM, "It is no DICOM file."
		}
		return nil
	}
	out := make([]*File, 0, len(entries))
	for _, e := range entries {
		g := &File{Path: f.Path + "/" + e.Name, Size: e.Size, ModTime: f.ModTime,
			Archive: &Archived{Path: f.Path, Size: f.Size, Entry: e}}
		r := &faulty{in: e.Open(in)}
		Read(r, g)
		switch {
		case g.Kind == KindArchive:
			g.Kind, g.Problem = KindRefused, "It is an archive within an archive; unpack the outer one."
		case g.Kind == KindUnreadable:
			g.Kind = KindDamaged
		case g.Instance == nil && r.err != nil: // it looked like nothing because it could not be read
			g.Kind, g.Problem = KindDamaged, Sentence(r.err.Error())
		}
		out = append(out, g)
	}
	for _, r := range refused[:min(len(refused), maxRefused)] {
		out = append(out, &File{Path: f.Path + "/" + r.Name, ModTime: f.ModTime, Kind: KindRefused, Problem: r.Reason,
			Archive: &Archived{Path: f.Path, Size: f.Size}})
	}
	return out
}

// faulty remembers why reading ended early.
type faulty struct {
	in  io.Reader
	err error
}

func (o *faulty) Read(b []byte) (int, error) {
	n, err := o.in.Read(b)
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}
