package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

// StudyFilter is what a list of studies or patients is narrowed down and ordered by.
type StudyFilter struct {
	Source           string `query:"source" maxLength:"63" doc:"Name of a configured source; without it all sources are searched side by side."`
	Search           string `query:"search" maxLength:"200" doc:"Words that must all occur in the patient's name or ID, the description, the accession number, the date or the modalities."`
	PatientID        string `query:"patientID" maxLength:"64" doc:"Patient ID; * and ? stand for any characters and for one."`
	PatientName      string `query:"patientName" maxLength:"324" doc:"Patient's name, likewise."`
	AccessionNumber  string `query:"accessionNumber" maxLength:"16" doc:"Accession number, likewise."`
	Description      string `query:"description" maxLength:"64" doc:"Study description, likewise."`
	StudyDate        string `query:"studyDate" maxLength:"17" pattern:"^([0-9]{8}(-([0-9]{8})?)?|-[0-9]{8})?$" doc:"Date as YYYYMMDD, or a range as YYYYMMDD-YYYYMMDD, of which either side may be missing."`
	Modality         string `query:"modality" maxLength:"16" doc:"Modality of one of the series."`
	StudyInstanceUID string `query:"studyInstanceUID" maxLength:"64" doc:"UID of the study."`
	Sort             string `query:"sort" maxLength:"20" doc:"Order: date, name, patientID, birthDate, description, accessionNumber, modality, series, instances or images, with a minus sign before it for the other way round. Without it the newest come first."`
	Offset           int    `query:"offset" minimum:"0" maximum:"1000000" default:"0" doc:"How many of those found are left out."`
	Limit            int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many are returned at most."`
}

func (f *StudyFilter) query() (source.Query, error) {
	q := source.Query{
		Text: f.Search, PatientID: f.PatientID, PatientName: f.PatientName, AccessionNumber: f.AccessionNumber,
		StudyDescription: f.Description, StudyDate: f.StudyDate, Offset: f.Offset, Limit: f.Limit,
	}
	if f.Modality != "" {
		q.Modalities = []string{f.Modality}
	}
	if f.StudyInstanceUID != "" {
		if err := source.CheckUID("studyInstanceUID", f.StudyInstanceUID); err != nil {
			return q, badRequest("This is no UID of a study.", err)
		}
		q.StudyUIDs = []string{f.StudyInstanceUID}
	}
	var err error
	if q.Sort, err = source.ParseSort(f.Sort); err != nil {
		return q, badRequest("The studies cannot be put in this order.", err)
	}
	return q, nil
}

// sourceAnswer says how a source took part in a search.
type sourceAnswer struct {
	Name    string `json:"name" doc:"Name of the source."`
	Problem string `json:"problem,omitempty" doc:"Why its studies are missing from the list, in words."`
	More    bool   `json:"more,omitempty" doc:"Whether it has more studies that match than were taken: the search is to be narrowed."`
}

func sourceAnswers(list []library.Status) []sourceAnswer {
	out := make([]sourceAnswer, len(list))
	for i, s := range list {
		out[i] = sourceAnswer{Name: s.Name, More: s.More}
		if s.Err != nil {
			out[i].Problem = sentence(s.Err.Error(), 0)
		}
	}
	return out
}

type studiesInput struct{ StudyFilter }

type studiesOutput struct {
	Body struct {
		Studies []source.StudySummary `json:"studies" nullable:"false" doc:"The studies found."`
		Total   int                   `json:"total" doc:"How many match in all, as far as the sources say."`
		Sources []sourceAnswer        `json:"sources" nullable:"false" doc:"How each source took part. One that did not answer does not keep the others' studies away."`
	}
}

type patientsInput struct{ StudyFilter }

type patientsOutput struct {
	Body struct {
		Patients []source.PatientSummary `json:"patients" nullable:"false" doc:"The patients found, each with those of their studies that match. The same patient ID at another source is another entry."`
		Total    int                     `json:"total" doc:"How many there are in all, as far as the sources say."`
		Sources  []sourceAnswer          `json:"sources" nullable:"false" doc:"How each source took part."`
	}
}

type studyInput struct {
	Study  string `path:"study" maxLength:"64" doc:"UID of the study."`
	Source string `query:"source" maxLength:"63" doc:"Name of the configured source; the broker's own without it."`
}

type seriesOutput struct {
	Body struct {
		Series []source.SeriesSummary `json:"series" nullable:"false" doc:"The study's series, by their number."`
	}
}

type sourcesOutput struct {
	Body struct {
		Sources []sourceStatus `json:"sources" nullable:"false" doc:"The broker's own first."`
	}
}

type sourceStatus struct {
	Name     string       `json:"name" doc:"As tasks and searches name it."`
	Kind     library.Kind `json:"kind" enum:"folder,store,pacs" doc:"What it is: a folder that is only read, a store of what users keep, or a PACS that speaks DICOMweb."`
	Status   string       `json:"status" doc:"ok, or what keeps it from being searched now, in words."`
	Studies  *int         `json:"studies,omitempty" doc:"How many studies it has; not of a PACS."`
	Problems int          `json:"problems,omitempty" doc:"How many of its files cannot be served or are damaged; the broker's operator finds them with edge-renderer inspect."`
	Writable bool         `json:"writable" doc:"Whether files can be sent to it by STOW-RS at /dicom-web/sources/{name}/studies."`
	Own      bool         `json:"own" doc:"Whether it is the one that is meant where no source is named."`
}

