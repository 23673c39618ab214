package fit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Class is a kind of task by what it asks for, and its share of all tasks.
type Class struct {
	CPUMilli int64
	GPUs     int
	GPUMilli int64
	Models   []string // sorted
	Share    float64  // all shares are 1 together
}

func (c *Class) fits(cpu int64, gpus []int64, model string) bool {
	return c.CPUMilli <= cpu && (c.GPUs == 0 || c.runsOn(model) && enough(gpus, c.GPUs, c.GPUMilli))
}

func (c *Class) runsOn(model string) bool {
	return c.GPUs == 0 || len(c.Models) == 0 || slices.Contains(c.Models, model)
}

const (
	// maxClasses bounds the kinds of task that a History knows.
	maxClasses = 4096
	// covered is the share of all tasks whose kinds are typical (Weng et al. 2023, section 4.2, the target workload).
	covered = 0.95
	// halfLife is how many newer tasks halve the weight of one.
	halfLife = 20_000
)

// History counts what tasks ask for, older ones less, to know what is typical. The zero value has seen none. It is for one
// goroutine.
type History struct {
	classes map[string]*Class // Share is the count, not yet divided
	weight  float64           // of the next task
}

// Learn counts a task. Impossible ones are left out.
func (h *History) Learn(t *Task) {
	if t.Check() != nil {
		return
	}
	if h.classes == nil {
		h.classes, h.weight = map[string]*Class{}, 1
	}
	k := classKey(t)
	c := h.classes[k]
	if c == nil {
		if len(h.classes) >= maxClasses {
			h.forget()
		}
		c = &Class{CPUMilli: t.CPUMilli, GPUs: t.GPUs, GPUMilli: t.milli(), Models: slices.Sorted(slices.Values(t.Models))}
		h.classes[k] = c
	}
	c.Share += h.weight
	if h.weight *= 1 + 0.6931/halfLife; h.weight > 1e9 {
		for _, c := range h.classes {
			c.Share /= h.weight
		}
		h.weight = 1
	}
}

// forget drops the rarer half of the kinds.
func (h *History) forget() {
	all := h.sorted()
	for _, c := range all[len(all)/2:] {
		delete(h.classes, c.key())
	}
}

// sorted lists the kinds, the most frequent first.
func (h *History) sorted() []*Class {
	var all []*Class
	for _, c := range h.classes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Class) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.key(), b.key()))
	})
	return all
}

// Typical are the most frequent kinds of task, as many as 95 % of the tasks are of.
func (h *History) Typical() []Class {
	all := h.sorted()
	total, sum := 0.0, 0.0
	for _, c := range all {
		total += c.Share
	}
	var out []Class
	for _, c := range all {
		if sum >= covered*total {
			break
		}
		sum += c.Share
		out = append(out, *c)
	}
	for i := range out {
		out[i].Share /= sum
	}
	return out
}

func (c *Class) key() string {
	return fmt.Sprintf("%d %d %d %s", c.CPUMilli, c.GPUs, c.GPUMilli, strings.Join(c.Models, "|"))
}

// classKey names the kind that a task is of.
func classKey(t *Task) string {
	c := Class{CPUMilli: t.CPUMilli, GPUs: t.GPUs, GPUMilli: t.milli(), Models: t.Models}
	if len(c.Models) > 1 && !slices.IsSorted(c.Models) {
		c.Models = slices.Sorted(slices.Values(c.Models))
	}
	return c.key()
}
