package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// shadowed asks for a session with a shadow, and waits until another edge keeps up with it.
func shadowed(bs brokers, edges map[signaling.NodeID]*edge) (g signaling.Grant, main, shadow *edge) {
	t := bs[0].t
	t.Helper()
	g = decode[signaling.Grant](t, bs.at(0).ask("POST", "/api/v1/tasks", body(`"shadow":true`)), http.StatusCreated)
	main = edges[g.Attempt.Node]
	if i := receive(t, "the instruction", main.instructions); i.Shadow || i.ViewMs == 0 || i.ViewMs > 1000 {
		t.Errorf("the session's: shadow %v, view every %d ms", i.Shadow, i.ViewMs)
	}
	return g, main, shadowOf(bs, g, "", edges)
}

// shadowOf waits until a session has a shadow, another one than before.
func shadowOf(bs brokers, g signaling.Grant, before signaling.AttemptID, edges map[signaling.NodeID]*edge) *edge {
	t := bs[0].t
	t.Helper()
	var at *signaling.Attempt
	bs[0].eventually("the session has a shadow", func() bool {
		task, err := bs[0].pooled.Load().Task(t.Context(), g.Task)
		at = task.Shadow
		return err == nil && at != nil && at.ID != before && at.Node != task.Attempt.Node
	})
	e := edges[at.Node]
	if i := receive(t, "the shadow's instruction", e.instructions); !i.Shadow || i.Task != g.Task || i.Attempt != *at || i.Source == nil {
		t.Errorf("%+v", i)
	}
	return e
}

// moves asks for a session again whose edge is gone, until the broker has noticed that it is.
func (b *running) moves(g signaling.Grant) signaling.Grant {
	b.t.Helper()
	var moved signaling.Grant
	b.eventually("the session is elsewhere", func() bool {
		r := b.ask("POST", "/api/v1/tasks/"+string(g.Task)+"/grant", `{"lost":true}`)
		if r.status == http.StatusOK {
			moved = decode[signaling.Grant](b.t, r, http.StatusOK)
		}
		return r.status == http.StatusOK && moved.Attempt.Node != g.Attempt.Node
	})
	return moved
}

// view is a report of a session's view state.
func (e *edge) view(g signaling.Grant, revision int64, state string) {
	e.t.Helper()
	e.send(signaling.Control{Type: signaling.ControlView, View: &signaling.ViewReport{
		Task: g.Task, Attempt: g.Attempt.ID, Revision: revision, View: json.RawMessage(state),
	}})
}

// TestA12AShadowKeepsInStepAndTakesOver: another edge has the study loaded and the newest view, and becomes the session when
// its edge is lost; then that one gets a shadow too.
func TestA12AShadowKeepsInStepAndTakesOver(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		edges := map[signaling.NodeID]*edge{}
		for i, id := range []string{"a", "b", "c"} {
			node := newNode(id)
			node.DistanceMs = float64(i)
			edges[node.ID] = bs.join(i, node)
		}
		g, main, shadow := shadowed(bs, edges)
		if main == shadow || g.Attempt.Node != "a" {
			t.Fatalf("%+v", g)
		}
		main.update(g, signaling.TaskRunning)
		main.view(g, 7, `{"version":1,"revision":7}`)
		if v := receive(t, "the view at the shadow", shadow.views); v.Task != g.Task || v.Revision != 7 || v.Attempt == g.Attempt.ID {
			t.Errorf("%+v", v)
		}
		// Nobody else speaks for the session.
		for id, e := range edges {
			if e != main && e != shadow {
				e.view(g, 9, `{"version":1,"revision":9}`)
			}
			if e != shadow && len(e.views) > 0 {
				t.Errorf("%s was told the view", id)
			}
		}
		main.kill()
		moved := bs.at(2).moves(g)
		if moved.Attempt.Node != shadow.node.ID || moved.Attempt.Fencing <= g.Attempt.Fencing {
			t.Errorf("%+v", moved)
		}
		p := receive(t, "the promotion", shadow.promotes)
		if p.Task != g.Task || p.Attempt != moved.Attempt || !strings.Contains(string(p.View), `"revision":7`) {
			t.Errorf("%+v %s", p, p.View)
		}
		if another := shadowOf(bs, moved, moved.Attempt.ID, edges); another == main || another == shadow {
			t.Errorf("the next shadow is on %s", another.node.ID)
		}
		// The edge that was lost must not go on with it.
		main.connect()
		if len(main.registered.Ended) != 1 || main.registered.Ended[0] != g.Attempt.ID {
			t.Errorf("ended %v", main.registered.Ended)
		}
		bs.at(1).finish(g.Task)
		if r := receive(t, "the release", shadow.releases); r.Task != g.Task {
			t.Errorf("%+v", r)
		}
	})
}

