package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/signaling"
)

// held is a series that the session uses: on the screen, in a picture that is being made, in a compute task. When nothing
// uses it any more it is released. It belongs to the loop.
type held struct {
	*cache.Series
	users int
}

func (l *loop) hold(h *held) *held {
	h.users++
	return h
}

func (l *loop) letGo(h *held) {
	if h.users--; h.users == 0 {
		h.Release()
	}
}

// seriesKey is by what a viewport finds its series.
func seriesKey(ref signaling.SeriesRef) string {
	return fmt.Sprintf("%s %s %d", ref.StudyInstanceUID, ref.SeriesInstanceUID, ref.Part)
}

// opening is a series on its way to the screen.
type opening struct {
	ref      signaling.SeriesRef
	viewport string // that will show it; empty: all of them
	cancel   context.CancelFunc
	// others are what is shown instead where the series cannot be shown, best first; passed is why one before could not
	// be, nil where there was none.
	others []signaling.SeriesRef
	passed *signaling.Problem
	// preview says that a coarse volume of it is on the screen, in the viewports that have shown as their series. What was
	// there before comes back if the rest does not come.
	preview bool
	shown   signaling.SeriesRef
	before  []signaling.Viewport // nil where nothing was there
	kept    map[string]*held
	waits   *awaited // for memory; nil where it does not
}

// The events of an opening.
type (
	eventLoading struct {
		of       *opening
		progress signaling.Loading
	}
	eventPreview struct {
		of     *opening
		series *cache.Series
	}
	eventLoaded struct {
		of     *opening
		series *cache.Series
		err    error
	}
)

// open begins to load a series, instead of one that is under way.
func (l *loop) open(ctx context.Context, ref signaling.SeriesRef, viewport string) {
	l.begin(ctx, &opening{ref: ref, viewport: viewport})
}

// begin is open with what is known already.
func (l *loop) begin(ctx context.Context, o *opening) {
	l.giveUp()
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	o.cancel = cancel
	l.opening = o
	events := l.s.events
	request, err := l.where(o.ref)
	if err != nil {
		cancel()
		l.loaded(whole, eventLoaded{of: o, err: err})
		return
	}
	l.helpers.Go(func() {
		defer cancel()
		series, err := l.s.cfg.Volumes.Open(ctx, request, cache.Watch{
			Progress: func(p signaling.Loading) {
				select {
				case events <- eventLoading{o, p}:
				default: // the next one says more
				}
			},
			Preview: func(s *cache.Series) {
				select {
				case events <- eventPreview{o, s}:
				default: // a finer one comes
					s.Release()
				}
			},
		})
		if p, ok := l.s.cfg.Renderer.(render.Preparer); ok && err == nil && series.Loaded != nil {
			if err = p.Prepare(ctx, series.Loaded); err != nil {
				series.Release()
				series = nil
			}
		}
		select {
		case events <- eventLoaded{o, series, err}:
		case <-ctx.Done():
			if series != nil {
				series.Release()
			}
		}
	})
}

// where is the source that a series of this session comes from.
func (l *loop) where(ref signaling.SeriesRef) (cache.Request, error) {
	r := cache.Request{Ref: ref}
	i := l.s.cfg.Instruction
	if l.uploads != nil {
		r.From, r.Name, r.Owner = l.uploads.source(), signaling.Uploads, string(i.Attempt.ID)
		return r, nil
	}
	if i.Request.Series == nil || i.Source == nil {
		return r, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "No series to show"}
	}
	from, err := l.s.cfg.Sources(*i.Source)
	r.From, r.Name = from, i.Source.Name
	return r, err
}

