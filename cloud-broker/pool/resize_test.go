package pool_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// resize gives an attempt more or less, of one kind or of all. Its edge hears of it, or does not.
func (s *steps) resize() {
	a := s.attempt()
	if a == nil {
		return
	}
	to, k := nodetime.Of(a.r.Resources), nodetime.Kind(s.r.IntN(int(nodetime.Memory)+1))
	for i := range to {
		if nodetime.Kind(i) == k || s.r.IntN(2) == 0 {
			to[i] = s.r.Int64N(2*nodetime.Of(needs)[i] + 1)
		}
	}
	var err error
	if s.r.IntN(2) == 0 {
		one := nodetime.Of(a.r.Resources)
		one[k] = to[k]
		to = one
		err = s.ResizeKind(s.ctx, a.r.Task, a.r.Attempt.ID, k, to[k])
	} else {
		err = s.Resize(s.ctx, a.r.Task, a.r.Attempt.ID, to.Resources())
	}
	s.say("resize %s of %s from %+v to %v: %v", a.r.Attempt.ID, a.r.Task, a.r.Resources, to, err)
	t, free := s.tasks[a.r.Task], nodetime.Of(s.free(a.r.Attempt.Node).Add(a.r.Resources))
	fits := true
	for i, n := range to {
		fits = fits && (n <= nodetime.Of(a.r.Resources)[i] || n <= free[i])
	}
	switch {
	case t.state.Ended() || t.attempt != a.r.Attempt.ID && t.standby != a.r.Attempt.ID:
		if !errors.Is(err, pool.ErrNotFound) {
			s.fail("resized attempt %s, which task %s has left behind: %v", a.r.Attempt.ID, a.r.Task, err)
		}
	case !fits:
		if !errors.Is(err, pool.ErrNoneFits) {
			s.fail("resized attempt %s to %v though %v is free: %v", a.r.Attempt.ID, to, free, err)
		}
	case err != nil:
		s.fail("resize attempt %s: %v", a.r.Attempt.ID, err)
	default:
		a.r.Resources = to.Resources()
		if e, has := s.nodes[a.r.Attempt.Node].ledger[a.r.Attempt.ID]; has && s.r.IntN(2) == 0 {
			e.Resources = a.r.Resources
			s.nodes[a.r.Attempt.Node].ledger[a.r.Attempt.ID] = e
		}
	}
}

// least are the smaller amounts of each kind.
func least(a, b signaling.Resources) signaling.Resources {
	x, y := nodetime.Of(a), nodetime.Of(b)
	for k := range x {
		x[k] = min(x[k], y[k])
	}
	return x.Resources()
}

// What a task is given is taken from its node in the same step, and what is taken from it is its node's at once, for others
// to claim (B6).
func TestB6ResizeMovesFreeAmounts(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e"), 0)
		r := p.runs("t", "e")
		free := p.node("e").Free

		more := needs
		more.GPUMilli += 100
		more.CPUMilli += 500
		for range 2 { // the same again changes nothing
			p.must(p.Resize(p.ctx, "t", r.Attempt.ID, more))
			if got, want := p.node("e").Free, free.Sub(more.Sub(needs)); got != want {
				t.Fatalf("%+v is free, want %+v", got, want)
			}
		}
		if task := p.wantTask("t", signaling.TaskRunning); *task.Resources != more || task.Request.Needs() != needs {
			t.Errorf("it asked for %+v and holds %+v", task.Request.Needs(), *task.Resources)
		}

		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 50))
		more.GPUMilli = 50
		held, err := p.Held(p.ctx, []signaling.AttemptID{r.Attempt.ID, "a-of-nobody"})
		p.must(err)
		if got := held[r.Attempt.ID]; len(held) != 1 || got.Resources != more || got.Task != "t" || got.Attempt != r.Attempt || !got.Confirmed {
			t.Errorf("held are %+v", held)
		}

		// Four others have room for GPU time now, and for the rest as before: three.
		for _, id := range []string{"u1", "u2", "u3"} {
			p.runs(id, "e")
		}
		p.wantErr(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 251), pool.ErrNoneFits)
		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 250))
		if a := p.audited(); a.Attempts != 4 {
			t.Errorf("audit: %+v", a)
		}

		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 50))
		more.GPUMilli = 50
		p.must(p.Update(p.ctx, signaling.Update{Task: "t", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		p.wantFree("e", 3)
		if task := p.wantTask("t", signaling.TaskFinished); task.Resources != nil {
			t.Errorf("it has ended and holds %+v", *task.Resources)
		}
		past, err := p.History(p.ctx, 1)
		p.must(err)
		if len(past) != 1 || past[0].Requested != needs || past[0].Held == nil || *past[0].Held != more {
			t.Errorf("history: %+v, want held %+v", past, more)
		}
		p.wantErr(p.Resize(p.ctx, "t", r.Attempt.ID, needs), pool.ErrNotFound)
	})
}

