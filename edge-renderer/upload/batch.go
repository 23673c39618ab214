// Package upload receives the files that a terminal sends to its edge. They live in memory alone, outside the Go heap,
// and are wiped when the session that they were sent to ends.
package upload

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/memory"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// MaxFiles bounds the files of a batch.
	MaxFiles = 100_000
	// maxText bounds a name or a reason that is told, bytes, and maxTold all that is told of an upload, so that it fits
	// into a message.
	maxText = 300
	maxTold = 40 << 10
)

// Errors of a file, for the one who sent it.
var (
	errNoRoom  = errors.New("it was not announced: more files or bytes came than the page said")
	errUnnamed = errors.New("it came without a path")
	errClosed  = errors.New("the files of the upload have been wiped")
)

// Batch is the files of one upload: announced, received one after the other, then looked at together. Its methods may be
// called from several goroutines.
type Batch struct {
	announced signaling.Upload
	news      func() // something has come; it must not block

	all chan struct{} // closed when as many files have ended as were announced

	mu      sync.Mutex
	memory  arena
	store   *memory.Store
	ended   int   // files
	bytes   int64 // that have come
	taken   int64 // of the announced bytes, by files that have begun
	leftOut []signaling.LeftOut
	failed  int // how many were left out on their way
	sealed  bool

	use    sync.RWMutex // held for reading while something reads the files
	closed bool         // guarded by use
}

// Announced says what is wrong with an announcement.
func Announced(u *signaling.Upload) error {
	switch {
	case u == nil:
		return errors.New("upload without what is announced")
	case u.Files < 1 || u.Files > MaxFiles:
		return fmt.Errorf("%d files: 1 to %d can be sent at once", u.Files, MaxFiles)
	case u.Bytes < 0 || u.Bytes > 1<<42:
		return fmt.Errorf("%d bytes cannot be", u.Bytes)
	}
	return nil
}

// New prepares for files that were announced; news is called when something has come. The caller closes it.
func New(announced signaling.Upload, news func()) *Batch {
	return &Batch{announced: announced, news: news, all: make(chan struct{}), store: memory.New(announced.Bytes)}
}

// Begin takes a file that begins to come on "bulk".
func (b *Batch) Begin(h signaling.BulkHeader) (stream.Transfer, error) {
	var meta signaling.UploadMeta
	var err error
	if json.Unmarshal(h.Meta, &meta) != nil || meta.Path == "" {
		err = errUnnamed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return nil, errClosed
	}
	if err == nil && (b.taken+h.Bytes > b.announced.Bytes || b.ended >= b.announced.Files) {
		err = errNoRoom
	}
	var data []byte
	if err == nil {
		data, err = b.memory.take(int(h.Bytes))
	}
	if err != nil {
		b.end(meta.Path, err)
		return nil, err
	}
	b.taken += h.Bytes
	return &file{batch: b, path: meta.Path, data: data}, nil
}

// end counts a file that has come, or was left out for a reason. The caller has the lock.
func (b *Batch) end(name string, why error) {
	if why != nil {
		b.failed++
		if len(b.leftOut) < signaling.MaxLeftOut {
			b.leftOut = append(b.leftOut, signaling.LeftOut{Name: short(name), Reason: short(why.Error())})
		}
	}
	if b.ended++; b.ended == b.announced.Files {
		close(b.all)
	}
	b.news()
}

// file is one that is being received.
type file struct {
	batch *Batch
	path  string
	data  []byte
	n     int
}

// Write takes the next bytes.
func (f *file) Write(part []byte) (int, error) {
	b := f.batch
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errClosed
	}
	f.n += copy(f.data[f.n:], part)
	b.bytes += int64(len(part))
	b.news()
	return len(part), nil
}

// End takes the end of the file.
func (f *file) End(err error) {
	b := f.batch
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return
	}
	if err == nil {
		err = b.store.Add(f.path, f.data)
	}
	b.end(f.path, err)
}

// Progress is how much has come.
func (b *Batch) Progress() signaling.Loading {
	b.mu.Lock()
	defer b.mu.Unlock()
	return signaling.Loading{Slices: b.ended, TotalSlices: b.announced.Files, Bytes: b.bytes, TotalBytes: b.announced.Bytes, Stage: "receiving"}
}

// Wait waits until as many files have ended as were announced, or nothing has come for idle: what has not come by then
// does not come.
func (b *Batch) Wait(ctx context.Context, idle time.Duration) {
	last, timer := b.Progress(), time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-b.all:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
			now := b.Progress()
			if now == last {
				return
			}
			last = now
			timer.Reset(idle)
		}
	}
}

