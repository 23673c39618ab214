package trace

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// format is a kind of CSV trace.
type format struct {
	name  string
	marks []string // columns by which it is known
	more  []string // columns that it needs, too
	times []string // columns without which nothing is known of run times; a list of requests does without
	parse func(*table) (t Task, why string)
}

var formats = [...]format{
	{"openb", []string{"cpu_milli", "memory_mib", "num_gpu", "gpu_milli"}, nil, []string{"creation_time", "deletion_time", "scheduled_time"}, openbTask},
	{"GenAI", []string{"gmt_create", "exec_time_seconds"}, []string{"predict_type", "groupId", "num_images_per_prompt", "num_inference_steps"}, nil, genaiTask},
	{"Philly", []string{"timestamp", "duration", "num_gpus"}, nil, nil, phillyTask},
}

// formatOf finds which trace a table is: the one that has the most of its marks, and more than half of them. Columns that are
// missing are said by name.
func formatOf(t *table, timed bool) (*format, error) {
	var best *format
	most := 0.5
	for i := range formats {
		f := &formats[i]
		if share := 1 - float64(len(t.missing(f.marks...)))/float64(len(f.marks)); share > most {
			best, most = f, share
		}
	}
	if best == nil {
		return nil, errors.New("its columns are of no known trace: openb has cpu_milli, memory_mib, num_gpu and gpu_milli; " +
			"GenAI gmt_create and exec_time_seconds; Philly timestamp, duration and num_gpus")
	}
	if err := t.need(slices.Concat(best.marks, best.more)...); err != nil {
		return nil, fmt.Errorf("it looks like %s, but %w", best.name, err)
	}
	if timed {
		if err := t.need(best.times...); err != nil {
			return nil, fmt.Errorf("it looks like %s, but %w: how long its tasks ran is not known, and it can only be simulated with --saturate", best.name, err)
		}
	}
	return best, nil
}

// readTable reads a CSV trace whose columns say which it is.
func (r *reading) readTable(in io.Reader, timed bool) error {
	t, err := newTable(in)
	if err != nil {
		return err
	}
	f, err := formatOf(t, timed)
	if err != nil {
		return err
	}
	for {
		more, err := t.next()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			r.broken("with another number of columns than the heading")
			continue
		case errors.As(err, &bad):
			r.broken("that are no CSV")
			continue
		case err != nil:
			return err
		case !more:
			return nil
		}
		task, why := f.parse(t)
		if err := r.add(task, why); err != nil {
			return err
		}
	}
}

// reading is a trace that is being read.
type reading struct {
	tasks   []Task
	skipped Skipped
	cannot  int // rows of what is skipped that cannot be
}

// broken counts a row that cannot be.
func (r *reading) broken(why string) {
	r.skipped[why]++
	r.cannot++
}

// impossible begins why a row cannot be.
const impossible = "with an impossible "

// Bounds of times that can be, seconds.
const (
	maxDuration = 10 * 365.25 * 24 * 3600
	maxInstant  = 7_258_118_400 // the year 2200
)

// add appends a task, or counts why it is of no use.
func (r *reading) add(t Task, why string) error {
	switch {
	case why != "":
	case !(t.Submitted >= 0 && t.Submitted <= maxInstant && t.Started >= 0 && t.Started <= maxInstant):
		why = impossible + "date"
	case t.Started < t.Submitted:
		why = impossible + "order of dates"
	case !(t.Duration >= 0 && t.Duration <= maxDuration):
		why = impossible + "duration"
	case t.CPUMilli < 0 || t.MemoryMiB < 0 || t.GPUs < 0 || t.GPUMilli < 0 || t.GPUMilli > 1000:
		why = impossible + "amount"
	}
	switch {
	case strings.HasPrefix(why, impossible):
		r.broken(why)
		return nil
	case why != "":
		r.skipped[why]++
		return nil
	}
	if len(r.tasks) >= maxTasks {
		return fmt.Errorf("it has more than %d tasks", maxTasks)
	}
	r.tasks = append(r.tasks, t)
	return nil
}

// numbers reads cells as numbers, or says why they are none.
func (t *table) numbers(names ...string) (out []float64, why string) {
	out = make([]float64, len(names))
	for i, n := range names {
		v, err := t.number(n)
		if err != nil {
			return out, impossible + n
		}
		out[i] = v
	}
	return out, ""
}

