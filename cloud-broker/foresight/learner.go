package foresight

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// longest is what a run may take to be believed.
	longest = 366 * 24 * time.Hour
	// quickest is what a task takes that ended in the millisecond in which it began.
	quickest = time.Millisecond / 2
	// most bounds the rates of use that are believed, thousandths of a GPU or a core.
	most = 1000 * 1024
	// maxOpen bounds the tasks that have begun and not ended of which predictions are remembered.
	maxOpen = 8192
)

// Why an entry of the history, or what it says of use, teaches nothing.
const (
	refusedTimes = "ended-before-it-began"
	refusedLong  = "ran-longer-than-a-year"
	refusedUse   = "impossible-use"
)

// learner has learnt from the tasks that ended so far. Its methods may be called from several goroutines.
type learner struct {
	mu      sync.Mutex
	types   map[string]predictors // a task says nothing of those of other types
	open    map[signaling.TaskID]made
	order   []signaling.TaskID // of open, as they began; some have ended since
	learned int
	refused map[string]int // entries of the history, by why
	scores  scores
	kinds   fit.History
	begun   int // tasks since fragments were made
	frags   *fit.Fragments
	recall  map[string]made // predictions of tasks that are alike, until more is learnt
}

// predictors are those of a type: of seconds; of thousandths, and one more, since there are logarithms.
type predictors struct{ run, gpu, cpu *predict.Predictor }

// made are the predictions of a task that has not run.
type made struct{ run, gpu, cpu predict.Prediction }

func newLearner() *learner {
	return &learner{types: map[string]predictors{}, open: map[signaling.TaskID]made{}, refused: map[string]int{},
		scores: scores{}, recall: map[string]made{}, frags: fit.NewFragments(nil)}
}

// predict says what is to be expected of a task that has not run; nothing where none of its type has.
func (l *learner) predict(t predict.Task) made {
	p, known := l.types[t.Type]
	if !known {
		return made{}
	}
	return made{p.run.Predict(t), p.gpu.Predict(t), p.cpu.Predict(t)}
}

// predictors are those of a task's type.
func (l *learner) predictors(t predict.Task) predictors {
	p, known := l.types[t.Type]
	if !known {
		p = predictors{predict.New(), predict.New(), predict.New()}
		l.types[t.Type] = p
	}
	return p
}

// begin notes that a task was asked for.
func (l *learner) begin(e *pool.HistoryEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds.Learn(want(e.Requested))
	l.begun++
	if _, again := l.open[e.Task]; again {
		return
	}
	l.forget()
	l.open[e.Task] = l.predict(features(e))
	l.order = append(l.order, e.Task)
}

// forget makes room for one more open task: of too many the oldest go, of which some may never be heard of again.
func (l *learner) forget() {
	for len(l.open) >= maxOpen {
		delete(l.open, l.order[0])
		l.order = l.order[1:]
	}
	if len(l.order) >= 2*maxOpen {
		l.order = slices.DeleteFunc(l.order, func(id signaling.TaskID) bool {
			_, open := l.open[id]
			return !open
		})
	}
}

// began says whether begin was told of a task, and not yet end.
func (l *learner) began(id signaling.TaskID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.open[id]
	return known
}

// remembered are the predictions of a task as they were made when it began.
func (l *learner) remembered(id signaling.TaskID) (made, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := l.open[id]
	return m, known
}

// count is how many tasks were learnt from.
func (l *learner) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learned
}

func (l *learner) errors() []Score {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scores.list()
}

func (l *learner) tenth() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scores.tenth()
}

// figures are what metrics tell.
func (l *learner) figures() (learned int, refused map[string]int, scores []Score) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learned, maps.Clone(l.refused), l.scores.list()
}

// end learns from a task that has ended.
func (l *learner) end(e *pool.HistoryEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := features(e)
	m, known := l.open[e.Task]
	delete(l.open, e.Task)
	if e.StartedAt == nil || e.State == signaling.TaskFailed {
		return // it never ran, or how long it would have run is not known
	}
	took := e.EndedAt.Sub(*e.StartedAt)
	switch {
	case took < 0:
		l.refused[refusedTimes]++
		return
	case took > longest:
		l.refused[refusedLong]++
		return
	}
	took = max(took, quickest)
	if !known { // it began before this broker heard of it
		m = l.predict(t)
	}
	l.learned++
	clear(l.recall)
	l.scores.add(e, took)
	p := l.predictors(t)
	p.run.Learn(m.run, t, took.Seconds())
	if e.Usage == nil {
		return
	}
	ran := float64(e.Usage.RunMs)
	if ran <= 0 {
		ran = float64(took.Milliseconds())
	}
	l.use(p.gpu, m.gpu, t, e.Usage.GPUMs/ran*1000)
	l.use(p.cpu, m.cpu, t, e.Usage.CPUMs/ran*1000)
}

// use learns a rate of use.
func (l *learner) use(p *predict.Predictor, m predict.Prediction, t predict.Task, milli float64) {
	if !(milli >= 0 && milli <= most) {
		l.refused[refusedUse]++
		return
	}
	p.Learn(m, t, 1+milli)
}

// maxRecalled bounds the predictions that are remembered for tasks that are alike.
const maxRecalled = 1024

// of predicts a task from what is asked for. Of those that are alike, within some minutes, it is worked out once.
func (l *learner) of(e *pool.HistoryEntry) made {
	t := features(e)
	k := alike(&t)
	l.mu.Lock()
	defer l.mu.Unlock()
	m, known := l.recall[k]
	if !known {
		if len(l.recall) >= maxRecalled {
			clear(l.recall)
		}
		m = l.predict(t)
		l.recall[k] = m
	}
	return m
}

// want is what a task asks for as package fit has it.
func want(r signaling.Resources) *fit.Task {
	t := &fit.Task{Amounts: fit.Amounts{CPUMilli: r.CPUMilli, MemoryMiB: r.MemoryMB}}
	if r.GPUMilli > 0 {
		t.GPUs, t.GPUMilli = 1, min(r.GPUMilli, fit.GPU)
	}
	return t
}

const (
	// fragmentsAfter is how many tasks begin until what is typical is worked out again, and fragmentsFirst the same for the
	// first time.
	fragmentsAfter = 5000
	fragmentsFirst = 20
)

// fragments measures fragments by the tasks that are typical now.
func (l *learner) fragments() *fit.Fragments {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun >= fragmentsAfter || l.begun >= fragmentsFirst && !l.frags.Known() {
		l.frags, l.begun = fit.NewFragments(l.kinds.Typical()), 0
	}
	return l.frags
}

// milli is an expected rate of use; 0 where nothing is known.
func milli(p *predict.Prediction) float64 {
	if !p.Known {
		return 0
	}
	return math.Max(p.Value()-1, 0)
}
