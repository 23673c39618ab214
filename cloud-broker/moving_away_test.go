package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// away waits until a node has nothing to do any more.
func (bs brokers) away(id signaling.NodeID) {
	bs[0].t.Helper()
	bs.know("it is empty", id, func(n signaling.Node) bool { return n.Free == n.Capacity })
}

// follows has an edge take what moves to it: it says that it has arrived as soon as it is instructed. It ends with the test.
func (e *edge) follows() {
	over := e.t.Context().Done()
	go func() {
		for {
			select {
			case i := <-e.instructions:
				if i.Moves {
					_ = e.link.Send(signaling.Control{Type: signaling.ControlMoved, Moved: &signaling.MoveReport{Task: i.Task, Attempt: i.Attempt.ID}})
				}
			case <-over:
				return
			}
		}
	}()
}

// TestB8DrainingMovesWhatRunsThere, and nothing of it is lost; a cordon moves nothing.
func TestB8DrainingMovesWhatRunsThere(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a", "b")
		second := bs.at(1).submit()
		receive(t, "the instruction", edges["a"].instructions)
		edges["a"].update(second, signaling.TaskRunning)
		bs[0].eventually("it runs", func() bool { return edges["a"].state(second) == signaling.TaskRunning })
		edges["b"].follows()
		if r := bs.at(1).ask("POST", "/api/v1/nodes/a/cordon", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		bs.know("it is cordoned", "a", func(n signaling.Node) bool { return n.State == signaling.NodeCordoned })
		if len(edges["a"].moves) > 0 {
			t.Error("a cordon moves tasks")
		}
		if r := bs.at(2).ask("POST", "/api/v1/nodes/a/drain", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		bs.away("a")
		bs.free("b", 2)
		for _, task := range []signaling.TaskID{g.Task, second.Task} {
			if is := bs[0].task(task); is.State != signaling.TaskRunning || is.Attempt.Node != "b" {
				t.Errorf("%+v", is)
			}
		}
	})
}

// TestB8ADrainOutlivesItsBroker: what another broker was asked for is gone on with.
func TestB8ADrainOutlivesItsBroker(t *testing.T) {
	threeBrokers(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a")
		if r := bs[2].ask("POST", "/api/v1/nodes/a/drain", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		bs.know("it drains", "a", func(n signaling.Node) bool { return n.State == signaling.NodeDraining })
		if err := bs[2].end(); err != nil {
			t.Fatal(err)
		}
		left := brokers{bs[0], bs[1]}
		b := left.join(1, newNode("b"))
		b.follows()
		left.away("a")
		if task := bs[0].task(g.Task); task.Attempt.Node != "b" || task.State != signaling.TaskRunning {
			t.Errorf("%+v", task)
		}
		receive(t, "the release", edges["a"].releases)
	})
}

// TestB8ALostNodeAPlaceIsReadyBeforeAnyoneAsks: with the last view, and the terminal gets it at once.
func TestB8ALostNodeAPlaceIsReadyBeforeAnyoneAsks(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a", "b")
		edges["a"].view(g, 7, `{"version":1,"revision":7}`)
		bs[0].eventually("the view is kept", func() bool {
			v, err := bs[0].pooled.Load().View(t.Context(), g.Task)
			return err == nil && v.Revision == 7
		})
		edges["a"].kill()
		i := receive(t, "the instruction", edges["b"].instructions)
		if !i.Moves || !i.Shadow || i.Task != g.Task || !strings.Contains(string(i.Request.Parameters), `"revision":7`) {
			t.Errorf("%+v %s", i, i.Request.Parameters)
		}
		if task := bs[0].task(g.Task); task.State != signaling.TaskRunning || *task.Attempt != g.Attempt {
			t.Errorf("nobody has asked, and it is %+v", task)
		}
		moved := bs.at(1).moves(g)
		if moved.Attempt.ID != i.Attempt.ID {
			t.Errorf("%+v", moved)
		}
		p := receive(t, "the promotion", edges["b"].promotes)
		if p.Attempt != moved.Attempt || !strings.Contains(string(p.View), `"revision":7`) {
			t.Errorf("%+v %s", p, p.View)
		}
		bs.free("b", 3)
		edges["a"].connect()
		if ended := edges["a"].registered.Ended; len(ended) != 1 || ended[0] != g.Attempt.ID {
			t.Errorf("ended %v", ended)
		}
		if end := bs.at(0).ends(g.Task); end.State != "moved" || end.Reason != signaling.MoveLost {
			t.Errorf("%+v", end)
		}
	})
}

