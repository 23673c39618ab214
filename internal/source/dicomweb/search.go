package dicomweb

import (
	"bufio"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// Bounds of a search. A client that asks for more gets this many and a Warning that there is more
// (PS3.18 8.3.4.4).
const (
	maxStudies   = 1000
	maxInstances = 20000
	maxValue     = 1024 // characters of one parameter's value
	maxList      = 500  // values of one list
)

// matchKey is an attribute that a search may match on: its keyword, and how its value becomes part of a query.
type matchKey struct {
	keyword string
	set     func(q *source.Query, v string) error
}

// matchKeys is the attributes of PS3.18 tables 10.6.1-5 that the handler matches on, by tag.
var matchKeys = map[dicom.Tag]matchKey{
	dicom.StudyDate:              {"StudyDate", dates(func(q *source.Query) *string { return &q.StudyDate })},
	dicom.StudyTime:              {"StudyTime", times(func(q *source.Query) *string { return &q.StudyTime })},
	dicom.AccessionNumber:        {"AccessionNumber", words(func(q *source.Query) *string { return &q.AccessionNumber })},
	dicom.ModalitiesInStudy:      {"ModalitiesInStudy", lists(func(q *source.Query) *[]string { return &q.Modalities })},
	dicom.ReferringPhysicianName: {"ReferringPhysicianName", words(func(q *source.Query) *string { return &q.ReferringPhysician })},
	dicom.StudyDescription:       {"StudyDescription", words(func(q *source.Query) *string { return &q.StudyDescription })},
	dicom.PatientName:            {"PatientName", words(func(q *source.Query) *string { return &q.PatientName })},
	dicom.PatientID:              {"PatientID", words(func(q *source.Query) *string { return &q.PatientID })},
	dicom.PatientBirthDate:       {"PatientBirthDate", dates(func(q *source.Query) *string { return &q.PatientBirthDate })},
	dicom.PatientSex:             {"PatientSex", words(func(q *source.Query) *string { return &q.PatientSex })},
	dicom.StudyInstanceUID:       {"StudyInstanceUID", uids(func(q *source.Query) *[]string { return &q.StudyUIDs })},
	dicom.StudyID:                {"StudyID", words(func(q *source.Query) *string { return &q.StudyID })},
	dicom.Modality:               {"Modality", words(func(q *source.Query) *string { return &q.Modality })},
	dicom.SeriesInstanceUID:      {"SeriesInstanceUID", uids(func(q *source.Query) *[]string { return &q.SeriesUIDs })},
	dicom.SeriesNumber:           {"SeriesNumber", words(func(q *source.Query) *string { return &q.SeriesNumber })},
	dicom.SeriesDescription:      {"SeriesDescription", words(func(q *source.Query) *string { return &q.SeriesDescription })},
	dicom.BodyPartExamined:       {"BodyPartExamined", words(func(q *source.Query) *string { return &q.BodyPart })},
	dicom.SOPInstanceUID:         {"SOPInstanceUID", uids(func(q *source.Query) *[]string { return &q.InstanceUIDs })},
	dicom.SOPClassUID:            {"SOPClassUID", uids(func(q *source.Query) *[]string { return &q.SOPClassUIDs })},
	dicom.InstanceNumber:         {"InstanceNumber", words(func(q *source.Query) *string { return &q.InstanceNumber })},
}

// matchKeyword finds a key by its keyword.
var matchKeyword = func() map[string]matchKey {
	m := make(map[string]matchKey, len(matchKeys))
	for _, k := range matchKeys {
		m[k.keyword] = k
	}
	return m
}()

func words(field func(*source.Query) *string) func(*source.Query, string) error {
	return func(q *source.Query, v string) error {
		*field(q) = v
		return nil
	}
}

var (
	dateRange = regexp.MustCompile(`^(\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8})$`)
	timeRange = regexp.MustCompile(`^(T|T-|-T|T-T)$`)
	timeValue = regexp.MustCompile(`\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?`)
)

func dates(field func(*source.Query) *string) func(*source.Query, string) error {
	return func(q *source.Query, v string) error {
		if v != "" && !dateRange.MatchString(v) {
			return fmt.Errorf("is no date or range of dates, like 20240131 or 20240101-20241231: %q", v)
		}
		*field(q) = v
		return nil
	}
}

func times(field func(*source.Query) *string) func(*source.Query, string) error {
	return func(q *source.Query, v string) error {
		if v != "" && !timeRange.MatchString(timeValue.ReplaceAllString(v, "T")) {
			return fmt.Errorf("is no time or range of times, like 1030 or 080000-120000: %q", v)
		}
		*field(q) = v
		return nil
	}
}

// lists takes values separated by commas or backslashes.
func lists(field func(*source.Query) *[]string) func(*source.Query, string) error {
	return func(q *source.Query, v string) error {
		for s := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == '\\' }) {
			if len(*field(q)) == maxList {
				return fmt.Errorf("has more than %d values", maxList)
			}
			*field(q) = append(*field(q), s)
		}
		return nil
	}
}