// TestA12ALostShadowIsReplaced, whether its edge says that it ended or goes away, and is let go of with its session.
func TestA12ALostShadowIsReplaced(t *testing.T) {
	b := start(t)
	bs := brokers{b}
	edges := map[signaling.NodeID]*edge{}
	for _, id := range []string{"a", "b", "c"} {
		edges[signaling.NodeID(id)] = b.join(newNode(id))
	}
	g, main, shadow := shadowed(bs, edges)
	main.update(g, signaling.TaskRunning)
	task, err := b.pooled.Load().Task(t.Context(), g.Task)
	if err != nil {
		t.Fatal(err)
	}
	shadow.mu.Lock()
	shadow.ledger = nil
	shadow.mu.Unlock()
	shadow.send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{
		Task: g.Task, Attempt: task.Shadow.ID, State: signaling.TaskFailed, Reason: "the study could not be loaded",
	}})
	next := shadowOf(bs, g, task.Shadow.ID, edges)
	if next == main {
		t.Error("the shadow is where the session is")
	}
	main.update(g, signaling.TaskFinished)
	if r := receive(t, "the shadow's release", next.releases); r.Task != g.Task {
		t.Errorf("%+v", r)
	}
	for id := range edges {
		b.eventually("nothing is held", func() bool { n, _ := b.nodes.Get(id); return n.Free == n.Capacity })
	}
}

// TestA12ShadowsAreOffOnFastNetworks where the site says so.
func TestA12ShadowsAreOffOnFastNetworks(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", "sites:\n  - name: fast\n    zones: [fast]\n    shadows: off\n"))
	one, two := b.join(newNode("a")), b.join(newNode("b"))
	g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", body(`"shadow":true`, `"zone":"fast"`)), 201)
	main := map[signaling.NodeID]*edge{"a": one, "b": two}[g.Attempt.Node]
	if i := receive(t, "the instruction", main.instructions); i.ViewMs < 1000 {
		t.Errorf("a view every %d ms", i.ViewMs)
	}
	main.view(g, 1, `{"version":1}`)
	b.eventually("the view is kept", func() bool {
		_, err := b.pooled.Load().View(t.Context(), g.Task)
		return err == nil
	})
	if len(one.instructions)+len(two.instructions) != 0 {
		t.Error("there is a shadow")
	}
}

// TestASessionGoesOnElsewhereWithItsLastView: without a shadow too, where the page sends none.
func TestASessionGoesOnElsewhereWithItsLastView(t *testing.T) {
	b := start(t)
	near, far := newNode("near"), newNode("far")
	far.DistanceMs = 9
	e, other := b.join(near), b.join(far)
	g := b.submit()
	e.update(g, signaling.TaskRunning)
	e.view(g, 3, `{"version":1,"revision":3}`)
	b.eventually("the view is kept", func() bool {
		v, err := b.pooled.Load().View(t.Context(), g.Task)
		return err == nil && v.Revision == 3
	})
	e.kill()
	moved := b.moves(g)
	if moved.Attempt.Node != "far" {
		t.Errorf("%+v", moved)
	}
	if i := receive(t, "the instruction", other.instructions); !strings.Contains(string(i.Request.Parameters), `"revision":3`) {
		t.Errorf("%s", i.Request.Parameters)
	}
}
