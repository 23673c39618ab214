package nodetime

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const day = 24 * time.Hour

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return monday.Add(d) }

func node(t *testing.T, c Config) *Node {
	t.Helper()
	n, err := New(c, monday)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cores4 is the document's example: 4 cores, 10 Gi, T = 7 days, circulation by the day.
var cores4 = Config{Total: Amounts{CPU: 4000, Memory: 10 << 10}, Time: 7 * day, Period: day}

func TestB3FreeAmountsFallAtOnceAndComeBack(t *testing.T) {
	n := node(t, cores4)
	if err := n.Place("a", Amounts{CPU: 1500, Memory: 1024}, time.Hour, monday); err != nil {
		t.Fatal(err)
	}
	if got := n.Free(); got != (Amounts{CPU: 2500, Memory: 9 << 10}) {
		t.Errorf("free %v", got)
	}
	if err := n.Place("b", Amounts{CPU: 3000}, time.Hour, monday); err == nil || n.Free()[CPU] != 2500 {
		t.Errorf("placed beyond what is free: %v, %v", err, n.Free())
	}
	n.End("a")
	if n.Free() != n.Total() {
		t.Errorf("free %v of %v", n.Free(), n.Total())
	}
}

// The example: after a task that takes all for four days t is 3 days; it grows by a day per day, and stops at T.
func TestB3TimeGrowsByAPeriodPerPeriod(t *testing.T) {
	n := node(t, cores4)
	if err := n.Place("a", n.Total(), 4*day, monday); err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{3, 4, 5, 6, 7, 7} {
		now := at(time.Duration(i) * day)
		if got := n.Available(CPU, now); got != want*day {
			t.Errorf("day %d: t is %v, want %v", i, got, want*day)
		}
		// Within a period nothing comes back.
		if got := n.Available(CPU, now.Add(23*time.Hour)); got != want*day {
			t.Errorf("day %d, 23 h: t is %v, want %v", i, got, want*day)
		}
		if got := n.Time(now); got != 7*day {
			t.Errorf("T is %v", got)
		}
	}
}

// t follows from what is free by the node's speed: half of the cores for four days are two days of the node.
func TestB3TimeFollowsFromAmountsByTheNodesSpeed(t *testing.T) {
	n := node(t, cores4)
	_ = n.Place("a", Amounts{CPU: 2000}, 4*day, monday)
	if got := n.Available(CPU, monday); got != 5*day {
		t.Errorf("t of the cores is %v", got)
	}
	if got := n.Available(Memory, monday); got != 7*day {
		t.Errorf("t of the memory is %v", got)
	}
	if got := n.AvailableFor(Amounts{CPU: 1, Memory: 1}, monday); got != 5*day {
		t.Errorf("t for a task of both is %v", got)
	}
	if got := n.Room(monday)[CPU]; got != 2000*(5*day).Seconds() {
		t.Errorf("room %g", got)
	}
}

func TestB3OneTimeForTheWholeNode(t *testing.T) {
	c := cores4
	c.Whole = true
	n := node(t, c)
	_ = n.Place("a", Amounts{CPU: 4000}, 2*day, monday)
	if got := n.Available(Memory, monday); got != 5*day {
		t.Errorf("t of the memory is %v, want that of the cores", got)
	}
}

// What a period gives back can be placed at once, while the task still runs.
func TestB3WhatAPeriodGivesBackCanBePlacedAtOnce(t *testing.T) {
	n := node(t, cores4)
	_ = n.Place("a", Amounts{CPU: 3000}, 8*day, monday) // 6 days of the node
	if got := n.Available(CPU, monday); got != day {
		t.Fatalf("t is %v", got)
	}
	now := at(2 * day)
	before := n.Available(CPU, now)
	if before != 2*day+12*time.Hour {
		t.Fatalf("t is %v after two days", before)
	}
	if err := n.Place("b", Amounts{CPU: 1000}, 2*day, now); err != nil {
		t.Fatal(err)
	}
	if _, runs := n.Holds("a"); !runs || n.Available(CPU, now) != 2*day {
		t.Errorf("t is %v", n.Available(CPU, now))
	}
}

func TestB3TimeFromWindows(t *testing.T) {
	w, err := NewWindows(Window{at(20 * time.Hour), at(30 * time.Hour)}, Window{at(8 * time.Hour), at(18 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	n := node(t, Config{Total: Amounts{GPUTime: 1000}, Windows: w})
	for _, c := range []struct{ at, total, left time.Duration }{
		{0, 0, 0}, {8, 10, 10}, {17, 10, 1}, {18, 0, 0}, {25, 10, 5}, {30, 0, 0},
	} {
		now := at(c.at * time.Hour)
		if n.Time(now) != c.total*time.Hour || n.Available(GPUTime, now) != c.left*time.Hour {
			t.Errorf("at %d h: T %v, t %v", c.at, n.Time(now), n.Available(GPUTime, now))
		}
	}
	if next, ok := w.Next(at(9 * time.Hour)); !ok || next.Open != at(20*time.Hour) {
		t.Errorf("next %v", next)
	}
	if always := node(t, Config{Total: Amounts{CPU: 1}}); always.Available(CPU, monday) != Forever || always.Time(monday) != Forever {
		t.Error("a permanent node has an end")
	}
}

func TestB3TimeFromPredictedEnds(t *testing.T) {
	w, _ := NewWindows(Window{at(0), at(10 * time.Hour)}, Window{at(20 * time.Hour), at(40 * time.Hour)})
	n := node(t, Config{Total: Amounts{CPU: 4}, Windows: w})
	_ = n.Place("a", Amounts{CPU: 3}, 4*time.Hour, monday)
	_ = n.Place("b", Amounts{CPU: 1}, 7*time.Hour, monday)
	for _, c := range []struct {
		cpu       int64
		run, want time.Duration
	}{{1, 1, 4}, {3, 5, 4}, {4, 2, 7}, {4, 3, 20}, {1, 19, 20}} {
		if when, ok := n.When(Amounts{CPU: c.cpu}, c.run*time.Hour, monday); !ok || when != at(c.want*time.Hour) {
			t.Errorf("%d cores for %d h: %v, %v", c.cpu, c.run, when, ok)
		}
	}
	for _, a := range []Amounts{{CPU: 5}, {Memory: 1}} {
		if _, ok := n.When(a, 1, monday); ok {
			t.Errorf("there is a time for %v", a)
		}
	}
	if _, ok := n.When(Amounts{CPU: 1}, 20*time.Hour, monday); ok {
		t.Error("there is a time for what is longer than every window")
	}
	var line []string
	for _, m := range n.Line(at(time.Hour), at(30*time.Hour)) {
		line = append(line, fmt.Sprintf("%v:%d:%v", m.At.Sub(monday).Hours(), m.Free[CPU], m.Open))
	}
	if got := strings.Join(line, " "); got != "1:0:true 4:3:true 7:4:true 10:4:false 20:4:true" {
		t.Errorf("time line %s", got)
	}
	// A task that outruns its prediction counts until it is predicted again.
	if got := n.FreeAt(at(9*time.Hour), at(5*time.Hour)); got[CPU] != 1 {
		t.Errorf("an overdue task is taken for ended: %v", got)
	}
	if err := n.Predict("a", time.Hour, at(5*time.Hour)); err != nil || n.FreeAt(at(6*time.Hour), at(5*time.Hour))[CPU] != 3 {
		t.Errorf("%v; %v", err, n.FreeAt(at(6*time.Hour), at(5*time.Hour)))
	}
}

func TestB3WindowsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		windows []Window
		want    string
	}{
		{[]Window{{at(2), at(1)}}, "ends before it begins"},
		{[]Window{{at(1), at(1)}}, "ends before it begins"},
		{[]Window{{at(1), at(5)}, {at(4), at(9)}}, "overlap"},
		{[]Window{{at(4), at(9)}, {at(1), at(5)}}, "overlap"},
		{[]Window{{Open: at(1)}, {at(4), at(9)}}, "overlap"},
		{make([]Window, MaxWindows+1), "at most"},
	} {
		if _, err := NewWindows(c.windows...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.windows, err)
		}
	}
	if w, err := NewWindows(Window{at(5), at(9)}, Window{at(1), at(5)}); err != nil || len(w) != 1 || w.Left(at(1)) != 8 {
		t.Errorf("windows that touch: %v, %v", w, err)
	}
}

func TestB3ScheduleOfHoursMaintenanceBookingsAndExpiry(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	wall := func(d, h int) time.Time { return time.Date(2026, 3, d, h, 0, 0, 0, berlin) }
	s := Schedule{
		Hours:    []Hours{{[]time.Weekday{time.Friday, time.Saturday, time.Sunday, time.Monday}, 0, 12 * time.Hour}, {[]time.Weekday{time.Friday}, 14 * time.Hour, 18 * time.Hour}},
		Open:     []Window{{wall(28, 11), wall(28, 20)}},
		Closed:   []Window{{wall(27, 2), wall(27, 4)}},
		Expires:  wall(30, 6),
		Location: berlin,
	}
	w, err := s.Windows(wall(26, 9), wall(31, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range w {
		got = append(got, x.Open.In(berlin).Format("2T15")+"-"+x.Close.In(berlin).Format("2T15"))
	}
	// On 29 March the clocks change: that morning has eleven hours.
	want := "27T00-27T02 27T04-27T12 27T14-27T18 28T00-28T20 29T00-29T12 30T00-30T06"
	if strings.Join(got, " ") != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	if d := w[4].Length(); d != 11*time.Hour {
		t.Errorf("the morning has %v", d)
	}
	always := Schedule{Closed: []Window{{at(5), at(7)}}}
	if w, err := always.Windows(monday, at(100)); err != nil || w.Left(at(0)) != 5 || w.Left(at(6)) != 0 || w.Left(at(7)) != Forever {
		t.Errorf("maintenance: %v, %v", w, err)
	}
	// Counted in another zone, no day is left out where the clocks change.
	whole := Schedule{Hours: []Hours{{[]time.Weekday{0, 1, 2, 3, 4, 5, 6}, 0, 24 * time.Hour}}, Location: berlin}
	if w, err := whole.Windows(time.Date(2026, 3, 27, 22, 59, 0, 0, time.UTC), wall(31, 0)); err != nil || len(w) != 1 {
		t.Errorf("open day and night: %v, %v", w, err)
	}
	if w, err := (&Schedule{}).Windows(monday, at(100)); w != nil || err != nil {
		t.Errorf("%v, %v", w, err)
	}
	for _, c := range []struct {
		s    Schedule
		want string
	}{
		{Schedule{Hours: []Hours{{[]time.Weekday{1}, 9, 9}}}, "end after they begin"},
		{Schedule{Hours: []Hours{{nil, 1, 9}}}, "no days"},
		{Schedule{Hours: []Hours{{[]time.Weekday{7}, 1, 9}}}, "day 7"},
		{Schedule{Hours: []Hours{{[]time.Weekday{1, 2}, 1, 9}, {[]time.Weekday{2}, 8, 12}}}, "overlap"},
		{Schedule{Open: []Window{{at(3), at(2)}}}, "open: window 1"},
		{Schedule{Closed: []Window{{at(3), at(5)}, {at(4), at(6)}}}, "closed: windows overlap"},
	} {
		if _, err := c.s.Windows(monday, at(100)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
	if _, err := s.Windows(monday, monday.AddDate(3, 0, 0)); err == nil {
		t.Error("three years are laid out")
	}
}

func TestB3ConfigurationsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Total: Amounts{CPU: -1}}, "cpuMilli"},
		{Config{Time: -1}, "time"},
		{Config{Time: MaxTime + 1}, "time"},
		{Config{Time: 5, Period: 6}, "period"},
		{Config{Period: -1}, "period"},
		{Config{Windows: Windows{{at(2), at(1)}}}, "ends before"},
	} {
		if _, err := New(c.c, monday); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.c, err)
		}
	}
}

