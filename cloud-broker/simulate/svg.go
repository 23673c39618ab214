package simulate

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
)

// palette tells policies apart, also for those who see colours differently (Okabe and Ito 2008).
var palette = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"}

// style suits light and dark backgrounds.
const style = `<style>text{font:12px system-ui,sans-serif;fill:#57606a}.t{font-size:14px;font-weight:600;fill:#24292f}.g{stroke:#8c959f;stroke-opacity:.35}.w{stroke:#57606a;stroke-width:1.5}` +
	`@media(prefers-color-scheme:dark){text{fill:#9aa4af}.t{fill:#e6edf3}}</style>`

// drawing is an SVG picture that is being written.
type drawing struct{ b strings.Builder }

func newDrawing(width, height int, title string) *drawing {
	d := &drawing{}
	fmt.Fprintf(&d.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>%s</title>%s`+"\n",
		width, height, width, height, html.EscapeString(title), style)
	return d
}

func (d *drawing) text(x, y float64, anchor, class, s string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(s))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&d.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

func (d *drawing) writeTo(w io.Writer) error {
	d.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, d.b.String())
	return err
}

// column is a quantity that runs are compared by.
type column struct {
	title, unit string
	value       figure
	lower       bool // less is better
}

var columns = []column{
	{"Use of GPUs", "%", func(r Result) float64 { return 100 * r.Use }, false},
	{"GPUs unallocated at the end", "", func(r Result) float64 { return r.Unallocated }, true},
	{"of them fragments", "", func(r Result) float64 { return r.Stranded }, true},
	{"Mean waiting", "s", func(r Result) float64 { return r.MeanWait }, true},
	{"Waiting, 95 %", "s", func(r Result) float64 { return r.P95Wait }, true},
	{"GPU time lost", "h", func(r Result) float64 { return r.LostGPUh }, true},
	{"Moves", "", func(r Result) float64 { return float64(r.Moves) }, true},
	{"Amounts changed", "", func(r Result) float64 { return float64(r.Scaled) }, true},
	{"Short of what was used", "%", func(r Result) float64 { return 100 * r.Short }, true},
	{"Node hours", "h", func(r Result) float64 { return r.NodeHours }, true},
	{"A decision", "µs", func(r Result) float64 { return r.DecisionUs }, true},
}

// drawBars compares policies: a panel for each quantity that is not 0 for all, a bar for each policy, and a whisker of one
// standard deviation over seeds.
func drawBars(w io.Writer, title string, runs [][]Result) error {
	var shown []column
	for _, c := range columns {
		for _, r := range runs {
			if mean(of(r, c.value)) != 0 {
				shown = append(shown, c)
				break
			}
		}
	}
	const across, wide, label, right = 2, 460, 120, 80
	tall := 46 + 22*len(runs)
	rows := (len(shown) + across - 1) / across
	d := newDrawing(across*wide, 34+rows*tall, title)
	d.text(16, 22, "start", "t", title)
	for i, c := range shown {
		x, y := float64(i%across*wide+16), float64(34+i/across*tall)
		what := c.title
		if c.unit != "" {
			what += ", " + c.unit
		}
		d.text(x, y+18, "start", "t", what)
		most := 0.0
		for _, r := range runs {
			v := of(r, c.value)
			most = max(most, mean(v)+spread(v))
		}
		scale := float64(wide-label-right-16) / max(most, 1e-12)
		for j, r := range runs {
			v := of(r, c.value)
			m, s := mean(v), spread(v)
			at := y + 28 + float64(22*j)
			d.text(x+label-8, at+13, "end", "", r[0].Policy)
			fmt.Fprintf(&d.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="15" rx="2" fill="%s"/>`+"\n", x+label, at+1, max(m*scale, 0.5), palette[j%len(palette)])
			if s > 0 {
				d.line(x+label+max(m-s, 0)*scale, at+8.5, x+label+(m+s)*scale, at+8.5, "w")
			}
			d.text(x+label+(m+s)*scale+6, at+13, "start", "", short(m))
		}
	}
	return d.writeTo(w)
}

// drawCurves shows one run of each policy: GPUs in use over time, or, where tasks never leave, free GPUs by what was asked for,
// from when most are taken.
func drawCurves(w io.Writer, title string, runs [][]Result, saturated bool) error {
	const width, height, left, bottom, top = 920, 420, 60, 50, 40
	x := func(p Point) float64 { return p.At / hour }
	y := func(p Point) float64 { return p.Used }
	xTitle, yTitle := "hours", "GPUs in use"
	if saturated {
		x = func(p Point) float64 { return 100 * p.Asked / max(p.Have, 1) }
		y = func(p Point) float64 { return 100 * (p.Have - p.Used) / max(p.Have, 1) }
		xTitle, yTitle = "GPUs asked for, % of all", "GPUs unallocated, %"
	}
	leastX, mostX, mostY := 0.0, 0.0, 0.0
	for _, r := range runs {
		for _, p := range r[0].Curve {
			mostX = max(mostX, x(p))
		}
	}
	if saturated && mostX > 100 {
		leastX = 80
	}
	for _, r := range runs {
		for _, p := range r[0].Curve {
			if x(p) >= leastX {
				mostY = max(mostY, y(p))
			}
		}
	}
	stepX, stepY := nice(mostX-leastX), nice(mostY)
	mostX, mostY = max(mostX, leastX+1e-9), math.Ceil(max(mostY, 1e-9)/stepY)*stepY
	d := newDrawing(width, height, title)
	d.text(16, 22, "start", "t", title)
	px := func(v float64) float64 { return left + (v-leastX)/(mostX-leastX)*(width-left-150) }
	py := func(v float64) float64 { return height - bottom - v/mostY*(height-bottom-top) }
	for v := 0.0; v <= mostY*1.0001; v += stepY {
		d.line(px(leastX), py(v), px(mostX), py(v), "g")
		d.text(left-8, py(v)+4, "end", "", short(v))
	}
	for v := leastX; v <= mostX*1.0001; v += stepX {
		d.text(px(v), height-bottom+18, "middle", "", short(v))
	}
	d.text(px((leastX+mostX)/2), height-12, "middle", "", xTitle)
	fmt.Fprintf(&d.b, `<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", py(mostY/2), yTitle)
	for i, r := range runs {
		colour := palette[i%len(palette)]
		fmt.Fprintf(&d.b, `<polyline fill="none" stroke="%s" stroke-width="1.6" stroke-linejoin="round" points="`, colour)
		for _, p := range r[0].Curve {
			if x(p) >= leastX {
				fmt.Fprintf(&d.b, "%.1f,%.1f ", px(x(p)), py(y(p)))
			}
		}
		d.b.WriteString("\"/>\n")
		at := float64(top + 18*i)
		fmt.Fprintf(&d.b, `<rect x="%d" y="%.1f" width="12" height="12" rx="2" fill="%s"/>`+"\n", width-140, at, colour)
		d.text(width-122, at+10, "start", "", r[0].Policy)
	}
	return d.writeTo(w)
}

// nice is a round distance between the marks of an axis.
func nice(most float64) float64 {
	if !(most > 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(most/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if most/(f*unit) <= 6 {
			return f * unit
		}
	}
	return 10 * unit
}

// short writes a number with three digits, and large ones whole.
func short(v float64) string {
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
