package bench

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestMedianAndRatio(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(tt.values); got != tt.want {
			t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
	values := []float64{9, 1, 5}
	Median(values)
	if values[0] != 9 {
		t.Error("Median sorted its argument")
	}
	if got := Quantile([]float64{10, 20, 30, 40, 50}, 0.95); math.Abs(got-48) > 1e-9 {
		t.Errorf("p95 = %v, want 48", got)
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Ratio(nil, []float64{1})) {
		t.Error("nothing has a median")
	}
	// Paired: the third run was slow for both.
	if got := Ratio([]float64{2, 2, 20}, []float64{1, 1, 10}); got != 2 {
		t.Errorf("Ratio = %v, want 2", got)
	}
}

func TestWrite(t *testing.T) {
	rows := []Row{
		{Name: "claim", Value: 1.2345, Unit: "x", Bar: 2, BarIs: AtMost},
		{Name: "likeness", Value: 29, Unit: "dB", Bar: 30, BarIs: AtLeast},
		{Name: "failed", Value: math.NaN(), Unit: "ms", Bar: 30, BarIs: AtMost},
		{Name: "rate", Value: 31234.5, Unit: "1/s"},
	}
	for i, want := range []bool{true, false, false, true} {
		if rows[i].Met() != want {
			t.Errorf("%s met: %v", rows[i].Name, !want)
		}
	}
	var b strings.Builder
	if err := Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	table, text, _ := strings.Cut(b.String(), "\n\n")
	want := strings.Join([]string{
		"measurement  value      bar             ",
		"claim        1.234 x    at most 2 x     met",
		"likeness     29 dB      at least 30 dB  MISSED",
		"failed       NaN ms     at most 30 ms   MISSED",
		"rate         31234 1/s                  ",
	}, "\n")
	if table != want {
		t.Errorf("table is\n%s\nwant\n%s", table, want)
	}
	var back []struct {
		Row
		Value *float64 `json:"value"`
		Met   bool     `json:"met"`
	}
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if len(back) != 4 || back[0].Value == nil || *back[0].Value != 1.2345 || !back[0].Met || back[1].Met || back[2].Value != nil || back[3].BarIs != "" {
		t.Errorf("JSON came back as %+v", back)
	}
}
