package computation_test

import (
	"math"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/task/computation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// The window from samples is that of all voxels, nearly.
func TestAutoWindowFromSamples(t *testing.T) {
	g := volume.Geometry{Size: [3]int{96, 96, 96}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	for _, format := range []volume.Format{volume.Int16, volume.Float32} {
		v, err := volume.New(g, format, 2, -100)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Free()
		for i := range v.Voxels() { // half is background, the rest rises from 400 to 900
			s := 0
			if i%2 == 1 {
				s = 400 + i*500/v.Voxels()
			}
			if format == volume.Int16 {
				v.Int16s()[i] = int16(s)
			} else {
				v.Float32s()[i] = float32(s)
			}
		}
		w := computation.AutoWindow(v, 99)
		lo, hi := w.Center-w.Width/2, w.Center+w.Width/2
		if math.Abs(lo-(2*405-100)) > 4 || math.Abs(hi-(2*895-100)) > 4 {
			t.Errorf("%v: window from %g to %g", format, lo, hi)
		}
	}
}
