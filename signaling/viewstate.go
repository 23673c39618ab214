package signaling

import (
	"encoding/json"
	"fmt"
	"math"
)

// ViewStateVersion is the version of the view-state document that this package reads and writes.
const ViewStateVersion = 1

// ViewState is what a session shows. The edge alone issues revisions; with the study references it is all
// that is needed to resume, move, share or save a session.
type ViewState struct {
	Version   int        `json:"version" jsonschema:"enum=1"`
	Revision  uint64     `json:"revision" jsonschema:"description=issued by the edge; grows with every change"`
	Viewports []Viewport `json:"viewports" jsonschema:"minItems=1,maxItems=16"`
}

// Viewport is one rectangle of the picture and what it shows.
type Viewport struct {
	ID     string    `json:"id" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]{0\\,62}$"`
	Rect   Rect      `json:"rect"`
	Series SeriesRef `json:"series"`
	// TimePoint is which of the time points of a 4D series is shown, from 0 (SeriesInfo.timePoints).
	TimePoint int `json:"timePoint,omitempty" jsonschema:"minimum=0"`
	// Image is which of the images of a series that is no volume is shown, from 0 (SeriesInfo.images); only with mode image.
	Image  int      `json:"image,omitempty" jsonschema:"minimum=0"`
	Mode   ViewMode `json:"mode"`
	Camera Camera   `json:"camera"`
	// Preset names a published transfer function; Transfer, where present, is shown instead of it.
	Preset   string            `json:"preset,omitempty"`
	Transfer *TransferFunction `json:"transfer,omitempty"`
	// Window moves and stretches the transfer function linearly so that its own range, centre and width of
	// its points, comes to lie on this one; for mip it is the grey window (PS3.3 C.11.2.1.2). Absent: the
	// preset's own.
	Window *Window `json:"window,omitempty"`
	// Slab keeps only what lies within half its thickness before and behind the camera's look-at point.
	Slab  *Slab   `json:"slab,omitempty"`
	Clips []Plane `json:"clips,omitempty" jsonschema:"maxItems=6"`
}

// Rect is a rectangle in fractions of the picture, from its top left.
type Rect struct {
	X      float64 `json:"x" jsonschema:"minimum=0,maximum=1"`
	Y      float64 `json:"y" jsonschema:"minimum=0,maximum=1"`
	Width  float64 `json:"width" jsonschema:"exclusiveMinimum=0,maximum=1"`
	Height float64 `json:"height" jsonschema:"exclusiveMinimum=0,maximum=1"`
}

// ViewMode is how samples along a ray become a pixel.
type ViewMode string

// The modes.
const (
	ViewComposite ViewMode = "composite"
	ViewMIP       ViewMode = "mip" // maximum intensity projection
	// ViewImage shows one image as it is, without a volume. Its plane has x along the image's rows and y down its
	// columns, in millimetres where the image has a pixel spacing, else in pixels, the origin at its top left
	// corner; the camera looks along +z with up (0,-1,0), at what lies in the middle of the viewport.
	ViewImage ViewMode = "image"
)

// Point is a position or direction in DICOM patient space (LPS), millimetres.
type Point [3]float64

// Camera looks from Position at LookAt, with Up towards the top of the picture.
type Camera struct {
	Position   Point      `json:"position"`
	LookAt     Point      `json:"lookAt"`
	Up         Point      `json:"up"`
	Projection Projection `json:"projection"`
	// Height is the millimetres seen from the top to the bottom of the viewport at LookAt, under both
	// projections, so that switching keeps the size of things.
	Height float64 `json:"height" jsonschema:"exclusiveMinimum=0"`
	// FovY is the angle seen from top to bottom in perspective, degrees; the camera then stands where Height
	// fits that angle: Position gives the direction only.
	FovY float64 `json:"fovY,omitempty" jsonschema:"minimum=0,maximum=120"`
}

// Projection is how the camera projects.
type Projection string

// The projections.
const (
	Orthographic Projection = "orthographic"
	Perspective  Projection = "perspective"
)

// TransferFunction maps values (after the modality transform) to colour and opacity.
type TransferFunction struct {
	Colors    [][4]float64 `json:"colors" jsonschema:"minItems=1,maxItems=256,description=[value; red; green; blue] with colours from 0 to 1"`
	Opacities [][2]float64 `json:"opacities" jsonschema:"minItems=1,maxItems=256,description=[value; opacity per unit distance] from 0 to 1"`
	UnitMm    float64      `json:"unitMm,omitempty" jsonschema:"description=distance over which the opacities hold; 1 mm where absent"`
	Shade     bool         `json:"shade,omitempty"`
}

