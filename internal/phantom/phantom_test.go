package phantom

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// TestTruth checks values where the content of the head is known.
func TestTruth(t *testing.T) {
	for name, want := range map[string]struct {
		at     vec
		lo, hi float64
	}{
		"air beside the head":         {vec{120, 0, 0}, air, air},
		"core of the lesion":          {vec(Lesion), necrosis, necrosis},
		"rim of the lesion":           {vec{Lesion[0] + 9.5, Lesion[1], Lesion[2]}, enhanced, enhanced},
		"no lesion on the right":      {vec{-Lesion[0], Lesion[1], Lesion[2]}, csf, grey},
		"skull on the left":           {vec{67, 6, 40}, diploe, cortex},
		"skull on the right":          {vec{-67, 6, 40}, diploe, cortex},
		"burr hole on the right":      {vec{-62, 0.3, 54.5}, csf, muscle},
		"no burr hole on the left":    {vec{62, 0.3, 54.5}, diploe, cortex},
		"carotid on the left":         {vec{28, 12, -95}, blood, blood},
		"carotid on the right":        {vec{-28, 12, -95}, blood, blood},
		"sagittal sinus":              {vec{0, -8, 98}, blood, cortex},
		"ventricle":                   {vec{10, 0, 37}, csf, csf},
		"windpipe":                    {vec{0, -5, -120}, air, air},
		"metal on the left temple":    {marker[0], metal, metal},
		"none on the right":           {vec{-marker[0][0], marker[0][1], marker[0][2]}, air, muscle},
		"body of a cervical vertebra": {vec{0, 34, -77}, cortex, cortex},
	} {
		if got := HU(want.at[0], want.at[1], want.at[2], 0.5); got < want.lo-1 || got > want.hi+1 {
			t.Errorf("%s: %.0f HU, want %.0f to %.0f", name, got, want.lo, want.hi)
		}
	}
}

// TestSlicesFollowTheForms compares the series with the forms that it is sampled from.
func TestSlicesFollowTheForms(t *testing.T) {
	h := New(Options{})
	var wrong, n int
	for _, k := range []int{50, 100, 128, 150, 200} {
		values, first := h.Slice(k), h.origin(k)
		for j := 0; j < h.Rows; j += 3 {
			for i := 0; i < h.Columns; i += 3 {
				exact := HU(first[0]+float64(i)*h.Spacing, first[1]+float64(j)*h.Spacing, first[2], 2.4*h.Spacing)
				if n++; math.Abs(float64(values[i+h.Columns*j])-exact) > 60 {
					wrong++
				}
			}
		}
	}
	if wrong > n/100 {
		t.Errorf("%d of %d voxels are more than 60 HU from the closed form", wrong, n)
	}
}

func TestSeriesIsTheSameEveryTime(t *testing.T) {
	o := Options{Columns: 40, Rows: 40, Slices: 40}
	if !slices.Equal(New(o).Slice(20), New(o).Slice(20)) {
		t.Error("two slices of the same options differ")
	}
}

// TestSeriesIsWrittenAsDICOM reads the series back.
func TestSeriesIsWrittenAsDICOM(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	o := Options{Columns: 32, Rows: 24, Slices: 20}
	if err := WriteSeries(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	if err := WriteSeries(t.Context(), dir, o); err != nil {
		t.Errorf("a second time: %v", err)
	}
	h := New(o)
	for k := range o.Slices {
		d, err := dicom.ReadFile(filepath.Join(dir, fmt.Sprintf("CT%04d.dcm", k+1)), dicom.Options{})
		if err != nil {
			t.Fatal(err)
		}
		position, _ := d.Floats(dicom.ImagePositionPatient)
		want := h.origin(k)
		if len(position) != 3 || math.Abs(position[2]-want[2]) > 1e-3 || math.Abs(position[0]-want[0]) > 1e-3 {
			t.Errorf("slice %d stands at %v, not %v", k, position, want)
		}
		raw, err := d.Frame(0)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range h.Slice(k) {
			if got := int(binary.LittleEndian.Uint16(raw[2*i:])) - 1024; got != int(v) {
				t.Fatalf("slice %d voxel %d is %d, not %d", k, i, got, v)
			}
		}
	}
	left, _ := os.ReadDir(filepath.Dir(dir))
	if len(left) != 1 {
		t.Errorf("%d entries are left beside the folder", len(left)-1)
	}
}

func TestImpossibleOptions(t *testing.T) {
	if err := WriteSeries(t.Context(), filepath.Join(t.TempDir(), "x"), Options{Slices: 1}); err == nil {
		t.Error("one slice was written as a series")
	}
}
