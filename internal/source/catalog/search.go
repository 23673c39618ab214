package catalog

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/internal/source"
)

// Studies is the part of the studies that the query asks for, in its order, and the number of all that match; name is
// the source's.
func (s *Catalog) Studies(q source.Query, name string) ([]source.StudySummary, int) {
	found, total := s.FindStudies(q, len(s.studies))
	out := make([]source.StudySummary, len(found))
	for i, st := range found {
		out[i] = st.Summary(name)
	}
	return out, total
}

// Series is the series of a study by their number; source.ErrNotFound where there is no such study.
func (s *Catalog) Series(studyUID string) ([]source.SeriesSummary, error) {
	st := s.byUID[studyUID]
	if st == nil {
		return nil, fmt.Errorf("study %.70q: %w", studyUID, source.ErrNotFound)
	}
	out := make([]source.SeriesSummary, len(st.infos))
	for i := range st.infos {
		out[i] = st.infos[i].Summary()
	}
	return out, nil
}

// FindStudies is at most limit of the studies that match, in the query's order, and the number of all that match.
func (s *Catalog) FindStudies(q source.Query, limit int) ([]*source.Study, int) {
	all := s.matching(&q)
	source.SortStudies(all, q.Sort)
	from, to := q.Page(len(all), limit)
	return all[from:to], len(all)
}

func (s *Catalog) matching(q *source.Query) []*source.Study {
	var all []*source.Study
	for _, st := range s.candidates(q) {
		if q.MatchStudyWith(&st.Study, st.infos) {
			all = append(all, &st.Study)
		}
	}
	return all
}

// Patients is the part of the patients with a study that matches that the query asks for, ordered by the query's order
// of their first study in it, and the number of all of them. Each has those of its studies that match.
func (s *Catalog) Patients(q source.Query) ([]source.Patient, int) {
	all := GroupPatients(s.matching(&q), q.Sort)
	from, to := q.Page(len(all), len(all))
	return all[from:to], len(all)
}

// GroupPatients groups studies, which are the newest first, by patient.
func GroupPatients(studies []*source.Study, order source.Sort) []source.Patient {
	ordered := slices.Clone(studies)
	source.SortStudies(ordered, order)
	places := map[string]int{}
	var out []source.Patient
	for _, st := range ordered {
		key := patientKey(&st.StudyAttributes)
		if _, ok := places[key]; !ok {
			places[key] = len(out)
			out = append(out, source.Patient{})
		}
	}
	for _, st := range studies {
		p := &out[places[patientKey(&st.StudyAttributes)]]
		if len(p.Studies) == 0 {
			p.PatientID, p.IssuerOfPatient, p.PatientName = st.PatientID, st.IssuerOfPatientID, st.PatientName
			p.PatientBirthDate, p.PatientSex = st.PatientBirthDate, st.PatientSex
		}
		p.Studies = append(p.Studies, st)
	}
	return out
}

// patientKey is the same for studies of one patient. Without ID, name and birth date a study stands alone.
func patientKey(s *source.StudyAttributes) string {
	switch {
	case s.PatientID != "":
		return "id\n" + s.PatientID + "\n" + s.IssuerOfPatientID
	case s.PatientName != "":
		return "name\n" + strings.ToLower(s.PatientName) + "\n" + s.PatientBirthDate
	}
	return "study\n" + s.StudyInstanceUID
}

// FindSeries is at most limit of the series that match, with their studies, and the number of all that match.
func (s *Catalog) FindSeries(q source.Query, limit int) ([]source.Stored, int) {
	var all []source.Stored
	for _, st := range s.candidates(&q) {
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
func (s *Catalog) FindInstances(q source.Query, limit int) ([]source.Stored, int) {
	var all []source.Stored
	for _, st := range s.candidates(&q) {
		if !q.MatchStudy(&st.Study) {
			continue
		}
		for _, se := range st.series {
			if !q.MatchSeries(se.SeriesInfo) {
				continue
			}
			for _, f := range se.candidates(&q) {
				if q.MatchInstance(f.Instance) {
					all = append(all, source.Stored{Study: &st.Study, Series: se.SeriesInfo, Instance: f.Instance, File: opener{s, f}})
				}
			}
		}
	}
	from, to := q.Page(len(all), limit)
	return all[from:to], len(all)
}

// FindFiles is the files of what the UIDs name; an empty series or instance is all of them.
func (s *Catalog) FindFiles(study, series, instance string) []*File {
	q := source.Query{StudyUIDs: []string{study}}
	var out []*File
	for _, st := range s.candidates(&q) {
		for _, se := range st.series {
			if series != "" && se.SeriesInstanceUID != series {
				continue
			}
			for _, f := range se.files {
				if instance == "" || f.Instance.SOPInstanceUID == instance {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// Companions is the other files that an instance which is no DICOM consists of, as far as they are there.
func (s *Catalog) Companions(f *File) []*File {
	var out []*File
	for _, path := range f.Beside {
		if g := s.companion(path); g != nil {
			out = append(out, g)
		}
	}
	return out
}

// candidates narrows the studies down by UID, where the query gives one.
func (s *Catalog) candidates(q *source.Query) []*study {
	if len(q.StudyUIDs) != 1 {
		return s.studies
	}
	if st := s.byUID[q.StudyUIDs[0]]; st != nil {
		return []*study{st}
	}
	return nil
}

func (se *series) candidates(q *source.Query) []*File {
	if len(q.InstanceUIDs) != 1 {
		return se.files
	}
	if f := se.byUID[q.InstanceUIDs[0]]; f != nil {
		return []*File{f}
	}
	return nil
}

// opener opens a file of the catalog as it is served.
type opener struct {
	catalog *Catalog
	file    *File
}

func (o opener) Size() int64        { return o.file.Length() }
func (o opener) ModTime() time.Time { return time.Unix(0, o.file.ModTime) }
func (o opener) Check() error       { return o.named(o.catalog.store.Check(o.file)) }

func (o opener) Open() (io.ReadSeekCloser, error) {
	f, err := o.catalog.store.Open(o.file)
	if err != nil {
		return nil, o.named(err)
	}
	if len(o.file.Preamble) > 0 {
		return &prefixed{prefix: o.file.Preamble, in: f, size: o.file.Size}, nil
	}
	return f, nil
}

func (o opener) Beside() map[string]source.File {
	var out map[string]source.File
	for name, path := range o.file.Beside {
		if f := o.catalog.companion(path); f != nil {
			if out == nil {
				out = map[string]source.File{}
			}
			out[name] = opener{o.catalog, f}
		}
	}
	return out
}

// named says which instance an error is about.
func (o opener) named(err error) error {
	if err == nil || o.file.Instance == nil {
		return err
	}
	return fmt.Errorf("open instance %s: %w", o.file.Instance.SOPInstanceUID, err)
}
