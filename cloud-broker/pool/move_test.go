package pool_test

import (
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// moves reserves a place for a task to move to, and has its edge confirm it.
func (f fixture) moves(task, from, to string, id signaling.AttemptID) signaling.Reservation {
	f.t.Helper()
	r, _, err := f.ClaimMove(f.ctx, signaling.TaskID(task), id, signaling.NodeID(from), signaling.NodeID(to), signaling.Resources{}, 0)
	f.must(err)
	f.must(f.Confirm(f.ctx, r.Attempt.ID))
	return r
}

// TestB8ReservationsOfMovesAreTold apart: the same move gets the same one again, another gets none, and one becomes the task's place
// or is given up once.
func TestB8ReservationsOfMovesAreToldApart(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for _, id := range []string{"a", "b", "c"} {
			p.register(edge(id), 0)
		}
		one, other := pool.MoveID("broker1", 1), pool.MoveID("broker2", 1)
		if one == other || one == pool.MoveID("broker1", 2) || one != pool.MoveID("broker1", 1) || !pool.IsMove(one) {
			p.t.Fatalf("%s and %s", one, other)
		}
		_, _, err := p.ClaimMove(p.ctx, "t1", one, "a", "b", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrNotFound)
		first := p.runs("t1", "a")
		_, _, err = p.ClaimMove(p.ctx, "t1", first.Attempt.ID, "a", "b", signaling.Resources{}, 0)
		if err == nil {
			p.t.Fatal("an attempt that is not a move's is taken")
		}
		_, _, err = p.ClaimMove(p.ctx, "t1", one, "c", "b", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrElsewhere)
		_, _, err = p.ClaimMove(p.ctx, "t1", one, "a", "nowhere", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrClosed)
		_, _, err = p.ClaimMove(p.ctx, "t1", one, "a", "a", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrClosed)

		r := p.moves("t1", "a", "b", one)
		if r.Attempt.ID != one || r.Attempt.Node != "b" || r.Resources != needs {
			p.t.Fatalf("%+v", r)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); task.Moves == nil || *task.Moves != r.Attempt || task.Shadow != nil || *task.Attempt != first.Attempt {
			p.t.Fatalf("%+v", task)
		}
		again, _, err := p.ClaimMove(p.ctx, "t1", one, "a", "b", signaling.Resources{}, 0)
		p.must(err)
		if again.Attempt != r.Attempt || !again.Confirmed {
			p.t.Fatalf("asked again: %+v", again)
		}
		_, _, err = p.ClaimMove(p.ctx, "t1", other, "a", "c", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrMoving)
		_, err = p.ClaimShadow(p.ctx, "t1", []signaling.NodeID{"c"}, signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrMoving)
		p.wantErr(p.DropShadow(p.ctx, "t1", "test"), pool.ErrNotFound) // it is no shadow
		_, err = p.DropMove(p.ctx, "t1", other, "test")
		p.wantErr(err, pool.ErrNotFound)
		_, _, err = p.PromoteMove(p.ctx, "t1", other)
		p.wantErr(err, pool.ErrNotFound)
		p.audited()

		a, left, err := p.PromoteMove(p.ctx, "t1", one)
		p.must(err)
		if a.ID != one || a.Fencing <= r.Attempt.Fencing || left == nil || left.ID != first.Attempt.ID || left.Node != "a" {
			p.t.Fatalf("%+v, left %+v", a, left)
		}
		same, left, err := p.PromoteMove(p.ctx, "t1", one)
		p.must(err)
		if same != a || left != nil {
			p.t.Fatalf("asked again: %+v, left %+v", same, left)
		}
		_, err = p.DropMove(p.ctx, "t1", one, "test")
		p.wantErr(err, pool.ErrElsewhere)
		if task := p.wantTask("t1", signaling.TaskRunning); *task.Attempt != a || task.Moves != nil {
			p.t.Fatalf("%+v", task)
		}
		p.wantFree("a", 0)
		p.wantFree("b", 1)

		// And once more, given up. Its edge does not bring it back.
		back := p.moves("t1", "b", "c", other)
		dropped, err := p.DropMove(p.ctx, "t1", other, "test")
		p.must(err)
		if dropped.ID != other || dropped.Node != "c" || dropped.Fencing != back.Attempt.Fencing {
			p.t.Fatalf("%+v", dropped)
		}
		if ended := p.register(edge("c"), 0, shadowEntry(back)); len(ended) != 1 {
			p.t.Fatalf("ended %v", ended)
		}
		p.wantFree("c", 0)
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: one, State: signaling.TaskFinished}))
		_, _, err = p.ClaimMove(p.ctx, "t1", other, "b", "c", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrEnded)
		_, _, err = p.PromoteMove(p.ctx, "t1", one)
		p.wantErr(err, pool.ErrEnded)
		p.audited()
	})
}