// Window is a linear window (PS3.3 C.11.2.1.2) in modality values.
type Window struct {
	Center float64 `json:"center"`
	Width  float64 `json:"width" jsonschema:"exclusiveMinimum=0"`
}

// Slab is a slice of some thickness across the line of sight.
type Slab struct {
	ThicknessMm float64 `json:"thicknessMm" jsonschema:"exclusiveMinimum=0"`
}

// Plane keeps the half space in which normal·p >= offset.
type Plane struct {
	Normal Point   `json:"normal"`
	Offset float64 `json:"offset"`
}

// ViewPatch changes parts of a view state. Each entry names a viewport by id and holds only the fields that
// change, each whole (a camera, a window); null removes an optional field.
type ViewPatch struct {
	Viewports []ViewportPatch `json:"viewports"`
}

// ViewportPatch is the changed fields of one viewport, and its id.
type ViewportPatch map[string]json.RawMessage

// viewportFields are the fields that a patch may set.
var viewportFields = map[string]bool{
	"rect": true, "series": true, "timePoint": true, "image": true, "mode": true, "camera": true, "preset": true, "transfer": true,
	"window": true, "slab": true, "clips": true,
}

// ID is the id of the viewport that the patch changes.
func (p ViewportPatch) ID() (string, error) {
	var id string
	if err := json.Unmarshal(p["id"], &id); err != nil || id == "" {
		return "", fmt.Errorf("viewport patch without an id: name the viewport that it changes")
	}
	return id, nil
}

// Apply returns v with the fields of the patch. The result is validated; v is untouched.
func (p ViewportPatch) Apply(v Viewport) (Viewport, error) {
	fields := make(map[string]json.RawMessage, len(p))
	for name, value := range p {
		if name == "id" {
			continue
		}
		if !viewportFields[name] {
			return v, fmt.Errorf("viewport patch sets %.40q: no such field", name)
		}
		fields[name] = value
		switch name { // the old value must not shine through the new one
		case "camera":
			v.Camera = Camera{}
		case "rect":
			v.Rect = Rect{}
		case "series":
			v.Series = SeriesRef{}
		case "transfer":
			v.Transfer = nil
		case "window":
			v.Window = nil
		case "timePoint":
			v.TimePoint = 0
		case "image":
			v.Image = 0
		case "slab":
			v.Slab = nil
		case "clips":
			v.Clips = nil
		}
	}
	doc, err := json.Marshal(fields)
	if err != nil {
		return v, fmt.Errorf("viewport patch: %w", err)
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		return v, fmt.Errorf("viewport patch: %w", err)
	}
	return v, v.Validate()
}

// Validate refuses a view state that cannot be rendered, naming the field.
func (s *ViewState) Validate() error {
	if s.Version != ViewStateVersion {
		return fmt.Errorf("view state of version %d: this program reads version %d", s.Version, ViewStateVersion)
	}
	if len(s.Viewports) < 1 || len(s.Viewports) > 16 {
		return fmt.Errorf("viewports has %d entries: 1 to 16", len(s.Viewports))
	}
	seen := map[string]bool{}
	for i := range s.Viewports {
		if err := s.Viewports[i].Validate(); err != nil {
			return fmt.Errorf("viewports[%d]: %w", i, err)
		}
		if seen[s.Viewports[i].ID] {
			return fmt.Errorf("viewports[%d]: id %q stands twice", i, s.Viewports[i].ID)
		}
		seen[s.Viewports[i].ID] = true
	}
	return nil
}

