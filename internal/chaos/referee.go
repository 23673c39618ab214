package chaos

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// leakAfter is how long something may be held behind its owner's end.
	leakAfter = 10 * time.Second
	// awayMost is how long an edge may be without a link before its sessions may be given to others.
	awayMost = 5 * time.Second
	// maxViolations bounds how many are kept in words.
	maxViolations = 50
)

// referee sees everything that edges hold and terminals are told, and says what must not be.
type referee struct {
	log *slog.Logger

	mu         sync.Mutex
	nodes      map[signaling.NodeID]*account
	tasks      map[signaling.TaskID]*matter
	claims     map[signaling.AttemptID]*claim
	violations []string
	violated   int
	calm       time.Time // since when Redis is there; zero while it is not
	emptied    time.Time // when it last came back empty
	released   time.Duration
	resizes    int
	preempted  int
}

// account is what is held on a node.
type account struct {
	edge  *edge
	life  *life
	used  signaling.Resources
	gpus  []signaling.GPU // used of each
	over  time.Time       // since when Redis has more of it taken than the edge holds
	noted bool
}

// matter is a task.
type matter struct {
	fencing int64     // highest of an attempt that is no shadow
	over    time.Time // when it was finished or revoked; zero: it goes on
	why     string
	left    bool // by its terminal, for good
	claims  []*claim
}

// claim is an attempt that an edge holds, or held.
type claim struct {
	work    *work
	holds   signaling.Resources
	task    *matter
	fencing int64
	shadow  bool
	void    time.Time // since when it has no right any more; zero: it has
	why     string
	begun   time.Time
	arrived bool
	loose   bool // its terminal has asked for another place, so it may be ended
	live    bool
	noted   bool // a violation of it was told
}

func newReferee(log *slog.Logger) *referee {
	return &referee{log: log, nodes: map[signaling.NodeID]*account{}, tasks: map[signaling.TaskID]*matter{}, claims: map[signaling.AttemptID]*claim{}}
}

// violation notes something that must not be.
func (r *referee) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violate(format, args...)
}

func (r *referee) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.log.Error("violation", "what", text)
	r.violated++
	if len(r.violations) < maxViolations {
		r.violations = append(r.violations, time.Now().Format("15:04:05.000 ")+text)
	}
}

// born notes that an edge lives, with an empty ledger.
func (r *referee) born(e *edge, l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.nodes[e.node.ID]
	if a == nil {
		a = &account{edge: e}
		r.nodes[e.node.ID] = a
	}
	a.life, a.used, a.gpus, a.over = l, signaling.Resources{}, make([]signaling.GPU, max(1, len(e.node.GPUs))), time.Time{}
}

// died drops all that a dead edge held.
func (r *referee) died(e *edge, l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave(l)
	a := r.nodes[e.node.ID]
	if a.life == l {
		a.life = nil
	}
}

// stopping excuses what an edge that is being stopped ends.
func (r *referee) stopping(l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.claims {
		if c.live && c.work.life == l {
			c.loose = true
		}
	}
}

func (r *referee) leave(l *life) {
	for _, c := range r.claims {
		if c.live && c.work.life == l {
			c.live = false
		}
	}
}

// matter of a task. The caller has the lock.
func (r *referee) matter(id signaling.TaskID) *matter {
	m := r.tasks[id]
	if m == nil {
		m = &matter{}
		r.tasks[id] = m
	}
	return m
}

// begun notes that a work holds its resources from now on.
func (r *referee) begun(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, i := r.nodes[w.life.edge.node.ID], w.i
	if a.life != w.life {
		return // the edge is dead, whatever its agent still does
	}
	now := time.Now()
	m := r.matter(i.Task)
	for _, other := range m.claims {
		// An edge that has lost its ledger may be asked again for the same attempt, by a broker that does not know yet.
		if other.fencing == i.Attempt.Fencing && (other.live || other.work.i.Attempt.ID != i.Attempt.ID) {
			r.violate("task %s has two attempts with the fencing token %d: %s on %s and %s on %s", i.Task, i.Attempt.Fencing,
				other.work.i.Attempt.ID, other.work.life.edge.node.ID, i.Attempt.ID, w.life.edge.node.ID)
		}
	}
	c := &claim{work: w, holds: i.Begins().Resources, task: m, fencing: i.Attempt.Fencing, shadow: i.Shadow, begun: now, live: true}
	m.claims = append(m.claims, c)
	r.claims[i.Attempt.ID] = c
	if !m.over.IsZero() { // an instruction that came late
		c.void, c.why = now, m.why
	}
	if !c.shadow {
		r.overrule(m, c, now)
	}
	r.hold(a, i.Attempt, c.holds, 1)
}