// openbTask is a pod of the Alibaba GPU cluster trace of 2023. Pods that were running at the end are censored; lists
// without times have tasks without them.
func openbTask(t *table) (task Task, why string) {
	v, why := t.numbers("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "creation_time", "deletion_time", "scheduled_time")
	if why != "" {
		return task, why
	}
	if v[2] != math.Trunc(v[2]) {
		return task, impossible + "num_gpu"
	}
	task = Task{Name: t.text("name"), CPUMilli: int64(v[0]), MemoryMiB: int64(v[1]), GPUs: int(v[2]), GPUMilli: int64(v[3]),
		Type: t.text("qos"), Submitted: v[4], Started: v[6]}
	if spec := t.text("gpu_spec"); spec != "" {
		task.Models = strings.Split(spec, "|")
	}
	if t.text("scheduled_time") == "" {
		task.Started = task.Submitted
	}
	if !t.has("creation_time", "deletion_time") {
		return task, ""
	}
	task.Duration = v[5] - task.Started
	task.Censored = t.text("pod_phase") == "Running"
	return task, ""
}

// genaiTask is a request of the Alibaba GenAI trace.
func genaiTask(t *table) (task Task, why string) {
	at, err := t.instant("gmt_create")
	if err != nil {
		return task, impossible + "gmt_create"
	}
	v, why := t.numbers("exec_time_seconds", "num_images_per_prompt", "num_inference_steps", "num_lora", "prompt_length", "negative_prompt_length")
	switch {
	case why != "":
		return task, why
	case v[0] == 0:
		return task, "without a duration"
	}
	return Task{Name: strconv.Itoa(t.line), Submitted: at, Started: at, Duration: v[0], Creator: t.text("groupId"), Type: t.text("predict_type"),
		Operation: t.text("checkpoint_model_version_id"), Numbers: []float64{v[1] * v[2], v[1], v[2], v[3]}, GPUs: 1, GPUMilli: 1000}, ""
}

// phillyTask is a job of the Philly trace as a table. A virtual cluster stands for the creator.
func phillyTask(t *table) (task Task, why string) {
	at, err := t.instant("timestamp")
	if err != nil {
		return task, impossible + "timestamp"
	}
	v, why := t.numbers("duration", "num_gpus")
	switch {
	case why != "":
		return task, why
	case v[1] != math.Trunc(v[1]):
		return task, impossible + "num_gpus"
	case v[0] == 0:
		return task, "without a duration"
	}
	return Task{Name: strconv.Itoa(t.line), Submitted: at, Started: at, Duration: v[0], Creator: t.text("cluster"), Type: "training",
		Numbers: []float64{v[1]}, GPUs: int(v[1]), GPUMilli: 1000}, ""
}

// swfFields is how many fields a line of the Standard Workload Format has (Feitelson, version 2.2).
const swfFields = 18

// readSWF reads the Standard Workload Format.
func (r *reading) readSWF(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<16)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == ';' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < swfFields {
			r.broken(fmt.Sprintf("with fewer than %d fields", swfFields))
			continue
		}
		var v [swfFields]float64
		why := ""
		for i := range v {
			var err error
			if v[i], err = parseNumber(f[i]); err != nil && why == "" {
				why = impossible + "field " + strconv.Itoa(i+1)
			}
		}
		var t Task
		if why == "" {
			t, why = swfTask(f, v)
		}
		if err := r.add(t, why); err != nil {
			return err
		}
	}
	return lines.Err()
}

func swfTask(f []string, v [swfFields]float64) (Task, string) {
	if v[3] <= 0 {
		return Task{}, "without a duration"
	}
	known := func(i int) string { // -1 is unknown
		if v[i] < 0 {
			return ""
		}
		return f[i]
	}
	processors := max(v[7], v[4], 1)
	return Task{Name: f[0], Submitted: v[1], Started: v[1] + max(v[2], 0), Duration: v[3], Creator: known(11), Type: known(14),
		Framework: known(12), Operation: known(13), Numbers: []float64{processors, max(v[8], 0)},
		CPUMilli: int64(processors) * 1000, MemoryMiB: int64(max(v[9], 0) / 1024)}, ""
}

// record is a line of the broker's exported history, as GET /api/v1/history has its entries.
type record struct {
	Task       string          `json:"task"`
	Type       string          `json:"type"`
	Operation  string          `json:"operation"`
	Preset     string          `json:"preset"` // of a session
	Creator    string          `json:"creator"`
	Modality   string          `json:"modality"`
	Framework  string          `json:"framework"`
	DataMB     float64         `json:"dataMB"`
	CreatedAt  time.Time       `json:"createdAt"`
	StartedAt  *time.Time      `json:"startedAt"`
	EndedAt    time.Time       `json:"endedAt"`
	Requested  json.RawMessage `json:"requested"`
	Parameters json.RawMessage `json:"parameters"`
	Usage      *struct {
		RunMs, GPUMs, CPUMs float64
	} `json:"usage"`
}

