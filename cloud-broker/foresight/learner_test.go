package foresight

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// quiet is a Foresight without a pool whose clock stands at now.
func quiet(now time.Time) *Foresight {
	return New(Config{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
}

// entry is a task that was asked for at a time and ran for so long.
func entry(id int, r signaling.TaskRequest, creator string, at time.Time, took time.Duration) pool.HistoryEntry {
	start, end := at, at.Add(took)
	return pool.EntryOf(&signaling.Task{ID: signaling.TaskID(fmt.Sprint("t", id)), Request: r, Creator: creator, State: signaling.TaskFinished,
		CreatedAt: at, StartedAt: &start, EndedAt: &end}, false)
}

func compute(operation string) signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.DataComputation, Operation: operation, DataMB: 100}
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

// A cold start is honest about not knowing; from the history the run time is known by what was asked for, and so is what is used
// meanwhile (B2).
func TestB2LearnsFromWhatHasEnded(t *testing.T) {
	f := quiet(morning)
	cold := f.Forecast("anna", compute("histogram"), morning)
	if cold.Known || cold.ExpectedMs != 0 || !strings.Contains(cold.Basis, "no task has ended") {
		t.Errorf("a cold start says %+v", cold)
	}
	if f.Expect("anna", &signaling.TaskRequest{Type: signaling.Rendering}, morning) != nil {
		t.Error("a cold start knows a run time")
	}
	var all []pool.HistoryEntry
	for i := range 60 {
		operation, took := "histogram", 10.0
		if i%2 == 1 {
			operation, took = "denoise", 300.0
		}
		e := entry(i, compute(operation), "anna", morning.Add(time.Duration(i)*time.Minute), seconds(took))
		e.Usage = &signaling.Usage{RunMs: int64(took * 1000), CPUMs: took * 1500, GPUMs: took * 250}
		all = append(all, e)
	}
	f.replay(all, nil)
	later := morning.Add(24 * time.Hour)
	for operation, want := range map[string]int64{"histogram": 10_000, "denoise": 300_000} {
		got := f.Forecast("anna", compute(operation), later)
		if !got.Known || math.Abs(math.Log(float64(got.ExpectedMs)/float64(want))) > 0.1 {
			t.Errorf("%s is expected to run %d ms, want about %d", operation, got.ExpectedMs, want)
		}
		if got.LowMs > got.ExpectedMs || got.HighMs < got.ExpectedMs {
			t.Errorf("%s: %+v", operation, got)
		}
		if math.Abs(got.CPUMilli-1500) > 50 || math.Abs(got.GPUMilli-250) > 20 {
			t.Errorf("%s is expected to use %v and %v", operation, got.CPUMilli, got.GPUMilli)
		}
		if got.Basis == "" {
			t.Error("it does not say what it rests on")
		}
	}
	if session := f.Forecast("anna", signaling.TaskRequest{Type: signaling.Rendering}, later); session.Known {
		t.Errorf("of sessions there was none, and one is expected to last %d ms", session.ExpectedMs)
	}
}

// Real use is unknown before a run and does not leak into a prediction made before it (B2): nothing that became known because a
// task ran is a part of what it is predicted from.
func TestB2RealUseDoesNotLeak(t *testing.T) {
	plain := pool.EntryOf(&signaling.Task{ID: "t1", Request: compute("histogram"), Creator: "anna", CreatedAt: morning}, false)
	ran := plain
	start := morning.Add(time.Minute)
	ran.Task, ran.State, ran.Reason, ran.Node, ran.StartedAt, ran.EndedAt = "t2", signaling.TaskFinished, "done", "edge-1", &start, start.Add(time.Hour)
	ran.Usage = &signaling.Usage{RunMs: 1, GPUMs: 2, CPUMs: 3, PeakMemoryMB: 4, Pictures: 5, BytesSent: 6, DataMB: 7, TransferMs: 8}
	ran.Held, ran.Misses, ran.Forecast = &signaling.Resources{CPUMilli: 1}, 9, &signaling.Forecast{Known: true, ExpectedMs: 10}
	if a, b := features(&plain), features(&ran); !reflect.DeepEqual(a, b) {
		t.Errorf("features %+v became %+v because the task ran", a, b)
	}
	// What a task took changes no prediction that was made before it ended, also one that was made in the same look.
	for _, took := range []float64{1, 100_000} {
		f := quiet(morning)
		var past []pool.HistoryEntry
		for i := range 40 {
			past = append(past, entry(i, compute("histogram"), "anna", morning.Add(time.Duration(i)*time.Minute), seconds(20)))
		}
		f.replay(past, nil)
		now := entry(100, compute("histogram"), "anna", morning.Add(time.Hour), seconds(took))
		f.l.begin(&now)
		m, _ := f.l.remembered(now.Task)
		if v := m.run.Value(); math.Abs(v-20) > 0.5 {
			t.Errorf("a task that took %v s was expected to take %v s", took, v)
		}
	}
}

// A poisoned history is refused by name, counted, and changes no prediction.
func TestB2PoisonedHistoryIsRefused(t *testing.T) {
	f := quiet(morning)
	var good []pool.HistoryEntry
	for i := range 50 {
		e := entry(i, compute("histogram"), "anna", morning.Add(time.Duration(i)*time.Minute), seconds(20))
		e.Usage = &signaling.Usage{RunMs: 20_000, GPUMs: 5000, CPUMs: 1000}
		good = append(good, e)
	}
	f.replay(good, nil)
	at := morning.Add(2 * time.Hour)
	want := f.Forecast("anna", compute("histogram"), at)
	bad := func(i int, took time.Duration, u signaling.Usage) pool.HistoryEntry {
		e := entry(1000+i, compute("histogram"), "anna", at, took)
		e.Usage = &u
		return e
	}
	f.replay([]pool.HistoryEntry{bad(0, -time.Hour, signaling.Usage{}), bad(1, -time.Millisecond, signaling.Usage{}), bad(2, 2*longest, signaling.Usage{})}, nil)
	if got := f.Forecast("anna", compute("histogram"), at); got != want {
		t.Errorf("%+v became %+v", want, got)
	}
	f.replay([]pool.HistoryEntry{
		bad(3, seconds(20), signaling.Usage{RunMs: 20_000, GPUMs: -5, CPUMs: math.Inf(1)}),
		bad(4, seconds(20), signaling.Usage{RunMs: 1, GPUMs: 1e18, CPUMs: math.NaN()}),
	}, nil)
	learned, refused, _ := f.l.figures()
	if learned != 52 || refused[refusedTimes] != 2 || refused[refusedLong] != 1 || refused[refusedUse] != 4 {
		t.Errorf("learnt from %d, refused %v", learned, refused)
	}
	if got := f.Forecast("anna", compute("histogram"), at); math.Abs(got.GPUMilli-want.GPUMilli) > 1 || math.Abs(got.CPUMilli-want.CPUMilli) > 1 {
		t.Errorf("use %+v became %+v", want, got)
	}
	strange := compute("histogram")
	strange.DataMB, strange.Parameters = math.NaN(), json.RawMessage(`{"a":-1e308,"b":1e400,"c":[1],"d":"x","e":null}`)
	if got := f.Forecast("anna", strange, at); got.ExpectedMs <= 0 || got.HighMs > longest.Milliseconds() {
		t.Errorf("strange parameters are expected to run %+v", got)
	}
	for range 100 { // a node that reports absurd runs that can be, if seldom
		e := bad(5, longest-time.Hour, signaling.Usage{})
		f.replay([]pool.HistoryEntry{e}, nil)
	}
	if got := f.Forecast("anna", compute("histogram"), at); got.HighMs > longest.Milliseconds() {
		t.Errorf("%+v", got)
	}
}

// What failed, or never ran, teaches nothing about how long such tasks run.
func TestB2FailedTasksTeachNothing(t *testing.T) {
	f := quiet(morning)
	failed := entry(1, compute("histogram"), "anna", morning, seconds(1))
	failed.State = signaling.TaskFailed
	never := entry(2, compute("histogram"), "anna", morning, seconds(1))
	never.StartedAt = nil
	f.replay([]pool.HistoryEntry{failed, never}, nil)
	if f.l.count() != 0 || f.Forecast("anna", compute("histogram"), morning).Known {
		t.Error("they taught something")
	}
}

// The parameters that a prediction rests on (B2): who asked, the modality, the numbers of the operation, how a session begins.
func TestB2EachParameterIsLookedAt(t *testing.T) {
	view := func(mode string) signaling.TaskRequest {
		return signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2"},
			Parameters: json.RawMessage(`{"view":{"viewports":[{"mode":"` + mode + `"}]}}`)}
	}
	modality := func(m string) signaling.TaskRequest {
		r := compute("segment")
		r.Modality = m
		return r
	}
	framework := func(m string) signaling.TaskRequest {
		r := compute("segment")
		r.Framework = m
		return r
	}
	iterations := func(n int) signaling.TaskRequest {
		r := compute("recon")
		r.Parameters = json.RawMessage(fmt.Sprintf(`{"iterations":%d}`, n))
		return r
	}
	amount := func(milli int64) signaling.TaskRequest {
		r := compute("train")
		r.Resources = &signaling.Resources{CPUMilli: milli}
		return r
	}
	for name, c := range map[string]struct {
		short, long signaling.TaskRequest
		by          [2]string
	}{
		"creator":    {compute("fit"), compute("fit"), [2]string{"anna", "bert"}},
		"modality":   {modality("CT"), modality("PT"), [2]string{"anna", "anna"}},
		"framework":  {framework("cpu"), framework("gl"), [2]string{"anna", "anna"}},
		"parameters": {iterations(2), iterations(40), [2]string{"anna", "anna"}},
		"request":    {amount(8000), amount(500), [2]string{"anna", "anna"}},
		"preset":     {view("mip"), view("composite"), [2]string{"anna", "anna"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := quiet(morning)
			var all []pool.HistoryEntry
			for i := range 200 {
				r, by, took := c.short, c.by[0], 10.0
				if i%2 == 1 {
					r, by, took = c.long, c.by[1], 400.0
				}
				all = append(all, entry(i, r, by, morning.Add(time.Duration(i)*time.Minute), seconds(took)))
			}
			f.replay(all, nil)
			at := morning.Add(12 * time.Hour)
			short, long := f.Forecast(c.by[0], c.short, at), f.Forecast(c.by[1], c.long, at)
			if short.ExpectedMs > 20_000 || long.ExpectedMs < 200_000 {
				t.Errorf("expected are %d and %d ms, of 10 and 400 s", short.ExpectedMs, long.ExpectedMs)
			}
		})
	}
}

