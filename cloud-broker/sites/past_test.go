package sites

import (
	"slices"
	"testing"
	"time"
)

// TestWhatIsOverIsTold: schedules whose times are over, each by its node, and nothing of those that go on.
func TestWhatIsOverIsTold(t *testing.T) {
	c, err := Parse([]byte(`nodes:
  gone: {schedule: {expires: 2026-01-01T00:00}}
  shut: {schedule: {open: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00}]}}
  back: {schedule: {closed: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00}]}}
  goes: {schedule: {expires: 2027-01-01T00:00, open: [{from: 2026-01-01T00:00, to: 2026-12-02T00:00}]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"node back: all closed spans are over: they say nothing any more", "node gone: expires 2026-01-01T00:00:00Z is over: nothing runs there",
		"node shut: all open spans are over: nothing runs there"}
	if got := c.Past(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := c.Past(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)); got != nil {
		t.Errorf("%q", got)
	}
}

// TestWhatIsSpreadIsNotMovedTogether, unless that is configured.
func TestWhatIsSpreadIsNotMovedTogether(t *testing.T) {
	for text, none := range map[string]bool{"policy: spread\n": true, "policy: packed\n": false, "defragment: {hold: 1h}\npolicy: spread\n": true,
		"defragment: {preset: {gpu-milli: 300}}\npolicy: spread\n": false} {
		c, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.Defragment.Preset.IsZero() != none {
			t.Errorf("%s: preset %v", text, c.Defragment.Preset)
		}
	}
}
