// Package bench is how measurements are reported: rows with the bar that each has to meet, as a table for people
// and as JSON for programs. Measurements that a bar rests on are medians of several runs, and ratios where the
// machine's speed would decide otherwise.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Runs is the least number of runs behind a value that has a bar.
const Runs = 5

// What a bar may be.
const (
	AtMost  = "at most"
	AtLeast = "at least"
)

// Row is one measured figure.
type Row struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`            // for example "ms", "dB", "x" for a ratio
	Bar   float64 `json:"bar,omitempty"`   // what Value has to reach, in Unit
	BarIs string  `json:"barIs,omitempty"` // AtMost or AtLeast; empty where the figure is only reported
}

// Met says whether the row reaches its bar. A row without one does; NaN never does.
func (r Row) Met() bool {
	switch r.BarIs {
	case AtMost:
		return r.Value <= r.Bar
	case AtLeast:
		return r.Value >= r.Bar
	}
	return !math.IsNaN(r.Value)
}

// Median returns the middle value, the mean of the middle two where their number is even, and NaN of none. It
// leaves values as they are.
func Median(values []float64) float64 {
	return Quantile(values, 0.5)
}

// Quantile returns the value below which the share q (0 to 1) of values lies, interpolated between neighbours
// (type 7 of Hyndman and Fan), and NaN of none. It leaves values as they are.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := min(max(q, 0), 1) * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Ratio returns the median of ours over theirs, pair by pair: run i of one is compared with run i of the other,
// which had the same load on the machine. NaN where there are no pairs.
func Ratio(ours, theirs []float64) float64 {
	n := min(len(ours), len(theirs))
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = ours[i] / theirs[i]
	}
	return Median(ratios)
}

// Table writes the rows in columns, with what became of each bar.
func Table(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measurement\tvalue\tbar\t")
	for _, r := range rows {
		bar, verdict := "", ""
		if r.BarIs != "" {
			bar, verdict = fmt.Sprintf("%s %s %s", r.BarIs, figure(r.Bar), r.Unit), "met"
			if !r.Met() {
				verdict = "MISSED"
			}
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\n", r.Name, figure(r.Value), r.Unit, bar, verdict)
	}
	return t.Flush()
}

// figure writes a value with four significant digits, so that what misses its bar by little looks like it, and
// whole numbers as they are.
func figure(v float64) string {
	if math.Abs(v) >= 1000 || v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// JSON returns the rows as an array of Row with "met" added. Values that are no numbers (NaN) are null there.
func JSON(rows []Row) ([]byte, error) {
	type judged struct {
		Row
		Value *float64 `json:"value"`
		Met   bool     `json:"met"`
	}
	out := make([]judged, len(rows))
	for i, r := range rows {
		out[i] = judged{Row: r, Met: r.Met()}
		if !math.IsNaN(r.Value) && !math.IsInf(r.Value, 0) {
			out[i].Value = &rows[i].Value
		}
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the figures as JSON: %w", err)
	}
	return b, nil
}

// Write writes the rows as a table, an empty line, and as JSON.
func Write(w io.Writer, rows []Row) error {
	if err := Table(w, rows); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	b, err := JSON(rows)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(w, "\n%s\n", b); err != nil {
		return fmt.Errorf("write the figures as JSON: %w", err)
	}
	return nil
}
