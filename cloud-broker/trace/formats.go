package trace

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// readTable reads a CSV trace whose columns say which it is.
func readTable(r io.Reader, skipped Skipped) ([]Task, error) {
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	var parse func(*table) (Task, string, error)
	switch {
	case t.has("cpu_milli", "memory_mib", "num_gpu", "gpu_milli"):
		parse = openbTask
	case t.has("gmt_create", "exec_time_seconds"):
		if err := t.need("predict_type", "groupId", "num_images_per_prompt", "num_inference_steps"); err != nil {
			return nil, err
		}
		parse = genaiTask
	case t.has("timestamp", "duration", "num_gpus"):
		parse = phillyTask
	default:
		return nil, fmt.Errorf("its columns are of no known trace: openb has cpu_milli, memory_mib, num_gpu and gpu_milli; " +
			"GenAI gmt_create and exec_time_seconds; Philly timestamp, duration and num_gpus")
	}
	var tasks []Task
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			return tasks, nil
		}
		task, why, err := parse(t)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", t.line+1, err)
		}
		if tasks, err = add(tasks, task, why, skipped); err != nil {
			return nil, err
		}
	}
}

// add appends a task, or counts why it is of no use.
func add(tasks []Task, t Task, why string, skipped Skipped) ([]Task, error) {
	switch {
	case why != "":
	case t.Duration < 0:
		why = "with a negative duration"
	case t.CPUMilli < 0 || t.MemoryMiB < 0 || t.GPUs < 0 || t.GPUMilli < 0 || t.GPUMilli > 1000:
		why = "with impossible amounts"
	}
	if why != "" {
		skipped[why]++
		return tasks, nil
	}
	if len(tasks) >= maxTasks {
		return nil, fmt.Errorf("it has more than %d tasks", maxTasks)
	}
	return append(tasks, t), nil
}

// numbers reads cells as numbers.
func (t *table) numbers(names ...string) ([]float64, error) {
	out := make([]float64, len(names))
	for i, n := range names {
		var err error
		if out[i], err = t.number(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openbTask is a pod of the Alibaba GPU cluster trace of 2023. Pods that were running at the end are censored; lists
// without times have tasks without them.
func openbTask(t *table) (task Task, why string, err error) {
	v, err := t.numbers("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "creation_time", "deletion_time", "scheduled_time")
	if err != nil {
		return task, "", err
	}
	task = Task{Name: t.text("name"), CPUMilli: int64(v[0]), MemoryMiB: int64(v[1]), GPUs: int(v[2]), GPUMilli: int64(v[3]),
		Type: t.text("qos"), Submitted: v[4], Started: v[6]}
	if spec := t.text("gpu_spec"); spec != "" {
		task.Models = strings.Split(spec, "|")
	}
	if !t.has("creation_time", "deletion_time") {
		return task, "", nil
	}
	if t.text("scheduled_time") == "" {
		task.Started = task.Submitted
	}
	task.Duration = v[5] - task.Started
	task.Censored = t.text("pod_phase") == "Running"
	return task, "", nil
}

// genaiTask is a request of the Alibaba GenAI trace.
func genaiTask(t *table) (task Task, why string, err error) {
	at, err := t.instant("gmt_create")
	if err != nil {
		return task, "", err
	}
	v, err := t.numbers("exec_time_seconds", "num_images_per_prompt", "num_inference_steps", "num_lora", "prompt_length", "negative_prompt_length")
	if err != nil {
		return task, "", err
	}
	if v[0] <= 0 {
		return task, "without a duration", nil
	}
	return Task{Name: strconv.Itoa(t.line), Submitted: at, Started: at, Duration: v[0], Creator: t.text("groupId"), Type: t.text("predict_type"),
		Operation: t.text("checkpoint_model_version_id"), Numbers: []float64{v[1] * v[2], v[1], v[2], v[3]}, GPUs: 1, GPUMilli: 1000}, "", nil
}

// phillyTask is a job of the Philly trace as a table. A virtual cluster stands for the creator.
func phillyTask(t *table) (task Task, why string, err error) {
	at, err := t.instant("timestamp")
	if err != nil {
		return task, "", err
	}
	v, err := t.numbers("duration", "num_gpus")
	if err != nil {
		return task, "", err
	}
	if v[0] == 0 {
		return task, "without a duration", nil
	}
	return Task{Name: strconv.Itoa(t.line), Submitted: at, Started: at, Duration: v[0], Creator: t.text("cluster"), Type: "training",
		Numbers: []float64{v[1]}, GPUs: int(v[1]), GPUMilli: 1000}, "", nil
}

// swfFields is how many fields a line of the Standard Workload Format has (Feitelson, version 2.2).
const swfFields = 18

// readSWF reads the Standard Workload Format.
func readSWF(r io.Reader, skipped Skipped) ([]Task, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<16)
	var tasks []Task
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == ';' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < swfFields {
			return nil, fmt.Errorf("line %d has %d fields: %d", n, len(f), swfFields)
		}
		var v [swfFields]float64
		for i := range v {
			var err error
			if v[i], err = parseNumber("field "+strconv.Itoa(i+1), f[i]); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		t, why := swfTask(f, v)
		var err error
		if tasks, err = add(tasks, t, why, skipped); err != nil {
			return nil, err
		}
	}
	return tasks, lines.Err()
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
		RunMs        int64
		GPUMs, CPUMs float64
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
		return ms / float64(u.RunMs) * 1000 / float64(milli)
	}
	return Use{Known: true, GPU: share(u.GPUMs, int64(t.GPUs)*t.GPUMilli), CPU: share(u.CPUMs, t.CPUMilli)}
}

// readHistory reads the broker's history, one entry a line.
func readHistory(r io.Reader, skipped Skipped) ([]Task, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var tasks []Task
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e record
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		var want struct{ GPUMilli, CPUMilli, MemoryMB int64 }
		if len(e.Requested) > 0 {
			if err := json.Unmarshal(e.Requested, &want); err != nil {
				return nil, fmt.Errorf("line %d: requested: %w", n, err)
			}
		}
		t, why := Task{Name: e.Task, Creator: e.Creator, Type: e.Type, Operation: cmp.Or(e.Operation, e.Preset), Modality: e.Modality, Framework: e.Framework,
			Submitted: seconds(e.CreatedAt), Numbers: []float64{e.DataMB}, CPUMilli: want.CPUMilli, MemoryMiB: want.MemoryMB}, ""
		if want.GPUMilli > 0 {
			t.GPUs, t.GPUMilli = int((want.GPUMilli+999)/1000), min(want.GPUMilli, 1000)
		}
		t.Used = e.used(&t)
		if e.StartedAt == nil {
			why = "that never ran"
		} else {
			t.Started = seconds(*e.StartedAt)
			t.Duration = seconds(e.EndedAt) - t.Started
		}
		var err error
		if tasks, err = add(tasks, t, why, skipped); err != nil {
			return nil, err
		}
	}
	return tasks, lines.Err()
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// ReadNodes reads a list of nodes: CSV with sn, cpu_milli, memory_mib, gpu and model.
func ReadNodes(file string) ([]Node, error) {
	var nodes []Node
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
			v, err := t.numbers("cpu_milli", "memory_mib", "gpu")
			if err != nil {
				return fmt.Errorf("line %d: %w", t.line+1, err)
			}
			if v[0] < 0 || v[1] < 0 || v[2] < 0 || v[2] > 64 {
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
