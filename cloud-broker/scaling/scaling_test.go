package scaling_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/signaling"
)

// A session that is idle gets less, down to what keeps a picture moving, and what it had is its node's at once, for others to
// claim; its edge has the same budget (B5, B6.1).
func TestB6ShrinksWhatIsIdle(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		id := w.runs("t", "e", idle)
		floor := scale.Floor(signaling.Rendering)
		w.until("it has been shrunk", func() bool {
			h := w.holds("t")
			return h.GPUMilli < 2*floor[nodetime.GPUTime]+20 && h.CPUMilli < 2*floor[nodetime.CPU]+100
		})
		w.until("the edge and the pool agree", func() bool { return w.budget("e", id).Resources == w.holds("t") })
		h := w.holds("t")
		if h.GPUMilli < floor[nodetime.GPUTime] || h.CPUMilli < floor[nodetime.CPU] || h.MemoryMB < 300 {
			t.Errorf("it was given %+v, which is less than its floor or than the memory that it uses", h)
		}
		if h.GPUMemoryMB != needs.GPUMemoryMB || h.EncoderSessions != needs.EncoderSessions {
			t.Errorf("it holds %+v: GPU memory and encoders are not scaled", h)
		}
		w.audited()
		o, ok := w.ended(w.scaler, "done")
		if !ok || o.Direction != "shrink" || o.From <= o.To || o.EndedAt == nil || o.Task != "t" || o.Node != "e" {
			t.Errorf("the order was %+v", o)
		}
	})
}

// A session that uses all that it has gets more, up to its ceiling, which its node has less free; when it is idle again that
// comes back (B5, B6.2).
func TestB6ExpandsWhatIsBusy(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		id := w.runs("t", "e", busy)
		before := w.free("e")
		w.until("it has as much as it may have", func() bool {
			return w.holds("t").GPUMilli > 2*needs.GPUMilli && w.budget("e", id).GPUMilli == w.holds("t").GPUMilli
		})
		if got := w.free("e").GPUMilli; got >= before.GPUMilli {
			t.Errorf("%d of GPU time is free, and was %d", got, before.GPUMilli)
		}
		c := quick()
		if most := c.Most(nodetime.Of(needs)); w.holds("t").GPUMilli > most[nodetime.GPUTime] {
			t.Errorf("it has %+v, its ceiling is %v", w.holds("t"), most)
		}
		w.wants("e", id, idle)
		w.until("it comes back", func() bool { return w.holds("t").GPUMilli < needs.GPUMilli })
		w.audited()
	})
}

// Where the node has not enough free an expansion waits, and is carried out when another task has ended; where none ends it is
// given up (B6.2).
func TestB6ExpansionWaitsForRoomAndGivesUp(t *testing.T) {
	onBoth(t, func(c *scaling.Config) {
		s := quick()
		s.Scaler.Shrink = 0.001 // nothing is given back
		c.Scale[signaling.Rendering] = s
	}, func(w *world) {
		w.node("e")
		// Four sessions of 250 thousandths have all the GPU's time.
		id := w.runs("t", "e", busy)
		quiet := nodetime.Amounts{nodetime.GPUTime: needs.GPUMilli / 2, nodetime.CPU: 100, nodetime.Memory: 300}
		var others []signaling.AttemptID
		for _, task := range []signaling.TaskID{"u", "v", "w"} {
			others = append(others, w.runs(task, "e", quiet))
		}
		rest := w.free("e").GPUMilli
		if rest > 0 { // what the sessions leave is taken too
			w.must(w.ResizeKind(w.ctx, "u", others[0], nodetime.GPUTime, needs.GPUMilli+rest))
		}
		w.until("it waits", func() bool {
			for _, o := range w.scaler.Orders(w.ctx) {
				if o.State == "waiting" && o.Task == "t" && o.DueAt != nil && strings.Contains(o.Why, "not enough free") {
					return true
				}
			}
			return false
		})
		w.until("it gives up", func() bool { _, ok := w.ended(w.scaler, "given-up"); return ok })
		if got := w.holds("t"); got != needs || w.budget("e", id).Resources != needs {
			t.Errorf("it holds %+v", got)
		}
		w.ends("v", "e", others[1])
		w.until("it gets what was left", func() bool { return w.budget("e", id).GPUMilli > needs.GPUMilli })
		w.until("the edge and the pool agree", func() bool { return w.budget("e", id).Resources == w.holds("t") })
		w.audited()
	})
}