func uids(field func(*source.Query) *[]string) func(*source.Query, string) error {
	split := lists(field)
	return func(q *source.Query, v string) error {
		if err := split(q, v); err != nil {
			return err
		}
		for _, u := range *field(q) {
			if err := source.CheckUID("a value", u); err != nil {
				return fmt.Errorf("is no list of UIDs: %w", err)
			}
		}
		return nil
	}
}

// parseQuery makes a query of a search's parameters (PS3.18 8.3.4), and warnings of what it leaves out of account.
func parseQuery(values url.Values) (q source.Query, warnings []string, err error) {
	bad := func(name string, err error) error {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("The parameter %.40q %v.", name, err))
	}
	var ignored []string
	for name, list := range values {
		switch name {
		case "accept", "includefield":
			continue
		case "fuzzymatching":
			if list[0] == "true" {
				warnings = append(warnings, "The fuzzymatching parameter is not supported. Only literal matching has been performed.")
			}
			continue
		case "limit", "offset":
			n, err := strconv.ParseUint(list[0], 10, 63)
			if err != nil {
				return q, nil, bad(name, fmt.Errorf("is no whole number: %.20q", list[0]))
			}
			if name == "offset" {
				q.Offset = int(n)
			} else if q.Limit = int(n); n == 0 {
				return q, nil, bad(name, fmt.Errorf("must be at least 1"))
			}
			continue
		}
		k, ok := matchKeyword[name]
		if t, err := strconv.ParseUint(name, 16, 32); !ok && err == nil && len(name) == 8 {
			k, ok = matchKeys[dicom.Tag(t)]
		}
		if !ok {
			ignored = append(ignored, fmt.Sprintf("%.40q", name))
			continue
		}
		for _, v := range list {
			if len(v) > maxValue && k.keyword != "StudyInstanceUID" && k.keyword != "SeriesInstanceUID" && k.keyword != "SOPInstanceUID" {
				return q, nil, bad(name, fmt.Errorf("is longer than %d characters", maxValue))
			}
			if err := k.set(&q, v); err != nil {
				return q, nil, bad(name, err)
			}
		}
	}
	if len(ignored) > 0 {
		slices.Sort(ignored)
		warnings = append(warnings, "These parameters are not supported and have been ignored: "+
			strings.Join(ignored[:min(len(ignored), 10)], " "))
	}
	return q, warnings, nil
}

func (s *server) searchStudies(w http.ResponseWriter, r *http.Request, _ ids) error {
	q, warnings, err := s.search(r)
	if err != nil {
		return err
	}
	found, total := s.Store.FindStudies(q, maxStudies)
	base := s.base(r)
	return writeList(w, r, warnings, q, len(found), total, func(yield func(*dicom.Dataset) bool) {
		for _, st := range found {
			d := result()
			setStudy(d, st)
			d.SetString(dicom.RetrieveURL, dicom.UR, retrieveURL(base, st.StudyInstanceUID, "", ""))
			if !yield(d) {
				return
			}
		}
	})
}

