package chaos

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/signaling"
)

// scaledOften has brokers scale tasks with every heartbeat or two.
const scaledOften = `scaling:
  sessions:
    {ceiling: 2, window: 4s, settle: 500ms, every: 300ms, rest-shrink: 1s, rest-expand: 300ms, expand-wait: 1s, expand-give-up: 4s,
     shrink-wait: 1s, shrink-give-up: 4s, retry: 300ms, kinds: [gpu-milli, cpu-milli]}
  tasks:
    {window: 4s, settle: 500ms, every: 300ms, rest-shrink: 1s, rest-expand: 300ms, expand-wait: 1s, expand-give-up: 4s,
     shrink-wait: 1s, shrink-give-up: 4s, retry: 300ms, kinds: [gpu-milli, cpu-milli]}
`

// sitesFile writes how brokers scale.
func sitesFile(dir string) (string, error) {
	name := filepath.Join(dir, "sites.yaml")
	return name, os.WriteFile(name, []byte(scaledOften), 0o600)
}

// appetite is for how long a work uses all that it has, or next to nothing.
const appetite = 6 * time.Second

// budget is what a work may use, and what it has used: by turns all of it and next to nothing.
type budget struct {
	mu      sync.Mutex
	has     signaling.Budget
	used    share.Used
	at      time.Time // of used
	hungry  bool
	changes time.Time
}

func newBudget(i *signaling.Instruction) *budget {
	now := time.Now()
	return &budget{has: i.Begins(), used: share.Used{Pictures: &share.Pictures{}}, at: now, hungry: rand.IntN(2) == 0, changes: now.Add(rand.N(appetite))}
}

// SetBudget gives the work another budget, or, seldom, refuses.
func (w *work) SetBudget(b signaling.Budget) error {
	if rand.IntN(20) == 0 {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "It keeps what it has"}
	}
	w.budget.mu.Lock()
	defer w.budget.mu.Unlock()
	w.life.edge.world.referee.resized(w, b.Resources)
	w.budget.has = b
	return nil
}

// Budget is the one in force.
func (w *work) Budget() signaling.Budget {
	w.budget.mu.Lock()
	defer w.budget.mu.Unlock()
	return w.budget.has
}

// Used is what the work has used since it began.
func (w *work) Used() share.Used {
	b := w.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	part := float64(now.Sub(b.at)) / 1000
	if !b.hungry {
		part /= 100
	}
	b.used.CPU += time.Duration(part * float64(b.has.CPUMilli))
	pictures := *b.used.Pictures
	pictures.GPU += time.Duration(part * float64(b.has.GPUMilli))
	b.used.Pictures, b.at = &pictures, now
	if now.After(b.changes) {
		b.hungry, b.changes = !b.hungry, now.Add(rand.N(appetite))
	}
	return b.used
}

// resized notes that a work holds other amounts from now on.
func (r *referee) resized(w *work, to signaling.Resources) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[w.i.Attempt.ID]
	if c == nil || !c.live {
		return
	}
	r.resizes++
	a := r.nodes[w.life.edge.node.ID]
	r.hold(a, w.i.Attempt, c.holds, -1)
	r.hold(a, w.i.Attempt, to, 1)
	c.holds = to
}
