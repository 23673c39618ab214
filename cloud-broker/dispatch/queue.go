package dispatch

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// headLength is how much of the queue is looked at: of more than so many that wait, those behind wait until some
	// before them have gone.
	headLength = 256
	// lookEvery is how late a broker sees what others have put into the queue or taken out; passEvery how often it looks
	// for who can be placed at most, however often nodes change.
	lookEvery = time.Second
	passEvery = 50 * time.Millisecond
	// chanceFor is how long a task that could be placed keeps others from what it could have. Whoever follows it places it
	// well within that; where nobody does, or its broker is gone, the others go on.
	chanceFor = confirmWithin
	// oldAfter is when a task has waited so long that a node is kept free for it until it fits there. Until then smaller
	// tasks behind it may take what it is too large for.
	oldAfter = time.Minute
	// roomsLookedAt is how many of the nearest nodes are looked at for the one to be kept free.
	roomsLookedAt = 64
	// maxFollowers bounds the terminals that follow tasks at this broker.
	maxFollowers = 10_000
	// avoidFor is how long a node that has refused a task is not asked for it again.
	avoidFor = 30 * time.Second
)

// follower is a terminal that waits for its task's place at this broker.
type follower struct {
	id   signaling.TaskID
	job  job
	turn chan []signaling.NodeID // it is its turn; the nodes are others'
	poke chan struct{}           // the queue has changed since it was told its place
	// gone says that its task has left the queue.
	gone atomic.Bool

	avoid map[signaling.NodeID]time.Time // since when they refused; guarded by the queue's lock
	going bool                           // it has a turn; guarded by the queue's lock
}

// queue is what this broker knows of the pool's queue, and who follows it here. The queue itself is in Redis; each broker
// places the tasks that are followed at it, when it is their turn by the order that all brokers see.
type queue struct {
	d    *Dispatcher
	wake chan struct{}

	mu        sync.Mutex
	list      []pool.Queued // the head, in the fair order, as it was read last
	length    int           // of the whole
	seen      map[signaling.TaskID]time.Time
	able      map[signaling.TaskID]time.Time // since when they could have been placed
	followers map[signaling.TaskID][]*follower
	count     int
	last      *deal // for requests that come, until the queue or the nodes have changed
	lastRung  uint64
}

func newQueue(d *Dispatcher) *queue {
	return &queue{d: d, wake: make(chan struct{}, 1), seen: map[signaling.TaskID]time.Time{}, able: map[signaling.TaskID]time.Time{},
		followers: map[signaling.TaskID][]*follower{}}
}

// changed has the queue read again soon.
func (q *queue) changed() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run reads the queue when it may have changed, and gives turns, until ctx ends.
func (q *queue) run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		case <-q.wake:
		case <-q.d.Changed.rung:
			if !q.followed() {
				pause.Reset(0)
				continue
			}
		}
		pause.Reset(passEvery)
		list, err := q.d.Pool.Waiting(ctx, headLength)
		length := len(list)
		if err == nil && length == headLength {
			length, err = q.d.Pool.QueueLength(ctx)
		}
		if err != nil {
			continue // the sweep says that Redis is away
		}
		q.read(list, length, time.Now())
		q.giveTurns(time.Now())
	}
}

func (q *queue) followed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count > 0
}

// read takes the queue as it is now and tells those whose task has left it, or moved in it.
func (q *queue) read(list []pool.Queued, length int, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.length = length
	there := make(map[signaling.TaskID]bool, len(list))
	for _, e := range list {
		there[e.Task] = true
		if _, known := q.seen[e.Task]; !known {
			q.seen[e.Task] = now
		}
	}
	for id := range q.seen {
		if there[id] {
			continue
		}
		delete(q.seen, id)
		delete(q.able, id)
		for _, f := range q.followers[id] {
			f.gone.Store(true)
			f.prod()
		}
	}
	same := slices.EqualFunc(q.list, list, func(a, b pool.Queued) bool { return a.Task == b.Task })
	q.list, q.last = list, nil
	if same {
		return
	}
	for _, all := range q.followers {
		for _, f := range all {
			f.prod()
		}
	}
}