func (s *server) studyOperations(a huma.API) {
	huma.Register(a, operation("list-sources", http.MethodGet, "/sources", "List the sources of studies", ""),
		func(ctx context.Context, _ *struct{}) (*sourcesOutput, error) {
			out := &sourcesOutput{}
			states := s.Library.States(ctx)
			out.Body.Sources = make([]sourceStatus, len(states))
			for i, st := range states {
				a := sourceStatus{Name: st.Name, Kind: st.Kind, Status: "ok", Writable: st.Writable, Own: i == 0}
				if st.Err != nil {
					a.Status = sentence(st.Err.Error(), 0)
				} else if st.Local() {
					a.Studies, a.Problems = &st.Studies, st.Problems
				}
				out.Body.Sources[i] = a
			}
			return out, nil
		})
	huma.Register(a, operation("list-studies", http.MethodGet, "/studies", "Search studies",
		"The studies of a source, or of all, that match. Of a PACS, its own order decides which studies are on which page; each page is put into the order asked for.", http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable, http.StatusBadGateway), s.listStudies)
	huma.Register(a, operation("list-patients", http.MethodGet, "/patients", "Search patients",
		"The patients with a study that matches.", http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable, http.StatusBadGateway), s.listPatients)
	huma.Register(a, operation("list-series", http.MethodGet, "/studies/{study}/series", "List a study's series",
		"Whether each looks like a volume, and why not.", http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable, http.StatusBadGateway),
		func(ctx context.Context, in *studyInput) (*seriesOutput, error) {
			from, err := s.studySource(in.Source, in.Study)
			if err != nil {
				return nil, err
			}
			found, err := from.Series(ctx, in.Study)
			if err != nil {
				return nil, s.libraryProblem("The series cannot be listed.", from, err)
			}
			out := &seriesOutput{}
			out.Body.Series = found
			return out, nil
		})
	remove := operation("delete-study", http.MethodDelete, "/studies/{study}", "Delete a study from a store",
		"Its files are deleted for good. For operators, and only from a source of the kind store.",
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(a, remove, func(ctx context.Context, in *studyInput) (*struct{}, error) {
		if err := operatorsOnly(ctx); err != nil {
			return nil, problemOf(err)
		}
		from, err := s.studySource(in.Source, in.Study)
		if err != nil {
			return nil, err
		}
		if err := from.Delete(ctx, in.Study); err != nil {
			return nil, s.libraryProblem("The study cannot be deleted.", from, err)
		}
		s.Log.Info("a study was deleted", "source", from.Name, "study", source.HashUID(in.Study), "by", principal(ctx).Method)
		return &struct{}{}, nil
	})
}

func (s *server) listStudies(ctx context.Context, in *studiesInput) (*studiesOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	r, err := s.Library.Studies(ctx, in.Source, q)
	if err != nil {
		return nil, s.libraryProblem("The studies cannot be listed.", nil, err)
	}
	out := &studiesOutput{}
	out.Body.Studies, out.Body.Total = make([]source.StudySummary, len(r.Studies)), r.Total
	for i, f := range r.Studies {
		out.Body.Studies[i] = f.Summary(f.Source)
	}
	out.Body.Sources = sourceAnswers(r.Sources)
	return out, nil
}

func (s *server) listPatients(ctx context.Context, in *patientsInput) (*patientsOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	found, total, sources, err := s.Library.Patients(ctx, in.Source, q)
	if err != nil {
		return nil, s.libraryProblem("The patients cannot be listed.", nil, err)
	}
	out := &patientsOutput{}
	out.Body.Patients, out.Body.Total = make([]source.PatientSummary, len(found)), total
	for i := range found {
		out.Body.Patients[i] = found[i].Summary(found[i].Source)
	}
	out.Body.Sources = sourceAnswers(sources)
	return out, nil
}

// studySource is the source of a request that names a study.
func (s *server) studySource(name, study string) (*library.Source, error) {
	if err := source.CheckUID("the study's UID", study); err != nil {
		return nil, badRequest("This is no UID of a study.", err)
	}
	from, err := s.Library.Source(name)
	if err != nil {
		return nil, s.libraryProblem("", nil, err)
	}
	return from, nil
}

func badRequest(title string, err error) error {
	return problemOf(&signaling.Problem{Code: signaling.ProblemBadRequest, Title: title, Detail: sentence(err.Error(), 0)})
}

// libraryProblem is the answer that an error of the library deserves. from is the source, where it is known.
func (s *server) libraryProblem(title string, from *library.Source, err error) error {
	switch {
	case errors.Is(err, context.Canceled): // whoever asked is gone
		return unavailable(title, err)
	case errors.Is(err, library.ErrNoSource):
		return problemOf(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such source of studies.",
			Detail: "GET /api/v1/sources lists those that are configured here."})
	case errors.Is(err, library.ErrReadOnly):
		return problemOf(&signaling.Problem{Code: signaling.ProblemForbidden, Title: title,
			Detail: fmt.Sprintf("The source %s %v.", from.Name, library.ErrReadOnly)})
	case errors.Is(err, source.ErrNotFound):
		return problemOf(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such study.",
			Detail: "It is not among the studies of this source, or no longer. Look it up in the list of studies."})
	case errors.Is(err, library.ErrReading):
		return unavailable(title, err)
	case errors.Is(err, library.ErrRemote):
		return &Problem{Title: title, Status: http.StatusBadGateway, Code: signaling.ProblemUnavailable, Detail: sentence(err.Error(), 0)}
	}
	s.Log.Warn("a source of studies failed", "what", title, "cause", fmt.Sprintf("%T", err))
	return problemOf(err)
}

func unavailable(title string, err error) error {
	return problemOf(&signaling.Problem{Code: signaling.ProblemUnavailable, Title: title, Detail: sentence(err.Error(), 0) + " Try again in a moment."})
}