// Where a site has creators left out, the history has none, and a prediction without one is made from what else is known.
func TestB2CreatorsCanBeLeftOut(t *testing.T) {
	f := quiet(morning)
	var all []pool.HistoryEntry
	for i := range 100 {
		start, end := morning, morning.Add(seconds(30))
		all = append(all, pool.EntryOf(&signaling.Task{ID: signaling.TaskID(fmt.Sprint("t", i)), Request: compute("fit"), Creator: "anna",
			State: signaling.TaskFinished, CreatedAt: start, StartedAt: &start, EndedAt: &end}, true))
	}
	for i := range all {
		if all[i].Creator != "" {
			t.Fatal("the history names who asked")
		}
	}
	f.replay(all, nil)
	if got := f.Forecast("", compute("fit"), morning); !got.Known || math.Abs(float64(got.ExpectedMs)-30_000) > 1000 {
		t.Errorf("%+v", got)
	}
}

// All brokers learn the same from the same history, in however many looks each reads it (B2).
func TestB2BrokersLearnTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []pool.HistoryEntry
	for i := range 600 {
		all = append(all, entry(i, compute([]string{"a", "b", "c"}[r.IntN(3)]), []string{"anna", "bert"}[r.IntN(2)],
			morning.Add(time.Duration(i)*time.Minute), seconds(math.Exp(3+r.NormFloat64()))))
	}
	byEnd := func(step int) *Foresight {
		f := quiet(morning)
		for i := 0; i < len(all); i += step {
			// Those of a look have begun and ended when it looks.
			some := all[i:min(i+step, len(all))]
			var began []pool.HistoryEntry
			for _, e := range some {
				e.State, e.EndedAt = signaling.TaskRunning, time.Time{}
				began = append(began, e)
			}
			f.replay(nil, began)
			f.replay(some, nil)
		}
		return f
	}
	one, other := byEnd(10), byEnd(10)
	at := morning.Add(48 * time.Hour)
	for _, operation := range []string{"a", "b", "c", "unheard-of"} {
		if a, b := one.Forecast("anna", compute(operation), at), other.Forecast("anna", compute(operation), at); a != b {
			t.Errorf("%s: one broker says %+v, the other %+v", operation, a, b)
		}
	}
}

