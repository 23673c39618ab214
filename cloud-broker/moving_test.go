package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// sends has an operator move a task, to the best node where to is empty.
func (b *running) sends(task signaling.TaskID, to signaling.NodeID) reply {
	b.t.Helper()
	wish, err := json.Marshal(map[string]signaling.NodeID{"to": to})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.ask("POST", "/api/v1/tasks/"+string(task)+"/move", string(wish))
}

// moving lists the moves of a broker.
func (b *running) moving() []signaling.Moving {
	b.t.Helper()
	return decode[struct{ Moves []signaling.Moving }](b.t, b.ask("GET", "/api/v1/moves", ""), http.StatusOK).Moves
}

// ends waits until a move of a task at this broker has ended, and returns how.
func (b *running) ends(task signaling.TaskID) signaling.Moving {
	b.t.Helper()
	b.eventually("the move has ended", func() bool {
		for line := range strings.Lines(b.logs.String()) {
			if strings.Contains(line, "a move has ended") && strings.Contains(line, string(task)) {
				return true
			}
		}
		return false
	})
	b.told("moves", string(task), "endedAt")
	for _, m := range b.moving() {
		if m.Task == task && m.EndedAt != nil {
			return m
		}
	}
	b.t.Fatal("a move that has ended is not shown")
	panic("not reached")
}

// task is a task as the pool has it.
func (b *running) task(id signaling.TaskID) signaling.Task {
	b.t.Helper()
	task, err := b.pooled.Load().Task(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return task
}

// arrived is what the target of a move says when the task goes on there.
func (e *edge) arrived(i signaling.Instruction) {
	e.t.Helper()
	e.send(signaling.Control{Type: signaling.ControlMoved, Moved: &signaling.MoveReport{Task: i.Task, Attempt: i.Attempt.ID}})
}

// stayed is what the edge that a task was to leave says when its terminal could not go.
func (e *edge) stayed(m signaling.Move) {
	e.t.Helper()
	e.send(signaling.Control{Type: signaling.ControlMoved, Moved: &signaling.MoveReport{Task: m.Task, Attempt: m.Grant.Attempt.ID,
		Problem: &signaling.Problem{Code: signaling.ProblemEdgeLost, Title: "The other renderer cannot be reached."}}})
}

// begun is a session that runs on the edge "a", and its move to "b", which both edges have heard of.
type begun struct {
	bs    brokers
	a, b  *edge
	grant signaling.Grant
	there signaling.Instruction // the target's
	leave signaling.Move        // the source's
}

// runs has a session run on the first of these edges, each with room for a few.
func (bs brokers) runs(change func(*edge), ids ...string) (signaling.Grant, map[signaling.NodeID]*edge) {
	bs[0].t.Helper()
	edges := map[signaling.NodeID]*edge{}
	for i, id := range ids {
		node := newNode(id)
		node.DistanceMs = float64(i)
		edges[node.ID] = bs.join(i, node, change)
	}
	g := bs.at(0).submit()
	first := edges[signaling.NodeID(ids[0])]
	if g.Attempt.Node != first.node.ID {
		bs[0].t.Fatalf("the session is on %s", g.Attempt.Node)
	}
	receive(bs[0].t, "the instruction", first.instructions)
	first.update(g, signaling.TaskRunning)
	bs[0].eventually("the session runs", func() bool { return first.state(g) == signaling.TaskRunning })
	return g, edges
}

// begins has a session move as far as both edges know of it.
func (bs brokers) begins(ids ...string) (begun, map[signaling.NodeID]*edge) {
	t := bs[0].t
	t.Helper()
	g, edges := bs.runs(func(*edge) {}, ids...)
	m := begun{bs: bs, a: edges["a"], b: edges["b"], grant: g}
	m.a.view(g, 3, `{"version":1,"revision":3}`)
	bs[0].eventually("the view is kept", func() bool {
		v, err := bs[0].pooled.Load().View(t.Context(), g.Task)
		return err == nil && v.Revision == 3
	})
	if r := bs.at(2).sends(g.Task, "b"); r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.body)
	}
	m.there = receive(t, "the target's instruction", m.b.instructions)
	m.leave = receive(t, "the wish to leave", m.a.moves)
	return m, edges
}