// Only the task's own attempt and its standby are resized.
func TestB6ResizeOfWhatIsNotThere(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e"), 0)
		p.register(edge("f"), 0)
		r := p.runs("t", "e")
		other := p.runs("u", "e")
		standby, err := p.ClaimShadow(p.ctx, "t", []signaling.NodeID{"f"}, signaling.Resources{}, 0)
		p.must(err)
		for _, bad := range []struct {
			task    signaling.TaskID
			attempt signaling.AttemptID
		}{{"t", other.Attempt.ID}, {"u", r.Attempt.ID}, {"t", "a-of-nobody"}, {"nobody", r.Attempt.ID}} {
			p.wantErr(p.ResizeKind(p.ctx, bad.task, bad.attempt, nodetime.CPU, 1), pool.ErrNotFound)
		}
		p.must(p.ResizeKind(p.ctx, "t", standby.Attempt.ID, nodetime.CPU, 100))
		if got := p.node("f").Free; got.CPUMilli != capacity.CPUMilli-100 {
			t.Errorf("the standby's node has %+v free", got)
		}
		for _, bad := range []error{
			p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.EncoderPixels, 1), p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.CPU, -1),
			p.ResizeKind(p.ctx, "t t", r.Attempt.ID, nodetime.CPU, 1), p.Resize(p.ctx, "t", "a a", needs),
			p.Resize(p.ctx, "t", r.Attempt.ID, signaling.Resources{GPUMilli: -1}),
		} {
			if bad == nil || errors.Is(bad, pool.ErrNotFound) {
				t.Errorf("an impossible amount, kind or name got %v", bad)
			}
		}
		p.audited()
	})
}

// Of several GPUs it is the task's own that must have room for more of its time and memory, and that gets back what is less.
func TestB6ResizeOnOneOfSeveralGPUs(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		n := edge("e")
		n.GPUs = []signaling.GPU{{MemoryMB: 2048, Milli: 500}, {MemoryMB: 2048, Milli: 500}}
		p.register(n, 0)
		r := p.runs("t", "e")
		p.wantErr(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 501), pool.ErrNoneFits)
		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUTime, 400))
		got := p.node("e")
		if got.Free.GPUMilli != 600 || got.FreeGPUs[r.Attempt.GPU].Milli != 100 || got.FreeGPUs[1-r.Attempt.GPU].Milli != 500 {
			t.Errorf("free are %+v and %+v", got.Free, got.FreeGPUs)
		}
		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.GPUMemory, 0))
		if got := p.node("e"); got.FreeGPUs[r.Attempt.GPU].MemoryMB != 2048 {
			t.Errorf("free are %+v", got.FreeGPUs)
		}
		p.audited()
	})
}

// After Redis has lost all, what is free follows from what the ledgers say is used now. An edge that only lost its link and has
// not heard of a shrink gets no more back than the pool has for its task.
func TestB6LedgersAfterResize(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := open(t, rdb, pool.Options{})
		p.register(edge("e"), 0)
		r := p.runs("t", "e")
		p.must(p.ResizeKind(p.ctx, "t", r.Attempt.ID, nodetime.CPU, 100))
		p.register(edge("e"), 0, entry(r, signaling.TaskRunning))
		if got := p.node("e").Free.CPUMilli; got != capacity.CPUMilli-100 {
			t.Errorf("%d of CPU time is free", got)
		}
		p.must(rdb.FlushAll(p.ctx).Err())
		smaller := entry(r, signaling.TaskRunning)
		smaller.Resources.CPUMilli = 200
		p.register(edge("e"), 0, smaller)
		if got := p.node("e").Free.CPUMilli; got != capacity.CPUMilli-200 {
			t.Errorf("%d of CPU time is free", got)
		}
		if task := p.wantTask("t", signaling.TaskRunning); *task.Resources != smaller.Resources {
			t.Errorf("it holds %+v", *task.Resources)
		}
		p.audited()
	})
}
