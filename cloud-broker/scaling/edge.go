package scaling

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/cloud-broker/scale/scaler"
	"github.com/tomocast/tomocast/signaling"
)

// edge scales the tasks of one edge. Its goroutine owns all but what is named so.
type edge struct {
	*Scaler
	node signaling.NodeID
	wake chan struct{}

	// Scaler.mu guards these.
	mail struct {
		beat *beat // the newest heartbeat that was not looked at
		left []signaling.TaskID
	}
	waiting []Order

	heard    time.Time // the last heartbeat
	scalings map[signaling.TaskType]*scale.Scaling
	tasks    map[signaling.TaskID]*running
	attempts map[signaling.AttemptID]*running
	wanted   bool             // somebody waits for a place
	others   nodetime.Amounts // encoder threads and pixels of attempts that are not scaled
}

// beat is what a heartbeat tells.
type beat struct {
	rates map[signaling.AttemptID]signaling.Rates
	at    time.Time
}

// running is a task that is scaled.
type running struct {
	task    signaling.TaskID
	attempt signaling.AttemptID
	scaling *scale.Scaling
	kinds   map[nodetime.Kind]scaler.Kind // that are scaled
	floor   nodetime.Amounts
	request nodetime.Amounts
	// account is what it holds: in Redis, and of encoder threads and pixels here. has is what its edge has told or
	// confirmed last.
	account, has nodetime.Amounts
	// set says that the edge was given a budget since its last heartbeat, which may be older.
	set     bool
	differs int // heartbeats in a row that told another budget than the account
}

func newEdge(s *Scaler, node signaling.NodeID) *edge {
	return &edge{Scaler: s, node: node, wake: make(chan struct{}, 1), scalings: map[signaling.TaskType]*scale.Scaling{},
		tasks: map[signaling.TaskID]*running{}, attempts: map[signaling.AttemptID]*running{}}
}

func (e *edge) ring() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run scales until the edge has no tasks any more or is silent, or ctx ends.
func (e *edge) run(ctx context.Context) {
	timer := time.NewTimer(e.Silence)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
			e.receive(ctx)
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(e.heard) >= e.Silence {
			for id := range maps.Clone(e.tasks) {
				e.end(id, now)
			}
		}
		for _, s := range e.scalings {
			s.Step(ctx, now)
		}
		if e.publish() {
			return
		}
		timer.Reset(time.Until(e.next()))
	}
}

// next is when there is something to do again, if no heartbeat comes before.
func (e *edge) next() time.Time {
	next := e.heard.Add(e.Silence)
	for _, s := range e.scalings {
		if at, ok := s.Next(); ok && at.Before(next) {
			next = at
		}
	}
	return next
}

// publish tells which orders wait. It says true, and has the edge forgotten, where there is nothing left to do.
func (e *edge) publish() (over bool) {
	orders := []Order{}
	for _, s := range e.scalings {
		for _, w := range s.Orders() {
			orders = append(orders, waits(w))
		}
	}
	defer e.board.Changed()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = orders
	if len(e.tasks) > 0 || e.mail.beat != nil {
		return false
	}
	delete(e.edges, e.node)
	return true
}

// receive takes what has come.
func (e *edge) receive(ctx context.Context) {
	e.mu.Lock()
	b, left := e.mail.beat, e.mail.left
	e.mail.beat, e.mail.left = nil, nil
	e.mu.Unlock()
	for _, task := range left {
		e.end(task, time.Now())
	}
	if b != nil {
		e.heard = b.at
		e.take(ctx, b)
	}
}

// take takes what a heartbeat tells: tasks that have begun or are gone, what they use, and their budgets.
func (e *edge) take(ctx context.Context, b *beat) {
	ids := slices.Sorted(maps.Keys(b.rates))
	within, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	held, err := e.Pool.Held(within, ids)
	if err != nil {
		e.Log.Debug("what tasks hold is not known: they stay as they are", "node", e.node, "error", err)
	} else {
		e.follow(within, b, held)
	}
	e.others = nodetime.Amounts{}
	for _, id := range ids {
		r, rates := e.attempts[id], b.rates[id]
		if r == nil {
			e.others = e.others.Add(encoding(&rates.Budget))
			continue
		}
		if err := r.scaling.Note(r.task, measured(&rates), b.at); err != nil {
			e.Log.Debug("use not noted", "task", r.task, "node", e.node, "error", err)
		}
		if at, ok := held[id]; ok {
			e.reconcile(ctx, r, &rates.Budget, at.Resources)
		}
	}
	e.crowd(ctx, b)
	e.collect(ctx)
}