// openSeries opens another series or part of the session's study or files.
func (l *loop) openSeries(ctx context.Context, r signaling.Request) error {
	if r.Series == nil {
		return badRequest("open-series without a series")
	}
	ref := *r.Series
	if err := ref.Validate(); err != nil {
		return badRequest(err.Error())
	}
	if r.Viewport != "" && (l.view == nil || l.view.find(r.Viewport) < 0) {
		return badRequest(fmt.Sprintf("the view has no viewport %.40q", r.Viewport))
	}
	if l.failed != nil || l.endAt > 0 {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The session ends", Detail: "Open the study again"}
	}
	if l.uploads == nil {
		own := l.s.cfg.Instruction.Request.Series
		if own == nil || ref.StudyInstanceUID != own.StudyInstanceUID || ref.Source != "" && own.Source != "" && ref.Source != own.Source {
			return &signaling.Problem{Code: signaling.ProblemForbidden, Title: "Not this session's study",
				Detail: "A session shows the series of one study: open another session for another one"}
		}
		ref.Source = own.Source
	} else {
		ref.Source = signaling.Uploads
		if !l.uploads.has(ref) {
			return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such series",
				Detail: "It is not among the files that were sent"}
		}
	}
	if h := l.series[seriesKey(ref)]; h != nil && !h.Coarse && len(l.series) == 1 { // it is there: what was on its way is not wanted any more
		l.giveUp()
		l.loading = signaling.Loading{Stage: "done"}
		v := l.view.snapshot()
		l.event(signaling.Event{Type: signaling.EventLoaded, Patients: l.infos(), Loading: &l.loading, View: &v})
		return nil
	}
	l.followed = nil // the page knows better what it shows
	l.open(ctx, ref, r.Viewport)
	return nil
}

// giveUp ends the opening that is under way, where there is one, and puts what was there before back on the screen.
func (l *loop) giveUp() {
	o := l.opening
	if o == nil {
		return
	}
	l.opening = nil
	o.cancel()
	o.leave()
	l.goBack(o)
}

// goBack takes an opening's preview off the screen again.
func (l *loop) goBack(o *opening) {
	if !o.preview {
		return
	}
	if o.before == nil {
		l.revision, l.view = l.view.state.Revision, nil
	} else {
		l.view.state.Viewports = o.before
		for key, h := range o.kept {
			if now := l.series[key]; now != h {
				if now != nil {
					l.letGo(now)
				}
				l.series[key] = l.hold(h)
			}
		}
		l.revised()
	}
	l.prune()
	l.letKept(o)
}

// letKept lets go of what was kept of the screen before an opening.
func (l *loop) letKept(o *opening) {
	for _, h := range o.kept {
		l.letGo(h)
	}
	o.kept, o.before = nil, nil
}

// prune lets go of every series that no viewport shows.
func (l *loop) prune() {
	for key, h := range l.series {
		if l.view == nil || !slices.ContainsFunc(l.view.state.Viewports, func(v signaling.Viewport) bool { return seriesKey(v.Series) == key }) {
			delete(l.series, key)
			l.letGo(h)
		}
	}
}

// revised gives the view a new revision because what it shows has changed, though nobody changed the view.
func (l *loop) revised() {
	standard := l.view.state.Revision == l.untouched
	l.view.state.Revision++
	if standard {
		l.untouched = l.view.state.Revision
	}
	l.changed = l.s.clock()
	if l.stillFlight != nil {
		l.stillFlight()
	}
}

// previewed shows a coarse volume while the rest arrives.
func (l *loop) previewed(e eventPreview) {
	if l.opening != e.of {
		e.series.Release()
		return
	}
	if err := l.show(e.of, e.series); err != nil {
		e.series.Release() // the whole one says what is wrong
		return
	}
	e.of.preview = true
	l.loading.Preview = true
	v := l.view.snapshot()
	l.event(signaling.Event{Type: signaling.EventLoading, Loading: &l.loading, Patients: l.infos(), View: &v})
}

// loaded shows a series that has come whole, or says why it cannot be shown. What was on the screen stays there then.
func (l *loop) loaded(ctx context.Context, e eventLoaded) {
	if l.opening != e.of {
		if e.series != nil {
			e.series.Release()
		}
		return
	}
	l.opening = nil
	err := e.err
	if err == nil {
		if err = l.afford(e); errors.Is(err, errWaits) {
			return
		}
	}
	if err == nil {
		err = l.show(e.of, e.series)
		if err != nil {
			e.series.Release()
			err = &signaling.Problem{Code: signaling.ProblemInternal, Title: "The series has no view", Detail: err.Error()}
		}
	}
	if err != nil {
		if !l.openNext(ctx, e.of, err) {
			l.notLoaded(e.of, err)
		}
		return
	}
	l.letKept(e.of)
	l.usage.DataMB += float64(e.series.Bytes) / (1 << 20)
	l.usage.TransferMs += ms(e.series.Transfer)
	l.loading.Stage, l.loading.Preview = "done", false
	l.step(ctx)
	if l.arriving && !l.inStep() {
		return // more of what the other edge shows comes
	}
	v := l.view.snapshot()
	l.event(signaling.Event{Type: signaling.EventLoaded, Patients: l.infos(), Loading: &l.loading, View: &v})
	if p := e.of.passed; p != nil {
		l.notice = &signaling.Problem{Code: p.Code, Title: "Another series is shown", Detail: "The largest one cannot be shown: " + p.Detail}
		l.tellNotice()
	}
}

