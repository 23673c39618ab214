package fit

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

const (
	// rollouts is how many futures a node is filled with, the same ones for every node, so that what differs between two is
	// not chance (common random numbers); future is how many tasks come in each.
	rollouts = 12
	future   = 200
	// step is how finely CPU counts in rollouts, milli-cores.
	step = 500
	// maxStates bounds what is remembered of each kind; what is asked for most comes back at once.
	maxStates = 200_000
)

// Fragments measures how much of a node's free GPUs tasks could not use, for the kinds of task that are typical. What it
// has worked out for a node's state it remembers, since states come again. Its methods may be called from several
// goroutines.
type Fragments struct {
	classes []Class
	futures [rollouts][]uint16 // indices of classes
	least   struct{ cpu, milli int64 }

	mu     sync.Mutex
	age    int // how often everything was forgotten
	models map[string]*model
	shapes map[string]*shape
	left   map[string]float64 // expected to be left over, by state
	kinds  map[string]int     // numbers of the kinds of task that were asked about
}

// model is a GPU model, or none.
type model struct {
	number byte
	runs   []bool // by class
}

// shape is the state of a node as far as fragments go.
type shape struct {
	owner    *Fragments
	age      int     // of the owner, when it was made
	gpus     []int64 // ascending
	cpu      int64
	model    string
	stranded float64 // NaN: not worked out yet
	outcomes map[int][]outcome
}

// outcome is what placing a task of some kind does to a shape.
type outcome struct {
	free      int64   // what the GPU has free that is taken, where one is; else 0
	fragment  float64 // change of what rollouts leave over, and of the fragment
	gradient  float64 // change of the fragment alone
	evaluated bool    // fragment is worked out
}

// NewFragments measures with typical tasks, see History.Typical.
func NewFragments(typical []Class) *Fragments {
	f := &Fragments{classes: typical}
	f.least.cpu, f.least.milli = math.MaxInt64, math.MaxInt64
	for i := range typical {
		if c := &typical[i]; c.GPUs > 0 {
			f.least.cpu, f.least.milli = min(f.least.cpu, c.CPUMilli), min(f.least.milli, c.GPUMilli)
		}
	}
	r := rand.New(rand.NewPCG(99, 7))
	for i := range f.futures {
		for range future {
			x := r.Float64()
			for c := range typical {
				if x -= typical[c].Share; x < 0 || c == len(typical)-1 {
					f.futures[i] = append(f.futures[i], uint16(c))
					break
				}
			}
		}
	}
	f.reset()
	return f
}

// Known says whether any kind of task is known to be typical; else there are no fragments.
func (f *Fragments) Known() bool { return len(f.classes) > 0 }

func (f *Fragments) reset() {
	f.age++
	f.models, f.shapes, f.left, f.kinds = map[string]*model{}, map[string]*shape{}, map[string]float64{}, map[string]int{}
}

func (f *Fragments) model(name string) *model {
	m := f.models[name]
	if m == nil {
		if len(f.models) == 255 { // an unheard-of number of models: begin again
			f.reset()
		}
		m = &model{number: byte(len(f.models)), runs: make([]bool, len(f.classes))}
		for i := range f.classes {
			m.runs[i] = f.classes[i].runsOn(name)
		}
		f.models[name] = m
	}
	return m
}

// state names a state of a node.
func (f *Fragments) state(gpus []int64, cpu int64, name string) string {
	b := make([]byte, 0, 2*len(gpus)+10)
	b = append(b, f.model(name).number)
	for _, g := range gpus {
		b = binary.BigEndian.AppendUint16(b, uint16(g))
	}
	return string(binary.AppendUvarint(b, uint64(max(cpu, 0))))
}

// of is the shape that a node has now.
func (f *Fragments) of(n *Node) *shape {
	if n.shape != nil && n.shape.owner == f && n.shape.age == f.age {
		return n.shape
	}
	gpus := slices.Sorted(slices.Values(n.GPUs))
	k := f.state(gpus, n.Free.CPUMilli, n.Model)
	s := f.shapes[k]
	if s == nil {
		if len(f.shapes) >= maxStates {
			clear(f.shapes)
		}
		s = &shape{owner: f, age: f.age, gpus: gpus, cpu: n.Free.CPUMilli, model: n.Model, stranded: math.NaN()}
		f.shapes[k] = s
	}
	n.shape = s
	return s
}

// kind numbers the kind of a task.
func (f *Fragments) kind(t *Task) int {
	k := classKey(t)
	n, ok := f.kinds[k]
	if !ok {
		if len(f.kinds) >= maxClasses {
			f.reset() // outcomes are kept by number
		}
		n = len(f.kinds)
		f.kinds[k] = n
	}
	return n
}

// Stranded is the fragment of a node: the free GPU, in thousandths, that typical tasks could not use, each kind by its
// share (Weng et al. 2023, equation 2). Tasks without a GPU can use none.
func (f *Fragments) Stranded(n *Node) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of(n).fragment()
}

