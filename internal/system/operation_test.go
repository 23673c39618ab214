package system

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// TestSIGTERMEndsBothPrograms while a session runs: its terminal hears why, the task has its end, and the status is 0.
func TestSIGTERMEndsBothPrograms(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		e := s.edge("near")
		x := s.open()
		x.move()
		began := time.Now()
		e.signal(syscall.SIGTERM)
		p := x.ending()
		wantProblem(t, p, signaling.ProblemEdgeLost, "stopped", "another edge")
		if code := e.end(); code != 0 {
			t.Errorf("the edge ends with status %d", code)
		}
		if task := s.becomes(x.Grant().Task, signaling.TaskFailed); !strings.Contains(task.Reason, "stopped") || task.Usage == nil {
			t.Errorf("%+v", task)
		}
		s.eventually("the broker knows that no session can be opened", func() bool { return s.status("/readyz?session=1") == http.StatusServiceUnavailable })
		s.refused(rendering(chest), signaling.ProblemNoFreeNode, "not ready")

		second := s.edge("near")
		y := s.open()
		s.broker.signal(syscall.SIGTERM)
		if code := s.broker.end(); code != 0 {
			t.Errorf("the broker ends with status %d", code)
		}
		y.move() // its session goes on
		second.signal(syscall.SIGINT)
		if code := second.end(); code != 0 {
			t.Errorf("an edge without a broker ends with status %d", code)
		}
		if took := time.Since(began); took > 2*endMost {
			t.Errorf("all that took %v", took)
		}
	})
}

// TestSIGTERMBeforeAnythingRuns ends programs that wait for what is not there.
func TestSIGTERMBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	nobody := freeAddress(t)
	e := launch(t, edgeProgram, nil, "--broker", "http://"+nobody, "--id", "x", "--listen", "127.0.0.1:0", "--backend", "cpu")
	e.says(`level=WARN msg="no link to the broker"`)
	b := launch(t, brokerProgram, nil, "--listen", "127.0.0.1:0", "--studies", t.TempDir(), "--cache-dir", t.TempDir(), "--redis", "redis://"+nobody)
	b.says(`level=WARN msg="the pool cannot be opened; trying again"`)
	for _, p := range []*program{e, b} {
		if code := p.stop(); code != 0 {
			t.Errorf("%s ends with status %d", p.name, code)
		}
	}
}

// TestHelpAndVersion of both programs and their commands.
func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path  string
		args  []string
		words []string
	}{
		"cloud-broker":  {brokerProgram, nil, []string{"--studies", "--redis", "--oidc-issuer", "--turn-url", "--tls-cert", "--allowed-origins", "--session-idle", "TOMOCAST_"}},
		"edge-renderer": {edgeProgram, nil, []string{"--broker", "--backend", "--udp-port", "--tcp-port", "--public-address", "--direct-url", "--max-sessions", "render", "inspect", "TOMOCAST_"}},
		"render":        {edgeProgram, []string{"render"}, []string{"--study", "--preset", "--size", "--view", "--backend", "--out"}},
		"inspect":       {edgeProgram, []string{"inspect"}, []string{"--json", "PATH"}},
	} {
		out, errs, status := command(t, c.path, nil, append(slices.Clone(c.args), "--help")...)
		if status != 0 || errs != "" {
			t.Errorf("%s --help: status %d, %s", name, status, errs)
		}
		for _, w := range c.words {
			if !strings.Contains(out, w) {
				t.Errorf("%s --help says nothing of %s", name, w)
			}
		}
		for _, line := range strings.Split(out, "\n") {
			if len(line) > 100 {
				t.Errorf("%s --help has a line of %d characters", name, len(line))
			}
		}
		_, errs, status = command(t, c.path, nil, append(slices.Clone(c.args), "--no-such-flag")...)
		if status != 2 || !strings.Contains(errs, "no-such-flag") || !strings.Contains(errs, "--help") {
			t.Errorf("%s with an unknown flag: status %d, %s", name, status, errs)
		}
		if len(c.args) > 0 {
			continue
		}
		out, errs, status = command(t, c.path, nil, "--version")
		if status != 0 || errs != "" || !regexp.MustCompile(`^`+name+` \S+\n$`).MatchString(out) {
			t.Errorf("%s --version: status %d, %q, %s", name, status, out, errs)
		}
	}
}

// TestWrongSettings are refused by the name of the flag or variable, with status 2.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		path  string
		env   string
		args  []string
		words []string
	}{
		"no studies":        {brokerProgram, "", nil, []string{"--studies", "--demo"}},
		"no number":         {brokerProgram, "TOMOCAST_SESSION_IDLE=soon", []string{"--studies", dir}, []string{"TOMOCAST_SESSION_IDLE", "soon"}},
		"no origin":         {brokerProgram, "", []string{"--studies", dir, "--allowed-origins", "*"}, []string{"--allowed-origins", "https://"}},
		"TURN, no secret":   {brokerProgram, "", []string{"--studies", dir, "--turn-url", "turn:turn.example.org"}, []string{"--turn-url", "--turn-secret-file"}},
		"Redis, no URL":     {brokerProgram, "", []string{"--studies", dir, "--listen", "127.0.0.1:0", "--redis", "localhost"}, []string{"--redis", "rediss"}},
		"no secret":         {edgeProgram, "TOMOCAST_EDGE_SECRET=", []string{"--listen", "127.0.0.1:0"}, []string{"--edge-secret-file", "TOMOCAST_EDGE_SECRET"}},
		"no broker URL":     {edgeProgram, "", []string{"--broker", "here"}, []string{"--broker", "here"}},
		"no backend":        {edgeProgram, "", []string{"--backend", "pencil"}, []string{"--backend", "pencil"}},
		"no tier":           {edgeProgram, "TOMOCAST_TIER=moon", []string{"--backend", "cpu"}, []string{"tier", "moon"}},
		"no direct URL":     {edgeProgram, "", []string{"--backend", "cpu", "--direct-url", "https://edge"}, []string{"--direct-url", "wss://"}},
		"no public address": {edgeProgram, "", []string{"--backend", "cpu", "--public-address", "edge"}, []string{"--public-address", "edge"}},
		"no log level":      {edgeProgram, "", []string{"--log-level", "loud"}, []string{"--log-level", "loud"}},
		"no size":           {edgeProgram, "", []string{"render", "--study", dir, "--out", filepath.Join(dir, "x.png"), "--size", "huge"}, []string{"--size", "huge"}},
	} {
		_, errs, status := command(t, c.path, []string{c.env}, c.args...)
		if status != 2 {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
		for _, w := range c.words {
			if !strings.Contains(errs, w) {
				t.Errorf("%s: %q does not say %q", name, errs, w)
			}
		}
	}
}