// tellNotice tells the page, once there is one, what it must know of the series that it was shown.
func (l *loop) tellNotice() {
	if l.notice == nil || !l.peer.connected {
		return
	}
	l.event(signaling.Event{Type: signaling.EventNotice, Problem: l.notice})
	l.notice = nil
}

// openNext opens what may be shown instead of a series that cannot be, where there is something.
func (l *loop) openNext(ctx context.Context, o *opening, err error) bool {
	var more *cache.Others
	if errors.As(err, &more) {
		o.others = more.Series
	}
	p := ending.Problem(err)
	if len(o.others) == 0 || !cache.OfSeries(p) {
		return false
	}
	l.s.log.Warn("series not loaded, the next one is tried", "code", p.Code, "title", p.Title)
	l.goBack(o)
	if o.passed != nil {
		p = o.passed // of the one that was wanted most
	}
	l.begin(ctx, &opening{ref: o.others[0], viewport: o.viewport, others: o.others[1:], passed: p})
	return true
}

func (l *loop) notLoaded(o *opening, err error) {
	p := ending.Problem(err)
	if o.passed != nil {
		p = o.passed
	}
	l.s.log.Warn("series not loaded", "code", p.Code, "title", p.Title)
	l.goBack(o)
	if l.view == nil && l.uploads == nil || l.arriving { // one that moves here would not be what it was
		l.fail(p)
		return
	}
	l.loading = signaling.Loading{Stage: "done"}
	l.event(signaling.Event{Type: signaling.EventNotice, Problem: p})
	if l.view != nil { // the page sees again whose pictures these are
		v := l.view.snapshot()
		l.event(signaling.Event{Type: signaling.EventLoaded, Patients: l.infos(), Loading: &l.loading, View: &v})
	}
}

// show puts a series of an opening on the screen, and takes it over. A finer volume of what is there already takes the
// place of the coarser one, and the view stays.
func (l *loop) show(o *opening, s *cache.Series) error {
	ref := s.Info.Series
	ref.Source = o.ref.Source
	switch {
	case l.view == nil:
		state, standard, err := l.openingView(ref, s)
		if err != nil {
			return err
		}
		switch {
		case l.revision > 0:
			state.Revision = l.revision + 1
		case l.s.cfg.Instruction.Moves:
			state.Revision += revisionsAhead
		}
		l.view = newView(state)
		l.view.check = l.checkViewport
		l.untouched = 0
		if standard {
			l.untouched = state.Revision
		}
		l.changed = l.s.clock()
	case o.preview:
		for i := range l.view.state.Viewports {
			if v := &l.view.state.Viewports[i]; v.Series == o.shown {
				v.Series = ref
				if !s.Coarse && v.TimePoint >= max(len(s.Info.TimePoints), 1) {
					v.TimePoint = 0
				}
			}
		}
		l.revised()
	default:
		next, err := l.exchanged(o, ref, s)
		if err != nil {
			return err
		}
		if s.Coarse {
			o.before, o.kept = l.view.state.Viewports, map[string]*held{}
			for key, h := range l.series {
				o.kept[key] = l.hold(h)
			}
		}
		l.view.state.Viewports = next
		l.untouched = 0
		l.revised()
	}
	o.shown = ref
	key := seriesKey(ref)
	if old := l.series[key]; old != nil {
		l.letGo(old)
	}
	l.series[key] = l.hold(&held{Series: s})
	l.weigh()
	l.prune()
	return nil
}

// weigh notes the memory that the session's series take, where it is more than ever.
func (l *loop) weigh() {
	bytes := int64(0)
	for _, h := range l.series {
		if h.Volume != nil {
			bytes += int64(h.Volume.Bytes())
		}
	}
	l.usage.PeakMemoryMB = max(l.usage.PeakMemoryMB, (bytes+1<<20-1)>>20)
}