// 0 <= d <= D and 0 <= t <= T always, whatever is placed, ended, scaled and predicted, and d + what is held = D.
func TestB3AmountsAndTimesStayWithinTheirTotals(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		c := Config{Total: Amounts{GPUTime: r.Int64N(3000), CPU: 4000, Memory: r.Int64N(9000)}, Whole: r.IntN(2) == 0}
		if r.IntN(3) > 0 {
			c.Time = time.Duration(1+r.IntN(10)) * day
			c.Period = time.Duration(r.Int64N(int64(c.Time)))
		}
		for open := time.Duration(0); r.IntN(4) > 0 && len(c.Windows) < 5; {
			open += time.Duration(1 + r.Int64N(int64(day)))
			end := open + time.Duration(1+r.Int64N(int64(3*day)))
			c.Windows = append(c.Windows, Window{at(open), at(end)})
			open = end
		}
		n := node(t, c)
		now := monday
		sum := Amounts{}
		for step := range 100 {
			task := signaling.TaskID(fmt.Sprint(r.IntN(12)))
			a := Amounts{GPUTime: r.Int64N(1200) - 50, CPU: r.Int64N(2500), Memory: r.Int64N(5000)}
			run := time.Duration(r.Int64N(int64(12*day))) - day
			if r.IntN(20) == 0 {
				run = math.MaxInt64
			}
			had, _ := n.Holds(task)
			switch r.IntN(5) {
			case 0, 1:
				if n.Place(task, a, run, now) == nil {
					sum = sum.Add(a)
				}
			case 2:
				if freed, ok := n.End(task); ok {
					sum = sum.Sub(freed)
				}
			case 3:
				if n.Resize(task, a) == nil {
					sum = sum.Sub(had).Add(a)
				}
			default:
				_ = n.Predict(task, run, now)
			}
			now = now.Add(time.Duration(r.Int64N(int64(8 * time.Hour))))
			if n.Free().Add(sum) != n.Total() {
				t.Fatalf("seed %d, step %d: free %v and held %v are not %v", seed, step, n.Free(), sum, n.Total())
			}
			for k := range Kinds {
				d, left, all := n.Free()[k], n.Available(k, now), n.Time(now)
				if d < 0 || d > n.Total()[k] || left < 0 || left > all {
					t.Fatalf("seed %d, step %d: %v: d %d of %d, t %v of %v", seed, step, k, d, n.Total()[k], left, all)
				}
			}
			for _, m := range n.Line(now, now.Add(5*day)) {
				if !m.Free.Fits(n.Total()) || !n.Free().Fits(m.Free) {
					t.Fatalf("seed %d, step %d: %v at %v", seed, step, m.Free, m.At)
				}
			}
		}
	}
}

