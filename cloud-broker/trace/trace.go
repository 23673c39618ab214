// Package trace reads records of clusters: tasks with their requests, times and ends, and lists of nodes. It knows the
// formats of public traces (Alibaba openb and GenAI, Microsoft Philly as a table, the Standard Workload Format) and the
// broker's own exported history.
package trace

import (
	"bufio"
	"cmp"
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
// or its columns; .gz is unpacked. Rows that cannot be used are counted with their reasons; a trace in which more than half of
// the rows cannot be, and one that does not tell run times, are errors.
func ReadTasks(file string) ([]Task, Skipped, error) { return readTasks(file, true) }

// ReadRequests reads tasks as ReadTasks does, also where the trace tells what they ask for and not for how long.
func ReadRequests(file string) ([]Task, Skipped, error) { return readTasks(file, false) }

func readTasks(file string, timed bool) ([]Task, Skipped, error) {
	r := reading{skipped: Skipped{}}
	err := open(file, func(name string, in io.Reader) error {
		switch filepath.Ext(name) {
		case ".swf":
			return r.readSWF(in)
		case ".jsonl", ".ndjson":
			return r.readHistory(in)
		default:
			return r.readTable(in, timed)
		}
	})
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read trace %s: %w", file, err)
	}
	return r.sorted(), r.skipped, nil
}

// ReadHistory reads what the broker exports of its history, as ReadTasks does; where nothing has run there are no tasks.
func ReadHistory(in io.Reader) ([]Task, Skipped, error) {
	r := reading{skipped: Skipped{}}
	err := said(r.readHistory(io.LimitReader(in, maxBytes)))
	if err == nil && r.cannot > 0 {
		err = r.check()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the history: %w", err)
	}
	return r.sorted(), r.skipped, nil
}

// check refuses a trace of which too little is left.
func (r *reading) check() error {
	switch {
	case r.cannot > len(r.tasks):
		return fmt.Errorf("more than half of its rows cannot be used: %v", r.skipped)
	case len(r.tasks) == 0 && len(r.skipped) == 0:
		return errors.New("it has no task")
	case len(r.tasks) == 0:
		return fmt.Errorf("it has no task that can be used: %v", r.skipped)
	}
	return nil
}

// sorted are the tasks in the order of their submission.
func (r *reading) sorted() []Task {
	slices.SortStableFunc(r.tasks, func(a, b Task) int { return cmp.Compare(a.Submitted, b.Submitted) })
	return r.tasks
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
			return fmt.Errorf("its name ends in .gz, but it is not packed with gzip: %w", err)
		}
		defer z.Close()
		r, name = z, strings.TrimSuffix(file, ".gz")
	}
	return said(read(name, io.LimitReader(r, maxBytes)))
}

// said puts errors of readers in words.
func said(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it is cut off: the packed data end too early")
	case errors.Is(err, gzip.ErrChecksum):
		return errors.New("its packed data are damaged")
	case errors.Is(err, bufio.ErrTooLong):
		return errors.New("it has a line that is too long")
	}
	return err
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
		return nil, fmt.Errorf("read its heading: %w", err)
	}
	for i, name := range heading {
		t.column[strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))] = i
	}
	return t, nil
}

// has says whether there are all of these columns.
func (t *table) has(names ...string) bool { return len(t.missing(names...)) == 0 }

// missing are those of these columns that there are not.
func (t *table) missing(names ...string) (missing []string) {
	for _, n := range names {
		if _, ok := t.column[n]; !ok {
			missing = append(missing, n)
		}
	}
	return missing
}

// need names the columns that are missing.
func (t *table) need(names ...string) error {
	switch missing := t.missing(names...); len(missing) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("column %s is missing", missing[0])
	default:
		return fmt.Errorf("columns %s are missing", strings.Join(missing, ", "))
	}
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
	return parseNumber(s)
}

// maxNumber bounds numbers of traces.
const maxNumber = 1e15

func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > maxNumber {
		return 0, fmt.Errorf("%.40q is no number", s)
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
	return parseNumber(s)
}
