package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// The commands take a folder, an archive or a file; an archive that is hostile leaves nothing outside.
func TestAsFolder(t *testing.T) {
	dir := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(dir, "study"), "1.2", "1.2.3", 4)
	var raw bytes.Buffer
	z := zip.NewWriter(&raw)
	for _, name := range []string{"a/one", "../outside", "/absolute"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := dicom.Write(w, sourcetest.Slice("1.2", "1.2.3", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "study.zip")
	sourcetest.WriteBytes(t, archive, raw.Bytes())

	got, done, err := asFolder(filepath.Join(dir, "study"))
	if err != nil || got != filepath.Join(dir, "study") {
		t.Errorf("a folder is %s, %v", got, err)
	}
	done()
	for path, want := range map[string]string{archive: "a/one", filepath.Join(dir, "study", "f037"): "f037"} {
		got, done, err := asFolder(path)
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		if err := filepath.WalkDir(got, func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files++
			}
			return err
		}); err != nil || files != 1 {
			t.Errorf("%s: %d files, %v", path, files, err)
		}
		if _, err := dicom.ReadFile(filepath.Join(got, filepath.FromSlash(want)), dicom.Options{}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		done()
		if _, err := os.Stat(got); !os.IsNotExist(err) {
			t.Errorf("%s is left behind", got)
		}
	}
	if _, err := os.Stat(filepath.Join(memoryFolder, "outside")); !os.IsNotExist(err) {
		t.Error("an entry of the archive came to lie outside of its folder")
	}
	if _, _, err := asFolder(filepath.Join(dir, "none")); !errors.Is(err, service.ErrUsage) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestStudiesFlag(t *testing.T) {
	got, err := parseStudies([]string{"main=/srv/studies", "second=/a=b"})
	if err != nil || got["main"] != "/srv/studies" || got["second"] != "/a=b" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range [][]string{{"/srv"}, {"=x"}, {"a="}, {"a b=/x"}, {"a=/x", "a=/y"}} {
		if _, err := parseStudies(bad); !errors.Is(err, service.ErrUsage) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// What cannot work is said before anything is opened.
func TestServeRefuses(t *testing.T) {
	t.Setenv("TOMOCAST_EDGE_SECRET", "secret")
	for name, args := range map[string][]string{
		"memory below a session's": {"--volume-memory", "512"},
		"disk without a folder":    {"--volume-cache-disk", "100"},
		"studies without a name":   {"--local-source", "/srv"},
		"a broker that is none":    {"--broker", "http://127.0.0.1:8080,broker"},
		"a broker twice":           {"--broker", "http://127.0.0.1:8080", "--broker", "http://127.0.0.1:8080"},
		"a public broker":          {"--broker-public-url", "wss://broker"},
	} {
		if err := serve(t.Context(), args); !errors.Is(err, service.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// --broker names one broker or several, in the order in which they are tried.
func TestBrokersFlag(t *testing.T) {
	t.Setenv("TOMOCAST_EDGE_SECRET", "secret")
	for want, args := range map[string][]string{
		"http://127.0.0.1:8080":               nil,
		"https://a.example.org":               {"--broker", "https://a.example.org"},
		"http://b:8080 http://a:8080":         {"--broker", "http://b:8080,http://a:8080"},
		"http://b:8080 http://a:80 https://c": {"--broker", "http://b:8080", "--broker=http://a:80, https://c"},
	} {
		s, err := parseServe(args)
		if err != nil {
			t.Fatal(err)
		}
		brokers, err := s.check()
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		var got []string
		for _, b := range brokers {
			got = append(got, b.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: brokers %v", args, got)
		}
	}
}

// `render` makes a picture of files that know no UIDs, as it does of DICOM.
func TestRenderResearchFiles(t *testing.T) {
	header := "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 8 8 8\nencoding: raw\nspace: left-posterior-superior\n" +
		"space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
	voxels := make([]byte, 512)
	for i := range voxels {
		voxels[i] = byte(i % 8)
	}
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "volume.nrrd"), filepath.Join(dir, "folder")
	sourcetest.WriteBytes(t, file, append([]byte(header), voxels...))
	sourcetest.WriteBytes(t, filepath.Join(folder, "labels.seg.nrrd"), append([]byte(header), voxels...))
	for _, from := range []string{file, folder} {
		out := filepath.Join(t.TempDir(), "picture.png")
		if err := renderCommand(t.Context(), []string{"--study", from, "--out", out, "--backend", "cpu", "--size", "64x64"}); err != nil {
			t.Fatalf("render %s: %v", filepath.Base(from), err)
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(f)
		f.Close()
		if err != nil || m.Bounds().Dx() != 64 || m.Bounds().Dy() != 64 {
			t.Fatalf("the picture of %s: %v", filepath.Base(from), err)
		}
		if r, _, _, _ := m.At(60, 32).RGBA(); r == 0 {
			t.Errorf("the picture of %s is black", filepath.Base(from))
		}
	}
}
