package source

import (
	"slices"
	"strconv"
	"strings"
)

// Query is a search. An empty field matches everything. Text fields match as PS3.4 C.2.2.2 says: a value alone
// must be equal, * stands for any characters and ? for one; case makes no difference. Date and time fields take
// a value or a range ("20240101-20241231", "-20241231", "20240101-").
type Query struct {
	// Text is the free search of the study list: every word of it must occur in the patient's name or ID, the
	// description, the accession number, the date or the modalities.
	Text string

	PatientName        string
	PatientID          string
	PatientBirthDate   string
	PatientSex         string
	StudyDate          string
	StudyTime          string
	StudyID            string
	StudyDescription   string
	AccessionNumber    string
	ReferringPhysician string
	StudyUIDs          []string // any of
	Modalities         []string // any of, in any series of the study

	SeriesUIDs        []string // any of
	Modality          string
	SeriesNumber      string
	SeriesDescription string
	BodyPart          string

	InstanceUIDs   []string // any of
	SOPClassUIDs   []string // any of
	InstanceNumber string

	// Sort is the order of studies and patients; empty is SortDate descending, the newest first.
	Sort Sort
	// Offset results are left out, then at most Limit are returned; Limit 0 is no limit of the query's.
	Offset, Limit int
}

// MatchStudy says whether the query's study level fields match.
func (q *Query) MatchStudy(s *Study) bool {
	return anyOf(q.StudyUIDs, s.StudyInstanceUID) &&
		MatchName(q.PatientName, s.PatientName) &&
		MatchText(q.PatientID, s.PatientID) &&
		MatchRange(q.PatientBirthDate, s.PatientBirthDate) &&
		MatchText(q.PatientSex, s.PatientSex) &&
		MatchRange(q.StudyDate, s.StudyDate) &&
		MatchRange(q.StudyTime, s.StudyTime) &&
		MatchText(q.StudyID, s.StudyID) &&
		MatchText(q.StudyDescription, s.Description) &&
		MatchText(q.AccessionNumber, s.AccessionNumber) &&
		MatchName(q.ReferringPhysician, s.ReferringPhysician) &&
		matchModalities(q.Modalities, s.Modalities) &&
		matchWords(q.Text, s)
}

// MatchSeries says whether the query's series level fields match.
func (q *Query) MatchSeries(s *SeriesInfo) bool {
	return anyOf(q.SeriesUIDs, s.SeriesInstanceUID) &&
		MatchText(q.Modality, s.Modality) &&
		matchNumber(q.SeriesNumber, s.Number) &&
		MatchText(q.SeriesDescription, s.Description) &&
		MatchText(q.BodyPart, s.BodyPart)
}

// MatchInstance says whether the query's instance level fields match.
func (q *Query) MatchInstance(i *Instance) bool {
	return anyOf(q.InstanceUIDs, i.SOPInstanceUID) &&
		anyOf(q.SOPClassUIDs, i.SOPClassUID) &&
		matchNumber(q.InstanceNumber, i.Number)
}

// seriesLevel says whether the query has fields that only series can answer.
func (q *Query) seriesLevel() bool {
	return len(q.SeriesUIDs) > 0 || q.Modality != "" || q.SeriesNumber != "" || q.SeriesDescription != "" || q.BodyPart != ""
}

// MatchStudyWith says whether a study matches, where fields of the series level ask for a study with such a
// series.
func (q *Query) MatchStudyWith(s *Study, series []SeriesInfo) bool {
	if !q.MatchStudy(s) {
		return false
	}
	return !q.seriesLevel() || slices.ContainsFunc(series, func(i SeriesInfo) bool { return q.MatchSeries(&i) })
}

// Page is the part of n results that the query asks for, when max are allowed at once: results [from, to).
func (q *Query) Page(n, limit int) (from, to int) {
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	from = min(max(q.Offset, 0), n)
	return from, from + min(n-from, max(limit, 0))
}

// MatchText matches a value by PS3.4 C.2.2.2.1 and C.2.2.2.4, whatever the case. The value of a multi-valued
// attribute matches when one of its values does.
func MatchText(pattern, value string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	pattern = strings.ToLower(pattern)
	for v := range strings.SplitSeq(strings.ToLower(value), `\`) {
		if wildcard(pattern, strings.TrimSpace(v)) {
			return true
		}
	}
	return false
}

// MatchName matches a person's name (PS3.5 6.2.1): the whole of it or one of its component groups, trailing
// empty components not counted.
func MatchName(pattern, value string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	pattern = strings.TrimRight(strings.ToLower(pattern), "^= ")
	value = strings.ToLower(value)
	if wildcard(pattern, strings.TrimRight(value, "^= ")) {
		return true
	}
	for group := range strings.SplitSeq(value, "=") {
		if wildcard(pattern, strings.TrimRight(group, "^ ")) {
			return true
		}
	}
	return false
}

// MatchRange matches a date or a time against a value or a range (PS3.4 C.2.2.2.5). Both sides may be given to
// less than full precision: "1030" covers all of that minute. Nothing is in a range when the value is empty.
func MatchRange(pattern, value string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	value = digits(value)
	if value == "" {
		return false
	}
	from, to, isRange := strings.Cut(pattern, "-")
	from, to = digits(from), digits(to)
	if !isRange {
		return strings.HasPrefix(value, from) || strings.HasPrefix(from, value) && strings.Trim(from[len(value):], "0") == ""
	}
	n := len(value)
	if from != "" && value < from[:min(n, len(from))] {
		return false
	}
	return to == "" || value[:min(n, len(to))] <= to
}

// digits leaves out what old files have between the numbers of a date or a time ("2004.01.19", "10:30") and a
// fraction.
func digits(s string) string {
	if strings.Count(s, ".") == 1 {
		s, _, _ = strings.Cut(s, ".")
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// wildcard matches with * and ?, both sides in the same case. It takes time proportional to the product of the
// lengths at worst.
func wildcard(pattern, s string) bool {
	p, v := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(v) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == v[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func anyOf(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

func matchNumber(pattern string, value int) bool {
	if pattern == "" {
		return true
	}
	n, err := strconv.Atoi(strings.TrimSpace(pattern))
	return err == nil && n == value
}

func matchModalities(patterns, modalities []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(modalities, func(m string) bool { return MatchText(p, m) })
	})
}

func matchWords(text string, s *Study) bool {
	if text == "" {
		return true
	}
	all := s.folded
	if all == "" {
		all = s.fold()
	}
	for w := range strings.FieldsSeq(strings.ToLower(text)) {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}
