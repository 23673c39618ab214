package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Sort is an order of studies: one of the names below, after a minus sign the other way round. What is equal stays the
// newest first; what is empty comes last.
type Sort string

// The orders.
const (
	SortDate          Sort = "date"
	SortName          Sort = "name"
	SortPatientID     Sort = "patientID"
	SortBirthDate     Sort = "birthDate"
	SortDescription   Sort = "description"
	SortAccession     Sort = "accessionNumber"
	SortModality      Sort = "modality"
	SortSeriesCount   Sort = "series"
	SortInstanceCount Sort = "instances"
	SortImages        Sort = "images"
)

// Sorts are the orders, without the minus sign.
var Sorts = []Sort{SortDate, SortName, SortPatientID, SortBirthDate, SortDescription, SortAccession, SortModality, SortSeriesCount, SortInstanceCount, SortImages}

// ParseSort takes an order as a request names it.
func ParseSort(s string) (Sort, error) {
	if s == "" || slices.Contains(Sorts, Sort(strings.TrimPrefix(s, "-"))) {
		return Sort(s), nil
	}
	return "", fmt.Errorf("sort %.40q is unknown: it is one of %v, with a minus sign before it for the other way round", s, Sorts)
}

// Newest compares studies by date and time, the newest first, then by UID.
func Newest(a, b *Study) int {
	return cmp.Or(cmp.Compare(b.StudyDate, a.StudyDate), cmp.Compare(b.StudyTime, a.StudyTime),
		cmp.Compare(a.StudyInstanceUID, b.StudyInstanceUID))
}

// SortStudies puts studies, which are the newest first, into an order.
func SortStudies(list []*Study, order Sort) {
	name, down := strings.CutPrefix(string(order), "-")
	if name == "" || name == string(SortDate) && down {
		return
	}
	type keyed struct {
		text  string
		n     int
		study *Study
	}
	keys := make([]keyed, len(list))
	for i, s := range list {
		keys[i] = keyed{study: s}
		k := &keys[i]
		switch Sort(name) {
		case SortDate:
			if s.StudyDate != "" {
				k.text = s.StudyDate + s.StudyTime
			}
		case SortName:
			k.text = strings.ToLower(s.PatientName)
		case SortPatientID:
			k.text = strings.ToLower(s.PatientID)
		case SortBirthDate:
			k.text = s.PatientBirthDate
		case SortDescription:
			k.text = strings.ToLower(s.Description)
		case SortAccession:
			k.text = strings.ToLower(s.AccessionNumber)
		case SortModality:
			k.text = strings.Join(s.Modalities, `\`)
		case SortSeriesCount:
			k.n = s.SeriesCount
		case SortInstanceCount:
			k.n = s.InstanceCount
		case SortImages:
			k.n = s.Images
		}
	}
	slices.SortStableFunc(keys, func(a, b keyed) int {
		if a.text == "" || b.text == "" {
			if a.text != b.text {
				return -cmp.Compare(a.text, b.text) // empty last, whichever way
			}
		}
		order := cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.n, b.n))
		if down {
			order = -order
		}
		return order
	})
	for i := range keys {
		list[i] = keys[i].study
	}
}
