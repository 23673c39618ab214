package simulate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/cloud-broker/fit"
)

// maxWindows bounds those of a file.
const maxWindows = 1_000_000

// ReadWindows gives nodes the windows of a file: CSV with sn, from and to, in seconds of the trace's time. Nodes that it does
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
	at := map[string]int{}
	for i, n := range out {
		at[n.Name] = i
	}
	r := csv.NewReader(in)
	heading, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("heading: %w", err)
	}
	var column [3]int
	for i, name := range []string{"sn", "from", "to"} {
		if column[i] = slices.IndexFunc(heading, func(s string) bool { return strings.TrimSpace(s) == name }); column[i] < 0 {
			return nil, fmt.Errorf("column %s is missing", name)
		}
	}
	all := map[int][]fit.Window{}
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
		node, ok := at[row[column[0]]]
		if !ok {
			return nil, fmt.Errorf("line %d: there is no node %.40q", line, row[column[0]])
		}
		var w fit.Window
		for i, to := range []*float64{&w.From, &w.To} {
			if *to, err = strconv.ParseFloat(strings.TrimSpace(row[column[i+1]]), 64); err != nil || !(*to > -1e15 && *to < 1e15) {
				return nil, fmt.Errorf("line %d: %.40q is no time in seconds", line, row[column[i+1]])
			}
		}
		all[node] = append(all[node], w)
	}
	for node, w := range all {
		if out[node].Windows, err = fit.NewWindows(w...); err != nil {
			return nil, fmt.Errorf("node %.40q: %w", out[node].Name, err)
		}
	}
	return out, nil
}
