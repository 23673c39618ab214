package session

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/decode"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// budget is one of a session, with so many encoder threads.
func budget(gpuMilli, memoryMB, threads, kpps int64) signaling.Budget {
	return signaling.Budget{Resources: signaling.Resources{GPUMilli: gpuMilli, EncoderSessions: 1, CPUMilli: 500, MemoryMB: memoryMB},
		EncoderThreads: threads, EncoderKpps: kpps}
}

// B5: a session is scaled without being stopped. Its pictures go on over twenty changes of everything that a budget has, every
// one can be decoded behind the one before it, and it stays the same session.
func TestB5PicturesGoOnOverBudgetChanges(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Instruction.Resources = signaling.DefaultResources(signaling.Rendering) })
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240, Codecs: []string{encode.H264.MimeType()}})
	view := next(ctx, t, "the loaded event", s.Events(), seeing).View
	decoder, err := decode.New(encode.H264)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	for n := range 20 {
		if err := b.session.SetBudget(budget(int64(50+100*n), int64(512+n), int64(1+n%3), int64(n%2)*40_000)); err != nil {
			t.Fatal(err)
		}
		patch, camera := turned(t, *view, float64(n+1)/10)
		seq, err := s.SendInput(signaling.Input{Viewport: patch, Active: true})
		if err != nil {
			t.Fatal(err)
		}
		stamp := next(ctx, t, "a stamp of the input", s.Stamps(), func(st signaling.Stamp) bool { return st.Seq >= seq })
		if stamp.Cameras[0] != camera {
			t.Fatalf("after change %d the picture is of another view", n)
		}
		next(ctx, t, "its picture", s.Pictures(), func(p terminal.Picture) bool {
			if p.Gap {
				t.Fatalf("pictures are missing after change %d", n)
			}
			if _, err := decoder.Decode(p.Data); err != nil {
				t.Fatalf("after change %d: %v", n, err)
			}
			return p.RTP == stamp.RTP
		})
	}
	if got := b.session.Budget(); got.GPUMilli != 1950 || got.EncoderThreads != 2 {
		t.Errorf("the budget is %+v", got)
	}
	u := b.session.Used()
	if u.CPU <= 0 || u.Memory <= 0 || u.Peak < u.Memory || u.Pictures.GPU <= 0 || u.Pictures.Encoder <= 0 || u.Pictures.Pixels < 20*64*48 {
		t.Errorf("it has used %+v of %+v", *u.Pictures, u)
	}
}

// An encoder gets other threads for the next picture, and the one that runs goes on where nothing changes.
func TestB5EncoderIsMadeAnewForOtherThreads(t *testing.T) {
	p := newPipeline(nil, func() time.Duration { return 0 })
	defer p.close()
	stream := target{320, 240, encode.H264, "42e01f"}
	open := func(threads int) encode.Encoder {
		t.Helper()
		if err := p.open(stream, quality{bitrate: 1_000_000, threads: threads}); err != nil {
			t.Fatal(err)
		}
		return p.encoder
	}
	first := open(1)
	if open(1) != first {
		t.Error("another encoder for the same threads")
	}
	if second := open(3); second == first || second.Config().Threads != 3 {
		t.Errorf("%d threads, asked for 3", second.Config().Threads)
	}
}

// A budget with less memory than the session holds is refused by name; so is one that cannot be.
func TestB5BudgetBelowWhatIsHeld(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Instruction.Resources = signaling.DefaultResources(signaling.Rendering) })
	b.series.Bytes = 300 << 20
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	next(ctx, t, "a still", s.Stills(), any1[terminal.Still]) // the session has come round
	var p *signaling.Problem
	if err := b.session.SetBudget(budget(250, 299, 0, 0)); !errors.As(err, &p) || p.Code != signaling.ProblemTooLarge || !strings.Contains(p.Detail, "299") {
		t.Errorf("less than it holds: %v", err)
	}
	if err := b.session.SetBudget(budget(-1, 1024, 0, 0)); !errors.As(err, &p) || p.Code != signaling.ProblemBadRequest {
		t.Errorf("a negative amount: %v", err)
	}
	if err := b.session.SetBudget(budget(250, 1024, signaling.MaxEncoderThreads+1, 0)); !errors.As(err, &p) || p.Code != signaling.ProblemBadRequest {
		t.Errorf("too many threads: %v", err)
	}
	if err := b.session.SetBudget(budget(250, 302, 0, 0)); err != nil {
		t.Errorf("as much as it holds: %v", err)
	}
	if got := b.session.Budget().MemoryMB; got != 302 {
		t.Errorf("it has %d MiB", got)
	}
}

