package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

const thumbnailPath = "/api/v1/studies/" + study + "/series/" + series + "/thumbnail"

var seriesRef = signaling.SeriesRef{Source: "local", StudyInstanceUID: study, SeriesInstanceUID: series}

// holds has the edge report series that it has loaded, and waits until the broker knows.
func (e *edge) holds(refs ...signaling.SeriesRef) {
	e.t.Helper()
	e.beat(refs...)
	e.b.eventually("the broker knows what the edge holds", func() bool {
		for _, r := range refs {
			if !e.b.knows(e.node.ID, r) {
				return false
			}
		}
		return e.b.knows(e.node.ID, seriesRef) == slices.Contains(refs, seriesRef)
	})
}

// knows says whether the broker knows that node has a series loaded.
func (b *running) knows(node signaling.NodeID, ref signaling.SeriesRef) bool {
	r := placement.Request{Type: signaling.Rendering, Volume: signaling.VolumeKey(ref)}
	for _, n := range b.nodes.Nodes() {
		if n.ID != node {
			r.Exclude = append(r.Exclude, n.ID)
		}
	}
	c, _ := b.nodes.Candidates(r, 1)
	return len(c) == 1 && c[0].Holds
}

func TestThumbnails(t *testing.T) {
	b := start(t)
	if r := b.ask("GET", thumbnailPath, ""); r.status != 503 || r.problem(t).Code != signaling.ProblemNoFreeNode {
		t.Errorf("without an edge: %d %s", r.status, r.body)
	}
	e := b.join(newNode("near"))
	r := b.ask("GET", thumbnailPath+"?side=64", "")
	if r.status != 200 || string(r.body) != "picture of "+series || r.header.Get("Content-Type") != "image/png" ||
		!strings.HasPrefix(r.header.Get("Cache-Control"), "private") || r.header.Get("ETag") == "" || !strings.Contains(r.header.Get("Vary"), "Authorization") {
		t.Errorf("%d %v %q", r.status, r.header, r.body)
	}
	f := receive(t, "the wish", e.fetches)
	if f.Series != seriesRef || f.Side != 64 || f.Source.Name != "local" || f.Source.DICOMweb != "/dicom-web" {
		t.Errorf("%+v", f)
	}
	if s := b.do("GET", f.Source.DICOMweb+"/studies/"+study+"/series", "", "Authorization", "Bearer "+f.Source.Bearer).status; s != 200 {
		t.Errorf("the edge gets the study with status %d", s)
	}
	again := b.ask("GET", thumbnailPath+"?side=64", "", "If-None-Match", `"x", `+r.header.Get("ETag"))
	if again.status != 304 || len(again.body) != 0 || again.header.Get("ETag") != r.header.Get("ETag") {
		t.Errorf("asked again: %d %v", again.status, again.header)
	}
	if n := len(e.fetches); n != 0 {
		t.Errorf("the edge was asked %d times more", n)
	}
	for path, want := range map[string]int{
		"/api/v1/studies/1.2.3/series/1.2.3/thumbnail":                       404,
		"/api/v1/studies/" + study + "/series/1.2.3/thumbnail":               404,
		"/api/v1/studies/" + study + "/series/x/thumbnail":                   400,
		"/api/v1/studies/x/series/" + series + "/thumbnail":                  400,
		"/api/v1/studies/" + study + "/series/" + report + "/thumbnail":      422,
		thumbnailPath + "?side=1000":                                         422,
		thumbnailPath + "?source=none":                                       404,
		"/api/v1/studies/" + otherStudy + "/series/" + series + "/thumbnail": 404,
	} {
		r := b.ask("GET", path, "")
		if r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
		r.problem(t)
	}
}

