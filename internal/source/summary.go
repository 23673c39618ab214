package source

// StudySummary is a study as the list of studies shows it.
type StudySummary struct {
	Source           string   `json:"source" doc:"Name of the configured source that has the study."`
	StudyInstanceUID string   `json:"studyInstanceUID" doc:"Study Instance UID (0020,000D)."`
	PatientName      string   `json:"patientName" doc:"Patient's name as in the file, components separated by ^."`
	PatientID        string   `json:"patientID" doc:"Patient ID (0010,0020)."`
	PatientBirthDate string   `json:"patientBirthDate" doc:"Birth date as YYYYMMDD, or empty."`
	PatientSex       string   `json:"patientSex" doc:"M, F, O, or empty."`
	StudyDate        string   `json:"studyDate" doc:"Date of the study as YYYYMMDD, or empty."`
	StudyTime        string   `json:"studyTime" doc:"Time of the study as HHMMSS.FFFFFF or a leading part of it, or empty."`
	Description      string   `json:"description" doc:"Study description."`
	AccessionNumber  string   `json:"accessionNumber" doc:"Accession number."`
	Modalities       []string `json:"modalities" nullable:"false" doc:"Modalities of the series, sorted."`
	SeriesCount      int      `json:"seriesCount" doc:"Number of series."`
	InstanceCount    int      `json:"instanceCount" doc:"Number of instances (files)."`
	Images           int      `json:"images" doc:"Number of images: each DICOM frame is one. Of a PACS, which does not say that of studies, the number of instances."`
}

// SeriesSummary is a series as the list of a study's series shows it.
type SeriesSummary struct {
	SeriesInstanceUID string `json:"seriesInstanceUID" doc:"Series Instance UID (0020,000E)."`
	Number            int    `json:"number" doc:"Series number; 0 where there is none."`
	Modality          string `json:"modality" doc:"Modality, for example CT."`
	Description       string `json:"description" doc:"Series description."`
	BodyPart          string `json:"bodyPart" doc:"Body part examined."`
	InstanceCount     int    `json:"instanceCount" doc:"Number of instances (files)."`
	Images            int    `json:"images" doc:"Number of images: each DICOM frame is one."`
	MultiFrame        bool   `json:"multiFrame,omitempty" doc:"Whether some of its instances have several images."`
	Kind              string `json:"kind,omitempty" doc:"What its first instance is, in words: a CT image, a PDF document."`
	Media             string `json:"media,omitempty" doc:"Media type of files that are no DICOM: application/x-nifti or application/x-nrrd."`
	Rows              int    `json:"rows" doc:"Rows of the first image; 0 where there is none."`
	Columns           int    `json:"columns" doc:"Columns of the first image; 0 where there is none."`
	Volume            bool   `json:"volume" doc:"Whether it looks like a volume: at least two images with a position, or one object whose images have them."`
	Reason            string `json:"reason,omitempty" doc:"Why it does not look like a volume."`
}

// PatientSummary is a patient as the list of patients shows it.
type PatientSummary struct {
	Source           string         `json:"source" doc:"Name of the configured source that has the studies."`
	PatientID        string         `json:"patientID" doc:"Patient ID (0010,0020)."`
	Issuer           string         `json:"issuer,omitempty" doc:"Issuer of Patient ID (0010,0021)."`
	PatientName      string         `json:"patientName" doc:"Patient's name of the latest study."`
	PatientBirthDate string         `json:"patientBirthDate" doc:"Birth date as YYYYMMDD, or empty."`
	PatientSex       string         `json:"patientSex" doc:"M, F, O, or empty."`
	Studies          []StudySummary `json:"studies" nullable:"false" doc:"Studies, the latest first."`
}

// Summary is the patient as the list shows it; name is the configured source.
func (p *Patient) Summary(name string) PatientSummary {
	out := PatientSummary{Source: name, PatientID: p.PatientID, Issuer: p.IssuerOfPatient, PatientName: p.PatientName,
		PatientBirthDate: p.PatientBirthDate, PatientSex: p.PatientSex, Studies: make([]StudySummary, len(p.Studies))}
	for i, s := range p.Studies {
		out.Studies[i] = s.Summary(name)
	}
	return out
}

// Summary is the study as the list shows it; name is the configured source.
func (s *Study) Summary(name string) StudySummary {
	modalities := s.Modalities
	if modalities == nil {
		modalities = []string{}
	}
	return StudySummary{
		Source:           name,
		StudyInstanceUID: s.StudyInstanceUID,
		PatientName:      s.PatientName,
		PatientID:        s.PatientID,
		PatientBirthDate: s.PatientBirthDate,
		PatientSex:       s.PatientSex,
		StudyDate:        s.StudyDate,
		StudyTime:        s.StudyTime,
		Description:      s.Description,
		AccessionNumber:  s.AccessionNumber,
		Modalities:       modalities,
		SeriesCount:      s.SeriesCount,
		InstanceCount:    s.InstanceCount,
		Images:           s.Images,
	}
}

// Summary is the series as the list shows it.
func (s *SeriesInfo) Summary() SeriesSummary {
	return SeriesSummary{
		SeriesInstanceUID: s.SeriesInstanceUID,
		Number:            s.Number,
		Modality:          s.Modality,
		Description:       s.Description,
		BodyPart:          s.BodyPart,
		InstanceCount:     s.InstanceCount,
		Images:            s.Images,
		MultiFrame:        s.MultiFrame,
		Kind:              s.Kind,
		Media:             s.Media,
		Rows:              s.Rows,
		Columns:           s.Columns,
		Volume:            s.Volume,
		Reason:            s.Reason,
	}
}
