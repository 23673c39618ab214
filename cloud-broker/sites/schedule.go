package sites

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/internal/strictyaml"
	"github.com/tomocast/tomocast/signaling"
)

// schedule reads when a node is open (B3).
func schedule(n *yaml.Node) (*signaling.Schedule, error) {
	s, where := &signaling.Schedule{}, time.UTC
	later := func(*yaml.Node) error { return nil }
	// The zone first, wherever it stands: times without one are told in it.
	if err := strictyaml.Fields(n, "a schedule", map[string]strictyaml.Reader{
		"hours": later, "open": later, "closed": later, "expires": later, "horizon": later, "period": later,
		"time-zone": func(v *yaml.Node) error {
			name, err := strictyaml.Text(v, "time-zone")
			if err != nil {
				return err
			}
			s.TimeZone = name
			p, err := nodetime.FromContract(signaling.Schedule{TimeZone: name})
			if err != nil {
				return strictyaml.At(v, "time-zone %.60q is unknown: a name of the IANA database, like Europe/Berlin", name)
			}
			where = p.Location
			return nil
		},
	}); err != nil {
		return nil, err
	}
	err := strictyaml.Fields(n, "a schedule", map[string]strictyaml.Reader{
		"time-zone": later,
		"hours": func(v *yaml.Node) error {
			return strictyaml.List(v, "hours", nodetime.MaxHours, func(v *yaml.Node) error {
				h, err := hours(v)
				s.Hours = append(s.Hours, h)
				if err == nil {
					_, err = nodetime.FromContract(signaling.Schedule{Hours: s.Hours})
					err = on(v, err)
				}
				return err
			})
		},
		"open":   func(v *yaml.Node) (err error) { s.Open, err = spans(v, "open", where); return err },
		"closed": func(v *yaml.Node) (err error) { s.Closed, err = spans(v, "closed", where); return err },
		"expires": func(v *yaml.Node) error {
			at, err := instant(v, "expires", where)
			s.Expires = &at
			return err
		},
		"horizon": func(v *yaml.Node) error {
			d, err := duration(v, "horizon", nodetime.MaxTime)
			s.HorizonS = int64(d / time.Second)
			return err
		},
		"period": func(v *yaml.Node) error {
			d, err := duration(v, "period", nodetime.MaxTime)
			s.PeriodS = int64(d / time.Second)
			if err == nil && s.PeriodS == 0 {
				err = strictyaml.At(v, "period is %v: at least 1s; leave it out where nothing comes back", d)
			}
			return err
		},
	})
	if err == nil {
		_, err = nodetime.FromContract(*s)
		err = on(n, err)
	}
	return s, err
}

// on is an error on the line of n.
func on(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return strictyaml.At(n, "%w", err)
}

func hours(n *yaml.Node) (h signaling.OpenHours, err error) {
	err = strictyaml.Fields(n, "hours", map[string]strictyaml.Reader{
		"days": func(v *yaml.Node) error {
			return strictyaml.List(v, "days", 7, func(v *yaml.Node) error {
				d, err := strictyaml.Text(v, "day")
				h.Days = append(h.Days, d)
				return err
			})
		},
		"from": func(v *yaml.Node) (err error) { h.From, err = strictyaml.Text(v, "from"); return err },
		"to":   func(v *yaml.Node) (err error) { h.To, err = strictyaml.Text(v, "to"); return err },
	})
	return h, err
}

// spans reads a list of spans of time. One that ends before it begins, or overlaps another, is refused on its own line.
func spans(n *yaml.Node, what string, where *time.Location) (all []signaling.TimeSpan, err error) {
	err = strictyaml.List(n, what, nodetime.MaxSpans, func(v *yaml.Node) error {
		var s signaling.TimeSpan
		err := strictyaml.Fields(v, "a span of time", map[string]strictyaml.Reader{
			"from": func(v *yaml.Node) (err error) { s.From, err = instant(v, "from", where); return err },
			"to":   func(v *yaml.Node) (err error) { s.To, err = instant(v, "to", where); return err },
		})
		all = append(all, s)
		if err == nil {
			c := signaling.Schedule{Open: all}
			if what == "closed" {
				c = signaling.Schedule{Closed: all}
			}
			_, err = nodetime.FromContract(c)
			err = on(v, err)
		}
		return err
	})
	return all, err
}

// instant reads a time, with its own offset (RFC 3339) or by the clock on the wall of a zone.
func instant(n *yaml.Node, what string, where *time.Location) (time.Time, error) {
	s, err := strictyaml.Text(n, what)
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, s, where); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, strictyaml.At(n, "%s %.40q: a time like 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00", what, s)
}

// duration reads a time like 90s, 10m or 168h, at most most.
func duration(n *yaml.Node, what string, most time.Duration) (time.Duration, error) {
	s, err := strictyaml.Text(n, what)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > most {
		return 0, strictyaml.At(n, "%s %.40q: a time like 90s, 10m or 2h, at most %v", what, s, most)
	}
	return d, nil
}
