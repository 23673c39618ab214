package session

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// asked is the series that the task names.
func (l *loop) asked() signaling.SeriesRef {
	if r := l.s.cfg.Instruction.Request.Series; r != nil {
		return *r
	}
	return signaling.SeriesRef{}
}

// take brings an event into the session's state.
func (l *loop) take(ctx context.Context, e event) {
	switch e := e.(type) {
	case eventSignal:
		l.signal(e)
	case eventGone:
		l.peer.Gone(e.connection)
	case eventReply:
		if l.current(e.from) {
			l.peer.Reply(e.signal)
		}
	case eventLoading:
		if l.opening == e.of {
			l.loading = e.progress
			l.loading.Preview = e.of.preview
			l.event(signaling.Event{Type: signaling.EventLoading, Loading: &l.loading})
		}
	case eventPreview:
		l.previewed(e)
	case eventLoaded:
		l.loaded(ctx, e)
	case eventReceiving:
		l.receiving(e)
	case eventReceived:
		l.received(ctx, e)
	case eventConnected:
		if l.current(e.from) {
			l.connected()
		}
	case eventDisconnected:
		if l.current(e.from) && l.peer.connected {
			l.peer.connected = false
			l.peerLost()
		}
	case eventClosed:
		if l.current(e.from) {
			l.Leave(e.reason)
		}
	case eventKeyFrame:
		l.keyWanted = l.keyWanted || l.current(e.from)
	case eventInput:
		if l.current(e.from) {
			l.input(e.input)
		}
	case eventRequest:
		if l.current(e.from) {
			l.request(ctx, e.request)
		}
	case eventMove:
		l.leave(e)
	case eventStay:
		l.stay(e.move)
	case eventView:
		if l.shadow && !l.owned {
			l.follow(ctx, e.view)
		}
	case eventPromote:
		l.promoted(ctx, e.Promote)
	case eventTask:
		l.taskTold(e)
	}
	if l.peer.handler != nil {
		l.control.bandwidth(int(l.peer.handler.estimate.Load()))
	}
}

func (l *loop) current(h *handler) bool { return l.peer.handler == h }

// event tells the page something, when one is connected.
func (l *loop) event(e signaling.Event) {
	if err := l.peer.Tell(e); err != nil { // it is told anew what matters when it is connected
		l.s.log.Debug("event not sent", "type", e.Type, "err", err)
	}
}

// newPeer makes the session as a page finds it that knows nothing yet.
func (l *loop) newPeer() {
	l.sent, l.refined, l.stilled, l.stampedSeq = 0, 0, 0, 0
	l.keyWanted, l.active, l.hidden = true, false, false
	if l.view != nil {
		l.view.newWriter()
	}
}

// connected tells a page that has come, or come back, what is going on.
func (l *loop) connected() {
	l.peer.connected = true
	if !l.arriving || l.touched == 0 { // else its page comes by itself, and time goes on from where it was
		l.touch(l.s.clock())
	}
	if l.running != nil && l.running.kind == jobPrepare {
		l.running.cancel() // what it is for comes now
	}
	if err := l.peer.Flush(); err != nil {
		l.s.log.Debug("reply not sent", "err", err)
	}
	l.keyWanted, l.sent = true, 0
	if l.state == signaling.TaskReserved && !l.shadow {
		l.report(signaling.TaskRunning, "")
	}
	codec, _, _ := l.peer.codec()
	info := &signaling.SessionInfo{
		Task: l.s.cfg.Instruction.Task, Node: l.s.cfg.Node, Renderer: l.s.cfg.Renderer.Name(), Fallback: l.s.cfg.Fallback,
		Codec: string(codec), Presets: Presets(),
	}
	for _, e := range encode.Available() {
		if e.Usable && e.Codec == codec {
			info.Encoder = e.Name
			break
		}
	}
	ready := signaling.Event{Type: signaling.EventReady, Session: info}
	if l.shows() {
		v := l.view.snapshot()
		ready.View = &v
	}
	l.event(ready)
	if l.uploads != nil && l.uploads.told != nil {
		l.event(signaling.Event{Type: signaling.EventReceived, Received: l.uploads.told})
	}
	shown := signaling.Event{Type: signaling.EventLoading, Loading: &l.loading, View: ready.View}
	if l.shows() {
		shown.Patients = l.infos()
		if !l.coarse() {
			shown.Type = signaling.EventLoaded
		}
	}
	l.event(shown)
	l.tellNotice()
	if l.leaving != nil { // a page that has come back knows nothing of it
		l.leaving.told = false
		l.tellMove()
	}
	l.tellFailure()
}

