package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

type studiesInput struct {
	Search           string `query:"search" maxLength:"200" doc:"Words that must all occur in the patient's name or ID, the description, the accession number, the date or the modalities."`
	PatientID        string `query:"patientID" maxLength:"64" doc:"Patient ID; * and ? stand for any characters and for one."`
	PatientName      string `query:"patientName" maxLength:"324" doc:"Patient's name, likewise."`
	AccessionNumber  string `query:"accessionNumber" maxLength:"16" doc:"Accession number, likewise."`
	StudyDate        string `query:"studyDate" maxLength:"17" doc:"Date as YYYYMMDD, or a range as YYYYMMDD-YYYYMMDD."`
	Modality         string `query:"modality" maxLength:"16" doc:"Modality of one of the series."`
	StudyInstanceUID string `query:"studyInstanceUID" maxLength:"64" doc:"UID of the study."`
	Offset           int    `query:"offset" minimum:"0" default:"0" doc:"How many of the studies found are left out."`
	Limit            int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many are returned at most."`
}

type studiesOutput struct {
	Body struct {
		Studies []source.StudySummary `json:"studies" nullable:"false" doc:"The studies found, the newest first."`
		Total   int                   `json:"total" doc:"How many match in all."`
	}
}

type seriesInput struct {
	Study string `path:"study" maxLength:"64" doc:"UID of the study."`
}

type seriesOutput struct {
	Body struct {
		Series []source.SeriesSummary `json:"series" nullable:"false" doc:"The study's series, by their number."`
	}
}

func (s *server) studyOperations(a huma.API) {
	huma.Register(a, operation("list-studies", http.MethodGet, "/studies", "Search studies",
		"The studies of the broker's source that match, the newest first.", http.StatusServiceUnavailable),
		func(_ context.Context, in *studiesInput) (*studiesOutput, error) {
			q := source.Query{
				Text: in.Search, PatientID: in.PatientID, PatientName: in.PatientName, AccessionNumber: in.AccessionNumber,
				StudyDate: in.StudyDate, Offset: in.Offset, Limit: in.Limit,
			}
			if in.Modality != "" {
				q.Modalities = []string{in.Modality}
			}
			if in.StudyInstanceUID != "" {
				q.StudyUIDs = []string{in.StudyInstanceUID}
			}
			found, total, err := s.Library.Studies(q)
			if err != nil {
				return nil, unavailable("The studies cannot be listed yet.", err)
			}
			out := &studiesOutput{}
			out.Body.Studies, out.Body.Total = found, total
			return out, nil
		})
	huma.Register(a, operation("list-series", http.MethodGet, "/studies/{study}/series", "List a study's series",
		"Whether each looks like a volume, and why not.", http.StatusNotFound, http.StatusServiceUnavailable),
		func(_ context.Context, in *seriesInput) (*seriesOutput, error) {
			if err := source.CheckUID("the study's UID", in.Study); err != nil {
				return nil, problemOf(&signaling.Problem{Code: signaling.ProblemBadRequest, Title: "This is no UID of a study.", Detail: err.Error()})
			}
			found, err := s.Library.Series(in.Study)
			if errors.Is(err, source.ErrNotFound) {
				return nil, problemOf(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such study.",
					Detail: "It is not among the studies of this broker, or no longer. Look it up in the list of studies."})
			}
			if err != nil {
				return nil, unavailable("The series cannot be listed yet.", err)
			}
			out := &seriesOutput{}
			out.Body.Series = found
			return out, nil
		})
}

func unavailable(title string, err error) error {
	return problemOf(&signaling.Problem{Code: signaling.ProblemUnavailable, Title: title, Detail: sentence(err.Error(), 0) + " Try again in a moment."})
}
