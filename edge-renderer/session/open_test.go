package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/dicom"
	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/memory"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// archive is a source of files in memory.
type archive struct {
	*memory.Store
	// each, where it is set, is called before an instance of a series is handed out.
	each atomic.Pointer[func(uid string) error]
}

func (a *archive) SeriesOf(_ context.Context, study string) ([]source.SeriesInfo, error) {
	found, _ := a.FindSeries(source.Query{StudyUIDs: []string{study}}, 100)
	out := make([]source.SeriesInfo, len(found))
	for i := range found {
		out[i] = *found[i].Series
	}
	return out, nil
}

func (a *archive) Series(study, series string, _ bool) (source.Series, error) {
	s, err := a.Source(study, series)
	return gated{s, a}, err
}

type gated struct {
	source.Series
	archive *archive
}

func (g gated) fn(fn func(source.Object) error) func(source.Object) error {
	return func(o source.Object) error {
		if each := g.archive.each.Load(); each != nil {
			if err := (*each)(o.Name); err != nil {
				return err
			}
		}
		return fn(o)
	}
}

func (g gated) Each(ctx context.Context, n int, fn func(source.Object) error) error {
	return g.Series.Each(ctx, n, g.fn(fn))
}

func (g gated) Fetch(ctx context.Context, n int, uids []string, fn func(source.Object) error) error {
	return g.Series.Fetch(ctx, n, uids, g.fn(fn))
}

// slice is a slice of 32x32 pixels of 2 mm whose values grow from edge to edge by a different amount in each series.
func slice(series string, k, slope int) *dicom.Dataset {
	d := sourcetest.Slice(ref.StudyInstanceUID, series, k+1)
	d.SetInts(dicom.Rows, dicom.US, 32)
	d.SetInts(dicom.Columns, dicom.US, 32)
	d.SetFloats(dicom.PixelSpacing, dicom.DS, 2, 2)
	d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -31, -31, float64(2*k))
	pix := make([]byte, 0, 2048)
	for j := range 32 {
		for i := range 32 {
			v := uint16(slope * (i + j + k))
			pix = append(pix, byte(v), byte(v>>8))
		}
	}
	d.SetBytes(dicom.PixelData, dicom.OW, pix)
	return d
}

const (
	seriesA, seriesB, seriesC, seriesD = "1.2.3.4", "1.2.3.5", "1.2.3.6", "1.2.3.7"
	planes                             = 32
)

// newArchive has the volumes A and B, the three images C that are no volume, and the report D.
func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{Store: memory.New(1 << 30)}
	t.Cleanup(a.Close)
	add := func(name string, d *dicom.Dataset) {
		if err := a.Add(name, sourcetest.Encode(t, d)); err != nil {
			t.Fatal(err)
		}
	}
	for k := range planes {
		add(fmt.Sprintf("a/%d", k), slice(seriesA, k, 20))
		add(fmt.Sprintf("b/%d", k), slice(seriesB, k, 30))
	}
	for k := range 3 {
		d := slice(seriesC, k, 5+10*k)
		for _, tag := range []dicom.Tag{dicom.ImagePositionPatient, dicom.ImageOrientationPatient} {
			d.Delete(tag)
		}
		d.SetString(dicom.Modality, dicom.CS, "CR")
		d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.1")
		add(fmt.Sprintf("c/%d", k), d)
	}
	d := slice(seriesD, 0, 1)
	for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns, dicom.ImagePositionPatient, dicom.ImageOrientationPatient} {
		d.Delete(tag)
	}
	d.SetString(dicom.Modality, dicom.CS, "SR")
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11")
	add("d/0", d)
	return a
}

