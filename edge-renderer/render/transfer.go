package render

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// TableSize is the number of entries of a compiled transfer function.
const TableSize = 4096

const (
	maxPoints = 1024 // of one kind in one transfer function
	maxSteps  = 4    // tables kept per transfer function, one for each sampling step in use
)

// ColorPoint gives a colour to a value: the value after the modality transform (Hounsfield units for CT),
// then red, green and blue from 0 to 1. Between points the colour is interpolated linearly.
type ColorPoint [4]float64

// OpacityPoint gives an opacity to a value: the value, or a gradient magnitude, then the opacity from 0 to 1
// over one unit distance.
type OpacityPoint [2]float64

// Window is a range of values by its middle and its width, in the units of the modality.
type Window struct {
	Center float64
	Width  float64
}

// Range is the lower and the upper end of the window.
func (w Window) Range() (lo, hi float64) { return w.Center - w.Width/2, w.Center + w.Width/2 }

// Function is a one-dimensional transfer function as its author writes it: points, and how they are lit.
type Function struct {
	Color   []ColorPoint
	Opacity []OpacityPoint
	// GradientOpacity is a factor by gradient magnitude. Only one and the same factor for all magnitudes
	// can be rendered; Compile refuses others.
	GradientOpacity []OpacityPoint
	// UnitDistance is the length, millimetres, over which Opacity is given; 0 means 1.
	UnitDistance float64
	// Window is what a user regards as the window of this function. Compile maps it to the window that is
	// asked for; the zero value stands for the span of the opacity points.
	Window Window

	Shade                                     bool
	Ambient, Diffuse, Specular, SpecularPower float64
}

// Lighting are the weights of the headlight's parts. Without shading Ambient is 1 and the rest 0.
type Lighting struct {
	Shade                                     bool
	Ambient, Diffuse, Specular, SpecularPower float32
}

// Transfer is a compiled transfer function: a table from value to colour and opacity that all renderers
// read in the same way. It does not change, so its address identifies it.
type Transfer struct {
	// Lo and Hi are the values of the first and the last entry. A value belongs to the entry nearest to it,
	// values beyond the ends to the end entries. The table spans only the values between which the function
	// changes, so that its entries lie close together.
	Lo, Hi float64
	// Window is the window in effect. A maximum projection shows its lower end black and its upper end
	// white, PS3.3 C.11.2.1.3.2 (LINEAR_EXACT).
	Window   Window
	Lighting Lighting

	unit  float64
	table []float32 // R, G, B, opacity over one unit distance

	mu    sync.Mutex
	steps []stepTable // most recently used first
}

type stepTable struct {
	step  float64
	table []float32
}

// Compile makes the table of a transfer function. A window, unless nil, shifts and stretches the points
// linearly so that the function's own window comes to lie on it.
func Compile(f Function, w *Window) (*Transfer, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("transfer function: %w", err)
	}
	own := f.ownWindow()
	in, shift, stretch := own, 0.0, 1.0
	if w != nil {
		if !(w.Width > 0) || !finite(w.Width) || !finite(w.Center) {
			return nil, fmt.Errorf("window of centre %g and width %g: the width must be above 0 and both finite", w.Center, w.Width)
		}
		in, stretch = *w, w.Width/own.Width
		shift = w.Center - own.Center*stretch
	}
	color := slices.Clone(f.Color)
	for i := range color {
		color[i][0] = color[i][0]*stretch + shift
	}
	opacity := slices.Clone(f.Opacity)
	for i := range opacity {
		opacity[i][0] = opacity[i][0]*stretch + shift
		if len(f.GradientOpacity) > 0 {
			opacity[i][1] *= f.GradientOpacity[0][1]
		}
	}
	slices.SortStableFunc(color, func(a, b ColorPoint) int { return order(a[0], b[0]) })
	slices.SortStableFunc(opacity, func(a, b OpacityPoint) int { return order(a[0], b[0]) })

	t := &Transfer{Window: in, unit: f.UnitDistance, table: make([]float32, 4*TableSize)}
	if t.unit == 0 {
		t.unit = 1
	}
	t.Lighting = Lighting{Ambient: 1}
	if f.Shade {
		t.Lighting = Lighting{true, float32(f.Ambient), float32(f.Diffuse), float32(f.Specular), float32(f.SpecularPower)}
	}
	t.Lo, t.Hi = span(color, opacity)
	for i := range TableSize {
		x := t.Lo + (t.Hi-t.Lo)*float64(i)/(TableSize-1)
		c := colorAt(color, x)
		e := t.table[4*i : 4*i+4]
		e[0], e[1], e[2], e[3] = float32(c[1]), float32(c[2]), float32(c[3]), float32(opacityAt(opacity, x))
	}
	return t, nil
}

// Table is the table for one sampling step in millimetres: TableSize entries of R, G, B and the opacity of
// one step, 1-(1-a)^(step/unit). Nobody may write to it.
func (t *Transfer) Table(step float64) []float32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range t.steps {
		if s.step == step {
			copy(t.steps[1:i+1], t.steps[:i])
			t.steps[0] = s
			return s.table
		}
	}
	table := slices.Clone(t.table)
	for i := 3; i < len(table); i += 4 {
		table[i] = float32(-math.Expm1(math.Log1p(-float64(table[i])) * step / t.unit))
	}
	t.steps = append([]stepTable{{step, table}}, t.steps...)
	if len(t.steps) > maxSteps {
		t.steps = t.steps[:maxSteps]
	}
	return table
}

// Index is the linear map from a value to its entry: entry = round(value*scale + offset), clamped.
func (t *Transfer) Index() (scale, offset float64) {
	scale = (TableSize - 1) / (t.Hi - t.Lo)
	return scale, -t.Lo * scale
}

