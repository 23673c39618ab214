package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

// Source is where series come from: a PACS, a folder, uploaded files.
type Source interface {
	// SeriesOf are the series of a study.
	SeriesOf(ctx context.Context, study string) ([]source.SeriesInfo, error)
	// Series is one of them; what is wrong with it may show only when it is read. all says that all of its files will
	// be wanted, so that a source may begin to fetch them when it is asked what there is.
	Series(study, series string, all bool) (source.Series, error)
}

// Request names a series and where it is.
type Request struct {
	// Ref is the series and its part; without a series it is the study's largest volume. Its Source is not looked at.
	Ref  signaling.SeriesRef
	From Source
	// Name is that of the source.
	Name string
	// Owner is who alone may have it, as the session that files were sent to; such a series never comes to rest on a
	// disk. Empty: whoever may list the series at the source.
	Owner string
}

// listing is a request once its source has said what there is.
type listing struct {
	Request
	series source.Series
	list   []source.Instance
	// name is how an entry is found: owner, source, study, series, fingerprint and, after the last space, part.
	name string
	// others are the series to show instead, where none was named and this one cannot be shown, best first.
	others []string
}

// maxOthers bounds the series of a study that are named instead of one that cannot be shown.
const maxOthers = 8

// Others is why the series that was chosen of a study cannot be shown, and the study's other series, best first.
type Others struct {
	Err    error
	Series []signaling.SeriesRef
}

func (o *Others) Error() string { return o.Err.Error() }

// Unwrap is why.
func (o *Others) Unwrap() error { return o.Err }

// instead adds to the problem of a series what else its study has. A source that cannot be read has no other series.
func (l *listing) instead(err error) error {
	var p *signaling.Problem
	if len(l.others) == 0 || !errors.As(err, &p) || !OfSeries(p) {
		return err
	}
	o := &Others{Err: err}
	for _, uid := range l.others {
		o.Series = append(o.Series, signaling.SeriesRef{Source: l.Ref.Source, StudyInstanceUID: l.Ref.StudyInstanceUID, SeriesInstanceUID: uid})
	}
	return o
}

// OfSeries says whether a problem is one series' own, so that another one may be shown.
func OfSeries(p *signaling.Problem) bool {
	switch p.Code {
	case signaling.ProblemUnreadable, signaling.ProblemNotAVolume, signaling.ProblemTooLarge, signaling.ProblemNotFound:
		return true
	}
	return false
}

// ask asks a source for a series. The listing says which series that is, at an error too.
func (c *Cache) ask(ctx context.Context, r Request) (*listing, error) {
	l := &listing{Request: r}
	if r.Ref.SeriesInstanceUID == "" {
		ranked, err := largestFirst(ctx, r.From, r.Ref.StudyInstanceUID)
		if err != nil {
			return l, err
		}
		l.Ref.SeriesInstanceUID = ranked[0]
		l.others = ranked[1:min(len(ranked), maxOthers+1)]
	}
	var err error
	known := fmt.Sprintf("%q %q %s %s ", r.Owner, r.Name, r.Ref.StudyInstanceUID, l.Ref.SeriesInstanceUID)
	if l.series, err = r.From.Series(r.Ref.StudyInstanceUID, l.Ref.SeriesInstanceUID, !c.likely(known, l.volumeKey())); err != nil {
		return l, err
	}
	if l.list, err = l.series.Instances(ctx); err != nil {
		return l, err
	}
	print, err := fingerprint(l.list)
	if err != nil {
		return l, err
	}
	l.name = fmt.Sprintf("%s%s %d", known, print, r.Ref.Part)
	return l, nil
}

// likely says whether a series seems to be here, or on its way: one whose names begin so, or of this key on the disk.
func (c *Cache) likely(known, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.entries {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return c.disk != nil && slices.Contains(c.disk.volumes(), key)
}

// named is the name of an entry with another part.
func named(name string, part int) string {
	return name[:strings.LastIndexByte(name, ' ')+1] + strconv.Itoa(part)
}

// describe is what a page shows of a result. Files that are no DICOM know no UIDs: theirs are the source's.
func (l *listing) describe(r *study.Result) signaling.SeriesInfo {
	info := Info(r, l.Name)
	if info.Series.SeriesInstanceUID == "" {
		info.Series.StudyInstanceUID, info.Series.SeriesInstanceUID = l.Ref.StudyInstanceUID, l.Ref.SeriesInstanceUID
	}
	return info
}

func (l *listing) volumeKey() string { return volumeKey(l.Name, l.Ref) }

func volumeKey(name string, ref signaling.SeriesRef) string {
	ref.Source = name
	return signaling.VolumeKey(ref)
}

// fingerprint is a hash of what a source says of the instances of a series. Instances never change under their UID
// (PS3.5 9), so another content is another listing.
func fingerprint(list []source.Instance) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	for i := range list {
		if err := e.Encode(&list[i]); err != nil {
			return "", fmt.Errorf("fingerprint of a series: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// largestFirst is the series of a study, that with the most slices of those that look like a volume first, a scanner's
// before what was made of them, then those with images. There is at least one.
func largestFirst(ctx context.Context, from Source, studyUID string) ([]string, error) {
	list, err := from.SeriesOf(ctx, studyUID)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such study", Detail: "Its source has no series of it: go back to the list of studies"}
	}
	rank := func(s source.SeriesInfo) int {
		scanner := slices.Contains([]string{"CT", "MR", "PT", "NM"}, s.Modality)
		switch {
		case s.Volume && scanner:
			return 2<<30 + max(s.Images, s.InstanceCount)
		case s.Volume:
			return 1<<30 + max(s.Images, s.InstanceCount)
		case scanner:
			return s.InstanceCount
		case slices.Contains([]string{"SR", "KO", "PR", "DOC", "REG", "RTSTRUCT", "RTPLAN", "SEG"}, s.Modality):
			return -2
		}
		return -1 // single images
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b source.SeriesInfo) int { return rank(b) - rank(a) })
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].SeriesInstanceUID
	}
	return out, nil
}

// listed is a series whose listing is known; it counts the bytes of its files as they come.
type listed struct {
	source.Series
	list  []source.Instance
	bytes atomic.Int64
}

func (s *listed) Instances(context.Context) ([]source.Instance, error) { return s.list, nil }

func (s *listed) count(fn func(source.Object) error) func(source.Object) error {
	return func(o source.Object) error {
		s.bytes.Add(int64(len(o.Data)))
		if o.Stream != nil {
			o.Stream = counted{o.Stream, &s.bytes}
		}
		return fn(o)
	}
}

// counted counts what is read of its files.
type counted struct {
	fs.FS
	bytes *atomic.Int64
}

func (c counted) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return countedFile{f, c.bytes}, nil
}

type countedFile struct {
	fs.File
	bytes *atomic.Int64
}

func (f countedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.bytes.Add(int64(n))
	return n, err
}

func (s *listed) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return s.Series.Each(ctx, workers, s.count(fn))
}

func (s *listed) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	return s.Series.Fetch(ctx, workers, uids, s.count(fn))
}
