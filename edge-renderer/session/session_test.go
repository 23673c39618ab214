package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/decode"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/seat/seattest"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// volumes serves one phantom, or an error, when it is let go.
type volumes struct {
	series *cache.Series
	err    error
	start  chan struct{}
}

func (v *volumes) Open(ctx context.Context, _ cache.Request, w cache.Watch) (*cache.Series, error) {
	w.Progress(signaling.Loading{Slices: 1, TotalSlices: 48, Stage: "fetching"})
	select {
	case <-v.start:
		return v.series, v.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (v *volumes) Reserve(context.Context, int64) (func(), error) { return func() {}, nil }

func (v *volumes) Forget(string) {}

// bench is a session on this machine that a terminal can reach.
type bench struct {
	t        *testing.T
	session  *Session
	url      string
	renderer render.Renderer
	loaded   render.Volume
	series   *cache.Series
	updates  chan signaling.Update
	source   *volumes
}

var ref = signaling.SeriesRef{StudyInstanceUID: "1.2.3", SeriesInstanceUID: "1.2.3.4"}

func start(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	g := volume.Geometry{Size: [3]int{48, 48, 48}, Origin: geom.Vec{-47, -47, -47}, Axes: [3]geom.Vec{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}}}
	v, err := phantom.Fill(g, volume.Int16, func(p geom.Vec) float64 {
		if p.Sub(geom.Vec{8, 0, 5}).Norm() < 30 {
			return 400 + 4*p[2]
		}
		return -1000
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Free)
	b := &bench{t: t, renderer: cpu.New(), updates: make(chan signaling.Update, 16)}
	if b.loaded, err = b.renderer.Load(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	transport, err := stream.New(stream.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	workers := task.NewWorkers(2)
	t.Cleanup(workers.Close)
	b.series = cache.NewSeries(v, b.loaded, signaling.SeriesInfo{Series: ref, Modality: "CT", PatientName: "Test^Phantom"}, func() {})
	b.source = &volumes{series: b.series, start: make(chan struct{})}
	close(b.source.start)
	cfg := Config{
		Instruction: signaling.Instruction{Task: "t-1", Attempt: signaling.Attempt{ID: "a-1", Node: "edge-1", Fencing: 1},
			Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &ref}, Source: &signaling.SourceAccess{Name: "test"},
			WaitMs: 20_000, IdleMs: 60_000, GraceMs: 20_000},
		Sources: func(signaling.SourceAccess) (cache.Source, error) { return nil, nil },
		Node:    "edge-1", Renderer: b.renderer, Volumes: b.source, Transport: transport, Workers: workers,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Changed: func(u signaling.Update) { b.updates <- u },
	}
	if change != nil {
		change(&cfg)
	}
	b.session = Start(cfg)
	t.Cleanup(func() { b.session.End(ending.ErrFinished); <-b.session.Done() })
	b.url = seattest.Serve(t, b.session, nil)
	return b
}

func (b *bench) dial(ctx context.Context, o terminal.Options) *terminal.Session {
	b.t.Helper()
	s, err := terminal.Dial(ctx, b.url, "token", o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	return s
}

// next takes from a channel until one fits.
func next[T any](ctx context.Context, t *testing.T, what string, c <-chan T, fits func(T) bool) T {
	t.Helper()
	for {
		select {
		case v, ok := <-c:
			if !ok {
				t.Fatalf("ended while waiting for %s", what)
			}
			if fits(v) {
				return v
			}
		case <-ctx.Done():
			t.Fatalf("%s did not come: %v", what, ctx.Err())
		}
	}
}

func any1[T any](T) bool { return true }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func seeing(v signaling.Event) bool { return v.Type == signaling.EventLoaded && v.View != nil }

// TestPictureFollowsTheHand is the main job without a browser: the picture comes, an input changes it, the
// stamp belongs to it, and the still is exactly what the renderer makes of the view.
func TestPictureFollowsTheHand(t *testing.T) {
	for _, codec := range []encode.Codec{encode.H264, encode.VP8} {
		t.Run(string(codec), func(t *testing.T) {
			ctx := within(t)
			b := start(t, nil)
			s := b.dial(ctx, terminal.Options{Width: 320, Height: 240, Codecs: []string{codec.MimeType()}})
			view := next(ctx, t, "the loaded event", s.Events(), seeing).View
			still := next(ctx, t, "the first still", s.Stills(), func(st terminal.Still) bool { return st.Header.Width == 320 })
			b.same(t, *view, still)

			decoder, err := decode.New(codec)
			if err != nil {
				t.Fatal(err)
			}
			defer decoder.Close()
			camera := view.Viewports[0].Camera
			camera.Position, camera.LookAt = signaling.Point{400, -100, 60}, signaling.Point{0, 0, 0}
			raw, _ := json.Marshal(camera)
			seq, err := s.SendInput(signaling.Input{Viewport: signaling.ViewportPatch{"id": json.RawMessage(`"main"`), "camera": raw}})
			if err != nil {
				t.Fatal(err)
			}
			stamp := next(ctx, t, "a stamp of the input", s.Stamps(), func(st signaling.Stamp) bool { return st.Seq >= seq })
			if stamp.Cameras[0].Position != camera.Position || stamp.Revision <= view.Revision {
				t.Errorf("the stamp is of another view: %+v", stamp)
			}
			turned := next(ctx, t, "the still of the turned view", s.Stills(), func(st terminal.Still) bool { return st.Header.Revision > still.Header.Revision })
			view.Viewports[0].Camera = camera
			b.same(t, *view, turned)
			if bytes.Equal(still.Data, turned.Data) {
				t.Error("the input did not change the picture")
			}
			b.similar(t, ctx, s, decoder, turned)
		})
	}
}

// same compares a still with the renderer's own picture of a view, pixel by pixel.
func (b *bench) same(t *testing.T, view signaling.ViewState, still terminal.Still) {
	t.Helper()
	img := &render.Image{}
	if err := RenderView(context.Background(), b.renderer, view, b.series,
		still.Header.Width, still.Header.Height, img); err != nil {
		t.Fatal(err)
	}
	shown, err := png.Decode(bytes.NewReader(still.Data))
	if err != nil {
		t.Fatal(err)
	}
	for y := range img.Height {
		for x := range img.Width {
			r, g, bl, _ := shown.At(x, y).RGBA()
			p := img.Pix[(y*img.Width+x)*4:]
			if uint8(r>>8) != p[0] || uint8(g>>8) != p[1] || uint8(bl>>8) != p[2] {
				t.Fatalf("pixel %d,%d of the still is %d %d %d, the renderer's %v", x, y, r>>8, g>>8, bl>>8, p[:3])
			}
		}
	}
}

// similar decodes the stream up to the repeated picture that follows a still, and compares the two.
func (b *bench) similar(t *testing.T, ctx context.Context, s *terminal.Session, decoder decode.Decoder, still terminal.Still) {
	t.Helper()
	stamp := next(ctx, t, "a stamp of the refined picture", s.Stamps(), func(st signaling.Stamp) bool {
		return st.Revision == still.Header.Revision && st.Quality == signaling.QualityLossy
	})
	var last *encode.Picture
	next(ctx, t, "the refined picture", s.Pictures(), func(p terminal.Picture) bool {
		picture, err := decoder.Decode(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		last = picture
		return p.RTP == stamp.RTP
	})
	rgba, err := last.RGBA(nil)
	if err != nil {
		t.Fatal(err)
	}
	exact, err := png.Decode(bytes.NewReader(still.Data))
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for y := range last.Height {
		for x := range last.Width {
			r, g, bl, _ := exact.At(x, y).RGBA()
			for c, v := range []uint32{r, g, bl} {
				d := float64(v>>8) - float64(rgba[(y*last.Width+x)*4+c])
				sum += d * d
			}
		}
	}
	if psnr := 10 * math.Log10(255*255*float64(3*last.Width*last.Height)/sum); psnr < 30 {
		t.Errorf("the decoded picture is %.1f dB from the still", psnr)
	}
}

func TestResizeAndStandardViews(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResize, Width: 401, Height: 300}); err != nil || e.Problem != nil {
		t.Fatal(e.Problem, err)
	}
	next(ctx, t, "a still of the new size", s.Stills(), func(st terminal.Still) bool { return st.Header.Width == 400 && st.Header.Height == 300 })
	if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResetView, Viewport: "main", Orientation: signaling.Left, Seq: s.NextSeq()}); err != nil || e.Problem != nil {
		t.Fatal(e.Problem, err)
	}
	view := next(ctx, t, "the new view", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventView && math.Abs(e.View.Viewports[0].Camera.Position[1]-e.View.Viewports[0].Camera.LookAt[1]) < 1e-6
	}).View
	c := view.Viewports[0].Camera
	if c.Position[0] <= c.LookAt[0] || math.Abs(c.Position[1]-c.LookAt[1]) > 1e-6 {
		t.Errorf("the left view looks from %v at %v", c.Position, c.LookAt)
	}
	b.same(t, *view, next(ctx, t, "its still", s.Stills(), func(st terminal.Still) bool { return st.Header.Revision == view.Revision }))
}

