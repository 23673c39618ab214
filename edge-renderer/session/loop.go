package session

import (
	"context"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// restAfter is how long the view must not have changed before it is refined, once the page has said that the
	// hand is off: only longer than the distance of a program's changes, one for each picture of a screen.
	restAfter = 20 * time.Millisecond
	// restAfterHeld is the same while a button or finger is still down.
	restAfterHeld = 200 * time.Millisecond
	// repeatAfter is when the last picture is sent once more, which repairs a loss that nobody noticed.
	repeatAfter = 250 * time.Millisecond
	// farewell is how long a session lives on so that its page hears why it ends.
	farewell = 200 * time.Millisecond
	// maxFaults is how many pictures in a row may fail before the session ends.
	maxFaults = 3

	defaultWidth, defaultHeight = 1280, 720
	maxPixels                   = 4096 * 2304
)

// loop owns everything of a session. All of its methods run on its goroutine.
type loop struct {
	s       *Session
	helpers sync.WaitGroup // goroutines that the loop started and waits for

	series   map[string]*held   // what the viewports show, by seriesKey
	opening  *opening           // a series on its way, nil where there is none
	uploads  *uploads           // the files that the terminal sends; nil for a session of a series
	failed   *signaling.Problem // why the series cannot be shown
	notice   *signaling.Problem // of what is shown, until the page has been told; nil where there is none
	ending   error              // why the session ends at endAt
	loading  signaling.Loading
	view     *view  // nil until there is something to show
	revision uint64 // of the last view that is not shown any more
	// untouched is the revision of the view while it is the standard one and nobody has changed it.
	untouched uint64
	peer      *peer
	tasks     map[signaling.TaskID]computation
	shadow    bool                 // kept ready to take over, see shadow.go
	followed  *signaling.ViewState // the newest view of the session that this one is the shadow of
	arriving  bool                 // a shadow to which its page comes, see move.go
	landed    bool                 // its page has said that it is here
	owned     bool                 // the view is that of a page which has come; what the other edge shows counts no more
	leaving   *leaving             // the move to another edge, nil while there is none
	ran       *signaling.Ran       // what is known from where it ran before, nil: nothing
	ready     readiness
	nextID    uint32 // of transfers

	control  controller
	orders   chan order
	outcomes chan outcome
	running  *order // what the pipeline is doing
	width    int    // wanted pixels
	height   int
	hidden   bool
	active   bool // the hand is on the picture

	// Revisions: what the page was sent last, in what quality.
	sent, refined, stilled uint64
	level                  int  // of the picture sent last, see ladder
	resized                bool // the wanted size changed since the last picture
	keyWanted              bool
	faults                 int
	noticed                uint64             // revision of which the page was told what is wrong with its picture
	stillFlight            context.CancelFunc // ends the sending of the last still

	// Instants on the session's clock.
	changed, touched, pictured, repeatAt, lost, endAt time.Duration
	began                                             time.Duration // to run here
	awaited, reportAt                                 time.Duration // since when the terminal is; when the view may be reported
	reported                                          uint64        // revision of the view
	stampedSeq                                        uint64
	state                                             signaling.TaskState
	usage                                             signaling.Usage
}

// order is a job under way.
type order struct {
	job
	ctx    context.Context
	cancel context.CancelFunc
}

func newLoop(s *Session) *loop {
	p := s.parameters()
	width, height, err := streamed(p.Width, p.Height)
	if err != nil {
		width, height = defaultWidth, defaultHeight
	}
	i := &s.cfg.Instruction
	l := &loop{
		s: s, peer: &peer{}, width: width, height: height, state: signaling.TaskReserved, shadow: i.Shadow, arriving: i.Shadow && i.Moves, ran: i.Ran,
		tasks: map[signaling.TaskID]computation{}, series: map[string]*held{},
		orders: make(chan order), outcomes: make(chan outcome, 1),
	}
	if i.Ran != nil && i.Ran.IdleMs > 0 {
		l.touched = -time.Duration(i.Ran.IdleMs) * time.Millisecond
		s.used.Store(int64(l.touched))
	}
	return l
}

