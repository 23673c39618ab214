// Package catalog sorts the headers of files into studies, series and instances and answers searches in them, wherever
// the files are: in a folder, in zip archives, in memory.
package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/internal/source"
)

// MaxProblems is how many problems are kept with their path; the rest is counted.
const MaxProblems = 1000

// Catalog is what is known of some files. It is never changed, and safe for concurrent use.
type Catalog struct {
	store    Opener
	files    []*File // by path
	byPath   map[string]*File
	studies  []*study // the newest first
	byUID    map[string]*study
	problems []Problem
	stats    Stats
	size     int64
}

// Stats counts what a catalog has.
type Stats struct {
	Studies, Series, Instances int
	// Files is all files seen, Skipped those that are no DICOM file or a DICOMDIR, Problems all that are not
	// served for another reason, or served but damaged.
	Files, Skipped, Problems int
}

// Stats counts what the catalog has.
func (s *Catalog) Stats() Stats { return s.stats }

// Files is all files, by path. They belong to the catalog.
func (s *Catalog) Files() []*File { return s.files }

// Bytes is the size of all files.
func (s *Catalog) Bytes() int64 { return s.size }

// Problems lists the files that are not served or damaged, by path, at most MaxProblems of them. It is for an
// operator, and not for logs.
func (s *Catalog) Problems() []Problem { return s.problems }

// study is a study, its series by number.
type study struct {
	source.Study
	series []*series
	infos  []source.SeriesInfo // the series' infos, in the same order
}

// series is a series of a study, its files by InstanceNumber.
type series struct {
	*source.SeriesInfo
	files []*File
	byUID map[string]*File // by SOP Instance UID
}

// New sorts files into studies and series. notes are problems that belong to none of the files; store opens files.
func New(files []*File, notes []Problem, store Opener) *Catalog {
	s := &Catalog{store: store, files: slices.Clone(files), byUID: map[string]*study{}}
	slices.SortFunc(s.files, func(a, b *File) int { return cmp.Compare(a.Path, b.Path) })
	problems := slices.Clone(notes)
	bySeries := map[[2]string]*series{}
	// Damaged files come last, so that what is said of a study is what the others say.
	var whole, strange, damaged []*File
	for _, f := range s.files {
		if f.Archive == nil {
			s.size += f.Size
		}
		switch {
		case f.Instance == nil:
			if f.Problem != "" {
				problems = append(problems, Problem{Path: f.Path, Kind: f.Kind, Reason: f.Problem})
			}
		case f.Problem != "":
			damaged = append(damaged, f)
		case f.Odd:
			strange = append(strange, f)
		default:
			whole = append(whole, f)
		}
	}
	problems = append(problems, s.lookUp()...)
	var copies []*File // that are not served
	for _, f := range slices.Concat(whole, strange, damaged) {
		if other := s.place(f, bySeries); other != nil {
			copies = append(copies, other)
		} else if f.Problem != "" {
			problems = append(problems, Problem{Path: f.Path, Kind: f.Kind, Reason: f.Problem})
		}
	}
	for _, f := range copies {
		served := bySeries[f.key()].byUID[f.Instance.SOPInstanceUID]
		p := Problem{Path: f.Path, Kind: KindDuplicate, Reason: fmt.Sprintf("It has the same SOP Instance UID as %s, which is served instead.", served.Path)}
		if f.Problem != "" {
			p.Kind, p.Reason = f.Kind, fmt.Sprintf("%s Another copy, %s, is served instead.", f.Problem, served.Path)
		}
		problems = append(problems, p)
	}
	for _, st := range s.studies {
		st.finish()
		s.stats.Series += st.SeriesCount
		s.stats.Instances += st.InstanceCount
	}
	slices.SortFunc(s.studies, func(a, b *study) int { return source.Newest(&a.Study, &b.Study) })
	s.stats.Studies = len(s.studies)
	s.keepProblems(problems)
	return s
}

