package poolcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// scheduled is when a node is open, as the API answers it.
type scheduled struct {
	signaling.Schedule
	From   string     `json:"from"`
	GoesAt *time.Time `json:"goesAt,omitempty"` // by the machine's own word
}

// weekdays in their order, as the contract names them.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func schedule(ctx context.Context, f *service.Flags, args []string, out io.Writer) error {
	f.Arguments("NODE", "id of the node", 1, 1)
	f.Group("When it is open (what is left out stays as it is)")
	var hours, open, closed repeated
	f.Var(&hours, "hours", "opening `hours` by the week, like \"mon-fri 07:30-19:00\"; may be given several times, and takes the place of those before")
	always := f.Bool("always", false, "no opening hours: it is open always but for the spans")
	f.Var(&open, "open", "`span` in which it is open besides, like 2026-12-05T18:00/2026-12-06T06:00; may be given several times")
	f.Var(&closed, "closed", "`span` in which it is closed: FROM/TO, now/TO or FROM/+4h; may be given several times")
	fresh := f.Bool("drop-spans", false, "forget the spans that were set before")
	expires := f.String("expires", "", "`time` at which the machine goes, or never")
	zone := f.String("time-zone", "", "`name` of the time zone of hours and times, like Europe/Berlin; UTC where nothing is said")
	var horizon, period some
	f.Var(&horizon, "horizon", "for how `long` it promises its resources ahead (T), like 168h")
	f.Var(&period, "period", "how `often` what it has promised comes back (circulation period), like 24h")
	reset := f.Bool("clear", false, "take back what was set; what the configuration of sites says counts again")
	d, connect := displayFlags(f, out), clientFlags(f)
	f.Example("cloud-broker pool schedule edge-7", "when edge-7 is open")
	f.Example("cloud-broker pool schedule edge-7 --closed now/+2h", "maintenance for two hours; what runs there is moved away")
	f.Example(`cloud-broker pool schedule edge-7 --time-zone Europe/Berlin --hours "mon-fri 07:30-19:00" --hours "sat 08:00-13:00"`, "opening hours")
	if err := f.Parse(args); err != nil {
		return err
	}
	change := scheduleChange{hours: hours, always: *always, open: open, closed: closed, fresh: *fresh, expires: *expires, zone: *zone,
		horizon: time.Duration(horizon), period: time.Duration(period)}
	if *reset && !change.none() {
		return fmt.Errorf("%w: --clear takes back what was set, and sets nothing", service.ErrUsage)
	}
	c, err := connect()
	if err != nil {
		return err
	}
	node := f.Args()[0]
	path := nodePath(node) + "/schedule"
	switch {
	case *reset:
		return each([]string{node}, out, "as the configuration of sites has it", func(string) error { return c.do(ctx, http.MethodDelete, path, nil, nil, nil) })
	case !change.none():
		var now scheduled
		if err := c.do(ctx, http.MethodGet, path, nil, nil, &now); err != nil {
			return err
		}
		s, err := change.over(now.Schedule, c.now())
		if err != nil {
			return fmt.Errorf("%w: %w", service.ErrUsage, err)
		}
		return each([]string{node}, out, "scheduled", func(string) error { return c.do(ctx, http.MethodPut, path, nil, s, nil) })
	}
	return d.show(ctx, c, func(ctx context.Context) (page, error) {
		var s answered[scheduled]
		err := c.do(ctx, http.MethodGet, path, nil, nil, &s)
		return page{s, func(w io.Writer, at moment) { s.value.print(w, node, at) }}, err
	})
}

// repeated is a flag that may be given several times. Its values may have commas in them.
type repeated []string

func (r *repeated) String() string { return "" }

func (r *repeated) Set(s string) error {
	*r = append(*r, s)
	return nil
}

// some is a flag with an amount of time; none is not one of them.
type some time.Duration

func (s *some) String() string {
	if *s == 0 {
		return ""
	}
	return span(time.Duration(*s))
}

// Set takes what is written; 0 would say nothing.
func (s *some) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return errors.New("write it like 24h")
	case d == 0:
		return errors.New("more than 0, like 24h; --clear takes back what was set")
	}
	*s = some(d)
	return nil
}

// scheduleChange is what is to be said otherwise of when a node is open.
type scheduleChange struct {
	hours, open, closed []string
	always, fresh       bool
	expires, zone       string
	horizon, period     time.Duration
}

func (g *scheduleChange) none() bool {
	return len(g.hours)+len(g.open)+len(g.closed) == 0 && !g.always && !g.fresh && g.expires == "" && g.zone == "" && g.horizon == 0 && g.period == 0
}

