package share

import "time"

const (
	// keeps is how much of the device's time a client may have missed and still catch up with. It bridges the moment between
	// two pictures of a session, in which others have their turn; who was away for longer starts anew.
	keeps = 40 * time.Millisecond
	// patience is for how long interactive steps may have the device before one of those that wait in the background goes
	// first, so that none of them waits for ever.
	patience = 80 * time.Millisecond
	// manyFlows is from how many on those are forgotten that want nothing.
	manyFlows = 32
)

// Queue decides who goes next. Its zero value is empty. It is for one goroutine at a time.
type Queue struct {
	virtual float64 // device time over weight, nanoseconds: where the step that began last stood
	flows   []*flow // in the order of their coming
	passed  time.Duration
}

// flow is a client in a queue.
type flow struct {
	client   *Client
	next     float64       // virtual time at which its next step begins
	expected time.Duration // of its next step: what the last one took
	jobs     [priorities][]*Task
	running  int
}

// Task is work that waits in a queue, or is under way there, step by step.
type Task struct {
	Client   *Client
	Priority Priority
	// Width is how many of its steps may be under way at a time, at least 1.
	Width int

	running int
	over    bool // no further step begins
}

// Step is one that has begun.
type Step struct {
	Task *Task

	flow     *flow
	weight   float64
	expected time.Duration
}

// Add lets a task wait for its first step.
func (q *Queue) Add(t *Task) {
	f := q.find(t.Client)
	if f == nil {
		f = &flow{client: t.Client, next: q.virtual}
		q.flows = append(q.flows, f)
		if len(q.flows) > manyFlows {
			q.prune(f)
		}
	}
	if !f.active() {
		f.next = max(f.next, q.virtual-float64(keeps)/float64(t.Client.Weight()))
	}
	f.jobs[t.Priority] = append(f.jobs[t.Priority], t)
}

// Next begins the step that goes next; ok is false where there is none.
func (q *Queue) Next() (s Step, ok bool) {
	f, t := q.pick()
	if t == nil {
		return Step{}, false
	}
	s = Step{Task: t, flow: f, weight: float64(f.client.Weight()), expected: f.expected}
	if t.Priority == Background {
		q.passed = 0
	}
	q.virtual = max(q.virtual, f.next)
	f.next += float64(s.expected) / s.weight
	f.running++
	t.running++
	return s, true
}

// Waits says whether Next has a step.
func (q *Queue) Waits() bool {
	_, t := q.pick()
	return t != nil
}

// Done ends a step that took so much of the device's time. Where there are more, the task waits for its next one; otherwise it
// has ended once done is true, when none of its steps is under way any more.
func (q *Queue) Done(s Step, took time.Duration, more bool) (done bool) {
	f, t := s.flow, s.Task
	f.next += float64(took-s.expected) / s.weight
	f.expected = took
	f.running--
	t.running--
	t.over = t.over || !more
	if t.Priority == Interactive {
		q.passed += took
		if !q.waiting(Background) {
			q.passed = 0
		}
	}
	return q.settle(f, t)
}

// Cancel begins no further step of a task, and says whether none is under way either.
func (q *Queue) Cancel(t *Task) (done bool) {
	t.over = true
	f := q.find(t.Client)
	return f == nil || q.settle(f, t)
}

// settle takes a task out that has ended.
func (q *Queue) settle(f *flow, t *Task) (done bool) {
	if !t.over || t.running > 0 {
		return false
	}
	jobs := f.jobs[t.Priority]
	for i := range jobs {
		if jobs[i] == t {
			f.jobs[t.Priority] = append(jobs[:i], jobs[i+1:]...)
			break
		}
	}
	return true
}

// pick finds the step that goes next: of the clients that want one with the highest priority the one that is furthest behind
// its share.
func (q *Queue) pick() (*flow, *Task) {
	if q.passed >= patience {
		if f, t := q.behind(Background); t != nil {
			return f, t
		}
	}
	for p := range priorities {
		if f, t := q.behind(p); t != nil {
			return f, t
		}
	}
	return nil, nil
}

func (q *Queue) behind(p Priority) (first *flow, its *Task) {
	for _, f := range q.flows {
		if first != nil && f.next >= first.next {
			continue
		}
		if t := f.ready(p); t != nil {
			first, its = f, t
		}
	}
	return first, its
}

func (q *Queue) waiting(p Priority) bool {
	_, t := q.behind(p)
	return t != nil
}

// ready is the client's first task of a priority that may begin a step.
func (f *flow) ready(p Priority) *Task {
	for _, t := range f.jobs[p] {
		if !t.over && t.running < max(t.Width, 1) {
			return t
		}
	}
	return nil
}

func (f *flow) active() bool {
	if f.running > 0 {
		return true
	}
	for p := range f.jobs {
		if len(f.jobs[p]) > 0 {
			return true
		}
	}
	return false
}

func (q *Queue) find(c *Client) *flow {
	for _, f := range q.flows {
		if f.client == c {
			return f
		}
	}
	return nil
}

// prune forgets who wants nothing and is not far ahead of its share.
func (q *Queue) prune(but *flow) {
	kept := q.flows[:0]
	for _, f := range q.flows {
		if f == but || f.active() || f.next > q.virtual+float64(keeps)/float64(f.client.Weight()) {
			kept = append(kept, f)
		}
	}
	clear(q.flows[len(kept):])
	q.flows = kept
}
