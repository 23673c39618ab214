package dicomweb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// orthanc starts Debian's Orthanc with its DICOMweb plugin on a free port; the test is skipped where it is not
// installed.
func orthanc(t testing.TB) (base string) {
	t.Helper()
	program, err := exec.LookPath("Orthanc")
	if err != nil {
		t.Skip("Orthanc is not installed (Debian: orthanc orthanc-dicomweb)")
	}
	plugin := filepath.Join(filepath.Dir(program), "../share/orthanc/plugins/libOrthancDicomWeb.so")
	if _, err := os.Stat(plugin); err != nil {
		t.Skip("Orthanc's DICOMweb plugin is not installed (Debian: orthanc-dicomweb)")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{
		"StorageDirectory": dir, "IndexDirectory": dir, "Plugins": []string{plugin}, "HttpPort": port,
		"DicomServerEnabled": false, "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "orthanc.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--verbose", file)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Orthanc has started") {
				ready <- true
			}
		}
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatal("Orthanc does not start")
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// The client gets from a server of others what it gets from ours.
func TestClientWithOrthanc(t *testing.T) {
	base := orthanc(t)
	for n := range 5 {
		var b bytes.Buffer
		if err := dicom.Write(&b, sourcetest.Slice(studyA, seriesA, n+1)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(base+"/instances", "application/dicom", &b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	c := &Client{BaseURL: base + "/dicom-web"}
	series, err := c.QuerySeries(t.Context(), studyA)
	if err != nil || len(series) != 1 || series[0].InstanceCount != 5 {
		t.Errorf("series %+v, %v", series, err)
	}
	for _, separately := range []bool{false, true} {
		if c.Ahead = DefaultAhead; separately {
			c.Ahead = -1
		}
		s := c.Source(studyA, seriesA)
		list, err := s.Instances(t.Context())
		if err != nil || len(list) != 5 || !list[4].Placed() || *list[4].Position != [3]float64{-12.5, 3, 12.5} || *list[4].Rescale != [2]float64{1, -1024} {
			t.Fatalf("separately %v: %+v, %v", separately, list, err)
		}
		var got collect
		if err := s.Each(t.Context(), 2, got.add); err != nil || !slices.Equal(got.sorted(), oneToFive) {
			t.Errorf("separately %v: %v, %v", separately, got.numbers, err)
		}
	}
	if _, err := c.Metadata(t.Context(), "9.9", "9.9"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("unknown series: %v", err)
	}
}