// library serves several series.
type library struct {
	volumes
	series map[string]*cache.Series
}

func (l *library) Open(_ context.Context, r cache.Request, _ cache.Watch) (*cache.Series, error) {
	return l.series[r.Ref.SeriesInstanceUID], nil
}

// A series for which the session has no memory beside the one that it shows waits for a larger budget, says so in what the
// session would use, and is shown once there is room.
func TestB5SeriesWaitsForMemory(t *testing.T) {
	ctx := within(t)
	beside := signaling.SeriesRef{StudyInstanceUID: ref.StudyInstanceUID, SeriesInstanceUID: "1.2.3.5"}
	b := start(t, func(c *Config) {
		volume := c.Volumes.(*volumes).series
		v, err := InitialView(ref, "CT", false, volume.Volume, signaling.Anterior, 1)
		if err != nil {
			t.Fatal(err)
		}
		side := v.Viewports[0]
		side.ID, side.Rect.X, side.Rect.Width = "side", 0.5, 0.5
		v.Viewports[0].Rect.Width = 0.5
		v.Viewports = append(v.Viewports, side)
		if c.Instruction.Request.Parameters, err = json.Marshal(signaling.RenderingParameters{Width: 320, Height: 240, View: &v}); err != nil {
			t.Fatal(err)
		}
		second := *volume
		second.Info.Series = beside
		volume.Bytes, second.Bytes = 300<<20, 300<<20
		c.Volumes = &library{*c.Volumes.(*volumes), map[string]*cache.Series{ref.SeriesInstanceUID: volume, beside.SeriesInstanceUID: &second}}
		c.Instruction.Resources = signaling.DefaultResources(signaling.Rendering)
		c.Instruction.Resources.MemoryMB = 400
	})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	if v := next(ctx, t, "the loaded event", s.Events(), seeing).View; len(v.Viewports) != 2 {
		t.Fatalf("%d viewports", len(v.Viewports))
	}
	if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestOpenSeries, Series: &beside, Viewport: "side"}); err != nil || e.Problem != nil {
		t.Fatal(e.Problem, err)
	}
	for b.session.Used().Wanted < 600<<20 { // rounds of the session's loop
		if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestRefresh}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.session.SetBudget(budget(250, 700, 0, 0)); err != nil {
		t.Fatal(err)
	}
	both := next(ctx, t, "both series", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventLoaded && len(e.Patients) == 2 })
	if got := both.View.Viewports[1].Series.SeriesInstanceUID; got != beside.SeriesInstanceUID {
		t.Errorf("the second viewport shows %s", got)
	}
}

// What a session may encode a second bounds its pictures: first they come less often, down to 15 a second, then they get
// smaller, and only the smallest come less often still.
func TestB5EncodedPixelsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		kpps int64
		rung float64
	}{{0, 1}, {xga * 60 / 1000, 1}, {xga * 30 / 1000, 1}, {xga*15/1000 + 1, 1}, {xga * 14 / 1000, 0.75}, {xga * 4 / 1000, 0.5}, {640 * 360 * 15 / 1000, 0.5},
		{xga / 1000, 0.25}, {1, 0.25}} {
		c := controller{limit: limit{kpps: tt.kpps}}
		c.bandwidth(20_000_000)
		q := settle(&c, 8*time.Millisecond, xga)
		if q.rung != tt.rung {
			t.Errorf("%d kpps: pictures of %g times the side, want %g", tt.kpps, q.rung, tt.rung)
		}
		rate := float64(time.Second) / float64(q.gap)
		if used := rate * xga * q.rung * q.rung / 1000; tt.kpps > 0 && used > float64(tt.kpps)*1.001 {
			t.Errorf("%d kpps: %.0f are encoded", tt.kpps, used)
		}
		if tt.kpps >= 640*360*15/1000 && rate < 14.99 {
			t.Errorf("%d kpps: %.1f pictures a second", tt.kpps, rate)
		}
		if last := time.Minute; c.due(q, xga, last) < last || tt.kpps == 0 && c.due(q, xga, last) != last {
			t.Errorf("%d kpps: the next one is due %v after the last", tt.kpps, c.due(q, xga, last)-last)
		}
	}
}
