package session

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// mover is a session that moves between benches, and what its edges tell of it.
type mover struct {
	*bench
	reports chan signaling.MoveReport
	told    chan error
}

// startMover starts a session on one of two edges; a target is one that a session is on its way to.
func startMover(t *testing.T, node signaling.NodeID, target bool, change func(*Config)) *mover {
	t.Helper()
	m := &mover{reports: make(chan signaling.MoveReport, 8), told: make(chan error, 8)}
	m.bench = start(t, func(c *Config) {
		i := &c.Instruction
		i.Attempt = signaling.Attempt{ID: signaling.AttemptID("a-" + node), Node: node, Fencing: 1}
		i.Shadow, i.Moves = target, target
		c.Node, c.Moved = node, func(r signaling.MoveReport) { m.reports <- r }
		if change != nil {
			change(c)
		}
	})
	return m
}

func (m *mover) grant() signaling.Grant {
	return signaling.Grant{Task: "t-1", Attempt: m.session.cfg.Instruction.Attempt, SignalingURL: m.url, Token: "token"}
}

// goTo has the session's page go to another edge.
func (m *mover) goTo(to signaling.Grant) error {
	m.session.Move(signaling.Move{Task: "t-1", Attempt: m.session.cfg.Instruction.Attempt.ID, Grant: &to, Reason: "the edge is drained"}, func(err error) { m.told <- err })
	return <-m.told
}

func (m *mover) roam(ctx context.Context) *terminal.Roaming {
	m.t.Helper()
	r, err := (&terminal.Client{}).Roam(ctx, m.grant(), terminal.Options{Width: 320, Height: 240})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(r.Close)
	return r
}

// turned is a patch that turns the camera of a view.
func turned(t *testing.T, v signaling.ViewState, angle float64) (signaling.ViewportPatch, signaling.Camera) {
	t.Helper()
	camera := v.Viewports[0].Camera
	camera.Position = signaling.Point{camera.LookAt[0] + 400*math.Sin(angle), camera.LookAt[1] - 400*math.Cos(angle), camera.LookAt[2] + 50}
	raw, err := json.Marshal(camera)
	if err != nil {
		t.Fatal(err)
	}
	return signaling.ViewportPatch{"id": json.RawMessage(`"main"`), "camera": raw}, camera
}

// drag turns the camera by hand until a picture that covers it is on the screen.
func drag(ctx context.Context, t *testing.T, r *terminal.Roaming, angle float64) terminal.Shown {
	t.Helper()
	patch, camera := turned(t, r.View(), angle)
	seq, err := r.SendInput(patch, true)
	if err != nil {
		t.Fatal(err)
	}
	s := next(ctx, t, "a picture of the input", r.Shown(), func(s terminal.Shown) bool { return s.Stamp.Seq >= seq })
	if s.Stamp.Cameras[0] != camera {
		t.Errorf("the picture has camera %+v, want %+v", s.Stamp.Cameras[0], camera)
	}
	return s
}

// B8: the session goes on at the target where it was: its page connects there while the old connection goes on, its pictures
// never stop, and it lets go only once the target shows the same. The target is a shadow until it is promoted.
func TestB8SessionMovesWhileTheHandMoves(t *testing.T) {
	ctx := within(t)
	source := startMover(t, "edge-1", false, nil)
	ran := &signaling.Ran{RunMs: 60_000, Usage: signaling.Usage{Pictures: 1000, GPUMs: 5}}
	target := startMover(t, "edge-2", true, func(c *Config) { c.Instruction.Ran = ran })
	r := source.roam(ctx)
	drag(ctx, t, r, 0.3)
	if err := source.goTo(target.grant()); err != nil {
		t.Fatal(err)
	}
	angle, last := 0.3, terminal.Shown{}
	for last.Node != "edge-2" {
		angle += 0.05
		s := drag(ctx, t, r, angle)
		if last.Node == "edge-2" && s.Node != "edge-2" {
			t.Error("it went back")
		}
		last = s
	}
	if m := next(ctx, t, "the terminal's arrival", r.Moves(), any1); m.Err != nil || m.To != "edge-2" {
		t.Errorf("moved %+v", m)
	}
	if m := next(ctx, t, "the target's word", target.reports, any1); m.Problem != nil || m.Attempt != "a-edge-2" || m.Task != "t-1" {
		t.Errorf("reported %+v", m)
	}
	if len(target.updates) > 0 {
		t.Errorf("a target that is not yet the session tells %+v", <-target.updates)
	}
	if err := target.session.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-edge-2", Fencing: 9}}); err != nil {
		t.Fatal(err)
	}
	if u := next(ctx, t, "its start", target.updates, any1); u.State != signaling.TaskRunning {
		t.Errorf("told %+v", u)
	}
	source.session.End(&signaling.Problem{Code: signaling.ProblemMoved, Title: "It goes on elsewhere"})
	if u := next(ctx, t, "the end at the source", source.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskFinished {
		t.Errorf("ended with %+v", u)
	}
	if s := drag(ctx, t, r, angle+1); s.Stamp.Revision <= revisionsAhead {
		t.Errorf("revision %d, they must not fall in a move", s.Stamp.Revision)
	}
	if err := r.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	u := next(ctx, t, "the end", target.updates, func(u signaling.Update) bool { return u.State.Ended() })
	if u.State != signaling.TaskFinished || u.Usage.RunMs < 60_000 || u.Usage.Pictures < 1000 || u.Usage.GPUMs <= 5 || u.Usage.PeakMemoryMB == 0 {
		t.Errorf("ended with %+v, %+v", u, u.Usage)
	}
}