// Finish takes no more files and says what came: the series, those that look like a volume first, and what was left out.
func (b *Batch) Finish(ctx context.Context) (signaling.Received, error) {
	b.mu.Lock()
	b.sealed = true
	missing := b.announced.Files - b.ended
	out := signaling.Received{Series: []signaling.ReceivedSeries{}, LeftOut: slices.Clone(b.leftOut), LeftOutCount: b.failed}
	b.mu.Unlock()
	summary, err := b.store.Finish(ctx, signaling.Uploads)
	if err != nil {
		return out, err
	}
	for i := range summary.Studies {
		st := &summary.Studies[i]
		for _, s := range summary.Series[st.StudyInstanceUID] {
			out.Series = append(out.Series, signaling.ReceivedSeries{
				Series:      signaling.SeriesRef{Source: signaling.Uploads, StudyInstanceUID: st.StudyInstanceUID, SeriesInstanceUID: s.SeriesInstanceUID},
				PatientName: short(st.PatientName), PatientID: short(st.PatientID), StudyDate: st.StudyDate, StudyDescription: short(st.Description),
				SeriesDescription: short(s.Description), Modality: s.Modality, Instances: s.InstanceCount, Volume: s.Volume, Reason: short(s.Reason),
			})
		}
	}
	slices.SortStableFunc(out.Series, func(a, b signaling.ReceivedSeries) int {
		switch {
		case a.Volume != b.Volume && a.Volume:
			return -1
		case a.Volume != b.Volume:
			return 1
		}
		return cmp.Compare(b.Instances, a.Instances)
	})
	for _, f := range summary.LeftOut {
		out.LeftOutCount++
		if len(out.LeftOut) < signaling.MaxLeftOut {
			out.LeftOut = append(out.LeftOut, signaling.LeftOut{Name: short(f.Name), Reason: short(f.Reason)})
		}
	}
	if missing > 0 {
		out.LeftOutCount += missing
		out.LeftOut = append([]signaling.LeftOut{{Name: fmt.Sprintf("%d of %d files", missing, b.announced.Files), Reason: "They did not come."}},
			out.LeftOut[:min(len(out.LeftOut), signaling.MaxLeftOut-1)]...)
	}
	Fit(&out)
	return out, nil
}

// Fit takes away what is least needed until the rest fits into a message: files that were left out, then the last series.
func Fit(r *signaling.Received) {
	for {
		raw, err := json.Marshal(r)
		switch {
		case err != nil || len(raw) <= maxTold:
			return
		case len(r.LeftOut) > 10:
			r.LeftOut = r.LeftOut[:len(r.LeftOut)/2]
		case len(r.Series) > 1:
			r.Series = r.Series[:len(r.Series)*3/4]
		default:
			return
		}
	}
}

// short cuts text that is too long for a message.
func short(s string) string {
	if len(s) <= maxText {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:maxText-3], "?") + "…"
}

// Close wipes everything, once nothing reads it any more.
func (b *Batch) Close() {
	b.mu.Lock()
	b.sealed = true
	b.mu.Unlock()
	b.use.Lock()
	defer b.use.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.store.Close()
	b.memory.free()
}

// SeriesOf are the series of a study among the files.
func (b *Batch) SeriesOf(_ context.Context, study string) ([]source.SeriesInfo, error) {
	found, _ := b.store.FindSeries(source.Query{StudyUIDs: []string{study}}, MaxFiles)
	out := make([]source.SeriesInfo, len(found))
	for i := range found {
		out[i] = *found[i].Series
	}
	return out, nil
}

// Series is one of them.
func (b *Batch) Series(study, series string) (source.Series, error) {
	s, err := b.store.Source(study, series)
	if err != nil {
		return nil, err
	}
	return &borrowed{s, b}, nil
}

// borrowed is a series whose files are not wiped while they are read.
type borrowed struct {
	source.Series
	batch *Batch
}

func (s *borrowed) read(fn func() error) error {
	s.batch.use.RLock()
	defer s.batch.use.RUnlock()
	if s.batch.closed {
		return errClosed
	}
	return fn()
}

func (s *borrowed) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return s.read(func() error { return s.Series.Each(ctx, workers, fn) })
}

func (s *borrowed) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	return s.read(func() error { return s.Series.Fetch(ctx, workers, uids, fn) })
}
