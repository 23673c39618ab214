package library

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

const (
	// searchWithin is how long a search over all sources waits for a PACS; what has not answered then is named as slow,
	// and the others' studies are shown. Somebody who asks for that PACS alone waits longer (alone).
	searchWithin = 4 * time.Second
	alone        = 20 * time.Second
	// maxRemote is how many studies of a PACS one search takes: what it has in all is often not to be had from it, and
	// whoever needs more narrows the search.
	maxRemote = 1000
)

// Status says how a source took part in a search.
type Status struct {
	Name string
	Kind Kind
	// Err is why its studies are missing; nil where they are not.
	Err error
	// More says that the source has more studies that match than were taken.
	More bool
}

// Found is a study and the source that has it.
type Found struct {
	*source.Study
	Source string
}

// Result is what a search found.
type Result struct {
	Studies []Found
	// Total is how many match in all, as far as the sources say.
	Total   int
	Sources []Status
}

// Studies is the part of the studies of a source, or of all of them where name is empty, that the query asks for, in
// its order. A source that cannot answer is named in the result's Sources, and is an error only where it was asked for
// alone. ErrNoSource where none has that name.
func (l *Library) Studies(ctx context.Context, name string, q source.Query) (Result, error) {
	asked, within := l.sources, searchWithin
	if name != "" {
		s, err := l.Source(name)
		if err != nil {
			return Result{}, err
		}
		asked, within = []*Source{s}, alone
	}
	if len(asked) == 1 { // it pages by itself
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return one(ctx, asked[0], q)
	}
	whole := q
	whole.Offset, whole.Limit = 0, 0
	if q.Limit > 0 {
		whole.Limit = max(q.Offset, 0) + q.Limit
	}
	r, studies := gather(ctx, asked, whole, within)
	slices.SortStableFunc(studies, func(a, b Found) int { return source.Newest(a.Study, b.Study) })
	order(studies, q.Sort)
	from, to := q.Page(len(studies), len(studies))
	r.Studies = studies[from:to]
	return r, nil
}

// Patient is a patient of one source. The same ID at another source may be another patient's.
type Patient struct {
	source.Patient
	Source string
}

// Patients is the part of the patients with a study that matches that the query asks for, in the order of their first
// study in the query's order, how many there are in all, and how the sources took part.
func (l *Library) Patients(ctx context.Context, name string, q source.Query) ([]Patient, int, []Status, error) {
	whole := q
	whole.Offset, whole.Limit, whole.Sort = 0, 0, ""
	r, err := l.Studies(ctx, name, whole)
	if err != nil {
		return nil, 0, nil, err
	}
	// The studies are the newest first, as groups want them, also within each source.
	bySource := map[string][]*source.Study{}
	for _, f := range r.Studies {
		bySource[f.Source] = append(bySource[f.Source], f.Study)
	}
	order(r.Studies, q.Sort)
	place := make(map[*source.Study]int, len(r.Studies))
	for i, f := range r.Studies {
		place[f.Study] = i
	}
	type placed struct {
		Patient
		first int
	}
	var all []placed
	for from, studies := range bySource {
		for _, p := range catalog.GroupPatients(studies, "") {
			first := len(r.Studies)
			for _, s := range p.Studies {
				first = min(first, place[s])
			}
			all = append(all, placed{Patient{p, from}, first})
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return a.first - b.first })
	from, to := q.Page(len(all), len(all))
	page := make([]Patient, to-from)
	for i := range page {
		page[i] = all[from+i].Patient
	}
	return page, len(all), r.Sources, nil
}

// one searches one source.
func one(ctx context.Context, s *Source, q source.Query) (Result, error) {
	found, total, err := s.find(ctx, q)
	if err != nil {
		return Result{}, err
	}
	r := Result{Studies: make([]Found, len(found)), Total: total, Sources: []Status{{Name: s.Name, Kind: s.Kind}}}
	r.Sources[0].More = q.Limit == 0 && total > len(found)
	for i, st := range found {
		r.Studies[i] = Found{st, s.Name}
	}
	return r, nil
}

// maxLocal bounds what a search takes from a folder or store, which has it in memory.
const maxLocal = 1 << 20

// gather asks sources side by side and waits for all of them, or for as long as given.
func gather(ctx context.Context, asked []*Source, q source.Query, within time.Duration) (Result, []Found) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	type answer struct {
		studies []*source.Study
		total   int
		err     error
	}
	answers := make([]answer, len(asked))
	var all sync.WaitGroup
	for i, s := range asked {
		all.Go(func() {
			a := &answers[i]
			if len(asked) > 1 && s.remote != nil {
				if a.err = s.remote.resting(); a.err != nil {
					return
				}
			}
			a.studies, a.total, a.err = s.find(ctx, q)
		})
	}
	all.Wait()
	r := Result{Sources: make([]Status, len(asked))}
	var studies []Found
	for i, s := range asked {
		a := answers[i]
		r.Sources[i] = Status{Name: s.Name, Kind: s.Kind, Err: a.err, More: a.err == nil && s.remote != nil && a.total > len(a.studies)}
		r.Total += a.total
		for _, st := range a.studies {
			studies = append(studies, Found{st, s.Name})
		}
	}
	return r, studies
}

// order puts studies, which are the newest first, into another order.
func order(studies []Found, by source.Sort) {
	if by == "" {
		return
	}
	list, from := make([]*source.Study, len(studies)), make(map[*source.Study]string, len(studies))
	for i, f := range studies {
		list[i], from[f.Study] = f.Study, f.Source
	}
	source.SortStudies(list, by)
	for i, s := range list {
		studies[i] = Found{s, from[s]}
	}
}