// B8: what the other edge shows is shown at the target before its page has come, and nothing of it once the page has its hand on
// it.
func TestB8TargetHasTheViewOfTheSource(t *testing.T) {
	ctx := within(t)
	target := startMover(t, "edge-2", true, nil)
	view, err := InitialView(ref, "CT", false, target.series.Volume, signaling.Left, 4./3)
	if err != nil {
		t.Fatal(err)
	}
	view.Revision = 77
	tell := func() {
		raw, err := json.Marshal(view)
		if err != nil {
			t.Fatal(err)
		}
		target.session.View(signaling.ViewReport{Task: "t-1", Revision: int64(view.Revision), View: raw})
	}
	tell()
	r := target.roam(ctx)
	if got := r.View(); got.Viewports[0].Camera != view.Viewports[0].Camera || got.Revision != 77+revisionsAhead {
		t.Errorf("shown %+v, revision %d", got.Viewports[0].Camera, got.Revision)
	}
	s := drag(ctx, t, r, 0.5)
	view.Revision = 99
	tell()
	if err := target.session.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-edge-2", Fencing: 9}, View: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if again := drag(ctx, t, r, 0.6); again.Stamp.Revision != s.Stamp.Revision+1 {
		t.Errorf("revision %d after %d: somebody else has changed the view", again.Stamp.Revision, s.Stamp.Revision)
	}
}

// A page that cannot reach the target says so, and stays; the broker's order to stay is passed on, and a later move succeeds.
func TestB8MoveThatFailsLeavesTheSessionWhereItWas(t *testing.T) {
	ctx := within(t)
	source := startMover(t, "edge-1", false, nil)
	r := source.roam(ctx)
	nowhere := signaling.Grant{Task: "t-1", Attempt: signaling.Attempt{ID: "a-9", Node: "edge-9"}, SignalingURL: "ws://127.0.0.1:1/", Token: "x"}
	if err := source.goTo(nowhere); err != nil {
		t.Fatal(err)
	}
	if m := next(ctx, t, "the terminal's try", r.Moves(), any1); m.Err == nil {
		t.Errorf("moved %+v", m)
	}
	if m := next(ctx, t, "the source's word", source.reports, any1); m.Problem == nil || m.Attempt != "a-9" {
		t.Errorf("reported %+v", m)
	}
	drag(ctx, t, r, 0.2)

	// A target that never shows anything, until the broker gives it up.
	stuck := startMover(t, "edge-3", true, func(c *Config) { c.Volumes = &volumes{start: make(chan struct{})} })
	if err := source.goTo(stuck.grant()); err != nil {
		t.Fatal(err)
	}
	drag(ctx, t, r, 0.4)
	source.session.Stay(signaling.Move{Task: "t-1", Attempt: "a-edge-1", Reason: "it takes too long"})
	stuck.session.End(errors.New("given up"))
	if m := next(ctx, t, "the terminal's try", r.Moves(), any1); m.Err == nil {
		t.Errorf("moved %+v", m)
	}
	drag(ctx, t, r, 0.6)

	good := startMover(t, "edge-2", true, nil)
	if err := source.goTo(good.grant()); err != nil {
		t.Fatal(err)
	}
	if m := next(ctx, t, "the terminal's arrival", r.Moves(), any1); m.Err != nil {
		t.Errorf("moved %+v", m)
	}
	if s := drag(ctx, t, r, 0.8); s.Node != "edge-2" {
		t.Errorf("shown by %s", s.Node)
	}
}

// A session without a page refuses to have it go, and one that has ended does not move.
func TestB8WhatCannotMove(t *testing.T) {
	ctx := within(t)
	code := func(m *mover) signaling.ProblemCode {
		var p *signaling.Problem
		errors.As(m.goTo(signaling.Grant{}), &p)
		return p.Code
	}
	source := startMover(t, "edge-1", false, nil)
	if c := code(source); c != signaling.ProblemNotFound {
		t.Errorf("without a page: %s", c)
	}
	s := source.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first picture", s.Pictures(), any1)
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestArrived}); err == nil {
		t.Error("arrived where it always was")
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestStayed}); err != nil || len(source.reports) > 0 {
		t.Errorf("stayed without a move: %v", err)
	}
	source.session.End(errors.New("over"))
	<-source.session.Done()
	if c := code(source); c != signaling.ProblemUnavailable {
		t.Errorf("ended: %s", c)
	}
}