// key tells series apart.
func (f *File) key() [2]string {
	return [2]string{f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID}
}

// place puts a file into its series. Where another copy of the instance has its place already, the better one of them
// gets it, and the other one is returned.
func (s *Catalog) place(f *File, bySeries map[[2]string]*series) *File {
	st := s.byUID[f.Study.StudyInstanceUID]
	if st == nil {
		st = &study{Study: source.Study{StudyAttributes: *f.Study}}
		s.byUID[f.Study.StudyInstanceUID] = st
		s.studies = append(s.studies, st)
	}
	key := f.key()
	se := bySeries[key]
	if se == nil {
		se = &series{SeriesInfo: &source.SeriesInfo{SeriesAttributes: *f.Series}, byUID: map[string]*File{}}
		bySeries[key] = se
		st.series = append(st.series, se)
	}
	if other := se.byUID[f.Instance.SOPInstanceUID]; other != nil {
		if better(other, f) <= 0 {
			return f
		}
		se.byUID[f.Instance.SOPInstanceUID] = f
		se.files[slices.Index(se.files, other)] = f
		return other
	}
	se.byUID[f.Instance.SOPInstanceUID] = f
	se.files = append(se.files, f)
	return nil
}

// finish sorts a study and counts what is in it.
func (st *study) finish() {
	modalities := map[string]bool{}
	for _, se := range st.series {
		slices.SortFunc(se.files, func(a, b *File) int { return source.CompareInstances(a.Instance, b.Instance) })
		instances := make([]*source.Instance, len(se.files))
		for i, f := range se.files {
			instances[i] = f.Instance
		}
		se.Describe(instances)
		st.InstanceCount += se.InstanceCount
		st.Images += se.Images
		if se.Modality != "" {
			modalities[se.Modality] = true
		}
	}
	st.SeriesCount = len(st.series)
	st.Modalities = slices.Sorted(maps.Keys(modalities))
	st.Fold()
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
func (s *Catalog) keepProblems(all []Problem) {
	s.stats.Files = len(s.files)
	for _, p := range all {
		if p.Kind.Skipped() {
			s.stats.Skipped++
		} else {
			s.stats.Problems++
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.Kind.Skipped() != b.Kind.Skipped() {
			if a.Kind.Skipped() {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Path, b.Path)
	})
	s.problems = slices.Clip(all[:min(len(all), MaxProblems)])
}

// lookUp finds out which of the files that others name are not there.
func (s *Catalog) lookUp() []Problem {
	if !slices.ContainsFunc(s.files, func(f *File) bool { return f.Beside != nil || f.Names != nil || f.Bad != nil }) {
		return nil
	}
	s.byPath = make(map[string]*File, len(s.files))
	folded := make(map[string]bool, len(s.files))
	for _, f := range s.files {
		s.byPath[f.Path] = f
		folded[strings.ToLower(f.Path)] = true
	}
	var problems []Problem
	for _, f := range s.files {
		for name, path := range f.Beside {
			if s.companion(path) == nil {
				problems = append(problems, Problem{Path: f.Path, Kind: KindMissing,
					Reason: fmt.Sprintf("Its data file %.80q is not there; put it beside.", name)})
			}
		}
		for _, reason := range f.Bad {
			problems = append(problems, Problem{Path: f.Path, Kind: KindRefused, Reason: reason})
		}
		for _, name := range f.Names {
			// Names on media are in capitals, whatever a copy has made of them.
			if !folded[strings.ToLower(name)] {
				problems = append(problems, Problem{Path: name, Kind: KindMissing,
					Reason: fmt.Sprintf("%s names it, but it is not there; copy the whole medium.", f.Path)})
			}
		}
	}
	return problems
}

// companion is a file that another one names, compressed perhaps.
func (s *Catalog) companion(path string) *File {
	if f := s.byPath[path]; f != nil {
		return f
	}
	return s.byPath[path+".gz"]
}
