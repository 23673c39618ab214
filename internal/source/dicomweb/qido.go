package dicomweb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/source"
)

const (
	// maxFound is how many results of one search are taken from a server in all.
	maxFound = 10_000
	// maxPages is how many requests one search sends.
	maxPages = 50
	// defaultLimit is how many studies a search without a limit returns.
	defaultLimit = 100
)

// SearchStudies is the studies that match (PS3.18 10.6), q.Offset of them left out and then at most q.Limit (100 where
// that is 0), and whether there are more. Servers send them in an order of their own, within which those returned are
// put into the query's order. Servers that send fewer at once than is asked for, that ignore limit and offset, or that
// ignore an attribute to match are made up for. q.Text is searched for in names, IDs, accession numbers and
// descriptions.
func (c *Client) SearchStudies(ctx context.Context, q source.Query) (found []source.Study, more bool, err error) {
	const what = "search studies"
	limit := cmp.Or(max(q.Limit, 0), defaultLimit)
	want := min(max(q.Offset, 0)+limit+1, maxFound)
	queries := studyQueries(&q)
	lists := make([][]*source.Study, len(queries))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, values := range queries {
		g.Go(func() (err error) {
			lists[i], err = c.studies(gctx, what, values, &q, want)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	all := lists[0]
	if len(lists) > 1 {
		all = merge(lists)
	}
	from, to := q.Page(len(all), limit)
	page := all[from:to]
	slices.SortStableFunc(page, source.Newest)
	source.SortStudies(page, q.Sort)
	found = make([]source.Study, len(page))
	for i, s := range page {
		found[i] = *s
	}
	return found, to < len(all), nil
}

// merge is the studies of several searches, each once, the newest first.
func merge(lists [][]*source.Study) []*source.Study {
	seen := map[string]bool{}
	var out []*source.Study
	for _, l := range lists {
		for _, s := range l {
			if !seen[s.StudyInstanceUID] {
				seen[s.StudyInstanceUID] = true
				out = append(out, s)
			}
		}
	}
	slices.SortStableFunc(out, source.Newest)
	return out
}

// studyQueries is the parameters of the searches that a query needs. There is no "or" between attributes or, for most
// servers, modalities. So each modality is a search, and a text is searched for in each of those attributes that it may
// stand in: the longest of its words there, all of them here.
func studyQueries(q *source.Query) []url.Values {
	out := []url.Values{studyParameters(q)}
	if len(q.Modalities) > 0 {
		out = each(out, "ModalitiesInStudy", q.Modalities[:min(len(q.Modalities), 8)]...)
	}
	words := strings.Fields(q.Text)
	if len(words) == 0 {
		return out
	}
	word := slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	word = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`*?\,`, r) {
			return '?'
		}
		return r
	}, word)
	var texts []url.Values
	for _, name := range []string{"PatientName", "PatientID", "AccessionNumber", "StudyDescription"} {
		if !out[0].Has(name) {
			texts = append(texts, each(out, name, widen("*"+word+"*"))...)
		}
	}
	if len(texts) == 0 {
		return out
	}
	return texts
}

// widen replaces what is not ASCII by wildcards, since servers keep names for searches without accents or without such
// letters at all, and each in another way. Where little would remain, it is left to the server. What is found too much
// is left out here.
func widen(pattern string) string {
	ascii := 0
	for _, r := range pattern {
		if r > ' ' && r < utf8.RuneSelf && !strings.ContainsRune("*?^=", r) {
			ascii++
		}
	}
	if ascii < 3 {
		return pattern
	}
	var out strings.Builder
	star := false
	for _, r := range pattern {
		if r >= utf8.RuneSelf || r == '*' {
			if !star {
				out.WriteByte('*')
			}
			star = true
			continue
		}
		star = false
		out.WriteRune(r)
	}
	return out.String()
}

// each is every one of the parameters with every one of the values.
func each(list []url.Values, name string, values ...string) []url.Values {
	var out []url.Values
	for _, base := range list {
		for _, value := range values {
			v := maps.Clone(base)
			v.Set(name, value)
			out = append(out, v)
		}
	}
	return out
}

// studyParameters is the parameters of a search for studies.
func studyParameters(q *source.Query) url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "*" {
			v.Set(name, value)
		}
	}
	set("PatientName", widen(q.PatientName))
	set("PatientID", q.PatientID)
	set("PatientBirthDate", q.PatientBirthDate)
	set("PatientSex", q.PatientSex)
	set("StudyDate", q.StudyDate)
	set("StudyTime", q.StudyTime)
	set("StudyID", q.StudyID)
	set("StudyDescription", q.StudyDescription)
	set("AccessionNumber", q.AccessionNumber)
	set("ReferringPhysicianName", q.ReferringPhysician)
	set("StudyInstanceUID", strings.Join(q.StudyUIDs, ","))
	// A result may be without these unless they are asked for (PS3.18 table 10.6.3-3).
	// Each is a parameter of its own: Orthanc does not see commas that are escaped.
	v["includefield"] = []string{"StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
		"PatientBirthDate", "PatientSex", "IssuerOfPatientID"}
	return v
}

