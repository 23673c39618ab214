package picture

import (
	"fmt"
	"math"

	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/signaling"
)

// Pitch is the width and height of a pixel in the image's plane.
func Pitch(m *dicompicture.Image) (x, y float64) {
	if m.Spacing[0] > 0 && m.Spacing[1] > 0 {
		return m.Spacing[0], m.Spacing[1]
	}
	if m.Aspect > 0 {
		return 1, m.Aspect
	}
	return 1, 1
}

// Camera looks at all of an image in a viewport that is aspect times as wide as it is high.
func Camera(m *dicompicture.Image, aspect float64) signaling.Camera {
	px, py := Pitch(m)
	width, height := float64(m.Width)*px, float64(m.Height)*py
	middle := signaling.Point{width / 2, height / 2, 0}
	return signaling.Camera{
		Position: signaling.Point{middle[0], middle[1], -max(width, height)}, LookAt: middle, Up: signaling.Point{0, -1, 0},
		Projection: signaling.Orthographic, Height: max(height, width/aspect), FovY: 30,
	}
}

// mapping takes the middle of pixel (i, j) of a picture to the plane: origin + i*right + j*down.
type mapping struct {
	origin, right, down [2]float64
}

// minSlant is the smallest share of the line of sight across the plane with which a camera still sees an image.
const minSlant = 1e-3

// Check says why a camera sees nothing of an image.
func Check(c *signaling.Camera) error {
	d := sub(c.LookAt, c.Position)
	if math.Abs(d[2]) < minSlant*norm(d) {
		return fmt.Errorf("the camera looks along the image's plane: an image is looked at from the front")
	}
	return nil
}

// mapCamera is the mapping of a camera, which Check has let pass, for a picture of width times height pixels.
func mapCamera(c *signaling.Camera, width, height int) mapping {
	forward := sub(c.LookAt, c.Position)
	right := unit(cross(forward, c.Up))
	up := unit(cross(right, forward))
	each := c.Height / float64(height) // of the plane for each pixel
	// onPlane follows the line of sight from a point to the plane z = 0.
	onPlane := func(p signaling.Point) [2]float64 {
		t := -p[2] / forward[2]
		return [2]float64{p[0] + t*forward[0], p[1] + t*forward[1]}
	}
	at := func(i, j float64) [2]float64 {
		x, y := (i+0.5-float64(width)/2)*each, (float64(height)/2-j-0.5)*each
		var p signaling.Point
		for a := range p {
			p[a] = c.LookAt[a] + x*right[a] + y*up[a]
		}
		return onPlane(p)
	}
	o, r, d := at(0, 0), at(1, 0), at(0, 1)
	return mapping{o, [2]float64{r[0] - o[0], r[1] - o[1]}, [2]float64{d[0] - o[0], d[1] - o[1]}}
}

func sub(a, b signaling.Point) signaling.Point {
	return signaling.Point{a[0] - b[0], a[1] - b[1], a[2] - b[2]}
}

func cross(a, b signaling.Point) signaling.Point {
	return signaling.Point{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

func norm(a signaling.Point) float64 { return math.Sqrt(a[0]*a[0] + a[1]*a[1] + a[2]*a[2]) }

func unit(a signaling.Point) signaling.Point {
	n := norm(a)
	return signaling.Point{a[0] / n, a[1] / n, a[2] / n}
}
