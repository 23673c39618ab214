package study

import (
	"math"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	// stepTolerance is the relative deviation from the median step, minStepTolerance the absolute one in
	// millimetres (positions are often rounded to 0.01 mm), up to which steps count as meant to be even.
	stepTolerance, minStepTolerance = 0.02, 0.011
	// placeTolerance is how far, in millimetres, a slice may lie from a plane of the grid to be taken for that
	// plane as it is: the rounding of positions. Slices further off are resampled.
	placeTolerance = 0.011
	// snap is the distance in millimetres below which resampling takes a slice for the plane itself.
	snap = 1e-4
	// sideTolerance is how far sideways from the line of the others a slice may lie, as a share of the pixel spacing.
	sideTolerance = 0.25
	// tellTilt is the angle in degrees from which a sheared grid is told, tellShift the distance in millimetres from
	// which a slice sideways of its place is.
	tellTilt, tellShift = 0.05, 0.01

	// maxFilled and maxFilledGap bound what is interpolated where slices are missing: at most so many in a row,
	// between neighbours at most so many millimetres apart. A lesion of a centimetre cannot hide in a wider gap
	// unseen; there the stack is split. They bound steps that vary too.
	maxFilled, maxFilledGap = 3, 10.0
	// filledShare is the largest share of a stack's planes that may be called missing. Beyond it steps vary, and
	// the stack is resampled.
	filledShare = 0.25
	// farSteps is the step in millimetres from which slices are single pictures and no volume; thickSteps the
	// same for slices whose thickness is less than half of it.
	farSteps, thickSteps = 20.0, 10.0
	// maxGrowth and maxPlanesEver bound resampling: how many planes for each slice, and in all (what a 3D texture
	// takes at most).
	maxGrowth, maxPlanesEver = 8, 2048
)

// layout is a grid, and how slices stand in it.
type layout struct {
	geometry volume.Geometry
	warnings []Warning
	// resampled: planes do not stand where slices do.
	resampled bool
}

func (l *layout) warn(c Code, amount float64, format string, args ...any) {
	l.warnings = append(l.warnings, warning(c, amount, format, args...))
}

// run is slices lo to hi-1 of a stack that lie in one grid, or cannot.
type run struct {
	lo, hi int
	layout *layout
	at     []float64 // the plane, with its fraction, that each slice stands at
	err    *Error    // why it is no volume
}

// arrange finds the grids that slices make. They are of one matrix, spacing and orientation, in order along their
// normal, no two at one place. maxPlanes is how many planes there is memory for.
func arrange(list []*SliceInfo, maxPlanes int) []run {
	if len(list) == 0 {
		return nil
	}
	at, steps := along(list)
	for i, step := range steps {
		if step <= list[0].near() {
			return []run{{lo: 0, hi: len(list), err: refuse(Irregular, list[i].Name, "it lies beside %s, %.2f mm off in the same plane, so the slices are no stack",
				list[i+1].Name, list[i+1].Position.Sub(list[i].Position).Norm())}}
		}
	}
	cuts := cut(steps)
	// Where slices lie far apart nearly everywhere they are no stack that was cut.
	if len(cuts) > max(1, len(list)/4) {
		return []run{{lo: 0, hi: len(list), err: refuse(Irregular, "", "the %d slices lie %.1f to %.1f mm apart, too far for a volume",
			len(list), slices.Min(steps), slices.Max(steps))}}
	}
	var out []run
	lo := 0
	for _, c := range append(cuts, len(list)-1) {
		r := run{lo: lo, hi: c + 1}
		r.layout, r.at, r.err = lay(list[lo:c+1], at[lo:c+1], maxPlanes)
		if r.layout != nil {
			r.layout.gaps(steps, lo, c)
		}
		out = append(out, r)
		lo = c + 1
	}
	return out
}

// along is the distances of slices along their normal, and the steps between them, in millimetres.
func along(list []*SliceInfo) (at, steps []float64) {
	normal := list[0].Row.Cross(list[0].Column).Unit()
	at = make([]float64, len(list))
	for i, s := range list {
		at[i] = s.Position.Dot(normal)
		if i > 0 {
			steps = append(steps, at[i]-at[i-1])
		}
	}
	return at, steps
}

// gaps tells of the cuts at both ends of a run.
func (l *layout) gaps(steps []float64, lo, last int) {
	if lo > 0 {
		l.warn(WarnGap, steps[lo-1], "the stack has a gap of %.2f mm before this part, too wide to be filled; it is split there", steps[lo-1])
	}
	if last < len(steps) {
		l.warn(WarnGap, steps[last], "the stack has a gap of %.2f mm after this part, too wide to be filled; it is split there", steps[last])
	}
}

func median(steps []float64) float64 {
	s := slices.Sorted(slices.Values(steps))
	n := len(s)
	if n%2 == 0 {
		return (s[n/2] + s[n/2-1]) / 2
	}
	return s[n/2]
}

func tolerance(step float64) float64 { return max(minStepTolerance, stepTolerance*step) }

// cut is the steps that are too wide to be bridged.
func cut(steps []float64) []int {
	if len(steps) == 0 {
		return nil
	}
	m := median(steps)
	tol := tolerance(m)
	var cuts []int
	for i, s := range steps {
		switch k := math.Round(s / m); {
		case s <= m+tol:
		case s <= maxFilledGap+tol && (k-1 <= maxFilled || math.Abs(s-k*m) > tol):
		case s <= 1.2*m:
		default:
			cuts = append(cuts, i)
		}
	}
	return cuts
}