func TestOpeningViewShowsAllAtEverySize(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	wide := next(ctx, t, "the loaded event", s.Events(), seeing).View.Viewports[0].Camera.Height
	resize := func(width, height int) {
		t.Helper()
		if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResize, Width: width, Height: height}); err != nil || e.Problem != nil {
			t.Fatal(e.Problem, err)
		}
	}
	resize(120, 480)
	high := next(ctx, t, "a view that shows more above and below", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventView && e.View.Viewports[0].Camera.Height > 2*wide
	}).View
	b.same(t, *high, next(ctx, t, "its still", s.Stills(), func(st terminal.Still) bool { return st.Header.Revision == high.Revision }))

	// Once the view was changed by hand, it stays as it is.
	if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResetView, Viewport: "main", Orientation: signaling.Left, Seq: s.NextSeq()}); err != nil || e.Problem != nil {
		t.Fatal(e.Problem, err)
	}
	resize(480, 120)
	still := next(ctx, t, "a still of the last size", s.Stills(), func(st terminal.Still) bool { return st.Header.Width == 480 })
	if still.Header.Revision != high.Revision+1 {
		t.Errorf("the still shows revision %d, the hand has made %d", still.Header.Revision, high.Revision+1)
	}
}

func TestPicturesHaveTheSizeOfTheRequestFromTheFirstOn(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Instruction.Request.Parameters = json.RawMessage(`{"width":241,"height":180}`) })
	s := b.dial(ctx, terminal.Options{}) // it asks for no size itself
	first := next(ctx, t, "the first stamp", s.Stamps(), any1[signaling.Stamp])
	if first.Width != 240 || first.Height != 180 {
		t.Errorf("the first picture has %dx%d pixels", first.Width, first.Height)
	}
}

