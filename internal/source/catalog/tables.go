package catalog

import "github.com/tomocast/tomocast/internal/source"

// Tables has every value once that many files share, so that a file of a large series costs little memory.
type Tables struct {
	studies map[source.StudyAttributes]*source.StudyAttributes
	series  map[source.SeriesAttributes]*source.SeriesAttributes
	texts   map[string]string
}

// NewTables makes empty tables.
func NewTables() Tables {
	return Tables{
		studies: map[source.StudyAttributes]*source.StudyAttributes{},
		series:  map[source.SeriesAttributes]*source.SeriesAttributes{},
		texts:   map[string]string{},
	}
}

// Seed makes the values of a file those that later ones share.
func (t *Tables) Seed(f *File) {
	if f.Instance == nil {
		return
	}
	once(t.studies, f.Study)
	once(t.series, f.Series)
	for _, s := range shared(f.Instance) {
		if _, ok := t.texts[*s]; !ok {
			t.texts[*s] = *s
		}
	}
}

// Intern makes a file share the values that are there.
func (t *Tables) Intern(f *File) {
	if f.Instance == nil {
		return
	}
	t.Seed(f)
	f.Study, f.Series = once(t.studies, f.Study), once(t.series, f.Series)
	for _, s := range shared(f.Instance) {
		*s = t.texts[*s]
	}
}

// shared is the texts that are mostly the same in all instances of a series.
func shared(i *source.Instance) []*string {
	return []*string{&i.SOPClassUID, &i.TransferSyntaxUID, &i.ImageType, &i.Photometric, &i.RescaleType, &i.Units, &i.FrameOfReferenceUID}
}

func once[T comparable](table map[T]*T, v *T) *T {
	if have, ok := table[*v]; ok {
		return have
	}
	table[*v] = v
	return v
}
