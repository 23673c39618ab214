package scale_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/signaling"
)

// An average use of 45 %, below r1 = 50 %, shrinks; one of 96 %, above r2 = 90 %, expands; between them nothing changes.
func TestB5ThresholdsShrinkAndExpand(t *testing.T) {
	for _, c := range []struct{ use, want int64 }{{450, 500}, {500, 1000}, {700, 1000}, {900, 1000}, {960, 1220}} {
		w := newWorld(t, quick(), gpu(5000))
		w.start("a", 1000, 10*time.Hour)
		w.use["a"] = gpu(c.use)
		w.run(15 * time.Minute)
		if got := w.gpu("a"); got != c.want {
			t.Errorf("use %d: it has %d, want %d; %s", c.use, got, c.want, w.told())
		}
	}
}

// The amounts of a shrink: what would be left over, or what is not used, or a share of the request.
func TestB5ShrinkAmounts(t *testing.T) {
	for _, c := range []struct {
		rule scaler.Rule
		want int64
	}{{scaler.Leftover, 500}, {scaler.Unused, 300}, {scaler.Share, 800}} {
		config := quick()
		config.Scaler.Amount = c.rule
		w := newWorld(t, config, gpu(1000))
		w.start("a", 1000, 10*time.Hour)
		w.use["a"] = gpu(300)
		w.run(10 * time.Minute)
		if got := w.gpu("a"); got != c.want {
			t.Errorf("%s: it has %d, want %d", c.rule, got, c.want)
		}
	}
}

// An expansion is 10 to 30 % of the request, by how far the average use is above r2.
func TestB5ExpandAmountByHowFarUseIsAboveR2(t *testing.T) {
	for _, c := range []struct{ use, want int64 }{{901, 1110}, {950, 1200}, {1000, 1300}, {5000, 1300}} {
		w := newWorld(t, quick(), gpu(5000))
		w.start("a", 1000, 10*time.Hour)
		w.use["a"] = gpu(c.use)
		w.run(10 * time.Minute)
		if got := w.gpu("a"); got != c.want {
			t.Errorf("use %d: it has %d, want %d", c.use, got, c.want)
		}
	}
}

// Average use is over W1, and W1 is no longer than the task has run so far.
func TestB5WindowIsNoLongerThanTheRun(t *testing.T) {
	c := quick()
	c.Monitor.Window, c.Scaler.Settle = time.Hour, 5*time.Minute
	w := newWorld(t, c, gpu(1000))
	w.start("a", 1000, 10*time.Hour)
	w.use["a"] = gpu(400)
	w.run(4 * time.Minute)
	if got, ok := w.s.Average("a", nodetime.GPUTime, w.now); !ok || got != 400 {
		t.Errorf("average use %g", got)
	}
	w.run(2 * time.Minute)
	if got := w.gpu("a"); got != 500 {
		t.Errorf("it has %d", got)
	}
	// Behind that, what was long ago does not count.
	w.use["a"] = gpu(460)
	w.run(90 * time.Minute)
	if got, _ := w.s.Average("a", nodetime.GPUTime, w.now); math.Abs(got-460) > 1e-6 {
		t.Errorf("average use %g", got)
	}
}

