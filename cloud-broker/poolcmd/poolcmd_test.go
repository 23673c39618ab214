package poolcmd

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// server answers like a broker, from a table of "METHOD path" to JSON, and notes what it was asked.
type server struct {
	*httptest.Server
	answers map[string]string

	mu    sync.Mutex
	asked []string // "METHOD path?query token"
}

func newServer(t *testing.T, answers map[string]string) *server {
	s := &server{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")))
	s.mu.Unlock()
	answer, known := s.answers[r.Method+" "+r.URL.EscapedPath()]
	if !known {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		answer = `{"title":"There is no such node.","status":404,"code":"not-found","detail":"No node \"x\" is in the pool."}`
	}
	fmt.Fprint(w, answer)
}

func (s *server) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, "\n")
}

// run runs a command against s with a token.
func (s *server) run(t *testing.T, args ...string) (string, error) {
	t.Setenv("TOMOCAST_TOKEN", "operators-token")
	var out bytes.Buffer
	err := Run(t.Context(), append(args, "--broker", s.URL), &out)
	return out.String(), err
}

const (
	twoNodes = `{"nodes":[
		{"id":"edge-1","tier":"edge","state":"ready","zone":"ward-3","distanceMs":2.25,"types":["rendering","data-computation"],"seenAt":"2026-01-01T00:00:00Z",
		 "capacity":{"gpuMemoryMB":4096,"gpuMilli":1000,"encoderSessions":4,"cpuMilli":4000,"memoryMB":8192},
		 "free":{"gpuMemoryMB":3072,"gpuMilli":750,"encoderSessions":3,"cpuMilli":3500,"memoryMB":7168},"load":{"sessions":1},"volumes":2,"newField":7},
		{"id":"cloud-1","tier":"cloud","state":"draining","distanceMs":30,"capacity":{"cpuMilli":64000},"free":{"cpuMilli":64000},
		 "types":["image-processing","image-reconstruction","data-computation","rendering","training"],"load":{},"volumes":0}]}`
	thePool = `{"nodes":{"ready":1,"draining":1},"sessions":1,"queue":0,"desired":2}`
)

func TestListIsATable(t *testing.T) {
	s := newServer(t, map[string]string{"GET /api/v1/nodes": twoNodes, "GET /api/v1/pool": thePool})
	out, err := s.run(t, "list", "--state", "ready")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	for i, want := range []string{
		"NODE     STATE     TIER   ZONE    DISTANCE  TASKS                  GPU  GPU GiB  ENCODERS  CORES  GiB  SESSIONS  STUDIES  SEEN",
		"edge-1   ready     edge   ward-3    2.3 ms  computation,rendering  25%      1/4       1/4  0.5/4  1/8         1        2",
		"cloud-1  draining  cloud  -          30 ms  all                      -        -         -   0/64    -         0        0     -",
		"",
		"2 nodes (1 ready, 1 draining), 1 session, 0 tasks in the queue; the buffer policy asks for 2 nodes.",
	} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d:\n%s\nwant\n%s", i, lines[i], want)
		}
	}
	if asked := s.requests(); !strings.Contains(asked, "state=ready") || strings.Count(asked, "Bearer operators-token") != 2 {
		t.Error(asked)
	}
	if out, err = s.run(t, "list", "--json"); err != nil || !strings.Contains(out, `"newField": 7`) {
		t.Errorf("JSON is not what the API answered: %v\n%s", err, out)
	}
}

func TestListReadsAllPages(t *testing.T) {
	pages := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/pool":
			fmt.Fprint(w, thePool)
		case r.URL.Path == "/api/v1/nodes":
			pages++
			if after := r.URL.Query().Get("after"); (pages == 1) != (after == "") {
				t.Errorf("page %d begins behind %q", pages, after)
			}
			next := fmt.Sprintf(`"next":"n%d",`, pages)
			if pages == 3 {
				next = ""
			}
			fmt.Fprintf(w, `{%s"nodes":[{"id":"n%d"}]}`, next, pages)
		}
	}))
	defer s.Close()
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"list", "--broker", s.URL}, &out); err != nil || pages != 3 || !strings.Contains(out.String(), "n3") {
		t.Errorf("%d pages, %v\n%s", pages, err, &out)
	}
	pages, out = 0, bytes.Buffer{}
	if err := Run(t.Context(), []string{"list", "--limit", "2", "--broker", s.URL}, &out); err != nil || pages != 2 || !strings.Contains(out.String(), "There are more") {
		t.Errorf("%d pages, %v\n%s", pages, err, &out)
	}
}