// startWith is a session whose series come from a source through a cache of its own.
func startWith(t *testing.T, from cache.Source, change func(*Config)) (*bench, *cache.Cache) {
	t.Helper()
	var c *cache.Cache
	b := start(t, func(cfg *Config) {
		var err error
		if c, err = cache.New(cache.Config{Renderer: cfg.Renderer, MaxBytes: 64 << 20, Logger: cfg.Logger}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		cfg.Volumes = c
		cfg.Instruction.Request.Parameters = json.RawMessage(`{"width":320,"height":240}`) // what the tests ask for again
		cfg.Sources = func(signaling.SourceAccess) (cache.Source, error) { return from, nil }
		if change != nil {
			change(cfg)
		}
	})
	return b, c
}

func seriesRef(uid string) signaling.SeriesRef {
	return signaling.SeriesRef{StudyInstanceUID: ref.StudyInstanceUID, SeriesInstanceUID: uid}
}

// shows compares a still with the renderer's own picture of a view of a series.
func (b *bench) shows(ctx context.Context, t *testing.T, c *cache.Cache, from cache.Source, name, owner string, view signaling.ViewState, still terminal.Still) {
	t.Helper()
	series, err := c.Open(ctx, cache.Request{Ref: view.Viewports[0].Series, From: from, Name: name, Owner: owner}, cache.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	defer series.Release()
	img := &render.Image{}
	if err := RenderView(ctx, b.renderer, view, series, still.Header.Width, still.Header.Height, img); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pixelsOf(t, still), img.Pix) {
		t.Error("the still is not what the renderer makes of the view")
	}
}

func pixelsOf(t *testing.T, still terminal.Still) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(still.Data))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for y := range still.Header.Height {
		for x := range still.Header.Width {
			r, g, b, _ := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8), 255)
		}
	}
	return out
}

func loadedWith(uid string) func(signaling.Event) bool {
	return func(e signaling.Event) bool {
		return e.Type == signaling.EventLoaded && e.View != nil && e.Patients[0].Series.SeriesInstanceUID == uid
	}
}

func stillOf(revision uint64) func(terminal.Still) bool {
	return func(s terminal.Still) bool { return s.Header.Revision == revision }
}

func TestOpenAnotherSeries(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	b, c := startWith(t, a, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	first := next(ctx, t, "series A", s.Events(), loadedWith(seriesA))
	if err := s.OpenSeries(ctx, seriesRef(seriesB)); err != nil {
		t.Fatal(err)
	}
	second := next(ctx, t, "series B", s.Events(), loadedWith(seriesB))
	if len(second.Patients) != 1 || second.View.Viewports[0].Series.SeriesInstanceUID != seriesB || second.View.Revision <= first.View.Revision ||
		second.Patients[0].PatientName != "Müller^Änne" || second.Patients[0].Max != 30*93-1024 {
		t.Errorf("told %+v", second)
	}
	b.shows(ctx, t, c, a, "test", "", *second.View, next(ctx, t, "its still", s.Stills(), stillOf(second.View.Revision)))

	// What cannot be shown is told, and what is on the screen stays.
	for _, uid := range []string{seriesD, "1.2.3.99"} {
		if err := s.OpenSeries(ctx, seriesRef(uid)); err != nil {
			t.Fatal(err)
		}
		notice := next(ctx, t, "the reason", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventNotice })
		if notice.Problem == nil || notice.Problem.Detail == "" {
			t.Errorf("series %s: %+v", uid, notice.Problem)
		}
		if again := next(ctx, t, "series B again", s.Events(), loadedWith(seriesB)); again.View.Revision != second.View.Revision {
			t.Errorf("series %s: the view is another: %+v", uid, again.View)
		}
	}
	var p *signaling.Problem
	foreign := signaling.SeriesRef{StudyInstanceUID: "9.9", SeriesInstanceUID: "9.9.1"}
	if err := s.OpenSeries(ctx, foreign); !errors.As(err, &p) || p.Code != signaling.ProblemForbidden {
		t.Errorf("a series of another study: %v", err)
	}
	for name, r := range map[string]signaling.Request{
		"no series": {Type: signaling.RequestOpenSeries},
		"no UID":    {Type: signaling.RequestOpenSeries, Series: &signaling.SeriesRef{StudyInstanceUID: "x"}},
		"viewport":  {Type: signaling.RequestOpenSeries, Series: &ref, Viewport: "other"},
		"upload":    {Type: signaling.RequestUpload, Upload: &signaling.Upload{Files: 1, Bytes: 1}},
		"uploaded":  {Type: signaling.RequestUploaded},
	} {
		if _, err := s.Request(ctx, r); !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImages(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	b, _ := startWith(t, a, func(c *Config) {
		r := seriesRef(seriesC)
		c.Instruction.Request.Series = &r
	})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	e := next(ctx, t, "the images", s.Events(), loadedWith(seriesC))
	info, v := e.Patients[0], e.View.Viewports[0]
	if info.Images != 3 || info.Why == "" || info.PatientID != "P-1" || info.StudyDate != "20240131" || v.Mode != signaling.ViewImage || v.Window != nil {
		t.Fatalf("told %+v in %+v", info, v)
	}
	src, err := a.Source(ref.StudyInstanceUID, seriesC)
	if err != nil {
		t.Fatal(err)
	}
	same := func(view signaling.ViewState, still terminal.Still) {
		t.Helper()
		v := view.Viewports[0]
		uid := fmt.Sprintf("%s.%d", seriesC, v.Image+1)
		var out render.Image
		err := src.Fetch(ctx, 1, []string{uid}, func(o source.Object) error {
			d, err := dicom.Parse(o.Data, dicom.Options{})
			if err != nil {
				return err
			}
			m, err := dicompicture.Decode(d, 0)
			if err != nil {
				return err
			}
			var p picture.Painter
			return p.Draw(m, v.Camera, v.Window, &out, still.Header.Width, still.Header.Height)
		})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(pixelsOf(t, still), out.Pix) {
			t.Error("the still is not the image")
		}
	}
	same(*e.View, next(ctx, t, "the still", s.Stills(), stillOf(e.View.Revision)))
	change := func(fields map[string]any) signaling.ViewState {
		t.Helper()
		if err := s.Change(ctx, "main", fields); err != nil {
			t.Fatal(err)
		}
		return *next(ctx, t, "the view", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventView }).View
	}
	view := change(map[string]any{"image": 2, "window": signaling.Window{Center: -500, Width: 700}})
	same(view, next(ctx, t, "the still of the third", s.Stills(), stillOf(view.Revision)))
	for name, fields := range map[string]map[string]any{
		"image 3":   {"image": 3},
		"composite": {"mode": "composite"},
		"sideways":  {"camera": signaling.Camera{Position: signaling.Point{-9, 0, 0}, Up: signaling.Point{0, 0, 1}, Projection: signaling.Orthographic, Height: 9}},
	} {
		if err := s.Change(ctx, "main", fields); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	// A task on voxels has none to work on.
	var p *signaling.Problem
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "x",
		Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram"}}); !errors.As(err, &p) || p.Code != signaling.ProblemNotAVolume {
		t.Errorf("a histogram of images: %v", err)
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestResetView, Viewport: "main"}); err != nil {
		t.Error(err)
	}
	// And from images to a volume.
	if err := s.OpenSeries(ctx, seriesRef(seriesA)); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "series A", s.Events(), loadedWith(seriesA)); e.View.Viewports[0].Mode == signaling.ViewImage {
		t.Error("a volume is shown as an image")
	}
}