// free waits until a node has as much free as for so many sessions.
func (bs brokers) free(id signaling.NodeID, sessions int64) {
	bs[0].t.Helper()
	bs.know("so much is free", id, func(n signaling.Node) bool { return n.Free.EncoderSessions == sessions })
}

// TestB8AMoveReservesFirstHandsOverAndReleasesLast: room is reserved on the target, which gets the task with its run information
// and its view; the terminal is told where to go, and the task goes on where it is until the target says that it has
// arrived; then the target is its place, and the source is released and says so.
func TestB8AMoveReservesFirstHandsOverAndReleasesLast(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		m, _ := bs.begins("a", "b")
		i, g := m.there, m.grant
		if !i.Shadow || !i.Moves || i.Ran == nil || i.Task != g.Task || i.Source == nil || !strings.Contains(string(i.Request.Parameters), `"revision":3`) {
			t.Errorf("the target's: %+v; %s", i, i.Request.Parameters)
		}
		if v := receive(t, "the view at the target", m.b.views); v.Attempt != i.Attempt.ID || v.Revision != 3 {
			t.Errorf("%+v", v)
		}
		to := m.leave.Grant
		if m.leave.Task != g.Task || m.leave.Attempt != g.Attempt.ID || to == nil || to.Attempt != i.Attempt || to.Token == "" || m.leave.Reason == "" {
			t.Errorf("the source's: %+v", m.leave)
		}
		if task := bs[0].task(g.Task); *task.Attempt != g.Attempt || task.Moves == nil || *task.Moves != i.Attempt || task.Shadow != nil {
			t.Errorf("while it moves: %+v", task)
		}
		bs.free("a", 3)
		bs.free("b", 3)
		if under := bs.at(2).moving(); len(under) != 1 || under[0].State != "handing-over" || under[0].From != "a" || under[0].To != "b" {
			t.Errorf("moves %+v", under)
		}
		m.b.arrived(i)
		p := receive(t, "the promotion", m.b.promotes)
		if p.Attempt.ID != i.Attempt.ID || p.Attempt.Fencing <= i.Attempt.Fencing || p.View != nil {
			t.Errorf("%+v", p)
		}
		r := receive(t, "the source's release", m.a.releases)
		if r.Attempt != g.Attempt.ID || r.Fencing < p.Attempt.Fencing || r.State != "" || r.Problem == nil || r.Problem.Code != signaling.ProblemMoved {
			t.Errorf("%+v %+v", r, r.Problem)
		}
		if end := bs.at(2).ends(g.Task); end.State != "moved" || end.Reason != signaling.MoveByHand {
			t.Errorf("%+v", end)
		}
		if task := bs[0].task(g.Task); *task.Attempt != p.Attempt || task.Moves != nil || task.State != signaling.TaskRunning {
			t.Errorf("moved: %+v", task)
		}
		bs.free("a", 4)
		bs.free("b", 3)
		if again := decode[signaling.Grant](t, bs.at(1).ask("POST", "/api/v1/tasks/"+string(g.Task)+"/grant", "{}"), http.StatusOK); again.Attempt != p.Attempt {
			t.Errorf("granted %+v", again)
		}
		if s := string(bs.at(2).ask("GET", "/metrics", "").body); !strings.Contains(s, `tomocast_moves_total{outcome="moved",reason="by-hand"} 1`) {
			t.Error("the move is not counted")
		}
	})
}

