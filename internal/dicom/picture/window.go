package picture

import (
	"math"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
)

// Function is how a window makes grey of values (PS3.3 C.11.2.1.2 and C.11.2.1.3).
type Function string

const (
	// Linear is the function of most files: a width of 1 is a threshold. It is also what the zero Function means.
	Linear Function = "LINEAR"
	// LinearExact is a straight line from Center-Width/2 to Center+Width/2.
	LinearExact Function = "LINEAR_EXACT"
	// Sigmoid is an S-shaped curve without ends.
	Sigmoid Function = "SIGMOID"
)

// Window says which values are shown between black and white, in the values of Gray.
type Window struct {
	Center, Width float64
	Function      Function
	// Explanation is the file's name for it ("BONE"); empty for most.
	Explanation string
	// Table is a VOI look-up table, which is used instead of the function; Center and Width then tell the range that
	// it covers. Nil for most.
	Table *dicom.LUT
}

// windows are those that the file offers: windows before tables, which are alternatives.
func windows(d *dicom.Dataset, signed bool) ([]Window, error) {
	centers, okC := d.Floats(dicom.WindowCenter)
	widths, okW := d.Floats(dicom.WindowWidth)
	names := d.Strings(dicom.WindowCenterWidthExplanation)
	function := Function(strings.ToUpper(d.String(dicom.VOILUTFunction)))
	if function != LinearExact && function != Sigmoid {
		function = Linear
	}
	var out []Window
	if okC && okW {
		for i := range min(len(centers), len(widths), 64) {
			w := Window{Center: centers[i], Width: widths[i], Function: function}
			if i < len(names) {
				w.Explanation = names[i]
			}
			// A window without width shows nothing (C.11.2.1.2.1); files have them.
			if w.Width > 0 && (w.Width >= 1 || function != Linear) {
				out = append(out, w)
			}
		}
	}
	tables, err := d.VOILUTs(signed)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		n := float64(len(t.Entries))
		out = append(out, Window{Center: float64(t.First) + n/2, Width: n, Table: t, Explanation: t.Explanation})
	}
	return out, nil
}

// overRange is a window that shows all values from lo to hi.
func overRange(lo, hi float64) *Window {
	width := hi - lo
	if !(width > 0) {
		width = 1
	}
	return &Window{Center: lo + width/2, Width: width, Function: LinearExact}
}

// curve is the window as a function of a value.
func (w *Window) curve() func(float32) byte {
	if w.Table != nil {
		most := float64(w.Table.Max())
		return func(v float32) byte {
			return byte(float64(w.Table.At(int(math.Floor(float64(v)))))*255/most + 0.5)
		}
	}
	center, width := w.Center, w.Width
	if w.Function == Sigmoid {
		return func(v float32) byte {
			return byte(255/(1+math.Exp(-4*(float64(v)-center)/width)) + 0.5)
		}
	}
	if w.Function != LinearExact {
		center, width = center-0.5, width-1
	}
	low := center - width/2
	if !(width > 0) {
		return func(v float32) byte {
			if float64(v) <= low {
				return 0
			}
			return 255
		}
	}
	scale := 255 / width
	return func(v float32) byte {
		y := (float64(v) - low) * scale
		switch {
		case !(y > 0):
			return 0
		case y >= 255:
			return 255
		}
		return byte(y + 0.5)
	}
}
