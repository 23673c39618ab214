package main

import (
	"math"
	"strings"
	"testing"
)

func TestShort(t *testing.T) {
	for name, want := range map[string]string{
		"OpenGL 4.5 (Core Profile) Mesa 22.3.6, llvmpipe (LLVM 15.0.6, 256 bits)": "OpenGL, llvmpipe",
		"OpenGL 4.6":    "OpenGL",
		"Go, 2 threads": "Go, 2 threads",
	} {
		if got := short(name); got != want {
			t.Errorf("short(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestQuantileOfLeavesOutWhatWasNotMeasured(t *testing.T) {
	if got := medianOf([]float64{math.NaN(), 3, 1, math.NaN(), 2}, func(v float64) float64 { return v }); got != 2 {
		t.Errorf("median = %v, want 2", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	for range 100 {
		if _, err := log.Write([]byte(strings.Repeat("x", 100))); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = log.Write([]byte("the end\n"))
	if got := log.String(); !strings.HasSuffix(got, "xthe end") || len(got) > tailBytes {
		t.Errorf("%d bytes are kept, ending %q", len(got), got[max(0, len(got)-20):])
	}
}