// TestB8AMoveHoldsWhatTheTaskHolds, which may have been changed since it was asked for, and gives it up with its task.
func TestB8AMoveHoldsWhatTheTaskHolds(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for _, id := range []string{"a", "b"} {
			p.register(edge(id), 0)
		}
		first := p.runs("t1", "a")
		less := needs
		less.GPUMilli /= 2
		p.must(p.Resize(p.ctx, "t1", first.Attempt.ID, less))
		if r := p.moves("t1", "a", "b", pool.MoveID("b", 1)); r.Resources != less {
			p.t.Fatalf("%+v", r)
		}
		held, err := p.Holds(p.ctx, pool.MoveID("b", 1))
		p.must(err)
		if held != less {
			p.t.Fatalf("it holds %+v", held)
		}
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: first.Attempt.ID, State: signaling.TaskFinished}))
		if _, err := p.Holds(p.ctx, pool.MoveID("b", 1)); err == nil {
			p.t.Fatal("it is held though the task has ended")
		}
		p.wantFree("a", 0)
		p.wantFree("b", 0)
		p.audited()
	})
}

// TestB8AMoveUsesTheRoomOfAShadow, on the shadow's node and on another; where it does not fit the shadow stays.
func TestB8AMoveUsesTheRoomOfAShadow(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		for _, id := range []string{"a", "b", "c"} {
			p.register(edge(id), 0)
		}
		p.runs("t1", "a")
		shadow := p.shadow("t1", "b")
		n, err := p.Node(p.ctx, "b")
		p.must(err)
		for i := int64(1); i < n.Capacity.EncoderSessions; i++ { // b is full
			p.runs("x"+string(rune('0'+i)), "b")
		}
		for i := range n.Capacity.EncoderSessions { // and so is c
			p.runs("y"+string(rune('0'+i)), "c")
		}
		_, _, err = p.ClaimMove(p.ctx, "t1", pool.MoveID("b", 1), "a", "c", signaling.Resources{}, 0)
		p.wantErr(err, pool.ErrNoneFits)
		if task := p.wantTask("t1", signaling.TaskRunning); task.Shadow == nil || *task.Shadow != shadow.Attempt {
			p.t.Fatalf("%+v", task)
		}
		r, gone, err := p.ClaimMove(p.ctx, "t1", pool.MoveID("b", 2), "a", "b", signaling.Resources{}, 0)
		p.must(err)
		if gone == nil || gone.ID != shadow.Attempt.ID || gone.Node != "b" || gone.Fencing != shadow.Attempt.Fencing || r.Attempt.Node != "b" {
			p.t.Fatalf("%+v, gone %+v", r, gone)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); task.Shadow != nil || *task.Moves != r.Attempt {
			p.t.Fatalf("%+v", task)
		}
		p.audited()
	})
}

// TestB8MovesOutliveALossOfRedis as what they are.
func TestB8MovesOutliveALossOfRedis(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		first := p.runs("t1", "a")
		r := p.moves("t1", "a", "b", pool.MoveID("b", 1))
		p.must(p.rdb.FlushAll(p.ctx).Err())
		p.register(edge("b"), r.Attempt.Fencing, shadowEntry(r))
		p.register(edge("a"), first.Attempt.Fencing, entry(first, signaling.TaskRunning))
		task := p.wantTask("t1", signaling.TaskRunning)
		if task.Moves == nil || task.Moves.ID != r.Attempt.ID || task.Shadow != nil || task.Attempt.ID != first.Attempt.ID {
			p.t.Fatalf("%+v", task)
		}
		p.audited()
	})
}

// TestOneBrokerAtATimeHasADuty, until it gives it back or does not ask any more.
func TestOneBrokerAtATimeHasADuty(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		asks := func(broker string, term time.Duration) bool {
			p.t.Helper()
			has, err := p.Lease(p.ctx, "test", broker, term)
			p.must(err)
			return has
		}
		if !asks("one", time.Hour) || asks("two", time.Hour) || !asks("one", time.Hour) {
			p.t.Fatal("not one has it")
		}
		if asks("two", 0) || asks("two", time.Hour) {
			p.t.Fatal("one gives back what another has")
		}
		if asks("one", 0) || !asks("two", time.Millisecond) {
			p.t.Fatal("it is not given back")
		}
		for !asks("one", time.Hour) { // its time is over in a moment
		}
		if _, err := p.Lease(p.ctx, "test", "one", -1); err == nil {
			p.t.Fatal("a negative time is taken")
		}
		if _, err := p.Lease(p.ctx, "", "one", 1); err == nil {
			p.t.Fatal("a duty without a name is taken")
		}
	})
}

// TestLoadsOfManyNodes, of those that have told one.
func TestLoadsOfManyNodes(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		p.register(edge("b"), 0)
		want := signaling.Load{GPUMilli: 700, CPUMilli: 20, MemoryMB: 3, Sessions: 1}
		p.must(p.Heartbeat(p.ctx, "b", signaling.Heartbeat{State: signaling.NodeReady, Load: want}))
		loads, err := p.Loads(p.ctx, []signaling.NodeID{"a", "b", "nowhere"})
		p.must(err)
		if len(loads) != 1 || loads["b"] != want {
			p.t.Fatalf("%+v", loads)
		}
	})
}
