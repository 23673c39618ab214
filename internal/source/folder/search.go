package folder

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

// Studies is the part of the studies that the query asks for, in its order, and the number of all that match.
func (x *Index) Studies(q source.Query) ([]source.StudySummary, int) {
	return x.current.Load().Studies(q, x.name)
}

// Patients is the part of the patients with a study that matches that the query asks for, and the number of all.
func (x *Index) Patients(q source.Query) ([]source.PatientSummary, int) {
	found, total := x.current.Load().Patients(q)
	out := make([]source.PatientSummary, len(found))
	for i := range found {
		out[i] = found[i].Summary(x.name)
	}
	return out, total
}

// Series is the series of a study by their number; source.ErrNotFound where there is no such study.
func (x *Index) Series(studyUID string) ([]source.SeriesSummary, error) {
	return x.current.Load().Series(studyUID)
}

// FindStudies is at most limit of the studies that match, in the query's order, and the number of all that match.
func (x *Index) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	return x.current.Load().FindStudies(q, limit)
}

// FindSeries is at most limit of the series that match, with their studies, and the number of all that match.
func (x *Index) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	return x.current.Load().FindSeries(q, limit)
}

// FindInstances is at most limit of the instances that match, with all above them, and the number of all that match.
func (x *Index) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	return x.current.Load().FindInstances(q, limit)
}

// Source is a series of the folder, to be read straight from its files; source.ErrNotFound where there is none.
func (x *Index) Source(studyUID, seriesUID string) (source.Series, error) {
	return x.current.Load().Source(studyUID, seriesUID)
}

// files opens what was indexed.
type files struct{ dir *os.Root }

var _ catalog.Opener = files{}

// Check finds out whether a file is what was indexed.
func (o files) Check(f *catalog.File) error {
	st, err := o.dir.Stat(onDisk(f))
	return compare(f, st, err)
}

// Open opens a file, in its archive where it is in one.
func (o files) Open(f *catalog.File) (io.ReadSeekCloser, error) {
	in, err := o.dir.Open(onDisk(f))
	if err != nil {
		return nil, compare(f, nil, err)
	}
	st, err := in.Stat()
	if err := compare(f, st, err); err != nil {
		in.Close()
		return nil, err
	}
	if f.Archive != nil {
		return archived{f.Archive.Entry.Open(in), in}, nil
	}
	return in, nil
}

// archived is an open file in an archive.
type archived struct {
	io.ReadSeeker
	io.Closer
}

// onDisk is the path of the file that a file lies in.
func onDisk(f *catalog.File) string {
	if f.Archive != nil {
		return f.Archive.Path
	}
	return f.Path
}

// compare makes an error, without the path, of a file that is not what was indexed.
func compare(f *catalog.File, st fs.FileInfo, err error) error {
	size := f.Size
	if f.Archive != nil {
		size = f.Archive.Size
	}
	switch {
	case err != nil:
		return catalog.Reason(err)
	case !st.Mode().IsRegular() || st.Size() != size || st.ModTime().UnixNano() != f.ModTime:
		return fmt.Errorf("the file has %w; rescan the folder", source.ErrChanged)
	}
	return nil
}
