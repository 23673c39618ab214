package nodetime

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Config is what a node is.
type Config struct {
	Total   Amounts // D
	Windows Windows // nil: always open
	// Time is how far ahead the node promises its resources (T of the circulation), Period how often what is promised comes
	// back; 0 is at every moment. Without Time only the windows count.
	Time, Period time.Duration
	// Whole makes the time one for the whole node: that of its scarcest resource.
	Whole bool
}

// MaxTime bounds Config.Time and run times.
const MaxTime = 10 * 366 * 24 * time.Hour

// Validate refuses what cannot be, naming it.
func (c *Config) Validate() error {
	if k, bad := c.Total.Negative(); bad {
		return fmt.Errorf("total: %v is %d: it must not be negative", k, c.Total[k])
	}
	if c.Time < 0 || c.Time > MaxTime {
		return fmt.Errorf("time %v: 0 to %v", c.Time, MaxTime)
	}
	if c.Period < 0 || (c.Time > 0 && c.Period > c.Time) {
		return fmt.Errorf("period %v: it is not negative, and not longer than the time of %v", c.Period, c.Time)
	}
	return check(c.Windows)
}

// Node is a node's amounts and times. One goroutine owns it.
type Node struct {
	config Config
	start  time.Time // periods are counted from here
	free   Amounts
	held   []held // in the order of placement, so that sums are the same in every run
}

// held is what a task has.
type held struct {
	task    signaling.TaskID
	amounts Amounts
	since   time.Time
	run     time.Duration // promised, from since
}

// New is an empty node whose periods begin at start.
func New(c Config, start time.Time) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Node{config: c, start: start, free: c.Total}, nil
}

// Total is D.
func (n *Node) Total() Amounts { return n.config.Total }

// Free is d.
func (n *Node) Free() Amounts { return n.free }

// Windows are when the node is open.
func (n *Node) Windows() Windows { return n.config.Windows }

// Period is the circulation period.
func (n *Node) Period() time.Duration { return n.config.Period }

// Place gives a task amounts, promised for a run time: d falls by them at once (B4.3), t by what is promised of D.
func (n *Node) Place(task signaling.TaskID, a Amounts, run time.Duration, now time.Time) error {
	if n.index(task) >= 0 {
		return fmt.Errorf("place %s: it is there already", task)
	}
	if k, bad := a.Negative(); bad {
		return fmt.Errorf("place %s: %v is %d: it must not be negative", task, k, a[k])
	}
	if !a.Fits(n.free) {
		return fmt.Errorf("place %s: it takes %v, free is %v", task, a, n.free)
	}
	n.free = n.free.Sub(a)
	n.held = append(n.held, held{task, a, now, bounded(run)})
	return nil
}

// End takes a task away. Its amounts are free and its promise is gone at once.
func (n *Node) End(task signaling.TaskID) (Amounts, bool) {
	i := n.index(task)
	if i < 0 {
		return Amounts{}, false
	}
	a := n.held[i].amounts
	n.free = n.free.Add(a)
	n.held = slices.Delete(n.held, i, i+1)
	return a, true
}

// Resize gives a task other amounts (vertical scaling).
func (n *Node) Resize(task signaling.TaskID, a Amounts) error {
	i := n.index(task)
	if i < 0 {
		return fmt.Errorf("resize %s: it is not there", task)
	}
	if k, bad := a.Negative(); bad {
		return fmt.Errorf("resize %s: %v is %d: it must not be negative", task, k, a[k])
	}
	free := n.free.Add(n.held[i].amounts)
	if !a.Fits(free) {
		return fmt.Errorf("resize %s: it would take %v, with its own there is %v", task, a, free)
	}
	n.free, n.held[i].amounts = free.Sub(a), a
	return nil
}

// Predict promises a running task's amounts for left from now on: its run time was predicted again.
func (n *Node) Predict(task signaling.TaskID, left time.Duration, now time.Time) error {
	i := n.index(task)
	if i < 0 {
		return fmt.Errorf("predict %s: it is not there", task)
	}
	n.held[i].since, n.held[i].run = now, bounded(left)
	return nil
}

// Holds is what a task has; false where it is not there.
func (n *Node) Holds(task signaling.TaskID) (Amounts, bool) {
	if i := n.index(task); i >= 0 {
		return n.held[i].amounts, true
	}
	return Amounts{}, false
}

func (n *Node) index(task signaling.TaskID) int {
	return slices.IndexFunc(n.held, func(h held) bool { return h.task == task })
}

func bounded(run time.Duration) time.Duration { return min(max(run, 0), MaxTime) }