// TestPreview: a coarse volume is on the screen while the rest arrives, is never taken for the whole, and what the hand
// does meanwhile stays.
func TestPreview(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	defer release()
	each := func(name string) error {
		var k int
		_, err := fmt.Sscanf(name, "a/%d", &k)
		if late := k%2 == 1 && k != planes-1; err == nil && late { // what a preview needs comes, in whatever order
			select {
			case <-open:
			case <-ctx.Done():
			}
		}
		return nil
	}
	a.each.Store(&each)
	b, c := startWith(t, a, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	preview := next(ctx, t, "a preview", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventLoading && e.Loading.Preview && e.View != nil && len(e.Patients) == 1
	})
	if i := preview.Patients[0]; i.PatientName != "Müller^Änne" || i.Series.SeriesInstanceUID != seriesA {
		t.Errorf("the preview is of %+v", i)
	}
	camera := preview.View.Viewports[0].Camera
	camera.Height /= 2
	raw, _ := json.Marshal(camera)
	seq, err := s.SendInput(signaling.Input{Viewport: signaling.ViewportPatch{"id": json.RawMessage(`"main"`), "camera": raw}})
	if err != nil {
		t.Fatal(err)
	}
	stamp := next(ctx, t, "a picture of the preview", s.Stamps(), func(st signaling.Stamp) bool {
		if st.Quality != signaling.QualityReduced {
			t.Errorf("a picture of the preview is called %s", st.Quality)
		}
		return st.Seq >= seq && st.Scale == 1
	})
	if stamp.Cameras[0].Height != camera.Height {
		t.Error("the preview cannot be moved")
	}
	var p *signaling.Problem
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "x",
		Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram"}}); !errors.As(err, &p) || p.Code != signaling.ProblemUnavailable {
		t.Errorf("a histogram of a preview: %v", err)
	}
	select {
	case st := <-s.Stills():
		t.Errorf("a still of revision %d before the volume is whole", st.Header.Revision)
	default:
	}
	release()
	whole := next(ctx, t, "the whole", s.Events(), loadedWith(seriesA))
	if whole.Loading.Preview || whole.View.Viewports[0].Camera != camera || whole.Patients[0].Size != [3]int{32, 32, planes} {
		t.Errorf("the whole is shown as %+v, %+v", whole.View, whole.Patients[0].Size)
	}
	still := next(ctx, t, "the still", s.Stills(), any1)
	if still.Header.Revision < whole.View.Revision {
		t.Errorf("a still of revision %d, the whole came with %d", still.Header.Revision, whole.View.Revision)
	}
	b.shows(ctx, t, c, a, "test", "", *whole.View, still)
}