func (l *loop) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := newPipeline(l.s.cfg.Renderer, l.s.clock)
	p.show, p.account = l.s.cfg.Show, l.s.account
	l.helpers.Go(func() {
		defer p.close()
		for o := range l.orders {
			l.outcomes <- p.do(o.ctx, o.job)
			o.cancel()
		}
	})
	if l.s.parameters().Upload {
		l.uploads = newUploads(l.s)
		l.loading.Stage = "waiting"
	} else {
		l.open(ctx, l.asked(), "")
	}
	if m := l.s.cfg.Metrics; m != nil {
		m.Sessions.Inc()
		defer m.Sessions.Dec()
	}

	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait, err := l.plan(ctx, l.s.clock())
		if err != nil {
			cancel(err)
			break
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case e := <-l.s.events:
			l.take(ctx, e)
			for more := true; more; { // the newest input counts, so all of them come before the next picture
				select {
				case e := <-l.s.events:
					l.take(ctx, e)
				default:
					more = false
				}
			}
		case o := <-l.outcomes:
			l.running = nil
			l.finish(ctx, o)
			l.letJob(o.job)
		case <-timer.C:
		}
	}
	l.end(context.Cause(ctx))
}

// plan starts what is due and says how long until something else is.
func (l *loop) plan(ctx context.Context, now time.Duration) (time.Duration, error) {
	if err := l.expired(now); err != nil {
		return 0, err
	}
	l.keepAccounts(ctx, now)
	wait := time.Second
	if l.endAt > 0 {
		wait = max(l.endAt-now, 0)
	}
	if l.running != nil {
		if l.running.refines && l.view != nil && l.running.view.Revision != l.view.state.Revision {
			l.running.cancel()
		}
		return wait, nil
	}
	wait = l.reportView(now, wait)
	if !l.peer.connected {
		l.prepare(ctx, now)
		return wait, nil
	}
	if !l.shows() || l.hidden {
		return wait, nil
	}
	until := func(d time.Duration) time.Duration { return min(wait, max(d, time.Millisecond)) }
	revision, area := l.view.state.Revision, l.width*l.height
	rest := restAfter
	if l.active {
		rest = restAfterHeld
	}
	switch {
	case revision != l.sent || l.resized:
		q := l.control.moving(area, now)
		if due := l.pictured + q.gap; now < due && l.sent != 0 {
			return until(due - now), nil
		}
		l.order(ctx, job{kind: jobPicture, quality: q}, false)
	case l.keyWanted:
		l.order(ctx, job{kind: jobRepeat, quality: l.control.resting(area, now)}, false)
	case now < l.changed+rest:
		return until(l.changed + rest - now), nil
	case revision != l.refined:
		q, ok := l.control.between(l.level, area, now)
		if !ok {
			q = l.control.resting(area, now)
		}
		if due := l.control.due(q, area, l.pictured); now < due {
			return until(due - now), nil
		}
		l.order(ctx, job{kind: jobPicture, quality: q}, true)
	case revision != l.stilled && !l.coarse():
		l.order(ctx, job{kind: jobStill}, true)
	case l.repeatAt > now:
		return until(l.repeatAt - now), nil
	case l.repeatAt > 0:
		l.order(ctx, job{kind: jobRepeat, quality: l.control.resting(area, now)}, false)
	}
	return wait, nil
}

// order hands a job to the pipeline, which is idle.
func (l *loop) order(ctx context.Context, j job, refines bool) {
	codec, profile, ok := l.peer.codec()
	if !ok {
		return
	}
	j.target = target{l.width, l.height, codec, profile}
	j.refines = refines
	if j.kind != jobStill {
		j.key = l.keyWanted
	}
	l.resized = l.resized && j.kind != jobPicture
	l.give(ctx, j)
}

// give gives a job on what is shown now to the pipeline, which is idle.
func (l *loop) give(ctx context.Context, j job) {
	j.at, j.series = l.s.clock(), make(map[string]*held, len(l.series))
	if l.view != nil {
		j.view, j.seq = l.view.snapshot(), l.view.seq
	}
	for key, h := range l.series {
		j.series[key] = l.hold(h)
	}
	ctx, cancel := context.WithCancel(ctx)
	o := order{j, ctx, cancel}
	l.running = &o
	l.orders <- o
}

// letJob lets go of what a job used.
func (l *loop) letJob(j job) {
	for _, h := range j.series {
		l.letGo(h)
	}
}