// TestWhatComesFromAfarIsOnlyPrinted has a node whose version would clear the operator's screen.
func TestWhatComesFromAfarIsOnlyPrinted(t *testing.T) {
	s := newServer(t, map[string]string{
		"GET /api/v1/nodes/edge-1":   `{"id":"edge-1","version":"\u001b[2J\u001b]0;owned\u0007","renderer":"a\r\nNode: b\u202e","tasks":[{"task":"t\u0008\u0008"}]}`,
		"GET /api/v1/pool/queue":     `{"tasks":[{"task":"t","creator":"\u001b[31mred","reason":"a\nb"}]}`,
		"POST /api/v1/explain":       `{"summary":"\u009b1m","verdicts":[{"node":"edge-1","rejected":"\u001b[1mbold"}]}`,
		"GET /api/v1/nodes/edge%2F1": `{"id":"of another path"}`,
	})
	for _, args := range [][]string{{"describe", "edge-1"}, {"queue"}, {"explain"}} {
		out, err := s.run(t, args...)
		if err != nil || strings.ContainsAny(out, "\x1b\x07\x08\r\u009b\u202e") || strings.Contains(out, "\nNode: b") || strings.Contains(out, "\nb") {
			t.Errorf("%v: %v\n%q", args, err, out)
		}
	}
	if out, err := s.run(t, "describe", "edge/1"); err != nil || !strings.Contains(out, "of another path") {
		t.Errorf("an id is not escaped: %v %s", err, out)
	}
	if _, err := s.run(t, "cordon", "\x1b[2J"); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

func TestChanges(t *testing.T) {
	s := newServer(t, map[string]string{
		"POST /api/v1/nodes/edge-1/cordon": "", "POST /api/v1/nodes/edge-1/uncordon": "", "POST /api/v1/nodes/edge-1/drain": "", "POST /api/v1/nodes/edge-2/drain": "",
		"DELETE /api/v1/nodes/edge-1": "", "DELETE /api/v1/nodes/edge-1/override": "", "PUT /api/v1/nodes/edge-1/override": "",
		"GET /api/v1/nodes/edge-1": `{"id":"edge-1","capacity":{"cpuMilli":4000,"encoderSessions":4},"override":{"zone":"ward-3"}}`,
	})
	for _, c := range []struct {
		args []string
		want string // the last request
		says string
	}{
		{[]string{"cordon", "edge-1"}, "POST /api/v1/nodes/edge-1/cordon", "edge-1: cordoned"},
		{[]string{"uncordon", "edge-1"}, "POST /api/v1/nodes/edge-1/uncordon", "edge-1: takes tasks again"},
		{[]string{"drain", "edge-1", "edge-2", "--within", "10m"}, "POST /api/v1/nodes/edge-2/drain?within=10m0s", "edge-2: drains; what runs there moves to other nodes, or ends within 10m"},
		{[]string{"drain", "edge-1"}, "POST /api/v1/nodes/edge-1/drain", "moves to other nodes"},
		{[]string{"forget", "edge-1"}, "DELETE /api/v1/nodes/edge-1", "edge-1: forgotten"},
		{[]string{"override", "edge-1", "--clear"}, "DELETE /api/v1/nodes/edge-1/override", "registers"},
		{[]string{"override", "edge-1", "--encoders", "2"}, "PUT /api/v1/nodes/edge-1/override", "edge-1: overridden"},
	} {
		out, err := s.run(t, c.args...)
		asked := strings.Split(s.requests(), "\n")
		if err != nil || !strings.Contains(out, c.says) || asked[len(asked)-1] != c.want+" Bearer operators-token" {
			t.Errorf("%v: %v, %q, %q", c.args, err, out, asked[len(asked)-1])
		}
	}
	// One that fails does not keep the next from its turn.
	out, err := s.run(t, "drain", "x", "edge-2")
	if err == nil || !strings.Contains(err.Error(), "x: There is no such node.") || !strings.Contains(out, "edge-2: drains") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAnOverrideKeepsWhatIsNotSaid(t *testing.T) {
	zone, moved, far := "ward-3", "ward-4", 3.5
	own := signaling.Resources{CPUMilli: 4000, EncoderSessions: 4}
	var given amounts
	if err := given.encoders.Set("2"); err != nil {
		t.Fatal(err)
	}
	before := signaling.Override{Zone: &zone, Types: []signaling.TaskType{signaling.Rendering}, DistanceMs: &far}
	o := merge(node{Node: signaling.Node{Capacity: own}, Override: &before}, signaling.Override{Zone: &moved}, &given)
	if *o.Zone != moved || len(o.Types) != 1 || *o.DistanceMs != far || *o.Capacity != (signaling.Resources{CPUMilli: 4000, EncoderSessions: 2}) {
		t.Errorf("%+v %+v", o, o.Capacity)
	}
	if o := merge(node{}, signaling.Override{DistanceMs: &far}, &amounts{}); o.Capacity != nil || o.Zone != nil || *o.DistanceMs != far {
		t.Errorf("%+v", o)
	}
}

func TestWrongUsageIsTold(t *testing.T) {
	s := newServer(t, nil)
	for want, args := range map[string][]string{
		"a command is missing": {},
		"no command \"lst\"":   {"lst"},
		"NODE is missing":      {"describe"},
		"NODE... is missing":   {"drain"},
		"--within 1ms":         {"drain", "edge-1", "--within", "1ms"},
		"--within 200h":        {"drain", "edge-1", "--within", "200h"},
		"say what the node":    {"override", "edge-1"},
		"or --clear":           {"override", "edge-1", "--clear", "--zone", "a"},
		"--distance-ms":        {"override", "edge-1", "--distance-ms", "far"},
		"distanceMs":           {"override", "edge-1", "--distance-ms", "-1"},
		"types has":            {"override", "edge-1", "--types", "dancing"},
		"zone":                 {"override", "edge-1", "--zone", "a b"},
		"--limit 0":            {"list", "--limit", "0"},
		"unexpected argument":  {"queue", "edge-1"},
		"--timeout":            {"queue", "--timeout", "0s"},
		"--ca":                 {"queue", "--ca", filepath.Join(t.TempDir(), "none")},
		"gpu-milli":            {"override", "edge-1", "--gpu-milli", "half"},
	} {
		if len(args) > 0 && args[0] != "lst" {
			args = append(args, "--broker", s.URL)
		}
		if err := Run(t.Context(), args, new(bytes.Buffer)); !errors.Is(err, service.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, broker := range []string{"broker.example.org", "ftp://a", "http://", "http://a:b@c", "http://a?b"} {
		if err := Run(t.Context(), []string{"queue", "--broker", broker}, new(bytes.Buffer)); !errors.Is(err, service.ErrUsage) {
			t.Errorf("%s: %v", broker, err)
		}
	}
	if asked := s.requests(); asked != "" {
		t.Errorf("the broker was asked: %s", asked)
	}
}

func TestBrokersThatAnswerOddly(t *testing.T) {
	status := http.StatusOK
	body := "<html>"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	run := func() error { return Run(t.Context(), []string{"queue", "--broker", s.URL}, new(bytes.Buffer)) }
	if err := run(); err == nil || !strings.Contains(err.Error(), "something else than this program expects") {
		t.Error(err)
	}
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{502, "<html>", "502 Bad Gateway, which is no answer of a broker"},
		{302, "", "302 Found"},
		{401, `{"title":"You are not signed in."}`, "--token-file"},
		{403, `{"title":"This is for operators.","detail":"Ask one."}`, "This is for operators. Ask one."},
	} {
		status, body = c.status, c.body
		var exit service.ExitCoder
		if err := run(); err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &exit) {
			t.Errorf("%d: %v", c.status, err)
		}
	}
	s.Close()
	var exit service.ExitCoder
	if err := run(); !errors.As(err, &exit) || exit.ExitCode() != exitUnreachable || !strings.Contains(err.Error(), s.URL) {
		t.Errorf("no broker: %v", err)
	}
}

func TestCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"tasks":[]}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust it is part of the test
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOMOCAST_TOKEN", "operators-token")
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"queue", "--broker", s.URL, "--ca", ca}, &out); err != nil || out.String() != "Nothing waits.\n" {
		t.Errorf("%v %q", err, &out)
	}
	if err := Run(t.Context(), []string{"queue", "--broker", s.URL}, &out); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{90 * time.Second: "1m30s", 10 * time.Minute: "10m", 10 * time.Second: "10s", time.Hour: "1h", 90 * time.Minute: "1h30m"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 119 * time.Minute: "119m", 47 * time.Hour: "47h", 72 * time.Hour: "3d",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