// TestB8ATerminalThatCannotReachTheTargetStaysWhereItIs: nothing is held on the target any more, and both edges are told.
func TestB8ATerminalThatCannotReachTheTargetStaysWhereItIs(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		m, _ := bs.begins("a", "b")
		m.a.stayed(m.leave)
		if r := receive(t, "the target's release", m.b.releases); r.Attempt != m.there.Attempt.ID || r.Fencing <= m.there.Attempt.Fencing {
			t.Errorf("%+v", r)
		}
		if s := receive(t, "the word that it stays", m.a.stays); s.Attempt != m.grant.Attempt.ID || s.Grant != nil {
			t.Errorf("%+v", s)
		}
		if end := bs.at(2).ends(m.grant.Task); end.State != "stays" || !strings.Contains(end.Why, "cannot be reached") && !strings.Contains(end.Why, "was given up") {
			t.Errorf("%+v", end)
		}
		if task := bs[0].task(m.grant.Task); *task.Attempt != m.grant.Attempt || task.Moves != nil || task.State != signaling.TaskRunning {
			t.Errorf("%+v", task)
		}
		bs.free("b", 4)
	})
}

// TestB8ATargetThatVanishesInMidMove: the task is where it was, and can move elsewhere.
func TestB8ATargetThatVanishesInMidMove(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		m, edges := bs.begins("a", "b", "c")
		m.b.kill()
		receive(t, "the word that it stays", m.a.stays)
		if end := bs.at(2).ends(m.grant.Task); end.State != "stays" {
			t.Errorf("%+v", end)
		}
		if r := bs.at(2).sends(m.grant.Task, ""); r.status != http.StatusAccepted {
			t.Fatalf("%d %s", r.status, r.body)
		}
		there := receive(t, "the next target's instruction", edges["c"].instructions)
		edges["c"].arrived(there)
		if p := receive(t, "the promotion", edges["c"].promotes); p.Attempt.Node != "c" {
			t.Errorf("%+v", p)
		}
		m.b.connect()
		if ended := m.b.registered.Ended; !slices.Contains(ended, m.there.Attempt.ID) {
			t.Errorf("what was held there came back: %v", ended)
		}
		bs.free("a", 4)
		bs.free("b", 4)
	})
}

// TestB8AUserWhoFinishesWhileMoving ends the task at both places.
func TestB8AUserWhoFinishesWhileMoving(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		m, _ := bs.begins("a", "b")
		bs.at(1).finish(m.grant.Task)
		for _, e := range []*edge{m.a, m.b} {
			if r := receive(t, "the release", e.releases); r.Task != m.grant.Task || r.State != signaling.TaskFinished {
				t.Errorf("%+v", r)
			}
		}
		if end := bs.at(2).ends(m.grant.Task); end.State != "ended" {
			t.Errorf("%+v", end)
		}
		if task := bs[0].task(m.grant.Task); task.State != signaling.TaskFinished || task.Moves != nil {
			t.Errorf("%+v", task)
		}
		bs.free("a", 4)
		bs.free("b", 4)
	})
}

// TestB8ASourceThatDiesWhileMoving: the target takes over when the terminal is there, by the grant that it has, or asks for one.
func TestB8ASourceThatDiesWhileMoving(t *testing.T) {
	for _, way := range []string{"arrives", "asks"} {
		t.Run(way, func(t *testing.T) {
			eachPool(t, func(t *testing.T, bs brokers) {
				m, _ := bs.begins("a", "b")
				m.a.kill()
				bs.know("the source is gone", "a", func(n signaling.Node) bool { return n.State != signaling.NodeReady })
				if way == "arrives" {
					m.b.arrived(m.there)
				} else if g := bs.at(1).moves(m.grant); g.Attempt.Node != "b" || g.Attempt.ID != m.there.Attempt.ID {
					t.Errorf("%+v", g)
				}
				receive(t, "the promotion", m.b.promotes)
				if end := bs.at(2).ends(m.grant.Task); end.State != "moved" {
					t.Errorf("%+v", end)
				}
				m.a.connect()
				if ended := m.a.registered.Ended; !slices.Contains(ended, m.grant.Attempt.ID) {
					t.Errorf("the source goes on with it: ended %v", ended)
				}
				bs.free("a", 4)
				bs.free("b", 3)
			})
		})
	}
}

