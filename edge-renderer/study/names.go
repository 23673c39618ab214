package study

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
)

// attributes are what may tell a part from the others, in the order in which names have them. Each is empty where a
// part's slices do not agree on it.
var attributes = []func([]SliceInfo, *part) string{
	agreed(func(s *SliceInfo) string {
		if s.Identity.PatientID == "" {
			return "patient without ID"
		}
		return "patient ID " + s.Identity.PatientID
	}),
	agreed(func(s *SliceInfo) string { return s.component() }),
	agreed(func(s *SliceInfo) string { return orientation(s) }),
	agreed(func(s *SliceInfo) string { return fmt.Sprintf("%dx%d", s.Format.Columns, s.Format.Rows) }),
	agreed(func(s *SliceInfo) string { return fmt.Sprintf("pixels of %.4gx%.4g mm", s.Spacing[0], s.Spacing[1]) }),
	agreed(func(s *SliceInfo) string { return numbered("frame of reference", s.FrameOfReferenceUID) }),
	agreed(func(s *SliceInfo) string {
		if inverted(s) {
			return "inverted"
		}
		return ""
	}),
	agreed(func(s *SliceInfo) string {
		switch {
		case s.EchoNumber > 0 && s.Echo != nil:
			return fmt.Sprintf("echo %d, %.4g ms", s.EchoNumber, *s.Echo)
		case s.Echo != nil:
			return fmt.Sprintf("echo time %.4g ms", *s.Echo)
		case s.EchoNumber > 0:
			return fmt.Sprintf("echo %d", s.EchoNumber)
		}
		return ""
	}),
	agreed(func(s *SliceInfo) string { return labelled("inversion time %.4g ms", s.Inversion) }),
	agreed(func(s *SliceInfo) string { return labelled("b %.4g", s.BValue) }),
	agreed(func(s *SliceInfo) string { return numbered("stack", s.Stack) }),
	agreed(func(s *SliceInfo) string {
		var words []string
		for _, t := range s.ImageType[min(2, len(s.ImageType)):] {
			if componentOf(t) == "" {
				words = append(words, strings.ToLower(t))
			}
		}
		return strings.Join(words, " ")
	}),
	agreed(func(s *SliceInfo) string {
		if len(s.ImageType) > 0 && strings.EqualFold(s.ImageType[0], "DERIVED") {
			return "derived"
		}
		return ""
	}),
	agreed(func(s *SliceInfo) string {
		if s.Acquisition == 0 {
			return ""
		}
		return fmt.Sprintf("acquisition %d", s.Acquisition)
	}),
	func(_ []SliceInfo, p *part) string {
		if p.copy == 0 {
			return ""
		}
		return fmt.Sprintf("slice %d of each position", p.copy)
	},
	func(infos []SliceInfo, p *part) string {
		if len(p.phases) > 1 {
			return fmt.Sprintf("%s of %s", plural(len(p.phases), "time point", "time points"), plural(len(p.phases[0].members), "slice", "slices"))
		}
		return plural(len(p.phases[0].members), "slice", "slices")
	},
	func(infos []SliceInfo, p *part) string {
		t := infos[p.phases[0].members[0].slice].Acquired
		if t == nil {
			return ""
		}
		return timeOfDay(*t)
	},
	extent,
}

// agreed is an attribute that all slices of a part must have.
func agreed(of func(*SliceInfo) string) func([]SliceInfo, *part) string {
	return func(infos []SliceInfo, p *part) string {
		all := p.slices()
		first := of(&infos[all[0]])
		for _, i := range all[1:] {
			if of(&infos[i]) != first {
				return ""
			}
		}
		return first
	}
}

func labelled(format string, v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}

// numbered is a thing with an identifier; of long ones only the end, by which people tell them apart.
func numbered(what, id string) string {
	if id == "" {
		return ""
	}
	if len(id) > 8 {
		id = "..." + id[len(id)-6:]
	}
	return what + " " + id
}

// orientation is the plane of a slice in words.
func orientation(s *SliceInfo) string { return planeOf(s.Row.Cross(s.Column)) }

// planeOf is the name of the plane with a normal.
func planeOf(normal geom.Vec) string {
	normal = normal.Unit()
	best := 0
	for a := range 3 {
		if math.Abs(normal[a]) > math.Abs(normal[best]) {
			best = a
		}
	}
	name := []string{"sagittal", "coronal", "axial"}[best]
	if math.Abs(normal[best]) < math.Cos(2*math.Pi/180) {
		return "oblique " + name
	}
	return name
}

// extent is where along the main axis of its normal a part lies, millimetres in LPS.
func extent(infos []SliceInfo, p *part) string {
	m := p.phases[0].members
	a, b := &infos[m[0].slice], &infos[m[len(m)-1].slice]
	n := a.Row.Cross(a.Column)
	axis := 0
	for k := range 3 {
		if math.Abs(n[k]) > math.Abs(n[axis]) {
			axis = k
		}
	}
	return fmt.Sprintf("%s %.4g to %.4g mm", []string{"x", "y", "z"}[axis], a.Position[axis], b.Position[axis])
}

// name gives each part the attributes that tell it from others.
func name(infos []SliceInfo, parts []part) {
	texts := make([][]string, len(parts))
	for i := range parts {
		for _, of := range attributes {
			texts[i] = append(texts[i], of(infos, &parts[i]))
		}
	}
	const plane = 2 // among the attributes; told where there is one part alone, as the size is always
	size, place := len(attributes)-3, len(attributes)-1
	differs := make([]bool, len(attributes))
	for a := range attributes {
		differs[a] = slices.ContainsFunc(texts, func(t []string) bool { return t[a] != texts[0][a] })
	}
	count := make(map[string]int)
	for i := range parts {
		var words []string
		for a, text := range texts[i] {
			if text != "" && a != place && (differs[a] || a == size || len(parts) == 1 && a == plane) {
				words = append(words, text)
			}
		}
		parts[i].name = strings.Join(words, ", ")
		count[parts[i].name]++
	}
	for i := range parts { // those that are still called the same are told apart by where they lie
		if count[parts[i].name] > 1 {
			parts[i].name += ", " + texts[i][place]
		}
	}
}