// used is what the task used, by its own count.
func (e *record) used(t *Task) Use {
	u := e.Usage
	if u == nil || u.RunMs <= 0 || !(u.GPUMs >= 0 && u.CPUMs >= 0) || math.IsInf(u.GPUMs+u.CPUMs, 0) {
		return Use{}
	}
	share := func(ms float64, milli int64) float64 {
		if milli == 0 {
			return 0
		}
		return ms / u.RunMs * 1000 / float64(milli)
	}
	return Use{Known: true, GPU: share(u.GPUMs, int64(t.GPUs)*t.GPUMilli), CPU: share(u.CPUMs, t.CPUMilli)}
}

// readHistory reads the broker's history, one entry a line.
func (r *reading) readHistory(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var e record
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			r.broken("that are no entries of a history")
			continue
		}
		t, why := e.ended()
		if err := r.add(t, why); err != nil {
			return err
		}
	}
	return lines.Err()
}

// ended is the task of an entry, or why it is of no use.
func (e *record) ended() (t Task, why string) {
	var want struct{ GPUMilli, CPUMilli, MemoryMB float64 }
	if len(e.Requested) > 0 && json.Unmarshal(e.Requested, &want) != nil {
		return t, impossible + "request"
	}
	for _, v := range [...]float64{want.GPUMilli, want.CPUMilli, want.MemoryMB, e.DataMB} {
		if !(v >= 0 && v <= maxNumber) {
			return t, impossible + "amount"
		}
	}
	if u := e.Usage; u != nil && (u.RunMs < 0 || u.RunMs > 1000*maxDuration || u.GPUMs < 0 || u.CPUMs < 0) {
		return t, impossible + "usage"
	}
	t = Task{Name: e.Task, Creator: e.Creator, Type: e.Type, Operation: cmp.Or(e.Operation, e.Preset), Modality: e.Modality, Framework: e.Framework,
		Submitted: seconds(e.CreatedAt), Numbers: []float64{e.DataMB}, CPUMilli: int64(want.CPUMilli), MemoryMiB: int64(want.MemoryMB)}
	if gpu := int64(want.GPUMilli); gpu > 0 {
		t.GPUs, t.GPUMilli = int((gpu+999)/1000), min(gpu, 1000)
	}
	t.Used = e.used(&t)
	if e.StartedAt == nil {
		return t, "that never ran"
	}
	t.Started = seconds(*e.StartedAt)
	t.Duration = seconds(e.EndedAt) - t.Started
	return t, ""
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// ReadNodes reads a list of nodes: CSV with sn, cpu_milli, memory_mib, gpu and model. Names are different.
func ReadNodes(file string) ([]Node, error) {
	var nodes []Node
	seen := map[string]int{} // lines by name
	err := open(file, func(_ string, r io.Reader) error {
		t, err := newTable(r)
		if err != nil {
			return err
		}
		if err := t.need("sn", "cpu_milli", "memory_mib", "gpu"); err != nil {
			return err
		}
		for {
			more, err := t.next()
			if err != nil || !more {
				return err
			}
			v, why := t.numbers("cpu_milli", "memory_mib", "gpu")
			if why != "" {
				return fmt.Errorf("line %d: node %.40q is %s", t.line+1, t.text("sn"), why)
			}
			if first, twice := seen[t.text("sn")]; twice {
				return fmt.Errorf("line %d: node %.40q is already in line %d", t.line+1, t.text("sn"), first)
			}
			seen[t.text("sn")] = t.line + 1
			if v[0] < 0 || v[1] < 0 || v[2] < 0 || v[2] > 64 || v[2] != math.Trunc(v[2]) {
				return fmt.Errorf("line %d: amounts of node %.40q are impossible", t.line+1, t.text("sn"))
			}
			if len(nodes) >= maxNodes {
				return fmt.Errorf("it has more than %d nodes", maxNodes)
			}
			nodes = append(nodes, Node{Name: t.text("sn"), CPUMilli: int64(v[0]), MemoryMiB: int64(v[1]), GPUs: int(v[2]), Model: t.text("model")})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read nodes %s: %w", file, err)
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("read nodes %s: it has none", file)
	}
	return nodes, nil
}
