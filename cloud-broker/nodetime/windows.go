package nodetime

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Forever is the time of what never ends.
const Forever = time.Duration(math.MaxInt64)

// MaxWindows bounds the windows of a node.
const MaxWindows = 10_000

// Window is a span of time, Close excluded. A zero Open is since ever, a zero Close is never.
type Window struct {
	Open  time.Time `json:"open,omitzero"`
	Close time.Time `json:"close,omitzero"`
}

// Length is how long the window is; Forever where it has no beginning or no end.
func (w Window) Length() time.Duration {
	if w.Open.IsZero() || w.Close.IsZero() {
		return Forever
	}
	return w.Close.Sub(w.Open)
}

// Contains says whether the window is open at a time.
func (w Window) Contains(at time.Time) bool {
	return !at.Before(w.Open) && (w.Close.IsZero() || at.Before(w.Close))
}

// String is the window in words.
func (w Window) String() string {
	from, to := "ever", "never"
	if !w.Open.IsZero() {
		from = w.Open.Format(time.RFC3339)
	}
	if !w.Close.IsZero() {
		to = w.Close.Format(time.RFC3339)
	}
	return from + " to " + to
}

// endsBefore says whether w is over at a time.
func (w Window) endsBefore(at time.Time) bool { return !w.Close.IsZero() && !w.Close.After(at) }

// Windows are when a node is open: in order and apart. Nil is a node that is always open.
type Windows []Window

// NewWindows puts windows in order. One that ends before it begins, and two that overlap, are refused by name; windows that
// touch are one.
func NewWindows(windows ...Window) (Windows, error) {
	if err := check(windows); err != nil {
		return nil, err
	}
	return joined(windows), nil
}

// check refuses windows that end before they begin, overlap, or are too many.
func check(windows []Window) error {
	if len(windows) > MaxWindows {
		return fmt.Errorf("%d windows: at most %d", len(windows), MaxWindows)
	}
	for i, w := range windows {
		if !w.Close.IsZero() && !w.Close.After(w.Open) {
			return fmt.Errorf("window %d (%v) ends before it begins", i+1, w)
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(windows), byOpen)
	for i := 1; i < len(sorted); i++ {
		if !sorted[i-1].endsBefore(sorted[i].Open) {
			return fmt.Errorf("windows overlap: %v and %v", sorted[i-1], sorted[i])
		}
	}
	return nil
}

func byOpen(a, b Window) int { return a.Open.Compare(b.Open) }

// joined sorts windows and makes one of those that touch or overlap.
func joined(windows []Window) Windows {
	out := make(Windows, 0, len(windows))
	for _, w := range slices.SortedStableFunc(slices.Values(windows), byOpen) {
		last := len(out) - 1
		switch {
		case last < 0 || (!out[last].Close.IsZero() && out[last].Close.Before(w.Open)):
			out = append(out, w)
		case out[last].Close.IsZero(): // it has the later ones in it
		case w.Close.IsZero() || w.Close.After(out[last].Close):
			out[last].Close = w.Close
		}
	}
	return out
}

// At is the window that is open at a time.
func (ws Windows) At(at time.Time) (Window, bool) {
	if ws == nil {
		return Window{}, true
	}
	i := ws.after(at)
	if i < len(ws) && ws[i].Contains(at) {
		return ws[i], true
	}
	return Window{}, false
}

// Next is the first window that opens at a time or later.
func (ws Windows) Next(at time.Time) (Window, bool) {
	for i := ws.after(at); i < len(ws); i++ {
		if !ws[i].Open.Before(at) {
			return ws[i], true
		}
	}
	return Window{}, false
}

// after is the index of the first window that is not over at a time.
func (ws Windows) after(at time.Time) int {
	i, _ := slices.BinarySearchFunc(ws, at, func(w Window, at time.Time) int {
		if w.endsBefore(at) {
			return -1
		}
		return 1
	})
	return i
}

// Left is how long the node stays open: 0 where it is closed, Forever where it never closes.
func (ws Windows) Left(at time.Time) time.Duration {
	w, open := ws.At(at)
	switch {
	case !open:
		return 0
	case w.Close.IsZero():
		return Forever
	}
	return w.Close.Sub(at)
}

// without are the windows less those of closed.
func (ws Windows) without(closed Windows) Windows {
	out := make(Windows, 0, len(ws)+len(closed))
	for _, w := range ws {
		rest, whole := w, true
		for _, c := range closed {
			if c.endsBefore(rest.Open) || (!rest.Close.IsZero() && !rest.Close.After(c.Open)) {
				continue
			}
			if c.Open.After(rest.Open) {
				out = append(out, Window{rest.Open, c.Open})
			}
			if c.Close.IsZero() || (!rest.Close.IsZero() && !rest.Close.After(c.Close)) {
				whole = false
				break
			}
			rest.Open = c.Close
		}
		if whole {
			out = append(out, rest)
		}
	}
	return out
}
