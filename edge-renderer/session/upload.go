package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/upload"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// uploadIdle is how long, after the page has said that it has sent everything, nothing may come before the rest is
	// taken for lost.
	uploadIdle = 10 * time.Second
	// receivingEvery is how often the page is told how much has come.
	receivingEvery = 100 * time.Millisecond
	// reserveWithin is how long room for files is waited for.
	reserveWithin = 2 * time.Second
	// maxOthers bounds the series of an upload that are tried where the largest one cannot be shown.
	maxOthers = 8
	// maxBatches bounds the uploads of a session.
	maxBatches = 64
)

// uploads are the files that a session's terminal sends. They belong to the loop but for what it says otherwise.
type uploads struct {
	session *Session
	owner   string
	// present takes the files that come, on the goroutine of the peer.
	present atomic.Pointer[upload.Batch]
	batches []*batch // that have come, the oldest first
	under   *batch   // that is coming, nil where none is
	told    *signaling.Received
	toldAt  time.Duration
}

// batch is an upload and the room for it.
type batch struct {
	*upload.Batch
	release func()
	news    atomic.Bool // the loop has been told that something came
	ending  bool        // the page has sent everything
}

func (b *batch) close() {
	b.Close()
	b.release()
}

// The events of an upload.
type (
	eventReceiving struct{ batch *batch }
	eventReceived  struct {
		batch    *batch
		received signaling.Received
		err      error
	}
)

func newUploads(s *Session) *uploads {
	return &uploads{session: s, owner: string(s.cfg.Instruction.Attempt.ID)}
}

// bulk takes the transfers of a peer; nil where the session takes none.
func (l *loop) bulk() func(signaling.BulkHeader) (stream.Transfer, error) {
	if l.uploads == nil {
		return nil
	}
	present := &l.uploads.present
	return func(h signaling.BulkHeader) (stream.Transfer, error) {
		b := present.Load()
		if b == nil {
			return nil, errors.New("no upload was announced")
		}
		return b.Begin(h)
	}
}

// announced prepares for files that the page is about to send.
func (l *loop) announced(ctx context.Context, r signaling.Request) error {
	u := l.uploads
	if u == nil {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "This session takes no files",
			Detail: "It shows a series of a configured source: files go to a session of their own"}
	}
	if err := upload.Announced(r.Upload); err != nil {
		return badRequest(err.Error())
	}
	if u.under != nil && u.under.ending || len(u.batches) >= maxBatches {
		return &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many uploads",
			Detail: "Wait until the files that were sent have been looked at, or open another session"}
	}
	u.drop() // one that a page which is gone has begun
	ctx, cancel := context.WithTimeout(ctx, reserveWithin)
	defer cancel()
	release, err := l.s.cfg.Volumes.Reserve(ctx, r.Upload.Bytes)
	if err != nil {
		return err
	}
	b := &batch{release: release}
	b.Batch = upload.New(*r.Upload, func() {
		if b.news.CompareAndSwap(false, true) {
			select {
			case u.session.events <- eventReceiving{b}:
			default:
				b.news.Store(false) // the next one tells
			}
		}
	})
	u.under = b
	u.present.Store(b.Batch)
	return nil
}

// drop ends an upload that has not come whole.
func (u *uploads) drop() {
	if u.under != nil {
		u.present.Store(nil)
		u.under.close()
		u.under = nil
	}
}

// receiving tells the page how much has come.
func (l *loop) receiving(e eventReceiving) {
	e.batch.news.Store(false)
	now := l.s.clock()
	l.touch(now)
	p := e.batch.Progress()
	if l.uploads.under != e.batch || l.opening != nil || now < l.uploads.toldAt+receivingEvery && p.Slices < p.TotalSlices {
		return
	}
	l.uploads.toldAt = now
	l.loading = p
	l.event(signaling.Event{Type: signaling.EventLoading, Loading: &l.loading})
}