// TestB8TwoBrokersMoveTheSameTask: one of them reserves, and the other lets it be.
func TestB8TwoBrokersMoveTheSameTask(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a", "b", "c")
		var both sync.WaitGroup
		for i, to := range []signaling.NodeID{"b", "c"} {
			both.Go(func() { bs.at(i).sends(g.Task, to) })
		}
		both.Wait()
		leave := receive(t, "the wish to leave", edges["a"].moves)
		task := bs[0].task(g.Task)
		if task.Moves == nil || task.Moves.ID != leave.Grant.Attempt.ID {
			t.Fatalf("%+v %+v", task, leave)
		}
		target := edges[task.Moves.Node]
		other := signaling.NodeID("b")
		if target.node.ID == "b" {
			other = "c"
		}
		bs.free(other, 4)
		target.arrived(receive(t, "the target's instruction", target.instructions))
		receive(t, "the promotion", target.promotes)
		bs.free("a", 4)
		bs.free(target.node.ID, 3)
		if len(edges[other].instructions) != 0 || len(edges["a"].moves) != 0 {
			t.Error("it moved twice")
		}
	})
}

// TestB8ATaskWithoutATerminalMovesAtOnce: its terminal finds the new place when it comes back.
func TestB8ATaskWithoutATerminalMovesAtOnce(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(e *edge) {
			e.move = func(signaling.Move) *signaling.Problem {
				return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No terminal is connected."}
			}
		}, "a", "b")
		if r := bs.at(1).sends(g.Task, ""); r.status != http.StatusAccepted {
			t.Fatalf("%d %s", r.status, r.body)
		}
		p := receive(t, "the promotion", edges["b"].promotes)
		if end := bs.at(1).ends(g.Task); end.State != "moved" || end.To != "b" {
			t.Errorf("%+v", end)
		}
		if again := decode[signaling.Grant](t, bs.at(0).ask("POST", "/api/v1/tasks/"+string(g.Task)+"/grant", "{}"), http.StatusOK); again.Attempt != p.Attempt {
			t.Errorf("granted %+v", again)
		}
	})
}

// TestB8WhoEndsAHandoverOfABrokerThatIsGone: any broker that hears of it, both of an arrival and of a failure.
func TestB8WhoEndsAHandoverOfABrokerThatIsGone(t *testing.T) {
	for _, way := range []string{"arrived", "stayed"} {
		t.Run(way, func(t *testing.T) {
			threeBrokers(t, func(t *testing.T, bs brokers) {
				m, _ := bs.begins("a", "b")
				if err := bs[2].end(); err != nil { // whose move it is
					t.Fatal(err)
				}
				left := brokers{bs[0], bs[1]}
				if way == "stayed" {
					m.a.stayed(m.leave)
					if r := receive(t, "the target's release", m.b.releases); r.Attempt != m.there.Attempt.ID {
						t.Errorf("%+v", r)
					}
					left.free("b", 4)
					left.free("a", 3)
					return
				}
				m.b.arrived(m.there)
				receive(t, "the promotion", m.b.promotes)
				receive(t, "the source's release", m.a.releases)
				left.free("a", 4)
				left.free("b", 3)
			})
		})
	}
}

