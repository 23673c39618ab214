package session

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/several"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// heard passes what is logged on, as far as somebody listens.
type heard struct {
	slog.Handler
	messages chan string
}

func (h heard) Handle(_ context.Context, r slog.Record) error {
	select {
	case h.messages <- r.Message:
	default:
	}
	return nil
}

func (h heard) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func listen(c *Config) chan string {
	h := heard{c.Logger.Handler(), make(chan string, 100)}
	c.Logger = slog.New(h)
	return h.messages
}

// A6: while it waits for its terminal, the edge opens the encoder, loads the study, and has the renderer make a picture of it.
func TestA6SessionPreparesForItsTerminal(t *testing.T) {
	ctx := within(t)
	var messages chan string
	b := start(t, func(c *Config) { messages = listen(c) })
	next(ctx, t, "the edge to be ready", messages, func(m string) bool { return m == "ready for the terminal" })
	if n := len(b.updates); n != 0 {
		t.Errorf("%d changes of state, though nobody has come", n)
	}
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first picture", s.Pictures(), any1)
	if u := next(ctx, t, "its start", b.updates, any1); u.State != signaling.TaskRunning {
		t.Errorf("told %+v", u)
	}
}

// A6: an encoder that was opened ahead is the one that the first picture uses.
func TestA6EncoderIsOpenedAhead(t *testing.T) {
	r := cpu.New()
	defer r.Close()
	p := newPipeline(r, func() time.Duration { return 0 })
	defer p.close()
	codec, profile := encoded(offered()[0])
	j := job{kind: jobPrepare, quality: quality{scale: 1, step: 1, rung: 1, bitrate: 1_000_000}, target: target{320, 240, codec, profile}}
	if o := p.do(context.Background(), j); o.err != nil {
		t.Fatal(o.err)
	}
	opened := p.encoder
	if opened == nil {
		t.Fatal("no encoder is open")
	}
	if err := p.open(j.target, quality{bitrate: 2_000_000}); err != nil || p.encoder != opened {
		t.Errorf("another encoder: %v", err)
	}
}

// A6: a terminal that does not come in time is let go of, and that is told.
func TestA6TerminalThatDoesNotCome(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Instruction.WaitMs = 50 })
	if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskExpired || u.Reason == "" {
		t.Errorf("ended with %+v", u)
	}
	<-b.session.Done()
}

// A12: a shadow loads the study and follows the view, without pictures; when it takes over, its first picture is of that
// view and needs no load.
func TestA12ShadowHasTheViewInStep(t *testing.T) {
	ctx := within(t)
	reports := make(chan signaling.ViewReport, 100)
	original := start(t, func(c *Config) { c.Instruction.ViewMs, c.Viewed = 20, func(v signaling.ViewReport) { reports <- v } })
	s := original.dial(ctx, terminal.Options{Width: 320, Height: 240})
	view := next(ctx, t, "the loaded event", s.Events(), seeing).View
	camera := view.Viewports[0].Camera
	camera.Position, camera.LookAt = signaling.Point{400, -100, 60}, signaling.Point{0, 0, 0}
	raw, err := json.Marshal(camera)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SendInput(signaling.Input{Viewport: signaling.ViewportPatch{"id": json.RawMessage(`"main"`), "camera": raw}}); err != nil {
		t.Fatal(err)
	}
	report := next(ctx, t, "a report of the turned view", reports, func(v signaling.ViewReport) bool { return bytes.Contains(v.View, raw) })
	if report.Task != "t-1" || report.Attempt != "a-1" || report.Revision == 0 {
		t.Errorf("reported as %+v", report)
	}

	var messages chan string
	shadow := start(t, func(c *Config) {
		messages = listen(c)
		c.Instruction.Shadow, c.Instruction.WaitMs, c.Instruction.ViewMs = true, 1, 20
		c.Viewed = func(signaling.ViewReport) { t.Error("a shadow reports its view") }
	})
	shadow.session.View(signaling.ViewReport{Task: "t-1", View: json.RawMessage(`{"viewports":"none"}`)})
	next(ctx, t, "the complaint", messages, func(m string) bool { return m == "view of the session not understood" })
	shadow.session.View(report)
	if idle := shadow.session.Idle(); idle != 0 {
		t.Errorf("idle for %v", idle)
	}
	if err := shadow.session.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-2", Fencing: 9}}); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "the change", messages, func(m string) bool { return m == "takes over" })
	if len(shadow.updates) > 0 {
		t.Errorf("told %+v: no terminal has come", <-shadow.updates)
	}
	shadow.session.End(ending.ErrExpired)
	<-shadow.session.Done()
}

