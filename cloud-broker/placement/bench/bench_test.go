package bench

import "testing"

// The measurement itself is sound: choosing and scanning agree, and all figures are there.
func TestRun(t *testing.T) {
	res, err := Run(2000)
	if err != nil {
		t.Fatal(err)
	}
	if res.Choose <= 0 || res.Full <= 0 || res.Scan <= 0 || res.Apply <= 0 || res.Load <= 0 || !(res.Ratio > 0) || !(res.Terms > 0) || !(res.MemoryMB > 0) {
		t.Errorf("%+v", res)
	}
	for _, row := range res.Rows() {
		if !(row.Value > 0) {
			t.Errorf("%+v", row)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	var res Result
	for b.Loop() {
		var err error
		if res, err = Run(100_000); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(res.Choose.Microseconds()), "choose-us")
	b.ReportMetric(float64(res.Full.Microseconds()), "choose-full-us")
	b.ReportMetric(float64(res.Scan.Microseconds()), "scan-us")
	b.ReportMetric(float64(res.Apply.Nanoseconds()), "apply-ns")
	b.ReportMetric(float64(res.Load.Milliseconds()), "load-ms")
	b.ReportMetric(float64(res.Policy.Microseconds()), "policy-us")
	b.ReportMetric(res.Terms, "terms-ratio")
	b.ReportMetric(res.Ratio, "ratio")
	b.ReportMetric(res.MemoryMB, "MB")
}
