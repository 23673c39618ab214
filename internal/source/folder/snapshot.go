package folder

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/internal/source"
)

// snapshot is what one scan found. It is never changed.
type snapshot struct {
	files    []*file // by path
	studies  []*study
	byUID    map[string]*study
	problems []Problem
	stats    Stats
}

// study is a study, its series by number.
type study struct {
	source.Study
	series []*series
	infos  []source.SeriesInfo // the series' infos, in the same order
}

// series is a series of a study, its files by InstanceNumber.
type series struct {
	*source.SeriesInfo
	files []*file
	byUID map[string]*file // by SOP Instance UID
}

// newSnapshot sorts files into studies and series. notes are problems that belong to none of the files.
func newSnapshot(files []*file, notes []Problem) *snapshot {
	s := &snapshot{files: slices.Clone(files), byUID: map[string]*study{}}
	slices.SortFunc(s.files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	problems := slices.Clone(notes)
	bySeries := map[[2]string]*series{}
	// Of two files with the same UID the whole one is served rather than the damaged one.
	var whole, damaged []*file
	for _, f := range s.files {
		if f.problem != "" {
			problems = append(problems, Problem{Path: f.path, Kind: f.kind, Reason: f.problem})
		}
		switch {
		case f.instance == nil:
		case f.problem == "":
			whole = append(whole, f)
		default:
			damaged = append(damaged, f)
		}
	}
	for _, f := range append(whole, damaged...) {
		if other := s.place(f, bySeries); other != nil {
			problems = append(problems, Problem{Path: f.path, Kind: KindDuplicate,
				Reason: fmt.Sprintf("It has the same SOP Instance UID as %s, which is served instead.", other.path)})
		}
	}
	for _, st := range s.studies {
		st.finish()
		s.stats.Series += st.SeriesCount
		s.stats.Instances += st.InstanceCount
	}
	slices.SortFunc(s.studies, func(a, b *study) int { // the newest first
		return cmp.Or(cmp.Compare(b.StudyDate, a.StudyDate), cmp.Compare(b.StudyTime, a.StudyTime),
			cmp.Compare(a.StudyInstanceUID, b.StudyInstanceUID))
	})
	s.stats.Studies = len(s.studies)
	s.keepProblems(problems)
	return s
}

// place puts a file into its series and returns the file that has its place already.
func (s *snapshot) place(f *file, bySeries map[[2]string]*series) *file {
	st := s.byUID[f.study.StudyInstanceUID]
	if st == nil {
		st = &study{Study: source.Study{StudyAttributes: *f.study}}
		s.byUID[f.study.StudyInstanceUID] = st
		s.studies = append(s.studies, st)
	}
	key := [2]string{f.study.StudyInstanceUID, f.series.SeriesInstanceUID}
	se := bySeries[key]
	if se == nil {
		se = &series{SeriesInfo: &source.SeriesInfo{SeriesAttributes: *f.series}, byUID: map[string]*file{}}
		bySeries[key] = se
		st.series = append(st.series, se)
	}
	if other := se.byUID[f.instance.SOPInstanceUID]; other != nil {
		return other
	}
	se.byUID[f.instance.SOPInstanceUID] = f
	se.files = append(se.files, f)
	return nil
}

// finish sorts a study and counts what is in it.
func (st *study) finish() {
	modalities := map[string]bool{}
	for _, se := range st.series {
		slices.SortFunc(se.files, func(a, b *file) int { return source.CompareInstances(a.instance, b.instance) })
		instances := make([]*source.Instance, len(se.files))
		for i, f := range se.files {
			instances[i] = f.instance
			if se.Rows == 0 && f.instance.IsImage() {
				se.Rows, se.Columns = f.instance.Rows, f.instance.Columns
			}
		}
		se.InstanceCount = len(se.files)
		se.Reason = source.VolumeReason(instances)
		se.Volume = se.Reason == ""
		st.InstanceCount += se.InstanceCount
		if se.Modality != "" {
			modalities[se.Modality] = true
		}
	}
	st.SeriesCount = len(st.series)
	st.Modalities = slices.Sorted(maps.Keys(modalities))
	slices.SortFunc(st.series, func(a, b *series) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.SeriesInstanceUID, b.SeriesInstanceUID))
	})
	// The infos of a study lie together, for searches.
	st.infos = make([]source.SeriesInfo, len(st.series))
	for i, se := range st.series {
		st.infos[i] = *se.SeriesInfo
		se.SeriesInfo = &st.infos[i]
	}
}

// keepProblems counts all problems and keeps the first of them, faults before what is merely no DICOM file.
func (s *snapshot) keepProblems(all []Problem) {
	s.stats.Files = len(s.files)
	for _, p := range all {
		if p.Kind.skipped() {
			s.stats.Skipped++
		} else {
			s.stats.Problems++
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.Kind.skipped() != b.Kind.skipped() {
			if a.Kind.skipped() {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Path, b.Path)
	})
	s.problems = slices.Clip(all[:min(len(all), MaxProblems)])
}
