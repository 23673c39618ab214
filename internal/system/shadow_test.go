package system

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// TestA12ShadowTakesOver: a second edge renders along in that it has the study loaded and the view in step; when the first
// one dies in mid-work it goes on there at once, without a view from the page, and everything is released in the end. The
// terminal, the edge and its shadow are at three brokers.
func TestA12ShadowTakesOver(t *testing.T) {
	t.Parallel()
	bs := three(t)
	first := bs[0].edge("first", "--distance", "1")
	bs[1].edge("second", "--distance", "5")
	s := bs[2]
	s.knows("first")
	s.knows("second")
	r := rendering(chest)
	r.Shadow = true
	g := s.place(r, "first")
	x := s.connect(g, terminal.Options{})
	s.eventually("it has a shadow", func() bool {
		task := s.task(g.Task)
		return task.Shadow != nil && task.Shadow.Node == "second"
	})
	s.eventually("the shadow holds its resources", func() bool {
		n := s.node("second")
		return n.Capacity.Sub(n.Free) == signaling.DefaultResources(signaling.Rendering)
	})
	x.move()
	x.move()
	seen := x.still()
	s.eventually("the view has come to the pool", func() bool { return s.viewed(g.Task).Revision >= int64(seen.Header.Revision) })
	first.kill()
	var again signaling.Grant
	s.eventually("the shadow is the session", func() bool {
		return s.ask(http.MethodPost, "/tasks/"+string(g.Task)+"/grant", map[string]any{"lost": true}, &again) == nil && again.Attempt.Node == "second"
	})
	if again.Task != g.Task || again.Attempt.Fencing <= g.Attempt.Fencing {
		t.Errorf("%+v after %+v", again.Attempt, g.Attempt)
	}
	y := s.connect(again, terminal.Options{})
	if got, want := y.view.Viewports[0].Camera, x.view.Viewports[0].Camera; got != want {
		t.Errorf("it goes on with camera %+v, it had %+v", got, want)
	}
	if again := y.still(); again.Header.SHA256 != seen.Header.SHA256 {
		t.Errorf("the picture is another one: %+v, it was %+v", again.Header, seen.Header)
	}
	y.move()
	if err := y.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.becomes(g.Task, signaling.TaskFinished)
	s.allFree("second")
}

// viewed is the view of a session that the pool keeps, as whoever may look into its Redis sees it.
func (s *tomocast) viewed(id signaling.TaskID) signaling.ViewReport {
	s.t.Helper()
	rdb, err := pool.Connect(s.args[slices.Index(s.args, "--redis")+1])
	if err != nil {
		s.t.Fatal(err)
	}
	defer rdb.Close()
	p, err := pool.Open(s.ctx, rdb, pool.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	v, _ := p.View(s.ctx, id) // what is not there yet is waited for
	return v
}

// TestA12WithoutAShadow: a request that wants none gets none, as on networks where fetching costs nothing; nor does a site
// that has turned them off.
func TestA12WithoutAShadow(t *testing.T) {
	t.Parallel()
	s := start(t, "--sites", sitesFile(t, "shadows: off"), "--trusted-proxies", proxied)
	s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	plain := s.place(rendering(chest), "first")
	s.client.HTTP = &http.Client{Transport: behind("10.1.2.3")}
	r := rendering(chest)
	r.Shadow = true
	off := s.place(r, "first")
	s.client.HTTP = nil
	with := s.place(r, "first")
	s.eventually("the one outside the site has a shadow", func() bool { return s.task(with.Task).Shadow != nil })
	for name, g := range map[string]signaling.Grant{"that wants none": plain, "of a site without": off} {
		if task := s.task(g.Task); task.Shadow != nil {
			t.Errorf("a request %s has the shadow %+v", name, task.Shadow)
		}
	}
}