// lay finds the grid of slices without wide gaps.
func lay(list []*SliceInfo, p []float64, maxPlanes int) (*layout, []float64, *Error) {
	n := len(list)
	first, last := list[0], list[n-1]
	if n == 1 {
		return nil, nil, refuse(NotVolume, first.Name, "it is a single image")
	}
	_, steps := along(list)
	m := median(steps)
	thick := 0.0
	for _, s := range list {
		thick = max(thick, s.Thickness)
	}
	if m > farSteps || m > thickSteps && thick > 0 && m > 2*thick {
		return nil, nil, refuse(NotVolume, "", "the %d slices lie %.1f mm apart, too far for a volume", n, m)
	}
	length, way := p[n-1]-p[0], last.Position.Sub(first.Position)
	share := make([]float64, n) // of the way, for each slice
	side, worst := 0.0, 0
	for k, s := range list {
		share[k] = (p[k] - p[0]) / length
		if d := s.Position.Sub(first.Position.Add(way.Scale(share[k]))).Norm(); d > side {
			side, worst = d, k
		}
	}
	if least := min(first.Spacing[0], first.Spacing[1]); side > sideTolerance*least {
		return nil, nil, refuse(Irregular, list[worst].Name,
			"the slices do not stand on one line: this one is %.2f mm beside it, with pixels of %.2f mm; such a stack cannot be shown as a volume", side, least)
	}
	l := &layout{}
	at := l.planes(share, steps, length, min(first.Spacing[0], first.Spacing[1]), maxPlanes)
	planes := int(at[n-1]) + 1
	step := way.Scale(1 / float64(planes-1))
	l.geometry = volume.Geometry{
		Size:   [3]int{first.Format.Columns, first.Format.Rows, planes},
		Origin: first.Position,
		Axes:   [3]geom.Vec{first.Row.Scale(first.Spacing[0]), first.Column.Scale(first.Spacing[1]), step},
	}
	if side > tellShift {
		l.warn(WarnShifted, side, "slices lie up to %.2f mm sideways of their places in the grid", side)
	}
	if tilt := tiltOf(l.geometry); tilt > tellTilt {
		l.warn(WarnTilt, tilt, "the slices are sheared by %.1f degrees (gantry tilt); the volume is shown sheared, as it was scanned", tilt)
	}
	if first.FrameOfReferenceUID == "" {
		l.warn(WarnNoFrame, 0, "the series names no frame of reference, so it cannot be laid over others")
	}
	return l, at, nil
}

// tiltOf is the angle in degrees between the normal of the slices and the way from one to the next.
func tiltOf(g volume.Geometry) float64 {
	normal := g.Axes[0].Cross(g.Axes[1]).Unit()
	return math.Acos(max(-1, min(1, g.Axes[2].Unit().Dot(normal)))) * 180 / math.Pi
}

// planes decides on the planes of a grid: where each slice stands among them, the first at 0 and the last at the last.
// share is how far along the way each slice is, length the way along the normal in millimetres.
func (l *layout) planes(share, steps []float64, length, pixel float64, maxPlanes int) []float64 {
	n := len(share)
	m := median(steps)
	tol := tolerance(m)
	lo, hi := slices.Min(steps), slices.Max(steps)
	if hi-m <= tol && m-lo <= tol { // even, or meant to be
		at, off := stand(share, length, n)
		if off <= placeTolerance {
			return whole(at)
		}
		l.resampled = true
		l.warn(WarnUneven, off, "slices lie up to %.2f mm from their places in an even grid and were resampled by as much", off)
		return at
	}
	if at := l.fill(share, steps, length, m, maxPlanes); at != nil {
		return at
	}
	// Steps vary: the smallest becomes the step of all, unless that took more planes than are sensible.
	step := max(lo, pixel/2)
	planes := int(math.Ceil(length/step-1e-3)) + 1
	planes = max(n, min(planes, maxGrowth*n, maxPlanesEver, maxPlanes))
	at, off := stand(share, length, planes)
	l.resampled = true
	l.warn(WarnResampled, float64(planes), "the steps between the %d slices vary from %.2f to %.2f mm; they were resampled to %d planes %.2f mm apart, linear between neighbours",
		n, lo, hi, planes, length/float64(planes-1))
	if off <= snap {
		return whole(at)
	}
	return at
}

// fill is the places of slices in a grid that some are missing from; nil where it is not that.
func (l *layout) fill(share, steps []float64, length, m float64, maxPlanes int) []float64 {
	tol := tolerance(m)
	sum, even, widest := 0.0, 0, 0.0
	for _, s := range steps {
		if math.Abs(s-m) <= tol {
			sum += s
			even++
		}
		widest = max(widest, s)
	}
	if even == 0 {
		return nil
	}
	planes := int(math.Round(length/(sum/float64(even)))) + 1
	missing := planes - len(share)
	if missing < 1 || float64(missing) > filledShare*float64(planes) || planes > maxPlanes {
		return nil
	}
	at, off := stand(share, length, planes)
	if off > placeTolerance {
		return nil
	}
	l.warn(WarnMissing, float64(missing), "%s missing: the step is %.2f mm, the widest gap %.2f mm; the values there are interpolated between the neighbours",
		plural(missing, "slice is", "slices are"), length/float64(planes-1), widest)
	return whole(at)
}

// stand is where slices stand among so many planes, and how far in millimetres along the normal the worst lies from
// one of them.
func stand(share []float64, length float64, planes int) (at []float64, off float64) {
	at = make([]float64, len(share))
	step := length / float64(planes-1)
	for k, s := range share {
		at[k] = s * float64(planes-1)
		d := math.Abs(at[k]-math.Round(at[k])) * step
		off = max(off, d)
		if d <= snap {
			at[k] = math.Round(at[k])
		}
	}
	return at, off
}

func whole(at []float64) []float64 {
	for k := range at {
		at[k] = math.Round(at[k])
	}
	return at
}