// follow ends what is not there any more, and begins what is new.
func (e *edge) follow(ctx context.Context, b *beat, held map[signaling.AttemptID]signaling.Reservation) {
	for id, r := range maps.Clone(e.attempts) {
		_, told := b.rates[id]
		if at, holds := held[id]; !told || !holds || at.Attempt.Node != e.node {
			e.end(r.task, b.at)
		}
	}
	var fresh []signaling.TaskID
	for id, at := range held {
		if e.attempts[id] == nil && at.Attempt.Node == e.node {
			fresh = append(fresh, at.Task)
		}
	}
	if len(fresh) == 0 {
		return
	}
	slices.Sort(fresh)
	tasks, err := e.Pool.Batch(ctx, slices.Compact(fresh))
	if err != nil {
		e.Log.Debug("new tasks are not known: they stay as they are", "node", e.node, "error", err)
		return
	}
	for _, t := range tasks {
		// A standby is scaled when it has become the task's own place, and a task when it runs.
		if t.Attempt == nil || t.State != signaling.TaskRunning || t.StartedAt == nil {
			continue
		}
		at, ok := held[t.Attempt.ID]
		if !ok || at.Task != t.ID || at.Attempt.Node != e.node {
			continue
		}
		if err := e.begin(ctx, &t, at.Resources, b); err != nil {
			e.Log.Warn("a task cannot be scaled", "task", t.ID, "node", e.node, "error", err)
		}
	}
}

// begin scales a task from now on.
func (e *edge) begin(ctx context.Context, t *signaling.Task, holds signaling.Resources, b *beat) error {
	budget := b.rates[t.Attempt.ID].Budget
	s, err := e.scaling(t.Request.Type)
	if err != nil {
		return err
	}
	if e.tasks[t.ID] != nil { // another attempt of it, here too
		e.end(t.ID, b.at)
	}
	c := e.of(t.Request.Type)
	r := &running{task: t.ID, attempt: t.Attempt.ID, scaling: s, kinds: c.Scaler.Kinds, floor: scale.Floor(t.Request.Type)}
	r.account = nodetime.Of(holds).Add(encoding(&budget))
	r.has = nodetime.Of(budget.Resources).Add(encoding(&budget))
	if budget.Resources.IsZero() { // it does not tell
		r.has = r.account
	}
	// The pool's clock may be ahead of this one.
	started := b.at.Add(-max(0, b.at.Sub(*t.StartedAt)))
	request := nodetime.Of(t.Request.Needs()).Add(usualEncoding(t.Request.Type, r.account))
	r.request = request
	ran := b.at.Sub(started)
	left, _ := predictor{e.Foresee}.Left(ctx, t.ID, ran)
	err = s.Begin(order.Task{ID: t.ID, Node: e.node, Request: request, Has: r.account, Floor: r.floor, Ceiling: c.Most(request),
		Started: started, Predicted: min(ran+left, nodetime.MaxTime)})
	if err != nil {
		return err
	}
	e.tasks[t.ID], e.attempts[t.Attempt.ID] = r, r
	e.mu.Lock()
	e.where[t.ID] = e
	e.mu.Unlock()
	return nil
}

// end scales a task no longer.
func (e *edge) end(task signaling.TaskID, now time.Time) {
	r := e.tasks[task]
	if r == nil {
		return
	}
	delete(e.tasks, task)
	delete(e.attempts, r.attempt)
	e.mu.Lock()
	if e.where[task] == e {
		delete(e.where, task)
	}
	e.mu.Unlock()
	r.scaling.End(task, now)
}

// scaling is that of a type of task.
func (e *edge) scaling(t signaling.TaskType) (*scale.Scaling, error) {
	if s := e.scalings[t]; s != nil {
		return s, nil
	}
	s, err := scale.New(e.of(t), scale.Outside{Nodes: e, Budgets: e, Predictor: predictor{e.Foresee}, Report: e.report})
	if err == nil {
		e.scalings[t] = s
	}
	return s, err
}

// measured are rates as the monitor takes them.
func measured(r *signaling.Rates) (m monitor.Rates) {
	for k, v := range [nodetime.Kinds]*float64{nodetime.GPUTime: r.GPUMilli, nodetime.CPU: r.CPUMilli, nodetime.Memory: r.MemoryMB,
		nodetime.EncoderThreads: r.EncoderThreads, nodetime.EncoderPixels: r.EncoderKpps} {
		m[k] = math.NaN()
		if v != nil {
			m[k] = *v
		}
	}
	return m
}

// leastLeft is how long a task of which nothing is known goes on at least.
const leastLeft = time.Minute

// predictor says of a task of which nothing is known that it goes on for as long again as it has run.
type predictor struct{ of Predictor }

func (p predictor) Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool) {
	if p.of != nil {
		if left, known := p.of.Left(ctx, task, ran); known && left > 0 {
			return left, true
		}
	}
	return max(ran, leastLeft), true
}