// studies asks for pages until there are as many as wanted.
func (c *Client) studies(ctx context.Context, what string, values url.Values, q *source.Query, want int) ([]*source.Study, error) {
	var out []*source.Study
	seen := map[string]bool{}
	for offset, page := 0, 0; page < maxPages && len(out) < want; page++ {
		limit := want - len(out)
		n, fresh := 0, 0
		v := maps.Clone(values)
		v.Set("limit", strconv.Itoa(limit))
		if offset > 0 {
			v.Set("offset", strconv.Itoa(offset))
		}
		err := getList(ctx, c, request{what: what, elements: []string{"studies"}, query: v}, func(w *wireStudy) error {
			if n++; n > maxFound {
				return nil
			}
			s := w.study()
			if source.CheckUID("the Study Instance UID", s.StudyInstanceUID) != nil || seen[s.StudyInstanceUID] {
				return nil // an entry that can't be opened helps nobody
			}
			seen[s.StudyInstanceUID] = true
			fresh++
			if plausible(q, s) {
				out = append(out, s)
			}
			return nil
		}, func() { n, fresh = 0, 0 })
		if err != nil {
			return nil, err
		}
		offset += n
		// Nothing new: it was the last one, or offset is ignored. More than asked for: limit is ignored, so it is all.
		if fresh == 0 || n > limit {
			break
		}
	}
	return out, nil
}

// plausible leaves out studies that do not match what they say themselves. It is for servers that ignore attributes:
// names are left to the server, whose matching of them may know more, unless it was asked for more of them.
func plausible(q *source.Query, s *source.Study) bool {
	check := *q
	check.ReferringPhysician, check.StudyTime = "", ""
	if widen(q.PatientName) == q.PatientName {
		check.PatientName = ""
	}
	for _, f := range []struct {
		pattern *string
		value   string
	}{
		{&check.PatientID, s.PatientID}, {&check.PatientBirthDate, s.PatientBirthDate}, {&check.PatientSex, s.PatientSex},
		{&check.StudyDate, s.StudyDate}, {&check.StudyID, s.StudyID}, {&check.StudyDescription, s.Description},
		{&check.AccessionNumber, s.AccessionNumber},
	} {
		if f.value == "" {
			*f.pattern = ""
		}
	}
	if len(s.Modalities) == 0 {
		check.Modalities = nil
	}
	return check.MatchStudy(s)
}

// Bounds of finding out what the series of a study are.
const (
	maxSampled = 64              // series
	sampleTime = 3 * time.Second // for all of them; what is not known then stays open
)

// QuerySeries is the series of a study (PS3.18 10.6). What they are, which servers do not say of series, is found out
// from an instance of each.
func (c *Client) QuerySeries(ctx context.Context, study string) ([]source.SeriesInfo, error) {
	list, err := c.querySeries(ctx, study, "")
	if err != nil {
		return list, err
	}
	within, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(4)
	for i := range list[:min(len(list), maxSampled)] {
		g.Go(func() error {
			if sample := c.sample(within, study, list[i].SeriesInstanceUID); sample != nil {
				list[i].Guess(sample)
			}
			return nil
		})
	}
	_ = g.Wait() // none of them fails
	return list, ctx.Err()
}

// sample is one of the instances of a series; nil where the server does not say.
func (c *Client) sample(ctx context.Context, study, series string) (sample *source.Instance) {
	once := *c
	once.Attempts = 1
	v := url.Values{"limit": {"1"}, "includefield": {"SOPClassUID", "NumberOfFrames", "Rows", "Columns"}}
	err := getList(ctx, &once, request{what: "search a series' instances", elements: []string{"studies", study, "series", series, "instances"}, query: v},
		func(w *wireInstance) error {
			if i := w.instance(); sample == nil && i.SOPClassUID+i.Media != "" {
				sample = &i
			}
			return nil
		}, func() {})
	if err != nil {
		return nil
	}
	return sample
}

// querySeries is the series of a study, or one of them.
func (c *Client) querySeries(ctx context.Context, study, series string) ([]source.SeriesInfo, error) {
	const what = "search the study's series"
	if err := source.CheckUID("the study", study); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	v := url.Values{"includefield": {"SeriesDescription", "BodyPartExamined", "ProtocolName", "NumberOfSeriesRelatedInstances"}}
	if series != "" {
		v.Set("SeriesInstanceUID", series)
	}
	var out []source.SeriesInfo
	err := getList(ctx, c, request{what: what, elements: []string{"studies", study, "series"}, query: v}, func(s *wireSeries) error {
		info := s.info()
		if err := source.CheckUID("the Series Instance UID", info.SeriesInstanceUID); err != nil {
			return err
		}
		if series == "" || series == info.SeriesInstanceUID {
			out = append(out, info)
		}
		return nil
	}, func() { out = nil })
	return out, err
}

// getList reads an array of data sets in the DICOM JSON model, one at a time; anew is called before it is read again
// from the beginning.
func getList[T any](ctx context.Context, c *Client, r request, each func(*T) error, anew func()) error {
	r.accept, r.ok = typeJSON, []int{http.StatusOK, http.StatusNoContent}
	first := true
	return c.again(ctx, func() error {
		if !first {
			anew()
		}
		first = false
		a, err := c.do(ctx, r)
		if err != nil {
			return err
		}
		defer a.Close()
		if a.StatusCode == http.StatusNoContent {
			return nil // nothing was found (PS3.18 10.6.3.2)
		}
		if media, _ := parseMedia(a.Header.Get("Content-Type")); media != typeJSON && media != "application/json" {
			return instead(a, r.what, typeJSON)
		}
		err = decodeList(a.body, maxMetadata, each)
		if errors.Is(err, errNoJSON) {
			return &StatusError{Status: a.StatusCode, What: r.what, Instead: "with something that is no DICOM JSON: " + err.Error()}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.what, err)
		}
		return nil
	})
}

// instead is the error of an answer of another kind than was asked for.
func instead(a *answer, what, wanted string) error {
	return &StatusError{Status: a.StatusCode, What: what,
		Instead: fmt.Sprintf("with %s instead of %s", describe(a.Header.Get("Content-Type")), wanted),
		Detail:  detail(a), Advice: "check that the address is that of a DICOMweb service"}
}
