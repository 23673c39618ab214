package simulate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
)

// maxWindows bounds those of a file, and maxTime their times, seconds.
const (
	maxWindows = 1_000_000
	maxTime    = 9e9
)

var epoch = time.Unix(0, 0).UTC()

// Moment is a time of the virtual clock, seconds, as an instant.
func Moment(seconds float64) time.Time {
	return epoch.Add(time.Duration(math.Min(math.Max(seconds, -maxTime), maxTime) * float64(time.Second)))
}

// at is the time of the virtual clock at an instant.
func at(t time.Time) float64 { return t.Sub(epoch).Seconds() }

// ReadWindows gives nodes the windows of a file: CSV with sn, from and to, in seconds since the first task's
// submission. Nodes that it does
// not name are always there. Windows that end before they start or overlap, and nodes that are not there, are errors.
func ReadWindows(file string, nodes []Node) ([]Node, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	defer f.Close()
	out, err := readWindows(f, nodes)
	if err != nil {
		return nil, fmt.Errorf("read windows %s: %w", file, err)
	}
	return out, nil
}

func readWindows(in io.Reader, nodes []Node) ([]Node, error) {
	out := slices.Clone(nodes)
	number := map[string]int{}
	for i, n := range out {
		number[n.Name] = i
	}
	r := csv.NewReader(in)
	heading, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("read its heading: %w", err)
	}
	var column [3]int
	for i, name := range []string{"sn", "from", "to"} {
		if column[i] = slices.IndexFunc(heading, func(s string) bool { return strings.TrimSpace(s) == name }); column[i] < 0 {
			return nil, fmt.Errorf("column %s is missing", name)
		}
	}
	all := map[int][]nodetime.Window{}
	for line := 2; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if line > maxWindows {
			return nil, fmt.Errorf("it has more than %d windows", maxWindows)
		}
		node, ok := number[row[column[0]]]
		if !ok {
			return nil, fmt.Errorf("line %d: there is no node %.40q", line, row[column[0]])
		}
		var span [2]float64
		for i := range span {
			if span[i], err = strconv.ParseFloat(strings.TrimSpace(row[column[i+1]]), 64); err != nil || !(math.Abs(span[i]) < maxTime) {
				return nil, fmt.Errorf("line %d: %.40q is no time in seconds", line, row[column[i+1]])
			}
		}
		w := nodetime.Window{Open: Moment(span[0]), Close: Moment(span[1])}
		if !w.Open.Before(w.Close) {
			return nil, fmt.Errorf("line %d: the window from %g s to %g s ends before it begins", line, span[0], span[1])
		}
		all[node] = append(all[node], w)
	}
	for node, w := range all {
		if out[node].Windows, err = nodetime.NewWindows(w...); err != nil {
			return nil, fmt.Errorf("node %.40q: %w", out[node].Name, err)
		}
	}
	return out, nil
}
