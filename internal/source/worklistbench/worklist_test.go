package worklistbench

import (
	"testing"
	"time"
)

// A worklist of 10,000 studies: first page within 100 ms, any search within 200 ms, restart without reading the files
// again.
func TestTenThousandStudies(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	if err := Make(t.Context(), dir, 10_000); err != nil {
		t.Fatal(err)
	}
	f, err := Run(t.Context(), dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", f)
	if f.Studies != 10_000 || f.Files != 11_000 || f.RestartReads != 0 {
		t.Errorf("%+v", f)
	}
	if f.FirstPage > 100*time.Millisecond || f.Search > 200*time.Millisecond {
		t.Errorf("first page %v, search for %s %v", f.FirstPage, f.Searched, f.Search)
	}
}
