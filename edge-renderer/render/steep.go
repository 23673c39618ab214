package render

import "math"

// Surface is the opacity of a sample above which a ray looks for the surface before it, see Steep.
const Surface = 1.0 / 32

// A transfer function is steep where the opacity of a step changes by steepJump within steepShare of the
// volume's range of values. Ramps for tissues, of hundreds of Hounsfield units, are not steep.
const (
	steepJump  = 0.3
	steepShare = 1.0 / 64
)

// Steep says whether rays look for surfaces in a scene that Check accepts: whether its transfer function is
// steep for its volume.
func (s *Scene) Steep() bool {
	v := s.Volume.Source()
	scale, _ := s.Transfer.Index()
	n := math.Round((v.Max - v.Min) * steepShare * scale)
	if s.Mode != Composite || !(n >= 1) {
		return false
	}
	table := s.Transfer.Table(s.Quality.Step)
	// Halves of the distance find bands that are narrower than it.
	for n := int(min(n, TableSize-1)); n > 0; n /= 2 {
		for i := 3; i+4*n < len(table); i += 4 {
			if d := table[i+4*n] - table[i]; d > steepJump || d < -steepJump {
				return true
			}
		}
	}
	return false
}