// peerLost notes when the terminal was seen last.
func (l *loop) peerLost() {
	l.lost = l.s.clock()
	l.active = false
	l.s.log.Info("terminal is gone", "graceMs", l.s.cfg.Instruction.GraceMs)
}

// touch notes that the terminal does something.
func (l *loop) touch(now time.Duration) {
	l.touched = now
	l.s.used.Store(int64(max(now, 1)))
	l.s.cfg.Workers.Touch()
}

// input takes the newest absolute state of what the hand moves.
func (l *loop) input(in signaling.Input) {
	now := l.s.clock()
	if l.active != in.Active || l.view == nil || in.Seq == 0 || in.Seq > l.view.seq { // not one that is repeated
		l.touch(now)
	}
	l.active = in.Active
	l.peer.RTC.Throttle(in.Active)
	if !l.shows() || len(in.Viewport) == 0 {
		return
	}
	changed, err := l.view.apply(in.Viewport, in.Seq)
	if err != nil {
		l.s.log.Debug("input refused", "err", err)
		return
	}
	l.owned = true
	if changed {
		l.changed = now
		if l.stillFlight != nil {
			l.stillFlight()
		}
	}
}

// request answers a request of the page.
func (l *loop) request(ctx context.Context, r signaling.Request) {
	switch r.Type { // what the page sends by itself is no sign of a user
	case signaling.RequestDisplayed, signaling.RequestRefresh, signaling.RequestVisibility, signaling.RequestResize:
	case signaling.RequestArrived, signaling.RequestStayed:
	case signaling.RequestSetView:
		if !l.arriving {
			l.touch(l.s.clock())
		}
	default:
		l.touch(l.s.clock())
	}
	err := l.carryOut(ctx, r)
	reply := signaling.Event{Type: signaling.EventReply, ID: r.ID}
	if err != nil {
		reply.Problem = ending.Problem(err)
	}
	l.event(reply)
}

func (l *loop) carryOut(ctx context.Context, r signaling.Request) error {
	switch r.Type {
	case signaling.RequestSetView:
		if r.View == nil {
			return badRequest("set-view without a view")
		}
		l.keyWanted = l.keyWanted || l.arriving // a page that comes waits for a picture that covers this, also where nothing is new
		return l.change(func() (bool, error) { return l.view.applyAll(r.View, r.Seq) })
	case signaling.RequestResetView:
		return l.change(func() (bool, error) { return l.resetView(r) })
	case signaling.RequestResize:
		return l.resize(r.Width, r.Height)
	case signaling.RequestStill:
		l.stilled = 0
		return nil
	case signaling.RequestRefresh:
		l.keyWanted = true
		return nil
	case signaling.RequestVisibility:
		l.hidden = r.Hidden
		l.keyWanted = l.keyWanted || !r.Hidden
		return nil
	case signaling.RequestTaskSubmit:
		return l.submit(ctx, r)
	case signaling.RequestTaskCancel:
		t, ok := l.tasks[r.TaskID]
		if !ok {
			return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such task", Detail: "It may have ended already"}
		}
		t.cancel()
		return nil
	case signaling.RequestHandle:
		return l.handle(r)
	case signaling.RequestDisplayed:
		return nil
	case signaling.RequestOpenSeries:
		return l.openSeries(ctx, r)
	case signaling.RequestUpload:
		return l.announced(ctx, r)
	case signaling.RequestUploaded:
		return l.uploaded(ctx)
	case signaling.RequestArrived:
		return l.arrived()
	case signaling.RequestStayed:
		return l.stayed(r.Problem)
	case signaling.RequestFinish:
		l.endSoon(ending.ErrFinished)
		return nil
	}
	return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Request not known here",
		Detail: fmt.Sprintf("%.40q is no request that this edge understands", string(r.Type))}
}

