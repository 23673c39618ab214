package predict_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/predict"
)

// The command shows how well a trace is predicted and on what predictions rest, and refuses by name what is wrong (B2).
func TestB2CommandShowsAndExplains(t *testing.T) {
	var text strings.Builder
	text.WriteString("timestamp,duration,num_gpus,cluster\n")
	for range 50 {
		text.WriteString("2020-01-01 00:00:00,60,1,c\n2020-01-01 01:00:00,60,1,c\n")
	}
	file := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := predict.Command(t.Context(), []string{"--trace", file, "--examples", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"50 predicted of 100", "within a factor of 2", "100.0 %", "1m0s expected", "it took 1m0s", "50 ended tasks of the same creator"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := predict.Command(t.Context(), []string{"--trace", file, "--json"}, &out); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Score    predict.Score
		Examples []predict.Example
	}
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || r.Score.Tasks != 50 || len(r.Examples) != 3 {
		t.Errorf("%v: %+v", err, r)
	}
	for want, args := range map[string][]string{"--trace is missing": nil, "--examples -1": {"--trace", file, "--examples", "-1"}, "no such file": {"--trace", file + "x"}} {
		if err := predict.Command(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// A history of which nothing has run is shown as JSON too.
func TestShowsNothingAsJSON(t *testing.T) {
	var out strings.Builder
	if err := predict.Show(&out, "a history", nil, nil, 3, true); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := predict.Show(&out, "a history", nil, nil, 3, false); err == nil || !strings.Contains(err.Error(), "a history has no two tasks") {
		t.Error(err)
	}
}
