package agent

import (
	"time"

	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/signaling"
)

// budget gives a running attempt another budget (B5). The ledger has room for the larger of both before the work is told, so
// that what others are given meanwhile fits beside it; a work that refuses keeps what it had.
func (a *Agent) budget(b *signaling.SetBudget) error {
	if err := b.Budget.Validate(); err != nil {
		return err
	}
	w, before, err := a.ledger.widen(b)
	if err != nil {
		return err
	}
	if err := w.SetBudget(b.Budget); err != nil {
		a.ledger.resize(b.Attempt, before)
		return err
	}
	a.ledger.resize(b.Attempt, b.Budget.Resources)
	return nil
}

// widen holds for an attempt whatever is larger, what it has or what it is to have, and says what it has.
func (l *ledger) widen(b *signaling.SetBudget) (w budgeter, before signaling.Resources, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[b.Attempt]
	if e == nil || e.work == nil || e.Task != b.Task || e.ending {
		return nil, before, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such attempt here", Detail: "It may have ended"}
	}
	w, ok := e.work.(budgeter)
	if !ok {
		return nil, before, &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "The task has no budget", Detail: "It is as it began"}
	}
	before = e.Resources
	more := larger(before, b.Budget.Resources).Sub(before)
	if err := l.room(more, e.Attempt.GPU, false); more != (signaling.Resources{}) && err != nil {
		return nil, before, err
	}
	e.Resources = before.Add(more)
	return w, before, nil
}

// resize makes what an attempt holds r, once its work obeys.
func (l *ledger) resize(id signaling.AttemptID, r signaling.Resources) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.Resources = r
		l.loosen()
	}
}

// larger is the larger of each amount.
func larger(a, b signaling.Resources) signaling.Resources {
	return signaling.Resources{GPUMemoryMB: max(a.GPUMemoryMB, b.GPUMemoryMB), GPUMilli: max(a.GPUMilli, b.GPUMilli),
		EncoderSessions: max(a.EncoderSessions, b.EncoderSessions), CPUMilli: max(a.CPUMilli, b.CPUMilli), MemoryMB: max(a.MemoryMB, b.MemoryMB)}
}

// meter makes rates of what attempts have used, from one reading to the next. It is for one goroutine.
type meter struct {
	last map[signaling.AttemptID]reading
}

// reading is what an attempt had used at an instant.
type reading struct {
	at   time.Time
	used share.Used
}

// read is what each running attempt uses. One that is read for the first time tells what it holds alone.
func (m *meter) read(works map[signaling.AttemptID]budgeter, now time.Time) map[signaling.AttemptID]signaling.Rates {
	next := make(map[signaling.AttemptID]reading, len(works))
	rates := make(map[signaling.AttemptID]signaling.Rates, len(works))
	for id, w := range works {
		r := reading{now, w.Used()}
		next[id] = r
		memory := float64(max(r.used.Memory, r.used.Wanted)) / (1 << 20)
		rate := signaling.Rates{Budget: w.Budget(), MemoryMB: &memory}
		if before, ok := m.last[id]; ok && now.After(before.at) {
			between(&rate, before, r)
		}
		rates[id] = rate
	}
	m.last = next
	return rates
}

// between fills in the rates of what was used from one reading to the next.
func between(rate *signaling.Rates, from, to reading) {
	elapsed := to.at.Sub(from.at)
	milli := func(from, to time.Duration) *float64 {
		v := 1000 * float64(to-from) / float64(elapsed)
		return &v
	}
	rate.CPUMilli = milli(from.used.CPU, to.used.CPU)
	a, b := from.used.Pictures, to.used.Pictures
	if a == nil || b == nil {
		return
	}
	rate.GPUMilli = milli(a.GPU, b.GPU)
	threads := float64(b.Encoder-a.Encoder) / float64(elapsed)
	kpps := float64(b.Pixels-a.Pixels) / 1000 / elapsed.Seconds()
	rate.EncoderThreads, rate.EncoderKpps = &threads, &kpps
}

// budgeters are the works that have a budget.
func (l *ledger) budgeters() map[signaling.AttemptID]budgeter {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[signaling.AttemptID]budgeter, len(l.entries))
	for id, e := range l.entries {
		if w, ok := e.work.(budgeter); ok {
			out[id] = w
		}
	}
	return out
}