// Time is T: the shorter of the open window's length and the time of the circulation. 0 while the node is closed.
func (n *Node) Time(now time.Time) time.Duration {
	w, open := n.config.Windows.At(now)
	if !open {
		return 0
	}
	return min(w.Length(), n.ahead())
}

// ahead is T of the circulation.
func (n *Node) ahead() time.Duration {
	if n.config.Time == 0 {
		return Forever
	}
	return n.config.Time
}

// Available is t of one kind, 0 <= t <= T.
func (n *Node) Available(k Kind, now time.Time) time.Duration {
	if !n.config.Whole {
		return n.available(k, now)
	}
	return n.AvailableFor(n.config.Total, now)
}

// AvailableFor is t for a task: the least of the kinds that it takes, of all kinds where the node has one time.
func (n *Node) AvailableFor(needs Amounts, now time.Time) time.Duration {
	t := n.Time(now)
	for k := range Kinds {
		if needs[k] > 0 || (n.config.Whole && n.config.Total[k] > 0) {
			t = min(t, n.available(k, now))
		}
	}
	return t
}

func (n *Node) available(k Kind, now time.Time) time.Duration {
	left := min(n.config.Windows.Left(now), n.Time(now))
	if n.config.Time == 0 {
		return left
	}
	if n.config.Total[k] == 0 {
		return 0
	}
	promised := 0.0 // amount times seconds
	back := n.lastBack(now)
	for _, h := range n.held {
		promised += float64(h.amounts[k]) * float64(h.run-min(h.run, max(0, back.Sub(h.since))))
	}
	unpromised := float64(n.config.Time) - promised/float64(n.config.Total[k])
	return min(left, time.Duration(max(0, unpromised)))
}

// lastBack is when a circulation period ended last.
func (n *Node) lastBack(now time.Time) time.Time {
	if n.config.Period == 0 {
		return now
	}
	return now.Add(-(now.Sub(n.start) % n.config.Period))
}

// Room is what is free as a total: amount times seconds, d times t, by kind (B8).
func (n *Node) Room(now time.Time) [Kinds]float64 {
	var out [Kinds]float64
	for k := range Kinds {
		out[k] = float64(n.free[k]) * n.Available(k, now).Seconds()
	}
	return out
}

// Moment is what is free from a time on.
type Moment struct {
	At   time.Time
	Free Amounts
	Open bool
}

// Line is the node's time line: what will be free by the predicted ends of what runs, and when it opens and closes, from now
// until until. A task that has outrun its prediction counts until it is predicted again.
func (n *Node) Line(now, until time.Time) []Moment {
	times := []time.Time{now}
	add := func(t time.Time) {
		if t.After(now) && t.Before(until) {
			times = append(times, t)
		}
	}
	for _, h := range n.held {
		add(h.since.Add(h.run))
	}
	for i := n.config.Windows.after(now); i < len(n.config.Windows) && n.config.Windows[i].Open.Before(until); i++ {
		add(n.config.Windows[i].Open)
		add(n.config.Windows[i].Close)
	}
	slices.SortFunc(times, time.Time.Compare)
	times = slices.CompactFunc(times, time.Time.Equal)
	out := make([]Moment, len(times))
	for i, t := range times {
		_, open := n.config.Windows.At(t)
		out[i] = Moment{t, n.FreeAt(t, now), open}
	}
	return out
}

// FreeAt is what will be free at a time, as predicted now.
func (n *Node) FreeAt(at, now time.Time) Amounts {
	free := n.free
	for _, h := range n.held {
		if end := h.since.Add(h.run); end.After(now) && !end.After(at) {
			free = free.Add(h.amounts)
		}
	}
	return free
}

// When is the first time from now on at which a task is expected to find its amounts free and the node open for longer than
// its run time; false where no time is known. Nothing is promised by it.
func (n *Node) When(needs Amounts, run time.Duration, now time.Time) (time.Time, bool) {
	if !needs.Fits(n.config.Total) {
		return time.Time{}, false
	}
	times := []time.Time{now}
	for _, h := range n.held {
		if end := h.since.Add(h.run); end.After(now) {
			times = append(times, end)
		}
	}
	for i := n.config.Windows.after(now); i < len(n.config.Windows); i++ {
		if o := n.config.Windows[i].Open; o.After(now) {
			times = append(times, o)
		}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return cmp.Compare(a.Sub(now), b.Sub(now)) })
	for _, t := range times {
		if n.config.Windows.Left(t) > run && needs.Fits(n.FreeAt(t, now)) {
			return t, true
		}
	}
	return time.Time{}, false
}
