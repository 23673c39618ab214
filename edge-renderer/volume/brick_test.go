package volume_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

func grid(i, j, k int) volume.Geometry {
	return volume.Geometry{Size: [3]int{i, j, k}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
}

// Every brick has the least and the greatest of the voxels that can take part in a value within it.
func TestBricks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][3]int{{1, 1, 1}, {4, 5, 6}, {9, 1, 13}, {17, 10, 8}} {
		for _, format := range []volume.Format{volume.Int16, volume.Float32} {
			v, err := volume.New(grid(size[0], size[1], size[2]), format, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Free()
			for i := range v.Voxels() {
				x := random.IntN(60000) - 30000
				if format == volume.Int16 {
					v.Int16s()[i] = int16(x)
				} else {
					v.Float32s()[i] = float32(x)
				}
			}
			b, err := volume.NewBricks(context.Background(), v)
			if err != nil {
				t.Fatal(err)
			}
			for bk := range b.Size[2] {
				for bj := range b.Size[1] {
					for bi := range b.Size[0] {
						lo, hi := math.Inf(1), math.Inf(-1)
						for k := 4 * bk; k <= min(4*bk+4, size[2]-1); k++ {
							for j := 4 * bj; j <= min(4*bj+4, size[1]-1); j++ {
								for i := 4 * bi; i <= min(4*bi+4, size[0]-1); i++ {
									lo, hi = min(lo, v.At(i, j, k)), max(hi, v.At(i, j, k))
								}
							}
						}
						n := bi + b.Size[0]*(bj+b.Size[1]*bk)
						if float64(b.Min[n]) != lo || float64(b.Max[n]) != hi {
							t.Fatalf("%v %s: brick (%d,%d,%d) has %g to %g, want %g to %g", size, format, bi, bj, bk, b.Min[n], b.Max[n], lo, hi)
						}
					}
				}
			}
		}
	}
}

func TestBricksPassOverNaN(t *testing.T) {
	v, err := volume.New(grid(5, 5, 9), volume.Float32, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Free()
	for i := range v.Float32s() {
		v.Float32s()[i] = float32(math.NaN())
	}
	v.Float32s()[0] = 7
	b, err := volume.NewBricks(context.Background(), v)
	if err != nil {
		t.Fatal(err)
	}
	if b.Min[0] != 7 || b.Max[0] != 7 {
		t.Errorf("the brick with one number has %g to %g", b.Min[0], b.Max[0])
	}
	if d := b.Distances(func(lo, hi float32) bool { return false }); d[0] != 0 || d[1] != 1 {
		t.Errorf("distances %v: a brick of nothing but NaN must be empty", d)
	}
}

func TestBricksCancelled(t *testing.T) {
	v, err := volume.New(grid(5, 5, 9), volume.Int16, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Free()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := volume.NewBricks(ctx, v); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// The distances are those found by looking at every pair of bricks.
func TestDistances(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][3]int{{1, 1, 1}, {1, 7, 1}, {6, 5, 4}, {11, 3, 9}} {
		for _, share := range []int{0, 1, 10, 100} { // percent that is not empty
			b := &volume.Bricks{Size: size, Min: make([]float32, size[0]*size[1]*size[2])}
			for i := range b.Min {
				if random.IntN(100) < share {
					b.Min[i] = 1
				}
			}
			b.Max = b.Min
			got := b.Distances(func(lo, hi float32) bool { return lo == 0 })
			at := func(n int) [3]int { return [3]int{n % size[0], n / size[0] % size[1], n / size[0] / size[1]} }
			for n := range got {
				want := 255
				for m := range b.Min {
					if b.Min[m] != 0 {
						p, q := at(n), at(m)
						d := 0
						for a := range 3 {
							d = max(d, p[a]-q[a], q[a]-p[a])
						}
						want = min(want, d)
					}
				}
				if int(got[n]) != want {
					t.Fatalf("%v, %d %%: brick %v has the distance %d, want %d", size, share, at(n), got[n], want)
				}
			}
		}
	}
}