// overrule voids what a task's newest attempt replaces. The caller has the lock.
func (r *referee) overrule(m *matter, newest *claim, now time.Time) {
	m.fencing = max(m.fencing, newest.fencing)
	for _, c := range m.claims {
		if !c.shadow && c.fencing < m.fencing && c.void.IsZero() {
			c.void, c.why = now, fmt.Sprintf("it was overruled by the fencing token %d", m.fencing)
		}
	}
}

// hold adds an attempt's resources to a node's account, or takes them off. The caller has the lock.
func (r *referee) hold(a *account, at signaling.Attempt, amounts signaling.Resources, sign int64) {
	n, g := &a.edge.node, at.GPU
	if g < 0 || g >= len(a.gpus) {
		r.violate("attempt %s on %s uses GPU %d of %d", at.ID, n.ID, g, len(a.gpus))
		g = 0
	}
	gpu := &a.gpus[g]
	gpu.MemoryMB += sign * amounts.GPUMemoryMB
	gpu.Milli += sign * amounts.GPUMilli
	if sign < 0 {
		a.used = a.used.Sub(amounts)
		return
	}
	a.used = a.used.Add(amounts)
	most := signaling.GPU{MemoryMB: n.Capacity.GPUMemoryMB, Milli: n.Capacity.GPUMilli}
	if len(n.GPUs) > 0 {
		most = n.GPUs[g]
	}
	if !a.used.Fits(n.Capacity) || gpu.MemoryMB > most.MemoryMB || gpu.Milli > most.Milli {
		r.violate("%s holds %+v and GPU %d of it %+v, but it has %+v and %+v", n.ID, a.used, g, *gpu, n.Capacity, most)
	}
}

// arrived notes that a session has its terminal.
func (r *referee) arrived(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.claims[w.i.Attempt.ID]; c != nil {
		c.arrived = true
	}
}

// promoted notes that a shadow is the session from now on.
func (r *referee) promoted(w *work, p signaling.Promote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[w.i.Attempt.ID]
	if c == nil {
		return
	}
	c.shadow, c.fencing = false, p.Attempt.Fencing
	if p.Attempt.ID != w.i.Attempt.ID {
		r.claims[p.Attempt.ID] = c
	}
	r.overrule(c.task, c, time.Now())
}

// ending looks whether a session that ends has a reason to.
func (r *referee) ending(w *work, reason error) {
	var problem *signaling.Problem
	preempted := errors.As(reason, &problem) && problem.Code == signaling.ProblemPreempted
	if !preempted && r.unasked(w, reason) { // an edge that had no link when its session made room hears only that it is over
		preempted = w.life.edge.world.preempted(w.i.Task)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case preempted:
		r.preempted++
	case r.groundless(w, reason):
		r.violate("session %s of task %s on %s is ended (%v) though its terminal is there and nobody asked for it", w.i.Attempt.ID, w.i.Task,
			w.life.edge.node.ID, reason)
	}
}

// unasked is groundless for who does not have the lock.
func (r *referee) unasked(w *work, reason error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groundless(w, reason)
}

// groundless says whether a session ends though its terminal is there and, as far as the referee knows, nobody wants it to. The
// caller has the lock.
func (r *referee) groundless(w *work, reason error) bool {
	c := r.claims[w.i.Attempt.ID]
	if c == nil || !c.live || !c.arrived || c.loose || c.shadow || !c.void.IsZero() ||
		errors.Is(reason, ending.ErrExpired) || errors.Is(reason, errBye) {
		return false
	}
	return !w.life.edge.way.linked().IsZero() && w.life.edge.way.away(c.begun) < awayMost
}

// ended gives back what a work held.
func (r *referee) ended(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[w.i.Attempt.ID]
	if c == nil || !c.live {
		return
	}
	c.live = false
	if late := r.late(c, time.Now()); late > r.released {
		r.released = late
	}
	r.hold(r.nodes[w.life.edge.node.ID], w.i.Attempt, c.holds, -1)
}

// late is for how long a claim is held without right, as far as its edge could be told; at most 0 where it has it. The
// caller has the lock.
func (r *referee) late(c *claim, now time.Time) time.Duration {
	linked := c.work.life.edge.way.linked()
	if c.void.IsZero() || r.calm.IsZero() || linked.IsZero() {
		return 0
	}
	since := c.void
	for _, t := range []time.Time{r.calm, linked} {
		if t.After(since) {
			since = t
		}
	}
	return now.Sub(since)
}