// While a task runs it is predicted again, given how long it has run already: what is left shrinks, and a task that outlives what
// was expected is expected to go on.
func TestB2PredictedAgainWhileItRuns(t *testing.T) {
	now := morning.Add(time.Hour)
	f := quiet(now)
	r := rand.New(rand.NewPCG(3, 4))
	var all []pool.HistoryEntry
	for i := range 300 {
		all = append(all, entry(i, compute("fit"), "anna", morning.Add(time.Duration(i-400)*5*time.Minute), seconds(60*math.Exp(0.3*r.NormFloat64()))))
	}
	f.replay(all, nil)
	running := signaling.Task{ID: "t", Request: compute("fit"), Creator: "anna", State: signaling.TaskRunning, CreatedAt: now}
	left := func(ran float64) float64 {
		start := now.Add(-seconds(ran))
		running.StartedAt = &start
		got, known := f.Of(t.Context(), running)
		if !known {
			t.Fatal("nothing is known")
		}
		return float64(got.LeftMs) / 1000
	}
	fresh, half, late, outlived := left(1), left(30), left(100), left(5000)
	if math.Abs(fresh-59) > 5 || half > fresh-20 || late <= 0 || outlived < 1000 {
		t.Errorf("left are %v s after 1 s, %v after 30 s, %v after 100 s, %v after 5000 s", fresh, half, late, outlived)
	}
	// The scaler and the migrator ask by the task's id (B6, B8).
	e := pool.EntryOf(&running, false)
	f.l.begin(&e)
	d, known := f.Left(t.Context(), "t", 30*time.Second)
	if !known || math.Abs(d.Seconds()-half) > 1 {
		t.Errorf("left are %v, and by the record %v s", d, half)
	}
}