// change applies a change of the view and tells the page the new revision.
func (l *loop) change(apply func() (bool, error)) error {
	if !l.shows() {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The series is still loading",
			Detail: "The view can be changed when it is there"}
	}
	changed, err := apply()
	if err != nil {
		return badRequest(err.Error())
	}
	l.owned = true
	if changed {
		l.changed = l.s.clock()
		if l.stillFlight != nil {
			l.stillFlight()
		}
	}
	v := l.view.snapshot()
	l.event(signaling.Event{Type: signaling.EventView, View: &v})
	return nil
}

// resetView puts a viewport's camera to a standard view; without one, everything is as when it opened.
func (l *loop) resetView(r signaling.Request) (bool, error) {
	i := l.view.find(r.Viewport)
	if i < 0 {
		return false, fmt.Errorf("the view has no viewport %.40q", r.Viewport)
	}
	v := l.view.state.Viewports[i]
	h := l.series[seriesKey(v.Series)]
	if h == nil {
		return false, fmt.Errorf("the series of viewport %.40q is not open", r.Viewport)
	}
	rect := pixels(v.Rect, l.width, l.height)
	aspect := float64(max(rect.Dx(), 1)) / float64(max(rect.Dy(), 1))
	fresh, err := opened(v.Series, h.Series, aspect)
	if err != nil {
		return false, err
	}
	if r.Orientation != "" && h.Images == nil {
		if fresh.Camera, err = standardCamera(h.Volume.Geometry, r.Orientation, aspect); err != nil {
			return false, err
		}
	}
	fields := map[string]any{"id": r.Viewport, "camera": fresh.Camera}
	if r.Orientation == "" {
		for name, value := range map[string]any{"mode": fresh.Mode, "preset": fresh.Preset, "transfer": nil, "window": fresh.Window, "slab": nil, "clips": nil} {
			fields[name] = value
		}
	}
	patch := signaling.ViewportPatch{}
	for name, value := range fields {
		raw, err := json.Marshal(value)
		if err != nil {
			return false, err
		}
		patch[name] = raw
	}
	return l.view.apply(patch, r.Seq)
}

// streamed is the size, even on both sides, of the stream for a wanted size.
func streamed(width, height int) (w, h int, err error) {
	if width < 64 || height < 64 || width > signaling.MaxPictureSide || height > signaling.MaxPictureSide || width*height > maxPixels {
		return 0, 0, badRequest(fmt.Sprintf("A picture of %dx%d pixels cannot be streamed: 64 to %d on a side and %d pixels in all",
			width, height, signaling.MaxPictureSide, maxPixels))
	}
	return width &^ 1, height &^ 1, nil
}

func (l *loop) resize(width, height int) error {
	width, height, err := streamed(width, height)
	if err != nil {
		return err
	}
	if width != l.width || height != l.height {
		l.width, l.height, l.resized = width, height, true
		l.refined, l.stilled = 0, 0
		l.changed = l.s.clock()
		return l.refit()
	}
	return nil
}

// refit shows all of the series at the new size where nobody has changed the view that the session opened with.
func (l *loop) refit() error {
	if l.view == nil || l.view.state.Revision != l.untouched {
		return nil
	}
	h := l.first()
	if h == nil {
		return nil
	}
	fitted, _, err := l.openingView(l.view.state.Viewports[0].Series, h.Series)
	if err != nil || fitted.Viewports[0].Camera == l.view.state.Viewports[0].Camera {
		return err
	}
	return l.change(func() (bool, error) {
		l.untouched++
		fitted.Revision = l.untouched
		l.view.state = fitted
		return true, nil
	})
}

func badRequest(detail string) error {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be carried out", Detail: detail}
}