func (s *shape) fragment() float64 {
	if math.IsNaN(s.stranded) {
		s.stranded = s.owner.stranded(s.gpus, s.cpu, s.model)
	}
	return s.stranded
}

func (f *Fragments) stranded(gpus []int64, cpu int64, name string) (all float64) {
	total := sum(gpus)
	if total == 0 {
		return 0
	}
	for i := range f.classes {
		c := &f.classes[i]
		lost := total
		if c.GPUs > 0 && c.fits(cpu, gpus, name) {
			lost = 0
			for _, g := range gpus {
				if g < c.GPUMilli {
					lost += g
				}
			}
		}
		all += c.Share * float64(lost)
	}
	return all
}

// Left is how much GPU, in thousandths, is expected to stay free on a node however long typical tasks go on coming.
func (f *Fragments) Left(n *Node) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of(n)
	return f.leftOver(s.gpus, s.cpu, s.model)
}

// leftOver is the mean of what rollouts leave. gpus are ascending.
func (f *Fragments) leftOver(gpus []int64, cpu int64, name string) float64 {
	if len(gpus) == 0 || gpus[len(gpus)-1] == 0 {
		return 0
	}
	cpu -= cpu % step
	k := f.state(gpus, cpu, name)
	v, ok := f.left[k]
	if ok {
		return v
	}
	m := f.model(name)
	var buffer [maxGPUs]int64
	total := int64(0)
	for _, classes := range f.futures {
		g := buffer[:copy(buffer[:], gpus)]
		total += f.fill(g, cpu, m, classes)
	}
	if len(f.left) >= maxStates {
		clear(f.left)
	}
	v = float64(total) / rollouts
	f.left[k] = v
	return v
}

// fill places tasks one after the other on a node with these GPUs, ascending, each on the tightest that fit, and says what
// stays free.
func (f *Fragments) fill(g []int64, cpu int64, m *model, classes []uint16) int64 {
	last := len(g) - 1
	for _, i := range classes {
		c := &f.classes[i]
		if c.CPUMilli > cpu || c.GPUs > 0 && (c.GPUMilli > g[last] || !m.runs[i]) {
			continue
		}
		if c.GPUs > 0 {
			at := 0
			for g[at] < c.GPUMilli {
				at++
			}
			if len(g)-at < c.GPUs {
				continue
			}
			for j := at; j < at+c.GPUs; j++ {
				g[j] -= c.GPUMilli
			}
			order(g, at, at+c.GPUs)
		}
		if cpu -= c.CPUMilli; cpu < f.least.cpu || g[last] < f.least.milli {
			break
		}
	}
	return sum(g)
}

// order puts values in ascending order again of which those from..to-1 became less.
func order(g []int64, from, to int) {
	for i := from; i < to; i++ {
		for j := i; j > 0 && g[j] < g[j-1]; j-- {
			g[j], g[j-1] = g[j-1], g[j]
		}
	}
}

// outcomes are the ways to place a task on a node, one for each amount that its GPUs have free where the task takes one.
// The task fits. With deep the change by rollouts is worked out, too.
func (f *Fragments) outcomes(n *Node, t *Task, kind int, deep bool) []outcome {
	s := f.of(n)
	all, ok := s.outcomes[kind]
	if !ok {
		if t.GPUs == 1 {
			for i, g := range s.gpus {
				if g >= t.milli() && (i == 0 || g != s.gpus[i-1]) {
					all = append(all, outcome{free: g})
				}
			}
		} else {
			all = []outcome{{}}
		}
		for i := range all {
			gpus, cpu := s.after(t, all[i].free)
			all[i].gradient = f.stranded(gpus, cpu, s.model) - s.fragment()
		}
		if s.outcomes == nil {
			s.outcomes = map[int][]outcome{}
		}
		s.outcomes[kind] = all
	}
	if deep && !all[0].evaluated {
		before := f.leftOver(s.gpus, s.cpu, s.model)
		for i := range all {
			gpus, cpu := s.after(t, all[i].free)
			all[i].fragment = f.leftOver(gpus, cpu, s.model) - before + all[i].gradient
			all[i].evaluated = true
		}
	}
	return all
}

// after is the shape when a task was placed on the GPU with so much free, or on the tightest ones where it takes several.
func (s *shape) after(t *Task, free int64) ([]int64, int64) {
	gpus := slices.Clone(s.gpus)
	if t.GPUs > 0 {
		least := t.milli()
		if t.GPUs == 1 {
			least = free
		}
		at, _ := slices.BinarySearch(gpus, least)
		for i := at; i < at+t.GPUs; i++ {
			gpus[i] -= t.milli()
		}
		slices.Sort(gpus)
	}
	return gpus, s.cpu - t.CPUMilli
}