// Many who open the same list trouble the edges once for each series, with few at a time.
func TestThumbnailsAreMadeOnceAndFewAtATime(t *testing.T) {
	b := start(t)
	begin := make(chan struct{})
	var mu sync.Mutex
	under, most, made := map[signaling.NodeID]int{}, 0, map[string]int{}
	making := func(id string) func(*edge) {
		return func(e *edge) {
			e.fetch = func(typ signaling.ControlType, f signaling.Fetch) signaling.Control {
				mu.Lock()
				under[signaling.NodeID(id)]++
				most = max(most, under[signaling.NodeID(id)])
				made[fmt.Sprint(f.Series.SeriesInstanceUID, f.Side)]++
				mu.Unlock()
				<-begin
				mu.Lock()
				under[signaling.NodeID(id)]--
				mu.Unlock()
				return fetched(signaling.Control{Type: typ, Fetch: &f})
			}
		}
	}
	b.join(newNode("a"), making("a"))
	b.join(newNode("b"), making("b"))
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			r := b.ask("GET", fmt.Sprintf("%s?side=%d", thumbnailPath, 64+i%10), "")
			if r.status != 200 {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	b.eventually("both edges are busy", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return under["a"] == 2 && under["b"] == 2
	})
	close(begin)
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most != 2 || len(made) != 10 {
		t.Errorf("%d at a time at most; %v", most, made)
	}
	for what, n := range made {
		if n != 1 {
			t.Errorf("%s was made %d times", what, n)
		}
	}
}