// over is a schedule with the change: what it leaves out stays, but for spans that are past.
func (g *scheduleChange) over(s signaling.Schedule, now time.Time) (signaling.Schedule, error) {
	past := func(t signaling.TimeSpan) bool { return g.fresh || !t.To.After(now) }
	s.Open, s.Closed = slices.DeleteFunc(slices.Clone(s.Open), past), slices.DeleteFunc(slices.Clone(s.Closed), past)
	if g.zone != "" {
		s.TimeZone = g.zone
	}
	p, err := nodetime.FromContract(signaling.Schedule{TimeZone: s.TimeZone})
	if err != nil {
		return s, err
	}
	if g.always && len(g.hours) > 0 {
		return s, errors.New("--always and --hours exclude each other")
	}
	if g.always || len(g.hours) > 0 {
		s.Hours = nil
	}
	for _, text := range g.hours {
		h, err := parseHours(text)
		if err != nil {
			return s, err
		}
		s.Hours = append(s.Hours, h)
	}
	for _, list := range []struct {
		texts []string
		to    *[]signaling.TimeSpan
	}{{g.open, &s.Open}, {g.closed, &s.Closed}} {
		for _, text := range list.texts {
			span, err := parseSpan(text, now, p.Location)
			if err != nil {
				return s, err
			}
			*list.to = append(*list.to, span)
		}
	}
	switch {
	case g.expires == "never":
		s.Expires = nil
	case g.expires != "":
		at, err := parseTime(g.expires, now, p.Location)
		if err != nil {
			return s, fmt.Errorf("--expires: %w", err)
		}
		s.Expires = &at
	}
	if g.horizon != 0 {
		s.HorizonS = int64(g.horizon / time.Second)
	}
	if g.period != 0 {
		s.PeriodS = int64(g.period / time.Second)
	}
	_, err = nodetime.FromContract(s)
	return s, err
}

// parseHours reads opening hours like "mon-fri,sun 07:30-19:00".
func parseHours(text string) (h signaling.OpenHours, err error) {
	days, clock, ok := strings.Cut(strings.TrimSpace(text), " ")
	from, to, span := strings.Cut(strings.TrimSpace(clock), "-")
	if !ok || !span {
		return h, fmt.Errorf(`hours %.40q: write them like "mon-fri 07:30-19:00"`, text)
	}
	for _, part := range strings.Split(days, ",") {
		first, last, several := strings.Cut(part, "-")
		if !several {
			last = first
		}
		a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if a < 0 || b < a {
			return h, fmt.Errorf("hours %.40q: days are mon, tue, wed, thu, fri, sat, sun, or like mon-fri", text)
		}
		h.Days = append(h.Days, weekdays[a:b+1]...)
	}
	h.From, h.To = from, to
	return h, nil
}

// parseSpan reads FROM/TO, where FROM may be now, and TO a time behind it like +4h.
func parseSpan(text string, now time.Time, where *time.Location) (s signaling.TimeSpan, err error) {
	from, to, ok := strings.Cut(text, "/")
	if !ok {
		return s, fmt.Errorf("span %.60q: write it like 2026-12-05T18:00/2026-12-06T06:00 or now/+4h", text)
	}
	if s.From, err = parseTime(from, now, where); err != nil {
		return s, err
	}
	if after, relative := strings.CutPrefix(to, "+"); relative {
		d, err := time.ParseDuration(after)
		if err != nil || d <= 0 {
			return s, fmt.Errorf("span %.60q: a time behind its beginning is written like +4h", text)
		}
		s.To = s.From.Add(d)
		return s, nil
	}
	s.To, err = parseTime(to, now, where)
	return s, err
}

func parseTime(text string, now time.Time, where *time.Location) (time.Time, error) {
	if text == "now" {
		return now.UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, text, where); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %.40q: write it like 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00", text)
}

func (s *scheduled) print(w io.Writer, node string, at moment) {
	where := time.UTC
	if p, err := nodetime.FromContract(signaling.Schedule{TimeZone: s.TimeZone}); err == nil {
		where = p.Location
	}
	show := func(t time.Time) string { return t.In(where).Format("Mon 2006-01-02 15:04 MST") }
	spans := func(all []signaling.TimeSpan) string {
		parts := make([]string, len(all))
		for i, t := range all {
			parts[i] = show(t.From) + " to " + show(t.To)
		}
		return strings.Join(parts, "; ")
	}
	hours := make([]string, len(s.Hours))
	for i, h := range s.Hours {
		hours[i] = dayRange(h.Days) + " " + h.From + "-" + h.To
	}
	switch {
	case len(hours) == 0 && len(s.Open) == 0:
		hours = []string{"always"}
	case len(hours) > 0 && s.TimeZone != "":
		hours[len(hours)-1] += " (" + s.TimeZone + ")"
	}
	expires, ahead, period, by := "", "", "", s.From
	if by == "none" {
		by = ""
	}
	switch {
	case s.GoesAt != nil && (s.Expires == nil || s.GoesAt.Before(*s.Expires)):
		expires = show(*s.GoesAt) + ", in " + short(s.GoesAt.Sub(at.now)) + ", as the machine says itself"
	case s.Expires != nil:
		expires = show(*s.Expires) + ", in " + short(s.Expires.Sub(at.now))
	}
	if s.HorizonS > 0 {
		ahead, period = span(time.Duration(s.HorizonS)*time.Second), span(time.Duration(s.PeriodS)*time.Second)
	}
	fields(w, "Node", node, "Set by", by, "Open", strings.Join(hours, "; "), "And", spans(s.Open), "Closed", spans(s.Closed), "Goes", expires,
		"Promises", ahead, "Gives back", period)
}

// dayRange is days in a few letters.
func dayRange(days []string) string {
	if len(days) > 2 {
		if a := slices.Index(weekdays, days[0]); a >= 0 && a+len(days) <= len(weekdays) && slices.Equal(days, weekdays[a:a+len(days)]) {
			return days[0] + "-" + days[len(days)-1]
		}
	}
	return strings.Join(days, ",")
}