func TestRequestsThatCannotBeCarriedOut(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	for name, r := range map[string]signaling.Request{
		"huge picture":   {Type: signaling.RequestResize, Width: 100_000, Height: 5},
		"no view":        {Type: signaling.RequestSetView},
		"unknown type":   {Type: "dance"},
		"foreign series": {Type: signaling.RequestTaskSubmit, TaskID: "x", Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", Series: &signaling.SeriesRef{StudyInstanceUID: "9.9"}}},
		"unknown task":   {Type: signaling.RequestTaskCancel, TaskID: "none"},
		"operation":      {Type: signaling.RequestTaskSubmit, TaskID: "x", Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "mine"}},
		"viewport":       {Type: signaling.RequestResetView, Viewport: "other"},
	} {
		var p *signaling.Problem
		if _, err := s.Request(ctx, r); !errors.As(err, &p) || p.Title == "" || p.Detail == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHistogramBesideThePictures(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the loaded event", s.Events(), seeing)
	p, _ := json.Marshal(signaling.HistogramParameters{Percentiles: []float64{0, 100}})
	if e, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "auto-window",
		Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", Parameters: p}}); err != nil || e.Problem != nil {
		t.Fatal(e.Problem, err)
	}
	done := next(ctx, t, "its end", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventTaskDone })
	if done.Problem != nil {
		t.Fatal(done.Problem)
	}
	bulk := next(ctx, t, "its result", s.Bulks(), func(bulk terminal.Bulk) bool { return bulk.Header.Transfer == done.Transfer })
	var h signaling.Histogram
	if err := json.Unmarshal(bulk.Data, &h); err != nil {
		t.Fatal(err)
	}
	if h.Voxels != 48*48*48 || h.Min != b.series.Volume.Min || h.Percentiles[1] != b.series.Volume.Max {
		t.Errorf("got %+v", h)
	}
}

