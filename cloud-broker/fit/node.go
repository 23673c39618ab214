package fit

import (
	"fmt"
	"math"
	"slices"
)

// GPU is a whole one, in the unit of GPU amounts.
const GPU = 1000

// maxGPUs bounds those of a node.
const maxGPUs = 64

// Amounts are resources of a task, or what a node has of those that are not counted one by one.
type Amounts struct {
	CPUMilli     int64 // thousandths of a core
	MemoryMiB    int64
	GPUMemoryMiB int64 // of all GPUs together
	Encoders     int64 // video encoders at a time
}

// add adds sign times o.
func (a *Amounts) add(o Amounts, sign int64) {
	a.CPUMilli += sign * o.CPUMilli
	a.MemoryMiB += sign * o.MemoryMiB
	a.GPUMemoryMiB += sign * o.GPUMemoryMiB
	a.Encoders += sign * o.Encoders
}

// lacks is what is short where o is asked for, Fits where nothing is.
func (a *Amounts) lacks(o *Amounts) Reason {
	switch {
	case o.CPUMilli > a.CPUMilli:
		return NoCPU
	case o.MemoryMiB > a.MemoryMiB:
		return NoMemory
	case o.GPUMemoryMiB > a.GPUMemoryMiB:
		return NoGPUMemory
	case o.Encoders > a.Encoders:
		return NoEncoder
	}
	return Fits
}

func (a *Amounts) negative() bool {
	return a.CPUMilli < 0 || a.MemoryMiB < 0 || a.GPUMemoryMiB < 0 || a.Encoders < 0
}

// Node is a node with its totals D and what is free of them, d (B3): 0 <= d <= D. NewNode makes one; Place and Release
// change what is free.
type Node struct {
	Name    string
	Total   Amounts
	Free    Amounts
	GPUs    []int64  // free, of each GPU, thousandths
	Model   string   // of its GPUs
	Labels  []string // what tasks may ask for by affinity
	Volumes []string // storage that is present

	shape *shape // that it has now; nil where that is not known
}

// NewNode returns an empty node. Amounts that are negative, and more GPUs than 64, are errors.
func NewNode(name string, total Amounts, gpus int, model string) (*Node, error) {
	if total.negative() || gpus < 0 || gpus > maxGPUs {
		return nil, fmt.Errorf("node %.40q: %d milli-cores, %d MiB and %d GPUs are impossible amounts", name, total.CPUMilli, total.MemoryMiB, gpus)
	}
	n := &Node{Name: name, Total: total, Free: total, Model: model, GPUs: make([]int64, gpus)}
	for i := range n.GPUs {
		n.GPUs[i] = GPU
	}
	return n, nil
}

// FreeGPU is what is free of all GPUs together, thousandths.
func (n *Node) FreeGPU() int64 { return sum(n.GPUs) }

func sum(v []int64) (s int64) {
	for _, x := range v {
		s += x
	}
	return s
}

// Idle says that nothing is taken of the node.
func (n *Node) Idle() bool {
	return n.Free == n.Total && !slices.ContainsFunc(n.GPUs, func(v int64) bool { return v != GPU })
}

// Task is what a placement needs to know of a task.
type Task struct {
	Amounts
	GPUs     int      // how many
	GPUMilli int64    // of each, thousandths up to 1000; ignored where GPUs is 0
	Models   []string // GPU models that it may run on; none: any
	Affinity []string // labels that the node must have
	Volumes  []string // storage that must be present there

	Run    Forecast // its run time in seconds; nil where nobody knows
	Waited float64  // s, for how long it has waited by now
	Misses int      // how often a node went away before it had ended
}

// Forecast is what is known of a quantity before it is: *predict.Prediction, or Exactly.
type Forecast interface {
	Value() float64             // half of the tasks are expected below it
	Quantile(q float64) float64 // a share q of the tasks stays below it
	Exceeds(v float64) float64  // probability that it is above v
}

// Exactly is a forecast that is certain.
type Exactly float64

// Value is the number itself.
func (e Exactly) Value() float64 { return float64(e) }

// Quantile is the number itself.
func (e Exactly) Quantile(float64) float64 { return float64(e) }

// Exceeds is 1 below the number, and 0 from it on.
func (e Exactly) Exceeds(v float64) float64 {
	if float64(e) > v {
		return 1
	}
	return 0
}

// Check refuses amounts that no task can have.
func (t *Task) Check() error {
	if t.negative() || t.GPUs < 0 || t.GPUs > maxGPUs || t.GPUs > 0 && (t.GPUMilli <= 0 || t.GPUMilli > GPU) {
		return fmt.Errorf("a task of %d milli-cores, %d MiB and %d GPUs with %d thousandths each is impossible; ask for amounts from 0 on, up to %d GPUs, and 1 to 1000 thousandths of each",
			t.CPUMilli, t.MemoryMiB, t.GPUs, t.GPUMilli, maxGPUs)
	}
	return nil
}