// The error is measured against what was said when the task was asked for, by type.
func TestB2ErrorsAreOfWhatWasSaid(t *testing.T) {
	f := quiet(morning)
	said := func(i int, expected, high, took float64) pool.HistoryEntry {
		e := entry(i, compute("fit"), "anna", morning, seconds(took))
		if expected > 0 {
			e.Forecast = &signaling.Forecast{Known: true, ExpectedMs: int64(expected * 1000), HighMs: int64(high * 1000)}
		} else {
			e.Forecast = &signaling.Forecast{}
		}
		return e
	}
	f.replay([]pool.HistoryEntry{said(0, 10, 20, 10), said(1, 10, 20, 30), said(2, 10, 20, 15), said(3, 0, 0, 10)}, nil)
	s := f.Errors()
	if len(s) != 1 || s[0].Type != signaling.DataComputation || s[0].Tasks != 3 || s[0].Unknown != 1 ||
		math.Abs(s[0].ErrorLog-math.Log(1.5)) > 1e-6 || math.Abs(s[0].Within2-2./3) > 1e-6 || math.Abs(s[0].Covered90-2./3) > 1e-6 {
		t.Errorf("%+v", s)
	}
	if !math.IsInf(f.Error(), 1) {
		t.Errorf("of 3 tasks the error is %v", f.Error())
	}
	for i := range 2 * scored { // bounded, and the newest count
		e := said(10+i, 10, 20, 10)
		f.replay([]pool.HistoryEntry{e}, nil)
	}
	if s := f.Errors(); s[0].Tasks != scored || s[0].Within2 < 0.999 || f.Error() > 0.01 {
		t.Errorf("%+v, %v", s, f.Error())
	}
}