func TestHiddenPageGetsNoPictures(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first still", s.Stills(), any1)
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestVisibility, Hidden: true}); err != nil {
		t.Fatal(err)
	}
	for len(s.Stamps()) > 0 {
		<-s.Stamps()
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResetView, Viewport: "main", Orientation: signaling.Left}); err != nil {
		t.Fatal(err)
	}
	view := next(ctx, t, "the new view", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventView && e.View.Revision > 1 }).View
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestVisibility, Hidden: false}); err != nil {
		t.Fatal(err)
	}
	stamp := next(ctx, t, "a stamp", s.Stamps(), func(st signaling.Stamp) bool { return st.Revision == view.Revision })
	if !stamp.Key {
		t.Error("the first picture after a pause is no key frame")
	}
}

func TestSecondPeerNeedsTheResumeToken(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first still", s.Stills(), any1)
	var p *signaling.Problem
	if _, err := terminal.Dial(ctx, b.url, "token", terminal.Options{}); !errors.As(err, &p) || p.Code != signaling.ProblemSessionTaken {
		t.Errorf("a second page was answered with %v", err)
	}
	s.Disconnect()
	if err := s.Resume(ctx); err != nil {
		t.Fatalf("the first page cannot come back: %v", err)
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestStill}); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "a still after the return", s.Stills(), any1)
}

func TestSeriesThatCannotBeShownIsNamed(t *testing.T) {
	ctx := within(t)
	why := &signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "The series cannot be shown in 3D", Detail: "It is a report"}
	b := start(t, func(c *Config) { c.Volumes = &volumes{err: why, start: closed()} })
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	e := next(ctx, t, "the reason", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventEnding })
	if e.Problem == nil || *e.Problem != *why {
		t.Errorf("told %+v", e.Problem)
	}
	if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskFailed {
		t.Errorf("ended as %s", u.State)
	}
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestEndedWhileItLoads(t *testing.T) {
	ctx := within(t)
	b := start(t, func(c *Config) { c.Volumes = &volumes{start: make(chan struct{})} })
	b.session.End(errors.New("revoked"))
	<-b.session.Done()
	if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.Reason != "revoked" {
		t.Errorf("ended because of %q", u.Reason)
	}
}

// TestNothingChangedNothingSent: after the still and one repeated picture, the stream rests.
func TestNothingChangedNothingSent(t *testing.T) {
	ctx := within(t)
	b := start(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	still := next(ctx, t, "the first still", s.Stills(), any1)
	for len(s.Stamps()) > 0 { // of what led to it
		<-s.Stamps()
	}
	repeats := 0
	quiet := time.After(repeatAfter * 4)
	for {
		select {
		case st := <-s.Stamps():
			if st.Revision == still.Header.Revision {
				repeats++
			}
			continue
		case <-quiet:
		}
		break
	}
	if repeats > 2 { // the repeated one, and one that was under way beside the still
		t.Errorf("%d pictures after the still, though nothing changed", repeats)
	}
}
