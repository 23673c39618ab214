package system

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const pictureWidth, pictureHeight = 320, 240

// session is a terminal in a session.
type session struct {
	*terminal.Session
	t    testing.TB
	ctx  context.Context
	view signaling.ViewState // as the edge told last
	info signaling.SeriesInfo
	turn int
}

// open asks for a session of the chest, connects, and waits until it is loaded.
func (s *tomocast) open() *session {
	s.t.Helper()
	return s.connect(s.submit(rendering(chest)), terminal.Options{})
}

// connect opens the session of a grant and waits until it is loaded.
func (s *tomocast) connect(g signaling.Grant, o terminal.Options) *session {
	s.t.Helper()
	x := s.dial(g, o)
	loaded := next(x, "the loaded event", x.Events(), wholly)
	x.view, x.info = *loaded.View, loaded.Patients[0]
	return x
}

// wholly says that an event tells that the whole volume is there, not a coarse one while the rest arrives.
func wholly(e signaling.Event) bool {
	return e.Type == signaling.EventLoaded && e.View != nil && (e.Loading == nil || !e.Loading.Preview)
}

func (s *tomocast) dial(g signaling.Grant, o terminal.Options) *session {
	s.t.Helper()
	o.Width, o.Height = pictureWidth, pictureHeight
	t, err := s.client.Connect(s.ctx, g, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(t.Close)
	return &session{Session: t, t: s.t, ctx: s.ctx}
}

// next takes from a channel of a session until something fits.
func next[T any](x *session, what string, from <-chan T, fits func(T) bool) T {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, waitMost)
	defer cancel()
	for {
		select {
		case v := <-from:
			if fits(v) {
				return v
			}
		case <-ctx.Done():
			x.t.Fatalf("in vain waited for %s (connection %s, %+v)", what, x.State(), x.Stats())
		}
	}
}

// move turns the camera, and waits for the stamp that covers it and for the picture with that stamp. It shows that the
// session lives.
func (x *session) move() signaling.Stamp {
	x.t.Helper()
	x.turn++
	angle := 0.4 * float64(x.turn)
	camera := x.view.Viewports[0].Camera
	camera.Position = signaling.Point{camera.LookAt[0] + 400*math.Sin(angle), camera.LookAt[1] - 400*math.Cos(angle), camera.LookAt[2] + 50}
	seq, err := x.SendInput(signaling.Input{Viewport: patch(x.t, x.view.Viewports[0].ID, "camera", camera)})
	if err != nil {
		x.t.Fatal(err)
	}
	stamp := next(x, "a stamp of the input", x.Stamps(), func(s signaling.Stamp) bool { return s.Seq >= seq })
	if len(stamp.Cameras) != 1 || stamp.Cameras[0] != camera {
		x.t.Errorf("the picture's camera is %+v, want %+v", stamp.Cameras, camera)
	}
	next(x, "the picture of the stamp", x.Pictures(), func(p terminal.Picture) bool { return int32(p.RTP-stamp.RTP) >= 0 })
	x.view.Viewports[0].Camera, x.view.Revision = camera, stamp.Revision
	return stamp
}

func patch(t testing.TB, viewport, field string, value any) signaling.ViewportPatch {
	t.Helper()
	p := signaling.ViewportPatch{}
	for name, v := range map[string]any{"id": viewport, field: value} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		p[name] = raw
	}
	return p
}

// still waits for the lossless still of the present view. The edge fits a view that nobody has touched to the terminal's
// size; the still of the fitted view may come before the event that tells it.
func (x *session) still() terminal.Still {
	x.t.Helper()
	s := next(x, "the still", x.Stills(), func(s terminal.Still) bool {
		return s.Header.Revision >= x.view.Revision && s.Header.Width == pictureWidth
	})
	if s.Header.Revision > x.view.Revision {
		told := next(x, "the view of the still", x.Events(), func(e signaling.Event) bool { return e.View != nil && e.View.Revision == s.Header.Revision })
		x.view = *told.View
	}
	return s
}

// ending waits until the edge says why the session ends.
func (x *session) ending() *signaling.Problem {
	x.t.Helper()
	return next(x, "the session's end", x.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventEnding && e.Problem != nil }).Problem
}

// histogram has the edge count the series' values and returns the result.
func (x *session) histogram(id signaling.TaskID) signaling.Histogram {
	x.t.Helper()
	parameters, err := json.Marshal(signaling.HistogramParameters{Series: x.info.Series, Percentiles: []float64{0, 50, 100}})
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := x.Request(x.ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: id,
		Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", Parameters: parameters}}); err != nil {
		x.t.Fatal(err)
	}
	done := next(x, "the histogram", x.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventTaskDone && e.TaskID == id })
	if done.Problem != nil {
		x.t.Fatal(done.Problem)
	}
	result := next(x, "the histogram's data", x.Bulks(), func(b terminal.Bulk) bool { return b.Header.Transfer == done.Transfer })
	var h signaling.Histogram
	if err := json.Unmarshal(result.Data, &h); err != nil || result.Header.Task != id {
		x.t.Fatalf("result %+v: %v", result.Header, err)
	}
	return h
}

// rendered has the program render a view of the chest from the command line and compares it with a still, pixel by pixel.
func (s *tomocast) rendered(view signaling.ViewState, still terminal.Still, backend string) {
	s.t.Helper()
	s.renderedFrom(filepath.Join(s.studies, "chest"), view, still, backend)
}

// renderedFrom does the same with the series in a folder.
func (s *tomocast) renderedFrom(folder string, view signaling.ViewState, still terminal.Still, backend string) {
	s.t.Helper()
	dir := s.t.TempDir()
	viewFile, picture := filepath.Join(dir, "view.json"), filepath.Join(dir, "picture.png")
	raw, err := json.Marshal(view)
	if err == nil {
		err = os.WriteFile(viewFile, raw, 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	dimensions := strconv.Itoa(still.Header.Width) + "x" + strconv.Itoa(still.Header.Height)
	_, errs, status := command(s.t, edgeProgram, nil, "render", "--study", folder, "--view", viewFile,
		"--size", dimensions, "--backend", backend, "--out", picture)
	if status != 0 {
		s.t.Fatalf("render: status %d: %s", status, errs)
	}
	reference, err := os.ReadFile(picture)
	if err != nil {
		s.t.Fatal(err)
	}
	if different, colours := compare(s.t, reference, still.Data); different > 0 || colours < 16 {
		s.t.Errorf("%d pixels of the still differ from the renderer's picture, which has %d colours", different, colours)
	}
}

// compare counts the pixels in which two PNG files differ, and the colours of the first.
func compare(t testing.TB, a, b []byte) (different, colours int) {
	t.Helper()
	x, err := png.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	y, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if x.Bounds() != y.Bounds() {
		t.Fatalf("sizes %v and %v", x.Bounds(), y.Bounds())
	}
	seen := map[[3]uint32]bool{}
	for v := range x.Bounds().Dy() {
		for u := range x.Bounds().Dx() {
			r, g, bl, _ := x.At(u, v).RGBA()
			r2, g2, b2, _ := y.At(u, v).RGBA()
			if r != r2 || g != g2 || bl != b2 {
				different++
			}
			seen[[3]uint32{r, g, bl}] = true
		}
	}
	return different, len(seen)
}