// The page is told where to go only once its compute tasks have brought their results, and no new ones are taken meanwhile.
func TestB8MoveWaitsForTheTasksOfTheSession(t *testing.T) {
	ctx := within(t)
	source := startMover(t, "edge-1", false, nil)
	s := source.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	submit := func(id signaling.TaskID) error {
		_, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: id, Task: &signaling.TaskRequest{Type: signaling.Training,
			Operation: "tissue-mixture", Handling: signaling.HandlingAllocate, Parameters: json.RawMessage(`{"components":3}`)}})
		return err
	}
	if err := submit("t-a"); err != nil {
		t.Fatal(err)
	}
	if err := source.goTo(signaling.Grant{Task: "t-1", Attempt: signaling.Attempt{ID: "a-2", Node: "edge-2"}}); err != nil {
		t.Fatal(err)
	}
	var p *signaling.Problem
	if err := submit("t-b"); !errors.As(err, &p) || p.Code != signaling.ProblemUnavailable {
		t.Errorf("another one while it moves: %v", err)
	}
	first := next(ctx, t, "the end of the task, or the move", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventTaskDone || e.Type == signaling.EventMove
	})
	if first.Type != signaling.EventTaskDone || first.Problem != nil {
		t.Errorf("first came %+v", first)
	}
	if e := next(ctx, t, "the move", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventMove }); e.Grant == nil || e.Grant.Attempt.ID != "a-2" {
		t.Errorf("told %+v", e)
	}
}

// A user who is done where the session has just arrived: the broker hears of the arrival before it hears of the end, also
// where it promotes late.
func TestB8FinishedBeforeThePromotion(t *testing.T) {
	ctx := within(t)
	target := startMover(t, "edge-2", true, nil)
	s := target.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first picture", s.Pictures(), any1)
	for range 2 {
		if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestArrived}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestFinish}); err != nil {
		t.Fatal(err)
	}
	if n := len(target.reports); n != 1 || len(target.updates) > 0 {
		t.Errorf("%d reports, %d updates", n, len(target.updates))
	}
	if err := target.session.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-edge-2", Fencing: 9}}); err != nil {
		t.Fatal(err)
	}
	if u := next(ctx, t, "its start", target.updates, any1); u.State != signaling.TaskRunning {
		t.Errorf("told %+v", u)
	}
	if u := next(ctx, t, "its end", target.updates, any1); u.State != signaling.TaskFinished {
		t.Errorf("told %+v", u)
	}
}

// The time without input goes on over a move: nobody has done anything just because the page came along.
func TestB8IdleTimeGoesOnOverAMove(t *testing.T) {
	ctx := within(t)
	target := startMover(t, "edge-2", true, func(c *Config) {
		c.Instruction.Ran = &signaling.Ran{RunMs: 100_000, IdleMs: 50_000}
	})
	r := target.roam(ctx)
	if idle := target.session.Idle(); idle < 50*time.Second {
		t.Errorf("idle for %v", idle)
	}
	drag(ctx, t, r, 0.5)
	if idle := target.session.Idle(); idle > 40*time.Second {
		t.Errorf("idle for %v after an input", idle)
	}
}

// A session of files that its page has sent arrives where the page sends them again; what the broker knows of the view, which
// is of files that are not there, does not matter.
func TestB8SessionOfSentFilesArrives(t *testing.T) {
	ctx := within(t)
	reports := make(chan signaling.MoveReport, 1)
	b, _ := startUpload(t, func(c *Config) {
		c.Instruction.Shadow, c.Instruction.Moves, c.Moved = true, true, func(r signaling.MoveReport) { reports <- r }
	})
	b.session.View(signaling.ViewReport{Task: "t-1", Revision: 5, View: json.RawMessage(`{}`)})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	if err := s.Upload(ctx, filesOf(t, "study", seriesB, planes, 30)); err != nil {
		t.Fatal(err)
	}
	e := next(ctx, t, "the series", s.Events(), loadedWith(seriesB))
	patch, camera := turned(t, *e.View, 0.7)
	r := signaling.Request{Type: signaling.RequestSetView, Seq: 41, View: &signaling.ViewPatch{Viewports: []signaling.ViewportPatch{patch}}}
	if _, err := s.Request(ctx, r); err != nil {
		t.Fatal(err)
	}
	stamp := next(ctx, t, "a picture of the view", s.Stamps(), func(st signaling.Stamp) bool { return st.Seq >= 41 })
	if stamp.Cameras[0] != camera {
		t.Errorf("shown with %+v", stamp.Cameras[0])
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestArrived}); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "the report", reports, any1)
}
