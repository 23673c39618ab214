package render

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const maxMaps = 4 // distance maps kept per volume, one for each transfer function in use

// Space knows where a volume is empty. Renderers keep one with each volume that they have loaded.
type Space struct {
	Bricks *volume.Bricks
	volume *volume.Volume

	mu   sync.Mutex
	maps []distanceMap // most recently used first
}

type distanceMap struct {
	transfer *Transfer
	distance []uint8
}

// NewSpace computes the bricks of a volume.
func NewSpace(ctx context.Context, v *volume.Volume) (*Space, error) {
	b, err := volume.NewBricks(ctx, v)
	if err != nil {
		return nil, err
	}
	return &Space{Bricks: b, volume: v}, nil
}

// Distances returns the distance map of the bricks that are empty under a transfer function, see
// volume.Bricks. Nobody may write to it.
func (s *Space) Distances(t *Transfer) []uint8 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.maps {
		if m.transfer == t {
			copy(s.maps[1:i+1], s.maps[:i])
			s.maps[0] = m
			return m.distance
		}
	}
	m := distanceMap{t, s.Bricks.Distances(t.Empty(s.volume.Slope, s.volume.Intercept))}
	s.maps = append([]distanceMap{m}, s.maps...)
	if len(s.maps) > maxMaps {
		s.maps = s.maps[:maxMaps]
	}
	return m.distance
}

// Reaches computes Rays.Reach for all squares of ReachSide pixels of a picture, row by row, as float32 that
// are never above it.
func (s *Space) Reaches(r *Rays, width, height int, t *Transfer) []float32 {
	distance := s.Distances(t)
	columns, rows := (width+ReachSide-1)/ReachSide, (height+ReachSide-1)/ReachSide
	out := make([]float32, columns*rows)
	parallel(rows, func(row int) {
		for column := range columns {
			x, y := column*ReachSide, row*ReachSide
			reach := r.Reach(x, y, min(x+ReachSide, width), min(y+ReachSide, height), s.volume.Size, s.Bricks.Size, distance)
			out[row*columns+column] = float32(min(max(reach-1e-6*math.Abs(reach), -math.MaxFloat32), math.MaxFloat32))
		}
	})
	return out
}

// parallel calls work for 0 to n-1 on all processors and waits.
func parallel(n int, work func(int)) {
	var wg sync.WaitGroup
	var at atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < n; i = int(at.Add(1)) - 1 {
				work(i)
			}
		})
	}
	wg.Wait()
}
