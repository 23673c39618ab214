package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

const (
	// directionTolerance is how far a component of two directions may differ that count as one: 0.1 mrad, which
	// is a tenth of a pixel across a 512 pixel image, and more than the rounding of decimal strings makes.
	directionTolerance = 2e-4
	// spacingTolerance is the relative difference of pixel spacings that count as one.
	spacingTolerance = 1e-4
	// stepTolerance is the relative deviation from the median step, minStepTolerance the absolute one in
	// millimetres (positions are often rounded to 0.01 mm), that count as even.
	stepTolerance, minStepTolerance = 0.02, 0.011
	// sideTolerance is how far from its place in the grid a slice may lie, as a share of the smallest spacing.
	sideTolerance = 0.25
	// samePosition is the distance in millimetres below which two slices stand at one position.
	samePosition = 1e-3
	// tellTilt is the angle in degrees from which a sheared grid is told.
	tellTilt = 0.05
	// tellUneven is the distance in millimetres from which a slice off its place in the grid is told.
	tellUneven = 0.01
)

// place is a slice in a plan: at is its distance along the normal, in millimetres.
type place struct {
	info *SliceInfo
	slot int
	at   float64
}

// layout is how slices stand in a volume.
type layout struct {
	geometry volume.Geometry
	// order gives for each place along the normal the slot that the slice came to.
	order    []int
	warnings []Warning
}

// same refuses slices that do not belong in one grid.
func same(a, b *SliceInfo) error {
	far := func(u, v geom.Vec) bool {
		d := u.Sub(v)
		return max(math.Abs(d[0]), math.Abs(d[1]), math.Abs(d[2])) > directionTolerance
	}
	switch {
	case a.Identity.SeriesInstanceUID != b.Identity.SeriesInstanceUID:
		return refuse(MixedSeries, b.Name, "it belongs to another series than %s; open one series at a time", a.Name)
	case a.Identity.PatientID != b.Identity.PatientID:
		return refuse(MixedSeries, b.Name, "it has another patient ID than %s, although both have the series UID; have the series corrected at its source", a.Name)
	case a.FrameOfReferenceUID != b.FrameOfReferenceUID:
		return refuse(MixedSeries, b.Name, "it lies in another frame of reference than %s, so their positions cannot be compared", a.Name)
	case a.Format.Rows != b.Format.Rows || a.Format.Columns != b.Format.Columns:
		return refuse(MixedGeometry, b.Name, "it has %dx%d pixels, %s of the same series has %dx%d; such a series cannot be shown as one volume",
			b.Format.Columns, b.Format.Rows, a.Name, a.Format.Columns, a.Format.Rows)
	case math.Abs(a.Spacing[0]-b.Spacing[0]) > spacingTolerance*a.Spacing[0], math.Abs(a.Spacing[1]-b.Spacing[1]) > spacingTolerance*a.Spacing[1]:
		return refuse(MixedGeometry, b.Name, "its pixels are %.4gx%.4g mm, those of %s in the same series %.4gx%.4g mm; such a series cannot be shown as one volume",
			b.Spacing[0], b.Spacing[1], a.Name, a.Spacing[0], a.Spacing[1])
	case far(a.Row, b.Row) || far(a.Column, b.Column):
		return refuse(MixedGeometry, b.Name, "it is turned by %.1f degrees against %s of the same series (a localizer, or several stacks); such a series cannot be shown as one volume",
			turn(a, b), a.Name)
	}
	return nil
}

// turn is the largest angle in degrees between directions of two slices.
func turn(a, b *SliceInfo) float64 {
	least := min(a.Row.Dot(b.Row), a.Column.Dot(b.Column), a.Row.Cross(a.Column).Dot(b.Row.Cross(b.Column)))
	return math.Acos(max(-1, min(1, least))) * 180 / math.Pi
}

