package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

const (
	study  = "1.2.3"
	slices = 4
	size   = slices * 8 * 8 * 2 // bytes of the voxels of a series
)

func series(n int) string { return fmt.Sprintf("1.2.3.%d", n) }

// site is a cache and the DICOMweb server that it fetches from: five series of four slices, and more that tests add.
type site struct {
	*cache.Cache
	from  pacs
	root  string
	index *folder.Index

	fetches atomic.Int64
	// before, where it is set, is called before the pixels of a series are sent; false ends the answer.
	before atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func newSite(t *testing.T, most int64, more func(root string)) *site {
	t.Helper()
	root := t.TempDir()
	for n := 1; n <= 5; n++ {
		sourcetest.WriteSeries(t, filepath.Join(root, fmt.Sprint(n)), study, series(n), slices)
	}
	if more != nil {
		more(root)
	}
	quiet := slog.New(slog.DiscardHandler)
	index, err := folder.Open(t.Context(), root, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{root: root, index: index}
	h := dicomweb.NewHandler(dicomweb.Config{Store: index, Logger: quiet, Authorize: func(r *http.Request, _ string) error {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return dicomweb.ErrUnauthenticated
		}
		return nil
	}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/series/") && !strings.HasSuffix(r.URL.Path, "/metadata") {
			s.fetches.Add(1)
			if before := s.before.Load(); before != nil && !(*before)(w, r) {
				return
			}
		}
		h.ServeHTTP(w, r)
	}))
	renderer := cpu.New()
	s.Cache = newCache(t, cache.Config{Renderer: renderer, MaxBytes: most, Logger: quiet})
	s.from = client(dicomweb.Client{BaseURL: server.URL, Bearer: "secret", HTTPClient: server.Client()})
	t.Cleanup(func() {
		s.Close()
		if err := renderer.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// hold keeps answers back until release is called or the request ends; arrived and gone tell of requests.
func (s *site) hold() (arrived, gone <-chan struct{}, release func()) {
	a, g, open := make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{})
	before := func(_ http.ResponseWriter, r *http.Request) bool {
		a <- struct{}{}
		select {
		case <-open:
			return true
		case <-r.Context().Done():
			g <- struct{}{}
			return false
		}
	}
	s.before.Store(&before)
	return a, g, sync.OnceFunc(func() { close(open) })
}

// pacs is a DICOMweb service.
type pacs struct{ *dicomweb.Client }

func (p pacs) SeriesOf(ctx context.Context, study string) ([]source.SeriesInfo, error) {
	return p.QuerySeries(ctx, study)
}

func (p pacs) Series(study, series string, _ bool) (source.Series, error) {
	return p.Source(study, series), nil
}

// client takes one instance after the other, so that tests can count and hold them.
func client(c dicomweb.Client) pacs {
	c.Ahead, c.Backoff = -1, time.Microsecond
	return pacs{&c}
}

func newCache(t *testing.T, cfg cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *site) request(n int) cache.Request {
	return cache.Request{Ref: signaling.SeriesRef{StudyInstanceUID: study, SeriesInstanceUID: series(n)}, From: s.from, Name: "test"}
}

func (s *site) open(t *testing.T, n int) *cache.Series {
	t.Helper()
	return s.get(t, s.request(n))
}

func (s *site) get(t *testing.T, r cache.Request) *cache.Series {
	t.Helper()
	got, err := s.Open(t.Context(), r, cache.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// whole says whether the voxels of a series are there and right: slice k, counted from 0, has k+1+256-1024 everywhere.
func whole(s *cache.Series) bool {
	v := s.Volume
	return v.Raw() != nil && v.Size == [3]int{8, 8, slices} && v.At(0, 0, 0) == 257-1024 && v.At(7, 7, slices-1) == 256+slices-1024
}

// opened is what an Open in the background came to.
type opened struct {
	*cache.Series
	err error
}

// background opens a series and returns once it waits among the others.
func (s *site) background(ctx context.Context, n int, progress func(signaling.Loading)) <-chan opened {
	joined, done := make(chan struct{}), make(chan opened, 1)
	first := sync.OnceFunc(func() { close(joined) })
	calls := 0
	go func() {
		got, err := s.Open(ctx, s.request(n), cache.Watch{Progress: func(p signaling.Loading) {
			if calls++; calls > 1 { // the first comes before it waits
				first()
			}
			progress(p)
		}})
		done <- opened{got, err}
	}()
	<-joined
	return done
}

func TestShared(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	arrived, _, release := s.hold()
	var told [2][]signaling.Loading
	a := s.background(t.Context(), 1, func(p signaling.Loading) { told[0] = append(told[0], p) })
	<-arrived
	b := s.background(t.Context(), 1, func(p signaling.Loading) { told[1] = append(told[1], p) })
	release()
	first, second := <-a, <-b
	if first.err != nil || second.err != nil {
		t.Fatal(first.err, second.err)
	}
	if first.Volume != second.Volume || !whole(first.Series) || first.Loaded.Source() != first.Volume {
		t.Error("two waiters have different volumes")
	}
	if info := first.Info; info.PatientName != "Müller^Änne" || info.Size != [3]int{8, 8, slices} || info.SpacingMm != [3]float64{0.5, 0.75, 2.5} ||
		info.Series.Source != "test" || info.Unit != "HU" || info.Min != 257-1024 || info.Max != 260-1024 {
		t.Errorf("info %+v", info)
	}
	for i, list := range told {
		last := signaling.Loading{}
		for _, p := range list {
			if p.Slices < last.Slices || p.Bytes < last.Bytes || p.TotalBytes > 0 && p.Bytes > p.TotalBytes {
				t.Errorf("waiter %d: %+v after %+v", i, p, last)
			}
			last = p
		}
		if list[0].Stage != "asking" || last.Stage != "preparing" || last.Slices != slices || last.TotalSlices != slices {
			t.Errorf("waiter %d was told %+v", i, list)
		}
	}
	first.Release()
	first.Release() // counts once
	if !whole(second.Series) {
		t.Error("a release took the volume from the other")
	}
	second.Release()
	third := s.open(t, 1)
	defer third.Release()
	if third.Volume != first.Volume || s.fetches.Load() != slices {
		t.Errorf("the series was fetched %d times", s.fetches.Load())
	}
}

// One who leaves does not end what another waits for; when the last one leaves the loading ends.
func TestLeaving(t *testing.T) {
	s := newSite(t, size, nil)
	arrived, gone, release := s.hold()
	defer release()
	ctxA, leaveA := context.WithCancel(t.Context())
	ctxB, leaveB := context.WithCancel(t.Context())
	defer leaveB()
	a := s.background(ctxA, 1, func(signaling.Loading) {})
	<-arrived
	b := s.background(ctxB, 1, func(signaling.Loading) {})
	leaveA()
	if got := <-a; !errors.Is(got.err, context.Canceled) {
		t.Errorf("the one who left: %v", got.err)
	}
	select {
	case <-gone:
		t.Error("the loading ended while someone waited")
	default:
	}
	leaveB()
	if got := <-b; !errors.Is(got.err, context.Canceled) {
		t.Errorf("the last who left: %v", got.err)
	}
	<-gone // the request was ended
	release()
	// The room that it took is free again, and the series can be asked for anew.
	for range 3 {
		got := s.open(t, 1)
		if !whole(got) {
			t.Error("the series is not whole")
		}
		got.Release()
	}
}

// slow is a transport whose requests for pixels do not end before they are let go, not even when they are cancelled.
type slow struct {
	http.RoundTripper
	arrived, letGo chan struct{}
	first          atomic.Bool
	asked          chan string // the last parts of paths of answers that have come
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/series/") && !strings.HasSuffix(r.URL.Path, "/metadata") && s.first.CompareAndSwap(false, true) {
		close(s.arrived)
		<-s.letGo
	}
	resp, err := s.RoundTripper.RoundTrip(r)
	s.asked <- path.Base(path.Dir(r.URL.Path))
	return resp, err
}

// Room that a loading takes which everyone has left is waited for: who loads a page again is not refused.
func TestRoomOfTheLeft(t *testing.T) {
	s := newSite(t, size, nil)
	transport := &slow{RoundTripper: http.DefaultTransport, arrived: make(chan struct{}), letGo: make(chan struct{}), asked: make(chan string, 100)}
	renderer := cpu.New()
	defer renderer.Close()
	c := newCache(t, cache.Config{Renderer: renderer, MaxBytes: size})
	defer c.Close()
	request := func(n int) cache.Request {
		r := s.request(n)
		from := *s.from.Client
		from.HTTPClient = &http.Client{Transport: transport}
		r.From = client(from)
		return r
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-transport.arrived
		leave()
	}()
	if _, err := c.Open(ctx, request(1), cache.Watch{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	again := make(chan opened, 1)
	go func() {
		got, err := c.Open(t.Context(), request(2), cache.Watch{})
		again <- opened{got, err}
	}()
	for uid := ""; uid != series(2); uid = <-transport.asked {
	}
	for range 20 { // meanwhile the other has read the answer and would have been refused
		if _, err := s.Open(t.Context(), s.request(99), cache.Watch{}); err == nil {
			t.Error("there is no such series")
		}
	}
	// One who has no patience is let go while the room is still taken.
	hurry, end := context.WithCancel(t.Context())
	end()
	if _, err := c.Open(hurry, request(3), cache.Watch{}); !errors.Is(err, context.Canceled) {
		t.Errorf("one who left: %v", err)
	}
	close(transport.letGo)
	got := <-again
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.Release()
}

func TestLeastRecentlyUsed(t *testing.T) {
	s := newSite(t, 3*size, nil)
	one, two, three := s.open(t, 1), s.open(t, 2), s.open(t, 3)
	one.Release()
	two.Release()
	three.Release()
	s.open(t, 1).Release() // now 2 is the one that was used least recently
	four := s.open(t, 4)
	defer four.Release()
	if two.Volume.Raw() != nil || !whole(one) || !whole(three) || !whole(four) {
		t.Error("another than the least recently used went, or it was not wiped")
	}
	held := s.open(t, 3) // in use: never dropped
	defer held.Release()
	s.open(t, 5).Release()
	if one.Volume.Raw() != nil || !whole(held) {
		t.Error("a series in use was dropped")
	}
	if got := s.fetches.Load(); got != 5*slices {
		t.Errorf("%d fetches", got)
	}
}

func problem(t *testing.T, what string, err error, code signaling.ProblemCode, words ...string) {
	t.Helper()
	var p *signaling.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("%s: %v, want a problem %q", what, err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(p.Error(), w) {
			t.Errorf("%s: it does not say %q: %v", what, w, p)
		}
	}
}

func TestTooLarge(t *testing.T) {
	s := newSite(t, 2*size-1, func(root string) {
		for k := range 4 { // as large in the file, but floats in memory
			d := sourcetest.Slice(study, series(9), k)
			d.SetFloats(dicom.RescaleSlope, dicom.DS, float64(k+1))
			sourcetest.Write(t, filepath.Join(root, "own", fmt.Sprint(k)), d)
		}
	})
	_, err := s.Open(t.Context(), s.request(9), cache.Watch{})
	problem(t, "floats", err, signaling.ProblemTooLarge)
	if s.fetches.Load() != 0 {
		t.Error("it was fetched to be refused")
	}
	held := s.open(t, 1)
	_, err = s.Open(t.Context(), s.request(2), cache.Watch{})
	problem(t, "beside one in use", err, signaling.ProblemTooLarge, "MiB", "close other studies")
	if !whole(held) {
		t.Error("the one in use was taken")
	}
	held.Release()
	s.open(t, 2).Release() // refusals leave nothing behind
	if held.Volume.Raw() != nil {
		t.Error("the one that went was not wiped")
	}
}

func TestProblems(t *testing.T) {
	s := newSite(t, 1<<20, func(root string) {
		report := sourcetest.Slice(study, series(7), 1)
		for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns, dicom.ImagePositionPatient, dicom.ImageOrientationPatient} {
			report.Delete(tag)
		}
		report.SetString(dicom.Modality, dicom.CS, "SR")
		sourcetest.Write(t, filepath.Join(root, "report"), report)
	})
	foreign, down := client(dicomweb.Client{BaseURL: s.from.BaseURL, Bearer: "forged"}), client(dicomweb.Client{BaseURL: "http://127.0.0.1:1"})
	for name, c := range map[string]struct {
		from  cache.Source
		ref   signaling.SeriesRef
		code  signaling.ProblemCode
		words []string
	}{
		"no such series":            {s.from, s.request(99).Ref, signaling.ProblemNotFound, nil},
		"no such study":             {s.from, signaling.SeriesRef{StudyInstanceUID: "1.9", SeriesInstanceUID: "1.9.1"}, signaling.ProblemNotFound, nil},
		"no such study, any series": {s.from, signaling.SeriesRef{StudyInstanceUID: "1.9"}, signaling.ProblemNotFound, nil},
		"a report":                  {s.from, s.request(7).Ref, signaling.ProblemNotAVolume, []string{"without pixel data"}},
		"not let in":                {foreign, s.request(1).Ref, signaling.ProblemUnavailable, nil},
		"nobody there":              {down, s.request(1).Ref, signaling.ProblemUnavailable, []string{"try again"}},
	} {
		_, err := s.Open(t.Context(), cache.Request{From: c.from, Ref: c.ref, Name: "test"}, cache.Watch{})
		problem(t, name, err, c.code, c.words...)
	}
	// A fault is not kept: the next one who asks begins anew.
	var fail atomic.Bool
	fail.Store(true)
	before := func(w http.ResponseWriter, _ *http.Request) bool {
		if fail.Load() {
			http.Error(w, "the archive is asleep", http.StatusServiceUnavailable)
		}
		return !fail.Load()
	}
	s.before.Store(&before)
	_, err := s.Open(t.Context(), s.request(1), cache.Watch{})
	problem(t, "a server that fails", err, signaling.ProblemUnavailable)
	fail.Store(false)
	got := s.open(t, 1)
	defer got.Release()
	if !whole(got) {
		t.Error("not whole after a fault")
	}
}

// A renderer that cannot take a volume leaves no memory behind.
func TestRendererFails(t *testing.T) {
	s := newSite(t, size, nil)
	closed := cpu.New()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	c := newCache(t, cache.Config{Renderer: closed, MaxBytes: size})
	defer c.Close()
	for range 3 {
		_, err := c.Open(t.Context(), s.request(1), cache.Watch{})
		problem(t, "a closed renderer", err, signaling.ProblemUnavailable)
	}
}

func TestLargestVolume(t *testing.T) {
	s := newSite(t, 1<<20, func(root string) {
		sourcetest.WriteSeries(t, filepath.Join(root, "large"), study, series(6), 9)
		for k := range 12 {
			d := sourcetest.Slice(study, series(7), k)
			d.SetString(dicom.Modality, dicom.CS, "OT")
			sourcetest.Write(t, filepath.Join(root, "other", fmt.Sprint(k)), d)
		}
	})
	got := s.get(t, cache.Request{From: s.from, Ref: signaling.SeriesRef{StudyInstanceUID: study}, Name: "test"})
	defer got.Release()
	if got.Info.Series.SeriesInstanceUID != series(6) || got.Volume.Size[2] != 9 {
		t.Errorf("series %s was chosen", got.Info.Series.SeriesInstanceUID)
	}
}

func TestClose(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	kept := s.open(t, 2)
	kept.Release()
	arrived, gone, _ := s.hold()
	waiting := s.background(t.Context(), 1, func(signaling.Loading) {})
	<-arrived
	s.Close()
	if got := <-waiting; got.err == nil {
		t.Error("a loading came to an end after the cache was closed")
	}
	<-gone
	if kept.Volume.Raw() != nil {
		t.Error("a volume was not wiped")
	}
	if _, err := s.Open(t.Context(), s.request(3), cache.Watch{}); err == nil {
		t.Error("a closed cache opens series")
	}
}

// Many sessions open, look at and leave more series than there is room for: each sees its own voxels or a refusal,
// and in the end all of the room is there again.
func TestManySessions(t *testing.T) {
	s := newSite(t, 3*size, nil)
	var refused, served atomic.Int64
	var sessions sync.WaitGroup
	for w := range 6 {
		sessions.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				leave := random.IntN(4) == 0
				got, err := s.Open(ctx, s.request(1+random.IntN(5)), cache.Watch{Progress: func(p signaling.Loading) {
					if leave && p.Slices > 0 {
						cancel()
					}
				}})
				var p *signaling.Problem
				switch {
				case err == nil:
					served.Add(1)
					if !whole(got) {
						t.Error("a session has no voxels")
					}
					got.Release()
				case errors.As(err, &p) && p.Code == signaling.ProblemTooLarge:
					refused.Add(1)
				case !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				cancel()
			}
		})
	}
	sessions.Wait()
	if served.Load() == 0 {
		t.Errorf("%d were served, %d refused", served.Load(), refused.Load())
	}
	one, two, three := s.open(t, 1), s.open(t, 2), s.open(t, 3)
	if !whole(one) || !whole(two) || !whole(three) {
		t.Error("not whole")
	}
	one.Release()
	two.Release()
	three.Release()
}