// TestSeriesThatBreaksOffAfterItsPreview: what was on the screen before comes back.
func TestSeriesThatBreaksOffAfterItsPreview(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	b, _ := startWith(t, a, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	first := next(ctx, t, "the still of A", s.Stills(), func(s terminal.Still) bool { return s.Header.Width == 320 }).Header.Cameras[0]
	open := make(chan struct{})
	each := func(name string) error {
		var k int
		if _, err := fmt.Sscanf(name, "b/%d", &k); err != nil || k%2 == 0 || k == planes-1 { // what a preview needs
			return nil
		}
		<-open
		return errors.New("the archive fell over")
	}
	a.each.Store(&each)
	release := sync.OnceFunc(func() { close(open) })
	defer release()
	if err := s.OpenSeries(ctx, seriesRef(seriesB)); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "a preview of B", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventLoading && e.View != nil && e.View.Viewports[0].Series.SeriesInstanceUID == seriesB
	})
	release()
	next(ctx, t, "the reason", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventNotice })
	back := next(ctx, t, "series A again", s.Events(), loadedWith(seriesA))
	if back.View.Viewports[0].Camera != first {
		t.Errorf("back at %+v, before it was %+v", back.View.Viewports[0].Camera, first)
	}
	next(ctx, t, "its still", s.Stills(), stillOf(back.View.Revision))
}

func TestFinishWhileLoading(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	began, open := make(chan struct{}, 1000), make(chan struct{})
	each := func(string) error { began <- struct{}{}; <-open; return nil }
	a.each.Store(&each)
	defer close(open)
	b, _ := startWith(t, a, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	<-began
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if u := next(ctx, t, "the end", b.updates, func(u signaling.Update) bool { return u.State.Ended() }); u.State != signaling.TaskFinished {
		t.Errorf("ended as %s", u.State)
	}
}

// folderSource is a folder of real studies.
type folderSource struct{ *folder.Index }

func (f folderSource) SeriesOf(_ context.Context, study string) ([]source.SeriesInfo, error) {
	found, _ := f.FindSeries(source.Query{StudyUIDs: []string{study}}, 100)
	out := make([]source.SeriesInfo, len(found))
	for i := range found {
		out[i] = *found[i].Series
	}
	return out, nil
}

func (f folderSource) Series(study, series string, _ bool) (source.Series, error) {
	return f.Source(study, series)
}

func TestTimePoints(t *testing.T) {
	ctx := within(t)
	index, err := folder.Open(ctx, sourcetest.Studies(t, "derived/4d-4phases"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	studies, _ := index.Studies(source.Query{})
	from := folderSource{index}
	b, c := startWith(t, from, func(c *Config) {
		c.Instruction.Request.Series = &signaling.SeriesRef{StudyInstanceUID: studies[0].StudyInstanceUID}
	})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	e := next(ctx, t, "the series", s.Events(), seeing)
	if n := len(e.Patients[0].TimePoints); n != 4 {
		t.Fatalf("%d time points", n)
	}
	var seen [][]byte
	for n := range 4 {
		view := *e.View
		if n > 0 {
			if err := s.ShowTimePoint(ctx, "main", n); err != nil {
				t.Fatal(err)
			}
			view = *next(ctx, t, "the view", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventView }).View
		}
		still := next(ctx, t, "a still", s.Stills(), stillOf(view.Revision))
		b.shows(ctx, t, c, from, "test", "", view, still)
		if slices.ContainsFunc(seen, func(o []byte) bool { return bytes.Equal(o, still.Data) }) {
			t.Errorf("time point %d looks like one before", n+1)
		}
		seen = append(seen, still.Data)
	}
	if err := s.ShowTimePoint(ctx, "main", 4); err == nil {
		t.Error("time point 5 of 4 is shown")
	}
}
