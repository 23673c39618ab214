package system

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// runScript starts deploy/run with the programs of this test, as make run does, in a process group of its own.
func runScript(t *testing.T, env ...string) *program {
	t.Helper()
	root := t.TempDir()
	script, err := os.ReadFile(filepath.Join("..", "..", "deploy", "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "deploy"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{brokerProgram, edgeProgram} {
		if err := os.Symlink(path, filepath.Join(root, "bin", filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(root, "deploy", "run")
	if err := os.WriteFile(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, name: "deploy/run", cmd: exec.Command(path), log: newJournal(), ended: make(chan struct{}), killed: true}
	p.cmd.Env = append(settings(), append([]string{"TOMOCAST_BACKEND=cpu", "TOMOCAST_CACHE_DIR=" + t.TempDir(), "TOMOCAST_LOCAL_TOKEN="}, env...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what is left of the group, if anything is
		p.cleanup()
	})
	return p
}

// TestRunOpensWithoutAsking is make run: when it says that it is ready, a browser on this machine opens a session without a
// token; Ctrl-C ends everything and leaves nothing behind.
func TestRunOpensWithoutAsking(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{"studies": studies(t), "demo": ""} {
		t.Run(name, func(t *testing.T) {
			_, port, _ := strings.Cut(freeAddress(t), ":")
			p := runScript(t, "PORT="+port, "STUDIES="+folder)
			url := p.says(`Tomocast is ready: (http://localhost:` + port + `)$`)[1]

			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			s := &tomocast{t: t, ctx: t.Context(), url: url, client: &terminal.Client{Broker: url, HTTP: &http.Client{Jar: jar}}}
			resp, err := s.client.HTTP.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			found := get[struct{ Studies []source.StudySummary }](s, "/studies").Studies
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			var g signaling.Grant
			request := rendering(signaling.SeriesRef{StudyInstanceUID: found[0].StudyInstanceUID})
			if err := s.client.Do(s.ctx, http.MethodPost, "/api/v1/tasks", text(t, request), http.Header{"Origin": {url}}, &g); err != nil {
				t.Fatal(err)
			}
			s.connect(g, terminal.Options{}).move()

			// A second one on the same port says so.
			out, status := runAgain(t, p, "PORT="+port, "STUDIES="+folder)
			if status != 1 || !strings.Contains(out, "Port "+port+" is in use") || !strings.Contains(out, "make run PORT=") {
				t.Errorf("status %d: %s", status, out)
			}

			if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil { // as a terminal's Ctrl-C does
				t.Fatal(err)
			}
			if code := p.end(); code != 130 {
				t.Errorf("status %d", code)
			}
			s.within(endMost, "no process of the group is left", func() bool { return syscall.Kill(-p.cmd.Process.Pid, 0) != nil })
		})
	}
}

func runAgain(t *testing.T, p *program, env ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command(p.cmd.Path)
	cmd.Env = append(p.cmd.Env, env...)
	raw, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}