// An edge that refuses a budget leaves the task with what it has, and the node with what it has free (B9.1).
func TestB9EdgeRefuses(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		id := w.runs("t", "e", busy)
		before := w.free("e")
		w.no = &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Budgets are not changed here."}
		w.until("an order has failed", func() bool {
			o, ok := w.ended(w.scaler, "failed")
			return ok && strings.Contains(o.Why, "Budgets are not changed here")
		})
		w.scaler.Left("t") // no order is under way behind this
		w.until("nothing is taken", func() bool { return w.free("e") == before && w.holds("t") == needs })
		if w.budget("e", id).Resources != needs {
			t.Errorf("the edge has %+v", w.budget("e", id))
		}
		w.audited()
	})
}

// When the answer of an edge is lost with its link, budget and account agree again after some heartbeats.
func TestB9LinkLostInTheMiddle(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		id := w.runs("t", "e", idle)
		w.mu.Lock()
		w.cut = 3
		w.mu.Unlock()
		w.until("orders have failed", func() bool { _, ok := w.ended(w.scaler, "failed"); return ok })
		w.until("the edge and the pool agree on less", func() bool {
			return w.budget("e", id).Resources == w.holds("t") && w.holds("t").GPUMilli < needs.GPUMilli
		})
		w.audited()
	})
}

// A broker that takes over an edge's link finds what another left between two steps: what the pool says is what the edge is
// given. An edge that refuses keeps what it has, and the account follows where that is less.
func TestB9NextBrokerReconciles(t *testing.T) {
	steady := nodetime.Amounts{nodetime.GPUTime: needs.GPUMilli * 7 / 10, nodetime.CPU: needs.CPUMilli * 7 / 10, nodetime.Memory: needs.MemoryMB * 7 / 10}
	t.Run("an expansion that the edge was not told", func(t *testing.T) {
		onBoth(t, nil, func(w *world) {
			w.node("e")
			id := w.runs("t", "e", steady)
			w.must(w.ResizeKind(w.ctx, "t", id, nodetime.GPUTime, needs.GPUMilli+50))
			w.until("the edge hears of it", func() bool { return w.budget("e", id).GPUMilli == needs.GPUMilli+50 })
			w.audited()
		})
	})
	t.Run("a shrink that the edge was not told", func(t *testing.T) {
		onBoth(t, nil, func(w *world) {
			w.node("e")
			id := w.runs("t", "e", steady)
			w.must(w.ResizeKind(w.ctx, "t", id, nodetime.GPUTime, needs.GPUMilli-50))
			w.until("the edge hears of it", func() bool { return w.budget("e", id).GPUMilli == needs.GPUMilli-50 })
			w.audited()
		})
	})
	t.Run("an edge that refuses", func(t *testing.T) {
		onBoth(t, nil, func(w *world) {
			w.node("e")
			id := w.runs("t", "e", steady)
			w.no = &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Budgets are not changed here."}
			w.must(w.ResizeKind(w.ctx, "t", id, nodetime.GPUTime, needs.GPUMilli+50))
			w.until("the account follows", func() bool { return w.holds("t") == needs })
			w.audited()
		})
	})
	t.Run("another broker", func(t *testing.T) {
		onBoth(t, nil, func(w *world) {
			w.node("e")
			id := w.runs("t", "e", idle)
			w.until("it has been shrunk", func() bool { return w.holds("t").GPUMilli < needs.GPUMilli })
			w.scaler.Left("t")
			next := w.broker()
			w.wants("e", id, busy)
			w.untilBy(next, "the next one gives it more", func() bool {
				return w.holds("t").GPUMilli > needs.GPUMilli && w.budget("e", id).GPUMilli == w.holds("t").GPUMilli
			})
			w.audited()
		})
	})
}

// A standby is not scaled; when it has become the task's place it is, and what it leaves behind is not.
func TestB5StandbysAreNotScaled(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		w.node("f")
		old := w.runs("t", "e", busy)
		steady := needs
		r, err := w.ClaimShadow(w.ctx, "t", []signaling.NodeID{"f"}, steady, 0)
		w.must(err)
		w.must(w.Confirm(w.ctx, r.Attempt.ID))
		w.here("f", r, idle)
		w.until("the task's own place is expanded", func() bool { return w.budget("e", old).GPUMilli > needs.GPUMilli })
		if got := w.budget("f", r.Attempt.ID).Resources; got != needs {
			t.Errorf("the standby was given %+v", got)
		}
		if _, err := w.Promote(w.ctx, "t"); err != nil {
			t.Fatal(err)
		}
		w.until("it is scaled where it is now", func() bool {
			return w.holds("t").GPUMilli < needs.GPUMilli && w.budget("f", r.Attempt.ID).Resources == w.holds("t")
		})
		w.audited()
	})
}