// over notes that a task is finished or revoked, as somebody wanted at asked; nothing may hold it from then on. left says
// that its terminal is gone for good.
func (r *referee) over(id signaling.TaskID, asked time.Time, why string, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, now := r.matter(id), time.Now()
	m.left = m.left || left
	if m.over.IsZero() {
		m.over, m.why = now, why
	}
	if r.emptied.After(asked) { // the answer came when Redis had forgotten it already
		m.forget(now)
		return
	}
	for _, c := range m.claims {
		if c.void.IsZero() {
			c.void, c.why = now, why
		}
	}
}

// forgot notes that Redis has lost all that it knew. An end that was told there but not to the edge yet is forgotten with
// it, and from the edge's ledger the task goes on: until the edge finds that its terminal is gone, or, where only an operator
// wanted the end, for as long as the terminal stays.
func (r *referee) forgot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptied = time.Now()
	for _, m := range r.tasks {
		if !m.over.IsZero() {
			m.forget(r.emptied)
		}
		// Of a shadow the pool does not know any more that nobody has asked for its task since then.
		for _, c := range m.claims {
			if until := r.emptied.Add(awaited); c.live && c.shadow && !c.void.IsZero() && c.void.Before(until) {
				c.void = until
			}
		}
	}
}

// forget takes an end back that Redis has forgotten. The caller has the lock.
func (m *matter) forget(now time.Time) {
	m.over = time.Time{}
	for _, c := range m.claims {
		if !c.live {
			continue
		}
		c.void = time.Time{}
		if m.left {
			c.void, c.why = now.Add(c.grace()), "its terminal is gone"
			offer(c.work.vanished, struct{}{})
		}
	}
}

// grace is how long a claim is held for a terminal that is gone: a shadow may be the session by then, where its edge is lost.
func (c *claim) grace() time.Duration {
	if c.shadow {
		return awaited
	}
	return grace
}

// gone notes that the terminal of a task vanished: its session ends after the time that it waits.
func (r *referee) gone(id signaling.TaskID, grace time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.matter(id)
	m.left = true
	for _, c := range m.claims {
		c.loose = true
		if c.void.IsZero() {
			c.void, c.why = time.Now().Add(c.grace()), "its terminal vanished"
		}
	}
}

// loosen notes that a task's terminal asks for another place.
func (r *referee) loosen(id signaling.TaskID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.matter(id).claims {
		c.loose = true
	}
}

// granted looks whether what a terminal was granted is there, or was.
func (r *referee) granted(g signaling.Grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[g.Attempt.ID]
	a := r.nodes[g.Attempt.Node]
	switch {
	case a == nil:
		r.violate("attempt %s was granted on %s, which is no edge", g.Attempt.ID, g.Attempt.Node)
	case c == nil && a.life != nil: // a life that is over may have had it
		r.violate("attempt %s was granted on %s, which has never had it", g.Attempt.ID, g.Attempt.Node)
	}
}

// disturbed notes that Redis is gone, calmed that it is back.
func (r *referee) disturbed() { r.setCalm(time.Time{}) }

func (r *referee) calmed() { r.setCalm(time.Now()) }

func (r *referee) setCalm(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = t
}

// look finds what is held without right for too long, and returns the tasks.
func (r *referee) look() (leaked []signaling.TaskID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for id, c := range r.claims {
		if late := r.late(c, now); c.live && !c.noted && late > leakAfter {
			c.noted = true
			r.violate("%s still holds attempt %s of task %s %v after it could know that %s", c.work.life.edge.node.ID, id, c.work.i.Task,
				late.Round(time.Millisecond), c.why)
			leaked = append(leaked, c.work.i.Task)
		}
	}
	return leaked
}

// compare looks whether Redis has more of a node taken than it holds, for too long.
func (r *referee) compare(id signaling.NodeID, taken signaling.Resources) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.nodes[id]
	if a == nil {
		return
	}
	now, linked := time.Now(), time.Time{}
	if a.life != nil {
		linked = a.edge.way.linked()
	}
	if taken.Fits(a.used) || linked.IsZero() || r.calm.IsZero() {
		a.over = time.Time{}
		return
	}
	if a.over.IsZero() {
		a.over = now
	}
	since := a.over
	for _, t := range []time.Time{r.calm, linked} {
		if t.After(since) {
			since = t
		}
	}
	if now.Sub(since) > leakAfter && !a.noted {
		a.noted = true
		r.violate("Redis has %+v of %s taken, which holds %+v, for %v already", taken, id, a.used, now.Sub(since).Round(time.Millisecond))
	}
}

// count is how many violations there are.
func (r *referee) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.violated
}

// held is how many attempts live edges hold.
func (r *referee) held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.claims {
		if c.live {
			n++
		}
	}
	return n
}
