package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/signaling"
)

// timed is a node with its time, as the API answers it.
type timed struct {
	signaling.Node
	Time *nodetimes.Status `json:"time"`
}

// eventually asks until the answer is as it should be, as often as anybody may ask.
func eventually[T any](b *running, what, method, path, body string, is func(T) bool) {
	b.t.Helper()
	b.eventually(what, func() bool {
		r := b.ask(method, "/api/v1"+path, body)
		return r.status != http.StatusTooManyRequests && is(decode[T](b.t, r, http.StatusOK))
	})
}

func span(from, to time.Time) string {
	return fmt.Sprintf(`{"from":%q,"to":%q}`, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
}

// closedFor is a schedule that is closed from a moment ago on.
func closedFor(d time.Duration) string {
	return `{"closed":[` + span(time.Now().Add(-time.Minute), time.Now().Add(d)) + `]}`
}

// TestB3NothingNewComesToANodeThatIsClosed: an operator closes it over the API, sees it, and opens it again.
func TestB3NothingNewComesToANodeThatIsClosed(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(newNode("near"))
		if r := b.ask("GET", "/api/v1/nodes/near/schedule", ""); r.status != 200 || !strings.Contains(string(r.body), `"from":"none"`) {
			t.Errorf("a node that nobody has scheduled: %d %s", r.status, r.body)
		}
		for method, body := range map[string]string{"GET": "", "PUT": closedFor(time.Hour)} {
			if r := b.ask(method, "/api/v1/nodes/nosuch/schedule", body); r.status != 404 {
				t.Errorf("%s of a node that nobody knows: %d %s", method, r.status, r.body)
			}
		}
		if r := b.ask("GET", "/api/v1/history", ""); !strings.Contains(string(r.body), `"tasks":[]`) {
			t.Errorf("a history that is empty: %s", r.body)
		}
		if n := decode[timed](t, b.ask("GET", "/api/v1/nodes/near", ""), 200); n.Time != nil {
			t.Errorf("%+v", n.Time)
		}
		if r := b.ask("PUT", "/api/v1/nodes/near/schedule", closedFor(2*time.Hour)); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if s := decode[struct {
			signaling.Schedule
			From string
		}](t, b.ask("GET", "/api/v1/nodes/near/schedule", ""), 200); s.From != "operator" || len(s.Closed) != 1 {
			t.Errorf("%+v", s)
		}
		n := decode[timed](t, b.ask("GET", "/api/v1/nodes/near", ""), 200)
		if n.Time == nil || n.Time.Open || n.Time.OpensAt == nil || time.Until(*n.Time.OpensAt) < time.Hour || n.Time.FreeS == nil || *n.Time.FreeS != 0 {
			t.Errorf("%+v", n.Time)
		}
		if page := decode[struct{ Nodes []timed }](t, b.ask("GET", "/api/v1/nodes", ""), 200); page.Nodes[0].Time == nil || page.Nodes[0].Time.Open {
			t.Errorf("%+v", page)
		}
		if o := decode[struct{ Closed int }](t, b.ask("GET", "/api/v1/pool", ""), 200); o.Closed != 1 {
			t.Errorf("the overview counts %d closed nodes", o.Closed)
		}
		if r := b.ask("POST", "/api/v1/tasks", rendering); r.status != 503 || r.problem(t).Code != signaling.ProblemNoFreeNode {
			t.Errorf("a session on a closed node: %d %s", r.status, r.body)
		}
		if r := b.ask("POST", "/api/v1/explain", `{"request":{"type":"rendering"}}`); r.status != 200 || !strings.Contains(string(r.body), "closed") {
			t.Errorf("it is not told why: %s", r.body)
		}
		if r := b.ask("DELETE", "/api/v1/nodes/near/schedule", ""); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		b.submit()
	})
}

// TestB3WhoWaitsGetsANodeWhenItOpens: nothing but the time passes.
func TestB3WhoWaitsGetsANodeWhenItOpens(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	opens := time.Now().Add(700 * time.Millisecond)
	if r := b.ask("PUT", "/api/v1/nodes/near/schedule", fmt.Sprintf(`{"open":[{"from":%q,"to":%q}]}`, opens.Format(time.RFC3339Nano), opens.Add(time.Hour).Format(time.RFC3339Nano))); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	waits := b.wait(body(`"whenFull":"queue"`))
	g := heard[signaling.Grant](b.follow(waits.Task), string(signaling.TaskEventGrant))
	if g.Task != waits.Task || time.Now().Before(opens) {
		t.Errorf("%+v", g)
	}
}