func (f *follower) prod() {
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// giveTurns goes through the queue and tells the followers whose turn it is.
func (q *queue) giveTurns(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.goThrough(now, func(f *follower, exclude []signaling.NodeID) {
		if f.going {
			return
		}
		select {
		case f.turn <- exclude:
			f.going = true
		default: // it has one that it has not taken up yet
		}
	})
}

// goThrough deals what is free to those who wait, in order, and remembers the result. go tells a follower whose turn it is;
// nil tells nobody.
func (q *queue) goThrough(now time.Time, tell func(*follower, []signaling.NodeID)) {
	q.lastRung = q.d.Changed.count.Load()
	all, urgent := newDeal(q.d.Snapshot), (*deal)(nil)
	hopeless := map[kind]bool{} // nothing is left for these, and what is left gets less
	for i := range q.list {
		e := &q.list[i]
		if !e.Urgent && urgent == nil {
			urgent = all.copy()
		}
		var f *follower
		j := job{id: e.Task, request: e.Request, since: e.Since, misses: e.Misses}
		if fs := q.followers[e.Task]; len(fs) > 0 {
			f = fs[0]
			j = f.job
			j.exclude = f.avoided(now)
		} else {
			j.where = q.d.locate(Terminal{Principal: identity.Principal{Subject: e.Subject}, Zone: e.Request.Zone}, &e.Request)
		}
		exclude := slices.Concat(j.exclude, all.beyond(e.Request.Needs()))
		var fit []placement.Candidate
		if k := kindOf(&j); !hopeless[k] {
			fit, _ = q.d.Snapshot.Candidates(q.d.peek(&j, exclude), 1)
			hopeless[k] = len(fit) == 0 && len(j.exclude) == 0
		}
		if len(fit) == 0 {
			delete(q.able, e.Task)
			if now.Sub(q.seen[e.Task]) > oldAfter {
				all.keepFree(q.d.roomiest(&j, all.kept()))
			}
			if f != nil && e.Urgent && tell != nil { // it may take an idle session's place
				tell(f, exclude)
			}
			continue
		}
		since, known := q.able[e.Task]
		if !known {
			since, q.able[e.Task] = now, now
		}
		if now.Sub(since) <= chanceFor {
			all.take(fit[0].Node, e.Request.Needs())
		}
		if f != nil && tell != nil {
			tell(f, exclude)
		}
	}
	if urgent == nil {
		urgent = all
	}
	all.urgent = urgent
	q.last = all
}

// kind is what decides whether a node could be had at all; tasks that are alike in it find the same.
type kind struct {
	task   signaling.TaskType
	needs  signaling.Resources
	zone   string
	at     netip.Addr
	limit  float64
	keeper string
	own    signaling.TaskID // where the terminal has measured distances of its own
}

func kindOf(j *job) kind {
	k := kind{task: j.request.Type, needs: j.request.Needs(), zone: j.zone, at: j.who.Address, limit: j.limit, keeper: j.keeper}
	if len(j.request.Pings) > 0 {
		k.own = j.id
	}
	return k
}

// before says what those who wait take from a request that comes: the nodes that it must leave to them, and whether it is
// behind all of them, so that it may have nothing that is free.
func (q *queue) before(j *job) (behind bool, taken []signaling.NodeID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 || len(q.list) == 1 && q.list[0].Task == j.id {
		return false, nil
	}
	if q.last == nil || q.lastRung != q.d.Changed.count.Load() {
		q.goThrough(time.Now(), nil)
	}
	dealt := q.last
	if j.request.Urgent {
		dealt = dealt.urgent
	}
	if taken = dealt.beyond(j.request.Needs()); len(taken) == 0 {
		return false, nil
	}
	fit, _ := q.d.Snapshot.Candidates(q.d.peek(j, slices.Concat(j.exclude, taken)), 1)
	if len(fit) > 0 {
		return false, taken
	}
	free, _ := q.d.Snapshot.Candidates(q.d.peek(j, j.exclude), 1)
	return len(free) > 0, taken
}

// join adds a follower of a task.
func (q *queue) join(j job) (*follower, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count >= maxFollowers {
		return nil, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many terminals wait at this broker.",
			Detail: "Follow the task at another broker, or try again in a few seconds."}
	}
	q.count++
	f := &follower{id: j.id, job: j, turn: make(chan []signaling.NodeID, 1), poke: make(chan struct{}, 1),
		avoid: map[signaling.NodeID]time.Time{}}
	q.followers[j.id] = append(q.followers[j.id], f)
	q.changed()
	return f, nil
}

func (q *queue) leave(f *follower) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count--
	left := slices.DeleteFunc(q.followers[f.id], func(o *follower) bool { return o == f })
	if len(left) == 0 {
		delete(q.followers, f.id)
	} else {
		q.followers[f.id] = left
	}
}

// back ends a follower's turn, in which nodes may have refused its task.
func (q *queue) back(f *follower, refused []signaling.NodeID, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f.going = false
	for _, id := range refused {
		if _, known := f.avoid[id]; !known {
			f.avoid[id] = now
		}
	}
}

// avoided are the nodes that have refused a follower's task lately.
func (f *follower) avoided(now time.Time) []signaling.NodeID {
	var out []signaling.NodeID
	for id, since := range f.avoid {
		if now.Sub(since) > avoidFor {
			delete(f.avoid, id)
			continue
		}
		out = append(out, id)
	}
	return out
}

// avoiding is avoided for who does not hold the lock.
func (q *queue) avoiding(f *follower) []signaling.NodeID {
	q.mu.Lock()
	defer q.mu.Unlock()
	return f.avoided(time.Now())
}

// keeps says whether those who wait leave nothing of a node to a request that asked it directly.
func (q *queue) keeps(j *job, node signaling.NodeID) bool {
	_, taken := q.before(j)
	return slices.Contains(taken, node)
}

// zones are where the terminals stand that follow their tasks here.
func (q *queue) zones() map[signaling.TaskID]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	zones := make(map[signaling.TaskID]string, len(q.followers))
	for id, all := range q.followers {
		zones[id] = all[0].job.zone
	}
	return zones
}