// milli is what the task takes of each GPU, 0 where it takes none.
func (t *Task) milli() int64 {
	if t.GPUs == 0 {
		return 0
	}
	return t.GPUMilli
}

// GPUTotal is what the task takes of all GPUs together, thousandths.
func (t *Task) GPUTotal() int64 { return int64(t.GPUs) * t.milli() }

// Reason is why a node is no candidate; the zero value says that it is one.
type Reason uint8

// Why a node is no candidate (B4.1, B4.2).
const (
	Fits Reason = iota
	NoLabel
	NoModel
	NoVolume
	NoCPU
	NoMemory
	NoGPUMemory
	NoEncoder
	NoGPU
	NoTime
)

var reasons = [...]string{
	"it fits", "a label that the task asks for is missing", "no GPU model that the task asks for", "a volume of the task is missing",
	"too little CPU free", "too little memory free", "too little GPU memory free", "too few video encoders free",
	"too few GPUs with enough free", "it goes away before the task is expected to end",
}

// String says it in words, of one node.
func (r Reason) String() string { return reasons[min(int(r), len(reasons)-1)] }

// Filter says whether the task can run on the node as it is: affinity, device resources, volumes, and amounts (B4.1).
func (n *Node) Filter(t *Task) Reason {
	for _, l := range t.Affinity {
		if !slices.Contains(n.Labels, l) {
			return NoLabel
		}
	}
	if t.GPUs > 0 && len(t.Models) > 0 && !slices.Contains(t.Models, n.Model) {
		return NoModel
	}
	for _, v := range t.Volumes {
		if !slices.Contains(n.Volumes, v) {
			return NoVolume
		}
	}
	if why := n.Free.lacks(&t.Amounts); why != Fits {
		return why
	}
	if !enough(n.GPUs, t.GPUs, t.milli()) {
		return NoGPU
	}
	return Fits
}

// enough says whether count GPUs have so much free.
func enough(gpus []int64, count int, milli int64) bool {
	for _, g := range gpus {
		if count <= 0 {
			break
		}
		if g >= milli {
			count--
		}
	}
	return count <= 0
}

// Tightest are the GPUs that leave the least free behind: of those with enough free the ones with the least, by index where
// they are equal. It is nil where the task takes none, or they are too few.
func (n *Node) Tightest(t *Task) []int {
	if t.GPUs == 0 {
		return nil
	}
	out := make([]int, 0, t.GPUs)
	for len(out) < t.GPUs {
		best, least := -1, int64(math.MaxInt64)
		for i, g := range n.GPUs {
			if g >= t.milli() && g < least && !slices.Contains(out, i) {
				best, least = i, g
			}
		}
		if best < 0 {
			return nil
		}
		out = append(out, best)
	}
	return out
}

// Place takes what the task asks for, of the given GPUs (B4.3). Nothing is taken where it does not fit.
func (n *Node) Place(t *Task, gpus []int) error {
	if err := t.Check(); err != nil {
		return err
	}
	if len(gpus) != t.GPUs {
		return fmt.Errorf("place a task of %d GPUs on %d of node %.40q", t.GPUs, len(gpus), n.Name)
	}
	for i, g := range gpus {
		if g < 0 || g >= len(n.GPUs) || slices.Contains(gpus[:i], g) || n.GPUs[g] < t.milli() {
			return fmt.Errorf("place a task on GPU %d of node %.40q: it has not %d thousandths free", g, n.Name, t.milli())
		}
	}
	if n.Free.lacks(&t.Amounts) != Fits {
		return fmt.Errorf("place a task of %d milli-cores and %d MiB on node %.40q: it has %d and %d free", t.CPUMilli, t.MemoryMiB, n.Name, n.Free.CPUMilli, n.Free.MemoryMiB)
	}
	n.add(t, gpus, -1)
	return nil
}

// Release gives back what Place took. Giving back more than the node has is an error, and changes nothing.
func (n *Node) Release(t *Task, gpus []int) error {
	if err := t.Check(); err != nil {
		return err
	}
	after := n.Free
	after.add(t.Amounts, 1)
	bad := len(gpus) != t.GPUs || n.Total.lacks(&after) != Fits
	for i, g := range gpus {
		bad = bad || g < 0 || g >= len(n.GPUs) || slices.Contains(gpus[:i], g) || n.GPUs[g]+t.milli() > GPU
	}
	if bad {
		return fmt.Errorf("release a task on node %.40q: more would be free than there is; it was not placed there", n.Name)
	}
	n.add(t, gpus, 1)
	return nil
}

func (n *Node) add(t *Task, gpus []int, sign int64) {
	n.Free.add(t.Amounts, sign)
	for _, g := range gpus {
		n.GPUs[g] += sign * t.milli()
	}
	n.shape = nil
}