// Quantiles mean what they say, as predicted when the tasks were asked for, while many run at a time: the 90 % quantile covers 88 to
// 92 % (B2).
func TestB2NineTenthsAreNineTenths(t *testing.T) {
	f := quiet(morning)
	r := rand.New(rand.NewPCG(5, 6))
	type run struct {
		e  pool.HistoryEntry
		at time.Time
	}
	var open []run
	covered, known := 0, 0
	at := morning
	for i := range 3000 {
		at = at.Add(time.Duration(r.ExpFloat64() * float64(20*time.Second)))
		var still []run
		var ended []pool.HistoryEntry
		for _, o := range open {
			if o.at.After(at) {
				still = append(still, o)
			} else {
				ended = append(ended, o.e)
			}
		}
		open = still
		f.replay(ended, nil)
		kind := r.IntN(4)
		q := compute(fmt.Sprint("op", kind))
		took := seconds(math.Exp(float64(kind) + 2 + 0.7*r.NormFloat64()))
		said := f.Forecast("anna", q, at)
		e := entry(i, q, "anna", at, took)
		f.l.begin(&e)
		open = append(open, run{e, at.Add(took)})
		if i > 500 && said.Known {
			known++
			if took.Milliseconds() <= said.HighMs {
				covered++
			}
		}
	}
	if share := float64(covered) / float64(known); share < 0.88 || share > 0.92 {
		t.Errorf("the 90 %% quantile covers %.3f", share)
	}
}

// What is remembered is bounded, whatever is asked for.
func TestB2MemoryIsBounded(t *testing.T) {
	f := quiet(morning)
	for i := range 3 * maxRecalled {
		f.Forecast(fmt.Sprint("user", i), compute("x"), morning)
	}
	if n := len(f.l.recall); n > maxRecalled {
		t.Errorf("%d predictions are remembered", n)
	}
	for i := range maxOpen + 100 {
		e := entry(i, compute("x"), "anna", morning, time.Second)
		f.l.begin(&e)
	}
	if n := len(f.l.open); n > maxOpen || len(f.l.order) > 2*maxOpen {
		t.Errorf("%d open tasks are remembered", n)
	}
	if f.l.began("t0") || !f.l.began(signaling.TaskID(fmt.Sprint("t", maxOpen+99))) {
		t.Error("the newest are forgotten, and not the oldest")
	}
	for i := range 3 * maxOpen { // that end
		e := entry(i+100_000, compute("x"), "anna", morning, time.Second)
		e.StartedAt = nil
		f.l.begin(&e)
		f.l.end(&e)
	}
	if n := len(f.l.order); n > 2*maxOpen {
		t.Errorf("the order of %d tasks is remembered", n)
	}
	var none *Foresight
	if none.Forecast("a", compute("x"), morning).Known || none.Expect("a", &signaling.TaskRequest{}, morning) != nil || none.Errors() != nil ||
		none.Fragments() != nil || !math.IsInf(none.Error(), 1) {
		t.Error("nobody knows something")
	}
}

func BenchmarkForecast(b *testing.B) {
	f := quiet(morning)
	r := rand.New(rand.NewPCG(1, 2))
	var all []pool.HistoryEntry
	for i := range 2000 {
		all = append(all, entry(i, compute([]string{"a", "b", "c"}[r.IntN(3)]), "anna", morning.Add(time.Duration(i)*time.Minute), seconds(math.Exp(3+r.NormFloat64()))))
	}
	f.replay(all, nil)
	b.Run("alike", func(b *testing.B) {
		for b.Loop() {
			f.Forecast("anna", compute("a"), morning)
		}
	})
	b.Run("new", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			f.Forecast("anna", compute("a"), morning.Add(time.Duration(i)*time.Hour))
		}
	})
	b.Run("learn", func(b *testing.B) {
		i := 0
		for b.Loop() {
			e := all[i%len(all)]
			i++
			f.l.begin(&e)
			f.l.end(&e)
		}
	})
}
