package session

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// A shadow (A12) is a session without a terminal and without pictures: it has the study loaded and the view in step with
// the session that it may take over.

// follow takes the newest view of the session that this one is the shadow of.
func (l *loop) follow(ctx context.Context, raw json.RawMessage) {
	if l.uploads != nil {
		return // its page, which has the files, has the view too
	}
	var v signaling.ViewState
	err := json.Unmarshal(raw, &v)
	if err == nil {
		err = v.Validate()
	}
	if err != nil {
		l.s.log.Warn("view of the session not understood", "err", err)
		return
	}
	l.followed = &v
	l.step(ctx)
}

// step brings the view in step, once the series that it shows are here. One that is missing is loaded first.
func (l *loop) step(ctx context.Context) {
	if l.followed == nil || l.view == nil || l.opening != nil {
		return
	}
	next := *l.followed
	next.Viewports = slices.Clone(next.Viewports)
	for i := range next.Viewports {
		v := &next.Viewports[i]
		h := l.series[seriesKey(v.Series)]
		if h == nil {
			if l.mine(v.Series) {
				viewport := v.ID
				if l.view.find(viewport) < 0 {
					viewport = l.view.state.Viewports[0].ID
				}
				l.open(ctx, v.Series, viewport)
			}
			return
		}
		if checkFits(v, h.Series) != nil {
			return
		}
		if v.Mode != signaling.ViewImage {
			if _, err := transfer(v); err != nil {
				return
			}
		}
	}
	if l.s.cfg.Instruction.Moves {
		next.Revision += revisionsAhead
	}
	next.Revision = max(next.Revision, l.view.state.Revision+1)
	l.view.state = next
	l.followed, l.untouched, l.changed = nil, 0, l.s.clock()
	l.prune()
	if l.arriving && l.inStep() {
		l.loading = signaling.Loading{Stage: "done"}
		v := l.view.snapshot()
		l.event(signaling.Event{Type: signaling.EventLoaded, Patients: l.infos(), Loading: &l.loading, View: &v})
	}
}

// mine says whether a series is of the study that this session may show.
func (l *loop) mine(ref signaling.SeriesRef) bool {
	own := l.s.cfg.Instruction.Request.Series
	return own != nil && ref.StudyInstanceUID == own.StudyInstanceUID && ref.Validate() == nil
}

// promoted makes a shadow the session itself. Its terminal is waited for from now on.
func (l *loop) promoted(ctx context.Context, p signaling.Promote) {
	if !l.shadow {
		return // the order came twice
	}
	if len(p.View) > 0 && !l.owned {
		l.follow(ctx, p.View)
	}
	now := l.s.clock()
	l.shadow, l.arriving, l.awaited = false, false, now
	if p.Ran != nil {
		l.ran, l.began = p.Ran, now
	}
	if l.ending != nil { // its page has finished it already
		l.endAt = now + farewell
	}
	if l.peer.Taken() {
		l.report(signaling.TaskRunning, "")
	}
	l.s.log.Info("takes over", "fencing", p.Attempt.Fencing, "loaded", l.view != nil)
}

// reportView tells the view state where it is due, and says when the next report is.
func (l *loop) reportView(now, wait time.Duration) time.Duration {
	every := time.Duration(l.s.cfg.Instruction.ViewMs) * time.Millisecond
	if every <= 0 || l.s.cfg.Viewed == nil || l.shadow || l.view == nil || l.state != signaling.TaskRunning || l.view.state.Revision == l.reported {
		return wait
	}
	if now < l.reportAt {
		return min(wait, l.reportAt-now)
	}
	l.reportAt, l.reported = now+every, l.view.state.Revision
	raw, err := json.Marshal(l.view.snapshot())
	if err == nil && len(raw) <= signaling.MaxViewReport {
		i := l.s.cfg.Instruction
		l.s.cfg.Viewed(signaling.ViewReport{Task: i.Task, Attempt: i.Attempt.ID, Revision: int64(l.reported), View: raw})
	}
	return min(wait, every)
}

// readiness is how far a session has prepared for the terminal that it waits for (A6).
type readiness uint8

const (
	unready readiness = iota
	encoderReady
	pictureReady // the renderer has made a picture of the series
	measured     // and another one, with what it keeps for a volume, so that the first picture can be as good as is possible
)

// prepare does ahead what the first picture would wait for, while the terminal is on its way.
func (l *loop) prepare(ctx context.Context, now time.Duration) {
	codecs := offered()
	if l.shadow && !l.arriving || l.state != signaling.TaskReserved || l.endAt > 0 || len(codecs) == 0 {
		return
	}
	shows, best := l.view != nil && !l.coarse(), pictureReady
	if l.arriving {
		best = measured
	}
	switch {
	case l.ready == best || l.ready == encoderReady && !shows:
		return
	case !shows:
		l.ready = encoderReady
	case l.ready < pictureReady:
		l.ready = pictureReady
	default:
		l.ready = measured
	}
	codec, profile := encoded(codecs[0])
	l.give(ctx, job{kind: jobPrepare, quality: l.control.at(first, l.width*l.height, now), refines: true, target: target{l.width, l.height, codec, profile}})
}

// prepared takes what became of it. Nobody has missed a picture yet: one that fails will say so.
func (l *loop) prepared(o outcome) {
	switch {
	case o.err != nil:
		l.s.log.Debug("not prepared", "err", o.err)
	case l.ready == measured:
		l.control.rendered(o.job.quality, o.render, o.convert+o.encode)
		l.s.log.Info("ready for the terminal that moves here", "render", o.render.Round(time.Millisecond))
	case len(o.job.view.Viewports) > 0:
		l.s.log.Info("ready for the terminal", "after", l.s.clock().Round(time.Millisecond))
	}
}