// arrange puts slices in order along their normal and finds the grid they make. Slices that same would refuse
// must not be among them; those of one instance UID must have been left out.
func arrange(infos []SliceInfo) (*layout, error) {
	switch len(infos) {
	case 0:
		return nil, refuse(NoSlices, "", "the series has no slices; fetch it again")
	case 1:
		return nil, refuse(NotVolume, infos[0].Name, "the series is a single slice, and a volume needs at least two")
	}
	first := &infos[0]
	normal := first.Row.Cross(first.Column).Unit()
	places := make([]place, len(infos))
	for i := range infos {
		places[i] = place{&infos[i], i, infos[i].Position.Dot(normal)}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.at, b.at) })

	n := len(places)
	steps := make([]float64, n-1)
	for i := range steps {
		steps[i] = places[i+1].at - places[i].at
	}
	if err := doubled(places, steps); err != nil {
		return nil, err
	}
	if err := even(places, steps); err != nil {
		return nil, err
	}
	step := places[n-1].info.Position.Sub(places[0].info.Position).Scale(1 / float64(n-1))
	l := &layout{geometry: volume.Geometry{
		Size:   [3]int{first.Format.Columns, first.Format.Rows, n},
		Origin: places[0].info.Position,
		Axes:   [3]geom.Vec{first.Row.Scale(first.Spacing[0]), first.Column.Scale(first.Spacing[1]), step},
	}}
	off, worst := 0.0, 0
	for k, p := range places {
		l.order = append(l.order, p.slot)
		d := p.info.Position.Sub(l.geometry.Origin.Add(step.Scale(float64(k)))).Norm()
		if d > off {
			off, worst = d, k
		}
	}
	if least := min(first.Spacing[0], first.Spacing[1], step.Norm()); off > sideTolerance*least {
		return nil, refuse(Irregular, places[worst].info.Name,
			"the slices do not stand on one line in even steps: this one is %.2f mm from its place; such a series cannot be shown as a volume yet", off)
	}
	if off > tellUneven {
		l.warn(WarnUneven, off, "slices lie up to %.2f mm from their places in an even grid", off)
	}
	if tilt := math.Acos(max(-1, min(1, step.Unit().Dot(normal)))) * 180 / math.Pi; tilt > tellTilt {
		l.warn(WarnTilt, tilt, "the slices are sheared by %.1f degrees (gantry tilt); the volume is shown sheared, as it was scanned", tilt)
	}
	if first.FrameOfReferenceUID == "" {
		l.warn(WarnNoFrame, 0, "the series names no frame of reference, so it cannot be laid over others")
	}
	return l, nil
}

func (l *layout) warn(c Code, amount float64, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{c, fmt.Sprintf(format, args...), amount})
}

// doubled refuses positions at which more than one slice stands.
func doubled(places []place, steps []float64) error {
	at := 0
	for _, s := range steps {
		if s < samePosition {
			at++
		}
	}
	if at == 0 {
		return nil
	}
	i := slices.IndexFunc(steps, func(s float64) bool { return s < samePosition })
	return refuse(Doubled, "", "%d slices stand at only %d positions (%s and %s are at the same one): the series holds several acquisitions, phases or echoes, which this build cannot take apart yet; export them as series of their own",
		len(places), len(places)-at, places[i].info.Name, places[i+1].info.Name)
}

// even refuses steps that differ, and says whether slices are missing: then the wide steps are multiples of the
// others.
func even(places []place, steps []float64) error {
	sorted := slices.Sorted(slices.Values(steps))
	median := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		median = (median + sorted[len(sorted)/2-1]) / 2
	}
	tolerance := max(minStepTolerance, stepTolerance*median)
	missing, multiples := 0, true
	var gaps []string
	for i, s := range steps {
		if math.Abs(s-median) <= tolerance {
			continue
		}
		k := math.Round(s / median)
		if k < 2 || math.Abs(s-k*median) > tolerance {
			multiples = false
			continue
		}
		missing += int(k) - 1
		if len(gaps) < 3 {
			gaps = append(gaps, fmt.Sprintf("%.2f mm after slice %d", s, i+1))
		}
	}
	lo, hi := sorted[0], sorted[len(sorted)-1]
	switch {
	case hi-median <= tolerance && median-lo <= tolerance:
		return nil
	case multiples && missing < len(places):
		return refuse(Missing, "", "%s missing: the step from slice to slice is %.2f mm, but %s (of %d slices); fetch or export the series again in full",
			plural(missing, "slice is", "slices are"), median, strings.Join(gaps, ", "), len(places))
	}
	return refuse(Irregular, "", "the slice step varies %.2f..%.2f mm (median %.2f, %d slices), which this build cannot show without distortion yet; choose a series with even steps",
		lo, hi, median, len(places))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
