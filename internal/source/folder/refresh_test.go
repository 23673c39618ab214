package folder

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// A study whose files have changed is brought up to date without a look at the others.
func TestRefresh(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "a"), studyA, seriesA, 5)
	sourcetest.WriteSeries(t, filepath.Join(root, "b"), studyB, seriesB, 2)
	sourcetest.WriteBytes(t, filepath.Join(root, "c", "packed.zip"), zipped(t, series(t, studyA, seriesA+".7", 3)))
	sourcetest.Write(t, filepath.Join(root, "z", "copy"), sourcetest.Slice(studyA, seriesA, 1))
	var reads atomic.Int64
	x := open(t, root, "", counting(&reads))
	reads.Store(0)
	if different, err := x.Refresh(studyA); different || err != nil || reads.Load() != 0 {
		t.Fatalf("nothing has changed: %v, %v, %d reads", different, err, reads.Load())
	}
	at := func(n int) string {
		for _, f := range x.Find(studyA, seriesA, "") {
			if f.Instance.Number == n {
				return filepath.Join(root, filepath.FromSlash(f.Path))
			}
		}
		t.Fatalf("no slice %d", n)
		return ""
	}
	first, second := at(1), at(2)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first); err != nil { // of which there is a copy
		t.Fatal(err)
	}
	sourcetest.WriteBytes(t, at(3), []byte("no slice any more"))
	sourcetest.WriteBytes(t, filepath.Join(root, "c", "packed.zip"), zipped(t, series(t, studyA, seriesA+".7", 2)))
	if different, err := x.Refresh(studyA); !different || err != nil || reads.Load() != 2 {
		t.Errorf("%v, %v, %d reads", different, err, reads.Load())
	}
	for uid, want := range map[string]int{seriesA: 3, seriesA + ".7": 2} {
		s, err := x.Source(studyA, uid)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := s.Each(t.Context(), 1, func(source.Object) error { n++; return nil }); err != nil || n != want {
			t.Errorf("%d files, want %d: %v", n, want, err)
		}
	}
	if err := os.RemoveAll(filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	if different, err := x.Refresh(studyB); !different || err != nil || x.Stats().Studies != 1 {
		t.Errorf("%v, %v, %+v", different, err, x.Stats())
	}
}