// uploaded looks at what came, once all of it has.
func (l *loop) uploaded(ctx context.Context) error {
	if l.uploads == nil || l.uploads.under == nil || l.uploads.under.ending {
		return badRequest("uploaded without an upload that was announced")
	}
	b := l.uploads.under
	b.ending = true
	l.helpers.Go(func() {
		b.Wait(ctx, uploadIdle) // "control" may be ahead of "bulk"
		received, err := b.Finish(ctx)
		select {
		case l.s.events <- eventReceived{b, received, err}:
		case <-ctx.Done():
		}
	})
	return nil
}

// received tells the page what series came, and shows the largest volume that can be shown, else the first images.
func (l *loop) received(ctx context.Context, e eventReceived) {
	u := l.uploads
	u.present.Store(nil)
	u.under = nil
	if e.err != nil {
		e.batch.close()
		l.event(signaling.Event{Type: signaling.EventNotice, Problem: ending.Problem(e.err)})
		return
	}
	u.batches = append(u.batches, e.batch)
	fresh := slices.Clone(e.received.Series)
	u.told = merged(u.told, e.received)
	l.event(signaling.Event{Type: signaling.EventReceived, Received: u.told})
	if len(fresh) == 0 {
		l.loading = signaling.Loading{Stage: "waiting"}
		l.event(signaling.Event{Type: signaling.EventNotice, Problem: &signaling.Problem{Code: signaling.ProblemUnreadable,
			Title: "Nothing to show", Detail: fmt.Sprintf("None of the files that came can be shown (%d were left out): send DICOM, NIfTI or NRRD files, or a zip of them", e.received.LeftOutCount)}})
		return
	}
	rank := func(s signaling.ReceivedSeries) int {
		if s.Volume {
			return 1 + s.Instances
		}
		return 0
	}
	slices.SortStableFunc(fresh, func(a, b signaling.ReceivedSeries) int { return rank(b) - rank(a) })
	o := &opening{ref: fresh[0].Series}
	for _, s := range fresh[1:min(len(fresh), maxOthers+1)] {
		o.others = append(o.others, s.Series)
	}
	l.begin(ctx, o)
}

// merged is what the page is told after another upload: all series, the new ones first, and what was left out of it.
func merged(before *signaling.Received, now signaling.Received) *signaling.Received {
	if before != nil {
		for _, s := range before.Series {
			if !slices.ContainsFunc(now.Series, func(n signaling.ReceivedSeries) bool { return n.Series == s.Series }) {
				now.Series = append(now.Series, s)
			}
		}
	}
	upload.Fit(&now)
	return &now
}

// has says whether a series is among the files.
func (u *uploads) has(ref signaling.SeriesRef) bool {
	list, err := u.source().SeriesOf(context.Background(), ref.StudyInstanceUID)
	return err == nil && (ref.SeriesInstanceUID == "" && len(list) > 0 ||
		slices.ContainsFunc(list, func(s source.SeriesInfo) bool { return s.SeriesInstanceUID == ref.SeriesInstanceUID }))
}

// source is all files that have come.
func (u *uploads) source() cache.Source { return uploaded(slices.Clone(u.batches)) }

// close wipes all files.
func (u *uploads) close() {
	u.drop()
	for _, b := range u.batches {
		b.close()
	}
	u.batches = nil
}

// uploaded is a source of files that were sent; newer uploads come before older ones.
type uploaded []*batch

func (u uploaded) SeriesOf(ctx context.Context, study string) ([]source.SeriesInfo, error) {
	var out []source.SeriesInfo
	for _, b := range slices.Backward(u) {
		list, err := b.SeriesOf(ctx, study)
		if err != nil && !errors.Is(err, source.ErrNotFound) {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func (u uploaded) Series(study, series string, _ bool) (source.Series, error) {
	for _, b := range slices.Backward(u) {
		s, err := b.Series(study, series)
		if err == nil || !errors.Is(err, source.ErrNotFound) {
			return s, err
		}
	}
	return nil, fmt.Errorf("series of the files that were sent: %w", source.ErrNotFound)
}
