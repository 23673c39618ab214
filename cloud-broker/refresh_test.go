package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// A file that was removed from a folder does not keep the rest of its series away until the next rescan.
func TestAFileIsRemovedFromAFolder(t *testing.T) {
	dir := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(dir, "a"), study, series, 60)
	b := start(t, "--studies", dir, "--rescan", "24h")
	client := &dicomweb.Client{BaseURL: b.url + "/dicom-web", Bearer: localToken}
	names, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a", names[45].Name())); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	n := make(chan struct{}, 100)
	s := client.Source(study, series)
	if err := s.Each(t.Context(), 1, func(source.Object) error { n <- struct{}{}; return nil }); err != nil || len(n) != 59 {
		t.Errorf("%d files, %v", len(n), err)
	}
	if list, err := s.Instances(t.Context()); err != nil || len(list) != 59 {
		t.Errorf("%d instances, %v", len(list), err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if text := b.logs.String(); strings.Contains(text, study) || !strings.Contains(text, "changed or removed") {
		t.Errorf("the log says too much or too little:\n%s", text)
	}
}

// A series that was moved within its folder is gone at once and found again soon. Its study is looked at once in a
// while, however often it is asked for.
func TestASeriesIsMovedWithinAFolder(t *testing.T) {
	dir := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(dir, "b"), otherStudy, otherStudy+".1", 3)
	b := start(t, "--studies", dir, "--rescan", "24h")
	if err := os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	instances := "/dicom-web/studies/" + otherStudy + "/series/" + otherStudy + ".1/metadata"
	if r := b.ask("GET", instances, ""); r.status != 404 && r.status != 200 {
		t.Errorf("moved: %d %s", r.status, r.body)
	}
	b.eventually("the moved files are found", func() bool { return b.ask("GET", instances, "").status == 200 })
	for i := range 3 {
		list, err := os.ReadDir(filepath.Join(dir, "c"))
		if err != nil || len(list) == 0 {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "c", list[0].Name())); err != nil {
			t.Fatal(err)
		}
		if r := b.ask("GET", instances, ""); r.status != 200 && r.status != 404 && r.status != 409 {
			t.Errorf("removed %d: %d %s", i, r.status, r.body)
		}
	}
}