// The average may be the mean of the instantaneous rates.
func TestB5AverageOfInstantaneousRates(t *testing.T) {
	c := scale.Default()
	c.Monitor.Rates = true
	w := newWorld(t, c, gpu(1000))
	w.start("a", 1000, time.Hour)
	for _, s := range []struct {
		at   time.Duration
		rate float64
	}{{time.Second, 100}, {9 * time.Minute, 900}} {
		if err := w.s.Note("a", monitor.Rates{nodetime.GPUTime: s.rate}, begin.Add(s.at)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := w.s.Average("a", nodetime.GPUTime, begin.Add(9*time.Minute)); got != 500 {
		t.Errorf("average %g", got)
	}
}

// Scaling goes on without a stop and settles: use between the thresholds of what it has in the end.
func TestB5ScalesUntilUseIsBetweenTheThresholds(t *testing.T) {
	w := newWorld(t, quick(), gpu(2000))
	w.start("a", 400, 100*time.Hour)
	w.use["a"] = gpu(1000)
	w.run(3 * time.Hour)
	if got := w.gpu("a"); got < 1111 || got > 1400 {
		t.Errorf("it has %d for 1000; %s", got, w.told())
	}
	w.use["a"] = gpu(40)
	w.run(3 * time.Hour)
	if got := w.gpu("a"); got < 44 || got > 80 {
		t.Errorf("it has %d for 40; %s", got, w.told())
	}
	for _, r := range w.reports {
		if r.Outcome != order.Done {
			t.Errorf("%v: %s", &r.Order, r.Outcome)
		}
	}
}

// No task is taken below what keeps a picture moving, above its ceiling, or, of what cannot be used by turns, below its peak.
func TestB5FloorsAndCeilings(t *testing.T) {
	w := newWorld(t, quick(), gpu(5000))
	w.start("a", 400, 100*time.Hour, func(t *order.Task) {
		t.Floor, t.Ceiling = scale.Floor(signaling.Rendering), gpu(450)
	})
	w.use["a"] = gpu(1)
	w.run(4 * time.Hour)
	if got := w.gpu("a"); got != 50 {
		t.Errorf("it has %d", got)
	}
	w.use["a"] = gpu(5000)
	w.run(4 * time.Hour)
	if got := w.gpu("a"); got != 450 {
		t.Errorf("it has %d", got)
	}

	c := quick()
	held := newWorld(t, c, nodetime.Amounts{nodetime.Memory: 4096})
	a := nodetime.Amounts{nodetime.Memory: 4096}
	_ = held.node.Place("m", a, time.Hour, begin)
	held.budgets["m"] = a
	if err := held.s.Begin(order.Task{ID: "m", Node: "n", Request: a, Has: a, Started: begin, Predicted: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for i, mb := range []float64{3000, 100, 100, 100, 100} {
		_ = held.s.Note("m", monitor.Rates{nodetime.Memory: mb}, begin.Add(time.Duration(2*i+1)*time.Minute))
	}
	held.run(10 * time.Minute)
	if has, _ := held.node.Holds("m"); has[nodetime.Memory] != 4096-1088 {
		t.Errorf("memory: it has %d, its peak was 3000", has[nodetime.Memory])
	}
}

// A session whose user has paused gives up what it does not use, and has it again within seconds when the user goes on.
func TestB5SessionHasItsShareAgainWithinSeconds(t *testing.T) {
	w := newWorld(t, scale.Sessions(), gpu(1000))
	w.every = time.Second
	w.start("a", 250, time.Hour, func(t *order.Task) { t.Floor = scale.Floor(signaling.Rendering) })
	w.use["a"] = gpu(2)
	w.run(10 * time.Minute)
	if got := w.gpu("a"); got != 50 {
		t.Fatalf("paused, it has %d", got)
	}
	w.use["a"] = gpu(240)
	w.run(10 * time.Second)
	if got := w.gpu("a"); got < 240 {
		t.Errorf("10 s after its user went on it has %d; %s", got, w.told())
	}
}

// share is a task that may be shrunk by 70 % of its request at once, which its need does not always allow.
func share() scale.Config {
	c := quick()
	c.Scaler.Amount, c.Scaler.Share = scaler.Share, 0.7
	return c
}

// Need is average use times what is left of t1. Where it is at most what the shrunk task would have over t1, the allocation
// falls at once, and the node's free amount grows by it.
func TestB61ShrinksAtOnceWhereTheNeedAllows(t *testing.T) {
	w := newWorld(t, share(), gpu(1000))
	w.start("a", 1000, 20*time.Minute)
	w.use["a"] = gpu(400)
	w.run(10 * time.Minute) // need 400 for 10 minutes; shrunk it would have 300 for 20
	if got := w.gpu("a"); got != 300 || w.node.Free()[nodetime.GPUTime] != 700 {
		t.Errorf("it has %d, free is %v; %s", got, w.node.Free(), w.told())
	}
}

// Else it waits W-a, 2 h, and works the need out again.
func TestB61WaitsTwoHoursAndWorksTheNeedOutAgain(t *testing.T) {
	w := newWorld(t, share(), gpu(1000))
	w.start("a", 1000, 8*time.Hour)
	w.use["a"] = gpu(400)
	// need 400 x (8 h - run) is at most 300 x 8 h from 2 h on.
	w.run(2*time.Hour + 9*time.Minute)
	if got := w.gpu("a"); got != 1000 || len(w.s.Waiting()) != 1 {
		t.Errorf("it has %d, %v wait", got, w.s.Waiting())
	}
	w.run(time.Minute)
	if got := w.gpu("a"); got != 300 || w.told() != "shrink 700 done at 2h10m0s; " {
		t.Errorf("it has %d; %s", got, w.told())
	}
}

// It gives up at W-b, 12 h in all.
func TestB61GivesUpAfterTwelveHours(t *testing.T) {
	w := newWorld(t, share(), gpu(1000))
	w.start("a", 1000, 100*time.Hour)
	w.use["a"] = gpu(400)
	w.run(12*time.Hour + 10*time.Minute)
	if got := w.gpu("a"); got != 1000 || w.told() != "shrink 700 given-up at 12h10m0s; " || w.sets != 0 {
		t.Errorf("it has %d; %s", got, w.told())
	}
	if !strings.Contains(w.reports[0].Reason, "it needs") {
		t.Errorf("reason %q", w.reports[0].Reason)
	}
}

// A remaining time of 0 or less is predicted again; where nothing is known, the task keeps what it has.
func TestB61PredictsAgainWhatHasOutrunItsPrediction(t *testing.T) {
	w := newWorld(t, share(), gpu(1000))
	w.start("a", 1000, 5*time.Minute)
	w.use["a"] = gpu(400)
	w.run(20 * time.Minute)
	if w.asked != 1 || w.gpu("a") != 1000 {
		t.Errorf("asked %d times; it has %d", w.asked, w.gpu("a"))
	}
	w.left = 30 * time.Minute // at 2 h 10: need 400 x 30 min, it would have 300 x 160 min
	w.run(110 * time.Minute)
	if w.asked != 2 || w.gpu("a") != 300 {
		t.Errorf("asked %d times; it has %d", w.asked, w.gpu("a"))
	}
	if task, _ := w.s.Task("a"); task.Predicted != 160*time.Minute {
		t.Errorf("its run time is predicted as %v", task.Predicted)
	}
}

// Where the node's free amount is at least the expand amount, the allocation grows and the free amount shrinks.
func TestB62ExpandsAtOnceWhereThereIsRoom(t *testing.T) {
	w := newWorld(t, quick(), gpu(1300))
	w.start("a", 1000, time.Hour)
	w.use["a"] = gpu(5000)
	w.run(10 * time.Minute)
	if got := w.gpu("a"); got != 1300 || !w.node.Free().IsZero() {
		t.Errorf("it has %d, free is %v", got, w.node.Free())
	}
}

// Else it waits W-c and works the amount out again.
func TestB62WaitsAndWorksTheAmountOutAgain(t *testing.T) {
	w := newWorld(t, quick(), gpu(1500))
	w.start("a", 1000, 10*time.Hour)
	w.start("b", 500, 10*time.Hour)
	w.use["a"], w.use["b"] = gpu(1000), gpu(400)
	w.run(10*time.Minute + 30*time.Second)
	if len(w.s.Waiting()) != 1 {
		t.Fatalf("%v wait; %s", w.s.Waiting(), w.told())
	}
	w.use["a"] = gpu(930) // its average falls, and with it the amount
	w.run(4 * time.Minute)
	w.end("b")
	w.run(time.Minute)
	// The average over the ten minutes up to 0:15 is 965: 10 % and 65 % of 20 %.
	if got := w.gpu("a"); got != 1230 || w.told() != "expand 230 done at 15m0s; " {
		t.Errorf("it has %d; %s", got, w.told())
	}
}

// It gives up at W-d in all.
func TestB62GivesUp(t *testing.T) {
	w := newWorld(t, quick(), gpu(1100))
	w.start("a", 1000, 10*time.Hour)
	w.use["a"] = gpu(1000)
	w.run(40 * time.Minute)
	if got := w.gpu("a"); got != 1000 || w.told() != "expand 300 given-up at 40m0s; " {
		t.Errorf("it has %d; %s", got, w.told())
	}
}

// What is not needed any more when it is worked out again is not given.
func TestB62EndsWhereItIsNotNeededAnyMore(t *testing.T) {
	w := newWorld(t, quick(), gpu(1100))
	w.start("a", 1000, 10*time.Hour)
	w.use["a"] = gpu(1000)
	w.run(10 * time.Minute)
	w.use["a"] = gpu(600)
	w.run(5 * time.Minute)
	if w.told() != "expand 140 void at 13m0s; " || w.gpu("a") != 1000 {
		t.Error(w.told())
	}
}

func TestB5ConfigurationsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		change func(*scale.Config)
		want   string
	}{
		{func(c *scale.Config) { c.Scaler.Shrink, c.Scaler.Expand = 0.9, 0.5 }, "it must be below expand-above (r2)"},
		{func(c *scale.Config) { c.Scaler.Shrink = c.Scaler.Expand }, "it must be below expand-above (r2)"},
		{func(c *scale.Config) { c.Scaler.Shrink = 1 }, "shrink-below (r1) is 1"},
		{func(c *scale.Config) { c.Scaler.Shrink = math.NaN() }, "shrink-below (r1) is NaN"},
		{func(c *scale.Config) { c.Scaler.Expand = 1.1 }, "expand-above (r2) is 1.1"},
		{func(c *scale.Config) { c.Scaler.Amount = "half" }, "shrink-by"},
		{func(c *scale.Config) { c.Scaler.Amount, c.Scaler.Share = scaler.Share, 1 }, "shrink-share"},
		{func(c *scale.Config) { c.Scaler.Least = 0.4 }, "expand-least"},
		{func(c *scale.Config) { c.Scaler.Every = 0 }, "every"},
		{func(c *scale.Config) { c.Scaler.Kinds = map[nodetime.Kind]scaler.Kind{nodetime.CPU: {}} }, "cpuMilli in steps"},
		{func(c *scale.Config) { c.Monitor.Window = 0 }, "W1"},
		{func(c *scale.Config) { c.Manager.GiveUp = c.Manager.Wait }, "it must be longer than shrink-wait (W-a)"},
		{func(c *scale.Config) { c.Manager.Wait = -1 }, "W-a"},
		{func(c *scale.Config) { c.Scheduler.GiveUp = c.Scheduler.Wait }, "it must be longer than expand-wait (W-c)"},
		{func(c *scale.Config) { c.Scheduler.Wait = 0 }, "W-c"},
		{func(c *scale.Config) { c.Scheduler.Retry = 0 }, "retry"},
	} {
		config := scale.Default()
		c.change(&config)
		if _, err := scale.New(config, scale.Outside{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	ok := scale.Default()
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}

func TestB5UseThatCannotBe(t *testing.T) {
	w := newWorld(t, scale.Default(), gpu(1000))
	w.start("a", 1000, time.Hour)
	for _, v := range []float64{-1, math.Inf(1), math.Inf(-1)} {
		if err := w.s.Note("a", monitor.Rates{nodetime.CPU: 3, nodetime.GPUTime: v}, begin.Add(time.Minute)); err == nil {
			t.Errorf("%g is taken", v)
		}
	}
	if err := w.s.Note("b", monitor.Rates{}, begin.Add(time.Minute)); err == nil {
		t.Error("a task that nobody knows is taken")
	}
	if _, ok := w.s.Average("a", nodetime.CPU, begin.Add(time.Minute)); ok {
		t.Error("what was refused counts")
	}
	for _, bad := range []order.Task{{}, {ID: "x", Node: "n"}, {ID: "x", Node: "n", Started: begin, Predicted: -1},
		{ID: "x", Node: "n", Started: begin, Has: gpu(-1)}, {ID: "a", Node: "n", Started: begin}} {
		if w.s.Begin(bad) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
