package research_test

import (
	"testing"
	"testing/fstest"

	"github.com/tomocast/tomocast/internal/research"
)

// A file that was written is read again as it was.
func TestNRRDRoundTrip(t *testing.T) {
	g := research.Grid{Size: [3]int{3, 2, 2}, Origin: [3]float64{-1.25, 1.0 / 3, 1e-7},
		Axes: [3][3]float64{{0.5, 0, 0.1}, {0, -0.75, 0}, {-0.1, 0, 1.0 / 7}}}
	file, samples := research.NRRD(g)
	want := []float32{0, 1, -2, 3.5, 1e-20, 5, 6, 7, 8, -9e10, 10, 11}
	research.PutFloat32s(samples, want)
	m, err := research.Open(fstest.MapFS{"a.nrrd": {Data: file}}, "a.nrrd")
	if err != nil {
		t.Fatal(err)
	}
	if m.Size != g.Size || m.Origin != g.Origin || m.Axes != g.Axes || !m.Placed || len(m.Warnings) > 0 || m.Type != research.Float32 {
		t.Errorf("read as %+v", m)
	}
	got, err := values(m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if float32(got[i]) != want[i] {
			t.Errorf("sample %d is %g, written was %g", i, got[i], want[i])
		}
	}
}
