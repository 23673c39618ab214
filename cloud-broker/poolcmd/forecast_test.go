package poolcmd

import (
	"strings"
	"testing"
)

// A young pool has nothing to predict from, and says so.
func TestPredictSaysThatNothingHasRun(t *testing.T) {
	for name, history := range map[string]string{"no entry": "", "none that ran": `{"task":"t","type":"training","createdAt":"2026-01-01T00:00:10Z","endedAt":"2026-01-01T00:00:20Z"}` + "\n"} {
		s := newServer(t, map[string]string{"GET /api/v1/history": history})
		if out, err := s.run(t, "predict"); err != nil || !strings.HasPrefix(out, "Nothing has run yet") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	s := newServer(t, map[string]string{"GET /api/v1/history": "no history\n"})
	if _, err := s.run(t, "predict"); err == nil || strings.Contains(err.Error(), "/tmp") || !strings.Contains(err.Error(), "read the history") {
		t.Error(err)
	}
	if _, err := s.run(t, "predict", "--trace", "none.csv"); err == nil || !strings.Contains(err.Error(), "none.csv") {
		t.Error(err)
	}
}