// finish takes what the pipeline made and sends it.
func (l *loop) finish(ctx context.Context, o outcome) {
	l.usage.GPUMs += ms(o.gpu)
	l.usage.CPUMs += ms(o.convert) + ms(o.encode)
	if o.job.kind == jobPrepare {
		l.prepared(o)
		return
	}
	if o.err != nil {
		l.fault(ctx, o)
		return
	}
	l.faults = 0
	if revision := o.job.view.Revision; o.problem != nil && l.noticed != revision {
		l.noticed = revision
		l.event(signaling.Event{Type: signaling.EventNotice, Problem: o.problem})
	}
	p := l.peer
	if p.RTC == nil || !p.connected {
		return
	}
	if o.job.kind == jobStill {
		l.sendStill(ctx, o)
		return
	}
	rtp, err := p.RTC.WritePicture(o.frame.Data, o.job.at)
	if err != nil {
		l.s.log.Warn("picture not sent", "err", err)
		return
	}
	first := l.sent == 0
	q := o.job.quality
	l.keyWanted = l.keyWanted && !o.frame.Key
	l.pictured = l.s.clock()
	l.usage.Pictures++
	l.usage.BytesSent += int64(len(o.frame.Data))
	l.repeatAt = 0
	if o.job.kind == jobPicture {
		l.repeatAt = l.pictured + repeatAfter
		l.control.rendered(q, o.render, o.convert+o.encode)
		l.sent, l.level = o.job.view.Revision, q.level
		if q.scale == 1 && q.step == 1 {
			l.refined = l.sent
		}
	}
	l.stamp(o, rtp)
	if m := l.s.cfg.Metrics; m != nil {
		m.Pictures.Inc()
		m.RenderSeconds.Observe(o.render.Seconds())
		m.EncodeSeconds.Observe(o.encode.Seconds())
	}
	if first {
		l.s.log.Info("first picture", "after", l.s.clock().Round(time.Millisecond), "encoder", o.name,
			"render", o.render.Round(time.Millisecond))
	}
}

// stamp tells the page what the picture with this RTP timestamp shows.
func (l *loop) stamp(o outcome, rtp uint32) {
	q := o.job.quality
	s := signaling.Stamp{
		RTP: rtp, Revision: o.job.view.Revision, Seq: o.job.seq, Quality: signaling.QualityReduced,
		Scale: q.scale * q.rung, Bitrate: q.bitrate, Key: o.frame.Key, Cameras: cameras(o.job.view),
		Times: signaling.StageTimes{RenderMs: ms(o.render), ConvertMs: ms(o.convert), EncodeMs: ms(o.encode)},
	}
	if l.refined == o.job.view.Revision && q.rung == 1 && !anyCoarse(o.job.series) {
		s.Quality = signaling.QualityLossy
	}
	s.Width, s.Height = rungSize(o.job.target, q.rung)
	if h := o.job.series[seriesKey(o.job.view.Viewports[0].Series)]; h != nil && h.Volume != nil {
		s.StepMm = q.step * FullStep(h.Volume.Geometry)
	}
	if o.job.seq > l.stampedSeq {
		s.Times.WaitMs = max(ms(o.job.at-l.touched), 0)
		l.stampedSeq = o.job.seq
	}
	if err := l.peer.RTC.SendStamp(s); err != nil {
		l.s.log.Debug("stamp not sent", "err", err)
	}
}

// sendStill sends a lossless still beside the loop, unless the view has changed since it was made.
func (l *loop) sendStill(ctx context.Context, o outcome) {
	if l.view == nil || o.job.view.Revision != l.view.state.Revision || o.job.target.width != l.width || o.job.target.height != l.height {
		return
	}
	l.stilled = o.job.view.Revision
	header := signaling.StillHeader{
		Revision: l.stilled, Seq: o.job.seq, Width: l.width, Height: l.height, Format: "image/png",
		Bytes: len(o.still), SHA256: o.sha256, SinceInputMs: ms(l.s.clock() - l.touched),
		RenderMs: ms(o.render), EncodeMs: ms(o.encode), Cameras: cameras(o.job.view),
	}
	l.usage.BytesSent += int64(len(o.still))
	ctx, l.stillFlight = context.WithCancel(ctx)
	rtc := l.peer.RTC
	l.helpers.Go(func() {
		if err := rtc.SendStill(ctx, header, o.still); err != nil && ctx.Err() == nil {
			l.s.log.Warn("still not sent", "err", err)
		}
	})
	if m := l.s.cfg.Metrics; m != nil {
		m.Stills.Inc()
	}
}

func cameras(v signaling.ViewState) []signaling.Camera {
	out := make([]signaling.Camera, len(v.Viewports))
	for i := range v.Viewports {
		out[i] = v.Viewports[i].Camera
	}
	return out
}
