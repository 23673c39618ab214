package folder

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/tomocast/tomocast/internal/source"
)

// Studies is the part of the studies that the query asks for, the newest first, and the number of all that match.
func (x *Index) Studies(q source.Query) ([]source.StudySummary, int) {
	found, total := x.FindStudies(q, len(x.current.Load().studies))
	out := make([]source.StudySummary, len(found))
	for i, s := range found {
		out[i] = s.Summary(x.name)
	}
	return out, total
}

// Series is the series of a study by their number; source.ErrNotFound where there is no such study.
func (x *Index) Series(studyUID string) ([]source.SeriesSummary, error) {
	st := x.current.Load().byUID[studyUID]
	if st == nil {
		return nil, fmt.Errorf("study %.70q: %w", studyUID, source.ErrNotFound)
	}
	out := make([]source.SeriesSummary, len(st.infos))
	for i := range st.infos {
		out[i] = st.infos[i].Summary()
	}
	return out, nil
}

// FindStudies is at most limit of the studies that match, the newest first, and the number of all that match.
func (x *Index) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	var all []*source.Study
	for _, st := range x.current.Load().candidates(&q) {
		if q.MatchStudyWith(&st.Study, st.infos) {
			all = append(all, &st.Study)
		}
	}
	from, to := q.Page(len(all), limit)
	return all[from:to], len(all)
}

// FindSeries is at most limit of the series that match, with their studies, and the number of all that match.
func (x *Index) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	var all []source.Stored
	for _, st := range x.current.Load().candidates(&q) {
		if !q.MatchStudy(&st.Study) {
			continue
		}
		for i := range st.infos {
			if q.MatchSeries(&st.infos[i]) {
				all = append(all, source.Stored{Study: &st.Study, Series: &st.infos[i]})
			}
		}
	}
	from, to := q.Page(len(all), limit)
	return all[from:to], len(all)
}

// FindInstances is at most limit of the instances that match, with all above them, and the number of all that match.
func (x *Index) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	var all []source.Stored
	for _, st := range x.current.Load().candidates(&q) {
		if !q.MatchStudy(&st.Study) {
			continue
		}
		for _, se := range st.series {
			if !q.MatchSeries(se.SeriesInfo) {
				continue
			}
			for _, f := range se.candidates(&q) {
				if q.MatchInstance(f.instance) {
					all = append(all, x.stored(st, se, f))
				}
			}
		}
	}
	from, to := q.Page(len(all), limit)
	return all[from:to], len(all)
}

// candidates narrows the studies down by UID, where the query gives one.
func (s *snapshot) candidates(q *source.Query) []*study {
	if len(q.StudyUIDs) != 1 {
		return s.studies
	}
	if st := s.byUID[q.StudyUIDs[0]]; st != nil {
		return []*study{st}
	}
	return nil
}

func (se *series) candidates(q *source.Query) []*file {
	if len(q.InstanceUIDs) != 1 {
		return se.files
	}
	if f := se.byUID[q.InstanceUIDs[0]]; f != nil {
		return []*file{f}
	}
	return nil
}

func (x *Index) stored(st *study, se *series, f *file) source.Stored {
	return source.Stored{Study: &st.Study, Series: se.SeriesInfo, Instance: f.instance, File: opener{root: x.root, file: f}}
}

// opener opens an indexed file.
type opener struct {
	root *os.Root
	file *file
}

func (o opener) Size() int64        { return o.file.length() }
func (o opener) ModTime() time.Time { return time.Unix(0, o.file.modTime) }

func (o opener) Check() error {
	st, err := o.root.Stat(o.file.path)
	return o.compare(st, err)
}

func (o opener) Open() (io.ReadSeekCloser, error) {
	f, err := o.root.Open(o.file.path)
	if err != nil {
		return nil, o.compare(nil, err)
	}
	st, err := f.Stat()
	if err := o.compare(st, err); err != nil {
		f.Close()
		return nil, err
	}
	if len(o.file.preamble) > 0 {
		return prefixed{io.NewSectionReader(prefixedAt{o.file.preamble, f}, 0, o.file.length()), f}, nil
	}
	return f, nil
}

// compare makes an error, without the path, of a file that is not what was indexed.
func (o opener) compare(st fs.FileInfo, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("open instance %s: %w", o.file.instance.SOPInstanceUID, reason(err))
	case !st.Mode().IsRegular() || st.Size() != o.file.size || st.ModTime().UnixNano() != o.file.modTime:
		return fmt.Errorf("instance %s: the file has %w; rescan the folder", o.file.instance.SOPInstanceUID, source.ErrChanged)
	}
	return nil
}

// Source is a series of the folder, to be read straight from its files; source.ErrNotFound where there is none.
func (x *Index) Source(studyUID, seriesUID string) (source.Series, error) {
	if st := x.current.Load().byUID[studyUID]; st != nil {
		i := slices.IndexFunc(st.series, func(s *series) bool { return s.SeriesInstanceUID == seriesUID })
		if i >= 0 {
			return &seriesFiles{root: x.root, files: st.series[i].files}, nil
		}
	}
	return nil, fmt.Errorf("series %.70q of study %.70q: %w", seriesUID, studyUID, source.ErrNotFound)
}

// seriesFiles reads a series from its files.
type seriesFiles struct {
	root  *os.Root
	files []*file
}

var _ source.Series = (*seriesFiles)(nil)

func (s *seriesFiles) Instances(context.Context) ([]source.Instance, error) {
	out := make([]source.Instance, len(s.files))
	for i, f := range s.files {
		out[i] = *f.instance
	}
	return out, nil
}

func (s *seriesFiles) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	byUID := make(map[string]*file, len(s.files))
	for _, f := range s.files {
		byUID[f.instance.SOPInstanceUID] = f
	}
	for _, uid := range uids {
		if byUID[uid] == nil {
			return fmt.Errorf("instance %.70q of the series: %w", uid, source.ErrNotFound)
		}
	}
	names := func(yield func(string) bool) {
		for _, uid := range uids {
			if !yield(byUID[uid].path) {
				return
			}
		}
	}
	return each(ctx, s.root, names, workers, fn)
}

func (s *seriesFiles) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	names := func(yield func(string) bool) {
		for _, f := range s.files {
			if !yield(f.path) {
				return
			}
		}
	}
	return each(ctx, s.root, names, workers, fn)
}