// TestB8WhatCannotMoveIsRefusedByName.
func TestB8WhatCannotMoveIsRefusedByName(t *testing.T) {
	b := start(t, "--sites", written(t, "sites.yaml", "sites:\n  - name: north\n    zones: [north]\n    data-stays: true\n"))
	bs := brokers{b}
	in, alone, out := newNode("in"), newNode("alone"), newNode("out")
	in.Zone, alone.Zone, alone.Types = "north", "north", []signaling.TaskType{signaling.Training}
	out.DistanceMs = 5
	e := b.join(in)
	b.join(alone)
	b.join(out)
	g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", body(`"zone":"north"`)), http.StatusCreated)
	e.update(g, signaling.TaskRunning)
	b.eventually("the session runs", func() bool { return e.state(g) == signaling.TaskRunning })
	for to, why := range map[signaling.NodeID]string{
		"in": "runs there already", "alone": "takes no tasks of the type rendering", "nowhere": "No node", "out": "The data of the site north stays in it",
	} {
		r := b.sends(g.Task, to)
		if p := r.problem(t); r.status < 400 || r.status >= 500 || !strings.Contains(p.Detail, why) {
			t.Errorf("to %s: %d %+v", to, r.status, p)
		}
	}
	if r := b.sends(g.Task, ""); r.status != http.StatusServiceUnavailable || !strings.Contains(r.problem(t).Detail, "its data stays in the site north") {
		t.Errorf("a move that ended at once: %d %s", r.status, r.body)
	}
	if end := b.ends(g.Task); end.State != "stays" || !strings.Contains(end.Why, "its data stays in the site north") {
		t.Errorf("%+v", end)
	}
	if r := b.sends("t-unknown", ""); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.body)
	}
	b.finish(g.Task)
	if r := b.sends(g.Task, ""); r.status != http.StatusBadRequest || !strings.Contains(string(r.body), "ended") {
		t.Errorf("%d %s", r.status, r.body)
	}
	bs.free("in", 4)
}

// TestB8ATargetThatCannotLoadTheStudy, or whatever else ends the task there, is given up for the next one while a node drains.
func TestB8ATargetThatCannotLoadTheStudy(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		g, edges := bs.runs(func(*edge) {}, "a", "b", "c")
		if r := bs.at(2).ask("POST", "/api/v1/nodes/a/drain", ""); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		over := t.Context().Done()
		go func() { // whichever broker tries it
			for {
				select {
				case i := <-edges["b"].instructions:
					_ = edges["b"].link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{
						Task: i.Task, Attempt: i.Attempt.ID, State: signaling.TaskFailed, Reason: "the study could not be loaded",
					}})
				case <-over:
					return
				}
			}
		}()
		next := receive(t, "the next target's instruction", edges["c"].instructions)
		edges["c"].arrived(next)
		if p := receive(t, "the promotion", edges["c"].promotes); p.Attempt.ID != next.Attempt.ID {
			t.Errorf("%+v", p)
		}
		bs.free("a", 4)
		bs.free("b", 4)
		if task := bs[0].task(g.Task); task.State.Ended() || task.Attempt.Node != "c" {
			t.Errorf("%+v", task)
		}
	})
}

// TestB8ComputeTasksMoveTheSameWay: the target itself says that the task goes on there.
func TestB8ComputeTasksMoveTheSameWay(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		a, far := newNode("a"), newNode("b")
		far.DistanceMs = 5
		from, to := bs.join(0, a), bs.join(1, far)
		request := `{"type":"data-computation","operation":"statistics","parameters":{"seed":4}}`
		g := decode[signaling.Grant](t, bs.at(2).ask("POST", "/api/v1/tasks", request), http.StatusCreated)
		from.update(g, signaling.TaskRunning)
		bs[0].eventually("it runs", func() bool { return from.state(g) == signaling.TaskRunning })
		if r := bs.at(1).sends(g.Task, "b"); r.status != http.StatusAccepted {
			t.Fatalf("%d %s", r.status, r.body)
		}
		i := receive(t, "the target's instruction", to.instructions)
		if !i.Moves || i.Ran == nil || i.Request.Operation != "statistics" || string(i.Request.Parameters) != `{"seed":4}` {
			t.Errorf("%+v %s", i, i.Request.Parameters)
		}
		if m := receive(t, "the wish to leave", from.moves); m.Grant == nil || m.Grant.Attempt != i.Attempt {
			t.Errorf("%+v", m)
		}
		to.arrived(i)
		receive(t, "the promotion", to.promotes)
		receive(t, "the release", from.releases)
		if task := bs[0].task(g.Task); task.Attempt.Node != "b" || task.State != signaling.TaskRunning {
			t.Errorf("%+v", task)
		}
	})
}