// TestB3TheConfigurationSaysWhenNodesAreOpen: an operator's word counts before it, and taking that back gives it back.
func TestB3TheConfigurationSaysWhenNodesAreOpen(t *testing.T) {
	from := time.Now().Add(-time.Hour).UTC()
	file := written(t, "sites.yaml", fmt.Sprintf("nodes:\n  near:\n    schedule:\n      closed:\n        - {from: %s, to: %s}\n",
		from.Format(time.RFC3339), from.Add(3*time.Hour).Format(time.RFC3339)))
	b := start(t, "--sites", file)
	b.join(newNode("near"))
	open := func(want bool) {
		t.Helper()
		eventually(b, fmt.Sprintf("the node is open: %v", want), "GET", "/nodes/near", "", func(n timed) bool { return n.Time != nil && n.Time.Open == want })
	}
	open(false)
	if r := b.ask("GET", "/api/v1/nodes/near/schedule", ""); !strings.Contains(string(r.body), `"from":"configuration"`) {
		t.Errorf("%s", r.body)
	}
	if r := b.ask("PUT", "/api/v1/nodes/near/schedule", `{}`); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	open(true)
	b.submit()
	if r := b.ask("DELETE", "/api/v1/nodes/near/schedule", ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	open(false)
}

// TestB3MachinesThatGoSayWhen: an edge registers with when its machine goes.
func TestB3MachinesThatGoSayWhen(t *testing.T) {
	b := start(t)
	goes := time.Now().Add(90 * time.Minute).UTC().Truncate(time.Second)
	n := newNode("spot")
	n.Expires = &goes
	b.join(n)
	if r := b.ask("GET", "/api/v1/nodes/spot/schedule", ""); !strings.Contains(string(r.body), `"goesAt":"`+goes.Format(time.RFC3339)) {
		t.Errorf("its schedule does not say when it goes: %s", r.body)
	}
	eventually(b, "its time is known", "GET", "/nodes/spot", "", func(n timed) bool {
		return n.Time != nil && n.Time.ClosesAt != nil && n.Time.ClosesAt.Equal(goes) && *n.Time.FreeS < 5400.1
	})
}

// TestB3WhatRunsOnANodeThatClosesLeavesBefore: it moves while the node is open still, and the node takes part again when it has
// opened.
func TestB3WhatRunsOnANodeThatClosesLeavesBefore(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		here, there := b.join(newNode("near")), newNode("other")
		there.DistanceMs = 9
		target := b.join(there)
		g := b.submit()
		receive(t, "the instruction", here.instructions)
		here.update(g, signaling.TaskRunning)
		b.eventually("the session runs", func() bool { return here.state(g) == signaling.TaskRunning })
		if r := b.ask("PUT", "/api/v1/nodes/near/schedule", `{"closed":[`+span(time.Now().Add(time.Minute), time.Now().Add(time.Hour))+`]}`); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		i := receive(t, "the target's instruction", target.instructions)
		if leave := receive(t, "the wish to leave", here.moves); !i.Moves || i.Task != g.Task || leave.Attempt != g.Attempt.ID {
			t.Errorf("%+v, %+v", i, leave)
		}
		target.arrived(i)
		if r := receive(t, "the release", here.releases); r.Attempt != g.Attempt.ID || r.Problem == nil || r.Problem.Code != signaling.ProblemMoved {
			t.Errorf("%+v", r)
		}
		if end := b.ends(g.Task); end.State != "moved" || end.Reason != signaling.MoveClosing || end.From != "near" || end.To != "other" {
			t.Errorf("%+v", end)
		}
		if n := decode[timed](t, b.ask("GET", "/api/v1/nodes/near", ""), 200); n.State != signaling.NodeReady || n.Time == nil || !n.Time.Open || n.Free != n.Capacity {
			t.Errorf("it is still there, and empty: %+v", n)
		}
	})
}