// Validate refuses a viewport that cannot be rendered, naming the field.
func (v *Viewport) Validate() error {
	if !ValidName(v.ID) {
		return fmt.Errorf("id %.70q: letters, digits, '.', '-' and '_', at most 63", v.ID)
	}
	r := v.Rect
	if !(r.X >= 0 && r.Y >= 0 && r.Width > 0 && r.Height > 0 && r.X+r.Width <= 1+1e-9 && r.Y+r.Height <= 1+1e-9) {
		return fmt.Errorf("rect %+v: it must lie within 0 to 1 and have a size", r)
	}
	if err := v.Series.Validate(); err != nil {
		return fmt.Errorf("series: %w", err)
	}
	if v.Mode != ViewComposite && v.Mode != ViewMIP && v.Mode != ViewImage {
		return fmt.Errorf("mode %.40q: composite, mip or image", string(v.Mode))
	}
	if v.TimePoint < 0 || v.Image < 0 {
		return fmt.Errorf("timePoint %d and image %d: neither may be negative", v.TimePoint, v.Image)
	}
	if err := v.Camera.Validate(); err != nil {
		return fmt.Errorf("camera: %w", err)
	}
	if len(v.Preset) > 64 {
		return fmt.Errorf("preset has %d characters: at most 64", len(v.Preset))
	}
	if v.Transfer != nil {
		if err := v.Transfer.Validate(); err != nil {
			return fmt.Errorf("transfer: %w", err)
		}
	}
	if w := v.Window; w != nil && !(finite(w.Center, w.Width) && w.Width > 0) {
		return fmt.Errorf("window %+v: centre and width must be finite and the width positive", *w)
	}
	if v.Slab != nil && !(finite(v.Slab.ThicknessMm) && v.Slab.ThicknessMm > 0) {
		return fmt.Errorf("slab of %g mm: the thickness must be positive", v.Slab.ThicknessMm)
	}
	if len(v.Clips) > 6 {
		return fmt.Errorf("clips has %d planes: at most 6", len(v.Clips))
	}
	for i, c := range v.Clips {
		if !finite(c.Normal[0], c.Normal[1], c.Normal[2], c.Offset) || norm(c.Normal) < 1e-9 {
			return fmt.Errorf("clips[%d]: the normal must have a length", i)
		}
	}
	return nil
}

// Validate refuses a camera that sees nothing, naming the field.
func (c *Camera) Validate() error {
	for name, p := range map[string]Point{"position": c.Position, "lookAt": c.LookAt, "up": c.Up} {
		if !finite(p[0], p[1], p[2]) || norm(p) > 1e7 {
			return fmt.Errorf("%s %v: it must be finite and within 10 km", name, p)
		}
	}
	d := Point{c.LookAt[0] - c.Position[0], c.LookAt[1] - c.Position[1], c.LookAt[2] - c.Position[2]}
	if norm(d) < 1e-6 {
		return fmt.Errorf("position and lookAt are the same point")
	}
	x := Point{d[1]*c.Up[2] - d[2]*c.Up[1], d[2]*c.Up[0] - d[0]*c.Up[2], d[0]*c.Up[1] - d[1]*c.Up[0]}
	if norm(x) < 1e-6*norm(d) {
		return fmt.Errorf("up %v is zero or along the line of sight", c.Up)
	}
	if c.Projection != Orthographic && c.Projection != Perspective {
		return fmt.Errorf("projection %.40q: orthographic or perspective", string(c.Projection))
	}
	if !(c.Height > 0 && c.Height < 1e7) {
		return fmt.Errorf("height %g mm: it must be positive", c.Height)
	}
	if c.Projection == Perspective && !(c.FovY >= 1 && c.FovY <= 120) {
		return fmt.Errorf("fovY %g: 1 to 120 degrees", c.FovY)
	}
	return nil
}

// Validate refuses a transfer function that is empty, too long or not in order of value.
func (t *TransferFunction) Validate() error {
	if len(t.Colors) < 1 || len(t.Colors) > 256 || len(t.Opacities) < 1 || len(t.Opacities) > 256 {
		return fmt.Errorf("%d colours and %d opacities: 1 to 256 each", len(t.Colors), len(t.Opacities))
	}
	for i, c := range t.Colors {
		if !finite(c[:]...) || (i > 0 && c[0] < t.Colors[i-1][0]) || !unit(c[1]) || !unit(c[2]) || !unit(c[3]) {
			return fmt.Errorf("colors[%d] %v: values must ascend and colours lie within 0 to 1", i, c)
		}
	}
	for i, o := range t.Opacities {
		if !finite(o[:]...) || (i > 0 && o[0] < t.Opacities[i-1][0]) || !unit(o[1]) {
			return fmt.Errorf("opacities[%d] %v: values must ascend and opacities lie within 0 to 1", i, o)
		}
	}
	if !(t.UnitMm >= 0 && t.UnitMm <= 1000) {
		return fmt.Errorf("unitMm %g: 0 to 1000", t.UnitMm)
	}
	return nil
}

func unit(x float64) bool { return x >= 0 && x <= 1 }

func norm(p Point) float64 { return math.Sqrt(p[0]*p[0] + p[1]*p[1] + p[2]*p[2]) }

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}
