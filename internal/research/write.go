package research

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Grid is where samples lie: Size of them along i, j and k, the centre of the first, and the steps along the axes: LPS,
// millimetres.
type Grid struct {
	Size   [3]int
	Origin [3]float64
	Axes   [3][3]float64
}

// NRRD is a file of float32 samples in little-endian order with its header (NRRD0004), and the part of it that the samples
// are to be written to, i fastest.
func NRRD(g Grid) (file, samples []byte) {
	number := func(v [3]float64) string { return fmt.Sprintf("(%.17g,%.17g,%.17g)", v[0], v[1], v[2]) }
	var h strings.Builder
	fmt.Fprintf(&h, "NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: %d %d %d\n", g.Size[0], g.Size[1], g.Size[2])
	fmt.Fprintf(&h, "space directions: %s %s %s\nkinds: domain domain domain\nspace units: \"mm\" \"mm\" \"mm\"\n", number(g.Axes[0]), number(g.Axes[1]), number(g.Axes[2]))
	fmt.Fprintf(&h, "endian: little\nencoding: raw\nspace origin: %s\n\n", number(g.Origin))
	n := 4 * g.Size[0] * g.Size[1] * g.Size[2]
	file = make([]byte, h.Len()+n)
	return file, file[copy(file, h.String()):]
}

// PutFloat32s writes samples as NRRD and NIfTI files hold them in little-endian order.
func PutFloat32s(dst []byte, samples []float32) {
	for i, v := range samples {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}