func TestB5AverageOverAWindow(t *testing.T) {
	a := NewAverage(10, at(0))
	if _, ok := a.Over(at(5)); ok {
		t.Error("an average of nothing")
	}
	_ = a.Add(4, at(2))
	_ = a.Add(1, at(8))
	// No longer than the time run so far: 4 for 2, 1 for 6.
	if v, _ := a.Over(at(8)); math.Abs(v-14.0/8) > 1e-9 {
		t.Errorf("%g", v)
	}
	if v, _ := a.Mean(at(8)); v != 2.5 {
		t.Errorf("mean of the rates %g", v)
	}
	_ = a.Add(7, at(16)) // the window is 6 to 16: 1 for 2, 7 for 8
	if v, _ := a.Over(at(16)); math.Abs(v-5.8) > 1e-9 {
		t.Errorf("%g", v)
	}
	if v, _ := a.Peak(at(16)); v != 7 {
		t.Errorf("peak %g", v)
	}
	if _, ok := a.Over(at(26)); ok {
		t.Error("an average of what is long past")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), -1} {
		if a.Add(bad, at(20)) == nil {
			t.Errorf("%g is taken", bad)
		}
	}
	if a.Add(1, at(16)) == nil {
		t.Error("time goes backwards")
	}
}

// However many rates there are in a window, the average keeps few and stays what it is.
func TestB5AverageIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a := NewAverage(time.Hour, monday)
	sum, n := 0.0, 7200
	for i := range n {
		v := r.Float64()
		if i >= n/2 {
			sum += v
		}
		if err := a.Add(v, monday.Add(time.Duration(i+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	v, ok := a.Over(monday.Add(2 * time.Hour))
	if want := sum / float64(n/2); !ok || math.Abs(v-want) > 0.01 {
		t.Errorf("%g, want %g", v, want)
	}
	if len(a.points) > 2*grain {
		t.Errorf("%d points are kept", len(a.points))
	}
	if mean, _ := a.Mean(monday.Add(2 * time.Hour)); math.Abs(mean-sum/float64(n/2)) > 0.01 {
		t.Errorf("mean %g", mean)
	}
	_ = a.Add(40, monday.Add(2*time.Hour+time.Second))
	_ = a.Add(0, monday.Add(2*time.Hour+2*time.Second))
	if peak, _ := a.Peak(monday.Add(2*time.Hour + 2*time.Second)); peak != 40 {
		t.Errorf("peak %g", peak)
	}
}
