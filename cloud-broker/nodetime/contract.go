package nodetime

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Plan is when a node is open and what it promises ahead, as an operator says it.
type Plan struct {
	Schedule
	// Time and Period are those of Config.
	Time, Period time.Duration
}

// Bounds of a schedule's lists. Each node of a pool may have one.
const (
	MaxHours = 50
	MaxSpans = 1000
)

// days are the weekdays as the contract names them.
var days = map[string]time.Weekday{"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday,
	"fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday}

// FromContract reads a schedule. What cannot be is refused by the name of its field: hours and spans that end before they
// begin, that overlap, a day or a time zone that is unknown, a period longer than the time.
func FromContract(s signaling.Schedule) (Plan, error) {
	var p Plan
	switch {
	case len(s.Hours) > MaxHours:
		return p, fmt.Errorf("hours has %d entries: at most %d", len(s.Hours), MaxHours)
	case len(s.Open) > MaxSpans:
		return p, fmt.Errorf("open has %d entries: at most %d", len(s.Open), MaxSpans)
	case len(s.Closed) > MaxSpans:
		return p, fmt.Errorf("closed has %d entries: at most %d", len(s.Closed), MaxSpans)
	}
	for i, h := range s.Hours {
		hours, err := openHours(h)
		if err != nil {
			return p, fmt.Errorf("hours[%d]: %w", i, err)
		}
		p.Hours = append(p.Hours, hours)
	}
	var err error
	if p.Open, err = spans("open", s.Open); err != nil {
		return p, err
	}
	if p.Closed, err = spans("closed", s.Closed); err != nil {
		return p, err
	}
	if s.Expires != nil {
		if s.Expires.IsZero() {
			return p, fmt.Errorf("expires is the year 1: leave it out where the machine stays")
		}
		p.Expires = *s.Expires
	}
	if p.Location, err = location(s.TimeZone); err != nil {
		return p, err
	}
	if p.Time, err = seconds("horizonS", s.HorizonS); err != nil {
		return p, err
	}
	if p.Period, err = seconds("periodS", s.PeriodS); err != nil {
		return p, err
	}
	switch {
	case p.Time == 0 && p.Period > 0:
		return p, fmt.Errorf("periodS is %d without horizonS: what comes back each period is of the time for which the node promises", s.PeriodS)
	case p.Period > p.Time:
		return p, fmt.Errorf("periodS is %d and horizonS %d: the period is not longer than the time", s.PeriodS, s.HorizonS)
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	if allWeek(p.Hours) { // such a node never closes by its hours, however far they are laid out
		p.Hours, p.Open = nil, nil
	}
	return p, nil
}

// allWeek says whether hours, of which none overlap, leave no time out.
func allWeek(hours []Hours) bool {
	var all time.Duration
	for _, h := range hours {
		all += (h.To - h.From) * time.Duration(len(h.Days))
	}
	return all == 7*24*time.Hour
}

func seconds(field string, s int64) (time.Duration, error) {
	if s < 0 || s > int64(MaxTime/time.Second) {
		return 0, fmt.Errorf("%s is %d: 0 to %d", field, s, int64(MaxTime/time.Second))
	}
	return time.Duration(s) * time.Second, nil
}

// location finds a time zone. "Local" is another one on each machine, so it is none.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if len(name) <= 60 && name != "Local" {
		if l, err := time.LoadLocation(name); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("timeZone %.60q is unknown: a name of the IANA database, like Europe/Berlin", name)
}

func openHours(h signaling.OpenHours) (Hours, error) {
	var out Hours
	if len(h.Days) == 0 {
		return out, fmt.Errorf("days is empty: some of mon, tue, wed, thu, fri, sat, sun")
	}
	for _, name := range h.Days {
		d, known := days[strings.ToLower(name)]
		if !known {
			return out, fmt.Errorf("day %.20q: mon, tue, wed, thu, fri, sat or sun", name)
		}
		if slices.Contains(out.Days, d) {
			return out, fmt.Errorf("day %s appears twice", name)
		}
		out.Days = append(out.Days, d)
	}
	var err error
	if out.From, err = onTheWall("from", h.From); err != nil {
		return out, err
	}
	if out.To, err = onTheWall("to", h.To); err != nil {
		return out, err
	}
	if out.To <= out.From {
		return out, fmt.Errorf("from %s to %s: they end before they begin; a night is two entries, to 24:00 and from 00:00", h.From, h.To)
	}
	return out, nil
}

// onTheWall reads a time of day like 07:30.
func onTheWall(field, text string) (time.Duration, error) {
	var hour, minute int
	digits := len(text) == 5 && text[2] == ':'
	for i := 0; i < len(text) && digits; i++ {
		digits = i == 2 || text[i] >= '0' && text[i] <= '9'
	}
	if digits {
		hour, minute = int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	}
	d := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if !digits || minute > 59 || d > 24*time.Hour {
		return 0, fmt.Errorf("%s %.20q: a time of day like 07:30, 00:00 to 24:00", field, text)
	}
	return d, nil
}

func spans(field string, all []signaling.TimeSpan) ([]Window, error) {
	var out []Window
	for i, s := range all {
		switch {
		case s.From.IsZero() || s.To.IsZero():
			return nil, fmt.Errorf("%s[%d]: from and to are needed", field, i)
		case !s.To.After(s.From):
			return nil, fmt.Errorf("%s[%d] from %s to %s: it ends before it begins", field, i, s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
		}
		w := Window{s.From, s.To}
		for j, o := range out {
			if w.Open.Before(o.Close) && o.Open.Before(w.Close) {
				return nil, fmt.Errorf("%s[%d] (%v) overlaps %s[%d] (%v)", field, i, w, field, j, o)
			}
		}
		out = append(out, w)
	}
	return out, nil
}
