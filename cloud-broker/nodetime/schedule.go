package nodetime

import (
	"fmt"
	"slices"
	"time"
)

// Schedule is when an operator has a node open.
type Schedule struct {
	// Hours are opening hours by the week, Open spans of their own. Where there are neither, the node is open always.
	Hours []Hours
	Open  []Window
	// Closed are spans in which it takes no part whatever the hours say: maintenance, or a booking by others.
	Closed []Window
	// Expires is when a machine that is lent for a time goes; zero is never.
	Expires time.Time
	// Location is what the hours are told in; nil is UTC.
	Location *time.Location
}

// Hours are opening hours of some days: From and To since midnight by the clock on the wall, so they stay what they are when
// the clocks change.
type Hours struct {
	Days     []time.Weekday
	From, To time.Duration
}

// maxAhead bounds how far hours are laid out.
const maxAhead = 2 * 366 * 24 * time.Hour

// Validate refuses hours and windows that cannot be, naming them.
func (s *Schedule) Validate() error {
	if len(s.Hours) > 100 {
		return fmt.Errorf("hours has %d entries: at most 100", len(s.Hours))
	}
	for i, h := range s.Hours {
		if h.From < 0 || h.To > 24*time.Hour || h.From >= h.To {
			return fmt.Errorf("hours[%d]: from %v to %v: they end after they begin, within 0 to 24 hours", i, h.From, h.To)
		}
		if len(h.Days) == 0 {
			return fmt.Errorf("hours[%d]: no days", i)
		}
		for _, d := range h.Days {
			if d < time.Sunday || d > time.Saturday {
				return fmt.Errorf("hours[%d]: day %d: 0 (Sunday) to 6", i, int(d))
			}
			for j, o := range s.Hours[:i] {
				if slices.Contains(o.Days, d) && h.From < o.To && o.From < h.To {
					return fmt.Errorf("hours[%d] overlap hours[%d] on %v", i, j, d)
				}
			}
		}
	}
	if err := check(s.Open); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := check(s.Closed); err != nil {
		return fmt.Errorf("closed: %w", err)
	}
	return nil
}

// Windows lays the schedule out: opening hours from the day of from until until, at most two years, and all other spans as
// they are. Nil is a node that is always open.
func (s *Schedule) Windows(from, until time.Time) (Windows, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if until.Sub(from) > maxAhead {
		return nil, fmt.Errorf("opening hours from %v to %v: two years at most", from, until)
	}
	open := append([]Window(nil), s.Open...)
	for day := from.In(s.location()); len(s.Hours) > 0 && day.Before(until.AddDate(0, 0, 1)); day = day.AddDate(0, 0, 1) {
		open = append(open, s.hoursOf(day)...)
	}
	closed := append([]Window(nil), s.Closed...)
	if !s.Expires.IsZero() {
		closed = append(closed, Window{Open: s.Expires})
	}
	switch {
	case len(s.Hours) == 0 && len(s.Open) == 0 && len(closed) == 0:
		return nil, nil
	case len(s.Hours) == 0 && len(s.Open) == 0:
		open = []Window{{}}
	}
	return joined(open).without(joined(closed)), nil
}

func (s *Schedule) location() *time.Location {
	if s.Location == nil {
		return time.UTC
	}
	return s.Location
}

// hoursOf are the spans of one day.
func (s *Schedule) hoursOf(day time.Time) []Window {
	where := s.location()
	y, m, d := day.Date()
	weekday := time.Date(y, m, d, 12, 0, 0, 0, where).Weekday()
	at := func(since time.Duration) time.Time { return time.Date(y, m, d, 0, 0, 0, int(since), where) }
	var out []Window
	for _, h := range s.Hours {
		for _, k := range h.Days {
			if k != weekday {
				continue
			}
			if w := (Window{at(h.From), at(h.To)}); w.Close.After(w.Open) { // else the hour that the clocks leave out
				out = append(out, w)
			}
		}
	}
	return out
}
