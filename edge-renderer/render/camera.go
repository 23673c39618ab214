package render

import (
	"fmt"
	"math"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// standardViews are where the camera looks and what is up, in LPS.
var standardViews = map[string]struct{ forward, up geom.Vec }{
	"anterior":  {geom.Vec{0, 1, 0}, geom.Vec{0, 0, 1}},
	"posterior": {geom.Vec{0, -1, 0}, geom.Vec{0, 0, 1}},
	"left":      {geom.Vec{-1, 0, 0}, geom.Vec{0, 0, 1}},
	"right":     {geom.Vec{1, 0, 0}, geom.Vec{0, 0, 1}},
	"superior":  {geom.Vec{0, 0, -1}, geom.Vec{0, -1, 0}},
	"inferior":  {geom.Vec{0, 0, 1}, geom.Vec{0, -1, 0}},
}

// Directions are the names of the standard views.
func Directions() []string {
	return []string{"anterior", "posterior", "left", "right", "superior", "inferior"}
}

const (
	viewAngle  = 30   // degrees, of the standard views when they are made perspective
	viewMargin = 1.04 // of what is seen over what the volume takes
)

// DefaultCamera is the orthographic camera that looks at a volume from one of the six sides of the patient
// and sees all of it in a picture of the given aspect (width over height).
//
//	anterior   from the front: the patient's right on the left, head up
//	posterior  from behind: the patient's right on the right, head up
//	left       from the patient's left: the face on the left, head up
//	right      from the patient's right: the face on the right, head up
//	superior   from above the head: the patient's right on the right, anterior up
//	inferior   from the feet, as axial slices are shown: the patient's right on the left, anterior up
//
// Its distance is such that a perspective camera of its FovY sees all of the volume, too.
func DefaultCamera(g volume.Geometry, direction string, aspect float64) (Camera, error) {
	v, ok := standardViews[direction]
	if !ok {
		return Camera{}, fmt.Errorf("view from %q: the standard views are %v", direction, Directions())
	}
	if !(aspect > 0) || !finite(aspect) {
		return Camera{}, fmt.Errorf("aspect %g: it must be above 0", aspect)
	}
	c := Camera{LookAt: g.Center(), Up: v.up, FovY: viewAngle}
	c.Position = c.LookAt.Sub(v.forward) // gives the camera its direction
	right, up, forward, _ := c.Basis()
	slope := math.Tan(viewAngle * math.Pi / 360)
	var distance float64
	for _, p := range g.Corners() {
		d := p.Sub(c.LookAt)
		half := viewMargin * max(math.Abs(d.Dot(up)), math.Abs(d.Dot(right))/aspect)
		c.Height = max(c.Height, 2*half)
		distance = max(distance, half/slope-d.Dot(forward))
	}
	c.Position = c.LookAt.Sub(forward.Scale(distance))
	return c, nil
}
