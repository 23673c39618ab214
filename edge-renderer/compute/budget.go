package compute

import (
	"fmt"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// account is what a task may use, and what it has used. Its methods may be called from several goroutines.
type account struct {
	workers *task.Allowance

	mu           sync.Mutex
	budget       signaling.Budget
	memory, peak int64 // bytes
}

func newAccount(i *signaling.Instruction) *account {
	b := i.Begins()
	return &account{workers: task.NewAllowance(b.CPUMilli), budget: b}
}

// SetBudget gives the task another budget (B5): it goes on with other workers, from their next parts on. One with less memory
// than its data takes is refused.
func (j *Job) SetBudget(b signaling.Budget) error {
	if err := b.Validate(); err != nil {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "No such budget", Detail: err.Error()}
	}
	a := j.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if held := share.MiB(a.memory); b.MemoryMB < a.budget.MemoryMB && b.MemoryMB < held {
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The task holds more memory than that",
			Detail: fmt.Sprintf("Its data takes %d MiB, and it was to have %d", held, b.MemoryMB)}
	}
	a.budget = b
	a.workers.Set(b.CPUMilli)
	return nil
}

// Budget is the one in force.
func (j *Job) Budget() signaling.Budget {
	j.account.mu.Lock()
	defer j.account.mu.Unlock()
	return j.account.budget
}

// Used is what the task has used since it began here.
func (j *Job) Used() share.Used {
	a := j.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return share.Used{CPU: a.workers.Spent(), Memory: a.memory, Peak: a.peak}
}

// keepAccounts notes the memory that the task's data takes.
func (l *loop) keepAccounts() {
	bytes := int64(0)
	if l.input != nil {
		bytes += l.input.announced.Bytes
	}
	if l.series != nil {
		bytes += l.series.Bytes
	}
	a := l.job.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory, a.peak = bytes, max(a.peak, bytes)
	l.usage.PeakMemoryMB = share.MiB(a.peak)
}