func TestWhoMakesAThumbnail(t *testing.T) {
	b := start(t)
	refuse := func(code signaling.ProblemCode) func(*edge) {
		return func(e *edge) {
			e.fetch = func(signaling.ControlType, signaling.Fetch) signaling.Control {
				return signaling.Control{Type: signaling.ControlRefuse, Problem: &signaling.Problem{Code: code, Title: "No."}}
			}
		}
	}
	busy := b.join(newNode("a-busy"), refuse(signaling.ProblemNoFreeNode))
	wrong := b.join(newNode("b-wrong"), func(e *edge) {
		e.fetch = func(signaling.ControlType, signaling.Fetch) signaling.Control {
			return signaling.Control{Type: signaling.ControlThumbnail, Image: &signaling.Thumbnail{Format: "text/html", Data: []byte("<script>")}}
		}
	})
	far := newNode("c-far")
	far.DistanceMs = 10
	holder := b.join(far)
	if r := b.ask("GET", thumbnailPath, ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if len(busy.fetches) != 1 || len(wrong.fetches) != 1 || len(holder.fetches) != 1 {
		t.Errorf("asked %d, %d and %d times", len(busy.fetches), len(wrong.fetches), len(holder.fetches))
	}
	// One that has the series is asked first.
	holder.holds(seriesRef)
	if r := b.ask("GET", thumbnailPath+"?side=100", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if len(busy.fetches) != 1 || len(holder.fetches) != 2 {
		t.Errorf("asked %d and %d times", len(busy.fetches), len(holder.fetches))
	}
}

func TestASeriesWithoutAPictureIsAskedForOnce(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"), func(e *edge) {
		e.fetch = func(signaling.ControlType, signaling.Fetch) signaling.Control {
			return signaling.Control{Type: signaling.ControlRefuse, Problem: &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "It cannot be decoded."}}
		}
	})
	b.join(newNode("other"))
	for range 3 {
		if r := b.ask("GET", thumbnailPath, ""); r.status != 422 || r.problem(t).Code != signaling.ProblemUnreadable {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if n := len(e.fetches); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

const prefetchBody = `{"series":{"studyInstanceUID":"` + study + `","seriesInstanceUID":"` + series + `"}}`

func TestPrefetch(t *testing.T) {
	b := start(t)
	if r := b.ask("POST", "/api/v1/prefetch", prefetchBody); r.status != 503 || r.problem(t).Code != signaling.ProblemNoFreeNode {
		t.Errorf("without an edge: %d %s", r.status, r.body)
	}
	far := newNode("far")
	far.DistanceMs = 10
	farther := b.join(far)
	e := b.join(newNode("near"))
	type answer struct {
		Node string
		Held bool
	}
	for range 2 {
		if a := decode[answer](t, b.ask("POST", "/api/v1/prefetch", prefetchBody), 202); a != (answer{"near", false}) {
			t.Errorf("%+v", a)
		}
		if f := receive(t, "the wish", e.fetches); f.Series != seriesRef || f.Source.Bearer == "" {
			t.Errorf("%+v", f)
		}
	}
	// It went to the node that a session gets.
	if g := b.submit(); g.Attempt.Node != "near" {
		t.Errorf("%+v", g)
	}
	farther.holds(seriesRef)
	if a := decode[answer](t, b.ask("POST", "/api/v1/prefetch", prefetchBody), 202); a != (answer{"far", true}) {
		t.Errorf("%+v", a)
	}
	for body, want := range map[string]int{
		`{}`: 422, `{"series":{}}`: 422, `{"series":`: 400,
		strings.Replace(prefetchBody, study, "x", 1):            400,
		strings.Replace(prefetchBody, study, "1.2.3", 1):        404,
		strings.Replace(prefetchBody, series, report, 1):        422,
		`{"series":{"source":"none","studyInstanceUID":"1.2"}}`: 404,
	} {
		if r := b.ask("POST", "/api/v1/prefetch", body); r.status != want {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := b.do("POST", "/api/v1/prefetch", prefetchBody); r.status != 401 {
		t.Errorf("by nobody: %d", r.status)
	}
}

// A study goes where it already is, unless that is much farther away.
func TestASessionGoesWhereItsSeriesIs(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(newNode("near"))
		far, distant := newNode("far"), newNode("distant")
		far.DistanceMs, distant.DistanceMs = 15, 80
		d := b.join(distant)
		d.holds(seriesRef)
		if g := b.submit(); g.Attempt.Node != "near" {
			t.Errorf("%+v", g)
		}
		e := b.join(far)
		e.holds(signaling.SeriesRef{Source: "local", StudyInstanceUID: study, SeriesInstanceUID: photo}, seriesRef)
		g := b.submit()
		if g.Attempt.Node != "far" || !strings.Contains(g.Reasons[0], "has this series loaded already") {
			t.Errorf("%+v", g)
		}
		// Another series, or the same UIDs at another source, is not there.
		other := strings.Replace(rendering, series, "", 1)
		if g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", other), 201); g.Attempt.Node != "near" {
			t.Errorf("%+v", g)
		}
		e.holds()
		if g := b.submit(); g.Attempt.Node != "near" {
			t.Errorf("after it let go: %+v", g)
		}
	})
}

// An edge is asked over whichever broker has its link.
func TestThumbnailsOverAnotherBroker(t *testing.T) {
	redis := "redis://" + redistest.Addr(t)
	dir := studies(t)
	one := start(t, "--redis", redis, "--pool", "thumbnails", "--studies", dir)
	two := start(t, "--redis", redis, "--pool", "thumbnails", "--studies", dir)
	e := one.join(newNode("near"))
	two.eventually("the other broker knows the edge", func() bool { _, known := two.nodes.Get("near"); return known })
	two.eventually("it is ready there", func() bool { n, _ := two.nodes.Get("near"); return n.State == signaling.NodeReady })
	if r := two.ask("GET", thumbnailPath, ""); r.status != http.StatusOK || string(r.body) != "picture of "+series {
		t.Errorf("%d %s", r.status, r.body)
	}
	// The credential that the other broker gave opens the study at the edge's own.
	f := receive(t, "the wish", e.fetches)
	if s := one.do("GET", f.Source.DICOMweb+"/studies/"+study+"/series", "", "Authorization", "Bearer "+f.Source.Bearer).status; s != 200 {
		t.Errorf("status %d", s)
	}
	if r := two.ask("POST", "/api/v1/prefetch", prefetchBody); r.status != 202 {
		t.Errorf("%d %s", r.status, r.body)
	}
	// A picture as large as it may be.
	e2 := one.join(newNode("a-large"), func(e *edge) {
		e.fetch = func(signaling.ControlType, signaling.Fetch) signaling.Control {
			return signaling.Control{Type: signaling.ControlThumbnail, Image: &signaling.Thumbnail{Format: "image/jpeg", Data: make([]byte, signaling.MaxThumbnail)}}
		}
	})
	e2.holds(seriesRef)
	two.eventually("it is preferred there", func() bool { return len(two.ask("GET", thumbnailPath+"?side=200", "").body) == signaling.MaxThumbnail })
}
