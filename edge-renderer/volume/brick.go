package volume

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// BrickSide is the number of voxel cells along the side of a brick.
const BrickSide = 4

// Bricks has the smallest and the largest stored value of every brick of a volume. A brick is a block of
// BrickSide^3 cells between voxel centres, so it takes in the voxels on both of its faces: every value
// interpolated within it lies between its Min and its Max.
type Bricks struct {
	Size     [3]int    // bricks along i, j and k
	Min, Max []float32 // stored values, brick (i,j,k) at i + Size[0]*(j + Size[1]*k); NaN is passed over
}

// NewBricks computes the bricks of a volume on all processors.
func NewBricks(ctx context.Context, v *Volume) (*Bricks, error) {
	b := &Bricks{}
	for a := range 3 {
		b.Size[a] = max(1, (v.Size[a]-1+BrickSide-1)/BrickSide)
	}
	n := b.Size[0] * b.Size[1] * b.Size[2]
	b.Min, b.Max = make([]float32, n), make([]float32, n)
	int16s, float32s := v.Int16s(), v.Float32s()
	if int16s == nil && float32s == nil {
		return nil, fmt.Errorf("bricks of a volume of %dx%dx%d voxels: its voxels have been freed", v.Size[0], v.Size[1], v.Size[2])
	}
	err := parallel(ctx, b.Size[2], func(k int) {
		if int16s != nil {
			layer(b, v.Size, int16s, k, math.MaxInt16, math.MinInt16)
		} else {
			layer(b, v.Size, float32s, k, float32(math.Inf(1)), float32(math.Inf(-1)))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("bricks of a volume of %dx%dx%d voxels: %w", v.Size[0], v.Size[1], v.Size[2], err)
	}
	return b, nil
}

// layer computes the k-th layer of bricks. Comparisons instead of min and max pass over NaN.
func layer[T int16 | float32](b *Bricks, size [3]int, voxels []T, k int, top, bottom T) {
	lo, hi := make([]T, b.Size[0]), make([]T, b.Size[0])
	for j := range b.Size[1] {
		for i := range lo {
			lo[i], hi[i] = top, bottom
		}
		for z := k * BrickSide; z <= min((k+1)*BrickSide, size[2]-1); z++ {
			for y := j * BrickSide; y <= min((j+1)*BrickSide, size[1]-1); y++ {
				row := voxels[size[0]*(y+size[1]*z):][:size[0]]
				for i := range lo {
					l, h := lo[i], hi[i]
					first := i * BrickSide
					for _, v := range row[first:min(first+BrickSide+1, len(row))] {
						if v < l {
							l = v
						}
						if v > h {
							h = v
						}
					}
					lo[i], hi[i] = l, h
				}
			}
		}
		at := b.Size[0] * (j + b.Size[1]*k)
		for i := range lo {
			b.Min[at+i], b.Max[at+i] = float32(lo[i]), float32(hi[i])
		}
	}
}

// Distances returns for every brick the Chebyshev distance, in bricks and at most 255, to the nearest brick
// that is not empty; 0 is such a brick itself. A ray at a brick of distance d may leave out all samples in
// the bricks less than d away from it along every axis.
func (b *Bricks) Distances(empty func(lo, hi float32) bool) []uint8 {
	d := make([]uint8, len(b.Min))
	_ = parallel(context.Background(), b.Size[2], func(k int) {
		n := b.Size[0] * b.Size[1]
		for i := k * n; i < (k+1)*n; i++ {
			// A brick of nothing but NaN has Min above Max and is empty.
			if !(b.Min[i] <= b.Max[i]) || empty(b.Min[i], b.Max[i]) {
				d[i] = 255
			}
		}
	})
	chamfer(d, b.Size)
	return d
}

// chamfer turns 0 and 255 into Chebyshev distances: one pass forwards and one backwards over the 13
// neighbours that each has seen are exact for this metric (Borgefors, "Distance transformations in digital
// images", 1986).
func chamfer(d []uint8, size [3]int) {
	nx, ny, nz := size[0], size[1], size[2]
	plane := make([]uint8, nx*ny) // least of the 3x3 neighbours in the plane passed last
	rows := make([]uint8, nx*ny)
	for pass := range 2 {
		for i := range plane {
			plane[i] = 255
		}
		for kk := range nz {
			k := kk
			if pass == 1 {
				k = nz - 1 - kk
			}
			cur := d[k*nx*ny : (k+1)*nx*ny]
			for jj := range ny {
				j, before := jj, (jj-1)*nx
				if pass == 1 {
					j, before = ny-1-jj, (ny-jj)*nx
				}
				row, below := cur[j*nx:(j+1)*nx], plane[j*nx:(j+1)*nx]
				for i := range row {
					row[i] = min(row[i], next(below[i]))
				}
				if jj > 0 {
					last := cur[before : before+nx]
					for i := range row {
						row[i] = min(row[i], next(least3(last, i)))
					}
				}
				if pass == 0 {
					for i := 1; i < nx; i++ {
						row[i] = min(row[i], next(row[i-1]))
					}
				} else {
					for i := nx - 2; i >= 0; i-- {
						row[i] = min(row[i], next(row[i+1]))
					}
				}
			}
			spread(plane, rows, cur, nx, ny)
		}
	}
}

// spread sets plane to the least of the 3x3 neighbours in cur.
func spread(plane, rows, cur []uint8, nx, ny int) {
	for j := range ny {
		in, out := cur[j*nx:(j+1)*nx], rows[j*nx:(j+1)*nx]
		for i := range out {
			out[i] = least3(in, i)
		}
	}
	for j := range ny {
		up, at, down := max(j-1, 0)*nx, j*nx, min(j+1, ny-1)*nx
		for i := range nx {
			plane[at+i] = min(rows[up+i], rows[at+i], rows[down+i])
		}
	}
}

func least3(row []uint8, i int) uint8 {
	m := row[i]
	if i > 0 {
		m = min(m, row[i-1])
	}
	if i+1 < len(row) {
		m = min(m, row[i+1])
	}
	return m
}

func next(d uint8) uint8 {
	if d == 255 {
		return 255
	}
	return d + 1
}

// parallel calls work for 0 to n-1 on all processors and waits. It ends early when ctx does.
func parallel(ctx context.Context, n int, work func(int)) error {
	var wg sync.WaitGroup
	var at atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(at.Add(1)) - 1 {
				work(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
