package pool_test

import (
	"errors"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// claimMove reserves a place for a task to move to, now and then for a move that has one or from where the task is not.
func (s *steps) claimMove() {
	task, t := s.live()
	var own signaling.NodeID
	id, wanted := pool.MoveID("model", int64(s.next)), needs
	s.next++
	if t != nil {
		own = s.at(t.attempt)
		if a := s.held[t.attempt]; a != nil {
			wanted = a.r.Resources
		}
		if pool.IsMove(t.standby) && s.r.IntN(2) == 0 {
			id = t.standby
		}
	}
	from := own
	if from == "" || s.r.IntN(10) == 0 {
		from, _ = s.node()
	}
	to, _ := s.node()
	if s.nodes[to].knows(task) && s.r.IntN(4) > 0 {
		return // as a broker places a task; but not always, since the task's own node is no target
	}
	got, gone, err := s.ClaimMove(s.ctx, task, id, from, to, signaling.Resources{}, modelLease)
	s.say("move %s from %s to %s as %s: %+v, %v", task, from, to, id, got.Attempt, err)
	switch {
	case t == nil:
		s.wants(err, pool.ErrNotFound)
	case t.state.Ended():
		s.wants(err, pool.ErrEnded)
	case t.standby == id:
		if err != nil || got.Attempt.ID != id || gone != nil {
			s.fail("asked again for the move of %s: %+v, %v", task, got, err)
		}
	case pool.IsMove(t.standby):
		s.wants(err, pool.ErrMoving)
	case t.attempt == "" || own != from:
		s.wants(err, pool.ErrElsewhere)
	case to == own || !s.nodes[to].takes():
		s.wants(err, pool.ErrClosed)
	case !wanted.Fits(s.freeBeside(to, t)):
		s.wants(err, pool.ErrNoneFits)
	case err != nil || got.Attempt.Node != to || got.Resources != wanted || (gone != nil) != (t.standby != "") || gone != nil && gone.ID != t.standby:
		s.fail("move %s to %s: %+v, gone %+v, %v", task, to, got, gone, err)
	default:
		if shadow := s.held[t.standby]; shadow != nil {
			t.dropped = shadow.r.Attempt.Fencing
			s.drop(shadow)
		}
		s.reserve(got, false)
		t.standby = id
		if a := s.held[id]; s.r.IntN(4) > 0 {
			s.must(s.Confirm(s.ctx, id))
			s.inLedger(a)
		}
	}
}

// freeBeside is what a node has free for a move of a task whose shadow makes room.
func (s *steps) freeBeside(id signaling.NodeID, t *modelTask) signaling.Resources {
	free := s.free(id)
	if shadow := s.held[t.standby]; shadow != nil && shadow.r.Attempt.Node == id {
		free = free.Add(shadow.r.Resources)
	}
	return free
}

func (s *steps) wants(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.fail("%v, want %v", err, want)
	}
}

// move is the attempt of a task's move, or of one that there is not.
func (s *steps) move() (signaling.TaskID, *modelTask, signaling.AttemptID) {
	task, t := s.standing()
	if t != nil && pool.IsMove(t.standby) && s.r.IntN(8) > 0 {
		return task, t, t.standby
	}
	if t != nil && pool.IsMove(t.attempt) && s.r.IntN(2) == 0 {
		return task, t, t.attempt
	}
	return task, t, pool.MoveID("nobody", 1)
}

func (s *steps) promoteMove() {
	task, t, id := s.move()
	got, left, err := s.PromoteMove(s.ctx, task, id)
	s.say("%s has moved as %s: %+v, %v", task, id, got, err)
	switch {
	case t != nil && t.state.Ended():
		s.wants(err, pool.ErrEnded)
	case t != nil && t.attempt == id:
		if err != nil || got.ID != id || left != nil {
			s.fail("%s has moved once more: %+v, %+v, %v", task, got, left, err)
		}
	case t == nil || t.standby != id || s.held[id] == nil:
		s.wants(err, pool.ErrNotFound)
	case err != nil || got.ID != id || got.Fencing <= s.top || (left != nil) != (t.attempt != "") || left != nil && left.ID != t.attempt:
		s.fail("%s has moved: %+v, left %+v, %v", task, got, left, err)
	default:
		s.promoted(task, t, got)
	}
}

func (s *steps) dropMove() {
	task, t, id := s.move()
	a, err := s.DropMove(s.ctx, task, id, "given up")
	s.say("%s does not move as %s: %v", task, id, err)
	switch {
	case t != nil && t.attempt == id && !t.state.Ended():
		s.wants(err, pool.ErrElsewhere)
	case t == nil || t.standby != id || s.held[id] == nil:
		s.wants(err, pool.ErrNotFound)
	case err != nil || a.ID != id:
		s.fail("%s does not move: %+v, %v", task, a, err)
	default:
		t.dropped = s.held[id].r.Attempt.Fencing
		s.drop(s.held[id])
	}
}