// TestB3TheTimeLineOfANode shows what runs there, and for how long what is free can be used.
func TestB3TheTimeLineOfANode(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	g := b.submit()
	if r := b.ask("PUT", "/api/v1/nodes/near/schedule", `{"closed":[`+span(time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))+`],"horizonS":86400,"periodS":3600}`); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	got := decode[signaling.NodeTime](t, b.ask("GET", "/api/v1/nodes/near/time?hours=3", ""), 200)
	if !got.Open || len(got.Line) != 3 || got.Line[1].Open || !got.Line[2].Open || got.Line[0].Free.EncoderSessions != 3 || got.TotalS == nil || *got.TotalS != 86400 ||
		got.FreeS["gpuMilli"] > 3600 || got.FreeS["gpuMilli"] < 3590 {
		t.Errorf("%+v", got)
	}
	if len(got.Tasks) != 1 || got.Tasks[0].Task != g.Task || got.Tasks[0].EndsAt != nil || got.Tasks[0].Resources.EncoderSessions != 1 {
		t.Errorf("%+v", got.Tasks)
	}
}

// TestTimesMovesAndForecastsRefuseWhatCannotBe: each by name, and nothing is lost.
func TestTimesMovesAndForecastsRefuseWhatCannotBe(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	g := b.submit()
	later, sooner := time.Now().Add(2*time.Hour), time.Now().Add(time.Hour)
	task := "/tasks/" + string(g.Task) + "/move"
	for _, c := range []struct {
		method, path, body string
		status             int
		code               signaling.ProblemCode
		want               string
	}{
		{"PUT", "/nodes/near/schedule", `{"open":[` + span(later, sooner) + `]}`, 400, signaling.ProblemBadRequest, "it ends before it begins"},
		{"PUT", "/nodes/near/schedule", `{"closed":[` + span(sooner, later) + `,` + span(sooner.Add(time.Minute), later) + `]}`, 400, signaling.ProblemBadRequest, "overlaps closed[0]"},
		{"PUT", "/nodes/near/schedule", `{"hours":[{"days":["mon"],"from":"22:00","to":"06:00"}]}`, 400, signaling.ProblemBadRequest, "hours[0]"},
		{"PUT", "/nodes/near/schedule", `{"hours":[{"days":["someday"],"from":"07:00","to":"08:00"}]}`, 400, signaling.ProblemBadRequest, "someday"},
		{"PUT", "/nodes/near/schedule", `{"timeZone":"Mars/Base"}`, 400, signaling.ProblemBadRequest, "Mars/Base"},
		{"PUT", "/nodes/near/schedule", `{"periodS":60}`, 400, signaling.ProblemBadRequest, "without horizonS"},
		{"PUT", "/nodes/near/schedule", `{"horizonS":-1}`, 422, "", "horizonS"},
		{"PUT", "/nodes/near/schedule", `{"expires":"tomorrow"}`, 0, "", ""},
		{"PUT", "/nodes/near/schedule", `[]`, 0, "", ""},
		{"PUT", "/nodes/near/schedule", ``, 400, signaling.ProblemBadRequest, "body"},
		{"PUT", "/nodes/a%20b/schedule", `{}`, 404, signaling.ProblemNotFound, "letters"},
		{"GET", "/nodes/a%20b/schedule", ``, 404, signaling.ProblemNotFound, "a b"},
		{"GET", "/nodes/far/time", ``, 404, signaling.ProblemNotFound, "far"},
		{"GET", "/nodes/near/time?hours=0", ``, 422, "", "hours"},
		{"GET", "/nodes/near/time?hours=337", ``, 422, "", "hours"},
		{"GET", "/nodes/near/time?days=1", ``, 422, "", "days"},
		{"POST", "/tasks/t-none/move", `{}`, 404, signaling.ProblemNotFound, "t-none"},
		{"POST", "/tasks/t%20none/move", `{}`, 404, signaling.ProblemNotFound, "letters"},
		{"POST", task, `{"to":"a b"}`, 400, signaling.ProblemBadRequest, "to"},
		{"POST", task, `{"to":"nowhere"}`, 0, "", "nowhere"},
		{"POST", task, `{"to":"near"}`, 400, signaling.ProblemBadRequest, "already"},
		{"POST", task, `{"to":7}`, 0, "", "to"},
		{"POST", task, ``, 400, signaling.ProblemBadRequest, "body"},
		{"POST", "/forecast", `{"type":"cooking"}`, 0, "", "type"},
		{"POST", "/forecast", `{}`, 0, "", "type"},
		{"GET", "/history?format=xml", ``, 422, "", "format"},
		{"GET", "/history?limit=0", ``, 422, "", "limit"},
		{"GET", "/moves?all=1", ``, 422, "", "all"},
		{"GET", "/scaling?all=1", ``, 422, "", "all"},
		{"GET", "/predictions?all=1", ``, 422, "", "all"},
	} {
		r := b.ask(c.method, "/api/v1"+c.path, c.body)
		p := r.problem(t)
		if r.status < 400 || r.status >= 500 || c.status != 0 && r.status != c.status || c.code != "" && p.Code != c.code || !strings.Contains(string(r.body), c.want) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, r.status, r.body)
		}
	}
	if now := decode[signaling.Task](t, b.ask("GET", "/api/v1/tasks/"+string(g.Task), ""), 200); now.Attempt == nil || now.Attempt.ID != g.Attempt.ID || now.State.Ended() {
		t.Errorf("%+v", now)
	}
}