// visible counts, for every entry, the entries before it that are not fully transparent, so that
// n[b+1]-n[a] is their number from entry a to entry b. It has TableSize+1 elements.
func (t *Transfer) visible() []int32 {
	n := make([]int32, TableSize+1)
	for i := range TableSize {
		n[i+1] = n[i]
		if t.table[4*i+3] > 0 {
			n[i+1]++
		}
	}
	return n
}

// Empty returns a test whether values between lo and hi, stored*slope+intercept, are all fully transparent.
// It errs on the side of visible by the rounding of interpolated values: a hundredth of a stored unit, which
// is more than single precision leaves of 16 bits.
func (t *Transfer) Empty(slope, intercept float64) func(lo, hi float32) bool {
	visible := t.visible()
	scale, offset := t.Index()
	scale, offset = scale*slope, scale*intercept+offset
	margin := 0.01*math.Abs(scale) + 0.01
	return func(lo, hi float32) bool {
		a, b := float64(lo)*scale+offset, float64(hi)*scale+offset
		if a > b {
			a, b = b, a
		}
		first := int(min(max(a+0.5-margin, 0), TableSize-1))
		last := int(min(max(b+0.5+margin, 0), TableSize-1))
		return visible[last+1] == visible[first]
	}
}

func (f *Function) check() error {
	switch {
	case len(f.Color) == 0 || len(f.Opacity) == 0:
		return errors.New("it needs at least one colour point and one opacity point")
	case len(f.Color) > maxPoints || len(f.Opacity) > maxPoints || len(f.GradientOpacity) > maxPoints:
		return fmt.Errorf("it has more than %d points of one kind", maxPoints)
	case f.UnitDistance < 0 || !finite(f.UnitDistance):
		return fmt.Errorf("unit distance %g mm: it must be above 0", f.UnitDistance)
	case f.Window.Width < 0 || !finite(f.Window.Width) || !finite(f.Window.Center):
		return fmt.Errorf("its window has centre %g and width %g", f.Window.Center, f.Window.Width)
	}
	for _, p := range f.Color {
		if !finite(p[0]) || !portion(p[1]) || !portion(p[2]) || !portion(p[3]) {
			return fmt.Errorf("colour point %g: (%g, %g, %g): the value must be finite and the colour 0 to 1", p[0], p[1], p[2], p[3])
		}
	}
	for _, p := range append(slices.Clone(f.Opacity), f.GradientOpacity...) {
		if !finite(p[0]) || !portion(p[1]) {
			return fmt.Errorf("opacity point %g: %g: the value must be finite and the opacity 0 to 1", p[0], p[1])
		}
	}
	for _, p := range f.GradientOpacity {
		if p[1] != f.GradientOpacity[0][1] {
			return errors.New("gradient opacity that varies with the magnitude is not supported")
		}
	}
	if f.Shade {
		for _, x := range []float64{f.Ambient, f.Diffuse, f.Specular} {
			if !portion(x) {
				return fmt.Errorf("ambient %g, diffuse %g, specular %g: each must be 0 to 1", f.Ambient, f.Diffuse, f.Specular)
			}
		}
		if !(f.SpecularPower >= 0 && f.SpecularPower <= 1000) {
			return fmt.Errorf("specular power %g: it must be 0 to 1000", f.SpecularPower)
		}
	}
	return nil
}

// ownWindow is the window that the points were written for.
func (f *Function) ownWindow() Window {
	if f.Window.Width > 0 {
		return f.Window
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range f.Opacity {
		lo, hi = min(lo, p[0]), max(hi, p[0])
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	return Window{Center: (lo + hi) / 2, Width: hi - lo}
}

// span is the range of values outside of which the function is constant or transparent.
func span(color []ColorPoint, opacity []OpacityPoint) (lo, hi float64) {
	lo = min(color[0][0], opacity[0][0])
	for i := 0; i < len(opacity) && opacity[i][1] == 0; i++ {
		lo = opacity[i][0] // all before is transparent, whatever its colour
	}
	c, o := len(color)-1, len(opacity)-1
	for c > 0 && color[c-1][1] == color[c][1] && color[c-1][2] == color[c][2] && color[c-1][3] == color[c][3] {
		c--
	}
	for o > 0 && opacity[o-1][1] == opacity[o][1] {
		o--
	}
	hi = max(color[c][0], opacity[o][0])
	if opacity[o][1] == 0 { // transparent from there on
		hi = opacity[o][0]
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	return lo, hi
}

func colorAt(p []ColorPoint, x float64) ColorPoint {
	i, _ := slices.BinarySearchFunc(p, x, func(q ColorPoint, x float64) int { return order(q[0], x) })
	if i == 0 {
		return p[0]
	}
	if i == len(p) {
		return p[i-1]
	}
	a, b := p[i-1], p[i]
	u := (x - a[0]) / (b[0] - a[0])
	return ColorPoint{x, a[1] + (b[1]-a[1])*u, a[2] + (b[2]-a[2])*u, a[3] + (b[3]-a[3])*u}
}

func opacityAt(p []OpacityPoint, x float64) float64 {
	i, _ := slices.BinarySearchFunc(p, x, func(q OpacityPoint, x float64) int { return order(q[0], x) })
	if i == 0 {
		return p[0][1]
	}
	if i == len(p) {
		return p[i-1][1]
	}
	a, b := p[i-1], p[i]
	return a[1] + (b[1]-a[1])*(x-a[0])/(b[0]-a[0])
}

func order(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func portion(x float64) bool { return x >= 0 && x <= 1 }