// Encoder threads are divided among the sessions of a node by what its processor has, though the pool has no account of them.
func TestB5EncoderThreads(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e") // four cores
		wants := nodetime.Amounts{nodetime.GPUTime: needs.GPUMilli * 7 / 10, nodetime.CPU: needs.CPUMilli * 7 / 10,
			nodetime.Memory: needs.MemoryMB * 7 / 10, nodetime.EncoderThreads: 1}
		a, b := w.runs("t", "e", wants), w.runs("u", "e", wants)
		wants[nodetime.EncoderThreads] = 20
		w.wants("e", a, wants)
		w.wants("e", b, wants)
		sum := func() int64 { return w.budget("e", a).EncoderThreads + w.budget("e", b).EncoderThreads }
		w.until("all threads are in use", func() bool { return sum() == 4 })
		w.until("an order for more is given up", func() bool {
			o, ok := w.ended(w.scaler, "given-up")
			return ok && o.Kind == nodetime.EncoderThreads.String()
		})
		if sum() != 4 {
			t.Errorf("%d threads are in use of four", sum())
		}
		w.audited()
	})
}

// While an edge's processor has room its sessions encode as the edge likes; when it is short each has threads and pixels by
// number, which are divided from then on.
func TestB5EncodersAreDividedWhenTheyAreShort(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e") // four cores
		w.pixels = 20_000
		wants := nodetime.Amounts{nodetime.GPUTime: needs.GPUMilli * 7 / 10, nodetime.CPU: needs.CPUMilli * 7 / 10, nodetime.Memory: needs.MemoryMB * 7 / 10}
		ids := []signaling.AttemptID{w.runs("t", "e", wants), w.runs("u", "e", wants)}
		use := func(threads int64) {
			wants[nodetime.EncoderThreads] = threads
			for _, id := range ids {
				w.wants("e", id, wants)
			}
		}
		use(1)
		w.must(w.ResizeKind(w.ctx, "t", ids[0], nodetime.CPU, needs.CPUMilli+100))
		w.until("heartbeats were looked at", func() bool { return w.budget("e", ids[0]).Resources == w.holds("t") })
		if b := w.budget("e", ids[0]); b.EncoderThreads != 0 || b.EncoderKpps != 0 {
			t.Errorf("its encoder has numbers though there is room: %+v", b)
		}
		use(2)
		w.until("both have numbers", func() bool {
			a, b := w.budget("e", ids[0]), w.budget("e", ids[1])
			return a.EncoderThreads > 0 && b.EncoderThreads > 0 && a.EncoderKpps > 0 && b.EncoderKpps > 0 && a.EncoderThreads+b.EncoderThreads <= 4
		})
		w.wants("e", ids[0], nodetime.Amounts{nodetime.GPUTime: 100, nodetime.CPU: 300, nodetime.Memory: 300}) // its user looks at a picture
		w.until("what one does not need is the other's", func() bool {
			return w.budget("e", ids[0]).EncoderThreads == 1 && w.budget("e", ids[0]).EncoderKpps < 20_000
		})
		w.audited()
	})
}

// What a task was given beyond its request goes back when somebody waits for a place, who finds room by it, and comes again when
// nobody waits.
func TestB6WhatIsLentGoesBack(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		id := w.runs("t", "e", busy)
		w.until("it has more than it asked for", func() bool { return w.budget("e", id).GPUMilli > 3*needs.GPUMilli })
		_, err := w.Enqueue(w.ctx, "", signaling.Task{ID: "u", Creator: "ben",
			Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2.3"}}}, false)
		w.must(err)
		w.until("it has what it asked for", func() bool {
			return w.holds("t").GPUMilli == needs.GPUMilli && w.budget("e", id).GPUMilli == needs.GPUMilli
		})
		w.runs("u", "e", idle)
		w.until("it has more again", func() bool { return w.budget("e", id).GPUMilli > needs.GPUMilli })
		w.until("the edge and the pool agree", func() bool { return w.budget("e", id).Resources == w.holds("t") })
		w.audited()
	})
}

