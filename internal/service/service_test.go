package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func environment(kv ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func exampleFlags() (*Flags, *string, *time.Duration, *[]string, *string) {
	f := NewFlags("example", "An example of a program.")
	f.Group("Network")
	listen := f.String("listen", "127.0.0.1:8080", "`address` to listen on")
	idle := f.Duration("session-idle", time.Minute, "end a session after this long without input")
	origins := f.Strings("allowed-origins", "web `origin` that may embed the viewer")
	secret := f.Secret("turn-secret", "`file` with the secret shared with the TURN server")
	return f, listen, idle, origins, secret
}

func TestFlagsComeFromTheEnvironmentAndTheCommandLineWins(t *testing.T) {
	f, listen, idle, origins, _ := exampleFlags()
	env := environment("TOMOCAST_LISTEN", "127.0.0.1:1", "TOMOCAST_SESSION_IDLE", "5s", "TOMOCAST_ALLOWED_ORIGINS", "https://a,https://b")
	if err := f.parse([]string{"--listen", "127.0.0.1:2", "--allowed-origins=https://c"}, env, io.Discard); err != nil {
		t.Fatal(err)
	}
	if *listen != "127.0.0.1:2" || *idle != 5*time.Second || len(*origins) != 1 || (*origins)[0] != "https://c" {
		t.Errorf("listen %q, idle %v, origins %q", *listen, *idle, *origins)
	}
}

func TestFlagsRefuseWhatTheyDoNotKnow(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  []string
		want string
	}{
		{args: []string{"--lisen", "x"}, want: "lisen"},
		{args: []string{"extra"}, want: `unexpected argument "extra"`},
		{env: []string{"TOMOCAST_SESSION_IDLE", "soon"}, want: "TOMOCAST_SESSION_IDLE"},
		{args: []string{"--turn-secret-file", "/nonexistent"}, want: "--turn-secret-file"},
	} {
		f, _, _, _, _ := exampleFlags()
		err := f.parse(c.args, environment(c.env...), io.Discard)
		if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want a usage error with %q", c.args, c.env, err, c.want)
		}
	}
}

func TestSecretsComeFromAFileOrTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _, _, _, secret := exampleFlags()
	env := environment("TOMOCAST_TURN_SECRET", "from the environment")
	if err := f.parse(nil, env, io.Discard); err != nil || *secret != "from the environment" {
		t.Errorf("%q, %v", *secret, err)
	}
	f, _, _, _, secret = exampleFlags()
	if err := f.parse([]string{"--turn-secret-file", file}, env, io.Discard); err != nil || *secret != "from the file" {
		t.Errorf("%q, %v", *secret, err)
	}
}

func TestHelpExplainsEveryFlagAndShowsNoSecret(t *testing.T) {
	f, _, _, _, _ := exampleFlags()
	var out bytes.Buffer
	err := f.parse([]string{"--help"}, environment("TOMOCAST_TURN_SECRET", "hunter2"), &out)
	if !errors.Is(err, ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"An example", "Network:", "--listen address", "(default 127.0.0.1:8080)", "--turn-secret-file file", "TOMOCAST_TURN_SECRET", "TOMOCAST_SOME_NAME"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Error("help shows a secret")
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if len(line) > helpWidth {
			t.Errorf("line of %d characters: %s", len(line), line)
		}
	}
}

func TestNothingListensBeyondLoopbackWithoutIdentity(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:0": true, "[::1]:80": true, "127.9.9.9:1": true,
		":8080": false, "0.0.0.0:80": false, "[::]:80": false, "192.0.2.1:80": false, "example.org:80": false, "nonsense": false,
		"localhost.example.org:80": false, "[::ffff:127.0.0.1]:80": true,
	} {
		err := CheckListen("listen", addr, false, "configure --oidc-issuer")
		if (err == nil) != ok {
			t.Errorf("%s without identity: %v", addr, err)
		}
		if err != nil && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--listen")) {
			t.Errorf("%s: %v does not name the flag", addr, err)
		}
		if err := CheckListen("listen", addr, true, ""); (err == nil) != (addr != "nonsense") {
			t.Errorf("%s with identity: %v", addr, err)
		}
	}
}

func TestRunEndsEveryPartWithTheFirst(t *testing.T) {
	broken := errors.New("broken")
	ended := false
	err := Run(t.Context(),
		Part{"first", func(context.Context) error { return broken }},
		Part{"second", func(ctx context.Context) error { <-ctx.Done(); ended = true; return ctx.Err() }})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "first: ") || !ended {
		t.Errorf("%v, second ended: %v", err, ended)
	}
}

func TestServerServesUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	s := &Server{Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Listening: func(a net.Addr) { addr <- a },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	resp, err := http.Get("http://" + (<-addr).String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot {
		t.Error(resp.Status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadinessNamesTheReason(t *testing.T) {
	var h Health
	h.Check("redis", func(context.Context) error { return errors.New("Redis does not answer") })
	w := httptest.NewRecorder()
	h.Readiness(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "Redis does not answer") {
		t.Error(w.Code, w.Body)
	}
	h.Check("redis", func(context.Context) error { return nil })
	w = httptest.NewRecorder()
	h.Readiness(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	h.Live(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), Version()) {
		t.Error(w.Code, w.Body)
	}
}

func TestMetricsHaveOurPrefix(t *testing.T) {
	w := httptest.NewRecorder()
	MetricsHandler(NewMetrics()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "tomocast_build_info{") {
		t.Error(w.Body)
	}
}