// TestFlagsAreEnvironmentVariables starts both programs without one flag. The command line wins.
func TestFlagsAreEnvironmentVariables(t *testing.T) {
	t.Parallel()
	b := launch(t, brokerProgram, []string{"TOMOCAST_LISTEN=127.0.0.1:0", "TOMOCAST_STUDIES=" + studies(t), "TOMOCAST_CACHE_DIR=" + t.TempDir(),
		"TOMOCAST_SOURCE=ward", "TOMOCAST_LOG_FORMAT=json"})
	s := &tomocast{t: t, ctx: t.Context(), broker: b, url: "http://" + b.says(`"msg":"broker listens","address":"([^"]+)"`)[1]}
	s.client = newClient(s.url)
	launch(t, edgeProgram, []string{"TOMOCAST_BROKER=" + s.url, "TOMOCAST_ID=by-env", "TOMOCAST_LISTEN=127.0.0.1:0", "TOMOCAST_BACKEND=cpu",
		"TOMOCAST_DISTANCE=7.5", "TOMOCAST_MAX_SESSIONS=2"}, "--distance", "3")
	s.eventually("the edge is ready", func() bool { return s.node("by-env").State == signaling.NodeReady })
	if n := s.node("by-env"); n.DistanceMs != 3 || n.Capacity.EncoderSessions != 2 || !strings.HasPrefix(n.Renderer, "Go") {
		t.Errorf("%+v", n)
	}
	if name := get[struct{ Source string }](s, "/session").Source; name != "ward" {
		t.Errorf("source %q", name)
	}
	for _, line := range strings.Split(strings.TrimSpace(b.log.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// TestOpenAPI reads the API's description as a generator of clients does.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	var raw json.RawMessage
	if err := s.ask(http.MethodGet, "/openapi.json", nil, &raw); err != nil {
		t.Fatal(err)
	}
	type operation struct {
		OperationID string `json:"operationId"`
		Summary     string
		Parameters  []struct {
			Name, In string
			Required bool
		}
		Responses map[string]struct {
			Description string
			Content     map[string]json.RawMessage
		}
	}
	var doc struct {
		OpenAPI    string
		Info       struct{ Title, Version, Description string }
		Servers    []struct{ URL string }
		Paths      map[string]map[string]operation
		Components struct {
			SecuritySchemes map[string]struct{ Type, Scheme string }
		}
		Security []map[string][]string
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Info.Title == "" || doc.Info.Version == "" || len(doc.Servers) != 1 || doc.Servers[0].URL != "/api/v1" ||
		doc.Components.SecuritySchemes["bearer"].Scheme != "bearer" || len(doc.Security) == 0 {
		t.Errorf("OpenAPI %s, %+v, %+v, %+v", doc.OpenAPI, doc.Info, doc.Servers, doc.Components)
	}
	for path, methods := range map[string][]string{
		"/studies": {"get"}, "/studies/{study}/series": {"get"}, "/tasks": {"get", "post"}, "/tasks/{task}": {"get", "delete"},
		"/tasks/{task}/grant": {"post"}, "/nodes": {"get"}, "/nodes/{node}": {"get"}, "/nodes/{node}/drain": {"post"}, "/history": {"get"}, "/session": {"get"},
	} {
		for _, m := range methods {
			if _, ok := doc.Paths[path][m]; !ok {
				t.Errorf("%s %s is not described", m, path)
			}
		}
	}
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			where := method + " " + path
			if o.OperationID == "" || ids[o.OperationID] || o.Summary == "" {
				t.Errorf("%s: operation id %q, summary %q", where, o.OperationID, o.Summary)
			}
			ids[o.OperationID] = true
			for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				declared := false
				for _, p := range o.Parameters {
					declared = declared || p.Name == name[1] && p.In == "path" && p.Required
				}
				if !declared {
					t.Errorf("%s: parameter %s is not declared", where, name[1])
				}
			}
			well, problems := false, 0
			for status, r := range o.Responses {
				well = well || strings.HasPrefix(status, "2")
				if _, ok := r.Content["application/problem+json"]; ok {
					problems++
				}
				if r.Description == "" {
					t.Errorf("%s: response %s has no description, which OpenAPI asks for", where, status)
				}
			}
			if !well || problems == 0 {
				t.Errorf("%s: responses %v", where, o.Responses)
			}
		}
	}
	references(t, raw)
}

// references checks that every reference in a document leads to something in it.
func references(t *testing.T, raw json.RawMessage) {
	t.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	found := 0
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				found++
				at := doc
				for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
					m, _ := at.(map[string]any)
					at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, e := range v {
				visit(e)
			}
		}
	}
	visit(doc)
	if found == 0 {
		t.Error("no references")
	}
}
