package poolcmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// now is a Friday.
var now = time.Date(2026, 12, 4, 12, 0, 0, 0, time.UTC)

func TestASchedulesChangeKeepsWhatIsNotSaid(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := signaling.Schedule{
		TimeZone: "Europe/Berlin", HorizonS: 100, Hours: []signaling.OpenHours{{Days: []string{"mon"}, From: "08:00", To: "09:00"}},
		Open:   []signaling.TimeSpan{{From: now.Add(-2 * time.Hour), To: now}}, // is past
		Closed: []signaling.TimeSpan{{From: now.Add(time.Hour), To: now.Add(2 * time.Hour)}},
	}
	for _, c := range []struct {
		name   string
		change scheduleChange
		want   signaling.Schedule
	}{
		{"more is closed", scheduleChange{closed: []string{"2026-12-24T00:00/2026-12-27T00:00", "now/+30m"}}, signaling.Schedule{TimeZone: "Europe/Berlin", HorizonS: 100,
			Hours: before.Hours, Closed: []signaling.TimeSpan{before.Closed[0], {From: at("2026-12-23T23:00:00Z"), To: at("2026-12-26T23:00:00Z")}, {From: now, To: now.Add(30 * time.Minute)}}}},
		{"hours take the place of hours", scheduleChange{hours: []string{"mon-wed,sun 07:30-19:00", "fri 00:00-24:00"}}, signaling.Schedule{TimeZone: "Europe/Berlin", HorizonS: 100,
			Hours: []signaling.OpenHours{{Days: []string{"mon", "tue", "wed", "sun"}, From: "07:30", To: "19:00"}, {Days: []string{"fri"}, From: "00:00", To: "24:00"}}, Closed: before.Closed}},
		{"always", scheduleChange{always: true, fresh: true, zone: "UTC", expires: "2027-01-01T00:00:00+01:00", horizon: 48 * time.Hour, period: 24 * time.Hour},
			signaling.Schedule{TimeZone: "UTC", HorizonS: 172800, PeriodS: 86400, Expires: func() *time.Time { v := at("2026-12-31T23:00:00Z"); return &v }()}},
	} {
		got, err := c.change.over(before, now)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(got.Open) == 0 {
			got.Open = nil
		}
		if len(got.Closed) == 0 {
			got.Closed = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", c.name, got, c.want)
		}
	}
	if len(before.Open) != 1 {
		t.Error("what was there is changed")
	}
	goes := now.Add(time.Hour)
	if s, err := (&scheduleChange{expires: "never"}).over(signaling.Schedule{Expires: &goes}, now); err != nil || s.Expires != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSchedulesThatCannotBeAreWrongUsage(t *testing.T) {
	s := newServer(t, map[string]string{"GET /api/v1/nodes/edge-1/schedule": `{"closed":[{"from":"2031-01-01T00:00:00Z","to":"2031-01-02T00:00:00Z"}]}`})
	for want, args := range map[string][]string{
		"write them like":               {"--hours", "mon"},
		"days are mon":                  {"--hours", "fri-mon 07:00-08:00"},
		"a time of day":                 {"--hours", "mon 7-8"},
		"they end before they begin":    {"--hours", "mon 22:00-06:00"},
		"hours[1] overlap":              {"--hours", "mon 07:00-08:00", "--hours", "mon-tue 07:30-09:00"},
		"exclude each other":            {"--hours", "mon 07:00-08:00", "--always"},
		"write it like 2026-12-05T18:0": {"--closed", "tomorrow"},
		"is written like +4h":           {"--closed", "now/+-4h"},
		"it ends before it begins":      {"--closed", "2031-06-02T00:00/2031-06-01T00:00"},
		"overlaps closed[0]":            {"--closed", "2031-01-01T12:00/2031-01-03T00:00"},
		"write it like 2026-12-24T18:0": {"--expires", "soon"},
		"timeZone":                      {"--time-zone", "Mars/Base"},
		"without horizonS":              {"--period", "24h"},
		"horizonS is -3600":             {"--horizon", "-1h"},
		"and sets nothing":              {"--clear", "--always"},
	} {
		out, err := s.run(t, append([]string{"schedule", "edge-1"}, args...)...)
		if !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q\n%s", args, err, want, out)
		}
	}
	for _, args := range [][]string{{"time", "edge-1", "--hours", "0"}, {"time", "edge-1", "--hours", "337"}, {"time", "edge-1", "--width", "3"}, {"time"}, {"move"}, {"move", "a", "b"}, {"schedule"}} {
		if out, err := s.run(t, args...); !errors.Is(err, service.ErrUsage) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if strings.Contains(s.requests(), "PUT") || strings.Contains(s.requests(), "DELETE") {
		t.Errorf("something was asked for:\n%s", s.requests())
	}
}

func TestScheduleIsShownInItsTimeZone(t *testing.T) {
	s := newServer(t, map[string]string{"GET /api/v1/nodes/edge-1/schedule": `{"from":"configuration","timeZone":"Europe/Berlin","horizonS":604800,"periodS":86400,
		"hours":[{"days":["mon","tue","wed","thu","fri"],"from":"07:30","to":"19:00"},{"days":["sat","mon"],"from":"20:00","to":"21:00"}],
		"open":[{"from":"2026-12-05T17:00:00Z","to":"2026-12-06T05:00:00Z"}],"expires":"2027-07-01T10:00:00Z"}`,
		"PUT /api/v1/nodes/edge-1/schedule": "", "DELETE /api/v1/nodes/edge-1/schedule": ""})
	out, err := s.run(t, "schedule", "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Set by:      configuration", "mon-fri 07:30-19:00; sat,mon 20:00-21:00 (Europe/Berlin)",
		"Sat 2026-12-05 18:00 CET to Sun 2026-12-06 06:00 CET", "Thu 2027-07-01 12:00 CEST, in ", "Promises:    168h", "Gives back:  24h"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q:\n%s", want, out)
		}
	}
	if out, err := s.run(t, "schedule", "edge-1", "--closed", "now/+2h"); err != nil || out != "edge-1: scheduled\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := s.run(t, "schedule", "edge-1", "--clear"); err != nil || !strings.HasPrefix(out, "edge-1: as the configuration") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatSaysNothingIsRefusedOrToldApart(t *testing.T) {
	goes := time.Now().Add(97 * time.Second).UTC().Format(time.RFC3339)
	s := newServer(t, map[string]string{
		"GET /api/v1/nodes/edge-1/schedule": `{"from":"none"}`,
		"GET /api/v1/nodes/spot/schedule":   `{"from":"none","goesAt":"` + goes + `"}`,
		"POST /api/v1/tasks/t-1/move":       `{"task":"t-1","from":"edge-1","reason":"by-hand","state":"stays","why":"no node has room","endedAt":"2026-12-04T12:00:00Z"}`,
	})
	if out, err := s.run(t, "schedule", "edge-1"); err != nil || !strings.Contains(out, "always") || strings.Contains(out, "none") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := s.run(t, "schedule", "spot"); err != nil || !strings.Contains(out, "as the machine says itself") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"schedule", "edge-1", "--horizon", "0"}, {"schedule", "edge-1", "--period", "0s"}, {"move", "t-1", "--to", ""}} {
		if out, err := s.run(t, args...); !errors.Is(err, service.ErrUsage) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if out, err := s.run(t, "move", "t-1"); err == nil || out != "" || !strings.Contains(err.Error(), "stays on edge-1: no node has room") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestThePoolAtAGlanceTellsClosedNodesApart(t *testing.T) {
	o := overview{Nodes: map[signaling.NodeState]int{signaling.NodeReady: 2, signaling.NodeLost: 1}, Closed: 1}
	if got := o.String(); !strings.HasPrefix(got, "3 nodes (2 ready, 1 of them closed, 1 lost), ") {
		t.Error(got)
	}
}

// TestATimeLineIsDrawn: each character is the most that is in use in its time, blank where the node is closed.
func TestATimeLineIsDrawn(t *testing.T) {
	at := func(h int) string { return now.Add(time.Duration(h) * time.Hour).Format(time.RFC3339) }
	free := func(gpu int) string { return fmt.Sprintf(`{"gpuMilli":%d,"cpuMilli":4000}`, gpu) }
	s := newServer(t, map[string]string{
		"GET /api/v1/nodes/edge-1": `{"id":"edge-1","capacity":{"gpuMilli":1000,"cpuMilli":4000}}`,
		"GET /api/v1/nodes/edge-1/time": `{"at":"` + at(0) + `","open":true,"totalS":36000,"freeS":{"gpuMilli":7200,"cpuMilli":14400},"line":[
			{"at":"` + at(0) + `","open":true,"free":` + free(0) + `},{"at":"` + at(6) + `","open":true,"free":` + free(400) + `},
			{"at":"` + at(12) + `","open":false,"free":` + free(1000) + `},{"at":"` + at(18) + `","open":true,"free":` + free(1000) + `}],
			"tasks":[{"task":"t-1","type":"rendering","resources":{"gpuMilli":600},"startedAt":"` + at(-1) + `","endsAt":"2999-01-01T00:00:00Z","lateAt":"2999-01-02T00:00:00Z","shadow":true},
			{"task":"t-2","type":"training","resources":{},"startedAt":"` + at(-1) + `"}]}`,
	})
	out, err := s.run(t, "time", "edge-1", "--hours", "24", "--width", "24")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Now:          open for 12h", "Can be used:  10h",
		"GPU time    ██████▓▓▓▓▓▓      ······  2h",
		"processor   ············      ······  4h",
		"t-1   rendering", "shadow", "nobody knows", "nothing in use",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "encoders") {
		t.Errorf("a kind that it does not have is drawn:\n%s", out)
	}
	if out, err = s.run(t, "time", "edge-1", "--json"); err != nil || !strings.Contains(out, `"totalS": 36000`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMovesAndScalingAreTables(t *testing.T) {
	s := newServer(t, map[string]string{
		"POST /api/v1/tasks/t-1/move": `{"task":"t-1","from":"edge-1","to":"edge-2","reason":"by-hand","state":"waiting","beganAt":"2026-12-04T12:00:00Z"}`,
		"GET /api/v1/moves": `{"moves":[{"task":"t-1","from":"edge-1","to":"edge-2","reason":"drain","state":"handing-over","beganAt":"2026-12-04T12:00:00Z"},
			{"task":"t-2","from":"edge-3","to":"","reason":"lost","state":"stays","why":"no target","beganAt":"2026-12-04T12:00:00Z","endedAt":"2026-12-04T12:00:01.26Z"}]}`,
		"GET /api/v1/scaling": `{"orders":[{"task":"t-1","node":"edge-1","kind":"gpuMilli","direction":"shrink","from":250,"to":120,"state":"waiting","why":"its need is more","createdAt":"2026-12-04T12:00:00Z","dueAt":"2026-12-04T14:00:00Z"}],
			"reports":[{"task":"t-2","node":"edge-1","kind":"cpuMilli","direction":"expand","from":500,"to":600,"state":"given-up","createdAt":"2026-12-04T12:00:00Z","endedAt":"2026-12-04T12:01:00Z"}]}`,
		"POST /api/v1/forecast":   `{"known":true,"expectedMs":90000,"lowMs":4500,"highMs":7200000,"gpuMilli":120,"cpuMilli":1500,"basis":"the last 20"}`,
		"POST /api/v1/explain":    `{"policy":"risk","forecast":{"known":true,"expectedMs":90000,"lowMs":4500,"highMs":7200000},"summary":"none","verdicts":[]}`,
		"GET /api/v1/predictions": `{"scores":[{"type":"rendering","tasks":200,"unknown":3,"errorLog":0.512,"within2":0.755,"covered90":0.9}]}`,
	})
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"move", "t-1"}, []string{"t-1: waits to move from edge-1 to edge-2"}},
		{[]string{"move", "t-1", "--to", "edge-2", "--json"}, []string{`"reason": "by-hand"`}},
		{[]string{"moves"}, []string{"handing-over", "1.3s  no target", "drain"}},
		{[]string{"scaling"}, []string{"GPU time   shrink  25% of a GPU  12% of a GPU  waiting", "processor  expand     0.5 cores     0.6 cores  given up", "its need is more"}},
		{[]string{"forecast"}, []string{"90s", "4.5s to 2h", "12% of a GPU", "1.5 cores", "the last 20"}},
		{[]string{"explain"}, []string{"risk", "90s, eight of ten 4.5s to 2h"}},
		{[]string{"predictions"}, []string{"0.51", "75.5 %", "90 %"}},
	} {
		out, err := s.run(t, c.args...)
		for _, want := range c.want {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%v: %v, nothing of %q:\n%s", c.args, err, want, out)
			}
		}
	}
}

