package worklistbench

import "testing"

// The index of a worklist: a restart reads no file again. What it takes with 10,000 studies is measured by make bench.
func TestManyStudies(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	if err := Make(t.Context(), dir, 1_000); err != nil {
		t.Fatal(err)
	}
	f, err := Run(t.Context(), dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	if f.Studies != 1_000 || f.Files != 1_100 || f.RestartReads != 0 {
		t.Errorf("%+v", f)
	}
}
