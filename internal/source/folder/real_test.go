package folder

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// near allows for the six decimals that directions are written with there.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

// TestRealStudies compares the index of real studies with what pydicom said of them.
func TestRealStudies(t *testing.T) {
	text, err := os.ReadFile(sourcetest.Studies(t, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]json.RawMessage
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	for name, raw := range expected {
		if raw[0] != '[' {
			continue // a file of another format
		}
		t.Run(name, func(t *testing.T) {
			var list []struct {
				Series                            string
				N, Rows, Cols                     int
				PixelSpacingRowCol, Iop, IppFirst []float64
				Modality, Ts                      string
			}
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Fatal(err)
			}
			x := open(t, sourcetest.Studies(t, filepath.FromSlash(name)), "")
			for _, e := range list {
				found, _ := x.FindInstances(source.Query{SeriesUIDs: []string{e.Series}}, 1000)
				if len(found) != e.N {
					t.Errorf("%d instances, want %d: %v", len(found), e.N, x.Problems())
					continue
				}
				i := found[0].Instance
				if found[0].Series.Modality != e.Modality || i.TransferSyntaxUID != e.Ts || i.Rows != e.Rows || i.Columns != e.Cols {
					t.Errorf("%+v, want %+v", i, e)
				}
				if i.Spacing != nil && !slices.Equal(i.Spacing[:], e.PixelSpacingRowCol) || i.Orientation != nil && !slices.EqualFunc(i.Orientation[:], e.Iop, near) {
					t.Errorf("spacing %v, orientation %v, want %+v", i.Spacing, i.Orientation, e)
				}
				first := slices.ContainsFunc(found, func(f source.Stored) bool {
					return f.Instance.Position != nil && slices.Equal(f.Instance.Position[:], e.IppFirst)
				})
				if len(e.IppFirst) > 0 && !first {
					t.Errorf("no instance is at %v", e.IppFirst)
				}
			}
		})
	}
}

// TestAllTestData indexes everything there is, fuzzed files included, twice: nothing may crash, and the second time
// says the same.
func TestAllTestData(t *testing.T) {
	root, cache := filepath.Dir(sourcetest.Studies(t, "expected.json")), t.TempDir()
	x := open(t, root, cache)
	st := x.Stats()
	if st.Studies < 20 || st.Instances < 300 || st.Skipped == 0 || st.Files < st.Instances+st.Skipped {
		t.Errorf("stats %+v", st)
	}
	if again := open(t, root, cache).Stats(); again != st {
		t.Errorf("second time %+v, first %+v", again, st)
	}
}