// What a task that ends leaves open is void, and an edge that is silent is not scaled any more.
func TestB9LeftAndSilent(t *testing.T) {
	onBoth(t, func(c *scaling.Config) {
		s := quick()
		s.Scheduler.Wait, s.Scheduler.GiveUp = time.Hour, 2*time.Hour
		c.Scale[signaling.Rendering] = s
		c.Silence = 50 * time.Millisecond
	}, func(w *world) {
		w.node("e")
		w.runs("t", "e", busy)
		for _, task := range []signaling.TaskID{"u", "v", "w"} {
			w.runs(task, "e", nodetime.Amounts{nodetime.GPUTime: needs.GPUMilli * 7 / 10, nodetime.CPU: needs.CPUMilli * 7 / 10, nodetime.Memory: 300})
		}
		waits := func() bool {
			for _, o := range w.scaler.Orders(w.ctx) {
				if o.State == "waiting" {
					return true
				}
			}
			return false
		}
		voids := func() (n int) {
			for _, o := range w.scaler.Orders(w.ctx) {
				if o.State == "void" {
					n++
				}
			}
			return n
		}
		w.until("it waits for room", waits)
		w.scaler.Left("t")
		w.eventually("its order is void", func() bool { return voids() == 1 })
		w.until("it waits again: it is there still", waits)
		w.eventually("the edge is silent", func() bool { return voids() == 2 && !waits() })
		w.audited()
	})
}

// eventually is until without heartbeats.
func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(beatTime)
	defer tick.Stop()
	for late := time.Now().Add(waitMost); !is(); <-tick.C {
		if time.Now().After(late) {
			w.t.Fatalf("in vain waited until %s; orders %+v", what, w.scaler.Orders(w.ctx))
		}
	}
}

// With scaling off everything stays as it was.
func TestOff(t *testing.T) {
	onBoth(t, func(c *scaling.Config) { c.Off = true }, func(w *world) {
		w.node("e")
		w.runs("t", "e", busy)
		for range 20 {
			w.beat(w.scaler, "e")
		}
		if len(w.scaler.Orders(w.ctx)) != 0 || w.sets != 0 || w.holds("t") != needs {
			t.Errorf("orders %+v, %d budgets, %+v", w.scaler.Orders(w.ctx), w.sets, w.holds("t"))
		}
	})
}

// What an edge tells that cannot be, or of attempts that are not its own, changes nothing.
func TestBadHeartbeats(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		w.node("e")
		w.node("f")
		mine := w.runs("t", "e", busy)
		low, none := -1.0, 0.0
		for range 20 {
			w.scaler.Measured(w.ctx, "f", map[signaling.AttemptID]signaling.Rates{mine: {GPUMilli: &none}, "a-of-nobody": {}})
			w.scaler.Measured(w.ctx, "nobody", map[signaling.AttemptID]signaling.Rates{"not a name": {}})
			w.scaler.Measured(w.ctx, "f", nil)
		}
		w.until("the edge's own task is scaled", func() bool { return w.holds("t").GPUMilli > needs.GPUMilli })
		w.scaler.Measured(w.ctx, "e", map[signaling.AttemptID]signaling.Rates{mine: {GPUMilli: &low}})
		w.until("and still is", func() bool { return w.holds("t").GPUMilli > needs.GPUMilli+50 })
		w.audited()
	})
}

// A configuration that cannot be is refused by the type of task and by name.
func TestConfigIsRefused(t *testing.T) {
	w := &world{}
	bad := quick()
	bad.Scaler.Shrink, bad.Scaler.Expand = 0.9, 0.5
	low := quick()
	low.Ceiling = 0.5
	for want, c := range map[string]scaling.Config{
		"it must be below expand-above (r2)": {Scale: map[signaling.TaskType]scale.Config{signaling.Rendering: bad}},
		"scaling of rendering":               {Scale: map[signaling.TaskType]scale.Config{signaling.Rendering: bad}},
		"type must be one of":                {Scale: map[signaling.TaskType]scale.Config{"knitting": quick()}},
		"ceiling is 0.5":                     {Scale: map[signaling.TaskType]scale.Config{signaling.Training: low}},
	} {
		c.Pool, c.Nodes, c.Edges = &pool.Pool{}, placement.NewSnapshot(), links{w, "b"}
		if _, err := scaling.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := scaling.New(scaling.Config{}); err == nil {
		t.Error("a scaler without a pool")
	}
}