// A12: the session that has taken over shows the view that it was told last.
func TestA12FirstPictureAfterTakingOver(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Instruction.Shadow = true })
	original, err := InitialView(ref, "CT", false, b.series.Volume, signaling.Left, 4./3)
	if err != nil {
		t.Fatal(err)
	}
	original.Revision = 77
	raw, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.session.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-1", Fencing: 9}, View: raw}); err != nil {
		t.Fatal(err)
	}
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	still := next(ctx, t, "the first still", s.Stills(), any1)
	if still.Header.Revision < 77 || still.Header.Cameras[0] != original.Viewports[0].Camera {
		t.Errorf("the still is of revision %d, %+v", still.Header.Revision, still.Header.Cameras)
	}
	b.same(t, original, still)
}

// A shadow whose study cannot be loaded is of no use, and says so.
func TestA12ShadowThatCannotLoad(t *testing.T) {
	ctx := within(t)
	why := &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The series cannot be shown in 3D", Detail: "It is broken"}
	b := start(t, func(c *Config) {
		c.Instruction.Shadow = true
		c.Volumes = &volumes{err: why, start: closed()}
	})
	if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskFailed || u.Reason != why.Title {
		t.Errorf("ended with %+v", u)
	}
}

// A11: rendering resources are there from the start of the task until its terminal's finish command.
func TestA11FinishReleases(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first still", s.Stills(), any1)
	select {
	case <-b.session.Done():
		t.Fatal("it has ended by itself")
	default:
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() })
	if u.State != signaling.TaskFinished || u.Usage.GPUMs == 0 || u.Usage.CPUMs == 0 || u.Usage.DataMB == 0 || u.Usage.TransferMs != 0 || u.Usage.RunMs == 0 {
		t.Errorf("ended with %+v, %+v", u, u.Usage)
	}
	<-b.session.Done()
}

// A11: they are released when the page is closed, after its time of grace, and when no input has come for a set time.
func TestA11PageCloseAndIdleTimeoutRelease(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"page closed": func(c *Config) { c.Instruction.GraceMs = 50 },
		"idle":        func(c *Config) { c.Instruction.IdleMs = 400 },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t)
			b := start(t, change)
			s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
			next(ctx, t, "the first picture", s.Pictures(), any1)
			if name == "page closed" {
				s.Close()
			}
			if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskExpired {
				t.Errorf("ended as %s", u.State)
			}
			<-b.session.Done()
		})
	}
}

// A session that is pre-empted tells its page why.
func TestPageHearsOfPreemption(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first picture", s.Pictures(), any1)
	if b.session.Idle() <= 0 {
		t.Error("a session with a terminal knows no idle time")
	}
	why := &signaling.Problem{Code: signaling.ProblemPreempted, Title: "An urgent task needs the room", Detail: "Open the study again"}
	b.session.End(why)
	e := next(ctx, t, "the reason", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventEnding })
	if e.Problem == nil || *e.Problem != *why {
		t.Errorf("told %+v", e.Problem)
	}
}

// A session renders on the GPU of its attempt what was loaded for all of them.
func TestSessionOnTheSecondGPU(t *testing.T) {
	ctx := within(t)
	all := several.New(cpu.New(), cpu.New())
	t.Cleanup(func() { _ = all.Close() })
	b := start(t, func(c *Config) {
		v := c.Volumes.(*volumes)
		loaded, err := all.Load(ctx, v.series.Volume)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(loaded.Release)
		v.series.Loaded = loaded
		c.Renderer = all.On(1)
	})
	b.renderer = all.On(0)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	view := next(ctx, t, "the loaded event", s.Events(), seeing).View
	b.same(t, *view, next(ctx, t, "the first still", s.Stills(), any1))
}
