package sites

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Past tells, in words, what of the nodes' schedules is over already at a time and so, most likely, not meant: a machine that has
// gone, and spans that all have ended.
func (c *Config) Past(now time.Time) []string {
	if c == nil {
		return nil
	}
	var out []string
	for _, id := range slices.Sorted(maps.Keys(c.Schedules)) {
		s := c.Schedules[id]
		if s.Expires != nil && !s.Expires.After(now) {
			out = append(out, fmt.Sprintf("node %s: expires %s is over: nothing runs there", id, s.Expires.Format(time.RFC3339)))
		}
		if over(s.Open, now) {
			what := "they say nothing any more"
			if len(s.Hours) == 0 {
				what = "nothing runs there"
			}
			out = append(out, fmt.Sprintf("node %s: all open spans are over: %s", id, what))
		}
		if over(s.Closed, now) {
			out = append(out, fmt.Sprintf("node %s: all closed spans are over: they say nothing any more", id))
		}
	}
	return out
}

// over says whether there are spans, and all have ended.
func over(spans []signaling.TimeSpan, now time.Time) bool {
	return len(spans) > 0 && !slices.ContainsFunc(spans, func(s signaling.TimeSpan) bool { return s.To.After(now) })
}
