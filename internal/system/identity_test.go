package system

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// TestWhoIsThereIsAlwaysAsked tries everything without a token and with a wrong one.
func TestWhoIsThereIsAlwaysAsked(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	for _, token := range []string{"", "wrong", edgeSecret} {
		for _, path := range []string{"/api/v1/studies", "/api/v1/tasks", "/api/v1/nodes", "/api/v1/history", "/api/v1/openapi.json", "/api/v1/nothing", "/dicom-web/studies", "/metrics"} {
			req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), patientName) {
				t.Errorf("%s with token %q: %s %.200s", path, token, resp.Status, body)
			}
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		if got := s.status(path); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// TestThePageOfThisMachineBringsItsCookie is how a browser on this machine is let in, and how no other page is.
func TestThePageOfThisMachineBringsItsCookie(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &terminal.Client{Broker: s.url, HTTP: &http.Client{Jar: jar}}
	var page []byte
	if resp, err := browser.HTTP.Get(s.url + "/"); err != nil {
		t.Fatal(err)
	} else {
		page, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if strings.Contains(string(page), localToken) {
		t.Error("the page shows the token")
	}
	own := http.Header{"Origin": {s.url}}
	var me struct{ Subject, Method string }
	if err := browser.Do(s.ctx, http.MethodGet, "/api/v1/session", nil, nil, &me); err != nil || me.Subject != "local" || me.Method != "local" {
		t.Fatalf("%+v, %v", me, err)
	}
	var g signaling.Grant
	if err := browser.Do(s.ctx, http.MethodPost, "/api/v1/tasks", text(t, rendering(chest)), own, &g); err != nil {
		t.Fatal(err)
	}
	err = browser.Do(s.ctx, http.MethodPost, "/api/v1/tasks", text(t, rendering(chest)), http.Header{"Origin": {"http://evil.example"}}, nil)
	wantProblem(t, err, signaling.ProblemForbidden, "origin")
	// A name that leads here (DNS rebinding) is another host.
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(resp.Cookies()) != 0 {
		t.Errorf("another host's page gets %v", resp.Cookies())
	}
}

// TestEdgesNeedTheirSecret: one with a wrong secret says what is wrong, tries again, and is not in the pool.
func TestEdgesNeedTheirSecret(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "secrets")
	const own = "the-very-own-secret-of-room-1"
	if err := os.WriteFile(list, []byte("# rooms\nroom-1 "+own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--edge-secrets", list)
	edge := func(id, secret string) *program {
		return launch(t, edgeProgram, []string{"TOMOCAST_EDGE_SECRET=" + secret}, "--broker", s.url, "--id", id, "--listen", "127.0.0.1:0", "--backend", "cpu")
	}
	stranger := edge("stranger", "a-secret-of-somebody-else")
	stranger.says(`level=WARN msg="no link to the broker".*401.*check --edge-secret`)
	impostor := edge("room-1", edgeSecret)
	impostor.says(`level=WARN msg="no link to the broker".*room-1`)
	address := stranger.says(`msg="edge listens" address=(\S+)`)[1]
	ready := &tomocast{t: t, url: "http://" + address}
	if live, code := ready.status("/healthz"), ready.status("/readyz"); live != http.StatusOK || code != http.StatusServiceUnavailable {
		t.Errorf("healthz %d, readyz %d", live, code)
	}
	for _, id := range []string{"stranger", "room-1"} {
		if err := s.ask(http.MethodGet, "/nodes/"+id, nil, nil); err == nil {
			t.Errorf("%s is in the pool", id)
		}
	}
	s.refused(rendering(chest), signaling.ProblemNoFreeNode, "no node has registered")
	_ = impostor.stop() // its name is free again
	edge("room-1", own)
	s.eventually("the edge with the right secret is ready", func() bool { return s.node("room-1").State == signaling.NodeReady })
	if s.open().move(); !stranger.lives() {
		t.Error("the edge with a wrong secret has ended")
	}
}

// TestNothingListensBeyondThisMachineWithoutIdentity: both programs refuse, and say which flag does it.
func TestNothingListensBeyondThisMachineWithoutIdentity(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path  string
		args  []string
		words []string
	}{
		"broker":                    {brokerProgram, []string{"--listen", "0.0.0.0:0", "--studies", t.TempDir()}, []string{"--listen", "0.0.0.0:0", "--oidc-issuer"}},
		"broker on every interface": {brokerProgram, []string{"--listen", ":0", "--studies", t.TempDir()}, []string{"--listen", "--oidc-issuer"}},
		"edge":                      {edgeProgram, []string{"--listen", "0.0.0.0:0", "--backend", "cpu"}, []string{"--listen", "0.0.0.0:0", "--tls-cert"}},
	} {
		out, errs, status := command(t, c.path, nil, c.args...)
		if status != 2 {
			t.Errorf("%s: status %d: %s%s", name, status, out, errs)
		}
		for _, w := range c.words {
			if !strings.Contains(errs, w) {
				t.Errorf("%s: %q does not say %q", name, errs, w)
			}
		}
	}
}

// TestNoPatientDataInLogsAndMetrics goes through a session with everything in it that could be logged. What the programs
// log is searched when each test ends; here the metrics are, too.
func TestNoPatientDataInLogsAndMetrics(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		e := s.edge("near")
		for _, path := range []string{"/studies?search=Gesine", "/studies?patientID=" + patientID, "/studies/" + studyUID + "/series"} {
			if err := s.ask(http.MethodGet, path, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		s.refused(rendering(signaling.SeriesRef{StudyInstanceUID: unknownUID}), signaling.ProblemNotFound)
		_ = s.ask(http.MethodGet, "/studies/"+unknownUID+"/series", nil, nil)
		_ = s.ask(http.MethodGet, "/"+studyUID+"/"+patientName, nil, nil)
		x := s.open()
		x.histogram("count")
		x.move()
		x.still()
		if err := x.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.becomes(x.Grant().Task, signaling.TaskFinished)

		measured := ""
		for _, url := range []string{s.url, "http://" + e.says(`msg="edge listens" address=(\S+)`)[1]} {
			req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+localToken)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("metrics: %s %v", resp.Status, err)
			}
			measured += string(body)
		}
		for _, name := range []string{"tomocast_build_info", "tomocast_grants_total{answer=\"edge-assigned\",type=\"rendering\"} 1", "tomocast_edges_linked 1"} {
			if !strings.Contains(measured, name) {
				t.Errorf("no metric %s", name)
			}
		}
		history := string(text(t, get[any](s, "/history")))
		for _, private := range patientData {
			if strings.Contains(measured, private) {
				t.Errorf("metrics have %s", private)
			}
			if strings.Contains(history, private) {
				t.Errorf("the history has %s: %s", private, history)
			}
		}
		for _, p := range []*program{e, s.broker} {
			for _, secret := range []string{edgeSecret, localToken, x.Grant().Token} {
				if strings.Contains(p.log.String(), secret) {
					t.Errorf("%s logs a secret", p.name)
				}
			}
			if !strings.Contains(p.log.String(), "level=DEBUG") {
				t.Errorf("%s logs nothing for debugging", p.name)
			}
		}
	})
}
