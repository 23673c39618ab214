// Package trace reads records of clusters: tasks with their requests, times and ends, and lists of nodes. It knows the
// formats of public traces (Alibaba openb and GenAI, Microsoft Philly as a table, the Standard Workload Format) and the
// broker's own exported history.
package trace

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Task is one task of a trace. Times are seconds since the trace's beginning or an epoch of its own.
type Task struct {
	Name      string
	Submitted float64 // s
	Started   float64 // s; Submitted where the trace does not tell
	Duration  float64 // s
	Censored  bool    // it had not ended when the trace did: Duration is how long it had run
	Creator   string
	Type      string
	Operation string
	Framework string
	Modality  string
	Numbers   []float64 // how large the work is, see predict.Task
	CPUMilli  int64
	MemoryMiB int64
	GPUs      int      // whole GPUs, or 1 for a share
	GPUMilli  int64    // of each GPU, up to 1000
	Models    []string // GPU models it may run on; none: any
	Used      Use      // known only after it ran
}

// Use is what a task used on the average, as shares of what it asked for.
type Use struct {
	Known    bool
	GPU, CPU float64
}

// Node is one node of a list.
type Node struct {
	Name      string
	CPUMilli  int64
	MemoryMiB int64
	GPUs      int
	Model     string // of its GPUs
}

// Limits of what is read.
const (
	maxTasks = 5_000_000
	maxNodes = 1_000_000
	maxBytes = 4 << 30
)

// Skipped says how many lines of a trace tell nothing that can be used, and why.
type Skipped map[string]int

// String lists the reasons, the most frequent first.
func (s Skipped) String() string {
	var reasons []string
	for r := range s {
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if s[a] != s[b] {
			return s[b] - s[a]
		}
		return strings.Compare(a, b)
	})
	for i, r := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", s[r], r)
	}
	return strings.Join(reasons, ", ")
}

// ReadTasks reads the tasks of a file, in the order of their submission. Its format is found from its name (.swf, .jsonl)
// or its columns; .gz is unpacked. Lines that cannot be used are counted with their reasons.
func ReadTasks(file string) ([]Task, Skipped, error) {
	skipped := Skipped{}
	var tasks []Task
	err := open(file, func(name string, r io.Reader) (err error) {
		switch filepath.Ext(name) {
		case ".swf":
			tasks, err = readSWF(r, skipped)
		case ".jsonl", ".ndjson":
			tasks, err = readHistory(r, skipped)
		default:
			tasks, err = readTable(r, skipped)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read trace %s: %w", file, err)
	}
	if len(tasks) == 0 {
		return nil, nil, fmt.Errorf("read trace %s: it has no task that can be used (%v)", file, skipped)
	}
	slices.SortStableFunc(tasks, func(a, b Task) int {
		switch {
		case a.Submitted < b.Submitted:
			return -1
		case a.Submitted > b.Submitted:
			return 1
		}
		return 0
	})
	return tasks, skipped, nil
}

// open passes the contents of a file, unpacked, and its name without .gz.
func open(file string, read func(name string, r io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	name := file
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		defer z.Close()
		r, name = z, strings.TrimSuffix(file, ".gz")
	}
	return read(name, io.LimitReader(r, maxBytes))
}

// table is a CSV file with a heading.
type table struct {
	r      *csv.Reader
	column map[string]int
	row    []string
	line   int
}

func newTable(r io.Reader) (*table, error) {
	t := &table{r: csv.NewReader(r), column: map[string]int{}}
	t.r.ReuseRecord = true
	heading, err := t.r.Read()
	if err != nil {
		return nil, fmt.Errorf("heading: %w", err)
	}
	for i, name := range heading {
		t.column[strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))] = i
	}
	return t, nil
}

// has says whether there are all of these columns.
func (t *table) has(names ...string) bool {
	for _, n := range names {
		if _, ok := t.column[n]; !ok {
			return false
		}
	}
	return true
}

// need names the columns that are missing.
func (t *table) need(names ...string) error {
	var missing []string
	for _, n := range names {
		if !t.has(n) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("columns %s are missing", strings.Join(missing, ", "))
	}
	return nil
}

// next reads a row; false at the end.
func (t *table) next() (bool, error) {
	row, err := t.r.Read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.row = row
	t.line++
	return true, nil
}

// text is a cell; empty where there is none.
func (t *table) text(name string) string {
	i, ok := t.column[name]
	if !ok || i >= len(t.row) {
		return ""
	}
	return strings.TrimSpace(t.row[i])
}

// number is a cell as a number; 0 where it is empty.
func (t *table) number(name string) (float64, error) {
	s := t.text(name)
	if s == "" {
		return 0, nil
	}
	return parseNumber(name, s)
}

func parseNumber(name, s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e15 {
		return 0, fmt.Errorf("%s %.40q is no number", name, s)
	}
	return v, nil
}

// instant is a cell as seconds: a number, or a date and time.
func (t *table) instant(name string) (float64, error) {
	s := t.text(name)
	for _, layout := range []string{time.DateTime, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return float64(at.UnixMilli()) / 1000, nil
		}
	}
	return parseNumber(name, s)
}