// The history is written as it comes, and predicted from without a trace left.
func TestTheHistoryIsWrittenAsItComes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var lines strings.Builder
	for i := range 40 {
		begin := now.Add(time.Duration(i) * time.Minute)
		fmt.Fprintf(&lines, `{"task":"t-%d","type":"training","requested":{"gpuMilli":500},"createdAt":%q,"startedAt":%q,"endedAt":%q}`+"\n", i,
			begin.Format(time.RFC3339), begin.Format(time.RFC3339), begin.Add(time.Duration(20+i%3)*time.Second).Format(time.RFC3339))
	}
	s := newServer(t, map[string]string{"GET /api/v1/history": lines.String()})
	if out, err := s.run(t, "history"); err != nil || out != lines.String() {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := s.run(t, "predict", "--examples", "0", "--json"); err != nil || !strings.Contains(out, `"score"`) || strings.Contains(out, `"task"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(s.requests(), "format=jsonl") {
		t.Error(s.requests())
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	var none bytes.Buffer
	if err := Run(t.Context(), []string{"predict", "--broker", "http://127.0.0.1:1"}, &none); err == nil {
		t.Error("it predicts without a broker")
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestWhatComesOfTimesIsOnlyPrinted has names that would move the operator's cursor.
func TestWhatComesOfTimesIsOnlyPrinted(t *testing.T) {
	evil := `\u001b[2J`
	s := newServer(t, map[string]string{
		"POST /api/v1/tasks/t-1/move":       `{"task":"` + evil + `","from":"` + evil + `","to":"` + evil + `","state":"` + evil + `"}`,
		"GET /api/v1/moves":                 `{"moves":[{"task":"` + evil + `","why":"` + evil + `","state":"` + evil + `"}]}`,
		"GET /api/v1/scaling":               `{"orders":[{"task":"` + evil + `","kind":"` + evil + `","state":"` + evil + `"}]}`,
		"POST /api/v1/forecast":             `{"known":true,"basis":"` + evil + `"}`,
		"GET /api/v1/predictions":           `{"scores":[{"type":"` + evil + `"}]}`,
		"GET /api/v1/nodes/edge-1":          `{"id":"edge-1","capacity":{"gpuMilli":1}}`,
		"GET /api/v1/nodes/edge-1/time":     `{"tasks":[{"task":"` + evil + `","type":"` + evil + `"}],"line":[]}`,
		"GET /api/v1/nodes/edge-1/schedule": `{"from":"` + evil + `","timeZone":"` + evil + `","hours":[{"days":["` + evil + `"],"from":"` + evil + `"}]}`,
	})
	for _, args := range [][]string{{"move", "t-1"}, {"moves"}, {"scaling"}, {"forecast"}, {"predictions"}, {"time", "edge-1"}, {"schedule", "edge-1"}} {
		out, err := s.run(t, args...)
		if err != nil || strings.ContainsRune(out, '\x1b') {
			t.Errorf("%v: %v\n%q", args, err, out)
		}
	}
}