func (s *server) searchSeries(w http.ResponseWriter, r *http.Request, i ids) error {
	q, warnings, err := s.search(r)
	if err == nil {
		err = s.scope(&q, i)
	}
	if err != nil {
		return err
	}
	found, total := s.Store.FindSeries(q, maxStudies)
	base := s.base(r)
	return writeList(w, r, warnings, q, len(found), total, func(yield func(*dicom.Dataset) bool) {
		for _, f := range found {
			d := result()
			if i.study == "" {
				setStudy(d, f.Study)
			}
			setSeries(d, f)
			d.SetString(dicom.RetrieveURL, dicom.UR, retrieveURL(base, f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID, ""))
			if !yield(d) {
				return
			}
		}
	})
}

func (s *server) searchInstances(w http.ResponseWriter, r *http.Request, i ids) error {
	q, warnings, err := s.search(r)
	if err == nil {
		err = s.scope(&q, i)
	}
	if err != nil {
		return err
	}
	found, total := s.Store.FindInstances(q, maxInstances)
	base := s.base(r)
	return writeList(w, r, warnings, q, len(found), total, func(yield func(*dicom.Dataset) bool) {
		for _, f := range found {
			d := result()
			if i.series == "" {
				setSeries(d, f)
			}
			setInstance(d, f)
			d.SetString(dicom.RetrieveURL, dicom.UR,
				retrieveURL(base, f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID, f.Instance.SOPInstanceUID))
			if !yield(d) {
				return
			}
		}
	})
}

// search checks what a search accepts and asks for.
func (s *server) search(r *http.Request) (source.Query, []string, error) {
	if !acceptsJSON(r) {
		return source.Query{}, nil, newProblem(http.StatusNotAcceptable, "Searches answer application/dicom+json.")
	}
	return parseQuery(r.URL.Query())
}

// scope limits a search to what its path names, and finds out whether that exists.
func (s *server) scope(q *source.Query, i ids) error {
	i.scope(q)
	if i.study == "" {
		return nil
	}
	if _, n := s.Store.FindSeries(i.query(), 1); n == 0 {
		return notFound(i)
	}
	return nil
}

func notFound(i ids) error {
	what := "study"
	switch {
	case i.instance != "":
		what = "instance"
	case i.series != "":
		what = "series"
	}
	return newProblem(http.StatusNotFound, fmt.Sprintf("There is no such %s here; look at /studies for what there is.", what))
}

// writeList writes data sets as a JSON array, one at a time.
func writeList(w http.ResponseWriter, r *http.Request, warnings []string, q source.Query, n, total int, list iter.Seq[*dicom.Dataset]) error {
	if rest := total - min(q.Offset, total) - n; rest > 0 {
		warnings = append(warnings, fmt.Sprintf("There are %d additional results that can be requested", rest))
	}
	for _, t := range warnings {
		w.Header().Add("Warning", fmt.Sprintf("299 tomocast %q", t))
	}
	w.Header().Set("Content-Type", typeJSON)
	if r.Method == http.MethodHead {
		return nil
	}
	out := newListWriter(w)
	var text []byte
	for d := range list {
		text = appendDataset(text[:0], d)
		if out.add(text) != nil {
			return nil // the client is gone
		}
	}
	_ = out.close()
	return nil
}

// listWriter writes a JSON array.
type listWriter struct {
	*bufio.Writer
	n int
}

func newListWriter(w http.ResponseWriter) *listWriter {
	l := &listWriter{Writer: bufio.NewWriterSize(w, 32<<10)}
	_ = l.WriteByte('[') // a failure shows at the next write
	return l
}

func (l *listWriter) add(text []byte) error {
	if l.n++; l.n > 1 {
		if _, err := l.WriteString(",\n"); err != nil {
			return err
		}
	}
	_, err := l.Write(text)
	return err
}

func (l *listWriter) close() error {
	if err := l.WriteByte(']'); err != nil {
		return err
	}
	return l.Flush()
}