// TestTheDescriptionShowsWorkedExamples, and those that are sent are taken.
func TestTheDescriptionShowsWorkedExamples(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	type media struct {
		Content map[string]struct{ Example json.RawMessage }
	}
	doc := decode[struct {
		Paths map[string]map[string]struct {
			RequestBody media
			Responses   map[string]media
		}
	}](t, b.ask("GET", "/api/v1/openapi.json", ""), 200)
	for _, c := range []struct {
		method, path, sent, answered string
		send                         string // where the example is sent
		status                       int
	}{
		{"get", "/nodes/{node}/schedule", "", "200", "", 0},
		{"put", "/nodes/{node}/schedule", "hours", "", "/nodes/near/schedule", 204},
		{"get", "/nodes/{node}/time", "", "200", "", 0},
		{"post", "/tasks/{task}/move", "to", "202", "/tasks/t-none/move", 404},
		{"get", "/moves", "", "200", "", 0},
		{"get", "/scaling", "", "200", "", 0},
		{"post", "/forecast", "type", "200", "/forecast", 200},
		{"get", "/predictions", "", "200", "", 0},
	} {
		o := doc.Paths[c.path][c.method]
		if c.answered != "" && len(o.Responses[c.answered].Content["application/json"].Example) == 0 {
			t.Errorf("%s %s: nothing that is answered", c.method, c.path)
		}
		example := o.RequestBody.Content["application/json"].Example
		if c.sent == "" {
			continue
		}
		if !strings.Contains(string(example), `"`+c.sent+`"`) {
			t.Errorf("%s %s: %s", c.method, c.path, example)
			continue
		}
		if r := b.ask(strings.ToUpper(c.method), "/api/v1"+c.send, string(example)); r.status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
}

// TestB8AnOperatorMovesATaskOverTheAPI: the answer is how the move begins, and the list shows it.
func TestB8AnOperatorMovesATaskOverTheAPI(t *testing.T) {
	b := start(t)
	here := b.join(newNode("near"))
	g := b.submit()
	there := b.join(newNode("other"))
	here.update(g, signaling.TaskRunning)
	m := decode[signaling.Moving](t, b.ask("POST", "/api/v1/tasks/"+string(g.Task)+"/move", `{"to":"other"}`), 202)
	if m.Task != g.Task || m.From != "near" || m.To != "other" || m.Reason != signaling.MoveByHand || m.State == "" || m.EndedAt != nil {
		t.Errorf("%+v", m)
	}
	if i := receive(t, "the target's instruction", there.instructions); i.Task != g.Task || !i.Moves {
		t.Errorf("%+v", i)
	}
	list := decode[struct{ Moves []signaling.Moving }](t, b.ask("GET", "/api/v1/moves", ""), 200)
	if len(list.Moves) != 1 || list.Moves[0].Task != g.Task {
		t.Errorf("%+v", list)
	}
	t.Setenv("TOMOCAST_TOKEN", localToken)
	if out, err := b.commandLine("moves"); err != nil || !strings.Contains(out, string(g.Task)) || !strings.Contains(out, "by-hand") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestB2TheHistoryIsExportedForPlanning: a task a line, which the program's own tools read.
func TestB2TheHistoryIsExportedForPlanning(t *testing.T) {
	b := start(t)
	e := b.join(newNode("near"))
	for range 3 {
		g := b.submit()
		e.update(g, signaling.TaskRunning)
		ran := time.Now()
		b.eventually("it has run for a while", func() bool { return time.Since(ran) > 5*time.Millisecond })
		e.update(g, signaling.TaskFinished)
		began := time.Now()
		eventually(b, "the task has ended", "GET", "/tasks/"+string(g.Task), "", func(now signaling.Task) bool {
			return now.State == signaling.TaskFinished && time.Since(began) > 5*time.Millisecond // so that the next one is a later one
		})
	}
	r := b.ask("GET", "/api/v1/history?format=jsonl", "")
	lines := strings.Split(strings.TrimSpace(string(r.body)), "\n")
	if r.status != 200 || r.header.Get("Content-Type") != "application/jsonl" || len(lines) != 3 {
		t.Fatalf("%d %s %s", r.status, r.header, r.body)
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) || strings.Contains(l, study) || strings.Contains(l, "local") {
			t.Errorf("%s", l)
		}
	}
	if page := decode[struct{ Tasks []json.RawMessage }](t, b.ask("GET", "/api/v1/history", ""), 200); len(page.Tasks) != 3 {
		t.Errorf("%+v", page)
	}
	t.Setenv("TOMOCAST_TOKEN", localToken)
	out, err := b.commandLine("history")
	file := filepath.Join(t.TempDir(), "history.jsonl")
	if err != nil || os.WriteFile(file, []byte(out), 0o600) != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	if err := predict.Command(t.Context(), []string{"--trace", file}, &told); err != nil || !strings.Contains(told.String(), "of 3") {
		t.Errorf("%v\n%s", err, &told)
	}
	if out, err := b.commandLine("predict", "--examples", "1"); err != nil || !strings.Contains(out, "of 3") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestB2ForecastsAreHonest: a cold start says that it knows nothing; afterwards it says what it has learnt.
func TestB2ForecastsAreHonest(t *testing.T) {
	b := start(t)
	if f := decode[signaling.Forecast](t, b.ask("POST", "/api/v1/forecast", rendering), 200); f.Known || f.ExpectedMs != 0 {
		t.Errorf("%+v", f)
	}
	e := b.join(newNode("near"))
	g := b.submit()
	e.update(g, signaling.TaskRunning)
	e.update(g, signaling.TaskFinished)
	eventually(b, "it is learnt from", "POST", "/forecast", rendering, func(f signaling.Forecast) bool {
		return f.Known && f.Basis != "" && f.LowMs <= f.ExpectedMs && f.ExpectedMs <= f.HighMs
	})
	type scores struct {
		Scores []struct {
			Type    signaling.TaskType
			Unknown int
		}
	}
	eventually(b, "what was not known is counted", "GET", "/predictions", "", func(s scores) bool {
		return len(s.Scores) == 1 && s.Scores[0].Type == signaling.Rendering && s.Scores[0].Unknown == 1
	})
}

// TestTimesFromTheCommandLine has an operator look at nodes' times and set them.
func TestTimesFromTheCommandLine(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	g := b.submit()
	t.Setenv("TOMOCAST_TOKEN", localToken)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"moves"}, "Nothing moves"}, // before it closes
		{[]string{"schedule", "near", "--time-zone", "Europe/Berlin", "--hours", "mon-sun 00:00-24:00", "--closed", "2031-12-24T00:00/2031-12-27T00:00"}, "near: scheduled"},
		{[]string{"schedule", "near"}, "Wed 2031-12-24 00:00 CET to Sat 2031-12-27 00:00 CET"},
		{[]string{"schedule", "near"}, "mon-sun 00:00-24:00 (Europe/Berlin)"},
		{[]string{"time", "near", "--hours", "2"}, string(g.Task)},
		{[]string{"time", "near", "--json"}, `"open": true`},
		{[]string{"schedule", "near", "--closed", "now/+2h"}, "near: scheduled"},
		{[]string{"describe", "near"}, "closed, opens in"},
		{[]string{"list"}, "ready, closed"},
		{[]string{"time", "near", "--hours", "4"}, "closed for"},
		{[]string{"schedule", "near", "--drop-spans", "--always", "--horizon", "168h", "--period", "24h"}, "near: scheduled"},
		{[]string{"schedule", "near"}, "168h"},
		{[]string{"schedule", "near", "--json"}, `"from": "operator"`},
		{[]string{"describe", "near"}, "open, can be used for 7d"},
		{[]string{"schedule", "near", "--clear"}, "near: as the configuration"},
		{[]string{"scaling"}, "Nothing was scaled"},
		{[]string{"forecast"}, "nobody knows"},
		{[]string{"predictions"}, "No task has ended"},
	} {
		out, err := b.commandLine(c.args...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
	for _, args := range [][]string{{"schedule", "nowhere"}, {"time", "nowhere"}, {"move", "t-none"}} {
		if out, err := b.commandLine(args...); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
}
