package study_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// FuzzAdd puts a mutated file among good ones. The good slices keep their values whatever it holds; what it spoils is
// told; nothing panics, and no voxel is no number.
func FuzzAdd(f *testing.F) {
	var good [][]byte
	for _, d := range slices(5) {
		good = append(good, sourcetest.Encode(f, d))
	}
	f.Add(good[2])
	enhanced := slices(1)[0]
	enhanced.SetInts(dicom.NumberOfFrames, dicom.IS, 4)
	enhanced.SetInts(dicom.Rows, dicom.US, 2)
	f.Add(sourcetest.Encode(f, enhanced))
	floats := slices(1)[0]
	floats.Delete(dicom.PixelData)
	floats.SetInts(dicom.BitsAllocated, dicom.US, 32)
	floats.SetFloats(dicom.FloatPixelData, dicom.OF, append(make([]float64, 62), math.NaN(), math.Inf(1))...)
	f.Add(sourcetest.Encode(f, floats))
	// The mutants of the test data, where it is there: small files alone.
	mutants, _ := filepath.Glob(filepath.Join(os.Getenv("TOMOCAST_TESTDATA"), "studies", "derived", "fuzz", "*"))
	for _, p := range mutants {
		if data, err := os.ReadFile(p); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := study.NewBuilder(study.Options{MaxBytes: 16 << 20, Workers: 1, Limits: dicom.Limits{MaxBytes: 1 << 20}})
		defer b.Close()
		for k, g := range good {
			if k == 2 {
				g = data
			}
			if err := b.Add("file", append([]byte(nil), g...)); err != nil {
				var e *study.Error
				if !errors.As(err, &e) || e.Reason == "" {
					t.Fatalf("an error without a reason: %v", err)
				}
				return
			}
		}
		r, err := b.Finish()
		if err != nil {
			var e *study.Error
			if !errors.As(err, &e) || e.Reason == "" {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		defer r.Free()
		v := r.Volume
		for k := range v.Size[2] {
			for j := range v.Size[1] {
				for i := range v.Size[0] {
					if x := v.At(i, j, k); math.IsNaN(x) || math.IsInf(x, 0) {
						t.Fatalf("voxel (%d,%d,%d) is %v", i, j, k, x)
					}
				}
			}
		}
		whole := len(r.Instances) == 5 && len(r.Parts) == 1
		if !whole && len(r.Warnings) == 0 && len(r.Parts) == 1 && len(r.LeftOut) == 0 {
			t.Fatal("a slice is not in the volume, and nothing says so")
		}
		// The good slices, found by where they are, have their values.
		for k := range 5 {
			if k == 2 || r.Identity.PatientID != "P-1" || v.Size[0] != 8 {
				continue
			}
			p := v.Index([3]float64{-12.5, 3, 2.5 * float64(k)})
			n := math.Round(p[2])
			if math.Abs(p[0])+math.Abs(p[1])+math.Abs(p[2]-n) > 1e-6 || n < 0 || int(n) >= v.Size[2] {
				continue // another part, or resampled
			}
			if got := v.At(0, 0, int(n)); got != float64(256+10*k-1024) {
				t.Fatalf("slice %d has %v", k, got)
			}
		}
	})
}
