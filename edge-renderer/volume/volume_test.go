package volume_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// sheared is a grid whose axes are neither orthogonal nor of one length.
var sheared = volume.Geometry{
	Size:   [3]int{5, 4, 3},
	Origin: geom.Vec{-120.5, 33.25, 1000},
	Axes:   [3]geom.Vec{{0.4, 0.1, 0}, {-0.05, 0.6, 0.2}, {0.3, -0.4, -2.5}},
}

func TestInverse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		g := volume.Geometry{Size: [3]int{2, 3, 4}}
		for a := range 3 {
			g.Origin[a] = 1000 * (random.Float64() - 0.5)
			for b := range 3 {
				g.Axes[a][b] = random.Float64() - 0.5
			}
			g.Axes[a][a] += 1.5 // far from flat
		}
		ijk := geom.Vec{10 * random.Float64(), 10 * random.Float64(), 10 * random.Float64()}
		p := g.Patient(ijk)
		if got := g.Index(p); got.Sub(ijk).Norm() > 1e-9 {
			t.Fatalf("%v became %v by way of %v", ijk, got, p)
		}
		m, ok := g.Inverse()
		if !ok {
			t.Fatal("no inverse")
		}
		for a := range 3 {
			for b := range 3 {
				want := 0.0
				if a == b {
					want = 1
				}
				if got := m[a].Dot(g.Axes[b]); math.Abs(got-want) > 1e-12 {
					t.Fatalf("row %d by axis %d is %v", a, b, got)
				}
			}
		}
	}
	inf := math.Inf(1)
	for name, axes := range map[string][3]geom.Vec{
		"nothing":      {},
		"flat":         {{1, 0, 0}, {0, 1, 0}, {1, 1, 0}},
		"a line":       {{1, 2, 3}, {2, 4, 6}, {0, 0, 1}},
		"no number":    {{math.NaN(), 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"without end":  {{inf, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"beyond reach": {{1e200, 0, 0}, {0, 1e200, 0}, {0, 0, 1}},
	} {
		if m, ok := (volume.Geometry{Size: [3]int{1, 1, 1}, Axes: axes}).Inverse(); ok {
			t.Errorf("%s: the inverse is %v", name, m)
		}
	}
}

func TestPlaces(t *testing.T) {
	g := sheared
	if got, want := g.Center(), g.Patient(geom.Vec{2, 1.5, 1}); got.Sub(want).Norm() > 1e-9 {
		t.Errorf("the centre is %v, want %v", got, want)
	}
	for n, c := range g.Corners() {
		want := geom.Vec{-0.5, -0.5, -0.5}
		for a := range 3 {
			if n>>a&1 == 1 {
				want[a] = float64(g.Size[a]) - 0.5
			}
		}
		if got := g.Index(c); got.Sub(want).Norm() > 1e-9 {
			t.Errorf("corner %d is at %v, want %v", n, got, want)
		}
	}
	for a, s := range g.Spacing() {
		if math.Abs(s-g.Axes[a].Norm()) > 1e-12 {
			t.Errorf("spacing %v along axis %d", s, a)
		}
	}
	if g.Voxels() != 60 {
		t.Errorf("%d voxels", g.Voxels())
	}
}

func TestValuesAndRange(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		format           volume.Format
		slope, intercept float64
		values           [3]float64
		lo, hi           float64
	}{
		"whole numbers":          {volume.Int16, 2, -1024, [3]float64{-32768, 5, 32767}, -66560, 64510},
		"a slope below zero":     {volume.Int16, -0.5, 3, [3]float64{-100, 0, 200}, -97, 53},
		"all the same":           {volume.Int16, 1, 0, [3]float64{7, 7, 7}, 7, 7},
		"floats":                 {volume.Float32, 1, 0, [3]float64{-0.25, 1e30, 0}, -0.25, float64(float32(1e30))},
		"floats, falling":        {volume.Float32, -2, 1, [3]float64{-0.25, 4, 0}, -7, 1.5},
		"some no numbers":        {volume.Float32, 1, 10, [3]float64{float64(nan), 4, float64(nan)}, 14, 14},
		"a number at the end":    {volume.Float32, 1, 0, [3]float64{float64(nan), float64(nan), -3}, -3, -3},
		"nothing but no numbers": {volume.Float32, 1, 10, [3]float64{float64(nan), float64(nan), float64(nan)}, 0, 0},
		"without end":            {volume.Float32, 1, 0, [3]float64{float64(-inf), 4, 0}, math.Inf(-1), 4},
	} {
		v, err := volume.New(grid(3, 1, 1), c.format, c.slope, c.intercept)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Free()
		for i, x := range c.values {
			if c.format == volume.Int16 {
				v.Int16s()[i] = int16(x)
			} else {
				v.Float32s()[i] = float32(x)
			}
			if got, want := v.At(i, 0, 0), float64(float32(x))*c.slope+c.intercept; got != want && !math.IsNaN(want) {
				t.Errorf("%s: voxel %d is %v, want %v", name, i, got, want)
			}
		}
		v.UpdateRange()
		if v.Min != c.lo || v.Max != c.hi {
			t.Errorf("%s: from %v to %v, want %v to %v", name, v.Min, v.Max, c.lo, c.hi)
		}
		if (v.Int16s() == nil) == (c.format == volume.Int16) || (v.Float32s() == nil) == (c.format == volume.Float32) {
			t.Errorf("%s: voxels are given in the other format", name)
		}
		if v.Bytes() != 3*c.format.Bytes() || len(v.Raw()) != v.Bytes() {
			t.Errorf("%s: %d bytes, %d held", name, v.Bytes(), len(v.Raw()))
		}
	}
}

func TestFree(t *testing.T) {
	for _, format := range []volume.Format{volume.Int16, volume.Float32} {
		v, err := volume.New(sheared, format, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		var frees sync.WaitGroup
		for range 4 { // once is enough, more is no harm
			frees.Go(v.Free)
		}
		frees.Wait()
		v.Free()
		if v.Raw() != nil || v.Int16s() != nil || v.Float32s() != nil {
			t.Errorf("%v: voxels after Free", format)
		}
	}
}

func TestImpossible(t *testing.T) {
	at := func(change func(g *volume.Geometry)) volume.Geometry { g := sheared; change(&g); return g }
	for name, c := range map[string]struct {
		g                volume.Geometry
		slope, intercept float64
		words            string
	}{
		"no columns":          {at(func(g *volume.Geometry) { g.Size[0] = 0 }), 1, 0, "0x4x3"},
		"rows below zero":     {at(func(g *volume.Geometry) { g.Size[1] = -4 }), 1, 0, "5x-4x3"},
		"too many slices":     {at(func(g *volume.Geometry) { g.Size[2] = 1<<16 + 1 }), 1, 0, "65536"},
		"a size that wraps":   {at(func(g *volume.Geometry) { g.Size = [3]int{1 << 32, 1 << 32, 1} }), 1, 0, "65536"},
		"more than a machine": {at(func(g *volume.Geometry) { g.Size = [3]int{65536, 65536, 65536} }), 1, 0, "memory"},
		"flat":                {at(func(g *volume.Geometry) { g.Axes[2] = g.Axes[0] }), 1, 0, "span space"},
		"nowhere":             {at(func(g *volume.Geometry) { g.Origin[1] = math.NaN() }), 1, 0, "origin"},
		"no slope":            {sheared, 0, 0, "slope"},
		"a slope of none":     {sheared, math.NaN(), 0, "slope"},
		"an endless slope":    {sheared, math.Inf(-1), 0, "slope"},
		"an endless shift":    {sheared, 1, math.Inf(1), "intercept"},
	} {
		v, err := volume.New(c.g, volume.Float32, c.slope, c.intercept)
		if err == nil || v != nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
		if v, err := volume.Adopt(c.g, volume.Float32, c.slope, c.intercept, nil); err == nil || v != nil {
			t.Errorf("%s: adopted", name)
		}
	}
}

// Pages keep what they hold when they are resized, are zero where they are new, and become a volume without a copy.
func TestPages(t *testing.T) {
	p, err := volume.NewPages(120)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p {
		if p[i] != 0 {
			t.Fatal("pages are not zero")
		}
		p[i] = byte(i)
	}
	if p, err = volume.ResizePages(p, 10<<20); err != nil {
		t.Fatal(err)
	}
	for i, b := range p {
		if want := byte(i); i < 120 && b != want || i >= 120 && b != 0 {
			t.Fatalf("byte %d is %d after growing", i, b)
		}
	}
	if p, err = volume.ResizePages(p, 120); err != nil {
		t.Fatal(err)
	}
	if _, err := volume.Adopt(sheared, volume.Float32, 1, 0, p); err == nil {
		t.Error("pages that are too short were adopted")
	}
	v, err := volume.Adopt(sheared, volume.Int16, 1, 0, p)
	if err != nil {
		t.Fatal(err)
	}
	if &v.Raw()[0] != &p[0] || v.Raw()[119] != 119 {
		t.Error("the pages were copied")
	}
	v.Free()
	if _, err := volume.NewPages(-1); err == nil {
		t.Error("pages of less than nothing")
	}
}
