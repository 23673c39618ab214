// Package orthanc runs an Orthanc server (Debian's orthanc and orthanc-dicomweb) as the PACS of tests and measurements,
// on a free port and with a folder of its own.
package orthanc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ErrNotInstalled says that Orthanc or its DICOMweb plugin is missing.
var ErrNotInstalled = errors.New("no Orthanc is installed (Debian: orthanc orthanc-dicomweb)")

// Config is how the server is to be.
type Config struct {
	// Username and Password ask for basic authentication where they are set.
	Username, Password string
}

// Server is a server that runs.
type Server struct {
	// URL is its root, DICOMweb that of its DICOMweb service.
	URL, DICOMweb string

	config Config
	cmd    *exec.Cmd
	dir    string
	ended  chan struct{}
}

// Start starts a server and returns when it answers, or fails when ctx ends. The caller stops it.
func Start(ctx context.Context, c Config) (*Server, error) {
	program, err := exec.LookPath("Orthanc")
	if err != nil {
		return nil, ErrNotInstalled
	}
	plugin := filepath.Join(filepath.Dir(program), "../share/orthanc/plugins/libOrthancDicomWeb.so")
	if _, err := os.Stat(plugin); err != nil {
		return nil, ErrNotInstalled
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), config: c, ended: make(chan struct{})}
	s.DICOMweb = s.URL + "/dicom-web"
	if s.dir, err = os.MkdirTemp("", "tomocast-orthanc-"); err != nil {
		return nil, fmt.Errorf("make a folder for Orthanc: %w", err)
	}
	settings := map[string]any{
		"StorageDirectory": s.dir, "IndexDirectory": s.dir, "Plugins": []string{plugin}, "HttpPort": port,
		"DicomServerEnabled": false, "RemoteAccessAllowed": false, "AuthenticationEnabled": c.Username != "",
		"RegisteredUsers": map[string]string{}, "DefaultEncoding": "Utf8",
	}
	if c.Username != "" {
		settings["RegisteredUsers"] = map[string]string{c.Username: c.Password}
	}
	if err := s.run(ctx, program, settings); err != nil {
		_ = os.RemoveAll(s.dir)
		return nil, err
	}
	return s, nil
}

// run starts the program and waits until it says that it serves.
func (s *Server) run(ctx context.Context, program string, settings map[string]any) error {
	config, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "orthanc.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	s.cmd = exec.Command(program, "--verbose", file)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start Orthanc: %w", err)
	}
	ready := make(chan struct{})
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(log)
		said := false
		for lines.Scan() {
			if !said && strings.Contains(lines.Text(), "Orthanc has started") {
				said = true
				close(ready)
			}
		}
		_ = s.cmd.Wait() // it is killed
	}()
	select {
	case <-ready:
		return nil
	case <-s.ended:
		return errors.New("start Orthanc: it ended at once")
	case <-ctx.Done():
		s.kill()
		return fmt.Errorf("start Orthanc: %w", ctx.Err())
	}
}

// StartTest starts a server for a test, which is skipped where it is not installed.
func StartTest(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), c)
	if errors.Is(err, ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Upload puts a DICOM file into the server.
func (s *Server) Upload(ctx context.Context, file []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/instances", bytes.NewReader(file))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/dicom")
	if s.config.Username != "" {
		req.SetBasicAuth(s.config.Username, s.config.Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("upload to Orthanc: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("upload to Orthanc: it answered %s", resp.Status)
	}
	return nil
}

// UploadFolder puts every file of a folder into the server.
func (s *Server) UploadFolder(ctx context.Context, dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		file, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := s.Upload(ctx, file); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