// TestB8ANodeThatComesBackKeepsItsSessions: what was made ready elsewhere is given back.
func TestB8ANodeThatComesBackKeepsItsSessions(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a", "b")
		edges["a"].kill()
		i := receive(t, "the instruction", edges["b"].instructions)
		edges["a"].b = bs.at(1) // it comes back to another broker
		edges["a"].connect()
		if len(edges["a"].registered.Ended) > 0 {
			t.Errorf("ended %v", edges["a"].registered.Ended)
		}
		if r := receive(t, "the release", edges["b"].releases); r.Attempt != i.Attempt.ID {
			t.Errorf("%+v", r)
		}
		if end := bs.at(0).ends(g.Task); end.State != "stays" || !strings.Contains(end.Why, "back") {
			t.Errorf("%+v", end)
		}
		if task := bs[0].task(g.Task); task.Attempt.ID != g.Attempt.ID || task.Moves != nil || task.State.Ended() {
			t.Errorf("%+v", task)
		}
		bs.free("b", 4)
	})
}

// TestB8AMoveGoesToTheShadow: its room is the move's, and the session gets another shadow when it has moved.
func TestB8AMoveGoesToTheShadow(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		edges := map[signaling.NodeID]*edge{}
		for i, id := range []string{"a", "b", "c"} {
			edges[signaling.NodeID(id)] = bs.join(i, single(id, float64(i))) // with room for one session each
		}
		g, main, shadow := shadowed(bs, edges)
		main.update(g, signaling.TaskRunning)
		bs[0].eventually("the session runs", func() bool { return main.state(g) == signaling.TaskRunning })
		before := *bs[0].task(g.Task).Shadow
		if r := bs.at(1).sends(g.Task, ""); r.status != http.StatusAccepted {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if r := receive(t, "the shadow's release", shadow.releases); r.Attempt != before.ID {
			t.Errorf("%+v", r)
		}
		i := receive(t, "the instruction", shadow.instructions)
		if !i.Moves || i.Attempt.ID == before.ID {
			t.Fatalf("%+v", i)
		}
		shadow.arrived(i)
		p := receive(t, "the promotion", shadow.promotes)
		if p.Attempt.Node != before.Node {
			t.Errorf("%+v", p)
		}
		bs[0].eventually("it has a shadow again", func() bool {
			task := bs[0].task(g.Task)
			return task.Shadow != nil && task.Shadow.Node != task.Attempt.Node && task.Moves == nil
		})
	})
}

// TestB7DefragmentationBringsSessionsTogether: where two nodes have more free than the preset for W-e, the session of the one that
// is used less moves to the other.
func TestB7DefragmentationBringsSessionsTogether(t *testing.T) {
	file := written(t, "sites.yaml", "defragment: {preset: {gpu-milli: 499}, threshold: {gpu-milli: 99}, hold: 200ms, every: 100ms, window: 1s}\n")
	eachPool(t, func(t *testing.T, bs brokers) {
		small := func(id string, distance float64) signaling.Node {
			n := newNode(id)
			n.DistanceMs = distance
			return n
		}
		a, b := bs.join(0, small("a", 1)), bs.join(1, small("b", 2))
		var grants []signaling.Grant
		for range 3 { // a is used more
			g := bs.at(2).submit()
			grants = append(grants, g)
			a.update(g, signaling.TaskRunning)
		}
		if r := bs[0].ask("POST", "/api/v1/nodes/a/cordon", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		bs.know("it is cordoned", "a", func(n signaling.Node) bool { return n.State == signaling.NodeCordoned })
		g := bs.at(0).submit()
		if g.Attempt.Node != "b" {
			t.Fatalf("%+v", g)
		}
		b.update(g, signaling.TaskRunning)
		a.follows()
		b.follows()
		bs[0].finish(grants[2].Task)
		bs[0].finish(grants[1].Task)
		bs.free("a", 3)
		if r := bs[0].ask("POST", "/api/v1/nodes/a/uncordon", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		bs[0].eventually("they are together", func() bool {
			return bs[0].task(g.Task).Attempt.Node == bs[0].task(grants[0].Task).Attempt.Node
		})
	}, "--sites", file)
}
