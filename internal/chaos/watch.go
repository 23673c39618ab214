package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// lookEvery is how often what is held is looked at, measureEvery how often memory is.
	lookEvery    = 500 * time.Millisecond
	measureEvery = 4 // looks
)

// watch looks at everything until done is closed.
func (w *world) watch(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-done:
			w.measure(ctx)
			w.audit(ctx)
			return
		}
		for _, id := range w.referee.look() {
			task, err := w.pool.Task(ctx, id)
			w.log.Error("a leak, as Redis has the task", "task", task, "at", place(task.Attempt), "shadow", place(task.Shadow), "moves", place(task.Moves), "error", err)
		}
		nodes, err := w.nodes(ctx)
		if err != nil {
			continue // Redis is away
		}
		for id, node := range nodes {
			w.referee.compare(id, node.Capacity.Sub(node.Free))
		}
		if n%measureEvery == 0 {
			w.measure(ctx)
			w.audit(ctx)
		}
	}
}

// place is an attempt as a log has it; empty where there is none.
func place(a *signaling.Attempt) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s on %s, token %d", a.ID, a.Node, a.Fencing)
}

// preempted says whether a task has made room for an urgent one, as Redis has it.
func (w *world) preempted(id signaling.TaskID) bool {
	ctx, cancel := context.WithTimeout(context.Background(), tryWithin)
	defer cancel()
	t, err := w.pool.Task(ctx, id)
	return err == nil && t.State == signaling.TaskExpired && strings.HasPrefix(t.Reason, "pre-empted")
}

// audit has the pool look at itself.
func (w *world) audit(ctx context.Context) {
	a, err := w.pool.Audit(ctx)
	if err != nil {
		return // Redis is away
	}
	for _, p := range a.Problems {
		w.referee.violation("audit: %s", p)
	}
}

// measure reads how much memory everybody has.
func (w *world) measure(ctx context.Context) {
	var brokers float64
	for _, b := range w.brokers {
		brokers += residentMB(b.pid())
	}
	edges := residentMB(os.Getpid())
	redis, cpu := 0.0, time.Duration(0)
	if info, err := w.rdb.Info(ctx, "memory", "cpu").Result(); err == nil {
		redis = field(info, "used_memory_rss") / (1 << 20)
		cpu = time.Duration((field(info, "used_cpu_sys") + field(info, "used_cpu_user")) * float64(time.Second))
	}
	w.count(func(r *Report) {
		r.BrokersMemoryMB, r.EdgesMemoryMB = max(r.BrokersMemoryMB, brokers), max(r.EdgesMemoryMB, edges)
		r.RedisMemoryMB, r.RedisCPU = max(r.RedisMemoryMB, redis), max(r.RedisCPU, cpu)
	})
}

// field is a number of what Redis tells of itself; 0 where it is not there.
func field(info, name string) float64 {
	_, rest, _ := strings.Cut(info, name+":")
	line, _, _ := strings.Cut(rest, "\r")
	v, _ := strconv.ParseFloat(line, 64)
	return v
}

// residentMB is a process's memory (proc(5), statm); 0 where there is none.
func residentMB(pid int) float64 {
	if pid == 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// conclude fills the report in. The caller has the lock.
func (w *world) conclude() {
	r := &w.report
	for _, b := range w.brokers {
		if text := b.tail(); w.referee.count() > 0 {
			w.log.Error("what a broker said last", "address", b.addr, "log", text)
		}
		if crashed := b.kill(); crashed != "" {
			w.referee.violation("a broker has ended by itself:\n%s", crashed)
		}
		r.BrokersCPU += b.cpu
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		r.EdgesCPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	slices.Sort(w.answers)
	if n := len(w.answers); n > 0 {
		r.AnswerP50, r.AnswerP99, r.AnswerMax = w.answers[n/2], w.answers[n*99/100], w.answers[n-1]
	}
	f := w.referee
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Released, r.Resized, r.PreEmpted = f.released, f.resizes, f.preempted
	r.Violations, r.Violated = append(r.Violations, f.violations...), r.Violated+f.violated
}
