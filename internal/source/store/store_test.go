package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

const (
	study  = "1.2.3.1"
	series = "1.2.3.1.1"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, dir string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, "", quiet, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// files is all files below a folder.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is added is whole, found at once here and after a rescan elsewhere, and nothing in its path says whose it is.
func TestAddAndDelete(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	for n := range 3 {
		i, err := s.Add(t.Context(), study, bytes.NewReader(sourcetest.Encode(t, sourcetest.Slice(study, series, n+1))))
		if err != nil || i.SOPInstanceUID == "" || i.Number != n+1 {
			t.Fatal(i, err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if list, _ := s.Studies(source.Query{}); len(list) != 1 || list[0].InstanceCount != 3 {
		t.Errorf("%+v", list)
	}
	if list, _ := other.Studies(source.Query{}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if err := other.Rescan(t.Context()); err != nil || other.Stats().Instances != 3 {
		t.Errorf("%v, %+v", err, other.Stats())
	}
	kept := files(t, dir)
	if len(kept) != 3 {
		t.Errorf("%v", kept)
	}
	for _, name := range kept {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := dicom.Parse(data, dicom.Options{}); err != nil || !bytes.Equal(data, sourcetest.Encode(t, sourcetest.Slice(study, series, must(d.Int(dicom.InstanceNumber))))) {
			t.Errorf("%s is not what was added: %v", name, err)
		}
		rel, _ := filepath.Rel(dir, name)
		if strings.Contains(rel, study) || strings.Count(rel, string(filepath.Separator)) != 2 {
			t.Errorf("path %s", rel)
		}
		if st, _ := os.Stat(name); st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", st.Mode())
		}
	}
	if n, err := s.Delete(study, series, series+".2"); n != 1 || err != nil || s.Stats().Instances != 2 {
		t.Errorf("%d, %v, %+v", n, err, s.Stats())
	}
	if n, err := s.Delete(study, "", ""); n != 2 || err != nil || s.Stats().Studies != 0 || len(files(t, dir)) != 0 {
		t.Errorf("%d, %v, %v", n, err, files(t, dir))
	}
	if _, err := s.Delete(study, "", ""); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || entries[0].Name() != temporary {
		t.Errorf("left: %v", entries)
	}
}

func must(n int, _ bool) int { return n }

func TestAddRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, WithMaxFile(10_000))
	good := sourcetest.Encode(t, sourcetest.Slice(study, series, 1))
	changed := sourcetest.Slice(study, series, 1)
	changed.SetString(dicom.PatientID, dicom.LO, "another")
	moved := sourcetest.Slice(study, "1.2.3.1.77", 1)
	moved.SetString(dicom.SOPInstanceUID, dicom.UI, series+".1")
	large := sourcetest.Slice(study, series, 2)
	large.SetBytes(dicom.PixelData, dicom.OW, make([]byte, 20_000))
	noSeries := sourcetest.Slice(study, series, 3)
	noSeries.Delete(dicom.SeriesInstanceUID)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name  string
		ctx   context.Context
		study string
		data  []byte
		want  error
	}{
		{"good", t.Context(), study, good, nil},
		{"the same again", t.Context(), "", good, nil},
		{"same UID, other content", t.Context(), study, sourcetest.Encode(t, changed), ErrConflict},
		{"same UID in another series", t.Context(), study, sourcetest.Encode(t, moved), ErrConflict},
		{"another study", t.Context(), "1.2.9", good, ErrOtherStudy},
		{"too large", t.Context(), study, sourcetest.Encode(t, large), source.ErrLimit},
		{"a text", t.Context(), study, []byte(strings.Repeat("no image ", 50)), ErrNotDICOM},
		{"nothing", t.Context(), study, nil, ErrNotDICOM},
		{"no series", t.Context(), study, sourcetest.Encode(t, noSeries), ErrNotDICOM},
		{"cut header", t.Context(), study, good[:300], ErrNotDICOM},
		{"research file", t.Context(), study, []byte("NRRD0005\nsizes: 2 2 2\n\n12345678"), ErrNotDICOM},
		{"cancelled", cancelled, study, sourcetest.Encode(t, sourcetest.Slice(study, series, 9)), context.Canceled},
	} {
		_, err := s.Add(c.ctx, c.study, bytes.NewReader(c.data))
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err := s.Flush(); err != nil {
			t.Error(err)
		}
	}
	if got := files(t, dir); len(got) != 1 || s.Stats().Instances != 1 || s.Stats().Problems != 0 {
		t.Errorf("%v, %+v", got, s.Stats())
	}
	full := open(t, dir, WithMaxBytes(100))
	if _, err := full.Add(t.Context(), study, bytes.NewReader(sourcetest.Encode(t, sourcetest.Slice(study, series, 4)))); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
}

// An instance that breaks off leaves nothing behind.
func TestBrokenUpload(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	data := sourcetest.Encode(t, sourcetest.Slice(study, series, 1))
	fault := errors.New("connection lost")
	in := io.MultiReader(bytes.NewReader(data[:len(data)-10]), failing{fault})
	if _, err := s.Add(t.Context(), study, in); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("%v", got)
	}
	// What another broker was writing when it ended goes after a day.
	old := filepath.Join(dir, temporary, "old")
	recent := filepath.Join(dir, temporary, "recent")
	sourcetest.WriteBytes(t, old, data)
	if err := os.WriteFile(recent, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if got := files(t, dir); len(got) != 1 || got[0] != recent || again.Stats().Files != 0 {
		t.Errorf("%v, %+v", got, again.Stats())
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Two brokers that are given the same at the same time keep it once, and of two different ones under one UID the first.
func TestSharedFolder(t *testing.T) {
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)}
	good := sourcetest.Encode(t, sourcetest.Slice(study, series, 1))
	changed := sourcetest.Slice(study, series, 2)
	changed.SetString(dicom.PatientID, dicom.LO, "another")
	versions := [][]byte{sourcetest.Encode(t, sourcetest.Slice(study, series, 2)), sourcetest.Encode(t, changed)}
	var wg sync.WaitGroup
	errs := make([][2]error, 2)
	for i, s := range stores {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i][0] = s.Add(context.Background(), study, bytes.NewReader(good))
			_, errs[i][1] = s.Add(context.Background(), study, bytes.NewReader(versions[i]))
		}()
	}
	wg.Wait()
	if errs[0][0] != nil || errs[1][0] != nil {
		t.Errorf("the same: %v", errs)
	}
	if errors.Is(errs[0][1], ErrConflict) == errors.Is(errs[1][1], ErrConflict) {
		t.Errorf("different ones: %v", errs)
	}
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("%v", got)
	}
	for _, s := range stores {
		if err := s.Rescan(t.Context()); err != nil || s.Stats().Instances != 2 {
			t.Errorf("%v, %+v", err, s.Stats())
		}
	}
}
